// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the device tells: of the hardware and of what lives, why it cannot be
 * used where there is no hardware, and the list of machines.
 */
#include "lifecycle.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return RUN(tests);
}
