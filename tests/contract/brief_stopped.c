// SPDX-License-Identifier: BSD-2-Clause
/*
 * Brief exits, and others, when what holds the guest is stopped, and goes on:
 * nobody notices; or when it is gone: that is told.
 */
#include "named.h"
#include "procs.h"
#include "runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

GUEST(b_calls);
GUEST_MARKED(b_calls, first);
GUEST_MARKED(b_calls, second);
GUEST(c_calls);
GUEST_ONE(int3);
GUEST_ONE(x_load);

/* What holds the guests is stopped, or frozen, and goes on: nobody notices. */
static void signal_guests(struct rig *r, int sig)
{
	pid_t pids[16];
	size_t n = procs_with_file(r->fd, pids, 16);

	for (size_t i = 0; i < n && i < 16; i++)
		kill(pids[i], sig);
	for (size_t i = 0; i < n && i < 16 && sig == SIGSTOP; i++)
		assert_true(procs_stopped(pids[i], PATIENCE_MS));
	sleep_us(3000);
}

static void stop_and_continue(struct rig *r)
{
	signal_guests(r, SIGSTOP);
	signal_guests(r, SIGCONT);
}

static void stopped_between_runs(void **state)
{
	static const uint64_t numbers[] = { NAMED, UNNAMED };
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_untraced(r);
	for (unsigned n = 0; n < 2; n++) {
		remake(r);
		load(r, BLOB(b_calls));
		for (unsigned i = 0; i < 12; i++) {
			want = *r->regs;
			want.rax = r->regs->rax = numbers[n];
			after_call(&want, CODE + (i % 2 ?
			    MARK(b_calls, second) : MARK(b_calls, first)));
			call(r);
			if (i % 4 < 2)
				fetch(r);
			/* With changes to carry out, too. */
			if (i % 3 == 0)
				expect_rc(r, vmmctl_space_map(r->s, SPARE +
				    i * PAGE, PAGE, FREE_GPA, VMMCTL_PROT_RW),
				    0);
			stop_and_continue(r);
			/* Or the next run is the first to notice. */
			if (i % 4 == 3)
				continue;
			fetch(r);
			expect_regs(r, &want);
		}
		assert_true(n == 0 || briefs == 0);
	}
}

static void map_or_unmap(struct rig *r, unsigned i)
{
	if (i % 2 == 0)
		rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_RW);
	else
		rig_unmap(r, SPARE, PAGE);
}

/* After a fault and after a breakpoint, with changes due and without. */
static void stopped_after_other_exits(void **state)
{
	const uint64_t value = 0x1234567890abcdef, at = SPARE + 16 * PAGE;
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_untraced(r);
	remake(r);
	memcpy(rig_gpa(r, FREE_GPA + PAGE), &value, 8);
	for (unsigned i = 0; i < 12; i++) {
		load(r, BLOB(x_load));
		r->regs->rbx = at;
		want = *r->regs;
		rig_run(r);
		expect_fault(r, at, VMMCTL_PROT_READ, 0);
		if (i % 3 == 0)
			map_or_unmap(r, i);
		stop_and_continue(r);
		expect_regs(r, &want);
		/* The same again, for nothing is there yet. */
		rig_run(r);
		expect_fault(r, at, VMMCTL_PROT_READ, 0);
		expect_regs(r, &want);
		rig_map(r, at, FREE_GPA + PAGE, VMMCTL_PROT_READ);
		stop_and_continue(r);
		call(r);
		fetch(r);
		assert_int_equal(r->regs->rax, value);
		rig_unmap(r, at, PAGE);

		load(r, BLOB(int3));
		want = *r->regs;
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		want.rip++;
		if (i % 3 == 1)
			map_or_unmap(r, i);
		stop_and_continue(r);
		expect_regs(r, &want);
		call(r);
		fetch(r);
		after_call(&want, CODE + 3);
		expect_regs(r, &want);
	}
}

static struct {
	pid_t pids[16];
	size_t n;
	_Atomic bool stop;
	_Atomic uint64_t stops;
	pthread_t thread;
} stopper;

static void *stop_and_go(void *unused)
{
	unsigned seed = 1;

	while (!stopper.stop) {
		for (size_t i = 0; i < stopper.n; i++)
			kill(stopper.pids[i], SIGSTOP);
		seed = seed * 1103515245 + 12345;
		for (unsigned k = seed >> 20; k != 0; k--)
			__asm__ volatile("pause");
		for (size_t i = 0; i < stopper.n; i++)
			kill(stopper.pids[i], SIGCONT);
		stopper.stops++;
		sleep_us(seed >> 26);
	}
	return unused;
}

static void stopper_join(void *unused)
{
	(void)unused;
	if (!stopper.stop) {
		stopper.stop = true;
		pthread_join(stopper.thread, NULL);
	}
}

/* Also in the moment when it goes in. */
static void stopped_at_any_time(void **state)
{
	struct rig *r = *state;
	const uint64_t end = now_ns() + 3000000000u;
	uint64_t calls = 0;

	rig_untraced(r);
	remake(r);
	rig_load(r, BLOB(c_calls));
	r->regs->rbx = 0;
	r->regs->rax = UNNAMED;
	rig_run(r);
	expect_syscall(r);
	calls++;
	stopper.stop = false;
	stopper.n = procs_with_file(r->fd, stopper.pids, 16);
	if (stopper.n == 0)
		rig_skip(r, "no process of the host holds this guest");
	assert_int_equal(pthread_create(&stopper.thread, NULL, stop_and_go,
	    NULL), 0);
	rig_at_end(r, stopper_join, NULL);
	while (now_ns() < end || calls < 100) {
		r->regs->rax = UNNAMED;
		if (calls % 5 == 0)
			map_or_unmap(r, (unsigned)calls);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rbx, ++calls);
		assert_int_equal(r->regs->rax, UNNAMED);
	}
	stopper_join(NULL);
	rig_say("%llu calls, stopped %llu times", (unsigned long long)calls,
	    (unsigned long long)stopper.stops);
}

/* What holds the guest stays stopped: a kick ends the run all the same, and
 * all is there when it goes on. */
static void kicked_while_stopped(void **state)
{
	static struct runner t;
	struct rig *r = *state;
	struct vmmctl_regs want;
	/* A tracer that is stopped too hears of nothing. */
	bool traced = strcmp(r->info.variant, "ptrace") == 0, ended;

	rig_untraced(r);
	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
	if (procs_with_file(r->fd, NULL, 0) == 0)
		rig_skip(r, "no process of the host holds this guest");
	signal_guests(r, SIGSTOP);
	runner_init(&t, r, r->cpu, r->c);
	runner_start(&t);
	sleep_us(50000);
	assert_false(t.done);
	vmmctl_vcpu_kick(r->cpu);
	for (unsigned i = 0; i < (traced ? 10 : 1000) && !t.done; i++)
		sleep_us(10000);
	ended = t.done;
	signal_guests(r, SIGCONT);
	runner_join(&t);
	assert_true(ended || traced);
	r->x = t.x;
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	expect_regs(r, &want);
	r->regs->rax = NAMED;
	call(r);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, second));
	want.rax = NAMED;
	expect_regs(r, &want);
}

/* What holds guests, or all, their common parent included. */
static void kill_guests(struct rig *r, bool all)
{
	pid_t pids[16], below[16];
	size_t n = procs_with_file(r->fd, pids, 16), k;

	assert_in_range(n, 1, 16);
	for (size_t i = 0; i < n; i++) {
		k = procs_below(pids[i], below, 16);
		while (k > 0)
			kill(below[--k], SIGKILL);
		if (all)
			kill(pids[i], SIGKILL);
	}
	sleep_us(20000);
}

static void the_guest_is_gone(void **state)
{
	struct rig *r = *state;
	int rc;

	rig_untraced(r);
	remake(r);
	load(r, BLOB(b_calls));
	call(r);
	if (briefs == 0)
		rig_skip(r, "no exit is brief");
	kill_guests(r, true);
	rc = vmmctl_context_fetch(r->c);
	assert_int_equal(rc, -EIO);
	rc = vmmctl_vcpu_run(r->cpu, r->c, &r->x);
	assert_true(rc < 0 || r->x.kind == VMMCTL_EXIT_FAILED);
}

/* Its space is as good as before for others; of itself that is told. */
static void another_context_of_a_guest_that_is_gone(void **state)
{
	struct rig *r = *state;
	struct vmmctl_context *other;
	uint8_t area[576];

	rig_untraced(r);
	remake(r);
	other = rig_context(r, r->s);
	load(r, BLOB(b_calls));
	*vmmctl_context_regs(other) = *r->regs;
	call(r);
	if (briefs == 0)
		rig_skip(r, "no exit is brief");
	kill_guests(r, false);
	call_on(r, r->cpu, other);
	expect_rc(r, vmmctl_vcpu_run(r->cpu, r->c, &r->x), 0);
	assert_int_equal(r->x.kind, VMMCTL_EXIT_FAILED);
	load(r, BLOB(b_calls));
	call(r);
	kill_guests(r, false);
	assert_int_equal(vmmctl_context_get_xsave(r->c, area, sizeof(area)),
	    -EIO);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(stopped_between_runs),
		TEST(stopped_after_other_exits),
		TEST(stopped_at_any_time),
		TEST(kicked_while_stopped),
		TEST(the_guest_is_gone),
		TEST(another_context_of_a_guest_that_is_gone),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
