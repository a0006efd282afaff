// SPDX-License-Identifier: BSD-2-Clause
/* Short runs: what a simple backend's system calls skip, nobody may miss. */
#include "unit.h"
#include "counters.h"

#include <errno.h>
#include <pthread.h>

static struct backend_ops simple;
static struct seat own;
static int answer;
static struct event event;
static void (*inside)(struct vmmctl_vcpu *v, struct vmmctl_context *c);

static int enter_simply(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)deadline;
	fake.enters++;
	if (inside != NULL)
		inside(v, c);
	*ev = event;
	return answer;
}

/* The unit's vCPU and context, on a backend that is simple. */
static void make_simple(struct unit *u)
{
	simple = *u->v->ops;
	simple.simple = true;
	simple.enter = enter_simply;
	own = (struct seat){ .owner = u->c };
	u->cpu->ops = &simple;
	u->cpu->special = 0;
	u->c->seat = &own;
	answer = ENTER_SYSCALL;
	memset(&event, 0xa5, sizeof(event));
	event.brief = false;
	inside = NULL;
}

static uint64_t counter(struct unit *u, const char *name)
{
	uint64_t n = 0;

	assert_ok(vmmctl_machine_counter(u->m, name, &n));
	return n;
}

static void run(struct unit *u, enum vmmctl_exit_kind kind)
{
	memset(&u->e, 0xa5, sizeof(u->e));
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, kind);
	assert_int_equal(u->cpu->busy, 0);
	assert_int_equal(u->c->busy, 0);
	assert_int_equal(u->cpu->entered, 0);
}

static void only_the_kind_is_set(void **state)
{
	const struct vmmctl_exit want = { .kind = VMMCTL_EXIT_SYSCALL };
	struct unit *u = *state;

	make_simple(u);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_memory_equal(&u->e, &want, sizeof(want));
	assert_int_equal(fake.enters, 1);
}

static void all_is_counted(void **state)
{
	static const char *const names[] = { "runs", "entries", "exits",
	    "exit.syscall" };
	struct unit *u = *state;

	make_simple(u);
	for (int i = 0; i < 5; i++)
		run(u, VMMCTL_EXIT_SYSCALL);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(counter(u, names[i]), 5);
	assert_int_equal(counter(u, "exit.syscall.hist"), 4);
	assert_int_equal(counter(u, "space.switches"), 1);
	assert_int_equal(counter(u, "exits.handled"), 0);
	assert_true(counter(u, "time.guest") > 0);
	assert_true(counter(u, "exit.syscall.time") > 0);
	/* What ends without an entry ends the time, too. */
	vmmctl_vcpu_kick(u->cpu);
	run(u, VMMCTL_EXIT_KICKED);
	assert_int_equal(counter(u, "exit.syscall.hist"), 5);
	assert_int_equal(counter(u, "entries"), 5);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(counter(u, "exit.kicked.hist"), 1);
}

static void kicks_are_heard(void **state)
{
	struct unit *u = *state;

	make_simple(u);
	vmmctl_vcpu_kick(u->cpu);
	run(u, VMMCTL_EXIT_KICKED);
	assert_int_equal(fake.enters, 0);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(counter(u, "kicks"), 1);
}

static void kick_from_inside(struct vmmctl_vcpu *v, struct vmmctl_context *c)
{
	(void)c;
	assert_int_equal(v->entered, 1);
	if (fake.enters == 1) {
		vmmctl_vcpu_kick(v);
		assert_int_equal(fake.kicks, 1);
	}
}

static void kicks_beside_an_exit_are_the_next_runs(void **state)
{
	struct unit *u = *state;

	make_simple(u);
	inside = kick_from_inside;
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_KICKED);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(fake.enters, 2);
}

static void *unmap(void *arg)
{
	struct unit *u = arg;

	assert_ok(vmmctl_space_unmap(u->s, ONLY, PAGE));
	return NULL;
}

static pthread_t parker;
static struct unit *parked;

/* Somebody wants the space for himself while we are inside. */
static void park_meanwhile(struct vmmctl_vcpu *v, struct vmmctl_context *c)
{
	(void)v;
	assert_int_equal(pthread_create(&parker, NULL, unmap, parked), 0);
	while (atomic_load(&fake.kicks) == 0 && c->space->parked == 0)
		;
	inside = NULL;
}

static void a_parked_space_is_waited_for(void **state)
{
	struct unit *u = *state;

	make_simple(u);
	parked = u;
	inside = park_meanwhile;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->s->parked, 0);
	pthread_join(parker, NULL);
	assert_int_equal(fake.enters, 1);
}

static void specials_are_not_short(void **state)
{
	struct unit *u = *state;

	make_simple(u);
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 2));
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_BUDGET);
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 0));
	assert_int_equal(u->cpu->special, 0);
	assert_ok(vmmctl_context_set_step(u->c, 1));
	UNIT_CODE(u, 0x0f, 0x05);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->r->rflags & RFLAGS_TF, 0);
	assert_ok(vmmctl_context_set_step(u->c, 0));
	u->c->dead = true;
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, u->c, &u->e), -ESRCH,
	    "policy");
}

/* The backend found what the core would have found. */
static void refusals_have_their_sentence(void **state)
{
	const uint64_t bad = 1ull << 47;
	struct unit *u = *state;
	struct vmmctl_regs before;

	make_simple(u);
	answer = 0;
	event = (struct event){ .type = EVENT_REFUSED };
	u->r->rip = bad;
	u->r->rflags = RFLAGS_RF | RFLAGS_FIXED;
	before = *u->r;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "RIP");
	assert_int_equal(u->e.value, bad);
	assert_memory_equal(u->r, &before, sizeof(before));
	u->r->rip = CODE;
	u->r->rflags |= 1u << 17;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "RFLAGS");
}

static void other_events_are_decoded(void **state)
{
	struct unit *u = *state;

	make_simple(u);
	answer = 0;
	event = (struct event){ .type = EVENT_VECTOR, .vector = VEC_UD };
	u->r->rflags |= RFLAGS_RF;
	run(u, VMMCTL_EXIT_EXCEPTION);
	assert_int_equal(u->e.vector, VEC_UD);
	assert_int_equal(u->r->rflags & RFLAGS_RF, 0);
	event = (struct event){ .type = EVENT_SIGNAL };
	run(u, VMMCTL_EXIT_KICKED);
	assert_int_equal(counter(u, "exits"), 2);
	assert_int_equal(counter(u, "exit.exception"), 1);
	answer = -EIO;
	assert_int_equal(vmmctl_vcpu_run(u->cpu, u->c, &u->e), -EIO);
	assert_int_equal(u->cpu->busy + u->c->busy, 0);
	answer = ENTER_SYSCALL;
	run(u, VMMCTL_EXIT_SYSCALL);
}

static void loses_errno(struct vmmctl_vcpu *v, struct vmmctl_context *c)
{
	(void)c;
	if (fake.enters == 1)
		vmmctl_vcpu_kick(v);
}

static void errno_stays(void **state)
{
	struct unit *u = *state;

	make_simple(u);
	inside = loses_errno;
	answer = 0;
	event = (struct event){ .type = EVENT_KICK };
	errno = 4711;
	run(u, VMMCTL_EXIT_KICKED);
	assert_int_equal(errno, 4711);
	answer = ENTER_SYSCALL;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(errno, 4711);
}

/* A seat that is the context's own serves every vCPU, and stays. */
static void own_seats_stay(void **state)
{
	struct unit *u = *state;
	struct vmmctl_vcpu *v2;
	struct vmmctl_space *s2;

	make_simple(u);
	assert_ok(vmmctl_vcpu_create(u->m, &v2));
	u->cpu->special = RUN_LONG;
	run(u, VMMCTL_EXIT_SYSCALL);
	v2->ops = &simple;
	v2->special = 0;
	assert_ok(vmmctl_vcpu_run(v2, u->c, &u->e));
	v2->special = RUN_LONG;
	assert_ok(vmmctl_vcpu_run(v2, u->c, &u->e));
	vmmctl_vcpu_destroy(v2);
	assert_ptr_equal(u->c->seat, &own);
	assert_ok(vmmctl_space_create(u->m, &s2));
	assert_ok(vmmctl_context_set_space(u->c, s2));
	assert_ptr_equal(u->c->seat, &own);
	assert_int_equal(fake.loads + fake.saves, 0);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(counter(u, "space.switches"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_kind_is_set),
		TEST(all_is_counted),
		TEST(kicks_are_heard),
		TEST(kicks_beside_an_exit_are_the_next_runs),
		TEST(a_parked_space_is_waited_for),
		TEST(specials_are_not_short),
		TEST(refusals_have_their_sentence),
		TEST(other_events_are_decoded),
		TEST(errno_stays),
		TEST(own_seats_stay),
	};

	return RUN(tests);
}
