/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explain_vmx.h - what the files of explain_vmx*.c share: a look at the control
 * structure, and rules in tables.  Pure.
 */
#ifndef VMMCTL_VMM_EXPLAIN_VMX_H
#define VMMCTL_VMM_EXPLAIN_VMX_H

#include "explain.h"

#include <stddef.h>

#define BIT(n)		(1ull << (n))
#define LOW(n)		(BIT(n) - 1)

#define CR0_PE		BIT(0)
#define CR0_WP		BIT(16)
#define CR0_NW_CD	(BIT(29) | BIT(30))
#define CR0_PG		BIT(31)
#define CR4_PAE		BIT(5)
#define CR4_PCIDE	BIT(17)
#define CR4_CET		BIT(23)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)
#define EFER_NXE	BIT(11)
#define RFLAGS_TF	BIT(8)
#define RFLAGS_IF	BIT(9)
#define RFLAGS_VM	BIT(17)
#define DEBUGCTL_BTF	BIT(1)

/* Controls that vmx.h does not name: the device does not use them. */
#define PIN_VIRTUAL_NMI		BIT(5)
#define PIN_POSTED		BIT(7)
#define PROC_TPR_SHADOW		BIT(21)
#define PROC_NMI_WINDOW		BIT(22)
#define PROC_MTF		BIT(27)
#define PROC2_APIC_ACCESSES	BIT(0)
#define PROC2_X2APIC		BIT(4)
#define PROC2_UNRESTRICTED	BIT(7)
#define PROC2_APIC_REGISTERS	BIT(8)
#define PROC2_INTERRUPTS	BIT(9)
#define PROC2_NEED_EPT		(PROC2_UNRESTRICTED | BIT(17) | BIT(22) | \
	BIT(23))
#define EXIT_ACK		BIT(15)
#define EXIT_SAVE_TIMER		BIT(22)
#define ENTRY_SMM		(BIT(10) | BIT(11))

/* 24.4.1 */
#define AR_TYPE		0xfu
#define AR_S		0x10u
#define AR_DPL(ar)	((ar) >> 5 & 3)
#define AR_P		0x80u
#define AR_L		0x2000u
#define AR_DB		0x4000u
#define AR_G		0x8000u

/* The structure, and the processor that is to enter it. */
struct vmx {
	const struct vmx_copy *copy;
	const struct vmx_rules *r;
};

static inline uint64_t get(const struct vmx *g, uint32_t field)
{
	return g->copy->value[vmx_slot(field)];
}

static inline bool has(const struct vmx *g, uint32_t field, uint64_t bits)
{
	return (get(g, field) & bits) == bits;
}

/* 24.6.2: as if all were 0 where they are not activated. */
static inline bool proc2(const struct vmx *g, uint64_t bit)
{
	return has(g, VMX_PROC, VMX_PROC_SECONDARY) &&
	    has(g, VMX_PROC2, bit);
}

static inline bool is_64(const struct vmx *g)
{
	return has(g, VMX_ENTRY, VMX_ENTRY_GUEST_64);
}

static inline bool unrestricted(const struct vmx *g)
{
	return proc2(g, PROC2_UNRESTRICTED);
}

static inline bool canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

/* ---- rules of any field ---- */

static inline bool not_canonical(const struct vmx *g, uint32_t f)
{
	return !canonical(get(g, f));
}

static inline bool high(const struct vmx *g, uint32_t f)
{
	return get(g, f) >> 32 != 0;
}

static inline bool beyond_16(const struct vmx *g, uint32_t f)
{
	return get(g, f) >> 16 != 0;
}

static inline bool beyond_physical(const struct vmx *g, uint32_t f)
{
	return get(g, f) >> g->r->physical_bits != 0;
}

/* 26.2.1.3: an event of that type is to be injected. */
enum { EVENT_OTHER = 7 };

static inline bool injects(const struct vmx *g, uint32_t type)
{
	const uint64_t event = get(g, VMX_ENTRY_EVENT);

	return (event & VMX_EVENT_VALID) != 0 && VMX_EVENT_TYPE(event) == type;
}

/* Appendices A.7 and A.8. */
static inline bool cr_fixed(uint64_t value, uint64_t fixed0, uint64_t fixed1)
{
	return (value & fixed0) != fixed0 || (value & ~fixed1) != 0;
}

/* Of the guest or the host, if it is loaded. */
static inline bool efer_reserved(const struct vmx *g, uint32_t f)
{
	const uint32_t entry = f == VMX_GUEST_EFER;

	if (entry ? !has(g, VMX_ENTRY, VMX_ENTRY_LOAD_EFER) :
	    !has(g, VMX_EXIT, VMX_EXIT_LOAD_EFER))
		return false;
	return (get(g, f) & ~(BIT(0) | EFER_LME | EFER_LMA |
	    (g->r->nx ? EFER_NXE : 0))) != 0;
}

/* A field that breaks a rule if broken() says so. */
struct vmx_rule {
	bool (*broken)(const struct vmx *g, uint32_t f);
	uint32_t field;
	const char *rule, *section;
};

/* A segment register: 0 to 7 are ES, CS, SS, DS, FS, GS, LDTR, TR, and so lie
 * the fields of each kind. */
struct vmx_segment_rule {
	bool (*broken)(const struct vmx *g, unsigned n);
	uint32_t registers;	/* 1 << n */
	uint32_t part;		/* the field, of ES */
	const char *rule;
};

/* In the order in which they are asked; each ends with one that has no test. */
extern const struct vmx_rule vmx_control_rules[], vmx_register_rules[],
    vmx_state_rules[];
extern const struct vmx_segment_rule vmx_segment_rules[];

#endif
