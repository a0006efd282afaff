/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explain.h - why a processor refuses to enter a guest: the checks of the
 * manuals, in software, over a copy of the control structure.  Pure but for
 * explain.c, which makes the copy.
 *
 * What the device does not show of the structure (physical addresses, the
 * host's own state) is not known here, and no rule about it is broken.
 */
#ifndef VMMCTL_VMM_EXPLAIN_H
#define VMMCTL_VMM_EXPLAIN_H

#include "../../../sys/dev/vmm/svm/svm.h"

#include <stdbool.h>
#include <stdint.h>

/* The rule that is broken; static strings. */
struct explain {
	const char *field;
	uint64_t value;
	const char *rule, *section;
};

/* Of CPUID, what tells which bits of registers there are. */
struct explain_cpuid {
	uint32_t max, max_extended;		/* leaves */
	uint32_t ecx1, edx1;			/* 1 */
	uint32_t ebx7, ecx7;			/* 7, 0 */
	uint32_t eax7_1;			/* 7, 1 */
	uint32_t ecx_features, edx_features;	/* 8000_0001 */
	uint32_t eax_sizes, ebx_sizes;		/* 8000_0008 */
	uint32_t eax_more;			/* 8000_0021 */
};
void explain_cpuid(struct explain_cpuid *id);

/* A field of the structure, as VMM_RAW has it. */
struct explain_field {
	uint32_t field, width;
	const char *name;
};

/* ---- SVM: APM vol. 2 15.5.1, 15.20, 15.25.4 ---- */

struct svm_rules {
	uint64_t cr3, cr4, efer;	/* bits that must be 0 */
	bool long_mode;
	bool cet;			/* S_CET is a register */
};
void svm_rules(const struct explain_cpuid *id, struct svm_rules *r);

/* The fields that explain_svm() looks at; the last one has no name. */
extern const struct explain_field svm_fields[];
/* False: none of the rules is broken. */
bool explain_svm(const struct svm_vmcb *b, const struct svm_rules *r,
    struct explain *e);

/* ---- of a vCPU that is not running (explain.c) ---- */

/* Fields that the device does not show are 0. */
void explain_read_svm(int vcpu, struct svm_vmcb *b);

#endif
