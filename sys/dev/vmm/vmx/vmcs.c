/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcs.c - the control structure of a guest user: ring 3 in 64-bit mode with
 * nothing of ring 0 below it.  Its descriptor tables are empty, so that no
 * event can be delivered inside; all of them leave the guest.  Pure.
 */
#include "vmx_impl.h"
#include "../x86/x86.h"

/* A segment register that is null, 24.4.1. */
#define NULL_SEGMENT(name) \
	{ VMX_GUEST_##name, 0 }, { VMX_GUEST_##name##_LIMIT, 0 }, \
	{ VMX_GUEST_##name##_AR, VMX_AR_UNUSABLE }, \
	{ VMX_GUEST_##name##_BASE, 0 }
#define SEGMENT(name, selector, limit, ar) \
	{ VMX_GUEST_##name, (selector) }, \
	{ VMX_GUEST_##name##_LIMIT, (limit) }, \
	{ VMX_GUEST_##name##_AR, (ar) }, { VMX_GUEST_##name##_BASE, 0 }

static const struct vmx_value guest_constants[] = {
	/* Every exception, and every page fault: mask and match agree. */
	{ VMX_EXCEPTIONS, 0xffffffff },
	{ VMX_PFEC_MASK, 0 },
	{ VMX_PFEC_MATCH, 0 },
	{ VMX_CR3_TARGETS, 0 },
	{ VMX_EXIT_MSR_STORES, 0 },
	{ VMX_EXIT_MSR_LOADS, 0 },
	{ VMX_ENTRY_MSR_LOADS, 0 },
	{ VMX_ENTRY_EVENT, 0 },
	{ VMX_ENTRY_ERROR, 0 },
	{ VMX_ENTRY_LENGTH, 0 },
	/* Ring 3 sees CR0 by SMSW only, as it is. */
	{ VMX_CR0_MASK, 0 },
	{ VMX_CR4_MASK, 0 },
	{ VMX_CR0_SHADOW, 0 },
	{ VMX_CR4_SHADOW, 0 },
	{ VMX_LINK, VMX_NO_LINK },
	SEGMENT(CS, VMM_X86_SEL_CS, 0xffffffff, VMX_AR_CODE64_USER),
	SEGMENT(SS, VMM_X86_SEL_SS, 0xffffffff, VMX_AR_DATA_USER),
	NULL_SEGMENT(DS),
	NULL_SEGMENT(ES),
	NULL_SEGMENT(FS),
	NULL_SEGMENT(GS),
	NULL_SEGMENT(LDTR),
	/* No port is ring 3's: the map would be behind the limit. */
	SEGMENT(TR, 0, 0, VMX_AR_TSS_BUSY),
	{ VMX_GUEST_GDTR_BASE, 0 },
	{ VMX_GUEST_GDTR_LIMIT, 0 },
	{ VMX_GUEST_IDTR_BASE, 0 },
	{ VMX_GUEST_IDTR_LIMIT, 0 },
	/* SYSCALL is #UD, SYSENTER #GP. */
	{ VMX_GUEST_EFER, VMM_X86_EFER_LME | VMM_X86_EFER_LMA |
	    VMM_X86_EFER_NXE },
	{ VMX_GUEST_SYSENTER_CS, 0 },
	{ VMX_GUEST_SYSENTER_ESP, 0 },
	{ VMX_GUEST_SYSENTER_EIP, 0 },
	{ VMX_GUEST_DEBUGCTL, 0 },
	{ VMX_GUEST_DR7, VMM_X86_DR7_FIXED },
	{ VMX_GUEST_BLOCKING, 0 },
	{ VMX_GUEST_ACTIVITY, 0 },
	{ VMX_GUEST_PENDING, 0 },
	{ VMX_GUEST_CR3, 0 },
	{ VMX_GUEST_RSP, 0 },
	{ VMX_GUEST_RIP, 0 },
	{ VMX_GUEST_RFLAGS, VMM_X86_RFLAGS_FIXED },
};
#define GUEST_CONSTANTS \
	(sizeof(guest_constants) / sizeof(guest_constants[0]))

_Static_assert(GUEST_CONSTANTS + 10 <= VMX_GUEST_VALUES, "VMX_GUEST_VALUES");

uint32_t vmx_guest_values(const struct vmx_guest *g,
    struct vmx_value out[VMX_GUEST_VALUES])
{
	const struct vmx_controls *c = &g->controls;
	struct vmx_value *p = out + GUEST_CONSTANTS;

	memcpy(out, guest_constants, sizeof(guest_constants));
	*p++ = (struct vmx_value){ VMX_PIN, c->pin };
	*p++ = (struct vmx_value){ VMX_PROC, c->proc };
	*p++ = (struct vmx_value){ VMX_PROC2, c->proc2 };
	*p++ = (struct vmx_value){ VMX_EXIT, c->exit };
	*p++ = (struct vmx_value){ VMX_ENTRY, c->entry };
	*p++ = (struct vmx_value){ VMX_EPTP, g->eptp };
	if ((c->proc & VMX_PROC_TSC_OFFSET) != 0)
		*p++ = (struct vmx_value){ VMX_TSC_OFFSET, 0 };
	*p++ = (struct vmx_value){ VMX_GUEST_CR0, VMM_X86_CR0_GUEST |
	    g->cr0_fixed0 };
	*p++ = (struct vmx_value){ VMX_GUEST_CR4, x86_guest_cr4(g->host_cr4) |
	    g->cr4_fixed0 };
	return (uint32_t)(p - out);
}

/* 26.2.3: the selectors of user code, if there are any, are not for here. */
uint32_t vmx_host_values(const struct vmx_host *h,
    struct vmx_value out[VMX_HOST_VALUES])
{
	const struct vmx_value values[] = {
		{ VMX_HOST_ES, 0 },
		{ VMX_HOST_CS, h->cs },
		{ VMX_HOST_SS, h->ss },
		{ VMX_HOST_DS, 0 },
		{ VMX_HOST_FS, 0 },
		{ VMX_HOST_GS, 0 },
		{ VMX_HOST_TR, h->tr },
		{ VMX_HOST_CR0, h->cr0 },
		{ VMX_HOST_EFER, h->efer },
		{ VMX_HOST_GS_BASE, h->gs_base },
		{ VMX_HOST_TR_BASE, h->tr_base },
		{ VMX_HOST_GDTR_BASE, cpu_table_base(&h->gdtr) },
		{ VMX_HOST_IDTR_BASE, cpu_table_base(&h->idtr) },
		{ VMX_HOST_SYSENTER_CS, h->sysenter_cs },
		{ VMX_HOST_SYSENTER_ESP, h->sysenter_esp },
		{ VMX_HOST_SYSENTER_EIP, h->sysenter_eip },
		{ VMX_HOST_RIP, h->rip },
	};
	const uint32_t n = sizeof(values) / sizeof(values[0]);

	_Static_assert(sizeof(values) / sizeof(values[0]) <= VMX_HOST_VALUES,
	    "VMX_HOST_VALUES");
	memcpy(out, values, sizeof(values));
	return n;
}

/* SDM vol. 3A 7.2.3. */
uint64_t vmx_descriptor_base(const uint8_t *descriptor)
{
	uint32_t low, high, upper;

	memcpy(&low, descriptor, 4);
	memcpy(&high, descriptor + 4, 4);
	memcpy(&upper, descriptor + 8, 4);
	return low >> 16 | (uint64_t)(high & 0xff) << 16 |
	    (high & 0xff000000) | (uint64_t)upper << 32;
}
