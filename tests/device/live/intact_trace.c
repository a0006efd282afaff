// SPDX-License-Identifier: BSD-2-Clause
/*
 * intact_trace.c - a debugger of this thread, in a process of its own.
 */
#include "intact.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#define DR(n)	((void *)offsetof(struct user, u_debugreg[n]))
/* Breakpoint 0: writes of 8 bytes. */
#define WATCH	0x90001ull
#define STOP	SIGUSR2		/* that is enough */

static void set(pid_t thread, unsigned n, uint64_t value)
{
	if (ptrace(PTRACE_POKEUSER, thread, DR(n), value) != 0) {
		perror("DR");
		_exit(1);
	}
}

/* False: it has had enough. */
static bool one_stop(pid_t thread, int status, volatile unsigned *hits)
{
	long dr6;

	switch (WSTOPSIG(status)) {
	case SIGTRAP:
		if (status >> 16 != 0)
			break;		/* PTRACE_EVENT_STOP */
		/* That one, and no single step. */
		dr6 = ptrace(PTRACE_PEEKUSER, thread, DR(6), 0);
		*hits += (dr6 & 0x400f) == 1 ? 1 : 1000;
		set(thread, 6, 0);
		break;
	case STOP:
		return false;
	default:
		return ptrace(PTRACE_CONT, thread, 0, WSTOPSIG(status)) == 0;
	}
	return ptrace(PTRACE_CONT, thread, 0, 0) == 0;
}

static void trace(pid_t thread, const void *address, volatile unsigned *hits,
    int ready)
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_SEIZE, thread, 0, 0) != 0 ||
	    ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0 ||
	    waitpid(thread, &status, __WALL) != thread)
		_exit(1);
	set(thread, 0, (uintptr_t)address);
	set(thread, 7, WATCH);
	if (ptrace(PTRACE_CONT, thread, 0, 0) != 0 ||
	    write(ready, "x", 1) != 1)
		_exit(1);
	while (waitpid(thread, &status, __WALL) == thread &&
	    WIFSTOPPED(status))
		if (!one_stop(thread, status, hits))
			break;
	set(thread, 7, 0);
	_exit(ptrace(PTRACE_DETACH, thread, 0, 0) != 0);
}

void intact_watch_begin(struct intact_watch *w, const void *address)
{
	pid_t self = getpid();
	int p[2];
	char c;

	w->hits = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(w->hits, MAP_FAILED);
	must(pipe(p));
	/* For Yama, which not every kernel has. */
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	w->tracer = fork();
	if (w->tracer == 0) {
		close(p[0]);
		trace(self, address, w->hits, p[1]);
	}
	must(w->tracer);
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	close(p[0]);
}

void intact_watch_end(struct intact_watch *w)
{
	int status;

	raise(STOP);
	assert_int_equal(waitpid(w->tracer, &status, 0), w->tracer);
	assert_int_equal(status, 0);
	munmap((void *)(uintptr_t)w->hits, PAGE);
	w->tracer = 0;
}
