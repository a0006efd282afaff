// SPDX-License-Identifier: BSD-2-Clause
/*
 * pt.c - page tables of spaces and the pool their pages come from.  Knows
 * neither memory ranges nor backends.
 */
#include "pt.h"
#include "os.h"

#include <errno.h>
#include <string.h>

#define LEVELS		4
#define ENTRIES		512u
#define SPAN(level)	(1ull << (PAGE_SHIFT + 9 * ((level) - 1)))

int pt_pool_init(struct pt_pool *p, uint64_t size)
{
	p->hva = os_pages_alloc(size);
	if (p->hva == NULL)
		return -ENOMEM;
	p->size = size;
	p->used = VMMCTL_PAGE_SIZE;	/* so that 0 is no page */
	p->free = 0;
	return 0;
}

void pt_pool_fini(struct pt_pool *p)
{
	os_pages_free(p->hva, p->size);
	p->hva = NULL;
}

static uint64_t *page_at(struct pt_pool *p, uint64_t gpa)
{
	return (uint64_t *)(void *)(p->hva + (gpa - p->gpa));
}

/* A zeroed page by its guest-physical address, 0 when there is none. */
static uint64_t page_alloc(struct pt_pool *p)
{
	uint64_t off = p->free, *page;

	if (off != 0) {
		page = (uint64_t *)(void *)(p->hva + off);
		p->free = page[0];
		page[0] = 0;
	} else {
		if (p->used == p->size)
			return 0;
		off = p->used;
		p->used += VMMCTL_PAGE_SIZE;
	}
	return p->gpa + off;
}

static void page_free(struct vmmctl_machine *m, uint64_t gpa)
{
	struct pt_pool *p = &m->pool;
	uint64_t *page = page_at(p, gpa);

	if (m->v->ops->table_freed != NULL)
		m->v->ops->table_freed(m, gpa);
	memset(page, 0, VMMCTL_PAGE_SIZE);
	page[0] = p->free;
	p->free = gpa - p->gpa;
}

static bool is_table(uint64_t entry, int level)
{
	return level > 1 && (entry & PTE_P) != 0 && (entry & PT_MAPPED) == 0;
}

/*
 * Free the table of that level and what is below it.  The upper half of a
 * root is the backend's.
 */
static void free_tree(struct vmmctl_machine *m, uint64_t gpa, int level)
{
	uint64_t *table = page_at(&m->pool, gpa);
	unsigned n = level == LEVELS ? ENTRIES / 2 : ENTRIES;

	for (unsigned i = 0; i < n; i++)
		if (is_table(table[i], level))
			free_tree(m, table[i] & PTE_ADDR, level - 1);
	page_free(m, gpa);
}

int pt_init(struct vmmctl_space *s)
{
	struct pt_pool *p = &s->m->pool;

	s->root_gpa = page_alloc(p);
	if (s->root_gpa == 0)
		return -ENOMEM;
	s->root = page_at(p, s->root_gpa);
	return 0;
}

void pt_fini(struct vmmctl_space *s)
{
	if (s->root != NULL)
		free_tree(s->m, s->root_gpa, LEVELS);
	s->root = NULL;
}

static uint64_t leaf_bits(uint32_t prot, uint32_t hw)
{
	uint64_t bits = PT_MAPPED | PTE_U | PTE_A;

	if (prot & VMMCTL_PROT_READ)
		bits |= PT_R;
	if (prot & VMMCTL_PROT_WRITE)
		bits |= PT_W;
	if (prot & VMMCTL_PROT_EXEC)
		bits |= PT_X;
	if (hw & VMMCTL_PROT_READ)
		bits |= PTE_P;
	if (hw & VMMCTL_PROT_WRITE)
		bits |= PTE_W | PTE_D;
	if ((hw & VMMCTL_PROT_EXEC) == 0)
		bits |= PTE_NX;
	return bits;
}

struct request {
	struct vmmctl_machine *m;
	uint64_t gva, end, gpa;
	uint64_t bits;		/* 0: unmap */
};

/* Hardware may walk the table meanwhile: one store per entry. */
static void store(uint64_t *entry, uint64_t value)
{
	*(volatile uint64_t *)entry = value;
}

/* Put a table under *entry that says what *entry said. */
static uint64_t *split(struct pt_pool *p, uint64_t *entry, int level)
{
	uint64_t old = *entry, gpa = page_alloc(p), *table;

	if (gpa == 0)
		return NULL;
	table = page_at(p, gpa);
	if (old & PT_MAPPED) {
		uint64_t leaf = level == 2 ? old & ~PTE_PS : old;

		for (unsigned i = 0; i < ENTRIES; i++)
			table[i] = leaf + i * SPAN(level - 1);
	}
	store(entry, gpa | PTE_P | PTE_W | PTE_U | PTE_A);
	return table;
}

static int change(struct request *q, uint64_t *table, int level)
{
	uint64_t span = SPAN(level);
	unsigned i = (unsigned)(q->gva / span) % ENTRIES;

	for (; i < ENTRIES && q->gva < q->end; i++) {
		uint64_t base = q->gva & ~(span - 1);
		bool whole = q->gva == base && q->end - base >= span;
		bool leaf = level == 1 || (whole && (q->bits == 0 ||
		    (level == 2 && (q->gpa & (span - 1)) == 0)));
		uint64_t *entry = &table[i], *next;
		int err;

		if (leaf) {
			uint64_t old = *entry;

			store(entry, q->bits == 0 ? 0 : q->bits | q->gpa |
			    (level > 1 ? PTE_PS : 0));
			if (is_table(old, level))
				free_tree(q->m, old & PTE_ADDR, level - 1);
		} else if (q->bits == 0 && *entry == 0) {
			/* a hole */
		} else {
			next = is_table(*entry, level) ?
			    page_at(&q->m->pool, *entry & PTE_ADDR) :
			    split(&q->m->pool, entry, level);
			if (next == NULL)
				return -ENOMEM;
			err = change(q, next, level - 1);
			if (err != 0)
				return err;
			continue;	/* q has moved on */
		}
		span = base + span > q->end ? q->end - q->gva :
		    base + span - q->gva;
		q->gva += span;
		q->gpa += span;
		span = SPAN(level);
	}
	return 0;
}

int pt_map(struct vmmctl_space *s, uint64_t gva, uint64_t len, uint64_t gpa,
    uint32_t prot, uint32_t hw, uint64_t *done)
{
	struct request q = { s->m, gva, gva + len, gpa,
	    leaf_bits(prot, hw) };
	int err = change(&q, s->root, LEVELS);

	*done = q.gva;
	return err;
}

int pt_unmap(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint64_t *done)
{
	struct request q = { s->m, gva, gva + len, 0, 0 };
	int err = change(&q, s->root, LEVELS);

	*done = q.gva;
	return err;
}

void pt_find(struct vmmctl_space *s, uint64_t gva, struct pt_leaf *out)
{
	uint64_t *table = s->root, e = 0, span = 0;

	for (int level = LEVELS; level >= 1; level--) {
		span = SPAN(level);
		e = table[(gva / span) % ENTRIES];
		if (!is_table(e, level))
			break;
		table = page_at(&s->m->pool, e & PTE_ADDR);
	}
	out->gva = gva & ~(span - 1);
	out->len = span;
	out->mapped = (e & PT_MAPPED) != 0;
	out->gpa = e & PTE_ADDR & ~(span - 1);
	out->prot = (e & PT_R ? VMMCTL_PROT_READ : 0) |
	    (e & PT_W ? VMMCTL_PROT_WRITE : 0) |
	    (e & PT_X ? VMMCTL_PROT_EXEC : 0);
	out->hw = (e & PTE_P) == 0 ? 0 : VMMCTL_PROT_READ |
	    (e & PTE_W ? VMMCTL_PROT_WRITE : 0) |
	    (e & PTE_NX ? 0 : VMMCTL_PROT_EXEC);
}
