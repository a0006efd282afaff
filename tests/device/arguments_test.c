// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every argument of every ioctl: what is valid is taken, and each field alone,
 * broken in each way, is refused; a refusal changes nothing.
 */
#include "device.h"

#define TOP	(1ull << 40)		/* gpa_limit */
#define USER_TOP 0x7ffffffff000ull

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

/* ---- MEMORY_* ---- */

struct bad_memory {
	uint64_t gpa, size, uaddr;
	uint32_t prot, flags;
	int error;
};

static void memory_map_refuses(void **state)
{
	struct device *d = *state;
	static const struct vmm_memory good = { .gpa = 0x40000000,
	    .size = 4 * PAGE, .uaddr = MEMORY, .prot = RW };
	static const struct bad_memory bad[] = {
		{ good.gpa + 1, good.size, good.uaddr, RW, 0, EINVAL },
		{ good.gpa + 512, good.size, good.uaddr, RW, 0, EINVAL },
		{ good.gpa, good.size + 1, good.uaddr, RW, 0, EINVAL },
		{ good.gpa, 0, good.uaddr, RW, 0, EINVAL },
		{ good.gpa, 1, good.uaddr, RW, 0, EINVAL },
		{ TOP, PAGE, good.uaddr, RW, 0, EINVAL },
		{ TOP - PAGE, 2 * PAGE, good.uaddr, RW, 0, EINVAL },
		{ PAGE, TOP, good.uaddr, RW, 0, EINVAL },
		{ 0, TOP + PAGE, good.uaddr, RW, 0, EINVAL },
		{ 0ull - PAGE, PAGE, good.uaddr, RW, 0, EINVAL },
		{ 0ull - PAGE, 2 * PAGE, good.uaddr, RW, 0, EINVAL },
		{ PAGE, 0ull - PAGE, good.uaddr, RW, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr + 1, RW, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr + 8, RW, 0, EINVAL },
		{ good.gpa, good.size, USER_TOP - PAGE, RW, 0, EINVAL },
		{ good.gpa, good.size, 1ull << 47, RW, 0, EINVAL },
		{ good.gpa, good.size, 0xffff888000000000, RW, 0, EINVAL },
		{ good.gpa, good.size, 0ull - 2 * PAGE, RW, 0, EINVAL },
		{ good.gpa, good.size, 0ull - 4 * PAGE, RW, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr, 0, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr, W, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr, W | X, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr, RW | 8, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr, RW | 1u << 31, 0, EINVAL },
		{ good.gpa, good.size, good.uaddr, RW, 1, EINVAL },
		{ good.gpa, good.size, good.uaddr, RW, 1u << 31, EINVAL },
		/* The machine has memory up to there. */
		{ 0, PAGE, good.uaddr, RW, 0, EEXIST },
		{ MEMORY_SIZE - PAGE, PAGE, good.uaddr, RW, 0, EEXIST },
		{ MEMORY_SIZE - PAGE, 2 * PAGE, good.uaddr, RW, 0, EEXIST },
		{ 0, 2 * MEMORY_SIZE, good.uaddr, RW, 0, EEXIST },
	};
	struct vmm_memory a = good;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int error;

		a = (struct vmm_memory){ .gpa = bad[i].gpa,
		    .size = bad[i].size, .uaddr = bad[i].uaddr,
		    .prot = bad[i].prot, .flags = bad[i].flags };
		error = vmm_machine_ioctl(d->m, VMM_MEMORY_MAP, &a);
		if (error != bad[i].error)
			fail_msg("row %zu: %d, not %d", i, error,
			    bad[i].error);
		assert_int_equal(d->m->nregions, 1);
		assert_int_equal(d->m->memory, MEMORY_SIZE);
	}
	a = good;
	assert_ok(vmm_machine_ioctl(d->m, VMM_MEMORY_MAP, &a));
	/* The last page that there can be, on either side. */
	assert_ok(memory_map(d->m, TOP - PAGE, PAGE, USER_TOP - PAGE, RWX));
	assert_ok(memory_map(d->m, MEMORY_SIZE, PAGE, 0, R));
	assert_int_equal(d->m->nregions, 4);
}

static void memory_unmap_refuses(void **state)
{
	struct device *d = *state;
	static const struct bad_memory bad[] = {
		{ 1, PAGE, 0, 0, 0, EINVAL },
		{ 0, PAGE + 1, 0, 0, 0, EINVAL },
		{ 0, 0, 0, 0, 0, EINVAL },
		{ 0, PAGE, PAGE, 0, 0, EINVAL },
		{ 0, PAGE, 0, R, 0, EINVAL },
		{ 0, PAGE, 0, 0, 1, EINVAL },
		{ 0, TOP + PAGE, 0, 0, 0, EINVAL },
		{ 0ull - PAGE, 2 * PAGE, 0, 0, 0, EINVAL },
		{ TOP, PAGE, 0, 0, 0, EINVAL },
		{ MEMORY_SIZE, PAGE, 0, 0, 0, ENOENT },
		{ MEMORY_SIZE - PAGE, 2 * PAGE, 0, 0, 0, ENOENT },
		{ 0, TOP, 0, 0, 0, ENOENT },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vmm_memory a = { .gpa = bad[i].gpa,
		    .size = bad[i].size, .uaddr = bad[i].uaddr,
		    .prot = bad[i].prot, .flags = bad[i].flags };
		int error = vmm_machine_ioctl(d->m, VMM_MEMORY_UNMAP, &a);

		if (error != bad[i].error)
			fail_msg("row %zu: %d, not %d", i, error,
			    bad[i].error);
		assert_int_equal(d->m->nregions, 1);
		assert_int_equal(d->m->memory, MEMORY_SIZE);
	}
	assert_ok(memory_unmap(d->m, 0, MEMORY_SIZE));
	assert_int_equal(d->m->nregions, 0);
}

static void memory_protect_refuses(void **state)
{
	struct device *d = *state;
	static const struct bad_memory bad[] = {
		{ 8, PAGE, 0, R, 0, EINVAL },
		{ 0, PAGE - 1, 0, R, 0, EINVAL },
		{ 0, 0, 0, R, 0, EINVAL },
		{ 0, PAGE, PAGE, R, 0, EINVAL },
		{ 0, PAGE, 0, 0, 0, EINVAL },
		{ 0, PAGE, 0, W, 0, EINVAL },
		{ 0, PAGE, 0, X, 0, EINVAL },
		{ 0, PAGE, 0, R | 16, 0, EINVAL },
		{ 0, PAGE, 0, R, 2, EINVAL },
		{ 0, TOP + PAGE, 0, R, 0, EINVAL },
		{ TOP, PAGE, 0, R, 0, EINVAL },
		{ MEMORY_SIZE, PAGE, 0, R, 0, ENOENT },
		{ 0, MEMORY_SIZE + PAGE, 0, R, 0, ENOENT },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vmm_memory a = { .gpa = bad[i].gpa,
		    .size = bad[i].size, .uaddr = bad[i].uaddr,
		    .prot = bad[i].prot, .flags = bad[i].flags };
		int error = vmm_machine_ioctl(d->m, VMM_MEMORY_PROTECT, &a);

		if (error != bad[i].error)
			fail_msg("row %zu: %d, not %d", i, error,
			    bad[i].error);
		assert_int_equal(d->m->nregions, 1);
		assert_int_equal(d->m->regions[0]->prot, RWX);
	}
	assert_ok(memory_protect(d->m, 0, MEMORY_SIZE, R));
}

static void there_are_so_many_regions(void **state)
{
	struct device *d = *state;
	uint64_t gpa = 0x40000000;
	uint32_t i;

	for (i = 1; i < VMM_MAX_REGIONS; i++, gpa += 2 * PAGE)
		assert_ok(memory_map(d->m, gpa, PAGE, MEMORY, R));
	assert_int_equal(memory_map(d->m, gpa, PAGE, MEMORY, R), ENOSPC);
	/* A cut makes one more, too; in the middle, two. */
	assert_int_equal(memory_unmap(d->m, PAGE, PAGE), ENOSPC);
	assert_int_equal(memory_protect(d->m, PAGE, PAGE, R), ENOSPC);
	assert_int_equal(d->m->memory, MEMORY_SIZE + (VMM_MAX_REGIONS - 1) *
	    PAGE);
	assert_ok(memory_unmap(d->m, 0x40000000, PAGE));
	assert_int_equal(memory_protect(d->m, PAGE, PAGE, R), ENOSPC);
	assert_ok(memory_protect(d->m, 0, PAGE, R));
	assert_int_equal(d->m->nregions, VMM_MAX_REGIONS);
	assert_int_equal(vmm_live.regions, VMM_MAX_REGIONS);
}

/* ---- DIRTY_LOG ---- */

static int log_op(struct device *d, uint32_t op)
{
	return dirty_log(d->m, 0, MEMORY_SIZE, op,
	    (op & VMM_DIRTY_GET) != 0 ? BUFFER : 0);
}

static void dirty_log_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_dirty_log a;
	uint32_t op;

	for (op = 0; op < 32; op++) {
		const bool good = op == VMM_DIRTY_ENABLE ||
		    op == VMM_DIRTY_DISABLE || op == VMM_DIRTY_GET ||
		    op == (VMM_DIRTY_GET | VMM_DIRTY_CLEAR);

		assert_ok(log_op(d, VMM_DIRTY_ENABLE));
		assert_int_equal(log_op(d, op), good ? 0 : EINVAL);
	}
	assert_int_equal(log_op(d, VMM_DIRTY_GET | 1u << 31), EINVAL);
	assert_ok(log_op(d, VMM_DIRTY_ENABLE));
	assert_int_equal(dirty_log(d->m, 1, PAGE, VMM_DIRTY_GET, BUFFER),
	    EINVAL);
	assert_int_equal(dirty_log(d->m, 0, 0, VMM_DIRTY_GET, BUFFER),
	    EINVAL);
	assert_int_equal(dirty_log(d->m, 0, MEMORY_SIZE + 1, VMM_DIRTY_GET,
	    BUFFER), EINVAL);
	assert_int_equal(dirty_log(d->m, 0, TOP + PAGE, VMM_DIRTY_GET,
	    BUFFER), EINVAL);
	assert_int_equal(dirty_log(d->m, 0ull - PAGE, 2 * PAGE,
	    VMM_DIRTY_GET, BUFFER), EINVAL);
	/* Whole regions, all of which there are. */
	assert_int_not_equal(dirty_log(d->m, 0, PAGE, VMM_DIRTY_GET, BUFFER),
	    0);
	assert_int_not_equal(dirty_log(d->m, PAGE, MEMORY_SIZE - PAGE,
	    VMM_DIRTY_GET, BUFFER), 0);
	assert_int_equal(dirty_log(d->m, 0, MEMORY_SIZE + PAGE,
	    VMM_DIRTY_GET, BUFFER), ENOENT);
	assert_int_equal(dirty_log(d->m, MEMORY_SIZE, PAGE, VMM_DIRTY_ENABLE,
	    0), ENOENT);
	/* A place where no bitmap can be. */
	assert_int_equal(dirty_log(d->m, 0, MEMORY_SIZE, VMM_DIRTY_GET,
	    0x1000), EFAULT);
	a = (struct vmm_dirty_log){ .size = MEMORY_SIZE,
	    .op = VMM_DIRTY_GET, .bitmap = BUFFER, .reserved = 1 };
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_DIRTY_LOG, &a), EINVAL);
	a.reserved = 1u << 31;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_DIRTY_LOG, &a), EINVAL);
	/* No bitmap where none is filled. */
	assert_int_equal(dirty_log(d->m, 0, MEMORY_SIZE, VMM_DIRTY_ENABLE,
	    BUFFER), EINVAL);
	assert_int_equal(dirty_log(d->m, 0, MEMORY_SIZE, VMM_DIRTY_DISABLE,
	    BUFFER), EINVAL);
	assert_ok(log_op(d, VMM_DIRTY_DISABLE));
	assert_int_equal(log_op(d, VMM_DIRTY_GET), ENOENT);
	assert_ok(log_op(d, VMM_DIRTY_DISABLE));
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

/* ---- VCPU_CREATE, RAW ---- */

static void vcpu_create_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu_create a = { .index = 1 };
	struct vmm_vcpu *v;
	uint32_t bit;

	for (bit = 0; bit < 32; bit++) {
		a.flags = 1u << bit;
		assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EINVAL);
	}
	a.flags = 0;
	a.index = 0;
	assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EEXIST);
	a.index = VMM_MAX_VCPUS;
	assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EINVAL);
	a.index = ~0u;
	assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EINVAL);
	assert_int_equal(vmm_live.vcpus, 1);
}

static void raw_refuses(void **state)
{
	struct device *d = *state;
	const struct vmm_raw good = { .op = VMM_RAW_READ, .field = 8,
	    .width = 8 };
	struct vmm_raw a = good;

	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	a = good;
	a.reserved = 1;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a = good;
	a.op = 0;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a.op = 3;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a.op = VMM_RAW_READ | 1u << 31;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a = good;
	a.field = 4096;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EPERM);
	a = good;
	a.width = 4;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a = good;
	a.op = VMM_RAW_WRITE;
	a.value = 0x1234;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	a = good;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	assert_int_equal(a.value, 0x1234);
	/* What may only be read may be written if the host says so. */
	a.field = 2048;
	a.op = VMM_RAW_WRITE;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EPERM);
	fake.raw_all = true;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	a.field = 4096;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EPERM);
	fake.raw_all = false;
	/* At rest again after each. */
	assert_int_equal(d->v->busy, VMM_REST);
}

/* ---- the page ---- */

static void run_fails(struct device *d, uint32_t field)
{
	const struct vmm_vcpu_page before = *d->page;
	struct vmm_vcpu_page after;

	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	assert_int_equal(d->exit->detail, field);
	/* Nothing was taken, and nothing else changed. */
	after = *d->page;
	after.exit = before.exit;
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(fake_vendor.entries, 0);
	assert_int_equal(d->v->pending & ~VMM_LOAD_CPU, 0);
	assert_int_equal(d->v->busy, VMM_REST);
}

static void the_page_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu_page good;
	uint32_t i, bit;

	d->page->commit |= VMM_SET_DEBUG | VMM_SET_FLUSH;
	d->page->dr7 = 0x400;
	good = *d->page;
#define BAD(member, value, which) do { \
		*d->page = good; \
		d->page->member = (value); \
		run_fails(d, which); \
	} while (0)
	BAD(regs.rip, 1ull << 47, VMM_FIELD_RIP);
	BAD(regs.rip, ~(1ull << 47), VMM_FIELD_RIP);
	BAD(regs.rip, 1ull << 63, VMM_FIELD_RIP);
	BAD(regs.fs_base, 1ull << 47, VMM_FIELD_FS_BASE);
	BAD(regs.fs_base, 0xffff000000000000, VMM_FIELD_FS_BASE);
	BAD(regs.gs_base, 1ull << 47, VMM_FIELD_GS_BASE);
	BAD(regs.gs_base, 0x8000000000000000, VMM_FIELD_GS_BASE);
	for (bit = 0; bit < 64; bit++) {
		if (((VMM_X86_RFLAGS_USER | 2) >> bit & 1) == 0)
			BAD(regs.rflags, 2 | 1ull << bit, VMM_FIELD_RFLAGS);
	}
	BAD(cr3, ROOT_GPA + 8, VMM_FIELD_CR3);
	BAD(cr3, ROOT_GPA + 2048, VMM_FIELD_CR3);
	BAD(cr3, TOP, VMM_FIELD_CR3);
	BAD(cr3, 1ull << 63, VMM_FIELD_CR3);
	BAD(context, d->context + 1, VMM_FIELD_CONTEXT);
	BAD(context, VMM_MAX_CONTEXTS, VMM_FIELD_CONTEXT);
	BAD(context, ~0u, VMM_FIELD_CONTEXT);
	for (bit = 32; bit < 64; bit++)
		BAD(context, d->context | 1ull << bit, VMM_FIELD_CONTEXT);
	for (i = 0; i < 4; i++) {
		BAD(dr[i], 1ull << 47, VMM_FIELD_DR);
		BAD(dr[i], 0xffffffff81000000, VMM_FIELD_DR);
		BAD(dr[i], 0xffff800000000000, VMM_FIELD_DR);
	}
	BAD(dr7, 1ull << 13, VMM_FIELD_DR7);
	BAD(dr7, 1ull << 32, VMM_FIELD_DR7);
	BAD(dr7, 2ull << 16, VMM_FIELD_DR7);
	for (bit = 5; bit < 32; bit++)
		BAD(commit, good.commit | 1u << bit, VMM_FIELD_COMMIT);
	for (bit = 1; bit < 32; bit++)
		BAD(wanted, 1u << bit, VMM_FIELD_WANTED);
#undef BAD
	*d->page = good;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(d->page->commit, 0);
}

/* A run that FAILED for one group has not taken another. */
static void a_context_that_came_with_bad_registers_is_not_taken(void **state)
{
	struct device *d = *state;
	uint32_t other;

	assert_ok(context_create(d->m, &other));
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	d->page->context = other;
	d->page->dr7 = 1ull << 13;
	d->page->cr3 = ROOT_GPA + PAGE;
	d->page->commit = VMM_SET_CONTEXT | VMM_SET_DEBUG | VMM_SET_SPACE;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	assert_int_equal(d->exit->detail, VMM_FIELD_DR7);
	d->page->commit = 0;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_ptr_equal(d->v->context, vmm_context_find(d->m, d->context));
	assert_int_equal(d->v->space->cr3, ROOT_GPA);
	assert_ok(context_destroy(d->m, other));
}

/* What no commit bit names is not looked at. */
static void groups_that_are_not_committed_may_hold_anything(void **state)
{
	struct device *d = *state;

	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	d->page->cr3 = ~0ull;
	d->page->context = ~0u;
	memset(d->page->dr, 0xff, sizeof(d->page->dr));
	d->page->dr7 = ~0ull;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(d->v->space->cr3, ROOT_GPA);
}

static void a_vcpu_without_a_context_does_not_run(void **state)
{
	struct device *d = *state;

	d->page->commit = VMM_SET_SPACE;
	run_fails(d, VMM_FIELD_CONTEXT);
	d->page->commit = VMM_SET_CONTEXT;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

static void rsp_and_general_registers_may_be_anything(void **state)
{
	struct device *d = *state;
	uint64_t *const r = &d->page->regs.rax;
	uint32_t i;

	for (i = 0; i < 16; i++)
		r[i] = 0x8000000000000000 + i;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	for (i = 0; i < 16; i++)
		assert_int_equal(r[i], 0x8000000000000000 + i);
	assert_int_equal(fake_vendor.entry[0].state.rsp,
	    d->page->regs.rsp);
}

/* IF and the bit that is always 1 are there whatever the owner says. */
static void rflags_are_completed(void **state)
{
	struct device *d = *state;

	d->page->regs.rflags = 0;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake_vendor.entry[0].state.rflags, 0x202);
	assert_int_equal(d->page->regs.rflags, 0x202);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BARE(machine_create_refuses),
		TEST_BARE(max_vcpus_is_the_machines),
		TEST_BARE(max_memory_is_the_machines),
		TEST_BARE(enable_refuses),
		TEST(stats_refuses),
		TEST(memory_map_refuses),
		TEST(memory_unmap_refuses),
		TEST(memory_protect_refuses),
		TEST(there_are_so_many_regions),
		TEST(dirty_log_refuses),
		TEST(cpuid_set_refuses),
		TEST(msr_set_refuses),
		cmocka_unit_test_setup_teardown(
		    msr_set_is_refused_where_there_is_none, NULL,
		    device_teardown),
		TEST(context_create_refuses),
		TEST(context_destroy_refuses),
		TEST(xsave_refuses),
		TEST(vcpu_create_refuses),
		TEST(raw_refuses),
		TEST(the_page_refuses),
		TEST(a_context_that_came_with_bad_registers_is_not_taken),
		TEST(groups_that_are_not_committed_may_hold_anything),
		TEST(a_vcpu_without_a_context_does_not_run),
		TEST(rsp_and_general_registers_may_be_anything),
		TEST(rflags_are_completed),
	};

	return RUN(tests);
}
