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

/* Make space the one that runs: what has to be committed for that. */
static uint32_t commit_space(struct dv_cpu *cpu, uint64_t root,
    uint64_t stamp)
{
	const size_t n = root >> PAGE_SHIFT & (DV_KNOWN - 1);
	struct vmm_vcpu_page *page = cpu->page;
	/* The one that is loaded may be that of a space that is gone. */
	const bool loaded = page->cr3 == root;

	cpu->space = stamp;
	page->cr3 = root;
	if (likely(cpu->known[n].stamp == stamp &&
	    cpu->known[n].root == root && !loaded))
		return VMM_SET_SPACE | VMM_SET_KEEP;
	cpu->known[n].root = root;
	cpu->known[n].stamp = stamp;
	return loaded ? VMM_SET_FLUSH : VMM_SET_SPACE;
}

/* Something may be new to this vCPU.  Returns cpu, which so need not be kept
 * elsewhere. */
static __attribute__((noinline)) struct dv_cpu *commit(struct dv_cpu *cpu,
    const struct vmmctl_context *c)
{
	const struct dv_context *dc = c->backend_data;
	const struct dv_space *ds = c->space->backend_data;
	const uint64_t space = atomic_load_explicit(&ds->stamp,
	    memory_order_relaxed);
	struct vmm_vcpu_page *page = cpu->page;
	uint32_t bits = 0;

	if (unlikely(page->commit != 0)) {
		/* A run that failed has not taken this: what it was to drop
		 * is not known to be dropped. */
		memset(cpu->known, 0, sizeof(cpu->known));
		page->commit &= ~VMM_SET_KEEP;
	}
	if (cpu->space != space)
		bits = commit_space(cpu, c->space->root_gpa, space);
	if (cpu->context != dc->stamp) {
		if (cpu->owner != dc->made) {
			page->context = dc->number;
			bits |= VMM_SET_CONTEXT;
			cpu->owner = dc->made;
		}
		if (((c->debug.dr7 | cpu->debug.dr7) & 0xff) != 0) {
			memcpy(page->dr, c->debug.addr, sizeof(page->dr));
			page->dr7 = c->debug.dr7;
			bits |= VMM_SET_DEBUG;
			cpu->debug = c->debug;
		}
		cpu->context = dc->stamp;
	}
	/* What no run has taken yet stays. */
	page->commit |= bits;
	return cpu;
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
