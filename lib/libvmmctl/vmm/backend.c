// SPDX-License-Identifier: BSD-2-Clause
/*
 * backend.c - the vmm backend: the core's machines, memory, spaces, contexts
 * and vCPUs on the device's.  Guest-physical addresses below gpa_limit are the
 * machine's; above lies the page-table pool, which grows region by region.
 */
#include "dv.h"
#include "../counters.h"
#include "../pt.h"

#include <string.h>

#define POOL_FIRST	(16ull << 20)	/* bytes of the pool's first region */

static const struct dv_host *host_of(const struct vmmctl *v)
{
	return v->backend_data;
}

static struct dv_machine *machine_of(struct vmmctl_machine *m)
{
	return m->backend_data;
}

/* ---- machines and memory ---- */

static int map(struct vmmctl_machine *m, uint64_t gpa, uint64_t size,
    const void *hva, uint32_t prot)
{
	const struct vmm_memory a = {
		.gpa = gpa, .size = size, .uaddr = (uint64_t)(uintptr_t)hva,
		.prot = prot,
	};
	int err = dv_call(machine_of(m)->fd, VMM_MEMORY_MAP, &a);

	if (err == -ENOSPC)
		return vmmctl_fail(m->v, err, "the device has no more than %u "
		    "ranges of memory in a machine: use fewer, larger ones",
		    host_of(m->v)->info.max_regions);
	if (err != 0)
		return vmmctl_fail(m->v, err, "the device refused memory at "
		    "0x%llx, 0x%llx bytes: %s", (unsigned long long)gpa,
		    (unsigned long long)size, strerror(-err));
	return 0;
}

/* Every table that is in use must be in a region: each is as large as all
 * before it. */
static int cover_pool(struct vmmctl_machine *m)
{
	struct dv_machine *d = machine_of(m);
	struct pt_pool *p = &m->pool;

	while (d->pool_covered < p->used) {
		uint64_t n = d->pool_covered == 0 ? POOL_FIRST :
		    d->pool_covered;
		int err;

		if (n > p->size - d->pool_covered)
			n = p->size - d->pool_covered;
		err = map(m, p->gpa + d->pool_covered, n,
		    p->hva + d->pool_covered, VMM_PROT_READ | VMM_PROT_WRITE);
		if (err != 0)
			return err;
		d->pool_covered += n;
	}
	return 0;
}

static int set_cpuid(struct vmmctl_machine *m)
{
	struct vmm_cpuid_entry *e;
	struct vmm_cpuid a = { .count = m->cpuid_count };
	int err;

	if (m->cpuid_count == 0)
		return 0;
	e = vmmctl_zalloc(m->v, m->cpuid_count * sizeof(*e));
	if (e == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a machine");
	for (uint32_t i = 0; i < m->cpuid_count; i++) {
		const struct vmmctl_cpuid *from = &m->cpuid[i];

		e[i] = (struct vmm_cpuid_entry){
			.leaf = from->leaf, .eax = from->eax,
			.ebx = from->ebx, .ecx = from->ecx, .edx = from->edx,
		};
		if (from->flags & VMMCTL_CPUID_SUBLEAF) {
			e[i].flags = VMM_CPUID_SUBLEAF;
			e[i].subleaf = from->subleaf;
		}
	}
	a.entries = (uint64_t)(uintptr_t)e;
	err = dv_call(machine_of(m)->fd, VMM_CPUID_SET, &a);
	vmmctl_free(m->v, e);
	return err == 0 ? 0 : vmmctl_fail(m->v, err,
	    "the device refused the CPUID policy: %s", strerror(-err));
}

static int create(struct vmmctl_machine *m)
{
	/* Limits of memory are the core's: tables do not count. */
	struct vmm_machine_create a = { .max_vcpus = m->max_vcpus };

	memcpy(a.name, m->counters->page->name, sizeof(a.name));
	return dv_machine(m->v, host_of(m->v), &a);
}

static int machine_init(struct vmmctl_machine *m)
{
	struct dv_machine *d = vmmctl_zalloc(m->v, sizeof(*d));
	int err;

	if (d == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a machine");
	m->backend_data = d;
	m->pool.gpa = m->v->info.gpa_limit;
	d->fd = create(m);
	err = d->fd < 0 ? d->fd : set_cpuid(m);
	if (err != 0) {
		dv_close(d->fd);
		vmmctl_free(m->v, d);
	}
	return err;
}

static void cpu_free(struct vmmctl *v, struct dv_cpu *cpu)
{
	if (cpu == NULL)
		return;
	dv_unmap(cpu->page, host_of(v)->info.page_size);
	dv_close((int)cpu->fd);
	vmmctl_free(v, cpu);
}

static void machine_fini(struct vmmctl_machine *m)
{
	struct dv_machine *d = machine_of(m);

	for (uint32_t i = 0; i < DV_VCPUS_MAX; i++)
		cpu_free(m->v, d->cpu[i]);
	dv_close(d->fd);
	vmmctl_free(m->v, d);
}

_Static_assert(VMM_PROT_READ == VMMCTL_PROT_READ &&
    VMM_PROT_WRITE == VMMCTL_PROT_WRITE &&
    VMM_PROT_EXEC == VMMCTL_PROT_EXEC, "permissions are the same");

static int memory_add(struct vmmctl_machine *m, struct memory *r)
{
	return map(m, r->gpa, r->len, memory_hva(r, r->gpa), r->prot);
}

static void memory_remove(struct vmmctl_machine *m, struct memory *r)
{
	const struct vmm_memory a = { .gpa = r->gpa, .size = r->len };

	dv_call(machine_of(m)->fd, VMM_MEMORY_UNMAP, &a);
}

/* ---- spaces ---- */

static int space_init(struct vmmctl_space *s)
{
	struct dv_space *ds = vmmctl_zalloc(s->m->v, sizeof(*ds));
	int err;

	if (ds == NULL)
		return vmmctl_fail(s->m->v, -ENOMEM, "no memory for a space");
	err = cover_pool(s->m);
	if (err != 0) {
		vmmctl_free(s->m->v, ds);
		return err;
	}
	ds->stamp = dv_stamp(machine_of(s->m));
	s->backend_data = ds;
	return 0;
}

static void space_fini(struct vmmctl_space *s)
{
	vmmctl_free(s->m->v, s->backend_data);
}

static void space_changed(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    enum change change)
{
	struct dv_space *ds = s->backend_data;

	(void)gva;
	(void)len;
	cover_pool(s->m);
	/* Nobody is inside who could miss it. */
	if (change != CHANGE_ADD)
		atomic_store_explicit(&ds->stamp, dv_stamp(machine_of(s->m)),
		    memory_order_relaxed);
}

/* ---- contexts ---- */

static int context_init(struct vmmctl_context *c)
{
	struct dv_context *dc = vmmctl_zalloc(c->m->v, sizeof(*dc));
	struct vmm_context a = { .context = 0 };
	int err;

	if (dc == NULL)
		return vmmctl_fail(c->m->v, -ENOMEM,
		    "no memory for a context");
	err = dv_call(machine_of(c->m)->fd, VMM_CONTEXT_CREATE, &a);
	if (err != 0) {
		vmmctl_free(c->m->v, dc);
		return vmmctl_fail(c->m->v, err, "the device makes no more "
		    "contexts: %s; a machine has at most %u", strerror(-err),
		    host_of(c->m->v)->info.max_contexts);
	}
	dc->number = a.context;
	dc->stamp = dv_stamp(machine_of(c->m));
	dc->seat.owner = c;
	c->seat = &dc->seat;
	c->backend_data = dc;
	return 0;
}

static void context_fini(struct vmmctl_context *c)
{
	struct dv_context *dc = c->backend_data;
	const struct vmm_context a = { .context = dc->number };

	dv_call(machine_of(c->m)->fd, VMM_CONTEXT_DESTROY, &a);
	vmmctl_free(c->m->v, dc);
}

static int xsave(struct seat *seat, unsigned long request, const void *buf)
{
	const struct dv_context *dc = (struct dv_context *)(void *)seat;
	struct vmmctl_machine *m = seat->owner->m;
	const struct vmm_xsave a = {
		.buf = (uint64_t)(uintptr_t)buf,
		.size = m->v->info.xsave_size, .context = dc->number,
	};
	int err = dv_call(machine_of(m)->fd, request, &a);

	return err == 0 ? 0 : vmmctl_fail(m->v, err, "the device refused to "
	    "move extended state: %s", strerror(-err));
}

static int xsave_load(struct seat *seat, const void *buf)
{
	return xsave(seat, VMM_XSAVE_SET, buf);
}

static int xsave_save(struct seat *seat, void *buf)
{
	return xsave(seat, VMM_XSAVE_GET, buf);
}

static int debug_regs(struct vmmctl_context *c)
{
	struct dv_context *dc = c->backend_data;

	if (!host_of(c->m->v)->debug_regs)
		return vmmctl_fail(c->m->v, -ENOTSUP, "hardware breakpoints "
		    "do not fire on this processor");
	dc->stamp = dv_stamp(machine_of(c->m));
	return 0;
}

/* ---- vCPUs ---- */

static int cpu_make(struct vmmctl_machine *m, uint32_t index)
{
	const struct vmm_vcpu_create a = { .index = index };
	struct dv_cpu *cpu = vmmctl_zalloc(m->v, sizeof(*cpu));
	int err;

	if (cpu == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a vCPU");
	cpu->fd = dv_call(machine_of(m)->fd, VMM_VCPU_CREATE, &a);
	if (cpu->fd < 0) {
		err = (int)cpu->fd;
		goto fail;
	}
	cpu->page = dv_map((int)cpu->fd, host_of(m->v)->info.page_size);
	err = -ENOMEM;
	if (cpu->page == NULL)
		goto fail;
	machine_of(m)->cpu[index] = cpu;
	return 0;
fail:
	cpu_free(m->v, cpu);
	return vmmctl_fail(m->v, err, "the device makes no vCPU: %s",
	    strerror(-err));
}

static int vcpu_init(struct vmmctl_vcpu *v)
{
	struct dv_machine *d = machine_of(v->m);
	struct dv_cpu *cpu;
	int err = 0;

	if (d->cpu[v->index] == NULL)
		err = cpu_make(v->m, v->index);
	if (err == 0) {
		cpu = d->cpu[v->index];
		cpu->context = cpu->space = 0;
		memset(cpu->ran, 0, sizeof(cpu->ran));
		v->backend_data = cpu;
	}
	return err;
}

static void vcpu_fini(struct vmmctl_vcpu *v)
{
	(void)v;	/* see struct dv_machine */
}

static void kick(struct vmmctl_vcpu *v)
{
	const struct dv_cpu *cpu = v->backend_data;

	dv_call((int)cpu->fd, VMM_KICK, NULL);
}

const struct backend_ops backend_vmm = {
	.name = "vmm",
	.simple = true,
	.bare = true,
	.open = dv_backend_open,
	.close = dv_backend_close,
	.machine_init = machine_init,
	.machine_fini = machine_fini,
	.memory_add = memory_add,
	.memory_remove = memory_remove,
	.space_init = space_init,
	.space_fini = space_fini,
	.space_changed = space_changed,
	.context_init = context_init,
	.context_fini = context_fini,
	.xsave_load = xsave_load,
	.xsave_save = xsave_save,
	.vcpu_init = vcpu_init,
	.vcpu_fini = vcpu_fini,
	.enter = dv_enter,
	.kick = kick,
	.debug_regs = debug_regs,
};
