// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPUID, which is answered inside: the guest goes on behind it, with the
 * machine's table, a step's trap, and an end by kick or signal.
 */
#include "exits.h"
#include "svm_impl.h"

static void cpuid_is_answered_and_goes_on(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2);
	d->page->regs.rax = 0xffffffff00000001;
	d->page->regs.rcx = 0xffffffff00000000;
	d->page->regs.rbx = d->page->regs.rdx = ~0ull;
	guest_at(CODE);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rip, CODE + 2);
	assert_int_equal(d->page->regs.rax, fake_cpuid_at(1, 0)[0]);
	assert_int_equal(d->page->regs.rdx, fake_cpuid_at(1, 0)[3]);
	assert_int_equal(d->page->regs.rbx >> 32, 0);
	/* OSXSAVE; no MONITOR. */
	assert_int_equal(d->page->regs.rcx & (1u << 27 | 1u << 3), 1u << 27);
	assert_int_equal(d->v->stats->handled, 1);
}

static void cpuid_follows_the_machine(void **state)
{
	struct device *d = *state;
	const struct vmm_cpuid_entry e[] = {
		{ .leaf = 7, .subleaf = 0, .flags = VMM_CPUID_SUBLEAF,
		  .eax = 1, .ebx = 2, .ecx = 3, .edx = 4 },
		{ .leaf = 7, .subleaf = 1, .flags = VMM_CPUID_SUBLEAF,
		  .eax = 5, .ebx = 6, .ecx = 7, .edx = 8 },
		{ .leaf = 0x40000000, .subleaf = 9, .eax = 0xfeed },
	};
	struct vmm_cpuid a = { .entries = BUFFER, .count = 3 };
	unsigned sub;

	assert_true(fake_write(BUFFER, e, sizeof(e)));
	assert_ok(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a));
	CODE_SET(0x0f, 0xa2);
	for (sub = 0; sub < 2; sub++) {
		fake.signal = false;
		d->page->regs.rip = CODE;
		d->page->regs.rax = 7;
		d->page->regs.rcx = sub;
		guest_at(CODE);
		leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
		RUN_TO(d, VMM_EXIT_INTERRUPTED);
		assert_int_equal(d->page->regs.rax, 1 + 4 * sub);
		assert_int_equal(d->page->regs.rbx, 2 + 4 * sub);
		assert_int_equal(d->page->regs.rcx, 3 + 4 * sub);
		assert_int_equal(d->page->regs.rdx, 4 + 4 * sub);
	}
	/* Any subleaf of a leaf that has none. */
	fake.signal = false;
	d->page->regs.rip = CODE;
	d->page->regs.rax = 0x40000000;
	d->page->regs.rcx = 77;
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rax, 0xfeed);
	/* The table is replaced whole, here by none. */
	a.count = 0;
	assert_ok(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a));
	assert_null(d->m->cpuid);
}

static void a_step_over_cpuid_traps(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2);
	d->page->regs.rflags = 0x302;
	guest_at(CODE);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	assert_int_equal(d->exit->vector, VMM_X86_DB);
	assert_int_equal(d->exit->dr6, 0x4000);
	assert_int_equal(d->page->regs.rip, CODE + 2);
	assert_int_equal(d->page->regs.rflags, 0x302);
}

static void cpuid_clears_rf(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2);
	d->page->regs.rflags = 0x10202;
	guest_at(CODE);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rflags, 0x202);
}

/* Somebody else has overwritten it since. */
static void cpuid_that_is_gone_is_done_again(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);	/* not to be read */
	guest_at(CODE);
	leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rip, CODE + 2);
	assert_int_equal(d->v->stats->refetches, 1);
}

static void kick(void *cookie)
{
	assert_ok(vmm_vcpu_kick(((struct device *)cookie)->v));
}

/* A guest that does nothing else cannot keep its thread inside. */
static void cpuid_for_ever_is_ended_by_a_kick(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2);
	guest_at(CODE);
	fake_call(kick, d);
	/* The kick came too late to be an interrupt of the host. */
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->exit->detail, VMM_BY_KICK);
}

static void stop_at_attention(void)
{
	if (fake.resumes != 0 && fake_guest_on(0) && ++fake.waits == 3)
		fake.signal = true;
}

/* Exits that are done inside, and nobody interrupts: it looks itself. */
static void a_signal_is_seen_between_exits(void **state)
{
	struct device *d = *state;
	uint32_t i;

	CODE_SET(0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2);
	guest_at(CODE);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	fake.signal = false;
	fake.waits = 0;
	fake.on_attention = stop_at_attention;
	for (i = 0; i < 5; i++)
		leave(d, VMM_CAUSE_CPUID, SVM_EXIT_CPUID);
	assert_ok(vmm_vcpu_run(d->v));
	fake.on_attention = NULL;
	assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->exit->detail, VMM_BY_SIGNAL);
	assert_int_equal(d->page->regs.rip, CODE + 4);
	fake_script.at = fake_script.n;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(cpuid_is_answered_and_goes_on),
		BOTH(cpuid_follows_the_machine),
		BOTH(a_step_over_cpuid_traps),
		BOTH(cpuid_clears_rf),
		BOTH(cpuid_that_is_gone_is_done_again),
		BOTH(cpuid_for_ever_is_ended_by_a_kick),
		BOTH(a_signal_is_seen_between_exits),
	};

	return RUN(tests);
}
