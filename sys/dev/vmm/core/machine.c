/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - machines: their making and end, and what is the same for all
 * their vCPUs.
 */
#include "stats.h"

static int check(const struct vmm_machine_create *a, const char **why)
{
	size_t i;

	*why = "name has no NUL";
	for (i = 0; a->name[i] != '\0'; i++)
		if (i + 1 == sizeof(a->name))
			return EINVAL;
	*why = "max_vcpus is more than the device's";
	if (a->max_vcpus > VMM_MAX_VCPUS)
		return EINVAL;
	*why = "flags is not 0";
	return a->flags != 0 ? EINVAL : 0;
}

static struct vmm_machine *make(const struct vmm_machine_create *a)
{
	struct vmm_machine *m = os_zalloc(sizeof(*m));

	if (m == NULL)
		return NULL;
	memcpy(m->name, a->name, sizeof(m->name));
	m->uid = os_uid();
	m->created_mono_ns = os_mono_ns();
	m->max_memory = a->max_memory;
	m->max_vcpus = a->max_vcpus != 0 ? a->max_vcpus : VMM_MAX_VCPUS;
	m->refs = 1;
	os_mutex_init(&m->lock);
	os_spin_init(&m->context_lock);
	os_spin_init(&m->nested_lock);
	return m;
}

static void unmake(struct vmm_machine *m)
{
	os_spin_fini(&m->nested_lock);
	os_spin_fini(&m->context_lock);
	os_mutex_fini(&m->lock);
	os_free(m->cpuid);
	os_free(m);
}

/* Notifiers may come as soon as there is an owner. */
static int begin(struct vmm_machine *m, const char **why)
{
	int error;

	*why = "there is no memory";
	error = x86_npt_init(&m->npt, vmm_hw.npt);
	if (error != 0)
		return error;
	error = vmm_stats_create(m);
	if (error != 0)
		goto no_stats;
	error = os_owner_get(m, &m->owner);
	if (error != 0) {
		if (error == EINTR)
			*why = "it was interrupted: try again";
		else if (error != ENOMEM)
			*why = "the process has no memory that can be watched";
		goto no_owner;
	}
	*why = "the user has as many machines as one may have";
	error = vmm_list_add(m);
	if (error != 0)
		goto no_list;
	return 0;

no_list:
	os_owner_put(m->owner);
no_owner:
	vmm_stats_end(m);
no_stats:
	x86_npt_fini(&m->npt);
	return error;
}

static int create(const struct vmm_machine_create *a, struct vmm_machine **out,
    const char **why)
{
	struct vmm_machine *m;
	int error = check(a, why);

	if (error == 0)
		error = vmm_hw_get(why);
	if (error != 0)
		return error;
	m = make(a);
	if (m == NULL) {
		*why = "there is no memory";
		vmm_hw_put();
		return ENOMEM;
	}
	error = begin(m, why);
	if (error != 0) {
		unmake(m);
		vmm_hw_put();
		return error;
	}
	(void)os_fetch_add64(&vmm_live.machines, 1);
	*out = m;
	return 0;
}

int vmm_machine_create(struct vmm_machine_create *a, struct vmm_machine **out)
{
	const char *why = "";
	int error = create(a, out, &why);

	vmm_tell(a->why, sizeof(a->why), error != 0 ? why : "");
	return error;
}

void vmm_machine_ref(struct vmm_machine *m)
{
	(void)os_fetch_add64(&m->refs, 1);
}

/* No descriptor is left: no vCPU, nobody to call. */
void vmm_machine_put(struct vmm_machine *m)
{
	uint32_t i;

	if (os_fetch_add64(&m->refs, -1ull) != 1)
		return;
	vmm_list_remove(m);
	/* While the owner's pages are sure to be there still: they have to
	 * hear that they were written. */
	for (i = 0; i < m->nregions; i++)
		vmm_leaves_all(m, m->regions[i]->gpa, m->regions[i]->size,
		    X86_NPT_ZAP, 0);
	os_owner_put(m->owner);
	vmm_memory_fini(m);
	vmm_contexts_fini(m);
	x86_npt_fini(&m->npt);
	vmm_stats_end(m);
	unmake(m);
	(void)os_fetch_add64(&vmm_live.machines, -1ull);
	vmm_hw_put();
}

/* ---- what no vCPU may be in the middle of using ---- */

/* [m, n] All vCPUs are visited; false: one runs, and none is. */
static bool visit_all(struct vmm_machine *m)
{
	uint32_t i;

	for (i = 0; i < m->nvcpus; i++) {
		if (m->vcpus[i] == NULL ||
		    vmm_acquire(&m->vcpus[i]->busy, VMM_VISITED))
			continue;
		while (i-- != 0)
			if (m->vcpus[i] != NULL)
				vmm_release(&m->vcpus[i]->busy);
		return false;
	}
	return true;
}

static void leave_all(struct vmm_machine *m)
{
	uint32_t i;

	for (i = 0; i < m->nvcpus; i++)
		if (m->vcpus[i] != NULL)
			vmm_release(&m->vcpus[i]->busy);
}

static int read_cpuid(const struct vmm_cpuid *a, struct vmm_cpuid_entry **out)
{
	size_t size = a->count * sizeof(**out);
	struct vmm_cpuid_entry *table;
	uint32_t i;

	*out = NULL;
	if (a->reserved != 0 || a->count > VMM_CPUID_MAX)
		return EINVAL;
	if (a->count == 0)
		return 0;
	table = os_zalloc(size);
	if (table == NULL)
		return ENOMEM;
	if (os_copyin(a->entries, table, size) != 0) {
		os_free(table);
		return EFAULT;
	}
	for (i = 0; i < a->count; i++) {
		if ((table[i].flags & ~VMM_CPUID_SUBLEAF) != 0 ||
		    table[i].reserved != 0) {
			os_free(table);
			return EINVAL;
		}
	}
	*out = table;
	return 0;
}

int vmm_cpuid_set(struct vmm_machine *m, const struct vmm_cpuid *a)
{
	struct vmm_cpuid_entry *table;
	int error = read_cpuid(a, &table);

	if (error != 0)
		return error;
	os_mutex_lock(&m->lock);
	os_spin_lock(&m->nested_lock);
	if (visit_all(m)) {
		struct vmm_cpuid_entry *old = m->cpuid;

		m->cpuid = table;
		m->cpuid_count = a->count;
		leave_all(m);
		table = old;
	} else {
		error = EBUSY;
	}
	os_spin_unlock(&m->nested_lock);
	os_mutex_unlock(&m->lock);
	os_free(table);
	return error;
}

int vmm_msr_set(struct vmm_machine *m, const struct vmm_msr *a)
{
	int error = 0;

	/* The upper half is reserved: WRMSR of it would be #GP. */
	if (a->reserved != 0 || a->index != VMM_MSR_TSC_AUX ||
	    a->value >> 32 != 0 || !vmm_hw.has_tsc_aux)
		return EINVAL;
	os_mutex_lock(&m->lock);
	os_spin_lock(&m->nested_lock);
	if (visit_all(m)) {
		m->tsc_aux = a->value;
		m->has_tsc_aux = true;
		leave_all(m);
	} else {
		error = EBUSY;
	}
	os_spin_unlock(&m->nested_lock);
	os_mutex_unlock(&m->lock);
	return error;
}
