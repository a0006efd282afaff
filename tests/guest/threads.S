/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loops for guests that run beside each other, beside their owner, or for
 * ever.
 */
#include "guest.h"

/* Adds one to (%rbx), RCX times. */
GUEST_BEGIN(c_add)
1:	lock incq (%rbx)
	dec	%rcx
	jnz	1b
	syscall
GUEST_END(c_add)

/* The same, by a lock word at 8(%rbx). */
GUEST_BEGIN(c_add_locked)
1:	mov	$1, %eax
2:	xchg	%eax, 8(%rbx)
	test	%eax, %eax
	jz	3f
	pause
	jmp	2b
3:	mov	(%rbx), %rdx
	inc	%rdx
	mov	%rdx, (%rbx)
	movl	$0, 8(%rbx)
	dec	%rcx
	jnz	1b
	syscall
GUEST_END(c_add_locked)

/* For ever; no exit at all. */
GUEST_BEGIN(c_spin)
1:	inc	%rbx
	jmp	1b
GUEST_END(c_spin)

/*
 * Plain stores, no read-modify-write: emulators report the read when such an
 * instruction faults.
 */
GUEST_BEGIN(c_write)
1:	mov	%rax, (%rbx)
	inc	%rax
	jmp	1b
GUEST_END(c_write)

GUEST_BEGIN(c_read)
1:	mov	(%rbx), %rax
	jmp	1b
GUEST_END(c_read)

/* Exits of every kind whose code must be looked at, for ever. */
GUEST_BEGIN(c_traps)
1:	int	$0x80
	int3
	int	$0x21
	jmp	1b
GUEST_END(c_traps)

/* RBX counts the system calls; RIP is behind one. */
GUEST_BEGIN(c_calls)
1:	inc	%rbx
	syscall
GUEST_MARK(c_calls, after)
	jmp	1b
GUEST_END(c_calls)

/*
 * RBX and RDX count together; in between lie memory accesses and pushes, so
 * that a kick comes anywhere.
 */
GUEST_BEGIN(c_work)
1:	inc	%rbx
	push	%rbx
	mov	%rbx, (%rsi)
	lea	(%rsi), %rdi
	pop	%rax
	cmp	%rax, (%rdi)
	jne	2f
	inc	%rdx
	cmp	%rbx, %rdx
	je	1b
2:	ud2
GUEST_END(c_work)

/* The sum in RAX of RCX words, RDX bytes apart, from (%rbx) on; again. */
GUEST_BEGIN(c_sum)
1:	xor	%eax, %eax
	mov	%rbx, %rsi
	mov	%rcx, %rdi
2:	add	(%rsi), %rax
	add	%rdx, %rsi
	dec	%rdi
	jnz	2b
	mov	%rcx, %r12
	syscall
	mov	%r12, %rcx
	jmp	1b
GUEST_END(c_sum)

/* Reads (%rbx), tells, again. */
GUEST_BEGIN(c_look)
1:	mov	(%rbx), %rax
	syscall
	jmp	1b
GUEST_END(c_look)
