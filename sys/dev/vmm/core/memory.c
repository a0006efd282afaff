/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - which of the owner's addresses are behind which guest-physical
 * ones: a sorted array of regions.  What can fail comes before the first
 * change.
 */
#include "stats.h"

#define PROT_ALL	(VMM_PROT_READ | VMM_PROT_WRITE | VMM_PROT_EXEC)

uint32_t vmm_region_index(const struct vmm_machine *m, uint64_t gpa)
{
	uint32_t low = 0, high = m->nregions;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct vmm_region *r = m->regions[middle];

		if (r->gpa + r->size > gpa)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct vmm_region *vmm_region_find(const struct vmm_machine *m, uint64_t gpa)
{
	uint32_t i = vmm_region_index(m, gpa);

	return i < m->nregions && m->regions[i]->gpa <= gpa ? m->regions[i] :
	    NULL;
}

/* ---- checks ---- */

bool vmm_is_range(uint64_t gpa, uint64_t size)
{
	uint64_t limit = 1ull << vmm_hw.gpa_bits;

	return ((gpa | size) & VMM_PAGE_MASK) == 0 && size != 0 &&
	    size <= limit && gpa <= limit - size;
}

static bool is_prot(uint32_t prot)
{
	return (prot & ~PROT_ALL) == 0 && (prot & VMM_PROT_READ) != 0;
}

bool vmm_is_backed(const struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint32_t *first)
{
	uint64_t end = gpa + size;
	uint32_t i = vmm_region_index(m, gpa);

	*first = i;
	while (i < m->nregions && m->regions[i]->gpa <= gpa) {
		gpa = m->regions[i]->gpa + m->regions[i]->size;
		if (gpa >= end)
			return true;
		i++;
	}
	return false;
}

/* ---- changes of the array ---- */

/* [m] Room for n more. */
static int reserve(struct vmm_machine *m, uint32_t n)
{
	struct vmm_region **bigger, **old = m->regions;
	uint32_t cap = m->cap_regions;

	if (m->nregions + n <= cap)
		return 0;
	cap = cap == 0 ? 8 : 2 * cap;
	bigger = os_zalloc(cap * sizeof(struct vmm_region *));
	if (bigger == NULL)
		return ENOMEM;
	if (m->nregions != 0)
		memcpy(bigger, old, m->nregions * sizeof(*bigger));
	os_spin_lock(&m->nested_lock);
	m->regions = bigger;
	m->cap_regions = cap;
	os_spin_unlock(&m->nested_lock);
	os_free(old);
	return 0;
}

/* [m, n] */
static void insert(struct vmm_machine *m, uint32_t at, struct vmm_region *r)
{
	memmove(&m->regions[at + 1], &m->regions[at],
	    (m->nregions - at) * sizeof(m->regions[0]));
	m->regions[at] = r;
	m->nregions++;
	m->region_gen++;
	(void)os_fetch_add64(&vmm_live.regions, 1);
}

void vmm_bitmap_put(struct vmm_bitmap *b)
{
	if (b != NULL && --b->refs == 0)
		os_free(b);
}

static void free_region(struct vmm_region *r)
{
	if (r != NULL)
		vmm_bitmap_put(r->dirty);
	os_free(r);
}

/* [m] Where gpa is inside a region, what is above is to be one of its own:
 * *out is what it needs for that, or NULL. */
static int prepare_cut(const struct vmm_machine *m, uint64_t gpa,
    struct vmm_region **out)
{
	const struct vmm_region *r = vmm_region_find(m, gpa);
	struct vmm_region *n;

	*out = NULL;
	if (r == NULL || r->gpa == gpa)
		return 0;
	n = os_zalloc(sizeof(*n));
	if (n == NULL)
		return ENOMEM;
	n->gpa = gpa;
	n->size = r->gpa + r->size - gpa;
	n->uaddr = r->uaddr + (gpa - r->gpa);
	n->prot = r->prot;
	*out = n;
	return 0;
}

/* [m, n] n is the upper part of the region below it; a cut above may have made
 * it smaller since it was prepared. */
static void cut(struct vmm_machine *m, struct vmm_region *n)
{
	uint32_t i = vmm_region_index(m, n->gpa);
	struct vmm_region *r = m->regions[i];

	n->size = r->gpa + r->size - n->gpa;
	r->size -= n->size;
	n->dirty = r->dirty;
	n->dirty_at = r->dirty_at + (r->size >> VMM_PAGE_SHIFT);
	if (n->dirty != NULL)
		n->dirty->refs++;
	insert(m, i + 1, n);
}

/* [m] Make gpa and gpa + size ends of regions; nothing else changes. */
static int cut_ends(struct vmm_machine *m, uint64_t gpa, uint64_t size)
{
	struct vmm_region *above, *low;
	uint32_t n;
	int error;

	error = prepare_cut(m, gpa + size, &above);
	if (error != 0)
		return error;
	error = prepare_cut(m, gpa, &low);
	n = (above != NULL ? 1u : 0) + (low != NULL ? 1u : 0);
	if (error == 0 && m->nregions + n > VMM_MAX_REGIONS)
		error = ENOSPC;
	if (error == 0)
		error = reserve(m, n);
	if (error != 0) {
		free_region(above);
		free_region(low);
		return error;
	}
	os_spin_lock(&m->nested_lock);
	if (above != NULL)
		cut(m, above);
	if (low != NULL)
		cut(m, low);
	os_spin_unlock(&m->nested_lock);
	return 0;
}

/* [m] Of whole regions. */
static void set_prot(struct vmm_machine *m, uint32_t first, uint64_t end,
    uint32_t prot)
{
	os_spin_lock(&m->nested_lock);
	m->region_gen++;
	for (; first < m->nregions && m->regions[first]->gpa < end; first++)
		m->regions[first]->prot = prot;
	os_spin_unlock(&m->nested_lock);
}

/* ---- the ioctls ---- */

static int map(struct vmm_machine *m, const struct vmm_memory *a,
    struct vmm_region *r)
{
	uint32_t at = vmm_region_index(m, a->gpa);
	int error;

	if (at < m->nregions && m->regions[at]->gpa < a->gpa + a->size)
		return EEXIST;
	if (m->nregions == VMM_MAX_REGIONS)
		return ENOSPC;
	if (m->max_memory != 0 && (a->size > m->max_memory ||
	    m->memory > m->max_memory - a->size))
		return ENOMEM;
	error = reserve(m, 1);
	if (error != 0)
		return error;
	os_spin_lock(&m->nested_lock);
	insert(m, at, r);
	os_spin_unlock(&m->nested_lock);
	OS_WRITE(m->memory, m->memory + a->size);
	return 0;
}

int vmm_memory_map(struct vmm_machine *m, const struct vmm_memory *a)
{
	struct vmm_region *r;
	int error;

	if (a->flags != 0 || !vmm_is_range(a->gpa, a->size) || !is_prot(a->prot) ||
	    (a->uaddr & VMM_PAGE_MASK) != 0 ||
	    !os_user_range(a->uaddr, a->size))
		return EINVAL;
	r = os_zalloc(sizeof(*r));
	if (r == NULL)
		return ENOMEM;
	r->gpa = a->gpa;
	r->size = a->size;
	r->uaddr = a->uaddr;
	r->prot = a->prot;
	os_mutex_lock(&m->lock);
	error = map(m, a, r);
	os_mutex_unlock(&m->lock);
	if (error != 0)
		os_free(r);
	return error;
}

/* [m] Tables that have become empty; the flush is for those who read them. */
static void prune(struct vmm_machine *m, uint64_t gpa, uint64_t size)
{
	void *tables;
	uint64_t n;

	for (; size != 0; gpa += n, size -= n) {
		os_spin_lock(&m->nested_lock);
		n = vmm_part(m, gpa, size);
		tables = x86_npt_prune(&m->npt, gpa, n, false);
		if (tables != NULL)
			vmm_flush(m);
		os_spin_unlock(&m->nested_lock);
		x86_npt_free(tables);
		os_relax(true);
	}
}

/* [m] Of whole regions, with no leaves. */
static void drop_regions(struct vmm_machine *m, uint32_t first, uint32_t n)
{
	os_spin_lock(&m->nested_lock);
	memmove(&m->regions[first], &m->regions[first + n],
	    (m->nregions - first - n) * sizeof(m->regions[0]));
	m->nregions -= n;
	m->region_gen++;
	os_spin_unlock(&m->nested_lock);
	(void)os_fetch_add64(&vmm_live.regions, -(uint64_t)n);
}

static int unmap(struct vmm_machine *m, uint64_t gpa, uint64_t size)
{
	struct vmm_region *gone;
	uint32_t first;
	int error;

	if (!vmm_is_backed(m, gpa, size, &first))
		return ENOENT;
	error = cut_ends(m, gpa, size);
	if (error != 0)
		return error;
	first = vmm_region_index(m, gpa);
	/* No new leaves; while there are old ones the regions stay, so that
	 * the host can find them. */
	set_prot(m, first, gpa + size, 0);
	vmm_leaves_all(m, gpa, size, X86_NPT_ZAP, 0);
	while (first < m->nregions && m->regions[first]->gpa < gpa + size) {
		gone = m->regions[first];
		drop_regions(m, first, 1);
		free_region(gone);
	}
	OS_WRITE(m->memory, m->memory - size);
	prune(m, gpa, size);
	return 0;
}

int vmm_memory_unmap(struct vmm_machine *m, const struct vmm_memory *a)
{
	int error;

	if (a->flags != 0 || a->prot != 0 || a->uaddr != 0 ||
	    !vmm_is_range(a->gpa, a->size))
		return EINVAL;
	os_mutex_lock(&m->lock);
	error = unmap(m, a->gpa, a->size);
	os_mutex_unlock(&m->lock);
	return error;
}

static int protect(struct vmm_machine *m, const struct vmm_memory *a)
{
	uint32_t first;
	int error;

	if (!vmm_is_backed(m, a->gpa, a->size, &first))
		return ENOENT;
	error = cut_ends(m, a->gpa, a->size);
	if (error != 0)
		return error;
	set_prot(m, vmm_region_index(m, a->gpa), a->gpa + a->size, a->prot);
	/* Leaves that allow less than they could are found out by faults. */
	vmm_leaves_all(m, a->gpa, a->size, X86_NPT_PROTECT, a->prot);
	return 0;
}

int vmm_memory_protect(struct vmm_machine *m, const struct vmm_memory *a)
{
	int error;

	if (a->flags != 0 || a->uaddr != 0 || !is_prot(a->prot) ||
	    !vmm_is_range(a->gpa, a->size))
		return EINVAL;
	os_mutex_lock(&m->lock);
	error = protect(m, a);
	os_mutex_unlock(&m->lock);
	return error;
}

void vmm_memory_fini(struct vmm_machine *m)
{
	uint32_t i;

	for (i = 0; i < m->nregions; i++) {
		free_region(m->regions[i]);
		os_relax(true);
	}
	(void)os_fetch_add64(&vmm_live.regions, -(uint64_t)m->nregions);
	os_free(m->regions);
	m->regions = NULL;
	m->nregions = m->cap_regions = 0;
}
