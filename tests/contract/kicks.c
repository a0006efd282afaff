// SPDX-License-Identifier: BSD-2-Clause
/*
 * Kicks: from before, from beside, from a signal handler, by the million.
 * None is lost, none is two, and none disturbs what the guest computes.
 */
#include "runner.h"

#include <sched.h>
#include <signal.h>
#include <string.h>

GUEST(c_spin);
GUEST(c_calls);
GUEST_MARKED(c_calls, after);
GUEST(c_work);

#define expect_kicked(r)	expect_exit((r), .kind = VMMCTL_EXIT_KICKED)

static void kick_before_run_ends_one_run(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(c_calls));
	for (unsigned i = 0; i < 20; i++) {
		struct vmmctl_regs want = *r->regs;

		for (unsigned k = 0; k < 1 + i % 3; k++)
			vmmctl_vcpu_kick(r->cpu);
		rig_run(r);
		expect_kicked(r);
		expect_regs(r, &want);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rbx, want.rbx + 1);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rbx, want.rbx + 2);
	}
}

static void kick_is_of_the_vcpu(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *other;
	struct vmmctl_exit x;

	rig_load(r, BLOB(c_calls));
	expect_rc(r, vmmctl_vcpu_create(r->m, &other), 0);
	vmmctl_vcpu_kick(other);
	rig_run(r);
	expect_syscall(r);
	rig_run_on(r, other, r->c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_KICKED);
	rig_run_on(r, other, r->c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
}

static void kick_ends_a_run_without_exits(void **state)
{
	struct rig *r = *state;
	static struct runner t;
	uint64_t worst = 0;
	unsigned moved = 0;
	long wait = 1000;

	rig_untraced(r);
	rig_load(r, BLOB(c_spin));
	runner_init(&t, r, r->cpu, r->c);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t start, before = r->regs->rbx;

		runner_start(&t);
		sleep_us(wait);
		start = now_ns();
		vmmctl_vcpu_kick(r->cpu);
		runner_join(&t);
		start = now_ns() - start;
		if (start > worst)
			worst = start;
		r->x = t.x;
		expect_kicked(r);
		moved += r->regs->rbx != before;
		assert_true(r->regs->rbx >= before);
		/* Where it was too short, the guest had not begun yet. */
		if (moved == 0 && wait < 100000)
			wait *= 2;
	}
	assert_true(moved > 0);
	rig_say("slowest of 50 kicks of a spinning guest: %llu us",
	    (unsigned long long)worst / 1000);
}

/* ---- storms ------------------------------------------------------------ */

/*
 * The guest counts its system calls in RBX.  Every exit is either the next
 * call or a kick, with the registers that belong there.
 */
static void a_million_kicks(void **state)
{
	struct rig *r = *state;
	static struct kicker k;
	const uint64_t kicks = 1000000, end = now_ns() + 60000000000u;
	uint64_t calls = 0, kicked = 0;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	r->regs->rbx = 0;
	kicker_start(&k, r, kicks, 0, 2);
	while (k.kicked < kicks && now_ns() < end) {
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		k.exits++;
		if (r->x.kind == VMMCTL_EXIT_KICKED) {
			expect_kicked(r);
			kicked++;
			assert_in_range(r->regs->rbx, calls, calls + 1);
			continue;
		}
		expect_syscall(r);
		calls++;
		assert_int_equal(r->regs->rbx, calls);
		assert_int_equal(r->regs->rip, CODE + MARK(c_calls, after));
		assert_int_equal(r->regs->rcx, CODE + MARK(c_calls, after));
		assert_int_equal(r->regs->r11 & ~0xffull, RFLAGS & ~0xffull);
	}
	kicker_stop(&k);
	/* The last kick came after the last run or ended it: once at most. */
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_kicked(r);
	for (unsigned i = 0; i < 100; i++) {
		rig_run(r);
		expect_syscall(r);
	}
	rig_say("%llu kicks, %llu of them ended a run beside %llu system "
	    "calls", (unsigned long long)k.kicked, (unsigned long long)kicked,
	    (unsigned long long)calls);
	/* Of the two exits that each volley has waited for one is its own. */
	assert_in_range(kicked, k.kicked / VOLLEY, k.kicked);
	assert_true(calls >= 1);
	if (k.kicked < kicks && kicked + calls < kicks)
		rig_skip(r, "all was well, but in a minute there were only "
		    "%llu kicks, and %llu exits",
		    (unsigned long long)k.kicked,
		    (unsigned long long)(kicked + calls));
	assert_int_equal(k.kicked, kicks);
}

struct shake {
	struct vmmctl_vcpu *cpu;
	uint64_t rounds, end;		/* end: when it is enough, too */
	_Atomic uint64_t sent, seen;
	_Atomic bool done, stop;
	pthread_t thread;
};

static void *shake_hands(void *cookie)
{
	struct shake *s = cookie;

	for (uint64_t i = 0; i < s->rounds && now_ns() < s->end &&
	    !s->stop; i++) {
		s->sent++;
		vmmctl_vcpu_kick(s->cpu);
		while (s->seen <= i && !s->stop)
			sched_yield();
		/* Now inside the run, now outside of it, now between. */
		for (volatile unsigned w = 0; w < i * 37 % 5000; w++)
			;
	}
	s->done = true;
	return NULL;
}

static void end_shaking(void *cookie)
{
	struct shake *s = cookie;

	s->stop = true;
	if (s->cpu != NULL)
		pthread_join(s->thread, NULL);
}

/* One kick, one KICKED: none lost (it would hang), none doubled. */
static void every_kick_is_answered_once(void **state)
{
	struct rig *r = *state;
	static struct shake s;
	uint64_t answered = 0;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	s = (struct shake){ .cpu = r->cpu, .rounds = 50000,
	    .end = now_ns() + 4000000000u };
	assert_int_equal(pthread_create(&s.thread, NULL, shake_hands, &s), 0);
	rig_at_end(r, end_shaking, &s);
	while (!s.done) {
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		if (r->x.kind == VMMCTL_EXIT_KICKED) {
			answered++;
			assert_int_equal(answered, s.sent);
			s.seen = answered;
		} else {
			expect_syscall(r);
		}
	}
	pthread_join(s.thread, NULL);
	s.cpu = NULL;
	assert_int_equal(answered, s.sent);
	for (unsigned i = 0; i < 100; i++) {
		rig_run(r);
		expect_syscall(r);
	}
	rig_say("%llu kicks, each answered once",
	    (unsigned long long)answered);
}

/* Runs of a guest that never leaves by itself, cut anywhere. */
static void kicks_disturb_nothing(void **state)
{
	struct rig *r = *state;
	const uint64_t end = now_ns() + 4000000000u;
	static struct kicker k;
	uint64_t runs = 0;

	rig_untraced(r);
	rig_load(r, BLOB(c_work));
	r->regs->rbx = 0;
	r->regs->rdx = 0;
	r->regs->rsi = DATA;
	kicker_start(&k, r, ~0ull, 0, 1);
	while (runs < 20000 && now_ns() < end) {
		runs++;
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		k.exits++;
		expect_kicked(r);
		assert_in_range(r->regs->rbx - r->regs->rdx, 0, 1);
		assert_in_range(RSP - r->regs->rsp, 0, 8);
	}
	kicker_stop(&k);
	rig_say("%llu runs cut by kicks", (unsigned long long)runs);
}

/* ---- host signals ------------------------------------------------------ */

static struct vmmctl_vcpu *handler_kicks;
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
	if (handler_kicks != NULL)
		vmmctl_vcpu_kick(handler_kicks);
}

static void with_timer(struct rig *r, int flags, bool kick)
{
	/* Again and again: one might come just before the run. */
	const struct itimerspec soon = { { 0, 3000000 }, { 0, 3000000 } };
	const struct itimerspec off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
	    .sigev_signo = SIGUSR1 };
	struct sigaction old;
	timer_t timer;

	handler_kicks = kick ? r->cpu : NULL;
	rig_load(r, BLOB(c_spin));
	memcpy(rig_gpa(r, CODE_GPA + 0x100), "\x0f\x05", 2);
	sigaction(SIGUSR1, &sa, &old);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	for (int i = 0; i < 20; i++) {
		int before = signals;

		r->regs->rip = CODE;
		timer_settime(timer, 0, &soon, NULL);
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		timer_settime(timer, 0, &off, NULL);
		expect_kicked(r);
		assert_true(signals > before);
		/* That was all of it, if it was one. */
		r->regs->rip = CODE + 0x100;
		rig_run(r);
		if (kick && signals > before + 1 &&
		    r->x.kind == VMMCTL_EXIT_KICKED)
			rig_run(r);
		expect_syscall(r);
	}
	timer_delete(timer);
	sigaction(SIGUSR1, &old, NULL);
}

static void a_signal_ends_the_run(void **state)
{
	rig_untraced(*state);
	with_timer(*state, 0, false);
}

static void a_restarting_signal_ends_the_run(void **state)
{
	rig_untraced(*state);
	with_timer(*state, SA_RESTART, false);
}

static void a_signal_handler_may_kick(void **state)
{
	rig_untraced(*state);
	with_timer(*state, SA_RESTART, true);
}

/* The thread's signal mask is its own business, before and after. */
static void blocked_signals_stay_blocked(void **state)
{
	struct rig *r = *state;
	sigset_t set, now;

	rig_untraced(r);
	handler_kicks = NULL;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	rig_load(r, BLOB(c_calls));
	raise(SIGUSR1);
	for (unsigned i = 0; i < 10; i++) {
		rig_run(r);
		expect_syscall(r);
		pthread_sigmask(SIG_BLOCK, NULL, &now);
		assert_true(sigismember(&now, SIGUSR1));
		assert_false(sigismember(&now, SIGALRM));
	}
	sigpending(&now);
	assert_true(sigismember(&now, SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGUSR1, SIG_DFL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(kick_before_run_ends_one_run),
		TEST(kick_is_of_the_vcpu),
		TEST(kick_ends_a_run_without_exits),
		TEST(a_million_kicks),
		TEST(every_kick_is_answered_once),
		TEST(kicks_disturb_nothing),
		TEST(a_signal_ends_the_run),
		TEST(a_restarting_signal_ends_the_run),
		TEST(a_signal_handler_may_kick),
		TEST(blocked_signals_stay_blocked),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
