// SPDX-License-Identifier: BSD-2-Clause
/*
 * A process of one thread: whatever ends its runs comes from a handler of its
 * own, which restarts system calls, as most do.  A backend may wait in another
 * way there.
 */
#include "foreign.h"

#include <signal.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/time.h>

GUEST(c_spin);
GUEST(c_calls);
GUEST_MARKED(c_calls, after);
GUEST_ONE(x_syscall);

static struct vmmctl_vcpu *handler_kicks;
static pid_t handler_kills;
static volatile sig_atomic_t signals;

static void on_alarm(int sig)
{
	(void)sig;
	signals++;
	if (handler_kicks != NULL)
		vmmctl_vcpu_kick(handler_kicks);
	if (handler_kills != 0)
		kill(handler_kills, SIGKILL);
}

/* After us, and every us again; 0: never. */
static void set_timer(long us, bool again)
{
	const struct itimerval t = { { 0, again ? us : 0 }, { 0, us } };

	assert_int_equal(setitimer(ITIMER_REAL, &t, NULL), 0);
}

static void at_end(void *cookie)
{
	(void)cookie;
	set_timer(0, false);
	signal(SIGALRM, SIG_IGN);	/* one may be on its way */
}

static void begin(struct rig *r, struct vmmctl_vcpu *kicks, pid_t kills)
{
	struct sigaction sa = { .sa_handler = on_alarm,
	    .sa_flags = SA_RESTART };

	rig_untraced(r);
	assert_true(__libc_single_threaded);
	handler_kicks = kicks;
	handler_kills = kills;
	signals = 0;
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	rig_at_end(r, at_end, NULL);
}

static void a_handlers_kick_ends_the_run(void **state)
{
	struct rig *r = *state;

	begin(r, r->cpu, 0);
	rig_load(r, BLOB(c_spin));
	memcpy(rig_gpa(r, CODE_GPA + 0x100), "\x0f\x05", 2);
	for (unsigned i = 0; i < 100; i++) {
		int before = signals;

		/* Some come before the guest does. */
		set_timer(1 + 50 * (i % 50), false);
		r->regs->rip = CODE;
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
		assert_int_equal(signals, before + 1);
		/* That was all of it. */
		r->regs->rip = CODE + 0x100;
		rig_run(r);
		expect_syscall(r);
	}
}

static void signals_disturb_no_calls(void **state)
{
	struct rig *r = *state;
	const uint64_t end = now_ns() + 1000000000u;
	uint64_t calls = 0;

	begin(r, NULL, 0);
	rig_load(r, BLOB(c_calls));
	r->regs->rbx = 0;
	set_timer(200, true);
	while (now_ns() < end || calls < 10) {
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		if (r->x.kind == VMMCTL_EXIT_KICKED)
			continue;
		expect_syscall(r);
		assert_int_equal(r->regs->rip, CODE + MARK(c_calls, after));
		assert_int_equal(r->regs->rbx, ++calls);
	}
	rig_say("%llu calls, %d signals", (unsigned long long)calls,
	    (int)signals);
	assert_true(signals > 0);
}

/*
 * The guest returns from a signal that never was, with all signals blocked:
 * the one kick that there is does not reach it.
 */
static void a_deaf_guest_comes_out(void **state)
{
	struct signal_frame deaf = { .stack_flags = 2, .sigmask = ~0ull };
	struct rig *r = *state;
	unsigned slow = 0;
	struct foreign f;

	foreign_begin(r, &f);
	begin(r, r->cpu, 0);
	deaf.gregs[15] = RSP;
	deaf.gregs[16] = CODE;
	deaf.gregs[17] = RFLAGS;
	deaf.gregs[18] = 0x002b000000000033;
	/* Two of them are for returns from signals. */
	for (size_t s = 0; s < f.nsyscalls; s++) {
		uint64_t start = now_ns(), ms;

		/* The frame's page is there: it is not the guest that reads. */
		assert_true(guest_reads(r, RSP, (uint8_t[8]){ 0 }, 8));
		rig_load(r, BLOB(c_spin));
		memcpy(rig_gpa(r, STACK_GPA + RSP - STACK), &deaf,
		    sizeof(deaf));
		r->regs->rax = 15;
		r->regs->rip = f.syscalls[s];
		set_timer(20000, false);
		/* No budget: with one, a backend keeps the time anyhow. */
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		set_timer(0, false);
		ms = (now_ns() - start) / 1000000;
		slow += ms > 1000;
		assert_true(ms < 10000);
		/* A kick that came too late for that run. */
		rig_load(r, BLOB(x_syscall));
		attempt(r);
		if (r->x.kind == VMMCTL_EXIT_KICKED)
			attempt(r);
		expect_syscall(r);
	}
	expect_nothing(r, &f);
	rig_say("%u of %u came out by force", slow, (unsigned)f.nsyscalls);
	/* Of a traced process all signals are heard. */
	assert_true(slow > 0 || strcmp(r->info.variant, "seccomp") != 0);
}

static void the_end_of_the_process_is_heard(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (unsigned i = 0; i < 5; i++) {
		foreign_find(r, &f);
		begin(r, NULL, f.pid);
		rig_load(r, BLOB(c_spin));
		set_timer(3000, false);
		do
			assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		while (r->x.kind == VMMCTL_EXIT_KICKED);
		assert_int_equal(r->x.kind, VMMCTL_EXIT_FAILED);
		assert_string_equal(r->x.field, "stub process");
		at_end(NULL);
		rig_load(r, BLOB(x_syscall));
		rig_run(r);
		expect_syscall(r);
	}
}

/* The last: from here on the process is not alone. */
static void a_thread_that_came_later_kicks(void **state)
{
	static struct kicker k;
	struct rig *r = *state;
	uint64_t calls = 0, kicked = 0;

	begin(r, NULL, 0);
	rig_load(r, BLOB(c_calls));
	r->regs->rbx = 0;
	while (calls < 500 || kicked < 200) {
		if (calls == 250 && k.cpu == NULL)
			kicker_start(&k, r, ~0ull, 1000, 2);
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		k.exits++;
		if (r->x.kind == VMMCTL_EXIT_KICKED) {
			kicked++;
			continue;
		}
		expect_syscall(r);
		assert_int_equal(r->regs->rbx, ++calls);
	}
	kicker_stop(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_handlers_kick_ends_the_run),
		TEST(signals_disturb_no_calls),
		TEST(a_deaf_guest_comes_out),
		TEST(the_end_of_the_process_is_heard),
		TEST(a_thread_that_came_later_kicks),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
