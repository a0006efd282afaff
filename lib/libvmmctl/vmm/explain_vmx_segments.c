// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain_vmx_segments.c - SDM vol. 3C 26.3.1.2: checks on guest segment
 * registers.  Pure.
 */
#include "explain_vmx.h"

enum segment { ES, CS, SS, DS, FS, GS, LDTR, TR };

/* Their fields are in that order. */
static uint64_t selector(const struct vmx *g, unsigned n)
{
	return get(g, VMX_GUEST_ES + 2 * n);
}

static uint64_t limit(const struct vmx *g, unsigned n)
{
	return get(g, VMX_GUEST_ES_LIMIT + 2 * n);
}

static uint64_t rights(const struct vmx *g, unsigned n)
{
	return get(g, VMX_GUEST_ES_AR + 2 * n);
}

static uint64_t base(const struct vmx *g, unsigned n)
{
	return get(g, VMX_GUEST_ES_BASE + 2 * n);
}

static bool is_v86(const struct vmx *g)
{
	return has(g, VMX_GUEST_RFLAGS, RFLAGS_VM);
}

/* Its descriptor is looked at; out of virtual-8086 mode. */
static bool counts(const struct vmx *g, unsigned n)
{
	if (n < LDTR && is_v86(g))
		return false;
	return n == CS || n == TR || (rights(g, n) & VMX_AR_UNUSABLE) == 0;
}

static unsigned type(const struct vmx *g, unsigned n)
{
	return (unsigned)rights(g, n) & AR_TYPE;
}

static bool v86_base(const struct vmx *g, unsigned n)
{
	return is_v86(g) && base(g, n) != selector(g, n) << 4;
}

static bool v86_limit(const struct vmx *g, unsigned n)
{
	return is_v86(g) && limit(g, n) != 0xffff;
}

static bool v86_rights(const struct vmx *g, unsigned n)
{
	return is_v86(g) && rights(g, n) != 0xf3;
}

static bool table_indicator(const struct vmx *g, unsigned n)
{
	return counts(g, n) && (selector(g, n) & 4) != 0;
}

static bool ss_rpl(const struct vmx *g, unsigned n)
{
	return !is_v86(g) && !unrestricted(g) &&
	    (selector(g, n) & 3) != (selector(g, CS) & 3);
}

static bool base_canonical(const struct vmx *g, unsigned n)
{
	return (n != LDTR || counts(g, n)) && !canonical(base(g, n));
}

static bool base_high(const struct vmx *g, unsigned n)
{
	return (n == CS || (rights(g, n) & VMX_AR_UNUSABLE) == 0) &&
	    base(g, n) >> 32 != 0;
}

static bool cs_type(const struct vmx *g, unsigned n)
{
	const unsigned types = 1u << 9 | 1u << 11 | 1u << 13 | 1u << 15 |
	    (unrestricted(g) ? 1u << 3 : 0);

	return counts(g, n) && (types >> type(g, n) & 1) == 0;
}

static bool ss_type(const struct vmx *g, unsigned n)
{
	return counts(g, n) && type(g, n) != 3 && type(g, n) != 7;
}

static bool data_type(const struct vmx *g, unsigned n)
{
	return counts(g, n) && ((type(g, n) & 1) == 0 ||
	    (type(g, n) & 10) == 8);
}

static bool tr_type(const struct vmx *g, unsigned n)
{
	return type(g, n) != 11 && (is_64(g) || type(g, n) != 3);
}

static bool ldtr_type(const struct vmx *g, unsigned n)
{
	return counts(g, n) && type(g, n) != 2;
}

static bool no_segment(const struct vmx *g, unsigned n)
{
	return counts(g, n) && (rights(g, n) & AR_S) == 0;
}

static bool no_system(const struct vmx *g, unsigned n)
{
	return counts(g, n) && (rights(g, n) & AR_S) != 0;
}

static bool cs_dpl(const struct vmx *g, unsigned n)
{
	const uint64_t dpl = AR_DPL(rights(g, n)), ss = AR_DPL(rights(g, SS));

	if (!counts(g, n))
		return false;
	switch (type(g, n)) {
	case 3:
		return dpl != 0;
	case 9:
	case 11:
		return dpl != ss;
	default:
		return dpl > ss;
	}
}

static bool ss_dpl(const struct vmx *g, unsigned n)
{
	return !is_v86(g) && !unrestricted(g) &&
	    AR_DPL(rights(g, n)) != (selector(g, n) & 3);
}

static bool ss_dpl_zero(const struct vmx *g, unsigned n)
{
	return !is_v86(g) && AR_DPL(rights(g, n)) != 0 &&
	    (type(g, CS) == 3 || !has(g, VMX_GUEST_CR0, CR0_PE));
}

static bool data_dpl(const struct vmx *g, unsigned n)
{
	return counts(g, n) && !unrestricted(g) && type(g, n) <= 11 &&
	    AR_DPL(rights(g, n)) < (selector(g, n) & 3);
}

static bool absent(const struct vmx *g, unsigned n)
{
	return counts(g, n) && (rights(g, n) & AR_P) == 0;
}

static bool rights_reserved(const struct vmx *g, unsigned n)
{
	return counts(g, n) && (rights(g, n) & 0xfffe0f00) != 0;
}

static bool cs_default(const struct vmx *g, unsigned n)
{
	return counts(g, n) && is_64(g) &&
	    (rights(g, n) & (AR_L | AR_DB)) == (AR_L | AR_DB);
}

static bool granularity(const struct vmx *g, unsigned n)
{
	if (!counts(g, n))
		return false;
	return (rights(g, n) & AR_G) != 0 ? (limit(g, n) & 0xfff) != 0xfff :
	    limit(g, n) >> 20 != 0;
}

static bool unusable(const struct vmx *g, unsigned n)
{
	return (rights(g, n) & VMX_AR_UNUSABLE) != 0;
}

#define ALL		0x3fu	/* ES to GS */
#define DATA		(ALL & ~(1u << CS | 1u << SS))
#define SYSTEM		(1u << LDTR | 1u << TR)

const struct vmx_segment_rule vmx_segment_rules[] = {
	{ v86_base, ALL, VMX_GUEST_ES_BASE,
	    "must be 16 times the selector in virtual-8086 mode" },
	{ v86_limit, ALL, VMX_GUEST_ES_LIMIT,
	    "must be 0xffff in virtual-8086 mode" },
	{ v86_rights, ALL, VMX_GUEST_ES_AR,
	    "must be 0xf3 in virtual-8086 mode" },
	{ table_indicator, SYSTEM, VMX_GUEST_ES, "TI must be 0" },
	{ ss_rpl, 1u << SS, VMX_GUEST_ES, "RPL must be that of CS" },
	{ base_canonical, 1u << FS | 1u << GS | SYSTEM, VMX_GUEST_ES_BASE,
	    "must be canonical" },
	{ base_high, ALL & ~(1u << FS | 1u << GS), VMX_GUEST_ES_BASE,
	    "bits 63-32 must be 0" },
	{ cs_type, 1u << CS, VMX_GUEST_ES_AR, "the type must be 9, 11, 13 or "
	    "15; or 3 with unrestricted guest" },
	{ ss_type, 1u << SS, VMX_GUEST_ES_AR, "the type must be 3 or 7" },
	{ data_type, DATA, VMX_GUEST_ES_AR, "the type must be accessed, and "
	    "code readable" },
	{ tr_type, 1u << TR, VMX_GUEST_ES_AR,
	    "the type must be 11; or 3 out of IA-32e mode" },
	{ ldtr_type, 1u << LDTR, VMX_GUEST_ES_AR, "the type must be 2" },
	{ no_segment, ALL, VMX_GUEST_ES_AR, "S must be 1" },
	{ no_system, SYSTEM, VMX_GUEST_ES_AR, "S must be 0" },
	{ cs_dpl, 1u << CS, VMX_GUEST_ES_AR, "DPL must fit to the type and "
	    "the DPL of SS" },
	{ ss_dpl, 1u << SS, VMX_GUEST_ES_AR,
	    "DPL must be the selector's RPL" },
	{ ss_dpl_zero, 1u << SS, VMX_GUEST_ES_AR, "DPL must be 0 if CR0.PE "
	    "is 0 or CS is a data segment" },
	{ data_dpl, DATA, VMX_GUEST_ES_AR,
	    "DPL must not be below the selector's RPL" },
	{ absent, ALL | SYSTEM, VMX_GUEST_ES_AR, "P must be 1" },
	{ rights_reserved, ALL | SYSTEM, VMX_GUEST_ES_AR,
	    "bits 31-17 and 11-8 must be 0" },
	{ cs_default, 1u << CS, VMX_GUEST_ES_AR,
	    "D must be 0 if L is 1 in IA-32e mode" },
	{ granularity, ALL | SYSTEM, VMX_GUEST_ES_AR,
	    "G must fit to the limit" },
	{ unusable, 1u << TR, VMX_GUEST_ES_AR, "must be usable" },
	{ NULL, 0, 0, NULL }
};
