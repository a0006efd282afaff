/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * regs_asm.h - for .S files: the guest's general registers from and to a
 * struct vmm_regs (whose offsets vmm_ioctl.h asserts), and the host's around
 * them.
 */
#ifndef VMM_X86_HW_REGS_ASM_H
#define VMM_X86_HW_REGS_ASM_H

#define REGS_RAX	0x00
#define REGS_RBX	0x08
#define REGS_RCX	0x10
#define REGS_RDX	0x18
#define REGS_RSI	0x20
#define REGS_RDI	0x28
#define REGS_RBP	0x30
#define REGS_R8		0x40
#define REGS_R9		0x48
#define REGS_R10	0x50
#define REGS_R11	0x58
#define REGS_R12	0x60
#define REGS_R13	0x68
#define REGS_R14	0x70
#define REGS_R15	0x78

/* What a function has to preserve, but RSP. */
.macro PUSH_HOST
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm

/* All but RSP, RAX, and RDX and RDI, one of which is regs. */
.macro LOAD_GUEST regs
	mov	REGS_RBX(\regs), %rbx
	mov	REGS_RCX(\regs), %rcx
	mov	REGS_RSI(\regs), %rsi
	mov	REGS_RBP(\regs), %rbp
	mov	REGS_R8(\regs), %r8
	mov	REGS_R9(\regs), %r9
	mov	REGS_R10(\regs), %r10
	mov	REGS_R11(\regs), %r11
	mov	REGS_R12(\regs), %r12
	mov	REGS_R13(\regs), %r13
	mov	REGS_R14(\regs), %r14
	mov	REGS_R15(\regs), %r15
.endm

/* All but RSP, and RAX, which is regs. */
.macro STORE_GUEST
	mov	%rbx, REGS_RBX(%rax)
	mov	%rcx, REGS_RCX(%rax)
	mov	%rdx, REGS_RDX(%rax)
	mov	%rsi, REGS_RSI(%rax)
	mov	%rdi, REGS_RDI(%rax)
	mov	%rbp, REGS_RBP(%rax)
	mov	%r8, REGS_R8(%rax)
	mov	%r9, REGS_R9(%rax)
	mov	%r10, REGS_R10(%rax)
	mov	%r11, REGS_R11(%rax)
	mov	%r12, REGS_R12(%rax)
	mov	%r13, REGS_R13(%rax)
	mov	%r14, REGS_R14(%rax)
	mov	%r15, REGS_R15(%rax)
.endm

/* No guess may be made from what the guest has left: all but RSP, and RAX,
 * RDX and RSI, are the host's or 0. */
.macro POP_HOST
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	xor	%ecx, %ecx
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
.endm

#endif
