// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exits that are no exception of the guest's: the host's interrupts, machine
 * checks and split locks, shutdown, refused entries, what is unknown; and what
 * is so for each exit: nothing of an older one is left, it is counted once.
 */
#include "exits.h"
#include "svm_impl.h"

static void interrupts_and_nmis_go_on(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x05);
	guest_at(CODE);
	leave(d, VMM_CAUSE_INTERRUPT, SVM_EXIT_INTR);
	leave(d, VMM_CAUSE_NMI, SVM_EXIT_NMI);
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	/* Each with interrupts on in between. */
	assert_true(fake.resumes >= 3);
}

static void machine_checks_are_the_hosts(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x05);
	guest_at(CODE);
	leave(d, VMM_CAUSE_MACHINE_CHECK, SVM_EXIT_EXCEPTION + 18);
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(fake.machine_checks, 1);
}

static void split_locks_are_the_hosts(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0x05);
	/* With AC set it may be the guest's own. */
	fake.split_locks = true;
	guest_at(CODE);
	d->page->regs.rflags |= VMM_X86_RFLAGS_AC;
	guest_exception(d, VMM_X86_AC, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_AC);
	assert_int_equal(fake.split_lock_rip, 0);
	guest_at(CODE);
	d->page->regs.rflags &= ~VMM_X86_RFLAGS_AC;
	guest_exception(d, VMM_X86_AC, 0, 0);
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(fake.split_lock_rip, CODE);
	/* That of a signal which is to come. */
	fake.split_is_fatal = true;
	guest_at(CODE);
	guest_exception(d, VMM_X86_AC, 0, 0);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->exit->detail, VMM_BY_SIGNAL);
	/* Where the host does not ask for them there are none. */
	fake.signal = false;
	fake.split_locks = false;
	guest_at(CODE);
	guest_exception(d, VMM_X86_AC, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
}

static void shutdown_is_told_and_the_next_run_is_whole(void **state)
{
	struct device *d = *state;

	leave(d, VMM_CAUSE_SHUTDOWN, SVM_EXIT_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	CODE_SET(0x0f, 0x05);
	d->page->regs.rip = CODE;
	d->page->regs.rflags = 0x202;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
}

static void a_refused_entry_is_told(void **state)
{
	struct device *d = *state;

	leave(d, VMM_CAUSE_INVALID, SVM_EXIT_INVALID);
	RUN_TO(d, VMM_EXIT_FAILED);
	assert_int_equal(d->exit->detail, 0);
}

static void unknown_exits_are_told_raw(void **state)
{
	struct device *d = *state;

	if (d->svm) {
		fake_exit_code(0x5aa, 11, 22, 0);
	} else {
		struct vmm_cause *c = &fake_step(FAKE_CAUSE)->cause;

		c->kind = VMM_CAUSE_UNKNOWN;
		c->raw = 0x5aa;
		c->info[0] = 11;
		c->info[1] = 22;
	}
	RUN_TO(d, VMM_EXIT_UNKNOWN);
	assert_int_equal(d->exit->raw, 0x5aa);
	assert_int_equal(d->exit->info[0], 11);
	assert_int_equal(d->exit->info[1], 22);
}

/* What was told of an exit before is not told of the next. */
static void nothing_of_an_older_exit_is_left(void **state)
{
	struct device *d = *state;

	memset(d->exit, 0xff, sizeof(*d->exit));
	CODE_SET(0x0f, 0x05);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->exit->valid, 0);
	assert_int_equal(d->exit->vector, 0);
	assert_int_equal(d->exit->address, 0);
	assert_int_equal(d->exit->gpa, 0);
	assert_int_equal(d->exit->insn_bytes, 0);
}

static void every_exit_is_counted_once(void **state)
{
	struct device *d = *state;
	const struct vmm_stats_page *s = d->v->stats;
	uint64_t causes = 0, raw = 0, returned = 0;
	uint32_t i;

	CODE_SET(0x0f, 0xa2, 0xcc, 0x0f, 0x05);
	guest_at(CODE);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	leave(d, VMM_CAUSE_NMI, SVM_EXIT_NMI);
	guest_exception(d, VMM_X86_BP, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	for (i = 0; i < VMM_CAUSES; i++)
		causes += s->cause[i];
	for (i = 0; i < VMM_RAW_MAX; i++)
		raw += s->raw[i];
	for (i = 0; i < VMM_EXIT_KINDS; i++)
		returned += s->returned[i];
	assert_int_equal(s->entries, s->exits);
	assert_int_equal(s->exits, causes);
	assert_int_equal(s->exits, raw);
	assert_int_equal(returned, 2);
	assert_int_equal(s->runs, 2);
	assert_int_equal(s->cause[VMM_CAUSE_CPUID], 1);
	assert_int_equal(s->cause[VMM_CAUSE_NMI], 1);
	assert_int_equal(s->returned[VMM_EXIT_SYSCALL], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(interrupts_and_nmis_go_on),
		BOTH(machine_checks_are_the_hosts),
		BOTH(split_locks_are_the_hosts),
		BOTH(shutdown_is_told_and_the_next_run_is_whole),
		BOTH(a_refused_entry_is_told),
		BOTH(unknown_exits_are_told_raw),
		BOTH(nothing_of_an_older_exit_is_left),
		BOTH(every_exit_is_counted_once),
	};

	return RUN(tests);
}
