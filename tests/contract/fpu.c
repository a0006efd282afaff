// SPDX-License-Identifier: BSD-2-Clause
/*
 * Extended state: kept across every kind of exit, never seen by another
 * context, read and set by the owner.
 */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DECLARE(n)	GUEST(n); GUEST_MARKED(n, undefined);	\
			GUEST_MARKED(n, next)

DECLARE(p_xmm);
DECLARE(p_ymm);
DECLARE(p_zmm);
DECLARE(p_x87);
GUEST(p_store_all);
GUEST(p_count);

#define X87_SSE		3ull
#define AVX		4ull
#define AVX512		0xe0ull
#define BV		512	/* XSTATE_BV */
#define YMM_HIGH	576

static void need_xsave(struct rig *r, uint64_t mask, const char *what)
{
	if ((r->info.xsave_mask & mask) != mask)
		rig_skip(r, "%s/%s has no %s in a context", r->info.backend,
		    r->info.variant, what);
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245u + 12345u;
		p[i] = (uint8_t)(seed >> 16);
	}
}

/* Another context fills its own registers with its own values. */
static void disturb(struct rig *r, struct vmmctl_context *c, struct blob b)
{
	struct vmmctl_regs *regs = vmmctl_context_regs(c);
	struct vmmctl_exit x;

	memcpy(rig_gpa(r, CODE_GPA + 0x8000), b.start,
	    (size_t)(b.end - b.start));
	rig_regs(regs);
	regs->rip = CODE + 0x8000;
	regs->rbx = DATA + 0x4000;
	rig_run_on(r, r->cpu, c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
}

/* Through each exit of the guest, with the other context in between. */
static void leave_and_return(struct rig *r, struct blob b, uint64_t undefined,
    uint64_t next, struct vmmctl_context *other)
{
	static const uint32_t kinds[] = { VMMCTL_EXIT_SYSCALL,
	    VMMCTL_EXIT_BREAKPOINT, VMMCTL_EXIT_SOFTINT, VMMCTL_EXIT_FAULT,
	    VMMCTL_EXIT_EXCEPTION };

	for (size_t i = 0; i < 5; i++) {
		rig_run(r);
		assert_int_equal(r->x.kind, kinds[i]);
		if (kinds[i] == VMMCTL_EXIT_FAULT)
			r->regs->rip = CODE + undefined;
		if (kinds[i] == VMMCTL_EXIT_EXCEPTION)
			r->regs->rip = CODE + next;
		disturb(r, other, b);
	}
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	disturb(r, other, b);
	expect_rc(r, vmmctl_context_set_step(r->c, 0), 0);
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	disturb(r, other, b);
	rig_run(r);
	expect_syscall(r);
}

static void kept(struct rig *r, struct blob b, uint64_t undefined,
    uint64_t next, size_t bytes, uint64_t stored_at)
{
	struct vmmctl_context *other = rig_context(r, r->s);

	rig_load(r, b);
	fill(rig_gpa(r, DATA_GPA), bytes, 1);
	fill(rig_gpa(r, DATA_GPA + 0x4000), bytes, 2);
	r->regs->rbx = DATA;
	r->regs->rbp = SPARE;
	leave_and_return(r, b, undefined, next, other);
	assert_memory_equal(rig_gpa(r, DATA_GPA),
	    rig_gpa(r, DATA_GPA + stored_at), bytes);
}

static void xmm_is_kept(void **state)
{
	kept(*state, BLOB(p_xmm), MARK(p_xmm, undefined), MARK(p_xmm, next),
	    256, 512);
}

static void ymm_is_kept(void **state)
{
	need_xsave(*state, AVX, "AVX");
	kept(*state, BLOB(p_ymm), MARK(p_ymm, undefined), MARK(p_ymm, next),
	    512, 512);
}

static void zmm_and_masks_are_kept(void **state)
{
	need_xsave(*state, AVX512, "AVX-512");
	kept(*state, BLOB(p_zmm), MARK(p_zmm, undefined), MARK(p_zmm, next),
	    2048, 4096);
}

static void x87_and_mxcsr_are_kept(void **state)
{
	static const long double values[] = { 1.5L, -2.25L, 3e300L };
	struct rig *r = *state;
	struct vmmctl_context *other = rig_context(r, r->s);
	uint8_t *in = rig_gpa(r, DATA_GPA), *out = in + 512;
	uint16_t control = 0x0c7f, status;	/* round to zero, 53 bits */
	uint32_t mxcsr = 0x7fc0;		/* to zero, DAZ */

	rig_load(r, BLOB(p_x87));
	memcpy(in, &control, 2);
	memcpy(in + 4, &mxcsr, 4);
	for (size_t i = 0; i < 3; i++)
		memcpy(in + 16 + 16 * i, &values[i], 10);
	memcpy(rig_gpa(r, DATA_GPA + 0x4000), in, 64);
	control = 0x37f;
	memcpy(rig_gpa(r, DATA_GPA + 0x4000), &control, 2);
	r->regs->rbx = DATA;
	r->regs->rbp = SPARE;
	leave_and_return(r, BLOB(p_x87), MARK(p_x87, undefined),
	    MARK(p_x87, next), other);
	assert_memory_equal(in, out, 2);
	memcpy(&status, out + 2, 2);
	assert_int_equal(status & 0x3800, 0);	/* the stack is empty again */
	assert_memory_equal(in + 4, out + 4, 4);
	for (size_t i = 0; i < 3; i++)
		assert_memory_equal(in + 16 + 16 * i, out + 16 + 16 * i, 10);
}

static void owner_sees_and_sets(void **state)
{
	struct rig *r = *state;
	uint8_t *x = calloc(1, r->info.xsave_size);
	uint8_t values[512];
	uint64_t bv;

	assert_non_null(x);
	need_xsave(r, AVX, "AVX");
	rig_load(r, BLOB(p_ymm));
	fill(values, sizeof(values), 3);
	memcpy(rig_gpa(r, DATA_GPA), values, sizeof(values));
	r->regs->rbx = DATA;
	r->regs->rbp = SPARE;
	rig_run(r);
	expect_syscall(r);
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, r->info.xsave_size),
	    0);
	memcpy(&bv, x + BV, 8);
	assert_int_equal(bv & (AVX | 2), AVX | 2);
	for (size_t i = 0; i < 16; i++) {
		assert_memory_equal(x + 160 + 16 * i, values + 32 * i, 16);
		assert_memory_equal(x + YMM_HIGH + 16 * i,
		    values + 32 * i + 16, 16);
		/* Exchange the halves. */
		memcpy(x + 160 + 16 * i, values + 32 * i + 16, 16);
		memcpy(x + YMM_HIGH + 16 * i, values + 32 * i, 16);
	}
	expect_rc(r, vmmctl_context_set_xsave(r->c, x, r->info.xsave_size),
	    0);
	for (unsigned i = 0; i < 3; i++)
		rig_run(r);
	r->regs->rip = CODE + MARK(p_ymm, next);
	rig_run(r);
	expect_syscall(r);
	for (size_t i = 0; i < 16; i++) {
		uint8_t *at = rig_gpa(r, DATA_GPA + 512 + 32 * i);

		assert_memory_equal(at, values + 32 * i + 16, 16);
		assert_memory_equal(at + 16, values + 32 * i, 16);
	}
	free(x);
}

/* A buffer of 576 bytes holds x87 and SSE; AVX stays as it is. */
static void short_buffer_leaves_the_rest(void **state)
{
	struct rig *r = *state;
	uint8_t x[YMM_HIGH], values[512];

	need_xsave(r, AVX, "AVX");
	rig_load(r, BLOB(p_ymm));
	fill(values, sizeof(values), 4);
	memcpy(rig_gpa(r, DATA_GPA), values, sizeof(values));
	r->regs->rbx = DATA;
	rig_run(r);
	expect_syscall(r);
	memset(x, 0xee, sizeof(x));
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, sizeof(x)), 0);
	memset(x + 160, 0x66, 256);
	expect_rc(r, vmmctl_context_set_xsave(r->c, x, sizeof(x)), 0);
	r->regs->rip = CODE + MARK(p_ymm, next);
	rig_run(r);
	expect_syscall(r);
	memset(x, 0x66, 16);
	for (size_t i = 0; i < 16; i++) {
		uint8_t *at = rig_gpa(r, DATA_GPA + 512 + 32 * i);

		assert_memory_equal(at, x, 16);
		assert_memory_equal(at + 16, values + 32 * i + 16, 16);
	}
}

/* A new context begins as after reset, whatever ran before it. */
static void nothing_leaks_into_a_new_context(void **state)
{
	struct rig *r = *state;
	struct vmmctl_context *other = rig_context(r, r->s);
	bool avx512 = (r->info.xsave_mask & AVX512) == AVX512;
	uint8_t *at = rig_gpa(r, DATA_GPA);
	uint16_t control;
	uint32_t mxcsr;

	rig_untraced(r);	/* the host's other components are in it */
	fill(rig_gpa(r, DATA_GPA + 0x4000), 2048 + 64, 5);
	disturb(r, other, avx512 ? BLOB(p_zmm) : BLOB(p_xmm));
	if (!avx512 && (r->info.xsave_mask & AVX) != 0)
		disturb(r, other, BLOB(p_ymm));
	rig_load(r, BLOB(p_store_all));
	r->regs->rbx = DATA;
	rig_run(r);
	expect_syscall(r);
	memcpy(&control, at, 2);
	memcpy(&mxcsr, at + 24, 4);
	assert_int_equal(control, 0x37f);
	assert_int_equal(mxcsr, 0x1f80);
	for (size_t i = 32; i < 416; i++)
		assert_int_equal(at[i], 0);
	if ((r->info.xsave_mask & AVX) != 0)
		for (size_t i = 0; i < 256; i++)
			assert_int_equal(at[YMM_HIGH + i], 0);
	if (avx512)
		for (size_t i = 832 + 256; i < 832 + 256 + 64; i++)
			assert_int_equal(at[i], 0);
	/* What the guest may use, the owner gets. */
	rig_say("XCR0 %#llx, of a context %#llx",
	    (unsigned long long)(r->regs->rdx << 32 | r->regs->rax),
	    (unsigned long long)r->info.xsave_mask);
	assert_int_equal(r->info.xsave_mask &
	    ~(r->regs->rdx << 32 | r->regs->rax), 0);
	assert_true(r->info.xsave_size >= YMM_HIGH);
}

/* The owner's view of a new context is the same state. */
static void new_context_has_the_reset_state(void **state)
{
	struct rig *r = *state;
	uint8_t x[YMM_HIGH];
	uint16_t control;
	uint32_t mxcsr;

	memset(x, 0xee, sizeof(x));
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, sizeof(x)), 0);
	memcpy(&control, x, 2);
	memcpy(&mxcsr, x + 24, 4);
	assert_int_equal(control, 0x37f);
	assert_int_equal(mxcsr, 0x1f80);
	for (size_t i = 32; i < 416; i++)
		assert_int_equal(x[i], 0);
}

static void contexts_take_turns(void **state)
{
	enum { CONTEXTS = 8, ROUNDS = 50 };
	struct rig *r = *state;
	struct vmmctl_context *c[CONTEXTS];
	uint8_t x[YMM_HIGH] = { 0x7f, 0x03, [24] = 0x80, [25] = 0x1f,
	    [BV] = 3 };
	struct vmmctl_exit exit;
	double value, one = 1;

	rig_load(r, BLOB(p_count));
	for (unsigned i = 0; i < CONTEXTS; i++) {
		c[i] = rig_context(r, r->s);
		value = i * 1000;
		memcpy(x + 160, &value, 8);
		memcpy(x + 176, &one, 8);
		expect_rc(r, vmmctl_context_set_xsave(c[i], x, sizeof(x)), 0);
	}
	for (unsigned n = 1; n <= ROUNDS; n++) {
		for (unsigned i = 0; i < CONTEXTS; i++) {
			rig_run_on(r, r->cpu, c[i], &exit);
			assert_int_equal(exit.kind, VMMCTL_EXIT_SYSCALL);
			expect_rc(r, vmmctl_context_get_xsave(c[i], x,
			    sizeof(x)), 0);
			memcpy(&value, x + 160, 8);
			assert_true(value == i * 1000 + n);
		}
	}
}

static void refused_states(void **state)
{
	struct rig *r = *state;
	uint8_t good[YMM_HIGH], x[YMM_HIGH];

	expect_rc(r, vmmctl_context_get_xsave(r->c, good, sizeof(good)), 0);
	expect_rc(r, vmmctl_context_set_xsave(r->c, good, sizeof(good)), 0);
#define REFUSED(offset, bits) do {					\
	memcpy(x, good, sizeof(x));					\
	x[offset] |= (bits);						\
	expect_rc(r, vmmctl_context_set_xsave(r->c, x, sizeof(x)),	\
	    -EINVAL);							\
} while (0)
	REFUSED(27, 0x80);		/* MXCSR's reserved bits */
	REFUSED(26, 0x01);
	REFUSED(BV + 7, 0x40);		/* components that there are not */
	REFUSED(BV + 6, 0x01);
	REFUSED(BV + 15, 0x80);		/* compacted */
	REFUSED(BV + 8, 0x01);
	REFUSED(BV + 16, 0x01);		/* the header's reserved bytes */
	REFUSED(BV + 63, 0x01);
#undef REFUSED
	expect_rc(r, vmmctl_context_set_xsave(r->c, good, YMM_HIGH - 1),
	    -EINVAL);
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, YMM_HIGH - 1),
	    -EINVAL);
	/* And none of it was taken. */
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, sizeof(x)), 0);
	assert_memory_equal(x, good, sizeof(x));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(xmm_is_kept),
		TEST(ymm_is_kept),
		TEST(zmm_and_masks_are_kept),
		TEST(x87_and_mxcsr_are_kept),
		TEST(owner_sees_and_sets),
		TEST(short_buffer_leaves_the_rest),
		TEST(nothing_leaks_into_a_new_context),
		TEST(new_context_has_the_reset_state),
		TEST(contexts_take_turns),
		TEST(refused_states),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
