/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutate.h - what a vendor's control structure has to be broken.
 */
#ifndef MUTATE_H
#define MUTATE_H

#include "../../../lib/libvmmctl/vmm/explain.h"
#include "../../../sys/dev/vmm/vmm_ioctl.h"

/* Each bit of a field is flipped, but those that are left alone. */
struct mutate_field {
	uint32_t field, width;
	const char *name;
	uint64_t alone;
};

/* What one bit does not reach.  where: 0, or a field that has to be otherwise
 * for that. */
struct mutate_value {
	uint32_t field, width;
	const char *name;
	uint64_t value;
};

struct mutate_vendor {
	const char *name;
	const struct mutate_field *fields;	/* to one without a name */
	const struct mutate_value *values;	/* the same */
	/* Why the processor would refuse to enter vcpu as it is. */
	bool (*explain)(int vcpu, const struct vmm_info *info,
	    struct explain *e);
};

extern const struct mutate_vendor mutate_svm;

#endif
