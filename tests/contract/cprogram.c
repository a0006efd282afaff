// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program in C as guest: the same results as in the owner, however its run
 * is cut: by faults that map its memory, by steps, kicks, budgets, neighbours.
 */
#include "runner.h"

#include <string.h>

#include "../guest/c/work.h"

GUEST(work);

#define BUFFER		0x50000000ull
#define LAZY_STACK	0x60000000ull	/* 32 pages, mapped by faults */
#define LAZY_PAGES	32u
#define BUFFER_GPA	FREE_GPA
#define STACK_PAGES_GPA	(FREE_GPA + 64 * PAGE)
#define RESULTS		7

struct results {
	uint64_t value[RESULTS];
	unsigned n;
	bool end;
	unsigned faults, steps, cuts;
};

/* What the owner gets. */
static struct results native(uint32_t size)
{
	static uint32_t buf[64 * VMMCTL_PAGE_SIZE / 4];
	struct results want = { .n = RESULTS, .end = true };
	struct work w;

	work(&w, buf, size);
	want.value[0] = w.hash;
	want.value[1] = w.sorted;
	want.value[2] = w.queens;
	want.value[3] = w.primes;
	memcpy(&want.value[4], &w.sum, 8);
	want.value[5] = w.dispatched;
	for (uint64_t i = 0; i <= size / 160; i++)
		want.value[6] += i;
	return want;
}

/* n: which of several guests beside each other. */
static void load(struct rig *r, struct vmmctl_context *c, uint32_t size,
    uint64_t n)
{
	struct vmmctl_regs *regs = vmmctl_context_regs(c);

	assert_true(size <= 64 * PAGE / 4);
	rig_regs(regs);
	regs->rdi = BUFFER + n * 0x1000000;
	regs->rsi = size;
	regs->rsp = LAZY_STACK + LAZY_PAGES * PAGE + n * 0x1000000;
	(void)r;
}

/* Gives the guest the page that it lacks; false: it should not need one. */
static bool give_page(struct vmmctl_space *s, uint64_t addr)
{
	uint64_t at = addr & ~(PAGE - 1), off = at & 0xffffff;
	uint64_t gpa;

	if (at >= LAZY_STACK)
		gpa = STACK_PAGES_GPA + off;
	else if (at >= BUFFER)
		gpa = BUFFER_GPA + off;
	else
		return false;
	return vmmctl_space_map(s, at, PAGE, gpa, VMMCTL_PROT_RW) == 0;
}

/* true: run on. */
static bool handle(struct results *got, struct vmmctl_space *s,
    struct vmmctl_context *c, const struct vmmctl_exit *x)
{
	const struct vmmctl_regs *regs = vmmctl_context_regs(c);

	switch (x->kind) {
	case VMMCTL_EXIT_SYSCALL:
		got->end = regs->rax == 100;
		if (!got->end && regs->rax == got->n && got->n < RESULTS)
			got->value[got->n++] = regs->rdi;
		return !got->end;
	case VMMCTL_EXIT_FAULT:
		got->faults++;
		return x->present == 0 && give_page(s, x->addr);
	case VMMCTL_EXIT_DEBUG:
		got->steps++;
		return true;
	case VMMCTL_EXIT_KICKED:
	case VMMCTL_EXIT_BUDGET:
		got->cuts++;
		return true;
	default:
		return false;
	}
}

static void expect_results(const struct results *got, uint32_t size)
{
	struct results want = native(size);

	assert_true(got->end);
	assert_int_equal(got->n, RESULTS);
	for (unsigned i = 0; i < RESULTS; i++) {
		if (got->value[i] != want.value[i])
			rig_say("result %u differs", i);
		assert_int_equal(got->value[i], want.value[i]);
	}
}

static struct results run_program(struct rig *r, uint32_t size)
{
	struct results got = { .n = 0 };

	load(r, r->c, size, 0);
	do {
		rig_run(r);
	} while (handle(&got, r->s, r->c, &r->x));
	if (!got.end)
		expect_syscall(r);
	expect_results(&got, size);
	return got;
}

static void computes_what_the_owner_does(void **state)
{
	struct rig *r = *state;
	struct results got;

	rig_load(r, BLOB(work));
	got = run_program(r, 12000);
	/* 12 pages of buffer; of stack, deep() takes 16 or so. */
	assert_in_range(got.faults, 12 + 10, 12 + LAZY_PAGES);
}

static void the_same_in_steps(void **state)
{
	struct rig *r = *state;
	struct results got;

	rig_load(r, BLOB(work));
	got = run_program(r, 24);
	assert_int_equal(got.steps, 0);
	rig_unmap(r, BUFFER, 0x1000000);
	rig_unmap(r, LAZY_STACK, 0x1000000);
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	got = run_program(r, 24);
	rig_say("%u steps", got.steps);
	assert_true(got.steps > 5000);
}

static void the_same_under_kicks(void **state)
{
	struct rig *r = *state;
	static struct kicker k;
	struct results got = { .n = 0 };
	uint64_t end = now_ns() + 5000000000u;

	rig_untraced(r);
	rig_load(r, BLOB(work));
	load(r, r->c, 4000, 0);
	kicker_start(&k, r, ~0ull, 20000, 2);
	do {
		/* However slow the host is, it comes to an end. */
		if (now_ns() > end)
			kicker_stop(&k);
		rig_run(r);
		k.exits++;
	} while (handle(&got, r->s, r->c, &r->x));
	kicker_stop(&k);
	expect_results(&got, 4000);
	rig_say("cut %u times", got.cuts);
}

static void the_same_in_slices(void **state)
{
	struct rig *r = *state;
	struct results got = { .n = 0 };
	uint64_t slice = 20000;

	rig_untraced(r);
	rig_load(r, BLOB(work));
	load(r, r->c, 4000, 0);
	do {
		slice += slice / 50;
		expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, slice, 0), 0);
		rig_run(r);
	} while (handle(&got, r->s, r->c, &r->x));
	expect_results(&got, 4000);
	rig_say("cut %u times", got.cuts);
}

struct neighbour {
	struct results got;
	struct vmmctl_space *s;
};

static bool on_exit_of(struct runner *t)
{
	struct neighbour *n = t->cookie;

	return handle(&n->got, n->s, t->c, &t->x);
}

/* Four guests, four vCPUs, one space; each maps its pages as it faults. */
static void four_beside_each_other(void **state)
{
	struct rig *r = *state;
	static struct neighbour n[4];
	static struct runner t[4];

	rig_untraced(r);
	rig_load(r, BLOB(work));
	for (uint64_t i = 0; i < 4; i++) {
		n[i] = (struct neighbour){ .s = r->s };
		runner_init(&t[i], r, NULL, NULL);
		t[i].on_exit = on_exit_of;
		t[i].cookie = &n[i];
		/* 16 pages of memory for each. */
		load(r, t[i].c, 4000, i);
		expect_rc(r, vmmctl_space_map(r->s, BUFFER + i * 0x1000000,
		    4 * PAGE, BUFFER_GPA + i * 4 * PAGE, VMMCTL_PROT_RW), 0);
		expect_rc(r, vmmctl_space_map(r->s, LAZY_STACK +
		    i * 0x1000000 + LAZY_PAGES * PAGE / 4 * 3,
		    LAZY_PAGES * PAGE / 4, STACK_PAGES_GPA +
		    i * LAZY_PAGES * PAGE / 4, VMMCTL_PROT_RW), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		runner_start(&t[i]);
	for (unsigned i = 0; i < 4; i++)
		runner_join(&t[i]);
	for (unsigned i = 0; i < 4; i++)
		expect_results(&n[i].got, 4000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(computes_what_the_owner_does),
		TEST(the_same_in_steps),
		TEST(the_same_under_kicks),
		TEST(the_same_in_slices),
		TEST(four_beside_each_other),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
