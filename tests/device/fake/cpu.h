/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.h - processors without a processor: what x86/hw/cpu.h has, found before
 * it on the include path, and what the tests set and see.
 */
#ifndef FAKE_CPU_H
#define FAKE_CPU_H

#include "os_types.h"

uint64_t cpu_rdmsr(uint32_t msr);
void cpu_wrmsr(uint32_t msr, uint64_t value);
static inline uint32_t cpu_rdmsr_low(uint32_t msr)
{
	return (uint32_t)cpu_rdmsr(msr);
}
void cpu_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4]);
uint64_t cpu_xgetbv(uint32_t index);
void cpu_xsetbv(uint32_t index, uint64_t value);
void cpu_x87_forget(void);
void cpu_xsave(void *area, uint64_t mask);
void cpu_xrstor(const void *area, uint64_t mask);
uint64_t cpu_get_cr4(void);
void cpu_set_dr(unsigned n, uint64_t value);
uint64_t cpu_get_dr(unsigned n);
uint64_t cpu_rdtsc(void);

#define FAKE_XSAVE	832u		/* x87, SSE, AVX */
#define FAKE_XCR0	7u
#define FAKE_MXCSR_MASK	0xffffu
#define FAKE_MSRS	48u
#define FAKE_LEAVES	24u

struct fake_msr {
	uint32_t index;
	bool exists;
	uint64_t value;
};
struct fake_leaf {
	uint32_t leaf, sub;
	uint32_t out[4];
};
struct fake_cpu {
	struct fake_msr msr[FAKE_MSRS];
	uint64_t cr4, xcr0;
	uint64_t dr[8];
	/* x87, SSE and AVX registers, at their places in a standard area. */
	uint8_t ext[FAKE_XSAVE];
	/* As it was at os_guest_begin(). */
	struct fake_msr saved_msr[FAKE_MSRS];
	uint64_t saved_dr[8];
	uint8_t saved_ext[FAKE_XSAVE];
};
struct fake_hw {
	struct fake_cpu cpu[FAKE_CPUS];
	struct fake_leaf leaf[FAKE_LEAVES];
	uint32_t leaves;
	uint64_t tsc;
	uint64_t xsaves, xrstors, x87_forgets, wrmsrs, rdmsrs, dr_writes, ibpbs;
};
extern struct fake_hw fake_hw;
/* Called when a processor's virtualisation is turned off. */
extern void (*fake_on_off)(uint32_t cpu);

struct fake_cpu *fake_cpu(void);	/* this one */
/* Set an MSR, on one processor or (FAKE_CPUS) on all. */
void fake_msr_set(uint32_t cpu, uint32_t index, uint64_t value);
/* It does not exist, anywhere. */
void fake_msr_remove(uint32_t index);
uint64_t fake_msr_get(uint32_t cpu, uint32_t index);
void fake_cpuid_set(uint32_t leaf, uint32_t sub, uint32_t a, uint32_t b,
    uint32_t c, uint32_t d);
uint32_t *fake_cpuid_at(uint32_t leaf, uint32_t sub);
/* The AMD processor that has the least, as QEMU's; or all there is. */
void fake_hw_plain(void);
void fake_hw_rich(void);
/* From os_guest_begin and _end: the host finds all as it was. */
void fake_hw_enter(uint32_t cpu);
void fake_hw_leave(uint32_t cpu);

#endif
