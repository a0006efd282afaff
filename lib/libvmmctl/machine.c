// SPDX-License-Identifier: BSD-2-Clause
/*
 * machine.c - machines: creation, limits, teardown of all that is in one.
 */
#include "counters.h"
#include "machine.h"
#include "os.h"
#include "pt.h"

#include <errno.h>
#include <string.h>

static int check_config(struct vmmctl *v,
    const struct vmmctl_machine_config *c)
{
	if ((c->flags & ~VMMCTL_MACHINE_KICKS_ONLY) != 0 || c->reserved != 0)
		return vmmctl_fail(v, -EINVAL, "machine config: flags is 0x%x, "
		    "must be 0 or KICKS_ONLY; reserved must be 0", c->flags);
	if (memchr(c->name, '\0', sizeof(c->name)) == NULL)
		return vmmctl_fail(v, -EINVAL, "machine config: name must "
		    "end with a NUL within %zu bytes", sizeof(c->name));
	if (c->max_vcpus > v->info.max_vcpus)
		return vmmctl_fail(v, -EINVAL, "machine config: max_vcpus is "
		    "%u, the backend has at most %u", c->max_vcpus,
		    v->info.max_vcpus);
	if (c->cpuid_count != 0 && c->cpuid == NULL)
		return vmmctl_fail(v, -EINVAL,
		    "machine config: cpuid is NULL, cpuid_count is not 0");
	if (c->cpuid_count > 256)
		return vmmctl_fail(v, -EINVAL,
		    "machine config: cpuid_count is %u, at most 256",
		    c->cpuid_count);
	for (uint32_t i = 0; i < c->cpuid_count; i++)
		if ((c->cpuid[i].flags & ~VMMCTL_CPUID_SUBLEAF) != 0)
			return vmmctl_fail(v, -EINVAL, "machine config: "
			    "cpuid[%u].flags is 0x%x, must be 0 or SUBLEAF", i,
			    c->cpuid[i].flags);
	if (c->reserved2 != 0 || c->brief_words > VMMCTL_BRIEF_WORDS ||
	    (c->brief == NULL) != (c->brief_words == 0))
		return vmmctl_fail(v, -EINVAL, "machine config: brief_words is "
		    "%u, must be 1 to %u with brief and 0 without, reserved2 0",
		    c->brief_words, VMMCTL_BRIEF_WORDS);
	if (c->cpuid_count != 0 &&
	    (v->info.caps & VMMCTL_CAP_CPUID_POLICY) == 0)
		return vmmctl_fail(v, -ENOTSUP, "backend %s cannot enforce a "
		    "CPUID policy on this host", v->info.backend);
	return 0;
}

int vmmctl_machine_create(struct vmmctl *v,
    const struct vmmctl_machine_config *config, struct vmmctl_machine **out)
{
	KEEP_ERRNO();
	struct vmmctl_machine_config c = { .size = sizeof(c) };
	struct vmmctl_machine *m;
	int err;

	if (!vmmctl_alive(v))
		return vmmctl_forked(v);
	if (config != NULL && config->size != sizeof(c))
		return vmmctl_fail(v, -EINVAL, "machine config: size is %u, "
		    "must be %zu", config->size, sizeof(c));
	if (config != NULL)
		c = *config;
	err = check_config(v, &c);
	if (err != 0)
		return err;
	m = vmmctl_zalloc(v, sizeof(*m));
	if (m == NULL)
		return vmmctl_fail(v, -ENOMEM, "no memory for a machine");
	m->v = v;
	m->max_vcpus = c.max_vcpus != 0 ? c.max_vcpus : v->info.max_vcpus;
	m->max_spaces = c.max_spaces;
	m->max_memory = c.max_memory;
	m->kicks_only = (c.flags & VMMCTL_MACHINE_KICKS_ONLY) != 0;
	for (uint32_t i = 0; i < c.brief_words; i++) {
		m->brief[i] = c.brief[i];
		m->any_brief |= c.brief[i] != 0;
	}
	list_init(&m->spaces);
	list_init(&m->vcpus);
	list_init(&m->contexts);
	mtx_init(&m->lock, mtx_plain);
	err = -ENOMEM;
	if (c.cpuid_count != 0) {
		size_t n = c.cpuid_count * sizeof(*m->cpuid);

		m->cpuid = vmmctl_zalloc(v, n);
		if (m->cpuid == NULL)
			goto fail;
		memcpy(m->cpuid, c.cpuid, n);
		m->cpuid_count = c.cpuid_count;
	}
	err = pt_pool_init(&m->pool, PT_POOL_SIZE);
	if (err != 0)
		goto fail;
	err = counters_create(m, c.name);
	if (err != 0)
		goto fail;
	err = v->ops->machine_init(m);
	if (err != 0)
		goto fail_said;
	mtx_lock(&v->lock);
	list_append(&v->machines, &m->link);
	mtx_unlock(&v->lock);
	*out = m;
	return 0;
fail:
	vmmctl_fail(v, err, "no memory or descriptors for a machine");
fail_said:
	counters_destroy(m);
	pt_pool_fini(&m->pool);
	vmmctl_free(v, m->cpuid);
	mtx_destroy(&m->lock);
	vmmctl_free(v, m);
	return err;
}

void vmmctl_machine_destroy(struct vmmctl_machine *m)
{
	KEEP_ERRNO();
	struct vmmctl *v;

	if (m == NULL)
		return;
	v = m->v;
	if (!vmmctl_alive(v))
		return;	/* a forked child's copy: nothing here is its own */
	mtx_lock(&v->lock);
	list_remove(&m->link);
	mtx_unlock(&v->lock);
	while (!list_empty(&m->contexts))
		context_free(LIST_ITEM(list_first(&m->contexts),
		    struct vmmctl_context, link));
	while (!list_empty(&m->vcpus))
		vcpu_free(LIST_ITEM(list_first(&m->vcpus),
		    struct vmmctl_vcpu, link));
	mtx_lock(&m->lock);
	while (!list_empty(&m->spaces))
		space_destroy_locked(LIST_ITEM(list_first(&m->spaces),
		    struct vmmctl_space, link));
	memory_fini(m);
	mtx_unlock(&m->lock);
	v->ops->machine_fini(m);
	counters_destroy(m);
	pt_pool_fini(&m->pool);
	vmmctl_free(v, m->cpuid);
	mtx_destroy(&m->lock);
	vmmctl_free(v, m);
}
