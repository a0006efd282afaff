// SPDX-License-Identifier: BSD-2-Clause
/*
 * enter.c - into the guest and out: two ioctls on the seat's listener.
 */
#include "../machine.h"
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

int seat_receive(struct proc_seat *seat, uint64_t ns, uint64_t args[6])
{
	const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
	    .tv_nsec = (long)(ns % 1000000000u) };
	struct pollfd p = { .fd = seat->listener, .events = POLLIN };
	struct seccomp_notif n;
	int ready;

	/* The receiving ioctl alone would not hear, before Linux 6.11, that
	 * the stub has died, and knows no time. */
	ready = ppoll(&p, 1, &t, NULL);
	if (ready < 0)
		return -errno;
	if (ready == 0)
		return -ETIMEDOUT;
	if ((p.revents & POLLIN) == 0)
		return -ESRCH;
	memset(&n, 0, sizeof(n));
	/* ENOENT: the notification was withdrawn, for a signal. */
	if (ioctl(seat->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0)
		return errno == ENOENT ? -EINTR : -errno;
	seat->notif = n.id;
	seat->tid = (pid_t)n.pid;
	for (int i = 0; i < 6; i++)
		args[i] = n.data.args[i];
	return 0;
}

static int answer(struct proc_seat *seat)
{
	struct seccomp_notif_resp r = { .id = seat->notif,
	    .val = seat->index };

	/* ENOENT: a signal took it out of the call; it will notify again. */
	return ioctl(seat->listener, SECCOMP_IOCTL_NOTIF_SEND, &r) == 0 ||
	    errno == ENOENT ? 0 : -errno;
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
 * Carry the ops to the stub without entering the guest: one round.  No seat
 * of the stub is inside.  -ENOMEM: the host refused one.
 */
static int flush(struct proc_seat *seat)
{
	struct proc_machine *pm = seat->stub->m->backend_data;
	uint64_t args[6];
	int err;

	frame_arm(seat, pm->key);
	seat->ops->resume = 0;
	err = answer(seat);
	while (err == 0) {
		err = seat_receive(seat, PATIENCE_NS, args);
		if (err == -EINTR)
			err = 0;
		else
			break;
	}
	if (err == -ETIMEDOUT)
		err = -ESRCH;
	if (err != 0)
		return err;
	seat->ops->count = 0;
	return frame_disarm(seat) && args[0] == REPORT_DONE ? 0 : -ENOMEM;
}

/*
 * Carry all queued changes to a stub with several seats.  The others are kept
 * outside: they could read the key, and could run before the changes hold.
 */
static int flush_all(struct vmmctl_space *s, struct proc_seat *seat)
{
	struct proc_space *ps = s->backend_data;
	int err = 0, tries = 0;

	space_park_others(s, seat->seat.vcpu);
	while (err == 0 && (ps->nqueue != 0 || ps->drop)) {
		queue_take(s, seat);
		err = flush(seat);
		if (err == -ENOMEM && tries++ == 0) {
			/* Too many mappings: start afresh, faults fetch. */
			queue_drop_all(s);
			err = 0;
		}
	}
	seat->ops->count = 0;
	space_unpark(s);
	return err;
}

/*
 * Make the stub's mappings what the page table says, or leave the last of it
 * to the entry, which then finds ops->count set.
 */
static int synchronize(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    struct proc_seat *seat)
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
	if (seat->stub->nseats > 1)
		err = flush_all(s, seat);
	else
		while (err == 0 && queue_take(s, seat))
			err = flush(seat);
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

/*
 * Wait for the guest's next notification.  A guest that does not come out
 * when it is told to has blocked its signals: that ends it.
 */
static int wait_exit(struct vmmctl_vcpu *v, struct proc_seat *seat,
    uint64_t deadline, uint64_t args[6], enum event_type *cause)
{
	bool told = false;
	int err;

	for (;;) {
		uint64_t ns = PATIENCE_NS;
		bool last = false;	/* of the time there is */

		if (!told && deadline != 0) {
			uint64_t now = os_mono_ns();

			last = deadline < now + PATIENCE_NS;
			if (last)
				ns = deadline > now ? deadline - now : 0;
		}
		err = seat_receive(seat, ns, args);
		if (err == -ETIMEDOUT && told) {
			kill(seat->stub->pid, SIGKILL);
			continue;
		}
		if (err == -ETIMEDOUT && last)
			*cause = EVENT_TIMEOUT;
		else if (err == -EINTR)
			*cause = EVENT_SIGNAL;
		else if (err != -ETIMEDOUT)
			return err;
		else if (atomic_load(&v->kicked) == 0 &&
		    atomic_load(&v->last->parked) == 0)
			continue;
		told = true;
		proc_kick(v);
	}
}

static int enter_once(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct proc_seat *seat, uint64_t deadline, struct event *ev)
{
	struct proc_machine *pm = v->m->backend_data;
	enum event_type cause = EVENT_KICK;
	uint64_t args[6];
	int err;

	err = synchronize(v, c->space, seat);
	if (err == 0) {
		frame_store(seat, &c->regs);
		if (seat->ops->count != 0)
			frame_arm(seat, pm->key);
		seat->ops->resume = 1;
		err = answer(seat);
	}
	if (err == 0)
		err = wait_exit(v, seat, deadline, args, &cause);
	if (err == -ESRCH) {
		died(seat, ev);
		return 0;
	}
	if (err != 0)
		return err;
	if (seat->armed && (!frame_disarm(seat) || args[0] == REPORT_ERROR))
		return -EAGAIN;
	if (args[0] >= REPORT_DONE) {
		/* Not the handler's doing: there was nothing to report. */
		died(seat, ev);
		return 0;
	}
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
		if (err == -EAGAIN || err == -ENOMEM) {
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
	if (err == -EAGAIN || err == -ENOMEM)
		return vmmctl_fail(c->m->v, -ENOMEM, "the host refuses the "
		    "stub's mappings; raise vm.max_map_count");
	return err == 0 ? 0 : vmmctl_fail(c->m->v, err,
	    "the stub does not answer (error %d)", -err);
}
