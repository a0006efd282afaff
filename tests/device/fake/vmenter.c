// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmenter.c - VMX without a processor, in place of vmx/enter.S and of the
 * instructions: control structures that live in the processor where they are
 * active, entries that are checked as the host's safety wants it, translations
 * that stay until INVEPT or INVVPID.  It plays the script.
 */
#include "script.h"
#include "cpu.h"
#include "vmx_cpu.h"
#include "vmx_impl.h"
#include "x86.h"

#define STRUCTURES	24u
#define FIELDS		0x7000u
#define NOWHERE		0xffffffffu

struct fake_vmx fake_vmx;

struct structure {
	uint64_t pa;		/* 0: this place is free */
	bool cleared, launched;
	uint32_t active;	/* on that processor */
	uint64_t field[FIELDS / 2];
};
static struct structure *all[STRUCTURES];

static struct {
	bool on;
	struct structure *current;
	struct cpu_table gdtr, idtr;
} vmx[FAKE_CPUS];

static void (*next_on_page_free)(uint64_t pa);

static uint32_t here(void)
{
	return fake.cur->cpu;
}

static void freed(uint64_t pa)
{
	uint32_t i;

	if (next_on_page_free != NULL)
		next_on_page_free(pa);
	for (i = 0; i < STRUCTURES; i++) {
		if (all[i] == NULL || all[i]->pa != pa)
			continue;
		if (all[i]->active != NOWHERE)
			fake_bug("a control structure is freed that is "
			    "active on processor %u", all[i]->active);
		free(all[i]);
		all[i] = NULL;
	}
}

void fake_vmx_reset(void)
{
	uint32_t i;

	for (i = 0; i < STRUCTURES; i++) {
		free(all[i]);
		all[i] = NULL;
	}
	memset(vmx, 0, sizeof(vmx));
	memset(&fake_vmx, 0, sizeof(fake_vmx));
	fake_vmx.host_cr3 = 0x1234000;
	for (i = 0; i < FAKE_CPUS; i++)
		vmx[i].gdtr.limit = vmx[i].idtr.limit = FAKE_HOST_TABLE;
	/* guest_reset() has set its own. */
	if (fake_on_page_free != freed) {
		next_on_page_free = fake_on_page_free;
		fake_on_page_free = freed;
	}
}

static struct structure *find(uint64_t pa, bool make)
{
	uint32_t i, place = STRUCTURES;

	for (i = 0; i < STRUCTURES; i++) {
		if (all[i] == NULL)
			place = i;
		else if (all[i]->pa == pa)
			return all[i];
	}
	if (!make || place == STRUCTURES) {
		fake_bug("no place for the control structure %#llx",
		    (unsigned long long)pa);
		abort();
	}
	all[place] = calloc(1, sizeof(*all[place]));
	all[place]->pa = pa;
	all[place]->active = NOWHERE;
	return all[place];
}

/* ---- instructions: SDM vol. 3C chapter 30 ---- */

static void needs_vmx(const char *what)
{
	fake_irqs_off(what);
	if (!vmx[here()].on)
		fake_bug("%s: #UD in the kernel, VMX is off", what);
}

static void check_revision(uint64_t pa, const char *what)
{
	uint32_t revision;

	memcpy(&revision, os_page_at(pa), sizeof(revision));
	if (revision != (fake_msr_get(here(), VMX_MSR_BASIC) &
	    VMX_BASIC_REVISION))
		fake_bug("%s: the page has no revision", what);
}

void os_vmxe(bool on)
{
	fake_irqs_off("os_vmxe");
	if (on)
		fake_cpu()->cr4 |= VMM_X86_CR4_VMXE;
	else
		fake_cpu()->cr4 &= ~VMM_X86_CR4_VMXE;
}

bool cpu_vmxon(uint64_t pa)
{
	const uint64_t need = VMX_FEATURE_LOCKED | VMX_FEATURE_VMX;

	fake_irqs_off("VMXON");
	if ((fake_cpu()->cr4 & VMM_X86_CR4_VMXE) == 0)
		fake_bug("VMXON: #UD in the kernel");
	if ((fake_msr_get(here(), VMX_MSR_FEATURE_CONTROL) & need) != need)
		fake_bug("VMXON: #GP in the kernel");
	check_revision(pa, "VMXON");
	if (vmx[here()].on)
		return false;
	vmx[here()].on = true;
	vmx[here()].current = NULL;
	return true;
}

void cpu_vmxoff(void)
{
	uint32_t i;

	needs_vmx("VMXOFF");
	for (i = 0; i < STRUCTURES; i++) {
		if (all[i] != NULL && all[i]->active == here())
			fake_bug("VMXOFF with an active control structure");
	}
	vmx[here()].on = false;
}

bool cpu_vmclear(uint64_t pa)
{
	struct structure *s = find(pa, true);

	needs_vmx("VMCLEAR");
	fake_vmx.vmclears++;
	if (s->active != NOWHERE && s->active != here())
		fake_bug("VMCLEAR on %u of what is active on %u", here(),
		    s->active);
	if (vmx[here()].current == s)
		vmx[here()].current = NULL;
	s->cleared = true;
	s->launched = false;
	s->active = NOWHERE;
	return true;
}

bool cpu_vmptrld(uint64_t pa)
{
	struct structure *s = find(pa, true);

	needs_vmx("VMPTRLD");
	fake_vmx.vmptrlds++;
	check_revision(pa, "VMPTRLD");
	if (!s->cleared)
		fake_bug("VMPTRLD of what was never cleared");
	if (s->active != NOWHERE && s->active != here())
		fake_bug("VMPTRLD on %u of what is active on %u", here(),
		    s->active);
	s->active = here();
	vmx[here()].current = s;
	return true;
}

static uint64_t *field_at(uint32_t field, const char *what)
{
	static uint64_t nothing;

	needs_vmx(what);
	if (vmx[here()].current == NULL || field >= FIELDS) {
		fake_bug("%s of %#x: nothing is current", what, field);
		return &nothing;
	}
	return &vmx[here()].current->field[field / 2];
}

uint64_t cpu_vmread(uint32_t field)
{
	return *field_at(field, "VMREAD");
}

bool cpu_vmread_safe(uint32_t field, uint64_t *value)
{
	needs_vmx("VMREAD");
	if (fake_vmx.lacks != 0 && field == fake_vmx.lacks)
		return false;
	*value = cpu_vmread(field);
	return true;
}

bool cpu_vmwrite(uint32_t field, uint64_t value)
{
	if (fake_vmx.lacks != 0 && field == fake_vmx.lacks)
		return false;
	if ((field >> 10 & 3) == 1)
		fake_bug("VMWRITE of %#x, which can only be read", field);
	if (vmx_field_bytes(field) < 8 &&
	    value >> 8 * vmx_field_bytes(field) != 0)
		fake_bug("VMWRITE of %#x: %#llx is too wide", field,
		    (unsigned long long)value);
	*field_at(field, "VMWRITE") = value;
	return true;
}

/* What a processor remembers goes by the root of the nested tables, and for
 * translations of guests by the VPID, too: 28.3.1. */
static uint64_t root_tag(uint64_t eptp)
{
	return (eptp & X86_NPT_ADDR) << 4;
}

bool cpu_invept(uint64_t type, uint64_t eptp)
{
	needs_vmx("INVEPT");
	fake_vmx.invept++;
	if (type == VMX_INVEPT_ONE)
		guest_flush_tags(here(), ~0xffffull, root_tag(eptp));
	else if (type == VMX_INVEPT_ALL)
		guest_flush_all(here());
	else
		fake_bug("INVEPT %llu", (unsigned long long)type);
	return true;
}

bool cpu_invvpid(uint64_t type, uint16_t vpid)
{
	needs_vmx("INVVPID");
	fake_vmx.invvpid++;
	if (type != VMX_INVVPID_ALL || vpid != 0)
		fake_bug("INVVPID %llu", (unsigned long long)type);
	guest_flush_translations(here());
	return true;
}

/* ---- the host ---- */

uint64_t cpu_get_cr0(void)
{
	return 0x80050033;
}

uint64_t cpu_get_cr3(void)
{
	return fake_vmx.host_cr3;
}

uint64_t cpu_get_fs_base(void)
{
	return cpu_rdmsr(VMX_MSR_FS_BASE);
}

/* A GDT that has the TSS's descriptor, at which STR points. */
static uint8_t gdt[0x50];

void cpu_get_gdtr(struct cpu_table *t)
{
	const uint64_t base = (uintptr_t)gdt;

	t->limit = vmx[here()].gdtr.limit;
	memcpy(t->base, &base, sizeof(base));
}

void cpu_set_gdtr(const struct cpu_table *t)
{
	if (cpu_table_base(t) != (uintptr_t)gdt)
		fake_bug("LGDT of another table");
	vmx[here()].gdtr.limit = t->limit;
}

void cpu_get_idtr(struct cpu_table *t)
{
	memset(t, 0, sizeof(*t));
	t->limit = vmx[here()].idtr.limit;
}

void cpu_set_idtr(const struct cpu_table *t)
{
	vmx[here()].idtr.limit = t->limit;
}

uint16_t cpu_get_tr(void)
{
	return 0x40;
}

uint16_t cpu_get_cs(void)
{
	return 0x10;
}

uint16_t cpu_get_ss(void)
{
	return 0x18;
}

uint32_t cpu_get_ds(void)
{
	return fake_vmx.ds;
}

uint32_t cpu_get_es(void)
{
	return fake_vmx.es;
}

uint32_t cpu_get_fs(void)
{
	return fake_vmx.fs;
}

uint32_t cpu_get_gs(void)
{
	return fake_vmx.gs;
}

void cpu_set_ds(uint16_t value)
{
	fake_vmx.ds = value;
}

void cpu_set_es(uint16_t value)
{
	fake_vmx.es = value;
}

void cpu_set_fs(uint16_t value)
{
	fake_vmx.fs = value;
	fake_msr_set(here(), VMX_MSR_FS_BASE, 0xbad);
}

void os_load_user_gs(uint16_t selector)
{
	fake_vmx.gs = selector;
}

void os_tss_limited(void)
{
}

void cpu_nmi(void)
{
	fake_irqs_off("INT 2");
	fake_vmx.nmis++;
	if (fake_vmx.on_nmi != NULL)
		fake_vmx.on_nmi();
}

uint64_t vmx_exit_address(void)
{
	return 0xffffffff81234000;
}

/* ---- entries ---- */

static uint64_t get(uint32_t field)
{
	return vmx[here()].current->field[field / 2];
}

static void put(uint32_t field, uint64_t value)
{
	vmx[here()].current->field[field / 2] = value;
}

void fake_vmx_load(void)
{
	struct structure *s = calloc(1, sizeof(*s));

	free(all[0]);
	all[0] = s;
	s->pa = 1;
	s->active = NOWHERE;
	s->cleared = true;
	vmx[here()].on = true;
	vmx[here()].current = s;
}

void fake_vmx_put(uint32_t field, uint64_t value)
{
	put(field, value);
}

void fake_vmx_put_exit(const struct fake_vmx_exit *e)
{
	put(VMX_REASON, e->reason);
	put(VMX_EVENT, e->event);
	put(VMX_EVENT_ERROR, e->error);
	put(VMX_VECTORING, e->vectoring);
	put(VMX_LENGTH, e->length);
	put(VMX_QUALIFICATION, e->qualification);
	put(VMX_GUEST_PHYSICAL, e->gpa);
}

uint64_t fake_vmx_of(uint64_t pa, uint32_t field)
{
	return find(pa, false)->field[field / 2];
}

/* What the host's safety and the contract want: no way past the host. */
static void check_safe(void)
{
	const uint32_t pin = VMX_PIN_INTERRUPTS | VMX_PIN_NMI;
	const uint32_t proc = VMX_PROC_HLT | VMX_PROC_INVLPG |
	    VMX_PROC_MWAIT | VMX_PROC_RDPMC | VMX_PROC_MOV_DR |
	    VMX_PROC_IO | VMX_PROC_MONITOR | VMX_PROC_SECONDARY;

	if ((get(VMX_PIN) & pin) != pin || (get(VMX_PROC) & proc) != proc ||
	    (get(VMX_PROC) & VMX_PROC_MSR_BITMAPS) != 0)
		fake_bug("an exit is missing");
	if (get(VMX_EXCEPTIONS) != 0xffffffff || get(VMX_PFEC_MASK) != 0 ||
	    get(VMX_PFEC_MATCH) != 0)
		fake_bug("an exception is not intercepted");
	if ((get(VMX_PROC2) & VMX_PROC2_EPT) == 0)
		fake_bug("without nested paging");
	if ((get(VMX_GUEST_SS_AR) >> 5 & 3) != 3 ||
	    (get(VMX_GUEST_EFER) & VMM_X86_EFER_SCE) != 0)
		fake_bug("the guest is no guest user");
	if (get(VMX_GUEST_IDTR_LIMIT) != 0 || get(VMX_GUEST_GDTR_LIMIT) != 0 ||
	    get(VMX_GUEST_LDTR_AR) != VMX_AR_UNUSABLE)
		fake_bug("the guest has a descriptor table");
	if ((get(VMX_ENTRY_EVENT) & VMX_EVENT_VALID) != 0)
		fake_bug("an event is injected");
}

/* 26.2.2, 26.2.3: as it is now, since exits load it. */
static void check_host(void)
{
	if (get(VMX_HOST_CR0) != cpu_get_cr0() ||
	    get(VMX_HOST_CR3) != cpu_get_cr3() ||
	    get(VMX_HOST_CR4) != fake_cpu()->cr4)
		fake_bug("an exit would load other control registers");
	if (get(VMX_HOST_FS_BASE) != fake_msr_get(here(), VMX_MSR_FS_BASE) ||
	    get(VMX_HOST_GS_BASE) != fake_msr_get(here(), VMX_MSR_GS_BASE))
		fake_bug("an exit would load other segment bases");
	if (get(VMX_HOST_EFER) != fake_msr_get(here(), VMX_MSR_EFER) ||
	    get(VMX_HOST_SYSENTER_EIP) !=
	    fake_msr_get(here(), VMX_MSR_SYSENTER_EIP))
		fake_bug("an exit would load other MSRs");
	if (get(VMX_HOST_CS) != 0x10 || get(VMX_HOST_TR) != 0x40 ||
	    ((get(VMX_HOST_DS) | get(VMX_HOST_ES) | get(VMX_HOST_FS) |
	    get(VMX_HOST_GS) | get(VMX_HOST_SS)) & 7) != 0)
		fake_bug("an exit would load other selectors");
	if (get(VMX_HOST_RIP) != vmx_exit_address())
		fake_bug("an exit would go elsewhere");
}

/* 27.5: what an exit leaves of the host. */
static void leave_host(void)
{
	vmx[here()].gdtr.limit = vmx[here()].idtr.limit = 0xffff;
	fake_vmx.ds = fake_vmx.es = fake_vmx.fs = fake_vmx.gs = 0;
	fake_cpu()->dr[7] = 0x400;
	fake_msr_set(here(), VMX_MSR_DEBUGCTL, 0);
}

/* The host goes on, outside: all of it is to be as it was. */
void fake_vmx_check_host(void)
{
	uint32_t i;

	for (i = 0; i < FAKE_CPUS; i++) {
		if (vmx[i].gdtr.limit != FAKE_HOST_TABLE ||
		    vmx[i].idtr.limit != FAKE_HOST_TABLE)
			fake_bug("the limits of processor %u's tables are "
			    "not as they were", i);
	}
}

static void leave_by_event(uint32_t type, uint32_t vector, bool has_error,
    uint32_t error)
{
	put(VMX_REASON, VMX_REASON_EXCEPTION);
	put(VMX_EVENT, VMX_EVENT_VALID | type << 8 | vector |
	    (has_error ? VMX_EVENT_HAS_ERROR : 0));
	put(VMX_EVENT_ERROR, error);
	put(VMX_VECTORING, 0);
}

static void leave_by_nested(const struct guest_fault *f)
{
	uint64_t how = 1ull << 0;

	if (f->access == VMM_PROT_WRITE)
		how = VMX_EPT_VIOLATION_WRITE | (f->walk ? 1 : 0);
	else if (f->access == VMM_PROT_EXEC)
		how = VMX_EPT_VIOLATION_FETCH;
	if (f->present)
		how |= 1ull << 3;
	put(VMX_REASON, VMX_REASON_EPT_VIOLATION);
	put(VMX_QUALIFICATION, how | 1ull << 7 | (f->walk ? 0 : 1ull << 8));
	put(VMX_GUEST_PHYSICAL, f->gpa);
}

static void leave_by_exception(const struct vmm_cause *c)
{
	uint32_t type = VMX_EVENT_HARDWARE;

	if (c->vector == VMM_X86_BP)
		type = VMX_EVENT_SOFTWARE;
	leave_by_event(type, c->vector, x86_has_error_code(c->vector),
	    c->error_code);
	put(VMX_QUALIFICATION, c->vector == VMM_X86_DB ? c->dr6 : c->address);
	put(VMX_LENGTH, c->length != 0 ? c->length : 1);
}

/* A cause, as the processor tells it. */
static void leave_by_cause(const struct vmm_cause *c)
{
	static const uint8_t reason[VMM_CAUSES] = {
		[VMM_CAUSE_INTERRUPT] = VMX_REASON_INTERRUPT,
		[VMM_CAUSE_CPUID] = VMX_REASON_CPUID,
		[VMM_CAUSE_UNDEFINED] = VMX_REASON_VMCALL,
		[VMM_CAUSE_PRIVILEGED] = 31,
		[VMM_CAUSE_SHUTDOWN] = VMX_REASON_TRIPLE_FAULT,
		[VMM_CAUSE_UNKNOWN] = VMX_REASON_EPT_MISCONFIG,
	};

	put(VMX_REASON, reason[c->kind]);
	put(VMX_LENGTH, c->length != 0 ? c->length : 2);
	switch (c->kind) {
	case VMM_CAUSE_EXCEPTION:
		leave_by_exception(c);
		break;
	case VMM_CAUSE_NMI:
		leave_by_event(VMX_EVENT_NMI, 2, false, 0);
		break;
	case VMM_CAUSE_MACHINE_CHECK:
		leave_by_event(VMX_EVENT_HARDWARE, 18, false, 0);
		break;
	case VMM_CAUSE_SOFTINT:
		leave_by_event(VMX_EVENT_HARDWARE, 13, true,
		    c->vector * 8 + 2);
		put(VMX_VECTORING, VMX_EVENT_VALID | VMX_EVENT_INT_N << 8 |
		    c->vector);
		break;
	case VMM_CAUSE_ICEBP:
		leave_by_event(VMX_EVENT_INT1, 1, false, 0);
		break;
	case VMM_CAUSE_NESTED:
		leave_by_nested(&(struct guest_fault){ .gpa = c->gpa,
		    .access = c->access, .present = c->present });
		break;
	default:
		break;
	}
}

static void change(struct vmm_regs *regs, const struct fake_step *s)
{
	struct vmm_state t = { .rip = get(VMX_GUEST_RIP),
	    .rflags = get(VMX_GUEST_RFLAGS), .rsp = get(VMX_GUEST_RSP),
	    .fs_base = get(VMX_GUEST_FS_BASE),
	    .gs_base = get(VMX_GUEST_GS_BASE) };

	s->change(regs, &t);
	put(VMX_GUEST_RIP, t.rip);
	put(VMX_GUEST_RFLAGS, t.rflags);
	put(VMX_GUEST_RSP, t.rsp);
	put(VMX_GUEST_FS_BASE, t.fs_base);
	put(VMX_GUEST_GS_BASE, t.gs_base);
}

/* What the TSC is when the preemption timer is over, 25.5.1. */
static uint64_t timer_end(void)
{
	const uint32_t rate = (uint32_t)fake_msr_get(here(), VMX_MSR_MISC) & 31;

	if ((get(VMX_PIN) & VMX_PIN_TIMER) == 0)
		return UINT64_MAX;
	return ((fake_hw.tsc >> rate) + get(VMX_GUEST_TIMER)) << rate;
}

static void play(struct vmm_regs *regs, uint64_t tag)
{
	const uint64_t root = get(VMX_EPTP) & X86_NPT_ADDR;
	const uint64_t end = timer_end();
	struct guest_fault f;
	struct fake_step *s;

	if (fake_hw.tsc >= end) {
		put(VMX_REASON, VMX_REASON_TIMER);
		return;
	}
	while ((s = fake_script_next(here(), tag)) != NULL) {
		if (fake_hw.tsc >= end) {
			put(VMX_REASON, VMX_REASON_TIMER);
			return;
		}
		if (s->kind == FAKE_CHANGE) {
			fake_script.at++;
			change(regs, s);
			continue;
		}
		if (s->kind == FAKE_CAUSE) {
			fake_script.at++;
			leave_by_cause(&s->cause);
			return;
		}
		switch (fake_script_touch(s, here(), root, get(VMX_GUEST_CR3),
		    tag, &f)) {
		case GUEST_OK:
			continue;
		case GUEST_NESTED:
			leave_by_nested(&f);
			return;
		case GUEST_PAGE_FAULT:
			leave_by_event(VMX_EVENT_HARDWARE, 14, true,
			    f.error_code);
			put(VMX_QUALIFICATION, s->gpa);
			return;
		}
	}
	put(VMX_REASON, VMX_REASON_INTERRUPT);
}

/* 26.4; and what of the host's has to end before the guest begins. */
static void load_msrs(void)
{
	const struct vmx_msr *m = os_page_at(get(VMX_ENTRY_MSR_LOAD));
	uint64_t i;

	fake_vmx.pebs_at_entry = fake_msr_get(here(), VMX_MSR_PEBS_ENABLE);
	/* An NMI has come, whose handler starts them again. */
	if (fake_vmx.nmi_starts_pebs) {
		fake_msr_set(here(), VMX_MSR_PEBS_ENABLE, 3);
		fake_msr_set(here(), VMX_MSR_PERF_GLOBAL, 0x70000000f);
	}
	for (i = 0; i < get(VMX_ENTRY_MSR_LOADS); i++)
		fake_msr_set(here(), m[i].index, m[i].value);
	if (fake_msr_get(here(), VMX_MSR_PEBS_ENABLE) != 0)
		fake_bug("PEBS is on inside");
	fake_vmx.counting_inside = fake_msr_get(here(), VMX_MSR_PERF_GLOBAL);
}

static void check_entry(bool launched)
{
	const struct vmm_state s = { .rip = get(VMX_GUEST_RIP),
	    .rflags = get(VMX_GUEST_RFLAGS), .rsp = get(VMX_GUEST_RSP),
	    .fs_base = get(VMX_GUEST_FS_BASE),
	    .gs_base = get(VMX_GUEST_GS_BASE) };

	if (launched != vmx[here()].current->launched)
		fake_bug(launched ? "VMRESUME of what is not launched" :
		    "VMLAUNCH of what is launched");
	if (!fake.cur->in_guest || fake.cur->spins != 0)
		fake_bug("an entry at no time for it");
	check_safe();
	check_host();
	fake_check_state(&s, get(VMX_GUEST_CR3), fake_cpu()->dr,
	    get(VMX_GUEST_DR7) & ~VMM_X86_DR7_FIXED);
}

/* In place of the one in enter.S. */
uint32_t vmx_enter(struct vmm_regs *regs, bool launched, uint64_t *host_rsp)
{
	uint64_t tag;
	uint32_t vpid;

	needs_vmx("an entry");
	*host_rsp = 1;
	check_entry(launched);
	if (fake_vmx.refuse != 0) {
		const uint32_t how = fake_vmx.refuse;

		fake_vmx.refuse = 0;
		fake_vmx.refused++;
		put(VMX_INSTRUCTION_ERROR, fake_vmx.error);
		if (how <= 2)
			return how;
		put(VMX_REASON, VMX_REASON_REFUSED | how);
		return 0;
	}
	fake_vmx.entries++;
	vpid = (get(VMX_PROC2) & VMX_PROC2_VPID) != 0 ?
	    (uint32_t)get(VMX_VPID) : 0;
	load_msrs();
	tag = root_tag(get(VMX_EPTP)) | vpid;
	if (vpid > fake_vmx.max_vpid)
		fake_vmx.max_vpid = vpid;
	if ((get(VMX_PROC2) & VMX_PROC2_VPID) == 0)
		guest_flush_translations(here());
	else if (vpid == 0)
		fake_bug("VPID 0: the entry is refused");
	vmx[here()].current->launched = true;
	guest_check(here(), tag);
	play(regs, tag);
	leave_host();
	return 0;
}

/* ---- processors to have ---- */

void fake_hw_intel(void)
{
	uint32_t *one = fake_cpuid_at(1, 0);

	guest_table_mask = ~0xffffull;
	fake_cpuid_set(0, 0, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69);
	one[2] |= VMX_CPUID1_ECX;
	fake_cpuid_set(0x80000001, 0, 0, 0, 1, 0x2c100800);
	fake_msr_set(FAKE_CPUS, VMX_MSR_FEATURE_CONTROL, 5);
	fake_msr_set(FAKE_CPUS, VMX_MSR_PEBS_ENABLE, 0);
	fake_msr_set(FAKE_CPUS, VMX_MSR_PERF_GLOBAL, 0x70000000f);
	fake_msr_set(FAKE_CPUS, VMX_MSR_BASIC, 0x00d810000000002b);
	fake_msr_set(FAKE_CPUS, VMX_MSR_TRUE_PIN, 0x7f00000016);
	fake_msr_set(FAKE_CPUS, VMX_MSR_TRUE_PROC, 0xf7f9fffe04006172);
	fake_msr_set(FAKE_CPUS, VMX_MSR_TRUE_EXIT, 0x7fffff00036dfb);
	fake_msr_set(FAKE_CPUS, VMX_MSR_TRUE_ENTRY, 0xffff000011fb);
	fake_msr_set(FAKE_CPUS, VMX_MSR_MISC, 0x7004c1e7);
	fake_msr_set(FAKE_CPUS, VMX_MSR_CR0_FIXED0, 0x80000021);
	fake_msr_set(FAKE_CPUS, VMX_MSR_CR0_FIXED1, 0xffffffff);
	fake_msr_set(FAKE_CPUS, VMX_MSR_CR4_FIXED0, 0x2000);
	fake_msr_set(FAKE_CPUS, VMX_MSR_CR4_FIXED1, 0x1727ff);
	fake_msr_set(FAKE_CPUS, VMX_MSR_PROC2, 0x7fff00000000);
	fake_msr_set(FAKE_CPUS, VMX_MSR_EPT_VPID, 0xf0106334141);
}
