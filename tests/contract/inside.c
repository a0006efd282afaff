// SPDX-License-Identifier: BSD-2-Clause
/*
 * The only file of these tests that looks into the library.
 */
#include "inside.h"

#include "../../lib/libvmmctl/proc/proc.h"

#include <string.h>

uint64_t inside_key(const struct rig *r, const struct vmmctl_machine *m)
{
	const struct proc_machine *pm = m->backend_data;

	if (strcmp(r->info.backend, "proc") != 0 ||
	    strcmp(r->info.variant, "seccomp") != 0)
		return 0;
	return pm->key;
}

uint64_t the_key(struct rig *r)
{
	uint64_t key = inside_key(r, r->m);

	if (key == 0)
		rig_skip(r, "the backend has no key");
	return key;
}

void inside_lock(struct rig *r)
{
	mtx_lock(&r->m->lock);
}

void inside_unlock(struct rig *r)
{
	mtx_unlock(&r->m->lock);
}
