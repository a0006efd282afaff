// SPDX-License-Identifier: BSD-2-Clause
/*
 * Brief exits: the guest goes on with its own registers whatever comes between
 * one and the next run, or at the same time: kicks, budgets, steps, changes,
 * other contexts and vCPUs.
 */
#include "named.h"
#include "runner.h"

#include <sched.h>
#include <string.h>

GUEST(b_calls);
GUEST_MARKED(b_calls, first);
GUEST_MARKED(b_calls, second);

/* Kicks, budgets and steps between a brief exit and the next run. */
static void other_ends_of_the_next_run(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	after_call(&want, CODE + MARK(b_calls, first));
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	fetch(r);
	expect_regs(r, &want);

	call(r);
	after_call(&want, CODE + MARK(b_calls, second));
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 1), 0);
	call(r);
	after_call(&want, CODE + MARK(b_calls, first));
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BUDGET,
	    .budget = VMMCTL_BUDGET_EXITS);
	fetch(r);
	expect_regs(r, &want);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);

	memset(rig_gpa(r, CODE_GPA + MARK(b_calls, second)), 0x90, 8);
	call(r);
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	after_call(&want, CODE + MARK(b_calls, second));
	want.rip++;
	expect_regs(r, &want);
	/* A step over the call itself. */
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
	told(r);
	rig_untraced(r);
}

static void context_moves_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *other;
	struct vmmctl_space *space;
	struct vmmctl_context *c;
	struct vmmctl_regs want;

	remake(r);
	expect_rc(r, vmmctl_vcpu_create(r->m, &other), 0);
	space = rig_space(r);
	c = rig_context(r, r->s);
	load(r, BLOB(b_calls));
	want = *r->regs;
	for (unsigned i = 0; i < 40; i++) {
		uint64_t rip = CODE + (i % 2 ? MARK(b_calls, second) :
		    MARK(b_calls, first));

		call_on(r, i % 3 ? r->cpu : other, r->c);
		after_call(&want, rip);
		/* In between: another context on the same vCPU, ... */
		if (i % 5 == 1) {
			rig_regs(vmmctl_context_regs(c));
			vmmctl_context_regs(c)->rax = NAMED;
			call_on(r, r->cpu, c);
		}
		/* ... another space, which has the same code, ... */
		if (i % 5 == 2)
			expect_rc(r, vmmctl_context_set_space(r->c,
			    i % 2 ? space : r->s), 0);
		/* ... changes of the space. */
		if (i % 5 == 3)
			rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_RW);
		if (i % 5 == 4)
			rig_unmap(r, SPARE, PAGE);
		if (i % 7 == 0) {
			fetch(r);
			expect_regs(r, &want);
		}
	}
	fetch(r);
	expect_regs(r, &want);
	/* Its vCPU goes, it stays. */
	call(r);
	vmmctl_vcpu_destroy(r->cpu);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
	call_on(r, other, r->c);
	/* It goes, the vCPU stays. */
	vmmctl_context_destroy(r->c);
	rig_regs(vmmctl_context_regs(c));
	call_on(r, other, c);
	told(r);
	rig_untraced(r);
}

/* The page with the code behind the call is taken away. */
static void code_goes_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	rig_unmap(r, CODE, REGION);
	rig_run(r);
	expect_fault(r, CODE + MARK(b_calls, first), VMMCTL_PROT_EXEC, 0);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
}

static bool count(struct runner *t)
{
	struct vmmctl_regs *regs = vmmctl_context_regs(t->c);
	uint64_t *calls = t->cookie;

	if (t->x.kind == VMMCTL_EXIT_KICKED)
		return true;
	if (t->x.kind != VMMCTL_EXIT_SYSCALL || regs->rax != NAMED)
		return false;
	regs->rdi++;
	return ++*calls < 20000;
}

/* Kicks among brief exits: each call comes once, with its own registers. */
static void brief_exits_under_kicks(void **state)
{
	static struct runner t;
	static struct kicker k;
	struct rig *r = *state;
	const uint64_t end = now_ns() + 5000000000u;
	uint64_t calls = 0, rdi;

	rig_untraced(r);
	remake(r);
	load(r, BLOB(b_calls));
	rdi = r->regs->rdi;
	runner_init(&t, r, r->cpu, r->c);
	t.on_exit = count;
	t.cookie = &calls;
	kicker_start(&k, r, ~0ull, 3000, 2);
	runner_start(&t);
	while (!t.done && k.kicked < 1000000 && now_ns() < end) {
		k.exits = t.exits;
		sleep_us(20);
	}
	kicker_stop(&k);
	while (!t.done)
		sleep_us(200);
	runner_join(&t);
	r->x = t.x;
	expect_syscall(r);
	assert_int_equal(calls, 20000);
	/* The last was added, and not yet given to the guest. */
	assert_int_equal(r->regs->rdi, rdi + calls);
	assert_int_equal(r->regs->rbx, 0xa5000001deadbe01);
	assert_int_equal(r->regs->r15, 0xa500000fdeadbe0f);
}

static bool forty(struct runner *t)
{
	return t->x.kind == VMMCTL_EXIT_SYSCALL && t->exits < 40;
}

/* A second vCPU enters the space while the first is anywhere in a call. */
static void a_second_vcpu_comes(void **state)
{
	static struct runner t;
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 300, 50, 100);
	const uint64_t end = now_ns() + 5000000000u;
	struct vmmctl_vcpu *second;

	rig_untraced(r);
	remake(r);
	expect_rc(r, vmmctl_vcpu_create(r->m, &second), 0);
	for (uint64_t i = 0; i < rounds && (i < 50 || now_ns() < end); i++) {
		struct vmmctl_space *s = rig_space(r);
		struct vmmctl_context *a = rig_context(r, s);
		struct vmmctl_context *b = rig_context(r, s);
		struct vmmctl_regs want;

		load(r, BLOB(b_calls));
		vmmctl_context_regs(a)->rax = NAMED;
		vmmctl_context_regs(b)->rax = NAMED;
		want = *vmmctl_context_regs(a);
		runner_init(&t, r, r->cpu, a);
		t.on_exit = forty;
		runner_start(&t);
		while (t.exits < i % 40)
			sched_yield();
		call_on(r, second, b);
		runner_join(&t);
		r->x = t.x;
		expect_syscall(r);
		expect_rc(r, vmmctl_context_fetch(a), 0);
		after_call(&want, CODE + MARK(b_calls, second));
		assert_memory_equal(vmmctl_context_regs(a), &want,
		    sizeof(want));
		vmmctl_context_destroy(a);
		vmmctl_context_destroy(b);
		expect_rc(r, vmmctl_space_destroy(s), 0);
	}
	told(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(other_ends_of_the_next_run),
		TEST(context_moves_after_a_brief_exit),
		TEST(code_goes_after_a_brief_exit),
		TEST(brief_exits_under_kicks),
		TEST(a_second_vcpu_comes),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
