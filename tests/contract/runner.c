// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads that run guests.
 */
#include "runner.h"

void runner_init(struct runner *t, struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c)
{
	*t = (struct runner){ .cpu = cpu, .c = c };
	if (cpu == NULL)
		expect_rc(r, vmmctl_vcpu_create(r->m, &t->cpu), 0);
	if (c == NULL)
		t->c = rig_context(r, r->s);
}

static void *loop(void *cookie)
{
	struct runner *t = cookie;

	do {
		t->rc = vmmctl_vcpu_run(t->cpu, t->c, &t->x);
		t->exits++;
	} while (t->rc == 0 && t->on_exit != NULL && t->on_exit(t));
	t->done = true;
	return NULL;
}

void runner_start(struct runner *t)
{
	t->done = false;
	assert_int_equal(pthread_create(&t->thread, NULL, loop, t), 0);
}

void runner_join(struct runner *t)
{
	pthread_join(t->thread, NULL);
	assert_int_equal(t->rc, 0);
}
