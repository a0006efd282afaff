// SPDX-License-Identifier: BSD-2-Clause
/*
 * VPIDs and flushes of vmx/: as many as are needed, and no more.
 */
#include "vmx_run.h"

/* What the next run of v flushes. */
static void flushes(struct device *d, struct vmm_vcpu *v, uint64_t invept,
    uint64_t invvpid)
{
	const uint64_t before = fake_vmx.invept, all = fake_vmx.invvpid;

	leave(d, v);
	assert_int_equal(fake_vmx.invept - before, invept);
	assert_int_equal(fake_vmx.invvpid - all, invvpid);
}

static void nothing_is_flushed_without_need(void **state)
{
	struct device *d = *state;
	unsigned i;

	leave(d, d->v);
	for (i = 0; i < 100; i++)
		flushes(d, d->v, 0, 0);
	/* Another space is another VPID. */
	for (i = 0; i < 100; i++) {
		d->page->cr3 = ROOT_GPA + (i & 1) * PAGE;
		d->page->commit = VMM_SET_SPACE;
		flushes(d, d->v, 0, 0);
	}
	d->page->commit = VMM_SET_FLUSH;
	flushes(d, d->v, 0, 0);
}

static void leaves_that_go_are_flushed_where_they_were(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu *v = second(d);
	uint8_t byte = 1;

	leave(d, v);
	TOUCH(d, DATA_GPA, W, &byte, 1);
	flushes(d, d->v, 0, 0);
	flushes(d, v, 0, 0);
	assert_ok(memory_protect(d->m, 0, MEMORY_SIZE, R));
	/* Once for both, since what is known goes by the root. */
	flushes(d, v, 1, 0);
	flushes(d, d->v, 0, 0);
	flushes(d, v, 0, 0);
	/* A processor that knows nothing of it yet begins with a flush. */
	fake_migrate(1);
	flushes(d, v, 1, 0 + 1);
	flushes(d, v, 0, 0);
	fake_migrate(0);
	flushes(d, d->v, 0, 0);
	vmm_vcpu_destroy(v);
}

static void vpids_are_given_out_again_after_a_flush(void **state)
{
	struct device *d = *state;
	uint64_t before;
	uint32_t i;

	leave(d, d->v);
	before = fake_vmx.invvpid;
	for (i = 0; i < 3 * VMX_VPIDS; i++) {
		d->page->commit = VMM_SET_FLUSH;
		leave(d, d->v);
	}
	assert_int_equal(fake_vmx.max_vpid, VMX_VPIDS - 1);
	assert_int_equal(fake_vmx.invvpid - before, 3);
}

/* Its root may be where another's was, which the processor cannot know. */
static void another_machine_begins_with_a_flush(void **state)
{
	struct device *d = *state;
	struct vmm_machine *m;
	struct vmm_vcpu *v;
	uint32_t context;

	assert_ok(machine_create(&m));
	assert_ok(memory_map(m, 0, MEMORY_SIZE, MEMORY, RWX));
	assert_ok(vcpu_create(m, 0, &v));
	assert_ok(context_create(m, &context));
	vcpu_prepare(v, context);
	leave(d, d->v);
	flushes(d, v, 1, 0);
	flushes(d, v, 0, 0);
	flushes(d, d->v, 1, 0);
	vmm_vcpu_destroy(v);
	vmm_machine_put(m);
}

static uint64_t vpid(struct vmm_vcpu *v)
{
	return fake_vmx_of(v->vmx.vmcs_pa, VMX_VPID);
}

/* A VPID is that of a space on one processor; on another one somebody else
 * has the same. */
static void a_vpid_stays_on_its_processor(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu *v = second(d);

	leave(d, d->v);
	fake_migrate(1);
	leave(d, v);
	assert_int_equal(vpid(v), vpid(d->v));
	leave(d, d->v);
	assert_int_not_equal(vpid(v), vpid(d->v));
	fake_migrate(0);
	vmm_vcpu_destroy(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VMX(nothing_is_flushed_without_need),
		TEST_VMX(leaves_that_go_are_flushed_where_they_were),
		TEST_VMX(vpids_are_given_out_again_after_a_flush),
		TEST_VMX(another_machine_begins_with_a_flush),
		TEST_VMX(a_vpid_stays_on_its_processor),
	};

	return RUN(tests);
}
