/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * count.h - the price of exits where the time-stamp counter counts
 * instructions: in the laboratories (bench/lab).  A work fills samples with
 * differences of RDTSC; the medians are whole numbers that do not depend on
 * the machine.
 */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <stddef.h>
#include <stdint.h>

#define PAGE		4096u
#define CODE		0x400000ull	/* guest-virtual, of the code page */
#define AREA		0x40000000ull	/* guest-virtual, of pages to touch */
#define LARGE		0x80000000ull	/* the same, with memory in 2 MiB */
#define UNMAPPED	0x7000000000ull
#define AREA_SIZE	(16u << 20)
#define LARGE_SIZE	(64u << 20)
#define LARGE_PAGE	(2u << 20)

/*
 * Memory of the guests: code and tables, the area in pages of 4 KiB, and the
 * large area, all present in this process.
 */
#define TABLES_AT	0x1000u		/* room for a backend's own */
#define AREA_AT		0x400000u
#define LARGE_AT	0x2000000u
#define MEMORY_SIZE	(LARGE_AT + LARGE_SIZE)

struct work {
	const char *name, *backend;
	/* Up to n samples: how many, or -1 after count_fail(). */
	int (*run)(uint64_t *samples, unsigned n);
};

struct contender {
	const char *name;
	int (*open)(void);		/* -1 after count_fail() */
	void (*close)(void);
	const struct work *works;
	size_t nworks;
};

extern const struct contender count_device, count_kvm;
extern const struct contender count_library_vmm, count_library_kvm;

extern uint8_t *count_memory;	/* MEMORY_SIZE */
int count_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Guest-physical tables at TABLES_AT that map all of the above for ring 3,
 * root first; user is what entries have besides the address. */
void count_tables(uint64_t gpa_of_memory);

static inline uint64_t count_ticks(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* What the guests do (guest.S): position-independent. */
extern const uint8_t guest_start[], guest_end[];
extern const uint8_t guest_syscall[];	/* system calls, for ever */
extern const uint8_t guest_break[];	/* int3 */
extern const uint8_t guest_fault[];	/* a store to RBX that faults ... */
extern const uint8_t guest_next[];	/* ... where the owner goes on */
extern const uint8_t guest_cpuid[];	/* RDI: ticks that CPUID took; syscall */
extern const uint8_t guest_touch[];	/* RDI: ticks of a store to RBX; syscall;
					 * RBX += RBP */
extern const uint8_t guest_out[];	/* OUT, for ring 0 */

static inline uint64_t guest_va(const uint8_t *label)
{
	return CODE + (uint64_t)(label - guest_start);
}

#endif
