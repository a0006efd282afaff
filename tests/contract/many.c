// SPDX-License-Identifier: BSD-2-Clause
/*
 * A thousand spaces in one machine: each has its own memory and its own
 * context, and what one costs the host is told.
 */
#include "procs.h"
#include "runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

GUEST(c_look);
GUEST(c_sum);

#define SPACES	1000u

static uint64_t memory_of_all(const struct rig *r, size_t *count)
{
	static pid_t pids[8192];
	uint64_t sum = procs_memory(getpid());

	*count = procs_with_file(r->fd, pids, 8192);
	for (size_t i = 0; i < *count && i < 8192; i++)
		sum += procs_memory(pids[i]);
	return sum;
}

/* Fewer, where spaces take what the first had: the limit is low. */
static double more(size_t now, size_t before)
{
	return (double)now - (double)before;
}

static void run_each(struct rig *r, struct vmmctl_context **c)
{
	struct vmmctl_exit x;

	for (uint64_t i = 0; i < SPACES; i++) {
		assert_int_equal(vmmctl_vcpu_run(r->cpu, c[i], &x), 0);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		assert_int_equal(vmmctl_context_regs(c[i])->rax,
		    0xabc000 + i % 200);
	}
}

static void a_thousand_spaces(void **state)
{
	struct rig *r = *state;
	struct vmmctl_space **s = calloc(SPACES, sizeof(*s));
	struct vmmctl_context **c = calloc(SPACES, sizeof(*c));
	uint64_t before, after, start, made, first, again;
	size_t fds, fds_after, procs, procs_after;

	assert_non_null(s);
	assert_non_null(c);
	rig_untraced(r);
	rig_load(r, BLOB(c_look));
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t value = 0xabc000 + i;

		memcpy(rig_gpa(r, FREE_GPA + i * PAGE), &value, 8);
	}
	rig_regs(r->regs);
	r->regs->rbx = DATA;
	rig_run(r);
	expect_syscall(r);

	before = memory_of_all(r, &procs);
	fds = procs_fds(getpid());
	start = now_ns();
	for (uint64_t i = 0; i < SPACES; i++) {
		s[i] = rig_space(r);
		expect_rc(r, vmmctl_space_map(s[i], SPARE, PAGE,
		    FREE_GPA + i % 200 * PAGE, VMMCTL_PROT_RW), 0);
		c[i] = rig_context(r, s[i]);
		vmmctl_context_regs(c[i])->rbx = SPARE;
	}
	made = now_ns() - start;
	start = now_ns();
	run_each(r, c);
	first = now_ns() - start;
	start = now_ns();
	run_each(r, c);
	again = now_ns() - start;
	after = memory_of_all(r, &procs_after);
	fds_after = procs_fds(getpid());

	rig_say("%u spaces, each run twice: to make one %llu us, its first "
	    "run %llu us, its next %llu us", SPACES,
	    (unsigned long long)made / SPACES / 1000,
	    (unsigned long long)first / SPACES / 1000,
	    (unsigned long long)again / SPACES / 1000);
	rig_say("one costs the host %lld bytes in user memory and page "
	    "tables, %.3f processes, %.3f descriptors (kernel objects are "
	    "not in it)", (long long)(after - before) / SPACES,
	    more(procs_after, procs) / SPACES, more(fds_after, fds) / SPACES);
	for (uint64_t i = 0; i < SPACES; i++) {
		vmmctl_context_destroy(c[i]);
		expect_rc(r, vmmctl_space_destroy(s[i]), 0);
	}
	after = memory_of_all(r, &procs_after);
	rig_say("destroyed: %lld bytes, %lld processes, %lld descriptors "
	    "more than before any was made", (long long)(after - before),
	    (long long)(procs_after - procs),
	    (long long)(procs_fds(getpid()) - fds));
	/* Some are kept to be used again, but not many. */
	assert_true(procs_fds(getpid()) <= fds + 64);
	assert_true(procs_after <= procs + 64);
	rig_regs(r->regs);
	r->regs->rbx = DATA;
	rig_run(r);
	expect_syscall(r);
	free(s);
	free(c);
}

/* Made, run and destroyed, one after another: nothing adds up. */
static void spaces_come_and_go(void **state)
{
	struct rig *r = *state;
	uint64_t before = 0, after;
	size_t fds = 0, procs, procs_after, threads = 0;

	rig_untraced(r);
	rig_load(r, BLOB(c_look));
	for (unsigned i = 0; i < 300; i++) {
		struct vmmctl_space *s = rig_space(r);
		struct vmmctl_context *c = rig_context(r, s);
		struct vmmctl_exit x;

		vmmctl_context_regs(c)->rbx = DATA;
		rig_run_on(r, r->cpu, c, &x);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		vmmctl_context_destroy(c);
		expect_rc(r, vmmctl_space_destroy(s), 0);
		if (i == 50) {
			before = memory_of_all(r, &procs);
			fds = procs_fds(getpid());
			threads = procs_threads(getpid());
		}
	}
	after = memory_of_all(r, &procs_after);
	assert_true(procs_fds(getpid()) <= fds + 2);
	assert_int_equal(procs_threads(getpid()), threads);
	assert_true(procs_after <= procs + 2);
	assert_true(MEMORY_IS_KEPT || after < before + 2 * 1024 * 1024);
}

/*
 * More mappings than a host process may have (vm.max_map_count), none of
 * which can be merged with its neighbour, all used in one run.
 */
static void more_mappings_than_the_host_has(void **state)
{
	enum { PAGES = 70000, BATCH = 1000 };
	static struct vmmctl_space_op ops[BATCH];
	struct rig *r = *state;
	uint64_t sum = 0, start;

	rig_untraced(r);
	rig_load(r, BLOB(c_sum));
	for (uint64_t i = 0; i < 200; i++)
		memcpy(rig_gpa(r, FREE_GPA + i * PAGE), &i, 8);
	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t page = i * 7 % 200;

		sum += page;
		ops[i % BATCH] = (struct vmmctl_space_op){ VMMCTL_SPACE_MAP,
		    VMMCTL_PROT_READ, SPARE + i * PAGE, PAGE,
		    FREE_GPA + page * PAGE };
		if (i % BATCH == BATCH - 1)
			expect_rc(r, vmmctl_space_change(r->s, ops, BATCH,
			    NULL), 0);
	}
	r->regs->rbx = SPARE;
	r->regs->rcx = PAGES;
	r->regs->rdx = PAGE;
	for (unsigned i = 0; i < 2; i++) {
		start = now_ns();
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, sum);
		rig_say("%u pages in %llu ms", PAGES,
		    (unsigned long long)(now_ns() - start) / 1000000);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thousand_spaces),
		TEST(spaces_come_and_go),
		TEST(more_mappings_than_the_host_has),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
