/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_asm.h - for .S files, see core/os.h.  What has to be done about the bugs
 * of processors around a guest, as far as the host does it at all: each line
 * becomes no-ops when the kernel starts on a processor that does not want it.
 */
#ifndef VMM_LINUX_OS_ASM_H
#define VMM_LINUX_OS_ASM_H

#include <linux/linkage.h>

#include <asm/alternative.h>
#include <asm/asm-offsets.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include <asm/segment.h>

#define OS_FUNC_START(name)	SYM_FUNC_START(name)
#define OS_FUNC_END(name)	SYM_FUNC_END(name)
#define OS_RET			RET

/*
 * What the kernel has left in buffers of the processor is not for the guest
 * (MDS, TAA, MMIO stale data, RFDS, TSA): VERW of a selector in memory clears
 * them, where microcode makes it.  Guests here are user programs, so it is
 * done if it is for either.  The jump rather than VERW is what is patched:
 * 6.1 cannot move an instruction with an address.  Changes ZF.
 */
.macro VMM_CLEAR_BUFFERS
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM
	ALTERNATIVE_2 "jmp .Lvmm_buffers_\@", "", X86_FEATURE_CLEAR_CPU_BUF, \
		"", X86_FEATURE_CLEAR_CPU_BUF_VM
#elif defined(X86_FEATURE_CLEAR_CPU_BUF)
	ALTERNATIVE "jmp .Lvmm_buffers_\@", "", X86_FEATURE_CLEAR_CPU_BUF
#endif
	verw	.Lvmm_selector_\@(%rip)
.Lvmm_buffers_\@:
	.pushsection .rodata
	.balign 2
.Lvmm_selector_\@:
	.word	__KERNEL_DS
	.popsection
.endm
#define OS_BEFORE_ENTRY	VMM_CLEAR_BUFFERS

/*
 * The guest has had its way with the predictors of returns and branches:
 *  - the return stack: refilled, or one entry where that is enough (PBRSB);
 *  - indirect branches, where IBRS is switched for each entry of the kernel:
 *    it has to be set again after a guest, though it was set all the time;
 *  - returns (Retbleed, SRSO): what untrains them, or a barrier for all;
 *  - the branch history (BHI): overwritten.
 * All are before the first return.  Changes rax, rcx, rdx, flags.
 */
.macro VMM_AFTER_EXIT
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
		X86_FEATURE_RSB_VMEXIT_LITE
#ifdef X86_FEATURE_KERNEL_IBRS
	ALTERNATIVE "jmp .Lvmm_ibrs_\@", "", X86_FEATURE_KERNEL_IBRS
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %rdx
	mov	%edx, %eax
	shr	$32, %rdx
	wrmsr
.Lvmm_ibrs_\@:
#endif
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
#ifdef X86_FEATURE_IBPB_ON_VMEXIT
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif
#endif
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
	CLEAR_BRANCH_HISTORY_VMEXIT
#endif
.endm
#define OS_AFTER_EXIT	VMM_AFTER_EXIT

#endif
