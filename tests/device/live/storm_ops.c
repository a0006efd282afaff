// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm_ops.c - what a hostile owner's thread does, one operation after
 * another: any ioctl with arguments that are nearly right, stores to shared
 * pages that vCPUs run with, memory taken away under guests, descriptors closed
 * in use.  All threads of a process do that to the same few machines.
 */
#include "storm_ops.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <sys/mman.h>

struct storm_counts *storm_counts;

static _Thread_local sigjmp_buf after_fault;

#define TABLE(what, often) { #what, storm_do_##what, often },
static const struct {
	const char *name;
	int (*function)(void);
	uint32_t weight;
} operations[] = { STORM_OPERATIONS(TABLE) };
#define OPERATIONS	(sizeof(operations) / sizeof(operations[0]))
_Static_assert(OPERATIONS <= STORM_OPS, "counts of all operations");

const char *storm_name(unsigned n)
{
	return n < OPERATIONS ? operations[n].name : NULL;
}

static uint32_t any_operation(void)
{
	uint32_t sum = 0, i;

	for (i = 0; i < OPERATIONS; i++)
		sum += operations[i].weight;
	sum = storm_below(sum);
	for (i = 0; sum >= operations[i].weight; i++)
		sum -= operations[i].weight;
	return i;
}

void storm_operate(void)
{
	volatile uint32_t i = any_operation();

	/* Once in a few seconds. */
	if (one_in(20000))
		(void)storm_end();
	__atomic_add_fetch(&storm_counts->tried[i], 1, __ATOMIC_RELAXED);
	if (sigsetjmp(after_fault, 0) != 0) {
		__atomic_add_fetch(&storm_counts->faults, 1, __ATOMIC_RELAXED);
		return;
	}
	if (operations[i].function() >= 0)
		__atomic_add_fetch(&storm_counts->done[i], 1,
		    __ATOMIC_RELAXED);
}

static void interrupted(int signal)
{
	(void)signal;
}

/* Another thread has taken away what this one wrote to. */
static void fault(int signal, siginfo_t *info, void *context)
{
	const uint64_t at = (uintptr_t)info->si_addr;
	const ucontext_t *u = context;

	if (at < ARENA || at >= END) {
		storm_counts->fault_signal = (uint64_t)signal;
		storm_counts->fault_at = at;
		storm_counts->fault_ip =
		    (uint64_t)u->uc_mcontext.gregs[REG_RIP];
		_exit(STORM_FAULT);
	}
	siglongjmp(after_fault, 1);
}

void storm_begin(int machine, int vcpu)
{
	struct sigaction jump = { .sa_sigaction = fault,
	    .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction nothing = { .sa_handler = interrupted };
	uint32_t i;

	sigaction(SIGSEGV, &jump, NULL);
	sigaction(SIGBUS, &jump, NULL);
	sigaction(SIGUSR1, &nothing, NULL);
	sigaction(SIGALRM, &nothing, NULL);
	memset(storm_machines, -1, sizeof(storm_machines));
	memset(storm_vcpus, -1, sizeof(storm_vcpus));
	memset(storm_stats, -1, sizeof(storm_stats));
	if (mmap((void *)(uintptr_t)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE,
	    MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	    MAP_FAILED)
		_exit(STORM_SETUP);
	storm_write_tables();
	for (i = 0; i < 256; i++)
		storm_write_snippet();
	(void)storm_do_machine_create();
	storm_put_fd(&storm_machines[MACHINES - 1], machine);
	storm_put_fd(&storm_vcpus[VCPUS - 1], vcpu);
}
