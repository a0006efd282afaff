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
#include "../../../sys/dev/vmm/vmm_ioctl.h"
#include "../../../sys/dev/vmm/vmx/vmx.h"

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

/* ---- VMX: SDM vol. 3C 26.2, 26.3.1 ---- */

struct vmx_rules {
	/* Capability MSRs, vol. 3D appendix A. */
	uint64_t basic, pin, proc, proc2, exit, entry, misc;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint32_t physical_bits;
	bool nx, sgx, rtm;
};
/* False: the device, an older one, does not tell all of it. */
bool vmx_rules(const struct vmm_info *info, const struct explain_cpuid *id,
    struct vmx_rules *r);

/* A control structure's fields; a rule about one that is not known is not
 * broken. */
#define VMX_SLOTS	512u
struct vmx_copy {
	uint64_t value[VMX_SLOTS];
	bool known[VMX_SLOTS];
};

/* Appendix B: bits 14-13 of an encoding are the width, 11-10 the type, 9-1 the
 * index, which is below 32 in all that are here. */
static inline uint32_t vmx_slot(uint32_t field)
{
	return (field >> 13 & 3) << 7 | (field >> 10 & 3) << 5 |
	    (field >> 1 & 31);
}

/* The fields that explain_vmx() looks at; the last one has no name. */
extern const struct explain_field vmx_fields[];
bool explain_vmx(const struct vmx_copy *copy, const struct vmx_rules *r,
    struct explain *e);
/* What the processor itself says, which is less: the exit's raw and info[0]. */
bool explain_vmx_code(uint64_t raw, uint64_t info, struct explain *e);

/* ---- of a vCPU that is not running (explain.c) ---- */

/* Why its processor refuses to enter it; false: that is not known. */
bool explain_vcpu(int vcpu, const struct vmm_info *info, struct explain *e);

#endif
