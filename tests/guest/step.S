/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that a careless single-step gets wrong.
 */
#include "guest.h"

GUEST_BEGIN(t_flow)
	nop
GUEST_MARK(t_flow, m1)
	add	$1, %rbx
GUEST_MARK(t_flow, m2)
	jmp	1f
	ud2
1:
GUEST_MARK(t_flow, m3)
	xor	%eax, %eax
GUEST_MARK(t_flow, m4)
	jnz	2f
GUEST_MARK(t_flow, m5)
	jz	3f
2:	ud2
3:
GUEST_MARK(t_flow, m6)
	call	4f
GUEST_MARK(t_flow, m7)
	mov	$2, %ecx
5:
GUEST_MARK(t_flow, m8)
	loop	5b
GUEST_MARK(t_flow, m9)
	syscall
4:
GUEST_MARK(t_flow, sub)
	ret
GUEST_END(t_flow)

GUEST_ONE(t_pushf, pushf)
GUEST_ONE(t_popf, popf)
GUEST_ONE(t_iretq, iretq)
GUEST_ONE(t_nop, nop)
GUEST_ONE(t_cpuid, cpuid)
GUEST_ONE(t_syscall, syscall)
GUEST_ONE(t_int3, int3)
GUEST_ONE(t_int80, int $0x80)
GUEST_ONE(t_int1, .byte 0xf1)
GUEST_ONE(t_ud2, ud2)
GUEST_ONE(t_load, mov (%rbx), %rax)
GUEST_ONE(t_rep_movsb, rep movsb)
GUEST_ONE(t_rep_scasb, repne scasb)

/* The instruction after MOV SS runs with traps held back. */
GUEST_BEGIN(t_movss)
	mov	%ss, %eax
GUEST_MARK(t_movss, at)
	mov	%eax, %ss
GUEST_MARK(t_movss, after)
	inc	%rbx
GUEST_MARK(t_movss, next)
	syscall
GUEST_END(t_movss)

GUEST_BEGIN(t_movss_mem)
	mov	%ss, (%rbx)
GUEST_MARK(t_movss_mem, at)
	mov	(%rbx), %ss
GUEST_MARK(t_movss_mem, after)
	inc	%rcx
	syscall
GUEST_END(t_movss_mem)

#define AFTER_MOVSS(name, ...)					\
	GUEST_BEGIN(name)					\
	mov	%eax, %eax;					\
	mov	%ss, %ecx;					\
	GUEST_MARK(name, at)					\
	mov	%ecx, %ss;					\
	__VA_ARGS__;						\
	GUEST_MARK(name, after)					\
	syscall;						\
	GUEST_END(name)

AFTER_MOVSS(t_movss_syscall, syscall)
AFTER_MOVSS(t_movss_int3, int3)
AFTER_MOVSS(t_movss_int1, .byte 0xf1)
AFTER_MOVSS(t_movss_int80, int $0x80)
AFTER_MOVSS(t_movss_ud2, ud2)
AFTER_MOVSS(t_movss_movss, mov %ecx, %ss)

/* For breakpoints and watchpoints. */
GUEST_BEGIN(t_watch)
	nop
GUEST_MARK(t_watch, load)
	mov	(%rbx), %eax
GUEST_MARK(t_watch, store)
	mov	%al, 3(%rbx)
GUEST_MARK(t_watch, beside)
	mov	%rax, 8(%rbx)
GUEST_MARK(t_watch, last)
	syscall
GUEST_END(t_watch)

/* Other ways to write MOV SS from memory, in each a step of its own. */
GUEST_BEGIN(t_movss_forms)
	movw	%ss, (%rbx)
	movw	%ss, 8(%rbx)
GUEST_MARK(t_movss_forms, m0)
	mov	%fs:(%rcx), %ss
GUEST_MARK(t_movss_forms, m1)
	mov	(%ebx), %ss
GUEST_MARK(t_movss_forms, m2)
	mov	8(%rbx, %rdx, 4), %ss
GUEST_MARK(t_movss_forms, m3)
	mov	(%rsp), %ss
GUEST_MARK(t_movss_forms, m4)
	.byte	0x48, 0x8e, 0x13		/* REX.W, (%rbx) */
GUEST_MARK(t_movss_forms, m5)
	.byte	0x66, 0x41, 0x8e, 0xd0		/* %r8w */
GUEST_MARK(t_movss_forms, m6)
	mov	%gs:(%esi), %ss
GUEST_MARK(t_movss_forms, m7)
	nop
	syscall
GUEST_END(t_movss_forms)
