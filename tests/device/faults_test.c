// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nested faults: the owner's pages come when the guest touches them; what is
 * not there or may not be had is told, and so are errors of getting it.
 */
#include "faults.h"

static void a_page_comes_when_it_is_touched(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 0x1122334455667788);
	assert_int_equal(d->m->npt.leaves, 0);
	assert_int_equal(guest_get(d, PAGE_GPA), 0x1122334455667788);
	assert_int_equal(d->m->npt.leaves, 1);
	guest_put(d, PAGE_GPA + 8, 99);
	assert_int_equal(get(PAGE_AT + 8), 99);
	put(PAGE_AT, 7);
	assert_int_equal(guest_get(d, PAGE_GPA), 7);
	/* One fault in all: what may be written is mapped so at once. */
	assert_int_equal(d->v->stats->fills, 1);
	assert_int_equal(fake.gets, 1);
	assert_int_equal(fake.puts, 1);
}

static void memory_that_is_not_there_is_told(void **state)
{
	struct device *d = *state;

	no_memory(d, MEMORY_SIZE, R, ENOENT);
	no_memory(d, MEMORY_SIZE + 0x123, W, ENOENT);
	no_memory(d, (1ull << 40) - 1, X, ENOENT);
	/* Beyond what can have memory. */
	no_memory(d, 1ull << 40, R, ENOENT);
	no_memory(d, (1ull << 48) - PAGE, R, ENOENT);
	no_memory(d, 1ull << 51, R, ENOENT);
	assert_int_equal(fake.gets, 0);
}

static void what_the_region_forbids_is_told(void **state)
{
	struct device *d = *state;

	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, R));
	no_memory(d, PAGE_GPA, W, EACCES);
	no_memory(d, PAGE_GPA, X, EACCES);
	(void)guest_get(d, PAGE_GPA);
	no_memory(d, PAGE_GPA, W, EACCES);
	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, RW));
	guest_put(d, PAGE_GPA, 1);
	no_memory(d, PAGE_GPA, X, EACCES);
	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, RX));
	TOUCH(d, PAGE_GPA, X, NULL, 1);
	no_memory(d, PAGE_GPA, W, EACCES);
	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, RWX));
	guest_put(d, PAGE_GPA, 2);
	TOUCH(d, PAGE_GPA, X, NULL, 1);
}

static void what_the_owner_has_not_is_told(void **state)
{
	struct device *d = *state;

	fake_unmap(PAGE_AT, PAGE);
	no_memory(d, PAGE_GPA, R, EFAULT);
	no_memory(d, PAGE_GPA, W, EFAULT);
	fake_map(PAGE_AT, PAGE);
	guest_put(d, PAGE_GPA, 5);
	fake_unmap(PAGE_AT, PAGE);
	no_memory(d, PAGE_GPA, R, EFAULT);
	fake_map(PAGE_AT, PAGE);
	assert_int_equal(guest_get(d, PAGE_GPA), 0);
}

static void what_the_owner_may_not_write_is_told(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 3);
	fake_protect(PAGE_AT, PAGE, false);
	assert_int_equal(guest_get(d, PAGE_GPA), 3);
	no_memory(d, PAGE_GPA, W, EFAULT);
	fake_protect(PAGE_AT, PAGE, true);
	guest_put(d, PAGE_GPA, 4);
	fake_protect(PAGE_AT, PAGE, false);
	no_memory(d, PAGE_GPA, W, EFAULT);
	assert_int_equal(guest_get(d, PAGE_GPA), 4);
}

static void poisoned_pages_are_told(void **state)
{
	struct device *d = *state;

	guest_put(d, PAGE_GPA, 1);
	fake_poison(PAGE_AT);
	no_memory(d, PAGE_GPA, R, EHWPOISON);
	no_memory(d, PAGE_GPA, W, EHWPOISON);
	no_memory(d, PAGE_GPA, X, EHWPOISON);
	assert_int_equal(guest_get(d, PAGE_GPA + PAGE), 0);
}

static void errors_of_the_owners_memory_are_told(void **state)
{
	struct device *d = *state;

	fake.get_error = ENOMEM;
	fake_touch(PAGE_GPA, R, NULL, 1);
	assert_int_equal(vmm_vcpu_run(d->v), ENOMEM);
	fake.get_error = EAGAIN;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	fake.signal = false;
	/* A signal that somebody else has taken in the meantime. */
	fake_page_out(PAGE_AT);
	fake.get_error = EINTR;
	(void)guest_get(d, PAGE_GPA);
	fake.get_error = EFAULT;
	no_memory(d, PAGE_GPA + PAGE, R, EFAULT);
	fake.get_error = EHWPOISON;
	no_memory(d, PAGE_GPA + PAGE, R, EHWPOISON);
	assert_int_equal(fake.gets, fake.puts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_comes_when_it_is_touched),
		TEST(memory_that_is_not_there_is_told),
		TEST(what_the_region_forbids_is_told),
		TEST(what_the_owner_has_not_is_told),
		TEST(what_the_owner_may_not_write_is_told),
		TEST(poisoned_pages_are_told),
		TEST(errors_of_the_owners_memory_are_told),
	};

	return RUN(tests);
}
