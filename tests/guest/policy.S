/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest with its own exception handler: struct vmmctl_frame is at RSP.
 */
#include "guest.h"

/*
 * Copies the frame to DATA (RSI holds it), skips RBP bytes of the code that
 * raised it, restores flags and stack, and goes on there.
 */
GUEST_BEGIN(h_handler)
	mov	%rsp, 48(%rsi)
	mov	0(%rsp), %rax
	mov	%rax, 0(%rsi)
	mov	8(%rsp), %rax
	mov	%rax, 8(%rsi)
	mov	16(%rsp), %rax
	mov	%rax, 16(%rsi)
	mov	24(%rsp), %rax
	mov	%rax, 24(%rsi)
	mov	32(%rsp), %rax
	mov	%rax, 32(%rsi)
	mov	40(%rsp), %rax
	mov	%rax, 40(%rsi)
	incq	56(%rsi)
	mov	24(%rsp), %rdi
	add	%rbp, %rdi
	mov	40(%rsp), %rax
	push	32+0(%rsp)
	popf
	mov	%rax, %rsp
	jmp	*%rdi
GUEST_END(h_handler)

GUEST_ONE(h_ud2, ud2)
GUEST_ONE(h_load, .byte 0x48, 0x8b, 0x03)
GUEST_ONE(h_int3, int3)
GUEST_ONE(h_hlt, hlt)
GUEST_ONE(h_div, .byte 0x48, 0xf7, 0xf3)

/* RCX times int3, then a system call. */
GUEST_BEGIN(h_count)
1:	int3
	dec	%rcx
	jnz	1b
	syscall
GUEST_END(h_count)

/* With TF set, then system calls. */
GUEST_BEGIN(h_traps)
	push	$0x302
	popf
	nop
	nop
	nop
	syscall
GUEST_END(h_traps)
