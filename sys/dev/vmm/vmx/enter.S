/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enter.S - into the guest and out again.  Offsets are those of struct
 * vmm_regs; vmx.c asserts them.
 *
 * SDM vol. 3C 26, 27.5: the processor switches RSP, RIP, RFLAGS, segments and
 * the control registers; general registers are ours.
 */
#include "os_asm.h"

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

#define FIELD_HOST_RSP	0x6c14

.macro LOAD_REGISTERS
	mov	REGS_RAX(%rdi), %rax
	mov	REGS_RBX(%rdi), %rbx
	mov	REGS_RCX(%rdi), %rcx
	mov	REGS_RDX(%rdi), %rdx
	mov	REGS_RSI(%rdi), %rsi
	mov	REGS_RBP(%rdi), %rbp
	mov	REGS_R8(%rdi), %r8
	mov	REGS_R9(%rdi), %r9
	mov	REGS_R10(%rdi), %r10
	mov	REGS_R11(%rdi), %r11
	mov	REGS_R12(%rdi), %r12
	mov	REGS_R13(%rdi), %r13
	mov	REGS_R14(%rdi), %r14
	mov	REGS_R15(%rdi), %r15
	mov	REGS_RDI(%rdi), %rdi
.endm

/* rdi: registers; sil: launched; rdx: HOST_RSP. */
OS_FUNC_START(vmx_enter)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi

	cmp	%rsp, (%rdx)
	je	.Lsame
	mov	%rsp, (%rdx)
	mov	$FIELD_HOST_RSP, %eax
	vmwrite	%rsp, %rax
.Lsame:
	test	%sil, %sil
	jz	.Llaunch
	LOAD_REGISTERS
	OS_BEFORE_ENTRY
	vmresume
	jmp	.Lrefused
.Llaunch:
	LOAD_REGISTERS
	OS_BEFORE_ENTRY
	vmlaunch
.Lrefused:
	/* CF or ZF says how: always one of them, if it comes here at all. */
	jc	.Lno_error
	jz	.Lerror

	/* Exits arrive here.  All but RSP and RFLAGS are the guest's. */
.Lexit:
	push	%rax
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
	pop	REGS_RAX(%rax)
	xor	%esi, %esi
.Lleave:
	/* No guess may be made from what the guest has left. */
	pop	%rdx
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
	OS_AFTER_EXIT
	mov	%esi, %eax
	OS_RET
.Lno_error:
	mov	$1, %esi
	jmp	.Lleave
.Lerror:
	mov	$2, %esi
	jmp	.Lleave
OS_FUNC_END(vmx_enter)

OS_FUNC_START(vmx_exit_address)
	lea	.Lexit(%rip), %rax
	OS_RET
OS_FUNC_END(vmx_exit_address)
