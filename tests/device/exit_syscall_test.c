// SPDX-License-Identifier: BSD-2-Clause
/*
 * SYSCALL, which a processor tells as #UD: it is looked up in the guest's code,
 * and done again where that cannot be read or may be another's by now.
 */
#include "exits.h"

static void syscall_is_told(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x05);
	d->page->regs.rflags = 0x10ad7;		/* RF, and flags of all kinds */
	d->page->regs.rcx = 1;
	d->page->regs.rax = 39;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->page->regs.rip, CODE + 2);
	assert_int_equal(d->page->regs.rcx, CODE + 2);
	/* APM vol. 3: RF is neither saved nor kept. */
	assert_int_equal(d->page->regs.r11, 0xad7);
	assert_int_equal(d->page->regs.rflags, 0xad7);
	assert_int_equal(d->page->regs.rax, 39);
}

static void syscall_may_have_prefixes(void **state)
{
	struct device *d = *state;

	CODE_SET(0x48, 0x0f, 0x05);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->page->regs.rip, CODE + 3);
	CODE_SET(0xf3, 0x66, 0x0f, 0x05);
	d->page->regs.rip = CODE;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->page->regs.rip, CODE + 4);
}

static void ud2_is_never_a_syscall(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x0b);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_UD);
	assert_int_equal(d->exit->valid, 0);
	assert_int_equal(d->page->regs.rip, CODE);
	assert_int_equal(d->page->regs.rcx, 0);
}

static void syscall_with_lock_is_ud(void **state)
{
	struct device *d = *state;

	CODE_SET(0xf0, 0x0f, 0x05);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_UD);
}

/* Which is #UD, too, where EFER.SCE is clear; ring 3 knows it as #GP. */
static void sysret_is_gp(void **state)
{
	struct device *d = *state;

	CODE_SET(0x48, 0x0f, 0x07);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_GP);
	assert_int_equal(d->exit->error_code, 0);
	assert_int_equal(d->exit->valid, VMM_VALID_ERROR_CODE);
	assert_int_equal(d->page->regs.rip, CODE);
}

/* Its first byte can be read, its second cannot: what it is, is not known. */
static void half_an_instruction_is_done_again(void **state)
{
	struct device *d = *state;
	static const uint8_t first[] = { 0x0f, 0x66, 0xcd };
	size_t i;

	for (i = 0; i < sizeof(first); i++) {
		const uint64_t again = d->v->stats->refetches;

		assert_true(fake_write(MEMORY + CODE_GPA + PAGE - 1,
		    &first[i], 1));
		d->page->regs.rip = CODE + PAGE - 1;
		d->page->commit |= VMM_SET_FLUSH;
		fake_page_out(MEMORY + CODE_GPA + PAGE);
		guest_at(CODE + PAGE - 1);
		if (first[i] == 0xcd)
			guest_exception(d, VMM_X86_GP, 0x80 * 8 + 2, 0);
		else
			guest_exception(d, VMM_X86_UD, 0, 0);
		fake.signal = false;
		RUN_TO(d, VMM_EXIT_INTERRUPTED);
		assert_int_equal(d->v->stats->refetches, again + 1);
		assert_int_equal(d->page->regs.rip, CODE + PAGE - 1);
	}
}

static void syscall_over_two_pages_is_told(void **state)
{
	struct device *d = *state;
	const uint8_t first = 0x0f, second = 0x05;

	assert_true(fake_write(MEMORY + CODE_GPA + PAGE - 1, &first, 1));
	assert_true(fake_write(MEMORY + CODE_GPA + PAGE, &second, 1));
	d->page->regs.rip = CODE + PAGE - 1;
	guest_at(CODE + PAGE - 1);
	guest_at(CODE + PAGE);
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->page->regs.rip, CODE + PAGE + 1);
}

/* Its second byte has gone since: it is done again, and told then. */
static void syscall_whose_page_is_gone_is_done_again(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x05);
	guest_exception(d, VMM_X86_UD, 0, 0);	/* nothing can be read yet */
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->page->regs.rip, CODE + 2);
	assert_int_equal(d->v->stats->refetches, 1);
}

static void take_code(void *cookie)
{
	(void)cookie;
	fake_page_out(MEMORY + CODE_GPA);
}

/* The same, with the page taken while the guest is inside. */
static void syscall_whose_page_goes_meanwhile_is_told(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x05);
	guest_at(CODE);
	fake_call(take_code, NULL);
	guest_exception(d, VMM_X86_UD, 0, 0);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->page->regs.rip, CODE + 2);
}

/* Nothing is known of any page at first, of page 0 neither. */
static void code_at_address_0_is_not_known(void **state)
{
	struct device *d = *state;

	/* Nor of a space that nobody has named. */
	d->page->commit = VMM_SET_CONTEXT;
	d->page->regs.rip = 0;
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->v->stats->refetches, 1);
	d->page->commit = VMM_SET_SPACE;
	guest_exception(d, VMM_X86_UD, 0, 0);
	fake.signal = false;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->v->stats->refetches, 2);
	assert_int_equal(d->page->regs.rip, 0);
}

/* Other code at the same place: what was known of it is forgotten. */
static void code_that_changes_places_is_read_anew(void **state)
{
	struct device *d = *state;
	const uint64_t other = (DATA_GPA + 0x5000) | 5;
	const uint8_t ud2[] = { 0x0f, 0x0b };

	CODE_SET(0x0f, 0x05);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_true(fake_write(MEMORY + DATA_GPA + 0x5000, ud2, 2));
	assert_true(fake_write(MEMORY + ROOT_GPA + 3 * PAGE, &other, 8));
	d->page->regs.rip = CODE;
	d->page->commit = VMM_SET_FLUSH;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_UD);
	/* And back, by another space. */
	assert_true(fake_write(MEMORY + ROOT_GPA + 3 * PAGE,
	    &(uint64_t){ CODE_GPA | 5 }, 8));
	d->page->commit = VMM_SET_SPACE;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
}

/* The host moves its page, and then it is other code. */
static void code_whose_page_has_moved_is_read_anew(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x05);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	fake_move(MEMORY + CODE_GPA);
	CODE_SET(0x0f, 0x0b);
	d->page->regs.rip = CODE;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_UD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(syscall_is_told),
		BOTH(syscall_may_have_prefixes),
		BOTH(ud2_is_never_a_syscall),
		BOTH(syscall_with_lock_is_ud),
		BOTH(sysret_is_gp),
		BOTH(half_an_instruction_is_done_again),
		BOTH(syscall_over_two_pages_is_told),
		BOTH(syscall_whose_page_is_gone_is_done_again),
		BOTH(syscall_whose_page_goes_meanwhile_is_told),
		BOTH(code_at_address_0_is_not_known),
		BOTH(code_that_changes_places_is_read_anew),
		BOTH(code_whose_page_has_moved_is_read_anew),
	};

	return RUN(tests);
}
