/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enter.S - into the guest and out again.  Offsets are those of struct
 * vmm_regs; svm.c asserts them.
 *
 * APM vol. 2 15.5.2: VMRUN leaves FS, GS, TR, LDTR and the MSRs of system
 * calls as they are, so that VMSAVE and VMLOAD change them around it.
 * 15.17: with GIF clear nothing interrupts that, NMIs included.
 */
#include "os_asm.h"

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

/* rdi: PA of the guest's control block; rsi: PA of one for the host; rdx:
 * registers. */
OS_FUNC_START(svm_enter)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx
	push	%rsi

	clgi
	/* With GIF clear it interrupts nothing here, but the guest. */
	sti
	mov	%rsi, %rax
	vmsave	%rax
	mov	%rdi, %rax
	vmload	%rax

	mov	REGS_RBX(%rdx), %rbx
	mov	REGS_RCX(%rdx), %rcx
	mov	REGS_RSI(%rdx), %rsi
	mov	REGS_RDI(%rdx), %rdi
	mov	REGS_RBP(%rdx), %rbp
	mov	REGS_R8(%rdx), %r8
	mov	REGS_R9(%rdx), %r9
	mov	REGS_R10(%rdx), %r10
	mov	REGS_R11(%rdx), %r11
	mov	REGS_R12(%rdx), %r12
	mov	REGS_R13(%rdx), %r13
	mov	REGS_R14(%rdx), %r14
	mov	REGS_R15(%rdx), %r15
	mov	REGS_RDX(%rdx), %rdx

	OS_BEFORE_ENTRY
	vmrun	%rax
	/* RAX and RSP are the host's again, the other 14 the guest's. */
	vmsave	%rax

	mov	8(%rsp), %rax
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

	pop	%rax
	vmload	%rax
	/* No guess may be made from what the guest has left. */
	pop	%rdx
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	xor	%ecx, %ecx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	OS_AFTER_EXIT
	cli
	stgi
	OS_RET
OS_FUNC_END(svm_enter)
