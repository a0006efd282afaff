// SPDX-License-Identifier: BSD-2-Clause
/* vmm_unit.c - see vmm_unit.h. */
#include "vmm_unit.h"

#include <stdlib.h>

static struct fake_alive before;

int try(const char *name, struct vmmctl **v, char *why, size_t size)
{
	const struct vmmctl_config config = {
		.size = sizeof(config), .backend = name, .alloc = fake_alloc,
		.free = fake_free, .why = why, .why_size = size,
	};

	return vmmctl_open_config(&config, v);
}

int start(void **state)
{
	struct unit *u = calloc(1, sizeof(*u));

	fake_reset();
	device_fds = 0;
	before = fake_alive;
	assert_ok(try("vmm", &u->v, NULL, 0));
	device.nregions = device.contexts = 0;	/* the probe's */
	memset(device.page, 0, sizeof(device.page));
	assert_ok(vmmctl_machine_create(u->v, NULL, &u->m));
	assert_ok(vmmctl_space_create(u->m, &u->s));
	assert_ok(vmmctl_context_create(u->s, &u->c));
	assert_ok(vmmctl_vcpu_create(u->m, &u->cpu));
	u->r = vmmctl_context_regs(u->c);
	u->r->rip = RIP;
	*state = u;
	return 0;
}

int setup(void **state)
{
	device_reset();
	return start(state);
}

int teardown(void **state)
{
	struct unit *u = *state;

	vmmctl_close(u->v);
	free(u);
	assert_int_equal(device.contexts, 0);
	assert_int_equal(device_fds, 0);
	assert_int_equal(device.bad, 0);
	unit_no_leaks(&before);
	return 0;
}

struct vmm_vcpu_page *page(unsigned n)
{
	return &device.page[n].page;
}

void run(struct unit *u, enum vmmctl_exit_kind kind)
{
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, kind);
}
