// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hardware's life: on for the first machine, off after the last, all or
 * none of the processors; hotplug, suspend, reboot; the device turned off; and
 * the lives of machines and vCPUs, in whatever order they end.
 */
#include "device.h"

static uint32_t on(void)
{
	uint32_t i, n = 0;

	for (i = 0; i < FAKE_CPUS; i++)
		n += fake_vendor.on[i];
	return n;
}

static struct vmm_info info(void)
{
	struct vmm_info a = { .size = sizeof(a) };

	assert_ok(vmm_device_ioctl(VMM_INFO, &a));
	return a;
}

static struct vmm_machine *machine(void)
{
	struct vmm_machine *m;

	assert_ok(machine_create(&m));
	return m;
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

static int enable(uint32_t word)
{
	struct vmm_enable a = { .enable = word };

	return vmm_device_ioctl(VMM_ENABLE, &a);
}

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

/* ---- what is told ---- */

static void info_tells_the_hardware(void **state)
{
	const struct vmm_info a = info();

	(void)state;
	assert_int_equal(a.version, VMM_ABI_VERSION);
	assert_int_equal(a.caps, fake_vendor.caps);
	assert_string_equal(a.vendor, "fake");
	assert_int_equal(a.usable, 1);
	assert_string_equal(a.why, "");
	assert_int_equal(a.gpa_limit, 1ull << 40);
	assert_int_equal(a.xcr0, FAKE_XCR0);
	assert_int_equal(a.xsave_size, FAKE_XSAVE);
	assert_int_equal(a.mxcsr_mask, FAKE_MXCSR_MASK);
	assert_int_equal(a.max_vcpus, VMM_MAX_VCPUS);
	assert_int_equal(a.max_contexts, VMM_MAX_CONTEXTS);
	assert_int_equal(a.max_regions, VMM_MAX_REGIONS);
	assert_int_equal(a.page_size, 4096);
	assert_string_equal(a.facts[0].name, "fake.fact");
	assert_int_equal(a.facts[0].value, 42);
	assert_int_equal(a.live_machines | a.live_vcpus | a.live_contexts |
	    a.live_regions | a.live_pages, 0);
}

static void info_tells_what_lives(void **state)
{
	struct device *d = *state;
	struct vmm_info a;

	machine_make(d);
	a = info();
	assert_int_equal(a.live_machines, 1);
	assert_int_equal(a.live_vcpus, 1);
	assert_int_equal(a.live_contexts, 1);
	assert_int_equal(a.live_regions, 1);
	assert_true(a.live_pages >= 4);
}

static void info_asks_for_its_size(void **state)
{
	struct vmm_info a = { .size = sizeof(a) - 1 };

	(void)state;
	assert_int_equal(vmm_device_ioctl(VMM_INFO, &a), EINVAL);
	a.size = sizeof(a) + 1;
	assert_int_equal(vmm_device_ioctl(VMM_INFO, &a), EINVAL);
	a.size = 0;
	assert_int_equal(vmm_device_ioctl(VMM_INFO, &a), EINVAL);
}

static void info_says_who_holds_the_processor(void **state)
{
	struct vmm_info a;
	struct vmm_machine *m;

	(void)state;
	fake_vendor.refuse_on = 1;
	a = info();
	assert_int_equal(a.usable, 0);
	assert_string_equal(a.why, "the test holds it");
	assert_int_equal(fake_vendor.ons, 0);
	fake_vendor.refuse_on = 0;
	m = machine();
	assert_int_equal(info().usable, 1);
	vmm_machine_put(m);
}

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

/* ---- no hardware ---- */

static void without_hardware_it_says_why(void **state)
{
	const struct vmm_vendor *const one[] = { &fake_vendor_table };
	struct vmm_machine_create c = { .name = "x" };
	struct vmm_stats s = { .id = 1 };
	struct vmm_list l = { 0 };
	struct vmm_stats_file *f;
	struct vmm_machine *m;
	struct vmm_info a;

	(void)state;
	fake_reset();
	fake_script_reset();
	fake_vendor.probe_error = EOPNOTSUPP;
	fake_vendor.why = "this is a toaster";
	assert_int_equal(vmm_hw_init(one, 1), EOPNOTSUPP);
	assert_non_null(strstr(fake.log, "toaster"));
	a = info();
	assert_int_equal(a.usable, 0);
	assert_string_equal(a.why, "this is a toaster");
	assert_int_equal(a.version, VMM_ABI_VERSION);
	assert_int_equal(vmm_machine_create(&c, &m), EOPNOTSUPP);
	assert_string_equal(c.why, "this is a toaster");
	fake.admin = true;
	assert_int_equal(enable(1), EOPNOTSUPP);
	assert_ok(vmm_device_ioctl(VMM_LIST, &l));
	assert_int_equal(l.count, 0);
	assert_int_equal(vmm_stats_open(&s, &f), ENOENT);
	vmm_hw_reboot();
	vmm_hw_fini();
	fake_check_idle();
}

static void without_xsave_it_says_why(void **state)
{
	const struct vmm_vendor *const one[] = { &fake_vendor_table };

	(void)state;
	fake_reset();
	fake_script_reset();
	fake_cpuid_at(1, 0)[2] &= ~(1u << 27);
	assert_int_equal(vmm_hw_init(one, 1), EOPNOTSUPP);
	assert_non_null(strstr(info().why, "XSAVE"));
	vmm_hw_fini();
	fake_check_idle();
}

static void the_first_vendor_that_can_is_taken(void **state)
{
	static const struct vmm_vendor *const two[] = { &vmm_svm,
	    &fake_vendor_table };

	(void)state;
	fake_reset();
	fake_script_reset();
	fake_cpuid_at(0x80000001, 0)[2] = 0;	/* no SVM */
	assert_ok(vmm_hw_init(two, 2));
	assert_string_equal(info().vendor, "fake");
	assert_int_equal(info().usable, 1);
	vmm_hw_fini();
	fake_reset();
	fake_script_reset();
	assert_ok(vmm_hw_init(two, 2));
	assert_string_equal(info().vendor, "svm");
	vmm_hw_fini();
	fake_check_idle();
}

/* Components that a guest user cannot have are not in its XCR0. */
static void amx_is_left_out(void **state)
{
	const struct vmm_vendor *const one[] = { &fake_vendor_table };
	uint32_t i;

	(void)state;
	fake_reset();
	fake_script_reset();
	for (i = 0; i < FAKE_CPUS; i++)
		fake_hw.cpu[i].xcr0 = FAKE_XCR0 | 3ull << 17;
	fake_cpuid_set(0xd, 18, 8192, 2752, 0, 0);
	assert_ok(vmm_hw_init(one, 1));
	assert_int_equal(info().xcr0, FAKE_XCR0);
	assert_int_equal(info().xsave_size, FAKE_XSAVE);
	vmm_hw_fini();
	fake_check_idle();
}

static void what_is_odd_about_a_processor_is_borne(void **state)
{
	static const struct vmm_vendor *const one[] = { &vmm_svm };

	(void)state;
	fake_reset();
	fake_script_reset();
	assert_int_equal(vmm_hw_init(NULL, 0), EOPNOTSUPP);
	assert_non_null(strstr(info().why, "no virtualisation"));
	vmm_hw_fini();
	/* More guest-physical bits than four levels of tables have. */
	fake_cpuid_at(0x80000008, 0)[0] = 0x3034;
	assert_ok(vmm_hw_init(one, 1));
	assert_int_equal(info().gpa_limit, 1ull << 48);
	vmm_hw_fini();
	fake_check_idle();
}

/* ---- the list ---- */

static uint32_t list(uint32_t capacity, struct vmm_list_entry *e)
{
	struct vmm_list a = { .entries = BUFFER, .capacity = capacity };
	const uint8_t guard = 0x5a;
	uint8_t after;
	uint32_t n;

	assert_true(fake_write(BUFFER + capacity * sizeof(*e), &guard, 1));
	assert_ok(vmm_device_ioctl(VMM_LIST, &a));
	n = a.count < capacity ? a.count : capacity;
	if (n != 0)
		assert_true(fake_read(BUFFER, e, n * sizeof(*e)));
	assert_true(fake_read(BUFFER + capacity * sizeof(*e), &after, 1));
	assert_int_equal(after, guard);
	return a.count;
}

static void the_list_tells_of_the_callers_machines(void **state)
{
	struct device *d = *state;
	struct vmm_list a = { .entries = BUFFER };
	struct vmm_list_entry e[4];
	struct vmm_machine *m;

	assert_int_equal(list(4, e), 0);
	machine_make(d);
	TOUCH(d, DATA_GPA, W, NULL, 1);
	assert_int_equal(list(4, e), 1);
	assert_int_equal(e[0].id, d->m->id);
	assert_string_equal(e[0].name, "test");
	assert_int_equal(e[0].memory, MEMORY_SIZE);
	assert_int_equal(e[0].mapped, d->m->npt.leaves);
	assert_int_equal(e[0].pid, 1001);
	assert_int_equal(e[0].uid, 1000);
	assert_int_equal(e[0].vcpus, 1);
	assert_int_equal(e[0].contexts, 1);
	assert_true(e[0].created_mono_ns != 0);
	fake.uid = 1001;
	assert_int_equal(list(4, e), 0);
	m = machine();
	assert_int_equal(list(4, e), 1);
	assert_int_equal(e[0].id, m->id);
	fake.admin = true;
	assert_int_equal(list(4, e), 2);
	/* How many there are, whatever there is room for. */
	assert_int_equal(list(1, e), 2);
	assert_int_equal(list(0, e), 2);
	a.capacity = ~0u;
	assert_ok(vmm_device_ioctl(VMM_LIST, &a));
	assert_int_equal(a.count, 2);
	fake.admin = false;
	fake.uid = 1000;
	vmm_machine_put(m);
	assert_int_equal(list(4, e), 1);
}

static void a_list_that_cannot_be_stored_is_efault(void **state)
{
	struct device *d = *state;
	struct vmm_list a = { .entries = 0x1000, .capacity = 4 };

	assert_ok(vmm_device_ioctl(VMM_LIST, &a));	/* of none */
	machine_make(d);
	assert_int_equal(vmm_device_ioctl(VMM_LIST, &a), EFAULT);
	a.capacity = 0;
	assert_ok(vmm_device_ioctl(VMM_LIST, &a));
	assert_int_equal(a.count, 1);
}

/* ---- machines and vCPUs ---- */

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

static void unknown_commands_are_enotty(void **state)
{
	struct device *d = *state;
	uint64_t arg[128] = { 0 };

	machine_make(d);
	assert_int_equal(vmm_device_ioctl(VMM_MEMORY_MAP, arg), ENOTTY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_INFO, arg), ENOTTY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_RAW, arg), ENOTTY);
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_MEMORY_MAP, arg), ENOTTY);
	/* The right number with another size or direction. */
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MEMORY_MAP ^ 1u << 16,
	    arg), ENOTTY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MEMORY_MAP ^ 1u << 31,
	    arg), ENOTTY);
	assert_int_equal(vmm_device_ioctl(0, arg), ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BARE(on_for_the_first_machine_and_off_after_the_last),
		TEST_BARE(a_processor_that_is_on_is_not_turned_on_again),
		TEST_BARE(all_processors_or_none),
		TEST_BARE(making_that_is_interrupted_says_so),
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
		TEST_BARE(info_tells_the_hardware),
		TEST_BARE(info_tells_what_lives),
		TEST_BARE(info_asks_for_its_size),
		TEST_BARE(info_says_who_holds_the_processor),
		cmocka_unit_test(without_hardware_it_says_why),
		cmocka_unit_test(without_xsave_it_says_why),
		cmocka_unit_test(the_first_vendor_that_can_is_taken),
		cmocka_unit_test(amx_is_left_out),
		cmocka_unit_test(what_is_odd_about_a_processor_is_borne),
		TEST_BARE(the_list_tells_of_the_callers_machines),
		TEST_BARE(a_list_that_cannot_be_stored_is_efault),
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
		TEST_BARE(unknown_commands_are_enotty),
	};

	return RUN(tests);
}
