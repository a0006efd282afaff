// SPDX-License-Identifier: BSD-2-Clause
/*
 * INT n, INT3 and ICEBP, in each way in which processors tell them: as what
 * they are, or as #GP by the empty IDT; and #GP that is none of them.
 */
#include "exits.h"
#include "svm_impl.h"

static void int_n_is_told(void **state)
{
	struct device *d = *state;

	CODE_SET(0xcd, 0x80);
	guest_at(CODE);
	softint(d);
	RUN_TO(d, VMM_EXIT_SOFTINT);
	assert_int_equal(d->exit->vector, 0x80);
	assert_int_equal(d->page->regs.rip, CODE + 2);
	CODE_SET(0xcd, 0x03);			/* INT 3, not INT3 */
	d->page->regs.rip = CODE;
	guest_at(CODE);
	softint(d);
	RUN_TO(d, VMM_EXIT_SOFTINT);
	assert_int_equal(d->exit->vector, 3);
	assert_int_equal(d->page->regs.rip, CODE + 2);
}

static void int_n_by_the_empty_idt_is_told(void **state)
{
	struct device *d = *state;

	CODE_SET(0xcd, 0x80);
	guest_at(CODE);
	guest_exception(d, VMM_X86_GP, 0x80 * 8 + 2, 0);
	RUN_TO(d, VMM_EXIT_SOFTINT);
	assert_int_equal(d->exit->vector, 0x80);
	assert_int_equal(d->page->regs.rip, CODE + 2);
}

static void gp_of_an_external_event_is_no_int_n(void **state)
{
	struct device *d = *state;

	CODE_SET(0xcd, 0x80);
	guest_at(CODE);
	guest_exception(d, VMM_X86_GP, 0x80 * 8 + 3, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_GP);
	assert_int_equal(d->exit->error_code, 0x403);
	assert_int_equal(d->exit->valid, VMM_VALID_ERROR_CODE);
	assert_int_equal(d->page->regs.rip, CODE);
}

static void gp_is_told_with_its_code(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x01);
	guest_at(CODE);
	guest_exception(d, VMM_X86_GP, 0x18, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->error_code, 0x18);
}

static void int_n_may_have_prefixes(void **state)
{
	struct device *d = *state;

	CODE_SET(0x66, 0xcd, 0x21);
	guest_at(CODE);
	softint(d);
	RUN_TO(d, VMM_EXIT_SOFTINT);
	assert_int_equal(d->exit->vector, 0x21);
	assert_int_equal(d->page->regs.rip, CODE + 3);
	d->page->regs.rip = CODE;
	guest_exception(d, VMM_X86_GP, 0x21 * 8 + 2, 0);
	RUN_TO(d, VMM_EXIT_SOFTINT);
	assert_int_equal(d->page->regs.rip, CODE + 3);
	/* #GP with such a code that no INT n has made. */
	CODE_SET(0x66, 0x90, 0x90);
	d->page->regs.rip = CODE;
	guest_exception(d, VMM_X86_GP, 0x21 * 8 + 2, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->error_code, 0x10a);
}

static void int3_may_have_prefixes(void **state)
{
	struct device *d = *state;
	unsigned way;

	CODE_SET(0x2e, 0xcc);
	for (way = 0; way < 3; way++) {
		d->page->regs.rip = CODE;
		guest_at(CODE);
		if (way == 0)
			guest_exception(d, VMM_X86_BP, 0, 0);
		else if (way == 1)
			guest_exception(d, VMM_X86_GP, 3 * 8 + 2, 0);
		else
			softint(d);
		RUN_TO(d, VMM_EXIT_EXCEPTION);
		assert_int_equal(d->exit->vector, VMM_X86_BP);
		assert_int_equal(d->page->regs.rip, CODE + 2);
	}
}

/* What was told of it has been overwritten since. */
static void what_is_told_and_not_found_is_done_again(void **state)
{
	struct device *d = *state;

	CODE_SET(0x90, 0x0f, 0x05);
	guest_at(CODE);
	softint(d);
	leave(d, VMM_CAUSE_ICEBP, SVM_EXIT_ICEBP);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	guest_exception(d, VMM_X86_BP, 0, 0);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rip, CODE);
	assert_int_equal(d->v->stats->refetches, 4);
}

/* As the processor tells it, by the empty IDT, and as a software interrupt of
 * no number. */
static void int3_is_told_in_three_ways(void **state)
{
	struct device *d = *state;
	unsigned way;

	CODE_SET(0xcc);
	for (way = 0; way < 3; way++) {
		d->page->regs.rip = CODE;
		guest_at(CODE);
		if (way == 0)
			guest_exception(d, VMM_X86_BP, 0, 0);
		else if (way == 1)
			guest_exception(d, VMM_X86_GP, 3 * 8 + 2, 0);
		else
			softint(d);
		RUN_TO(d, VMM_EXIT_EXCEPTION);
		assert_int_equal(d->exit->vector, VMM_X86_BP);
		assert_int_equal(d->exit->valid, 0);
		assert_int_equal(d->page->regs.rip, CODE + 1);
	}
}

static void icebp_is_a_debug_exception_with_no_cause(void **state)
{
	struct device *d = *state;

	CODE_SET(0xf1);
	guest_at(CODE);
	leave(d, VMM_CAUSE_ICEBP, SVM_EXIT_ICEBP);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_DB);
	assert_int_equal(d->exit->dr6, 0);
	assert_true((d->exit->valid & VMM_VALID_DR6) != 0);
	assert_int_equal(d->page->regs.rip, CODE + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(int_n_is_told),
		BOTH(int_n_by_the_empty_idt_is_told),
		BOTH(gp_of_an_external_event_is_no_int_n),
		BOTH(gp_is_told_with_its_code),
		BOTH(int_n_may_have_prefixes),
		BOTH(int3_may_have_prefixes),
		BOTH(what_is_told_and_not_found_is_done_again),
		BOTH(int3_is_told_in_three_ways),
		BOTH(icebp_is_a_debug_exception_with_no_cause),
	};

	return RUN(tests);
}
