// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hostile guest searches all that it can read of its process for the key,
 * which the test knows, while vCPUs come, changes are carried out, kicks and
 * signals are sent: it finds it nowhere, nor is it left in a register.
 */
#include "foreign.h"
#include "inside.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

GUEST_ONE(x_syscall);
GUEST(x_search);
GUEST(c_spin);

#define FOUND		(DATA_GPA + 0xf000)	/* what x_search tells */
#define ROUNDS		(DATA_GPA + 0xf008)
#define WHERE		(DATA_GPA + 0xf010)
#define RANGES		(DATA + 0xe000)
#define MASK		0x5a17c3e9u	/* in front of the key, in registers */

static bool has_key(uint64_t value, uint64_t key)
{
	const uint32_t halves[] = { (uint32_t)value, (uint32_t)(value >> 32) };

	for (unsigned i = 0; i < 2; i++)
		if (halves[i] == (uint32_t)key || halves[i] == key >> 32)
			return true;
	return false;
}

static void expect_no_key(struct rig *r, const struct vmmctl_regs *regs,
    uint64_t key)
{
	const uint64_t *g = &regs->rax;

	for (unsigned i = 0; i < 20; i++) {
		if (has_key(g[i], key))
			rig_say("register %u has the key: %#llx", i,
			    (unsigned long long)g[i]);
		assert_false(has_key(g[i], key));
	}
	assert_int_equal(r->x.brief, 0);
}

static uint64_t word(struct rig *r, uint64_t gpa)
{
	return *(volatile uint64_t *)(void *)rig_gpa(r, gpa);
}

/* The guest searches all that it can read of its process; none of its own
 * registers may look like what it searches for. */
static void load_search(struct rig *r, const struct foreign *f,
    uint64_t key, struct vmmctl_regs *regs)
{
	struct blob b = BLOB(x_search);
	uint8_t *to = rig_gpa(r, DATA_GPA + RANGES - DATA);

	memcpy(rig_gpa(r, CODE_GPA + 0x4000), b.start,
	    (size_t)(b.end - b.start));
	memset(rig_gpa(r, FOUND), 0, 24);
	for (size_t i = 0; i < f->nmaps; i++) {
		if (f->maps[i].perms[0] != 'r')
			continue;
		memcpy(to, &f->maps[i].start, 8);
		memcpy(to + 8, &f->maps[i].end, 8);
		to += 16;
	}
	memset(to, 0, 16);
	rig_regs(regs);
	regs->rip = CODE + 0x4000;
	regs->rbx = DATA + 0xf000;
	regs->r10 = RANGES;
	regs->r12 = (key >> 32) ^ MASK;
	regs->r13 = (uint32_t)key ^ MASK;
	regs->r14 = MASK;
}

static void expect_not_found(struct rig *r)
{
	if (word(r, FOUND) != 0)
		rig_say("the guest has found the key %llu times, at %#llx",
		    (unsigned long long)word(r, FOUND),
		    (unsigned long long)word(r, WHERE));
	assert_int_equal(word(r, FOUND), 0);
}

/* All of it has been read, from now on. */
static void search_all(struct rig *r)
{
	uint64_t rounds = word(r, ROUNDS);

	while (word(r, ROUNDS) < rounds + 2)
		sleep_us(20);
	expect_not_found(r);
}

/* It does find what is there, in each form. */
static void the_search_finds(void **state)
{
	struct rig *r = *state;
	const uint64_t key = the_key(r), key_lo = key << 32;
	const uint64_t forms[] = { key, key_lo | 0x11, key >> 32 << 32 | 8 };
	const uint64_t ranges[] = { DATA, DATA + PAGE, 0 };
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < 3; i++) {
		load_search(r, &f, key, r->regs);
		memset(rig_gpa(r, DATA_GPA), 0, PAGE);
		memcpy(rig_gpa(r, DATA_GPA + PAGE - 8), &forms[i], 8);
		memcpy(rig_gpa(r, DATA_GPA + RANGES - DATA), ranges,
		    sizeof(ranges));
		attempt(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BUDGET,
		    .budget = VMMCTL_BUDGET_TIME);
		assert_true(word(r, FOUND) > 0);
		assert_int_equal(word(r, WHERE), DATA + PAGE - 8);
	}
}

static bool on_and_on(struct runner *t)
{
	return t->x.kind == VMMCTL_EXIT_KICKED;
}

/* A second vCPU of the space that searches; t is at it. */
static void start_search(struct rig *r, struct foreign *f, uint64_t key,
    struct runner *t)
{
	foreign_second(r, f, t);
	load_search(r, f, key, vmmctl_context_regs(t->c));
	t->on_exit = on_and_on;
	runner_start(t);
	search_all(r);
}

static void stop_search(struct rig *r, struct runner *t)
{
	search_all(r);
	runner_stop(t);
	assert_int_equal(t->rc, 0);
	assert_int_equal(t->x.kind, VMMCTL_EXIT_KICKED);
	expect_no_key(r, vmmctl_context_regs(t->c), the_key(r));
}

/*
 * While a vCPU's thread is being made it has the key.  Here it is not entered
 * at first: what it has left in its pages would stay.
 */
static void vcpus_come_beside_a_search(void **state)
{
	struct rig *r = *state;
	const uint64_t key = the_key(r);
	struct foreign f;
	static struct runner t, comer;
	unsigned waited = 0, n = r->info.max_vcpus - 2;

	foreign_begin(r, &f);
	start_search(r, &f, key, &t);
	for (unsigned i = 0; i < n; i++) {
		size_t threads = procs_threads(f.pid);

		runner_init(&comer, r, NULL, NULL);
		inside_lock(r);
		runner_start(&comer);
		sleep_us(2000);
		vmmctl_vcpu_kick(comer.cpu);
		inside_unlock(r);
		runner_join(&comer);
		assert_int_equal(comer.x.kind, VMMCTL_EXIT_KICKED);
		waited += procs_threads(f.pid) > threads;
		search_all(r);
		runner_start(&comer);
		runner_join(&comer);
		assert_int_equal(comer.x.kind, VMMCTL_EXIT_SYSCALL);
		expect_no_key(r, vmmctl_context_regs(comer.c), key);
		assert_int_equal(procs_threads(f.pid), threads + 1);
		search_all(r);
	}
	stop_search(r, &t);
	rig_say("%u of %u threads were made and not entered at once", waited,
	    n);
	assert_true(waited > 0);
}

/* Changes that take more than one call of the process. */
static void change(struct rig *r, uint64_t i)
{
	struct vmmctl_space_op ops[8];

	for (uint64_t k = 0; k < 8; k++)
		ops[k] = (struct vmmctl_space_op){ i % 2 == 0 ?
		    VMMCTL_SPACE_MAP : VMMCTL_SPACE_UNMAP, i % 2 == 0 ?
		    VMMCTL_PROT_RW : 0, LOOT + 2 * k * PAGE, PAGE,
		    i % 2 == 0 ? FREE_GPA : 0 };
	expect_rc(r, vmmctl_space_change(r->s, ops, 8, NULL), 0);
}

/* Each run of a guest that only kicks end, with changes due. */
static void kicked_among_changes(struct rig *r, uint64_t key)
{
	const struct vmmctl_regs start = *r->regs;
	const uint64_t end = now_ns() + 1000000000u;
	static struct kicker k;
	uint64_t runs = 0;

	kicker_start(&k, r, ~0ull, 2000, 1);
	while (runs < 20000 && now_ns() < end) {
		change(r, runs++);
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		k.exits++;
		expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
		expect_no_key(r, r->regs, key);
		/* What its program does not use. */
		assert_int_equal(r->regs->rcx, start.rcx);
		assert_int_equal(r->regs->rdx, start.rdx);
		assert_int_equal(r->regs->rbp, start.rbp);
		assert_memory_equal(&r->regs->r8, &start.r8,
		    8 * sizeof(start.r8));
	}
	kicker_stop(&k);
	rig_say("%llu runs, %llu kicks", (unsigned long long)runs,
	    (unsigned long long)k.kicked);
}

static void kicks_and_changes_of_a_search(void **state)
{
	struct rig *r = *state;
	uint64_t key = the_key(r);
	struct foreign f;

	foreign_begin(r, &f);
	load_search(r, &f, key, r->regs);
	/* Where kicks come fast it does not get far between two of them. */
	for (unsigned i = 0; i < 50 && word(r, ROUNDS) == 0; i++)
		kicked_among_changes(r, key);
	rig_say("%llu searches", (unsigned long long)word(r, ROUNDS));
	assert_true(word(r, ROUNDS) > 0);
	expect_not_found(r);
}

static void kicks_and_changes_beside_a_search(void **state)
{
	struct rig *r = *state;
	uint64_t key = the_key(r);
	struct foreign f;
	static struct runner t;

	foreign_begin(r, &f);
	start_search(r, &f, key, &t);
	rig_load(r, BLOB(c_spin));
	kicked_among_changes(r, key);
	stop_search(r, &t);
	rig_say("%llu searches", (unsigned long long)word(r, ROUNDS));
}

/* To each thread of the process that runs a vCPU. */
static void signal_threads(pid_t pid, int sig)
{
	char path[64];
	struct dirent *e;
	size_t n = procs_threads(pid);
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		/* Where there are several, the first only makes them. */
		if (tid > 0 && (tid != pid || n == 1))
			syscall(SYS_tgkill, pid, tid, sig);
	}
	closedir(d);
}

/*
 * The owner's signal is pending when changes are carried out: it is heard
 * after them, for what is there meanwhile no signal frame may get.
 */
static void signals_wait_for_changes(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	static struct runner t;

	foreign_begin(r, &f);
	for (unsigned i = 0; i < 400; i++) {
		unsigned kicks = 0;

		if (i == 200)
			foreign_second(r, &f, &t);
		change(r, i);
		signal_threads(f.pid, SIGALRM);
		rig_load(r, BLOB(x_syscall));
		do {
			attempt(r);
			if (inside_key(r, r->m) != 0)
				expect_no_key(r, r->regs, the_key(r));
		} while (r->x.kind == VMMCTL_EXIT_KICKED && ++kicks < 4);
		expect_syscall(r);
	}
	expect_nothing(r, &f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(the_search_finds),
		TEST(vcpus_come_beside_a_search),
		TEST(kicks_and_changes_of_a_search),
		TEST(kicks_and_changes_beside_a_search),
		TEST(signals_wait_for_changes),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
