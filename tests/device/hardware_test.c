// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hardware's life: on for the first machine, off after the last, all or
 * none of the processors; hotplug, suspend, reboot; the device turned off.
 */
#include "lifecycle.h"

static uint32_t on(void)
{
	uint32_t i, n = 0;

	for (i = 0; i < FAKE_CPUS; i++)
		n += fake_vendor.on[i];
	return n;
}

/* ---- on and off ---- */

static void online_again(void *cookie)
{
	(void)cookie;
	assert_ok(vmm_hw_cpu_online(1));
}

static void on_for_the_first_machine_and_off_after_the_last(void **state)
{
	struct vmm_machine *a, *b;

	(void)state;
	assert_int_equal(on(), 0);
	a = machine();
	assert_int_equal(on(), 4);
	b = machine();
	assert_int_equal(fake_vendor.ons, 4);
	vmm_machine_put(a);
	assert_int_equal(on(), 4);
	vmm_machine_put(b);
	assert_int_equal(on(), 0);
	vmm_machine_put(machine());
	assert_int_equal(fake_vendor.ons, 8);
	assert_int_equal(fake_vendor.offs, 8);
}

static void a_processor_that_is_on_is_not_turned_on_again(void **state)
{
	struct vmm_machine *m = machine();

	(void)state;
	fake_interrupt(1, online_again, NULL);
	assert_int_equal(fake_vendor.ons, 4);
	vmm_machine_put(m);
}

static void all_processors_or_none(void **state)
{
	struct vmm_machine_create a = { .name = "none" };
	struct vmm_machine *m;
	uint32_t k;

	(void)state;
	for (k = 0; k < fake.cpus; k++) {
		fake_vendor.refuse_on = k + 1;
		memset(a.why, 'x', sizeof(a.why));
		assert_int_equal(vmm_machine_create(&a, &m), EBUSY);
		assert_string_equal(a.why, "the test holds it");
		assert_int_equal(on(), 0);
		assert_int_equal(fake_vendor.ons, fake_vendor.offs);
	}
	fake_vendor.refuse_on = 0;
	vmm_machine_put(machine());
}

static void a_processor_that_is_off_line_is_left_out(void **state)
{
	struct vmm_machine *m;

	(void)state;
	fake_cpu_offline(2);
	m = machine();
	assert_int_equal(on(), 3);
	assert_false(fake_vendor.on[2]);
	vmm_machine_put(m);
	assert_int_equal(on(), 0);
}

static void hotplug_follows_the_machines(void **state)
{
	struct vmm_machine *m = machine();

	(void)state;
	fake_cpu_offline(3);
	assert_int_equal(on(), 3);
	assert_true(fake_cpu_online(3));
	assert_int_equal(on(), 4);
	fake_cpu_offline(3);
	vmm_machine_put(m);
	assert_true(fake_cpu_online(3));
	assert_int_equal(on(), 0);
}

static void hotplug_of_a_processor_that_is_held_is_refused(void **state)
{
	struct vmm_machine *m = machine();

	(void)state;
	fake_cpu_offline(1);
	fake_vendor.refuse_on = 2;
	assert_false(fake_cpu_online(1));
	assert_int_equal(on(), 3);
	assert_non_null(strstr(fake.log, "the test holds it"));
	fake_vendor.refuse_on = 0;
	assert_true(fake_cpu_online(1));
	vmm_machine_put(m);
}

/* As a host suspends: all but one go off line, then the last is called. */
static void suspend_and_resume_switch_each_processor(void **state)
{
	struct vmm_machine *m = machine();
	uint32_t i;

	(void)state;
	for (i = 1; i < 4; i++)
		fake_cpu_offline(i);
	fake.cur->off = 1;
	vmm_hw_cpu_offline(0);
	assert_int_equal(on(), 0);
	assert_ok(vmm_hw_cpu_online(0));
	fake.cur->off = 0;
	for (i = 1; i < 4; i++)
		assert_true(fake_cpu_online(i));
	assert_int_equal(on(), 4);
	vmm_machine_put(m);
}

static void a_vcpu_goes_on_after_its_processor_was_away(void **state)
{
	struct device *d = *state;

	machine_make(d);
	CODE_SET(0x0f, 0x05);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	fake_migrate(1);
	fake_cpu_offline(0);
	d->page->regs.rip = CODE;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_true(fake_cpu_online(0));
	fake_migrate(0);
	d->page->regs.rip = CODE;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	/* On the same one, which has forgotten all. */
	fake_migrate(1);
	fake_cpu_offline(0);
	assert_true(fake_cpu_online(0));
	fake_migrate(0);
	d->page->regs.rip = CODE;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_true((fake_vendor.entry[fake_vendor.entries - 1].pending &
	    VMM_LOAD_CPU) != 0);
}

static void a_processor_that_could_not_be_turned_on_runs_nothing(void **state)
{
	struct device *d = *state;

	machine_make(d);
	fake_cpu_offline(1);
	fake_vendor.refuse_on = 2;
	assert_false(fake_cpu_online(1));
	/* The host takes it on line for all that. */
	fake.online[1] = true;
	fake_migrate(1);
	assert_int_equal(vmm_vcpu_run(d->v), EIO);
	assert_int_equal(d->exit->kind, VMM_EXIT_NONE);
	fake_migrate(0);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

/* ---- reboot ---- */

static void reboot(void *cookie)
{
	(void)cookie;
	vmm_hw_reboot();
}

static void after_reboot_nobody_enters(void **state)
{
	struct device *d = *state;
	struct vmm_machine *m;
	struct vmm_machine_create a = { .name = "late" };

	machine_make(d);
	vmm_hw_reboot();
	assert_int_equal(on(), 0);
	assert_int_equal(vmm_vcpu_run(d->v), EIO);
	assert_int_equal(vmm_machine_create(&a, &m), EBUSY);
	assert_true(a.why[0] != '\0');
	assert_int_equal(info().usable, 0);
	fake_cpu_offline(2);
	assert_true(fake_cpu_online(2));
	assert_int_equal(on(), 0);
	vmm_hw_reboot();		/* once more is fine */
}

static void reboot_without_machines_is_nothing(void **state)
{
	(void)state;
	vmm_hw_reboot();
	assert_int_equal(fake_vendor.offs, 0);
}

/* On each processor, an interrupt: so the guest is out of it. */
static void reboot_while_a_guest_runs_ends_the_run(void **state)
{
	struct device *d = *state;

	machine_make(d);
	fake_call(reboot, NULL);
	assert_int_equal(vmm_vcpu_run(d->v), EIO);
	assert_int_equal(d->v->stats->entries, 1);
}

/* ---- enable ---- */

static void the_device_is_turned_off_and_on(void **state)
{
	struct vmm_machine_create a = { .name = "off" };
	struct vmm_machine *m;

	(void)state;
	fake.admin = true;
	assert_int_equal(info().enabled, 1);
	assert_ok(enable(0));
	assert_ok(enable(0));
	assert_int_equal(info().enabled, 0);
	assert_int_equal(info().usable, 0);
	assert_true(info().why[0] != '\0');
	assert_int_equal(vmm_machine_create(&a, &m), EBUSY);
	assert_non_null(strstr(a.why, "VMM_ENABLE"));
	assert_ok(enable(1));
	m = machine();
	assert_int_equal(enable(0), EBUSY);
	assert_int_equal(info().enabled, 1);
	assert_ok(enable(1));
	vmm_machine_put(m);
	assert_ok(enable(0));
	assert_ok(enable(1));
}

static void only_the_administrator_turns_it_off(void **state)
{
	(void)state;
	assert_int_equal(enable(0), EPERM);
	assert_int_equal(info().enabled, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BARE(on_for_the_first_machine_and_off_after_the_last),
		TEST_BARE(a_processor_that_is_on_is_not_turned_on_again),
		TEST_BARE(all_processors_or_none),
		TEST_BARE(a_processor_that_is_off_line_is_left_out),
		TEST_BARE(hotplug_follows_the_machines),
		TEST_BARE(hotplug_of_a_processor_that_is_held_is_refused),
		TEST_BARE(suspend_and_resume_switch_each_processor),
		TEST_BARE(a_vcpu_goes_on_after_its_processor_was_away),
		TEST_BARE(a_processor_that_could_not_be_turned_on_runs_nothing),
		TEST_BARE(after_reboot_nobody_enters),
		TEST_BARE(reboot_without_machines_is_nothing),
		TEST_BARE(reboot_while_a_guest_runs_ends_the_run),
		TEST_BARE(the_device_is_turned_off_and_on),
		TEST_BARE(only_the_administrator_turns_it_off),
	};

	return RUN(tests);
}
