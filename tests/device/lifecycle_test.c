// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lives of machines and vCPUs, in whatever order they end, and the end of
 * the process that owns them.
 */
#include "lifecycle.h"

/* ---- machines and vCPUs ---- */

/* An interruption is not said to be the process's fault, and passes. */
static void making_that_is_interrupted_says_so(void **state)
{
	struct vmm_machine_create a = { .name = "interrupted" };
	struct vmm_machine *m;

	(void)state;
	fake.owner_error = EINTR;
	assert_int_equal(vmm_machine_create(&a, &m), EINTR);
	assert_non_null(strstr(a.why, "try again"));
	fake.owner_error = EINVAL;
	assert_int_equal(vmm_machine_create(&a, &m), EINVAL);
	assert_non_null(strstr(a.why, "watched"));
	fake.owner_error = 0;
	vmm_machine_put(machine());
}

static void a_vcpu_holds_its_machine(void **state)
{
	struct vmm_machine *m = machine();
	struct vmm_vcpu *v, *w;

	(void)state;
	assert_ok(vcpu_create(m, 0, &v));
	assert_ok(vcpu_create(m, 5, &w));
	vmm_machine_put(m);
	assert_int_equal(vmm_live.machines, 1);
	vmm_vcpu_destroy(v);
	assert_int_equal(vmm_live.machines, 1);
	vmm_vcpu_destroy(w);
	assert_int_equal(vmm_live.machines, 0);
}

static void an_index_is_free_again_after_its_vcpu(void **state)
{
	struct vmm_machine *m = machine();
	struct vmm_vcpu *v, *w;

	(void)state;
	assert_ok(vcpu_create(m, 3, &v));
	assert_int_equal(vcpu_create(m, 3, &w), EEXIST);
	assert_ok(vcpu_create(m, 2, &w));
	vmm_vcpu_destroy(v);
	assert_ok(vcpu_create(m, 3, &v));
	vmm_vcpu_destroy(w);
	vmm_vcpu_destroy(v);
	vmm_machine_put(m);
}

static void there_are_so_many_machines_of_a_user(void **state)
{
	struct vmm_machine *m[VMM_MAX_USER_MACHINES], *other;
	struct vmm_machine_create a = { .name = "one more" };
	uint32_t i;

	(void)state;
	for (i = 0; i < VMM_MAX_USER_MACHINES; i++)
		m[i] = machine();
	assert_int_equal(vmm_machine_create(&a, &other), EDQUOT);
	assert_true(a.why[0] != '\0');
	fake.uid = 1001;
	other = machine();
	vmm_machine_put(other);
	fake.uid = 1000;
	vmm_machine_put(m[0]);
	m[0] = machine();
	for (i = 0; i < VMM_MAX_USER_MACHINES; i++)
		vmm_machine_put(m[i]);
}

static void ids_are_never_used_twice(void **state)
{
	struct vmm_machine *m = machine();
	const uint64_t id = m->id;

	(void)state;
	vmm_machine_put(m);
	m = machine();
	assert_true(m->id > id);
	vmm_machine_put(m);
}

static void every_vcpu_that_may_be_can_be(void **state)
{
	static struct vmm_vcpu *v[VMM_MAX_VCPUS];
	struct vmm_machine *m = machine();
	struct vmm_vcpu *more;
	uint32_t i;

	(void)state;
	for (i = 0; i < VMM_MAX_VCPUS; i++)
		assert_ok(vcpu_create(m, i, &v[i]));
	assert_int_equal(vcpu_create(m, VMM_MAX_VCPUS, &more), EINVAL);
	assert_int_equal(vcpu_create(m, ~0u, &more), EINVAL);
	/* In an order of its own. */
	for (i = 0; i < VMM_MAX_VCPUS; i++)
		vmm_vcpu_destroy(v[(i * 77 + 5) % VMM_MAX_VCPUS]);
	vmm_machine_put(m);
}

/* ---- the owner's end ---- */

static void after_the_owners_end_all_is_eio(void **state)
{
	struct device *d = *state;
	struct vmm_memory a = { .gpa = 0, .size = PAGE };
	struct vmm_raw raw = { .op = VMM_RAW_READ, .width = 8 };
	struct vmm_vcpu *v;

	machine_make(d);
	TOUCH(d, DATA_GPA, W, NULL, 1);
	fake_exit();
	assert_int_equal(d->m->npt.leaves, 0);
	assert_int_equal(vmm_vcpu_run(d->v), EIO);
	assert_int_equal(vmm_vcpu_kick(d->v), EIO);
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw), EIO);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MEMORY_UNMAP, &a), EIO);
	assert_int_equal(vcpu_create(d->m, 1, &v), EIO);
}

static void exec_now(void *cookie)
{
	(void)cookie;
	fake_exit();
}

static void the_owners_end_ends_a_run(void **state)
{
	struct device *d = *state;

	machine_make(d);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(exec_now, NULL);
	assert_int_equal(vmm_vcpu_run(d->v), EIO);
	assert_int_equal(d->exit->kind, VMM_EXIT_NONE);
	assert_int_equal(d->m->npt.leaves, 0);
}

/* Also of a guest that has no memory at all yet, and asks for none. */
static void the_owners_end_reaches_a_guest_that_only_computes(void **state)
{
	struct device *d = *state;

	machine_make(d);
	fake_call(exec_now, NULL);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_int_equal(vmm_vcpu_run(d->v), EIO);
	assert_int_equal(fake.sent[0], 1);
	fake_script.at = fake_script.n;
}

static void as_a_stranger(void *cookie)
{
	struct device *d = cookie;
	struct vmm_memory a = { .gpa = 0, .size = PAGE };
	struct vmm_vcpu *v;

	assert_int_equal(vmm_vcpu_run(d->v), EPERM);
	assert_int_equal(vmm_vcpu_kick(d->v), EPERM);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MEMORY_UNMAP, &a),
	    EPERM);
	assert_int_equal(vcpu_create(d->m, 1, &v), EPERM);
}

/* A child that has inherited the descriptors may close them only. */
static void another_process_is_refused(void **state)
{
	struct device *d = *state;

	machine_make(d);
	fake_as_process(2, as_a_stranger, d);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

static void end_all(void *cookie)
{
	machine_end(cookie);
}

static void another_process_may_close_the_last_descriptor(void **state)
{
	struct device *d = *state;

	machine_make(d);
	TOUCH(d, DATA_GPA, W, NULL, 1);
	fake_as_process(2, end_all, d);
	assert_int_equal(vmm_live.machines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BARE(making_that_is_interrupted_says_so),
		TEST_BARE(a_vcpu_holds_its_machine),
		TEST_BARE(an_index_is_free_again_after_its_vcpu),
		TEST_BARE(there_are_so_many_machines_of_a_user),
		TEST_BARE(ids_are_never_used_twice),
		TEST_BARE(every_vcpu_that_may_be_can_be),
		TEST_BARE(after_the_owners_end_all_is_eio),
		TEST_BARE(the_owners_end_ends_a_run),
		TEST_BARE(the_owners_end_reaches_a_guest_that_only_computes),
		TEST_BARE(another_process_is_refused),
		TEST_BARE(another_process_may_close_the_last_descriptor),
	};

	return RUN(tests);
}
