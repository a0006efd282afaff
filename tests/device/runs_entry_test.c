// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an entry has to load, and what has not changed since the last one: state
 * of the guest on that processor, debug registers, TSC_AUX.
 */
#include "runs.h"

static void an_entry_loads_what_has_changed(void **state)
{
	struct device *d = *state;
	uint32_t i;

	shut_down(d);
	assert_true((last_pending() & VMM_LOAD_CPU) != 0);
	for (i = 0; i < 3; i++) {
		shut_down(d);
		assert_int_equal(last_pending(), 0);
	}
	d->page->commit = VMM_SET_FLUSH;
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_FLUSH);
	d->page->commit = VMM_SET_SPACE;
	d->page->cr3 = ROOT_GPA + PAGE;
	shut_down(d);
	assert_int_equal(last_pending() & ~VMM_LOAD_FLUSH, VMM_LOAD_SPACE);
	d->page->commit = VMM_SET_DEBUG;
	d->page->dr7 = 0x401;
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_DEBUG);
	shut_down(d);
	assert_int_equal(last_pending(), 0);
	fake_migrate(1);
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_CPU);
	fake_migrate(0);
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_CPU);
}

static void vcpus_that_take_turns_load_each_time(void **state)
{
	struct device *d = *state;
	uint32_t i;

	make_other(d);
	for (i = 0; i < 3; i++) {
		shut_down(d);
		assert_true((last_pending() & VMM_LOAD_CPU) != 0);
		fake_cause(VMM_CAUSE_SHUTDOWN);
		assert_ok(vmm_vcpu_run(other));
		assert_true((last_pending() & VMM_LOAD_CPU) != 0);
	}
	vmm_vcpu_destroy(other);
}

/* The memory of one that has gone may be another's. */
static void a_new_vcpu_is_not_taken_for_an_old_one(void **state)
{
	struct device *d = *state;
	uint32_t i;

	for (i = 0; i < 8; i++) {
		make_other(d);
		fake_cause(VMM_CAUSE_SHUTDOWN);
		assert_ok(vmm_vcpu_run(other));
		assert_true((last_pending() & VMM_LOAD_CPU) != 0);
		vmm_vcpu_destroy(other);
	}
}

static void branches_of_one_user_guide_no_other(void **state)
{
	struct device *d = *state;
	uint64_t n;

	shut_down(d);
	n = fake_hw.ibpbs;
	assert_true(n > 0);
	shut_down(d);
	assert_int_equal(fake_hw.ibpbs, n);
	d->page->commit = VMM_SET_SPACE;
	d->page->cr3 = ROOT_GPA + PAGE;
	shut_down(d);
	assert_int_equal(fake_hw.ibpbs, n + 1);
	make_other(d);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	assert_int_equal(fake_hw.ibpbs, n + 2);
	vmm_vcpu_destroy(other);
}

static void move_away(void)
{
	fake_migrate(3);
}

static void a_thread_may_move_while_others_run(void **state)
{
	struct device *d = *state;

	shut_down(d);
	fake_cause(VMM_CAUSE_NMI);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	fake.on_resched = move_away;
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake_vendor.entry[1].cpu, 0);
	assert_int_equal(fake_vendor.entry[2].cpu, 3);
	assert_int_equal(fake_vendor.entry[1].pending & VMM_LOAD_CPU, 0);
	assert_int_equal(fake_vendor.entry[2].pending & VMM_LOAD_CPU,
	    VMM_LOAD_CPU);
	fake.on_resched = NULL;
	fake_migrate(0);
}

/* ---- a vendor whose control structures live in a processor ---- */

static int setup_leaves(void **state)
{
	struct device *d = device_start();

	vmm_hw_fini();
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_that_leaves }, 1));
	machine_make(d);
	*state = d;
	return 0;
}

static void a_vcpu_leaves_a_processor_for_another(void **state)
{
	struct device *d = *state;
	uint32_t i;

	shut_down(d);
	shut_down(d);
	assert_int_equal(fake_vendor.leaves, 0);
	for (i = 1; i < 6; i++) {
		fake_migrate(i % 3);
		fake_cause(VMM_CAUSE_NMI);
		shut_down(d);
		assert_int_equal(fake_vendor.leaves, i);
	}
	/* While other threads run, in the middle of a run. */
	fake_migrate(0);
	fake.on_resched = move_away;
	fake_cause(VMM_CAUSE_NMI);
	shut_down(d);
	fake.on_resched = NULL;
	fake_migrate(0);
	assert_null(fake_vendor.begun);
}

/* ---- debug registers ---- */

static void look_at_dr(struct vmm_regs *regs, struct vmm_state *s)
{
	(void)regs;
	(void)s;
	assert_int_equal(fake_cpu()->dr[0], 0x1000);
	assert_int_equal(fake_cpu()->dr[3], 0x4000);
}

static void debug_registers_are_the_guests_and_then_the_hosts(void **state)
{
	struct device *d = *state;
	uint32_t i;

	for (i = 0; i < 4; i++)
		d->page->dr[i] = 0x1000 * (i + 1);
	d->page->dr7 = 0x4ff;
	d->page->commit |= VMM_SET_DEBUG;
	fake_change(look_at_dr);
	shut_down(d);
	assert_int_equal(fake.debug_restores, 0);
	/* A host that has breakpoints of its own. */
	fake.debug_in_use = true;
	fake_cpu()->dr[0] = 0xffffffff81000000;
	fake_cpu()->dr[7] = 0x401;
	fake_change(look_at_dr);
	shut_down(d);
	assert_int_equal(fake_cpu()->dr[0], 0xffffffff81000000);
	assert_int_equal(fake_cpu()->dr[7], 0x401);
	assert_int_equal(fake.debug_restores, 1);
	fake.debug_in_use = false;
	fake_cpu()->dr[7] = 0x400;
}

static void who_watches_nothing_stores_nothing(void **state)
{
	struct device *d = *state;
	uint64_t n;

	shut_down(d);
	n = fake_hw.dr_writes;
	shut_down(d);
	assert_int_equal(fake_hw.dr_writes, n);
}

/* ---- TSC_AUX ---- */

static void look_at_tsc_aux(struct vmm_regs *regs, struct vmm_state *s)
{
	(void)s;
	regs->rax = fake_msr_get(fake.cur->cpu, 0xc0000103);
}

static void tsc_aux_is_the_machines(void **state)
{
	struct device *d = *state;
	struct vmm_msr a = { .index = 0xc0000103, .value = 0x1234 };

	fake_msr_set(FAKE_CPUS, 0xc0000103, 7);
	fake_change(look_at_tsc_aux);
	shut_down(d);
	assert_int_equal(d->page->regs.rax, 7);
	assert_ok(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a));
	fake_change(look_at_tsc_aux);
	shut_down(d);
	assert_int_equal(d->page->regs.rax, 0x1234);
	assert_int_equal(fake_msr_get(0, 0xc0000103), 7);
	fake_migrate(1);
	fake_change(look_at_tsc_aux);
	shut_down(d);
	assert_int_equal(d->page->regs.rax, 0x1234);
	assert_int_equal(fake_msr_get(1, 0xc0000103), 7);
	fake_migrate(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thread_may_move_while_others_run),
		TEST(an_entry_loads_what_has_changed),
		TEST(vcpus_that_take_turns_load_each_time),
		TEST(a_new_vcpu_is_not_taken_for_an_old_one),
		TEST(branches_of_one_user_guide_no_other),
		cmocka_unit_test_setup_teardown(
		    a_vcpu_leaves_a_processor_for_another, setup_leaves,
		    device_teardown),
		TEST(debug_registers_are_the_guests_and_then_the_hosts),
		TEST(who_watches_nothing_stores_nothing),
		TEST(tsc_aux_is_the_machines),
	};

	return RUN(tests);
}
