// SPDX-License-Identifier: BSD-2-Clause
/*
 * Large leaves: when a page of the owner's is one, when it is many small ones,
 * and what becomes of it as it is split, protected and unmapped in part.
 */
#include "faults.h"

static void a_large_page_is_one_leaf(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	put(MEMORY + MIB2 + 0x12340, 5);
	assert_int_equal(guest_get(d, MIB2 + 0x12340), 5);
	assert_int_equal(d->m->npt.leaves, 512);
	guest_put(d, 2 * MIB2 - 8, 6);
	assert_int_equal(get(MEMORY + 2 * MIB2 - 8), 6);
	TOUCH(d, MIB2 + 0x100000, X, NULL, 1);
	assert_int_equal(d->v->stats->fills, 1);
	assert_int_equal(d->v->stats->large_2m, 1);
	assert_int_equal(d->v->stats->map_pages, 512);
}

static void a_large_page_that_lies_otherwise_is_small_leaves(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	assert_ok(memory_map(d->m, 0x40000000 + PAGE, MIB2, MEMORY + MIB2,
	    RW));
	put(MEMORY + MIB2 + 0x5000, 5);
	assert_int_equal(guest_get(d, 0x40000000 + 0x6000), 5);
	assert_int_equal(d->m->npt.leaves, 1);
}

static void a_region_that_ends_within_has_small_leaves(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	assert_ok(memory_map(d->m, 0x40000000, MIB2 - PAGE, MEMORY + MIB2,
	    RW));
	assert_ok(memory_map(d->m, 0x50000000 + PAGE, MIB2 - PAGE,
	    MEMORY + MIB2 + PAGE, RW));
	guest_put(d, 0x40000000, 1);
	assert_int_equal(d->m->npt.leaves, 1);
	guest_put(d, 0x50000000 + PAGE, 1);
	assert_int_equal(d->m->npt.leaves, 2);
	no_memory(d, 0x50000000, R, ENOENT);
	no_memory(d, 0x40000000 + MIB2 - PAGE, R, ENOENT);
}

static void without_the_capability_leaves_are_small(void **state)
{
	struct device *d = *state;

	vmm_hw.caps &= ~(VMM_CAP_LARGE_2M | VMM_CAP_LARGE_1G);
	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2, 1);
	assert_int_equal(d->m->npt.leaves, 1);
}

static void pages_of_a_gibibyte_are_one_leaf(void **state)
{
	struct device *d = *state;

	fake_giant();
	assert_ok(memory_map(d->m, 1ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	guest_put(d, (1ull << 32) + 0x3456780, 8);
	assert_int_equal(d->m->npt.leaves, 262144);
	assert_int_equal(d->v->stats->large_1g, 1);
	assert_int_equal(get(FAKE_GIANT + 0x3456780), 8);
	/* In a part only, leaves of 2 MiB. */
	assert_ok(memory_unmap(d->m, (1ull << 32) + FAKE_GIB - MIB2, MIB2));
	assert_int_equal(d->m->npt.leaves, 0);
	assert_int_equal(guest_get(d, (1ull << 32) + 0x3456780), 8);
	assert_int_equal(d->m->npt.leaves, 512);
	vmm_hw.caps &= ~VMM_CAP_LARGE_1G;
	assert_ok(memory_map(d->m, 3ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	assert_int_equal(guest_get(d, (3ull << 32) + 0x3456780), 8);
	assert_int_equal(d->m->npt.leaves, 1024);
}

static void a_large_page_that_is_split_goes_on_in_small_ones(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2 + 8, 1);
	guest_put(d, MIB2 + 5 * PAGE, 2);
	fake_split(MEMORY + MIB2);
	assert_int_equal(d->m->npt.leaves, 0);
	assert_int_equal(guest_get(d, MIB2 + 8), 1);
	assert_int_equal(guest_get(d, MIB2 + 5 * PAGE), 2);
	assert_int_equal(d->m->npt.leaves, 2);
	fake_page_out(MEMORY + MIB2);
	assert_int_equal(d->m->npt.leaves, 1);
	assert_int_equal(guest_get(d, MIB2 + 8), 1);
}

/* Small pages become a large one: their empty table makes room. */
static void a_large_leaf_replaces_an_empty_table(void **state)
{
	struct device *d = *state;
	uint64_t pages;

	guest_put(d, MIB2, 1);
	guest_put(d, MIB2 + PAGE, 1);
	pages = vmm_live.pages;
	fake_huge(MEMORY + MIB2);
	assert_int_equal(d->m->npt.leaves, 0);
	guest_put(d, MIB2 + 7 * PAGE, 2);
	assert_int_equal(d->m->npt.leaves, 512);
	assert_true(vmm_live.pages < pages);
	assert_int_equal(get(MEMORY + MIB2 + 7 * PAGE), 2);
}

/* While others are there it waits. */
static void a_large_leaf_replaces_no_table_that_is_used(void **state)
{
	struct device *d = *state;

	guest_put(d, 2 * MIB2 - PAGE, 1);
	fake_huge(MEMORY + MIB2);
	/* The owner's last page is another's now: 4 KiB of its own. */
	guest_put(d, MIB2, 2);
	assert_int_equal(get(MEMORY + MIB2), 2);
	assert_int_equal(guest_get(d, 2 * MIB2 - PAGE), 0);
}

static void a_protected_part_of_a_large_leaf_is_told(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2, 1);
	assert_ok(memory_protect(d->m, MIB2 + 8 * PAGE, PAGE, R));
	no_memory(d, MIB2 + 8 * PAGE, W, EACCES);
	guest_put(d, MIB2 + 7 * PAGE, 2);
	guest_put(d, MIB2 + 9 * PAGE, 3);
	assert_int_equal(guest_get(d, MIB2 + 8 * PAGE), 0);
	assert_int_equal(get(MEMORY + MIB2 + 9 * PAGE), 3);
	assert_int_equal(d->m->nregions, 3);
}

static void an_unmapped_part_of_a_large_leaf_is_gone(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2, 1);
	assert_ok(memory_unmap(d->m, MIB2 + 8 * PAGE, PAGE));
	no_memory(d, MIB2 + 8 * PAGE, R, ENOENT);
	assert_int_equal(guest_get(d, MIB2), 1);
	guest_put(d, MIB2 + 9 * PAGE, 3);
	assert_int_equal(get(MEMORY + MIB2 + 9 * PAGE), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_large_page_is_one_leaf),
		TEST(a_large_page_that_lies_otherwise_is_small_leaves),
		TEST(a_region_that_ends_within_has_small_leaves),
		TEST(without_the_capability_leaves_are_small),
		TEST(pages_of_a_gibibyte_are_one_leaf),
		TEST(a_large_page_that_is_split_goes_on_in_small_ones),
		TEST(a_large_leaf_replaces_an_empty_table),
		TEST(a_large_leaf_replaces_no_table_that_is_used),
		TEST(a_protected_part_of_a_large_leaf_is_told),
		TEST(an_unmapped_part_of_a_large_leaf_is_gone),
	};

	return RUN(tests);
}
