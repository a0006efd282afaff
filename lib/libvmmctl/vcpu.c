// SPDX-License-Identifier: BSD-2-Clause
/*
 * vcpu.c - vCPUs: how they come and go, kicks and budgets.  They run in run.c.
 */
#include "counters.h"
#include "machine.h"

#include <errno.h>

int vmmctl_vcpu_create(struct vmmctl_machine *m, struct vmmctl_vcpu **out)
{
	KEEP_ERRNO();
	struct vmmctl_vcpu *v;
	struct link *l;
	int err;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	v = vmmctl_zalloc(m->v, sizeof(*v));
	if (v == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a vCPU");
	v->m = m;
	v->ops = m->v->ops;
	v->guard = m->v->guard;
	v->special = v->ops->simple ? 0 : RUN_LONG;
	mtx_lock(&m->lock);
again:
	LIST_EACH(l, &m->vcpus)
		if (LIST_ITEM(l, struct vmmctl_vcpu, link)->index ==
		    v->index) {
			v->index++;
			goto again;
		}
	if (v->index >= m->max_vcpus) {
		err = vmmctl_fail(m->v, -ENOSPC, "the machine has its "
		    "max_vcpus of %u", m->max_vcpus);
		goto fail;
	}
	v->counters = counters_slot(m, v->index + 1);
	err = m->v->ops->vcpu_init(v);
	if (err != 0)
		goto fail;
	list_append(&m->vcpus, &v->link);
	mtx_unlock(&m->lock);
	*out = v;
	return 0;
fail:
	mtx_unlock(&m->lock);
	vmmctl_free(m->v, v);
	return err;
}

void vcpu_free(struct vmmctl_vcpu *v)
{
	KEEP_ERRNO();
	struct vmmctl_machine *m = v->m;
	struct link *l;

	mtx_lock(&m->lock);
	LIST_EACH(l, &m->contexts) {
		struct vmmctl_context *c = LIST_ITEM(l, struct vmmctl_context,
		    link);

		if (c->seat != NULL && c->seat->vcpu == v)
			context_unload(c);
	}
	m->v->ops->vcpu_fini(v);
	list_remove(&v->link);
	mtx_unlock(&m->lock);
	vmmctl_free(m->v, v);
}

void vmmctl_vcpu_destroy(struct vmmctl_vcpu *v)
{
	if (v != NULL && vmmctl_alive(v->m->v))
		vcpu_free(v);
}

void vmmctl_vcpu_kick(struct vmmctl_vcpu *v)
{
	if (!vmmctl_alive(v->m->v))
		return;
	/* entered is set before kicked is looked at for the last time. */
	atomic_store(&v->kicked, 1);
	if (atomic_load(&v->entered) != 0)
		v->m->v->ops->kick(v);
}

int vmmctl_vcpu_set_budget(struct vmmctl_vcpu *v, uint64_t ns,
    uint64_t exits)
{
	if (!vmmctl_alive(v->m->v))
		return vmmctl_forked(v->m->v);
	if (atomic_load(&v->busy) != 0)
		return vmmctl_fail(v->m->v, -EBUSY, "the vCPU is running");
	v->budget_ns = ns;
	v->budget_exits = exits;
	v->special = (v->special & RUN_LONG) | (ns != 0 ? VMMCTL_BUDGET_TIME : 0) |
	    (exits != 0 ? VMMCTL_BUDGET_EXITS : 0);
	return 0;
}
