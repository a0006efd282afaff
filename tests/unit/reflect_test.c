// SPDX-License-Identifier: BSD-2-Clause
/* Handing an exception to the guest's own handler. */
#include "unit.h"

static const struct vmmctl_exit fault = {
	.kind = VMMCTL_EXIT_FAULT, .vector = VEC_PF, .error_code = 6,
	.addr = 0x1234,
};

static void needs_a_handler(void **state)
{
	struct unit *u = *state;
	struct vmmctl_regs before = *u->r;

	assert_false(reflect(u->c, &fault));
	assert_memory_equal(u->r, &before, sizeof(before));
}

static void expect_frame(struct unit *u, uint64_t sp,
    const struct vmmctl_regs *before)
{
	struct vmmctl_frame f;

	assert_int_equal(u->r->rip, CODE + 0x40);
	assert_int_equal(u->r->rsp, sp);
	assert_int_equal(u->r->rflags, 0x202);
	memcpy(&f, unit_at(u, DATA_GPA + sp - DATA), sizeof(f));
	assert_int_equal(f.vector, VEC_PF);
	assert_int_equal(f.error_code, 6);
	assert_int_equal(f.cr2, 0x1234);
	assert_int_equal(f.rip, before->rip);
	assert_int_equal(f.rflags, before->rflags);
	assert_int_equal(f.rsp, before->rsp);
}

static void on_a_stack_of_its_own(void **state)
{
	struct unit *u = *state;
	struct vmmctl_regs before;

	assert_ok(vmmctl_context_set_handler(u->c, CODE + 0x40, DATA + 0x100));
	u->r->rflags = 0x202 | RFLAGS_TF | 1u << 10 | 1u << 18;
	u->r->rax = 7;
	before = *u->r;
	assert_true(reflect(u->c, &fault));
	expect_frame(u, DATA + 0x100, &before);
	assert_int_equal(u->r->rax, 7);
}

static void below_the_red_zone(void **state)
{
	struct unit *u = *state;

	assert_ok(vmmctl_context_set_handler(u->c, CODE + 0x40, 0));
	for (uint64_t i = 0; i < 32; i++) {
		struct vmmctl_regs before;
		uint64_t sp;

		u->r->rip = CODE;
		u->r->rsp = DATA + 0x800 - i;
		u->r->rflags = 0x202;
		before = *u->r;
		assert_true(reflect(u->c, &fault));
		sp = u->r->rsp;
		assert_int_equal(sp % 16, 0);
		assert_true(sp + sizeof(struct vmmctl_frame) <=
		    before.rsp - 128);
		assert_true(sp + sizeof(struct vmmctl_frame) + 16 >
		    before.rsp - 128);
		expect_frame(u, sp, &before);
	}
}

static void the_frame_cannot_be_stored(void **state)
{
	static const uint64_t bad[] = {
		ONLY + 0x100, VOID + 0x100, 0x1000, CODE + 0x100,
		DATA + DATA_LEN - 8, DATA - 8, 0xffffffffffffff00ull,
	};
	struct unit *u = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vmmctl_regs before = *u->r;

		assert_ok(vmmctl_context_set_handler(u->c, CODE, bad[i]));
		assert_false(reflect(u->c, &fault));
		assert_memory_equal(u->r, &before, sizeof(before));
	}
	/* A stack pointer that wraps. */
	assert_ok(vmmctl_context_set_handler(u->c, CODE, 0));
	u->r->rsp = 8;
	assert_false(reflect(u->c, &fault));
	assert_int_equal(u->r->rsp, 8);
}

int main(void)
{
	const struct CMUnitTest reflect_tests[] = {
		TEST(needs_a_handler),
		TEST(on_a_stack_of_its_own),
		TEST(below_the_red_zone),
		TEST(the_frame_cannot_be_stored),
	};

	return RUN(reflect_tests);
}
