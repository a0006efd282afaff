/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcb.c - the control block of a guest user: ring 3 in 64-bit mode with
 * nothing of ring 0 below it.  Its descriptor tables are empty, so that no
 * event can be delivered inside; all of them leave the guest.  Pure.
 */
#include "svm_impl.h"
#include "../x86/x86.h"

/* Write back, whatever the guest's page table asks for. */
#define PAT_WRITE_BACK	0x0606060606060606ull

static const uint8_t intercepts[] = {
	SVM_EXIT_INTR,
	SVM_EXIT_NMI,
	SVM_EXIT_SMI,
	SVM_EXIT_INIT,
	SVM_EXIT_VINTR,
	SVM_EXIT_CR0_SEL_WRITE,
	SVM_EXIT_IDTR_WRITE,
	SVM_EXIT_GDTR_WRITE,
	SVM_EXIT_LDTR_WRITE,
	SVM_EXIT_TR_WRITE,
	SVM_EXIT_RDPMC,
	SVM_EXIT_CPUID,
	SVM_EXIT_RSM,
	SVM_EXIT_SWINT,
	SVM_EXIT_INVD,
	SVM_EXIT_HLT,
	SVM_EXIT_INVLPG,
	SVM_EXIT_INVLPGA,
	SVM_EXIT_IOIO,
	SVM_EXIT_MSR,
	SVM_EXIT_TASK_SWITCH,
	SVM_EXIT_FERR_FREEZE,
	SVM_EXIT_SHUTDOWN,
	SVM_EXIT_VMRUN,
	SVM_EXIT_VMMCALL,
	SVM_EXIT_VMLOAD,
	SVM_EXIT_VMSAVE,
	SVM_EXIT_STGI,
	SVM_EXIT_CLGI,
	SVM_EXIT_SKINIT,
	SVM_EXIT_ICEBP,
	SVM_EXIT_WBINVD,
	SVM_EXIT_MONITOR,
	SVM_EXIT_MWAIT,
	SVM_EXIT_MWAIT_ARMED,
	SVM_EXIT_XSETBV,
	SVM_EXIT_RDPRU,
	SVM_EXIT_INVLPGB,
	SVM_EXIT_INVLPGB_ILLEGAL,
	SVM_EXIT_INVPCID,
	SVM_EXIT_MCOMMIT,
	SVM_EXIT_TLBSYNC,
};

static void set_control(struct svm_vmcb *b, const struct svm_guest *g)
{
	unsigned i;

	/* But of CR0's reads, of which ring 3 has SMSW: it is #GP for MOV
	 * before an intercept is looked at, table 15-7. */
	b->intercept_cr = 0xfffffffe;
	b->intercept_dr = 0xffffffff;
	b->intercept_exceptions = 0xffffffff;
	for (i = 0; i < sizeof(intercepts); i++)
		b->intercept[SVM_INTERCEPT_WORD(intercepts[i])] |=
		    SVM_INTERCEPT_BIT(intercepts[i]);
	b->iopm_pa = g->iopm_pa;
	b->msrpm_pa = g->msrpm_pa;
	/* The host's own RFLAGS.IF says whether its interrupts end the
	 * guest, 15.21.1. */
	b->v_intr = SVM_V_INTR_MASKING;
	b->nested_control = SVM_NESTED_PAGING;
	b->nested_cr3 = g->nested_cr3;
}

/* 14.5 of vol. 1 and 4.8 of vol. 2: bases and limits of CS, SS, DS and ES
 * mean nothing in 64-bit mode. */
static void set_segments(struct svm_vmcb *b)
{
	b->cs.selector = VMM_X86_SEL_CS;
	b->cs.attr = SVM_ATTR_CODE64_USER;
	b->cs.limit = 0xffffffff;
	b->ss.selector = VMM_X86_SEL_SS;
	b->ss.attr = SVM_ATTR_DATA_USER;
	b->ss.limit = 0xffffffff;
	b->tr.attr = SVM_ATTR_TSS_BUSY;
	b->cpl = 3;
}

void svm_vmcb_init(struct svm_vmcb *b, const struct svm_guest *g)
{
	set_control(b, g);
	set_segments(b);
	b->efer = VMM_X86_EFER_LME | VMM_X86_EFER_LMA | VMM_X86_EFER_NXE |
	    VMM_X86_EFER_SVME;
	b->cr0 = VMM_X86_CR0_GUEST;
	b->cr4 = x86_guest_cr4(g->host_cr4);
	b->dr6 = SVM_DR6_NOTHING;
	b->dr7 = VMM_X86_DR7_FIXED;
	b->g_pat = PAT_WRITE_BACK;
}
