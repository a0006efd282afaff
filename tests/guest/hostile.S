/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that try to get out.  The tests set the registers.
 */
#include "guest.h"

GUEST_ONE(x_syscall, syscall)
GUEST_ONE(x_int80, int $0x80)
GUEST_ONE(x_sysenter, sysenter)
GUEST_ONE(x_far_jump, ljmp *(%rbx))
GUEST_ONE(x_far_call, lcall *(%rbx))
GUEST_ONE(x_iret, iretq)
GUEST_ONE(x_lret, lretl)
GUEST_ONE(x_sgdt, sgdt (%rbx))
GUEST_ONE(x_sidt, sidt (%rbx))
GUEST_ONE(x_sldt, sldt %eax)
GUEST_ONE(x_str, str %eax)
GUEST_ONE(x_smsw, smsw %eax)
GUEST_ONE(x_vmcall, vmcall)
GUEST_ONE(x_vmmcall, vmmcall)
GUEST_ONE(x_load_ds, mov %eax, %ds)
GUEST_ONE(x_load_es, mov %eax, %es)
GUEST_ONE(x_load_fs, mov %eax, %fs)
GUEST_ONE(x_load_gs, mov %eax, %gs)
GUEST_ONE(x_load_ss, mov %eax, %ss)
GUEST_ONE(x_load, mov (%rbx), %rax)
GUEST_ONE(x_store, mov %rax, (%rbx))
GUEST_ONE(x_wrfsbase, wrfsbase %rax)

/* 32-bit code, far-jumped to; each ends there or never. */
	.code32
GUEST_BEGIN(x32_int80)
	int	$0x80
	hlt
GUEST_END(x32_int80)
GUEST_BEGIN(x32_sysenter)
	sysenter
	hlt
GUEST_END(x32_sysenter)
GUEST_BEGIN(x32_syscall)
	.byte	0x0f, 0x05
	hlt
GUEST_END(x32_syscall)
GUEST_BEGIN(x32_ud2)
	ud2
GUEST_END(x32_ud2)
GUEST_BEGIN(x32_hlt)
	hlt
GUEST_END(x32_hlt)
GUEST_BEGIN(x32_int3)
	int3
	hlt
GUEST_END(x32_int3)
GUEST_BEGIN(x32_into)
	mov	$0x7fffffff, %eax
	inc	%eax
	into
	hlt
GUEST_END(x32_into)
GUEST_BEGIN(x32_bound)
	movl	$1, (%ebx)
	movl	$2, 4(%ebx)
	xor	%eax, %eax
	bound	%eax, (%ebx)
	hlt
GUEST_END(x32_bound)
GUEST_BEGIN(x32_load)
	mov	0x20000000, %eax
	hlt
GUEST_END(x32_load)
GUEST_BEGIN(x32_trap)
	pushf
	orl	$0x100, (%esp)
	popf
	nop
	nop
	hlt
GUEST_END(x32_trap)
GUEST_BEGIN(x32_spin)
1:	jmp	1b
GUEST_END(x32_spin)
	.code64

/* Copies RCX words from (%rsi) to (%rdi). */
GUEST_BEGIN(x_copy)
	cld
	rep movsq
	syscall
GUEST_END(x_copy)

/*
 * Reads R8 words from R9 on, for ever, and leaves each value that is not
 * zero in a table of 8192 words at R10, at a place that depends on it.
 */
GUEST_BEGIN(x_hunt)
	movabs	$0x9e3779b97f4a7c15, %r11
1:	mov	%r9, %rsi
	mov	%r8, %rcx
2:	mov	(%rsi), %rax
	test	%rax, %rax
	jz	3f
	mov	%rax, %rdx
	imul	%r11, %rdx
	shr	$51, %rdx
	mov	%rax, (%r10, %rdx, 8)
3:	add	$8, %rsi
	dec	%rcx
	jnz	2b
	incq	8(%rbx)
	jmp	1b
GUEST_END(x_hunt)

/*
 * Reads the words of each range (first, end) in the table at R10, which a zero
 * ends, for ever.  Of those whose upper half, exclusive-or R14, is R12 or R13
 * it counts how many there were at (%rbx), and leaves where the last was at
 * 16(%rbx); 8(%rbx) counts the rounds.
 */
GUEST_BEGIN(x_search)
1:	mov	%r10, %rdi
2:	mov	(%rdi), %rsi
	test	%rsi, %rsi
	jz	6f
3:	mov	4(%rsi), %eax
	xor	%r14d, %eax
	cmp	%r12d, %eax
	je	5f
	cmp	%r13d, %eax
	je	5f
4:	add	$8, %rsi
	cmp	8(%rdi), %rsi
	jb	3b
	add	$16, %rdi
	jmp	2b
5:	incq	(%rbx)
	mov	%rsi, 16(%rbx)
	jmp	4b
6:	incq	8(%rbx)
	jmp	1b
GUEST_END(x_search)

/* Writes junk to R8 words from R9 on, for ever. */
GUEST_BEGIN(x_scribble)
	movabs	$0x2545f4914f6cdd1d, %rax
1:	mov	%r9, %rdi
	mov	%r8, %rcx
2:	mov	%rax, %rdx
	shl	$13, %rdx
	xor	%rdx, %rax
	mov	%rax, %rdx
	shr	$7, %rdx
	xor	%rdx, %rax
	mov	%rax, (%rdi)
	add	$8, %rdi
	dec	%rcx
	jnz	2b
	incq	8(%rbx)
	jmp	1b
GUEST_END(x_scribble)

/* Writes R15 to R8 words from R9 on, once, and calls. */
GUEST_BEGIN(x_fill)
	cld
	mov	%r9, %rdi
	mov	%r8, %rcx
	mov	%r15, %rax
	rep stosq
	syscall
GUEST_END(x_fill)

/* The same, and goes to RBX with what makes the backend's code notify. */
GUEST_BEGIN(x_spoil)
	cld
	mov	%r9, %rdi
	mov	%r8, %rcx
	mov	%r15, %rax
	rep stosq
	mov	$110, %eax
	mov	$5, %edi
	jmp	*%rbx
GUEST_END(x_spoil)
