// SPDX-License-Identifier: BSD-2-Clause
/* runs.c - see runs.h. */
#include "runs.h"

struct vmm_vcpu *other;

uint64_t sent(void)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < FAKE_CPUS; i++)
		n += fake.sent[i];
	return n;
}

uint32_t last_pending(void)
{
	return fake_vendor.entry[fake_vendor.entries - 1].pending;
}

void shut_down(struct device *d)
{
	fake.signal = false;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

void make_other(struct device *d)
{
	uint32_t context;

	assert_ok(context_create(d->m, &context));
	assert_ok(vcpu_create(d->m, 1, &other));
	vcpu_prepare(other, context);
}
