/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dirty.c - which pages the guest has written.  It is in the leaves (dirty
 * bit, or the right to write where there is none) and, for leaves that are
 * gone, in the region's bitmap.
 */
#include "stats.h"

/* Pages of one step, and what their bits take. */
#define STEP_PAGES	16384u
#define STEP_WORDS	(STEP_PAGES / 64)
#define STEP_SIZE	((uint64_t)STEP_PAGES << VMM_PAGE_SHIFT)

/* [m] Is the range whole regions, and where do they begin? */
static int whole(const struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint32_t *first)
{
	uint32_t last;

	if (!vmm_is_backed(m, gpa, size, first))
		return ENOENT;
	last = vmm_region_index(m, gpa + size - 1);
	if (m->regions[*first]->gpa != gpa || m->regions[last]->gpa +
	    m->regions[last]->size != gpa + size)
		return EINVAL;
	return 0;
}

/* ---- on and off ---- */

/* [m] Forget what the region's pages were until now; its bitmap is new. */
static void restart(struct vmm_machine *m, const struct vmm_region *r)
{
	uint64_t at = 0;

	while (at < r->size) {
		uint64_t n = r->size - at < STEP_SIZE ? r->size - at :
		    STEP_SIZE;
		uint64_t words = ((n >> VMM_PAGE_SHIFT) + 63) / 64;

		os_spin_lock(&m->nested_lock);
		/* Large leaves, too: they come again as small ones. */
		if (vmm_leaves(m, r->gpa + at, n, X86_NPT_ZAP, 0))
			vmm_flush(m);
		memset(&r->dirty->words[(at >> VMM_PAGE_SHIFT) / 64], 0,
		    words * sizeof(uint64_t));
		os_spin_unlock(&m->nested_lock);
		(void)os_resched();
		at += n;
	}
}

/* [m] Exchange the region's bitmap for another, or for none. */
static struct vmm_bitmap *exchange(struct vmm_machine *m, struct vmm_region *r,
    struct vmm_bitmap *dirty)
{
	struct vmm_bitmap *old;

	os_spin_lock(&m->nested_lock);
	old = r->dirty;
	r->dirty = dirty;
	r->dirty_at = 0;
	/* A fault that is under way may be about to add a large leaf. */
	m->region_gen++;
	os_spin_unlock(&m->nested_lock);
	return old;
}

static void disable(struct vmm_machine *m, uint32_t first, uint64_t end)
{
	for (; first < m->nregions && m->regions[first]->gpa < end; first++)
		vmm_bitmap_put(exchange(m, m->regions[first], NULL));
}

static struct vmm_bitmap *bitmap_create(const struct vmm_region *r)
{
	size_t words = (size_t)((r->size >> VMM_PAGE_SHIFT) + 63) / 64;
	struct vmm_bitmap *b;

	b = os_zalloc(sizeof(*b) + words * sizeof(b->words[0]));
	if (b != NULL)
		b->refs = 1;
	return b;
}

static int enable(struct vmm_machine *m, uint32_t first, uint64_t end)
{
	struct vmm_bitmap **maps;
	uint32_t n = 0, i;
	int error = 0;

	while (first + n < m->nregions && m->regions[first + n]->gpa < end)
		if (m->regions[first + n++]->size > VMM_DIRTY_MAX)
			return ENOSPC;
	maps = os_zalloc(n * sizeof(*maps));
	if (maps == NULL)
		return ENOMEM;
	for (i = 0; i < n && error == 0; i++) {
		maps[i] = bitmap_create(m->regions[first + i]);
		if (maps[i] == NULL)
			error = ENOMEM;
	}
	for (i = 0; i < n; i++) {
		struct vmm_region *r = m->regions[first + i];

		if (error == 0) {
			maps[i] = exchange(m, r, maps[i]);
			restart(m, r);
		}
		vmm_bitmap_put(maps[i]);
	}
	os_free(maps);
	return error;
}

/* ---- asking ---- */

/* [n] Move (or copy) the bits of region r for [gpa, gpa + size) to words,
 * whose bit 0 is the page at gpa. */
static void gather(struct vmm_region *r, uint64_t gpa, uint64_t size,
    uint64_t *words, bool clear)
{
	uint64_t from = r->gpa > gpa ? r->gpa : gpa, end = gpa + size;
	uint64_t to = r->gpa + r->size < end ? r->gpa + r->size : end;

	while (from < to) {
		uint64_t bit = (from - gpa) >> VMM_PAGE_SHIFT;
		uint64_t left = (to - from) >> VMM_PAGE_SHIFT;
		uint64_t *word, n, mask, bits;
		uint32_t first;

		word = vmm_dirty_word(r, from, &first);
		n = 64 - first;
		n = n < left ? n : left;
		mask = (n == 64 ? ~0ull : (1ull << n) - 1) << first;
		bits = (*word & mask) >> first;
		if (clear)
			*word &= ~mask;
		words[bit / 64] |= bits << (bit % 64);
		if (bit % 64 != 0 && n > 64 - bit % 64)
			words[bit / 64 + 1] |= bits >> (64 - bit % 64);
		from += n << VMM_PAGE_SHIFT;
	}
}

/* [n] The other way: they could not be told.  What has no log any more is
 * nobody's. */
static void give_back(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    const uint64_t *words)
{
	uint64_t i;

	for (i = 0; i < size >> VMM_PAGE_SHIFT; i++) {
		uint64_t at = gpa + (i << VMM_PAGE_SHIFT), *word;
		struct vmm_region *r;
		uint32_t bit;

		if ((words[i / 64] >> (i % 64) & 1) == 0)
			continue;
		r = vmm_region_find(m, at);
		if (r == NULL || r->dirty == NULL)
			continue;
		word = vmm_dirty_word(r, at, &bit);
		*word |= 1ull << bit;
	}
}

/* [m] Does all of the range have one? */
static int is_logged(const struct vmm_machine *m, uint64_t gpa, uint64_t size)
{
	uint32_t i;

	if (!vmm_is_backed(m, gpa, size, &i))
		return ENOENT;
	for (; i < m->nregions && m->regions[i]->gpa < gpa + size; i++)
		if (m->regions[i]->dirty == NULL)
			return ENOENT;
	return 0;
}

/* [m] One step.  What is written between the dirty bits' end and the flush is
 * in this answer, since the bit was set: nothing is lost. */
static void ask(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    bool clear, uint64_t *words)
{
	uint32_t i;

	os_spin_lock(&m->nested_lock);
	if (vmm_leaves(m, gpa, size, clear ? X86_NPT_CLEAN : X86_NPT_LOOK, 0))
		vmm_flush(m);
	for (i = vmm_region_index(m, gpa);
	    i < m->nregions && m->regions[i]->gpa < gpa + size; i++)
		gather(m->regions[i], gpa, size, words, clear);
	os_spin_unlock(&m->nested_lock);
}

/* No lock is held while the answer is written: that could take as long as the
 * owner of the memory likes. */
static int tell(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint64_t uaddr, bool clear, uint64_t *words)
{
	uint64_t n = ((size >> VMM_PAGE_SHIFT) + 63) / 64;
	int error;

	memset(words, 0, n * sizeof(uint64_t));
	os_mutex_lock(&m->lock);
	/* It may have ended since the last step. */
	error = is_logged(m, gpa, size);
	if (error == 0)
		ask(m, gpa, size, clear, words);
	os_mutex_unlock(&m->lock);
	if (error != 0)
		return error;
	error = os_copyout(uaddr, words, n * sizeof(uint64_t));
	if (error != 0 && clear) {
		os_spin_lock(&m->nested_lock);
		give_back(m, gpa, size, words);
		os_spin_unlock(&m->nested_lock);
	}
	return error;
}

static int get(struct vmm_machine *m, const struct vmm_dirty_log *a)
{
	bool clear = (a->op & VMM_DIRTY_CLEAR) != 0;
	uint64_t at = 0, *words;
	uint32_t first;
	int error;

	os_mutex_lock(&m->lock);
	error = whole(m, a->gpa, a->size, &first);
	if (error == 0)
		error = is_logged(m, a->gpa, a->size);
	os_mutex_unlock(&m->lock);
	if (error != 0)
		return error;
	words = os_zalloc((STEP_WORDS + 1) * sizeof(uint64_t));
	if (words == NULL)
		return ENOMEM;
	while (at < a->size && error == 0) {
		uint64_t n = a->size - at < STEP_SIZE ? a->size - at :
		    STEP_SIZE;

		error = tell(m, a->gpa + at, n,
		    a->bitmap + (at >> VMM_PAGE_SHIFT) / 8, clear, words);
		(void)os_resched();
		at += n;
	}
	os_free(words);
	return error;
}

int vmm_dirty_log(struct vmm_machine *m, const struct vmm_dirty_log *a)
{
	uint32_t what = a->op & ~VMM_DIRTY_CLEAR, first;
	int error;

	if (a->reserved != 0 || !vmm_is_range(a->gpa, a->size))
		return EINVAL;
	if (what != VMM_DIRTY_ENABLE && what != VMM_DIRTY_DISABLE &&
	    what != VMM_DIRTY_GET)
		return EINVAL;
	if (what != VMM_DIRTY_GET && (a->op != what || a->bitmap != 0))
		return EINVAL;
	if (what == VMM_DIRTY_GET)
		return get(m, a);
	os_mutex_lock(&m->lock);
	error = whole(m, a->gpa, a->size, &first);
	if (error == 0) {
		if (what == VMM_DIRTY_ENABLE)
			error = enable(m, first, a->gpa + a->size);
		else
			disable(m, first, a->gpa + a->size);
	}
	os_mutex_unlock(&m->lock);
	return error;
}
