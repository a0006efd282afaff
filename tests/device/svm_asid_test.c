// SPDX-License-Identifier: BSD-2-Clause
/*
 * ASIDs of svm/ and their generations: whose translations a guest may see, with
 * flushes by ASID and without.
 */
#include "svm_run.h"

static struct vmm_vcpu *other;

static void one_guest_keeps_its_asid(void **state)
{
	struct device *d = load_on(0);
	uint32_t asid, i;

	(void)state;
	run_syscall(d);
	asid = fake_vmrun.last_asid;
	assert_true(asid != 0 && asid < 16);
	for (i = 0; i < 50; i++) {
		run_syscall(d);
		assert_int_equal(fake_vmrun.last_asid, asid);
		assert_int_equal(fake_vmrun.last_tlb_control,
		    SVM_TLB_NOTHING);
	}
	unload(d);
}

/* Without flush by ASID another one is taken, and all are flushed when none
 * is left. */
static void a_flush_is_another_asid(void **state)
{
	struct device *d = load_on(0);
	uint32_t i, asid, all;

	(void)state;
	run_syscall(d);
	all = (uint32_t)fake_vmrun.flush_all;
	for (i = 0; i < 60; i++) {
		asid = fake_vmrun.last_asid;
		d->page->commit = VMM_SET_FLUSH;
		run_syscall(d);
		assert_int_not_equal(fake_vmrun.last_asid, asid);
		assert_true(fake_vmrun.last_asid < 16);
	}
	assert_int_equal(fake_vmrun.flush_asid, 0);
	/* 15 of them: four generations. */
	assert_int_equal(fake_vmrun.flush_all - all, 4);
	unload(d);
}

static void a_flush_by_asid_flushes_that_one(void **state)
{
	struct device *d = load_on(SVM_CPUID_FLUSH_ASID);
	uint32_t i, asid, all;

	(void)state;
	run_syscall(d);
	asid = fake_vmrun.last_asid;
	all = (uint32_t)fake_vmrun.flush_all;
	for (i = 1; i <= 60; i++) {
		d->page->commit = VMM_SET_FLUSH;
		run_syscall(d);
		assert_int_equal(fake_vmrun.last_asid, asid);
		assert_int_equal(fake_vmrun.flush_asid, i);
		leave_once(d);
		assert_int_equal(fake_vmrun.last_tlb_control,
		    SVM_TLB_NOTHING);
	}
	assert_int_equal(fake_vmrun.flush_all, all);
	unload(d);
}

/* Two on one processor: neither sees what the other has there. */
static void guests_that_take_turns_have_an_asid_each(void **state)
{
	struct device *d = load_on(0);
	uint32_t i, a, b, context;

	(void)state;
	assert_ok(context_create(d->m, &context));
	assert_ok(vcpu_create(d->m, 1, &other));
	vcpu_prepare(other, context);
	for (i = 0; i < 20; i++) {
		leave_once(d);
		a = fake_vmrun.last_asid;
		fake_exit_code(SVM_EXIT_HLT, 0, 0, 1);
		assert_ok(vmm_vcpu_run(other));
		b = fake_vmrun.last_asid;
		assert_int_not_equal(a, b);
	}
	vmm_vcpu_destroy(other);
	unload(d);
}

/* Each processor has generations of its own. */
static void a_guest_that_moves_has_what_is_new_there(void **state)
{
	struct device *d = load_on(0);
	uint32_t i;

	(void)state;
	for (i = 0; i < 100; i++) {
		fake_migrate(i % 3);
		if (i % 7 == 0)
			d->page->commit |= VMM_SET_FLUSH;
		run_syscall(d);
	}
	fake_migrate(0);
	unload(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_guest_keeps_its_asid),
		cmocka_unit_test(a_flush_is_another_asid),
		cmocka_unit_test(a_flush_by_asid_flushes_that_one),
		cmocka_unit_test(guests_that_take_turns_have_an_asid_each),
		cmocka_unit_test(a_guest_that_moves_has_what_is_new_there),
	};

	return RUN(tests);
}
