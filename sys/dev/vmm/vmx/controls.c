/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * controls.c - can this processor do it, what else can it do, and what is to
 * be asked of it?  Pure.
 */
#include "vmx_impl.h"

/*
 * SDM vol. 3D A.2: bits 31-0 have to be 1, bits 63-32 may be.  What the
 * processor cannot is left out; the result is good if need is in it.
 */
static uint32_t allow(uint64_t capability, uint32_t wanted)
{
	return (wanted & (uint32_t)(capability >> 32)) | (uint32_t)capability;
}

/* Interrupts and NMIs are the host's. */
#define NEED_PIN	(VMX_PIN_INTERRUPTS | VMX_PIN_NMI)
#define NEED_PROC	(VMX_PROC_SECONDARY | VMX_PROC_HLT | \
	VMX_PROC_INVLPG | VMX_PROC_MWAIT | VMX_PROC_RDPMC | \
	VMX_PROC_CR8_LOAD | VMX_PROC_CR8_STORE | VMX_PROC_MOV_DR | \
	VMX_PROC_IO | VMX_PROC_MONITOR)
#define NEED_PROC2	VMX_PROC2_EPT
#define NEED_EXIT	(VMX_EXIT_HOST_64 | VMX_EXIT_LOAD_EFER)
#define NEED_ENTRY	(VMX_ENTRY_GUEST_64 | VMX_ENTRY_LOAD_EFER | \
	VMX_ENTRY_LOAD_DEBUG)

/* What makes an instruction do as it does without VMX, and be no #UD. */
#define WANT_PROC	(NEED_PROC | VMX_PROC_TSC_OFFSET)
#define WANT_PROC2	(NEED_PROC2 | VMX_PROC2_RDTSCP | VMX_PROC2_VPID | \
	VMX_PROC2_WBINVD | VMX_PROC2_INVPCID | VMX_PROC2_XSAVES | \
	VMX_PROC2_USER_WAIT)

static const char *check_processor(const struct vmx_words *w)
{
	if ((w->cpuid1_ecx & VMX_CPUID1_ECX) == 0)
		return "the processor has no VMX (VT-x), or a hypervisor "
		       "below hides it";
	if ((w->feature_control & VMX_FEATURE_LOCKED) == 0)
		return "IA32_FEATURE_CONTROL is not locked, so that VMXON "
		       "fails: enable VMX (VT-x) in the firmware's setup";
	if ((w->feature_control & VMX_FEATURE_VMX) == 0)
		return "the firmware has disabled VMX (VT-x) and locked it: "
		       "enable it in the firmware's setup";
	if (VMX_BASIC_TYPE(w->basic) != VMX_TYPE_WB ||
	    VMX_BASIC_SIZE(w->basic) > 4096 ||
	    (w->basic & VMX_BASIC_32BIT) != 0)
		return "the processor's VMX wants control structures of "
		       "another kind";
	/* An NMI is given back by INT 2 (vmx_cpu.h), which is none there. */
	if ((w->cr4 & VMM_X86_CR4_FRED) != 0)
		return "the kernel takes its events by FRED, which this module "
		       "cannot yet: boot with fred=off";
	return NULL;
}

static const char *check_controls(const struct vmx_controls *c)
{
	if ((c->proc & VMX_PROC_SECONDARY) == 0)
		return "the processor's VMX has no secondary controls";
	if ((c->proc2 & VMX_PROC2_EPT) == 0)
		return "the processor's VMX has no EPT (nested paging)";
	if ((c->pin & NEED_PIN) != NEED_PIN)
		return "the processor's VMX cannot give back interrupts";
	if ((c->proc & NEED_PROC) != NEED_PROC)
		return "the processor's VMX cannot intercept all that it has "
		       "to";
	if ((c->exit & VMX_EXIT_HOST_64) == 0 ||
	    (c->entry & VMX_ENTRY_GUEST_64) == 0)
		return "the processor's VMX has no 64-bit mode";
	if ((c->exit & NEED_EXIT) != NEED_EXIT ||
	    (c->entry & NEED_ENTRY) != NEED_ENTRY)
		return "the processor's VMX does not switch IA32_EFER";
	return NULL;
}

static const char *check_ept(uint64_t ept)
{
	if ((ept & VMX_EPT_WALK_4) == 0)
		return "the processor's EPT has no tables of four levels";
	if ((ept & VMX_EPT_WB) == 0)
		return "the processor's EPT cannot be in write-back memory";
	if ((ept & VMX_EPT_INVEPT) == 0 ||
	    (ept & (VMX_EPT_INVEPT_ONE | VMX_EPT_INVEPT_ALL)) == 0)
		return "the processor has no INVEPT";
	return NULL;
}

/* A tag whose old translations cannot be dropped is of no use. */
static bool has_vpid(const struct vmx_words *w)
{
	const uint64_t need = VMX_EPT_INVVPID | VMX_EPT_INVVPID_ALL;

	return (w->ept_vpid & need) == need;
}

int vmx_usable(const struct vmx_words *w, struct vmx_controls *c,
    uint64_t *caps, const char **why)
{
	*caps = 0;
	memset(c, 0, sizeof(*c));
	*why = NULL;
	if (w->amd && (w->cpuid1_ecx & VMX_CPUID1_ECX) == 0)
		return EOPNOTSUPP;
	*why = check_processor(w);
	if (*why != NULL)
		return EOPNOTSUPP;
	c->pin = allow(w->pin, NEED_PIN);
	c->proc = allow(w->proc, WANT_PROC);
	c->proc2 = allow(w->proc2, WANT_PROC2 &
	    ~(has_vpid(w) ? 0 : VMX_PROC2_VPID));
	c->exit = allow(w->exit, NEED_EXIT);
	c->entry = allow(w->entry, NEED_ENTRY);
	*why = check_controls(c);
	if (*why == NULL)
		*why = check_ept(w->ept_vpid);
	if (*why != NULL)
		return EOPNOTSUPP;

	*caps = VMM_CAP_GUEST_USER | VMM_CAP_CPUID | VMM_CAP_NRIP;
	if ((w->ept_vpid & VMX_EPT_2M) != 0)
		*caps |= VMM_CAP_LARGE_2M;
	if ((w->ept_vpid & VMX_EPT_1G) != 0)
		*caps |= VMM_CAP_LARGE_1G;
	if ((w->ept_vpid & VMX_EPT_AD) != 0)
		*caps |= VMM_CAP_HW_DIRTY;
	if ((c->proc2 & VMX_PROC2_VPID) != 0)
		*caps |= VMM_CAP_FLUSH_TAG;
	return 0;
}

bool vmx_has_timer(const struct vmx_words *w)
{
	/* "The VMX-preemption timer does not count down at the rate
	 * specified": specification updates 320836 AAJ124, 321333 AAM126,
	 * 320767 AAP86, 322166 AAN92, 322814 AAT59, 322911 AAU65, 323056
	 * AAX65, 323344 BA86; and of the Xeon E3-1200 v2. */
	static const uint32_t wrong[] = {
		0x106a0, 0x106a1, 0x106a4, 0x106a5, 0x106e5, 0x20652, 0x20655,
		0x206e6, 0x306a8
	};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (w->cpuid1_eax == wrong[i])
			return false;
	return (w->pin >> 32 & VMX_PIN_TIMER) != 0;
}

/* Tables of four levels. */
uint32_t vmx_gpa_bits(const struct vmx_words *w)
{
	uint32_t bits = w->sizes_eax & 0xff;

	return bits < 48 ? bits : 48;
}
