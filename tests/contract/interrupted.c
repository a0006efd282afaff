// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exits while kicks and host signals come at any time: between the exits that
 * the guest causes there are KICKED ones, and nothing else changes.
 */
#include "runner.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

GUEST(i_exits);
GUEST_MARKED(i_exits, syscall);
GUEST_MARKED(i_exits, int3);
GUEST_MARKED(i_exits, fault);
GUEST_MARKED(i_exits, ud2);
GUEST_MARKED(i_exits, hlt);

#define RUN_NS		2000000000ull
#define BUSY_NS		20000000000ull	/* more for a busy machine */
#define PERIOD_US	200

static struct vmmctl_vcpu *handler_kicks;

static void on_alarm(int sig)
{
	(void)sig;
	if (handler_kicks != NULL)
		vmmctl_vcpu_kick(handler_kicks);
}

static void set_timer(long us)
{
	const struct itimerval t = { { 0, us }, { 0, us } };

	assert_int_equal(setitimer(ITIMER_REAL, &t, NULL), 0);
}

static void timer_at_end(void *cookie)
{
	(void)cookie;
	set_timer(0);
	signal(SIGALRM, SIG_IGN);	/* one may be on its way */
}

static void timer_start(struct rig *r, struct vmmctl_vcpu *kick)
{
	struct sigaction sa = { .sa_handler = on_alarm,
	    .sa_flags = SA_RESTART };

	handler_kicks = kick;
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	rig_at_end(r, timer_at_end, NULL);
	set_timer(PERIOD_US);
}

/* The offset at which the guest goes on after its n-th exit of a round. */
static uint64_t expect_next(struct rig *r, unsigned n, uint64_t *rip)
{
	switch (n) {
	case 0:
		expect_syscall(r);
		*rip = MARK(i_exits, syscall);
		return *rip;
	case 1:
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
		*rip = MARK(i_exits, int3);
		return *rip;
	case 2:
		expect_fault(r, SPARE, VMMCTL_PROT_WRITE, 0);
		*rip = MARK(i_exits, int3);
		return MARK(i_exits, fault);
	case 3:
		expect_exception(r, 6, 0);
		*rip = MARK(i_exits, fault);
		return MARK(i_exits, ud2);
	default:
		expect_exception(r, 13, 0);
		*rip = MARK(i_exits, ud2);
		return MARK(i_exits, hlt);
	}
}

/* A kick comes before the next exit: the guest has just begun, or nearly. */
static void check_kicked(struct rig *r, unsigned n, uint64_t round)
{
	static const struct vmmctl_exit want = { .kind = VMMCTL_EXIT_KICKED };

	assert_memory_equal(&r->x, &want, sizeof(want));
	assert_in_range(r->regs->rip, CODE, CODE + MARK(i_exits, hlt));
	assert_in_range(r->regs->rbx, round - (n == 0), round);
}

static void check_rounds(struct rig *r, struct kicker *k)
{
	const uint64_t end = now_ns() + RUN_NS;
	struct vmmctl_regs want = *r->regs;
	const unsigned least = k == NULL && handler_kicks == NULL &&
	    rig_kicks_only() ? 0 : 1;
	uint64_t round = 1, kicked = 0;
	unsigned n = 0;

	while (now_ns() < end ||
	    ((kicked < least || round == 1) && now_ns() < end + BUSY_NS)) {
		uint64_t rip = 0, next;

		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		if (k != NULL)
			k->exits++;
		if (r->x.kind == VMMCTL_EXIT_KICKED) {
			check_kicked(r, n, round);
			kicked++;
			continue;
		}
		next = expect_next(r, n, &rip);
		want.rbx = round;
		want.rip = CODE + rip;
		want.rflags = r->regs->rflags;	/* as INC left them */
		want.rcx = r->regs->rcx;
		want.r11 = r->regs->r11;
		assert_int_equal(want.rcx, CODE + MARK(i_exits, syscall));
		assert_int_equal(want.r11, want.rflags);
		expect_regs(r, &want);
		r->regs->rip = CODE + next;
		n = (n + 1) % 5;
		round += n == 0;
	}
	rig_say("%llu rounds, %llu kicks", (unsigned long long)round - 1,
	    (unsigned long long)kicked);
	assert_true(kicked >= least);
	assert_true(round > 1);
}

static void load(struct rig *r)
{
	rig_untraced(r);
	rig_load(r, BLOB(i_exits));
	r->regs->rbx = 0;
	r->regs->rsi = SPARE;
}

static void signals_disturb_no_exit(void **state)
{
	load(*state);
	timer_start(*state, NULL);
	check_rounds(*state, NULL);
}

static void kicking_signals_disturb_no_exit(void **state)
{
	struct rig *r = *state;

	load(r);
	timer_start(r, r->cpu);
	check_rounds(r, NULL);
}

static void kicks_disturb_no_exit(void **state)
{
	struct rig *r = *state;
	static struct kicker k;

	load(r);
	kicker_start(&k, r, ~0ull, 20000, 2);
	check_rounds(r, &k);
	kicker_stop(&k);
}

static void kicks_and_signals_disturb_no_exit(void **state)
{
	struct rig *r = *state;
	static struct kicker k;

	load(r);
	kicker_start(&k, r, ~0ull, 20000, 2);
	timer_start(r, r->cpu);
	check_rounds(r, &k);
	kicker_stop(&k);
}

/* Making things takes the host long: signals come in the midst of it. */
static void signals_disturb_no_making(void **state)
{
	struct rig *r = *state;

	load(r);
	timer_start(r, NULL);
	for (unsigned i = 0; i < 30; i++) {
		struct vmmctl_machine *m;
		struct vmmctl_space *s;
		struct vmmctl_context *c;
		struct vmmctl_vcpu *cpu;
		struct vmmctl_exit x;

		expect_rc(r, vmmctl_machine_create(r->v, NULL, &m), 0);
		expect_rc(r, vmmctl_memory_map(m, GPA, MEM_SIZE, r->fd, 0,
		    VMMCTL_PROT_RWX), 0);
		expect_rc(r, vmmctl_space_create(m, &s), 0);
		expect_rc(r, vmmctl_space_map(s, CODE, REGION, CODE_GPA,
		    VMMCTL_PROT_RX), 0);
		expect_rc(r, vmmctl_context_create(s, &c), 0);
		expect_rc(r, vmmctl_vcpu_create(m, &cpu), 0);
		vmmctl_context_regs(c)->rip = CODE;
		do
			expect_rc(r, vmmctl_vcpu_run(cpu, c, &x), 0);
		while (x.kind == VMMCTL_EXIT_KICKED);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		vmmctl_machine_destroy(m);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(signals_disturb_no_exit),
		TEST(kicking_signals_disturb_no_exit),
		TEST(kicks_disturb_no_exit),
		TEST(kicks_and_signals_disturb_no_exit),
		TEST(signals_disturb_no_making),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
