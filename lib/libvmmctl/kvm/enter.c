// SPDX-License-Identifier: BSD-2-Clause
/*
 * enter.c - the run loop: one KVM_RUN per event in the steady state.
 */
#include "kv.h"
#include "../os.h"

#include <errno.h>
#include <sys/ioctl.h>

/*
 * KVM_RUN was left for a signal.  RFLAGS.IF tells where: ring 3 always has it
 * set, the stub never.  1: report it; 0: an event is under way, go on.
 */
static int interrupted(struct kv_cpu *cpu, struct kv_entry *e,
    struct event *ev)
{
	const struct kvm_regs *r = &cpu->run->s.regs.regs;
	struct kvm_sregs *s = &cpu->run->s.regs.sregs;
	const uint64_t offset = r->rip - stub_va(cpu->index);
	struct kvm_vcpu_events pending = { .flags = 0 };
	int err;

	if ((r->rflags & RFLAGS_IF) == 0) {
		if (offset < STUB_LOAD_CR3 || offset > STUB_IRETQ)
			return 0;
		/* Not yet in the guest user: nothing has changed. */
		cpu->in_ring3 = false;
		cpu->cr3 = 0;
		ev->type = EVENT_SIGNAL;
		return 1;
	}
	/* An event that KVM was delivering would hit the next context. */
	err = kv_ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &pending);
	if (err != 0)
		return err;
	if (pending.exception.injected || pending.exception.pending ||
	    pending.interrupt.injected || pending.nmi.injected)
		return 0;
	if (!cpu->plain) {
		/* The stub, which fetches the bases, has not run. */
		err = kv_ioctl(cpu->fd, KVM_GET_SREGS, s);
		if (err != 0)
			return err;
	}
	cpu->in_ring3 = true;
	kv_regs_from(e->regs, r);
	cpu->fs_base = e->regs->fs_base = s->fs.base;
	cpu->gs_base = e->regs->gs_base = s->gs.base;
	ev->type = EVENT_SIGNAL;
	return 1;
}

static int decode(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	switch (cpu->run->exit_reason) {
	case KVM_EXIT_IO:
		return kv_decode_port(cpu, e, ev);
	case KVM_EXIT_INTR:
		return interrupted(cpu, e, ev);
	default:
		cpu->stale = true;
		return kv_decode_failure(cpu, ev);
	}
}

int kv_enter(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	int rc = kv_timer_arm(cpu, e->deadline);

	if (rc == 0 && cpu->nmi_masked && cpu->vm->h->set_state)
		rc = kv_nmi_unmask(cpu);
	if (rc != 0)
		return rc;
	kv_load(cpu, e);
	for (;;) {
		rc = ioctl(cpu->fd, KVM_RUN, 0);
		if (rc == 0)
			rc = decode(cpu, e, ev);
		else if (errno == EINTR)
			rc = interrupted(cpu, e, ev);
		else
			rc = -errno;
		if (rc != 0)
			break;
		e->handled++;
	}
	if (rc < 0)
		cpu->stale = true;
	return rc < 0 ? rc : 0;
}
