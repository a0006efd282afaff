/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu.c - vCPUs: their making and end, kicks, and who may have one.
 */
#include "stats.h"

/* Free what has been made of it. */
static void unmake(struct vmm_vcpu *v)
{
	while (v->ntables != 0)
		os_page_free(v->tables[--v->ntables]);
	os_free(v->host_memory);
	os_page_free(v->page);
	os_free(v);
}

static struct vmm_vcpu *make(struct vmm_machine *m, uint32_t index)
{
	struct vmm_vcpu *v = os_zalloc(sizeof(*v));
	uint64_t pa;

	if (v == NULL)
		return NULL;
	v->machine = m;
	v->index = index;
	v->cpu = v->last_cpu = v->timer_cpu = v->tags_cpu = VMM_NO_CPU;
	v->dr7 = VMM_X86_DR7_FIXED;
	vmm_spaces_init(v);
	v->page = os_page_alloc(&pa);
	v->host_memory = os_zalloc(vmm_hw.xsave_size + 64);
	v->stats = vmm_stats_slot(m, index);
	if (v->page == NULL || v->host_memory == NULL || v->stats == NULL) {
		unmake(v);
		return NULL;
	}
	v->host_xsave = (uint8_t *)(((uintptr_t)v->host_memory + 63) &
	    ~(uintptr_t)63);
	return v;
}

static int create(struct vmm_machine *m, uint32_t index,
    struct vmm_vcpu **out)
{
	struct vmm_vcpu *v;
	int error;

	if (index >= m->max_vcpus)
		return EINVAL;
	if (m->vcpus[index] != NULL)
		return EEXIST;
	v = make(m, index);
	if (v == NULL)
		return ENOMEM;
	error = vmm_hw.vendor->vcpu_init(v);
	if (error != 0) {
		unmake(v);
		return error;
	}
	os_timer_init(&v->timer, vmm_run_expired);
	os_spin_lock(&m->nested_lock);
	m->vcpus[index] = v;
	if (index >= m->nvcpus)
		m->nvcpus = index + 1;
	os_spin_unlock(&m->nested_lock);
	OS_WRITE(m->live_vcpus, m->live_vcpus + 1);
	*out = v;
	return 0;
}

int vmm_vcpu_create(struct vmm_machine *m, const struct vmm_vcpu_create *a,
    struct vmm_vcpu **out)
{
	int error = vmm_machine_usable(m);

	if (error != 0)
		return error;
	if (a->flags != 0)
		return EINVAL;
	os_mutex_lock(&m->lock);
	error = create(m, a->index, out);
	os_mutex_unlock(&m->lock);
	if (error == 0) {
		vmm_machine_ref(m);
		(void)os_fetch_add64(&vmm_live.vcpus, 1);
	}
	return error;
}

void vmm_vcpu_destroy(struct vmm_vcpu *v)
{
	struct vmm_machine *m = v->machine;

	os_mutex_lock(&m->lock);
	/* From now on nobody finds it, to visit or to interrupt. */
	os_spin_lock(&m->nested_lock);
	m->vcpus[v->index] = NULL;
	while (m->nvcpus != 0 && m->vcpus[m->nvcpus - 1] == NULL)
		m->nvcpus--;
	os_spin_unlock(&m->nested_lock);
	OS_WRITE(m->live_vcpus, m->live_vcpus - 1);
	os_mutex_unlock(&m->lock);
	os_timer_stop(&v->timer);
	vmm_hw.vendor->vcpu_fini(v);
	unmake(v);
	(void)os_fetch_add64(&vmm_live.vcpus, -1ull);
	vmm_machine_put(m);
}

int vmm_vcpu_kick(struct vmm_vcpu *v)
{
	int error = vmm_machine_usable(v->machine);

	if (error != 0)
		return error;
	/* See inside() in run.c: first this, then its mode. */
	(void)os_xchg32(&v->kicked, 1);
	if (OS_READ(v->mode) == VMM_INSIDE)
		os_cpu_interrupt(OS_READ(v->cpu));
	return 0;
}

int vmm_vcpu_raw(struct vmm_vcpu *v, struct vmm_raw *a)
{
	struct vmm_machine *m = v->machine;
	const bool all = a->op == VMM_RAW_WRITE && os_raw_all();
	int error = vmm_machine_usable(m);

	if (error != 0)
		return error;
	if (a->reserved != 0)
		return EINVAL;
	/* The lock is only so that a visitor is not preempted. */
	os_spin_lock(&m->context_lock);
	if (!vmm_acquire(&v->busy, VMM_VISITED)) {
		error = EBUSY;
	} else {
		if (a->op == VMM_RAW_READ)
			error = vmm_hw.vendor->raw_read(v, a->field, a->width,
			    &a->value);
		else if (a->op == VMM_RAW_WRITE)
			error = vmm_hw.vendor->raw_write(v, a->field, a->width,
			    a->value, all);
		else
			error = EINVAL;
		vmm_release(&v->busy);
	}
	os_spin_unlock(&m->context_lock);
	return error;
}
