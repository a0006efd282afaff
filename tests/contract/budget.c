// SPDX-License-Identifier: BSD-2-Clause
/*
 * Budgets: in exits, exactly; in nanoseconds, nearly; and nothing is lost.
 */
#include "runner.h"

#include <string.h>

GUEST(c_spin);
GUEST(c_calls);
GUEST(c_work);
GUEST(c_look);

#define expect_spent(r, which)					\
	expect_exit((r), .kind = VMMCTL_EXIT_BUDGET, .budget = (which))

static void exits_are_counted(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(c_calls));
	r->regs->rbx = 0;
	for (uint64_t n = 1; n < 12; n++) {
		struct vmmctl_regs before;
		uint64_t start = r->regs->rbx;

		expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, n), 0);
		for (uint64_t i = 1; i <= n; i++) {
			rig_run(r);
			expect_syscall(r);
			assert_int_equal(r->regs->rbx, start + i);
		}
		before = *r->regs;
		for (unsigned i = 0; i < 3; i++) {
			rig_run(r);
			expect_spent(r, VMMCTL_BUDGET_EXITS);
			expect_regs(r, &before);
		}
	}
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);
	for (unsigned i = 0; i < 50; i++) {
		rig_run(r);
		expect_syscall(r);
	}
}

/* Exits that the library deals with by itself cost the caller nothing. */
static void pages_that_are_loaded_are_no_exits(void **state)
{
	enum { PAGES = 32 };
	struct rig *r = *state;

	expect_rc(r, vmmctl_space_map(r->s, SPARE, PAGES * PAGE, FREE_GPA,
	    VMMCTL_PROT_RW), 0);
	rig_load(r, BLOB(c_look));
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, PAGES), 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		r->regs->rbx = SPARE + i * PAGE;
		rig_run(r);
		expect_syscall(r);
	}
	rig_run(r);
	expect_spent(r, VMMCTL_BUDGET_EXITS);
}

static void a_kick_comes_first(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(c_calls));
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 1), 0);
	rig_run(r);
	expect_syscall(r);
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	rig_run(r);
	expect_spent(r, VMMCTL_BUDGET_EXITS);
}

static void time_runs_out(void **state)
{
	static const uint64_t budgets[] = { 1, 1000, 100000, 2000000,
	    20000000 };
	struct rig *r = *state;

	rig_untraced(r);
	rig_load(r, BLOB(c_spin));
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		uint64_t start, took;

		expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, budgets[i], 0),
		    0);
		start = now_ns();
		rig_run(r);
		took = now_ns() - start;
		expect_spent(r, VMMCTL_BUDGET_TIME);
		rig_say("budget %llu ns: BUDGET after %llu ns",
		    (unsigned long long)budgets[i], (unsigned long long)took);
		assert_true(took >= budgets[i] / 2);
		/* The machine is shared; this is for hangs. */
		assert_true(took < budgets[i] + 2000000000);
		start = now_ns();
		rig_run(r);
		expect_spent(r, VMMCTL_BUDGET_TIME);
		assert_true(now_ns() - start < 2000000000);
	}
}

/* Cut into slices, the guest goes on as if nothing had been. */
static void slices_of_time_lose_nothing(void **state)
{
	struct rig *r = *state;
	const uint64_t slices = rig_scale(r, 500, 50, 200);
	uint64_t last = 0;

	rig_untraced(r);
	rig_load(r, BLOB(c_work));
	r->regs->rbx = 0;
	r->regs->rdx = 0;
	r->regs->rsi = DATA;
	for (uint64_t i = 0; i < slices; i++) {
		expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 200000, 0), 0);
		rig_run(r);
		expect_spent(r, VMMCTL_BUDGET_TIME);
		assert_in_range(r->regs->rbx - r->regs->rdx, 0, 1);
		assert_true(r->regs->rbx >= last);
		last = r->regs->rbx;
	}
	assert_true(last > slices);
}

/* The budget is the vCPU's, over as many runs as it lasts. */
static void time_adds_up_over_runs(void **state)
{
	struct rig *r = *state;
	uint64_t runs = 0, start = now_ns();

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 300000000, 0), 0);
	do {
		rig_run(r);
		runs++;
		assert_true(now_ns() - start < 10000000000);
	} while (r->x.kind == VMMCTL_EXIT_SYSCALL);
	expect_spent(r, VMMCTL_BUDGET_TIME);
	assert_true(runs > 2);
	rig_say("300 ms were %llu system calls", (unsigned long long)runs - 1);
}

static void whichever_is_first(void **state)
{
	struct rig *r = *state;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 30000000000, 2), 0);
	rig_run(r);
	rig_run(r);
	expect_syscall(r);
	rig_run(r);
	expect_spent(r, VMMCTL_BUDGET_EXITS);
	rig_load(r, BLOB(c_spin));
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 1000000, 2), 0);
	rig_run(r);
	expect_spent(r, VMMCTL_BUDGET_TIME);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(exits_are_counted),
		TEST(pages_that_are_loaded_are_no_exits),
		TEST(a_kick_comes_first),
		TEST(time_runs_out),
		TEST(slices_of_time_lose_nothing),
		TEST(time_adds_up_over_runs),
		TEST(whichever_is_first),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
