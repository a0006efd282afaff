// SPDX-License-Identifier: BSD-2-Clause
/*
 * space.c - guest-user address spaces: batched changes and who must hear of
 * them.
 */
#include "counters.h"
#include "machine.h"
#include "os.h"
#include "pt.h"

#include <errno.h>
#include <string.h>

/* ---- keeping vCPUs out -------------------------------------------------- */

/*
 * A vCPU sets running and entered, then looks at parked; we set parked, then
 * look at entered: one of the two sees the other (all sequentially
 * consistent).
 */
void space_park_others(struct vmmctl_space *s,
    const struct vmmctl_vcpu *self)
{
	struct counter_slot *count = counters_slot(s->m, 0);
	struct link *l;

	if (atomic_fetch_add(&s->parked, 1) != 0)
		return;
	LIST_EACH(l, &s->m->vcpus) {
		struct vmmctl_vcpu *v = LIST_ITEM(l, struct vmmctl_vcpu, link);

		if (v == self || atomic_load(&v->entered) == 0 ||
		    atomic_load(&v->running) != s)
			continue;
		count_add(&count->shootdowns, 1);
		while (atomic_load(&v->entered) != 0 &&
		    atomic_load(&v->running) == s) {
			s->m->v->ops->kick(v);
			os_wait(&v->entered, 1);
		}
	}
}

void space_park(struct vmmctl_space *s)
{
	space_park_others(s, NULL);
}

void space_unpark(struct vmmctl_space *s)
{
	if (atomic_fetch_sub(&s->parked, 1) == 1)
		os_wake_all(&s->parked);
}

/* ---- changes ------------------------------------------------------------ */

static uint32_t normal_prot(uint32_t prot)
{
	if (prot & (VMMCTL_PROT_WRITE | VMMCTL_PROT_EXEC))
		prot |= VMMCTL_PROT_READ;
	return prot;
}

/*
 * Map a range that may lie over several memory ranges and holes, where the
 * hardware gets nothing.
 */
static int map_pieces(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint64_t gpa, uint32_t prot)
{
	struct vmmctl_machine *m = s->m;

	while (len != 0) {
		struct memory *r = memory_find(m, gpa);
		uint64_t n = len, done;
		uint32_t hw = 0;
		int err;

		if (r != NULL) {
			n = r->gpa + r->len - gpa;
			hw = prot & r->prot;
		} else {
			for (uint32_t i = 0; i < m->nmem; i++)
				if (m->mem[i].gpa > gpa &&
				    m->mem[i].gpa - gpa < n)
					n = m->mem[i].gpa - gpa;
		}
		if (n > len)
			n = len;
		err = pt_map(s, gva, n, gpa, prot, hw, &done);
		if (err != 0)
			return err;
		gva += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

static bool any_mapped(struct vmmctl_space *s, uint64_t gva, uint64_t len)
{
	uint64_t end = gva + len;

	while (gva < end) {
		struct pt_leaf leaf;

		pt_find(s, gva, &leaf);
		if (leaf.mapped)
			return true;
		gva = leaf.gva + leaf.len;
	}
	return false;
}

/* Give every leaf in the range prot; holes stay holes. */
static int protect(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint32_t prot)
{
	uint64_t end = gva + len;

	while (gva < end) {
		struct pt_leaf leaf;
		uint64_t next;
		int err;

		pt_find(s, gva, &leaf);
		next = leaf.gva + leaf.len < end ? leaf.gva + leaf.len : end;
		if (leaf.mapped) {
			err = map_pieces(s, gva, next - gva,
			    leaf.gpa + (gva - leaf.gva), prot);
			if (err != 0)
				return err;
		}
		gva = next;
	}
	return 0;
}

int space_refresh(struct vmmctl_space *s, uint64_t gva)
{
	struct pt_leaf leaf;
	int err;

	pt_find(s, gva, &leaf);
	err = map_pieces(s, leaf.gva, leaf.len, leaf.gpa, leaf.prot);
	if (err == 0)
		s->m->v->ops->space_changed(s, leaf.gva, leaf.len, CHANGE_ADD);
	return err;
}

static int check_op(struct vmmctl *v, const struct vmmctl_space_op *o,
    size_t i)
{
	uint64_t limit = v->info.gva_limit;
	bool map = o->kind == VMMCTL_SPACE_MAP;

	if (o->kind < VMMCTL_SPACE_MAP || o->kind > VMMCTL_SPACE_PROTECT)
		return vmmctl_fail(v, -EINVAL, "change %zu: kind %u must be "
		    "MAP, UNMAP or PROTECT", i, o->kind);
	if (((o->gva | o->len) & PAGE_MASK) != 0 || o->len == 0 ||
	    (map && (o->gpa & PAGE_MASK) != 0))
		return vmmctl_fail(v, -EINVAL, "change %zu: addresses and "
		    "length must be multiples of 4096, the length not 0", i);
	if (o->len > limit || o->gva > limit - o->len)
		return vmmctl_fail(v, -EINVAL, "change %zu: [0x%llx, +0x%llx) "
		    "ends beyond gva_limit 0x%llx", i,
		    (unsigned long long)o->gva, (unsigned long long)o->len,
		    (unsigned long long)limit);
	if (map && o->gva < v->info.gva_base)
		return vmmctl_fail(v, -EINVAL, "change %zu: the host maps "
		    "nothing below gva_base 0x%llx for this user "
		    "(vm.mmap_min_addr)", i,
		    (unsigned long long)v->info.gva_base);
	limit = v->info.gpa_limit;
	if (map && (o->len > limit || o->gpa > limit - o->len))
		return vmmctl_fail(v, -EINVAL, "change %zu: guest-physical "
		    "[0x%llx, +0x%llx) ends beyond gpa_limit 0x%llx", i,
		    (unsigned long long)o->gpa, (unsigned long long)o->len,
		    (unsigned long long)limit);
	if (o->kind != VMMCTL_SPACE_UNMAP &&
	    (o->prot & ~VMMCTL_PROT_RWX) != 0)
		return vmmctl_fail(v, -EINVAL, "change %zu: prot 0x%x has "
		    "bits other than READ, WRITE and EXEC", i, o->prot);
	return 0;
}

static int apply(struct vmmctl_space *s, const struct vmmctl_space_op *o)
{
	struct counter_slot *count = counters_slot(s->m, 0);
	uint64_t pages = o->len >> PAGE_SHIFT, done;

	switch (o->kind) {
	case VMMCTL_SPACE_MAP:
		count_add(&count->maps, 1);
		count_add(&count->map_pages, pages);
		return map_pieces(s, o->gva, o->len, o->gpa,
		    normal_prot(o->prot));
	case VMMCTL_SPACE_UNMAP:
		count_add(&count->unmaps, 1);
		count_add(&count->unmap_pages, pages);
		return pt_unmap(s, o->gva, o->len, &done);
	default:
		count_add(&count->protects, 1);
		count_add(&count->protect_pages, pages);
		return protect(s, o->gva, o->len, normal_prot(o->prot));
	}
}

int vmmctl_space_change(struct vmmctl_space *s,
    const struct vmmctl_space_op *ops, size_t n, size_t *done)
{
	KEEP_ERRNO();
	struct vmmctl_machine *m = s->m;
	bool parked = false;
	size_t i;
	int err = 0;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	for (i = 0; i < n && err == 0; i++)
		err = check_op(m->v, &ops[i], i);
	if (err != 0) {
		if (done != NULL)
			*done = 0;
		return err;
	}
	mtx_lock(&m->lock);
	for (i = 0; i < n; i++) {
		bool add = ops[i].kind == VMMCTL_SPACE_MAP &&
		    !any_mapped(s, ops[i].gva, ops[i].len);

		if (!add && !parked) {
			space_park(s);
			parked = true;
		}
		m->changes++;
		err = apply(s, &ops[i]);
		/* Even a change that failed half-way has changed something. */
		m->v->ops->space_changed(s, ops[i].gva, ops[i].len,
		    add ? CHANGE_ADD :
		    ops[i].kind == VMMCTL_SPACE_PROTECT ? CHANGE_PROTECT :
		    CHANGE_RESTRICT);
		if (err != 0)
			break;
	}
	if (parked)
		space_unpark(s);
	mtx_unlock(&m->lock);
	if (done != NULL)
		*done = i;
	if (err != 0)
		return vmmctl_fail(m->v, err, "no memory for page tables");
	return 0;
}

static int change_one(struct vmmctl_space *s, uint32_t kind, uint64_t gva,
    uint64_t len, uint64_t gpa, uint32_t prot)
{
	const struct vmmctl_space_op op = {
		.kind = kind, .prot = prot, .gva = gva, .len = len, .gpa = gpa,
	};

	return vmmctl_space_change(s, &op, 1, NULL);
}

int vmmctl_space_map(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint64_t gpa, uint32_t prot)
{
	return change_one(s, VMMCTL_SPACE_MAP, gva, len, gpa, prot);
}

int vmmctl_space_unmap(struct vmmctl_space *s, uint64_t gva, uint64_t len)
{
	return change_one(s, VMMCTL_SPACE_UNMAP, gva, len, 0, 0);
}

int vmmctl_space_protect(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint32_t prot)
{
	return change_one(s, VMMCTL_SPACE_PROTECT, gva, len, 0, prot);
}

/*
 * Take the hardware's rights from whatever maps into the range: from whole
 * leaves, which costs no page table, or exactly.
 */
static int withdraw(struct vmmctl_space *s, uint64_t gpa, uint64_t len,
    bool exactly)
{
	uint64_t gva = 0, done;

	while (gva < s->m->v->info.gva_limit) {
		struct pt_leaf leaf;
		int err;

		pt_find(s, gva, &leaf);
		gva = leaf.gva + leaf.len;
		if (!leaf.mapped || leaf.hw == 0 || leaf.gpa >= gpa + len ||
		    leaf.gpa + leaf.len <= gpa)
			continue;
		if (exactly && leaf.gpa < gpa) {
			leaf.gva += gpa - leaf.gpa;
			leaf.len -= gpa - leaf.gpa;
			leaf.gpa = gpa;
		}
		if (exactly && leaf.len > gpa + len - leaf.gpa)
			leaf.len = gpa + len - leaf.gpa;
		err = pt_map(s, leaf.gva, leaf.len, leaf.gpa, leaf.prot, 0,
		    &done);
		if (err != 0)
			return err;
		s->m->v->ops->space_changed(s, leaf.gva, leaf.len,
		    CHANGE_RESTRICT);
	}
	return 0;
}

int space_lacks(struct vmmctl_space *s, uint64_t gpa)
{
	int err;

	space_park(s);
	err = withdraw(s, gpa & ~PAGE_MASK, VMMCTL_PAGE_SIZE, true);
	space_unpark(s);
	return err;
}

int spaces_memory_changed(struct vmmctl_machine *m, uint64_t gpa,
    uint64_t len)
{
	struct link *l;
	int err = 0;

	LIST_EACH(l, &m->spaces) {
		struct vmmctl_space *s = LIST_ITEM(l, struct vmmctl_space,
		    link);

		space_park(s);
		if (err == 0)
			err = withdraw(s, gpa, len, false);
		space_unpark(s);
	}
	return err;
}

int vmmctl_space_walk(struct vmmctl_space *s, uint64_t gva,
    struct vmmctl_walk *out)
{
	struct vmmctl_machine *m = s->m;
	struct pt_leaf leaf = { .mapped = false };

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	mtx_lock(&m->lock);
	if (gva < m->v->info.gva_limit)
		pt_find(s, gva, &leaf);
	if (leaf.mapped) {
		out->gpa = leaf.gpa + (gva - leaf.gva);
		out->len = leaf.gva + leaf.len - gva;
		out->prot = leaf.prot;
		out->memory = memory_find(m, out->gpa) != NULL;
	}
	mtx_unlock(&m->lock);
	if (!leaf.mapped)
		return vmmctl_fail(m->v, -ENOENT, "0x%llx is not mapped",
		    (unsigned long long)gva);
	return 0;
}

/* ---- life --------------------------------------------------------------- */

int vmmctl_space_create(struct vmmctl_machine *m, struct vmmctl_space **out)
{
	KEEP_ERRNO();
	struct vmmctl_space *s;
	int err = -ENOMEM;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	s = vmmctl_zalloc(m->v, sizeof(*s));
	if (s == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a space");
	s->m = m;
	mtx_lock(&m->lock);
	if (m->max_spaces != 0 && m->nspaces == m->max_spaces) {
		err = vmmctl_fail(m->v, -ENOSPC, "the machine has its "
		    "max_spaces of %u", m->max_spaces);
		goto fail;
	}
	err = pt_init(s);
	if (err != 0) {
		vmmctl_fail(m->v, err, "no memory for page tables");
		goto fail;
	}
	err = m->v->ops->space_init(s);
	if (err != 0)
		goto fail;
	list_append(&m->spaces, &s->link);
	m->nspaces++;
	count_add(&counters_slot(m, 0)->spaces_created, 1);
	mtx_unlock(&m->lock);
	*out = s;
	return 0;
fail:
	pt_fini(s);
	mtx_unlock(&m->lock);
	vmmctl_free(m->v, s);
	return err;
}

void space_destroy_locked(struct vmmctl_space *s)
{
	struct vmmctl_machine *m = s->m;
	struct link *l;

	LIST_EACH(l, &m->vcpus) {
		struct vmmctl_vcpu *v = LIST_ITEM(l, struct vmmctl_vcpu, link);

		if (v->running == s)
			v->running = NULL;
	}
	m->v->ops->space_fini(s);
	pt_fini(s);
	list_remove(&s->link);
	m->nspaces--;
	count_add(&counters_slot(m, 0)->spaces_destroyed, 1);
	vmmctl_free(m->v, s);
}

int vmmctl_space_destroy(struct vmmctl_space *s)
{
	KEEP_ERRNO();
	struct vmmctl_machine *m;
	uint32_t bound;

	if (s == NULL)
		return 0;
	m = s->m;
	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	mtx_lock(&m->lock);
	bound = s->contexts;
	if (bound == 0)
		space_destroy_locked(s);
	mtx_unlock(&m->lock);
	if (bound != 0)
		return vmmctl_fail(m->v, -EBUSY, "%u contexts are bound to the "
		    "space; destroy or move them first", bound);
	return 0;
}
