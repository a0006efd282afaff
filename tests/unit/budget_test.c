// SPDX-License-Identifier: BSD-2-Clause
/* Budgets: exits that are counted, time that is spent. */
#include "runs.h"
#include "os.h"

static void exits_budget(void **state)
{
	struct unit *u = *state;

	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 3));
	for (int i = 0; i < 3; i++)
		run(u, VMMCTL_EXIT_SYSCALL);
	for (int i = 0; i < 3; i++) {
		run(u, VMMCTL_EXIT_BUDGET);
		assert_int_equal(u->e.budget, VMMCTL_BUDGET_EXITS);
	}
	assert_int_equal(fake.enters, 3);
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 0));
	for (int i = 0; i < 100; i++)
		run(u, VMMCTL_EXIT_SYSCALL);
	/* A kick comes first, and costs nothing. */
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 1));
	vmmctl_vcpu_kick(u->cpu);
	run(u, VMMCTL_EXIT_KICKED);
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_BUDGET);
}

static int timeout(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)c;
	assert_true(deadline != 0);
	ev->type = EVENT_TIMEOUT;
	return 0;
}

static int no_deadline(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)c;
	(void)ev;
	assert_int_equal(deadline, 0);
	return 0;
}

static void time_budget(void **state)
{
	struct unit *u = *state;

	fake.enter = no_deadline;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 1000000, 0));
	fake.enter = timeout;
	run(u, VMMCTL_EXIT_BUDGET);
	assert_int_equal(u->e.budget, VMMCTL_BUDGET_TIME);
	run(u, VMMCTL_EXIT_BUDGET);
	assert_int_equal(fake.enters, 2);
}

static int late(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)c;
	(void)ev;
	assert_true(fake.enters == 1 || deadline > os_mono_ns());
	while (fake.enters == 1 && os_mono_ns() < deadline)
		;
	return 0;
}

static void time_is_spent(void **state)
{
	struct unit *u = *state;

	fake.enter = late;
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 1000000, 0));
	run(u, VMMCTL_EXIT_SYSCALL);	/* the exit is not lost */
	run(u, VMMCTL_EXIT_BUDGET);
	/* For ever is not in the past. */
	fake.enters = 1;
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, UINT64_MAX, 0));
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_SYSCALL);
}

static int fills(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)c;
	(void)deadline;
	if (fake.enters % 3 != 0)
		*ev = (struct event){ .type = EVENT_VECTOR, .vector = VEC_PF,
		    .error_code = PF_USER, .cr2 = DATA };
	return 0;
}

static void fills_cost_no_budget(void **state)
{
	struct unit *u = *state;

	fake.enter = fills;
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 4));
	for (int i = 0; i < 4; i++)
		run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_BUDGET);
	assert_int_equal(counter(u, "space.fill"), 8);
	assert_int_equal(counter(u, "exits"), 12);
	assert_int_equal(counter(u, "exits.handled"), 8);
}

int main(void)
{
	const struct CMUnitTest budget[] = {
		TEST(exits_budget),
		TEST(time_budget),
		TEST(time_is_spent),
		TEST(fills_cost_no_budget),
	};

	return RUN(budget);
}
