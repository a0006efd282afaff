// SPDX-License-Identifier: BSD-2-Clause
/*
 * Brief exits: the registers that pass arguments are there, the others can be
 * fetched, and the guest goes on with its own and with what the caller stores.
 * A backend that is never brief passes by the same tests.
 */
#include "named.h"

#include <string.h>

GUEST(b_calls);
GUEST_MARKED(b_calls, first);
GUEST_MARKED(b_calls, second);
GUEST(b_hidden);
GUEST_MARKED(b_hidden, call);
GUEST(b_base);
GUEST(t_nop);

static void arguments_are_there(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	for (unsigned i = 0; i < 20; i++) {
		uint64_t rip = CODE + (i % 2 ? MARK(b_calls, second) :
		    MARK(b_calls, first));

		call(r);
		assert_int_equal(r->regs->rax, NAMED);
		assert_int_equal(r->regs->rdi, want.rdi);
		assert_int_equal(r->regs->rsi, want.rsi);
		assert_int_equal(r->regs->rdx, want.rdx);
		assert_int_equal(r->regs->r10, want.r10);
		assert_int_equal(r->regs->r8, want.r8);
		assert_int_equal(r->regs->r9, want.r9);
		assert_int_equal(r->regs->rcx, rip);
		assert_int_equal(r->regs->rip, rip);
		fetch(r);
		after_call(&want, rip);
		expect_regs(r, &want);
		/* Once more does nothing. */
		fetch(r);
		expect_regs(r, &want);
	}
	told(r);
	rig_untraced(r);
}

static void only_the_calls_that_are_named(void **state)
{
	static const uint64_t numbers[] = { UNNAMED, 0, 1, 63, 64, 103, 167,
	    511, 512, 0x40000027, 0x8000000000000000 };
	struct rig *r = *state;

	remake(r);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		load(r, BLOB(b_calls));
		r->regs->rax = numbers[i];
		call(r);
		assert_int_equal(briefs, 0);
		assert_int_equal(r->regs->rax, numbers[i]);
		assert_int_equal(r->regs->r11, RFLAGS);
	}
	rig_untraced(r);
}

/* What it did not show is the guest's, when only the result is stored. */
static void the_guest_keeps_its_own(void **state)
{
	struct rig *r = *state;
	uint64_t seen[7];

	remake(r);
	for (unsigned way = 0; way < 2; way++) {
		load(r, BLOB(b_hidden));
		r->regs->rsi = DATA;
		call(r);
		if (way == 1)
			fetch(r);
		r->regs->rax = 0x12345678abcdef;
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		memcpy(seen, rig_gpa(r, DATA_GPA), sizeof(seen));
		assert_int_equal(seen[0], 0x1111222233334444);
		assert_int_equal(seen[1], 0x5555666677778888);
		assert_int_equal(seen[2], RFLAGS | DF | CF);
		assert_int_equal(seen[3], 0x1111222233334444);
		assert_int_equal(seen[4], 0x12345678abcdef);
		assert_int_equal(seen[5], RSP);
		assert_int_equal(seen[6], CODE + MARK(b_hidden, call));
		assert_int_equal(r->regs->rbx, 0x1111222233334444);
	}
	told(r);
}

/* What the caller stores counts, fetched or not. */
static void the_callers_changes_count(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t *gpr = &r->regs->rax;

		load(r, BLOB(b_calls));
		call(r);
		if (i >= 16) {
			/* All of them, without a look. */
			rig_regs(r->regs);
			r->regs->rax = UNNAMED;
			r->regs->rip = CODE + MARK(b_calls, first);
			r->regs->rflags |= CF;
			want = *r->regs;
		} else {
			fetch(r);
			want = *r->regs;
			gpr[i] = (&want.rax)[i] = UNNAMED;
			r->regs->rax = want.rax = UNNAMED;
		}
		rig_run(r);
		expect_syscall(r);
		after_call(&want, CODE + MARK(b_calls, second));
		expect_regs(r, &want);
	}
	told(r);
}

static void a_change_before_the_fetch_stays(void **state)
{
	struct rig *r = *state;

	remake(r);
	load(r, BLOB(b_calls));
	call(r);
	r->regs->rax = 77;
	r->regs->rdi = 88;
	fetch(r);
	assert_int_equal(r->regs->rax, 77);
	assert_int_equal(r->regs->rdi, 88);
	assert_int_equal(r->regs->rsp, RSP);
	assert_int_equal(r->regs->r11, RFLAGS);
	r->regs->rax = UNNAMED;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rdi, 88);
}

static void bases_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	uint64_t value = 0x7766554433221100;

	rig_need(r, VMMCTL_CAP_FSGSBASE, "FSGSBASE");
	remake(r);
	for (unsigned way = 0; way < 3; way++) {
		load(r, BLOB(b_base));
		r->regs->rbx = DATA + 0x100;
		memcpy(rig_gpa(r, DATA_GPA + 0x108), &value, 8);
		memset(rig_gpa(r, DATA_GPA + 0x208), 0x19, 8);
		call(r);
		if (way > 0) {
			fetch(r);
			assert_int_equal(r->regs->fs_base, DATA + 0x100);
			assert_int_equal(r->regs->gs_base, DATA + 0x9000);
		}
		if (way == 2)
			r->regs->fs_base = DATA + 0x200;
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		assert_int_equal(r->regs->r12, way == 2 ?
		    0x1919191919191919 : value);
		assert_int_equal(r->regs->r13, DATA + 0x9000);
	}
}

static void extended_state_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	uint8_t x[576];
	uint64_t seen[7];

	remake(r);
	load(r, BLOB(b_hidden));
	r->regs->rsi = DATA;
	call(r);
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, sizeof(x)), 0);
	assert_memory_equal(x + 160 + 5 * 16, &(uint64_t){
	    0x1111222233334444 }, 8);
	memset(x + 160 + 5 * 16, 0x3c, 8);
	expect_rc(r, vmmctl_context_set_xsave(r->c, x, sizeof(x)), 0);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
	memcpy(seen, rig_gpa(r, DATA_GPA), sizeof(seen));
	assert_int_equal(seen[0], 0x1111222233334444);
	assert_int_equal(seen[2], RFLAGS | DF | CF);
	assert_int_equal(seen[3], 0x3c3c3c3c3c3c3c3c);
}

static void nothing_to_fetch(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	want = *r->regs;
	fetch(r);
	expect_regs(r, &want);
	load(r, BLOB(t_nop));
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	rig_run(r);
	want = *r->regs;
	fetch(r);
	expect_regs(r, &want);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(arguments_are_there),
		TEST(only_the_calls_that_are_named),
		TEST(the_guest_keeps_its_own),
		TEST(the_callers_changes_count),
		TEST(a_change_before_the_fetch_stays),
		TEST(bases_after_a_brief_exit),
		TEST(extended_state_after_a_brief_exit),
		TEST(nothing_to_fetch),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
