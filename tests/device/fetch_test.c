// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading a guest user's code through its own table and the nested one: what a
 * fetch of its would get, and nothing that it would not.
 */
#include "device.h"

#define TEXT_VA	0x7fff12345000ull
#define P	1ull

#define U	4ull
#define PS	0x80ull
#define NX	(1ull << 63)

/* Guest-physical pages of the guest's tables, and of its code. */
#define ROOT	0x1000ull
#define L3	0x2000ull
#define L2	0x3000ull
#define L1	0x4000ull
#define TEXT	0x5000ull
#define NEXT	0x6000ull
#define PAGES	8u

struct guest {
	struct x86_npt t;
	void *page[PAGES];
	uint64_t pa[PAGES];
};

static uint64_t *table(struct guest *g, uint64_t gpa)
{
	return g->page[gpa / PAGE];
}

static unsigned at(uint64_t va, unsigned level)
{
	return (unsigned)(va >> (12 + 9 * (level - 1))) & 511;
}

static void nested_map(struct guest *g, uint64_t gpa, uint64_t pa,
    unsigned level)
{
	uint64_t pas[3];
	void *have[3];
	uint32_t n;
	struct x86_npt_stock s = { have, pas, &n };

	for (n = 0; n < 3; n++)
		have[n] = os_page_alloc(&pas[n]);
	assert_true(x86_npt_map(&g->t, &s, gpa, pa, level, RWX, false));
	while (n > 0)
		os_page_free(have[--n]);
}

static int setup(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	unsigned i;

	fake_reset();
	fake_on_bug = fail_by_bug;
	assert_ok(x86_npt_init(&g->t, &x86_npt_svm));
	for (i = 1; i < PAGES; i++) {
		g->page[i] = os_page_alloc(&g->pa[i]);
		nested_map(g, i * PAGE, g->pa[i], 1);
	}
	table(g, ROOT)[at(TEXT_VA, 4)] = L3 | P | U;
	table(g, L3)[at(TEXT_VA, 3)] = L2 | P | U;
	table(g, L2)[at(TEXT_VA, 2)] = L1 | P | U;
	table(g, L1)[at(TEXT_VA, 1)] = TEXT | P | U;
	for (i = 0; i < PAGE; i++) {
		((uint8_t *)g->page[TEXT / PAGE])[i] = (uint8_t)(i * 3);
		((uint8_t *)g->page[NEXT / PAGE])[i] = (uint8_t)(i * 5 + 1);
	}
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct guest *g = *state;
	unsigned i;

	x86_npt_fini(&g->t);
	for (i = 1; i < PAGES; i++)
		os_page_free(g->page[i]);
	free(g);
	fake_check_idle();
	return 0;
}

static size_t fetch(struct guest *g, uint64_t rip, size_t size)
{
	/* As large as that: the sanitizer sees what is stored beyond. */
	uint8_t *buf = malloc(size);
	size_t n = x86_fetch(&g->t, ROOT, rip, buf, size), i;

	for (i = 0; i < n; i++) {
		const uint64_t a = rip + i;

		assert_int_equal(buf[i], a / PAGE == TEXT_VA / PAGE ?
		    (uint8_t)(a % PAGE * 3) : (uint8_t)(a % PAGE * 5 + 1));
	}
	free(buf);
	return n;
}

static void code_is_read(void **state)
{
	struct guest *g = *state;

	assert_int_equal(fetch(g, TEXT_VA, 15), 15);
	assert_int_equal(fetch(g, TEXT_VA + 0x123, 2), 2);
	assert_int_equal(fetch(g, TEXT_VA + PAGE - 15, 15), 15);
}

static void the_next_page_is_read_when_it_is_there(void **state)
{
	struct guest *g = *state;

	assert_int_equal(fetch(g, TEXT_VA + PAGE - 1, 15), 1);
	table(g, L1)[at(TEXT_VA, 1) + 1] = NEXT | P | U;
	assert_int_equal(fetch(g, TEXT_VA + PAGE - 1, 15), 15);
	assert_int_equal(fetch(g, TEXT_VA + PAGE - 14, 15), 15);
	table(g, L1)[at(TEXT_VA, 1) + 1] = NEXT | P;
	assert_int_equal(fetch(g, TEXT_VA + PAGE - 14, 15), 14);
}

static void every_level_has_to_allow_it(void **state)
{
	struct guest *g = *state;
	uint64_t *const entry[] = { &table(g, ROOT)[at(TEXT_VA, 4)],
	    &table(g, L3)[at(TEXT_VA, 3)], &table(g, L2)[at(TEXT_VA, 2)],
	    &table(g, L1)[at(TEXT_VA, 1)] };
	size_t i;

	for (i = 0; i < 4; i++) {
		const uint64_t good = *entry[i];

		*entry[i] = good & ~P;
		assert_int_equal(fetch(g, TEXT_VA, 8), 0);
		*entry[i] = good & ~U;
		assert_int_equal(fetch(g, TEXT_VA, 8), 0);
		*entry[i] = good | NX;
		assert_int_equal(fetch(g, TEXT_VA, 8), 0);
		*entry[i] = good | 2 | 0x60;	/* no matter */
		assert_int_equal(fetch(g, TEXT_VA, 8), 8);
		*entry[i] = good;
	}
}

static void tables_out_of_memory_lead_nowhere(void **state)
{
	struct guest *g = *state;
	uint64_t *const entry[] = { &table(g, ROOT)[at(TEXT_VA, 4)],
	    &table(g, L3)[at(TEXT_VA, 3)], &table(g, L2)[at(TEXT_VA, 2)],
	    &table(g, L1)[at(TEXT_VA, 1)] };
	uint8_t buf[8];
	size_t i;

	for (i = 0; i < 4; i++) {
		const uint64_t good = *entry[i];

		*entry[i] = 0x700000 | P | U;
		assert_int_equal(fetch(g, TEXT_VA, 8), 0);
		/* Beyond 48 bits: no table of ours reaches there. */
		*entry[i] = 0x000f000000001000 | P | U;
		assert_int_equal(fetch(g, TEXT_VA, 8), 0);
		*entry[i] = good;
	}
	assert_int_equal(x86_fetch(&g->t, 0x700000, TEXT_VA, buf, 8), 0);
	assert_int_equal(x86_fetch(&g->t, 0xffffffffff000, TEXT_VA, buf, 8), 0);
}

static void large_pages_of_the_guest_are_read(void **state)
{
	struct guest *g = *state;
	uint64_t pa;
	uint8_t *mem = aligned_alloc(MIB2, MIB2);
	uint8_t got[4];

	memset(mem, 0x11, MIB2);
	memcpy(mem + (TEXT_VA & (MIB2 - 1)), "abcd", 4);
	pa = (uint64_t)(uintptr_t)mem | FAKE_PA;
	nested_map(g, MIB2, pa, 2);
	table(g, L2)[at(TEXT_VA, 2)] = MIB2 | P | U | PS;
	assert_int_equal(x86_fetch(&g->t, ROOT, TEXT_VA, got, 4), 4);
	assert_memory_equal(got, "abcd", 4);
	/* A page of 1 GiB, all of whose guest-physical memory is not there. */
	table(g, L3)[at(TEXT_VA, 3)] = P | U | PS;
	assert_int_equal(x86_fetch(&g->t, ROOT, TEXT_VA, got, 4), 0);
	/* Bit 7 of the root's entries is reserved. */
	table(g, ROOT)[at(TEXT_VA, 4)] |= PS;
	assert_int_equal(x86_fetch(&g->t, ROOT, TEXT_VA, got, 4), 0);
	free(mem);
}

static void addresses_have_to_be_canonical(void **state)
{
	struct guest *g = *state;
	uint8_t buf[4];

	assert_int_equal(x86_fetch(&g->t, ROOT, 0x0000800000000000, buf, 4),
	    0);
	assert_int_equal(x86_fetch(&g->t, ROOT, TEXT_VA | 1ull << 63, buf, 4), 0);
	/* The end of the lower half: nothing follows. */
	table(g, ROOT)[at(0x7fffffffffff, 4)] = L3 | P | U;
	table(g, L3)[at(0x7fffffffffff, 3)] = L2 | P | U;
	table(g, L2)[at(0x7fffffffffff, 2)] = L1 | P | U;
	table(g, L1)[at(0x7fffffffffff, 1)] = NEXT | P | U;
	assert_int_equal(x86_fetch(&g->t, ROOT, 0x7fffffffffff, buf, 4), 1);
	/* And the last byte of all: the address wraps, to what is not there. */
	table(g, ROOT)[511] = L3 | P | U;
	assert_int_equal(x86_fetch(&g->t, ROOT, ~0ull, buf, 4), 1);
}

static void a_table_may_be_its_own(void **state)
{
	struct guest *g = *state;
	uint8_t buf[8];

	table(g, ROOT)[0] = ROOT | P | U;
	assert_int_equal(x86_fetch(&g->t, ROOT, 0, buf, 8), 8);
	assert_memory_equal(buf, g->page[1], 8);
}

static void nothing_is_changed_by_looking(void **state)
{
	struct guest *g = *state;
	uint64_t before[4], after[4];
	struct x86_npt_leaf l;

	assert_int_equal(x86_npt_apply(&g->t, 0, 1ull << 30, X86_NPT_AGE, 0,
	    NULL, NULL), 0);
	before[0] = table(g, ROOT)[at(TEXT_VA, 4)];
	before[1] = table(g, L3)[at(TEXT_VA, 3)];
	before[2] = table(g, L2)[at(TEXT_VA, 2)];
	before[3] = table(g, L1)[at(TEXT_VA, 1)];
	assert_int_equal(fetch(g, TEXT_VA, 15), 15);
	after[0] = table(g, ROOT)[at(TEXT_VA, 4)];
	after[1] = table(g, L3)[at(TEXT_VA, 3)];
	after[2] = table(g, L2)[at(TEXT_VA, 2)];
	after[3] = table(g, L1)[at(TEXT_VA, 1)];
	assert_memory_equal(before, after, sizeof(before));
	assert_true(x86_npt_find(&g->t, TEXT, &l));
	assert_false(l.accessed);
}

#define AT_FETCH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_FETCH(code_is_read),
		AT_FETCH(the_next_page_is_read_when_it_is_there),
		AT_FETCH(every_level_has_to_allow_it),
		AT_FETCH(tables_out_of_memory_lead_nowhere),
		AT_FETCH(large_pages_of_the_guest_are_read),
		AT_FETCH(addresses_have_to_be_canonical),
		AT_FETCH(a_table_may_be_its_own),
		AT_FETCH(nothing_is_changed_by_looking),
	};

	return RUN(tests);
}
