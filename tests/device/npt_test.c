// SPDX-License-Identifier: BSD-2-Clause
/*
 * The builder of nested tables beside a slow and obvious model, by random
 * operations, in all three formats, with hardware that sets accessed and dirty
 * bits at any moment.
 */
#include "device.h"

#define NODES	4096u
#define STOCK	3u

/* An entry in use: of a table at that level, for gpa and what follows. */
struct node {
	uint64_t gpa;
	unsigned level;
	bool leaf;
	uint64_t pa;
	uint32_t prot;
	bool dirty, accessed;
};
struct model {
	struct x86_npt t;
	struct node node[NODES];
	uint32_t n;
	uint64_t seed;
	uint64_t pages_before;
	/* x86_npt_apply()'s callback. */
	struct x86_npt_leaf seen[NODES];
	uint32_t nseen;
};

static struct model m;
static uint64_t *race_entry;
static uint64_t race_bits;

static struct node *node_at(uint64_t gpa, unsigned level)
{
	uint32_t i;

	gpa &= ~(X86_NPT_SPAN(level) - 1);
	for (i = 0; i < m.n; i++) {
		if (m.node[i].gpa == gpa && m.node[i].level == level)
			return &m.node[i];
	}
	return NULL;
}

static struct node *leaf_at(uint64_t gpa)
{
	struct node *n;
	unsigned level;

	for (level = 4; level > 0; level--) {
		n = node_at(gpa, level);
		if (n == NULL || n->leaf)
			return n;
	}
	return NULL;
}

static struct node *add(uint64_t gpa, unsigned level, bool leaf)
{
	struct node *n = &m.node[m.n++];

	assert_true(m.n < NODES);
	*n = (struct node){ .gpa = gpa & ~(X86_NPT_SPAN(level) - 1),
	    .level = level, .leaf = leaf };
	return n;
}

static void drop(struct node *n)
{
	*n = m.node[--m.n];
}

static uint64_t pages(void)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < m.n; i++) {
		if (m.node[i].leaf)
			n += X86_NPT_SPAN(m.node[i].level) / PAGE;
	}
	return n;
}

static uint64_t tables(void)
{
	uint32_t i, n = 0;

	for (i = 0; i < m.n; i++)
		n += !m.node[i].leaf;
	return n;
}

/* Where hardware has the leaf's entry. */
static uint64_t *entry_at(uint64_t gpa)
{
	const struct x86_npt_format *f = m.t.f;
	uint64_t *table = m.t.root, *e;
	unsigned shift;

	for (shift = 39;; shift -= 9) {
		e = &table[gpa >> shift & 511];
		if ((*e & f->present) == 0)
			return NULL;
		if (shift == 12 || (*e & f->large) != 0)
			return e;
		table = os_page_at(*e & X86_NPT_ADDR);
	}
}

static uint64_t random_gpa(void)
{
	/* A few places, so that operations meet, and the two ends. */
	static const uint64_t base[] = { 0, 0x200000, 0x3ff00000, 0x40000000,
	    0x7fffe00000, 0x8000000000, 0xffffffe00000, 0xffffc0000000 };
	const uint64_t n = sizeof(base) / sizeof(base[0]);

	return base[next_random(&m.seed, n)] +
	    next_random(&m.seed, 12) * PAGE * (next_random(&m.seed, 4) == 0 ?
	    512 - 11 : 1) % 0x200000;
}

static void do_map(void)
{
	const uint64_t gpa0 = random_gpa();
	unsigned level = (unsigned)next_random(&m.seed, 8), at;
	uint64_t gpa, pa, pas[STOCK];
	void *have[STOCK];
	uint32_t stock = (uint32_t)next_random(&m.seed, 5), n, i;
	uint32_t prot = VMM_PROT_READ |
	    (uint32_t)next_random(&m.seed, 4) << 1;
	const bool dirty = next_random(&m.seed, 2) != 0;
	struct x86_npt_stock s = { have, pas, &n };
	struct node *node;
	uint32_t need = 0;
	bool can = true, got;

	level = level < 5 ? 1 : level - 4;
	stock = stock > STOCK ? STOCK : stock;
	gpa = gpa0 & ~(X86_NPT_SPAN(level) - 1);
	pa = (next_random(&m.seed, 1ull << 20) << 30 | 1ull << 49) +
	    (next_random(&m.seed, 1ull << 18) << 12);
	pa &= X86_NPT_ADDR & ~(X86_NPT_SPAN(level) - 1);
	for (at = 4; at > level; at--) {
		node = node_at(gpa, at);
		if (node == NULL)
			need++;
		else if (node->leaf)
			can = false;
	}
	node = node_at(gpa, level);
	if (node != NULL && !node->leaf)
		can = false;
	if (can && node != NULL && next_random(&m.seed, 2) != 0)
		pa = node->pa;		/* the same page again */
	for (n = 0; n < stock; n++) {
		have[n] = os_page_alloc(&pas[n]);
		assert_non_null(have[n]);
	}
	got = x86_npt_map(&m.t, &s, gpa, pa, level, prot, dirty);
	if (!can || need > stock) {
		assert_false(got);
		assert_int_equal(n, stock);
	} else {
		bool was = node != NULL && node->dirty && node->pa == pa;

		assert_true(got);
		assert_int_equal(n, stock - need);
		for (at = 4; at > level; at--) {
			if (node_at(gpa, at) == NULL)
				add(gpa, at, false);
		}
		if (node == NULL)
			node = add(gpa, level, true);
		node->pa = pa;
		node->prot = prot;
		node->dirty = m.t.f->dirty == 0 ?
		    (prot & VMM_PROT_WRITE) != 0 : dirty || was;
		node->accessed = true;
	}
	for (i = 0; i < n; i++)
		os_page_free(have[i]);
}

static void same(const struct node *n, const struct x86_npt_leaf *l)
{
	assert_int_equal(l->gpa, n->gpa);
	assert_int_equal(l->level, n->level);
	assert_int_equal(l->pa, n->pa);
	assert_int_equal(l->prot, n->prot);
	assert_int_equal(l->dirty, n->dirty);
	assert_int_equal(l->accessed, n->accessed);
}

static void do_find(void)
{
	const uint64_t gpa = random_gpa() + next_random(&m.seed, PAGE);
	const struct node *n = leaf_at(gpa);
	struct x86_npt_leaf l;
	bool found = x86_npt_find(&m.t, gpa, &l);

	assert_int_equal(found, n != NULL);
	if (found)
		same(n, &l);
	assert_int_equal(x86_npt_translate(&m.t, gpa), n == NULL ? ~0ull :
	    n->pa + (gpa & (X86_NPT_SPAN(n->level) - 1)));
}

/* A guest has written, or only read. */
static void do_hardware(void)
{
	const uint64_t gpa = random_gpa();
	struct node *n = leaf_at(gpa);
	uint64_t *e;

	if (n == NULL || m.t.f->dirty == 0)
		return;
	e = entry_at(gpa);
	assert_non_null(e);
	*e |= m.t.f->accessed;
	n->accessed = true;
	if ((n->prot & VMM_PROT_WRITE) != 0 && next_random(&m.seed, 2) != 0) {
		*e |= m.t.f->dirty;
		n->dirty = true;
	}
}

static void seen(void *cookie, const struct x86_npt_leaf *l)
{
	assert_ptr_equal(cookie, &m);
	assert_true(m.nseen < NODES);
	m.seen[m.nseen++] = *l;
}

/* What hardware does between a look and an exchange. */
static void race(uint64_t *p)
{
	if (p == race_entry) {
		*p |= race_bits;
		race_entry = NULL;
	}
}

static void apply(uint64_t gpa, uint64_t size, enum x86_npt_op op,
    uint32_t arg)
{
	uint64_t due = 0, got;
	uint32_t i, k;

	m.nseen = 0;
	got = x86_npt_apply(&m.t, gpa, size, op, arg, seen, &m);
	for (k = 0; k < m.nseen; k++) {
		struct node *n = leaf_at(m.seen[k].gpa);

		if (k > 0)
			assert_true(m.seen[k].gpa > m.seen[k - 1].gpa);
		assert_non_null(n);
		same(n, &m.seen[k]);
	}
	for (i = m.n, k = 0; i-- > 0;) {
		struct node *n = &m.node[i];
		const uint32_t prot = n->prot;
		const bool dirty = n->dirty;

		if (!n->leaf || size == 0 || n->gpa > gpa + size - 1 ||
		    n->gpa + X86_NPT_SPAN(n->level) - 1 < gpa)
			continue;
		k++;
		switch (op) {
		case X86_NPT_ZAP:
			n->prot = 0;
			break;
		case X86_NPT_PROTECT:
			n->prot &= (arg & R) == 0 ? 0 : arg;
			if (m.t.f->dirty == 0)
				n->dirty = (n->prot & VMM_PROT_WRITE) != 0;
			break;
		case X86_NPT_CLEAN:
			n->dirty = false;
			if (m.t.f->dirty == 0)
				n->prot &= ~VMM_PROT_WRITE;
			break;
		case X86_NPT_AGE:
			n->accessed = m.t.f->accessed == 0;
			break;
		case X86_NPT_LOOK:
			break;
		}
		due += n->prot != prot || n->dirty != dirty;
		if (n->prot == 0)
			drop(n);
	}
	assert_int_equal(m.nseen, k);
	assert_int_equal(got, due);
}

static void do_apply(void)
{
	static const uint32_t limits[] = { 0, R, RW, RX, RWX };
	static const uint64_t sizes[] = { 0, PAGE, 2 * PAGE, 9 * PAGE, MIB2,
	    MIB2 + PAGE, 1ull << 30, 1ull << 39 };
	uint64_t gpa = random_gpa();
	uint64_t size = sizes[next_random(&m.seed, 8)];
	const enum x86_npt_op op = (enum x86_npt_op)next_random(&m.seed, 5);
	struct node *n = leaf_at(gpa);

	if (size > (1ull << 48) - gpa)
		size = (1ull << 48) - gpa;
	/* Half of the time the guest writes to the page just now. */
	if (n != NULL && size != 0 && m.t.f->dirty != 0 &&
	    (n->prot & VMM_PROT_WRITE) != 0 && op != X86_NPT_LOOK &&
	    next_random(&m.seed, 2) != 0 && (op == X86_NPT_ZAP ||
	    (op == X86_NPT_CLEAN && n->dirty) ||
	    (op == X86_NPT_AGE && n->accessed))) {
		race_entry = entry_at(gpa);
		race_bits = m.t.f->dirty | m.t.f->accessed;
		n->dirty = n->accessed = true;
		fake_before_xchg64 = race;
	}
	apply(gpa, size, op, limits[next_random(&m.seed, 5)]);
	fake_before_xchg64 = NULL;
	assert_null(race_entry);
}

static bool empty(const struct node *table)
{
	uint32_t i;

	for (i = 0; i < m.n; i++) {
		const struct node *n = &m.node[i];

		if (n != table && n->level < table->level &&
		    (n->gpa & ~(X86_NPT_SPAN(table->level) - 1)) == table->gpa)
			return false;
	}
	return true;
}

static void do_prune(void)
{
	static const uint64_t sizes[] = { PAGE, MIB2, 1ull << 30, 1ull << 39 };
	uint64_t gpa = random_gpa();
	uint64_t size = sizes[next_random(&m.seed, 4)];
	void *list;
	bool more = true;
	uint32_t i;

	if (next_random(&m.seed, 4) == 0)
		gpa = 0, size = 1ull << 48;
	if (size > (1ull << 48) - gpa)
		size = (1ull << 48) - gpa;
	list = x86_npt_prune(&m.t, gpa, size, false);
	while (more) {
		more = false;
		for (i = m.n; i-- > 0;) {
			struct node *n = &m.node[i];

			if (n->leaf || n->gpa > gpa + size - 1 || n->gpa +
			    X86_NPT_SPAN(n->level) - 1 < gpa || !empty(n))
				continue;
			drop(n);
			more = true;
		}
	}
	/* Out of the tree, and not freed yet. */
	apply(0, 1ull << 48, X86_NPT_LOOK, 0);
	x86_npt_free(list);
}

static void random_operations(const struct x86_npt_format *f, uint64_t seed)
{
	uint32_t i;

	fake_reset();
	fake_on_bug = fail_by_bug;
	memset(&m, 0, sizeof(m));
	m.seed = seed;
	m.pages_before = vmm_live.pages;
	assert_ok(x86_npt_init(&m.t, f));
	for (i = 0; i < 40000; i++) {
		switch (next_random(&m.seed, 10)) {
		case 0: case 1: case 2: case 3:
			do_map();
			break;
		case 4: case 5:
			do_find();
			break;
		case 6: case 7:
			do_hardware();
			break;
		case 8:
			do_apply();
			break;
		default:
			if (next_random(&m.seed, 4) == 0)
				do_prune();
			break;
		}
		assert_int_equal(m.t.leaves, pages());
		assert_int_equal(vmm_live.pages - m.pages_before,
		    1 + tables());
		if (i % 64 == 0)
			apply(0, 1ull << 48, X86_NPT_LOOK, 0);
	}
	x86_npt_fini(&m.t);
	x86_npt_fini(&m.t);		/* once more is fine */
	assert_int_equal(vmm_live.pages, m.pages_before);
	fake_check_idle();
}

static void svm_tables_are_as_a_model_has_them(void **state)
{
	(void)state;
	random_operations(&x86_npt_svm, 1);
	random_operations(&x86_npt_svm, 77);
}

static void ept_tables_are_as_a_model_has_them(void **state)
{
	(void)state;
	random_operations(&x86_npt_ept, 2);
}

static void ept_without_dirty_is_as_a_model_has_it(void **state)
{
	(void)state;
	random_operations(&x86_npt_ept_plain, 3);
}

static void init_fails_without_memory(void **state)
{
	struct x86_npt t;

	(void)state;
	fake_reset();
	fake.fail_at = 1;
	assert_int_equal(x86_npt_init(&t, &x86_npt_svm), ENOMEM);
	x86_npt_fini(&t);
	fake_check_idle();
}

static void nothing_is_beyond_48_bits(void **state)
{
	struct x86_npt_leaf l;
	struct x86_npt t;

	(void)state;
	fake_reset();
	assert_ok(x86_npt_init(&t, &x86_npt_svm));
	assert_false(x86_npt_find(&t, 1ull << 48, &l));
	assert_int_equal(x86_npt_translate(&t, 1ull << 48), ~0ull);
	x86_npt_fini(&t);
	fake_check_idle();
}

static void map_small(struct x86_npt *t, uint64_t gpa)
{
	uint64_t pas[3];
	void *have[3];
	uint32_t n;
	struct x86_npt_stock s = { have, pas, &n };

	for (n = 0; n < 3; n++)
		have[n] = os_page_alloc(&pas[n]);
	assert_true(x86_npt_map(t, &s, gpa, 1ull << 40, 1, R, false));
	while (n > 0)
		os_page_free(have[--n]);
}

/* Up to there: so it takes no longer the next time. */
static void pruning_goes_up_to_a_leaf(void **state)
{
	const uint64_t leaf = 300 * MIB2;
	struct x86_npt t;
	uint64_t gpa;

	(void)state;
	fake_reset();
	assert_ok(x86_npt_init(&t, &x86_npt_svm));
	for (gpa = 0; gpa < 1ull << 30; gpa += MIB2)
		map_small(&t, gpa);
	assert_int_equal(t.tables, 2 + 512);
	assert_null(x86_npt_prune(&t, 0, 1ull << 30, true));
	(void)x86_npt_apply(&t, 0, leaf, X86_NPT_ZAP, 0, NULL, NULL);
	(void)x86_npt_apply(&t, leaf + MIB2, 100 * MIB2, X86_NPT_ZAP, 0, NULL,
	    NULL);
	x86_npt_free(x86_npt_prune(&t, 0, 1ull << 30, true));
	assert_int_equal(t.tables, 2 + 512 - 300);
	assert_null(x86_npt_prune(&t, 0, 1ull << 30, true));
	x86_npt_free(x86_npt_prune(&t, 0, 1ull << 30, false));
	assert_int_equal(t.tables, 2 + 512 - 400);
	x86_npt_fini(&t);
	fake_check_idle();
}

/* What the manuals have, bit by bit: APM vol. 2 15.25.5, SDM 3C 28.3.2. */
static void entries_are_as_the_manuals_have_them(void **state)
{
	static const struct {
		const struct x86_npt_format *f;
		unsigned level;
		uint32_t prot;
		bool dirty;
		uint64_t leaf, table;
	} want[] = {
		{ &x86_npt_svm, 1, R, false, 0x8000000000000025, 0x27 },
		{ &x86_npt_svm, 1, RW, false, 0x8000000000000027, 0x27 },
		{ &x86_npt_svm, 1, RWX, true, 0x67, 0x27 },
		{ &x86_npt_svm, 2, RX, false, 0xa5, 0x27 },
		{ &x86_npt_ept, 1, R, false, 0x171, 0x107 },
		{ &x86_npt_ept, 1, RWX, true, 0x377, 0x107 },
		{ &x86_npt_ept, 2, RW, false, 0x1f3, 0x107 },
		{ &x86_npt_ept_plain, 1, RWX, true, 0x77, 0x7 },
		{ &x86_npt_ept_plain, 3, RX, false, 0xf5, 0x7 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		uint64_t pas[3], pa = 1ull << 40;
		void *have[3];
		uint32_t n;
		struct x86_npt_stock s = { have, pas, &n };

		fake_reset();
		memset(&m, 0, sizeof(m));
		assert_ok(x86_npt_init(&m.t, want[i].f));
		for (n = 0; n < 3; n++)
			have[n] = os_page_alloc(&pas[n]);
		assert_true(x86_npt_map(&m.t, &s, 0, pa, want[i].level,
		    want[i].prot, want[i].dirty));
		assert_int_equal(*entry_at(0), pa | want[i].leaf);
		assert_int_equal(m.t.root[0] & ~X86_NPT_ADDR, want[i].table);
		while (n > 0)
			os_page_free(have[--n]);
		x86_npt_fini(&m.t);
		fake_check_idle();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_as_the_manuals_have_them),
		cmocka_unit_test(svm_tables_are_as_a_model_has_them),
		cmocka_unit_test(ept_tables_are_as_a_model_has_them),
		cmocka_unit_test(ept_without_dirty_is_as_a_model_has_it),
		cmocka_unit_test(pruning_goes_up_to_a_leaf),
		cmocka_unit_test(init_fails_without_memory),
		cmocka_unit_test(nothing_is_beyond_48_bits),
	};

	return RUN(tests);
}
