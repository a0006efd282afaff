// SPDX-License-Identifier: BSD-2-Clause
/*
 * enter.c - into the guest and out: what does not depend on the variant.
 */
#include "../machine.h"
#include "../os.h"
#include "../run.h"
#include "proc.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED_MAX	8u

void seat_died(struct proc_seat *seat)
{
	for (uint32_t i = 0; i < seat->stub->nseats; i++)
		atomic_store(&seat->stub->seats[i].seat.dead, true);
}

void proc_kick(struct vmmctl_vcpu *v)
{
	struct proc_vcpu *pv = v->backend_data;
	int32_t tid = atomic_load(&pv->tid), tgid = atomic_load(&pv->tgid);
	int saved = errno;

	/* Should the receiving call be restarted, it is refused. */
	__atomic_store_n(&pv->heard.flags, 1, __ATOMIC_RELAXED);
	if (tid != 0)
		syscall(SYS_tgkill, tgid, tid, KICK_SIGNAL);
	errno = saved;
}

/*
 * Take the machine lock while entered.  Who holds it may be waiting for us to
 * leave: then leave, with -EINTR.
 */
static int lock_inside(struct vmmctl_space *s)
{
	while (mtx_trylock(&s->m->lock) != thrd_success) {
		if (atomic_load(&s->parked) != 0)
			return -EINTR;
		os_yield();
	}
	return 0;
}

/*
 * The host has refused an op.  If there were too many mappings, start afresh
 * and let faults fetch what is wanted; anything else, or that again and again,
 * is final.
 */
static int refused(struct vmmctl_space *s, const struct proc_seat *seat)
{
	struct proc_space *ps = s->backend_data;

	if (seat->op_error == -ENOMEM && ps->refused++ < REFUSED_MAX) {
		queue_drop_all(s);
		return 0;
	}
	return vmmctl_fail(s->m->v, seat->op_error == -ENOMEM ? -ENOMEM : -EIO,
	    "the host refuses to map guest memory in the stub (error %d)",
	    -seat->op_error);
}

/* What was taken from the queue has not been carried out, and the key may still
 * be where a guest could read it. [m] */
static void undo(struct vmmctl_space *s, struct proc_seat *seat)
{
	frame_disarm(seat);
	seat->ops->count = 0;
	queue_drop_all(s);
}

/* Carry out what queue_take() has left in the seat's ops. */
static int flush_round(struct vmmctl_space *s, struct proc_seat *seat)
{
	struct proc_space *ps = s->backend_data;
	int err = variant_of(s->m)->flush(seat);

	if (err != 0 && err != -EAGAIN) {
		undo(s, seat);
		return err;
	}
	seat->ops->count = 0;
	if (err == -EAGAIN)
		return refused(s, seat);
	if (seat->maps) {
		ps->careful = false;
		ps->refused = 0;
	}
	return 0;
}

/* Carry all queued changes to the stub, no seat of it being inside. */
static int flush_all(struct vmmctl_space *s, struct proc_seat *seat)
{
	struct proc_space *ps = s->backend_data;
	int err = 0;

	while (err == 0 && (ps->nqueue != 0 || ps->drop)) {
		queue_take(s, seat);
		err = flush_round(s, seat);
	}
	return err;
}

/*
 * Make the stub's mappings what the page table says, or, unless all is set,
 * leave the last of it to the entry, which then finds ops->count set.  With
 * several seats the others are kept outside: they could read the key, and
 * could run before the changes hold.
 */
static int synchronize(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    struct proc_seat *seat, bool all)
{
	struct proc_space *ps = s->backend_data;
	int err;

	seat->ops->count = 0;
	if (atomic_load(&ps->pending) == 0)
		return 0;
	err = lock_inside(s);
	if (err != 0)
		return err;
	count_add(&v->counters->flushes, 1);
	if (seat->stub->nseats > 1) {
		space_park_others(s, v);
		err = flush_all(s, seat);
		space_unpark(s);
	} else if (all || ps->careful || ps->nqueue > STUB_MAX_OPS) {
		err = flush_all(s, seat);
	} else if (queue_take(s, seat)) {
		/* One range was many ops; this was the first of the rounds. */
		err = flush_round(s, seat);
		if (err == 0)
			err = flush_all(s, seat);
	}
	mtx_unlock(&s->m->lock);
	return err;
}

static void died(struct proc_seat *seat, struct event *ev)
{
	seat_died(seat);
	memset(ev, 0, sizeof(*ev));
	ev->type = EVENT_FAILED;
	ev->field = "stub process";
	ev->value = (uint64_t)seat->stub->pid;
	ev->rule = "must live: it was killed, or the guest user destroyed it; "
	    "the next run makes a new one";
	ev->section = "vmmctl(3), ISOLATION";
}

static int enter_once(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct proc_seat *seat, uint64_t deadline, struct event *ev, bool all)
{
	int err = synchronize(v, c->space, seat, all);

	if (err == 0)
		err = variant_of(v->m)->enter(v, c, seat, deadline, ev);
	if (err != 0 && err != -EAGAIN && seat->ops->count != 0) {
		vcpu_left(v);
		mtx_lock(&v->m->lock);
		undo(c->space, seat);
		mtx_unlock(&v->m->lock);
	}
	if (err != -ESRCH)
		return err;
	died(seat, ev);
	return 0;
}

int proc_enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	KEEP_ERRNO();
	struct proc_seat *seat = seat_from(c->seat);
	struct proc_vcpu *pv = v->backend_data;
	int err = 0;

	atomic_store_explicit(&pv->tgid, seat->stub->pid,
	    memory_order_relaxed);
	atomic_store(&pv->tid, seat->tid);
	/* A kick or a park before this store found nobody to signal. */
	*ev = (struct event){ .type = EVENT_KICK };
	if (atomic_load(&v->kicked) == 0 &&
	    atomic_load(&c->space->parked) == 0) {
		err = enter_once(v, c, seat, deadline, ev, false);
		/*
		 * An op was refused and the guest has not run, says a report
		 * that the guest may have forged.  From now on carry out all
		 * before it runs; who reports then is a forger.
		 */
		if (err == -EAGAIN) {
			struct proc_space *ps = c->space->backend_data;

			err = lock_inside(c->space);
			if (err == 0) {
				ps->careful = true;
				queue_drop_all(c->space);
				mtx_unlock(&c->m->lock);
				err = enter_once(v, c, seat, deadline, ev,
				    true);
			}
		}
	}
	atomic_store_explicit(&pv->tid, 0, memory_order_release);
	if (err == -EINTR)
		return 0;	/* EVENT_KICK: somebody wants us outside */
	if (err == -EIO || err == -ENOMEM)
		return err;
	return err == 0 ? 0 : vmmctl_fail(c->m->v, err,
	    "the stub does not answer (error %d)", -err);
}
