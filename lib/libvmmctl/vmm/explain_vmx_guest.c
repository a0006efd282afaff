// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain_vmx_guest.c - SDM vol. 3C 26.3.1: checks on the guest's state but for
 * its segment registers.  Not here: PDPTEs, the linked structure, and state
 * that only controls load which the device leaves alone.  Pure.
 */
#include "explain_vmx.h"

/* 24.4.2 */
#define BLOCKING_STI	BIT(0)
#define BLOCKING_MOV_SS	BIT(1)
#define BLOCKING_SMI	BIT(2)
#define BLOCKING_NMI	BIT(3)
#define PENDING_BS	BIT(14)
enum { ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI };

/* ---- 26.3.1.1: registers of the guest ---- */

static bool cr0_bits(const struct vmx *g, uint32_t f)
{
	uint64_t fixed0 = g->r->cr0_fixed0 & ~CR0_NW_CD;

	if (unrestricted(g))
		fixed0 &= ~(CR0_PE | CR0_PG);
	return cr_fixed(get(g, f), fixed0, g->r->cr0_fixed1 | CR0_NW_CD);
}

static bool cr0_paging(const struct vmx *g, uint32_t f)
{
	return has(g, f, CR0_PG) && !has(g, f, CR0_PE);
}

static bool cr0_64(const struct vmx *g, uint32_t f)
{
	return is_64(g) && !has(g, f, CR0_PG);
}

static bool cr4_bits(const struct vmx *g, uint32_t f)
{
	return cr_fixed(get(g, f), g->r->cr4_fixed0, g->r->cr4_fixed1);
}

static bool cr4_cet(const struct vmx *g, uint32_t f)
{
	return has(g, f, CR4_CET) && !has(g, VMX_GUEST_CR0, CR0_WP);
}

static bool cr4_64(const struct vmx *g, uint32_t f)
{
	return is_64(g) && !has(g, f, CR4_PAE);
}

static bool cr4_pcide(const struct vmx *g, uint32_t f)
{
	return !is_64(g) && has(g, f, CR4_PCIDE);
}

static bool loads_debug(const struct vmx *g)
{
	return has(g, VMX_ENTRY, VMX_ENTRY_LOAD_DEBUG);
}

/* Vol. 3B 17.4.1; of 2, 13 and 15 it depends on the processor. */
static bool debugctl(const struct vmx *g, uint32_t f)
{
	return loads_debug(g) && (get(g, f) & ~0xffc7ull) != 0;
}

static bool dr7(const struct vmx *g, uint32_t f)
{
	return loads_debug(g) && high(g, f);
}

static bool efer_lma(const struct vmx *g, uint32_t f)
{
	return has(g, VMX_ENTRY, VMX_ENTRY_LOAD_EFER) &&
	    has(g, f, EFER_LMA) != is_64(g);
}

static bool efer_lme(const struct vmx *g, uint32_t f)
{
	return has(g, VMX_ENTRY, VMX_ENTRY_LOAD_EFER) &&
	    has(g, VMX_GUEST_CR0, CR0_PG) &&
	    has(g, f, EFER_LME) != has(g, f, EFER_LMA);
}

/* ---- 26.3.1.4: RIP and RFLAGS ---- */

static bool rip(const struct vmx *g, uint32_t f)
{
	if (!is_64(g) || (get(g, VMX_GUEST_CS_AR) & AR_L) == 0)
		return high(g, f);
	/* Bits 63 to 48 only. */
	return get(g, f) >> 48 != 0 && get(g, f) >> 48 != 0xffff;
}

static bool rflags(const struct vmx *g, uint32_t f)
{
	return (get(g, f) & (~LOW(22) | 0x8028)) != 0 || !has(g, f, BIT(1));
}

static bool rflags_vm(const struct vmx *g, uint32_t f)
{
	return has(g, f, RFLAGS_VM) &&
	    (is_64(g) || !has(g, VMX_GUEST_CR0, CR0_PE));
}

static bool rflags_if(const struct vmx *g, uint32_t f)
{
	return injects(g, VMX_EVENT_INTERRUPT) && !has(g, f, RFLAGS_IF);
}

/* ---- 26.3.1.5: what is no register ---- */

static bool activity(const struct vmx *g, uint32_t f)
{
	const uint64_t state = get(g, f);

	return state > WAIT_FOR_SIPI || (state != ACTIVE &&
	    (g->r->misc >> (5 + state) & 1) == 0);
}

static bool activity_hlt(const struct vmx *g, uint32_t f)
{
	return get(g, f) == HLT && AR_DPL(get(g, VMX_GUEST_SS_AR)) != 0;
}

static bool activity_blocked(const struct vmx *g, uint32_t f)
{
	return get(g, f) != ACTIVE && (get(g, VMX_GUEST_BLOCKING) &
	    (BLOCKING_STI | BLOCKING_MOV_SS)) != 0;
}

static bool activity_event(const struct vmx *g, uint32_t f)
{
	const uint64_t event = get(g, VMX_ENTRY_EVENT);
	const uint64_t vector = VMX_EVENT_VECTOR(event);
	const bool machine_check = injects(g, VMX_EVENT_HARDWARE) &&
	    vector == 18;

	if ((event & VMX_EVENT_VALID) == 0)
		return false;
	switch (get(g, f)) {
	case ACTIVE:
		return false;
	case HLT:
		return !(injects(g, VMX_EVENT_INTERRUPT) ||
		    injects(g, VMX_EVENT_NMI) || machine_check ||
		    (injects(g, VMX_EVENT_HARDWARE) && vector == 1) ||
		    injects(g, EVENT_OTHER));
	case SHUTDOWN:
		return !(injects(g, VMX_EVENT_NMI) || machine_check);
	default:
		return true;
	}
}

static bool blocking_reserved(const struct vmx *g, uint32_t f)
{
	return (get(g, f) & ~(g->r->sgx ? LOW(5) : LOW(4))) != 0;
}

static bool blocking_both(const struct vmx *g, uint32_t f)
{
	return has(g, f, BLOCKING_STI | BLOCKING_MOV_SS);
}

static bool blocking_if(const struct vmx *g, uint32_t f)
{
	return has(g, f, BLOCKING_STI) &&
	    !has(g, VMX_GUEST_RFLAGS, RFLAGS_IF);
}

static bool blocking_event(const struct vmx *g, uint32_t f)
{
	return (injects(g, VMX_EVENT_INTERRUPT) &&
	    (get(g, f) & (BLOCKING_STI | BLOCKING_MOV_SS)) != 0) ||
	    (injects(g, VMX_EVENT_NMI) && (has(g, f, BLOCKING_MOV_SS) ||
	    (has(g, VMX_PIN, PIN_VIRTUAL_NMI) && has(g, f, BLOCKING_NMI))));
}

static bool blocking_smi(const struct vmx *g, uint32_t f)
{
	return has(g, f, BLOCKING_SMI);
}

/* Bit 16 is of RTM. */
static bool pending(const struct vmx *g, uint32_t f)
{
	return (get(g, f) & (~LOW(17) | 0xaff0 | (g->r->rtm ? 0 : BIT(16))))
	    != 0;
}

static bool pending_step(const struct vmx *g, uint32_t f)
{
	const bool steps = has(g, VMX_GUEST_RFLAGS, RFLAGS_TF) &&
	    !has(g, VMX_GUEST_DEBUGCTL, DEBUGCTL_BTF);

	if ((get(g, VMX_GUEST_BLOCKING) & (BLOCKING_STI | BLOCKING_MOV_SS))
	    == 0 && get(g, VMX_GUEST_ACTIVITY) != HLT)
		return false;
	return has(g, f, PENDING_BS) != steps;
}

static bool link(const struct vmx *g, uint32_t f)
{
	return get(g, f) != VMX_NO_LINK &&
	    ((get(g, f) & 0xfff) != 0 || beyond_physical(g, f));
}

/* ---- */

static const char is_canonical[] = "must be canonical";
static const char high_zero[] = "bits 63-32 must be 0";
static const char fixed[] = "must have the bits that VMX operation fixes";

#define REGISTERS	"SDM vol. 3C 26.3.1.1"
#define TABLES		"SDM vol. 3C 26.3.1.3"
#define RIP_RFLAGS	"SDM vol. 3C 26.3.1.4"
#define OTHERS		"SDM vol. 3C 26.3.1.5"

const struct vmx_rule vmx_register_rules[] = {
	{ cr0_bits, VMX_GUEST_CR0, fixed, REGISTERS },
	{ cr0_paging, VMX_GUEST_CR0, "PE must be 1 if PG is 1", REGISTERS },
	{ cr4_bits, VMX_GUEST_CR4, fixed, REGISTERS },
	{ cr4_cet, VMX_GUEST_CR4, "CET must be 0 if CR0.WP is 0", REGISTERS },
	{ debugctl, VMX_GUEST_DEBUGCTL, "reserved bits must be 0",
	    REGISTERS },
	{ cr0_64, VMX_GUEST_CR0, "PG must be 1 in IA-32e mode", REGISTERS },
	{ cr4_64, VMX_GUEST_CR4, "PAE must be 1 in IA-32e mode", REGISTERS },
	{ cr4_pcide, VMX_GUEST_CR4, "PCIDE must be 0 out of IA-32e mode",
	    REGISTERS },
	{ beyond_physical, VMX_GUEST_CR3,
	    "must be below the limit of physical addresses", REGISTERS },
	{ dr7, VMX_GUEST_DR7, high_zero, REGISTERS },
	{ not_canonical, VMX_GUEST_SYSENTER_ESP, is_canonical, REGISTERS },
	{ not_canonical, VMX_GUEST_SYSENTER_EIP, is_canonical, REGISTERS },
	{ efer_reserved, VMX_GUEST_EFER, "reserved bits must be 0",
	    REGISTERS },
	{ efer_lma, VMX_GUEST_EFER,
	    "LMA must be the control \"IA-32e mode guest\"", REGISTERS },
	{ efer_lme, VMX_GUEST_EFER, "LME must be LMA if CR0.PG is 1",
	    REGISTERS },
	{ NULL, 0, NULL, NULL }
};

const struct vmx_rule vmx_state_rules[] = {
	{ not_canonical, VMX_GUEST_GDTR_BASE, is_canonical, TABLES },
	{ not_canonical, VMX_GUEST_IDTR_BASE, is_canonical, TABLES },
	{ beyond_16, VMX_GUEST_GDTR_LIMIT, "bits 31-16 must be 0", TABLES },
	{ beyond_16, VMX_GUEST_IDTR_LIMIT, "bits 31-16 must be 0", TABLES },
	{ rip, VMX_GUEST_RIP, "must be an address of the guest's mode",
	    RIP_RFLAGS },
	{ rflags, VMX_GUEST_RFLAGS,
	    "reserved bits must be 0, and bit 1 must be 1", RIP_RFLAGS },
	{ rflags_vm, VMX_GUEST_RFLAGS,
	    "VM must be 0 in IA-32e mode, and if CR0.PE is 0", RIP_RFLAGS },
	{ rflags_if, VMX_GUEST_RFLAGS,
	    "IF must be 1 if an external interrupt is injected", RIP_RFLAGS },
	{ activity, VMX_GUEST_ACTIVITY,
	    "must be one that the processor supports", OTHERS },
	{ activity_hlt, VMX_GUEST_ACTIVITY, "must not be HLT if DPL of SS is "
	    "not 0", OTHERS },
	{ activity_blocked, VMX_GUEST_ACTIVITY, "must be active if STI or "
	    "MOV SS block", OTHERS },
	{ activity_event, VMX_GUEST_ACTIVITY,
	    "must be one in which the event can be delivered", OTHERS },
	{ blocking_reserved, VMX_GUEST_BLOCKING, "reserved bits must be 0",
	    OTHERS },
	{ blocking_both, VMX_GUEST_BLOCKING, "STI and MOV SS must not both "
	    "block", OTHERS },
	{ blocking_if, VMX_GUEST_BLOCKING, "STI must not block if RFLAGS.IF "
	    "is 0", OTHERS },
	{ blocking_event, VMX_GUEST_BLOCKING, "must not block the event that "
	    "is injected", OTHERS },
	{ blocking_smi, VMX_GUEST_BLOCKING, "SMI must not block outside SMM",
	    OTHERS },
	{ pending, VMX_GUEST_PENDING, "reserved bits must be 0", OTHERS },
	{ pending_step, VMX_GUEST_PENDING, "BS must be the single step that "
	    "is due", OTHERS },
	{ link, VMX_LINK, "must be all ones, or a page", OTHERS },
	{ NULL, 0, NULL, NULL }
};
