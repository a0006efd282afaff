// SPDX-License-Identifier: BSD-2-Clause
/*
 * The dirty log: what was written, exactly, through cuts of regions at every
 * offset, steps of the answer, failures of telling it, and pages that go.
 */
#include "device.h"

#define BASE	0x40000000ull
#define GET	VMM_DIRTY_GET
#define CLEAR	VMM_DIRTY_CLEAR

static uint64_t word(uint64_t n)
{
	uint64_t value;

	assert_true(fake_read(BUFFER + n * 8, &value, 8));
	return value;
}

static bool bit(uint64_t page)
{
	return (word(page / 64) >> page % 64 & 1) != 0;
}

static void guest_writes(struct device *d, uint64_t gpa)
{
	TOUCH(d, gpa, W, NULL, 1);
}

static void log_begins(struct device *d, uint64_t gpa, uint64_t size)
{
	assert_ok(dirty_log(d->m, gpa, size, VMM_DIRTY_ENABLE, 0));
}

static void a_log_begins_with_nothing(void **state)
{
	struct device *d = *state;

	guest_writes(d, DATA_GPA);
	log_begins(d, 0, MEMORY_SIZE);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET, BUFFER));
	assert_int_equal(word(DATA_GPA / PAGE / 64), 0);
	guest_writes(d, DATA_GPA);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET, BUFFER));
	assert_true(bit(DATA_GPA / PAGE));
	/* Once more from the beginning. */
	log_begins(d, 0, MEMORY_SIZE);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET, BUFFER));
	assert_false(bit(DATA_GPA / PAGE));
}

static void what_is_cleared_is_told_when_it_is_written_again(void **state)
{
	struct device *d = *state;
	uint64_t leaves;

	log_begins(d, 0, MEMORY_SIZE);
	guest_writes(d, DATA_GPA);
	leaves = d->m->npt.leaves;
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET, BUFFER));
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET | CLEAR, BUFFER));
	assert_true(bit(DATA_GPA / PAGE));
	/* The leaf is there still. */
	assert_int_equal(d->m->npt.leaves, leaves);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET | CLEAR, BUFFER));
	assert_false(bit(DATA_GPA / PAGE));
	TOUCH(d, DATA_GPA, R, NULL, 1);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET, BUFFER));
	assert_false(bit(DATA_GPA / PAGE));
	guest_writes(d, DATA_GPA);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET, BUFFER));
	assert_true(bit(DATA_GPA / PAGE));
}

static void pages_that_go_are_told(void **state)
{
	struct device *d = *state;

	log_begins(d, 0, MEMORY_SIZE);
	guest_writes(d, DATA_GPA);
	fake_page_out(MEMORY + DATA_GPA);
	guest_writes(d, DATA_GPA + PAGE);
	fake_move(MEMORY + DATA_GPA + PAGE);
	TOUCH(d, DATA_GPA + 2 * PAGE, R, NULL, 1);
	fake_page_out(MEMORY + DATA_GPA + 2 * PAGE);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET | CLEAR, BUFFER));
	assert_true(bit(DATA_GPA / PAGE));
	assert_true(bit(DATA_GPA / PAGE + 1));
	assert_false(bit(DATA_GPA / PAGE + 2));
}

/* One page of a large one is one page. */
static void large_pages_are_logged_by_small_ones(void **state)
{
	struct device *d = *state;
	uint32_t i, n = 0;

	fake_huge(MEMORY + MIB2);
	guest_writes(d, MIB2);
	log_begins(d, 0, MEMORY_SIZE);
	assert_int_equal(d->m->npt.leaves, 0);
	guest_writes(d, MIB2 + 7 * PAGE);
	assert_int_equal(d->m->npt.leaves, 1);
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, GET, BUFFER));
	for (i = 0; i < MEMORY_SIZE / PAGE; i++)
		n += bit(i);
	assert_int_equal(n, 1);
	assert_true(bit(512 + 7));
	/* Without a log it is a large one again. */
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, VMM_DIRTY_DISABLE, 0));
	fake_page_out(MEMORY + 4 * MIB2 - PAGE);
	guest_writes(d, MIB2 + 8 * PAGE);
}

/* The bits of both parts, wherever the region is cut. */
static void a_cut_keeps_what_is_dirty(void **state)
{
	struct device *d = *state;
	static const uint64_t cuts[] = { 1, 2, 63, 64, 65, 100, 127, 128, 129,
	    191, 199 };
	const uint64_t pages = 200;
	size_t k;
	uint64_t i;

	for (k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
		const uint64_t at = cuts[k], upper = pages - at;

		assert_ok(memory_map(d->m, BASE, pages * PAGE, MEMORY, RW));
		log_begins(d, BASE, pages * PAGE);
		for (i = 0; i < pages; i++) {
			if (i * 7 % 5 < 2 || i == at || i + 1 == at ||
			    i + 1 == pages)
				guest_writes(d, BASE + i * PAGE);
		}
		/* What is in leaves, and what is in the bitmap already. */
		for (i = 0; i < pages; i += 3)
			fake_page_out(MEMORY + i * PAGE);
		assert_ok(memory_protect(d->m, BASE + at * PAGE,
		    upper * PAGE, R));
		assert_ok(dirty_log(d->m, BASE + at * PAGE, upper * PAGE,
		    GET, BUFFER));
		for (i = 0; i < upper; i++) {
			const uint64_t p = i + at;

			assert_int_equal(bit(i), p * 7 % 5 < 2 || p == at ||
			    p + 1 == at || p + 1 == pages);
		}
		for (; i % 64 != 0; i++)
			assert_false(bit(i));
		/* Both at once: the second begins within a word. */
		assert_ok(dirty_log(d->m, BASE, pages * PAGE, GET | CLEAR,
		    BUFFER));
		for (i = 0; i < pages; i++)
			assert_int_equal(bit(i), i * 7 % 5 < 2 || i == at ||
			    i + 1 == at || i + 1 == pages);
		assert_ok(memory_unmap(d->m, BASE, pages * PAGE));
	}
}

static void three_parts_of_one_keep_what_is_dirty(void **state)
{
	struct device *d = *state;
	uint64_t i;

	assert_ok(memory_map(d->m, BASE, 300 * PAGE, MEMORY, RW));
	log_begins(d, BASE, 300 * PAGE);
	for (i = 0; i < 300; i += 7)
		guest_writes(d, BASE + i * PAGE);
	fake_page_out(MEMORY);
	assert_ok(memory_protect(d->m, BASE + 70 * PAGE, 100 * PAGE, R));
	assert_int_equal(d->m->nregions, 4);
	assert_ok(memory_unmap(d->m, BASE + 90 * PAGE, 3 * PAGE));
	assert_int_equal(d->m->nregions, 5);
	assert_ok(dirty_log(d->m, BASE, 90 * PAGE, GET, BUFFER));
	for (i = 0; i < 90; i++)
		assert_int_equal(bit(i), i % 7 == 0);
	assert_ok(dirty_log(d->m, BASE + 93 * PAGE, 207 * PAGE, GET, BUFFER));
	for (i = 93; i < 300; i++)
		assert_int_equal(bit(i - 93), i % 7 == 0);
	assert_int_equal(dirty_log(d->m, BASE, 300 * PAGE, GET, BUFFER),
	    ENOENT);
}

static void the_log_of_a_part_is_another_regions(void **state)
{
	struct device *d = *state;

	assert_ok(memory_map(d->m, BASE, 8 * PAGE, MEMORY, RW));
	log_begins(d, BASE, 8 * PAGE);
	assert_ok(memory_map(d->m, BASE + 8 * PAGE, 8 * PAGE, MEMORY, RW));
	/* Not both have one. */
	assert_int_equal(dirty_log(d->m, BASE, 16 * PAGE, GET, BUFFER),
	    ENOENT);
	log_begins(d, BASE, 16 * PAGE);
	guest_writes(d, BASE + 9 * PAGE);
	assert_ok(dirty_log(d->m, BASE, 16 * PAGE, GET, BUFFER));
	assert_int_equal(word(0), 1u << 9);
	/* The same page of the owner's, at another place: not written there. */
	assert_false(bit(1));
}

/* However long the region is, nothing is copied, and nothing allocated but the
 * new region. */
static void a_cut_copies_no_log(void **state)
{
	struct device *d = *state;
	struct vmm_bitmap *log;
	uint64_t before;

	assert_ok(memory_map(d->m, BASE, 300 * PAGE, MEMORY, RW));
	log_begins(d, BASE, 300 * PAGE);
	log = d->m->regions[1]->dirty;
	before = fake.live_allocs;
	assert_ok(memory_protect(d->m, BASE + 70 * PAGE, 100 * PAGE, R));
	assert_int_equal(fake.live_allocs, before + 2);
	assert_ptr_equal(d->m->regions[3]->dirty, log);
	/* It is there until the last of them has another. */
	log_begins(d, BASE, 170 * PAGE);
	assert_ok(memory_unmap(d->m, BASE + 170 * PAGE, 10 * PAGE));
	guest_writes(d, BASE + 180 * PAGE);
	fake_page_out(MEMORY + 180 * PAGE);
	assert_ok(dirty_log(d->m, BASE + 180 * PAGE, 120 * PAGE, GET, BUFFER));
	assert_int_equal(word(0), 1);
}

static void there_is_an_end_to_what_a_log_takes(void **state)
{
	struct device *d = *state;
	const uint64_t base = 1ull << 41;

	vmm_hw.gpa_bits = 46;
	assert_ok(memory_map(d->m, base, VMM_DIRTY_MAX + PAGE, MEMORY, RW));
	assert_int_equal(dirty_log(d->m, base, VMM_DIRTY_MAX + PAGE,
	    VMM_DIRTY_ENABLE, 0), ENOSPC);
	/* What is left of it is one that can have a log. */
	assert_ok(memory_unmap(d->m, base, PAGE));
	log_begins(d, base + PAGE, VMM_DIRTY_MAX);
}

/* ---- long answers ---- */

static void a_long_answer_comes_in_steps(void **state)
{
	struct device *d = *state;
	const uint64_t pages = 40000, base = 1ull << 32;
	static const uint64_t written[] = { 0, 63, 64, 16383, 16384, 16385,
	    20000, 32767, 32768, 39999 };
	uint64_t i, k, n;

	fake_giant();
	assert_ok(memory_map(d->m, base, pages * PAGE, FAKE_GIANT, RW));
	log_begins(d, base, pages * PAGE);
	for (i = 0; i < sizeof(written) / sizeof(written[0]); i++)
		guest_writes(d, base + written[i] * PAGE);
	fake.copies = 0;
	assert_ok(dirty_log(d->m, base, pages * PAGE, GET | CLEAR, BUFFER));
	assert_true(fake.copies >= 3);
	for (i = 0, k = 0, n = 0; i < pages; i++) {
		if (k < sizeof(written) / sizeof(written[0]) &&
		    written[k] == i) {
			assert_true(bit(i));
			k++;
		} else {
			n += bit(i);
		}
	}
	assert_int_equal(n, 0);
}

/* A step that cannot be told is told the next time; those before it were. */
static void what_could_not_be_told_is_told_later(void **state)
{
	struct device *d = *state;
	const uint64_t pages = 40000, base = 1ull << 32;
	static const uint64_t written[] = { 5, 16390, 32800 };
	uint64_t i, fail;

	fake_giant();
	assert_ok(memory_map(d->m, base, 20000 * PAGE, FAKE_GIANT, RW));
	assert_ok(memory_map(d->m, base + 20000 * PAGE, 20000 * PAGE,
	    FAKE_GIANT + 20000 * PAGE, RW));
	for (fail = 1; fail <= 3; fail++) {
		log_begins(d, base, pages * PAGE);
		for (i = 0; i < 3; i++)
			guest_writes(d, base + written[i] * PAGE);
		fake.copy_fail_at = fail;
		assert_int_equal(dirty_log(d->m, base, pages * PAGE,
		    GET | CLEAR, BUFFER), EFAULT);
		assert_ok(dirty_log(d->m, base, pages * PAGE, GET, BUFFER));
		for (i = 0; i < 3; i++)
			assert_int_equal(bit(written[i]), i + 1 >= fail);
	}
}

/* Where the answer goes may be memory that somebody else has to fill: until he
 * does, everything but the answer goes on. */
static uint32_t asked;

static void end_the_log(void *cookie)
{
	struct device *d = cookie;

	assert_ok(dirty_log(d->m, 1ull << 32, 20000 * PAGE,
	    VMM_DIRTY_DISABLE, 0));
}

static struct device *asks;

static void at_copy(void)
{
	assert_int_equal(fake.cur->nheld, 0);
	if (asked++ == 0)
		fake_as(1, end_the_log, asks);
}

static void nothing_waits_for_an_answer(void **state)
{
	struct device *d = *state;
	const uint64_t base = 1ull << 32;

	asks = d;
	asked = 0;
	fake_giant();
	assert_ok(memory_map(d->m, base, 20000 * PAGE, FAKE_GIANT, RW));
	log_begins(d, base, 20000 * PAGE);
	guest_writes(d, base);
	fake.on_copy = at_copy;
	/* What could not be told has nobody to go back to. */
	fake.copy_fail_at = 1;
	assert_int_equal(dirty_log(d->m, base, 20000 * PAGE, GET | CLEAR,
	    BUFFER), EFAULT);
	log_begins(d, base, 20000 * PAGE);
	asked = 0;
	assert_int_equal(dirty_log(d->m, base, 20000 * PAGE, GET, BUFFER),
	    ENOENT);
	fake.on_copy = NULL;
	assert_int_equal(asked, 1);
}

/* Written between two steps: in this answer or in the next. */
static struct device *dev;
static uint32_t unlocks;

static void write_now(void *cookie)
{
	(void)cookie;
	fake_touch((1ull << 32) + 7 * PAGE, W, NULL, 1);
	fake.signal = false;
	assert_ok(vmm_vcpu_run(dev->v));
	fake.signal = false;
}

static void at_unlock(const char *name)
{
	if (strstr(name, "nested_lock") == NULL || unlocks == 0 ||
	    --unlocks != 0)
		return;
	fake.on_unlock = NULL;
	fake_as(1, write_now, NULL);
}

static void a_page_written_meanwhile_is_in_this_answer_or_the_next(
    void **state)
{
	struct device *d = *state;
	const uint64_t pages = 40000, base = 1ull << 32;
	uint32_t n;

	dev = d;
	fake_giant();
	assert_ok(memory_map(d->m, base, pages * PAGE, FAKE_GIANT, RW));
	for (n = 1; n < 8; n++) {
		bool first;

		log_begins(d, base, pages * PAGE);
		unlocks = n;
		fake.on_unlock = at_unlock;
		assert_ok(dirty_log(d->m, base, pages * PAGE, GET | CLEAR,
		    BUFFER));
		fake.on_unlock = NULL;
		if (unlocks != 0)
			break;
		first = bit(7);
		assert_ok(dirty_log(d->m, base, pages * PAGE, GET | CLEAR,
		    BUFFER));
		assert_true(first || bit(7));
	}
	assert_true(n > 2);
}

/* A guest that is inside and remembers that the page is dirty already. */
static void ask_now(void *cookie)
{
	(void)cookie;
	assert_ok(dirty_log(dev->m, 0, MEMORY_SIZE, GET | CLEAR, BUFFER));
	assert_true(bit(DATA_GPA / PAGE));
}

static void a_guest_that_writes_on_is_told_again(void **state)
{
	struct device *d = *state;

	dev = d;
	log_begins(d, 0, MEMORY_SIZE);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(ask_now, NULL);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(ask_now, NULL);
	fake_touch(DATA_GPA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	ask_now(NULL);
	/* One interrupt for each answer that found something. */
	assert_int_equal(fake.sent[0], 2);
}

#define BOTH(f)	TEST(f), TEST_SVM(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_log_begins_with_nothing),
		BOTH(what_is_cleared_is_told_when_it_is_written_again),
		BOTH(pages_that_go_are_told),
		BOTH(large_pages_are_logged_by_small_ones),
		TEST(a_cut_keeps_what_is_dirty),
		TEST(three_parts_of_one_keep_what_is_dirty),
		TEST(the_log_of_a_part_is_another_regions),
		TEST(a_cut_copies_no_log),
		TEST(there_is_an_end_to_what_a_log_takes),
		TEST(a_long_answer_comes_in_steps),
		TEST(what_could_not_be_told_is_told_later),
		TEST(nothing_waits_for_an_answer),
		TEST(a_page_written_meanwhile_is_in_this_answer_or_the_next),
		BOTH(a_guest_that_writes_on_is_told_again),
	};

	return RUN(tests);
}
