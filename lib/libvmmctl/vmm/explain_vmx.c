// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain_vmx.c - what VM entries check: the rules, in the manual's order, over
 * a copy of the control structure; and what the processor itself says.  The
 * first rule that is broken is the answer.  Pure.
 */
#include "explain_vmx.h"

#include <string.h>

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

#define F(name, text)	{ name, VMX_FIELD_BYTES(name), text }
#define SEGMENT(name) \
	F(VMX_GUEST_##name, #name " selector"), \
	F(VMX_GUEST_##name##_LIMIT, #name " limit"), \
	F(VMX_GUEST_##name##_AR, #name " access rights"), \
	F(VMX_GUEST_##name##_BASE, #name " base")

const struct explain_field vmx_fields[] = {
	F(VMX_VPID, "VPID"),
	F(VMX_PIN, "pin-based controls"),
	F(VMX_PROC, "processor-based controls"),
	F(VMX_PROC2, "secondary processor-based controls"),
	F(VMX_CR3_TARGETS, "CR3-target count"),
	F(VMX_EXIT, "VM-exit controls"),
	F(VMX_ENTRY, "VM-entry controls"),
	F(VMX_ENTRY_EVENT, "VM-entry interruption information"),
	F(VMX_ENTRY_ERROR, "VM-entry exception error code"),
	F(VMX_ENTRY_LENGTH, "VM-entry instruction length"),
	SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS),
	SEGMENT(GS), SEGMENT(LDTR), SEGMENT(TR),
	F(VMX_GUEST_GDTR_BASE, "GDTR base"),
	F(VMX_GUEST_GDTR_LIMIT, "GDTR limit"),
	F(VMX_GUEST_IDTR_BASE, "IDTR base"),
	F(VMX_GUEST_IDTR_LIMIT, "IDTR limit"),
	F(VMX_GUEST_BLOCKING, "interruptibility state"),
	F(VMX_GUEST_ACTIVITY, "activity state"),
	F(VMX_GUEST_PENDING, "pending debug exceptions"),
	F(VMX_GUEST_DEBUGCTL, "IA32_DEBUGCTL"),
	F(VMX_GUEST_EFER, "IA32_EFER"),
	F(VMX_GUEST_SYSENTER_ESP, "IA32_SYSENTER_ESP"),
	F(VMX_GUEST_SYSENTER_EIP, "IA32_SYSENTER_EIP"),
	F(VMX_LINK, "VMCS link pointer"),
	F(VMX_GUEST_CR0, "CR0"),
	F(VMX_GUEST_CR3, "CR3"),
	F(VMX_GUEST_CR4, "CR4"),
	F(VMX_GUEST_DR7, "DR7"),
	F(VMX_GUEST_RIP, "RIP"),
	F(VMX_GUEST_RFLAGS, "RFLAGS"),
	F(VMX_HOST_ES, "host ES selector"),
	F(VMX_HOST_CS, "host CS selector"),
	F(VMX_HOST_SS, "host SS selector"),
	F(VMX_HOST_DS, "host DS selector"),
	F(VMX_HOST_FS, "host FS selector"),
	F(VMX_HOST_GS, "host GS selector"),
	F(VMX_HOST_TR, "host TR selector"),
	F(VMX_HOST_EFER, "host IA32_EFER"),
	F(VMX_HOST_CR0, "host CR0"),
	F(VMX_HOST_CR3, "host CR3"),
	F(VMX_HOST_CR4, "host CR4"),
	F(VMX_HOST_FS_BASE, "host FS base"),
	F(VMX_HOST_GS_BASE, "host GS base"),
	F(VMX_HOST_TR_BASE, "host TR base"),
	F(VMX_HOST_GDTR_BASE, "host GDTR base"),
	F(VMX_HOST_IDTR_BASE, "host IDTR base"),
	F(VMX_HOST_SYSENTER_ESP, "host IA32_SYSENTER_ESP"),
	F(VMX_HOST_SYSENTER_EIP, "host IA32_SYSENTER_EIP"),
	F(VMX_HOST_RIP, "host RIP"),
	{ 0, 0, NULL }
};

static bool name(const struct vmx *g, uint32_t field, const char *text,
    const char *section, struct explain *e)
{
	const struct explain_field *f = vmx_fields;

	while (f->name != NULL && f->field != field)
		f++;
	*e = (struct explain){ .field = f->name, .value = get(g, field),
		.rule = text, .section = section };
	return true;
}

static bool explain_rules(const struct vmx *g, const struct vmx_rule *r,
    struct explain *e)
{
	for (; r->broken != NULL; r++)
		if (g->copy->known[vmx_slot(r->field)] &&
		    r->broken(g, r->field))
			return name(g, r->field, r->rule, r->section, e);
	return false;
}

static bool explain_segments(const struct vmx *g, struct explain *e)
{
	const struct vmx_segment_rule *r;

	for (r = vmx_segment_rules; r->broken != NULL; r++)
		for (unsigned n = 0; n < 8; n++)
			if ((r->registers >> n & 1) != 0 && r->broken(g, n))
				return name(g, r->part + 2 * n, r->rule,
				    "SDM vol. 3C 26.3.1.2", e);
	return false;
}

bool explain_vmx(const struct vmx_copy *copy, const struct vmx_rules *r,
    struct explain *e)
{
	const struct vmx g = { copy, r };

	return explain_rules(&g, vmx_control_rules, e) ||
	    explain_rules(&g, vmx_register_rules, e) ||
	    explain_segments(&g, e) ||
	    explain_rules(&g, vmx_state_rules, e);
}

/* ---- what the processor says ---- */

/* 30.4, and the qualifications of 26.7. */
static const struct code {
	uint64_t raw, info;
	const char *field, *rule, *section;
} codes[] = {
	{ VMX_REASON_REFUSED, 4, "VM-instruction error",
	    "VMLAUNCH needs a clear control structure", "SDM vol. 3C 30.4" },
	{ VMX_REASON_REFUSED, 5, "VM-instruction error",
	    "VMRESUME needs a launched control structure",
	    "SDM vol. 3C 30.4" },
	{ VMX_REASON_REFUSED, 7, "VM-instruction error",
	    "control fields must be valid", "SDM vol. 3C 26.2.1" },
	{ VMX_REASON_REFUSED, 8, "VM-instruction error",
	    "host-state fields must be valid", "SDM vol. 3C 26.2.2" },
	{ VMX_REASON_REFUSED, 26, "VM-instruction error",
	    "MOV SS must not block events in the host", "SDM vol. 3C 26.1" },
	{ VMX_REASON_REFUSED | VMX_REASON_GUEST_STATE, 2, "PDPTEs",
	    "must have no reserved bits", "SDM vol. 3C 26.3.1.6" },
	{ VMX_REASON_REFUSED | VMX_REASON_GUEST_STATE, 3,
	    "VM-entry interruption information",
	    "no NMI may be injected while STI blocks",
	    "SDM vol. 3C 26.3.1.5" },
	{ VMX_REASON_REFUSED | VMX_REASON_GUEST_STATE, 4,
	    "VMCS link pointer", "must be all ones, or a control structure's",
	    "SDM vol. 3C 26.3.1.5" },
};

bool explain_vmx_code(uint64_t raw, uint64_t info, struct explain *e)
{
	if (raw == (VMX_REASON_REFUSED | VMX_REASON_MSR_LOAD)) {
		*e = (struct explain){ "VM-entry MSR-load area", info,
			"the entry of that number must be an MSR that can be "
			"loaded with its value", "SDM vol. 3C 26.4" };
		return true;
	}
	for (size_t i = 0; i < COUNT(codes); i++) {
		const struct code *c = &codes[i];

		if (c->raw != raw || c->info != info)
			continue;
		*e = (struct explain){ c->field, info, c->rule, c->section };
		return true;
	}
	return false;
}

static uint64_t fact(const struct vmm_info *info, const char *what)
{
	for (size_t i = 0; i < VMM_FACTS; i++)
		if (strncmp(info->facts[i].name, what,
		    sizeof(info->facts[i].name)) == 0)
			return info->facts[i].value;
	return 0;
}

bool vmx_rules(const struct vmm_info *info, const struct explain_cpuid *id,
    struct vmx_rules *r)
{
	*r = (struct vmx_rules){
		.basic = fact(info, "vmx.basic"),
		.pin = fact(info, "vmx.pin"),
		.proc = fact(info, "vmx.proc"),
		.proc2 = fact(info, "vmx.proc2"),
		.exit = fact(info, "vmx.exit"),
		.entry = fact(info, "vmx.entry"),
		.misc = fact(info, "vmx.misc"),
		.cr0_fixed0 = fact(info, "vmx.cr0_fixed0"),
		.cr0_fixed1 = fact(info, "vmx.cr0_fixed1"),
		.cr4_fixed0 = fact(info, "vmx.cr4_fixed0"),
		.cr4_fixed1 = fact(info, "vmx.cr4_fixed1"),
		.physical_bits = (uint32_t)fact(info, "physical_bits"),
		.nx = (id->edx_features >> 20 & 1) != 0,
		.sgx = (id->ebx7 >> 2 & 1) != 0,
		.rtm = (id->ebx7 >> 11 & 1) != 0,
	};
	return r->cr4_fixed1 != 0;
}
