// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm_host.c - what a process does to its memory and to itself, with guests
 * in it.
 */
#include "storm_ops.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/time.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

bool storm_is_child;

int storm_do_host(void)
{
	static const int advices[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_FREE,
	    MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE,
	    MADV_MERGEABLE, MADV_WILLNEED };
	const uint64_t from = any_page(), to = any_page();
	uint64_t size = storm_any_size() & (16 * MIB - PAGE);
	void *at = (void *)(uintptr_t)(ARENA + from);

	if (size > ARENA_SIZE - from)
		size = ARENA_SIZE - from;
	switch (storm_below(8)) {
	case 0:
		return munmap(at, size);
	case 1:
		return mprotect(at, size, PROT_READ);
	case 2:
		return mprotect(at, size, PROT_NONE);
	case 3:
		if (size > ARENA_SIZE - to)
			size = ARENA_SIZE - to;
		return mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		    (void *)(uintptr_t)(ARENA + to)) == MAP_FAILED ? -1 : 0;
	case 4:
		return madvise(at, size, advices[storm_below(9)]);
	case 5:
		return mprotect((void *)(uintptr_t)ARENA, ARENA_SIZE,
		    PROT_READ | PROT_WRITE);
	default:
		/* There is to be more of it than not. */
		return mmap(at, size, PROT_READ | PROT_WRITE, MAP_FIXED |
		    MAP_ANONYMOUS | (one_in(4) ? MAP_SHARED : MAP_PRIVATE),
		    -1, 0) == MAP_FAILED ? -1 : 0;
	}
}

int storm_do_affinity(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(storm_below(2), &set);
	if (one_in(2))
		memset(&set, 0xff, sizeof(set));
	return sched_setaffinity(0, sizeof(set), &set);
}

/* With all descriptors; it may live longer than their owner. */
int storm_do_fork(void)
{
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	const uint64_t seed = storm_any();
	uint32_t n;
	pid_t child;

	if (storm_is_child)
		return -1;
	child = fork();
	if (child != 0)
		return child;
	storm_is_child = true;
	storm_seed(seed);
	/* Nobody else ends its runs. */
	setitimer(ITIMER_REAL, &often, NULL);
	for (n = 50 + storm_below(200); n > 0; n--)
		storm_operate();
	_exit(0);
}

/* Either ends all threads at once. */
int storm_end(void)
{
	uint32_t i;

	if (one_in(2))
		_exit(0);
	/* They may be on their way. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	for (i = 0; i < VCPUS; i++)
		(void)fcntl(storm_vcpus[i], F_SETFD, 0);
	(void)fcntl(storm_any_of(storm_machines, MACHINES), F_SETFD, 0);
	return execl("/proc/self/exe", "storm", "heir", (char *)NULL);
}
