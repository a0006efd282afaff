// SPDX-License-Identifier: BSD-2-Clause
/*
 * enter.c - one VMM_RUN: registers to the page and back, and whatever else
 * this vCPU has not loaded.  Every instruction of dv_enter() counts: what it
 * must keep over the call are three pointers.
 */
#include "dv.h"

#include <string.h>

_Static_assert(sizeof(struct vmmctl_regs) == sizeof(struct vmm_regs) &&
    offsetof(struct vmmctl_regs, rip) == offsetof(struct vmm_regs, rip) &&
    offsetof(struct vmmctl_regs, r15) == offsetof(struct vmm_regs, r15) &&
    offsetof(struct vmmctl_regs, gs_base) ==
    offsetof(struct vmm_regs, gs_base), "registers lie alike");

/* Returns cpu, which so need not be kept elsewhere; likewise below. */
static inline struct dv_cpu *set(struct dv_cpu *cpu,
    const struct vmmctl_context *c, uint64_t space, uint32_t commit)
{
	const struct dv_context *dc = c->backend_data;
	struct vmm_vcpu_page *page = cpu->page;

	cpu->context = dc->stamp;
	cpu->space = space;
	page->context = dc->number;
	page->cr3 = c->space->root_gpa;
	page->commit = commit;
	return cpu;
}

static __attribute__((noinline)) struct dv_cpu *commit_new(struct dv_cpu *cpu,
    const struct vmmctl_context *c, uint64_t space)
{
	const struct dv_context *dc = c->backend_data;
	const bool debug = (c->debug.dr7 & 0xff) != 0;
	struct vmm_vcpu_page *page = cpu->page;
	uint32_t bits = page->commit;

	if (bits != 0) {
		/* A run that failed has not taken this: what it was to drop
		 * is not known to be dropped. */
		memset(cpu->ran, 0, sizeof(cpu->ran));
		bits &= ~VMM_SET_KEEP;
	}
	/* The root that is loaded may be that of a space that is gone. */
	if (cpu->space != space)
		bits |= page->cr3 == c->space->root_gpa ? VMM_SET_FLUSH :
		    VMM_SET_SPACE;
	if (cpu->context != dc->stamp)
		bits |= VMM_SET_CONTEXT;
	if (cpu->context != dc->stamp &&
	    (debug || (cpu->debug.dr7 & 0xff) != 0)) {
		memcpy(page->dr, c->debug.addr, sizeof(page->dr));
		page->dr7 = c->debug.dr7;
		bits |= VMM_SET_DEBUG;
		cpu->debug = c->debug;
	}
	cpu->ran[dc->number % DV_RAN].context = debug ? 0 : dc->stamp;
	cpu->ran[dc->number % DV_RAN].space = space;
	return set(cpu, c, space, bits);
}

/*
 * Something is new to this vCPU since its last entry.  If the context ran here
 * with the same stamps before, then so did its space, last: what is known of
 * that is good.
 */
static __attribute__((noinline)) struct dv_cpu *commit(struct dv_cpu *cpu,
    const struct vmmctl_context *c)
{
	const struct dv_context *dc = c->backend_data;
	const struct dv_space *ds = c->space->backend_data;
	const uint64_t space = atomic_load_explicit(&ds->stamp,
	    memory_order_relaxed);
	const size_t n = dc->number % DV_RAN;

	if (unlikely(((cpu->ran[n].context ^ dc->stamp) |
	    (cpu->ran[n].space ^ space) | cpu->page->commit |
	    (cpu->debug.dr7 & 0xff)) != 0))
		return commit_new(cpu, c, space);
	return set(cpu, c, space, VMM_SET_SPACE | VMM_SET_KEEP |
	    VMM_SET_CONTEXT);
}

static __attribute__((noinline)) int failed(struct vmmctl *v, int err)
{
	switch (err) {
	case -ENOMEM:
		return vmmctl_fail(v, err, "the device has no memory for "
		    "nested page tables");
	case -EIO:
		return vmmctl_fail(v, err, "the device has given the "
		    "processor up: the host goes down, or the machine's "
		    "process has ended");
	default:
		return vmmctl_fail(v, err, "VMM_RUN failed: %s",
		    strerror(-err));
	}
}

/* The processor would not enter. */
static __attribute__((noinline)) void explain(struct vmmctl_machine *m,
    const struct vmm_vcpu_page *page, struct event *ev)
{
	const struct dv_machine *d = m->backend_data;
	const struct dv_host *h = m->v->backend_data;
	int fd = -1;

	mtx_lock(&m->lock);
	for (uint32_t i = 0; i < DV_VCPUS_MAX; i++)
		if (d->cpu[i] != NULL && d->cpu[i]->page == page)
			fd = (int)d->cpu[i]->fd;
	mtx_unlock(&m->lock);
	dv_explain(&h->info, fd, &page->exit, ev);
}

/* All but the exit SYSCALL. */
static __attribute__((noinline)) int rare(const struct vmm_vcpu_page *page,
    struct vmmctl_regs *regs, int err, struct event *ev)
{
	const struct vmmctl_context *c = (const struct vmmctl_context *)
	    (const void *)((const uint8_t *)regs -
	    offsetof(struct vmmctl_context, regs));

	if (err != 0)
		return failed(c->m->v, err);
	dv_decode(&page->exit, c->debug.dr7, c->m->v->info.gpa_limit, ev);
	if (page->exit.kind == VMM_EXIT_FAILED && page->exit.detail == 0)
		explain(c->m, page, ev);
	return 0;
}

int dv_enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	const struct dv_context *dc = c->backend_data;
	const struct dv_space *ds = c->space->backend_data;
	struct dv_cpu *cpu = v->backend_data;
	struct vmm_vcpu_page *page = cpu->page;
	struct vmmctl_regs *regs = &c->regs;
	long err;

	page->deadline = deadline;
	if (unlikely(((cpu->context ^ dc->stamp) | (cpu->space ^
	    atomic_load_explicit(&ds->stamp, memory_order_relaxed))) != 0))
		cpu = commit(cpu, c);
	/* Or the compiler keeps c as well. */
	__asm__("" : "+r"(regs));
	memcpy(&page->regs, regs, sizeof(*regs));
	err = dv_run(cpu->fd);
	/* After an error, too: the guest may have got on before it. */
	memcpy(regs, &page->regs, sizeof(*regs));
	if (unlikely(err != 0 || page->exit.kind != VMM_EXIT_SYSCALL))
		return rare(page, regs, (int)err, ev);
	return ENTER_SYSCALL;
}
