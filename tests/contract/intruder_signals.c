// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hostile guest blocks the signals of its host process, or somebody else
 * sends them: the owner gets its vCPU back, and goes on.
 */
#include "foreign.h"

#include <signal.h>
#include <string.h>

GUEST_ONE(x_syscall);
GUEST(c_spin);

/* ---- signals ------------------------------------------------------------ */

enum way { BY_KICK, BY_BUDGET, BY_CHANGE, BY_SIGNAL, BY_SIGNALS };

static void nothing(int sig)
{
	(void)sig;
}

/*
 * The guest returns from a signal that never was, with all signals blocked:
 * what the owner sends does not reach it.  It must come out all the same.
 */
static void come_out(struct rig *r, uint64_t from, enum way way)
{
	static struct runner t;
	struct signal_frame f = { .stack_flags = 2, .sigmask = ~0ull };
	uint64_t start, ms;

	/* The frame's page is to be there: it is not the guest that reads. */
	assert_true(guest_reads(r, RSP, (uint8_t[8]){ 0 }, 8));
	rig_load(r, BLOB(c_spin));
	f.gregs[15] = RSP;
	f.gregs[16] = CODE;
	f.gregs[17] = RFLAGS;
	f.gregs[18] = 0x002b000000000033;
	memcpy(rig_gpa(r, STACK_GPA + RSP - STACK), &f, sizeof(f));
	r->regs->rax = 15;
	r->regs->rip = from;
	if (way == BY_BUDGET)
		expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 20000000, 0), 0);
	runner_init(&t, r, r->cpu, r->c);
	start = now_ns();
	runner_start(&t);
	sleep_us(20000);
	if (way == BY_KICK)
		vmmctl_vcpu_kick(r->cpu);
	else if (way == BY_CHANGE)
		rig_unmap(r, CODE, REGION);
	else if (way == BY_SIGNAL)
		pthread_kill(t.thread, SIGUSR2);
	/* As those of a clock. */
	for (; way == BY_SIGNALS && !t.done; sleep_us(100000))
		pthread_kill(t.thread, SIGUSR2);
	runner_join(&t);
	ms = (now_ns() - start) / 1000000;
	if (ms > 1000)
		rig_say("way %u: the guest came out after %llu ms", way,
		    (unsigned long long)ms);
	assert_true(ms < 10000);
	if (way == BY_CHANGE)
		expect_rc(r, vmmctl_space_map(r->s, CODE, REGION, CODE_GPA,
		    VMMCTL_PROT_RX), 0);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);
	/* A kick that came too late for that run. */
	rig_load(r, BLOB(x_syscall));
	attempt(r);
	if (r->x.kind == VMMCTL_EXIT_KICKED)
		attempt(r);
	expect_syscall(r);
}

static void with_all_signals_blocked(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	signal(SIGUSR2, nothing);
	/* Two of them are for returns from signals, and come one by one. */
	for (size_t s = 0; s < f.nsyscalls; s++) {
		come_out(r, f.syscalls[s], s % 2 == 0 ? BY_KICK : BY_CHANGE);
		come_out(r, f.syscalls[s], s % 2 == 0 ? BY_SIGNAL : BY_BUDGET);
		come_out(r, f.syscalls[s], BY_SIGNALS);
	}
	expect_nothing(r, &f);
}

/* ---- the process is hit from outside ----------------------------------- */

static void killed_from_outside(void **state)
{
	static const int sigs[] = { SIGKILL, SIGTERM, SIGUSR1, SIGSEGV,
	    SIGSYS, SIGTRAP, SIGILL, SIGALRM };
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		unsigned runs = 0;

		rig_load(r, BLOB(x_syscall));
		rig_run(r);
		expect_syscall(r);
		foreign_find(r, &f);
		kill(f.pid, sigs[i]);
		sleep_us(2000);
		do {
			rig_regs(r->regs);
			attempt(r);
		} while (r->x.kind != VMMCTL_EXIT_SYSCALL && ++runs < 3);
		expect_syscall(r);
		if (runs > 0)
			rig_say("signal %d: %u runs did not get through",
			    sigs[i], runs);
	}
}

/* Nobody has noticed yet when a vCPU comes that had no place there. */
static void killed_before_another_vcpu_comes(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *third;
	struct foreign f;
	static struct runner t;

	foreign_begin(r, &f);
	foreign_second(r, &f, &t);
	expect_rc(r, vmmctl_vcpu_create(r->m, &third), 0);
	kill(f.pid, SIGKILL);
	sleep_us(20000);
	rig_load(r, BLOB(x_syscall));
	rig_run_on(r, third, r->c, &r->x);
	expect_syscall(r);
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(with_all_signals_blocked),
		TEST(killed_from_outside),
		TEST(killed_before_another_vcpu_comes),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
