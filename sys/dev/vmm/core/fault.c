/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.c - nested page faults: from a guest-physical address to the owner's
 * page behind it, and to a leaf.
 *
 * The page is not pinned: the reference lasts until the leaf is there.  From
 * then on the host says when it takes the page away (leaves.c).  What it said
 * between the look at the region and the leaf is found out under the lock, and
 * all begins again.
 */
#include "stats.h"

/* One table for each level below the root. */
#define STOCK	3u

/* The region as it was when the page was asked for. */
struct place {
	uint64_t gpa, uaddr;	/* of the page */
	uint64_t low, high;	/* the region, in guest-physical addresses */
	uint32_t prot;
	bool logging;
	uint64_t region_gen, inv_seq;
};

static bool stock_up(struct vmm_vcpu *v)
{
	while (v->ntables < STOCK) {
		void *page = os_page_alloc(&v->tables_pa[v->ntables]);

		if (page == NULL)
			return false;
		v->tables[v->ntables++] = page;
	}
	return true;
}

/* [n] */
static int look(const struct vmm_machine *m, uint64_t gpa, uint32_t access,
    struct place *p)
{
	const struct vmm_region *r = vmm_region_find(m, gpa);

	if (m->dead)
		return EIO;
	if (r == NULL || r->prot == 0)
		return ENOENT;
	if ((r->prot & access) == 0)
		return EACCES;
	p->gpa = gpa;
	p->uaddr = r->uaddr + (gpa - r->gpa);
	p->low = r->gpa;
	p->high = r->gpa + r->size;
	p->prot = r->prot;
	p->logging = r->dirty != NULL;
	p->region_gen = m->region_gen;
	p->inv_seq = m->inv_seq;
	return 0;
}

/* [n] Is what look() found still so, and the page the one that is there? */
static bool is_current(const struct vmm_machine *m, const struct place *p)
{
	if (m->region_gen != p->region_gen || m->inv_seq != p->inv_seq)
		return false;
	return m->invalidating == 0 || p->uaddr + VMM_PAGE_SIZE <= m->inv_start ||
	    p->uaddr >= m->inv_end;
}

/* [n] The largest leaf that may be: the owner's own page is as large, and lies
 * alike in all three address spaces. */
static unsigned best_level(const struct vmm_machine *m, const struct place *p,
    uint64_t pa)
{
	unsigned level, most = 1;

	/* Every page is to be seen when it is written.  And what is known of
	 * this page says nothing of its neighbours, while some of them are
	 * taken away. */
	if (p->logging || m->invalidating != 0)
		return 1;
	if ((vmm_hw.caps & VMM_CAP_LARGE_2M) != 0)
		most = os_user_page_level(m->owner, p->uaddr);
	if (most > 2 && (vmm_hw.caps & VMM_CAP_LARGE_1G) == 0)
		most = 2;
	for (level = most; level > 1; level--) {
		uint64_t span = X86_NPT_SPAN(level), base = p->gpa & -span;

		if (((p->gpa ^ p->uaddr) & (span - 1)) == 0 &&
		    ((p->gpa ^ pa) & (span - 1)) == 0 &&
		    base >= p->low && span <= p->high - base)
			break;
	}
	return level;
}

/* [n] A leaf that does not allow the access, and is not of the same page: it
 * goes first. */
static void clear_way(struct vmm_machine *m, const struct x86_npt_leaf *old)
{
	if (vmm_leaves(m, old->gpa, X86_NPT_SPAN(old->level), X86_NPT_ZAP, 0))
		vmm_flush(m);
}

/* [n] An empty table may be where a large leaf is to be.  Whoever reads it has
 * stopped after the flush. */
static void *remove_tables(struct vmm_machine *m, uint64_t gpa, unsigned level)
{
	uint64_t span = X86_NPT_SPAN(level);
	void *tables = x86_npt_prune(&m->npt, gpa & -span, span, true);

	if (tables != NULL)
		vmm_flush(m);
	return tables;
}

/* [n] The level of the new leaf; 0: none could be made. */
static unsigned map(struct vmm_machine *m, struct x86_npt_stock *stock,
    const struct place *p, uint64_t pa, uint32_t prot, bool dirty,
    void **tables)
{
	unsigned level;

	for (level = best_level(m, p, pa); level != 0; level--) {
		uint64_t base = -X86_NPT_SPAN(level);

		if (x86_npt_map(&m->npt, stock, p->gpa & base, pa & base,
		    level, prot, dirty))
			break;
		if (level == 1 || *tables != NULL)
			continue;
		*tables = remove_tables(m, p->gpa, level);
		if (*tables != NULL && x86_npt_map(&m->npt, stock,
		    p->gpa & base, pa & base, level, prot, dirty))
			break;
	}
	return level;
}

static void count_fill(struct vmm_vcpu *v, unsigned level)
{
	struct vmm_stats_page *s = v->stats;

	vmm_count(&s->fills, 1);
	vmm_count(&s->map_pages, X86_NPT_SPAN(level) >> VMM_PAGE_SHIFT);
	if (level == 2)
		vmm_count(&s->large_2m, 1);
	else if (level == 3)
		vmm_count(&s->large_1g, 1);
}

/* [n] 0, EAGAIN; *tables are to be freed when the lock is dropped. */
static int add_leaf(struct vmm_vcpu *v, const struct place *p,
    const struct os_user_page *page, uint32_t access, void **tables)
{
	struct vmm_machine *m = v->machine;
	struct x86_npt_stock stock = { v->tables, v->tables_pa, &v->ntables };
	struct x86_npt_leaf old;
	uint32_t prot = p->prot;
	unsigned level;

	if (m->dead)
		return EIO;
	if (!is_current(m, p))
		return EAGAIN;
	/* Without a dirty bit the right to write stands for it. */
	if (!page->writable ||
	    (m->npt.f->dirty == 0 && access != VMM_PROT_WRITE))
		prot &= ~VMM_PROT_WRITE;
	if ((prot & access) == 0)
		return EFAULT;
	if (x86_npt_find(&m->npt, p->gpa, &old)) {
		/* Another vCPU was faster. */
		if ((old.prot & access) != 0 &&
		    ((old.pa ^ page->pa) & -X86_NPT_SPAN(old.level)) == 0)
			return 0;
		/* Rights that the host has not taken back stay: processors may
		 * remember them, and no flush comes. */
		if (old.level == 1 && old.pa == page->pa)
			prot |= old.prot & p->prot;
		else
			clear_way(m, &old);
	}
	level = map(m, &stock, p, page->pa, prot, access == VMM_PROT_WRITE,
	    tables);
	if (level == 0)
		return EAGAIN;
	count_fill(v, level);
	return 0;
}

int vmm_fault(struct vmm_vcpu *v, uint64_t gpa, uint32_t access)
{
	struct vmm_machine *m = v->machine;
	struct os_user_page page;
	void *tables = NULL;
	struct place p;
	int error;

	if (!stock_up(v))
		return ENOMEM;
	os_spin_lock(&m->nested_lock);
	error = look(m, gpa & ~VMM_PAGE_MASK, access, &p);
	os_spin_unlock(&m->nested_lock);
	if (error != 0)
		return error;
	error = os_user_page_get(m->owner, p.uaddr, access == VMM_PROT_WRITE,
	    &page);
	if (error != 0)
		return error;
	os_spin_lock(&m->nested_lock);
	error = add_leaf(v, &p, &page, access, &tables);
	os_spin_unlock(&m->nested_lock);
	os_user_page_put(&page);
	x86_npt_free(tables);
	if (error == EAGAIN)
		vmm_count(&v->stats->retries, 1);
	return error;
}
