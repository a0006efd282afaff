// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - facts of the host that only trying tells.
 */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* RBX gets RIP as it is reported; the child goes on where RCX says. */
static __attribute__((no_sanitize("address", "undefined")))
void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	g[REG_RBX] = g[REG_RIP];
	g[REG_RIP] = g[REG_RCX];
}

/* A process of its own, but for the memory: its handlers are not ours. */
static IN_VFORK_CHILD void try_int1(void)
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

uint64_t host_lowest_address(void)
{
	/* vm.mmap_min_addr is some power of two; root may map all. */
	for (uint64_t at = 0; at <= 1u << 20; at = at == 0 ? 4096 : at * 2) {
		void *p = mmap((void *)(uintptr_t)at, 4096, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p == (void *)(uintptr_t)at)
			munmap(p, 4096);
		if (p == (void *)(uintptr_t)at ||
		    (p == MAP_FAILED && errno == EEXIST))
			return at;
		if (p != MAP_FAILED)
			munmap(p, 4096);
	}
	return 0;
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
