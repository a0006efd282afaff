// SPDX-License-Identifier: BSD-2-Clause
/*
 * Brief exits: which registers are shown, what a fetch brings, what the
 * caller has stored, and what happens when the rest cannot be had.
 */
#include "unit.h"

#define SHOWN	0x1000u		/* what regs had before */
#define GUEST	0x2000u		/* what the guest has */

static int brief(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)deadline;
	ev->brief = true;
	c->regs.rax = 0;
	c->regs.rdi = fake.guest.rdi;
	return 0;
}

static void fill(struct vmmctl_regs *r, uint64_t from)
{
	uint64_t *words = (uint64_t *)r;

	for (size_t i = 0; i < sizeof(*r) / 8; i++)
		words[i] = from + i;
	r->rflags = 0x202 | (from == GUEST ? 0x40 : 0);
}

static void run_brief(struct unit *u)
{
	fill(u->r, SHOWN);
	fill(&fake.guest, GUEST);
	fake.enter = brief;
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->e.brief, 1);
	assert_int_equal(u->r->rdi, fake.guest.rdi);
}

static void fetch_brings_the_rest(void **state)
{
	struct unit *u = *state;

	run_brief(u);
	assert_int_equal(u->r->rbx, SHOWN + 1);
	u->r->rax = 77;
	u->r->r8 = 88;
	fake.fetches = 0;
	assert_ok(vmmctl_context_fetch(u->c));
	assert_int_equal(u->r->rbx, fake.guest.rbx);
	assert_int_equal(u->r->rflags, fake.guest.rflags);
	assert_int_equal(u->r->gs_base, fake.guest.gs_base);
	assert_int_equal(u->r->rax, 77);
	assert_int_equal(u->r->r8, 88);
	/* Once is enough. */
	u->r->rbx = 99;
	assert_ok(vmmctl_context_fetch(u->c));
	assert_int_equal(u->r->rbx, 99);
	assert_int_equal(fake.fetches, 1);
}

/* read(2) is number 0, and 0 is a result. */
static void a_result_that_equals_the_number(void **state)
{
	struct unit *u = *state;

	run_brief(u);
	fake.guest.rax = 1ull << 32;
	u->r->rax = 0;
	assert_ok(vmmctl_context_fetch(u->c));
	assert_int_equal(u->r->rax, 0);
}

static void nothing_to_fetch(void **state)
{
	struct unit *u = *state;

	assert_ok(vmmctl_context_fetch(u->c));
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.brief, 0);
	assert_ok(vmmctl_context_fetch(u->c));
	assert_int_equal(fake.fetches, 0);
}

/* Whatever moves the context away, or looks at all of it, fetches. */
static void fetched_by_others(void **state)
{
	struct unit *u = *state;
	struct vmmctl_context *c2;
	struct vmmctl_vcpu *v2;
	struct vmmctl_space *s2;

	assert_ok(vmmctl_context_create(u->s, &c2));
	assert_ok(vmmctl_vcpu_create(u->m, &v2));
	assert_ok(vmmctl_space_create(u->m, &s2));
	run_brief(u);
	fake.enter = NULL;
	assert_ok(vmmctl_vcpu_run(u->cpu, c2, &u->e));
	assert_int_equal(u->r->rbx, fake.guest.rbx);
	run_brief(u);
	fake.enter = NULL;
	assert_ok(vmmctl_vcpu_run(v2, u->c, &u->e));
	assert_int_equal(u->r->rbx, fake.guest.rbx);
	run_brief(u);
	vmmctl_vcpu_destroy(u->cpu);
	assert_int_equal(u->r->rbx, fake.guest.rbx);
	u->cpu = v2;
	run_brief(u);
	assert_ok(vmmctl_context_set_space(u->c, s2));
	assert_int_equal(u->r->rbx, fake.guest.rbx);
	run_brief(u);
	assert_ok(vmmctl_context_set_step(u->c, 1));
	assert_int_equal(u->r->rflags, fake.guest.rflags);
}

/* Only a brief exit shows half of the registers. */
static void kicked_before_it_goes_on(void **state)
{
	struct unit *u = *state;

	run_brief(u);
	vmmctl_vcpu_kick(u->cpu);
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_KICKED);
	assert_int_equal(u->e.brief, 0);
	assert_int_equal(u->r->rbx, fake.guest.rbx);
}

/* A step is never brief. */
static void steps(void **state)
{
	struct unit *u = *state;

	fill(&fake.guest, GUEST);
	fake.guest.r11 = 0x202 | RFLAGS_TF;
	fake.guest.rflags = 0x202 | RFLAGS_TF;
	assert_ok(vmmctl_context_set_step(u->c, 1));
	fake.enter = brief;
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->e.brief, 0);
	assert_int_equal(u->r->rbx, fake.guest.rbx);
}

static void lost(void **state)
{
	struct unit *u = *state;

	run_brief(u);
	fake.fetch_error = -ESRCH;
	assert_fails(u->v, vmmctl_context_fetch(u->c), -EIO, "registers");
	/* Never go on with half of the registers. */
	fake.enter = NULL;
	fake.enters = 0;
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_FAILED);
	assert_int_equal(fake.enters, 0);
	assert_non_null(u->e.field);
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
	/* The same when somebody else has found out. */
	run_brief(u);
	vmmctl_vcpu_destroy(u->cpu);
	fake.enter = NULL;
	fake.enters = 0;
	assert_ok(vmmctl_vcpu_create(u->m, &u->cpu));
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_FAILED);
	assert_int_equal(fake.enters, 0);
}

static int gone(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)deadline;
	/* As a backend that needs the rest to go on. */
	mtx_lock(&c->m->lock);
	assert_int_equal(context_fetch(c), -ESRCH);
	mtx_unlock(&c->m->lock);
	*ev = (struct event){ .type = EVENT_FAILED, .field = "stub",
	    .rule = "must live", .section = "1" };
	return 0;
}

static void lost_is_said_once(void **state)
{
	struct unit *u = *state;

	run_brief(u);
	fake.fetch_error = -ESRCH;
	fake.enter = gone;
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "stub");
	fake.enter = NULL;
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
}

static void configurations(void **state)
{
	struct unit *u = *state;
	const uint64_t words[VMMCTL_BRIEF_WORDS] = { 1, 2, 3 };
	struct vmmctl_machine_config good = { .size = sizeof(good),
	    .brief = words, .brief_words = VMMCTL_BRIEF_WORDS }, c = good;
	struct vmmctl_machine *m;

	assert_ok(vmmctl_machine_create(u->v, &c, &m));
	assert_memory_equal(m->brief, words, sizeof(words));
	vmmctl_machine_destroy(m);
	c.brief_words++;
	assert_fails(u->v, vmmctl_machine_create(u->v, &c, &m), -EINVAL,
	    "brief_words");
	c.brief_words = 0;
	assert_fails(u->v, vmmctl_machine_create(u->v, &c, &m), -EINVAL,
	    "brief_words");
	c = good;
	c.brief = NULL;
	assert_fails(u->v, vmmctl_machine_create(u->v, &c, &m), -EINVAL,
	    "brief");
	c = good;
	c.reserved2 = 1;
	assert_fails(u->v, vmmctl_machine_create(u->v, &c, &m), -EINVAL,
	    "reserved2");
}

int main(void)
{
	const struct CMUnitTest brief_tests[] = {
		TEST(fetch_brings_the_rest),
		TEST(a_result_that_equals_the_number),
		TEST(nothing_to_fetch),
		TEST(fetched_by_others),
		TEST(kicked_before_it_goes_on),
		TEST(steps),
		TEST(lost),
		TEST(lost_is_said_once),
		TEST(configurations),
	};

	return RUN(brief_tests);
}
