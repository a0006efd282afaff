// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - facts of the host that only trying tells.
 */
#include "host.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
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

/* Status with which a child ends that does that, or more than any status if it
 * is killed; -errno: there can be none. */
static int in_child(void (*what)(void))
{
	sigset_t all, old;
	int status = 0;
	long pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = bare_vfork();
	if (pid == 0)
		what();
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return (int)pid;
	while (waitpid((pid_t)pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

int host_int1_is_before(void)
{
	int r = in_child(try_int1);

	return r < 0 ? r : r == 1;
}

/* As a seat does; a filter stays, so it is a child's. */
static IN_VFORK_CHILD void try_listener(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ALLOW);
	const struct sock_fprog program = { 1, &allow };
	long r = syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (r == 0)
		r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	for (;;)
		syscall(SYS_exit, r < 0 ? errno : 0);
}

int host_listener_error(void)
{
	int err = in_child(try_listener);

	return err > 255 ? EPERM : err;
}

bool host_receiving_ends(void)
{
	unsigned major, minor;
	struct utsname u;

	/* Before Linux 6.11 to try would be to wait for ever. */
	return uname(&u) == 0 &&
	    sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	    (major > 6 || (major == 6 && minor >= 11));
}
