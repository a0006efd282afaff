/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enter.S - into the guest and out again.
 *
 * SDM vol. 3C 26, 27.5: the processor switches RSP, RIP, RFLAGS, segments and
 * the control registers; general registers are ours.
 */
#include "os_asm.h"
#include "regs_asm.h"

#define FIELD_HOST_RSP	0x6c14

.macro LOAD_REGISTERS
	LOAD_GUEST %rdi
	mov	REGS_RAX(%rdi), %rax
	mov	REGS_RDX(%rdi), %rdx
	mov	REGS_RDI(%rdi), %rdi
.endm

/* rdi: registers; sil: launched; rdx: HOST_RSP. */
OS_FUNC_START(vmx_enter)
	PUSH_HOST
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
	STORE_GUEST
	pop	REGS_RAX(%rax)
	xor	%esi, %esi
.Lleave:
	pop	%rdx
	POP_HOST
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
