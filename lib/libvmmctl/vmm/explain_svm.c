// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain_svm.c - what VMRUN checks, rule by rule: APM vol. 2 15.5.1
 * "Canonicalization and Consistency Checks", and the sections that it refers
 * to.  The first rule that is broken is the answer.  Pure.
 */
#include "explain.h"

#include <stddef.h>

#define BIT(n)		(1ull << (n))
#define HIGH		(~0ull << 32)

#define CR0_PE		BIT(0)
#define CR0_WP		BIT(16)
#define CR0_NW		BIT(29)
#define CR0_CD		BIT(30)
#define CR0_PG		BIT(31)
#define CR4_PAE		BIT(5)
#define CR4_CET		BIT(23)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)
#define EFER_SVME	BIT(12)

/* 15.5.1: bits 55-52 and 47-40 of the descriptor. */
#define ATTR_L		(1u << 9)
#define ATTR_D		(1u << 10)

#define F(member, text) \
	{ offsetof(struct svm_vmcb, member), \
	    sizeof(((struct svm_vmcb *)0)->member), text }

const struct explain_field svm_fields[] = {
	F(intercept[SVM_INTERCEPT_WORD(SVM_EXIT_VMRUN)], "intercepts 4"),
	F(asid, "ASID"),
	F(nested_control, "nested control"),
	F(event_injection, "EVENTINJ"),
	F(cs.attr, "CS attributes"),
	F(efer, "EFER"),
	F(cr4, "CR4"),
	F(cr3, "CR3"),
	F(cr0, "CR0"),
	F(dr7, "DR7"),
	F(dr6, "DR6"),
	F(s_cet, "S_CET"),
	F(g_pat, "G_PAT"),
	{ 0, 0, NULL }
};

/* ---- which bits must be 0 ---- */

/* Bits of a register that exist only with a bit of CPUID. */
struct optional {
	uint8_t bit, feature;
};

static uint64_t lacks(uint32_t features, const struct optional *o, size_t n)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < n; i++)
		if ((features >> o[i].feature & 1) == 0)
			bits |= BIT(o[i].bit);
	return bits;
}
#define LACKS(features, list) \
	lacks(features, list, sizeof(list) / sizeof((list)[0]))

/* 3.1.3.  All but these of bits 10-0 and 23-0 are older than SVM. */
static uint64_t cr4_reserved(const struct explain_cpuid *id)
{
	static const struct optional by_ecx1[] = { { 17, 17 }, { 18, 26 } };
	static const struct optional by_ebx7[] = { { 16, 0 }, { 20, 7 },
		{ 21, 20 } };
	static const struct optional by_ecx7[] = { { 11, 2 }, { 12, 16 },
		{ 22, 3 }, { 23, 7 } };
	const uint64_t always = ~(BIT(24) - 1) | BIT(13) | BIT(14) | BIT(15) |
	    BIT(19);

	return always | LACKS(id->ecx1, by_ecx1) | LACKS(id->ebx7, by_ebx7) |
	    LACKS(id->ecx7, by_ecx7);
}

/* 3.1.7 */
static uint64_t efer_reserved(const struct explain_cpuid *id)
{
	static const struct optional by_edx[] = { { 11, 20 }, { 14, 25 } };
	static const struct optional by_ecx[] = { { 12, 2 }, { 15, 17 } };
	static const struct optional by_sizes[] = { { 17, 8 }, { 18, 13 } };
	static const struct optional by_more[] = { { 20, 7 }, { 21, 8 } };
	uint64_t bits = ~(BIT(22) - 1) | 0xfeull | BIT(9) | BIT(16) | BIT(19);

	/* LMSLE: there is a bit for its absence. */
	if ((id->ebx_sizes >> 20 & 1) != 0)
		bits |= BIT(13);
	return bits | LACKS(id->edx_features, by_edx) |
	    LACKS(id->ecx_features, by_ecx) |
	    LACKS(id->ebx_sizes, by_sizes) | LACKS(id->eax_more, by_more);
}

void svm_rules(const struct explain_cpuid *id, struct svm_rules *r)
{
	r->cr3 = ~0ull << (id->eax_sizes & 0x3f);
	r->cr4 = cr4_reserved(id);
	r->efer = efer_reserved(id);
	r->long_mode = (id->edx_features >> 29 & 1) != 0;
	r->cet = (id->ecx7 >> 7 & 1) != 0;
}

/* ---- the rules ---- */

typedef const struct svm_vmcb vmcb;
typedef const struct svm_rules rules;

/* LME and PG: the guest is to be in long mode. */
static bool is_long(vmcb *b)
{
	return (b->efer & EFER_LME) != 0 && (b->cr0 & CR0_PG) != 0;
}

static bool no_svme(vmcb *b, rules *r)
{
	(void)r;
	return (b->efer & EFER_SVME) == 0;
}

static bool cr0_cache(vmcb *b, rules *r)
{
	(void)r;
	return (b->cr0 & (CR0_CD | CR0_NW)) == CR0_NW;
}

static bool cr0_high(vmcb *b, rules *r)
{
	(void)r;
	return (b->cr0 & HIGH) != 0;
}

static bool cr3_zero(vmcb *b, rules *r)
{
	return is_long(b) && (b->cr3 & r->cr3) != 0;
}

static bool cr4_zero(vmcb *b, rules *r)
{
	return (b->cr4 & r->cr4) != 0;
}

static bool cr4_cet(vmcb *b, rules *r)
{
	(void)r;
	return (b->cr4 & CR4_CET) != 0 && (b->cr0 & CR0_WP) == 0;
}

static bool dr6_high(vmcb *b, rules *r)
{
	(void)r;
	return (b->dr6 & HIGH) != 0;
}

static bool dr7_high(vmcb *b, rules *r)
{
	(void)r;
	return (b->dr7 & HIGH) != 0;
}

static bool efer_zero(vmcb *b, rules *r)
{
	return (b->efer & r->efer) != 0;
}

static bool efer_long(vmcb *b, rules *r)
{
	return !r->long_mode && (b->efer & (EFER_LMA | EFER_LME)) != 0;
}

static bool long_without_pae(vmcb *b, rules *r)
{
	(void)r;
	return is_long(b) && (b->cr4 & CR4_PAE) == 0;
}

static bool long_without_pe(vmcb *b, rules *r)
{
	(void)r;
	return is_long(b) && (b->cr0 & CR0_PE) == 0;
}

static bool long_and_32(vmcb *b, rules *r)
{
	const uint16_t both = ATTR_L | ATTR_D;

	(void)r;
	return is_long(b) && (b->cr4 & CR4_PAE) != 0 &&
	    (b->cs.attr & both) == both;
}

static bool vmrun_allowed(vmcb *b, rules *r)
{
	(void)r;
	return (b->intercept[SVM_INTERCEPT_WORD(SVM_EXIT_VMRUN)] &
	    SVM_INTERCEPT_BIT(SVM_EXIT_VMRUN)) == 0;
}

static bool asid_zero(vmcb *b, rules *r)
{
	(void)r;
	return b->asid == 0;
}

/* vol. 2 18.13: bits 9-6 of S_CET. */
static bool s_cet(vmcb *b, rules *r)
{
	return r->cet && (b->s_cet & 0x3c0) != 0;
}

/* Figure 15-4. */
#define EVENT_VALID(event)	(((event) >> 31 & 1) != 0)
#define EVENT_TYPE(event)	((event) >> 8 & 7)
#define EVENT_EXCEPTION		3u

static bool event_type(vmcb *b, rules *r)
{
	const uint32_t types = 1u << 0 | 1u << 2 | 1u << 3 | 1u << 4;

	(void)r;
	return EVENT_VALID(b->event_injection) &&
	    (types >> EVENT_TYPE(b->event_injection) & 1) == 0;
}

/* Table 8-1: 2 is the NMI; 15, 20, 22-27 and 31 are no exceptions. */
static bool event_vector(vmcb *b, rules *r)
{
	const uint32_t none = 1u << 2 | 1u << 15 | 1u << 20 | 0x3fu << 22 |
	    1u << 31;
	const uint32_t vector = b->event_injection & 0xff;

	(void)r;
	return EVENT_VALID(b->event_injection) &&
	    EVENT_TYPE(b->event_injection) == EVENT_EXCEPTION &&
	    (vector > 31 || (none >> vector & 1) != 0);
}

/* BOUND and INTO are no instructions of 64-bit mode. */
static bool event_mode(vmcb *b, rules *r)
{
	const uint32_t vector = b->event_injection & 0xff;

	(void)r;
	return EVENT_VALID(b->event_injection) &&
	    EVENT_TYPE(b->event_injection) == EVENT_EXCEPTION &&
	    vector == 5 && is_long(b) && (b->cs.attr & ATTR_L) != 0;
}

/* 7.8.1: 2, 3 and beyond 7 are reserved. */
static bool pat(vmcb *b, rules *r)
{
	const uint8_t types = 0xf3;

	(void)r;
	if ((b->nested_control & SVM_NESTED_PAGING) == 0)
		return false;
	for (unsigned i = 0; i < 64; i += 8) {
		const uint64_t type = b->g_pat >> i & 0xff;

		if (type > 7 || (types >> type & 1) == 0)
			return true;
	}
	return false;
}

#define RULE(test, name, member, text, where) \
	{ test, name, offsetof(struct svm_vmcb, member), \
	    sizeof(((struct svm_vmcb *)0)->member), text, \
	    "APM vol. 2 " where }

static const struct rule {
	bool (*broken)(vmcb *b, rules *r);
	const char *field;
	uint16_t offset, width;
	const char *rule, *section;
} svm_checks[] = {
	RULE(no_svme, "EFER", efer, "SVME must be 1", "15.5.1"),
	RULE(efer_zero, "EFER", efer,
	    "bits that this processor does not have must be 0",
	    "15.5.1, 3.1.7"),
	RULE(efer_long, "EFER", efer, "LME and LMA must be 0 on a processor "
	    "without long mode", "15.5.1"),
	RULE(cr0_cache, "CR0", cr0, "NW must be 0 if CD is 0", "15.5.1"),
	RULE(cr0_high, "CR0", cr0, "bits 63-32 must be 0", "15.5.1"),
	RULE(long_without_pe, "CR0", cr0,
	    "PE must be 1 if PG and EFER.LME are 1", "15.5.1"),
	RULE(cr3_zero, "CR3", cr3, "must be below the limit of physical "
	    "addresses", "15.5.1, 3.1.2"),
	RULE(cr4_zero, "CR4", cr4,
	    "bits that this processor does not have must be 0",
	    "15.5.1, 3.1.3"),
	RULE(long_without_pae, "CR4", cr4,
	    "PAE must be 1 if CR0.PG and EFER.LME are 1", "15.5.1"),
	RULE(cr4_cet, "CR4", cr4, "CET must be 0 if CR0.WP is 0", "15.5.1"),
	RULE(dr6_high, "DR6", dr6, "bits 63-32 must be 0", "15.5.1"),
	RULE(dr7_high, "DR7", dr7, "bits 63-32 must be 0", "15.5.1"),
	RULE(long_and_32, "CS attributes", cs.attr,
	    "D must be 0 if L is 1 in long mode", "15.5.1"),
	RULE(s_cet, "S_CET", s_cet, "reserved bits must be 0", "15.5.1"),
	RULE(vmrun_allowed, "intercepts 4",
	    intercept[SVM_INTERCEPT_WORD(SVM_EXIT_VMRUN)],
	    "VMRUN (bit 0) must be intercepted", "15.5.1"),
	RULE(asid_zero, "ASID", asid, "must not be 0", "15.5.1"),
	RULE(event_type, "EVENTINJ", event_injection,
	    "the type must be 0, 2, 3 or 4", "15.20"),
	RULE(event_vector, "EVENTINJ", event_injection,
	    "the vector must be that of an exception", "15.20"),
	RULE(event_mode, "EVENTINJ", event_injection,
	    "the exception must be possible in the guest's mode", "15.20"),
	RULE(pat, "G_PAT", g_pat, "each type must be 0, 1, 4, 5, 6 or 7",
	    "15.25.4, 7.8.1"),
};

bool explain_svm(const struct svm_vmcb *b, const struct svm_rules *r,
    struct explain *e)
{
	for (size_t i = 0; i < sizeof(svm_checks) / sizeof(svm_checks[0]);
	    i++) {
		const struct rule *c = &svm_checks[i];

		if (!c->broken(b, r))
			continue;
		*e = (struct explain){ .field = c->field, .rule = c->rule,
			.section = c->section };
		/* Little-endian. */
		__builtin_memcpy(&e->value, (const uint8_t *)b + c->offset,
		    c->width);
		return true;
	}
	return false;
}
