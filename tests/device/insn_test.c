// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instructions that end in an exit: their length with any prefixes, and
 * that nothing else is taken for one of them.
 */
#include "device.h"

#define LENGTH_0F(second, ...) x86_insn_0f((const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ }), second)
#define LENGTH_1(op, ...) x86_insn_1((const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ }), op)
#define LENGTH_INT(n, ...) x86_insn_int((const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ }), n)

static void syscall_is_two_bytes(void **state)
{
	(void)state;
	assert_int_equal(LENGTH_0F(0x05, 0x0f, 0x05), 2);
	assert_int_equal(LENGTH_0F(0x05, 0x0f, 0x05, 0x90, 0x0f, 0x05), 2);
	assert_int_equal(LENGTH_0F(0xa2, 0x0f, 0xa2), 2);
}

static void syscall_has_prefixes_of_any_kind(void **state)
{
	static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64,
	    0x65, 0x66, 0x67, 0xf2, 0xf3, 0x40, 0x48, 0x4f };
	uint8_t code[16];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(prefixes); i++) {
		for (n = 1; n <= 13; n++) {
			memset(code, prefixes[i], sizeof(code));
			code[n] = 0x0f;
			code[n + 1] = 0x05;
			assert_int_equal(x86_insn_0f(code, n + 2, 0x05),
			    n + 2);
			/* One byte of it has not been read. */
			assert_int_equal(x86_insn_0f(code, n + 1, 0x05), 0);
		}
	}
}

static void no_instruction_is_longer_than_15_bytes(void **state)
{
	uint8_t code[20], vector = 0;

	(void)state;
	memset(code, 0x66, sizeof(code));
	code[14] = 0x0f;
	code[15] = 0x05;
	assert_int_equal(x86_insn_0f(code, sizeof(code), 0x05), 0);
	code[14] = 0xcd;
	assert_int_equal(x86_insn_int(code, sizeof(code), &vector), 0);
	code[14] = 0xcc;
	assert_int_equal(x86_insn_1(code, sizeof(code), 0xcc), 15);
	code[14] = 0x66;
	code[15] = 0xcc;
	assert_int_equal(x86_insn_1(code, sizeof(code), 0xcc), 0);
}

static void lock_makes_it_another(void **state)
{
	uint8_t vector;

	(void)state;
	assert_int_equal(LENGTH_0F(0x05, 0xf0, 0x0f, 0x05), 0);
	assert_int_equal(LENGTH_0F(0x05, 0x66, 0xf0, 0x0f, 0x05), 0);
	assert_int_equal(LENGTH_1(0xcc, 0xf0, 0xcc), 0);
	assert_int_equal(LENGTH_INT(&vector, 0xf0, 0xcd, 0x80), 0);
}

static void others_are_not_taken_for_it(void **state)
{
	uint8_t vector = 0x5a;

	(void)state;
	assert_int_equal(LENGTH_0F(0x05, 0x0f, 0x0b), 0);	/* UD2 */
	assert_int_equal(LENGTH_0F(0x05, 0x0f, 0x34), 0);	/* SYSENTER */
	assert_int_equal(LENGTH_0F(0x05, 0x05, 0x0f), 0);
	assert_int_equal(LENGTH_0F(0x05, 0x0f), 0);
	assert_int_equal(x86_insn_0f((const uint8_t *)"", 0, 0x05), 0);
	assert_int_equal(LENGTH_1(0xcc, 0xcd, 0x03), 0);
	assert_int_equal(LENGTH_1(0xcc, 0x0f, 0xcc), 0);
	assert_int_equal(LENGTH_INT(&vector, 0xcc), 0);
	assert_int_equal(LENGTH_INT(&vector, 0xce), 0);		/* INTO */
	assert_int_equal(LENGTH_INT(&vector, 0xcd), 0);
	assert_int_equal(vector, 0x5a);
	/* VEX: C5 F8 05 is not SYSCALL, and D5 is no prefix here. */
	assert_int_equal(LENGTH_0F(0x05, 0xc5, 0xf8, 0x05), 0);
	assert_int_equal(LENGTH_0F(0x05, 0xd5, 0x0f, 0x05), 0);
}

static void int_n_tells_its_number(void **state)
{
	uint8_t vector = 0;
	unsigned n;

	(void)state;
	for (n = 0; n < 256; n++) {
		assert_int_equal(LENGTH_INT(&vector, 0xcd, (uint8_t)n), 2);
		assert_int_equal(vector, n);
	}
	assert_int_equal(LENGTH_INT(&vector, 0x66, 0x48, 0xcd, 0x03), 4);
	assert_int_equal(vector, 3);
}

static void int3_and_icebp_are_one_byte(void **state)
{
	(void)state;
	assert_int_equal(LENGTH_1(0xcc, 0xcc), 1);
	assert_int_equal(LENGTH_1(0xf1, 0xf1), 1);
	assert_int_equal(LENGTH_1(0xf1, 0x2e, 0xf1), 2);
	assert_int_equal(LENGTH_1(0xcc, 0xf1), 0);
	assert_int_equal(x86_insn_1((const uint8_t *)"", 0, 0xcc), 0);
}

/* No byte after n is read: the sanitizer watches the end of the block. */
static void nothing_is_read_beyond_the_end(void **state)
{
	uint64_t seed = 7;
	unsigned i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		static const uint8_t likely[] = { 0x0f, 0x05, 0xcd, 0xcc,
		    0x66, 0x48, 0xf0, 0xf3 };
		const size_t n = next_random(&seed, 17);
		uint8_t *code = malloc(n == 0 ? 1 : n), vector;
		size_t k;
		unsigned got;

		for (k = 0; k < n; k++)
			code[k] = likely[next_random(&seed, sizeof(likely))];
		got = x86_insn_0f(code, n, 0x05);
		assert_true(got <= n && got <= 15 && got != 1);
		got = x86_insn_1(code, n, 0xcc);
		assert_true(got <= n && got <= 15);
		got = x86_insn_int(code, n, &vector);
		assert_true(got <= n && got <= 15 && got != 1);
		free(code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syscall_is_two_bytes),
		cmocka_unit_test(syscall_has_prefixes_of_any_kind),
		cmocka_unit_test(no_instruction_is_longer_than_15_bytes),
		cmocka_unit_test(lock_makes_it_another),
		cmocka_unit_test(others_are_not_taken_for_it),
		cmocka_unit_test(int_n_tells_its_number),
		cmocka_unit_test(int3_and_icebp_are_one_byte),
		cmocka_unit_test(nothing_is_read_beyond_the_end),
	};

	return RUN(tests);
}
