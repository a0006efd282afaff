/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler.S - all the code that a stub keeps.  It must hold when a guest
 * jumps to any byte of it with any registers: whoever has no key gets nothing
 * done, and what is done with the key uses only registers and the pages that
 * the owner alone can write.
 */
#include "stub.h"

#define SYS_mmap		9
#define SYS_munmap		11
#define SYS_rt_sigreturn	15
#define SYS_recvfrom		45
#define SYS_sendmsg		46
#define SYS_clone		56
#define SYS_exit		60
#define SYS_close		3
#define SYS_sigaltstack		131
#define SYS_prctl		157
#define SYS_seccomp		317

#define SECCOMP_SET_MODE_FILTER	1
#define FILTER_NEW_LISTENER	8
#define MSG_TRUNC		0x20
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON	1
/* VM FS FILES SIGHAND THREAD SYSVSEM */
#define CLONE_SEAT		0x50f00

	.macro	call_with_key nr
	mov	%r15, %r9
	mov	$\nr, %eax
	syscall
	.endm

	.section .stub, "ax"
	.globl stub_handler, stub_start
	.globl stub_at_notify, stub_at_ops_return, stub_at_return

/*
 * From the ops frame: rbx as above, r15 the key, rsp where it stands in the
 * frame, all signals blocked.
 */
stub_ops_entry:
	movq	$0, (%rsp)
	mov	OPS_COUNT(%rbx), %ebp
	lea	OPS_OPS(%rbx), %r12
	xor	%r13d, %r13d
1:	mov	(%r12), %rax
	mov	8(%r12), %rdi
	mov	16(%r12), %rsi
	mov	24(%r12), %rdx
	mov	32(%r12), %r10
	mov	40(%r12), %r8
	mov	48(%r12), %r9
	cmp	$SYS_mmap, %eax
	jne	2f
	/* mmap has no free argument: the key is in the upper halves. */
	mov	%r15, %rcx
	shl	$32, %rcx
	or	%rcx, %r10
	mov	%r15, %rcx
	shr	$32, %rcx
	shl	$32, %rcx
	or	%rcx, %r8
	syscall
	cmp	%rax, 8(%r12)
	jne	4f
	jmp	3f
2:	mov	%r15, %r9
	syscall
	test	%rax, %rax
	jnz	4f
3:	add	$OP_SIZE, %r12
	inc	%r13d
	cmp	%ebp, %r13d
	jb	1b
	xor	%r15d, %r15d
	xor	%r9d, %r9d
	cmpl	$0, OPS_RESUME(%rbx)
	jne	enter
	mov	$REPORT_DONE, %edi
	jmp	notify
4:	xor	%r15d, %r15d
	xor	%r9d, %r9d
	mov	$REPORT_ERROR, %edi
	mov	%rax, %rsi
	mov	%r13d, %edx
	jmp	notify

/* A signal: rdi its number.  The kernel has put everything in the frame. */
stub_handler:
	rdfsbase %r10
	rdgsbase %r8
notify:
	mov	$NR_NOTIFY, %eax
	syscall
stub_at_notify:
	/* rax: the seat.  Nothing else is known. */
	mov	%eax, %ebx
	and	$(STUB_MAX_SEATS - 1), %ebx
	shl	$12, %rbx
	movabs	$STUB_OPS, %rax
	add	%rax, %rbx		/* rbx: this seat's struct stub_ops */
	cmpl	$0, OPS_COUNT(%rbx)
	je	enter
	mov	OPS_FRAME_SP(%rbx), %rsp
	mov	$SYS_rt_sigreturn, %eax
	syscall
stub_at_ops_return:
	hlt

enter:	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	OPS_FS(%rbx), %rax
	wrfsbase %rax
	mov	OPS_GS(%rbx), %rax
	wrgsbase %rax
	lea	OPS_FLAGS(%rbx), %rsp
	popfq
	mov	OPS_SP(%rbx), %rsp
	mov	$SYS_rt_sigreturn, %eax
	syscall
stub_at_return:
	hlt

/*
 * A forked zygote arrives here: rax the key, rdi the number of
 * seats there may be.  It has mapped its pages and lost its other
 * descriptors.
 */
stub_start:
	mov	%rax, %r15
	mov	%edi, %r14d
	xor	%edi, %edi
	movabs	$STUB_CODE, %rsi
	call_with_key SYS_munmap
	movabs	$STUB_END, %rdi
	movabs	$STUB_TASK_END, %rsi
	sub	%rdi, %rsi
	call_with_key SYS_munmap
	cmp	$1, %r14d
	je	seat
/* More than one seat: this thread only makes them, when asked, and no guest
 * code ever runs in it.  The length of a datagram is the seat plus one. */
7:	mov	$FD_SOCKET, %edi
	xor	%esi, %esi
	xor	%edx, %edx
	mov	$MSG_TRUNC, %r10d
	xor	%r8d, %r8d
	call_with_key SYS_recvfrom
	test	%rax, %rax
	jle	die
	lea	-1(%rax), %rbp
	mov	$CLONE_SEAT, %edi
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	call_with_key SYS_clone
	test	%rax, %rax
	jnz	7b
	mov	%ebp, %r13d
	jmp	9f
/* Get a listener, hand it to the owner, and trap for the first time. */
seat:	xor	%r13d, %r13d
9:	mov	%r13d, %ebx
	shl	$12, %rbx
	movabs	$STUB_OPS, %rax
	add	%rax, %rbx
	lea	OPS_ALTSTACK(%rbx), %rdi
	xor	%esi, %esi
	call_with_key SYS_sigaltstack
	test	%rax, %rax
	jnz	die
	mov	$SECCOMP_SET_MODE_FILTER, %edi
	mov	$FILTER_NEW_LISTENER, %esi
	lea	OPS_FPROG(%rbx), %rdx
	call_with_key SYS_seccomp
	test	%rax, %rax		/* FD_LISTENER */
	jnz	die
	mov	$FD_SOCKET, %edi
	lea	OPS_MSG(%rbx), %rsi
	xor	%edx, %edx
	call_with_key SYS_sendmsg
	test	%rax, %rax
	jle	die
	mov	$FD_LISTENER, %edi
	call_with_key SYS_close
	cmp	$1, %r14d
	jne	8f
	mov	$FD_SOCKET, %edi
	call_with_key SYS_close
8:	/*
	 * Calls from outside of our page trap before anything else looks at
	 * them.  Since 6.14 there are calls that seccomp lets pass (uretprobe,
	 * uprobe); before 5.11, without this, there are none.  Not where some
	 * calls are to notify from where they stand: the owner says so.
	 */
	cmpl	$0, OPS_RESUME(%rbx)
	jne	10f
	mov	$PR_SET_SYSCALL_USER_DISPATCH, %edi
	mov	$PR_SYS_DISPATCH_ON, %esi
	movabs	$STUB_CODE, %rdx
	mov	$4096, %r10d
	xor	%r8d, %r8d
	call_with_key SYS_prctl
10:	/* The frame that this makes must not hold the key. */
	xor	%r15d, %r15d
	xor	%r9d, %r9d
	int3
die:	mov	$1, %edi
	call_with_key SYS_exit
	hlt
