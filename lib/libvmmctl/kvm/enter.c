// SPDX-License-Identifier: BSD-2-Clause
/*
 * enter.c - the run loop: one KVM_RUN per event in the steady state.
 */
#include "kv.h"
#include "../os.h"

#include <errno.h>
#include <sys/ioctl.h>

/*
 * KVM_RUN was left for a signal, wherever the vCPU was: in ring 3, in the
 * stub, or between with an exception under way that KVM does not always tell
 * (KVM_GET_VCPU_EVENTS hides #BP).  So nothing is read here: an NMI ends the
 * run where the registers are whole.
 */
static int interrupted(struct kv_cpu *cpu, struct kv_entry *e)
{
	if (!e->signalled)
		kv_kick(cpu);
	e->signalled = true;
	return 0;
}

static int decode(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	switch (cpu->run->exit_reason) {
	case KVM_EXIT_IO:
		return kv_decode_port(cpu, e, ev);
	case KVM_EXIT_INTR:
		return interrupted(cpu, e);
	default:
		cpu->stale = true;
		return kv_decode_failure(cpu, ev);
	}
}

int kv_enter(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	int rc = kv_timer_arm(cpu, e->deadline);

	e->signalled = e->kicked = false;
	if (rc == 0 && cpu->nmi_masked && cpu->vm->h->set_state)
		rc = kv_nmi_unmask(cpu);
	if (rc != 0)
		return rc;
	kv_load(cpu, e);
	/* 0: nobody hears of that exit. */
	do {
		rc = ioctl(cpu->fd, KVM_RUN, 0);
		if (rc == 0)
			rc = decode(cpu, e, ev);
		else if (errno == EINTR)
			rc = interrupted(cpu, e);
		else
			rc = -errno;
	} while (rc == 0);
	if (rc < 0)
		cpu->stale = true;
	return rc < 0 ? rc : 0;
}
