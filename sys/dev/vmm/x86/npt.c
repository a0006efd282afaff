/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * npt.c - building and changing nested page tables.  Processors walk the
 * tables and set accessed and dirty bits meanwhile, so that what is in use is
 * only exchanged; who may call what at the same time is the caller's business.
 */
#include "npt.h"
#include "../core/os.h"
#include "../vmm_ioctl.h"

#define LEVELS	4u
#define ENTRIES	512u

/* APM vol. 2 15.25.5: as long-mode tables, every leaf a user page. */
const struct x86_npt_format x86_npt_svm = {
	.table = 0x27, /* P RW US A */
	.leaf = 0x05, /* P US; memory type: PAT entry 0 */
	.write = 1ull << 1,
	.no_exec = 1ull << 63,
	.large = 1ull << 7,
	.accessed = 1ull << 5,
	.dirty = 1ull << 6,
	.present = 1ull << 0,
};

/* SDM vol. 3C 28.3.2, tables 28-1 to 28-6; write back, the guest's PAT
 * ignored. */
const struct x86_npt_format x86_npt_ept = {
	.table = 0x107, /* R W X A */
	.leaf = 0x71, /* R, type 6, IPAT */
	.write = 1ull << 1,
	.exec = 1ull << 2,
	.large = 1ull << 7,
	.accessed = 1ull << 8,
	.dirty = 1ull << 9,
	.present = 7,
};

const struct x86_npt_format x86_npt_ept_plain = {
	.table = 0x07,
	.leaf = 0x71,
	.write = 1ull << 1,
	.exec = 1ull << 2,
	.large = 1ull << 7,
	.present = 7,
};

static unsigned index_of(uint64_t gpa, unsigned level)
{
	return (unsigned)(gpa >> (12 + 9 * (level - 1))) & (ENTRIES - 1);
}

static uint64_t *table_of(uint64_t entry)
{
	return os_page_at(entry & X86_NPT_ADDR);
}

static bool is_present(const struct x86_npt_format *f, uint64_t entry)
{
	return (entry & f->present) != 0;
}

/* Of a present entry. */
static bool is_leaf(const struct x86_npt_format *f, uint64_t entry,
    unsigned level)
{
	return level == 1 || (entry & f->large) != 0;
}

static uint64_t leaf_pages(unsigned level)
{
	return X86_NPT_SPAN(level) >> 12;
}

static void describe(const struct x86_npt_format *f, uint64_t entry,
    uint64_t gpa, unsigned level, struct x86_npt_leaf *out)
{
	uint64_t offset = X86_NPT_SPAN(level) - 1;

	out->gpa = gpa & ~offset;
	out->pa = entry & X86_NPT_ADDR & ~offset;
	out->level = level;
	out->prot = VMM_PROT_READ;
	if ((entry & f->write) != 0)
		out->prot |= VMM_PROT_WRITE;
	if (f->exec != 0 ? (entry & f->exec) != 0 : (entry & f->no_exec) == 0)
		out->prot |= VMM_PROT_EXEC;
	out->dirty = (entry & (f->dirty != 0 ? f->dirty : f->write)) != 0;
	out->accessed = f->accessed == 0 || (entry & f->accessed) != 0;
}

int x86_npt_init(struct x86_npt *t, const struct x86_npt_format *f)
{
	t->f = f;
	t->leaves = t->tables = t->walked = 0;
	t->root = os_page_alloc(&t->root_pa);
	return t->root != NULL ? 0 : ENOMEM;
}

static void free_below(const struct x86_npt_format *f, uint64_t *table,
    unsigned level)
{
	unsigned i;

	for (i = 0; level > 1 && i < ENTRIES; i++)
		if (is_present(f, table[i]) && !is_leaf(f, table[i], level))
			free_below(f, table_of(table[i]), level - 1);
	os_page_free(table);
	os_relax(true);
}

void x86_npt_fini(struct x86_npt *t)
{
	if (t->root != NULL)
		free_below(t->f, t->root, LEVELS);
	t->root = NULL;
	t->leaves = t->tables = 0;
}

static uint64_t make_leaf(const struct x86_npt_format *f, uint64_t pa,
    unsigned level, uint32_t prot, bool dirty)
{
	uint64_t entry = pa | f->leaf | f->accessed;

	if (level > 1)
		entry |= f->large;
	if ((prot & VMM_PROT_WRITE) != 0)
		entry |= f->write;
	entry |= (prot & VMM_PROT_EXEC) != 0 ? f->exec : f->no_exec;
	if (dirty)
		entry |= f->dirty;
	return entry;
}

bool x86_npt_map(struct x86_npt *t, struct x86_npt_stock *s, uint64_t gpa,
    uint64_t pa, unsigned level, uint32_t prot, bool dirty)
{
	const struct x86_npt_format *f = t->f;
	uint64_t *table = t->root, *entry, old, new;
	unsigned at = LEVELS;

	for (;;) {
		entry = &table[index_of(gpa, at)];
		old = OS_READ(*entry);
		if (at == level || !is_present(f, old))
			break;
		if (is_leaf(f, old, at))
			return false;
		table = table_of(old);
		at--;
	}
	if (at == level && is_present(f, old) && !is_leaf(f, old, at))
		return false;
	if (at - level > *s->n)
		return false;
	t->tables += at - level;
	for (; at > level; at--) {
		uint32_t n = --*s->n;

		/* Zeroed since it was allocated, which os_page_alloc() has
		 * ordered before this. */
		OS_WRITE(*entry, s->pas[n] | f->table);
		entry = (uint64_t *)s->pages[n] + index_of(gpa, at - 1);
		old = 0;
	}
	if (!is_present(f, old))
		t->leaves += leaf_pages(level);
	new = make_leaf(f, pa, level, prot, dirty);
	for (;;) {
		uint64_t kept = new, seen;

		if (((old ^ new) & X86_NPT_ADDR) == 0)
			kept |= old & f->dirty;
		seen = os_cmpxchg64(entry, old, kept);
		if (seen == old)
			return true;
		old = seen;
	}
}

bool x86_npt_find(const struct x86_npt *t, uint64_t gpa,
    struct x86_npt_leaf *out)
{
	const struct x86_npt_format *f = t->f;
	uint64_t *table = t->root, entry;
	unsigned level;

	if (gpa >> 48 != 0)
		return false;
	for (level = LEVELS;; level--) {
		entry = OS_READ(table[index_of(gpa, level)]);
		if (!is_present(f, entry))
			return false;
		if (is_leaf(f, entry, level))
			break;
		table = table_of(entry);
	}
	describe(f, entry, gpa, level, out);
	return true;
}

struct visit {
	struct x86_npt *t;
	enum x86_npt_op op;
	uint32_t arg;
	void (*seen)(void *cookie, const struct x86_npt_leaf *leaf);
	void *cookie;
	uint64_t changed;
};

/* What the operation makes of a leaf. */
static uint64_t operate(const struct visit *v, uint64_t entry)
{
	const struct x86_npt_format *f = v->t->f;

	switch (v->op) {
	case X86_NPT_ZAP:
		return 0;
	case X86_NPT_PROTECT:
		if ((v->arg & VMM_PROT_READ) == 0)
			return 0;
		if ((v->arg & VMM_PROT_WRITE) == 0)
			entry &= ~f->write;
		if ((v->arg & VMM_PROT_EXEC) == 0)
			entry = (entry & ~f->exec) | f->no_exec;
		return entry;
	case X86_NPT_CLEAN:
		return entry & ~(f->dirty != 0 ? f->dirty : f->write);
	case X86_NPT_AGE:
		return entry & ~f->accessed;
	case X86_NPT_LOOK:
		break;
	}
	return entry;
}

static void visit_leaf(struct visit *v, uint64_t *entry, uint64_t old,
    uint64_t gpa, unsigned level)
{
	const struct x86_npt_format *f = v->t->f;
	struct x86_npt_leaf leaf;
	uint64_t new, seen;

	for (;;) {
		new = operate(v, old);
		if (new == old)
			break;
		seen = os_cmpxchg64(entry, old, new);
		if (seen == old)
			break;
		old = seen;
	}
	if (!is_present(f, new))
		v->t->leaves -= leaf_pages(level);
	if (new != old && v->op != X86_NPT_AGE)
		v->changed++;
	if (v->seen != NULL) {
		describe(f, old, gpa, level, &leaf);
		v->seen(v->cookie, &leaf);
	}
}

/* Of a table at gpa, what meets first to last. */
static void visit_table(struct visit *v, uint64_t *table, unsigned level,
    uint64_t gpa, uint64_t first, uint64_t last)
{
	const struct x86_npt_format *f = v->t->f;
	uint64_t span = X86_NPT_SPAN(level);
	unsigned from = first > gpa ? index_of(first, level) : 0, i = from;

	for (gpa += i * span; i < ENTRIES && gpa <= last; i++, gpa += span) {
		uint64_t entry = OS_READ(table[i]);

		if (!is_present(f, entry))
			continue;
		if (is_leaf(f, entry, level))
			visit_leaf(v, &table[i], entry, gpa, level);
		else
			visit_table(v, table_of(entry), level - 1, gpa, first,
			    last);
	}
	v->t->walked += i - from;
}

uint64_t x86_npt_apply(struct x86_npt *t, uint64_t gpa, uint64_t size,
    enum x86_npt_op op, uint32_t arg,
    void (*seen)(void *cookie, const struct x86_npt_leaf *leaf), void *cookie)
{
	struct visit v = {
		.t = t,
		.op = op,
		.arg = arg,
		.seen = seen,
		.cookie = cookie,
	};

	if (size != 0 && t->leaves != 0)
		visit_table(&v, t->root, LEVELS, 0, gpa, gpa + size - 1);
	return v.changed;
}

/*
 * A table that was taken out: entry 0 leads to the next one by an address
 * that is a page's, and so is "not present" in every format; nothing else is
 * in it.
 */
static void chain(uint64_t *table, void **list)
{
	OS_WRITE(table[0], (uint64_t)(uintptr_t)*list);
	*list = table;
}

struct pruning {
	struct x86_npt *t;
	uint64_t first, last;
	bool to_leaf, over;
	void *list;
};

/* True when nothing is left in the table. */
static bool prune_table(struct pruning *p, uint64_t *table, unsigned level,
    uint64_t gpa)
{
	const struct x86_npt_format *f = p->t->f;
	uint64_t span = X86_NPT_SPAN(level);
	bool empty = true;
	unsigned i;

	for (i = 0; i < ENTRIES && !p->over; i++, gpa += span) {
		uint64_t entry = table[i];

		if (!is_present(f, entry))
			continue;
		if (gpa > p->last || gpa + span - 1 < p->first) {
			empty = false;
		} else if (is_leaf(f, entry, level)) {
			empty = false;
			p->over = p->to_leaf;
		} else if (prune_table(p, table_of(entry), level - 1, gpa)) {
			OS_WRITE(table[i], 0);
			chain(table_of(entry), &p->list);
			p->t->tables--;
		} else {
			empty = false;
		}
	}
	return empty;
}

void *x86_npt_prune(struct x86_npt *t, uint64_t gpa, uint64_t size,
    bool to_leaf)
{
	struct pruning p = { .t = t, .first = gpa, .last = gpa + size - 1,
	    .to_leaf = to_leaf };

	if (size != 0)
		(void)prune_table(&p, t->root, LEVELS, 0);
	return p.list;
}

void x86_npt_free(void *tables)
{
	while (tables != NULL) {
		void *next = (void *)(uintptr_t) *(uint64_t *)tables;

		os_page_free(tables);
		os_relax(true);
		tables = next;
	}
}
