/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw.c - fields of the control structure that a machine's owner may see, and
 * the few that it may write.  Not here: what is of the host, physical
 * addresses among it.  Pure.
 */
#include "vmx_impl.h"

#define SEGMENT(name) VMX_GUEST_##name, VMX_GUEST_##name##_LIMIT, \
	VMX_GUEST_##name##_AR, VMX_GUEST_##name##_BASE

static const uint16_t readable[] = {
	VMX_VPID,
	VMX_TSC_OFFSET,
	VMX_GUEST_PHYSICAL,
	VMX_LINK,
	VMX_PIN,
	VMX_PROC,
	VMX_PROC2,
	VMX_EXCEPTIONS,
	VMX_PFEC_MASK,
	VMX_PFEC_MATCH,
	VMX_CR3_TARGETS,
	VMX_EXIT,
	VMX_EXIT_MSR_STORES,
	VMX_EXIT_MSR_LOADS,
	VMX_ENTRY,
	VMX_ENTRY_MSR_LOADS,
	VMX_ENTRY_EVENT,
	VMX_ENTRY_ERROR,
	VMX_ENTRY_LENGTH,
	VMX_INSTRUCTION_ERROR,
	VMX_REASON,
	VMX_EVENT,
	VMX_EVENT_ERROR,
	VMX_VECTORING,
	VMX_VECTORING_ERROR,
	VMX_LENGTH,
	VMX_INSTRUCTION_INFO,
	VMX_QUALIFICATION,
	VMX_GUEST_LINEAR,
	SEGMENT(ES),
	SEGMENT(CS),
	SEGMENT(SS),
	SEGMENT(DS),
	SEGMENT(FS),
	SEGMENT(GS),
	SEGMENT(LDTR),
	SEGMENT(TR),
	VMX_GUEST_GDTR_BASE,
	VMX_GUEST_GDTR_LIMIT,
	VMX_GUEST_IDTR_BASE,
	VMX_GUEST_IDTR_LIMIT,
	VMX_GUEST_BLOCKING,
	VMX_GUEST_ACTIVITY,
	VMX_GUEST_PENDING,
	VMX_GUEST_DEBUGCTL,
	VMX_GUEST_EFER,
	VMX_GUEST_SYSENTER_CS,
	VMX_GUEST_SYSENTER_ESP,
	VMX_GUEST_SYSENTER_EIP,
	VMX_CR0_MASK,
	VMX_CR4_MASK,
	VMX_CR0_SHADOW,
	VMX_CR4_SHADOW,
	VMX_GUEST_CR0,
	VMX_GUEST_CR3,
	VMX_GUEST_CR4,
	VMX_GUEST_DR7,
	VMX_GUEST_RSP,
	VMX_GUEST_RIP,
	VMX_GUEST_RFLAGS,
};

/* A clock that is off harms nobody but the guest; shadows are what it sees of
 * CR0, and only where the masks are set. */
static const uint16_t writable[] = {
	VMX_TSC_OFFSET,
	VMX_CR0_SHADOW,
	VMX_CR4_SHADOW,
};

static bool is_in(const uint16_t *list, size_t n, uint32_t field)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i] == field)
			return true;
	return false;
}

int vmx_raw_check(uint32_t field, uint32_t width, bool write, bool all)
{
	const bool few = write && !all;
	const uint16_t *list = few ? writable : readable;
	size_t n = few ? sizeof(writable) : sizeof(readable);

	if (!is_in(list, n / sizeof(list[0]), field))
		return EPERM;
	return vmx_field_bytes(field) == width ? 0 : EINVAL;
}
