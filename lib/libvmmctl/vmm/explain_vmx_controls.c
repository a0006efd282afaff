// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain_vmx_controls.c - what is checked first: SDM vol. 3C 26.2, controls
 * and the state that exits load.  Not what lies behind addresses: bitmaps,
 * lists of MSRs, nested tables.  Pure.
 */
#include "explain_vmx.h"

/* ---- 26.2.1: controls ---- */

static bool not_allowed(const struct vmx *g, uint32_t f)
{
	uint64_t cap, value = get(g, f);

	switch (f) {
	case VMX_PIN:
		cap = g->r->pin;
		break;
	case VMX_PROC:
		cap = g->r->proc;
		break;
	case VMX_PROC2:
		if (!has(g, VMX_PROC, VMX_PROC_SECONDARY))
			return false;
		cap = g->r->proc2;
		break;
	case VMX_EXIT:
		cap = g->r->exit;
		break;
	default:
		cap = g->r->entry;
		break;
	}
	return (value & cap & 0xffffffff) != (cap & 0xffffffff) ||
	    (value & ~(cap >> 32)) != 0;
}

static bool cr3_targets(const struct vmx *g, uint32_t f)
{
	return get(g, f) > (g->r->misc >> 16 & 0x1ff);
}

static bool virtual_nmi(const struct vmx *g, uint32_t f)
{
	return has(g, f, PIN_VIRTUAL_NMI) && !has(g, f, VMX_PIN_NMI);
}

static bool nmi_window(const struct vmx *g, uint32_t f)
{
	return has(g, f, PROC_NMI_WINDOW) &&
	    !has(g, VMX_PIN, PIN_VIRTUAL_NMI);
}

static bool posted(const struct vmx *g, uint32_t f)
{
	return has(g, f, PIN_POSTED) && !(proc2(g, PROC2_INTERRUPTS) &&
	    has(g, VMX_EXIT, EXIT_ACK));
}

static bool no_tpr_shadow(const struct vmx *g, uint32_t f)
{
	(void)f;
	return !has(g, VMX_PROC, PROC_TPR_SHADOW) &&
	    (proc2(g, PROC2_X2APIC) || proc2(g, PROC2_APIC_REGISTERS) ||
	    proc2(g, PROC2_INTERRUPTS));
}

static bool two_apics(const struct vmx *g, uint32_t f)
{
	(void)f;
	return proc2(g, PROC2_X2APIC) && proc2(g, PROC2_APIC_ACCESSES);
}

static bool interrupt_delivery(const struct vmx *g, uint32_t f)
{
	(void)f;
	return proc2(g, PROC2_INTERRUPTS) &&
	    !has(g, VMX_PIN, VMX_PIN_INTERRUPTS);
}

static bool vpid_zero(const struct vmx *g, uint32_t f)
{
	return proc2(g, VMX_PROC2_VPID) && get(g, f) == 0;
}

static bool without_ept(const struct vmx *g, uint32_t f)
{
	return has(g, VMX_PROC, VMX_PROC_SECONDARY) &&
	    !has(g, f, VMX_PROC2_EPT) && (get(g, f) & PROC2_NEED_EPT) != 0;
}

static bool save_timer(const struct vmx *g, uint32_t f)
{
	return has(g, f, EXIT_SAVE_TIMER) && !has(g, VMX_PIN, VMX_PIN_TIMER);
}

static bool smm(const struct vmx *g, uint32_t f)
{
	return (get(g, f) & ENTRY_SMM) != 0;
}

static bool host_not_64(const struct vmx *g, uint32_t f)
{
	return !has(g, f, VMX_EXIT_HOST_64);
}

/* ---- 26.2.1.3: an event to inject ---- */

static bool event_type(const struct vmx *g, uint32_t f)
{
	(void)f;
	return injects(g, 1) || (injects(g, EVENT_OTHER) &&
	    (g->r->proc >> 32 & PROC_MTF) == 0);
}

static bool event_vector(const struct vmx *g, uint32_t f)
{
	const uint64_t vector = VMX_EVENT_VECTOR(get(g, f));

	return (injects(g, VMX_EVENT_NMI) && vector != 2) ||
	    (injects(g, VMX_EVENT_HARDWARE) && vector > 31) ||
	    (injects(g, EVENT_OTHER) && vector != 0);
}

/* #DF #TS #NP #SS #GP #PF #AC; or any, says IA32_VMX_BASIC. */
static bool event_code(const struct vmx *g, uint32_t f)
{
	const uint32_t with = 0x27d00u;
	const uint64_t event = get(g, f);
	const bool code = (event & VMX_EVENT_HAS_ERROR) != 0;
	const bool may = injects(g, VMX_EVENT_HARDWARE) &&
	    (!unrestricted(g) || has(g, VMX_GUEST_CR0, CR0_PE));
	const uint64_t vector = VMX_EVENT_VECTOR(event);

	if ((event & VMX_EVENT_VALID) == 0)
		return false;
	if (may && (g->r->basic & BIT(56)) != 0)
		return false;
	return code != (may && vector < 32 && (with >> vector & 1) != 0);
}

static bool event_reserved(const struct vmx *g, uint32_t f)
{
	const uint64_t event = get(g, f);

	return (event & VMX_EVENT_VALID) != 0 && (event & 0x7ffff000) != 0;
}

static bool event_error(const struct vmx *g, uint32_t f)
{
	return has(g, VMX_ENTRY_EVENT, VMX_EVENT_VALID | VMX_EVENT_HAS_ERROR)
	    && get(g, f) >> 16 != 0;
}

static bool event_length(const struct vmx *g, uint32_t f)
{
	const uint64_t length = get(g, f);

	return (injects(g, VMX_EVENT_INT_N) || injects(g, VMX_EVENT_INT1) ||
	    injects(g, VMX_EVENT_SOFTWARE)) && (length > 15 ||
	    (length == 0 && (g->r->misc & BIT(30)) == 0));
}

/* ---- 26.2.2 to 26.2.4: the host ---- */

static bool host_cr0(const struct vmx *g, uint32_t f)
{
	return cr_fixed(get(g, f), g->r->cr0_fixed0, g->r->cr0_fixed1 |
	    CR0_NW_CD);
}

static bool host_cr4(const struct vmx *g, uint32_t f)
{
	return cr_fixed(get(g, f), g->r->cr4_fixed0, g->r->cr4_fixed1);
}

static bool host_pae(const struct vmx *g, uint32_t f)
{
	return has(g, VMX_EXIT, VMX_EXIT_HOST_64) && !has(g, f, CR4_PAE);
}

static bool host_efer(const struct vmx *g, uint32_t f)
{
	const uint64_t both = EFER_LME | EFER_LMA;

	return has(g, VMX_EXIT, VMX_EXIT_LOAD_EFER) && (get(g, f) & both) !=
	    (has(g, VMX_EXIT, VMX_EXIT_HOST_64) ? both : 0);
}

static bool selector_low(const struct vmx *g, uint32_t f)
{
	return (get(g, f) & 7) != 0;
}

static bool zero(const struct vmx *g, uint32_t f)
{
	return get(g, f) == 0;
}

/* ---- */

static const char as_allowed[] = "must be as its capability MSR allows";
static const char is_canonical[] = "must be canonical";
static const char fixed[] = "must have the bits that VMX operation fixes";

#define CONTROLS	"SDM vol. 3C 26.2.1.1"
#define ON_EXIT		"SDM vol. 3C 26.2.1.2"
#define ON_ENTRY	"SDM vol. 3C 26.2.1.3"
#define HOST		"SDM vol. 3C 26.2.2"
#define HOST_SEGMENTS	"SDM vol. 3C 26.2.3"
#define HOST_SIZE	"SDM vol. 3C 26.2.4"

const struct vmx_rule vmx_control_rules[] = {
	{ not_allowed, VMX_PIN, as_allowed, CONTROLS },
	{ not_allowed, VMX_PROC, as_allowed, CONTROLS },
	{ not_allowed, VMX_PROC2, as_allowed, CONTROLS },
	{ cr3_targets, VMX_CR3_TARGETS,
	    "must not exceed bits 24-16 of IA32_VMX_MISC", CONTROLS },
	{ virtual_nmi, VMX_PIN, "virtual NMIs need NMI exiting", CONTROLS },
	{ nmi_window, VMX_PROC, "NMI-window exiting needs virtual NMIs",
	    CONTROLS },
	{ posted, VMX_PIN, "posted interrupts need virtual-interrupt "
	    "delivery, and acknowledgement on exit", CONTROLS },
	{ no_tpr_shadow, VMX_PROC2, "x2APIC mode, APIC registers and "
	    "interrupt delivery need the TPR shadow", CONTROLS },
	{ two_apics, VMX_PROC2, "APIC accesses and x2APIC mode must not both "
	    "be virtualized", CONTROLS },
	{ interrupt_delivery, VMX_PROC2, "virtual-interrupt delivery needs "
	    "external-interrupt exiting", CONTROLS },
	{ without_ept, VMX_PROC2, "unrestricted guest and what modifies EPT "
	    "need EPT", CONTROLS },
	{ vpid_zero, VMX_VPID, "must not be 0", CONTROLS },
	{ not_allowed, VMX_EXIT, as_allowed, ON_EXIT },
	{ save_timer, VMX_EXIT, "saving the preemption timer needs it "
	    "activated", ON_EXIT },
	{ not_allowed, VMX_ENTRY, as_allowed, ON_ENTRY },
	{ smm, VMX_ENTRY, "entry to SMM and deactivation of dual-monitor "
	    "treatment must be 0 outside SMM", ON_ENTRY },
	{ event_type, VMX_ENTRY_EVENT, "the type must not be reserved",
	    ON_ENTRY },
	{ event_vector, VMX_ENTRY_EVENT, "the vector must fit to the type",
	    ON_ENTRY },
	{ event_code, VMX_ENTRY_EVENT, "an error code must come with "
	    "exceptions that have one, and no others", ON_ENTRY },
	{ event_reserved, VMX_ENTRY_EVENT, "bits 30-12 must be 0", ON_ENTRY },
	{ event_error, VMX_ENTRY_ERROR, "bits 31-16 must be 0", ON_ENTRY },
	{ event_length, VMX_ENTRY_LENGTH, "must be that of an instruction",
	    ON_ENTRY },
	{ host_not_64, VMX_EXIT,
	    "host address-space size must be 1 in IA-32e mode", HOST_SIZE },
	{ host_cr0, VMX_HOST_CR0, fixed, HOST },
	{ host_cr4, VMX_HOST_CR4, fixed, HOST },
	{ beyond_physical, VMX_HOST_CR3,
	    "must be below the limit of physical addresses", HOST },
	{ not_canonical, VMX_HOST_SYSENTER_ESP, is_canonical, HOST },
	{ not_canonical, VMX_HOST_SYSENTER_EIP, is_canonical, HOST },
	{ efer_reserved, VMX_HOST_EFER, "reserved bits must be 0", HOST },
	{ host_efer, VMX_HOST_EFER,
	    "LMA and LME must be the host address-space size", HOST },
	{ selector_low, VMX_HOST_ES, "TI and RPL must be 0", HOST_SEGMENTS },
	{ selector_low, VMX_HOST_CS, "TI and RPL must be 0", HOST_SEGMENTS },
	{ selector_low, VMX_HOST_SS, "TI and RPL must be 0", HOST_SEGMENTS },
	{ selector_low, VMX_HOST_DS, "TI and RPL must be 0", HOST_SEGMENTS },
	{ selector_low, VMX_HOST_FS, "TI and RPL must be 0", HOST_SEGMENTS },
	{ selector_low, VMX_HOST_GS, "TI and RPL must be 0", HOST_SEGMENTS },
	{ selector_low, VMX_HOST_TR, "TI and RPL must be 0", HOST_SEGMENTS },
	{ zero, VMX_HOST_CS, "must not be 0", HOST_SEGMENTS },
	{ zero, VMX_HOST_TR, "must not be 0", HOST_SEGMENTS },
	{ not_canonical, VMX_HOST_FS_BASE, is_canonical, HOST_SEGMENTS },
	{ not_canonical, VMX_HOST_GS_BASE, is_canonical, HOST_SEGMENTS },
	{ not_canonical, VMX_HOST_TR_BASE, is_canonical, HOST_SEGMENTS },
	{ not_canonical, VMX_HOST_GDTR_BASE, is_canonical, HOST_SEGMENTS },
	{ not_canonical, VMX_HOST_IDTR_BASE, is_canonical, HOST_SEGMENTS },
	{ host_pae, VMX_HOST_CR4, "PAE must be 1 in IA-32e mode", HOST_SIZE },
	{ not_canonical, VMX_HOST_RIP, is_canonical, HOST_SIZE },
	{ NULL, 0, NULL, NULL }
};
