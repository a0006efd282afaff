// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - facts of the host that only trying tells.
 */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* RBX gets RIP as it is reported; the child goes on where RCX says. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	g[REG_RBX] = g[REG_RIP];
	g[REG_RIP] = g[REG_RCX];
}

/* A process of its own, but for the memory: its handlers are not ours. */
static __attribute__((noinline, noreturn)) void try_int1(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap,
	    .sa_flags = SA_SIGINFO };
	uint64_t after, seen = 0;
	sigset_t trap;

	sigaction(SIGTRAP, &sa, NULL);
	sigemptyset(&trap);
	sigaddset(&trap, SIGTRAP);
	sigprocmask(SIG_UNBLOCK, &trap, NULL);
	__asm__ volatile("lea 1f(%%rip), %%rcx\n\t.byte 0xf1\n1:"
	    : "=&c"(after), "+b"(seen) : : "memory", "cc");
	for (;;)
		syscall(SYS_exit, seen != 0 && seen + 1 == after ? 1 : 0);
}

bool host_int1_is_before(void)
{
	sigset_t all, old;
	int status = 0;
	long pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = bare_vfork();
	if (pid == 0)
		try_int1();
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return false;
	while (waitpid((pid_t)pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}
