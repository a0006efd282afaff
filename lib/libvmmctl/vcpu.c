// SPDX-License-Identifier: BSD-2-Clause
/*
 * vcpu.c - vCPUs: the run loop, kicks, budgets and exception policy.
 */
#include "counters.h"
#include "machine.h"
#include "os.h"
#include "run.h"

#include <errno.h>
#include <string.h>

int vmmctl_vcpu_create(struct vmmctl_machine *m, struct vmmctl_vcpu **out)
{
	KEEP_ERRNO();
	struct vmmctl_vcpu *v;
	struct link *l;
	int err;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	v = vmmctl_zalloc(m->v, sizeof(*v));
	if (v == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a vCPU");
	v->m = m;
	mtx_lock(&m->lock);
again:
	LIST_EACH(l, &m->vcpus)
		if (LIST_ITEM(l, struct vmmctl_vcpu, link)->index ==
		    v->index) {
			v->index++;
			goto again;
		}
	if (v->index >= m->max_vcpus) {
		err = vmmctl_fail(m->v, -ENOSPC, "the machine has its "
		    "max_vcpus of %u", m->max_vcpus);
		goto fail;
	}
	v->counters = counters_slot(m, v->index + 1);
	err = m->v->ops->vcpu_init(v);
	if (err != 0)
		goto fail;
	list_append(&m->vcpus, &v->link);
	mtx_unlock(&m->lock);
	*out = v;
	return 0;
fail:
	mtx_unlock(&m->lock);
	vmmctl_free(m->v, v);
	return err;
}

void vcpu_free(struct vmmctl_vcpu *v)
{
	KEEP_ERRNO();
	struct vmmctl_machine *m = v->m;
	struct link *l;

	mtx_lock(&m->lock);
	LIST_EACH(l, &m->contexts) {
		struct vmmctl_context *c = LIST_ITEM(l, struct vmmctl_context,
		    link);

		if (c->seat != NULL && c->seat->vcpu == v)
			context_unload(c);
	}
	m->v->ops->vcpu_fini(v);
	list_remove(&v->link);
	mtx_unlock(&m->lock);
	vmmctl_free(m->v, v);
}

void vmmctl_vcpu_destroy(struct vmmctl_vcpu *v)
{
	if (v != NULL && vmmctl_alive(v->m->v))
		vcpu_free(v);
}

void vmmctl_vcpu_kick(struct vmmctl_vcpu *v)
{
	if (!vmmctl_alive(v->m->v))
		return;
	/* entered is set before kicked is looked at for the last time. */
	atomic_store(&v->kicked, 1);
	if (atomic_load(&v->entered) != 0)
		v->m->v->ops->kick(v);
}

int vmmctl_vcpu_set_budget(struct vmmctl_vcpu *v, uint64_t ns,
    uint64_t exits)
{
	if (!vmmctl_alive(v->m->v))
		return vmmctl_forked(v->m->v);
	if (atomic_load(&v->busy) != 0)
		return vmmctl_fail(v->m->v, -EBUSY, "the vCPU is running");
	v->budget_ns = ns;
	v->budget_exits = exits;
	v->budget_set = (ns != 0 ? VMMCTL_BUDGET_TIME : 0) |
	    (exits != 0 ? VMMCTL_BUDGET_EXITS : 0);
	return 0;
}

static bool take_kick(struct vmmctl_vcpu *v)
{
	if (atomic_load_explicit(&v->kicked, memory_order_relaxed) == 0 ||
	    atomic_exchange(&v->kicked, 0) == 0)
		return false;
	count_add(&v->counters->kicks, 1);
	return true;
}

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

	if ((v->budget_set & VMMCTL_BUDGET_EXITS) && v->budget_exits == 0)
		which = VMMCTL_BUDGET_EXITS;
	if ((v->budget_set & VMMCTL_BUDGET_TIME) && v->budget_ns == 0)
		which = VMMCTL_BUDGET_TIME;
	if (which == 0)
		return false;
	memset(e, 0, sizeof(*e));
	e->kind = VMMCTL_EXIT_BUDGET;
	e->budget = which;
	return true;
}

/* Make v's seat for c's space hold c's extended state. */
static int take_seat(struct vmmctl_vcpu *v, struct vmmctl_context *c)
{
	const struct backend_ops *ops = c->m->v->ops;
	struct seat *seat;
	int err;

	mtx_lock(&c->m->lock);
	err = ops->seat(v, c, &seat);
	if (err != 0 || c->seat == seat)
		goto out;
	if (seat->owner != NULL)
		err = context_unload(seat->owner);
	if (err == 0)
		err = context_unload(c);
	if (err == 0)
		err = ops->xsave_load(seat, c->xsave);
	if (err == 0) {
		seat->owner = c;
		c->seat = seat;
	}
out:
	mtx_unlock(&c->m->lock);
	return err;
}

/* Only while entered: a seat may be taken away from who is outside. */
static bool seated(const struct vmmctl_vcpu *v,
    const struct vmmctl_context *c)
{
	return c->seat != NULL && c->seat->vcpu == v && !c->seat->dead;
}

/* Into the guest and out again, unless somebody wants us outside. */
static int enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct event *ev, bool *unseated)
{
	struct vmmctl_space *s = c->space;
	uint64_t start = 0, deadline = 0, t;
	uint32_t parked;
	int err = 0;

	ev->type = EVENT_KICK;
	atomic_store_explicit(&v->running, s, memory_order_relaxed);
	atomic_store(&v->entered, 1);
	if (atomic_load(&s->parked) != 0)
		goto out;
	if (atomic_load(&v->kicked) != 0)
		goto out;
	*unseated = !seated(v, c);
	if (*unseated)
		goto out;
	if (v->last != s) {
		count_add(&v->counters->space_switches, 1);
		v->last = s;
	}
	if (v->budget_set & VMMCTL_BUDGET_TIME) {
		start = os_mono_ns();
		deadline = v->budget_ns > UINT64_MAX - start ? UINT64_MAX :
		    start + v->budget_ns;
	}
	count_add(&v->counters->entries, 1);
	t = ticks();
	err = c->m->v->ops->enter(v, c, deadline, ev);
	/* Before anyone may take the seat away, who has to fetch the rest. */
	if (ev->brief) {
		c->shown = c->regs;
		c->brief = true;
	}
	count_add(&v->counters->guest_time, ticks() - t);
	count_add(&v->counters->exits, 1);
	if (start != 0) {
		t = os_mono_ns() - start;
		v->budget_ns = t >= v->budget_ns ||
		    (err == 0 && ev->type == EVENT_TIMEOUT) ? 0 :
		    v->budget_ns - t;
	}
out:
	atomic_store(&v->entered, 0);
	while ((parked = atomic_load(&s->parked)) != 0) {
		os_wake_all(&v->entered);
		os_wait(&s->parked, parked);
	}
	return err;
}

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

/* One way into the guest and what came of it: as decode_event. */
static int run_once(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *e)
{
	struct event ev = { .type = EVENT_KICK };
	bool unseated = false;
	struct step st;
	int r;

	if (step_begin(c, &st)) {
		ev = (struct event){ .type = EVENT_VECTOR, .vector = VEC_DB,
		    .dr6 = VMMCTL_DR6_BS };
	} else {
		r = enter(v, c, &ev, &unseated);
		/* RFLAGS and R11 need tending. */
		if (ev.brief && st.on) {
			mtx_lock(&c->m->lock);
			if (context_fetch(c) == 0)
				ev.brief = false;
			mtx_unlock(&c->m->lock);
		}
		if (ev.type == EVENT_FAILED)	/* said once is enough */
			c->brief = c->lost = false;
		step_end(c, &st, &ev);
		if (r == 0 && unseated)
			r = take_seat(v, c);
		if (r != 0 || unseated)
			return r;
	}
	if (!ev.brief)
		c->regs.rflags = (c->regs.rflags & ~RFLAGS_RF) | RFLAGS_IF |
		    RFLAGS_FIXED;
	r = decode_event(v, c, &ev, e);
	if (r == 0)
		count_add(&v->counters->handled, 1);
	if (r <= 0)
		return r;
	if (v->budget_exits != 0)
		v->budget_exits--;
	return apply_policy(v, c, e);
}

static int run(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *e)
{
	int r;

	for (;;) {
		if (take_kick(v)) {
			memset(e, 0, sizeof(*e));
			e->kind = VMMCTL_EXIT_KICKED;
			return 0;
		}
		if (out_of_budget(v, e) || refused(c, e))
			return 0;
		r = run_once(v, c, e);
		if (r < 0)
			return r;
		if (r > 0) {
			/* A signal's end of the run serves for a kick too. */
			if (e->kind == VMMCTL_EXIT_KICKED)
				take_kick(v);
			return 0;
		}
	}
}

int vmmctl_vcpu_run(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *e)
{
	KEEP_ERRNO();
	struct vmmctl *h = v->m->v;
	int r;

	if (!vmmctl_alive(h))
		return vmmctl_forked(h);
	if (c->m != v->m)
		return vmmctl_fail(h, -EINVAL,
		    "the context is of another machine than the vCPU");
	if (atomic_exchange_explicit(&v->busy, 1, memory_order_acquire) != 0)
		return vmmctl_fail(h, -EBUSY,
		    "the vCPU is run by another thread");
	if (atomic_exchange_explicit(&c->busy, 1, memory_order_acquire) != 0) {
		atomic_store(&v->busy, 0);
		return vmmctl_fail(h, -EBUSY,
		    "the context is run by another vCPU");
	}
	if (v->last_kind != 0)
		counters_exit_time(v->counters, v->last_kind,
		    ticks() - v->last_ticks);
	v->last_kind = 0;
	c->fills = 0;
	count_add(&v->counters->runs, 1);
	r = c->dead ? vmmctl_fail(h, -ESRCH,
	    "the context was killed by its exception policy") : run(v, c, e);
	if (r == 0 && c->brief && !e->brief) {
		/* Kicked before it went on: only brief exits show half. */
		mtx_lock(&c->m->lock);
		context_fetch(c);
		mtx_unlock(&c->m->lock);
	}
	if (r == 0) {
		count_add(&v->counters->exit[e->kind - 1].count, 1);
		v->last_kind = e->kind;
		v->last_ticks = ticks();
	}
	atomic_store_explicit(&c->busy, 0, memory_order_release);
	atomic_store_explicit(&v->busy, 0, memory_order_release);
	return r;
}
