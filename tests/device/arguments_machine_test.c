// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every argument of the ioctls of the device and of a machine, but for those of
 * its memory: what is valid is taken, and each field alone, broken in each way,
 * is refused; a refusal changes nothing.
 */
#include "device.h"

/* ---- MACHINE_CREATE ---- */

static struct vmm_machine_create machine_args(void)
{
	return (struct vmm_machine_create){ .name = "arguments" };
}

static void machine_refused(const struct vmm_machine_create *want,
    const char *word)
{
	struct vmm_machine_create a = *want;
	struct vmm_machine *m = NULL;

	memset(a.why, 'x', sizeof(a.why));
	assert_int_equal(vmm_machine_create(&a, &m), EINVAL);
	assert_null(m);
	assert_null(memchr(a.why, 'x', 1));
	assert_non_null(memchr(a.why, '\0', sizeof(a.why)));
	assert_non_null(strstr(a.why, word));
	assert_int_equal(vmm_live.machines, 0);
	assert_int_equal(fake_vendor.ons, 0);
}

static void machine_create_refuses(void **state)
{
	struct vmm_machine_create a = machine_args();
	struct vmm_machine *m;
	uint32_t bit;

	(void)state;
	memset(a.name, 'n', sizeof(a.name));
	machine_refused(&a, "name");
	a = machine_args();
	a.max_vcpus = VMM_MAX_VCPUS + 1;
	machine_refused(&a, "max_vcpus");
	a.max_vcpus = ~0u;
	machine_refused(&a, "max_vcpus");
	for (bit = 0; bit < 32; bit++) {
		a = machine_args();
		a.flags = 1u << bit;
		machine_refused(&a, "flags");
	}
	a = machine_args();
	memset(a.name, 'n', sizeof(a.name) - 1);
	a.max_vcpus = VMM_MAX_VCPUS;
	a.max_memory = PAGE;
	memset(a.why, 'x', sizeof(a.why));
	assert_ok(vmm_machine_create(&a, &m));
	assert_int_equal(a.why[0], 0);
	vmm_machine_put(m);
	a.name[0] = '\0';
	assert_ok(vmm_machine_create(&a, &m));
	vmm_machine_put(m);
}

static void max_vcpus_is_the_machines(void **state)
{
	struct vmm_machine_create a = machine_args();
	struct vmm_machine *m;
	struct vmm_vcpu *v, *w;

	(void)state;
	a.max_vcpus = 2;
	assert_ok(vmm_machine_create(&a, &m));
	assert_ok(vcpu_create(m, 1, &v));
	assert_int_equal(vcpu_create(m, 2, &w), EINVAL);
	vmm_vcpu_destroy(v);
	vmm_machine_put(m);
}

static void max_memory_is_the_machines(void **state)
{
	struct vmm_machine_create a = machine_args();
	struct vmm_machine *m;

	(void)state;
	a.max_memory = 4 * PAGE;
	assert_ok(vmm_machine_create(&a, &m));
	assert_int_equal(memory_map(m, 0, 5 * PAGE, MEMORY, RW), ENOMEM);
	assert_ok(memory_map(m, 0, 3 * PAGE, MEMORY, RW));
	assert_int_equal(memory_map(m, MIB2, 2 * PAGE, MEMORY, RW), ENOMEM);
	assert_ok(memory_map(m, MIB2, PAGE, MEMORY, RW));
	assert_int_equal(memory_map(m, 2 * MIB2, PAGE, MEMORY, RW), ENOMEM);
	assert_ok(memory_unmap(m, PAGE, PAGE));
	assert_ok(memory_map(m, 2 * MIB2, PAGE, MEMORY, RW));
	assert_int_equal(m->memory, 4 * PAGE);
	vmm_machine_put(m);
}

/* ---- ENABLE, STATS ---- */

static void enable_refuses(void **state)
{
	struct vmm_enable a = { .enable = 1 };
	uint32_t bit;

	(void)state;
	fake.admin = true;
	for (bit = 0; bit < 32; bit++) {
		a.reserved = 1u << bit;
		assert_int_equal(vmm_device_ioctl(VMM_ENABLE, &a), EINVAL);
	}
	a.reserved = 0;
	for (bit = 1; bit < 32; bit++) {
		a.enable = 1u << bit;
		assert_int_equal(vmm_device_ioctl(VMM_ENABLE, &a), EINVAL);
	}
	a.enable = 1;
	assert_ok(vmm_device_ioctl(VMM_ENABLE, &a));
}

static void stats_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_stats a = { .id = d->m->id };
	struct vmm_stats_file *f;
	uint32_t bit;

	for (bit = 0; bit < 32; bit++) {
		a.flags = 1u << bit;
		assert_int_equal(vmm_stats_open(&a, &f), EINVAL);
		a.flags = 0;
		a.reserved = 1u << bit;
		assert_int_equal(vmm_stats_open(&a, &f), EINVAL);
		a.reserved = 0;
	}
	a.id++;
	assert_int_equal(vmm_stats_open(&a, &f), ENOENT);
	a.id = 0;
	assert_int_equal(vmm_stats_open(&a, &f), ENOENT);
	a.id = d->m->id;
	fake.uid = 1001;
	assert_int_equal(vmm_stats_open(&a, &f), ENOENT);
	fake.admin = true;
	assert_ok(vmm_stats_open(&a, &f));
	vmm_stats_close(f);
}

/* ---- CPUID_SET, MSR_SET ---- */

static void cpuid_set_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_cpuid_entry e[2] = { { .leaf = 1 },
	    { .leaf = 2, .flags = VMM_CPUID_SUBLEAF } };
	struct vmm_cpuid a = { .entries = BUFFER, .count = 2 };
	uint32_t bit, k;

	assert_true(fake_write(BUFFER, e, sizeof(e)));
	assert_ok(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a));
	a.reserved = 1;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a), EINVAL);
	a.reserved = 0;
	a.count = VMM_CPUID_MAX + 1;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a), EINVAL);
	a.count = ~0u;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a), EINVAL);
	a.count = 2;
	a.entries = 0x1000;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a), EFAULT);
	a.entries = BUFFER;
	for (k = 0; k < 2; k++) {
		for (bit = 0; bit < 32; bit++) {
			struct vmm_cpuid_entry bad[2] = { e[0], e[1] };

			if (bit != 0) {
				bad[k].flags |= 1u << bit;
				assert_true(fake_write(BUFFER, bad,
				    sizeof(bad)));
				assert_int_equal(vmm_machine_ioctl(d->m,
				    VMM_CPUID_SET, &a), EINVAL);
				bad[k] = e[k];
			}
			bad[k].reserved = 1u << bit;
			assert_true(fake_write(BUFFER, bad, sizeof(bad)));
			assert_int_equal(vmm_machine_ioctl(d->m,
			    VMM_CPUID_SET, &a), EINVAL);
		}
	}
	/* The table that was there stays. */
	assert_int_equal(d->m->cpuid_count, 2);
	assert_true(fake_write(BUFFER, e, sizeof(e)));
	a.count = VMM_CPUID_MAX;
	fake_map(BUFFER, 4 * PAGE);
	assert_ok(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a));
}

static void msr_set_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_msr a = { .index = 0xc0000103, .value = 7 };
	uint32_t bit;

	assert_ok(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a));
	a.reserved = 1;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a), EINVAL);
	a.reserved = 0;
	for (bit = 0; bit < 32; bit++) {
		a.index = 0xc0000103 ^ 1u << bit;
		assert_int_equal(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a),
		    EINVAL);
	}
	a.index = 0xc0000103;
	for (bit = 32; bit < 64; bit++) {
		a.value = 1ull << bit;
		assert_int_equal(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a),
		    EINVAL);
	}
	assert_int_equal(d->m->tsc_aux, 7);
	a.value = ~0u;
	assert_ok(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a));
}

static void msr_set_is_refused_where_there_is_none(void **state)
{
	struct device *d = device_start();
	struct vmm_msr a = { .index = 0xc0000103, .value = 7 };

	vmm_hw_fini();
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	fake_msr_remove(0xc0000103);
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_table }, 1));
	machine_make(d);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a), EINVAL);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	*state = d;
}

/* ---- CONTEXT_*, XSAVE_* ---- */

static void context_create_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_context a = { .reserved = 1 }, b = { .context = 1 };

	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CONTEXT_CREATE, &a),
	    EINVAL);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CONTEXT_CREATE, &b),
	    EINVAL);
	assert_int_equal(vmm_live.contexts, 1);
}

static void context_destroy_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_context a = { .context = d->context, .reserved = 1 };

	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CONTEXT_DESTROY, &a),
	    EINVAL);
	assert_int_equal(context_destroy(d->m, d->context + 1), ENOENT);
	assert_int_equal(context_destroy(d->m, 1000), ENOENT);
	assert_int_equal(context_destroy(d->m, ~0u), ENOENT);
	assert_ok(context_destroy(d->m, d->context));
	assert_int_equal(context_destroy(d->m, d->context), ENOENT);
	assert_int_equal(vmm_live.contexts, 0);
}

static int xsave(struct device *d, uint32_t cmd, uint64_t buf, uint32_t size,
    uint32_t context)
{
	struct vmm_xsave a = { .buf = buf, .size = size,
	    .context = context };

	return vmm_machine_ioctl(d->m, cmd, &a);
}

static void xsave_refuses(void **state)
{
	struct device *d = *state;
	static const uint32_t cmds[] = { VMM_XSAVE_GET, VMM_XSAVE_SET };
	uint8_t area[FAKE_XSAVE];
	size_t i;

	assert_ok(xsave(d, VMM_XSAVE_GET, BUFFER, FAKE_XSAVE, d->context));
	for (i = 0; i < 2; i++) {
		assert_int_equal(xsave(d, cmds[i], BUFFER, 575, d->context),
		    EINVAL);
		assert_int_equal(xsave(d, cmds[i], BUFFER, 0, d->context),
		    EINVAL);
		assert_int_equal(xsave(d, cmds[i], BUFFER, FAKE_XSAVE + 1,
		    d->context), EINVAL);
		assert_int_equal(xsave(d, cmds[i], BUFFER, ~0u, d->context),
		    EINVAL);
		assert_int_equal(xsave(d, cmds[i], BUFFER, FAKE_XSAVE,
		    d->context + 1), ENOENT);
		assert_int_equal(xsave(d, cmds[i], BUFFER, FAKE_XSAVE, ~0u),
		    ENOENT);
		assert_int_equal(xsave(d, cmds[i], 0x1000, FAKE_XSAVE,
		    d->context), EFAULT);
		assert_int_equal(xsave(d, cmds[i], FAKE_USER_END - 512,
		    FAKE_XSAVE, d->context), EFAULT);
		assert_ok(xsave(d, cmds[i], BUFFER, 576, d->context));
		assert_ok(xsave(d, cmds[i], BUFFER, FAKE_XSAVE, d->context));
	}
	assert_true(fake_read(BUFFER, area, sizeof(area)));
	area[512] = 8;				/* a component that is not */
	assert_true(fake_write(BUFFER, area, sizeof(area)));
	assert_int_equal(xsave(d, VMM_XSAVE_SET, BUFFER, FAKE_XSAVE,
	    d->context), EINVAL);
	area[512] = 0;
	area[519] = 0x80;			/* compacted */
	assert_true(fake_write(BUFFER, area, sizeof(area)));
	assert_int_equal(xsave(d, VMM_XSAVE_SET, BUFFER, FAKE_XSAVE,
	    d->context), EINVAL);
	area[519] = 0;
	area[527] = 0x80;			/* XCOMP_BV */
	assert_true(fake_write(BUFFER, area, sizeof(area)));
	assert_int_equal(xsave(d, VMM_XSAVE_SET, BUFFER, FAKE_XSAVE,
	    d->context), EINVAL);
	area[527] = 0;
	area[27] = 1;				/* MXCSR */
	assert_true(fake_write(BUFFER, area, sizeof(area)));
	assert_int_equal(xsave(d, VMM_XSAVE_SET, BUFFER, FAKE_XSAVE,
	    d->context), EINVAL);
	area[27] = 0;
	assert_true(fake_write(BUFFER, area, sizeof(area)));
	assert_ok(xsave(d, VMM_XSAVE_SET, BUFFER, FAKE_XSAVE, d->context));
}

/* ---- no such command ---- */

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
		TEST_BARE(machine_create_refuses),
		TEST_BARE(max_vcpus_is_the_machines),
		TEST_BARE(max_memory_is_the_machines),
		TEST_BARE(enable_refuses),
		TEST(stats_refuses),
		TEST(cpuid_set_refuses),
		TEST(msr_set_refuses),
		cmocka_unit_test_setup_teardown(
		    msr_set_is_refused_where_there_is_none, NULL,
		    device_teardown),
		TEST(context_create_refuses),
		TEST(context_destroy_refuses),
		TEST(xsave_refuses),
		TEST_BARE(unknown_commands_are_enotty),
	};

	return RUN(tests);
}
