// SPDX-License-Identifier: BSD-2-Clause
/*
 * context.c - contexts: registers, extended state and where it is, policy.
 */
#include "machine.h"

#include <errno.h>
#include <string.h>

#define XSAVE_LEGACY	512u
#define XSAVE_HEADER	64u
#define XSAVE_MIN	(XSAVE_LEGACY + XSAVE_HEADER)
#define XSAVE_BV	512u	/* offset of XSTATE_BV */
#define MXCSR_AT	24u
#define MXCSR_INIT	0x1f80u
#define MXCSR_VALID	0xffffu
#define FCW_INIT	0x37fu

static void xsave_reset(struct vmmctl_context *c)
{
	const uint16_t fcw = FCW_INIT;
	const uint32_t mxcsr = MXCSR_INIT, mask = MXCSR_VALID;

	memcpy(c->xsave, &fcw, sizeof(fcw));
	memcpy(c->xsave + MXCSR_AT, &mxcsr, sizeof(mxcsr));
	memcpy(c->xsave + MXCSR_AT + 4, &mask, sizeof(mask));
}

int vmmctl_context_create(struct vmmctl_space *s, struct vmmctl_context **out)
{
	KEEP_ERRNO();
	struct vmmctl_machine *m = s->m;
	struct vmmctl_context *c;
	int err = 0;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	c = vmmctl_zalloc(m->v, sizeof(*c));
	if (c == NULL)
		goto nomem;
	c->xsave = vmmctl_zalloc(m->v, m->v->info.xsave_size);
	if (c->xsave == NULL)
		goto nomem;
	xsave_reset(c);
	c->m = m;
	c->space = s;
	c->regs.rflags = RFLAGS_FIXED | RFLAGS_IF;
	mtx_lock(&m->lock);
	if (m->v->ops->context_init != NULL)
		err = m->v->ops->context_init(c);
	if (err == 0) {
		s->contexts++;
		list_append(&m->contexts, &c->link);
	}
	mtx_unlock(&m->lock);
	if (err != 0)
		goto fail;
	*out = c;
	return 0;
nomem:
	err = vmmctl_fail(m->v, -ENOMEM, "no memory for a context");
fail:
	if (c != NULL)
		vmmctl_free(m->v, c->xsave);
	vmmctl_free(m->v, c);
	return err;
}

void context_free(struct vmmctl_context *c)
{
	KEEP_ERRNO();
	struct vmmctl_machine *m = c->m;

	mtx_lock(&m->lock);
	if (c->seat != NULL)
		c->seat->owner = NULL;
	if (m->v->ops->context_fini != NULL)
		m->v->ops->context_fini(c);
	c->space->contexts--;
	list_remove(&c->link);
	mtx_unlock(&m->lock);
	vmmctl_free(m->v, c->xsave);
	vmmctl_free(m->v, c);
}

void vmmctl_context_destroy(struct vmmctl_context *c)
{
	if (c != NULL && vmmctl_alive(c->m->v))
		context_free(c);
}

struct vmmctl_regs *vmmctl_context_regs(struct vmmctl_context *c)
{
	return &c->regs;
}

void context_merge(struct vmmctl_context *c, const struct vmmctl_regs *all)
{
	const uint64_t *shown = (const uint64_t *)&c->shown;
	const uint64_t *guest = (const uint64_t *)all;
	uint64_t *regs = (uint64_t *)&c->regs;

	_Static_assert(sizeof(*all) == 20 * sizeof(uint64_t), "only uint64_t");
	_Static_assert(offsetof(struct vmmctl_regs, rax) == 0, "RAX is first");
	/* A result may equal the number: RAX is the caller's in any case. */
	for (size_t i = 1; i < sizeof(*all) / sizeof(uint64_t); i++)
		if (regs[i] == shown[i] && guest[i] != shown[i])
			regs[i] = guest[i];
	c->brief = false;
}

int context_fetch(struct vmmctl_context *c)
{
	struct vmmctl_regs all;
	int err;

	if (!c->brief)
		return 0;
	err = c->m->v->ops->fetch(c->seat, &all);
	if (err == 0)
		context_merge(c, &all);
	else
		c->lost = true;
	c->brief = false;
	return err;
}

void context_unload(struct vmmctl_context *c)
{
	struct seat *seat = c->seat;

	if (seat == NULL || seat->vcpu == NULL)
		return;
	context_fetch(c);
	if (c->m->v->ops->xsave_save(seat, c->xsave) != 0)
		c->lost = true;
	seat->owner = NULL;
	c->seat = NULL;
}

static int check_idle(struct vmmctl_context *c)
{
	if (!vmmctl_alive(c->m->v))
		return vmmctl_forked(c->m->v);
	if (atomic_load(&c->busy) != 0)
		return vmmctl_fail(c->m->v, -EBUSY, "the context is running");
	return 0;
}

/*
 * The components that lie in the first size bytes; the offsets are CPUID's
 * (SDM vol. 1 13.2).
 */
static uint64_t components_in(const struct vmmctl *v, size_t size)
{
	uint64_t fit = 3;

	for (unsigned i = 2; i < 63; i++)
		if ((v->info.xsave_mask >> i & 1) != 0 &&
		    v->xsave[i].at <= size &&
		    v->xsave[i].len <= size - v->xsave[i].at)
			fit |= 1ull << i;
	return fit;
}

static int lost(struct vmmctl *v)
{
	return vmmctl_fail(v, -EIO, "the guest's registers are lost: its host "
	    "process has ended");
}

int vmmctl_context_fetch(struct vmmctl_context *c)
{
	int err = check_idle(c);

	if (err != 0 || !c->brief)
		return err;
	mtx_lock(&c->m->lock);
	err = context_fetch(c);
	mtx_unlock(&c->m->lock);
	return err == 0 ? 0 : lost(c->m->v);
}

int vmmctl_context_get_xsave(struct vmmctl_context *c, void *buf, size_t size)
{
	KEEP_ERRNO();
	uint32_t full = c->m->v->info.xsave_size;
	int err = check_idle(c);
	uint64_t bv;

	if (err != 0)
		return err;
	if (size < XSAVE_MIN)
		return vmmctl_fail(c->m->v, -EINVAL, "an XSAVE area has at "
		    "least %u bytes, %u hold all of it", XSAVE_MIN, full);
	mtx_lock(&c->m->lock);
	if (context_fetch(c) != 0)
		err = lost(c->m->v);
	else if (c->seat != NULL)
		err = c->m->v->ops->xsave_save(c->seat, c->xsave);
	mtx_unlock(&c->m->lock);
	if (err != 0)
		return err;
	memcpy(buf, c->xsave, size < full ? size : full);
	if (size < full) {
		memcpy(&bv, c->xsave + XSAVE_BV, sizeof(bv));
		bv &= components_in(c->m->v, size);
		memcpy((uint8_t *)buf + XSAVE_BV, &bv, sizeof(bv));
	}
	return 0;
}

static int check_xsave(struct vmmctl *v, const uint8_t *area)
{
	uint64_t header[8];
	uint32_t mxcsr;

	memcpy(header, area + XSAVE_BV, sizeof(header));
	memcpy(&mxcsr, area + MXCSR_AT, sizeof(mxcsr));
	/* SDM vol. 1 13.8.1: what XRSTOR answers with #GP. */
	if ((header[0] & ~v->info.xsave_mask) != 0)
		return vmmctl_fail(v, -EINVAL, "XSTATE_BV 0x%llx has "
		    "components outside of xsave_mask 0x%llx",
		    (unsigned long long)header[0],
		    (unsigned long long)v->info.xsave_mask);
	for (int i = 1; i < 8; i++)
		if (header[i] != 0)
			return vmmctl_fail(v, -EINVAL, "XSAVE header bytes 8 "
			    "to 63 must be 0: the standard format is wanted");
	if ((mxcsr & ~MXCSR_VALID) != 0)
		return vmmctl_fail(v, -EINVAL, "MXCSR 0x%x has reserved bits",
		    mxcsr);
	return 0;
}

/* Take the components that lie in the first size bytes. */
static void xsave_merge(struct vmmctl_context *c, const uint8_t *buf,
    size_t size)
{
	uint64_t old, new, fit = components_in(c->m->v, size);

	memcpy(&old, c->xsave + XSAVE_BV, sizeof(old));
	memcpy(&new, buf + XSAVE_BV, sizeof(new));
	memcpy(c->xsave, buf, XSAVE_LEGACY);
	for (unsigned i = 2; i < 63; i++)
		if (fit >> i & 1)
			memcpy(c->xsave + c->m->v->xsave[i].at,
			    buf + c->m->v->xsave[i].at, c->m->v->xsave[i].len);
	old = (old & ~fit) | (new & fit);
	memcpy(c->xsave + XSAVE_BV, &old, sizeof(old));
}

int vmmctl_context_set_xsave(struct vmmctl_context *c, const void *buf,
    size_t size)
{
	KEEP_ERRNO();
	uint32_t full = c->m->v->info.xsave_size;
	int err = check_idle(c);

	if (err != 0)
		return err;
	if (size < XSAVE_MIN)
		return vmmctl_fail(c->m->v, -EINVAL, "an XSAVE area has at "
		    "least %u bytes, %u hold all of it", XSAVE_MIN, full);
	err = check_xsave(c->m->v, buf);
	if (err != 0)
		return err;
	mtx_lock(&c->m->lock);
	context_fetch(c);
	if (c->seat != NULL && size < full)
		err = c->m->v->ops->xsave_save(c->seat, c->xsave);
	if (err == 0) {
		xsave_merge(c, buf, size < full ? size : full);
		if (c->seat != NULL)
			err = c->m->v->ops->xsave_load(c->seat, c->xsave);
	}
	mtx_unlock(&c->m->lock);
	return err;
}

int vmmctl_context_set_space(struct vmmctl_context *c, struct vmmctl_space *s)
{
	KEEP_ERRNO();
	int err = check_idle(c);

	if (err != 0)
		return err;
	if (s->m != c->m)
		return vmmctl_fail(c->m->v, -EINVAL,
		    "the space is of another machine than the context");
	if (s == c->space)
		return 0;
	mtx_lock(&c->m->lock);
	context_unload(c);
	c->space->contexts--;
	s->contexts++;
	c->space = s;
	mtx_unlock(&c->m->lock);
	return 0;
}

int vmmctl_context_set_step(struct vmmctl_context *c, int step)
{
	int err = step != 0 ? vmmctl_context_fetch(c) : check_idle(c);

	/* A step looks at registers, and changes RFLAGS. */
	if (err == 0)
		c->step = step != 0;
	return err;
}

int vmmctl_context_set_policy(struct vmmctl_context *c, unsigned vector,
    enum vmmctl_policy policy)
{
	int err = check_idle(c);

	if (err != 0)
		return err;
	if (vector >= 32 || (unsigned)policy > VMMCTL_POLICY_KILL)
		return vmmctl_fail(c->m->v, -EINVAL, "vector %u, policy %u: "
		    "vectors are 0 to 31, policies EXIT, COUNT, REFLECT, KILL",
		    vector, (unsigned)policy);
	if (policy == VMMCTL_POLICY_COUNT && vector != VEC_DB &&
	    vector != VEC_BP)
		return vmmctl_fail(c->m->v, -EINVAL, "policy COUNT is for the "
		    "traps #DB (1) and #BP (3): after the fault %u the guest "
		    "could not go on", vector);
	c->policy[vector] = (uint8_t)policy;
	return 0;
}

int vmmctl_context_set_handler(struct vmmctl_context *c, uint64_t rip,
    uint64_t sp)
{
	int err = check_idle(c);

	if (err != 0)
		return err;
	if (!is_canonical(rip) || !is_canonical(sp))
		return vmmctl_fail(c->m->v, -EINVAL,
		    "the handler's RIP and stack must be canonical addresses");
	c->handler = rip;
	c->handler_sp = sp;
	return 0;
}

int vmmctl_context_set_debug_regs(struct vmmctl_context *c,
    const struct vmmctl_debug_regs *d)
{
	/* L0-L3, G0-G3, R/W and LEN; GE, LE and bit 10 are harmless. */
	const uint64_t valid = 0xffff07ffull;
	struct vmmctl_debug_regs old;
	struct vmmctl *v = c->m->v;
	int err = check_idle(c);

	if (err != 0)
		return err;
	if (v->ops->debug_regs == NULL)
		return vmmctl_fail(v, -ENOTSUP, "backend %s has no hardware "
		    "breakpoints", v->info.backend);
	for (int i = 0; i < 4; i++) {
		uint64_t rw = d->dr7 >> (16 + 4 * i) & 3;

		if ((d->dr7 >> (2 * i) & 3) == 0)
			continue;
		if (d->addr[i] >= v->info.gva_limit)
			return vmmctl_fail(v, -EINVAL, "DR%d 0x%llx is beyond "
			    "gva_limit", i, (unsigned long long)d->addr[i]);
		if (rw == 2)
			return vmmctl_fail(v, -EINVAL,
			    "DR%d: I/O breakpoints do not exist in ring 3", i);
	}
	if ((d->dr7 & ~valid) != 0)
		return vmmctl_fail(v, -EINVAL, "DR7 0x%llx has reserved bits",
		    (unsigned long long)d->dr7);
	old = c->debug;
	c->debug = *d;
	err = v->ops->debug_regs(c);
	if (err != 0)
		c->debug = old;
	return err;
}
