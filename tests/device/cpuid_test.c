// SPDX-License-Identifier: BSD-2-Clause
/*
 * What CPUID tells a guest user: the machine's table where it has the leaf,
 * else the processor's answer less what no guest user has.
 */
#include "device.h"

static const struct vmm_cpuid_limits limits = { .xcr0 = FAKE_XCR0,
    .xsave_size = FAKE_XSAVE,
    .fsgsbase = true };

enum { A, B, C, D };

static void apply(const struct vmm_cpuid_entry *table, uint32_t n,
    uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	uint32_t i;

	for (i = 0; i < 4; i++)
		out[i] = ~0u;
	vmm_cpuid_apply(table, n, &limits, leaf, sub, out);
}

static void gone(uint32_t leaf, uint32_t sub, int reg, unsigned bit)
{
	uint32_t out[4];

	apply(NULL, 0, leaf, sub, out);
	if ((out[reg] >> bit & 1) != 0)
		fail_msg("leaf %#x.%u register %d bit %u is told", leaf, sub,
		    reg, bit);
}

static void there(uint32_t leaf, uint32_t sub, int reg, unsigned bit)
{
	uint32_t out[4];

	apply(NULL, 0, leaf, sub, out);
	if ((out[reg] >> bit & 1) == 0)
		fail_msg("leaf %#x.%u register %d bit %u is not told", leaf,
		    sub, reg, bit);
}

static void what_a_guest_user_has_not_is_not_told(void **state)
{
	(void)state;
	gone(1, 0, C, 3);		/* MONITOR */
	gone(1, 0, C, 5);		/* VMX */
	gone(1, 0, C, 6);		/* SMX */
	gone(7, 0, B, 2);		/* SGX */
	gone(7, 0, C, 4);		/* OSPKE */
	gone(7, 0, C, 5);		/* WAITPKG */
	gone(7, 0, C, 7);		/* CET_SS */
	gone(7, 0, D, 20);		/* CET_IBT */
	gone(7, 0, D, 22);		/* AMX */
	gone(7, 0, D, 24);
	gone(7, 0, D, 25);
	gone(0x80000001, 0, C, 2);	/* SVM */
	gone(0x80000001, 0, C, 12);	/* SKINIT */
	gone(0x80000001, 0, C, 29);	/* MONITORX */
	gone(0x80000008, 0, B, 4);	/* RDPRU */
}

static void what_it_has_is_told(void **state)
{
	(void)state;
	there(1, 0, C, 0);		/* SSE3 */
	there(1, 0, C, 27);		/* OSXSAVE */
	there(1, 0, C, 28);		/* AVX */
	there(1, 0, D, 26);		/* SSE2 */
	there(7, 0, B, 0);		/* FSGSBASE */
	there(7, 0, B, 5);		/* AVX2 */
	there(0x80000001, 0, D, 11);	/* SYSCALL */
	there(0x80000001, 0, D, 27);	/* RDTSCP */
}

static void osxsave_is_told_whatever_the_host_says(void **state)
{
	uint32_t out[4] = { 0, 0, 0, 0 };

	(void)state;
	vmm_cpuid_apply(NULL, 0, &limits, 1, 0, out);
	assert_int_equal(out[C], 1u << 27);
}

static void fsgsbase_is_told_where_it_is_on(void **state)
{
	const struct vmm_cpuid_limits none = { .xcr0 = FAKE_XCR0 };
	uint32_t out[4] = { ~0u, ~0u, ~0u, ~0u };

	(void)state;
	vmm_cpuid_apply(NULL, 0, &none, 7, 0, out);
	assert_int_equal(out[B] & 1, 0);
}

static void extended_state_is_that_of_contexts(void **state)
{
	uint32_t out[4], sub;

	(void)state;
	apply(NULL, 0, 0xd, 0, out);
	assert_int_equal(out[A], FAKE_XCR0);
	assert_int_equal(out[B], FAKE_XSAVE);
	assert_int_equal(out[C], FAKE_XSAVE);
	assert_int_equal(out[D], 0);
	apply(NULL, 0, 0xd, 1, out);
	assert_int_equal(out[C] | out[D], 0);	/* IA32_XSS */
	assert_int_equal(out[A] >> 3 & 1, 0);	/* XSAVES */
	for (sub = 2; sub < 70; sub++) {
		apply(NULL, 0, 0xd, sub, out);
		if (sub == 2)
			assert_int_equal(out[A], ~0u);
		else
			assert_int_equal(out[A] | out[B] | out[C] | out[D],
			    0);
	}
	apply(NULL, 0, 0xd, ~0u, out);
	assert_int_equal(out[A] | out[B] | out[C] | out[D], 0);
}

static void leaves_of_what_it_has_not_are_empty(void **state)
{
	static const uint32_t leaves[] = { 5, 0x12, 0x1d, 0x1e, 0x8000000a,
	    0x8000001f };
	uint32_t out[4];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		apply(NULL, 0, leaves[i], 0, out);
		assert_int_equal(out[A] | out[B] | out[C] | out[D], 0);
	}
}

static void a_table_has_the_last_word(void **state)
{
	const struct vmm_cpuid_entry t[] = {
		{ .leaf = 1, .ecx = 1u << 3 | 1u << 5 },
		{ .leaf = 7, .subleaf = 1, .flags = VMM_CPUID_SUBLEAF,
		  .eax = 11 },
		{ .leaf = 7, .subleaf = 1, .flags = VMM_CPUID_SUBLEAF,
		  .eax = 12 },
		{ .leaf = 0x40000000, .subleaf = 9, .ebx = 13 },
	};
	uint32_t out[4];

	(void)state;
	apply(t, 4, 1, 99, out);
	assert_int_equal(out[C], 1u << 3 | 1u << 5);
	assert_int_equal(out[A] | out[B] | out[D], 0);
	apply(t, 4, 7, 1, out);
	assert_int_equal(out[A], 11);		/* the first one */
	apply(t, 4, 7, 0, out);
	assert_int_equal(out[A], ~0u);		/* the processor's */
	apply(t, 4, 0x40000000, 1234, out);
	assert_int_equal(out[B], 13);
	apply(t, 0, 0x40000000, 1234, out);
	assert_int_equal(out[B], ~0u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_guest_user_has_not_is_not_told),
		cmocka_unit_test(what_it_has_is_told),
		cmocka_unit_test(osxsave_is_told_whatever_the_host_says),
		cmocka_unit_test(fsgsbase_is_told_where_it_is_on),
		cmocka_unit_test(extended_state_is_that_of_contexts),
		cmocka_unit_test(leaves_of_what_it_has_not_are_empty),
		cmocka_unit_test(a_table_has_the_last_word),
	};

	return RUN(tests);
}
