// SPDX-License-Identifier: BSD-2-Clause
/*
 * receive.c - waiting for what a seat has to say.
 */
#include "../os.h"
#include "proc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

/* Into n, which is all zeros. */
static int receive(struct proc_seat *seat, struct seccomp_notif *n,
    uint64_t args[6])
{
	if (ioctl(seat->listener, SECCOMP_IOCTL_NOTIF_RECV, n) != 0)
		return -errno;
	seat->notif = n->id;
	seat->tid = (pid_t)n->pid;
	seat->in_call = n->data.instruction_pointer >> 32 != STUB_HI;
	seat->nr = (uint32_t)n->data.nr;
	seat->ip = n->data.instruction_pointer;
	for (int i = 0; i < 6; i++)
		args[i] = n->data.args[i];
	return 0;
}

/*
 * poll(2) first: the receiving ioctl alone would not hear, before Linux 6.11,
 * that the stub has died; it knows no time; and after a signal whose handler
 * has SA_RESTART it would wait on.
 */
int seat_receive(struct proc_seat *seat, uint64_t ns, uint64_t args[6])
{
	const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
	    .tv_nsec = (long)(ns % 1000000000u) };
	struct pollfd p = { .fd = seat->listener, .events = POLLIN };
	struct seccomp_notif n;
	int ready, err;

	do {
		ready = ppoll(&p, 1, &t, NULL);
		if (ready < 0)
			return -errno;
		if (ready == 0)
			return -ETIMEDOUT;
		/* A signal that comes while another has the kernel's lock:
		 * POLLERR. */
		if ((p.revents & POLLIN) == 0)
			return (p.revents & POLLHUP) != 0 ? -ESRCH : -EINTR;
		memset(&n, 0, sizeof(n));
		err = receive(seat, &n, args);
		/* Withdrawn: the thread takes a signal, and will say more. */
	} while (err == -ENOENT);
	return err;
}

/*
 * Nobody else can kick or have the space changed, whom a guest that blocks its
 * signals would keep waiting; signals need not be heard unless they kick.
 */
bool seat_may_listen(const struct proc_seat *seat)
{
	const struct vmmctl_machine *m = seat->stub->m;
	const struct proc *p = m->v->backend_data;

	return m->kicks_only && p->receiving_ends && os_single_threaded();
}

/*
 * The kernel wants zeros where it is to write, and looks again when it
 * restarts the call after a signal: a handler that kicks leaves a 1 there.
 */
int seat_listen(struct proc_seat *seat, struct vmmctl_vcpu *v, uint64_t args[6])
{
	struct proc_vcpu *pv = v->backend_data;
	int err;

	memset(&pv->heard, 0, sizeof(pv->heard));
	atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&v->kicked, memory_order_relaxed) != 0)
		return -EINTR;
	err = receive(seat, &pv->heard, args);
	if (err == -EINVAL && pv->heard.flags != 0)
		return -EINTR;
	/* Withdrawn, or nobody is left: that takes no time to hear. */
	return err == -ENOENT ? seat_receive(seat, PATIENCE_NS, args) : err;
}

/* ---- patience ------------------------------------------------------------- */

#define SLICE_NS	100000000u
#define ENOUGH_NS	(SLICE_NS / 4)

struct patience patience_begin(void)
{
	return (struct patience){ .end = os_mono_ns() + PATIENCE_NS,
	    .computed = UINT64_MAX };
}

static uint64_t computed_ns(pid_t pid)
{
	struct timespec t = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &t) != 0)
		return UINT64_MAX;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t patience_left(struct patience *p, pid_t pid)
{
	uint64_t now = os_mono_ns(), computed;

	if (now < p->end)
		return p->end - now;
	computed = computed_ns(pid);
	if (p->computed == UINT64_MAX)
		p->computed = computed;
	if (computed == UINT64_MAX || computed - p->computed >= ENOUGH_NS)
		return 0;
	p->end = now + SLICE_NS;
	return SLICE_NS;
}

int seat_await(struct proc_seat *seat, uint64_t args[6])
{
	struct patience p = patience_begin();
	uint64_t ns;
	int err;

	while ((ns = patience_left(&p, seat->stub->pid)) != 0) {
		err = seat_receive(seat, ns, args);
		if (err != -EINTR && err != -ETIMEDOUT)
			return err;
	}
	return -ETIMEDOUT;
}
