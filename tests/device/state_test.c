// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which state of a guest user is let through to the processor: DR7, the header
 * of an XSAVE area and MXCSR, canonical addresses, error codes.
 */
#include "device.h"

static void dr7_has_no_general_detect_and_no_reserved_bit(void **state)
{
	unsigned bit;

	(void)state;
	assert_true(x86_dr7_valid(0));
	assert_true(x86_dr7_valid(VMM_X86_DR7_FIXED));
	assert_true(x86_dr7_valid(0x7ff));
	for (bit = 0; bit < 64; bit++) {
		/* L0 ... G3, LE, GE and the bit that is always 1; R/W, LEN. */
		const bool good = bit <= 10 || (bit >= 16 && bit < 32 &&
		    (bit - 16) % 4 != 1);

		assert_int_equal(x86_dr7_valid(1ull << bit), good);
	}
}

static void dr7_watches_no_ports(void **state)
{
	unsigned i, rw;

	(void)state;
	for (i = 0; i < 4; i++) {
		for (rw = 0; rw < 4; rw++)
			assert_int_equal(x86_dr7_valid((uint64_t)rw <<
			    (16 + 4 * i)), rw != 2);
	}
}

#define SIZE	832u
#define XCR0	7u
#define MASK	0xffffu

static uint8_t *area(void)
{
	uint8_t *a = malloc(SIZE);

	assert_non_null(a);
	memset(a, 0xee, SIZE);
	x86_xsave_init(a, SIZE);
	return a;
}

static void init_is_the_state_after_reset(void **state)
{
	uint8_t *a = area();
	unsigned i;

	(void)state;
	assert_true(x86_xsave_valid(a, SIZE, XCR0, MASK));
	assert_int_equal(a[0] | a[1] << 8, 0x37f);
	assert_int_equal(a[24] | a[25] << 8, 0x1f80);
	for (i = 2; i < SIZE; i++) {
		if (i != 24 && i != 25)
			assert_int_equal(a[i], 0);
	}
	free(a);
}

static void header_has_only_components_that_there_are(void **state)
{
	uint8_t *a = area();
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		const uint64_t bv = 1ull << bit;

		memcpy(a + 512, &bv, 8);
		assert_int_equal(x86_xsave_valid(a, SIZE, XCR0, MASK),
		    bit < 3);
	}
	free(a);
}

static void header_is_zero_after_its_first_field(void **state)
{
	uint8_t *a = area();
	unsigned i;

	(void)state;
	/* XCOMP_BV (13.8.1: standard form), and what is reserved. */
	for (i = 520; i < 576; i++) {
		a[i] = 1;
		assert_false(x86_xsave_valid(a, SIZE, XCR0, MASK));
		a[i] = 0x80;
		assert_false(x86_xsave_valid(a, SIZE, XCR0, MASK));
		a[i] = 0;
		assert_true(x86_xsave_valid(a, SIZE, XCR0, MASK));
	}
	free(a);
}

static void mxcsr_has_no_reserved_bit(void **state)
{
	uint8_t *a = area();
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 32; bit++) {
		const uint32_t mxcsr = 1u << bit;

		memcpy(a + 24, &mxcsr, 4);
		assert_int_equal(x86_xsave_valid(a, SIZE, XCR0, MASK),
		    bit < 16);
		/* Whatever the header says of SSE. */
		assert_int_equal(x86_xsave_valid(a, SIZE, XCR0, 0xffbf),
		    bit < 16 && bit != 6);
	}
	free(a);
}

static void area_without_a_header_is_none(void **state)
{
	uint8_t *a = area();
	uint32_t size;

	(void)state;
	for (size = 0; size < 576; size += 64)
		assert_false(x86_xsave_valid(a, size, XCR0, MASK));
	assert_true(x86_xsave_valid(a, 576, XCR0, MASK));
	free(a);
}

static void canonical_addresses_have_47_bits_and_a_sign(void **state)
{
	(void)state;
	assert_true(x86_canonical(0));
	assert_true(x86_canonical(0x00007fffffffffff));
	assert_false(x86_canonical(0x0000800000000000));
	assert_false(x86_canonical(0xffff7fffffffffff));
	assert_true(x86_canonical(0xffff800000000000));
	assert_true(x86_canonical(~0ull));
	assert_false(x86_canonical(1ull << 63));
}

static void error_codes_are_as_the_manuals_have_them(void **state)
{
	unsigned v;

	(void)state;
	for (v = 0; v < 32; v++) {
		const bool has = v == 8 || (v >= 10 && v <= 14) || v == 17 ||
		    v == 21 || v == 29 || v == 30;

		assert_int_equal(x86_has_error_code(v), has);
	}
	assert_false(x86_has_error_code(32));
	assert_false(x86_has_error_code(~0u));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dr7_has_no_general_detect_and_no_reserved_bit),
		cmocka_unit_test(dr7_watches_no_ports),
		cmocka_unit_test(init_is_the_state_after_reset),
		cmocka_unit_test(header_has_only_components_that_there_are),
		cmocka_unit_test(header_is_zero_after_its_first_field),
		cmocka_unit_test(mxcsr_has_no_reserved_bit),
		cmocka_unit_test(area_without_a_header_is_none),
		cmocka_unit_test(canonical_addresses_have_47_bits_and_a_sign),
		cmocka_unit_test(error_codes_are_as_the_manuals_have_them),
	};

	return RUN(tests);
}
