// SPDX-License-Identifier: BSD-2-Clause
/*
 * intact_state.c - values for all registers of a thread, and whether they are
 * still there.
 */
#include "intact.h"

#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AREA		8192u
#define HEADER		512u	/* XSTATE_BV, SDM vol. 1 13.4.2 */
#define USER_DS		0x2bu	/* Linux's */
#define HWCAP2_BASES	2u	/* HWCAP2_FSGSBASE */

/* Components, SDM vol. 1 13.1. */
#define X87		0u
#define SSE		1u
#define PKRU		9u
#define KNOWN		0x2e7ull	/* all but MPX, PT and AMX */

/* AC, ID, OF, DF, SF, CF, and what is always 1. */
#define RFLAGS		0x240e83ull	/* with IF, which cannot be changed */

static uint64_t random_state;

static uint64_t any(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t xcr0(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void component(uint32_t n, size_t *at, size_t *size)
{
	uint32_t a, b, c, d;

	__cpuid_count(0xd, n, a, b, c, d);
	*at = b;
	*size = a;
}

/* SDM vol. 2 CPUID 7, APM vol. 3 CPUID 8000_0008: IBRS, STIBP, SSBD. */
bool intact_has_spec_ctrl(void)
{
	uint32_t a, b, c, d;

	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 26 & 1) != 0)
		return true;
	return __get_cpuid(0x80000008, &a, &b, &c, &d) &&
	    (b & 0x0100c000) != 0;
}

static uint8_t *area(void)
{
	uint8_t *p = aligned_alloc(64, AREA);

	assert_non_null(p);
	memset(p, 0, AREA);
	return p;
}

void intact_begin(struct intact *i)
{
	memset(i, 0, sizeof(*i));
	i->mask = xcr0() & KNOWN;
	i->bases = (getauxval(AT_HWCAP2) & HWCAP2_BASES) != 0;
	i->in.xsave = area();
	i->out.xsave = area();
	i->own.xsave = area();
}

void intact_end(struct intact *i)
{
	free(i->in.xsave);
	free(i->out.xsave);
	free(i->own.xsave);
}

static void set16(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, 2);
}

static void set32(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, 4);
}

/* FXSAVE's, SDM vol. 1 10.5.1: exceptions are masked, none is pending. */
static void fill_legacy(uint8_t *p)
{
	unsigned n, k;

	set16(p, 0x007f | (any() & 0x0c00));
	set16(p + 2, any() & 0x7800);
	p[4] = 0xff;
	set16(p + 6, any() & 0x7ff);
	/* Canonical addresses. */
	set32(p + 8, any());
	set32(p + 16, any());
	set32(p + 24, 0x1f80 | (any() & 0xe03f));
	for (n = 0; n < 8; n++)
		for (k = 0; k < 10; k++)
			p[32 + 16 * n + k] = (uint8_t)any();
	for (n = 0; n < 256; n++)
		p[160 + n] = (uint8_t)any();
}

void intact_area(uint8_t *p, uint64_t mask, uint64_t seed)
{
	size_t at, size, k;
	uint32_t n;

	random_state = seed;
	memset(p, 0, AREA);
	memcpy(p + HEADER, &mask, sizeof(mask));
	fill_legacy(p);
	for (n = 2; n < 63; n++) {
		if ((mask >> n & 1) == 0)
			continue;
		component(n, &at, &size);
		assert_true(at + size <= AREA);
		for (k = 0; k < size; k++)
			p[at + k] = (uint8_t)any();
		/* What has no key is to be had; the rest is not used. */
		if (n == PKRU) {
			p[at] &= 0xfc;
			memset(p + at + 4, 0, size - 4);
		}
	}
}

void intact_fill(struct intact *i, int vcpu, uint64_t seed)
{
	struct intact_regs *in = &i->in;
	unsigned n;

	intact_area(in->xsave, i->mask, seed);
	for (n = 0; n < GENERAL; n++)
		in->general[n] = any();
	in->general[REGS_RDI / 8] = (uint64_t)vcpu;
	in->general[REGS_RSI / 8] = VMM_RUN;
	in->rflags = RFLAGS;
	in->ds = seed % 2 == 1 ? USER_DS : 0;
	in->es = seed % 4 >= 2 ? USER_DS : 0;
	in->fs = i->bases && seed % 3 == 1 ? USER_DS : 0;
	in->gs = i->bases && seed % 3 == 2 ? USER_DS : 0;
	in->gs_base = any() >> 17;
	must((int)syscall(SYS_arch_prctl, ARCH_GET_FS, &in->fs_base));
	if (!i->bases)
		must((int)syscall(SYS_arch_prctl, ARCH_SET_GS, in->gs_base));
	memset(i->out.xsave, 0, AREA);
}

static void expect_bytes(const char *what, const uint8_t *a, const uint8_t *b,
    size_t at, size_t size)
{
	size_t k;

	for (k = at; k < at + size; k++)
		if (a[k] != b[k])
			fail_msg("%s: byte %zu was %02x and is %02x", what,
			    k - at, a[k], b[k]);
}

void intact_expect_area(const uint8_t *a, const uint8_t *b, uint64_t mask,
    bool pointers)
{
	size_t at, size;
	uint32_t n;
	char name[32];

	expect_bytes("FCW, FSW, FTW", a, b, 0, 5);
	if (pointers)
		expect_bytes("FOP, FIP, FDP", a, b, 6, 18);
	expect_bytes("MXCSR", a, b, 24, 4);
	for (n = 0; n < 8; n++)
		expect_bytes("x87", a, b, 32 + 16 * n, 10);
	expect_bytes("XMM", a, b, 160, 256);
	for (n = 2; n < 63; n++) {
		if ((mask >> n & 1) == 0)
			continue;
		component(n, &at, &size);
		snprintf(name, sizeof(name), "component %u", n);
		expect_bytes(name, a, b, at, n == PKRU ? 4 : size);
	}
}

static void expect(const char *what, uint64_t was, uint64_t is)
{
	if (was != is)
		fail_msg("%s was %llx and is %llx", what,
		    (unsigned long long)was, (unsigned long long)is);
}

void intact_expect(const struct intact *i, bool pointers)
{
	const struct intact_regs *in = &i->in, *out = &i->out;
	static const char *const names[GENERAL] = { "rbx", "rbp", "rdi",
		"rsi", "rdx", "r8", "r9", "r10", "r12", "r13", "r14", "r15" };
	unsigned long base;
	unsigned n;

	for (n = 0; n < GENERAL; n++)
		expect(names[n], in->general[n], out->general[n]);
	expect("rflags", in->rflags, out->rflags);
	expect("ds", in->ds, out->ds & 0xffff);
	expect("es", in->es, out->es & 0xffff);
	expect("fs", in->fs, out->fs & 0xffff);
	expect("gs", in->gs, out->gs & 0xffff);
	if (i->bases) {
		expect("base of fs", in->fs_base, out->fs_base);
		expect("base of gs", in->gs_base, out->gs_base);
	} else {
		must((int)syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
		expect("base of gs", in->gs_base, base);
	}
	intact_expect_area(in->xsave, out->xsave, i->mask, pointers);
}
