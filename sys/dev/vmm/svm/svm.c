/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svm.c - AMD and Hygon processors behind the vendor table: switching SVM on
 * and off, control blocks, ASIDs, and the way into a guest and out.
 */
#include "svm_impl.h"
#include "../core/vmm.h"
#include "../x86/x86.h"
#include "cpu.h"

#define SVM_LARGE_PAGE	(2ull << 20)

/* Permission maps, all ones, for every guest user: [h]. */
static struct {
	void *pages;
	uint64_t pa;
	uint32_t users;	/* processors */
} maps;

static void read_cpuid(struct svm_cpuid *id)
{
	uint32_t r[4];

	memset(id, 0, sizeof(*id));
	cpu_cpuid(0x80000000u, 0, r);
	id->max_leaf = r[0];
	if (id->max_leaf < SVM_CPUID)
		return;
	cpu_cpuid(SVM_CPUID_FEATURES, 0, r);
	id->features_ecx = r[2];
	id->features_edx = r[3];
	if ((id->features_ecx & SVM_CPUID_FEATURES_SVM) == 0)
		return;
	cpu_cpuid(SVM_CPUID_SIZES, 0, r);
	id->sizes_eax = r[0];
	id->sizes_ebx = r[1];
	cpu_cpuid(SVM_CPUID, 0, r);
	id->revision = r[0];
	id->asids = r[1];
	id->svm_edx = r[3];
	if (!os_rdmsr_safe(SVM_MSR_VM_CR, &id->vm_cr))
		id->vm_cr = 0;
}

static int svm_probe(struct vmm_hw *hw, const char **why)
{
	struct svm_cpuid id;
	int error;

	read_cpuid(&id);
	error = svm_usable(&id, &hw->caps, why);
	if (error != 0)
		return error;
	hw->gpa_bits = svm_gpa_bits(&id);
	hw->npt = &x86_npt_svm;
	hw->x87_leaks = svm_x87_leaks(&id);
	hw->nasid = id.asids;
	vmm_hw_fact(hw, 0, "svm.revision", id.revision & 0xff);
	vmm_hw_fact(hw, 1, "svm.features", id.svm_edx);
	vmm_hw_fact(hw, 2, "svm.asids", id.asids);
	vmm_hw_fact(hw, 3, "svm.vm_cr", id.vm_cr);
	vmm_hw_fact(hw, 4, "physical_bits", id.sizes_eax & 0xff);
	vmm_hw_fact(hw, 5, "gpa_bits", hw->gpa_bits);
	return 0;
}

static int get_maps(void)
{
	if (maps.pages == NULL) {
		maps.pages = os_cpu_pages_alloc(SVM_IOPM_PAGES, &maps.pa);
		if (maps.pages == NULL)
			return ENOMEM;
		memset(maps.pages, 0xff, SVM_IOPM_PAGES * VMM_PAGE_SIZE);
	}
	maps.users++;
	return 0;
}

static void put_maps(void)
{
	if (--maps.users == 0) {
		os_cpu_pages_free(maps.pages, SVM_IOPM_PAGES);
		maps.pages = NULL;
	}
}

/*
 * For control blocks and save areas.  Processors with SEV-SNP take one that is
 * aligned to 2 MiB for all of these: writes of the host to any of it would
 * fault.
 */
static void *control_page_alloc(void *(*alloc)(uint64_t *pa),
    void (*release)(void *page), uint64_t *pa)
{
	void *page = alloc(pa), *aligned;

	if (page == NULL || (*pa & (SVM_LARGE_PAGE - 1)) != 0)
		return page;
	aligned = page;
	page = control_page_alloc(alloc, release, pa);
	release(aligned);
	return page;
}

static int svm_cpu_init(struct vmm_cpu *c)
{
	int error = get_maps();

	if (error != 0)
		return error;
	c->svm.host_save = control_page_alloc(os_cpu_page_alloc,
	    os_cpu_page_free, &c->svm.host_save_pa);
	if (c->svm.host_save == NULL)
		goto no_save;
	c->svm.host_vmcb = control_page_alloc(os_cpu_page_alloc,
	    os_cpu_page_free, &c->svm.host_vmcb_pa);
	if (c->svm.host_vmcb == NULL)
		goto no_vmcb;
	c->svm.tried = os_zalloc(sizeof(*c->svm.tried));
	if (c->svm.tried == NULL)
		goto no_tried;
	return 0;

no_tried:
	os_cpu_page_free(c->svm.host_vmcb);
no_vmcb:
	os_cpu_page_free(c->svm.host_save);
no_save:
	put_maps();
	return ENOMEM;
}

static void svm_cpu_fini(struct vmm_cpu *c)
{
	os_free(c->svm.tried);
	os_cpu_page_free(c->svm.host_vmcb);
	os_cpu_page_free(c->svm.host_save);
	put_maps();
}

static int svm_cpu_check(struct vmm_cpu *c, const char **why)
{
	(void)c;
	if ((cpu_rdmsr(SVM_MSR_EFER) & VMM_X86_EFER_SVME) == 0)
		return 0;
	/* KVM of Linux 6.12 and later holds it for as long as it is loaded. */
	*why = "kvm, or another hypervisor, holds SVM: end its machines, "
	       "unload kvm_amd, or load kvm with enable_virt_at_load=0";
	return EBUSY;
}

/* What the TLB has under any ASID is not to be used: the next one that is
 * given out flushes. */
static void end_generation(struct vmm_cpu *c)
{
	c->svm.generation++;
	c->svm.next_asid = vmm_hw.nasid;
}

static int svm_cpu_on(struct vmm_cpu *c, const char **why)
{
	int error = svm_cpu_check(c, why);

	if (error != 0)
		return error;
	cpu_wrmsr(SVM_MSR_EFER,
	    cpu_rdmsr(SVM_MSR_EFER) | VMM_X86_EFER_SVME);
	cpu_wrmsr(SVM_MSR_HSAVE_PA, c->svm.host_save_pa);
	end_generation(c);
	return 0;
}

static void svm_cpu_off(struct vmm_cpu *c)
{
	(void)c;
	cpu_wrmsr(SVM_MSR_HSAVE_PA, 0);
	cpu_wrmsr(SVM_MSR_EFER,
	    cpu_rdmsr(SVM_MSR_EFER) & ~VMM_X86_EFER_SVME);
}

static void init_vmcb(struct svm_vmcb *b, uint64_t nested_cr3)
{
	const struct svm_guest g = {
		.host_cr4 = cpu_get_cr4(),
		.nested_cr3 = nested_cr3,
		.iopm_pa = maps.pa,
		.msrpm_pa = maps.pa,
	};

	memset(b, 0, sizeof(*b));
	svm_vmcb_init(b, &g);
}

/*
 * Nested tables have as many levels as the host's own, 15.25.3: with five, one
 * more table above.
 */
static int make_top(struct vmm_vcpu *v, uint64_t *pa)
{
	const struct x86_npt *t = &v->machine->npt;

	v->svm.top = NULL;
	*pa = t->root_pa;
	if ((cpu_get_cr4() & VMM_X86_CR4_LA57) == 0)
		return 0;
	v->svm.top = os_page_alloc(pa);
	if (v->svm.top == NULL)
		return ENOMEM;
	v->svm.top[0] = t->root_pa | t->f->table;
	return 0;
}

static int svm_vcpu_init(struct vmm_vcpu *v)
{
	uint64_t nested_cr3;
	int error = make_top(v, &nested_cr3);

	if (error != 0)
		return error;
	v->svm.vmcb = control_page_alloc(os_page_alloc, os_page_free,
	    &v->svm.vmcb_pa);
	if (v->svm.vmcb == NULL) {
		if (v->svm.top != NULL)
			os_page_free(v->svm.top);
		return ENOMEM;
	}
	init_vmcb(v->svm.vmcb, nested_cr3);
	v->pending = ~0u;
	return 0;
}

static void svm_vcpu_fini(struct vmm_vcpu *v)
{
	os_page_free(v->svm.vmcb);
	if (v->svm.top != NULL)
		os_page_free(v->svm.top);
}

/* An ASID that nobody has used on this processor since its TLB was flushed. */
static void new_asid(struct vmm_space *s, struct vmm_cpu *c,
    struct svm_vmcb *b)
{
	if (c->svm.next_asid >= vmm_hw.nasid) {
		c->svm.next_asid = 1;
		c->svm.generation++;
		b->tlb_control = SVM_TLB_FLUSH_ALL;
	}
	s->tag = c->svm.next_asid++;
	s->generation = c->svm.generation;
}

/* Each space has an ASID of its own, so that its translations are there when
 * the vCPU comes back to it. */
static void load_asid(struct vmm_vcpu *v, struct vmm_cpu *c,
    struct svm_vmcb *b)
{
	struct vmm_space *s = v->space;

	if (s->generation != c->svm.generation)
		new_asid(s, c, b);
	else if (s->stale && (vmm_hw.caps & VMM_CAP_FLUSH_TAG) != 0)
		b->tlb_control = SVM_TLB_FLUSH_ASID;
	else if (s->stale)
		new_asid(s, c, b);
	s->stale = false;
	b->asid = s->tag;
}

/* What is rarer than another space. Clean bits that it costs. */
static uint32_t load_rare(struct vmm_vcpu *v, struct vmm_cpu *c, uint32_t what)
{
	struct svm_vmcb *b = v->svm.vmcb;
	uint32_t dirty = 0;
	unsigned i;

	if ((what & VMM_LOAD_DEBUG) != 0) {
		b->dr7 = v->dr7 | VMM_X86_DR7_FIXED;
		dirty |= SVM_CLEAN_DRX;
	}
	if ((what & VMM_LOAD_NESTED) != 0)
		for (i = 0; i < VMM_SPACES; i++)
			v->spaces[i].stale = true;
	if ((what & VMM_LOAD_CPU) != 0) {
		vmm_tags_on(v, c->number);
		dirty = SVM_CLEAN_ALL;
	}
	return dirty;
}

/* Null selectors, of which there are four, are all that a guest user can load:
 * the next one does not see them. */
static void clear_selectors(struct svm_vmcb *b)
{
	const size_t size = offsetof(struct svm_seg, base);

	memset(&b->ds, 0, size);
	memset(&b->es, 0, size);
	memset(&b->fs, 0, size);
	memset(&b->gs, 0, size);
}

/* The part of a run that follows a change.  True: loaded() is to follow. */
static bool load(struct vmm_vcpu *v, struct vmm_cpu *c, uint32_t what)
{
	const bool has_clean = (vmm_hw.caps & VMM_CAP_CLEAN) != 0;
	struct svm_vmcb *b = v->svm.vmcb;
	uint32_t dirty = SVM_CLEAN_ASID;

	if ((what & VMM_LOAD_SPACE) != 0) {
		b->cr3 = v->space->cr3;
		clear_selectors(b);
		dirty |= SVM_CLEAN_CRX | SVM_CLEAN_SEG;
	}
	if ((what & ~(VMM_LOAD_SPACE | VMM_LOAD_FLUSH)) != 0)
		dirty |= load_rare(v, c, what);
	load_asid(v, c, b);
	v->pending = 0;
	/* Besides what an exit has made unclean. */
	b->clean &= ~dirty;
	if (v->svm.raw)
		memcpy(c->svm.tried, b, sizeof(*b));
	return has_clean || b->tlb_control != SVM_TLB_NOTHING;
}

/* Of what follows a change, what is not for ever. */
static void loaded(struct svm_vmcb *b)
{
	b->tlb_control = SVM_TLB_NOTHING;
	if ((vmm_hw.caps & VMM_CAP_CLEAN) != 0)
		b->clean = SVM_CLEAN_ALL;
}

/*
 * 15.5.1: nothing has run, and nothing that was asked for has been done, no
 * flush either.  But state may have been stored, and QEMU stores the host's.
 * Who has written to the control block finds it as it was refused.
 */
static void refused(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	struct svm_vmcb *b = v->svm.vmcb;

	end_generation(c);
	if (v->svm.raw)
		memcpy(b, c->svm.tried, sizeof(*b));
	else
		init_vmcb(b, b->nested_cr3);
	v->pending = ~0u;
}

/*
 * 15.23: without virtual branch records it is the guest's as well, who would
 * trap for what the host, or a debugger of the thread, wants.
 */
__attribute__((__noinline__)) static void save_debugctl(struct vmm_vcpu *v)
{
	v->svm.debugctl = cpu_rdmsr(SVM_MSR_DEBUGCTL);
	cpu_wrmsr(SVM_MSR_DEBUGCTL, 0);
}

__attribute__((__noinline__)) static void load_debugctl(struct vmm_vcpu *v)
{
	cpu_wrmsr(SVM_MSR_DEBUGCTL, v->svm.debugctl);
	v->svm.debugctl = 0;
}

static void svm_run(struct vmm_vcpu *v, struct vmm_cpu *c,
    struct vmm_cause *cause)
{
	struct svm_vmcb *b = v->svm.vmcb;
	struct vmm_regs *regs = &v->page->regs;
	bool undo = false;

	b->rax = OS_READ(regs->rax);
	b->rip = v->state.rip;
	b->rsp = v->state.rsp;
	b->rflags = v->state.rflags;
	b->fs.base = v->state.fs_base;
	b->gs.base = v->state.gs_base;
	/* An exit ends the shadow of MOV SS as any interrupt would. */
	b->interrupt_shadow = 0;
	if (v->pending != 0)
		undo = load(v, c, v->pending);
	if (cpu_rdmsr_low(SVM_MSR_DEBUGCTL) != 0)
		save_debugctl(v);
	svm_enter(v->svm.vmcb_pa, c->svm.host_vmcb_pa, regs);
	if (v->svm.debugctl != 0)
		load_debugctl(v);
	if (undo)
		loaded(b);
	svm_decode(b, vmm_hw.caps, cause);
	if (cause->kind == VMM_CAUSE_INVALID) {
		refused(v, c);
		return;
	}
	OS_WRITE(regs->rax, b->rax);
	v->state.rip = b->rip;
	v->state.rsp = b->rsp;
	v->state.rflags = b->rflags;
	v->state.fs_base = b->fs.base;
	v->state.gs_base = b->gs.base;
	if (cause->kind == VMM_CAUSE_SHUTDOWN) {
		/* 15.14.3: the state is undefined. */
		init_vmcb(b, b->nested_cr3);
		v->pending = ~0u;
	} else if (cause->raw == SVM_EXIT_EXCEPTION + VMM_X86_DB ||
	    v->svm.raw) {
		/* An exit leaves the guest's, or what its owner has written,
		 * and the host would take it for its own at its next #DB. */
		cpu_set_dr(6, SVM_DR6_NOTHING);
	}
}

static int svm_raw_read(struct vmm_vcpu *v, uint32_t field, uint32_t width,
    uint64_t *value)
{
	return svm_raw_get(v->svm.vmcb, field, width, value);
}

static int svm_raw_write(struct vmm_vcpu *v, uint32_t field, uint32_t width,
    uint64_t value, bool all)
{
	int error = svm_raw_set(v->svm.vmcb, field, width, value, all);

	if (error != 0)
		return error;
	v->svm.raw = true;
	v->pending |= VMM_LOAD_CPU;
	return 0;
}

static const char *svm_raw_name(uint32_t index)
{
	return index < SVM_RAW_COUNT ? svm_exit_rows[index].name : NULL;
}

const struct vmm_vendor vmm_svm = {
	.name = "svm",
	.probe = svm_probe,
	.cpu_on = svm_cpu_on,
	.cpu_check = svm_cpu_check,
	.cpu_off = svm_cpu_off,
	.cpu_init = svm_cpu_init,
	.cpu_fini = svm_cpu_fini,
	.vcpu_init = svm_vcpu_init,
	.vcpu_fini = svm_vcpu_fini,
	.run = svm_run,
	.raw_read = svm_raw_read,
	.raw_write = svm_raw_write,
	.raw_count = SVM_RAW_COUNT,
	.raw_name = svm_raw_name,
};
