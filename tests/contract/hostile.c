// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hostile guests on every backend: whatever they execute, no system call of
 * the host happens, the run ends, and the context runs again with good
 * registers.
 */
#include "runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

GUEST_ONE(x_syscall);
GUEST_ONE(x_int80);
GUEST_ONE(x_sysenter);
GUEST_ONE(x_far_jump);
GUEST_ONE(x_far_call);
GUEST_ONE(x_iret);
GUEST_ONE(x_lret);
GUEST_ONE(x_sgdt);
GUEST_ONE(x_sidt);
GUEST_ONE(x_sldt);
GUEST_ONE(x_str);
GUEST_ONE(x_smsw);
GUEST_ONE(x_vmcall);
GUEST_ONE(x_vmmcall);
GUEST_ONE(x_load_ds);
GUEST_ONE(x_load_es);
GUEST_ONE(x_load_fs);
GUEST_ONE(x_load_gs);
GUEST_ONE(x_load_ss);
GUEST_ONE(x_wrfsbase);
GUEST(x32_int80);
GUEST(x32_sysenter);
GUEST(x32_syscall);
GUEST(x32_ud2);
GUEST(x32_hlt);
GUEST(x32_int3);
GUEST(x32_into);
GUEST(x32_bound);
GUEST(x32_load);
GUEST(x32_trap);
GUEST(x32_spin);
GUEST(t_movss_syscall);
GUEST(t_movss_int3);
GUEST(t_movss_int80);
GUEST(t_movss_ud2);
GUEST(odd_rsp);

#define CODE32		(CODE + 0x800)
#define CS_64		0x33u
#define CS_32		0x23u
#define PATH		(DATA + 0x100)	/* of a file that must not be */

static char path[64];
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

/* What a system call of the guest's would leave behind. */
static void expect_no_effect(void)
{
	if (access(path, F_OK) == 0)
		rig_say("the guest has made %s", path);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(signals, 0);
}

static void arm(struct rig *r)
{
	rig_untraced(r);
	snprintf(path, sizeof(path), "/tmp/vmmctl-hostile-%d", (int)getpid());
	signals = 0;
	signal(SIGUSR1, on_signal);
}

static void load(struct rig *r, struct blob b)
{
	rig_load(r, b);
	memcpy(rig_gpa(r, DATA_GPA + PATH - DATA), path, sizeof(path));
}

/* With good registers the context runs as ever. */
static void expect_alive(struct rig *r)
{
	load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rip, CODE + 2);
}

/* kill(owner, SIGUSR1) and creat(path) in the three numberings. */
static void system_calls_by_number(void **state)
{
	const uint64_t calls[][4] = {
		{ 62, (uint64_t)getpid(), SIGUSR1, 0 },
		{ 85, PATH, 0600, 0 },
		{ 2, PATH, 0101, 0600 },
		{ 0x4000003e, (uint64_t)getpid(), SIGUSR1, 0 },
		{ 0x40000055, PATH, 0600, 0 },
		{ 129, (uint64_t)getpid(), SIGUSR1, 0 },
		{ 231, 0, 0, 0 },
		{ 15, 0, 0, 0 },
		{ 101, 16, (uint64_t)getppid(), 0 },
		{ 317, 0, 0, 0 },
		{ 157, 22, 1, 0 },
	};
	struct rig *r = *state;

	arm(r);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		load(r, BLOB(x_syscall));
		r->regs->rax = calls[i][0];
		r->regs->rdi = calls[i][1];
		r->regs->rsi = calls[i][2];
		r->regs->rdx = calls[i][3];
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, calls[i][0]);
		expect_no_effect();
	}
}

static void legacy_calls(void **state)
{
	/* i386: creat, kill, exit, fork */
	const uint64_t calls[][3] = { { 8, PATH, 0600 },
	    { 37, (uint64_t)getpid(), SIGUSR1 }, { 1, 0, 0 }, { 2, 0, 0 } };
	struct rig *r = *state;

	arm(r);
	for (size_t i = 0; i < 4; i++) {
		load(r, BLOB(x_int80));
		r->regs->rax = calls[i][0];
		r->regs->rbx = calls[i][1];
		r->regs->rcx = calls[i][2];
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 0x80);
		assert_int_equal(r->regs->rax, calls[i][0]);
		expect_no_effect();

		/* Intel lets it through to the kernel's 32-bit entry. */
		load(r, BLOB(x_sysenter));
		r->regs->rax = calls[i][0];
		r->regs->rbx = calls[i][1];
		r->regs->rcx = calls[i][2];
		r->regs->rbp = DATA;
		rig_run(r);
		if (r->x.kind != VMMCTL_EXIT_FAILED) {
			assert_int_equal(r->x.kind, VMMCTL_EXIT_EXCEPTION);
			assert_true(r->x.vector == 6 || r->x.vector == 13);
		}
		expect_no_effect();
		expect_alive(r);
	}
}

/* ---- 32-bit code ------------------------------------------------------- */

/* Puts the code at CODE32, and an m16:32 pointer to it at DATA. */
static void load32(struct rig *r, struct blob b)
{
	const uint32_t pointer[] = { CODE32, CS_32 };

	load(r, BLOB(x_far_jump));
	memcpy(rig_gpa(r, CODE_GPA + CODE32 - CODE), b.start,
	    (size_t)(b.end - b.start));
	memcpy(rig_gpa(r, DATA_GPA), pointer, sizeof(pointer));
	r->regs->rbx = DATA;
	r->regs->rax = 8;		/* creat, for i386 */
	r->regs->rcx = 0600;
	r->regs->rbp = DATA;
}

static void trap_of_32_bit_code(struct rig *r)
{
	if ((r->info.caps & VMMCTL_CAP_EXACT) == 0 &&
	    r->x.kind == VMMCTL_EXIT_EXCEPTION) {
		/* Wrong in some way, but at once. */
		assert_int_equal(r->regs->rip, CODE);
	} else if (r->info.caps & VMMCTL_CAP_COMPAT_TRAP) {
		expect_exception(r, 13, CS_32 & ~3u);
		assert_int_equal(r->regs->rip, CODE);
	} else {
		assert_int_equal(r->x.kind, VMMCTL_EXIT_FAILED);
		assert_non_null(r->x.field);
	}
}

static void far_jump_to_32_bit_code(void **state)
{
	const struct blob blobs[] = { BLOB(x32_int80), BLOB(x32_sysenter),
	    BLOB(x32_syscall), BLOB(x32_ud2), BLOB(x32_hlt), BLOB(x32_int3),
	    BLOB(x32_into), BLOB(x32_bound), BLOB(x32_load),
	    BLOB(x32_trap) };
	struct rig *r = *state;

	rig_need_exact(r, "32-bit code, the same way each time");
	arm(r);
	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		load32(r, blobs[i]);
		rig_run(r);
		trap_of_32_bit_code(r);
		expect_no_effect();
		expect_alive(r);
	}
}

static void other_ways_to_32_bit_code(void **state)
{
	const uint64_t iret[] = { CODE32, CS_32, RFLAGS, RSP, 0x2b };
	const uint32_t lret[] = { CODE32, CS_32 };
	struct rig *r = *state;
	uint8_t *sp = rig_gpa(r, STACK_GPA + RSP - STACK);

	rig_need_exact(r, "32-bit code, the same way each time");
	arm(r);
	for (unsigned way = 0; way < 3; way++) {
		load32(r, BLOB(x32_int80));
		memcpy(rig_gpa(r, CODE_GPA), way == 0 ?
		    BLOB(x_far_call).start : way == 1 ? BLOB(x_iret).start :
		    BLOB(x_lret).start, 3);
		if (way == 1)
			memcpy(sp, iret, sizeof(iret));
		else
			memcpy(sp, lret, sizeof(lret));
		rig_run(r);
		trap_of_32_bit_code(r);
		expect_no_effect();
		expect_alive(r);
	}
}

/* There and back is a guest's right where far transfers work. */
static void to_32_bit_code_and_back(void **state)
{
	const uint32_t home = CODE + 0x1000;
	struct rig *r = *state;
	uint8_t *p;

	rig_need_exact(r, "32-bit code, the same way each time");
	arm(r);
	if (r->info.caps & VMMCTL_CAP_COMPAT_TRAP)
		rig_skip(r, "far transfers to 32-bit code fault at once");
	rig_need_exact(r, "far transfers");
	load32(r, BLOB(x32_hlt));
	p = rig_gpa(r, CODE_GPA + CODE32 - CODE);
	p[0] = 0xea;
	memcpy(p + 1, &home, 4);
	p[5] = CS_64;
	p[6] = 0;
	memcpy(rig_gpa(r, CODE_GPA + 0x1000), "\x0f\x05", 2);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rip, CODE + 0x1002);
}

static void kicked_out_of_32_bit_code(void **state)
{
	struct rig *r = *state;
	static struct runner t;

	rig_need_exact(r, "32-bit code, the same way each time");
	arm(r);
	load32(r, BLOB(x32_spin));
	runner_init(&t, r, r->cpu, r->c);
	runner_start(&t);
	sleep_us(20000);
	vmmctl_vcpu_kick(r->cpu);
	runner_join(&t);
	r->x = t.x;
	if (r->x.kind != VMMCTL_EXIT_KICKED)
		trap_of_32_bit_code(r);
	else
		expect_alive(r);
	/* The kick may still be due. */
	load(r, BLOB(x_syscall));
	rig_run(r);
	if (r->x.kind == VMMCTL_EXIT_KICKED)
		rig_run(r);
	expect_syscall(r);
}

/* ---- state ------------------------------------------------------------- */

static void every_selector(void **state)
{
	const struct blob blobs[] = { BLOB(x_load_ds), BLOB(x_load_es),
	    BLOB(x_load_fs), BLOB(x_load_gs), BLOB(x_load_ss) };
	struct rig *r = *state;
	unsigned loaded = 0;

	arm(r);
	for (uint64_t sel = 0; sel < 0x100; sel += sel < 0x88 ? 1 : 7) {
		for (size_t i = 0; i < 5; i++) {
			load(r, blobs[i]);
			r->regs->rax = sel;
			rig_run(r);
			if (r->x.kind == VMMCTL_EXIT_SYSCALL) {
				loaded++;
				if ((r->info.caps & VMMCTL_CAP_SELECTORS) ==
				    0 || sel < 4 || (sel | 3) == 0x2b ||
				    (sel | 3) == 0x33)
					continue;
				rig_say("selector %#x exists", (unsigned)sel);
				assert_int_equal(r->info.caps &
				    VMMCTL_CAP_SELECTORS, 0);
			}
			assert_int_equal(r->x.kind, VMMCTL_EXIT_EXCEPTION);
			assert_in_range(r->x.vector, 11, 13);
			assert_int_equal(r->x.error_code, sel & ~3ull);
			assert_int_equal(r->regs->rip, CODE);
		}
	}
	rig_say("%u loads of selectors below 0x100 were allowed", loaded);
	expect_alive(r);
}

/* Each either faults or gives away nothing that stops the run. */
static void system_state(void **state)
{
	const struct blob blobs[] = { BLOB(x_sgdt), BLOB(x_sidt),
	    BLOB(x_sldt), BLOB(x_str), BLOB(x_smsw), BLOB(x_vmcall),
	    BLOB(x_vmmcall) };
	struct rig *r = *state;

	arm(r);
	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		load(r, blobs[i]);
		r->regs->rbx = DATA;
		rig_run(r);
		if (r->x.kind != VMMCTL_EXIT_SYSCALL) {
			assert_int_equal(r->x.kind, VMMCTL_EXIT_EXCEPTION);
			assert_true(r->x.vector == 6 || r->x.vector == 13);
			assert_int_equal(r->regs->rip, CODE);
		}
		expect_alive(r);
	}
}

/* The handler of the exit must not trip over the guest's flags. */
static void every_exit_with_odd_flags(void **state)
{
	static const uint64_t flags[] = { AC, DF, ID, AC | DF | OF | CF,
	    AC | DF | ID | OF | CF | ZF | PF };
	struct rig *r = *state;

	arm(r);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (uint64_t off = 0; off < 9; off += 3) {
			load(r, BLOB(odd_rsp));
			r->regs->rflags |= flags[i];
			r->regs->rsp = RSP - off;
			rig_run(r);
			expect_syscall(r);
			rig_run(r);
			expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT,
			    .vector = 3);
			rig_run(r);
			expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT,
			    .vector = 0x80);
			rig_run(r);
			expect_exception(r, 6, 0);
			assert_int_equal(r->regs->rflags, RFLAGS | flags[i]);
			assert_int_equal(r->regs->rsp, RSP - off);
			r->regs->rip = SPARE;
			rig_run(r);
			expect_fault(r, SPARE, VMMCTL_PROT_EXEC, 0);
			assert_int_equal(r->regs->rflags, RFLAGS | flags[i]);
		}
	}
}

/* Known to have undone kernels: a trap held back into the next entry. */
static void trap_flag_across_mov_ss(void **state)
{
	const struct blob blobs[] = { BLOB(t_movss_syscall),
	    BLOB(t_movss_int3), BLOB(t_movss_int80), BLOB(t_movss_ud2) };
	static const uint32_t kinds[] = { VMMCTL_EXIT_SYSCALL,
	    VMMCTL_EXIT_BREAKPOINT, VMMCTL_EXIT_SOFTINT,
	    VMMCTL_EXIT_EXCEPTION };
	struct rig *r = *state;

	rig_need_exact(r, "int 0x80 of a fresh vCPU, each time");
	arm(r);
	for (size_t i = 0; i < 4; i++) {
		load(r, blobs[i]);
		/* Begin at MOV SS, whose source those before it loaded. */
		r->regs->rip = CODE + 4;
		r->regs->rcx = 0x2b;
		r->regs->rax = 85;
		r->regs->rdi = PATH;
		r->regs->rflags |= TF;
		rig_run(r);
		assert_int_equal(r->x.kind, kinds[i]);
		assert_int_equal(r->regs->rflags & TF, TF);
		expect_no_effect();
		expect_alive(r);
	}
}

static void bases_of_any_kind(void **state)
{
	static const uint64_t bases[] = { 0, 1, CODE, SPARE, 0x7fffffffffff,
	    0x7ff800000000, 0x7ff800100000, 0x7ff800200000,
	    0xffff800000000000, 0xffffffff81000000, ~0ull };
	struct rig *r = *state;

	arm(r);
	rig_need(r, VMMCTL_CAP_FSGSBASE, "FSGSBASE");
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		load(r, BLOB(x_wrfsbase));
		r->regs->rax = bases[i];
		r->regs->gs_base = bases[i];
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->fs_base, bases[i]);
		r->regs->rip = SPARE;
		rig_run(r);
		expect_fault(r, SPARE, VMMCTL_PROT_EXEC, 0);
		assert_int_equal(r->regs->fs_base, bases[i]);
		assert_int_equal(r->regs->gs_base, bases[i]);
		expect_no_effect();
	}
}

/* Random bytes as code: the run ends, and the next context is well. */
static void random_code(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 3000, 300, 300);
	uint64_t seed = 88172645463325252ull, failed = 0, spent = 0;

	arm(r);
	for (uint64_t i = 0; i < rounds; i++) {
		int rc;

		load(r, BLOB(x_syscall));
		for (uint64_t k = 0; k < 64; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			memcpy(rig_gpa(r, CODE_GPA + 8 * k), &seed, 8);
		}
		r->regs->rbx = PATH;
		r->regs->rdi = DATA + 0x1000;
		r->regs->rsi = DATA + 0x2000;
		r->regs->rax = seed % 512;
		vmmctl_vcpu_set_budget(r->cpu, 20000000, 0);
		rc = rig_enter(r->cpu, r->c, &r->x);
		if (rc != 0)
			rig_say("round %llu: run returns %d",
			    (unsigned long long)i, rc);
		assert_int_equal(rc, 0);
		failed += r->x.kind == VMMCTL_EXIT_FAILED;
		spent += r->x.kind == VMMCTL_EXIT_BUDGET;
		assert_in_range(r->x.kind, VMMCTL_EXIT_SYSCALL,
		    VMMCTL_EXIT_FAILED);
		vmmctl_vcpu_set_budget(r->cpu, 0, 0);
		if (i % 16 == 0)
			expect_alive(r);
	}
	expect_alive(r);
	expect_no_effect();
	rig_say("%llu rounds: %llu FAILED, %llu out of time",
	    (unsigned long long)rounds, (unsigned long long)failed,
	    (unsigned long long)spent);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(system_calls_by_number),
		TEST(legacy_calls),
		TEST(far_jump_to_32_bit_code),
		TEST(other_ways_to_32_bit_code),
		TEST(to_32_bit_code_and_back),
		TEST(kicked_out_of_32_bit_code),
		TEST(every_selector),
		TEST(system_state),
		TEST(every_exit_with_odd_flags),
		TEST(trap_flag_across_mov_ss),
		TEST(bases_of_any_kind),
		TEST(random_code),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
