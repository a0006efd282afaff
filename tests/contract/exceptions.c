// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every exception that a 64-bit user can raise, with the RIP and the error
 * code of the manual, nothing changed by it, and a run that can go on.
 */
#include "harness.h"

#include <string.h>

#define FAR_AWAY	0x0000800000000000ull	/* not canonical */
#define ODD		0xdead000000000000ull	/* not canonical */

struct raise {
	const char *name;
	struct blob blob;
	uint64_t at, after;
	uint32_t vector, error_code;
	/* 0: as rig_load leaves them */
	uint64_t rax, rbx, rdx, rsi, rsp, rbp, flags;
};

#define RAISE(n, ...)							\
	{ .name = #n, .blob = BLOB(n), .at = MARK(n, at),		\
	    .after = MARK(n, after), __VA_ARGS__ }

#define EACH_UD(X)							\
	X(ud_ud2) X(ud_ud1) X(ud_push_es) X(ud_pusha) X(ud_daa)		\
	X(ud_into) X(ud_aam) X(ud_far_jump) X(ud_load_cs)		\
	X(ud_lock_nop) X(ud_lock_load) X(ud_rsm) X(ud_vex_rex)		\
	X(ud_opcode) X(ud_getsec)
#define EACH_PRIVILEGED(X)						\
	X(gp_hlt) X(gp_cli) X(gp_sti) X(gp_in) X(gp_in_dx) X(gp_out)	\
	X(gp_outs) X(gp_rdmsr) X(gp_wrmsr) X(gp_clts) X(gp_invlpg)	\
	X(gp_lgdt) X(gp_lidt) X(gp_lldt) X(gp_ltr) X(gp_lmsw)		\
	X(gp_read_cr0) X(gp_write_cr3) X(gp_read_cr8) X(gp_write_dr7)	\
	X(gp_wbinvd) X(gp_invd) X(gp_swapgs) X(gp_sysret) X(gp_xsetbv)	\
	X(gp_rdpmc)
#define EACH_VIRTUAL(X)							\
	X(vm_run) X(vm_load) X(vm_save) X(vm_stgi) X(vm_clgi)		\
	X(vm_skinit) X(vm_invlpga) X(vm_launch) X(vm_resume)		\
	X(vm_xoff) X(vm_ptrld) X(vm_clear) X(vm_xon) X(vm_read)		\
	X(vm_write) X(vm_invept) X(vm_invvpid) X(vm_func)

#define DECLARE(n)	GUEST_ONE(n);
#define UD(n)		RAISE(n, .vector = 6, .rbx = DATA),
#define PRIVILEGED(n)	RAISE(n, .vector = 13, .rbx = DATA, .rsi = DATA),
#define VIRTUAL(n)	RAISE(n, .rbx = DATA),

EACH_UD(DECLARE)
EACH_PRIVILEGED(DECLARE)
GUEST_ONE(ud_monitor);
GUEST_ONE(ud_mwait);
EACH_VIRTUAL(DECLARE)
GUEST_ONE(smsw);
GUEST_ONE(de_zero);
GUEST_ONE(de_overflow);
GUEST_ONE(de_negative);
GUEST_ONE(gp_movaps);
GUEST_ONE(gp_cmpxchg16b);
GUEST_ONE(gp_ldmxcsr);
GUEST_ONE(gp_fxrstor);
GUEST_ONE(gp_xrstor);
GUEST_ONE(gp_selector);
GUEST_ONE(gp_null_ss);
GUEST_ONE(gp_long);
GUEST_ONE(gp_load);
GUEST_ONE(gp_store);
GUEST_ONE(gp_string);
GUEST_ONE(gp_jump_through);
GUEST_ONE(gp_fs_load);
GUEST_ONE(ss_load);
GUEST_ONE(ss_push);
GUEST_ONE(ss_pop);
GUEST_ONE(ss_ret);
GUEST_ONE(ss_call);
GUEST_ONE(ss_leave);
GUEST_ONE(ac_load);
GUEST_ONE(ac_store);
GUEST_ONE(ac_push);
GUEST_ONE(ac_sse_moves);
GUEST_ONE(mf);
GUEST_ONE(xm);
GUEST_ONE(jump_away);
GUEST_ONE(call_away);
GUEST_ONE(ret_away);
GUEST_ONE(iret_away);
GUEST(odd_rsp);
GUEST(trap_flag);
GUEST_MARKED(trap_flag, first);
GUEST_MARKED(trap_flag, second);
GUEST_MARKED(trap_flag, third);
GUEST_MARKED(trap_flag, fourth);
GUEST_MARKED(trap_flag, fifth);
GUEST_MARKED(trap_flag, sixth);

static void set_registers(struct vmmctl_regs *regs, const struct raise *t)
{
	regs->rip = CODE + t->at;
	regs->rflags |= t->flags;
	if (t->rax != 0)
		regs->rax = t->rax;
	if (t->rbx != 0)
		regs->rbx = t->rbx;
	if (t->rdx != 0)
		regs->rdx = t->rdx;
	if (t->rsi != 0)
		regs->rsi = t->rsi;
	if (t->rsp != 0)
		regs->rsp = t->rsp;
	if (t->rbp != 0)
		regs->rbp = t->rbp;
}

static void raise_all(struct rig *r, const struct raise *t, size_t n)
{
	struct vmmctl_regs want;

	for (size_t i = 0; i < n; i++, t++) {
		rig_note(r, "%s", t->name);
		rig_load(r, t->blob);
		set_registers(r->regs, t);
		want = *r->regs;
		rig_snapshot(r);
		rig_run(r);
		if (r->x.kind != VMMCTL_EXIT_EXCEPTION ||
		    r->x.vector != t->vector)
			rig_say("in %s", t->name);
		expect_exception(r, t->vector, t->error_code);
		expect_regs(r, &want);
		expect_same_memory(r);
		/* Once more: nothing was used up. */
		rig_run(r);
		expect_exception(r, t->vector, t->error_code);
		expect_regs(r, &want);
		r->regs->rip = CODE + t->after;
		r->regs->rax = 1;
		rig_run(r);
		expect_syscall(r);
	}
}
#define RAISE_ALL(r, t)	raise_all((r), (t), sizeof(t) / sizeof((t)[0]))

static void divide_error(void **state)
{
	const struct raise t[] = {
		RAISE(de_zero, .vector = 0, .rbx = 0x100000000),
		RAISE(de_overflow, .vector = 0, .rdx = 7, .rbx = 7),
		RAISE(de_negative, .vector = 0, .rax = 1ull << 63,
		    .rdx = ~0ull, .rbx = ~0ull),
	};
	struct rig *r = *state;
	struct vmmctl_regs want;

	raise_all(r, t + 1, 2);
	/* Zero is what the table calls "as it was". */
	rig_load(r, t[0].blob);
	r->regs->rbx = 0;
	want = *r->regs;
	rig_run(r);
	expect_exception(r, 0, 0);
	expect_regs(r, &want);
}

static void invalid_opcode(void **state)
{
	const struct raise t[] = { EACH_UD(UD) };

	RAISE_ALL(*state, t);
}

static void privileged_instructions(void **state)
{
	const struct raise t[] = { EACH_PRIVILEGED(PRIVILEGED) };

	RAISE_ALL(*state, t);
}

static void monitor_and_mwait(void **state)
{
	const struct raise t[] = { UD(ud_monitor) UD(ud_mwait) };
	struct rig *r = *state;

	rig_need_exact(r, "MONITOR in ring 3");
	RAISE_ALL(r, t);
}

/* Instructions of hypervisors are #UD, or #GP where the host's processor has
 * one: SVM's are while EFER.SVME is set, VMX's in VMX operation. */
static void virtualisation(void **state)
{
	const struct raise t[] = { EACH_VIRTUAL(VIRTUAL) };
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_untraced(r);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_load(r, t[i].blob);
		set_registers(r->regs, &t[i]);
		want = *r->regs;
		rig_snapshot(r);
		rig_run(r);
		if (r->x.kind != VMMCTL_EXIT_EXCEPTION ||
		    (r->x.vector != 6 && r->x.vector != 13))
			rig_say("in %s", t[i].name);
		expect_exception(r, r->x.vector == 13 ? 13 : 6, 0);
		expect_regs(r, &want);
		expect_same_memory(r);
		r->regs->rip = CODE + t[i].after;
		rig_run(r);
		expect_syscall(r);
	}
}

/* Ring 3 may read CR0, or has UMIP, for which some kernels make up. */
static void smsw(void **state)
{
	struct rig *r = *state;

	rig_need_exact(r, "SMSW in ring 3");
	rig_untraced(r);
	rig_load(r, BLOB(smsw));
	rig_run(r);
	if (r->x.kind != VMMCTL_EXIT_SYSCALL) {
		expect_exception(r, 13, 0);
		return;
	}
	expect_syscall(r);
	assert_int_equal(r->regs->rax & 0x80000001, 0x80000001); /* PG, PE */
}

static void general_protection(void **state)
{
	const struct raise t[] = {
		RAISE(gp_movaps, .vector = 13),
		RAISE(gp_cmpxchg16b, .vector = 13),
		RAISE(gp_long, .vector = 13),
		RAISE(gp_load, .vector = 13, .rbx = ODD),
		RAISE(gp_load, .vector = 13, .rbx = FAR_AWAY),
		RAISE(gp_load, .vector = 13, .rbx = ~FAR_AWAY),
		RAISE(gp_store, .vector = 13, .rbx = ODD),
		RAISE(gp_string, .vector = 13, .rsi = ODD),
		RAISE(gp_jump_through, .vector = 13, .rbx = ODD),
		RAISE(gp_fs_load, .vector = 13, .rbx = ODD),
	};

	RAISE_ALL(*state, t);
}

static void selectors(void **state)
{
	const struct raise t[] = {
		RAISE(gp_selector, .vector = 13, .error_code = 0xfff8,
		    .rax = 0xfffb),
		RAISE(gp_selector, .vector = 13, .error_code = 0xfffc,
		    .rax = 0xffff),
		RAISE(gp_null_ss, .vector = 13, .rax = 0x10000),
	};

	RAISE_ALL(*state, t);
}

/* What the processor refuses to load into the extended state. */
static void extended_state(void **state)
{
	const struct raise t[] = {
		RAISE(gp_fxrstor, .vector = 13, .rbx = DATA + 0x400),
		RAISE(gp_xrstor, .vector = 13, .rax = 7, .rdx = 1ull << 32,
		    .rbx = DATA + 0x400),
	};
	struct rig *r = *state;

	memset(rig_gpa(r, DATA_GPA), 0xff, PAGE);
	RAISE_ALL(r, t);
}

static void reserved_bits_of_mxcsr(void **state)
{
	const struct raise t[] = {
		RAISE(gp_ldmxcsr, .vector = 13, .rbx = DATA),
	};
	struct rig *r = *state;

	rig_need_exact(r, "LDMXCSR of reserved bits");
	memset(rig_gpa(r, DATA_GPA), 0xff, PAGE);
	RAISE_ALL(r, t);
}

static void stack_fault(void **state)
{
	const struct raise t[] = {
		RAISE(ss_load, .vector = 12, .rbp = ODD),
		RAISE(ss_push, .vector = 12, .rsp = ODD),
		RAISE(ss_pop, .vector = 12, .rsp = ODD),
		RAISE(ss_ret, .vector = 12, .rsp = ODD),
		RAISE(ss_call, .vector = 12, .rsp = FAR_AWAY + 0x100),
		RAISE(ss_leave, .vector = 12, .rbp = ODD),
	};

	RAISE_ALL(*state, t);
}

static void alignment_check(void **state)
{
	const struct raise t[] = {
		RAISE(ac_load, .vector = 17, .flags = AC),
		RAISE(ac_store, .vector = 17, .flags = AC),
		RAISE(ac_push, .vector = 17, .flags = AC, .rsp = RSP + 4),
	};
	struct rig *r = *state;

	RAISE_ALL(r, t);
	rig_load(r, BLOB(ac_load));
	rig_run(r);
	expect_syscall(r);
	rig_load(r, BLOB(ac_sse_moves));
	r->regs->rflags |= AC;
	rig_run(r);
	if (r->x.kind != VMMCTL_EXIT_SYSCALL)
		expect_exception(r, 17, 0);
}

static void x87_error(void **state)
{
	const uint16_t control = 0x37f & ~4u;	/* divide by zero unmasked */
	struct rig *r = *state;
	uint8_t x[576];
	uint16_t status;

	rig_load(r, BLOB(mf));
	memcpy(rig_gpa(r, DATA_GPA), &control, sizeof(control));
	r->regs->rbx = DATA;
	rig_run(r);
	expect_exception(r, 16, 0);
	assert_int_equal(r->regs->rip, CODE + MARK(mf, at));
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, sizeof(x)), 0);
	memcpy(&status, x + 2, sizeof(status));
	assert_int_equal(status & 0x84, 0x84);	/* ES, ZE */
	rig_run(r);
	expect_exception(r, 16, 0);
	/* With the state reset by the owner it goes on. */
	memset(x, 0, sizeof(x));
	x[0] = 0x7f;
	x[1] = 0x03;
	x[24] = 0x80;
	x[25] = 0x1f;
	x[512] = 3;
	expect_rc(r, vmmctl_context_set_xsave(r->c, x, sizeof(x)), 0);
	rig_run(r);
	expect_syscall(r);
}

static void simd_error(void **state)
{
	const uint32_t mxcsr = 0x1f80 & ~0x200u;  /* divide by zero unmasked */
	const float one = 1;
	struct rig *r = *state;
	uint8_t x[576];

	rig_load(r, BLOB(xm));
	memcpy(rig_gpa(r, DATA_GPA), &mxcsr, 4);
	memcpy(rig_gpa(r, DATA_GPA + 4), &one, 4);
	r->regs->rbx = DATA;
	rig_run(r);
	expect_exception(r, 19, 0);
	assert_int_equal(r->regs->rip, CODE + MARK(xm, at));
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, sizeof(x)), 0);
	assert_int_equal(x[24] & 0x3f, 4);	/* ZE, and nothing else */
	r->regs->rip = CODE + MARK(xm, after);
	rig_run(r);
	expect_syscall(r);
}

static void jumps_to_non_canonical(void **state)
{
	const struct blob blobs[] = { BLOB(jump_away), BLOB(call_away),
	    BLOB(ret_away) };
	const uint64_t targets[] = { FAR_AWAY, ODD, ~FAR_AWAY };
	struct rig *r = *state;

	for (size_t i = 0; i < 9; i++) {
		uint64_t target = targets[i / 3];

		rig_load(r, blobs[i % 3]);
		r->regs->rbx = target;
		memcpy(rig_gpa(r, STACK_GPA + RSP - STACK), &target, 8);
		rig_run(r);
		expect_exception(r, 13, 0);
		/* Intel checks before the jump, AMD at the fetch after it. */
		if (r->regs->rip != CODE)
			assert_int_equal(r->regs->rip, target);
		/* Such a RIP cannot run. */
		if (r->regs->rip == target) {
			rig_run(r);
			expect_exit(r, .kind = VMMCTL_EXIT_FAILED,
			    .field = "RIP", .value = target);
		}
	}
}

static void iret_to_non_canonical(void **state)
{
	const uint64_t frame[] = { ODD, 0x33, RFLAGS, RSP, 0x2b };
	struct rig *r = *state;

	rig_need_exact(r, "IRET to a non-canonical address");
	rig_load(r, BLOB(iret_away));
	memcpy(rig_gpa(r, STACK_GPA + RSP - STACK), frame, sizeof(frame));
	rig_run(r);
	expect_exception(r, 13, 0);
	if (r->regs->rip != CODE)
		assert_int_equal(r->regs->rip, ODD);
}

static void unused_rsp_is_anything(void **state)
{
	static const uint64_t values[] = { 0, 1, 7, 0x1000, DATA + 3, SPARE,
	    CODE, FAR_AWAY, ODD, ~0ull, 0xffffffff81000000, ~FAR_AWAY,
	    0x7ffffffff000, 0xffffffffff600000 };
	struct rig *r = *state;

	rig_need_exact(r, "int 0x80 of a fresh vCPU, each time");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		rig_load(r, BLOB(odd_rsp));
		r->regs->rsp = values[i];
		rig_snapshot(r);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rsp, values[i]);
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 0x80);
		rig_run(r);
		expect_exception(r, 6, 0);
		assert_int_equal(r->regs->rsp, values[i]);
		expect_same_memory(r);
	}
}

static void trap_flag(void **state)
{
	struct rig *r = *state;
	const uint64_t stops[] = { MARK(trap_flag, first),
	    MARK(trap_flag, second) };

	rig_load(r, BLOB(trap_flag));
	for (size_t i = 0; i < 2; i++) {
		rig_run(r);
		expect_debug(r, VMMCTL_DR6_BS);
		assert_int_equal(r->regs->rip, CODE + stops[i]);
		assert_int_equal(r->regs->rflags & TF, TF);
	}
	/* syscall saves TF; the trap comes after the instruction behind it. */
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rip, CODE + MARK(trap_flag, third));
	assert_int_equal(r->regs->r11 & TF, TF);
	assert_int_equal(r->regs->rflags & TF, TF);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	assert_int_equal(r->regs->rip, CODE + MARK(trap_flag, fourth));
	assert_int_equal(*rig_gpa(r, STACK_GPA + RSP - STACK - 7) & 1, 1);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	assert_int_equal(r->regs->rip, CODE + MARK(trap_flag, fifth));
	/* POPF that clears TF still traps. */
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	assert_int_equal(r->regs->rip, CODE + MARK(trap_flag, sixth));
	assert_int_equal(r->regs->rflags & TF, 0);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->r11 & TF, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(divide_error),
		TEST(invalid_opcode),
		TEST(privileged_instructions),
		TEST(monitor_and_mwait),
		TEST(virtualisation),
		TEST(smsw),
		TEST(general_protection),
		TEST(selectors),
		TEST(extended_state),
		TEST(reserved_bits_of_mxcsr),
		TEST(stack_fault),
		TEST(alignment_check),
		TEST(x87_error),
		TEST(simd_error),
		TEST(jumps_to_non_canonical),
		TEST(iret_to_non_canonical),
		TEST(unused_rsp_is_anything),
		TEST(trap_flag),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
