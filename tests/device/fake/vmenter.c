// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmenter.c - entries of VMX without a processor, in place of vmx/enter.S: they
 * are checked as the host's safety wants it, translations stay until INVEPT or
 * INVVPID.  It plays the script.
 */
#include "vmx_fake.h"

static uint64_t get(uint32_t field)
{
	return vmx[here()].current->field[field / 2];
}

static void put(uint32_t field, uint64_t value)
{
	vmx[here()].current->field[field / 2] = value;
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
