// SPDX-License-Identifier: BSD-2-Clause
/* Policies: exits that are counted, reflected, or end the guest. */
#include "runs.h"

static struct event next[8];

static int scripted(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)c;
	(void)deadline;
	*ev = next[(fake.enters - 1) % 8];
	return 0;
}

static void script(uint32_t vector)
{
	fake.enter = scripted;
	fake.enters = 0;
	for (int i = 0; i < 8; i++)
		next[i] = (struct event){ .type = i == 3 ? EVENT_SYSCALL :
		    EVENT_VECTOR, .vector = vector, .error_code = PF_USER,
		    .cr2 = 0x1000 };
}

static void policy_count(void **state)
{
	struct unit *u = *state;

	script(VEC_DB);
	assert_ok(vmmctl_context_set_policy(u->c, VEC_DB,
	    VMMCTL_POLICY_COUNT));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(fake.enters, 4);
	assert_int_equal(counter(u, "exit.debug"), 3);
	assert_int_equal(counter(u, "exits.handled"), 3);
	script(VEC_BP);
	assert_ok(vmmctl_context_set_policy(u->c, VEC_BP,
	    VMMCTL_POLICY_COUNT));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(counter(u, "exit.breakpoint"), 3);
	assert_ok(vmmctl_context_set_policy(u->c, VEC_BP, VMMCTL_POLICY_EXIT));
	script(VEC_BP);
	run(u, VMMCTL_EXIT_BREAKPOINT);
	/* Counted ones use the budget up: no guest loops for free. */
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 2));
	script(VEC_DB);
	run(u, VMMCTL_EXIT_BUDGET);
	assert_int_equal(fake.enters, 2);
}

static void policy_kill(void **state)
{
	struct unit *u = *state;

	script(VEC_UD);
	assert_ok(vmmctl_context_set_policy(u->c, VEC_UD, VMMCTL_POLICY_KILL));
	run(u, VMMCTL_EXIT_EXCEPTION);
	assert_int_equal(u->e.vector, VEC_UD);
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, u->c, &u->e), -ESRCH,
	    "killed");
	assert_int_equal(fake.enters, 1);
	/* Others are not affected. */
	{
		struct vmmctl_context *c;

		assert_ok(vmmctl_context_create(u->s, &c));
		assert_ok(vmmctl_vcpu_run(u->cpu, c, &u->e));
		assert_int_equal(u->e.kind, VMMCTL_EXIT_EXCEPTION);
	}
}

static void policy_reflect(void **state)
{
	struct unit *u = *state;
	struct vmmctl_frame f;

	script(VEC_PF);
	assert_ok(vmmctl_context_set_policy(u->c, VEC_PF,
	    VMMCTL_POLICY_REFLECT));
	/* No handler: it exits. */
	run(u, VMMCTL_EXIT_FAULT);
	script(VEC_PF);
	assert_ok(vmmctl_context_set_handler(u->c, CODE + 16, DATA + 512));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->r->rip, CODE + 16);
	assert_int_equal(u->r->rsp, DATA + 512);
	memcpy(&f, unit_at(u, DATA_GPA + 512), sizeof(f));
	assert_int_equal(f.vector, VEC_PF);
	assert_int_equal(f.cr2, 0x1000);
	assert_int_equal(counter(u, "exit.fault"), 4);
	/* No room for the frame: it exits. */
	script(VEC_PF);
	assert_ok(vmmctl_context_set_handler(u->c, CODE + 16, ONLY + 512));
	run(u, VMMCTL_EXIT_FAULT);
}

/* What is no exception knows no policy. */
static void no_policy(void **state)
{
	struct unit *u = *state;

	for (unsigned i = 0; i < 32; i++)
		assert_ok(vmmctl_context_set_policy(u->c, i,
		    VMMCTL_POLICY_KILL));
	fake.enter = scripted;
	next[0] = (struct event){ .type = EVENT_SYSCALL };
	next[1] = (struct event){ .type = EVENT_SOFTINT, .vector = 3 };
	next[2] = (struct event){ .type = EVENT_SIGNAL };
	next[3] = (struct event){ .type = EVENT_FAILED, .field = "x" };
	next[4] = (struct event){ .type = EVENT_VECTOR, .vector = VEC_PF,
	    .error_code = PF_USER, .cr2 = VOID };
	next[5] = (struct event){ .type = EVENT_VECTOR, .vector = VEC_UD };
	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_SOFTINT);
	run(u, VMMCTL_EXIT_KICKED);
	run(u, VMMCTL_EXIT_FAILED);
	run(u, VMMCTL_EXIT_NOMEM);
	run(u, VMMCTL_EXIT_EXCEPTION);
	assert_int_equal(vmmctl_vcpu_run(u->cpu, u->c, &u->e), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest policy[] = {
		TEST(policy_count),
		TEST(policy_kill),
		TEST(policy_reflect),
		TEST(no_policy),
	};

	return RUN(policy);
}
