// SPDX-License-Identifier: BSD-2-Clause
/*
 * probe.c - does the device run a guest user, what does an exit cost, and do
 * hardware breakpoints fire?  An emulated processor may not have them whatever
 * it says, so it is asked to.
 */
#include "dv.h"
#include "../os.h"
#include "../pt.h"

#include <string.h>

#define PAGES		5u	/* code, and a page table of four levels */
#define MEM_GPA		0x100000ull
#define CODE_GVA	0x400000ull
#define ROUNDS		32u

struct probe {
	struct vmmctl *v;
	const struct dv_host *h;
	int machine, vcpu;
	uint8_t *mem;
	struct vmm_vcpu_page *page;
};

static uint64_t *at(const struct probe *p, unsigned page)
{
	return (uint64_t *)(void *)(p->mem + (size_t)page * VMMCTL_PAGE_SIZE);
}

/* The entry for CODE_GVA, which leads to that page. */
static void link_page(const struct probe *p, unsigned table, unsigned level,
    unsigned page)
{
	const unsigned shift = PAGE_SHIFT + 9 * (level - 1);

	at(p, table)[CODE_GVA >> shift & 511] = PTE_P | PTE_W | PTE_U | PTE_A |
	    PTE_D | (MEM_GPA + (uint64_t)page * VMMCTL_PAGE_SIZE);
}

static int build(struct probe *p)
{
	const struct vmm_memory a = {
		.gpa = MEM_GPA, .size = PAGES * VMMCTL_PAGE_SIZE,
		.uaddr = (uint64_t)(uintptr_t)p->mem,
		.prot = VMM_PROT_READ | VMM_PROT_WRITE | VMM_PROT_EXEC,
	};

	memcpy(p->mem, "\x90\x90\x0f\x05", 4);	/* nop; nop; syscall */
	for (unsigned level = 4; level >= 1; level--)
		link_page(p, 5 - level, level, level > 1 ? 6 - level : 0);
	return dv_call(p->machine, VMM_MEMORY_MAP, &a);
}

static int start(struct probe *p)
{
	struct vmm_machine_create m = { .name = "probe", .max_vcpus = 1 };
	const struct vmm_vcpu_create c = { .index = 0 };
	struct vmm_context context = { .context = 0 };
	int err;

	p->machine = dv_machine(p->v, p->h, &m);
	if (p->machine < 0)
		return p->machine;
	p->mem = os_pages_alloc(PAGES * VMMCTL_PAGE_SIZE);
	err = p->mem == NULL ? -ENOMEM : build(p);
	if (err == 0)
		err = dv_call(p->machine, VMM_CONTEXT_CREATE, &context);
	if (err == 0)
		err = p->vcpu = dv_call(p->machine, VMM_VCPU_CREATE, &c);
	if (err >= 0) {
		p->page = dv_map(p->vcpu, p->h->info.page_size);
		err = p->page == NULL ? -ENOMEM : 0;
	}
	if (err < 0)
		return vmmctl_fail(p->v, err, VMM_DEVICE " cannot be probed: "
		    "%s", strerror(-err));
	p->page->context = context.context;
	p->page->cr3 = MEM_GPA + VMMCTL_PAGE_SIZE;
	p->page->commit = VMM_SET_SPACE | VMM_SET_CONTEXT;
	return 0;
}

static void stop(struct probe *p)
{
	dv_unmap(p->page, p->h->info.page_size);
	dv_close(p->vcpu);
	dv_close(p->machine);
	os_pages_free(p->mem, PAGES * VMMCTL_PAGE_SIZE);
}

/* From the first instruction to an exit. */
static int run(struct probe *p)
{
	int err;

	p->page->regs = (struct vmm_regs){
		.rip = CODE_GVA, .rflags = RFLAGS_FIXED | RFLAGS_IF,
	};
	do
		err = (int)dv_run(p->vcpu);
	while (err == 0 && p->page->exit.kind == VMM_EXIT_INTERRUPTED);
	if (err != 0)
		return vmmctl_fail(p->v, err, VMM_DEVICE " runs no guest: %s",
		    strerror(-err));
	return 0;
}

/* The least of several: a signal may come between. */
static int measure(struct probe *p, uint64_t *ns)
{
	const struct vmm_exit *e = &p->page->exit;

	*ns = UINT64_MAX;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t t = os_mono_ns();
		int err = run(p);

		if (err != 0)
			return err;
		if (e->kind != VMM_EXIT_SYSCALL)
			return vmmctl_fail(p->v, -ENOTSUP, VMM_DEVICE " does "
			    "not run ring 3 code: exit %u, vector %u, raw "
			    "0x%llx", e->kind, e->vector,
			    (unsigned long long)e->raw);
		t = os_mono_ns() - t;
		if (t < *ns)
			*ns = t;
	}
	return 0;
}

/* A breakpoint on the second instruction. */
static int probe_debug(struct probe *p, bool *fires)
{
	const struct vmm_exit *e = &p->page->exit;
	int err;

	p->page->dr[0] = CODE_GVA + 1;
	p->page->dr7 = 1;
	p->page->commit |= VMM_SET_DEBUG;
	err = run(p);
	*fires = err == 0 && e->kind == VMM_EXIT_EXCEPTION &&
	    e->vector == VEC_DB && p->page->regs.rip == CODE_GVA + 1;
	return err;
}

int dv_probe(struct vmmctl *v, struct dv_host *h)
{
	struct probe p = { .v = v, .h = h, .machine = -1, .vcpu = -1 };
	int err = start(&p);

	if (err == 0)
		err = measure(&p, &h->exit_ns);
	if (err == 0)
		err = probe_debug(&p, &h->debug_regs);
	stop(&p);
	return err;
}
