// SPDX-License-Identifier: BSD-2-Clause
/*
 * queue.c - what must change in a stub before its space runs again.  Only
 * ranges are remembered; what to do there is read from the page table when
 * the time has come.
 */
#include "../pt.h"
#include "proc.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/*
 * Writable mappings of this size are wanted at once: spare the guest its host
 * faults.  A single page comes cheaper by its fault; and so do pages that are
 * only read, since one fault brings 64 KiB of them.
 */
#define POPULATE_MIN	(2u * VMMCTL_PAGE_SIZE)
#define POPULATE_MAX	(512u * VMMCTL_PAGE_SIZE)

static void set_pending(struct proc_space *ps)
{
	atomic_store(&ps->pending, ps->nqueue != 0 || ps->drop);
}

void queue_drop_all(struct vmmctl_space *s)
{
	struct proc_space *ps = s->backend_data;

	ps->drop = true;
	ps->sparse = true;
	ps->nqueue = 0;
	set_pending(ps);
}

void queue_start(struct vmmctl_space *s)
{
	struct proc_space *ps = s->backend_data;

	ps->drop = true;
	ps->sparse |= ps->started;
	ps->started = true;
	set_pending(ps);
}

void queue_changed(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    bool protect)
{
	struct proc_space *ps = s->backend_data;
	struct range *last = ps->nqueue == 0 ? NULL :
	    &ps->queue[ps->nqueue - 1];

	if (last != NULL && protect == last->protect && gva >= last->gva &&
	    gva <= last->gva + last->len) {
		if (gva + len > last->gva + last->len)
			last->len = gva + len - last->gva;
		return;
	}
	if (ps->nqueue == ps->capqueue) {
		uint32_t cap = ps->capqueue == 0 ? 64 : 2 * ps->capqueue;
		struct range *q = cap > QUEUE_MAX ? NULL :
		    vmmctl_zalloc(s->m->v, cap * sizeof(*q));

		if (q == NULL) {
			queue_drop_all(s);
			return;
		}
		if (ps->nqueue != 0)
			memcpy(q, ps->queue, ps->nqueue * sizeof(*q));
		vmmctl_free(s->m->v, ps->queue);
		ps->queue = q;
		ps->capqueue = cap;
	}
	ps->queue[ps->nqueue++] = (struct range){ gva, len, protect };
	set_pending(ps);
}

void queue_fini(struct vmmctl_space *s)
{
	struct proc_space *ps = s->backend_data;

	vmmctl_free(s->m->v, ps->queue);
	ps->queue = NULL;
}

static uint64_t host_prot(uint32_t prot)
{
	return (prot & VMMCTL_PROT_READ ? PROT_READ : 0u) |
	    (prot & VMMCTL_PROT_WRITE ? PROT_WRITE : 0u) |
	    (prot & VMMCTL_PROT_EXEC ? PROT_EXEC : 0u);
}

/*
 * What the stub should have at gva, as one op of at most len bytes.  A page
 * that the guest may not access at all is mapped nevertheless, so that a later
 * change of its protection finds it.
 */
static void make_op(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    bool protect, struct stub_op *op)
{
	struct memory *r = NULL;
	struct pt_leaf leaf;
	uint64_t gpa;

	pt_find(s, gva, &leaf);
	if (len > leaf.gva + leaf.len - gva)
		len = leaf.gva + leaf.len - gva;
	*op = (struct stub_op){ .nr = SYS_munmap, .va = gva, .len = len };
	if (!leaf.mapped)
		return;
	gpa = leaf.gpa + (gva - leaf.gva);
	r = memory_find(s->m, gpa);
	if (r == NULL)
		return;
	if (op->len > r->gpa + r->len - gpa)
		op->len = r->gpa + r->len - gpa;
	op->prot = host_prot(leaf.hw);
	if (protect) {
		op->nr = SYS_mprotect;
		return;
	}
	op->nr = SYS_mmap;
	op->flags = MAP_SHARED | MAP_FIXED;
	op->fd = FD_MEM + r->b->index;
	op->offset = r->b->offset + r->start + (gpa - r->gpa);
}

static bool merge(struct stub_op *a, const struct stub_op *b)
{
	if (a->nr != b->nr || a->va + a->len != b->va || a->prot != b->prot ||
	    a->fd != b->fd)
		return false;
	if (a->nr == SYS_mmap && a->offset + a->len != b->offset)
		return false;
	a->len += b->len;
	return true;
}

bool queue_take(struct vmmctl_space *s, struct proc_seat *seat)
{
	struct proc_space *ps = s->backend_data;
	struct stub_op *ops = seat->ops->ops, op;
	uint32_t n = 0, i = 0;

	if (ps->drop) {
		ops[n++] = (struct stub_op){ .nr = SYS_munmap, .va = 0,
		    .len = STUB_GVA_LIMIT };
		ps->drop = false;
	}
	while (i < ps->nqueue) {
		struct range *r = &ps->queue[i];

		make_op(s, r->gva, r->len, r->protect && !ps->sparse, &op);
		if (n == 0 || !merge(&ops[n - 1], &op)) {
			if (n == STUB_MAX_OPS)
				break;
			ops[n++] = op;
		}
		r->gva += op.len;
		r->len -= op.len;
		if (r->len == 0)
			i++;
	}
	seat->maps = false;
	for (uint32_t k = 0; k < n; k++) {
		seat->maps |= ops[k].nr == SYS_mmap;
		if (ops[k].nr == SYS_mmap && (ops[k].prot & PROT_WRITE) != 0 &&
		    ops[k].len >= POPULATE_MIN &&
		    ops[k].len <= POPULATE_MAX)
			ops[k].flags |= MAP_POPULATE;
	}
	if (i != 0)
		memmove(ps->queue, ps->queue + i,
		    (ps->nqueue - i) * sizeof(*ps->queue));
	ps->nqueue -= i;
	seat->ops->count = n;
	set_pending(ps);
	return ps->nqueue != 0;
}
