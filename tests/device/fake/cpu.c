// SPDX-License-Identifier: BSD-2-Clause
/* cpu.c - see cpu.h. */
#include "cpu.h"
#include "fake.h"

struct fake_hw fake_hw;
void (*fake_on_off)(uint32_t cpu);

struct fake_cpu *fake_cpu(void)
{
	return &fake_hw.cpu[fake.cur->cpu];
}

/* ---- model-specific registers ---- */

static struct fake_msr *msr_at(struct fake_cpu *c, uint32_t index, bool add)
{
	uint32_t i;

	for (i = 0; i < FAKE_MSRS; i++) {
		struct fake_msr *m = &c->msr[i];

		if (m->exists && m->index == index)
			return m;
	}
	for (i = 0; add && i < FAKE_MSRS; i++) {
		struct fake_msr *m = &c->msr[i];

		if (!m->exists) {
			m->exists = true;
			m->index = index;
			return m;
		}
	}
	if (add)
		fake_bug("more than %u MSRs", FAKE_MSRS);
	return NULL;
}

void fake_msr_set(uint32_t cpu, uint32_t index, uint64_t value)
{
	uint32_t i;

	for (i = 0; i < FAKE_CPUS; i++) {
		if (cpu == FAKE_CPUS || cpu == i)
			msr_at(&fake_hw.cpu[i], index, true)->value = value;
	}
}

void fake_msr_remove(uint32_t index)
{
	uint32_t i;

	for (i = 0; i < FAKE_CPUS; i++) {
		struct fake_msr *m = msr_at(&fake_hw.cpu[i], index, false);

		if (m != NULL)
			m->exists = false;
	}
}

uint64_t fake_msr_get(uint32_t cpu, uint32_t index)
{
	const struct fake_msr *m = msr_at(&fake_hw.cpu[cpu], index, false);

	return m == NULL ? 0 : m->value;
}

uint64_t cpu_rdmsr(uint32_t index)
{
	const struct fake_msr *m = msr_at(fake_cpu(), index, false);

	fake_hw.rdmsrs++;
	if (m == NULL)
		fake_bug("RDMSR of %#x: #GP in the kernel", index);
	return m == NULL ? 0 : m->value;
}

bool os_rdmsr_safe(uint32_t index, uint64_t *value)
{
	const struct fake_msr *m = msr_at(fake_cpu(), index, false);

	*value = m == NULL ? 0 : m->value;
	return m != NULL;
}

void cpu_wrmsr(uint32_t index, uint64_t value)
{
	struct fake_msr *m = msr_at(fake_cpu(), index, false);

	fake_hw.wrmsrs++;
	if (fake.cur->off == 0)
		fake_bug("WRMSR of %#x by a thread that may move", index);
	if (m == NULL) {
		fake_bug("WRMSR of %#x: #GP in the kernel", index);
		return;
	}
	/* Who has the processor now may use any ASID. */
	if (index == 0xc0000080 && (m->value & ~value & 0x1000) != 0 &&
	    fake_on_off != NULL)
		fake_on_off(fake.cur->cpu);
	m->value = value;
}

/* ---- CPUID ---- */

uint32_t *fake_cpuid_at(uint32_t leaf, uint32_t sub)
{
	uint32_t i;

	for (i = 0; i < fake_hw.leaves; i++) {
		if (fake_hw.leaf[i].leaf == leaf && fake_hw.leaf[i].sub == sub)
			return fake_hw.leaf[i].out;
	}
	return NULL;
}

void fake_cpuid_set(uint32_t leaf, uint32_t sub, uint32_t a, uint32_t b,
    uint32_t c, uint32_t d)
{
	uint32_t *out = fake_cpuid_at(leaf, sub);

	if (out == NULL) {
		if (fake_hw.leaves == FAKE_LEAVES) {
			fake_bug("more than %u leaves", FAKE_LEAVES);
			return;
		}
		fake_hw.leaf[fake_hw.leaves].leaf = leaf;
		fake_hw.leaf[fake_hw.leaves].sub = sub;
		out = fake_hw.leaf[fake_hw.leaves++].out;
	}
	out[0] = a;
	out[1] = b;
	out[2] = c;
	out[3] = d;
}

void cpu_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	const uint32_t *have = fake_cpuid_at(leaf, sub);

	if (have == NULL)
		memset(out, 0, 4 * sizeof(*out));
	else
		memcpy(out, have, 4 * sizeof(*out));
}

uint64_t cpu_xgetbv(uint32_t index)
{
	if (index != 0)
		fake_bug("XGETBV of %u", index);
	return fake_cpu()->xcr0;
}

void cpu_xsetbv(uint32_t index, uint64_t value)
{
	fake_irqs_off("XSETBV");
	if (index != 0 || (value & 1) == 0)
		fake_bug("XSETBV of %u: #GP in the kernel", index);
	fake_cpu()->xcr0 = value;
}

void cpu_x87_forget(void)
{
	fake_irqs_off("FILD");
	fake_hw.x87_forgets++;
}

uint64_t cpu_get_cr4(void)
{
	return fake_cpu()->cr4;
}

uint64_t cpu_rdtsc(void)
{
	return fake_hw.tsc += 10;
}

void os_ibpb(void)
{
	fake_irqs_off("os_ibpb");
	fake_hw.ibpbs++;
}

/* ---- extended state: SDM vol. 1 13.7, 13.8 ---- */

static const struct { uint32_t at, size; uint64_t bit; } parts[] = {
	{ 0, 24, 1 }, { 32, 128, 1 }, { 160, 256, 2 }, { 576, 256, 4 },
};
#define PARTS	(sizeof(parts) / sizeof(parts[0]))

static void check_area(const void *area, const char *what)
{
	if ((uintptr_t)area % 64 != 0)
		fake_bug("%s: the area at %p is not aligned", what, area);
}

void cpu_xsave(void *area, uint64_t mask)
{
	const struct fake_cpu *c = fake_cpu();
	uint8_t *to = area;
	uint64_t bv;
	size_t i;

	check_area(area, "XSAVE");
	fake_hw.xsaves++;
	mask &= c->xcr0;
	for (i = 0; i < PARTS; i++) {
		if ((mask & parts[i].bit) != 0)
			memcpy(to + parts[i].at, c->ext + parts[i].at,
			    parts[i].size);
	}
	if ((mask & 6) != 0) {
		const uint32_t all = FAKE_MXCSR_MASK;

		memcpy(to + 24, c->ext + 24, 4);
		memcpy(to + 28, &all, 4);
	}
	memcpy(&bv, to + 512, 8);
	bv |= mask;
	memcpy(to + 512, &bv, 8);
}

void cpu_xrstor(const void *area, uint64_t mask)
{
	static const uint8_t zero[48];
	struct fake_cpu *c = fake_cpu();
	const uint8_t *from = area;
	uint32_t mxcsr;
	uint64_t bv;
	size_t i;

	check_area(area, "XRSTOR");
	fake_irqs_off("XRSTOR");
	fake_hw.xrstors++;
	mask &= c->xcr0;
	memcpy(&bv, from + 512, 8);
	memcpy(&mxcsr, from + 24, 4);
	if ((bv & ~c->xcr0) != 0 || memcmp(from + 520, zero, 16) != 0)
		fake_bug("XRSTOR: #GP in the kernel, by the header");
	if ((mask & 6) != 0 && (mxcsr & ~FAKE_MXCSR_MASK) != 0)
		fake_bug("XRSTOR: #GP in the kernel, by MXCSR");
	for (i = 0; i < PARTS; i++) {
		if ((mask & parts[i].bit) == 0)
			continue;
		if ((bv & parts[i].bit) != 0)
			memcpy(c->ext + parts[i].at, from + parts[i].at,
			    parts[i].size);
		else
			memset(c->ext + parts[i].at, 0, parts[i].size);
	}
	if ((mask & 1) != 0 && (bv & 1) == 0) {
		c->ext[0] = 0x7f;
		c->ext[1] = 0x03;
	}
	if ((mask & 6) != 0)
		memcpy(c->ext + 24, &mxcsr, 4);
}

/* ---- debug registers ---- */

void cpu_set_dr(unsigned n, uint64_t value)
{
	fake_hw.dr_writes++;
	fake_irqs_off("a store to a debug register");
	if (n >= 8 || n == 4 || n == 5)
		fake_bug("DR%u is stored to", n);
	else if ((n == 6 || n == 7) && value >> 32 != 0)
		fake_bug("DR%u = %#llx: #GP in the kernel", n,
		    (unsigned long long)value);
	else
		fake_cpu()->dr[n] = value;
}

uint64_t cpu_get_dr(unsigned n)
{
	return fake_cpu()->dr[n & 7];
}

/* ---- what the host has ---- */

void fake_hw_enter(uint32_t cpu)
{
	struct fake_cpu *c = &fake_hw.cpu[cpu];

	memcpy(c->saved_msr, c->msr, sizeof(c->msr));
	memcpy(c->saved_dr, c->dr, sizeof(c->dr));
	memcpy(c->saved_ext, c->ext, sizeof(c->ext));
}

void fake_hw_leave(uint32_t cpu)
{
	struct fake_cpu *c = &fake_hw.cpu[cpu];
	uint32_t i;

	for (i = 0; i < FAKE_MSRS; i++) {
		if (c->msr[i].value != c->saved_msr[i].value)
			fake_bug("the host's MSR %#x is not what it was",
			    c->msr[i].index);
	}
	if (memcmp(c->saved_ext, c->ext, sizeof(c->ext)) != 0)
		fake_bug("the host's FPU is not as it was");
	/* Without breakpoints of the host's only DR7 matters. */
	if (c->dr[7] != c->saved_dr[7] || (fake.debug_in_use &&
	    memcmp(c->dr, c->saved_dr, sizeof(c->dr)) != 0))
		fake_bug("the host's debug registers are not as they were");
}

void os_debug_restore(void)
{
	fake_irqs_off("os_debug_restore");
	fake.debug_restores++;
	memcpy(fake_cpu()->dr, fake_cpu()->saved_dr, sizeof(fake_cpu()->dr));
}

/* ---- processors to have ---- */

#define MSR_STAR	0xc0000081u

void fake_hw_plain(void)
{
	uint32_t i;

	fake_hw.leaves = 0;
	fake_cpuid_set(0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
	/* XSAVE, OSXSAVE, AVX; FPU ... SSE2. */
	fake_cpuid_set(1, 0, 0x00a20f12, 0x00010800, 0x1c000209, 0x178bfbff);
	fake_cpuid_set(7, 0, 0, 1, 0, 0);		/* FSGSBASE */
	fake_cpuid_set(0xd, 0, FAKE_XCR0, FAKE_XSAVE, FAKE_XSAVE, 0);
	fake_cpuid_set(0xd, 2, 256, 576, 0, 0);
	fake_cpuid_set(0x80000000, 0, 0x8000000a, 0x68747541, 0x444d4163,
	    0x69746e65);
	fake_cpuid_set(0x80000001, 0, 0x00a20f12, 0, 4, 0x2fd3fbff);
	fake_cpuid_set(0x80000008, 0, 0x3028, 0, 0, 0);
	fake_cpuid_set(0x8000000a, 0, 1, 16, 0, 0x10010001);
	for (i = 0; i < FAKE_CPUS; i++) {
		struct fake_cpu *c = &fake_hw.cpu[i];
		uint32_t n;

		memset(c, 0, sizeof(*c));
		c->cr4 = 0x50620;	/* PAE MCE OSFXSR OSXMMEXCPT FSGSBASE
					 * OSXSAVE */
		c->xcr0 = FAKE_XCR0;
		c->dr[6] = 0xffff0ff0;
		c->dr[7] = 0x400;
		/* What the host has in its registers. */
		for (n = 0; n < FAKE_XSAVE; n++)
			c->ext[n] = (uint8_t)(n * 7 + i);
		memset(c->ext + 24, 0, 8);
		c->ext[24] = 0x80;
		c->ext[25] = 0x1f;
		memset(c->ext + 512, 0, 64);
	}
	fake_msr_set(FAKE_CPUS, 0xc0000080, 0xd01);	/* EFER */
	fake_msr_set(FAKE_CPUS, 0xc0010114, 0);		/* VM_CR */
	fake_msr_set(FAKE_CPUS, 0xc0010117, 0);		/* VM_HSAVE_PA */
	fake_msr_set(FAKE_CPUS, MSR_STAR, 0x23001000000000);
	fake_msr_set(FAKE_CPUS, 0xc0000082, 0xffffffff81000000);
	fake_msr_set(FAKE_CPUS, 0xc0000083, 0xffffffff81000100);
	fake_msr_set(FAKE_CPUS, 0xc0000084, 0x47700);
	fake_msr_set(FAKE_CPUS, 0xc0000100, 0x7f0000001000);
	fake_msr_set(FAKE_CPUS, 0xc0000101, 0xffff888000000000);
	fake_msr_set(FAKE_CPUS, 0xc0000102, 0x7f0000002000);
	fake_msr_set(FAKE_CPUS, 0xc0000103, 0);		/* TSC_AUX */
	fake_msr_set(FAKE_CPUS, 0x277, 0x0007040600070406);
	fake_msr_set(FAKE_CPUS, 0x1d9, 0);
	fake_msr_set(FAKE_CPUS, 0x174, 0x10);
	fake_msr_set(FAKE_CPUS, 0x175, 0xfffffe0000003000);
	fake_msr_set(FAKE_CPUS, 0x176, 0xffffffff81000200);
}

void fake_hw_rich(void)
{
	fake_hw_plain();
	/* NP NRIPS clean bits flush-by-ASID decode assists. */
	fake_cpuid_set(0x8000000a, 0, 1, 64, 0, 0xe9);
	/* Pages of 1 GiB. */
	*(fake_cpuid_at(0x80000001, 0) + 3) |= 1u << 26;
}

void fake_hw_reset(void)
{
	memset(&fake_hw, 0, sizeof(fake_hw));
	fake_hw_plain();
}
