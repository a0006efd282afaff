// SPDX-License-Identifier: BSD-2-Clause
/*
 * Single-stepping: one instruction each, whatever the instruction is, and no
 * trace of it in the guest.
 */
#include "harness.h"

#include <string.h>

GUEST(t_flow);
GUEST_MARKED(t_flow, m1);
GUEST_MARKED(t_flow, m2);
GUEST_MARKED(t_flow, m3);
GUEST_MARKED(t_flow, m4);
GUEST_MARKED(t_flow, m5);
GUEST_MARKED(t_flow, m6);
GUEST_MARKED(t_flow, m7);
GUEST_MARKED(t_flow, m8);
GUEST_MARKED(t_flow, m9);
GUEST_MARKED(t_flow, sub);
GUEST_ONE(t_pushf);
GUEST_ONE(t_popf);
GUEST_ONE(t_iretq);
GUEST_ONE(t_nop);
GUEST_ONE(t_cpuid);
GUEST_ONE(t_syscall);
GUEST_ONE(t_int3);
GUEST_ONE(t_int80);
GUEST_ONE(t_int1);
GUEST_ONE(t_ud2);
GUEST_ONE(t_load);
GUEST_ONE(t_rep_movsb);
GUEST_ONE(t_rep_scasb);
GUEST_ONE(t_movss);
GUEST_MARKED(t_movss, next);
GUEST_ONE(t_movss_mem);
GUEST(t_movss_forms);
GUEST_MARKED(t_movss_forms, m0);
GUEST_MARKED(t_movss_forms, m1);
GUEST_MARKED(t_movss_forms, m2);
GUEST_MARKED(t_movss_forms, m3);
GUEST_MARKED(t_movss_forms, m4);
GUEST_MARKED(t_movss_forms, m5);
GUEST_MARKED(t_movss_forms, m6);
GUEST_MARKED(t_movss_forms, m7);
GUEST_ONE(t_movss_syscall);
GUEST_ONE(t_movss_int3);
GUEST_ONE(t_movss_int1);
GUEST_ONE(t_movss_int80);
GUEST_ONE(t_movss_ud2);
GUEST_ONE(t_movss_movss);

static void load_stepping(struct rig *r, struct blob b)
{
	rig_load(r, b);
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
}

static void step_to(struct rig *r, uint64_t rip)
{
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	if (r->regs->rip != rip)
		rig_say("expected RIP %#llx, got %#llx",
		    (unsigned long long)rip, (unsigned long long)r->regs->rip);
	assert_int_equal(r->regs->rip, rip);
}

static uint64_t *stack(struct rig *r, uint64_t rsp)
{
	return (uint64_t *)(void *)rig_gpa(r, STACK_GPA + (rsp - STACK));
}

static void jumps_calls_and_loops(void **state)
{
	const uint64_t stops[] = { MARK(t_flow, m1), MARK(t_flow, m2),
	    MARK(t_flow, m3), MARK(t_flow, m4), MARK(t_flow, m5),
	    MARK(t_flow, m6), MARK(t_flow, sub), MARK(t_flow, m7),
	    MARK(t_flow, m8), MARK(t_flow, m8), MARK(t_flow, m9) };
	struct rig *r = *state;

	load_stepping(r, BLOB(t_flow));
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		step_to(r, CODE + stops[i]);
		assert_int_equal(r->regs->rflags & (TF | RF), 0);
	}
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->r11, RFLAGS | ZF | PF);
}

static void step_changes_only_what_the_instruction_does(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	load_stepping(r, BLOB(t_nop));
	want = *r->regs;
	rig_snapshot(r);
	step_to(r, CODE + 1);
	want.rip++;
	expect_regs(r, &want);
	expect_same_memory(r);
}

static void stepping_ends_when_it_is_turned_off(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_flow));
	step_to(r, CODE + MARK(t_flow, m1));
	expect_rc(r, vmmctl_context_set_step(r->c, 0), 0);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->r11 & TF, 0);
}

static void stepping_is_of_the_context(void **state)
{
	struct rig *r = *state;
	struct vmmctl_context *other = rig_context(r, r->s);
	struct vmmctl_exit x;

	load_stepping(r, BLOB(t_flow));
	step_to(r, CODE + MARK(t_flow, m1));
	rig_run_on(r, r->cpu, other, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
	step_to(r, CODE + MARK(t_flow, m2));
}

static void pushf_pushes_no_trap_flag(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_pushf));
	step_to(r, CODE + MARK(t_pushf, after));
	assert_int_equal(r->regs->rsp, RSP - 8);
	assert_int_equal(*stack(r, RSP - 8), RFLAGS);
	/* TF that the guest set itself is its own. */
	load_stepping(r, BLOB(t_pushf));
	r->regs->rflags |= TF;
	step_to(r, CODE + MARK(t_pushf, after));
	assert_int_equal(*stack(r, RSP - 8), RFLAGS | TF);
	assert_int_equal(r->regs->rflags, RFLAGS | TF);
}

static void popf_does_not_end_stepping(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_popf));
	*stack(r, RSP) = RFLAGS | CF;
	step_to(r, CODE + MARK(t_popf, after));
	assert_int_equal(r->regs->rflags, RFLAGS | CF);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->r11, RFLAGS | CF);

	load_stepping(r, BLOB(t_popf));
	*stack(r, RSP) = RFLAGS;
	r->regs->rflags |= TF;
	step_to(r, CODE + MARK(t_popf, after));
	assert_int_equal(r->regs->rflags, RFLAGS);
}

static void popf_that_sets_the_trap_flag(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_popf));
	memset(rig_gpa(r, CODE_GPA + MARK(t_popf, after)), 0x90, 8);
	*stack(r, RSP) = RFLAGS | TF;
	step_to(r, CODE + MARK(t_popf, after));
	assert_int_equal(r->regs->rflags, RFLAGS | TF);
	step_to(r, CODE + MARK(t_popf, after) + 1);
	expect_rc(r, vmmctl_context_set_step(r->c, 0), 0);
	/* Now it is the guest's own trap. */
	step_to(r, CODE + MARK(t_popf, after) + 2);
	assert_int_equal(r->regs->rflags, RFLAGS | TF);
	r->regs->rflags &= ~TF;
	memcpy(rig_gpa(r, CODE_GPA + 0x100), "\x0f\x05", 2);
	r->regs->rip = CODE + 0x100;
	rig_run(r);
	expect_syscall(r);
}

static void iret_is_one_step(void **state)
{
	static const uint64_t flags[] = { RFLAGS, RFLAGS | CF, RFLAGS | TF };
	struct rig *r = *state;

	for (size_t i = 0; i < 3; i++) {
		const uint64_t frame[] = { CODE + 0x200, 0x33, flags[i],
		    RSP + 0x100, 0x2b };

		load_stepping(r, BLOB(t_iretq));
		memset(rig_gpa(r, CODE_GPA + 0x200), 0x90, 16);
		memcpy(stack(r, RSP), frame, sizeof(frame));
		step_to(r, CODE + 0x200);
		assert_int_equal(r->regs->rflags, flags[i]);
		assert_int_equal(r->regs->rsp, RSP + 0x100);
		step_to(r, CODE + 0x201);
		assert_int_equal(r->regs->rflags, flags[i]);
	}
}

static void mov_ss_is_one_step(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_movss));
	step_to(r, CODE + MARK(t_movss, at));
	step_to(r, CODE + MARK(t_movss, after));
	assert_int_equal(r->regs->rbx & 0xff, 1);
	step_to(r, CODE + MARK(t_movss, next));
	assert_int_equal(r->regs->rbx & 0xff, 2);
	rig_run(r);
	expect_syscall(r);

	load_stepping(r, BLOB(t_movss_mem));
	r->regs->rbx = DATA;
	step_to(r, CODE + MARK(t_movss_mem, at));
	step_to(r, CODE + MARK(t_movss_mem, after));
	assert_int_equal(r->regs->rcx & 0xff, 2);
}

static void mov_ss_in_all_forms(void **state)
{
	const uint64_t stops[] = { MARK(t_movss_forms, m1),
	    MARK(t_movss_forms, m2), MARK(t_movss_forms, m3),
	    MARK(t_movss_forms, m4), MARK(t_movss_forms, m5),
	    MARK(t_movss_forms, m6), MARK(t_movss_forms, m7) };
	struct rig *r = *state;

	load_stepping(r, BLOB(t_movss_forms));
	r->regs->rbx = DATA;
	r->regs->rcx = DATA;
	r->regs->fs_base = 0;
	r->regs->rdx = 0;
	r->regs->r8 = 0x2b;
	r->regs->rsi = 8;
	r->regs->gs_base = DATA;
	*stack(r, RSP) = 0x2b;
	rig_run(r);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	assert_int_equal(r->regs->rip, CODE + MARK(t_movss_forms, m0));
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		step_to(r, CODE + stops[i]);
}

/* The guest's own TF: the manual has the trap one instruction late. */
static void mov_ss_holds_back_the_guests_own_trap(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(t_movss));
	r->regs->rax = 0x2b;
	r->regs->rflags |= TF;
	r->regs->rip = CODE + MARK(t_movss, at);
	step_to(r, CODE + MARK(t_movss, next));
	assert_int_equal(r->regs->rbx & 0xff, 2);
}

struct pair {
	const char *name;
	struct blob blob;
	uint64_t at, after;
	uint32_t kind, vector;
	uint64_t back;		/* RIP is that much before "after" */
};
#define PAIR(n, kind, vector, back)				\
	{ #n, BLOB(n), MARK(n, at), MARK(n, after), kind, vector, back }

static void exits_right_after_mov_ss(void **state)
{
	const struct pair pairs[] = {
		PAIR(t_movss_syscall, VMMCTL_EXIT_SYSCALL, 0, 0),
		PAIR(t_movss_int3, VMMCTL_EXIT_BREAKPOINT, 3, 0),
		PAIR(t_movss_int1, VMMCTL_EXIT_DEBUG, 1, 0),
		PAIR(t_movss_int80, VMMCTL_EXIT_SOFTINT, 0x80, 0),
		PAIR(t_movss_ud2, VMMCTL_EXIT_EXCEPTION, 6, 2),
	};
	struct rig *r = *state;

	for (size_t i = 0; i < 10; i++) {
		const struct pair *p = &pairs[i / 2];

		rig_note(r, "%s%s", p->name, i % 2 ? " stepping" : "");
		rig_load(r, p->blob);
		expect_rc(r, vmmctl_context_set_step(r->c, i % 2), 0);
		if (i % 2 != 0) {
			step_to(r, CODE + 2);
			step_to(r, CODE + p->at);
			step_to(r, CODE + p->at + 2);
		}
		rig_run(r);
		if (i % 2 == 0 || p->kind != VMMCTL_EXIT_DEBUG)
			expect_exit(r, .kind = p->kind, .vector = p->vector);
		assert_int_equal(r->regs->rip, CODE + p->after - p->back);
	}
	/* MOV SS after MOV SS: one instruction each, too. */
	load_stepping(r, BLOB(t_movss_movss));
	step_to(r, CODE + 2);
	step_to(r, CODE + MARK(t_movss_movss, at));
	step_to(r, CODE + MARK(t_movss_movss, at) + 2);
	step_to(r, CODE + MARK(t_movss_movss, after));
}

static void other_exits_come_instead_of_debug(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_syscall));
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rip, CODE + 2);
	assert_int_equal(r->regs->r11, RFLAGS);
	assert_int_equal(r->regs->rflags, RFLAGS);
	load_stepping(r, BLOB(t_int3));
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
	assert_int_equal(r->regs->rip, CODE + 1);
	load_stepping(r, BLOB(t_int80));
	r->regs->rax = 5;
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 0x80);
	assert_int_equal(r->regs->rip, CODE + 2);
	load_stepping(r, BLOB(t_ud2));
	rig_run(r);
	expect_exception(r, 6, 0);
	assert_int_equal(r->regs->rip, CODE);
	assert_int_equal(r->regs->rflags, RFLAGS);
	load_stepping(r, BLOB(t_int1));
	rig_run(r);
	assert_int_equal(r->x.kind, VMMCTL_EXIT_DEBUG);
	assert_int_equal(r->regs->rip, CODE + 1);
}

static void stepping_goes_on_after_a_syscall(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_syscall));
	memset(rig_gpa(r, CODE_GPA + 2), 0x90, 8);
	rig_run(r);
	expect_syscall(r);
	step_to(r, CODE + 3);
	step_to(r, CODE + 4);
}

static void fault_then_step(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	load_stepping(r, BLOB(t_load));
	r->regs->rbx = SPARE;
	want = *r->regs;
	rig_run(r);
	expect_fault(r, SPARE, VMMCTL_PROT_READ, 0);
	expect_regs(r, &want);
	rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_READ);
	step_to(r, CODE + MARK(t_load, after));
	assert_int_equal(r->regs->rax, 0);
}

static void kick_then_step(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_nop));
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	assert_int_equal(r->regs->rip, CODE);
	step_to(r, CODE + 1);
}

static void cpuid_is_one_step(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs plain;

	rig_load(r, BLOB(t_cpuid));
	r->regs->rax = 0;
	r->regs->rcx = 0;
	rig_run(r);
	expect_syscall(r);
	plain = *r->regs;
	load_stepping(r, BLOB(t_cpuid));
	r->regs->rax = 0;
	r->regs->rcx = 0;
	step_to(r, CODE + MARK(t_cpuid, after));
	assert_int_equal(r->regs->rax, plain.rax);
	assert_int_equal(r->regs->rbx, plain.rbx);
	assert_int_equal(r->regs->rdx, plain.rdx);
	rig_run(r);
	expect_syscall(r);
	/* Highest leaves may be fewer in a virtual machine. */
	rig_untraced(r);
}

/* The trap comes after each iteration. */
static void rep_is_one_step_each(void **state)
{
	struct rig *r = *state;

	load_stepping(r, BLOB(t_rep_movsb));
	memcpy(rig_gpa(r, DATA_GPA), "abcde", 5);
	r->regs->rsi = DATA;
	r->regs->rdi = DATA + 0x100;
	r->regs->rcx = 5;
	for (uint64_t left = 4; left > 0; left--) {
		step_to(r, CODE);
		assert_int_equal(r->regs->rcx, left);
		assert_int_equal(r->regs->rsi, DATA + 5 - left);
		assert_int_equal(*rig_gpa(r, DATA_GPA + 0x100 + 5 - left), 0);
	}
	step_to(r, CODE + MARK(t_rep_movsb, after));
	assert_memory_equal(rig_gpa(r, DATA_GPA + 0x100), "abcde", 5);
	/* None to do: one step. */
	load_stepping(r, BLOB(t_rep_movsb));
	r->regs->rcx = 0;
	step_to(r, CODE + MARK(t_rep_movsb, after));
	/* Found: the last iteration ends the instruction. */
	load_stepping(r, BLOB(t_rep_scasb));
	r->regs->rdi = DATA;
	r->regs->rax = 'c';
	r->regs->rcx = 100;
	step_to(r, CODE);
	step_to(r, CODE);
	step_to(r, CODE + MARK(t_rep_scasb, after));
	assert_int_equal(r->regs->rdi, DATA + 3);
	assert_int_equal(r->regs->rcx, 97);
}

static void step_across_pages(void **state)
{
	static const uint8_t code[] = { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8,
	    0x90, 0x90 };
	struct rig *r = *state;

	load_stepping(r, BLOB(t_nop));
	memcpy(rig_gpa(r, CODE_GPA + PAGE - 4), code, sizeof(code));
	r->regs->rip = CODE + PAGE - 4;
	step_to(r, CODE + PAGE + 6);
	assert_int_equal(r->regs->rax, 0x0807060504030201);
	step_to(r, CODE + PAGE + 7);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(jumps_calls_and_loops),
		TEST(step_changes_only_what_the_instruction_does),
		TEST(stepping_ends_when_it_is_turned_off),
		TEST(stepping_is_of_the_context),
		TEST(pushf_pushes_no_trap_flag),
		TEST(popf_does_not_end_stepping),
		TEST(popf_that_sets_the_trap_flag),
		TEST(iret_is_one_step),
		TEST(mov_ss_is_one_step),
		TEST(mov_ss_in_all_forms),
		TEST(mov_ss_holds_back_the_guests_own_trap),
		TEST(exits_right_after_mov_ss),
		TEST(other_exits_come_instead_of_debug),
		TEST(stepping_goes_on_after_a_syscall),
		TEST(fault_then_step),
		TEST(kick_then_step),
		TEST(cpuid_is_one_step),
		TEST(rep_is_one_step_each),
		TEST(step_across_pages),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
