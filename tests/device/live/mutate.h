/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutate.h - what a vendor's control structure has to be broken.
 */
#ifndef MUTATE_H
#define MUTATE_H

#include "../../../lib/libvmmctl/vmm/explain.h"

/* Each bit of a field is flipped, but those that are left alone. */
struct mutate_field {
	uint32_t field, width;
	const char *name;
	uint64_t alone;
};

/* What one bit does not reach. */
struct mutate_value {
	uint32_t field, width;
	const char *name;
	uint64_t value;
};

struct mutate_vendor {
	const char *name;
	const struct mutate_field *fields;	/* to one without a name */
	const struct mutate_value *values;	/* the same */
};

extern const struct mutate_vendor mutate_svm, mutate_vmx;

#endif
