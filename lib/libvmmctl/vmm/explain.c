// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain.c - a refused entry, explained: the control structure is copied
 * field by field, and the rules are asked which of them it breaks.
 */
#include "explain.h"
#include "dv.h"

#include <cpuid.h>
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

static uint64_t read_field(int vcpu, const struct explain_field *f)
{
	struct vmm_raw a = {
		.op = VMM_RAW_READ, .field = f->field, .width = f->width,
	};

	return dv_call(vcpu, VMM_RAW, &a) == 0 ? a.value : 0;
}

void explain_read_svm(int vcpu, struct svm_vmcb *b)
{
	const struct explain_field *f;
	uint64_t value;

	memset(b, 0, sizeof(*b));
	for (f = svm_fields; f->name != NULL; f++) {
		value = read_field(vcpu, f);
		memcpy((uint8_t *)b + f->field, &value, f->width);
	}
}

static bool explain_vcpu_svm(int vcpu, const struct explain_cpuid *id,
    struct explain *e)
{
	struct svm_vmcb b;
	struct svm_rules rules;

	svm_rules(id, &rules);
	explain_read_svm(vcpu, &b);
	return explain_svm(&b, &rules, e);
}

void dv_explain(const struct vmm_info *info, int vcpu, struct event *ev)
{
	struct explain_cpuid id;
	struct explain e;
	bool known = false;

	explain_cpuid(&id);
	if (strncmp(info->vendor, "svm", sizeof(info->vendor)) == 0)
		known = explain_vcpu_svm(vcpu, &id, &e);
	if (!known)
		return;
	ev->field = e.field;
	ev->value = e.value;
	ev->rule = e.rule;
	ev->section = e.section;
}
