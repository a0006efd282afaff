// SPDX-License-Identifier: BSD-2-Clause
/*
 * What becomes of each exit: the state and the exit that the owner sees, for
 * the vendor that only plays a script and for svm/ on a processor that tells
 * the least.
 */
#include "device.h"
#include "svm_impl.h"

#define BOTH(f)	TEST(f), TEST_SVM(f)

/* The cause, or on SVM the exit code. */
static void leave(struct device *d, enum vmm_cause_kind kind, uint64_t code)
{
	if (d->svm)
		fake_exit_code(code, 0, 0, 0);
	else
		fake_cause(kind);
}

static void softint(struct device *d)
{
	if (d->svm)
		fake_exit_code(SVM_EXIT_SWINT, 0, 0, 0);
	else
		fake_step(FAKE_CAUSE)->cause = (struct vmm_cause){
		    .kind = VMM_CAUSE_SOFTINT,
		    .vector = VMM_VECTOR_UNTOLD };
}

static void debug(struct device *d, uint64_t dr6)
{
	if (d->svm) {
		fake_exit_code(SVM_EXIT_EXCEPTION + VMM_X86_DB, 0, 0, 0);
		fake_script.step[fake_script.n - 1].dr6 = 0xffff0ff0 | dr6;
	} else {
		fake_exception(VMM_X86_DB, 0, 0);
		fake_script.step[fake_script.n - 1].cause.dr6 = dr6;
	}
}

static void policy(struct device *d, uint32_t vector, uint8_t what)
{
	struct vmm_policy a = { .context = d->context };

	a.vector[vector] = what;
	assert_ok(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &a));
}

/* ---- SYSCALL and #UD ---- */

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

/* ---- INT n, INT3, ICEBP ---- */

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

/* ---- CPUID ---- */

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

/* ---- debug exceptions ---- */

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

/* ---- the other exceptions ---- */

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

/* ---- the rest ---- */

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
		BOTH(int_n_is_told),
		BOTH(int_n_by_the_empty_idt_is_told),
		BOTH(gp_of_an_external_event_is_no_int_n),
		BOTH(gp_is_told_with_its_code),
		BOTH(int_n_may_have_prefixes),
		BOTH(int3_may_have_prefixes),
		BOTH(what_is_told_and_not_found_is_done_again),
		BOTH(int3_is_told_in_three_ways),
		BOTH(icebp_is_a_debug_exception_with_no_cause),
		BOTH(cpuid_is_answered_and_goes_on),
		BOTH(cpuid_follows_the_machine),
		BOTH(a_step_over_cpuid_traps),
		BOTH(cpuid_clears_rf),
		BOTH(cpuid_that_is_gone_is_done_again),
		BOTH(cpuid_for_ever_is_ended_by_a_kick),
		BOTH(a_signal_is_seen_between_exits),
		BOTH(single_step_is_told),
		BOTH(watchpoint_is_told),
		BOTH(breakpoints_that_are_off_are_not_told),
		BOTH(counted_breakpoints_go_on),
		BOTH(counted_steps_go_on),
		BOTH(counted_breakpoint_of_execution_sets_rf),
		BOTH(a_counted_step_over_cpuid_goes_on),
		TEST(only_db_and_bp_can_be_counted),
		BOTH(every_exception_is_told_as_it_is),
		BOTH(page_faults_are_told_with_their_address),
		BOTH(page_faults_are_those_of_the_guests_table),
		BOTH(instruction_bytes_come_when_wanted),
		BOTH(instruction_bytes_end_where_code_does),
		BOTH(what_a_guest_user_has_not_is_ud_or_gp),
		BOTH(after_the_last_address_comes_gp),
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
