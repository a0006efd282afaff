/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.h - the instructions that touch the processor itself.  Nothing else has
 * any, but for the entry into a guest (.S files).  Found on the include path:
 * unit tests have a processor of their own under this name.  GNU assembler
 * statements: there is no other way to say them.
 */
#ifndef VMM_X86_HW_CPU_H
#define VMM_X86_HW_CPU_H

#include "os_types.h"

static inline uint64_t cpu_rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

/* Of one that has nothing more, shorter. */
static inline uint32_t cpu_rdmsr_low(uint32_t msr)
{
	uint32_t low;

	__asm__ volatile("rdmsr" : "=a"(low) : "c"(msr) : "edx");
	return low;
}

static inline void cpu_wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
	    :
	    : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
	    : "memory");
}

static inline void cpu_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	__asm__ volatile("cpuid"
	    : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
	    : "a"(leaf), "c"(sub));
}

static inline uint64_t cpu_xgetbv(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}

static inline void cpu_xsetbv(uint32_t index, uint64_t value)
{
	__asm__ volatile("xsetbv"
	    :
	    : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* The pointers of the last x87 instruction become those of this one. */
static inline void cpu_x87_forget(void)
{
	static const int32_t zero;

	__asm__ volatile("fnclex\n\temms\n\tfildl %0" : : "m"(zero));
}

/* The standard format: area is aligned to 64 bytes. */
static inline void cpu_xsave(void *area, uint64_t mask)
{
	__asm__ volatile("xsave64 (%0)"
	    :
	    : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
	    : "memory");
}

/* #GP in the kernel for what x86_xsave_valid() refuses. */
static inline void cpu_xrstor(const void *area, uint64_t mask)
{
	__asm__ volatile("xrstor64 (%0)"
	    :
	    : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
	    : "memory");
}

static inline uint64_t cpu_get_cr4(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static inline void cpu_set_dr(unsigned n, uint64_t value)
{
	switch (n) {
	case 0:
		__asm__ volatile("mov %0, %%dr0" : : "r"(value));
		break;
	case 1:
		__asm__ volatile("mov %0, %%dr1" : : "r"(value));
		break;
	case 2:
		__asm__ volatile("mov %0, %%dr2" : : "r"(value));
		break;
	case 3:
		__asm__ volatile("mov %0, %%dr3" : : "r"(value));
		break;
	case 6:
		__asm__ volatile("mov %0, %%dr6" : : "r"(value));
		break;
	case 7:
		__asm__ volatile("mov %0, %%dr7" : : "r"(value) : "memory");
		break;
	default:
		break;
	}
}

static inline uint64_t cpu_get_dr(unsigned n)
{
	uint64_t value = 0;

	switch (n) {
	case 0:
		__asm__ volatile("mov %%dr0, %0" : "=r"(value));
		break;
	case 1:
		__asm__ volatile("mov %%dr1, %0" : "=r"(value));
		break;
	case 2:
		__asm__ volatile("mov %%dr2, %0" : "=r"(value));
		break;
	case 3:
		__asm__ volatile("mov %%dr3, %0" : "=r"(value));
		break;
	case 6:
		__asm__ volatile("mov %%dr6, %0" : "=r"(value));
		break;
	case 7:
		__asm__ volatile("mov %%dr7, %0" : "=r"(value));
		break;
	default:
		break;
	}
	return value;
}

static inline uint64_t cpu_rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

#endif
