// SPDX-License-Identifier: BSD-2-Clause
/* mutate_svm.c - the fields of a control block, see mutate.h. */
#include "mutate.h"

#include <stddef.h>

#define F(member, name, alone) \
	{ offsetof(struct svm_vmcb, member), \
	    sizeof(((struct svm_vmcb *)0)->member), name, alone }
#define SEGMENT(member, name) \
	F(member.selector, name, 0), F(member.attr, name "_attributes", 0), \
	F(member.limit, name "_limit", 0)
#define BASE(member, name) F(member.base, name "_base", 0)

/* Not here: what each run loads (RIP, RSP, RFLAGS, RAX, bases of FS and GS,
 * the ASID, the interrupt shadow), and what is stored by exits only. */
static const struct mutate_field fields[] = {
	F(intercept_cr, "intercepts_CR", 0),
	F(intercept_dr, "intercepts_DR", 0),
	F(intercept_exceptions, "intercepts_exceptions", 0),
	/* INTR, NMI, SMI, INIT: the host's would be lost. */
	F(intercept[0], "intercepts_3", 0xf),
	F(intercept[1], "intercepts_4", 0),
	F(intercept[2], "intercepts_5", 0),
	F(tsc_offset, "TSC_OFFSET", 0),
	F(tlb_control, "TLB_CONTROL", 0),
	F(v_intr, "virtual_interrupt", 0),
	/* Nested paging: CR3 would be an address of the host. */
	F(nested_control, "nested_control", 1),
	F(event_injection, "EVENTINJ", 0),
	F(virt_ext, "virtualization_extensions", 0),
	SEGMENT(es, "ES"), BASE(es, "ES"),
	SEGMENT(cs, "CS"), BASE(cs, "CS"),
	SEGMENT(ss, "SS"), BASE(ss, "SS"),
	SEGMENT(ds, "DS"), BASE(ds, "DS"),
	SEGMENT(fs, "FS"),
	SEGMENT(gs, "GS"),
	SEGMENT(gdtr, "GDTR"), BASE(gdtr, "GDTR"),
	SEGMENT(ldtr, "LDTR"), BASE(ldtr, "LDTR"),
	SEGMENT(idtr, "IDTR"), BASE(idtr, "IDTR"),
	SEGMENT(tr, "TR"), BASE(tr, "TR"),
	F(cpl, "CPL", 0),
	F(efer, "EFER", 0),
	F(cr4, "CR4", 0),
	F(cr3, "CR3", 0),
	F(cr0, "CR0", 0),
	F(dr7, "DR7", 0),
	F(dr6, "DR6", 0),
	F(s_cet, "S_CET", 0),
	F(cr2, "CR2", 0),
	F(g_pat, "G_PAT", 0),
	{ 0, 0, NULL, 0 }
};

#define V(member, name, value) \
	{ offsetof(struct svm_vmcb, member), \
	    sizeof(((struct svm_vmcb *)0)->member), name, value }
#define EVENT(type, vector)	(1ull << 31 | (type) << 8 | (vector))

static const struct mutate_value values[] = {
	V(cr0, "CR0", 0xe0050033),		/* CD and NW */
	V(cr0, "CR0", 0xc0050033),		/* CD */
	V(efer, "EFER", 0x1800),		/* neither LME nor LMA */
	V(event_injection, "EVENTINJ", EVENT(0, 32)),
	V(event_injection, "EVENTINJ", EVENT(1, 32)),
	V(event_injection, "EVENTINJ", EVENT(2, 2)),
	V(event_injection, "EVENTINJ", EVENT(3, 2)),
	V(event_injection, "EVENTINJ", EVENT(3, 5)),
	V(event_injection, "EVENTINJ", EVENT(3, 6)),
	V(event_injection, "EVENTINJ", EVENT(3, 15)),
	V(event_injection, "EVENTINJ", EVENT(3, 32)),
	V(event_injection, "EVENTINJ", EVENT(4, 32)),
	V(event_injection, "EVENTINJ", EVENT(5, 6)),
	V(event_injection, "EVENTINJ", EVENT(6, 6)),
	V(event_injection, "EVENTINJ", EVENT(7, 6)),
	V(g_pat, "G_PAT", 0x0007040600070406),	/* as after reset */
	V(g_pat, "G_PAT", 0x0606060602060606),
	V(g_pat, "G_PAT", 0x0306060606060606),
	{ 0, 0, NULL, 0 }
};

const struct mutate_vendor mutate_svm = { "svm", fields, values };
