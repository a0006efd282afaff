// SPDX-License-Identifier: BSD-2-Clause
/*
 * Code that changes: by itself, through a second mapping, by the owner.
 */
#include "harness.h"

#include <string.h>

GUEST(s_modify);

#define SUM	(200u * 201u / 2)

static void code_modifies_itself(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_modify));
	expect_rc(r, vmmctl_space_protect(r->s, CODE, REGION,
	    VMMCTL_PROT_RWX), 0);
	r->regs->rbx = 0;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, SUM);
}

static void code_is_modified_through_an_alias(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_modify));
	rig_map(r, SPARE, CODE_GPA, VMMCTL_PROT_RW);
	r->regs->rbx = SPARE - CODE;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, SUM);
}

static void code_may_not_modify_itself_read_only(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_modify));
	r->regs->rbx = 0;
	rig_snapshot(r);
	rig_run(r);
	assert_int_equal(r->x.kind, VMMCTL_EXIT_FAULT);
	expect_fault(r, r->x.addr, VMMCTL_PROT_WRITE, 1);
	assert_int_equal(r->x.addr & ~(PAGE - 1), CODE);
	expect_same_memory(r);
}

static void code_modifies_itself_in_steps(void **state)
{
	struct rig *r = *state;
	unsigned steps = 0;

	rig_load(r, BLOB(s_modify));
	rig_map(r, SPARE, CODE_GPA, VMMCTL_PROT_RW);
	r->regs->rbx = SPARE - CODE;
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	for (;;) {
		rig_run(r);
		if (r->x.kind != VMMCTL_EXIT_DEBUG)
			break;
		steps++;
	}
	expect_syscall(r);
	assert_int_equal(r->regs->rax, SUM);
	/* Four before the loop, five in it, and the loop goes round. */
	assert_int_equal(steps, 4 + 5 * 200);
}

static void owner_modifies_code(void **state)
{
	struct rig *r = *state;
	uint8_t code[] = { 0xb8, 0, 0, 0, 0, 0x0f, 0x05 };  /* mov $n, %eax */

	for (uint8_t i = 0; i < 100; i++) {
		code[1] = i;
		rig_regs(r->regs);
		if (i % 2 == 0)
			memcpy(rig_gpa(r, CODE_GPA), code, sizeof(code));
		else
			expect_rc(r, vmmctl_memory_write(r->m, CODE_GPA, code,
			    sizeof(code)), sizeof(code));
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, i);
	}
}

/* The same address shows other code as soon as it is mapped. */
static void code_is_mapped_over(void **state)
{
	struct rig *r = *state;
	uint8_t code[] = { 0xb8, 0, 0, 0, 0, 0x0f, 0x05 };

	for (uint8_t i = 0; i < 16; i++) {
		code[1] = i;
		memcpy(rig_gpa(r, FREE_GPA + i * PAGE), code, sizeof(code));
	}
	for (uint8_t i = 0; i < 64; i++) {
		rig_map(r, SPARE, FREE_GPA + (i % 16) * PAGE, VMMCTL_PROT_RX);
		rig_regs(r->regs);
		r->regs->rip = SPARE;
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, i % 16);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(code_modifies_itself),
		TEST(code_is_modified_through_an_alias),
		TEST(code_may_not_modify_itself_read_only),
		TEST(code_modifies_itself_in_steps),
		TEST(owner_modifies_code),
		TEST(code_is_mapped_over),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
