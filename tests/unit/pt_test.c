// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page tables against a model of one entry per page, over a window that
 * crosses a border of every level; and the pool, of which no page is lost.
 */
#include "unit.h"
#include "pt.h"

#include <stdlib.h>

#define BIG		(512 * PAGE)
#define PAGES		4096u
#define BASE		((1ull << 39) - PAGES / 2 * PAGE)
#define ROUNDS		3000
#define MEMORY_AT	MEM_GPA
#define MEMORY_END	(MEM_GPA + MEM_LEN)

struct model {
	bool mapped;
	uint32_t prot;
	uint64_t gpa;
};

static struct model model[PAGES];

static uint32_t normal(uint32_t prot)
{
	return prot & (VMMCTL_PROT_WRITE | VMMCTL_PROT_EXEC) ?
	    prot | VMMCTL_PROT_READ : prot;
}

static void apply(const struct vmmctl_space_op *o)
{
	for (uint64_t at = 0; at < o->len; at += PAGE) {
		struct model *p = &model[(o->gva + at - BASE) / PAGE];

		if (o->kind == VMMCTL_SPACE_MAP)
			*p = (struct model){ true, normal(o->prot),
			    o->gpa + at };
		else if (o->kind == VMMCTL_SPACE_UNMAP)
			p->mapped = false;
		else
			p->prot = normal(o->prot);
	}
}

static void compare(struct unit *u, unsigned i)
{
	uint64_t gva = BASE + i * PAGE;
	const struct model *p = &model[i];
	struct pt_leaf leaf;

	pt_find(u->s, gva, &leaf);
	assert_int_equal(leaf.mapped, p->mapped);
	assert_true(leaf.gva <= gva && gva - leaf.gva < leaf.len);
	if (!p->mapped)
		return;
	assert_int_equal(leaf.prot, p->prot);
	assert_int_equal(leaf.gpa + (gva - leaf.gva), p->gpa);
	assert_int_equal(leaf.hw, p->gpa >= MEMORY_AT &&
	    p->gpa < MEMORY_END ? p->prot : 0);
}

static struct vmmctl_space_op any_op(uint64_t *seed)
{
	struct vmmctl_space_op o = { 0 };
	uint64_t first = unit_random(seed, PAGES), most = PAGES - first;

	o.kind = (uint32_t)unit_random(seed, 3) + 1;
	o.prot = (uint32_t)unit_random(seed, 8);
	switch (unit_random(seed, 3)) {
	case 0:		/* whole leaves of 2 MiB */
		first &= ~511ull;
		o.len = BIG * (1 + unit_random(seed, (PAGES - first) / 512));
		break;
	case 1:
		o.len = PAGE * (1 + unit_random(seed, most));
		break;
	default:
		o.len = PAGE * (1 + unit_random(seed, most < 8 ? most : 8));
		break;
	}
	o.gva = BASE + first * PAGE;
	if (o.kind == VMMCTL_SPACE_MAP) {
		o.gpa = PAGE * unit_random(seed, 4096);
		if (unit_random(seed, 2))
			o.gpa = (o.gpa & ~(BIG - 1)) + (o.gva & (BIG - 1));
	}
	return o;
}

/* Pages in use: handed out and not on the free list. */
static uint64_t pool_in_use(const struct pt_pool *p)
{
	uint64_t n = p->used / PAGE - 1;

	for (uint64_t at = p->free; at != 0;
	    at = *(uint64_t *)(void *)(p->hva + at))
		n--;
	return n;
}

static void random_sequences(void **state)
{
	struct unit *u = *state;

	for (uint64_t round = 1; round <= 3; round++) {
		uint64_t seed = 0x9e3779b97f4a7c15ull * round;

		memset(model, 0, sizeof(model));
		assert_ok(vmmctl_space_unmap(u->s, 0, FAKE_GVA_LIMIT));
		for (int i = 0; i < ROUNDS; i++) {
			struct vmmctl_space_op o = any_op(&seed);

			assert_ok(vmmctl_space_change(u->s, &o, 1, NULL));
			apply(&o);
			if (i % 50 == 0)
				for (unsigned k = 0; k < PAGES; k++)
					compare(u, k);
			for (unsigned k = 0; k < 64; k++)
				compare(u, (unsigned)unit_random(&seed,
				    PAGES));
		}
		for (unsigned k = 0; k < PAGES; k++)
			compare(u, k);
	}
	/* Unmapping all leaves only the root. */
	assert_ok(vmmctl_space_unmap(u->s, 0, FAKE_GVA_LIMIT));
	assert_int_equal(pool_in_use(&u->m->pool), 1);
}

static void pages_are_reused(void **state)
{
	struct unit *u = *state;
	uint64_t used = u->m->pool.used, in_use = pool_in_use(&u->m->pool);

	for (int i = 0; i < 100; i++) {
		struct vmmctl_space *s;

		assert_ok(vmmctl_space_create(u->m, &s));
		for (uint64_t g = 0; g < 8; g++)
			assert_ok(vmmctl_space_map(s, g << 39, 3 * PAGE, PAGE,
			    VMMCTL_PROT_RW));
		if (i == 0)
			used = u->m->pool.used;
		assert_ok(vmmctl_space_destroy(s));
		assert_int_equal(u->m->pool.used, used);
		assert_int_equal(pool_in_use(&u->m->pool), in_use);
	}
	assert_true(fake.tables_freed >= 100 * (1 + 8 * 3));
}

static void a_big_leaf_and_its_splits(void **state)
{
	struct unit *u = *state;
	struct pt_leaf leaf;
	uint64_t at = 1ull << 30, before = pool_in_use(&u->m->pool), with;

	assert_ok(vmmctl_space_map(u->s, at, BIG, MEM_GPA, VMMCTL_PROT_RW));
	pt_find(u->s, at + 5 * PAGE, &leaf);
	assert_int_equal(leaf.gva, at);
	assert_int_equal(leaf.len, BIG);
	assert_int_equal(leaf.gpa, MEM_GPA);
	with = pool_in_use(&u->m->pool);
	assert_true(with > before);
	/* One page out of it. */
	assert_ok(vmmctl_space_protect(u->s, at + 7 * PAGE, PAGE,
	    VMMCTL_PROT_READ));
	assert_int_equal(pool_in_use(&u->m->pool), with + 1);
	for (uint64_t i = 0; i < 512; i++) {
		pt_find(u->s, at + i * PAGE, &leaf);
		assert_int_equal(leaf.len, PAGE);
		assert_int_equal(leaf.gpa, MEM_GPA + i * PAGE);
		assert_int_equal(leaf.prot, i == 7 ? VMMCTL_PROT_READ :
		    VMMCTL_PROT_RW);
	}
	/* A big leaf over the table frees it. */
	assert_ok(vmmctl_space_map(u->s, at, BIG, MEM_GPA, VMMCTL_PROT_RW));
	assert_int_equal(pool_in_use(&u->m->pool), with);
	/* Guest-physical addresses that are not congruent: no big leaf. */
	assert_ok(vmmctl_space_map(u->s, at, BIG, MEM_GPA + PAGE,
	    VMMCTL_PROT_RW));
	pt_find(u->s, at, &leaf);
	assert_int_equal(leaf.len, PAGE);
}

static void holes_cost_nothing(void **state)
{
	struct unit *u = *state;
	uint64_t before = pool_in_use(&u->m->pool);
	struct pt_leaf leaf;

	assert_ok(vmmctl_space_unmap(u->s, 1ull << 40, 1ull << 40));
	assert_ok(vmmctl_space_unmap(u->s, (1ull << 40) + PAGE, PAGE));
	assert_ok(vmmctl_space_protect(u->s, 1ull << 40, 1ull << 40,
	    VMMCTL_PROT_READ));
	assert_int_equal(pool_in_use(&u->m->pool), before);
	pt_find(u->s, 1ull << 40, &leaf);
	assert_false(leaf.mapped);
	assert_int_equal(leaf.len, 1ull << 39);
}

/* The pool runs out on the way: what is done is done, the rest is as it was. */
static void the_pool_runs_out(void **state)
{
	struct unit *u = *state;
	struct pt_pool *p = &u->m->pool;
	const struct vmmctl_space_op ops[] = {
		{ VMMCTL_SPACE_MAP, VMMCTL_PROT_RW, 1ull << 40, PAGE, 0 },
		{ VMMCTL_SPACE_MAP, VMMCTL_PROT_RW, (1ull << 41) - 4 * PAGE,
		    8 * PAGE, 0x100000 },
		{ VMMCTL_SPACE_MAP, VMMCTL_PROT_RW, 1ull << 42, PAGE, 0 },
	};
	uint64_t size = p->size;
	struct vmmctl_walk w;
	size_t done = 99;

	/* For the first change and half of the second. */
	p->size = p->used + 6 * PAGE;
	assert_fails(u->v, vmmctl_space_change(u->s, ops, 3, &done), -ENOMEM,
	    "page tables");
	assert_int_equal(done, 1);
	assert_ok(vmmctl_space_walk(u->s, 1ull << 40, &w));
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(vmmctl_space_walk(u->s, ops[1].gva + i * PAGE,
		    &w), i < 4 ? 0 : -ENOENT);
	assert_int_equal(vmmctl_space_walk(u->s, 1ull << 42, &w), -ENOENT);
	p->size = size;
	assert_ok(vmmctl_space_change(u->s, ops, 3, &done));
	assert_int_equal(done, 3);
	/* For a space's root. */
	p->size = p->used;
	while (p->free != 0) {
		struct vmmctl_space *s;

		assert_ok(vmmctl_space_create(u->m, &s));
	}
	{
		struct vmmctl_space *s = NULL;

		assert_fails(u->v, vmmctl_space_create(u->m, &s), -ENOMEM,
		    "page tables");
		assert_null(s);
	}
	p->size = size;
}

static void a_page_for_each_table_of_a_large_space(void **state)
{
	struct unit *u = *state;
	uint64_t before = pool_in_use(&u->m->pool);

	/* A page on each side of a border of the top level. */
	assert_ok(vmmctl_space_map(u->s, (5ull << 39) - PAGE, 2 * PAGE, 0,
	    VMMCTL_PROT_READ));
	assert_int_equal(pool_in_use(&u->m->pool), before + 6);
	assert_ok(vmmctl_space_unmap(u->s, 4ull << 39, 2ull << 39));
	assert_int_equal(pool_in_use(&u->m->pool), before);
}

/* The bits that hardware sees never allow more than mapping and memory do. */
static void bits_for_hardware(void **state)
{
	struct unit *u = *state;

	for (uint32_t prot = 0; prot < 8; prot++) {
		struct pt_leaf leaf;
		uint64_t e;

		assert_ok(vmmctl_space_map(u->s, DATA, PAGE, DATA_GPA, prot));
		pt_find(u->s, DATA, &leaf);
		assert_int_equal(leaf.hw, normal(prot));
		e = u->s->root[0];
		for (int level = 3; level >= 1; level--) {
			const uint64_t *t;

			assert_true((e & PTE_P) && (e & PTE_W) && (e & PTE_U));
			assert_int_equal(e & PT_MAPPED, 0);
			t = (const uint64_t *)(const void *)(u->m->pool.hva +
			    ((e & PTE_ADDR) - u->m->pool.gpa));
			e = t[DATA >> (12 + 9 * (level - 1)) & 511];
		}
		assert_int_equal((e & PTE_P) != 0, prot != 0);
		assert_int_equal((e & PTE_W) != 0,
		    (prot & VMMCTL_PROT_WRITE) != 0);
		assert_int_equal((e & PTE_NX) == 0,
		    (prot & VMMCTL_PROT_EXEC) != 0);
		assert_true(e & PTE_U);
	}
}

int main(void)
{
	const struct CMUnitTest pt[] = {
		TEST(random_sequences),
		TEST(pages_are_reused),
		TEST(a_big_leaf_and_its_splits),
		TEST(holes_cost_nothing),
		TEST(the_pool_runs_out),
		TEST(a_page_for_each_table_of_a_large_space),
		TEST(bits_for_hardware),
	};

	return RUN(pt);
}
