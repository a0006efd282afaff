/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx.c - Intel processors behind the vendor table: control structures, VPIDs,
 * and the way into a guest and out.
 *
 * A processor has at most one control structure active: the current one.  Who
 * wants another one clears that first, so that a structure that is current
 * nowhere is whole in memory, and may go to any processor.
 */
#include "vmx_impl.h"
#include "../core/vmm.h"
#include "../x86/x86.h"
#include "cpu.h"
#include "vmx_cpu.h"

/* ---- vCPUs ---- */

static int vmx_vcpu_init(struct vmm_vcpu *v)
{
	const uint32_t revision =
	    (uint32_t)(vmx_facts.words.basic & VMX_BASIC_REVISION);

	v->vmx.vmcs = os_page_alloc(&v->vmx.vmcs_pa);
	if (v->vmx.vmcs == NULL)
		return ENOMEM;
	memcpy(v->vmx.vmcs, &revision, sizeof(revision));
	v->pending = ~0u;
	return 0;
}

/* On the processor that may have it; what else does, waits. */
static void clear_if_current(void *arg)
{
	struct vmm_vcpu *v = arg;
	struct vmm_cpu *c = &vmm_hw.cpus[v->last_cpu];

	if (c->vmx.owner == v)
		vmx_clear_current(c);
}

static void vmx_vcpu_leave(struct vmm_vcpu *v)
{
	/* Nobody but the vCPU's owner, who calls, makes it current. */
	if (v->last_cpu != VMM_NO_CPU &&
	    OS_READ(vmm_hw.cpus[v->last_cpu].vmx.owner) == v)
		os_cpu_call(v->last_cpu, clear_if_current, v);
}

static void vmx_vcpu_fini(struct vmm_vcpu *v)
{
	vmx_vcpu_leave(v);
	os_page_free(v->vmx.vmcs);
}

static void write_values(const struct vmx_value *value, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		(void)cpu_vmwrite(value[i].field, value[i].value);
}

/* The control structure is current, and new. */
static void write_guest(struct vmm_vcpu *v)
{
	struct vmx_value values[VMX_GUEST_VALUES];
	const struct vmx_guest g = {
		.controls = vmx_facts.controls,
		.cr0_fixed0 = vmx_facts.words.cr0_fixed0,
		.cr4_fixed0 = vmx_facts.words.cr4_fixed0,
		.host_cr4 = cpu_get_cr4(),
		.eptp = v->vmx.eptp,
	};

	write_values(values, vmx_guest_values(&g, values));
	v->vmx.rsp = v->vmx.fs_base = v->vmx.gs_base = 0;
	v->vmx.timer = false;
	v->vmx.written = true;
}

static void write_host(struct vmm_vcpu *v, const struct vmm_cpu *c)
{
	struct vmx_value values[VMX_HOST_VALUES];

	write_values(values, vmx_host_values(c->vmx.host, values));
	(void)cpu_vmwrite(VMX_ENTRY_MSR_LOAD, c->vmx.msrs_pa);
	/* None of them is this. */
	v->vmx.host_cr3 = v->vmx.host_cr4 = v->vmx.host_fs_base = ~0ull;
	v->vmx.host_rsp = 0;
}

/* Whether it was here already or is current nowhere. */
static void make_current(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	vmx_clear_current(c);
	if (!v->vmx.written) {
		v->vmx.eptp = v->machine->npt.root_pa | VMX_EPTP_FORM;
		if ((vmm_hw.caps & VMM_CAP_HW_DIRTY) != 0)
			v->vmx.eptp |= VMX_EPTP_AD;
		(void)cpu_vmclear(v->vmx.vmcs_pa);
	}
	(void)cpu_vmptrld(v->vmx.vmcs_pa);
	c->vmx.owner = v;
	if (!v->vmx.written)
		write_guest(v);
	write_host(v, c);
}

/* ---- the host around a run ---- */

static inline void write_if_new(uint32_t field, uint64_t *have, uint64_t value)
{
	if (*have == value)
		return;
	*have = value;
	(void)cpu_vmwrite(field, value);
}

/*
 * The processor would write the host's records to where the guest's page table
 * has their buffer (vol. 3B 19.9.5).  They end here, so that the last of them
 * is written before the guest; and so do their counters, which would go on for
 * long after one that overflows and makes no record.  With each entry once
 * more: the handler of an NMI before it starts all counters.
 */
static void stop_pebs(struct vmm_vcpu *v)
{
	struct vmx_msr *global = &vmm_hw.cpus[v->cpu].vmx.msrs[1];

	v->vmx.counting = cpu_rdmsr(VMX_MSR_PERF_GLOBAL);
	global->value = v->vmx.counting &
	    ~(v->vmx.pebs & vmx_facts.pebs_counters);
	cpu_wrmsr(VMX_MSR_PERF_GLOBAL, global->value);
	cpu_wrmsr(VMX_MSR_PEBS_ENABLE, 0);
	(void)cpu_vmwrite(VMX_ENTRY_MSR_LOADS, VMX_MSRS);
}

static void restart_pebs(const struct vmm_vcpu *v)
{
	(void)cpu_vmwrite(VMX_ENTRY_MSR_LOADS, 0);
	cpu_wrmsr(VMX_MSR_PEBS_ENABLE, v->vmx.pebs);
	cpu_wrmsr(VMX_MSR_PERF_GLOBAL, v->vmx.counting);
}

/* Its handler is to find what it has left there, and may take some away. */
__attribute__((__noinline__)) static void take_nmi(struct vmm_vcpu *v)
{
	const bool pebs = v->vmx.pebs != 0;

	if (pebs)
		restart_pebs(v);
	cpu_nmi();
	if (!pebs)
		return;
	v->vmx.pebs = cpu_rdmsr(VMX_MSR_PEBS_ENABLE);
	if (v->vmx.pebs != 0)
		stop_pebs(v);
}

/*
 * What few threads have: selectors, which exits clear and cannot be told of
 * where they are user code's; and a use for DEBUGCTL, or PEBS.
 */
__attribute__((__noinline__)) static void save_rare(struct vmm_vcpu *v,
    uint32_t debugctl, uint64_t pebs)
{
	v->vmx.debugctl = debugctl;
	v->vmx.pebs = pebs;
	if (pebs != 0)
		stop_pebs(v);
	v->vmx.ds = (uint16_t)cpu_get_ds();
	v->vmx.es = (uint16_t)cpu_get_es();
	v->vmx.fs = (uint16_t)cpu_get_fs();
	v->vmx.gs = (uint16_t)cpu_get_gs();
}

__attribute__((__noinline__)) static void load_rare(struct vmm_vcpu *v)
{
	cpu_set_ds(v->vmx.ds);
	cpu_set_es(v->vmx.es);
	if (v->vmx.fs != 0) {
		cpu_set_fs(v->vmx.fs);
		cpu_wrmsr(VMX_MSR_FS_BASE, v->vmx.host_fs_base);
	}
	if (v->vmx.gs != 0)
		os_load_user_gs(v->vmx.gs);
	if (v->vmx.debugctl != 0)
		cpu_wrmsr(VMX_MSR_DEBUGCTL, v->vmx.debugctl);
	if (v->vmx.pebs != 0)
		restart_pebs(v);
	/* take_nmi() looks at it in runs that have nothing rare, too. */
	v->vmx.pebs = 0;
}

/* What depends on the thread, or is changed now and then. */
static inline void begin(struct vmm_vcpu *v, uint64_t fs_base,
    uint32_t debugctl)
{
	uint64_t pebs = 0;

	if (vmx_facts.has_pebs)
		pebs = cpu_rdmsr(VMX_MSR_PEBS_ENABLE);
	write_if_new(VMX_HOST_CR3, &v->vmx.host_cr3, cpu_get_cr3());
	write_if_new(VMX_HOST_CR4, &v->vmx.host_cr4, cpu_get_cr4());
	write_if_new(VMX_HOST_FS_BASE, &v->vmx.host_fs_base, fs_base);
	v->vmx.rare = debugctl | cpu_get_ds() | cpu_get_es() | cpu_get_fs() |
	    cpu_get_gs() | (uint32_t)pebs | (uint32_t)(pebs >> 32);
	if (v->vmx.rare != 0)
		save_rare(v, debugctl, pebs);
}

static void vmx_begin(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	if (c->vmx.owner != v)
		make_current(v, c);
	if (vmx_facts.usual)
		begin(v, cpu_get_fs_base(), cpu_rdmsr_low(VMX_MSR_DEBUGCTL));
	else
		begin(v, cpu_rdmsr(VMX_MSR_FS_BASE), vmx_facts.has_debugctl ?
		    cpu_rdmsr_low(VMX_MSR_DEBUGCTL) : 0);
}

/* 27.5.1, 27.5.2: DEBUGCTL is 0, limits of GDTR and IDTR are the largest, that
 * of TR the smallest. */
static void vmx_end(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	const struct vmx_host *h = c->vmx.host;

	cpu_set_gdtr(&h->gdtr);
	cpu_set_idtr(&h->idtr);
	os_tss_limited();
	if (v->vmx.rare != 0)
		load_rare(v);
}

/* ---- translations ---- */

/* A VPID that nobody has used on this processor since those of all were
 * dropped.  Not inlined, or a kernel would guard the caller's stack for the
 * operand of INVVPID.  Returns s, which so need not be kept elsewhere. */
__attribute__((__noinline__)) static struct vmm_space *new_vpid(
    struct vmm_space *s, struct vmm_cpu *c)
{
	if (c->vmx.next_vpid >= vmm_hw.nasid) {
		c->vmx.next_vpid = 1;
		c->vmx.generation++;
		(void)cpu_invvpid(VMX_INVVPID_ALL, 0);
	}
	s->tag = c->vmx.next_vpid++;
	s->generation = c->vmx.generation;
	return s;
}

/* Each space has a VPID of its own, so that its translations are there when
 * the vCPU comes back to it; a stale one gets another. */
static void load_vpid(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	struct vmm_space *s = v->space;

	/* Without VPIDs every entry begins with nothing, 28.3.3.1. */
	if ((vmx_facts.controls.proc2 & VMX_PROC2_VPID) == 0)
		return;
	if (s->stale || s->generation != c->vmx.generation)
		s = new_vpid(s, c);
	s->stale = false;
	(void)cpu_vmwrite(VMX_VPID, s->tag);
}

/*
 * 28.3.3: what a processor remembers of nested tables goes by their root, not
 * by the VPID, and is for all vCPUs of the machine there; with it go
 * translations of guests that were made by it.  Not inlined, as above: a kernel
 * would guard the stack of load() for the operand.
 */
__attribute__((__noinline__)) static void forget_nested(struct vmm_vcpu *v,
    struct vmm_cpu *c)
{
	if (c->vmx.ept_machine == v->machine->id &&
	    c->vmx.ept_flush_gen == v->flush_gen)
		return;
	c->vmx.ept_machine = v->machine->id;
	c->vmx.ept_flush_gen = v->flush_gen;
	if ((vmx_facts.words.ept_vpid & VMX_EPT_INVEPT_ONE) != 0)
		(void)cpu_invept(VMX_INVEPT_ONE, v->vmx.eptp);
	else
		(void)cpu_invept(VMX_INVEPT_ALL, 0);
}

/*
 * 25.5.1: counts as one bit of the TSC changes, while the guest runs; 0 leaves
 * it before anything else of it happens.  What is too long for it ends early,
 * and goes on from there.
 */
static void load_timer(struct vmm_vcpu *v)
{
	const bool on = v->deadline_tsc != 0;
	uint64_t now, left = 0;

	if (v->vmx.timer != on) {
		v->vmx.timer = on;
		(void)cpu_vmwrite(VMX_PIN, vmx_facts.controls.pin |
		    (on ? VMX_PIN_TIMER : 0));
	}
	if (!on)
		return;
	now = cpu_rdtsc();
	if (v->deadline_tsc > now)
		left = (v->deadline_tsc - now) >>
		    VMX_MISC_RATE(vmx_facts.words.misc);
	(void)cpu_vmwrite(VMX_GUEST_TIMER, left >> 32 == 0 ? left :
	    0xffffffff);
}

static inline void load_space(struct vmm_vcpu *v, struct vmm_cpu *c,
    uint32_t what)
{
	if ((what & VMM_LOAD_SPACE) != 0) {
		(void)cpu_vmwrite(VMX_GUEST_CR3, v->space->cr3);
		/* Null selectors, of which there are four, are all that a
		 * guest user can load: the next one does not see them. */
		(void)cpu_vmwrite(VMX_GUEST_DS, 0);
		(void)cpu_vmwrite(VMX_GUEST_ES, 0);
		(void)cpu_vmwrite(VMX_GUEST_FS, 0);
		(void)cpu_vmwrite(VMX_GUEST_GS, 0);
	}
	load_vpid(v, c);
}

/* What is rarer than another space, and that. */
__attribute__((__noinline__)) static void load_all(struct vmm_vcpu *v,
    struct vmm_cpu *c, uint32_t what)
{
	if ((what & VMM_LOAD_TIMER) != 0)
		load_timer(v);
	v->pending = v->deadline_tsc != 0 ? VMM_LOAD_TIMER : 0;
	if ((what & ~VMM_LOAD_TIMER) == 0)
		return;
	if ((what & VMM_LOAD_DEBUG) != 0)
		(void)cpu_vmwrite(VMX_GUEST_DR7, v->dr7 | VMM_X86_DR7_FIXED);
	if ((what & (VMM_LOAD_CPU | VMM_LOAD_NESTED)) != 0)
		forget_nested(v, c);
	if ((what & VMM_LOAD_CPU) != 0)
		vmm_tags_on(v, c->number);
	load_space(v, c, what);
}

/* The part of a run that follows a change.  Inlined it would make the others
 * longer. */
__attribute__((__noinline__)) static void load(struct vmm_vcpu *v,
    struct vmm_cpu *c, uint32_t what)
{
	if ((what & ~(VMM_LOAD_SPACE | VMM_LOAD_FLUSH)) != 0) {
		load_all(v, c, what);
		return;
	}
	v->pending = 0;
	load_space(v, c, what);
}

/* ---- the run ---- */

static inline void store_state(struct vmm_vcpu *v)
{
	v->state.rip = cpu_vmread(VMX_GUEST_RIP);
	v->state.rflags = cpu_vmread(VMX_GUEST_RFLAGS);
	v->state.rsp = v->vmx.rsp = cpu_vmread(VMX_GUEST_RSP);
	v->state.fs_base = v->vmx.fs_base = cpu_vmread(VMX_GUEST_FS_BASE);
	v->state.gs_base = v->vmx.gs_base = cpu_vmread(VMX_GUEST_GS_BASE);
	/*
	 * An exit ends the shadow of MOV SS as any interrupt would.  Bochs
	 * leaves a single step pending that has not been made yet.
	 */
	if ((cpu_vmread(VMX_GUEST_BLOCKING) |
		(v->state.rflags & VMM_X86_RFLAGS_TF)) != 0) {
		(void)cpu_vmwrite(VMX_GUEST_BLOCKING, 0);
		(void)cpu_vmwrite(VMX_GUEST_PENDING, 0);
	}
}

static void vmx_run(struct vmm_vcpu *v, struct vmm_cpu *c,
    struct vmm_cause *cause)
{
	uint32_t refused;

	(void)cpu_vmwrite(VMX_GUEST_RIP, v->state.rip);
	(void)cpu_vmwrite(VMX_GUEST_RFLAGS, v->state.rflags);
	write_if_new(VMX_GUEST_RSP, &v->vmx.rsp, v->state.rsp);
	write_if_new(VMX_GUEST_FS_BASE, &v->vmx.fs_base, v->state.fs_base);
	write_if_new(VMX_GUEST_GS_BASE, &v->vmx.gs_base, v->state.gs_base);
	if (v->pending != 0)
		load(v, c, v->pending);
	refused = vmx_enter(&v->page->regs, v->vmx.launched, &v->vmx.host_rsp);
	if (refused != 0) {
		vmx_decode_failure(cause, refused == 2);
		return;
	}
	vmx_decode(cause);
	/* Before anything can IRET. */
	if (cause->kind == VMM_CAUSE_NMI)
		take_nmi(v);
	/* 26.8: a refused entry has stored nothing, and launched nothing. */
	if ((cause->raw & VMX_REASON_REFUSED) != 0)
		return;
	v->vmx.launched = true;
	store_state(v);
}

/* ---- what the owner may see ---- */

/* One access to a field, on the processor that has the control structure; or
 * on another, when none has. */
struct access {
	struct vmm_vcpu *v;
	uint32_t cpu;
	uint32_t field;
	bool write;
	uint64_t value;
	int error;
};

static void access_there(void *arg)
{
	struct access *a = arg;
	struct vmm_vcpu *v = a->v;
	struct vmm_cpu *c = &vmm_hw.cpus[a->cpu];

	if (!OS_READ(c->on))
		return;
	if (c->vmx.owner != v) {
		make_current(v, c);
		v->last_cpu = a->cpu;
		v->pending |= VMM_LOAD_CPU;
	}
	a->error = 0;
	/* Not every processor has all fields, 24.6. */
	if (!(a->write ? cpu_vmwrite(a->field, a->value) :
	    cpu_vmread_safe(a->field, &a->value)))
		a->error = EPERM;
}

/* EIO: no processor is on any more. */
static int access_field(struct access *a)
{
	const uint32_t n = os_cpu_max();

	a->error = EIO;
	a->cpu = a->v->last_cpu;
	if (a->cpu != VMM_NO_CPU)
		os_cpu_call(a->cpu, access_there, a);
	/* One that has been switched off has let go of it. */
	for (a->cpu = 0; a->error == EIO && a->cpu < n; a->cpu++)
		os_cpu_call(a->cpu, access_there, a);
	return a->error;
}

static int vmx_raw_read(struct vmm_vcpu *v, uint32_t field, uint32_t width,
    uint64_t *value)
{
	struct access a = { .v = v, .field = field };
	int error = vmx_raw_check(field, width, false, false);

	if (error == 0)
		error = access_field(&a);
	if (error == 0)
		*value = a.value;
	return error;
}

static int vmx_raw_write(struct vmm_vcpu *v, uint32_t field, uint32_t width,
    uint64_t value, bool all)
{
	struct access a = { .v = v, .field = field, .write = true,
		.value = value };
	int error = vmx_raw_check(field, width, true, all);

	return error != 0 ? error : access_field(&a);
}

static const char *vmx_raw_name(uint32_t index)
{
	return index < VMX_RAW_COUNT ? vmx_reason_rows[index].name : NULL;
}

const struct vmm_vendor vmm_vmx = {
	.name = "vmx",
	.probe = vmx_probe,
	.cpu_on = vmx_cpu_on,
	.cpu_check = vmx_cpu_check,
	.cpu_off = vmx_cpu_off,
	.cpu_init = vmx_cpu_init,
	.cpu_fini = vmx_cpu_fini,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_fini = vmx_vcpu_fini,
	.vcpu_leave = vmx_vcpu_leave,
	.begin = vmx_begin,
	.end = vmx_end,
	.run = vmx_run,
	.raw_read = vmx_raw_read,
	.raw_write = vmx_raw_write,
	.raw_count = VMX_RAW_COUNT,
	.raw_name = vmx_raw_name,
};
