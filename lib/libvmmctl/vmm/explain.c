// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain.c - a refused entry, explained: the control structure is copied
 * field by field, and the rules are asked which of them it breaks.
 */
#include "explain.h"
#include "dv.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

void explain_cpuid(struct explain_cpuid *id)
{
	uint32_t ignored;

	memset(id, 0, sizeof(*id));
	__cpuid(0, id->max, ignored, ignored, ignored);
	__cpuid(1, ignored, ignored, id->ecx1, id->edx1);
	if (id->max >= 7) {
		__cpuid_count(7, 0, ignored, id->ebx7, id->ecx7, ignored);
		__cpuid_count(7, 1, id->eax7_1, ignored, ignored, ignored);
	}
	__cpuid(0x80000000u, id->max_extended, ignored, ignored, ignored);
	if (id->max_extended >= 0x80000008u) {
		__cpuid(0x80000001u, ignored, ignored, id->ecx_features,
		    id->edx_features);
		__cpuid(0x80000008u, id->eax_sizes, id->ebx_sizes, ignored,
		    ignored);
	}
	if (id->max_extended >= 0x80000021u)
		__cpuid(0x80000021u, id->eax_more, ignored, ignored, ignored);
}

/* -errno, and *value 0; -EPERM: it is not shown, or not there. */
static int read_field(int vcpu, const struct explain_field *f,
    uint64_t *value)
{
	struct vmm_raw a = {
		.op = VMM_RAW_READ, .field = f->field, .width = f->width,
	};
	const int err = dv_call(vcpu, VMM_RAW, &a);

	*value = err == 0 ? a.value : 0;
	return err;
}

/* False: something is not shown. */
static bool read_svm(int vcpu, struct svm_vmcb *b)
{
	const struct explain_field *f;
	uint64_t value;

	memset(b, 0, sizeof(*b));
	for (f = svm_fields; f->name != NULL; f++) {
		if (read_field(vcpu, f, &value) != 0)
			return false;
		memcpy((uint8_t *)b + f->field, &value, f->width);
	}
	return true;
}

/* The host's state (appendix B, bits 11-10 are 3) is not shown, and not every
 * processor has VPIDs. */
static bool read_vmx(int vcpu, struct vmx_copy *copy)
{
	const struct explain_field *f;
	int err;

	memset(copy, 0, sizeof(*copy));
	for (f = vmx_fields; f->name != NULL; f++) {
		const uint32_t n = vmx_slot(f->field);

		err = read_field(vcpu, f, &copy->value[n]);
		if (err != 0 && (err != -EPERM ||
		    ((f->field >> 10 & 3) != 3 && f->field != VMX_VPID)))
			return false;
		copy->known[n] = err == 0;
	}
	return true;
}

static bool explain_vcpu_svm(int vcpu, const struct explain_cpuid *id,
    struct explain *e)
{
	struct svm_vmcb b;
	struct svm_rules rules;

	svm_rules(id, &rules);
	return read_svm(vcpu, &b) && explain_svm(&b, &rules, e);
}

static bool explain_vcpu_vmx(int vcpu, const struct vmm_info *info,
    const struct explain_cpuid *id, struct explain *e)
{
	struct vmx_copy copy;
	struct vmx_rules rules;

	return vmx_rules(info, id, &rules) && read_vmx(vcpu, &copy) &&
	    explain_vmx(&copy, &rules, e);
}

bool explain_vcpu(int vcpu, const struct vmm_info *info, struct explain *e)
{
	struct explain_cpuid id;

	explain_cpuid(&id);
	if (strncmp(info->vendor, "svm", sizeof(info->vendor)) == 0)
		return explain_vcpu_svm(vcpu, &id, e);
	if (strncmp(info->vendor, "vmx", sizeof(info->vendor)) == 0)
		return explain_vcpu_vmx(vcpu, info, &id, e);
	return false;
}

void dv_explain(const struct vmm_info *info, int vcpu,
    const struct vmm_exit *x, struct event *ev)
{
	struct explain e;

	if (!explain_vcpu(vcpu, info, &e) &&
	    !explain_vmx_code(x->raw, x->info[0], &e))
		return;
	ev->field = e.field;
	ev->value = e.value;
	ev->rule = e.rule;
	ev->section = e.section;
}
