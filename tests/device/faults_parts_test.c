// SPDX-License-Identifier: BSD-2-Clause
/*
 * More than can be done at once: pages that are taken back and tables that are
 * freed in parts, with one flush, and what comes between two parts.
 */
#include "faults.h"

static struct device *dev;

static uint32_t unlocks;
static uint64_t leaves_then;

static void unmap_first(void *cookie)
{
	(void)cookie;
	assert_ok(memory_unmap(dev->m, 1ull << 32, FAKE_GIB));
}

static void on_unlock(const char *name)
{
	if (strstr(name, "nested_lock") == NULL || unlocks == 0)
		return;
	if (--unlocks == 0) {
		fake.on_unlock = NULL;
		leaves_then = dev->m->npt.leaves;
		fake_as(3, unmap_first, NULL);
	}
}

/* A GiB of one small leaf in each table. */
static void make_tables(struct device *d, uint64_t gpa)
{
	uint64_t at;

	assert_ok(dirty_log(d->m, gpa, FAKE_GIB, VMM_DIRTY_ENABLE, 0));
	for (at = 0; at < FAKE_GIB; at += MIB2)
		guest_put(d, gpa + at, 1);
}

/* Asleep only where the host may be, and with an end to every hold. */
static void what_takes_long_is_done_in_parts(void **state)
{
	struct device *d = *state;
	uint64_t *relaxed = fake.relaxed;
	const uint64_t gpa = 1ull << 32;
	uint32_t sleeps;

	fake_giant();
	assert_ok(memory_map(d->m, gpa, FAKE_GIB, FAKE_GIANT, RW));
	for (sleeps = 0; sleeps < 2; sleeps++) {
		make_tables(d, gpa);
		relaxed[0] = relaxed[1] = 0;
		vmm_machine_invalidate_begin(d->m, FAKE_GIANT,
		    FAKE_GIANT + FAKE_GIB, sleeps != 0);
		assert_int_equal(d->m->npt.leaves, 0);
		vmm_machine_invalidate_end(d->m, FAKE_GIANT,
		    FAKE_GIANT + FAKE_GIB);
		assert_true(relaxed[sleeps] >= 3);
		assert_int_equal(relaxed[!sleeps], 0);
	}
}

/* However many of the machine's addresses lead to it. */
static void a_page_that_is_taken_back_costs_one_flush(void **state)
{
	struct device *d = *state;
	const uint64_t gpa = 1ull << 32, n = 100;
	uint64_t i, before;

	for (i = 0; i < n; i++) {
		assert_ok(memory_map(d->m, gpa + i * PAGE, PAGE, PAGE_AT, RW));
		guest_put(d, gpa + i * PAGE, i);
	}
	before = vmm_stats_machine(d->m)->flush_calls;
	fake_page_out(PAGE_AT);
	assert_int_equal(vmm_stats_machine(d->m)->flush_calls, before + 1);
	assert_int_equal(d->m->npt.leaves, 0);
	for (i = 0; i < n; i++)
		guest_put(d, gpa + i * PAGE, i);
	before = vmm_stats_machine(d->m)->flush_calls;
	(void)fake_young(PAGE_AT, PAGE, true);
	assert_true(vmm_stats_machine(d->m)->flush_calls <= before + 1);
}

static uint64_t tables_then;
static void (*others_hook)(uint64_t pa);

static void at_page_free(uint64_t pa)
{
	tables_then = dev->m->npt.tables;
	fake_on_page_free = others_hook;
	if (others_hook != NULL)
		others_hook(pa);
}

static void empty_tables_go_in_parts(void **state)
{
	struct device *d = *state;
	const uint64_t gpa = 1ull << 32, before = d->m->npt.tables;

	dev = d;
	fake_giant();
	assert_ok(memory_map(d->m, gpa, FAKE_GIB, FAKE_GIANT, RW));
	make_tables(d, gpa);
	others_hook = fake_on_page_free;
	fake_on_page_free = at_page_free;
	assert_ok(memory_unmap(d->m, gpa, FAKE_GIB));
	/* The others were there yet when the first was freed. */
	assert_true(tables_then > 400);
	assert_true(d->m->npt.tables <= before);
}

/*
 * While the host takes a range back, in parts, the region that it is at goes.
 * The next one, of the same pages, is not forgotten.
 */
static void a_region_that_goes_while_pages_are_taken_hides_no_other(
    void **state)
{
	struct device *d = *state;

	dev = d;
	fake_giant();
	assert_ok(memory_map(d->m, 1ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	assert_ok(memory_map(d->m, 2ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	make_tables(d, 1ull << 32);
	guest_put(d, (2ull << 32) + 64 * MIB2, 1);
	unlocks = 1;
	fake.on_unlock = on_unlock;
	vmm_machine_invalidate_begin(d->m, FAKE_GIANT, FAKE_GIANT + FAKE_GIB,
	    true);
	fake.on_unlock = NULL;
	assert_int_equal(unlocks, 0);
	assert_true(leaves_then > 0);
	assert_int_equal(d->m->npt.leaves, 0);
	vmm_machine_invalidate_end(d->m, FAKE_GIANT, FAKE_GIANT + FAKE_GIB);
}

/* While memory is unmapped, a guest comes for it: it is not there any more, or
 * it is gone when that is done. */
static void touch_now(void *cookie)
{
	const uint32_t at = fake_script.at;

	(void)cookie;
	fake_touch(PAGE_GPA, W, NULL, 1);
	fake.signal = false;
	assert_ok(vmm_vcpu_run(dev->v));
	fake.signal = false;
	fake_script.n = fake_script.at = at;
}

static void touch_at_unlock(const char *name)
{
	if (strstr(name, "nested_lock") == NULL || unlocks == 0)
		return;
	if (--unlocks == 0) {
		fake.on_unlock = NULL;
		fake_as(1, touch_now, NULL);
	}
}

static void memory_that_is_unmapped_is_not_there_again(void **state)
{
	struct device *d = *state;
	uint32_t n;

	dev = d;
	for (n = 1; n < 12; n++) {
		guest_put(d, PAGE_GPA, n);
		unlocks = n;
		fake.on_unlock = touch_at_unlock;
		assert_ok(memory_unmap(d->m, PAGE_GPA, PAGE));
		fake.on_unlock = NULL;
		assert_int_equal(d->m->npt.leaves, 0);
		no_memory(d, PAGE_GPA, R, ENOENT);
		assert_ok(memory_map(d->m, PAGE_GPA, PAGE, PAGE_AT, RW));
		if (unlocks != 0)
			break;
	}
	assert_true(n >= 4);
}

static void tables_of_memory_that_is_unmapped_are_freed(void **state)
{
	struct device *d = *state;
	uint64_t before, i;

	guest_put(d, 0, 1);
	before = vmm_live.pages;
	for (i = 1; i <= 5; i++) {
		assert_ok(memory_map(d->m, i << 32, PAGE, MEMORY, RW));
		guest_put(d, i << 32, 1);
	}
	assert_true(vmm_live.pages >= before + 10);
	for (i = 1; i <= 5; i++)
		assert_ok(memory_unmap(d->m, i << 32, PAGE));
	/* But for those that a fault has ready. */
	assert_true(vmm_live.pages <= before + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_region_that_goes_while_pages_are_taken_hides_no_other),
		TEST(what_takes_long_is_done_in_parts),
		TEST(empty_tables_go_in_parts),
		TEST(a_page_that_is_taken_back_costs_one_flush),
		TEST(memory_that_is_unmapped_is_not_there_again),
		TEST(tables_of_memory_that_is_unmapped_are_freed),
	};

	return RUN(tests);
}
