// SPDX-License-Identifier: BSD-2-Clause
/*
 * The other exceptions: vector, error code, address and instruction bytes as
 * the owner sees them, and those that stand for what a guest user has not.
 */
#include "exits.h"
#include "svm_impl.h"

static void every_exception_is_told_as_it_is(void **state)
{
	struct device *d = *state;
	uint32_t v;

	for (v = 0; v < 32; v++) {
		uint32_t valid = 0;

		if (v == VMM_X86_DB || v == VMM_X86_BP || v == VMM_X86_UD ||
		    v == VMM_X86_PF || v == VMM_X86_NMI || v == VMM_X86_MC)
			continue;
		guest_at(CODE);
		guest_exception(d, v, 0x120, 0);
		RUN_TO(d, VMM_EXIT_EXCEPTION);
		if (x86_has_error_code(v)) {
			valid |= VMM_VALID_ERROR_CODE;
			assert_int_equal(d->exit->error_code, 0x120);
		}
		assert_int_equal(d->exit->vector, v);
		assert_int_equal(d->exit->valid, valid);
		assert_int_equal(d->page->regs.rip, CODE);
		assert_int_equal(d->page->regs.rflags, 0x202);
	}
}

static void page_faults_are_told_with_their_address(void **state)
{
	struct device *d = *state;

	guest_at(CODE);
	guest_exception(d, VMM_X86_PF, 6, 0xffff800000001234);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_PF);
	assert_int_equal(d->exit->error_code, 6);
	assert_int_equal(d->exit->address, 0xffff800000001234);
	assert_int_equal(d->exit->valid, VMM_VALID_ERROR_CODE |
	    VMM_VALID_ADDRESS);
}

/* By the guest's own table, as a processor finds it. */
static void page_faults_are_those_of_the_guests_table(void **state)
{
	struct device *d = *state;

	fake_touch_va(CODE, VMM_PROT_WRITE, NULL, 1);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_PF);
	assert_int_equal(d->exit->error_code, 7);
	assert_int_equal(d->exit->address, CODE);
	fake_touch_va(DATA + 7 * PAGE, VMM_PROT_READ, NULL, 1);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->error_code, 4);
}

static void instruction_bytes_come_when_wanted(void **state)
{
	struct device *d = *state;

	CODE_SET(0xf7, 0xf1, 0xc3);
	d->page->wanted = VMM_WANT_INSN;
	guest_at(CODE);
	guest_exception(d, VMM_X86_DE, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->valid, VMM_VALID_INSN);
	assert_int_equal(d->exit->insn_bytes, 15);
	assert_memory_equal(d->exit->insn, "\xf7\xf1\xc3\x90", 4);
	/* Not with a page fault, and not unasked. */
	guest_exception(d, VMM_X86_PF, 4, 0x1234);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->valid & VMM_VALID_INSN, 0);
	assert_int_equal(d->exit->insn_bytes, 0);
	d->page->wanted = 0;
	guest_exception(d, VMM_X86_DE, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->valid, 0);
	assert_int_equal(d->exit->insn_bytes, 0);
}

static void instruction_bytes_end_where_code_does(void **state)
{
	struct device *d = *state;
	uint8_t zeros[15] = { 0 };

	d->page->wanted = VMM_WANT_INSN;
	d->page->regs.rip = CODE + 2 * PAGE - 4;
	guest_at(CODE + 2 * PAGE - 4);
	guest_exception(d, VMM_X86_DE, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->insn_bytes, 4);
	assert_memory_equal(d->exit->insn + 4, zeros, 11);
	assert_int_equal(d->exit->valid, VMM_VALID_INSN);
}

static void what_a_guest_user_has_not_is_ud_or_gp(void **state)
{
	struct device *d = *state;

	guest_at(CODE);
	leave(d, VMM_CAUSE_UNDEFINED, SVM_EXIT_VMMCALL);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_UD);
	leave(d, VMM_CAUSE_PRIVILEGED, SVM_EXIT_RDPMC);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_GP);
	assert_int_equal(d->exit->error_code, 0);
	assert_int_equal(d->exit->valid, VMM_VALID_ERROR_CODE);
	assert_int_equal(d->page->regs.rip, CODE);
}

static void to_the_end(struct vmm_regs *regs, struct vmm_state *s)
{
	(void)regs;
	s->rip = 1ull << 47;
}

/* The last instruction of the lower half: what follows is no address. */
static void after_the_last_address_comes_gp(void **state)
{
	struct device *d = *state;
	const uint64_t last = 0x7ffffffff000, cpuid = 0xa20f;
	const uint64_t path[][2] = { { ROOT_GPA + 255 * 8, 0x18007 },
	    { 0x18000 + 511 * 8, 0x19007 }, { 0x19000 + 511 * 8, 0x1a007 },
	    { 0x1a000 + 511 * 8, CODE_GPA | 5 } };
	size_t i;

	for (i = 0; i < 4; i++)
		assert_true(fake_write(MEMORY + path[i][0], &path[i][1], 8));
	assert_true(fake_write(MEMORY + CODE_GPA + PAGE - 2, &cpuid, 2));
	d->page->regs.rip = last + PAGE - 2;
	guest_at(last);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_GP);
	assert_int_equal(d->exit->error_code, 0);
	assert_int_equal(d->page->regs.rip, 1ull << 47);
	/* A step there that only counts. */
	policy(d, VMM_X86_DB, VMM_POLICY_COUNT);
	d->page->regs.rip = last;
	d->page->regs.rflags = 0x302;
	fake_change(to_the_end);
	debug(d, 0x4000);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_GP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(every_exception_is_told_as_it_is),
		BOTH(page_faults_are_told_with_their_address),
		BOTH(page_faults_are_those_of_the_guests_table),
		BOTH(instruction_bytes_come_when_wanted),
		BOTH(instruction_bytes_end_where_code_does),
		BOTH(what_a_guest_user_has_not_is_ud_or_gp),
		BOTH(after_the_last_address_comes_gp),
	};

	return RUN(tests);
}
