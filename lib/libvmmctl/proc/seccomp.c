// SPDX-License-Identifier: BSD-2-Clause
/*
 * seccomp.c - the fast variant: two ioctls on a seat's listener are the way
 * into the guest and out.
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
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1ul << 0)
#endif
#define SS_AUTODISARM_FLAG	(1u << 31)
#define PULLS_MAX	16

/* -ENOENT: a signal has taken the thread out of the call: it notifies again. */
static int answer(struct proc_seat *seat, uint64_t value)
{
	struct seccomp_notif_resp r = { .id = seat->notif,
	    .val = (int64_t)value };

	return ioctl(seat->listener, SECCOMP_IOCTL_NOTIF_SEND, &r) == 0 ? 0 :
	    -errno;
}

/*
 * Let the handler go on.  A stop, or a freeze, has taken the thread out of its
 * call: it makes the same one again when it goes on, and the guest has not run
 * meanwhile.  -EINTR until then: nothing has been said.
 */
static int answer_handler(struct proc_seat *seat)
{
	uint64_t args[6];
	int err;

	while ((err = answer(seat, seat->index)) == -ENOENT) {
		err = seat_receive(seat, PATIENCE_NS, args);
		if (err != 0)
			return err == -ETIMEDOUT ? -EINTR : err;
		if (seat->in_call)
			return -ESRCH;
	}
	return err;
}

/* ---- making seats ---------------------------------------------------------- */

/* What the kernel reads of the seat's page while the seat is being made. */
static void prepare_ops(struct proc_seat *seat)
{
	uint64_t at = STUB_OPS + (uint64_t)seat->index * STUB_OPS_SIZE;
	struct stub_ops *o = seat->ops;
	struct sock_filter f[FILTER_MAX];
	size_t n = filter_build(seat->stub->m->brief, f);

	_Static_assert(sizeof(f) <= sizeof(o->ops), "filter");
	/* The ops are not in use yet. */
	memcpy(o->ops, f, n * sizeof(f[0]));
	o->fprog.len = (uint16_t)n;
	o->fprog.filter = at + offsetof(struct stub_ops, ops);
	o->resume = seat->stub->m->any_brief;
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
	uint64_t args[6];
	int err;

	seat->listener = listener;
	seat->made = true;
	/* Since Linux 6.6; without it an unpinned hand-over changes CPUs. */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
	    SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	err = seat_await(seat, args);
	if (err == 0)
		err = frame_learn(seat, args);
	return err;
}

static int start_stub(struct stub *stub)
{
	struct zygote_request q = { .kind = ZYGOTE_FORK, .slot = stub->slot,
	    .seats = stub->nseats };
	int sv[2] = { -1, -1 }, listener = -1, r;

	for (uint32_t i = 0; i < stub->nseats; i++)
		prepare_ops(&stub->seats[i]);
	if (stub->nseats > 1) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		    sv) != 0)
			return -errno;
		stub->socket = sv[0];
	}
	r = zygote_call(stub->m, &q, sv[1],
	    stub->nseats == 1 ? &listener : NULL);
	if (sv[1] >= 0)
		close(sv[1]);
	if (r < 0)
		return r;
	stub->pid = r;
	if (stub->nseats > 1)
		return 0;
	if (listener < 0)
		return listener == -1 ? -EAGAIN : listener;
	return seat_ready(&stub->seats[0], listener);
}

/* A stub of several seats makes one when it is asked by its number. */
static int start_seat(struct proc_seat *seat)
{
	static const uint8_t zeros[STUB_MAX_SEATS];
	struct stub *stub = seat->stub;
	int listener, err;

	if (send(stub->socket, zeros, seat->index + 1, MSG_NOSIGNAL) < 0)
		return -errno;
	err = receive_listener(stub->socket, &listener);
	if (err == 0)
		return seat_ready(seat, listener);
	/* It may come yet: no other seat may take it for its own. */
	seat_died(seat);
	return err == -ETIMEDOUT ? -EAGAIN : err;
}

static void seat_fini(struct proc_seat *seat)
{
	if (seat->made)
		close(seat->listener);
}

/* ---- into the guest and out ------------------------------------------------ */

/*
 * Take the thread from a brief call to the handler, where its whole state is
 * in the frame; fs and gs base (may be NULL) come with the notification.
 */
static int pull(struct proc_seat *seat, uint64_t *fs_base, uint64_t *gs_base)
{
	uint64_t ip = seat->ip, args[6];
	int err = 0;

	if (!seat->in_call)
		return 0;
	/* After a stop, or a freeze, the call is made again before the signal
	 * is heard. */
	for (int i = 0; i < PULLS_MAX && seat->in_call && err == 0; i++) {
		syscall(SYS_tgkill, seat->stub->pid, seat->tid, KICK_SIGNAL);
		err = seat_await(seat, args);
	}
	if (err != 0 || seat->in_call) {
		/* The frame has what there is; nobody enters again. */
		seat->in_call = false;
		seat_died(seat);
		return -ESRCH;
	}
	seat->ip = ip;
	if (fs_base != NULL) {
		*fs_base = args[3];
		*gs_base = args[4];
	}
	return 0;
}

static int fetch(struct proc_seat *seat, struct vmmctl_regs *all)
{
	int err = pull(seat, &all->fs_base, &all->gs_base);

	if (err != 0)
		return err;
	frame_load(seat, all);
	/* SA_RESTART has made it look as if the call were still to come. */
	all->rip = all->rcx = seat->ip;
	all->rflags = (all->rflags & ~RFLAGS_RF) | RFLAGS_IF | RFLAGS_FIXED;
	return 0;
}

/* The second argument of REPORT_ERROR is what the call returned. */
static int op_error(const uint64_t args[6])
{
	return args[1] >= (uint64_t)-4095 ? (int)(int64_t)args[1] : -EINVAL;
}

static int flush(struct proc_seat *seat)
{
	struct proc_machine *pm = seat->stub->m->backend_data;
	struct vmmctl_context *c = seat->seat.owner;
	uint64_t args[6];
	int err;

	/* Out of the call there is no second chance to fetch. */
	err = c != NULL && c->brief ? context_fetch(c) :
	    pull(seat, NULL, NULL);
	if (err != 0)
		return err;
	frame_arm(seat, pm->key);
	seat->ops->resume = 0;
	err = answer_handler(seat);
	if (err == 0)
		err = seat_await(seat, args);
	if (err == -ETIMEDOUT)
		err = -ESRCH;
	if (err != 0)
		return err;
	seat->ops->count = 0;
	/* The handler always uses the key: something else has answered. */
	if (!frame_disarm(seat))
		return -ESRCH;
	seat->op_error = op_error(args);
	return args[0] == REPORT_DONE ? 0 : -EAGAIN;
}

/*
 * Wait for the guest's next notification.  A guest that does not come out
 * when it is told to, by us or by another thread's kick, has blocked its
 * signals: that ends it, however many signals come to us meanwhile.
 */
static int wait_exit(struct vmmctl_vcpu *v, struct proc_seat *seat,
    uint64_t deadline, uint64_t args[6], enum event_type *cause)
{
	const bool listen = deadline == 0 && seat_may_listen(seat);
	struct patience p;
	bool told = false;
	int err;

	for (;;) {
		uint64_t ns = PATIENCE_NS;
		bool last = false;	/* of the time there is */

		if (told) {
			ns = patience_left(&p, seat->stub->pid);
			if (ns == 0) {
				kill(seat->stub->pid, SIGKILL);
				p = patience_begin();
				continue;
			}
		} else if (deadline != 0) {
			uint64_t now = os_mono_ns();

			last = deadline < now + PATIENCE_NS;
			if (last)
				ns = deadline > now ? deadline - now : 1;
		}
		err = listen && !told ? seat_listen(seat, v, args) :
		    seat_receive(seat, ns, args);
		if (told && err == -ETIMEDOUT)
			continue;
		if (err == -ETIMEDOUT && last)
			*cause = EVENT_TIMEOUT;
		else if (err == -EINTR)
			*cause = EVENT_SIGNAL;
		else if (err != -ETIMEDOUT)
			return err;
		else if (atomic_load(&v->kicked) == 0 &&
		    atomic_load(&v->running->parked) == 0)
			continue;
		if (!told)
			p = patience_begin();
		told = true;
		proc_kick(v);
	}
}

/* The result of a brief call; -EAGAIN: it needs the handler. */
static int answer_call(struct vmmctl_context *c, struct proc_seat *seat)
{
	struct vmmctl_regs r = c->regs;

	r.rax = c->shown.rax;
	if (!c->brief || seat->ops->count != 0 ||
	    memcmp(&r, &c->shown, sizeof(r)) != 0)
		return -EAGAIN;
	/* The kernel would take these for its own wish to restart. */
	if (c->regs.rax >= (uint64_t)-516 && c->regs.rax <= (uint64_t)-512)
		return -EAGAIN;
	return answer(seat, c->regs.rax);
}

static int answer_all(struct vmmctl_context *c, struct proc_seat *seat)
{
	struct proc_machine *pm = c->m->backend_data;
	int err;

	if (seat->in_call) {
		err = answer_call(c, seat);
		if (err == 0) {
			c->brief = false;
			return 0;
		}
		if (err != -EAGAIN && err != -ENOENT)
			return err;
		err = c->brief ? context_fetch(c) : pull(seat, NULL, NULL);
		if (err != 0)
			return err;
	}
	frame_store(seat, &c->regs);
	if (seat->ops->count != 0)
		frame_arm(seat, pm->key);
	seat->ops->resume = 1;
	return answer_handler(seat);
}

static void load_call(struct vmmctl_context *c, const struct proc_seat *seat,
    const uint64_t args[6], struct event *ev)
{
	struct vmmctl_regs *r = &c->regs;

	memset(ev, 0, sizeof(*ev));
	ev->type = EVENT_SYSCALL;
	ev->brief = true;
	r->rax = seat->nr;
	r->rdi = args[0];
	r->rsi = args[1];
	r->rdx = args[2];
	r->r10 = args[3];
	r->r8 = args[4];
	r->r9 = args[5];
	r->rip = r->rcx = seat->ip;
}

static int enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct proc_seat *seat, uint64_t deadline, struct event *ev)
{
	enum event_type cause = EVENT_KICK;
	uint64_t args[6];
	int err;

	err = answer_all(c, seat);
	if (err == 0)
		err = wait_exit(v, seat, deadline, args, &cause);
	if (err != 0)
		return err;
	if (seat->armed) {
		if (!frame_disarm(seat))
			return -ESRCH;
		seat->op_error = op_error(args);
		if (!seat->in_call && args[0] == REPORT_ERROR)
			return -EAGAIN;
	}
	if (seat->in_call) {
		load_call(c, seat, args, ev);
		return 0;
	}
	/* Not the handler's doing: there was nothing to report. */
	if (args[0] >= REPORT_DONE)
		return -ESRCH;
	frame_load(seat, &c->regs);
	c->regs.fs_base = args[3];
	c->regs.gs_base = args[4];
	frame_event(seat, &c->regs, (int)args[0], ev);
	if (ev->type == EVENT_KICK)
		ev->type = cause;
	return 0;
}

static int xsave_load(struct proc_seat *seat, const void *buf)
{
	int err = pull(seat, NULL, NULL);

	return err != 0 ? err : frame_xsave_load(seat, buf);
}

static int xsave_save(struct proc_seat *seat, void *buf)
{
	int err = pull(seat, NULL, NULL);

	return err != 0 ? err : frame_xsave_save(seat, buf);
}

const struct proc_variant proc_seccomp = {
	.name = "seccomp",
	.start_stub = start_stub,
	.start_seat = start_seat,
	.seat_clear = frame_clear,
	.seat_fini = seat_fini,
	.flush = flush,
	.enter = enter,
	.xsave_load = xsave_load,
	.xsave_save = xsave_save,
	.fetch = fetch,
};
