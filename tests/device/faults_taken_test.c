// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pages go when the host wants them, and when memory is unmapped; what the
 * guest has written is never lost, where hardware keeps accessed and dirty bits
 * and where it does not.
 */
#include "faults.h"

static void pages_go_and_come_with_what_they_hold(void **state)
{
	struct device *d = *state;
	uint64_t i;

	for (i = 1; i < 20; i++) {
		guest_put(d, PAGE_GPA, i);
		fake_page_out(PAGE_AT);
		assert_false(fake_present(PAGE_AT));
		assert_int_equal(d->m->npt.leaves, 0);
		assert_int_equal(guest_get(d, PAGE_GPA), i);
	}
}

/* Mapped by a read, so that nothing but the leaf knows of the write. */
static void a_write_by_a_leaf_that_was_there_is_told(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 1);
	guest_put(d, PAGE_GPA, 2);
	assert_int_equal(d->v->stats->fills, 1);
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
	/* Written back meanwhile, and written again. */
	guest_put(d, PAGE_GPA, 3);
	fake_clean(PAGE_AT);
	guest_put(d, PAGE_GPA, 4);
	fake_page_out(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 4);
}

static void writes_are_told_at_the_machines_end(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	(void)guest_get(d, PAGE_GPA);
	guest_put(d, PAGE_GPA, 2);
	machine_end(d);
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
}

static void writes_are_told_when_memory_is_unmapped(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	(void)guest_get(d, PAGE_GPA);
	guest_put(d, PAGE_GPA, 2);
	assert_ok(memory_unmap(d->m, PAGE_GPA, PAGE));
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
}

static void pages_are_moved(void **state)
{
	struct device *d = *state;

	guest_put(d, PAGE_GPA, 11);
	fake_move(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 11);
	guest_put(d, PAGE_GPA, 12);
	fake_move(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 12);
}

static void merged_pages_part_when_they_are_written(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 21);
	fake_ksm(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 21);
	guest_put(d, PAGE_GPA + 8, 22);
	assert_int_equal(get(PAGE_AT), 21);
	assert_int_equal(get(PAGE_AT + 8), 22);
	/* And one that is written while it is merged. */
	fake_ksm(PAGE_AT);
	guest_put(d, PAGE_GPA + 8, 23);
	assert_int_equal(get(PAGE_AT + 8), 23);
	assert_int_equal(d->m->npt.leaves, 1);
}

static void accessed_bits_are_told_and_forgotten(void **state)
{
	struct device *d = *state;

	assert_false(fake_young(PAGE_AT, PAGE, false));
	(void)guest_get(d, PAGE_GPA);
	assert_true(fake_young(PAGE_AT, PAGE, false));
	assert_true(fake_young(MEMORY, MEMORY_SIZE, false));
	assert_false(fake_young(PAGE_AT + PAGE, PAGE, false));
	assert_true(fake_young(PAGE_AT, PAGE, true));
	assert_false(fake_young(PAGE_AT, PAGE, false));
	assert_false(fake_young(PAGE_AT, PAGE, true));
	assert_int_equal(d->m->npt.leaves, 1);
}

/* Where hardware keeps none the leaf goes instead, written or not. */
static void without_accessed_bits_the_leaf_goes(void **state)
{
	struct device *d = *state;

	machine_end(d);
	vmm_hw_fini();
	fake_vendor.format = &x86_npt_ept_plain;
	fake_vendor.caps &= ~VMM_CAP_HW_DIRTY;
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_table }, 1));
	machine_make(d);
	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	(void)guest_get(d, PAGE_GPA);
	guest_put(d, PAGE_GPA, 2);
	assert_true(fake_young(PAGE_AT, PAGE, false));
	assert_true(fake_young(PAGE_AT, PAGE, true));
	assert_int_equal(d->m->npt.leaves, 0);
	assert_false(fake_young(PAGE_AT, PAGE, true));
	fake_page_out(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 2);
}

/* ---- without a dirty bit ---- */

static int setup_plain(void **state)
{
	struct device *d = device_start();

	vmm_hw_fini();
	fake_vendor.format = &x86_npt_ept_plain;
	fake_vendor.caps &= ~VMM_CAP_HW_DIRTY;
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_table }, 1));
	machine_make(d);
	*state = d;
	return 0;
}

static void without_dirty_bits_a_write_is_a_fault_of_its_own(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 1);
	assert_int_equal(d->v->stats->fills, 1);
	guest_put(d, PAGE_GPA, 2);
	assert_int_equal(d->v->stats->fills, 2);
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
}

/* The right to write stands for the dirty bit: while a processor may remember
 * it, it is not taken from the leaf by the way, here by a fetch. */
static void without_dirty_bits_a_fetch_takes_no_right_to_write(void **state)
{
	struct device *d = *state;

	assert_ok(memory_protect(d->m, DATA_GPA, PAGE, RW));
	assert_ok(dirty_log(d->m, DATA_GPA, PAGE, VMM_DIRTY_ENABLE, 0));
	fake_touch_va(DATA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_ok(memory_protect(d->m, DATA_GPA, PAGE, RWX));
	TOUCH(d, DATA_GPA, X, NULL, 1);
	assert_ok(dirty_log(d->m, DATA_GPA, PAGE, VMM_DIRTY_GET |
	    VMM_DIRTY_CLEAR, BUFFER));
	assert_int_equal(get(BUFFER), 1);
	fake_touch_va(DATA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_ok(dirty_log(d->m, DATA_GPA, PAGE, VMM_DIRTY_GET, BUFFER));
	assert_int_equal(get(BUFFER), 1);
}

#define TEST_PLAIN(f) cmocka_unit_test_setup_teardown(f, setup_plain, \
	device_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_go_and_come_with_what_they_hold),
		TEST(a_write_by_a_leaf_that_was_there_is_told),
		TEST(writes_are_told_at_the_machines_end),
		TEST(writes_are_told_when_memory_is_unmapped),
		TEST(pages_are_moved),
		TEST(merged_pages_part_when_they_are_written),
		TEST(accessed_bits_are_told_and_forgotten),
		TEST(without_accessed_bits_the_leaf_goes),
		TEST_PLAIN(without_dirty_bits_a_write_is_a_fault_of_its_own),
		TEST_PLAIN(without_dirty_bits_a_fetch_takes_no_right_to_write),
	};

	return RUN(tests);
}
