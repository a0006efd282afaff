// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every argument of the ioctls of a machine's memory: what is valid is taken,
 * and each field alone, broken in each way, is refused; a refusal changes
 * nothing.
 */
#include "device.h"

#define USER_TOP 0x7ffffffff000ull

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_map_refuses),
		TEST(memory_unmap_refuses),
		TEST(memory_protect_refuses),
		TEST(there_are_so_many_regions),
		TEST(dirty_log_refuses),
	};

	return RUN(tests);
}
