/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm_ops.h - what the operations of the storm share.  Nothing of them may
 * allocate or print: children of fork() do it, too.
 */
#ifndef STORM_OPS_H
#define STORM_OPS_H

#include "live.h"
#include "storm.h"

/* By its name, and how often. */
#define STORM_OPERATIONS(OP) \
	OP(machine_create, 20) OP(machine_close, 5) OP(vcpu_create, 40) \
	OP(vcpu_close, 20) OP(vcpu_pages, 30) OP(dup, 10) \
	OP(memory, 60) OP(dirty, 30) OP(context, 30) \
	OP(xsave, 30) OP(policy, 20) OP(cpuid, 20) \
	OP(info, 20) OP(stats, 20) OP(ioctl, 80) \
	OP(file, 10) OP(write, 60) OP(run, 300) \
	OP(scribble, 150) OP(kick, 40) OP(raw, 30) \
	OP(host, 80) OP(affinity, 10) OP(fork, 1)

#define PROTOTYPE(what, often) int storm_do_##what(void);
STORM_OPERATIONS(PROTOTYPE)
#undef PROTOTYPE

/*
 * The memory of all machines, and where a vCPU's two pages are: far from all
 * else, so that a fault elsewhere is one that should not be.
 */
#define ARENA		0x100000000000ull
#define ARENA_SIZE	(8 * MIB)
#define SHARED		(ARENA + 16 * MIB)
#define SHARED_SIZE	(VCPUS * 2 * PAGE)
#define END		(SHARED + SHARED_SIZE)

/* Descriptors of all threads, or -1: changed by storm_put_fd() only, so that
 * none is closed twice. */
#define MACHINES	3u
#define VCPUS		6u
#define STATS		2u
extern int storm_machines[MACHINES], storm_vcpus[VCPUS], storm_stats[STATS];
/* Of storm_do_fork(): the process has one thread, and none of its own. */
extern bool storm_is_child;

/* ---- anything (storm_any.c) ---- */

static inline bool one_in(uint32_t n)
{
	return storm_below(n) == 0;
}

/* Mostly what it has to be. */
static inline uint32_t zero(void)
{
	return one_in(64) ? (uint32_t)storm_any() : 0;
}

/* Of the arena, from its start. */
static inline uint64_t any_page(void)
{
	return (uint64_t)storm_below(ARENA_SIZE / PAGE) * PAGE;
}

uint64_t storm_any_size(void);
uint64_t storm_any_gpa(void);
/* Never this program's own data: guests write there. */
uint64_t storm_any_uaddr(void);
uint32_t storm_any_context(void);

void storm_put_fd(int *slot, int fd);
int storm_any_of(int *slots, uint32_t n);
int storm_any_fd(void);
/* And now and then another kind of descriptor. */
int storm_any_machine(void);
int storm_any_vcpu(void);

/* The result of a system call; does not return if its errno cannot be. */
int storm_checked(int result);
/* By a pointer into the arena now and then, which may be taken away while the
 * kernel copies; or by none that is good. */
int storm_ioctl(int fd, unsigned long cmd, const void *arg, size_t size);
#define CALL(fd, cmd, arg)	storm_ioctl(fd, cmd, &(arg), sizeof(arg))

/* ---- guests (storm_guest.c) ---- */

static inline volatile struct vmm_vcpu_page *storm_page_of(uint32_t vcpu)
{
	return (volatile void *)(uintptr_t)(SHARED + 2ull * vcpu * PAGE);
}

void storm_write_tables(void);
void storm_write_snippet(void);

/* ---- the process (storm_host.c) ---- */

/* Exit or exec. */
int storm_end(void);

#endif
