/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * traced.S - what a traced stub executes besides its guest.  Each part ends
 * with a trap for the tracer.  A guest may jump here: its system calls are
 * not carried out, and its traps are its own.
 */
#include "stub.h"

#define SYS_mmap	9
#define SYS_munmap	11
#define SYS_pause	34
#define SYS_clone	56
#define SYS_sigaltstack	131
/* VM FS FILES SIGHAND THREAD SYSVSEM */
#define CLONE_SEAT	0x50f00

	.section .stub, "ax"
	.globl traced_handler, traced_handler_end, traced_start
	.globl traced_setup, traced_setup_end, traced_ops, traced_ops_end
	.globl traced_state, traced_state_end, traced_clone, traced_clone_end

/* A fault's signal: the kernel has written its frame. */
traced_handler:
	int3
traced_handler_end:
	hlt

/* A forked zygote arrives here, its pages mapped.  It becomes the thread of
 * the only seat, or makes those of several. */
traced_start:
	xor	%edi, %edi
	movabs	$STUB_CODE, %rsi
	mov	$SYS_munmap, %eax
	syscall
	movabs	$STUB_END, %rdi
	movabs	$STUB_TASK_END, %rsi
	sub	%rdi, %rsi
	mov	$SYS_munmap, %eax
	syscall
	int3
wait_for_tracer:
	mov	$SYS_pause, %eax
	syscall
	jmp	wait_for_tracer

traced_clone:
	mov	$CLONE_SEAT, %edi
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$SYS_clone, %eax
	syscall
	test	%rax, %rax
	jz	wait_for_tracer
	int3
traced_clone_end:
	hlt

/* rbx: the seat's struct stub_ops, here and below. */
traced_setup:
	lea	OPS_ALTSTACK(%rbx), %rdi
	xor	%esi, %esi
	mov	$SYS_sigaltstack, %eax
	syscall
	int3
traced_setup_end:
	hlt

/* rax is 0 in the end when all was done. */
traced_ops:
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
	syscall
	cmpl	$SYS_mmap, (%r12)
	jne	2f
	cmp	%rax, 8(%r12)
	jne	3f
	xor	%eax, %eax
2:	test	%rax, %rax
	jnz	3f
	add	$OP_SIZE, %r12
	inc	%r13d
	cmp	%ebp, %r13d
	jb	1b
3:	int3
traced_ops_end:
	hlt

/*
 * What ptrace does not set: RFLAGS.ID, and bases in the kernel's half, which
 * exist only where WRFSBASE does; rcx says whether to load them.
 */
traced_state:
	lea	OPS_SP(%rbx), %rsp
	popfq
	jrcxz	1f
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	OPS_FS(%rbx), %rax
	wrfsbase %rax
	mov	OPS_GS(%rbx), %rax
	wrgsbase %rax
1:	int3
traced_state_end:
	hlt
