// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmrun.c - VMRUN without a processor, in place of svm/enter.S: it checks the
 * control block as hardware does and as the host's safety wants it, believes
 * clean bits as far as hardware may, and plays the script.
 */
#include "script.h"
#include "cpu.h"
#include "svm_impl.h"
#include "x86.h"

struct fake_vmrun fake_vmrun;

/* The control block that each processor remembers parts of. */
static struct {
	uint64_t pa;
	struct svm_vmcb vmcb;
} cached[FAKE_CPUS];

void fake_vmrun_reset(void)
{
	memset(&fake_vmrun, 0, sizeof(fake_vmrun));
	memset(cached, 0, sizeof(cached));
}

static uint32_t svm_features(void)
{
	return fake_cpuid_at(SVM_CPUID, 0)[3];
}

#define GROUP(bit, first, last) { bit, offsetof(struct svm_vmcb, first), \
	offsetof(struct svm_vmcb, last) + \
	sizeof(((struct svm_vmcb *)0)->last) }

/* APM vol. 2 15.15.3. */
static const struct { uint32_t bit; size_t first, end; } groups[] = {
	GROUP(SVM_CLEAN_INTERCEPTS, intercept_cr, intercept),
	GROUP(SVM_CLEAN_INTERCEPTS, tsc_offset, tsc_offset),
	GROUP(SVM_CLEAN_IOPM, iopm_pa, msrpm_pa),
	GROUP(SVM_CLEAN_ASID, asid, asid),
	GROUP(SVM_CLEAN_V_INTR, v_intr, v_intr),
	GROUP(SVM_CLEAN_NP, nested_control, nested_control),
	GROUP(SVM_CLEAN_NP, nested_cr3, nested_cr3),
	GROUP(SVM_CLEAN_NP, g_pat, g_pat),
	GROUP(SVM_CLEAN_CRX, efer, efer),
	GROUP(SVM_CLEAN_CRX, cr4, cr0),
	GROUP(SVM_CLEAN_DRX, dr7, dr6),
	GROUP(SVM_CLEAN_DT, gdtr, gdtr),
	GROUP(SVM_CLEAN_DT, idtr, idtr),
	GROUP(SVM_CLEAN_SEG, es, ds),
	GROUP(SVM_CLEAN_SEG, cpl, cpl),
	GROUP(SVM_CLEAN_CR2, cr2, cr2),
};

static void check_clean(const struct svm_vmcb *b, uint64_t pa)
{
	const struct svm_vmcb *had = &cached[fake.cur->cpu].vmcb;
	size_t i;

	if ((svm_features() & SVM_CPUID_CLEAN) == 0 ||
	    cached[fake.cur->cpu].pa != pa)
		return;
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if ((b->clean & groups[i].bit) != 0 &&
		    memcmp((const uint8_t *)b + groups[i].first,
		    (const uint8_t *)had + groups[i].first,
		    groups[i].end - groups[i].first) != 0)
			fake_bug("the control block has changed at %#zx, its "
			    "clean bit %#x says not", groups[i].first,
			    groups[i].bit);
	}
}

/* 15.5.1: what makes VMRUN end with VMEXIT_INVALID. */
static bool acceptable(const struct svm_vmcb *b)
{
	const uint64_t lma = VMM_X86_EFER_LME | VMM_X86_CR0_PG;

	return (b->efer & VMM_X86_EFER_SVME) != 0 && (b->efer & ~0xfd01ull) ==
	    0 && b->cr0 >> 32 == 0 && (b->cr0 & 3ull << 29) != 1ull << 29 &&
	    (b->dr6 | b->dr7) >> 32 == 0 && b->asid != 0 &&
	    b->asid < fake_cpuid_at(SVM_CPUID, 0)[1] &&
	    ((b->efer | b->cr0) & lma) == lma &&
	    (b->cr4 & VMM_X86_CR4_PAE) != 0 &&
	    (b->cr0 & VMM_X86_CR0_PE) != 0 && (b->cs.attr & 0x600) == 0x200 &&
	    (b->cr3 & 0xfff0000000000fe7) == 0 &&
	    (b->intercept[SVM_INTERCEPT_WORD(SVM_EXIT_VMRUN)] &
	    SVM_INTERCEPT_BIT(SVM_EXIT_VMRUN)) != 0 &&
	    (b->event_injection & 1ull << 31) == 0;
}

static bool intercepted(const struct svm_vmcb *b, uint32_t code)
{
	return (b->intercept[SVM_INTERCEPT_WORD(code)] &
	    SVM_INTERCEPT_BIT(code)) != 0;
}

/* What the host's safety and the contract want: no way past the host. */
static void check_safe(const struct svm_vmcb *b)
{
	static const uint32_t must[] = { SVM_EXIT_INTR, SVM_EXIT_NMI,
	    SVM_EXIT_SMI, SVM_EXIT_INIT, SVM_EXIT_RDPMC, SVM_EXIT_CPUID,
	    SVM_EXIT_SWINT, SVM_EXIT_INVD, SVM_EXIT_HLT, SVM_EXIT_INVLPG,
	    SVM_EXIT_INVLPGA, SVM_EXIT_IOIO, SVM_EXIT_MSR,
	    SVM_EXIT_TASK_SWITCH, SVM_EXIT_SHUTDOWN, SVM_EXIT_VMRUN,
	    SVM_EXIT_VMMCALL, SVM_EXIT_VMLOAD, SVM_EXIT_VMSAVE, SVM_EXIT_STGI,
	    SVM_EXIT_CLGI, SVM_EXIT_SKINIT, SVM_EXIT_ICEBP, SVM_EXIT_WBINVD,
	    SVM_EXIT_MONITOR, SVM_EXIT_MWAIT, SVM_EXIT_XSETBV,
	    SVM_EXIT_RDPRU, SVM_EXIT_INVPCID, SVM_EXIT_MCOMMIT };
	const uint8_t *map;
	size_t i;

	for (i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
		if (!intercepted(b, must[i]))
			fake_bug("%#x is not intercepted", must[i]);
	}
	if (b->intercept_exceptions != 0xffffffff ||
	    b->intercept_cr != 0xfffffffe || b->intercept_dr != 0xffffffff)
		fake_bug("an exception or a register is not intercepted");
	if (b->cpl != 3 || (b->efer & VMM_X86_EFER_SCE) != 0)
		fake_bug("the guest is no guest user");
	if ((b->nested_control & SVM_NESTED_PAGING) == 0)
		fake_bug("without nested paging");
	if ((b->v_intr & SVM_V_INTR_MASKING) == 0)
		fake_bug("the guest masks the host's interrupts");
	if (b->idtr.limit != 0 || b->gdtr.limit != 0 || b->ldtr.limit != 0)
		fake_bug("the guest has a descriptor table");
	if (b->virt_ext != 0)
		fake_bug("virtual VMLOAD, VMSAVE or branch records");
	map = os_page_at(b->iopm_pa);
	if (map[0] != 0xff || memcmp(map, map + 1,
	    SVM_IOPM_PAGES * FAKE_PAGE - 1) != 0)
		fake_bug("a port is the guest's");
	map = os_page_at(b->msrpm_pa);
	if (map[0] != 0xff || memcmp(map, map + 1,
	    SVM_MSRPM_PAGES * FAKE_PAGE - 1) != 0)
		fake_bug("an MSR is the guest's");
}

static void flush(const struct svm_vmcb *b)
{
	const uint32_t cpu = fake.cur->cpu;

	switch (b->tlb_control) {
	case SVM_TLB_NOTHING:
		break;
	case SVM_TLB_FLUSH_ALL:
		fake_vmrun.flush_all++;
		guest_flush_all(cpu);
		break;
	case SVM_TLB_FLUSH_ASID:
		if ((svm_features() & SVM_CPUID_FLUSH_ASID) == 0)
			fake_bug("flush by ASID, where there is none");
		fake_vmrun.flush_asid++;
		guest_flush_tag(cpu, b->asid);
		break;
	default:
		fake_bug("TLB_CONTROL is %u", b->tlb_control);
		break;
	}
}

static void leave(struct svm_vmcb *b, uint64_t code, uint64_t info1,
    uint64_t info2, uint32_t length)
{
	b->exit_code = code;
	b->exit_info[0] = info1;
	b->exit_info[1] = info2;
	b->nrip = (svm_features() & SVM_CPUID_NRIPS) != 0 && length != 0 ?
	    b->rip + length : 0;
}

static void leave_by_nested(struct svm_vmcb *b, const struct guest_fault *f)
{
	uint64_t info = SVM_NPF_USER;

	if (f->present)
		info |= SVM_NPF_PRESENT;
	if (f->access == VMM_PROT_WRITE)
		info |= SVM_NPF_WRITE;
	if (f->access == VMM_PROT_EXEC)
		info |= SVM_NPF_FETCH;
	info |= f->walk ? SVM_NPF_WALK : SVM_NPF_FINAL;
	leave(b, SVM_EXIT_NPF, info, f->gpa, 0);
}

static void change(struct svm_vmcb *b, struct vmm_regs *regs,
    const struct fake_step *s)
{
	struct vmm_state t = { .rip = b->rip, .rflags = b->rflags,
	    .rsp = b->rsp, .fs_base = b->fs.base, .gs_base = b->gs.base };

	s->change(regs, &t);
	b->rip = t.rip;
	b->rflags = t.rflags;
	b->rsp = t.rsp;
	b->fs.base = t.fs_base;
	b->gs.base = t.gs_base;
}

static void play(struct svm_vmcb *b, struct vmm_regs *regs)
{
	const uint32_t cpu = fake.cur->cpu;
	struct guest_fault f;
	struct fake_step *s;

	while ((s = fake_script_next(cpu, b->asid)) != NULL) {
		if (s->kind == FAKE_CHANGE) {
			fake_script.at++;
			change(b, regs, s);
			continue;
		}
		if (s->kind == FAKE_EXIT) {
			fake_script.at++;
			if (s->dr6 != 0)
				b->dr6 = s->dr6;
			leave(b, s->code, s->info[0], s->info[1], s->length);
			return;
		}
		switch (fake_script_touch(s, cpu, b->nested_cr3, b->cr3,
		    b->asid, &f)) {
		case GUEST_OK:
			continue;
		case GUEST_NESTED:
			leave_by_nested(b, &f);
			return;
		case GUEST_PAGE_FAULT:
			leave(b, SVM_EXIT_EXCEPTION + VMM_X86_PF,
			    f.error_code, s->gpa, 0);
			return;
		}
	}
	leave(b, SVM_EXIT_INTR, 0, 0, 0);
}

/* In place of the one in enter.S. */
void svm_enter(uint64_t vmcb_pa, uint64_t host_pa, struct vmm_regs *regs)
{
	struct svm_vmcb *b = os_page_at(vmcb_pa);
	const uint32_t cpu = fake.cur->cpu;
	const struct vmm_state s = { .rip = b->rip, .rflags = b->rflags,
	    .rsp = b->rsp, .fs_base = b->fs.base, .gs_base = b->gs.base };

	(void)os_page_at(host_pa);
	fake_irqs_off("svm_enter");
	if ((fake_msr_get(cpu, SVM_MSR_EFER) & VMM_X86_EFER_SVME) == 0)
		fake_bug("VMRUN: #UD in the kernel, EFER.SVME is clear");
	(void)os_page_at(fake_msr_get(cpu, SVM_MSR_HSAVE_PA));
	if (fake_msr_get(cpu, SVM_MSR_DEBUGCTL) != 0)
		fake_bug("the guest runs with the host's DEBUGCTL");
	if (!fake.cur->in_guest || fake.cur->spins != 0)
		fake_bug("VMRUN at no time for it");
	fake_vmrun.entries++;
	fake_vmrun.vmcb = b;
	fake_vmrun.last_clean = b->clean;
	fake_vmrun.last_tlb_control = b->tlb_control;
	fake_vmrun.last_asid = b->asid;
	fake_vmrun.last_shadow = b->interrupt_shadow;
	if (b->asid > fake_vmrun.max_asid)
		fake_vmrun.max_asid = b->asid;
	check_safe(b);
	check_clean(b, vmcb_pa);
	fake_check_state(&s, b->cr3, fake_cpu()->dr,
	    b->dr7 & ~VMM_X86_DR7_FIXED);
	if (!acceptable(b)) {
		fake_vmrun.invalid++;
		b->exit_code = SVM_EXIT_INVALID;
		/* The host's, which is to stay there. */
		memset(&b->es, 0xee, sizeof(*b) -
		    offsetof(struct svm_vmcb, es));
		return;
	}
	flush(b);
	guest_check(cpu, b->asid);
	play(b, regs);
	cached[cpu].pa = vmcb_pa;
	cached[cpu].vmcb = *b;
}
