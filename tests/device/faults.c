// SPDX-License-Identifier: BSD-2-Clause
/* faults.c - see faults.h. */
#include "faults.h"

void put(uint64_t uaddr, uint64_t value)
{
	assert_true(fake_write(uaddr, &value, sizeof(value)));
}

uint64_t get(uint64_t uaddr)
{
	uint64_t value = 0;

	assert_true(fake_read(uaddr, &value, sizeof(value)));
	return value;
}

uint64_t guest_get(struct device *d, uint64_t gpa)
{
	uint64_t value = 0;

	TOUCH(d, gpa, R, &value, sizeof(value));
	return value;
}

void guest_put(struct device *d, uint64_t gpa, uint64_t value)
{
	TOUCH(d, gpa, W, &value, sizeof(value));
}

void no_memory(struct device *d, uint64_t gpa, uint32_t access,
    uint32_t detail)
{
	struct vmm_exit *e = d->exit;

	fake_touch(gpa, access, NULL, 1);
	fake.signal = false;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(e->kind, VMM_EXIT_MEMORY);
	assert_int_equal(e->detail, detail);
	assert_int_equal(e->gpa, gpa);
	assert_int_equal(e->access, access);
	assert_int_equal(e->valid, VMM_VALID_GPA);
	assert_int_equal(d->page->regs.rip, CODE);
	/* The guest does something else. */
	fake_script.at = fake_script.n;
	assert_int_equal(fake.gets, fake.puts);
}
