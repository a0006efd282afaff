// SPDX-License-Identifier: BSD-2-Clause
/*
 * The policy of each exception vector: exit, count, reflect, kill.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>

GUEST(h_handler);
GUEST_ONE(h_ud2);
GUEST_ONE(h_load);
GUEST_ONE(h_int3);
GUEST_ONE(h_hlt);
GUEST_ONE(h_div);
GUEST(h_count);
GUEST(h_traps);

#define HANDLER		(CODE + 0x4000)
#define HANDLER_SP	(STACK + 0x2000)

/* What the guest's handler found. */
struct found {
	struct vmmctl_frame frame;
	uint64_t sp;
	uint64_t calls;
};

static struct found found(struct rig *r)
{
	struct found f;

	memcpy(&f, rig_gpa(r, DATA_GPA), sizeof(f));
	return f;
}

static void set(struct rig *r, unsigned vector, enum vmmctl_policy policy)
{
	expect_rc(r, vmmctl_context_set_policy(r->c, vector, policy), 0);
}

/* Loads code whose exception is skip bytes long. */
static void load(struct rig *r, struct blob b, uint64_t skip)
{
	struct blob h = BLOB(h_handler);

	rig_load(r, b);
	memcpy(rig_gpa(r, CODE_GPA + HANDLER - CODE), h.start,
	    (size_t)(h.end - h.start));
	memset(rig_gpa(r, DATA_GPA), 0, PAGE);
	r->regs->rsi = DATA;
	r->regs->rbp = skip;
}

static void handler(struct rig *r, uint64_t sp)
{
	expect_rc(r, vmmctl_context_set_handler(r->c, HANDLER, sp), 0);
}

static void exit_is_the_default(void **state)
{
	struct rig *r = *state;

	handler(r, HANDLER_SP);
	load(r, BLOB(h_ud2), 2);
	rig_run(r);
	expect_exception(r, 6, 0);
	set(r, 6, VMMCTL_POLICY_REFLECT);
	set(r, 6, VMMCTL_POLICY_EXIT);
	rig_run(r);
	expect_exception(r, 6, 0);
	assert_int_equal(found(r).calls, 0);
}

static void reflect_to_a_stack_of_its_own(void **state)
{
	struct rig *r = *state;
	struct found f;

	handler(r, HANDLER_SP);
	set(r, 6, VMMCTL_POLICY_REFLECT);
	load(r, BLOB(h_ud2), 2);
	r->regs->rflags |= CF | DF | OF;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rip, CODE + MARK(h_ud2, after) + 2);
	assert_int_equal(r->regs->rsp, RSP);
	f = found(r);
	assert_int_equal(f.calls, 1);
	assert_int_equal(f.sp, HANDLER_SP);
	assert_int_equal(f.frame.vector, 6);
	assert_int_equal(f.frame.error_code, 0);
	assert_int_equal(f.frame.rip, CODE);
	assert_int_equal(f.frame.rflags, RFLAGS | CF | DF | OF);
	assert_int_equal(f.frame.rsp, RSP);
}

static void reflect_below_the_red_zone(void **state)
{
	struct rig *r = *state;
	struct found f;

	handler(r, 0);
	set(r, 6, VMMCTL_POLICY_REFLECT);
	for (uint64_t off = 0; off < 24; off++) {
		load(r, BLOB(h_ud2), 2);
		memset(rig_gpa(r, STACK_GPA), 0x99, REGION);
		r->regs->rsp = RSP - off;
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rsp, RSP - off);
		f = found(r);
		assert_int_equal(f.frame.rsp, RSP - off);
		assert_int_equal(f.sp % 16, 0);
		assert_in_range(RSP - off - (f.sp + sizeof(f.frame)), 128,
		    128 + 15);
		for (uint64_t i = 1; i <= 128; i++)
			assert_int_equal(*rig_gpa(r, STACK_GPA + RSP - off -
			    STACK - i), 0x99);
	}
}

static void reflect_a_page_fault(void **state)
{
	struct rig *r = *state;
	struct found f;

	handler(r, HANDLER_SP);
	set(r, 14, VMMCTL_POLICY_REFLECT);
	load(r, BLOB(h_load), 3);
	r->regs->rbx = SPARE + 0x321;
	rig_run(r);
	expect_syscall(r);
	f = found(r);
	assert_int_equal(f.frame.vector, 14);
	assert_int_equal(f.frame.error_code, 4);
	assert_int_equal(f.frame.cr2, SPARE + 0x321);
	assert_int_equal(f.frame.rip, CODE);
	/* Present, but not for this. */
	rig_map(r, SPARE, FREE_GPA, 0);
	load(r, BLOB(h_load), 3);
	r->regs->rbx = SPARE + 0x321;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(found(r).frame.error_code, 5);
}

static void reflect_other_vectors(void **state)
{
	const struct {
		struct blob blob;
		unsigned vector;
		uint64_t skip, rip;
	} t[] = {
		{ BLOB(h_int3), 3, 0, CODE + 1 },
		{ BLOB(h_hlt), 13, 1, CODE },
		{ BLOB(h_div), 0, 3, CODE },
	};
	struct rig *r = *state;
	struct found f;

	handler(r, HANDLER_SP);
	for (size_t i = 0; i < 3; i++) {
		set(r, t[i].vector, VMMCTL_POLICY_REFLECT);
		load(r, t[i].blob, t[i].skip);
		r->regs->rbx = 0;
		rig_run(r);
		expect_syscall(r);
		f = found(r);
		assert_int_equal(f.calls, 1);
		assert_int_equal(f.frame.vector, t[i].vector);
		assert_int_equal(f.frame.rip, t[i].rip);
	}
}

/* A trap that the guest set itself; the handler runs without TF. */
static void reflect_traps(void **state)
{
	struct rig *r = *state;
	struct vmmctl_frame f;

	handler(r, HANDLER_SP);
	set(r, 1, VMMCTL_POLICY_REFLECT);
	load(r, BLOB(h_traps), 0);
	memcpy(rig_gpa(r, CODE_GPA + HANDLER - CODE), "\x90\x90\x0f\x05", 4);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rip, HANDLER + 4);
	assert_int_equal(r->regs->r11 & TF, 0);
	assert_int_equal(r->regs->rsp, HANDLER_SP);
	memcpy(&f, rig_gpa(r, STACK_GPA + HANDLER_SP - STACK), sizeof(f));
	assert_int_equal(f.vector, 1);
	assert_int_equal(f.rflags, RFLAGS | TF);
	assert_int_equal(f.rsp, RSP);
}

/* No stack, no handler: then the caller hears of it. */
static void what_cannot_be_reflected_exits(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	handler(r, SPARE);
	set(r, 6, VMMCTL_POLICY_REFLECT);
	load(r, BLOB(h_ud2), 2);
	want = *r->regs;
	rig_snapshot(r);
	rig_run(r);
	expect_exception(r, 6, 0);
	expect_regs(r, &want);
	expect_same_memory(r);
	rig_map(r, SPARE - PAGE, FREE_GPA, VMMCTL_PROT_READ);
	rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_READ);
	rig_run(r);
	expect_exception(r, 6, 0);
	expect_same_memory(r);
	/* Half of it would fit. */
	rig_unmap(r, SPARE - PAGE, 2 * PAGE);
	rig_map(r, SPARE - PAGE, FREE_GPA, VMMCTL_PROT_RW);
	handler(r, SPARE - 16);
	rig_run(r);
	expect_exception(r, 6, 0);
	expect_regs(r, &want);
	/* A user's stack pointer may be junk. */
	handler(r, 0);
	r->regs->rsp = 0xdead000000000000;
	rig_run(r);
	expect_exception(r, 6, 0);
	r->regs->rsp = 8;
	rig_run(r);
	expect_exception(r, 6, 0);
	assert_int_equal(r->regs->rsp, 8);
}

static void count_lets_breakpoints_pass(void **state)
{
	struct rig *r = *state;
	uint64_t before, after;

	set(r, 3, VMMCTL_POLICY_COUNT);
	load(r, BLOB(h_count), 0);
	r->regs->rcx = 25;
	expect_rc(r, vmmctl_machine_counter(r->m, "exit.breakpoint",
	    &before), 0);
	rig_run(r);
	expect_syscall(r);
	expect_rc(r, vmmctl_machine_counter(r->m, "exit.breakpoint", &after),
	    0);
	assert_int_equal(after, before + 25);
	set(r, 3, VMMCTL_POLICY_EXIT);
	load(r, BLOB(h_count), 0);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
}

static void count_lets_traps_pass(void **state)
{
	struct rig *r = *state;
	uint64_t before, after;

	set(r, 1, VMMCTL_POLICY_COUNT);
	load(r, BLOB(h_traps), 0);
	expect_rc(r, vmmctl_machine_counter(r->m, "exit.debug", &before), 0);
	rig_run(r);
	expect_syscall(r);
	expect_rc(r, vmmctl_machine_counter(r->m, "exit.debug", &after), 0);
	assert_int_equal(after, before + 3);
}

static void count_is_for_traps_only(void **state)
{
	struct rig *r = *state;

	for (unsigned v = 0; v < 32; v++)
		expect_rc(r, vmmctl_context_set_policy(r->c, v,
		    VMMCTL_POLICY_COUNT), v == 1 || v == 3 ? 0 : -EINVAL);
}

static void killed_is_dead(void **state)
{
	struct rig *r = *state;
	struct vmmctl_context *other = rig_context(r, r->s);
	struct vmmctl_exit x;

	set(r, 13, VMMCTL_POLICY_KILL);
	load(r, BLOB(h_ud2), 2);
	rig_run(r);
	expect_exception(r, 6, 0);
	load(r, BLOB(h_hlt), 1);
	rig_run(r);
	expect_exception(r, 13, 0);
	assert_int_equal(r->regs->rip, CODE);
	r->regs->rip++;
	for (unsigned i = 0; i < 3; i++)
		expect_rc(r, vmmctl_vcpu_run(r->cpu, r->c, &x), -ESRCH);
	expect_rc(r, vmmctl_context_set_policy(r->c, 13,
	    VMMCTL_POLICY_EXIT), 0);
	expect_rc(r, vmmctl_vcpu_run(r->cpu, r->c, &x), -ESRCH);
	/* The vCPU and the space live on. */
	vmmctl_context_regs(other)->rip = CODE + MARK(h_hlt, after);
	rig_run_on(r, r->cpu, other, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
}

static void policy_is_of_the_context(void **state)
{
	struct rig *r = *state;
	struct vmmctl_context *other = rig_context(r, r->s);
	struct vmmctl_exit x;

	set(r, 6, VMMCTL_POLICY_KILL);
	load(r, BLOB(h_ud2), 2);
	for (unsigned i = 0; i < 3; i++) {
		rig_run_on(r, r->cpu, other, &x);
		assert_int_equal(x.kind, VMMCTL_EXIT_EXCEPTION);
	}
}

/* System calls and int n are no exceptions: no policy touches them. */
static void no_policy_for_calls(void **state)
{
	static const uint8_t code[] = { 0xcd, 0x04, 0xcd, 0x03, 0xcd, 0x0d,
	    0x0f, 0x05 };
	struct rig *r = *state;

	for (unsigned v = 0; v < 32; v++)
		set(r, v, VMMCTL_POLICY_KILL);
	load(r, BLOB(h_ud2), 2);
	memcpy(rig_gpa(r, CODE_GPA), code, sizeof(code));
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 4);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 3);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 13);
	rig_run(r);
	expect_syscall(r);
}

static void refused_policies(void **state)
{
	struct rig *r = *state;

	expect_rc(r, vmmctl_context_set_policy(r->c, 32,
	    VMMCTL_POLICY_EXIT), -EINVAL);
	expect_rc(r, vmmctl_context_set_policy(r->c, ~0u,
	    VMMCTL_POLICY_EXIT), -EINVAL);
	expect_rc(r, vmmctl_context_set_policy(r->c, 6,
	    (enum vmmctl_policy)4), -EINVAL);
	expect_rc(r, vmmctl_context_set_policy(r->c, 6,
	    (enum vmmctl_policy)-1), -EINVAL);
	expect_rc(r, vmmctl_context_set_handler(r->c, 1ull << 47, 0),
	    -EINVAL);
	expect_rc(r, vmmctl_context_set_handler(r->c, CODE, 1ull << 47),
	    -EINVAL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(exit_is_the_default),
		TEST(reflect_to_a_stack_of_its_own),
		TEST(reflect_below_the_red_zone),
		TEST(reflect_a_page_fault),
		TEST(reflect_other_vectors),
		TEST(reflect_traps),
		TEST(what_cannot_be_reflected_exits),
		TEST(count_lets_breakpoints_pass),
		TEST(count_lets_traps_pass),
		TEST(count_is_for_traps_only),
		TEST(killed_is_dead),
		TEST(policy_is_of_the_context),
		TEST(no_policy_for_calls),
		TEST(refused_policies),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
