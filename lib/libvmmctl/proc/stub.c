// SPDX-License-Identifier: BSD-2-Clause
/*
 * stub.c - stubs: made when a space first runs, kept for reuse, taken from
 * spaces that have not run for long when the host has no more processes or
 * descriptors to give.  A stub's mappings are a cache of the page table: one
 * can be replaced at any time while its space is not inside.
 */
#include "../machine.h"
#include "../os.h"
#include "proc.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define IDLE_MAX	32u

/* Ops page and frame of a slot, zeroed. */
static struct stub_ops *slot_map(struct vmmctl_machine *m, uint32_t slot)
{
	struct proc_machine *pm = m->backend_data;
	void *p = os_shm_map(pm->arena, (uint64_t)slot * STUB_SLOT_SIZE,
	    STUB_SLOT_SIZE, 1);

	if (p != NULL)
		memset(p, 0, STUB_SLOT_SIZE);
	return p;
}

/* The first of n free slots in a row. */
static int slots_alloc(struct proc_machine *pm, uint32_t n, uint32_t *slot)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < STUB_SLOTS; i++) {
		if (run == 0 && i % 64 == 0 && pm->slots[i / 64] == ~0ull) {
			i += 63;
			continue;
		}
		run = pm->slots[i / 64] >> (i % 64) & 1 ? 0 : run + 1;
		if (run == n) {
			*slot = i + 1 - n;
			for (; run > 0; run--, i--)
				pm->slots[i / 64] |= 1ull << (i % 64);
			return 0;
		}
	}
	return -ENOSPC;
}

static void slots_free(struct proc_machine *pm, uint32_t slot, uint32_t n)
{
	for (; n > 0; n--, slot++)
		pm->slots[slot / 64] &= ~(1ull << (slot % 64));
}

static void stub_free(struct stub *stub)
{
	struct vmmctl_machine *m = stub->m;

	for (uint32_t i = 0; i < stub->nseats; i++) {
		struct proc_seat *seat = &stub->seats[i];

		variant_of(m)->seat_fini(seat);
		os_shm_unmap(seat->ops, STUB_SLOT_SIZE);
	}
	if (stub->socket >= 0)
		close(stub->socket);
	slots_free(m->backend_data, stub->slot, stub->nseats);
	vmmctl_free(m->v, stub);
}

static int stub_create(struct vmmctl_machine *m, uint32_t nseats,
    struct stub **out)
{
	struct stub *stub;
	int err;

	stub = vmmctl_zalloc(m->v, sizeof(*stub) +
	    nseats * sizeof(stub->seats[0]));
	if (stub == NULL)
		return -ENOMEM;
	stub->m = m;
	stub->nseats = nseats;
	stub->socket = -1;
	err = slots_alloc(m->backend_data, nseats, &stub->slot);
	if (err != 0) {
		vmmctl_free(m->v, stub);
		return err;
	}
	for (uint32_t i = 0; i < nseats; i++) {
		struct proc_seat *seat = &stub->seats[i];

		seat->stub = stub;
		seat->index = i;
		seat->ops = slot_map(m, stub->slot + i);
		if (seat->ops == NULL) {
			err = -ENOMEM;
			goto fail;
		}
		seat->frame = (uint8_t *)seat->ops + STUB_OPS_SIZE;
		seat->ops->altstack.sp = STUB_FRAME +
		    (uint64_t)i * STUB_FRAME_SIZE;
		seat->ops->altstack.size = STUB_FRAME_SIZE;
	}
	err = variant_of(m)->start_stub(stub);
	if (err != 0)
		goto fail;
	*out = stub;
	return 0;
fail:
	if (stub->pid != 0)
		stub_destroy(stub);
	else
		stub_free(stub);
	return err;
}

void stub_destroy(struct stub *stub)
{
	struct zygote_request q = { .kind = ZYGOTE_KILL, .pid = stub->pid,
	    .slot = stub->slot, .seats = stub->nseats };

	zygote_call(stub->m, &q, -1, NULL);
	stub_free(stub);
}

/* Take the stub from its space; what was loaded in it goes home. */
void stub_release(struct stub *stub, bool reuse)
{
	struct proc_machine *pm = stub->m->backend_data;
	struct vmmctl_space *s = stub->space;
	struct proc_space *ps = s->backend_data;

	space_park(s);
	for (uint32_t i = 0; i < stub->nseats; i++) {
		struct seat *seat = &stub->seats[i].seat;

		if (seat->owner != NULL)
			context_unload(seat->owner);
		if (seat->dead)
			reuse = false;
		seat->vcpu = NULL;
	}
	ps->stub = NULL;
	stub->space = NULL;
	list_remove(&stub->link);
	if (!reuse || stub->nseats != 1 || pm->nidle == IDLE_MAX) {
		stub_destroy(stub);
	} else {
		list_append(&pm->idle, &stub->link);
		pm->nidle++;
	}
	space_unpark(s);
}

/* A stub that v alone has used and that is not inside now: v asks. */
static struct stub *least_recent(struct vmmctl_machine *m,
    const struct vmmctl_vcpu *v)
{
	struct proc_machine *pm = m->backend_data;
	struct link *l;

	LIST_EACH(l, &pm->stubs) {
		struct stub *stub = LIST_ITEM(l, struct stub, link);
		bool mine = true;

		for (uint32_t i = 0; i < stub->nseats; i++)
			if (stub->seats[i].seat.vcpu != NULL &&
			    stub->seats[i].seat.vcpu != v)
				mine = false;
		if (mine)
			return stub;
	}
	return NULL;
}

static struct stub *take_idle(struct vmmctl_machine *m)
{
	struct proc_machine *pm = m->backend_data;
	struct stub *stub;

	if (list_empty(&pm->idle))
		return NULL;
	stub = LIST_ITEM(list_first(&pm->idle), struct stub, link);
	list_remove(&stub->link);
	pm->nidle--;
	memset(stub->seats[0].ops->ops, 0, sizeof(stub->seats[0].ops->ops));
	variant_of(m)->seat_clear(&stub->seats[0]);
	return stub;
}

void stubs_retire(struct vmmctl_machine *m)
{
	struct proc_machine *pm = m->backend_data;
	struct stub *stub;

	while (!list_empty(&pm->stubs))
		stub_release(LIST_ITEM(list_first(&pm->stubs), struct stub,
		    link), false);
	while ((stub = take_idle(m)) != NULL)
		stub_destroy(stub);
}

static int find_stub(struct vmmctl_vcpu *v, uint32_t nseats,
    struct stub **out)
{
	struct vmmctl_machine *m = v->m;
	int err;

	if (nseats == 1) {
		*out = take_idle(m);
		if (*out != NULL)
			return 0;
	}
	for (;;) {
		struct stub *old;

		err = stub_create(m, nseats, out);
		if (err != -EMFILE && err != -ENFILE && err != -EAGAIN &&
		    err != -ENOMEM && err != -ENOSPC)
			return err;
		old = least_recent(m, v);
		if (old == NULL)
			return err;
		stub_release(old, nseats == 1);
		if (nseats == 1) {
			*out = take_idle(m);
			if (*out != NULL)
				return 0;
		}
	}
}

static struct proc_seat *seat_of(struct stub *stub,
    const struct vmmctl_vcpu *v)
{
	struct proc_seat *empty = NULL;

	for (uint32_t i = 0; i < stub->nseats; i++) {
		struct proc_seat *seat = &stub->seats[i];

		if (seat->seat.vcpu == v)
			return seat;
		if (seat->seat.vcpu == NULL && empty == NULL)
			empty = seat;
	}
	return empty;
}

static int no_thread(struct vmmctl *v, int err)
{
	if (err == -EIO)
		return err;	/* the zygote has ended: said there */
	if (err == -EPERM)
		return vmmctl_fail(v, err, "the host forbids ptrace "
		    "(sysctl kernel.yama.ptrace_scope, a container's policy); "
		    "allow it or use another backend");
	return vmmctl_fail(v, err, "no host process for the space (error %d); "
	    "raise the limits on processes and descriptors (ulimit -u, -n)",
	    -err);
}

/* The place for v in the stub of s, which is made if there is none that has
 * one. */
static int find_seat(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    struct proc_seat **out)
{
	struct proc_machine *pm = s->m->backend_data;
	struct proc_space *ps = s->backend_data;
	struct stub *stub = ps->stub;
	struct proc_seat *seat = NULL;
	uint32_t nseats = 1;
	int err;

	if (stub != NULL && !stub->seats[0].seat.dead)
		seat = seat_of(stub, v);
	if (stub != NULL && seat == NULL) {
		/* Dead, or one vCPU more than it has room for. */
		if (!stub->seats[0].seat.dead || stub->nseats > 1)
			nseats = s->m->max_vcpus;
		stub_release(stub, false);
		stub = NULL;
	}
	if (stub == NULL) {
		err = find_stub(v, nseats, &stub);
		if (err != 0)
			return err;
		stub->space = s;
		list_append(&pm->stubs, &stub->link);
		ps->stub = stub;
		queue_start(s);
		seat = seat_of(stub, v);
	}
	*out = seat;
	return 0;
}

/* The stub has inherited a limit that the owner may have raised since. */
static int start_seat(struct proc_seat *seat)
{
	const struct stub *stub = seat->stub;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit) == 0)
		(void)prlimit(stub->pid, RLIMIT_NPROC, &limit, NULL);
	return variant_of(stub->m)->start_seat(seat);
}

/*
 * A guest that runs beside a seat that is being made can spoil its frame, or
 * destroy the stub; or that had died, and nobody had noticed.  In the next one
 * this seat is the first, and no other can be there before it is made.
 */
int stub_seat(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    struct proc_seat **out)
{
	bool last = false;
	int err;

	for (;;) {
		err = find_seat(v, s, out);
		if (err != 0 || (*out)->made)
			break;
		err = start_seat(*out);
		if (err == 0 || err == -EAGAIN)
			break;
		seat_died(*out);
		if (last)
			break;
		last = true;
	}
	if (err != 0)
		return no_thread(s->m->v, err);
	(*out)->seat.vcpu = v;
	return 0;
}
