/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enter.S - into the guest and out again.
 *
 * APM vol. 2 15.5.2: VMRUN leaves FS, GS, TR, LDTR and the MSRs of system
 * calls as they are, so that VMSAVE and VMLOAD change them around it.
 * 15.17: with GIF clear nothing interrupts that, NMIs included.
 */
#include "os_asm.h"
#include "regs_asm.h"

/* rdi: PA of the guest's control block; rsi: PA of one for the host; rdx:
 * registers. */
OS_FUNC_START(svm_enter)
	PUSH_HOST
	push	%rdx
	push	%rsi

	clgi
	/* With GIF clear it interrupts nothing here, but the guest. */
	sti
	mov	%rsi, %rax
	vmsave	%rax
	mov	%rdi, %rax
	vmload	%rax

	LOAD_GUEST %rdx
	mov	REGS_RDI(%rdx), %rdi
	mov	REGS_RDX(%rdx), %rdx

	OS_BEFORE_ENTRY
	vmrun	%rax
	/* RAX and RSP are the host's again, the other 14 the guest's. */
	vmsave	%rax

	mov	8(%rsp), %rax
	STORE_GUEST

	pop	%rax
	vmload	%rax
	pop	%rdx
	POP_HOST
	xor	%esi, %esi
	OS_AFTER_EXIT
	cli
	stgi
	OS_RET
OS_FUNC_END(svm_enter)
