/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended state: fills it from (%rbx), stores it there, and leaves in every
 * way in between.
 */
#include "guest.h"

#define EACH16(op)							\
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)			\
	op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)

#define LOAD_YMM(n)	vmovdqu 32*n(%rbx), %ymm##n;
#define STORE_YMM(n)	vmovdqu %ymm##n, 32*n(%rbx);
#define LOAD_XMM(n)	movdqu 16*n(%rbx), %xmm##n;
#define STORE_XMM(n)	movdqu %xmm##n, 16*n(%rbx);

/* Exits of each kind; RIP goes to "next" after the ones that fault. */
#define LEAVE(name)							\
	syscall;							\
	int3;								\
	mov	%eax, %eax;						\
	int	$0x80;							\
	GUEST_MARK(name, fault)						\
	mov	(%rbp), %rax;						\
	GUEST_MARK(name, undefined)					\
	ud2;								\
	GUEST_MARK(name, next)						\
	nop;

GUEST_BEGIN(p_ymm)
	EACH16(LOAD_YMM)
	LEAVE(p_ymm)
	add	$512, %rbx
	EACH16(STORE_YMM)
	syscall
GUEST_END(p_ymm)

GUEST_BEGIN(p_xmm)
	EACH16(LOAD_XMM)
	LEAVE(p_xmm)
	add	$512, %rbx
	EACH16(STORE_XMM)
	syscall
GUEST_END(p_xmm)

/* MXCSR, the control word, and three values on the x87 stack. */
GUEST_BEGIN(p_x87)
	fninit
	fldcw	(%rbx)
	ldmxcsr	4(%rbx)
	fldt	16(%rbx)
	fldt	32(%rbx)
	fldt	48(%rbx)
	LEAVE(p_x87)
	add	$512, %rbx
	fstpt	48(%rbx)
	fstpt	32(%rbx)
	fstpt	16(%rbx)
	stmxcsr	4(%rbx)
	fnstcw	(%rbx)
	fnstsw	2(%rbx)
	syscall
GUEST_END(p_x87)

#define LOAD_ZMM(n)	vmovdqu64 64*n(%rbx), %zmm##n;
#define STORE_ZMM(n)	vmovdqu64 %zmm##n, 64*n(%rbx);
#define EACH_HIGH(op)							\
	op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23)		\
	op(24) op(25) op(26) op(27) op(28) op(29) op(30) op(31)
#define EACH_MASK(op)	op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define LOAD_K(n)	kmovq 2048+8*n(%rbx), %k##n;
#define STORE_K(n)	kmovq %k##n, 2048+8*n(%rbx);

GUEST_BEGIN(p_zmm)
	EACH16(LOAD_ZMM)
	EACH_HIGH(LOAD_ZMM)
	EACH_MASK(LOAD_K)
	LEAVE(p_zmm)
	add	$4096, %rbx
	EACH16(STORE_ZMM)
	EACH_HIGH(STORE_ZMM)
	EACH_MASK(STORE_K)
	syscall
GUEST_END(p_zmm)

/* Everything that a context might find left behind. */
GUEST_BEGIN(p_store_all)
	mov	$-1, %eax
	mov	$-1, %edx
	xsave	(%rbx)
	xor	%ecx, %ecx
	xgetbv
	syscall
GUEST_END(p_store_all)

/* Adds 1.0 to XMM0's double for ever: is it always this context's? */
GUEST_BEGIN(p_count)
1:	addsd	%xmm1, %xmm0
	syscall
	jmp	1b
GUEST_END(p_count)
