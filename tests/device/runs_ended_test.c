// SPDX-License-Identifier: BSD-2-Clause
/*
 * What ends a run, and when exactly: kicks, signals, deadlines, the host's
 * work; and what does not.
 */
#include "runs.h"

static void kick(void *cookie)
{
	assert_ok(vmm_vcpu_kick(cookie));
}

static void interrupted(struct device *d, uint32_t by)
{
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->exit->detail, by);
	assert_int_equal(d->page->regs.rip, CODE);
}

/* ---- kicks ---- */

static void a_kick_before_the_run_ends_it_at_once(void **state)
{
	struct device *d = *state;

	kick(d->v);
	kick(d->v);
	kick(d->v);
	interrupted(d, VMM_BY_KICK);
	assert_int_equal(fake_vendor.entries, 0);
	/* Several are one; nobody was interrupted for it. */
	assert_int_equal(sent(), 0);
	shut_down(d);
	assert_int_equal(d->v->stats->kicks, 1);
}

static void a_kick_inside_ends_the_run(void **state)
{
	struct device *d = *state;

	fake_migrate(2);
	fake_call(kick, d->v);
	interrupted(d, VMM_BY_KICK);
	assert_int_equal(fake.sent[2], 1);
	assert_int_equal(sent(), 1);
	assert_int_equal(fake.needless, 0);
	shut_down(d);
	fake_migrate(0);
}

/* A signal at the same time: the kick is told, the signal at the next run. */
static void signal_and_kick(void *cookie)
{
	fake.signal = true;
	kick(cookie);
}

static void a_kick_is_told_before_a_signal(void **state)
{
	struct device *d = *state;

	fake_call(signal_and_kick, d->v);
	interrupted(d, VMM_BY_KICK);
	interrupted(d, VMM_BY_SIGNAL);
	shut_down(d);
}

/* An exit that is for the owner is told; the kick is not lost. */
static void kick_and_take(void *cookie)
{
	kick(cookie);
	/* It was on its way when the guest left by itself. */
	fake.pending[0] = false;
}

static void a_kick_that_comes_with_an_exit_is_for_the_next_run(void **state)
{
	struct device *d = *state;

	fake_call(kick_and_take, d->v);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	interrupted(d, VMM_BY_KICK);
	shut_down(d);
}

/* Between every two steps of a run, from another processor: after it was said
 * that the guest is inside, an interrupt is sent, or the run sees it itself. */
static struct vmm_vcpu *victim;
static uint32_t countdown;

static void kick_at_last(void *cookie)
{
	(void)cookie;
	kick(victim);
}

static void tick(void)
{
	if (countdown != 0 && --countdown == 0)
		fake_as(3, kick_at_last, NULL);
}

static void a_kick_at_any_moment_ends_the_run(void **state)
{
	struct device *d = *state;
	uint32_t moment, before = 0, inside = 0;

	victim = d->v;
	fake.on_attention = tick;
	for (moment = 1; moment < 6; moment++) {
		uint64_t entries = fake_vendor.entries;
		uint64_t interrupts = sent();

		countdown = moment;
		fake.signal = false;
		/* Exits that are done inside, for ever. */
		fake_cause(VMM_CAUSE_INTERRUPT);
		fake_cause(VMM_CAUSE_NMI);
		fake_cause(VMM_CAUSE_INTERRUPT);
		fake_cause(VMM_CAUSE_NMI);
		assert_ok(vmm_vcpu_run(d->v));
		assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
		if (countdown != 0)
			break;
		assert_int_equal(d->exit->detail, VMM_BY_KICK);
		before += fake_vendor.entries == entries;
		inside += sent() != interrupts;
		fake_script.at = fake_script.n;
	}
	fake.on_attention = NULL;
	assert_true(moment >= 3);
	assert_true(inside > 0);
	fake_script.at = fake_script.n;
	countdown = 0;
	(void)before;
	shut_down(d);
}

/* ---- signals, other threads, the host's work ---- */

static void a_signal_before_the_run_ends_it(void **state)
{
	struct device *d = *state;

	fake.signal = true;
	interrupted(d, VMM_BY_SIGNAL);
	assert_int_equal(fake_vendor.entries, 0);
	assert_int_equal(d->page->commit, 0);
	shut_down(d);
}

static void other_threads_run_and_the_guest_goes_on(void **state)
{
	struct device *d = *state;

	fake.resched = true;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake.resched_calls, 1);
}

static void the_hosts_work_is_done_on_the_way_home(void **state)
{
	struct device *d = *state;

	d->page->regs.rax = 5;
	fake.restart = true;
	assert_int_equal(vmm_vcpu_run(d->v), ERESTART);
	assert_int_equal(d->exit->kind, VMM_EXIT_NONE);
	assert_int_equal(d->page->regs.rip, CODE);
	assert_int_equal(d->page->regs.rax, 5);
	shut_down(d);
}

/* ---- deadlines ---- */

static void pass_time(void *cookie)
{
	(void)cookie;
	fake_advance(1000000);
}

static void a_deadline_ends_the_run(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + 500000;
	fake_call(pass_time, NULL);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	assert_int_equal(d->page->deadline, d->v->deadline);
	/* It stays, and is over. */
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	d->page->deadline = 0;
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake_live_timers(), 0);
}

static void a_deadline_that_is_over_ends_it_at_once(void **state)
{
	struct device *d = *state;

	d->page->deadline = 1;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	assert_int_equal(fake_vendor.entries, 0);
	d->page->deadline = fake.now + 1000000;
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

static void a_deadline_stays_over_many_runs(void **state)
{
	struct device *d = *state;
	uint32_t i;

	d->page->deadline = fake.now + 1000000;
	for (i = 0; i < 5; i++)
		shut_down(d);
	assert_int_equal(fake_live_timers(), 1);
	assert_int_equal(fake.timer_starts, 1);
	fake_advance(1000000);		/* nobody is inside */
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
}

static void a_deadline_follows_the_thread(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + 1000000;
	shut_down(d);
	assert_int_equal(d->v->timer.cpu, 0);
	fake_migrate(2);
	fake_call(pass_time, NULL);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	assert_int_equal(d->v->timer.cpu, 2);
	fake_script.at = fake_script.n;
	fake_migrate(0);
}

static void a_later_deadline_replaces_one_that_is_over(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + 500;
	shut_down(d);
	fake_advance(1000);
	d->page->deadline = fake.now + 1000000;
	shut_down(d);
	d->page->deadline = 0;
	shut_down(d);
	assert_int_equal(fake_live_timers(), 0);
}

static void pass_some(void)
{
	fake_advance(1000);
}

static void a_deadline_ends_a_wait_for_memory(void **state)
{
	struct device *d = *state;

	vmm_machine_invalidate_begin(d->m, MEMORY, MEMORY + PAGE, true);
	d->page->deadline = fake.now + 5000;
	fake_touch(0, W, NULL, 1);
	fake.on_resched = pass_some;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	fake.on_resched = NULL;
	vmm_machine_invalidate_end(d->m, MEMORY, MEMORY + PAGE);
	fake_script.at = fake_script.n;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kick_before_the_run_ends_it_at_once),
		TEST(a_kick_inside_ends_the_run),
		TEST(a_kick_is_told_before_a_signal),
		TEST(a_kick_that_comes_with_an_exit_is_for_the_next_run),
		TEST(a_kick_at_any_moment_ends_the_run),
		TEST(a_signal_before_the_run_ends_it),
		TEST(other_threads_run_and_the_guest_goes_on),
		TEST(the_hosts_work_is_done_on_the_way_home),
		TEST(a_deadline_ends_the_run),
		TEST(a_deadline_that_is_over_ends_it_at_once),
		TEST(a_deadline_stays_over_many_runs),
		TEST(a_deadline_follows_the_thread),
		TEST(a_later_deadline_replaces_one_that_is_over),
		TEST(a_deadline_ends_a_wait_for_memory),
	};

	return RUN(tests);
}
