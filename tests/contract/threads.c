// SPDX-License-Identifier: BSD-2-Clause
/*
 * Several vCPUs in one space, contexts and vCPUs that move between threads,
 * and spaces that change while they run.
 */
#include "runner.h"

#include <errno.h>
#include <string.h>

GUEST(c_add);
GUEST(c_traps);
GUEST(c_add_locked);
GUEST(c_write);
GUEST(c_look);

#define R	VMMCTL_PROT_READ
#define W	VMMCTL_PROT_WRITE
#define RW	VMMCTL_PROT_RW

static volatile uint64_t *word(struct rig *r, uint64_t gpa)
{
	return (volatile uint64_t *)(void *)rig_gpa(r, gpa);
}

static bool go_on_after_a_kick(struct runner *t)
{
	return t->x.kind == VMMCTL_EXIT_KICKED;
}

static void add_together(struct rig *r, struct blob b, unsigned n,
    uint64_t count)
{
	static struct runner t[8];

	rig_load(r, b);
	for (unsigned i = 0; i < n; i++) {
		struct vmmctl_regs *regs;

		runner_init(&t[i], r, NULL, NULL);
		t[i].on_exit = go_on_after_a_kick;
		regs = vmmctl_context_regs(t[i].c);
		regs->rbx = DATA;
		regs->rcx = count;
		regs->rsp -= i * PAGE;
	}
	for (unsigned i = 0; i < n; i++)
		runner_start(&t[i]);
	for (unsigned i = 0; i < n; i++)
		runner_join(&t[i]);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(t[i].x.kind, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(*word(r, DATA_GPA), n * count);
}

static void two_vcpus_add_in_one_space(void **state)
{
	add_together(*state, BLOB(c_add), 2, 1000000);
	rig_untraced(*state);
}

static void two_vcpus_exclude_each_other(void **state)
{
	add_together(*state, BLOB(c_add_locked), 2, 200000);
	rig_untraced(*state);
}

static void eight_vcpus_in_one_space(void **state)
{
	struct rig *r = *state;

	rig_untraced(r);
	if (r->info.max_vcpus < 9)
		rig_skip(r, "at most %u vCPUs", r->info.max_vcpus);
	add_together(r, BLOB(c_add), 8, 100000);
}

/* As many as there can be, in turn; one more there cannot be. */
static void every_vcpu_in_one_space(void **state)
{
	static struct vmmctl_vcpu *cpu[64];
	struct rig *r = *state;
	unsigned n = r->info.max_vcpus < 64 ? r->info.max_vcpus : 64;
	struct vmmctl_vcpu *one_more;
	struct vmmctl_exit x;

	rig_untraced(r);
	rig_load(r, BLOB(c_look));
	r->regs->rbx = DATA;
	cpu[0] = r->cpu;
	for (unsigned i = 1; i < n; i++)
		expect_rc(r, vmmctl_vcpu_create(r->m, &cpu[i]), 0);
	if (n == r->info.max_vcpus)
		expect_rc(r, vmmctl_vcpu_create(r->m, &one_more), -ENOSPC);
	for (unsigned i = 0; i < 3 * n; i++) {
		*word(r, DATA_GPA) = i;
		rig_run_on(r, cpu[i % n], r->c, &x);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		assert_int_equal(r->regs->rax, i);
	}
	rig_say("%u vCPUs", n);
}

static void each_vcpu_in_its_own_space(void **state)
{
	struct rig *r = *state;
	static struct runner t[4];

	rig_untraced(r);
	rig_load(r, BLOB(c_add));
	for (unsigned i = 0; i < 4; i++) {
		struct vmmctl_space *s = rig_space(r);

		expect_rc(r, vmmctl_space_map(s, SPARE, PAGE,
		    FREE_GPA + i * PAGE, RW), 0);
		runner_init(&t[i], r, NULL, rig_context(r, s));
		t[i].on_exit = go_on_after_a_kick;
		vmmctl_context_regs(t[i].c)->rbx = SPARE;
		vmmctl_context_regs(t[i].c)->rcx = 100000 + i;
	}
	for (unsigned i = 0; i < 4; i++)
		runner_start(&t[i]);
	for (uint64_t i = 0; i < 4; i++) {
		runner_join(&t[i]);
		assert_int_equal(t[i].x.kind, VMMCTL_EXIT_SYSCALL);
		assert_int_equal(*word(r, FREE_GPA + i * PAGE), 100000 + i);
	}
}

/* What the running guest is told, and how the page is given back to it. */
struct take {
	const char *name;
	void (*away)(struct rig *r);
	void (*back)(struct rig *r);
	uint32_t kind, present;
};

static void unmap(struct rig *r)
{
	rig_unmap(r, SPARE, PAGE);
}

static void map(struct rig *r)
{
	rig_map(r, SPARE, FREE_GPA, RW);
}

static void protect(struct rig *r)
{
	expect_rc(r, vmmctl_space_protect(r->s, SPARE, PAGE, R), 0);
}

static void unprotect(struct rig *r)
{
	expect_rc(r, vmmctl_space_protect(r->s, SPARE, PAGE, RW), 0);
}

static void memory_unmap(struct rig *r)
{
	expect_rc(r, vmmctl_memory_unmap(r->m, FREE_GPA, PAGE), 0);
}

static void memory_map(struct rig *r)
{
	expect_rc(r, vmmctl_memory_map(r->m, FREE_GPA, PAGE, r->fd,
	    FREE_GPA - GPA, RW), 0);
}

static void memory_protect(struct rig *r)
{
	expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, PAGE, R), 0);
}

static void memory_unprotect(struct rig *r)
{
	expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, PAGE, RW), 0);
}

/*
 * A guest writes for ever; when the call that takes the page away returns,
 * not one more write may arrive.
 */
static void take_away(struct rig *r, const struct take *how)
{
	const uint64_t rounds = rig_scale(r, 200, 5, 200);
	volatile uint64_t *p = word(r, FREE_GPA);
	uint64_t longest = 0;
	static struct runner t;

	rig_untraced(r);
	rig_load(r, BLOB(c_write));
	rig_map(r, SPARE, FREE_GPA, RW);
	runner_init(&t, r, r->cpu, r->c);
	t.on_exit = go_on_after_a_kick;
	r->regs->rbx = SPARE;
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t seen, start;

		seen = *p;
		runner_start(&t);
		wait_change(p, seen);
		start = now_ns();
		how->away(r);
		seen = *p;
		start = now_ns() - start;
		if (start > longest)
			longest = start;
		sleep_us(200);
		assert_int_equal(*p, seen);
		runner_join(&t);
		r->x = t.x;
		if (how->kind == VMMCTL_EXIT_FAULT)
			expect_fault(r, SPARE, W, how->present);
		else
			expect_exit(r, .kind = VMMCTL_EXIT_NOMEM, .access = W,
			    .addr = SPARE, .gpa = FREE_GPA);
		assert_int_equal(r->regs->rip, CODE);
		how->back(r);
	}
	rig_say("%s: %llu times under a running vCPU, longest %llu us",
	    how->name, (unsigned long long)rounds,
	    (unsigned long long)longest / 1000);
}

static void unmap_under_a_running_vcpu(void **state)
{
	take_away(*state, &(struct take){ "space unmap", unmap, map,
	    VMMCTL_EXIT_FAULT, 0 });
}

static void protect_under_a_running_vcpu(void **state)
{
	take_away(*state, &(struct take){ "space protect", protect, unprotect,
	    VMMCTL_EXIT_FAULT, 1 });
}

static void memory_unmap_under_a_running_vcpu(void **state)
{
	take_away(*state, &(struct take){ "memory unmap", memory_unmap,
	    memory_map, VMMCTL_EXIT_NOMEM, 0 });
}

static void memory_protect_under_a_running_vcpu(void **state)
{
	take_away(*state, &(struct take){ "memory protect", memory_protect,
	    memory_unprotect, VMMCTL_EXIT_NOMEM, 0 });
}

/* Mapped over while the guest writes: from the return on it writes there. */
static void remap_under_a_running_vcpu(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 300, 10, 200);
	static struct runner t;

	rig_untraced(r);
	rig_load(r, BLOB(c_write));
	rig_map(r, SPARE, FREE_GPA, RW);
	runner_init(&t, r, r->cpu, r->c);
	r->regs->rbx = SPARE;
	runner_start(&t);
	for (uint64_t i = 0; i < rounds; i++) {
		volatile uint64_t *old = word(r, FREE_GPA + i % 8 * PAGE);
		volatile uint64_t *new = word(r, FREE_GPA +
		    (i + 1) % 8 * PAGE);
		uint64_t seen, before = *new;

		rig_map(r, SPARE, FREE_GPA + (i + 1) % 8 * PAGE, RW);
		seen = *old;
		wait_change(new, before);
		assert_int_equal(*old, seen);
	}
	rig_unmap(r, SPARE, PAGE);
	runner_join(&t);
	/* It saw nothing of all this but the end. */
	r->x = t.x;
	expect_fault(r, SPARE, W, 0);
	assert_int_equal(t.exits, 1);
}

/* Changes of other addresses do not end the run. */
static void changes_elsewhere_are_not_seen(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 300, 10, 200);
	volatile uint64_t *p = word(r, FREE_GPA);
	struct vmmctl_space *other = rig_space(r);
	static struct runner t;

	rig_untraced(r);
	rig_load(r, BLOB(c_write));
	rig_map(r, SPARE, FREE_GPA, RW);
	runner_init(&t, r, r->cpu, r->c);
	r->regs->rbx = SPARE;
	runner_start(&t);
	wait_change(p, 0);
	for (uint64_t i = 1; i < rounds; i++) {
		rig_map(r, SPARE + i * PAGE, FREE_GPA + PAGE, R);
		rig_unmap(r, SPARE + i * PAGE, PAGE);
		expect_rc(r, vmmctl_space_map(other, SPARE, PAGE, FREE_GPA,
		    R), 0);
		expect_rc(r, vmmctl_space_unmap(other, SPARE, PAGE), 0);
	}
	assert_false(t.done);
	assert_int_equal(t.exits, 0);
	rig_unmap(r, SPARE, PAGE);
	runner_join(&t);
	r->x = t.x;
	expect_fault(r, SPARE, W, 0);
}

/* A new mapping is seen by a vCPU that is inside the space. */
static void map_under_a_running_vcpu(void **state)
{
	struct rig *r = *state;
	static struct runner t;

	rig_untraced(r);
	rig_load(r, BLOB(c_look));
	runner_init(&t, r, r->cpu, r->c);
	r->regs->rip = CODE + 0x100;
	/* mov (%rbx), %rax after a spin on DATA */
	memcpy(rig_gpa(r, CODE_GPA + 0x100),
	    "\x48\x83\x3e\x00\x74\xfa\x48\x8b\x03\x0f\x05", 11);
	r->regs->rsi = DATA;
	r->regs->rbx = SPARE;
	memset(rig_gpa(r, FREE_GPA), 0x19, PAGE);
	runner_start(&t);
	sleep_us(5000);
	rig_map(r, SPARE, FREE_GPA, R);
	*word(r, DATA_GPA) = 1;
	runner_join(&t);
	r->x = t.x;
	expect_syscall(r);
	assert_int_equal(r->regs->rax, 0x1919191919191919);
}

static bool call_again(struct runner *t)
{
	return --*(unsigned *)t->cookie != 0;
}

/* Thread after thread runs the same vCPU and context, and each ends. */
static bool any_trap(struct runner *t)
{
	return t->x.kind == VMMCTL_EXIT_SOFTINT ||
	    t->x.kind == VMMCTL_EXIT_BREAKPOINT;
}

/* Who looks at the guest's code and who changes the space wait for no other. */
static void changes_beside_traps(void **state)
{
	struct rig *r = *state;
	static struct runner t;
	const uint64_t rounds = rig_scale(r, 3000, 300, 1000);
	uint64_t seen;

	rig_untraced(r);
	rig_load(r, BLOB(c_traps));
	runner_init(&t, r, r->cpu, r->c);
	t.on_exit = any_trap;
	runner_start(&t);
	for (uint64_t i = 0; i < rounds; i++) {
		rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_RW);
		rig_unmap(r, SPARE, PAGE);
	}
	seen = t.exits;
	while (t.exits == seen && !t.done)
		sleep_us(50);
	runner_stop(&t);
	assert_true(any_trap(&t) || t.x.kind == VMMCTL_EXIT_KICKED);
	rig_say("%llu changes beside %llu exits", (unsigned long long)rounds,
	    (unsigned long long)t.exits);
}

static void vcpu_moves_between_threads(void **state)
{
	struct rig *r = *state;
	static struct runner t;
	static unsigned left;

	rig_load(r, BLOB(c_look));
	r->regs->rbx = DATA;
	runner_init(&t, r, r->cpu, r->c);
	t.on_exit = call_again;
	t.cookie = &left;
	for (unsigned i = 0; i < 20; i++) {
		left = 5;
		*word(r, DATA_GPA) = i;
		runner_start(&t);
		runner_join(&t);
		r->x = t.x;
		expect_syscall(r);
		assert_int_equal(r->regs->rax, i);
		rig_run(r);
		expect_syscall(r);
	}
}

static void context_moves_between_vcpus(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *cpu[4];
	struct vmmctl_context *c[3];
	struct vmmctl_exit x;

	rig_load(r, BLOB(c_look));
	for (unsigned i = 0; i < 4; i++)
		expect_rc(r, vmmctl_vcpu_create(r->m, &cpu[i]), 0);
	for (unsigned i = 0; i < 3; i++) {
		c[i] = rig_context(r, r->s);
		vmmctl_context_regs(c[i])->rbx = DATA + 8 * i;
		*word(r, DATA_GPA + 8 * i) = 100 + i;
	}
	for (unsigned i = 0; i < 36; i++) {
		rig_run_on(r, cpu[i % 4], c[i % 3], &x);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		assert_int_equal(vmmctl_context_regs(c[i % 3])->rax,
		    100 + i % 3);
	}
	/* A vCPU that is gone leaves the context whole. */
	vmmctl_vcpu_destroy(cpu[3]);
	rig_run_on(r, cpu[0], c[2], &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(vmmctl_context_regs(c[2])->rax, 102);
}

static void what_runs_is_busy(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *second;
	struct vmmctl_context *other = rig_context(r, r->s);
	struct vmmctl_exit x;
	static struct runner t;

	rig_untraced(r);
	expect_rc(r, vmmctl_vcpu_create(r->m, &second), 0);
	rig_load(r, BLOB(c_write));
	r->regs->rbx = DATA;
	runner_init(&t, r, r->cpu, r->c);
	runner_start(&t);
	wait_change(word(r, DATA_GPA), 0);
	expect_rc(r, vmmctl_vcpu_run(r->cpu, other, &x), -EBUSY);
	expect_rc(r, vmmctl_vcpu_run(second, r->c, &x), -EBUSY);
	expect_rc(r, vmmctl_context_set_step(r->c, 1), -EBUSY);
	expect_rc(r, vmmctl_context_set_space(r->c, r->s), -EBUSY);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 1), -EBUSY);
	assert_false(t.done);
	vmmctl_vcpu_kick(r->cpu);
	runner_join(&t);
	assert_int_equal(t.x.kind, VMMCTL_EXIT_KICKED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(two_vcpus_add_in_one_space),
		TEST(two_vcpus_exclude_each_other),
		TEST(eight_vcpus_in_one_space),
		TEST(every_vcpu_in_one_space),
		TEST(each_vcpu_in_its_own_space),
		TEST(unmap_under_a_running_vcpu),
		TEST(protect_under_a_running_vcpu),
		TEST(memory_unmap_under_a_running_vcpu),
		TEST(memory_protect_under_a_running_vcpu),
		TEST(remap_under_a_running_vcpu),
		TEST(changes_elsewhere_are_not_seen),
		TEST(map_under_a_running_vcpu),
		TEST(changes_beside_traps),
		TEST(vcpu_moves_between_threads),
		TEST(context_moves_between_vcpus),
		TEST(what_runs_is_busy),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
