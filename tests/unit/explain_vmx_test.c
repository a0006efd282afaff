// SPDX-License-Identifier: BSD-2-Clause
/* Why an entry is refused by VMX: see explain_test.h. */
#include "explain_test.h"

/* Bochs' Haswell, with VMX controls that it lacks, too. */
static struct vmx_rules some_processor(void)
{
	return (struct vmx_rules){
		.pin = 0xff00000016, .proc = 0xfff9fffe04006172,
		.proc2 = 0x07ffffff00000000, .exit = 0xffffff00036dfb,
		.entry = 0xfffff000011fb, .misc = 0x7004c1e7,
		.cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000, .cr4_fixed1 = 0xf727ff,
		.physical_bits = 40, .nx = true,
	};
}

#define PIN	0x1fu		/* NMI, interrupts */
#define PROC	0x84006172u	/* secondary controls */
#define PROC2	0x22u		/* EPT, VPID */
#define EXIT	0x236fffu	/* 64-bit host, EFER */
#define ENTRY	0x93ffu		/* IA-32e guest, debug, EFER */

static const struct {
	uint32_t field;
	uint64_t value;
} good_vmx[] = {
	{ VMX_VPID, 1 }, { VMX_PIN, PIN }, { VMX_PROC, PROC },
	{ VMX_PROC2, PROC2 }, { VMX_EXIT, EXIT }, { VMX_ENTRY, ENTRY },
	{ VMX_GUEST_CS, 0x33 }, { VMX_GUEST_CS_LIMIT, 0xffffffff },
	{ VMX_GUEST_CS_AR, VMX_AR_CODE64_USER },
	{ VMX_GUEST_SS, 0x2b }, { VMX_GUEST_SS_LIMIT, 0xffffffff },
	{ VMX_GUEST_SS_AR, VMX_AR_DATA_USER },
	{ VMX_GUEST_ES_AR, VMX_AR_UNUSABLE },
	{ VMX_GUEST_DS_AR, VMX_AR_UNUSABLE },
	{ VMX_GUEST_FS_AR, VMX_AR_UNUSABLE },
	{ VMX_GUEST_GS_AR, VMX_AR_UNUSABLE },
	{ VMX_GUEST_LDTR_AR, VMX_AR_UNUSABLE },
	{ VMX_GUEST_TR_AR, VMX_AR_TSS_BUSY },
	{ VMX_GUEST_EFER, 0xd00 }, { VMX_LINK, VMX_NO_LINK },
	{ VMX_GUEST_CR0, CR0 }, { VMX_GUEST_CR3, 0x1000 },
	{ VMX_GUEST_CR4, 0x2620 }, { VMX_GUEST_DR7, 0x400 },
	{ VMX_GUEST_RIP, 0x400000 }, { VMX_GUEST_RFLAGS, 0x202 },
	{ VMX_HOST_CS, 0x10 }, { VMX_HOST_SS, 0x18 }, { VMX_HOST_TR, 0x40 },
	{ VMX_HOST_EFER, 0xd01 }, { VMX_HOST_CR0, CR0 },
	{ VMX_HOST_CR3, 0x2000 }, { VMX_HOST_CR4, 0x26e0 },
	{ VMX_HOST_RIP, 0xffffffff81000000 },
};

/* All fields are known but those that are not said to be: their values are
 * 0. */
static void good(struct vmx_copy *copy)
{
	memset(copy, 0, sizeof(*copy));
	for (const struct explain_field *f = vmx_fields; f->name != NULL; f++)
		copy->known[vmx_slot(f->field)] = true;
	for (size_t i = 0; i < COUNT(good_vmx); i++)
		copy->value[vmx_slot(good_vmx[i].field)] = good_vmx[i].value;
}

#define INJECT(type, vector)	(VMX_EVENT_VALID | (type) << 8 | (vector))

/* A field, its value, and up to two others that have to be so for that. */
struct broken_vmx {
	uint32_t field;
	uint64_t value;
	const char *name, *rule, *section;
	struct {
		uint32_t field;
		uint64_t value;
	} with[2];
};

#define ALONE	{ { 0, 0 } }
#define NOT_64	{ VMX_ENTRY, ENTRY & ~0x200u }, { VMX_GUEST_EFER, 0x800 }

static const struct broken_vmx broken_vmx[] = {
	{ VMX_PIN, PIN & ~2u, "pin", "capability", "26.2.1.1", ALONE },
	{ VMX_PIN, PIN | 1u << 8, "pin", "capability", "26.2.1.1",
	    ALONE },
	{ VMX_PROC, PROC & ~2u, "processor", "capability", "26.2.1.1",
	    ALONE },
	{ VMX_PROC, PROC | 1, "processor", "capability", "26.2.1.1",
	    ALONE },
	{ VMX_PROC2, PROC2 | 1u << 27, "secondary", "capability",
	    "26.2.1.1", ALONE },
	{ VMX_CR3_TARGETS, 5, "CR3-target", "IA32_VMX_MISC", "26.2.1.1",
	    ALONE },
	{ VMX_PIN, (PIN | 1 << 5) & ~8u, "pin", "NMI exiting", "26.2.1.1",
	    ALONE },
	{ VMX_PROC, PROC | 1 << 22, "processor", "virtual NMIs", "26.2.1.1",
	    ALONE },
	{ VMX_PIN, PIN | 1 << 7, "pin", "posted", "26.2.1.1", ALONE },
	{ VMX_PROC2, PROC2 | 1 << 4, "secondary", "TPR", "26.2.1.1",
	    ALONE },
	{ VMX_PROC2, PROC2 | 1 << 8, "secondary", "TPR", "26.2.1.1",
	    ALONE },
	{ VMX_PROC2, PROC2 | 1 << 9, "secondary", "TPR", "26.2.1.1",
	    ALONE },
	{ VMX_PROC2, PROC2 | 1 << 4 | 1, "secondary", "both", "26.2.1.1",
	    { { VMX_PROC, PROC | 1 << 21 } } },
	{ VMX_PROC2, PROC2 | 1 << 9, "secondary", "external", "26.2.1.1",
	    { { VMX_PROC, PROC | 1 << 21 }, { VMX_PIN, PIN & ~1u } } },
	{ VMX_PROC2, 1 << 7, "secondary", "EPT", "26.2.1.1", ALONE },
	{ VMX_PROC2, 1 << 17, "secondary", "EPT", "26.2.1.1", ALONE },
	{ VMX_VPID, 0, "VPID", "0", "26.2.1.1", ALONE },
	{ VMX_EXIT, EXIT & ~2u, "VM-exit", "capability", "26.2.1.2",
	    ALONE },
	{ VMX_EXIT, EXIT | 1u << 31, "VM-exit", "capability", "26.2.1.2",
	    ALONE },
	{ VMX_EXIT, EXIT | 1 << 22, "VM-exit", "preemption", "26.2.1.2",
	    ALONE },
	{ VMX_ENTRY, ENTRY & ~2u, "VM-entry", "capability", "26.2.1.3",
	    ALONE },
	{ VMX_ENTRY, ENTRY | 1u << 31, "VM-entry", "capability", "26.2.1.3",
	    ALONE },
	{ VMX_ENTRY, ENTRY | 1 << 10, "VM-entry", "SMM", "26.2.1.3",
	    ALONE },
	{ VMX_ENTRY, ENTRY | 1 << 11, "VM-entry", "SMM", "26.2.1.3",
	    ALONE },
	{ VMX_ENTRY_EVENT, INJECT(1u, 0u), "interruption", "type",
	    "26.2.1.3", ALONE },
	{ VMX_ENTRY_EVENT, INJECT(2u, 3u), "interruption", "vector",
	    "26.2.1.3", ALONE },
	{ VMX_ENTRY_EVENT, INJECT(3u, 32u), "interruption", "vector",
	    "26.2.1.3", ALONE },
	{ VMX_ENTRY_EVENT, INJECT(7u, 1u), "interruption", "vector",
	    "26.2.1.3", ALONE },
	{ VMX_ENTRY_EVENT, INJECT(3u, 13u), "interruption", "error code",
	    "26.2.1.3", ALONE },
	{ VMX_ENTRY_EVENT, INJECT(3u, 6u) | VMX_EVENT_HAS_ERROR,
	    "interruption", "error code", "26.2.1.3", ALONE },
	{ VMX_ENTRY_EVENT, INJECT(0u, 13u) | VMX_EVENT_HAS_ERROR,
	    "interruption", "error code", "26.2.1.3", ALONE },
	{ VMX_ENTRY_EVENT, INJECT(3u, 6u) | 1u << 12, "interruption",
	    "30-12", "26.2.1.3", ALONE },
	{ VMX_ENTRY_ERROR, 0x10000, "error code", "31-16", "26.2.1.3",
	    { { VMX_ENTRY_EVENT, INJECT(3u, 13u) | VMX_EVENT_HAS_ERROR } } },
	{ VMX_ENTRY_LENGTH, 16, "length", "instruction", "26.2.1.3",
	    { { VMX_ENTRY_EVENT, INJECT(4u, 32u) } } },

	{ VMX_EXIT, EXIT & ~0x200u, "VM-exit", "address-space", "26.2.4",
	    ALONE },
	{ VMX_HOST_CR0, CR0 & ~1ull, "host CR0", "fixes", "26.2.2",
	    ALONE },
	{ VMX_HOST_CR0, CR0 | 1ull << 32, "host CR0", "fixes", "26.2.2",
	    ALONE },
	{ VMX_HOST_CR4, 0x6e0, "host CR4", "fixes", "26.2.2", ALONE },
	{ VMX_HOST_CR4, 0x26e0 | 1 << 24, "host CR4", "fixes", "26.2.2",
	    ALONE },
	{ VMX_HOST_CR3, 1ull << 40, "host CR3", "physical", "26.2.2",
	    ALONE },
	{ VMX_HOST_SYSENTER_ESP, 1ull << 47, "host IA32_SYSENTER_ESP",
	    "canonical", "26.2.2", ALONE },
	{ VMX_HOST_SYSENTER_EIP, 1ull << 63, "host IA32_SYSENTER_EIP",
	    "canonical", "26.2.2", ALONE },
	{ VMX_HOST_EFER, 0xd03, "host IA32_EFER", "reserved", "26.2.2",
	    ALONE },
	{ VMX_HOST_EFER, 0x901, "host IA32_EFER", "LMA", "26.2.2",
	    ALONE },
	{ VMX_HOST_ES, 1, "host ES", "RPL", "26.2.3", ALONE },
	{ VMX_HOST_CS, 0x13, "host CS", "RPL", "26.2.3", ALONE },
	{ VMX_HOST_SS, 0x1c, "host SS", "RPL", "26.2.3", ALONE },
	{ VMX_HOST_DS, 4, "host DS", "RPL", "26.2.3", ALONE },
	{ VMX_HOST_FS, 2, "host FS", "RPL", "26.2.3", ALONE },
	{ VMX_HOST_GS, 3, "host GS", "RPL", "26.2.3", ALONE },
	{ VMX_HOST_TR, 0x44, "host TR", "RPL", "26.2.3", ALONE },
	{ VMX_HOST_CS, 0, "host CS", "not be 0", "26.2.3", ALONE },
	{ VMX_HOST_TR, 0, "host TR", "not be 0", "26.2.3", ALONE },
	{ VMX_HOST_FS_BASE, 1ull << 47, "host FS", "canonical", "26.2.3",
	    ALONE },
	{ VMX_HOST_GS_BASE, 1ull << 47, "host GS", "canonical", "26.2.3",
	    ALONE },
	{ VMX_HOST_TR_BASE, 1ull << 47, "host TR", "canonical", "26.2.3",
	    ALONE },
	{ VMX_HOST_GDTR_BASE, 1ull << 47, "host GDTR", "canonical", "26.2.3",
	    ALONE },
	{ VMX_HOST_IDTR_BASE, 1ull << 47, "host IDTR", "canonical", "26.2.3",
	    ALONE },
	{ VMX_HOST_CR4, 0x26c0, "host CR4", "PAE", "26.2.4", ALONE },
	{ VMX_HOST_RIP, 1ull << 47, "host RIP", "canonical", "26.2.4",
	    ALONE },

	{ VMX_GUEST_CR0, CR0 & ~0x20ull, "CR0", "fixes", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_CR0, CR0 | 1ull << 32, "CR0", "fixes", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_CR0, CR0 & ~1ull, "CR0", "PE", "26.3.1.1",
	    { { VMX_PROC2, PROC2 | 1 << 7 } } },
	{ VMX_GUEST_CR0, CR0 & ~(1ull << 31), "CR0", "PG", "26.3.1.1",
	    { { VMX_PROC2, PROC2 | 1 << 7 } } },
	{ VMX_GUEST_CR4, 0x620, "CR4", "fixes", "26.3.1.1", ALONE },
	{ VMX_GUEST_CR4, 0x2620 | 1 << 24, "CR4", "fixes", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_CR4, 0x2620 | 1 << 23, "CR4", "CET", "26.3.1.1",
	    { { VMX_GUEST_CR0, CR0 & ~(1ull << 16) } } },
	{ VMX_GUEST_CR4, 0x2600, "CR4", "PAE", "26.3.1.1", ALONE },
	{ VMX_GUEST_CR4, 0x2620 | 1 << 17, "CR4", "PCIDE", "26.3.1.1",
	    { NOT_64 } },
	{ VMX_GUEST_CR3, 1ull << 40, "CR3", "physical", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_CR3, 1ull << 63, "CR3", "physical", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_DEBUGCTL, 1 << 3, "IA32_DEBUGCTL", "reserved",
	    "26.3.1.1", ALONE },
	{ VMX_GUEST_DEBUGCTL, 1 << 16, "IA32_DEBUGCTL", "reserved",
	    "26.3.1.1", ALONE },
	{ VMX_GUEST_DR7, 1ull << 32, "DR7", "63-32", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_SYSENTER_ESP, 1ull << 47, "IA32_SYSENTER_ESP",
	    "canonical", "26.3.1.1", ALONE },
	{ VMX_GUEST_SYSENTER_EIP, 1ull << 47, "IA32_SYSENTER_EIP",
	    "canonical", "26.3.1.1", ALONE },
	{ VMX_GUEST_EFER, 0xd02, "IA32_EFER", "reserved", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_EFER, 0x900, "IA32_EFER", "LMA", "26.3.1.1",
	    ALONE },
	{ VMX_GUEST_EFER, 0xc00, "IA32_EFER", "LME", "26.3.1.1",
	    ALONE },

	{ VMX_GUEST_TR, 4, "TR selector", "TI", "26.3.1.2", ALONE },
	{ VMX_GUEST_LDTR, 4, "LDTR selector", "TI", "26.3.1.2",
	    { { VMX_GUEST_LDTR_AR, 0x82 } } },
	{ VMX_GUEST_SS, 0x2a, "SS selector", "CS", "26.3.1.2", ALONE },
	{ VMX_GUEST_FS_BASE, 1ull << 47, "FS base", "canonical", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_GS_BASE, 1ull << 47, "GS base", "canonical", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_TR_BASE, 1ull << 47, "TR base", "canonical", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_LDTR_BASE, 1ull << 47, "LDTR base", "canonical",
	    "26.3.1.2", { { VMX_GUEST_LDTR_AR, 0x82 } } },
	{ VMX_GUEST_CS_BASE, 1ull << 32, "CS base", "63-32", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_SS_BASE, 1ull << 32, "SS base", "63-32", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_DS_BASE, 1ull << 32, "DS base", "63-32", "26.3.1.2",
	    { { VMX_GUEST_DS_AR, 0xf3 } } },
	{ VMX_GUEST_CS_AR, 0xa0fa, "CS access", "type", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_CS_AR, 0xa0f3, "CS access", "type", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_SS_AR, 0xc0f1, "SS access", "type", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_ES_AR, 0xf2, "ES access", "type", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_GS_AR, 0xf9, "GS access", "type", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_TR_AR, 0x83, "TR access", "type", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_LDTR_AR, 0x8b, "LDTR access", "type", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_CS_AR, 0xa0eb, "CS access", "S ", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_TR_AR, 0x9b, "TR access", "S ", "26.3.1.2", ALONE },
	{ VMX_GUEST_CS_AR, 0xa0bb, "CS access", "DPL", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_CS_AR, 0xa0ff, "CS access", "DPL", "26.3.1.2",
	    { { VMX_GUEST_SS_AR, 0xc0d3 } } },
	{ VMX_GUEST_SS_AR, 0xc0d3, "SS access", "RPL", "26.3.1.2",
	    { { VMX_GUEST_CS_AR, 0xa0db } } },
	{ VMX_GUEST_SS_AR, 0xc0f3, "SS access", "DPL must be 0", "26.3.1.2",
	    { { VMX_GUEST_CS_AR, 0xc093 }, { VMX_PROC2, PROC2 | 1 << 7 } } },
	{ VMX_GUEST_DS_AR, 0xd3, "DS access", "below", "26.3.1.2",
	    { { VMX_GUEST_DS, 3 } } },
	{ VMX_GUEST_SS_AR, 0xc073, "SS access", "P ", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_CS_AR, 0xa1fb, "CS access", "11-8", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_TR_AR, 0x2008b, "TR access", "31-17", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_CS_AR, 0xe0fb, "CS access", "D ", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_CS_AR, 0x20fb, "CS access", "G ", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_TR_AR, 0x808b, "TR access", "G ", "26.3.1.2",
	    ALONE },
	{ VMX_GUEST_TR_AR, 0x1008b, "TR access", "usable", "26.3.1.2",
	    ALONE },

	{ VMX_GUEST_GDTR_BASE, 1ull << 47, "GDTR base", "canonical",
	    "26.3.1.3", ALONE },
	{ VMX_GUEST_IDTR_BASE, 1ull << 47, "IDTR base", "canonical",
	    "26.3.1.3", ALONE },
	{ VMX_GUEST_GDTR_LIMIT, 0x10000, "GDTR limit", "31-16", "26.3.1.3",
	    ALONE },
	{ VMX_GUEST_IDTR_LIMIT, 0x10000, "IDTR limit", "31-16", "26.3.1.3",
	    ALONE },

	{ VMX_GUEST_RIP, 1ull << 48, "RIP", "mode", "26.3.1.4", ALONE },
	{ VMX_GUEST_RIP, 1ull << 32, "RIP", "mode", "26.3.1.4",
	    { { VMX_GUEST_CS_AR, 0xc0fb } } },
	{ VMX_GUEST_RFLAGS, 0x200, "RFLAGS", "bit 1", "26.3.1.4",
	    ALONE },
	{ VMX_GUEST_RFLAGS, 0x20a, "RFLAGS", "reserved", "26.3.1.4",
	    ALONE },
	{ VMX_GUEST_RFLAGS, 0x400202, "RFLAGS", "reserved", "26.3.1.4",
	    ALONE },
	{ VMX_GUEST_RFLAGS, 2, "RFLAGS", "IF", "26.3.1.4",
	    { { VMX_ENTRY_EVENT, INJECT(0u, 32u) } } },

	{ VMX_GUEST_ACTIVITY, 4, "activity", "supports", "26.3.1.5",
	    ALONE },
	{ VMX_GUEST_ACTIVITY, 1, "activity", "HLT", "26.3.1.5", ALONE },
	{ VMX_GUEST_ACTIVITY, 2, "activity", "active", "26.3.1.5",
	    { { VMX_GUEST_BLOCKING, 2 } } },
	{ VMX_GUEST_ACTIVITY, 2, "activity", "event", "26.3.1.5",
	    { { VMX_ENTRY_EVENT, INJECT(3u, 6u) } } },
	{ VMX_GUEST_ACTIVITY, 3, "activity", "event", "26.3.1.5",
	    { { VMX_ENTRY_EVENT, INJECT(2u, 2u) } } },
	{ VMX_GUEST_BLOCKING, 1 << 5, "interruptibility", "reserved",
	    "26.3.1.5", ALONE },
	{ VMX_GUEST_BLOCKING, 1 << 4, "interruptibility", "reserved",
	    "26.3.1.5", ALONE },
	{ VMX_GUEST_BLOCKING, 3, "interruptibility", "both", "26.3.1.5",
	    ALONE },
	{ VMX_GUEST_BLOCKING, 1, "interruptibility", "IF", "26.3.1.5",
	    { { VMX_GUEST_RFLAGS, 2 } } },
	{ VMX_GUEST_BLOCKING, 2, "interruptibility", "event", "26.3.1.5",
	    { { VMX_ENTRY_EVENT, INJECT(0u, 32u) } } },
	{ VMX_GUEST_BLOCKING, 2, "interruptibility", "event", "26.3.1.5",
	    { { VMX_ENTRY_EVENT, INJECT(2u, 2u) } } },
	{ VMX_GUEST_BLOCKING, 8, "interruptibility", "event", "26.3.1.5",
	    { { VMX_ENTRY_EVENT, INJECT(2u, 2u) }, { VMX_PIN,
	    PIN | 1 << 5 } } },
	{ VMX_GUEST_BLOCKING, 4, "interruptibility", "SMI", "26.3.1.5",
	    ALONE },
	{ VMX_GUEST_PENDING, 1 << 4, "pending", "reserved", "26.3.1.5",
	    ALONE },
	{ VMX_GUEST_PENDING, 1 << 16, "pending", "reserved", "26.3.1.5",
	    ALONE },
	{ VMX_GUEST_PENDING, 0, "pending", "BS", "26.3.1.5",
	    { { VMX_GUEST_RFLAGS, 0x302 }, { VMX_GUEST_BLOCKING, 2 } } },
	{ VMX_GUEST_PENDING, 1 << 14, "pending", "BS", "26.3.1.5",
	    { { VMX_GUEST_BLOCKING, 1 } } },
	{ VMX_LINK, 0x800, "link", "page", "26.3.1.5", ALONE },
	{ VMX_LINK, 1ull << 40, "link", "page", "26.3.1.5", ALONE },
};

/* What may be, though it looks as if not. */
static const struct broken_vmx sound_vmx[] = {
	{ .field = VMX_PIN, .value = PIN | 1 << 5 },
	{ .field = VMX_CR3_TARGETS, .value = 4 },
	{ .field = VMX_PROC2, .value = ~0u,
	    .with = { { VMX_PROC, PROC & ~(1u << 31) } } },
	{ .field = VMX_PROC2, .value = PROC2 | 1 << 9,
	    .with = { { VMX_PROC, PROC | 1 << 21 } } },
	{ .field = VMX_VPID, .value = 0, .with = { { VMX_PROC2, 2 } } },
	{ .field = VMX_EXIT, .value = EXIT | 1 << 22,
	    .with = { { VMX_PIN, PIN | 1 << 6 } } },
	{ .field = VMX_ENTRY_EVENT, .value = 0x7ffff9ff },
	{ .field = VMX_ENTRY_EVENT, .value = INJECT(0u, 255u) },
	{ .field = VMX_ENTRY_EVENT, .value = INJECT(7u, 0u) },
	{ .field = VMX_ENTRY_LENGTH, .value = 15,
	    .with = { { VMX_ENTRY_EVENT, INJECT(6u, 3u) } } },
	{ .field = VMX_ENTRY_ERROR, .value = ~0u,
	    .with = { { VMX_ENTRY_EVENT, INJECT(3u, 6u) } } },
	{ .field = VMX_GUEST_CR0, .value = CR0 | 3u << 29 },
	{ .field = VMX_GUEST_CR3, .value = (1ull << 40) - 1 },
	{ .field = VMX_GUEST_DEBUGCTL, .value = 0xffc7 },
	{ .field = VMX_GUEST_DR7, .value = 0xffffffff },
	{ .field = VMX_GUEST_EFER, .value = 0xd01 },
	{ .field = VMX_GUEST_LDTR, .value = 4 },
	{ .field = VMX_GUEST_LDTR_BASE, .value = 1ull << 47 },
	{ .field = VMX_GUEST_DS_BASE, .value = 1ull << 63 },
	{ .field = VMX_GUEST_DS_AR, .value = 0x1ff0f },
	{ .field = VMX_GUEST_DS_AR, .value = 0xff },
	{ .field = VMX_GUEST_RIP, .value = 1ull << 47 },
	{ .field = VMX_GUEST_RIP, .value = 0xffff7fffffffffff },
	{ .field = VMX_GUEST_RFLAGS, .value = 0x3d7fd7 & ~0x20000ull },
	{ .field = VMX_GUEST_ACTIVITY, .value = 2,
	    .with = { { VMX_ENTRY_EVENT, INJECT(3u, 18u) } } },
	{ .field = VMX_GUEST_BLOCKING, .value = 8 },
	{ .field = VMX_GUEST_PENDING, .value = 0x500f },
	{ .field = VMX_GUEST_PENDING, .value = 1 << 14,
	    .with = { { VMX_GUEST_RFLAGS, 0x302 },
		{ VMX_GUEST_BLOCKING, 2 } } },
	{ .field = VMX_LINK, .value = 0x1000 },
};

static bool explained_vmx(const struct broken_vmx *m, struct explain *e)
{
	const struct vmx_rules rules = some_processor();
	struct vmx_copy copy;

	good(&copy);
	if (m != NULL)
		copy.value[vmx_slot(m->field)] = m->value;
	for (size_t i = 0; m != NULL && i < COUNT(m->with); i++)
		if (m->with[i].field != 0)
			copy.value[vmx_slot(m->with[i].field)] =
			    m->with[i].value;
	return explain_vmx(&copy, &rules, e);
}

static void vmx_each_rule(void **state)
{
	struct explain e;

	(void)state;
	if (explained_vmx(NULL, &e))
		fail_msg("good: %s: %s", e.field, e.rule);
	for (size_t i = 0; i < COUNT(broken_vmx); i++) {
		const struct broken_vmx *m = &broken_vmx[i];

		if (!explained_vmx(m, &e))
			fail_msg("%s %#llx (%s) is not refused", m->name,
			    (unsigned long long)m->value, m->rule);
		if (strstr(e.field, m->name) == NULL ||
		    strstr(e.rule, m->rule) == NULL ||
		    strcmp(e.section + strlen("SDM vol. 3C "), m->section))
			fail_msg("%s %#llx (%s): %s: %s (%s)", m->name,
			    (unsigned long long)m->value, m->rule, e.field,
			    e.rule, e.section);
		assert_int_equal(e.value, m->value);
	}
	for (size_t i = 0; i < COUNT(sound_vmx); i++)
		if (explained_vmx(&sound_vmx[i], &e))
			fail_msg("row %zu: %s: %s", i, e.field, e.rule);
}

/* Virtual-8086 mode: a guest that is not IA-32e. */
static void vmx_virtual_8086(void **state)
{
	static const struct {
		uint32_t es;
		uint64_t value, broken;
		const char *rule;
	} rows[] = {
		{ VMX_GUEST_ES_BASE, 0x120, 0x121, "16 times" },
		{ VMX_GUEST_ES_LIMIT, 0xffff, 0xfffe, "0xffff" },
		{ VMX_GUEST_ES_AR, 0xf3, 0x10000, "0xf3" },
	};
	const struct vmx_rules rules = some_processor();
	struct vmx_copy copy;
	struct explain e;

	(void)state;
	good(&copy);
	copy.value[vmx_slot(VMX_GUEST_RFLAGS)] |= 1 << 17;
	copy.value[vmx_slot(VMX_ENTRY)] &= ~0x200ull;
	copy.value[vmx_slot(VMX_GUEST_EFER)] = 0x800;
	for (uint32_t n = 0; n < 6; n++) {
		copy.value[vmx_slot(VMX_GUEST_ES + 2 * n)] = 0x12;
		for (size_t i = 0; i < COUNT(rows); i++)
			copy.value[vmx_slot(rows[i].es + 2 * n)] =
			    rows[i].value;
	}
	assert_false(explain_vmx(&copy, &rules, &e));
	for (uint32_t n = 0; n < 6; n++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			uint64_t *p = &copy.value[vmx_slot(rows[i].es +
			    2 * n)];

			*p = rows[i].broken;
			assert_true(explain_vmx(&copy, &rules, &e));
			assert_non_null(strstr(e.rule, rows[i].rule));
			*p = rows[i].value;
		}
	copy.value[vmx_slot(VMX_ENTRY)] |= 0x200;
	copy.value[vmx_slot(VMX_GUEST_EFER)] = 0xd00;
	assert_true(explain_vmx(&copy, &rules, &e));
	assert_string_equal(e.field, "RFLAGS");
}

/* What a processor is said to have. */
static void vmx_by_processor(void **state)
{
	static const char *const names[] = { "vmx.basic", "vmx.pin",
	    "vmx.proc", "vmx.proc2", "vmx.exit", "vmx.entry", "vmx.misc",
	    "vmx.cr0_fixed0", "vmx.cr0_fixed1", "vmx.cr4_fixed0",
	    "vmx.cr4_fixed1", "physical_bits" };
	struct vmm_info info;
	struct vmx_rules r;
	struct vmx_copy copy;
	struct explain e;

	(void)state;
	memset(&info, 0, sizeof(info));
	for (size_t i = 0; i < COUNT(names); i++) {
		strcpy(info.facts[i].name, names[i]);
		info.facts[i].value = i + 1;
	}
	assert_true(vmx_rules(&info, &everything, &r));
	assert_int_equal(r.basic, 1);
	assert_int_equal(r.pin, 2);
	assert_int_equal(r.proc, 3);
	assert_int_equal(r.proc2, 4);
	assert_int_equal(r.exit, 5);
	assert_int_equal(r.entry, 6);
	assert_int_equal(r.misc, 7);
	assert_int_equal(r.cr0_fixed0, 8);
	assert_int_equal(r.cr0_fixed1, 9);
	assert_int_equal(r.cr4_fixed0, 10);
	assert_int_equal(r.cr4_fixed1, 11);
	assert_int_equal(r.physical_bits, 12);
	assert_true(r.nx && r.sgx && r.rtm);

	info.facts[10].name[0] = '\0';
	assert_false(vmx_rules(&info, &everything, &r));

	r = some_processor();
	good(&copy);
	copy.value[vmx_slot(VMX_GUEST_BLOCKING)] = 1 << 4;
	copy.value[vmx_slot(VMX_GUEST_PENDING)] = 1 << 16;
	r.sgx = r.rtm = true;
	assert_false(explain_vmx(&copy, &r, &e));
	r.nx = false;
	assert_true(explain_vmx(&copy, &r, &e));

	/* IA32_VMX_BASIC bit 56: error codes as one likes. */
	r = some_processor();
	r.basic = 1ull << 56;
	good(&copy);
	copy.value[vmx_slot(VMX_ENTRY_EVENT)] = INJECT(3u, 13u);
	assert_false(explain_vmx(&copy, &r, &e));
	/* IA32_VMX_MISC bit 30: no length, either. */
	copy.value[vmx_slot(VMX_ENTRY_EVENT)] = INJECT(4u, 32u);
	assert_false(explain_vmx(&copy, &r, &e));
	r.misc &= ~(1ull << 30);
	assert_true(explain_vmx(&copy, &r, &e));
	copy.value[vmx_slot(VMX_ENTRY_EVENT)] = INJECT(7u, 0u);
	assert_false(explain_vmx(&copy, &r, &e));
	r.proc &= ~(1ull << 59);
	assert_true(explain_vmx(&copy, &r, &e));
}

/* What the device does not show is not to blame; slots are told apart. */
static void vmx_unknown_fields(void **state)
{
	const struct vmx_rules rules = some_processor();
	struct vmx_copy copy;
	struct explain e;

	(void)state;
	good(&copy);
	for (const struct explain_field *f = vmx_fields; f->name != NULL;
	    f++) {
		assert_int_equal(f->width, vmx_field_bytes(f->field));
		assert_true(copy.known[vmx_slot(f->field)]);
		copy.known[vmx_slot(f->field)] = false;
		if (strncmp(f->name, "host", 4) == 0)
			copy.value[vmx_slot(f->field)] = 0;
		else
			copy.known[vmx_slot(f->field)] = true;
	}
	assert_false(explain_vmx(&copy, &rules, &e));
	for (const struct explain_field *f = vmx_fields; f->name != NULL; f++)
		for (const struct explain_field *g = vmx_fields; g != f; g++)
			assert_int_not_equal(vmx_slot(f->field),
			    vmx_slot(g->field));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmx_each_rule),
		cmocka_unit_test(vmx_virtual_8086),
		cmocka_unit_test(vmx_by_processor),
		cmocka_unit_test(vmx_unknown_fields),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
