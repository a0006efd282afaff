// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hardware breakpoints and watchpoints.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>

GUEST(t_watch);
GUEST_MARKED(t_watch, load);
GUEST_MARKED(t_watch, store);
GUEST_MARKED(t_watch, beside);
GUEST_MARKED(t_watch, last);

#define ENABLE(n)	(1ull << (2 * (n)))
#define KIND(n, rw)	((uint64_t)(rw) << (16 + 4 * (n)))
#define LEN(n, bytes)	((uint64_t)((bytes) == 8 ? 2 : (bytes) - 1) <<	\
			    (18 + 4 * (n)))
#define ON_EXEC		0
#define ON_WRITE	1
#define ON_ACCESS	3

static void set(struct rig *r, const struct vmmctl_debug_regs *d)
{
	rig_need(r, VMMCTL_CAP_DEBUG_REGS, "debug registers");
	expect_rc(r, vmmctl_context_set_debug_regs(r->c, d), 0);
}

static void load(struct rig *r)
{
	rig_load(r, BLOB(t_watch));
	r->regs->rbx = DATA;
}

static void not_supported_is_said(void **state)
{
	struct rig *r = *state;
	const struct vmmctl_debug_regs d = { .dr7 = 0 };

	if ((r->info.caps & VMMCTL_CAP_DEBUG_REGS) != 0)
		rig_skip(r, "debug registers are supported");
	expect_rc(r, vmmctl_context_set_debug_regs(r->c, &d), -ENOTSUP);
}

static void breakpoint_stops_before_the_instruction(void **state)
{
	struct rig *r = *state;

	for (unsigned n = 0; n < 4; n++) {
		struct vmmctl_debug_regs d = { .dr7 = ENABLE(n) };

		d.addr[n] = CODE + MARK(t_watch, load);
		set(r, &d);
		load(r);
		rig_run(r);
		expect_debug(r, 1ull << n);
		assert_int_equal(r->regs->rip, d.addr[n]);
		assert_int_equal(r->regs->rflags, RFLAGS);
		/* Again, for RFLAGS says nothing else; with RF it goes on. */
		rig_run(r);
		expect_debug(r, 1ull << n);
		r->regs->rflags |= RF;
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->r11, RFLAGS);
	}
}

static void watchpoint_stops_after_the_instruction(void **state)
{
	static const unsigned bytes[] = { 1, 2, 4, 8 };
	struct rig *r = *state;

	for (unsigned n = 0; n < 4; n++) {
		struct vmmctl_debug_regs d = { .dr7 = ENABLE(n) |
		    KIND(n, ON_WRITE) | LEN(n, bytes[n]) };

		d.addr[n] = bytes[n] == 8 ? DATA : DATA + 4 - bytes[n];
		set(r, &d);
		load(r);
		rig_run(r);
		expect_debug(r, 1ull << n);
		assert_int_equal(r->regs->rip,
		    CODE + MARK(t_watch, beside));
		rig_run(r);
		expect_syscall(r);
	}
}

static void access_watchpoint_sees_reads(void **state)
{
	const struct vmmctl_debug_regs d = {
		.addr = { [1] = DATA },
		.dr7 = ENABLE(1) | KIND(1, ON_ACCESS) | LEN(1, 4),
	};
	struct rig *r = *state;

	set(r, &d);
	load(r);
	rig_run(r);
	expect_debug(r, 2);
	assert_int_equal(r->regs->rip, CODE + MARK(t_watch, store));
	rig_run(r);
	expect_debug(r, 2);
	assert_int_equal(r->regs->rip, CODE + MARK(t_watch, beside));
	rig_run(r);
	expect_syscall(r);
}

static void two_at_once(void **state)
{
	const struct vmmctl_debug_regs d = {
		.addr = { DATA, DATA + 2 },
		.dr7 = ENABLE(0) | KIND(0, ON_WRITE) | LEN(0, 8) |
		    ENABLE(1) | KIND(1, ON_ACCESS) | LEN(1, 2),
	};
	struct rig *r = *state;

	set(r, &d);
	load(r);
	rig_run(r);
	expect_debug(r, 2);
	rig_run(r);
	expect_debug(r, 3);
	rig_run(r);
	expect_syscall(r);
}

static void stepping_onto_and_over(void **state)
{
	const struct vmmctl_debug_regs d = {
		.addr = { DATA },
		.dr7 = ENABLE(0) | KIND(0, ON_WRITE) | LEN(0, 4),
	};
	struct rig *r = *state;

	set(r, &d);
	load(r);
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	assert_int_equal(r->regs->rip, CODE + MARK(t_watch, store));
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS | 1);
	assert_int_equal(r->regs->rip, CODE + MARK(t_watch, beside));
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	assert_int_equal(r->regs->rip, CODE + MARK(t_watch, last));
	rig_run(r);
	expect_syscall(r);
}

/* One that is off, or another context's, stops nobody. */
static void debug_registers_are_of_the_context(void **state)
{
	struct vmmctl_debug_regs d = {
		.addr = { CODE + MARK(t_watch, load) }, .dr7 = ENABLE(0),
	};
	struct rig *r = *state;
	struct vmmctl_context *other;
	struct vmmctl_exit x;

	set(r, &d);
	load(r);
	other = rig_context(r, r->s);
	vmmctl_context_regs(other)->rbx = DATA;
	rig_run(r);
	expect_debug(r, 1);
	rig_run_on(r, r->cpu, other, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
	d.dr7 = 0;
	expect_rc(r, vmmctl_context_set_debug_regs(r->c, &d), 0);
	rig_run(r);
	expect_syscall(r);
}

static void refused_debug_registers(void **state)
{
	const struct vmmctl_debug_regs good = {
		.addr = { DATA },
		.dr7 = ENABLE(0) | KIND(0, ON_WRITE) | LEN(0, 4),
	};
	struct rig *r = *state;
	struct vmmctl_debug_regs d;

	set(r, &good);
	d = good;
	d.dr7 |= 1ull << 32;
	expect_rc(r, vmmctl_context_set_debug_regs(r->c, &d), -EINVAL);
	d = good;
	d.dr7 |= 1ull << 13;	/* general detect */
	expect_rc(r, vmmctl_context_set_debug_regs(r->c, &d), -EINVAL);
	d = good;
	d.dr7 |= KIND(0, 2);	/* I/O */
	d.dr7 &= ~KIND(0, 1);
	expect_rc(r, vmmctl_context_set_debug_regs(r->c, &d), -EINVAL);
	d = good;
	d.addr[0] = 1ull << 47;
	expect_rc(r, vmmctl_context_set_debug_regs(r->c, &d), -EINVAL);
	/* Nothing of it was taken. */
	load(r);
	rig_run(r);
	expect_debug(r, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(not_supported_is_said),
		TEST(breakpoint_stops_before_the_instruction),
		TEST(watchpoint_stops_after_the_instruction),
		TEST(access_watchpoint_sees_reads),
		TEST(two_at_once),
		TEST(stepping_onto_and_over),
		TEST(debug_registers_are_of_the_context),
		TEST(refused_debug_registers),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
