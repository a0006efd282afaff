// SPDX-License-Identifier: BSD-2-Clause
/*
 * Debug exceptions and breakpoints: steps, watchpoints, what is told of DR6;
 * and the policy by which they are only counted.
 */
#include "exits.h"
#include "svm_impl.h"

static void single_step_is_told(void **state)
{
	struct device *d = *state;

	d->page->regs.rflags = 0x302;
	guest_at(CODE);
	debug(d, 0x4000);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_DB);
	assert_int_equal(d->exit->dr6, 0x4000);
	assert_int_equal(d->exit->valid, VMM_VALID_DR6);
	/* TF is the guest's, before and after. */
	assert_int_equal(d->page->regs.rflags, 0x302);
}

static void set_dr(struct device *d, uint64_t dr0, uint64_t dr7)
{
	d->page->dr[0] = dr0;
	d->page->dr7 = dr7;
	d->page->commit |= VMM_SET_DEBUG;
}

static void watchpoint_is_told(void **state)
{
	struct device *d = *state;

	set_dr(d, DATA, 0xd0401);	/* L0, write, 4 bytes */
	guest_at(CODE);
	debug(d, 1);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->dr6, 1);
	assert_int_equal(d->page->commit, 0);
}

/* Of those that are not enabled a processor may tell what it likes. */
static void breakpoints_that_are_off_are_not_told(void **state)
{
	struct device *d = *state;

	set_dr(d, DATA, 0xd0401);
	guest_at(CODE);
	debug(d, 0x400f);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->dr6, 0x4001);
	set_dr(d, DATA, 0x400);
	debug(d, 0x000f);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->dr6, 0);
}

static void counted_breakpoints_go_on(void **state)
{
	struct device *d = *state;

	CODE_SET(0xcc, 0xcc, 0x0f, 0x05);
	policy(d, VMM_X86_BP, VMM_POLICY_COUNT);
	guest_at(CODE);
	guest_exception(d, VMM_X86_BP, 0, 0);
	guest_exception(d, VMM_X86_BP, 0, 0);
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->page->regs.rip, CODE + 4);
	assert_int_equal(d->v->stats->counted, 2);
	policy(d, VMM_X86_BP, VMM_POLICY_EXIT);
	d->page->regs.rip = CODE;
	guest_exception(d, VMM_X86_BP, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->v->stats->counted, 2);
}

static void counted_steps_go_on(void **state)
{
	struct device *d = *state;

	CODE_SET(0x90, 0x0f, 0x05);
	policy(d, VMM_X86_DB, VMM_POLICY_COUNT);
	d->page->regs.rflags = 0x302;
	guest_at(CODE);
	debug(d, 0x4000);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rflags, 0x302);
	assert_int_equal(d->v->stats->counted, 1);
}

/* A fault: without RF the same instruction would raise it for ever. */
static void counted_breakpoint_of_execution_sets_rf(void **state)
{
	struct device *d = *state;

	policy(d, VMM_X86_DB, VMM_POLICY_COUNT);
	set_dr(d, CODE, 0x401);		/* L0, execution */
	guest_at(CODE);
	debug(d, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rflags, 0x10202);
	/* Not so for a watchpoint, which is a trap. */
	fake.signal = false;
	d->page->regs.rflags = 0x202;
	set_dr(d, DATA, 0xd0401);
	debug(d, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rflags, 0x202);
}

static void a_counted_step_over_cpuid_goes_on(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2, 0x0f, 0x05);
	policy(d, VMM_X86_DB, VMM_POLICY_COUNT);
	d->page->regs.rflags = 0x302;
	guest_at(CODE);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	guest_exception(d, VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	assert_int_equal(d->v->stats->counted, 1);
	assert_int_equal(d->page->regs.r11, 0x302);
}

static void only_db_and_bp_can_be_counted(void **state)
{
	struct device *d = *state;
	struct vmm_policy a = { .context = d->context };
	uint32_t i;

	for (i = 0; i < 32; i++) {
		memset(a.vector, 0, sizeof(a.vector));
		a.vector[i] = VMM_POLICY_COUNT;
		assert_int_equal(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &a),
		    i == VMM_X86_DB || i == VMM_X86_BP ? 0 : EINVAL);
		a.vector[i] = 2;
		assert_int_equal(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &a),
		    EINVAL);
	}
	memset(a.vector, 0, sizeof(a.vector));
	a.reserved = 1;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &a), EINVAL);
	a.reserved = 0;
	a.context++;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &a), ENOENT);
	a.context = ~0u;
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &a), ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(single_step_is_told),
		BOTH(watchpoint_is_told),
		BOTH(breakpoints_that_are_off_are_not_told),
		BOTH(counted_breakpoints_go_on),
		BOTH(counted_steps_go_on),
		BOTH(counted_breakpoint_of_execution_sets_rf),
		BOTH(a_counted_step_over_cpuid_goes_on),
		TEST(only_db_and_bp_can_be_counted),
	};

	return RUN(tests);
}
