// SPDX-License-Identifier: BSD-2-Clause
/*
 * backend.c - the kvm backend: the core's machines, memory, spaces and vCPUs
 * on KVM's.  Guest-physical addresses below gpa_limit are the machine's; above
 * lie the supervisor pages and, one GiB higher, the page-table pool, which
 * grows slot by slot.
 */
#include "kv.h"
#include "../pt.h"
#include "../run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define POOL_OFFSET	(1ull << 30)
#define POOL_FIRST	(16ull << 20)	/* bytes of the pool's first slot */
#define GVA_LIMIT	0x7ffffffff000ull	/* as Linux' own processes */
#define TOUCH_MAX	16u		/* entries; more: drop the table */

struct machine {
	struct kv_vm vm;
	struct kvm_cpuid2 *cpuid;
	uint64_t pool_covered;	/* [m] bytes of the pool in slots */
	uint64_t next_id;	/* [m] of spaces */
};

struct space {
	uint64_t id;			/* [I] never used twice */
	_Atomic uint64_t restricted;	/* [a] counts what entries must flush */
};

struct vcpu {
	struct seat seat;
	struct kv_cpu cpu;
	uint64_t space_id, restricted;	/* [r] of the last entry */
};

static struct machine *machine_of(struct vmmctl_machine *m)
{
	return m->backend_data;
}

static struct vcpu *vcpu_of(struct vmmctl_vcpu *v)
{
	return v->backend_data;
}

/* ---- the handle ---- */

static int backend_open(struct vmmctl *v, const char *option)
{
	struct vmmctl_info *info = &v->info;
	struct kv_host *h;
	int err;

	if (*option != '\0')
		return vmmctl_fail(v, -EINVAL,
		    "backend kvm has no option \"%s\"", option);
	h = vmmctl_zalloc(v, sizeof(*h));
	if (h == NULL)
		return vmmctl_fail(v, -ENOMEM, "no memory for a handle");
	err = kv_host_open(v, h);
	if (err != 0) {
		vmmctl_free(v, h);
		return err;
	}
	v->backend_data = h;
	snprintf(info->variant, sizeof(info->variant), "%s%s",
	    h->set_state ? "emulated ring 0" : "iretq",
	    h->shadow ? ", shadow paging" : "");
	info->caps = VMMCTL_CAP_HIDDEN | VMMCTL_CAP_INT80;
	if (!h->set_state)
		info->caps |= VMMCTL_CAP_EXACT;
	if (h->debug_regs)
		info->caps |= VMMCTL_CAP_DEBUG_REGS;
	if (!h->native_cpuid)
		info->caps |= VMMCTL_CAP_CPUID_POLICY;
	if (h->has_fsgsbase || h->native_fsgsbase)
		info->caps |= VMMCTL_CAP_FSGSBASE;
	if (!h->native_segments)
		info->caps |= VMMCTL_CAP_COMPAT_TRAP;
	if (!h->native_segments && !h->set_state)
		info->caps |= VMMCTL_CAP_SELECTORS;
	info->gva_limit = GVA_LIMIT;
	info->gpa_limit = h->gpa_limit;
	info->xsave_mask = h->xcr0;
	info->xsave_size = h->xsave_size;
	info->max_vcpus = h->max_vcpus;
	info->exit_ns = h->exit_ns;
	return 0;
}

static void backend_close(struct vmmctl *v)
{
	kv_host_close(v, v->backend_data);
	vmmctl_free(v, v->backend_data);
}

/* ---- machines and memory ---- */

/* A shadow is kept by the table's address, which the next table may have. */
static void table_freed(struct vmmctl_machine *m, uint64_t gpa)
{
	struct machine *k = machine_of(m);

	if (k->vm.h->shadow)
		kv_drop(&k->vm, &m->pool, gpa);
}

static int machine_init(struct vmmctl_machine *m)
{
	const struct kv_host *h = m->v->backend_data;
	struct machine *k = vmmctl_zalloc(m->v, sizeof(*k));
	int err;

	if (k == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a machine");
	k->cpuid = kv_cpuid_policy(m->v, h, m->cpuid, m->cpuid_count);
	if (k->cpuid == NULL) {
		vmmctl_free(m->v, k);
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a machine");
	}
	err = kv_vm_init(&k->vm, m->v, h, k->cpuid);
	if (err != 0) {
		vmmctl_free(m->v, k->cpuid);
		vmmctl_free(m->v, k);
		return err;
	}
	m->pool.gpa = h->gpa_limit + POOL_OFFSET;
	m->backend_data = k;
	return 0;
}

static void machine_fini(struct vmmctl_machine *m)
{
	struct machine *k = machine_of(m);

	kv_vm_fini(&k->vm);
	vmmctl_free(m->v, k->cpuid);
	vmmctl_free(m->v, k);
}

static int memory_add(struct vmmctl_machine *m, struct memory *r)
{
	return kv_slot_add(&machine_of(m)->vm, r->gpa, r->len,
	    memory_hva(r, r->gpa), r->b->writable, &r->slot);
}

static void memory_remove(struct vmmctl_machine *m, struct memory *r)
{
	kv_slot_remove(&machine_of(m)->vm, r->slot);
}

/* ---- spaces ---- */

/* Every table that is in use must be in a slot: each is as large as all
 * before it. */
static int cover_pool(struct vmmctl_machine *m)
{
	struct machine *k = machine_of(m);
	struct pt_pool *p = &m->pool;

	while (k->pool_covered < p->used) {
		uint64_t n = k->pool_covered == 0 ? POOL_FIRST :
		    k->pool_covered;
		uint32_t slot;
		int err;

		if (n > p->size - k->pool_covered)
			n = p->size - k->pool_covered;
		err = kv_slot_add(&k->vm, p->gpa + k->pool_covered, n,
		    p->hva + k->pool_covered, true, &slot);
		if (err != 0)
			return err;
		k->pool_covered += n;
	}
	return 0;
}

static int space_init(struct vmmctl_space *s)
{
	struct machine *k = machine_of(s->m);
	struct space *ks = vmmctl_zalloc(s->m->v, sizeof(*ks));
	int err;

	if (ks == NULL)
		return vmmctl_fail(s->m->v, -ENOMEM, "no memory for a space");
	err = cover_pool(s->m);
	if (err != 0) {
		vmmctl_free(s->m->v, ks);
		return err;
	}
	ks->id = ++k->next_id;
	s->root[511] = kv_top_entry(&k->vm);
	s->backend_data = ks;
	return 0;
}

static void space_fini(struct vmmctl_space *s)
{
	s->root[511] = 0;	/* not the core's to free */
	vmmctl_free(s->m->v, s->backend_data);
}

static uint64_t *table_at(struct pt_pool *p, uint64_t entry)
{
	return (uint64_t *)(void *)(p->hva + ((entry & PTE_ADDR) - p->gpa));
}

/*
 * What a shadow of the tables may have of [gva, end): the leaves there, the
 * entries above them, and tables that were there.
 */
static int touch(struct vmmctl_space *s, uint64_t *table, uint64_t gpa,
    int level, uint64_t gva, uint64_t end)
{
	struct kv_vm *vm = &machine_of(s->m)->vm;
	struct pt_pool *p = &s->m->pool;
	const unsigned shift = PAGE_SHIFT + 9u * (unsigned)(level - 1);
	const uint32_t first = (uint32_t)(gva >> shift) & 511;
	const uint32_t last = (uint32_t)((end - 1) >> shift) & 511;
	uint32_t n = last - first + 1;
	int err;

	err = n > TOUCH_MAX ? kv_drop(vm, p, gpa) :
	    kv_touch(vm, p, gpa + 8ull * first, n);
	for (uint32_t i = first; i <= last && err == 0 && level > 1; i++) {
		uint64_t base = gva >> shift << shift;
		uint64_t next = base + (1ull << shift);

		if (next > end)
			next = end;
		if ((table[i] & PTE_P) != 0 && (table[i] & PT_MAPPED) == 0)
			err = touch(s, table_at(p, table[i]),
			    table[i] & PTE_ADDR, level - 1, gva, next);
		gva = next;
	}
	return err;
}

static void space_changed(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    enum change change)
{
	struct machine *k = machine_of(s->m);
	struct space *ks = s->backend_data;

	cover_pool(s->m);
	if (change == CHANGE_ADD)
		return;
	atomic_fetch_add_explicit(&ks->restricted, 1, memory_order_relaxed);
	if (!k->vm.h->shadow)
		return;
	touch(s, s->root, s->root_gpa, 4, gva, gva + len);
}

/* ---- vCPUs ---- */

static int vcpu_init(struct vmmctl_vcpu *v)
{
	struct vcpu *kv = vmmctl_zalloc(v->m->v, sizeof(*kv));
	int err;

	if (kv == NULL)
		return vmmctl_fail(v->m->v, -ENOMEM, "no memory for a vCPU");
	err = kv_cpu_init(&kv->cpu, &machine_of(v->m)->vm, v->index);
	if (err != 0) {
		vmmctl_free(v->m->v, kv);
		return err;
	}
	kv->seat.vcpu = v;
	v->backend_data = kv;
	return 0;
}

static void vcpu_fini(struct vmmctl_vcpu *v)
{
	kv_cpu_fini(&vcpu_of(v)->cpu);
	vmmctl_free(v->m->v, v->backend_data);
}

static int seat(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct seat **out)
{
	(void)c;
	*out = &vcpu_of(v)->seat;
	return 0;
}

static int xsave_load(struct seat *seat, const void *buf)
{
	struct kv_cpu *cpu = &vcpu_of(seat->vcpu)->cpu;

	cpu->stale = true;	/* another context's selectors and bases */
	return kv_xsave_set(cpu, buf);
}

static int xsave_save(struct seat *seat, void *buf)
{
	return kv_xsave_get(&vcpu_of(seat->vcpu)->cpu, buf);
}

struct entered {
	struct vmmctl_vcpu *v;
	struct vmmctl_context *c;
};

/* Only for an exit that ends the entry: see vcpu_left(). */
static size_t fetch(void *cookie, uint64_t gva, uint8_t *buf, size_t len)
{
	const struct entered *e = cookie;

	vcpu_left(e->v);
	return fetch_code(e->c, gva, buf, len);
}

static int enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	KEEP_ERRNO();
	struct vcpu *kv = vcpu_of(v);
	struct space *ks = c->space->backend_data;
	const uint64_t restricted = atomic_load_explicit(&ks->restricted,
	    memory_order_relaxed);
	struct entered entered = { v, c };
	struct kv_entry e = {
		.regs = &c->regs, .cr3 = c->space->root_gpa,
		.flush = kv->space_id != ks->id ||
		    kv->restricted != restricted,
		.deadline = deadline, .fetch = fetch, .cookie = &entered,
	};
	int err;

	*ev = (struct event){ .type = EVENT_KICK };
	if ((c->debug.dr7 | kv->cpu.debug.dr7) != 0 &&
	    memcmp(&c->debug, &kv->cpu.debug, sizeof(c->debug)) != 0) {
		err = kv_debug_set(&kv->cpu, &c->debug);
		if (err != 0)
			return vmmctl_fail(v->m->v, err, "KVM refused the "
			    "debug registers: %s", strerror(-err));
	}
	err = kv_enter(&kv->cpu, &e, ev);
	if (err != 0) {
		kv->space_id = 0;
		return vmmctl_fail(v->m->v, err, "KVM_RUN failed: %s",
		    strerror(-err));
	}
	kv->space_id = ks->id;
	kv->restricted = restricted;
	return 0;
}

static void kick(struct vmmctl_vcpu *v)
{
	kv_kick(&vcpu_of(v)->cpu);
}

static int debug_regs(struct vmmctl_context *c)
{
	const struct kv_host *h = c->m->v->backend_data;

	if (h->debug_regs)
		return 0;	/* loaded with the next entry */
	memset(&c->debug, 0, sizeof(c->debug));
	return vmmctl_fail(c->m->v, -ENOTSUP,
	    "hardware breakpoints do not fire on this KVM");
}

const struct backend_ops backend_kvm = {
	.name = "kvm",
	.open = backend_open,
	.close = backend_close,
	.machine_init = machine_init,
	.machine_fini = machine_fini,
	.memory_add = memory_add,
	.memory_remove = memory_remove,
	.space_init = space_init,
	.space_fini = space_fini,
	.space_changed = space_changed,
	.table_freed = table_freed,
	.seat = seat,
	.xsave_load = xsave_load,
	.xsave_save = xsave_save,
	.vcpu_init = vcpu_init,
	.vcpu_fini = vcpu_fini,
	.enter = enter,
	.kick = kick,
	.debug_regs = debug_regs,
};
