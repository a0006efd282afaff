// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm_any.c - random numbers, arguments that are nearly right, descriptors
 * that are mostly good.
 */
#include "storm_ops.h"

#include <string.h>
#include <unistd.h>

int storm_machines[MACHINES], storm_vcpus[VCPUS], storm_stats[STATS];

static _Thread_local uint64_t random_state;

/* ---- random numbers ---- */

void storm_seed(uint64_t seed)
{
	random_state = seed;
}

/* splitmix64 */
uint64_t storm_any(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t storm_below(uint32_t n)
{
	return (uint32_t)((storm_any() >> 32) * n >> 32);
}

uint64_t storm_any_size(void)
{
	switch (storm_below(8)) {
	case 0:
		return (1 + storm_below(4)) * 2 * MIB;
	case 1:
		return one_in(4) ? storm_any() : ARENA_SIZE;
	default:
		return (1 + storm_below(40)) * PAGE;
	}
}

uint64_t storm_any_gpa(void)
{
	switch (storm_below(16)) {
	case 0:
		return storm_any();
	case 1:
		return storm_below(64) * MIB * 512;
	default:
		return any_page();
	}
}

uint64_t storm_any_uaddr(void)
{
	switch (storm_below(24)) {
	case 0:
		return SHARED + storm_below(2 * VCPUS) * PAGE;
	case 1:
		return (uintptr_t)storm_begin & ~(uintptr_t)(PAGE - 1);
	case 2:
		return ARENA + ARENA_SIZE - storm_below(4096);
	case 3:
		return 0xffff888000000000ull + any_page();
	case 4:
		/* Where the stack may end; above it there is nothing. */
		return 0x7ffffffff000ull + storm_below(2) * PAGE;
	case 5:
		return storm_any() | 1ull << 63;
	default:
		return ARENA + any_page();
	}
}

uint32_t storm_any_context(void)
{
	return one_in(32) ? (uint32_t)storm_any() : storm_below(4);
}

/* ---- descriptors ---- */

void storm_put_fd(int *slot, int fd)
{
	int old = __atomic_exchange_n(slot, fd, __ATOMIC_ACQ_REL);

	if (old >= 0)
		close(old);
}

int storm_any_of(int *slots, uint32_t n)
{
	return __atomic_load_n(&slots[storm_below(n)], __ATOMIC_ACQUIRE);
}

int storm_any_fd(void)
{
	switch (storm_below(4)) {
	case 0:
		return device;
	case 1:
		return storm_any_of(storm_stats, STATS);
	case 2:
		return storm_any_of(storm_machines, MACHINES);
	default:
		return storm_any_of(storm_vcpus, VCPUS);
	}
}

int storm_any_machine(void)
{
	return one_in(64) ? storm_any_fd() :
	    storm_any_of(storm_machines, MACHINES);
}

int storm_any_vcpu(void)
{
	return one_in(64) ? storm_any_fd() :
	    storm_any_of(storm_vcpus, VCPUS);
}

/* 512 and more are for the kernel alone. */
int storm_checked(int result)
{
	if (result < 0 && errno >= 512)
		_exit(STORM_ERRNO);
	return result;
}

int storm_ioctl(int fd, unsigned long cmd, const void *arg, size_t size)
{
	void *there = (void *)(uintptr_t)(ARENA + any_page());

	switch (storm_below(32)) {
	case 0:
		return storm_checked(ioctl(fd, cmd, storm_any_uaddr()));
	case 1:
		memcpy(there, arg, size);
		return storm_checked(ioctl(fd, cmd, there));
	default:
		return storm_checked(ioctl(fd, cmd, arg));
	}
}
