// SPDX-License-Identifier: BSD-2-Clause
/* Contexts: extended state in all sizes and places, and what is refused. */
#include "unit.h"

#include <cpuid.h>
#include <stdlib.h>

#define BV	512u		/* offset of XSTATE_BV */

static uint8_t *area(struct unit *u)
{
	return calloc(1, u->v->info.xsave_size + 64);
}

static void fresh(void **state)
{
	struct unit *u = *state;
	uint32_t size = u->v->info.xsave_size;
	const struct vmmctl_regs zero = { .rflags = 0x202 };
	struct vmmctl_context *c;
	uint8_t *a = area(u);

	assert_ok(vmmctl_context_create(u->s, &c));
	assert_memory_equal(vmmctl_context_regs(c), &zero, sizeof(zero));
	memset(a, 0xa5, size + 64);
	assert_ok(vmmctl_context_get_xsave(c, a, size));
	assert_int_equal(a[0] | a[1] << 8, 0x37f);
	assert_int_equal(a[24] | a[25] << 8, 0x1f80);
	for (uint32_t i = 32; i < size; i++)
		assert_int_equal(a[i], 0);
	assert_int_equal(a[size], 0xa5);
	/* What it gives it takes. */
	assert_ok(vmmctl_context_set_xsave(c, a, size));
	vmmctl_context_destroy(c);
	vmmctl_context_destroy(NULL);
	free(a);
}

static void sizes(void **state)
{
	struct unit *u = *state;
	uint32_t size = u->v->info.xsave_size;
	uint8_t *a = area(u);

	for (size_t n = 0; n < 576; n += 64) {
		assert_fails(u->v, vmmctl_context_get_xsave(u->c, a, n),
		    -EINVAL, "576 bytes");
		assert_fails(u->v, vmmctl_context_set_xsave(u->c, a, n),
		    -EINVAL, "576 bytes");
	}
	assert_ok(vmmctl_context_get_xsave(u->c, a, 576));
	assert_ok(vmmctl_context_set_xsave(u->c, a, 576));
	assert_ok(vmmctl_context_get_xsave(u->c, a, size + 64));
	assert_ok(vmmctl_context_set_xsave(u->c, a, size + 64));
	free(a);
}

static void bad_headers(void **state)
{
	struct unit *u = *state;
	uint32_t size = u->v->info.xsave_size;
	uint8_t *a = area(u), *before = area(u), *after = area(u);

	assert_ok(vmmctl_context_get_xsave(u->c, a, size));
	memcpy(before, a, size);
	for (unsigned bit = 0; bit < 64; bit++) {
		const uint64_t bv = 1ull << bit;

		memcpy(a + BV, &bv, 8);
		if ((u->v->info.xsave_mask & bv) != 0)
			continue;
		assert_fails(u->v, vmmctl_context_set_xsave(u->c, a, size),
		    -EINVAL, "XSTATE_BV");
	}
	memset(a + BV, 0, 8);
	for (unsigned i = 8; i < 64; i++) {
		a[BV + i] = 1;
		assert_fails(u->v, vmmctl_context_set_xsave(u->c, a, size),
		    -EINVAL, "header bytes 8 to 63");
		a[BV + i] = 0;
	}
	for (unsigned bit = 16; bit < 32; bit++) {
		uint32_t mxcsr = 0x1f80 | 1u << bit;

		memcpy(a + 24, &mxcsr, 4);
		assert_fails(u->v, vmmctl_context_set_xsave(u->c, a, size),
		    -EINVAL, "MXCSR");
	}
	assert_ok(vmmctl_context_get_xsave(u->c, after, size));
	assert_memory_equal(before, after, size);
	memcpy(a, before, size);
	assert_ok(vmmctl_context_set_xsave(u->c, a, size));
	free(a);
	free(before);
	free(after);
}

/* Each size gets and sets the components that fit whole, and no others. */
static void parts(void **state)
{
	struct unit *u = *state;
	const uint64_t mask = u->v->info.xsave_mask;
	uint32_t size = u->v->info.xsave_size;
	uint8_t *a = area(u), *b = area(u);

	for (size_t n = 576; n <= size; n += 8) {
		uint64_t bv, want = mask & 3;

		/* All components are ones. */
		memset(a, 1, size);
		memset(a + 464, 0, 112);
		memset(a + 24, 0, 8);
		memcpy(a + BV, &mask, 8);
		assert_ok(vmmctl_context_set_xsave(u->c, a, size));
		/* Then twos, as far as they reach. */
		memset(b, 2, size);
		memset(b + 464, 0, 112);
		memset(b + 24, 0, 8);
		memcpy(b + BV, &mask, 8);
		assert_ok(vmmctl_context_set_xsave(u->c, b, n));
		assert_ok(vmmctl_context_get_xsave(u->c, a, size));
		assert_int_equal(a[32], 2);
		for (unsigned i = 2; i < 63; i++) {
			unsigned len, at, ecx, edx;

			if ((mask >> i & 1) == 0)
				continue;
			__cpuid_count(0xd, i, len, at, ecx, edx);
			if (at + len <= n)
				want |= 1ull << i;
			assert_int_equal(a[at], at + len <= n ? 2 : 1);
			assert_int_equal(a[at + len - 1],
			    at + len <= n ? 2 : 1);
		}
		memcpy(&bv, a + BV, 8);
		assert_int_equal(bv, mask);
		/* A short buffer says what is in it. */
		memset(b, 0xa5, size);
		assert_ok(vmmctl_context_get_xsave(u->c, b, n));
		memcpy(&bv, b + BV, 8);
		assert_int_equal(bv, want);
		assert_true(n == size || b[n] == 0xa5);
	}
	free(a);
	free(b);
}

static void set(struct unit *u, struct vmmctl_context *c, uint8_t v)
{
	uint8_t *a = area(u);
	const uint64_t bv = 3;

	memset(a + 32, v, 128);
	memcpy(a + BV, &bv, 8);
	assert_ok(vmmctl_context_set_xsave(c, a, 576));
	free(a);
}

static int get(struct unit *u, struct vmmctl_context *c)
{
	uint8_t *a = area(u);
	int v;

	assert_ok(vmmctl_context_get_xsave(c, a, u->v->info.xsave_size));
	v = a[32];
	free(a);
	return v;
}

/* The state is the context's, wherever it is loaded. */
static void seats(void **state)
{
	struct unit *u = *state;
	struct vmmctl_context *c[3];
	struct vmmctl_vcpu *v2;
	struct vmmctl_space *s2;

	assert_ok(vmmctl_vcpu_create(u->m, &v2));
	assert_ok(vmmctl_space_create(u->m, &s2));
	c[0] = u->c;
	for (int i = 1; i < 3; i++)
		assert_ok(vmmctl_context_create(u->s, &c[i]));
	for (int i = 0; i < 3; i++)
		set(u, c[i], (uint8_t)(i + 1));
	for (int round = 0; round < 10; round++)
		for (int i = 0; i < 3; i++) {
			assert_ok(vmmctl_vcpu_run(round & 1 ? v2 : u->cpu,
			    c[i], &u->e));
			for (int k = 0; k < 3; k++)
				assert_int_equal(get(u, c[k]), k + 1);
		}
	/* The same one again: nothing is moved. */
	assert_ok(vmmctl_vcpu_run(u->cpu, c[0], &u->e));
	fake.loads = fake.saves = 0;
	for (int i = 0; i < 10; i++)
		assert_ok(vmmctl_vcpu_run(u->cpu, c[0], &u->e));
	assert_int_equal(fake.loads + fake.saves, 0);
	/* Written while it is loaded. */
	set(u, c[0], 77);
	assert_int_equal(get(u, c[0]), 77);
	assert_ok(vmmctl_vcpu_run(u->cpu, c[1], &u->e));
	assert_int_equal(get(u, c[0]), 77);
	/* In another space; without its vCPU; a destroyed owner. */
	assert_ok(vmmctl_context_set_space(c[1], s2));
	assert_int_equal(get(u, c[1]), 2);
	assert_ok(vmmctl_vcpu_run(v2, c[2], &u->e));
	vmmctl_vcpu_destroy(v2);
	assert_int_equal(get(u, c[2]), 3);
	assert_ok(vmmctl_vcpu_run(u->cpu, c[2], &u->e));
	vmmctl_context_destroy(c[2]);
	assert_ok(vmmctl_vcpu_run(u->cpu, c[0], &u->e));
	assert_int_equal(get(u, c[0]), 77);
}

static void set_space(void **state)
{
	struct unit *u = *state;
	struct vmmctl_space *s2;

	assert_ok(vmmctl_space_create(u->m, &s2));
	assert_fails(u->v, vmmctl_space_destroy(u->s), -EBUSY, "1 contexts");
	assert_ok(vmmctl_context_set_space(u->c, u->s));
	assert_ok(vmmctl_context_set_space(u->c, s2));
	assert_fails(u->v, vmmctl_space_destroy(s2), -EBUSY, "contexts");
	assert_ok(vmmctl_space_destroy(u->s));
	assert_ok(vmmctl_space_destroy(NULL));
	vmmctl_context_destroy(u->c);
	assert_ok(vmmctl_space_destroy(s2));
}

static void set_policy(void **state)
{
	struct unit *u = *state;

	for (unsigned v = 0; v < 40; v++)
		for (unsigned p = 0; p < 6; p++) {
			enum vmmctl_policy policy = (enum vmmctl_policy)p;

			if (v >= 32 || p > VMMCTL_POLICY_KILL)
				assert_fails(u->v, vmmctl_context_set_policy(
				    u->c, v, policy), -EINVAL,
				    v >= 32 ? "vector" : "policies");
			else if (p == VMMCTL_POLICY_COUNT && v != 1 && v != 3)
				assert_fails(u->v, vmmctl_context_set_policy(
				    u->c, v, policy), -EINVAL, "COUNT");
			else
				assert_ok(vmmctl_context_set_policy(u->c, v,
				    policy));
		}
}

static void set_handler(void **state)
{
	struct unit *u = *state;

	assert_fails(u->v, vmmctl_context_set_handler(u->c, 1ull << 47, 0),
	    -EINVAL, "RIP");
	assert_fails(u->v, vmmctl_context_set_handler(u->c, CODE, 1ull << 47),
	    -EINVAL, "stack");
	assert_ok(vmmctl_context_set_handler(u->c, CODE, DATA));
}

static void debug_regs(void **state)
{
	struct unit *u = *state;
	struct vmmctl_debug_regs d = { { DATA, CODE, 0, 0 }, 0x1000d };

	assert_ok(vmmctl_context_set_debug_regs(u->c, &d));
	assert_int_equal(fake.debugs, 1);
	assert_memory_equal(&u->c->debug, &d, sizeof(d));
	for (unsigned i = 0; i < 4; i++) {
		struct vmmctl_debug_regs bad = { .dr7 = 2ull << (2 * i) };
		char name[8];

		snprintf(name, sizeof(name), "DR%u", i);
		bad.addr[i] = FAKE_GVA_LIMIT;
		assert_fails(u->v, vmmctl_context_set_debug_regs(u->c, &bad),
		    -EINVAL, name);
		bad.dr7 = 0;	/* not in use */
		assert_ok(vmmctl_context_set_debug_regs(u->c, &bad));
		bad.addr[i] = 0;
		bad.dr7 = 1ull << (2 * i) | 2ull << (16 + 4 * i);
		assert_fails(u->v, vmmctl_context_set_debug_regs(u->c, &bad),
		    -EINVAL, name);
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		const struct vmmctl_debug_regs bad = { .dr7 = 1ull << bit };

		if ((0xffff07ffull >> bit & 1) == 0)
			assert_fails(u->v, vmmctl_context_set_debug_regs(u->c,
			    &bad), -EINVAL, "DR7");
		else
			assert_ok(vmmctl_context_set_debug_regs(u->c, &bad));
	}
	assert_ok(vmmctl_context_set_debug_regs(u->c, &d));
	fake.debug_error = -EIO;
	assert_fails(u->v, vmmctl_context_set_debug_regs(u->c,
	    &(struct vmmctl_debug_regs){ .dr7 = 1 }), -EIO, "made to fail");
	assert_memory_equal(&u->c->debug, &d, sizeof(d));
}

static void debug_regs_of_none(void **state)
{
	struct vmmctl *v = unit_open("proc");
	const struct vmmctl_debug_regs d = { .dr7 = 0 };
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;

	(void)state;
	assert_ok(vmmctl_machine_create(v, NULL, &m));
	assert_ok(vmmctl_space_create(m, &s));
	assert_ok(vmmctl_context_create(s, &c));
	assert_fails(v, vmmctl_context_set_debug_regs(c, &d), -ENOTSUP,
	    "hardware breakpoints");
	vmmctl_close(v);
}

int main(void)
{
	const struct CMUnitTest context[] = {
		TEST(fresh),
		TEST(sizes),
		TEST(bad_headers),
		TEST(parts),
		TEST(seats),
		TEST(set_space),
		TEST(set_policy),
		TEST(set_handler),
		TEST(debug_regs),
		TEST(debug_regs_of_none),
	};

	return RUN(context);
}
