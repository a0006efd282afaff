// SPDX-License-Identifier: BSD-2-Clause
/* mutate_vmx.c - the fields of a control structure, see mutate.h. */
#include "mutate.h"

#include <stddef.h>

#define F(field, name, alone)	{ field, VMX_FIELD_BYTES(field), name, alone }
#define SEGMENT(name) \
	F(VMX_GUEST_##name, #name, 0), \
	F(VMX_GUEST_##name##_LIMIT, #name "_limit", 0), \
	F(VMX_GUEST_##name##_AR, #name "_rights", 0), \
	F(VMX_GUEST_##name##_BASE, #name "_base", 0)

/*
 * Not here: what each run loads (RIP, RFLAGS); counts of MSRs, whose lists
 * would be at address 0; and the host's state, which the device does not show.
 */
static const struct mutate_field fields[] = {
	F(VMX_VPID, "VPID", 0),
	F(VMX_TSC_OFFSET, "TSC_offset", 0),
	/* Interrupts and NMIs: the host's would be lost. */
	F(VMX_PIN, "pin_controls", VMX_PIN_INTERRUPTS | VMX_PIN_NMI),
	/* Secondary controls: without EPT, CR3 is an address of the host. */
	F(VMX_PROC, "processor_controls", VMX_PROC_SECONDARY),
	F(VMX_PROC2, "secondary_controls", VMX_PROC2_EPT),
	F(VMX_EXCEPTIONS, "exception_bitmap", 0),
	F(VMX_PFEC_MASK, "page_fault_mask", 0),
	F(VMX_PFEC_MATCH, "page_fault_match", 0),
	F(VMX_CR3_TARGETS, "CR3_targets", 0),
	/* What the host has after an exit: PERF_GLOBAL_CTRL, PAT, EFER,
	 * BNDCFGS; an interrupt that is acknowledged would be lost. */
	F(VMX_EXIT, "exit_controls", 1u << 12 | 1u << 15 | 1u << 19 |
	    VMX_EXIT_LOAD_EFER | 1u << 23),
	/* The guest's PERF_GLOBAL_CTRL would be the host's after that. */
	F(VMX_ENTRY, "entry_controls", 1u << 13),
	F(VMX_ENTRY_EVENT, "event", 0),
	F(VMX_ENTRY_ERROR, "error_code", 0),
	F(VMX_ENTRY_LENGTH, "instruction_length", 0),
	SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS),
	SEGMENT(GS), SEGMENT(LDTR), SEGMENT(TR),
	F(VMX_GUEST_GDTR_BASE, "GDTR_base", 0),
	F(VMX_GUEST_GDTR_LIMIT, "GDTR_limit", 0),
	F(VMX_GUEST_IDTR_BASE, "IDTR_base", 0),
	F(VMX_GUEST_IDTR_LIMIT, "IDTR_limit", 0),
	F(VMX_GUEST_BLOCKING, "interruptibility", 0),
	F(VMX_GUEST_ACTIVITY, "activity", 0),
	F(VMX_GUEST_PENDING, "pending_debug", 0),
	F(VMX_GUEST_DEBUGCTL, "DEBUGCTL", 0),
	F(VMX_GUEST_EFER, "EFER", 0),
	F(VMX_GUEST_SYSENTER_CS, "SYSENTER_CS", 0),
	F(VMX_GUEST_SYSENTER_ESP, "SYSENTER_ESP", 0),
	F(VMX_GUEST_SYSENTER_EIP, "SYSENTER_EIP", 0),
	F(VMX_LINK, "link_pointer", 0),
	F(VMX_CR0_MASK, "CR0_mask", 0),
	F(VMX_CR4_MASK, "CR4_mask", 0),
	F(VMX_CR0_SHADOW, "CR0_shadow", 0),
	F(VMX_CR4_SHADOW, "CR4_shadow", 0),
	F(VMX_GUEST_CR0, "CR0", 0),
	F(VMX_GUEST_CR3, "CR3", 0),
	F(VMX_GUEST_CR4, "CR4", 0),
	F(VMX_GUEST_DR7, "DR7", 0),
	F(VMX_GUEST_RSP, "RSP", 0),
	{ 0, 0, NULL, 0 }
};

#define V(field, name, value)	{ field, VMX_FIELD_BYTES(field), name, value }
#define EVENT(type, vector)	(VMX_EVENT_VALID | (type) << 8 | (vector))
#define CODE			VMX_EVENT_HAS_ERROR

/* Bochs 2.7 ends at the type 7; who waits for a SIPI waits for ever. */
static const struct mutate_value values[] = {
	V(VMX_VPID, "VPID", 0),
	V(VMX_ENTRY_EVENT, "event", EVENT(0u, 32u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(1u, 32u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(2u, 2u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(2u, 3u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(3u, 6u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(3u, 6u) | CODE),
	V(VMX_ENTRY_EVENT, "event", EVENT(3u, 13u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(3u, 13u) | CODE),
	V(VMX_ENTRY_EVENT, "event", EVENT(3u, 32u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(4u, 32u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(5u, 1u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(6u, 3u)),
	V(VMX_ENTRY_EVENT, "event", EVENT(3u, 6u) | 1u << 12),
	V(VMX_ENTRY_EVENT, "event", EVENT(3u, 6u) | 1u << 30),
	V(VMX_GUEST_BLOCKING, "interruptibility", 3),
	V(VMX_GUEST_CS_AR, "CS_rights", 0xa0f3),	/* a data segment */
	V(VMX_GUEST_CS_AR, "CS_rights", 0xa09b),	/* DPL 0 */
	V(VMX_GUEST_DS_AR, "DS_rights", 0xc0f3),	/* usable */
	V(VMX_GUEST_LDTR_AR, "LDTR_rights", 0x0082),	/* usable */
	V(VMX_GUEST_TR_AR, "TR_rights", 0x0083),	/* of 16 bits */
	V(VMX_GUEST_TR_LIMIT, "TR_limit", 0xfffff),
	V(VMX_GUEST_EFER, "EFER", 0x800),		/* not long mode */
	V(VMX_LINK, "link_pointer", 0x800),
	{ 0, 0, NULL, 0 }
};

const struct mutate_vendor mutate_vmx = { "vmx", fields, values };
