// SPDX-License-Identifier: BSD-2-Clause
/*
 * Brief exits: the registers that pass arguments are there, the others can be
 * fetched, and the guest goes on with its own whatever the caller does in
 * between.  A backend that is never brief passes by the same tests.
 */
#include "procs.h"
#include "runner.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

GUEST(b_calls);
GUEST_MARKED(b_calls, first);
GUEST_MARKED(b_calls, second);
GUEST(b_hidden);
GUEST_MARKED(b_hidden, call);
GUEST(b_base);
GUEST(t_nop);
GUEST_ONE(int3);
GUEST_ONE(x_load);

#define NAMED	39u
#define UNNAMED	40u

static unsigned briefs;		/* how many exits of the test were brief */

/* The rig's machine anew, with one call that may be brief. */
static void remake(struct rig *r)
{
	const uint64_t words[] = { 1ull << NAMED };
	const struct vmmctl_machine_config config = {
		.size = sizeof(config), .brief = words, .brief_words = 1,
	};

	briefs = 0;
	vmmctl_machine_destroy(r->m);
	expect_rc(r, vmmctl_machine_create(r->v, &config, &r->m), 0);
	expect_rc(r, vmmctl_memory_map(r->m, GPA, MEM_SIZE, r->fd, 0,
	    VMMCTL_PROT_RWX), 0);
	r->s = rig_space(r);
	r->c = rig_context(r, r->s);
	r->regs = vmmctl_context_regs(r->c);
	expect_rc(r, vmmctl_vcpu_create(r->m, &r->cpu), 0);
}

static void load(struct rig *r, struct blob b)
{
	rig_load(r, b);
	r->regs->rax = NAMED;
}

/* A run that ends with the call, as it comes. */
static void call_on(struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c)
{
	int rc = vmmctl_vcpu_run(cpu, c, &r->x);

	assert_int_equal(rc, 0);
	briefs += r->x.brief;
	assert_in_range(r->x.brief, 0, 1);
	r->x.brief = 0;
	expect_syscall(r);
}

static void call(struct rig *r)
{
	call_on(r, r->cpu, r->c);
}

static void fetch(struct rig *r)
{
	expect_rc(r, vmmctl_context_fetch(r->c), 0);
}

static void told(struct rig *r)
{
	rig_say("%s/%s: %u exits were brief", r->info.backend,
	    r->info.variant, briefs);
}

static void after_call(struct vmmctl_regs *want, uint64_t rip)
{
	want->rip = want->rcx = rip;
	want->r11 = want->rflags;
}

static void arguments_are_there(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	for (unsigned i = 0; i < 20; i++) {
		uint64_t rip = CODE + (i % 2 ? MARK(b_calls, second) :
		    MARK(b_calls, first));

		call(r);
		assert_int_equal(r->regs->rax, NAMED);
		assert_int_equal(r->regs->rdi, want.rdi);
		assert_int_equal(r->regs->rsi, want.rsi);
		assert_int_equal(r->regs->rdx, want.rdx);
		assert_int_equal(r->regs->r10, want.r10);
		assert_int_equal(r->regs->r8, want.r8);
		assert_int_equal(r->regs->r9, want.r9);
		assert_int_equal(r->regs->rcx, rip);
		assert_int_equal(r->regs->rip, rip);
		fetch(r);
		after_call(&want, rip);
		expect_regs(r, &want);
		/* Once more does nothing. */
		fetch(r);
		expect_regs(r, &want);
	}
	told(r);
	rig_untraced(r);
}

static void only_the_calls_that_are_named(void **state)
{
	static const uint64_t numbers[] = { UNNAMED, 0, 1, 63, 64, 103, 167,
	    511, 512, 0x40000027, 0x8000000000000000 };
	struct rig *r = *state;

	remake(r);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		load(r, BLOB(b_calls));
		r->regs->rax = numbers[i];
		call(r);
		assert_int_equal(briefs, 0);
		assert_int_equal(r->regs->rax, numbers[i]);
		assert_int_equal(r->regs->r11, RFLAGS);
	}
	rig_untraced(r);
}

/* What it did not show is the guest's, when only the result is stored. */
static void the_guest_keeps_its_own(void **state)
{
	struct rig *r = *state;
	uint64_t seen[7];

	remake(r);
	for (unsigned way = 0; way < 2; way++) {
		load(r, BLOB(b_hidden));
		r->regs->rsi = DATA;
		call(r);
		if (way == 1)
			fetch(r);
		r->regs->rax = 0x12345678abcdef;
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		memcpy(seen, rig_gpa(r, DATA_GPA), sizeof(seen));
		assert_int_equal(seen[0], 0x1111222233334444);
		assert_int_equal(seen[1], 0x5555666677778888);
		assert_int_equal(seen[2], RFLAGS | DF | CF);
		assert_int_equal(seen[3], 0x1111222233334444);
		assert_int_equal(seen[4], 0x12345678abcdef);
		assert_int_equal(seen[5], RSP);
		assert_int_equal(seen[6], CODE + MARK(b_hidden, call));
		assert_int_equal(r->regs->rbx, 0x1111222233334444);
	}
	told(r);
}

/* What the caller stores counts, fetched or not. */
static void the_callers_changes_count(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t *gpr = &r->regs->rax;

		load(r, BLOB(b_calls));
		call(r);
		if (i >= 16) {
			/* All of them, without a look. */
			rig_regs(r->regs);
			r->regs->rax = UNNAMED;
			r->regs->rip = CODE + MARK(b_calls, first);
			r->regs->rflags |= CF;
			want = *r->regs;
		} else {
			fetch(r);
			want = *r->regs;
			gpr[i] = (&want.rax)[i] = UNNAMED;
			r->regs->rax = want.rax = UNNAMED;
		}
		rig_run(r);
		expect_syscall(r);
		after_call(&want, CODE + MARK(b_calls, second));
		expect_regs(r, &want);
	}
	told(r);
}

static void a_change_before_the_fetch_stays(void **state)
{
	struct rig *r = *state;

	remake(r);
	load(r, BLOB(b_calls));
	call(r);
	r->regs->rax = 77;
	r->regs->rdi = 88;
	fetch(r);
	assert_int_equal(r->regs->rax, 77);
	assert_int_equal(r->regs->rdi, 88);
	assert_int_equal(r->regs->rsp, RSP);
	assert_int_equal(r->regs->r11, RFLAGS);
	r->regs->rax = UNNAMED;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rdi, 88);
}

static void bases_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	uint64_t value = 0x7766554433221100;

	rig_need(r, VMMCTL_CAP_FSGSBASE, "FSGSBASE");
	remake(r);
	for (unsigned way = 0; way < 3; way++) {
		load(r, BLOB(b_base));
		r->regs->rbx = DATA + 0x100;
		memcpy(rig_gpa(r, DATA_GPA + 0x108), &value, 8);
		memset(rig_gpa(r, DATA_GPA + 0x208), 0x19, 8);
		call(r);
		if (way > 0) {
			fetch(r);
			assert_int_equal(r->regs->fs_base, DATA + 0x100);
			assert_int_equal(r->regs->gs_base, DATA + 0x9000);
		}
		if (way == 2)
			r->regs->fs_base = DATA + 0x200;
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		assert_int_equal(r->regs->r12, way == 2 ?
		    0x1919191919191919 : value);
		assert_int_equal(r->regs->r13, DATA + 0x9000);
	}
}

static void extended_state_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	uint8_t x[576];
	uint64_t seen[7];

	remake(r);
	load(r, BLOB(b_hidden));
	r->regs->rsi = DATA;
	call(r);
	expect_rc(r, vmmctl_context_get_xsave(r->c, x, sizeof(x)), 0);
	assert_memory_equal(x + 160 + 5 * 16, &(uint64_t){
	    0x1111222233334444 }, 8);
	memset(x + 160 + 5 * 16, 0x3c, 8);
	expect_rc(r, vmmctl_context_set_xsave(r->c, x, sizeof(x)), 0);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
	memcpy(seen, rig_gpa(r, DATA_GPA), sizeof(seen));
	assert_int_equal(seen[0], 0x1111222233334444);
	assert_int_equal(seen[2], RFLAGS | DF | CF);
	assert_int_equal(seen[3], 0x3c3c3c3c3c3c3c3c);
}

/* Kicks, budgets and steps between a brief exit and the next run. */
static void other_ends_of_the_next_run(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	after_call(&want, CODE + MARK(b_calls, first));
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	fetch(r);
	expect_regs(r, &want);

	call(r);
	after_call(&want, CODE + MARK(b_calls, second));
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 1), 0);
	call(r);
	after_call(&want, CODE + MARK(b_calls, first));
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BUDGET,
	    .budget = VMMCTL_BUDGET_EXITS);
	fetch(r);
	expect_regs(r, &want);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);

	memset(rig_gpa(r, CODE_GPA + MARK(b_calls, second)), 0x90, 8);
	call(r);
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	after_call(&want, CODE + MARK(b_calls, second));
	want.rip++;
	expect_regs(r, &want);
	/* A step over the call itself. */
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
	told(r);
	rig_untraced(r);
}

static void context_moves_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *other;
	struct vmmctl_space *space;
	struct vmmctl_context *c;
	struct vmmctl_regs want;

	remake(r);
	expect_rc(r, vmmctl_vcpu_create(r->m, &other), 0);
	space = rig_space(r);
	c = rig_context(r, r->s);
	load(r, BLOB(b_calls));
	want = *r->regs;
	for (unsigned i = 0; i < 40; i++) {
		uint64_t rip = CODE + (i % 2 ? MARK(b_calls, second) :
		    MARK(b_calls, first));

		call_on(r, i % 3 ? r->cpu : other, r->c);
		after_call(&want, rip);
		/* In between: another context on the same vCPU, ... */
		if (i % 5 == 1) {
			rig_regs(vmmctl_context_regs(c));
			vmmctl_context_regs(c)->rax = NAMED;
			call_on(r, r->cpu, c);
		}
		/* ... another space, which has the same code, ... */
		if (i % 5 == 2)
			expect_rc(r, vmmctl_context_set_space(r->c,
			    i % 2 ? space : r->s), 0);
		/* ... changes of the space. */
		if (i % 5 == 3)
			rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_RW);
		if (i % 5 == 4)
			rig_unmap(r, SPARE, PAGE);
		if (i % 7 == 0) {
			fetch(r);
			expect_regs(r, &want);
		}
	}
	fetch(r);
	expect_regs(r, &want);
	/* Its vCPU goes, it stays. */
	call(r);
	vmmctl_vcpu_destroy(r->cpu);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
	call_on(r, other, r->c);
	/* It goes, the vCPU stays. */
	vmmctl_context_destroy(r->c);
	rig_regs(vmmctl_context_regs(c));
	call_on(r, other, c);
	told(r);
	rig_untraced(r);
}

/* The page with the code behind the call is taken away. */
static void code_goes_after_a_brief_exit(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	rig_unmap(r, CODE, REGION);
	rig_run(r);
	expect_fault(r, CODE + MARK(b_calls, first), VMMCTL_PROT_EXEC, 0);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
}

static bool count(struct runner *t)
{
	struct vmmctl_regs *regs = vmmctl_context_regs(t->c);
	uint64_t *calls = t->cookie;

	if (t->x.kind == VMMCTL_EXIT_KICKED)
		return true;
	if (t->x.kind != VMMCTL_EXIT_SYSCALL || regs->rax != NAMED)
		return false;
	regs->rdi++;
	return ++*calls < 20000;
}

/* Kicks among brief exits: each call comes once, with its own registers. */
static void brief_exits_under_kicks(void **state)
{
	static struct runner t;
	static struct kicker k;
	struct rig *r = *state;
	const uint64_t end = now_ns() + 5000000000u;
	uint64_t calls = 0, rdi;

	rig_untraced(r);
	remake(r);
	load(r, BLOB(b_calls));
	rdi = r->regs->rdi;
	runner_init(&t, r, r->cpu, r->c);
	t.on_exit = count;
	t.cookie = &calls;
	kicker_start(&k, r, ~0ull, 3000, 2);
	runner_start(&t);
	while (!t.done && k.kicked < 1000000 && now_ns() < end) {
		k.exits = t.exits;
		sleep_us(20);
	}
	kicker_stop(&k);
	while (!t.done)
		sleep_us(200);
	runner_join(&t);
	r->x = t.x;
	expect_syscall(r);
	assert_int_equal(calls, 20000);
	/* The last was added, and not yet given to the guest. */
	assert_int_equal(r->regs->rdi, rdi + calls);
	assert_int_equal(r->regs->rbx, 0xa5000001deadbe01);
	assert_int_equal(r->regs->r15, 0xa500000fdeadbe0f);
}

static bool forty(struct runner *t)
{
	return t->x.kind == VMMCTL_EXIT_SYSCALL && t->exits < 40;
}

/* A second vCPU enters the space while the first is anywhere in a call. */
static void a_second_vcpu_comes(void **state)
{
	static struct runner t;
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 300, 50, 100);
	const uint64_t end = now_ns() + 5000000000u;
	struct vmmctl_vcpu *second;

	rig_untraced(r);
	remake(r);
	expect_rc(r, vmmctl_vcpu_create(r->m, &second), 0);
	for (uint64_t i = 0; i < rounds && (i < 50 || now_ns() < end); i++) {
		struct vmmctl_space *s = rig_space(r);
		struct vmmctl_context *a = rig_context(r, s);
		struct vmmctl_context *b = rig_context(r, s);
		struct vmmctl_regs want;

		load(r, BLOB(b_calls));
		vmmctl_context_regs(a)->rax = NAMED;
		vmmctl_context_regs(b)->rax = NAMED;
		want = *vmmctl_context_regs(a);
		runner_init(&t, r, r->cpu, a);
		t.on_exit = forty;
		runner_start(&t);
		while (t.exits < i % 40)
			sched_yield();
		call_on(r, second, b);
		runner_join(&t);
		r->x = t.x;
		expect_syscall(r);
		expect_rc(r, vmmctl_context_fetch(a), 0);
		after_call(&want, CODE + MARK(b_calls, second));
		assert_memory_equal(vmmctl_context_regs(a), &want,
		    sizeof(want));
		vmmctl_context_destroy(a);
		vmmctl_context_destroy(b);
		expect_rc(r, vmmctl_space_destroy(s), 0);
	}
	told(r);
}

static void nothing_to_fetch(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	remake(r);
	want = *r->regs;
	fetch(r);
	expect_regs(r, &want);
	load(r, BLOB(t_nop));
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	rig_run(r);
	want = *r->regs;
	fetch(r);
	expect_regs(r, &want);
}

/* What holds the guests is stopped, or frozen, and goes on: nobody notices. */
static void signal_guests(struct rig *r, int sig)
{
	pid_t pids[16];
	size_t n = procs_with_file(r->fd, pids, 16);

	for (size_t i = 0; i < n && i < 16; i++)
		kill(pids[i], sig);
	sleep_us(3000);
}

static void stop_and_continue(struct rig *r)
{
	signal_guests(r, SIGSTOP);
	signal_guests(r, SIGCONT);
}

static void stopped_between_runs(void **state)
{
	static const uint64_t numbers[] = { NAMED, UNNAMED };
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_untraced(r);
	for (unsigned n = 0; n < 2; n++) {
		remake(r);
		load(r, BLOB(b_calls));
		for (unsigned i = 0; i < 12; i++) {
			want = *r->regs;
			want.rax = r->regs->rax = numbers[n];
			after_call(&want, CODE + (i % 2 ?
			    MARK(b_calls, second) : MARK(b_calls, first)));
			call(r);
			if (i % 4 < 2)
				fetch(r);
			/* With changes to carry out, too. */
			if (i % 3 == 0)
				expect_rc(r, vmmctl_space_map(r->s, SPARE +
				    i * PAGE, PAGE, FREE_GPA, VMMCTL_PROT_RW),
				    0);
			stop_and_continue(r);
			/* Or the next run is the first to notice. */
			if (i % 4 == 3)
				continue;
			fetch(r);
			expect_regs(r, &want);
		}
		assert_true(n == 0 || briefs == 0);
	}
}

static void map_or_unmap(struct rig *r, unsigned i)
{
	if (i % 2 == 0)
		rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_RW);
	else
		rig_unmap(r, SPARE, PAGE);
}

/* After a fault and after a breakpoint, with changes due and without. */
static void stopped_after_other_exits(void **state)
{
	const uint64_t value = 0x1234567890abcdef, at = SPARE + 16 * PAGE;
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_untraced(r);
	remake(r);
	memcpy(rig_gpa(r, FREE_GPA + PAGE), &value, 8);
	for (unsigned i = 0; i < 12; i++) {
		load(r, BLOB(x_load));
		r->regs->rbx = at;
		want = *r->regs;
		rig_run(r);
		expect_fault(r, at, VMMCTL_PROT_READ, 0);
		if (i % 3 == 0)
			map_or_unmap(r, i);
		stop_and_continue(r);
		expect_regs(r, &want);
		/* The same again, for nothing is there yet. */
		rig_run(r);
		expect_fault(r, at, VMMCTL_PROT_READ, 0);
		expect_regs(r, &want);
		rig_map(r, at, FREE_GPA + PAGE, VMMCTL_PROT_READ);
		stop_and_continue(r);
		call(r);
		fetch(r);
		assert_int_equal(r->regs->rax, value);
		rig_unmap(r, at, PAGE);

		load(r, BLOB(int3));
		want = *r->regs;
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		want.rip++;
		if (i % 3 == 1)
			map_or_unmap(r, i);
		stop_and_continue(r);
		expect_regs(r, &want);
		call(r);
		fetch(r);
		after_call(&want, CODE + 3);
		expect_regs(r, &want);
	}
}

/* What holds the guest stays stopped: a kick ends the run all the same, and
 * all is there when it goes on. */
static void kicked_while_stopped(void **state)
{
	static struct runner t;
	struct rig *r = *state;
	struct vmmctl_regs want;
	/* A tracer that is stopped too hears of nothing. */
	bool traced = strcmp(r->info.variant, "ptrace") == 0, ended;

	rig_untraced(r);
	remake(r);
	load(r, BLOB(b_calls));
	want = *r->regs;
	call(r);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, first));
	expect_regs(r, &want);
	if (procs_with_file(r->fd, NULL, 0) == 0)
		rig_skip(r, "no process of the host holds this guest");
	signal_guests(r, SIGSTOP);
	runner_init(&t, r, r->cpu, r->c);
	runner_start(&t);
	sleep_us(50000);
	assert_false(t.done);
	vmmctl_vcpu_kick(r->cpu);
	for (unsigned i = 0; i < (traced ? 10 : 1000) && !t.done; i++)
		sleep_us(10000);
	ended = t.done;
	signal_guests(r, SIGCONT);
	runner_join(&t);
	assert_true(ended || traced);
	r->x = t.x;
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	expect_regs(r, &want);
	r->regs->rax = NAMED;
	call(r);
	fetch(r);
	after_call(&want, CODE + MARK(b_calls, second));
	want.rax = NAMED;
	expect_regs(r, &want);
}

/* What holds guests, or all, their common parent included. */
static void kill_guests(struct rig *r, bool all)
{
	pid_t pids[16], below[16];
	size_t n = procs_with_file(r->fd, pids, 16), k;

	assert_in_range(n, 1, 16);
	for (size_t i = 0; i < n; i++) {
		k = procs_below(pids[i], below, 16);
		while (k > 0)
			kill(below[--k], SIGKILL);
		if (all)
			kill(pids[i], SIGKILL);
	}
	sleep_us(20000);
}

static void the_guest_is_gone(void **state)
{
	struct rig *r = *state;
	int rc;

	rig_untraced(r);
	remake(r);
	load(r, BLOB(b_calls));
	call(r);
	if (briefs == 0)
		rig_skip(r, "no exit is brief");
	kill_guests(r, true);
	rc = vmmctl_context_fetch(r->c);
	assert_int_equal(rc, -EIO);
	rc = vmmctl_vcpu_run(r->cpu, r->c, &r->x);
	assert_true(rc < 0 || r->x.kind == VMMCTL_EXIT_FAILED);
}

/* Its space is as good as before for others; of itself that is told. */
static void another_context_of_a_guest_that_is_gone(void **state)
{
	struct rig *r = *state;
	struct vmmctl_context *other;
	uint8_t area[576];

	rig_untraced(r);
	remake(r);
	other = rig_context(r, r->s);
	load(r, BLOB(b_calls));
	*vmmctl_context_regs(other) = *r->regs;
	call(r);
	if (briefs == 0)
		rig_skip(r, "no exit is brief");
	kill_guests(r, false);
	call_on(r, r->cpu, other);
	expect_rc(r, vmmctl_vcpu_run(r->cpu, r->c, &r->x), 0);
	assert_int_equal(r->x.kind, VMMCTL_EXIT_FAILED);
	load(r, BLOB(b_calls));
	call(r);
	kill_guests(r, false);
	assert_int_equal(vmmctl_context_get_xsave(r->c, area, sizeof(area)),
	    -EIO);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(arguments_are_there),
		TEST(only_the_calls_that_are_named),
		TEST(the_guest_keeps_its_own),
		TEST(the_callers_changes_count),
		TEST(a_change_before_the_fetch_stays),
		TEST(bases_after_a_brief_exit),
		TEST(extended_state_after_a_brief_exit),
		TEST(other_ends_of_the_next_run),
		TEST(context_moves_after_a_brief_exit),
		TEST(code_goes_after_a_brief_exit),
		TEST(brief_exits_under_kicks),
		TEST(a_second_vcpu_comes),
		TEST(nothing_to_fetch),
		TEST(stopped_between_runs),
		TEST(stopped_after_other_exits),
		TEST(kicked_while_stopped),
		TEST(the_guest_is_gone),
		TEST(another_context_of_a_guest_that_is_gone),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
