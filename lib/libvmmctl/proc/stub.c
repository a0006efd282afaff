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
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1ul << 0)
#endif
#define SS_AUTODISARM_FLAG	(1u << 31)
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

/* What the kernel reads of the seat's page while the seat is being made. */
static void prepare_ops(struct proc_seat *seat)
{
	uint64_t at = STUB_OPS + (uint64_t)seat->index * STUB_OPS_SIZE;
	struct stub_ops *o = seat->ops;
	const struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_NOTIFY, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STUB_HI, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	_Static_assert(sizeof(f) <= sizeof(o->filter), "filter");
	memcpy(o->filter, f, sizeof(f));
	o->fprog.len = sizeof(f) / sizeof(f[0]);
	o->fprog.filter = at + offsetof(struct stub_ops, filter);
	o->altstack.sp = STUB_FRAME + (uint64_t)seat->index * STUB_FRAME_SIZE;
	o->altstack.size = STUB_FRAME_SIZE;
	o->altstack.flags = SS_AUTODISARM_FLAG;
	/* The message's data: 8 zero bytes, a zygote_reply of kind 0. */
	o->iov.base = at + offsetof(struct stub_ops, pad);
	o->iov.len = sizeof(struct zygote_reply);
	o->control.len = CMSG_LEN(sizeof(int));
	o->control.level = SOL_SOCKET;
	o->control.type = SCM_RIGHTS;
	o->control.fd = FD_LISTENER;
	o->msg.iov = at + offsetof(struct stub_ops, iov);
	o->msg.iov_len = 1;
	o->msg.control = at + offsetof(struct stub_ops, control);
	o->msg.control_len = CMSG_SPACE(sizeof(int));
}

/* The listener has come: wait for the first trap, learn the frame. */
static int seat_ready(struct proc_seat *seat, int listener)
{
	struct proc *p = seat->stub->m->v->backend_data;
	uint64_t args[6];
	int err;

	seat->listener = listener;
	if (p->notif_sync)
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
		    SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	do {
		err = seat_receive(seat, PATIENCE_NS, args);
	} while (err == -EINTR);
	if (err == 0)
		err = frame_learn(seat, args);
	return err;
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

		if (seat->listener >= 0)
			close(seat->listener);
		os_shm_unmap(seat->ops, STUB_SLOT_SIZE);
	}
	if (stub->socket >= 0)
		close(stub->socket);
	slots_free(m->backend_data, stub->slot, stub->nseats);
	vmmctl_free(m->v, stub);
}

static int stub_fork(struct stub *stub, int *listener)
{
	struct zygote_request q = { .kind = ZYGOTE_FORK, .slot = stub->slot,
	    .seats = stub->nseats };
	int sv[2] = { -1, -1 }, r;

	if (stub->nseats > 1) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		    sv) != 0)
			return -errno;
		stub->socket = sv[0];
	}
	r = zygote_call(stub->m, &q, sv[1],
	    stub->nseats == 1 ? listener : NULL);
	if (sv[1] >= 0)
		close(sv[1]);
	if (r < 0)
		return r;
	stub->pid = r;
	return stub->nseats == 1 && *listener < 0 ? -EMFILE : 0;
}

static int stub_create(struct vmmctl_machine *m, uint32_t nseats,
    struct stub **out)
{
	struct stub *stub;
	int listener = -1, err;

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
	for (uint32_t i = 0; i < nseats; i++)
		stub->seats[i].listener = -1;
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
		prepare_ops(seat);
	}
	err = stub_fork(stub, &listener);
	if (err == 0 && nseats == 1) {
		err = seat_ready(&stub->seats[0], listener);
		if (err != 0) {
			stub_destroy(stub);
			return err;
		}
	}
	if (err != 0)
		goto fail;
	*out = stub;
	return 0;
fail:
	stub_free(stub);
	return err;
}

void stub_destroy(struct stub *stub)
{
	struct zygote_request q = { .kind = ZYGOTE_KILL, .pid = stub->pid };

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
	frame_clear(&stub->seats[0]);
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

/* A stub of several seats makes one when it is asked by its number. */
static int seat_make(struct proc_seat *seat)
{
	static const uint8_t zeros[STUB_MAX_SEATS];
	struct stub *stub = seat->stub;
	int listener, err;

	if (send(stub->socket, zeros, seat->index + 1, MSG_NOSIGNAL) < 0)
		return -errno;
	err = receive_listener(stub->socket, &listener);
	return err != 0 ? err : seat_ready(seat, listener);
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

int stub_seat(struct vmmctl_vcpu *v, struct vmmctl_space *s,
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
			return vmmctl_fail(s->m->v, err, "no host process for "
			    "the space (error %d); raise the limits on "
			    "processes and descriptors (ulimit -u, -n)", -err);
		stub->space = s;
		list_append(&pm->stubs, &stub->link);
		ps->stub = stub;
		queue_start(s);
		seat = seat_of(stub, v);
	}
	if (seat->listener < 0) {
		err = seat_make(seat);
		if (err != 0)
			return vmmctl_fail(s->m->v, err, "no thread for the "
			    "space (error %d); raise the limits on processes "
			    "and descriptors (ulimit -u, -n)", -err);
	}
	seat->seat.vcpu = v;
	*out = seat;
	return 0;
}
