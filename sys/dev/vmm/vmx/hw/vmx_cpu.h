/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx_cpu.h - the instructions that only VMX has, and those that look at what
 * of the host an exit changes: SDM vol. 3C chapter 30, 27.5.  Found on the
 * include path: unit tests have a processor of their own under this name.
 * True: it succeeded.
 */
#ifndef VMM_VMX_HW_VMX_CPU_H
#define VMM_VMX_HW_VMX_CPU_H

#include "os_types.h"

/* CF or ZF: it failed, 30.2. */
#define VMX_SUCCEEDED "=@cca"

static inline bool cpu_vmxon(uint64_t pa)
{
	bool ok;

	__asm__ volatile("vmxon %1" : VMX_SUCCEEDED(ok) : "m"(pa) : "memory");
	return ok;
}

static inline void cpu_vmxoff(void)
{
	__asm__ volatile("vmxoff" : : : "memory", "cc");
}

static inline bool cpu_vmclear(uint64_t pa)
{
	bool ok;

	__asm__ volatile("vmclear %1" : VMX_SUCCEEDED(ok) : "m"(pa)
	    : "memory");
	return ok;
}

static inline bool cpu_vmptrld(uint64_t pa)
{
	bool ok;

	__asm__ volatile("vmptrld %1" : VMX_SUCCEEDED(ok) : "m"(pa)
	    : "memory");
	return ok;
}

/* A field that may be none of this processor's. */
static inline bool cpu_vmread_safe(uint32_t field, uint64_t *value)
{
	bool ok;

	__asm__ volatile("vmread %2, %1"
	    : VMX_SUCCEEDED(ok), "=r"(*value) : "r"((uint64_t)field));
	return ok;
}

/* Of a field that exists. */
static inline uint64_t cpu_vmread(uint32_t field)
{
	uint64_t value;

	__asm__ volatile("vmread %1, %0"
	    : "=r"(value) : "r"((uint64_t)field) : "cc");
	return value;
}

static inline bool cpu_vmwrite(uint32_t field, uint64_t value)
{
	bool ok;

	__asm__ volatile("vmwrite %1, %2"
	    : VMX_SUCCEEDED(ok) : "r"(value), "r"((uint64_t)field));
	return ok;
}

static inline bool cpu_invept(uint64_t type, uint64_t eptp)
{
	const uint64_t which[2] = { eptp, 0 };
	bool ok;

	__asm__ volatile("invept %1, %2"
	    : VMX_SUCCEEDED(ok) : "m"(which), "r"(type) : "memory");
	return ok;
}

static inline bool cpu_invvpid(uint64_t type, uint16_t vpid)
{
	const uint64_t which[2] = { vpid, 0 };
	bool ok;

	__asm__ volatile("invvpid %1, %2"
	    : VMX_SUCCEEDED(ok) : "m"(which), "r"(type) : "memory");
	return ok;
}

static inline uint64_t cpu_get_cr0(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

static inline uint64_t cpu_get_cr3(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

/* CR4.FSGSBASE is set. */
static inline uint64_t cpu_get_fs_base(void)
{
	uint64_t value;

	__asm__ volatile("rdfsbase %0" : "=r"(value));
	return value;
}

/* GDTR and IDTR as SGDT, LGDT and their like have them. */
struct cpu_table {
	uint16_t limit;
	uint16_t base[4];
};

static inline uint64_t cpu_table_base(const struct cpu_table *t)
{
	uint64_t base;

	memcpy(&base, t->base, sizeof(base));
	return base;
}

static inline void cpu_get_gdtr(struct cpu_table *t)
{
	__asm__ volatile("sgdt %0" : "=m"(*t));
}

static inline void cpu_set_gdtr(const struct cpu_table *t)
{
	__asm__ volatile("lgdt %0" : : "m"(*t));
}

static inline void cpu_get_idtr(struct cpu_table *t)
{
	__asm__ volatile("sidt %0" : "=m"(*t));
}

static inline void cpu_set_idtr(const struct cpu_table *t)
{
	__asm__ volatile("lidt %0" : : "m"(*t));
}

static inline uint16_t cpu_get_tr(void)
{
	uint16_t value;

	__asm__ volatile("str %0" : "=r"(value));
	return value;
}

static inline uint16_t cpu_get_cs(void)
{
	uint16_t value;

	__asm__ volatile("mov %%cs, %0" : "=r"(value));
	return value;
}

static inline uint16_t cpu_get_ss(void)
{
	uint16_t value;

	__asm__ volatile("mov %%ss, %0" : "=r"(value));
	return value;
}

static inline uint32_t cpu_get_ds(void)
{
	uint32_t value;

	__asm__ volatile("mov %%ds, %0" : "=r"(value));
	return value;
}

static inline uint32_t cpu_get_es(void)
{
	uint32_t value;

	__asm__ volatile("mov %%es, %0" : "=r"(value));
	return value;
}

static inline uint32_t cpu_get_fs(void)
{
	uint32_t value;

	__asm__ volatile("mov %%fs, %0" : "=r"(value));
	return value;
}

static inline uint32_t cpu_get_gs(void)
{
	uint32_t value;

	__asm__ volatile("mov %%gs, %0" : "=r"(value));
	return value;
}

/* Selectors that the thread has had. */
static inline void cpu_set_ds(uint16_t value)
{
	__asm__ volatile("mov %0, %%ds" : : "r"(value) : "memory");
}

static inline void cpu_set_es(uint16_t value)
{
	__asm__ volatile("mov %0, %%es" : : "r"(value) : "memory");
}

/* Changes the base, too. */
static inline void cpu_set_fs(uint16_t value)
{
	__asm__ volatile("mov %0, %%fs" : : "r"(value) : "memory");
}

/*
 * The NMI that ended the guest: its exit has blocked further ones as its
 * delivery would have, and the handler's IRET ends that (27.5.5).
 */
static inline void cpu_nmi(void)
{
	__asm__ volatile("int $2" : : : "memory");
}

#endif
