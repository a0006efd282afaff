/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls that may be brief, and what must be the guest's after them.
 */
#include "guest.h"

/* Twice; the registers are the test's. */
GUEST_BEGIN(b_calls)
1:	syscall
GUEST_MARK(b_calls, first)
	syscall
GUEST_MARK(b_calls, second)
	jmp	1b
GUEST_END(b_calls)

/* Changes what a brief exit does not show, calls, and shows it to memory. */
GUEST_BEGIN(b_hidden)
	movabs	$0x1111222233334444, %rbx
	movabs	$0x5555666677778888, %r15
	movq	%rbx, %xmm5
	std
	stc
	syscall
GUEST_MARK(b_hidden, call)
	pushf
	pop	%r14
	cld
	movq	%xmm5, %r13
	mov	%rbx, 0(%rsi)
	mov	%r15, 8(%rsi)
	mov	%r14, 16(%rsi)
	mov	%r13, 24(%rsi)
	mov	%rax, 32(%rsi)
	mov	%rsp, 40(%rsi)
	mov	%rcx, 48(%rsi)
	int3
GUEST_END(b_hidden)

/* Sets FS, calls, reads through FS. */
GUEST_BEGIN(b_base)
	wrfsbase %rbx
	syscall
GUEST_MARK(b_base, call)
	mov	%fs:8, %r12
	rdgsbase %r13
	int3
GUEST_END(b_base)
