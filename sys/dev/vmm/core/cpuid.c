/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpuid.c - what CPUID tells a guest user: the machine's table, or the
 * processor's own answer less what no guest user has.  Pure.
 */
#include "vmm.h"

enum { EAX, EBX, ECX, EDX };

#define ECX1_MONITOR	(1u << 3)
#define ECX1_VMX	(1u << 5)
#define ECX1_SMX	(1u << 6)
#define ECX1_OSXSAVE	(1u << 27)
#define EBX7_FSGSBASE	(1u << 0)
#define EBX7_SGX	(1u << 2)
#define EBX7_INVPCID	(1u << 10)
#define ECX7_PKU	(1u << 3)
#define ECX7_OSPKE	(1u << 4)
#define ECX7_WAITPKG	(1u << 5)
#define ECX7_SHSTK	(1u << 7)
#define EDX7_IBT	(1u << 20)
#define EDX7_AMX	(1u << 22 | 1u << 24 | 1u << 25) /* BF16 TILE INT8 */
#define ECX81_SVM	(1u << 2)
#define ECX81_SKINIT	(1u << 12)
#define ECX81_MONITORX	(1u << 29)
#define EBX88_RDPRU	(1u << 4)

/* Bits that are cleared in the processor's answer. */
static const struct row {
	uint32_t leaf, sub;	/* sub: ANY */
	uint32_t reg, clear;
} rows[] = {
#define ANY	0xffffffffu
	{ 1, ANY, ECX, ECX1_MONITOR | ECX1_VMX | ECX1_SMX },
	{ 7, 0, EBX, EBX7_SGX | EBX7_INVPCID },
	{ 7, 0, ECX, ECX7_PKU | ECX7_OSPKE | ECX7_WAITPKG | ECX7_SHSTK },
	{ 7, 0, EDX, EDX7_IBT | EDX7_AMX },
	{ 0x80000001u, ANY, ECX, ECX81_SVM | ECX81_SKINIT | ECX81_MONITORX },
	{ 0x80000008u, ANY, EBX, EBX88_RDPRU },
};

/* Leaves that have nothing left: MONITOR, SGX, AMX, SVM, encrypted memory. */
static const uint32_t empty[] = {
	0x5u, 0x12u, 0x1du, 0x1eu, 0x8000000au, 0x8000001fu
};

static const struct vmm_cpuid_entry *find(const struct vmm_cpuid_entry *table,
    uint32_t n, uint32_t leaf, uint32_t sub)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (table[i].leaf == leaf &&
		    ((table[i].flags & VMM_CPUID_SUBLEAF) == 0 ||
		    table[i].subleaf == sub))
			return &table[i];
	return NULL;
}

/* Leaf 0DH: only the components of XCR0, in the standard format. */
static void limit_xsave(const struct vmm_cpuid_limits *l, uint32_t sub,
    uint32_t out[4])
{
	if (sub == 0) {
		out[EAX] &= (uint32_t)l->xcr0;
		out[EDX] &= (uint32_t)(l->xcr0 >> 32);
		out[EBX] = out[ECX] = l->xsave_size;
	} else if (sub == 1) {
		/* IA32_XSS is the kernel's. */
		out[EAX] &= 7u;		/* XSAVEOPT XSAVEC XGETBV1 */
		out[ECX] = out[EDX] = 0;
	} else if (sub >= 63 || (l->xcr0 >> sub & 1) == 0) {
		out[EAX] = out[EBX] = out[ECX] = out[EDX] = 0;
	}
}

void vmm_cpuid_apply(const struct vmm_cpuid_entry *table, uint32_t n,
    const struct vmm_cpuid_limits *l, uint32_t leaf, uint32_t subleaf,
    uint32_t out[4])
{
	const struct vmm_cpuid_entry *e = find(table, n, leaf, subleaf);
	size_t i;

	if (e != NULL) {
		out[EAX] = e->eax;
		out[EBX] = e->ebx;
		out[ECX] = e->ecx;
		out[EDX] = e->edx;
		return;
	}
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].leaf == leaf &&
		    (rows[i].sub == ANY || rows[i].sub == subleaf))
			out[rows[i].reg] &= ~rows[i].clear;
	for (i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		if (empty[i] == leaf)
			out[EAX] = out[EBX] = out[ECX] = out[EDX] = 0;
	if (leaf == 1)
		out[ECX] |= ECX1_OSXSAVE;
	else if (leaf == 7 && subleaf == 0 && !l->fsgsbase)
		out[EBX] &= ~EBX7_FSGSBASE;
	else if (leaf == 0xd)
		limit_xsave(l, subleaf, out);
}
