/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intact_run.S - a system call with all registers of a thread loaded before
 * and stored after it: struct intact in rdi, see intact.h.
 */
#include "intact.h"

#include <asm/unistd.h>

#define IN(n)	(INTACT_IN + REGS_##n)(%rdi)
#define OUT(n)	(INTACT_OUT + REGS_##n)(%r11)
#define OWN(n)	(INTACT_OWN + REGS_##n)(%r11)

#define EACH(op)							\
	op(RBX, %rbx); op(RBP, %rbp); op(RSI, %rsi); op(RDX, %rdx);	\
	op(R8, %r8); op(R9, %r9); op(R10, %r10); op(R12, %r12);		\
	op(R13, %r13); op(R14, %r14); op(R15, %r15); op(RDI, %rdi)
#define LOAD(n, r)	mov IN(n), r
#define STORE(n, r)	mov r, OUT(n)

	.text
	.globl	intact_run
	.type	intact_run, @function
intact_run:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi

	/* What is this function's caller's. */
	mov	%rdi, %r11
	mov	INTACT_MASK(%r11), %eax
	mov	INTACT_MASK + 4(%r11), %edx
	mov	OWN(XSAVE), %rcx
	xsave64	(%rcx)
	mov	%ds, OWN(DS)
	mov	%es, OWN(ES)
	mov	%fs, OWN(FS)
	mov	%gs, OWN(GS)

	mov	IN(XSAVE), %rcx
	xrstor64 (%rcx)
	mov	IN(DS), %ds
	mov	IN(ES), %es
	cmpq	$0, INTACT_BASES(%rdi)
	je	1f
	rdfsbase %rax
	mov	%rax, OWN(FS_BASE)
	rdgsbase %rax
	mov	%rax, OWN(GS_BASE)
	mov	IN(FS), %fs
	mov	IN(FS_BASE), %rax
	wrfsbase %rax
	mov	IN(GS), %gs
	mov	IN(GS_BASE), %rax
	wrgsbase %rax
1:	push	IN(RFLAGS)
	popf
	EACH(LOAD)
	mov	$__NR_ioctl, %eax
	syscall

	mov	(%rsp), %r11
	EACH(STORE)
	mov	%rax, INTACT_RESULT(%r11)
	pushf
	pop	OUT(RFLAGS)
	push	$2
	popf
	mov	%ds, OUT(DS)
	mov	%es, OUT(ES)
	mov	%fs, OUT(FS)
	mov	%gs, OUT(GS)
	mov	INTACT_MASK(%r11), %eax
	mov	INTACT_MASK + 4(%r11), %edx
	mov	OUT(XSAVE), %rcx
	xsave64	(%rcx)

	mov	OWN(XSAVE), %rcx
	xrstor64 (%rcx)
	mov	OWN(DS), %ds
	mov	OWN(ES), %es
	cmpq	$0, INTACT_BASES(%r11)
	je	1f
	rdfsbase %rax
	mov	%rax, OUT(FS_BASE)
	rdgsbase %rax
	mov	%rax, OUT(GS_BASE)
	mov	OWN(FS), %fs
	mov	OWN(FS_BASE), %rax
	wrfsbase %rax
	mov	OWN(GS), %gs
	mov	OWN(GS_BASE), %rax
	wrgsbase %rax
1:	pop	%rdi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	intact_run, . - intact_run
	.section .note.GNU-stack, "", @progbits
