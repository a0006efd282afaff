/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leaves.c - nested leaves that are taken away or limited, on whose behalf
 * ever: the owner's (memory.c, dirty.c), or the host's, which takes its pages
 * back whenever it likes.  After that nobody uses them any more.
 *
 * The host's side holds the nested lock only, and sleeps only between parts,
 * where it may.  A fault that is under way meanwhile finds out by inv_seq and
 * the hull (fault.c).
 */
#include "stats.h"

/* So many entries are looked at before the lock is dropped, in steps of that
 * much guest-physical memory where there are tables enough to take longer. */
#define AT_ONCE		65536u
#define PART		(64ull << 20)

struct seen {
	struct vmm_machine *m;
	struct vmm_region *r;
	bool young;
};

/* [n] Before it is forgotten. */
static void remember(void *cookie, const struct x86_npt_leaf *leaf)
{
	struct seen *s = cookie;
	uint64_t *word;
	uint32_t bit;

	s->young |= leaf->accessed;
	if (!leaf->dirty)
		return;
	os_page_dirtied(leaf->pa);
	/* While there is a log there are leaves of 4 KiB only. */
	if (s->r->dirty != NULL && leaf->level == 1) {
		word = vmm_dirty_word(s->r, leaf->gpa, &bit);
		*word |= 1ull << bit;
	}
}

static void note_young(void *cookie, const struct x86_npt_leaf *leaf)
{
	struct seen *s = cookie;

	s->young |= leaf->accessed;
}

/* [n] A large leaf may be of several regions, since they were cut: each hears
 * of it. */
bool vmm_leaves(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    enum x86_npt_op op, uint32_t arg)
{
	uint64_t end = gpa + size, changed = 0;
	uint32_t i;

	if (m->npt.leaves == 0)
		return false;
	for (i = vmm_region_index(m, gpa);
	    i < m->nregions && m->regions[i]->gpa < end; i++) {
		struct vmm_region *r = m->regions[i];
		struct seen s = { .m = m, .r = r };
		uint64_t from = r->gpa > gpa ? r->gpa : gpa;
		uint64_t to = r->gpa + r->size < end ? r->gpa + r->size : end;

		changed += x86_npt_apply(&m->npt, from, to - from, op, arg,
		    remember, &s);
	}
	return changed != 0;
}

uint64_t vmm_part(const struct vmm_machine *m, uint64_t gpa, uint64_t size)
{
	uint64_t part = PART - (gpa & (PART - 1));

	return m->npt.tables <= AT_ONCE / 512 || size < part ? size : part;
}

/* While the lock is held: is a flush due, and what walked was before. */
struct hold {
	bool changed;
	uint64_t walked;
};

static void hold(struct vmm_machine *m, struct hold *h)
{
	os_spin_lock(&m->nested_lock);
	*h = (struct hold){ .walked = m->npt.walked };
}

/* [n] One flush for all, before anybody else has the lock. */
static void let_go(struct vmm_machine *m, const struct hold *h)
{
	if (h->changed)
		vmm_flush(m);
	os_spin_unlock(&m->nested_lock);
}

/* [n] Drop the lock for a moment, if it was held for long. */
static void breathe(struct vmm_machine *m, struct hold *h, bool may_sleep)
{
	if (m->npt.walked - h->walked < AT_ONCE)
		return;
	let_go(m, h);
	os_relax(may_sleep);
	hold(m, h);
}

void vmm_leaves_all(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    enum x86_npt_op op, uint32_t arg)
{
	while (size != 0) {
		uint64_t n;

		os_spin_lock(&m->nested_lock);
		n = vmm_part(m, gpa, size);
		if (vmm_leaves(m, gpa, n, op, arg))
			vmm_flush(m);
		os_spin_unlock(&m->nested_lock);
		gpa += n;
		size -= n;
		if (size != 0)
			(void)os_resched();
	}
}

/*
 * [n] Those that are inside now are made to leave the guest, and find the new
 * generation when they come again; those that are not will find it then.  A
 * vCPU that was there and has just left, or is somewhere else by now, has had
 * its interrupt, or a look at the generation, in between.
 */
void vmm_flush(struct vmm_machine *m)
{
	struct vmm_stats_page *s = vmm_stats_machine(m);
	uint32_t i, n = 0;

	OS_WRITE(m->flush_gen, m->flush_gen + 1);
	vmm_count(&s->flush_calls, 1);
	os_mb();
	os_cpuset_clear(&m->interrupt);
	for (i = 0; i < m->nvcpus; i++) {
		struct vmm_vcpu *v = m->vcpus[i];

		if (v == NULL || OS_READ(v->mode) != VMM_INSIDE)
			continue;
		os_cpuset_add(&m->interrupt, OS_READ(v->cpu));
		n++;
	}
	if (n != 0) {
		vmm_count(&s->shootdowns, n);
		os_cpus_interrupt(&m->interrupt);
	}
}

/* ---- the owner's memory changes ---- */

/* [n] The guest-physical range behind [start, end) of region r. */
static bool behind(const struct vmm_region *r, uint64_t start, uint64_t end,
    uint64_t *gpa, uint64_t *size)
{
	uint64_t from = start > r->uaddr ? start : r->uaddr;
	uint64_t to = end < r->uaddr + r->size ? end : r->uaddr + r->size;

	if (from >= to)
		return false;
	*gpa = r->gpa + (from - r->uaddr);
	*size = to - from;
	return true;
}

/* [n] Without old leaves, but it may be dropped in between: who adds leaves
 * there knows of the invalidation by then.  Regions that come and go meanwhile
 * have none of this range. */
static void take_back(struct vmm_machine *m, struct hold *h, uint64_t start,
    uint64_t end, bool may_sleep)
{
	uint64_t gpa, size, n;
	uint32_t i;

	for (i = 0; i < m->nregions && m->npt.leaves != 0; i++) {
		uint64_t next;

		if (!behind(m->regions[i], start, end, &gpa, &size))
			continue;
		next = m->regions[i]->gpa + m->regions[i]->size;
		for (; size != 0; gpa += n, size -= n) {
			n = vmm_part(m, gpa, size);
			h->changed |= vmm_leaves(m, gpa, n, X86_NPT_ZAP, 0);
			breathe(m, h, may_sleep);
		}
		/* The array may be another one by now. */
		i = vmm_region_index(m, next) - 1;
	}
}

void vmm_machine_invalidate_begin(struct vmm_machine *m, uint64_t start,
    uint64_t end, bool may_sleep)
{
	struct hold h;

	hold(m, &h);
	if (m->invalidating++ == 0) {
		m->inv_start = start;
		m->inv_end = end;
	} else {
		if (start < m->inv_start)
			m->inv_start = start;
		if (end > m->inv_end)
			m->inv_end = end;
	}
	vmm_count(&vmm_stats_machine(m)->invalidations, 1);
	take_back(m, &h, start, end, may_sleep);
	let_go(m, &h);
}

void vmm_machine_invalidate_end(struct vmm_machine *m, uint64_t start,
    uint64_t end)
{
	(void)start;
	(void)end;
	os_spin_lock(&m->nested_lock);
	/* Who looked for a page before this may have found the old one. */
	m->inv_seq++;
	m->invalidating--;
	os_spin_unlock(&m->nested_lock);
}

/*
 * No flush after accessed bits are cleared: a page that is used by old
 * translations only looks a little older than it is.  Where the hardware keeps
 * none, the leaf goes, and comes again when it is used.
 */
bool vmm_machine_young(struct vmm_machine *m, uint64_t start, uint64_t end,
    bool clear)
{
	struct seen s = { .m = m };
	uint64_t gpa, size;
	struct hold h;
	uint32_t i;

	hold(m, &h);
	for (i = 0; i < m->nregions && m->npt.leaves != 0; i++) {
		if (!behind(m->regions[i], start, end, &gpa, &size))
			continue;
		s.r = m->regions[i];
		if (!clear || m->npt.f->accessed != 0) {
			(void)x86_npt_apply(&m->npt, gpa, size,
			    clear ? X86_NPT_AGE : X86_NPT_LOOK, 0, note_young,
			    &s);
		} else if (x86_npt_apply(&m->npt, gpa, size, X86_NPT_ZAP, 0,
		    remember, &s) != 0) {
			h.changed = true;
		}
	}
	let_go(m, &h);
	return s.young;
}

/* No new leaf comes after dead is set under the lock, nor does a vCPU enter. */
void vmm_machine_orphan(struct vmm_machine *m)
{
	struct hold h;

	hold(m, &h);
	OS_WRITE(m->dead, true);
	take_back(m, &h, 0, ~0ull, true);
	/* Those that are inside are to see it. */
	h.changed = true;
	let_go(m, &h);
}
