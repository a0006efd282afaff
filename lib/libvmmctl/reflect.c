// SPDX-License-Identifier: BSD-2-Clause
/*
 * reflect.c - hands an exception to the guest user's own handler.
 */
#include "machine.h"
#include "run.h"

#define RED_ZONE	128u

bool reflect(struct vmmctl_context *c, const struct vmmctl_exit *exit)
{
	struct vmmctl_regs *r = &c->regs;
	const struct vmmctl_frame frame = {
		.vector = exit->vector,
		.error_code = exit->error_code,
		.cr2 = exit->addr,
		.rip = r->rip,
		.rflags = r->rflags,
		.rsp = r->rsp,
	};
	struct vmmctl_fault f;
	uint64_t sp = c->handler_sp;
	int64_t n;

	if (c->handler == 0)
		return false;
	if (sp == 0)
		sp = (r->rsp - RED_ZONE - sizeof(frame)) & ~15ull;
	mtx_lock(&c->m->lock);
	n = copy_locked(c->space, sp, (void *)(uintptr_t)&frame, sizeof(frame),
	    VMMCTL_PROT_WRITE, &f);
	mtx_unlock(&c->m->lock);
	if (n != sizeof(frame))
		return false;
	r->rsp = sp;
	r->rip = c->handler;
	r->rflags = RFLAGS_FIXED | RFLAGS_IF;
	return true;
}
