// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads that run guests.
 */
#include "runner.h"

#include <sched.h>

static void at_end(void *cookie)
{
	struct runner *t = cookie;

	if (t->started)
		runner_stop(t);
}

void runner_init(struct runner *t, struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c)
{
	*t = (struct runner){ .cpu = cpu, .c = c };
	if (cpu == NULL)
		expect_rc(r, vmmctl_vcpu_create(r->m, &t->cpu), 0);
	if (c == NULL)
		t->c = rig_context(r, r->s);
	rig_at_end(r, at_end, t);
}

static void *loop(void *cookie)
{
	struct runner *t = cookie;

	do {
		t->rc = vmmctl_vcpu_run(t->cpu, t->c, &t->x);
		t->exits++;
	} while (t->rc == 0 && !t->stop && t->on_exit != NULL &&
	    t->on_exit(t));
	t->done = true;
	return NULL;
}

void runner_start(struct runner *t)
{
	t->done = false;
	assert_int_equal(pthread_create(&t->thread, NULL, loop, t), 0);
	t->started = true;
}

void runner_join(struct runner *t)
{
	pthread_join(t->thread, NULL);
	t->started = false;
	assert_int_equal(t->rc, 0);
	if (t->x.brief != 0)
		assert_int_equal(vmmctl_context_fetch(t->c), 0);
	t->x.brief = 0;
}

void runner_stop(struct runner *t)
{
	t->stop = true;
	while (!t->done) {
		vmmctl_vcpu_kick(t->cpu);
		sleep_us(500);
	}
	pthread_join(t->thread, NULL);
	t->started = false;
}

static void *kick_away(void *cookie)
{
	struct kicker *k = cookie;

	for (uint64_t i = 0; i < k->kicks && !k->stop; i++) {
		uint64_t exits = k->exits;

		vmmctl_vcpu_kick(k->cpu);
		k->kicked++;
		for (volatile unsigned w = 0; w < k->pause; w++)
			;
		while (i % VOLLEY == 0 && k->exits - exits < k->rest &&
		    !k->stop)
			sched_yield();
	}
	return NULL;
}

static void kicker_at_end(void *cookie)
{
	kicker_stop(cookie);
}

void kicker_start(struct kicker *k, struct rig *r, uint64_t kicks,
    unsigned pause, unsigned rest)
{
	*k = (struct kicker){ .cpu = r->cpu, .kicks = kicks, .pause = pause,
	    .rest = rest };
	rig_at_end(r, kicker_at_end, k);
	assert_int_equal(pthread_create(&k->thread, NULL, kick_away, k), 0);
	k->started = true;
}

void kicker_stop(struct kicker *k)
{
	if (!k->started)
		return;
	k->stop = true;
	pthread_join(k->thread, NULL);
	k->started = false;
}
