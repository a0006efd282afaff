// SPDX-License-Identifier: BSD-2-Clause
/*
 * run.c - the run: into the guest, out again, and what came of it.  A system
 * call of a context that is not special, on a backend that is simple, goes
 * straight through vmmctl_vcpu_run(); all else is a call away from there.
 */
#include "counters.h"
#include "machine.h"
#include "os.h"
#include "run.h"

#include <errno.h>
#include <string.h>

/* What enter() returns besides what a backend's enter does. */
#define KEPT_OUT	2	/* kicked, or the space is parked */
#define UNSEATED	3	/* c's state is elsewhere */

#define RARE		__attribute__((noinline, cold))

static bool take_kick(struct vmmctl_vcpu *v)
{
	if (atomic_load_explicit(&v->kicked, memory_order_relaxed) == 0 ||
	    atomic_exchange(&v->kicked, 0) == 0)
		return false;
	count_add(&v->counters->kicks, 1);
	return true;
}

/* ---- before ------------------------------------------------------------- */

/* SDM vol. 3C 26.3.1.1, 26.3.1.2, 26.3.1.4: what an entry would refuse. */
static bool refused(struct vmmctl_context *c, struct vmmctl_exit *e)
{
	static const char canonical[] = "must be a canonical address";
	const struct vmmctl_regs *r = &c->regs;

	memset(e, 0, sizeof(*e));
	if (c->lost) {
		/* Once: the caller may set all registers and go on. */
		c->lost = false;
		e->field = "guest's process";
		e->rule = "must live: the registers that a brief exit had left "
		    "there are lost";
		e->section = "vmmctl(3), ISOLATION";
	} else if (!is_canonical(r->rip)) {
		e->field = "RIP";
		e->value = r->rip;
		e->rule = canonical;
		e->section = "SDM vol. 3C 26.3.1.4";
	} else if (!is_canonical(r->fs_base)) {
		e->field = "FS_BASE";
		e->value = r->fs_base;
		e->rule = canonical;
		e->section = "SDM vol. 3C 26.3.1.2";
	} else if (!is_canonical(r->gs_base)) {
		e->field = "GS_BASE";
		e->value = r->gs_base;
		e->rule = canonical;
		e->section = "SDM vol. 3C 26.3.1.2";
	} else if ((r->rflags & ~(RFLAGS_USER | RFLAGS_FIXED)) != 0) {
		e->field = "RFLAGS";
		e->value = r->rflags;
		e->rule = "IOPL, VM, VIF, VIP and reserved bits must be 0 in "
		    "ring 3";
		e->section = "SDM vol. 3C 26.3.1.4";
	} else {
		return false;
	}
	e->kind = VMMCTL_EXIT_FAILED;
	return true;
}

static bool out_of_budget(struct vmmctl_vcpu *v, struct vmmctl_exit *e)
{
	uint32_t which = 0;

	if ((v->special & VMMCTL_BUDGET_EXITS) && v->budget_exits == 0)
		which = VMMCTL_BUDGET_EXITS;
	if ((v->special & VMMCTL_BUDGET_TIME) && v->budget_ns == 0)
		which = VMMCTL_BUDGET_TIME;
	if (which == 0)
		return false;
	memset(e, 0, sizeof(*e));
	e->kind = VMMCTL_EXIT_BUDGET;
	e->budget = which;
	return true;
}

/* ---- in and out --------------------------------------------------------- */

/* Make v's seat for c's space hold c's extended state. */
static int take_seat(struct vmmctl_vcpu *v, struct vmmctl_context *c)
{
	const struct backend_ops *ops = v->ops;
	struct seat *seat;
	int err;

	mtx_lock(&c->m->lock);
	err = ops->seat(v, c, &seat);
	if (err != 0 || c->seat == seat)
		goto out;
	if (seat->owner != NULL)
		context_unload(seat->owner);
	context_unload(c);
	err = ops->xsave_load(seat, c->xsave);
	if (err == 0) {
		seat->owner = c;
		c->seat = seat;
	}
out:
	mtx_unlock(&c->m->lock);
	return err;
}

/* Returns r, which so need not be kept elsewhere. */
RARE static int wait_unparked(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    int r)
{
	KEEP_ERRNO();
	uint32_t parked;

	while ((parked = atomic_load(&s->parked)) != 0) {
		os_wake_all(&v->entered);
		os_wait(&s->parked, parked);
	}
	return r;
}

/* Dekker with space_park() and with vmmctl_vcpu_kick().  False: somebody wants
 * us outside; come_out() is due in any case. */
static inline bool go_in(struct vmmctl_vcpu *v, struct vmmctl_space *s)
{
	if (unlikely(atomic_load_explicit(&v->running,
	    memory_order_relaxed) != s)) {
		count_add(&v->counters->space_switches, 1);
		atomic_store_explicit(&v->running, s, memory_order_relaxed);
	}
	atomic_store_explicit(&v->entered, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return (atomic_load_explicit(&s->parked, memory_order_relaxed) |
	    atomic_load_explicit(&v->kicked, memory_order_relaxed)) == 0;
}

void vcpu_left(struct vmmctl_vcpu *v)
{
	atomic_store(&v->entered, 0);
	if (atomic_load(&v->running->parked) != 0)
		os_wake_all(&v->entered);
}

static inline int come_out(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    int r)
{
	atomic_store_explicit(&v->entered, 0, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&s->parked,
	    memory_order_relaxed) != 0))
		return wait_unparked(v, s, r);
	return r;
}

/* The time after the last exit has been counted when this returns: it is the
 * caller's to forget v->outside. */
static inline int in_guest(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	struct counter_slot *slot = v->counters;
	struct counter_exit *outside = v->outside;
	uint64_t t = ticks();
	int r;

	count_add(&slot->entries, 1);
	v->in = t;
	if (likely(outside != NULL))
		counters_exit_time(outside, t - v->left);
	r = v->ops->enter(v, c, deadline, ev);
	t = ticks();
	slot = v->counters;
	v->left = t;
	count_add(&slot->guest_time, t - v->in);
	count_add(&slot->exits, 1);
	return r;
}

/* Only while entered: a seat may be taken away from who is outside. */
static bool seated(const struct vmmctl_vcpu *v,
    const struct vmmctl_context *c)
{
	const struct seat *seat = c->seat;

	return seat != NULL && (seat->vcpu == v || seat->vcpu == NULL) &&
	    !seat->dead;
}

/* The moment when the time in the budget is used up. */
static uint64_t deadline_of(const struct vmmctl_vcpu *v, uint64_t now)
{
	return v->budget_ns > UINT64_MAX - now ? UINT64_MAX :
	    now + v->budget_ns;
}

static void charge(struct vmmctl_vcpu *v, uint64_t t, bool all)
{
	v->budget_ns = all || t >= v->budget_ns ? 0 : v->budget_ns - t;
}

/* Into the guest and out again, whatever the context, backend and budget. */
static int enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct event *ev)
{
	const bool timed = (v->special & VMMCTL_BUDGET_TIME) != 0;
	struct vmmctl_space *s = c->space;
	uint64_t start;
	int r = KEPT_OUT;

	if (!go_in(v, s))
		goto out;
	r = UNSEATED;
	if (!seated(v, c))
		goto out;
	start = timed ? os_mono_ns() : 0;
	r = in_guest(v, c, timed ? deadline_of(v, start) : 0, ev);
	v->outside = NULL;
	/* Before anyone may take the seat away, who has to fetch the rest. */
	if (r == 0 && ev->brief) {
		c->shown = c->regs;
		c->brief = true;
	}
	if (timed)
		charge(v, os_mono_ns() - start,
		    r == 0 && ev->type == EVENT_TIMEOUT);
out:
	return come_out(v, s, r);
}

/* ---- after -------------------------------------------------------------- */

/* 1: the exit stays; 0: the policy dealt with it. */
static int apply_policy(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    const struct vmmctl_exit *e)
{
	switch (e->kind) {
	case VMMCTL_EXIT_BREAKPOINT:
	case VMMCTL_EXIT_FAULT:
	case VMMCTL_EXIT_EXCEPTION:
	case VMMCTL_EXIT_DEBUG:
		break;
	default:
		return 1;
	}
	switch (c->policy[e->vector & 31]) {
	case VMMCTL_POLICY_COUNT:
		break;
	case VMMCTL_POLICY_REFLECT:
		if (!reflect(c, e))
			return 1;
		break;
	case VMMCTL_POLICY_KILL:
		c->dead = true;
		return 1;
	default:
		return 1;
	}
	count_add(&v->counters->exit[e->kind - 1].count, 1);
	count_add(&v->counters->handled, 1);
	return 0;
}

/* From what enter() returned and *ev to: 1: the exit is in *e; 0: go on;
 * -errno. */
static int after(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct step *st, struct event *ev, int r, struct vmmctl_exit *e)
{
	const bool unseated = r == UNSEATED, kept_out = r == KEPT_OUT;

	if (r == ENTER_SYSCALL)
		*ev = (struct event){ .type = EVENT_SYSCALL };
	else if (r != 0)
		*ev = (struct event){ .type = EVENT_KICK };
	if (r > 0)
		r = 0;
	/* RFLAGS and R11 need tending. */
	if (ev->brief && st->on) {
		mtx_lock(&c->m->lock);
		if (context_fetch(c) == 0)
			ev->brief = false;
		mtx_unlock(&c->m->lock);
	}
	if (ev->type == EVENT_FAILED)	/* said once is enough */
		c->brief = c->lost = false;
	if (v->ops->bare && ev->type == EVENT_VECTOR && ev->vector == VEC_GP)
		selector_load(c, ev);
	step_end(c, st, ev);
	if (unseated)
		return take_seat(v, c);
	if (r != 0)
		return r;
	if (ev->type == EVENT_REFUSED && refused(c, e))
		return 1;
	if (!ev->brief && ev->type != EVENT_DONE)
		c->regs.rflags = (c->regs.rflags & ~RFLAGS_RF) | RFLAGS_IF |
		    RFLAGS_FIXED;
	r = decode_event(v, c, ev, e);
	if (r == 0 && !kept_out)
		count_add(&v->counters->handled, 1);
	if (r <= 0)
		return r;
	if (v->budget_exits != 0)
		v->budget_exits--;
	if (apply_policy(v, c, e) == 0)
		return 0;
	/* A signal's end of the run serves for a kick too. */
	if (e->kind == VMMCTL_EXIT_KICKED)
		take_kick(v);
	return 1;
}

/* ---- all of it ---------------------------------------------------------- */

/* As after(), for any context and budget, from the beginning. */
static int run_once(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *e)
{
	struct event ev = { .type = EVENT_KICK };
	struct step st;
	int r = 0;

	if (take_kick(v)) {
		memset(e, 0, sizeof(*e));
		e->kind = VMMCTL_EXIT_KICKED;
		return 1;
	}
	if (out_of_budget(v, e) || refused(c, e))
		return 1;
	if (step_begin(c, &st)) {
		st.on = false;
		ev = (struct event){ .type = EVENT_VECTOR, .vector = VEC_DB,
		    .dr6 = VMMCTL_DR6_BS };
	} else {
		r = enter(v, c, &ev);
	}
	return after(v, c, &st, &ev, r, e);
}

static int run_on(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *e)
{
	int r;

	if (c->dead)
		return vmmctl_fail(c->m->v, -ESRCH,
		    "the context was killed by its exception policy");
	do
		r = run_once(v, c, e);
	while (r == 0);
	if (r > 0 && c->brief && !e->brief) {
		/* Kicked before it went on: only brief exits show half. */
		mtx_lock(&c->m->lock);
		context_fetch(c);
		mtx_unlock(&c->m->lock);
	}
	return r;
}

/* r is negative, or the exit is in *e. */
static int finish(struct vmmctl_vcpu *v, struct vmmctl_context *c, int r,
    const struct vmmctl_exit *e)
{
	if (r > 0) {
		if (v->outside != NULL) {
			/* No entry in this run has ended that time. */
			v->in = ticks();
			counters_exit_time(v->outside, v->in - v->left);
			v->left = v->in;
		}
		v->outside = &v->counters->exit[e->kind - 1];
		count_add(&v->outside->count, 1);
	}
	c->fills = 0;
	atomic_store_explicit(&c->busy, 0, memory_order_release);
	atomic_store_explicit(&v->busy, 0, memory_order_release);
	return r < 0 ? r : 0;
}

static __attribute__((noinline)) int run_long(struct vmmctl_vcpu *v,
    struct vmmctl_context *c, struct vmmctl_exit *e)
{
	KEEP_ERRNO();

	return finish(v, c, run_on(v, c, e), e);
}

/* The rest of a run that was not short after all: r is the entry's. */
static __attribute__((noinline)) int run_rest(struct vmmctl_vcpu *v,
    struct vmmctl_context *c, int r, struct vmmctl_exit *e)
{
	KEEP_ERRNO();
	struct step st = { .on = false };

	if (r != KEPT_OUT)
		v->outside = NULL;
	r = after(v, c, &st, &v->event, r, e);
	if (r == 0)
		r = run_on(v, c, e);
	return finish(v, c, r, e);
}

static inline int run_short(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *e)
{
	struct vmmctl_space *s = c->space;
	int r = KEPT_OUT;

	if (likely(go_in(v, s)))
		r = in_guest(v, c, 0, &v->event);
	r = come_out(v, c->space, r);
	if (unlikely(r != ENTER_SYSCALL))
		return run_rest(v, c, r, e);
	/* In two pieces, for which compilers need no loop. */
	memset(e, 0, 48);
	memset((uint8_t *)e + 48, 0, sizeof(*e) - 48);
	e->kind = VMMCTL_EXIT_SYSCALL;
	v->outside = &v->counters->exit[VMMCTL_EXIT_SYSCALL - 1];
	count_add(&v->outside->count, 1);
	atomic_store_explicit(&c->busy, 0, memory_order_release);
	atomic_store_explicit(&v->busy, 0, memory_order_release);
	return 0;
}

static inline bool take(_Atomic uint32_t *busy)
{
	return (atomic_fetch_or_explicit(busy, 1, memory_order_acquire) &
	    1) == 0;
}

int vmmctl_vcpu_run(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *e)
{
	if (unlikely(atomic_load_explicit(v->guard,
	    memory_order_relaxed) == 0))
		return vmmctl_forked(v->m->v);
	if (unlikely(c->m != v->m))
		return vmmctl_fail(v->m->v, -EINVAL,
		    "the context is of another machine than the vCPU");
	if (unlikely(!take(&v->busy)))
		return vmmctl_fail(v->m->v, -EBUSY,
		    "the vCPU is run by another thread");
	if (unlikely(!take(&c->busy))) {
		atomic_store_explicit(&v->busy, 0, memory_order_release);
		return vmmctl_fail(v->m->v, -EBUSY,
		    "the context is run by another vCPU");
	}
	count_add(&v->counters->runs, 1);
	if (unlikely((c->special | v->special) != 0))
		return run_long(v, c, e);
	return run_short(v, c, e);
}
