// SPDX-License-Identifier: BSD-2-Clause
/* Runs: kicks, states that are refused, who may run. */
#include "runs.h"

#include <threads.h>

static void kick_before_run(void **state)
{
	struct unit *u = *state;

	vmmctl_vcpu_kick(u->cpu);
	vmmctl_vcpu_kick(u->cpu);
	assert_int_equal(fake.kicks, 0);	/* nobody was inside */
	run(u, VMMCTL_EXIT_KICKED);
	assert_int_equal(fake.enters, 0);
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(counter(u, "kicks"), 1);
}

static int kicked_inside(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)c;
	(void)deadline;
	if (fake.enters == 1) {
		vmmctl_vcpu_kick(v);
		vmmctl_vcpu_kick(v);
		ev->type = EVENT_KICK;
	}
	return 0;
}

static void kick_during_run(void **state)
{
	struct unit *u = *state;

	fake.enter = kicked_inside;
	run(u, VMMCTL_EXIT_KICKED);
	assert_int_equal(fake.kicks, 2);
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(counter(u, "kicks"), 1);
}

/* The guest exits by itself just as the kick comes: the next run has it. */
static int kicked_too_late(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)c;
	(void)deadline;
	(void)ev;
	if (fake.enters == 1)
		vmmctl_vcpu_kick(v);
	return 0;
}

static void kick_beside_an_exit(void **state)
{
	struct unit *u = *state;

	fake.enter = kicked_too_late;
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_KICKED);
	run(u, VMMCTL_EXIT_SYSCALL);
}

/* A kick of the backend that nobody asked for is no exit. */
static int stale(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)c;
	(void)deadline;
	if (fake.enters < 5)
		ev->type = EVENT_KICK;
	return 0;
}

static void stale_kicks(void **state)
{
	struct unit *u = *state;

	fake.enter = stale;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(fake.enters, 5);
	assert_int_equal(counter(u, "kicks"), 0);
}

static int signalled(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)c;
	(void)deadline;
	vmmctl_vcpu_kick(v);
	ev->type = EVENT_SIGNAL;
	return 0;
}

static void a_signal_serves_for_a_kick(void **state)
{
	struct unit *u = *state;

	fake.enter = signalled;
	run(u, VMMCTL_EXIT_KICKED);
	fake.enter = NULL;
	run(u, VMMCTL_EXIT_SYSCALL);
}

/* ---- states that are refused -------------------------------------------- */

static void refused(struct unit *u, const char *field, uint64_t value)
{
	struct vmmctl_regs before = *u->r;

	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, field);
	assert_int_equal(u->e.value, value);
	assert_non_null(u->e.rule);
	assert_non_null(strstr(u->e.section, "SDM"));
	assert_memory_equal(u->r, &before, sizeof(before));
	assert_int_equal(fake.enters, 0);
}

static void refused_states(void **state)
{
	static const uint64_t bad[] = { 1ull << 47, 0xffff7fffffffffffull,
	    1ull << 63 };
	struct unit *u = *state;
	const struct vmmctl_regs good = *u->r;

	for (size_t i = 0; i < 3; i++) {
		u->r->rip = bad[i];
		refused(u, "RIP", bad[i]);
		*u->r = good;
		u->r->fs_base = bad[i];
		refused(u, "FS_BASE", bad[i]);
		*u->r = good;
		u->r->gs_base = bad[i];
		refused(u, "GS_BASE", bad[i]);
		*u->r = good;
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		const uint64_t user = 0x254dd7ull | 3u << 8;

		u->r->rflags = 0x202 | 1ull << bit;
		if ((user >> bit & 1) == 0) {
			refused(u, "RFLAGS", 0x202 | 1ull << bit);
		} else {
			run(u, VMMCTL_EXIT_SYSCALL);
			fake.enters = 0;
		}
	}
	*u->r = good;
	/* What looks odd and is allowed. */
	u->r->rsp = 1ull << 63;
	u->r->rflags = 0;
	u->r->fs_base = 0xffff800000000000ull;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->r->rflags, 0x202);
}

/* ---- who may run what ---------------------------------------------------- */

static struct unit *inside;

static int nested(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	struct unit *u = inside;
	struct vmmctl_context *c2;
	struct vmmctl_vcpu *v2;
	struct vmmctl_exit e;
	uint8_t area[8192];

	(void)deadline;
	(void)ev;
	if (fake.enters > 1)
		return 0;
	assert_ok(vmmctl_context_create(u->s, &c2));
	assert_ok(vmmctl_vcpu_create(u->m, &v2));
	assert_fails(u->v, vmmctl_vcpu_run(v, c2, &e), -EBUSY, "vCPU");
	assert_fails(u->v, vmmctl_vcpu_run(v2, c, &e), -EBUSY, "context");
	assert_fails(u->v, vmmctl_vcpu_set_budget(v, 1, 1), -EBUSY, "vCPU");
	assert_fails(u->v, vmmctl_context_set_step(c, 1), -EBUSY, "running");
	assert_fails(u->v, vmmctl_context_set_policy(c, 1, 0), -EBUSY,
	    "running");
	assert_fails(u->v, vmmctl_context_set_handler(c, 0, 0), -EBUSY,
	    "running");
	assert_fails(u->v, vmmctl_context_set_space(c, u->s), -EBUSY,
	    "running");
	assert_fails(u->v, vmmctl_context_get_xsave(c, area, sizeof(area)),
	    -EBUSY, "running");
	assert_fails(u->v, vmmctl_context_set_xsave(c, area, sizeof(area)),
	    -EBUSY, "running");
	assert_fails(u->v, vmmctl_context_set_debug_regs(c,
	    &(struct vmmctl_debug_regs){ .dr7 = 0 }), -EBUSY, "running");
	/* The others may run meanwhile. */
	assert_ok(vmmctl_vcpu_run(v2, c2, &e));
	vmmctl_context_destroy(c2);
	vmmctl_vcpu_destroy(v2);
	return 0;
}

static void busy(void **state)
{
	inside = *state;
	fake.enter = nested;
	run(inside, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(fake.enters, 2);
	/* A refused run leaves nothing busy. */
	run(inside, VMMCTL_EXIT_SYSCALL);
}

static void another_machine(void **state)
{
	struct unit *u = *state;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;

	assert_ok(vmmctl_machine_create(u->v, NULL, &m));
	assert_ok(vmmctl_space_create(m, &s));
	assert_ok(vmmctl_context_create(s, &c));
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, c, &u->e), -EINVAL,
	    "another machine");
	assert_fails(u->v, vmmctl_context_set_space(c, u->s), -EINVAL,
	    "another machine");
	run(u, VMMCTL_EXIT_SYSCALL);
}

static int broken(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)c;
	(void)deadline;
	(void)ev;
	return vmmctl_fail(v->m->v, -EIO, "the crank is loose");
}

static void a_backend_fails(void **state)
{
	struct unit *u = *state;

	fake.seat_error = -ENOMEM;
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, u->c, &u->e), -ENOMEM,
	    "made to fail");
	fake.seat_error = 0;
	fake.load_error = -EIO;
	assert_int_equal(vmmctl_vcpu_run(u->cpu, u->c, &u->e), -EIO);
	fake.load_error = 0;
	fake.enter = broken;
	assert_ok(vmmctl_context_set_step(u->c, 1));
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, u->c, &u->e), -EIO,
	    "crank");
	assert_int_equal(u->r->rflags, 0x202);
	assert_ok(vmmctl_context_set_step(u->c, 0));
	fake.enter = NULL;
	run(u, VMMCTL_EXIT_SYSCALL);
}

static void limits(void **state)
{
	struct unit *u = *state;
	struct vmmctl_vcpu *v[FAKE_VCPUS], *extra = NULL;

	v[0] = u->cpu;
	for (unsigned i = 1; i < FAKE_VCPUS; i++)
		assert_ok(vmmctl_vcpu_create(u->m, &v[i]));
	assert_fails(u->v, vmmctl_vcpu_create(u->m, &extra), -ENOSPC,
	    "max_vcpus");
	assert_null(extra);
	/* An index that is free again is used again. */
	vmmctl_vcpu_destroy(v[2]);
	assert_ok(vmmctl_vcpu_create(u->m, &v[2]));
	assert_int_equal(v[2]->index, 2);
	vmmctl_vcpu_destroy(NULL);
	fake.vcpu_error = -EAGAIN;
	vmmctl_vcpu_destroy(v[2]);
	assert_fails(u->v, vmmctl_vcpu_create(u->m, &v[2]), -EAGAIN,
	    "made to fail");
}

/* ---- a change of a space that another thread runs ------------------------ */

static _Atomic int wanted_out;

static int until_kicked(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	const int before = atomic_load(&fake.kicks);

	(void)deadline;
	(void)c;
	if (atomic_load(&wanted_out) != 0 || atomic_load(&v->kicked) != 0)
		return 0;
	while (atomic_load(&fake.kicks) == before &&
	    atomic_load(&wanted_out) == 0 &&
	    atomic_load(&c->space->parked) == 0)
		thrd_yield();
	ev->type = EVENT_KICK;
	return 0;
}

static int runner(void *arg)
{
	struct unit *u = arg;

	return vmmctl_vcpu_run(u->cpu, u->c, &u->e);
}

static void shootdowns(void **state)
{
	struct unit *u = *state;
	thrd_t t;
	int rc;

	atomic_store(&wanted_out, 0);
	fake.enter = until_kicked;
	assert_int_equal(thrd_create(&t, runner, u), thrd_success);
	while (atomic_load(&u->cpu->entered) == 0)
		thrd_yield();
	for (int i = 0; i < 1000; i++) {
		assert_ok(vmmctl_space_protect(u->s, DATA, PAGE,
		    i & 1 ? VMMCTL_PROT_RW : VMMCTL_PROT_READ));
		assert_ok(vmmctl_memory_protect(u->m, DATA_GPA, PAGE,
		    i & 1 ? VMMCTL_PROT_RW : VMMCTL_PROT_READ));
	}
	atomic_store(&wanted_out, 1);
	thrd_join(t, &rc);
	assert_int_equal(rc, 0);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
	assert_true(counter(u, "space.shootdown") > 0);
	assert_int_equal(atomic_load(&u->s->parked), 0);
}

int main(void)
{
	const struct CMUnitTest vcpu[] = {
		TEST(kick_before_run),
		TEST(kick_during_run),
		TEST(kick_beside_an_exit),
		TEST(stale_kicks),
		TEST(a_signal_serves_for_a_kick),
		TEST(refused_states),
		TEST(busy),
		TEST(another_machine),
		TEST(a_backend_fails),
		TEST(limits),
		TEST(shootdowns),
	};

	return RUN(vcpu);
}
