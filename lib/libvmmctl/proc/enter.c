// SPDX-License-Identifier: BSD-2-Clause
/*
 * enter.c - into the guest and out: two ioctls on the seat's listener.
 */
#include "../os.h"
#include "proc.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Wait until the listener has something; the deadline may pass first. */
static int wait_listener(struct proc_seat *seat, uint64_t deadline)
{
	struct pollfd p = { .fd = seat->listener, .events = POLLIN };
	struct timespec t, *timeout = NULL;
	int n;

	if (deadline != 0) {
		uint64_t now = os_mono_ns();
		uint64_t left = deadline > now ? deadline - now : 0;

		t.tv_sec = (time_t)(left / 1000000000u);
		t.tv_nsec = (long)(left % 1000000000u);
		timeout = &t;
	}
	n = ppoll(&p, 1, timeout, NULL);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	return p.revents & POLLIN ? 0 : -ESRCH;
}

int seat_receive(struct proc_seat *seat, uint64_t args[6])
{
	struct proc *p = seat->stub->m->v->backend_data;
	struct seccomp_notif n;
	int err;

	if (!p->notif_hangup) {
		err = wait_listener(seat, 0);
		if (err != 0)
			return err;
	}
	memset(&n, 0, sizeof(n));
	if (ioctl(seat->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0) {
		/* ENOENT: it was interrupted by a signal, or has ended. */
		if (errno == EINTR)
			return -EINTR;
		if (errno == ENOENT && wait_listener(seat, 0) != -ESRCH)
			return -EINTR;
		return -ESRCH;
	}
	seat->notif = n.id;
	seat->tid = (pid_t)n.pid;
	for (int i = 0; i < 6; i++)
		args[i] = n.data.args[i];
	return 0;
}

int seat_answer(struct proc_seat *seat, bool resume)
{
	struct proc_machine *pm = seat->stub->m->backend_data;
	struct seccomp_notif_resp r = { .id = seat->notif,
	    .val = (int64_t)(pm->key | seat->index) };

	seat->ops->resume = resume;
	return ioctl(seat->listener, SECCOMP_IOCTL_NOTIF_SEND, &r) == 0 ? 0 :
	    -errno;
}

void seat_died(struct proc_seat *seat)
{
	for (uint32_t i = 0; i < seat->stub->nseats; i++)
		atomic_store(&seat->stub->seats[i].seat.dead, true);
}

void proc_kick(struct vmmctl_vcpu *v)
{
	struct proc_vcpu *pv = v->backend_data;
	int32_t tid = atomic_load(&pv->tid);
	int saved = errno;

	if (tid != 0)
		syscall(SYS_tgkill, atomic_load(&pv->tgid), tid, KICK_SIGNAL);
	errno = saved;
}

/* Carry the queued changes to the stub without entering the guest. */
static int flush(struct proc_seat *seat, uint64_t args[6])
{
	int err = seat_answer(seat, false);

	while (err == 0) {
		err = seat_receive(seat, args);
		if (err == -EINTR)
			err = 0;	/* the caller's next step notices */
		else
			break;
	}
	return err;
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
 * Make the stub's mappings what the page table says, or leave the last
 * of it to the entry.  With several seats no guest may run before all is
 * done, since another seat could run it: nothing is left then.
 */
static int synchronize(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    struct proc_seat *seat)
{
	struct proc_space *ps = s->backend_data;
	uint64_t args[6] = { REPORT_DONE };
	int tries = 0, err = 0;
	bool more;

	seat->ops->count = 0;
	if (atomic_load_explicit(&ps->pending, memory_order_relaxed) == 0 &&
	    seat->stub->nseats == 1)
		return 0;
	err = lock_inside(s);
	if (err != 0)
		return err;
	while (ps->nqueue != 0 || ps->drop) {
		more = queue_take(s, seat);
		count_add(&v->counters->flushes, 1);
		if (!more && seat->stub->nseats == 1)
			break;
		err = flush(seat, args);
		seat->ops->count = 0;
		if (err != 0)
			break;
		if (args[0] == REPORT_DONE)
			continue;
		/* Too many mappings: start afresh, faults fetch the rest. */
		err = -ENOMEM;
		if (tries++ > 0)
			break;
		ps->nqueue = 0;
		queue_drop_all(s);
		err = 0;
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

/* Wait for the guest's next notification, whatever it takes. */
static int wait_exit(struct vmmctl_vcpu *v, struct proc_seat *seat,
    uint64_t deadline, uint64_t args[6], enum event_type *cause)
{
	int err;

	for (;;) {
		err = deadline == 0 ? 0 : wait_listener(seat, deadline);
		if (err == 0)
			err = seat_receive(seat, args);
		if (err == -ETIMEDOUT)
			*cause = EVENT_TIMEOUT;
		else if (err == -EINTR)
			*cause = EVENT_SIGNAL;
		else
			return err;
		/* The guest must come out before we can tell anything. */
		deadline = 0;
		proc_kick(v);
	}
}

static int enter_once(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct proc_seat *seat, uint64_t deadline, struct event *ev)
{
	enum event_type cause = EVENT_KICK;
	uint64_t args[6];
	int err;

	err = synchronize(v, c->space, seat);
	if (err == 0) {
		frame_store(seat, &c->regs);
		err = seat_answer(seat, true);
	}
	if (err == 0 || err == -ENOENT)
		err = wait_exit(v, seat, deadline, args, &cause);
	if (err == -ESRCH) {
		died(seat, ev);
		return 0;
	}
	if (err != 0)
		return err;
	if (args[0] == REPORT_ERROR)
		return -EAGAIN;
	frame_load(seat, &c->regs);
	c->regs.fs_base = args[3];
	c->regs.gs_base = args[4];
	frame_event(seat, &c->regs, (int)args[0], ev);
	if (ev->type == EVENT_KICK)
		ev->type = cause;
	return 0;
}

int proc_enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	struct proc_seat *seat = (struct proc_seat *)(void *)((char *)c->seat -
	    offsetof(struct proc_seat, seat));
	struct proc_vcpu *pv = v->backend_data;
	int err = 0;

	atomic_store(&pv->tgid, seat->stub->pid);
	atomic_store(&pv->tid, seat->tid);
	/* A kick or a park before this store found nobody to signal. */
	ev->type = EVENT_KICK;
	if (atomic_load(&v->kicked) == 0 &&
	    atomic_load(&c->space->parked) == 0) {
		err = enter_once(v, c, seat, deadline, ev);
		/* An op failed, the guest has not run: start afresh. */
		if (err == -EAGAIN) {
			err = lock_inside(c->space);
			if (err == 0) {
				queue_drop_all(c->space);
				mtx_unlock(&c->m->lock);
				err = enter_once(v, c, seat, deadline, ev);
			}
		}
	}
	atomic_store(&pv->tid, 0);
	if (err == -EINTR)
		return 0;	/* EVENT_KICK: somebody wants us outside */
	return err == -EAGAIN ? vmmctl_fail(c->m->v, -ENOMEM,
	    "the host refuses the stub's mappings") :
	    err == 0 ? 0 : vmmctl_fail(c->m->v, err,
	    "the stub does not answer (error %d)", -err);
}
