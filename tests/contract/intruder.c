// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hostile guest reads and writes the foreign pages of its host process,
 * and jumps to each byte of them with hostile registers.  It must never
 * reach memory that its space does not map.
 */
#include "foreign.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

GUEST_ONE(x_syscall);
GUEST(x_scribble);
GUEST(x_fill);
GUEST(c_calls);
GUEST(c_spin);

/* ---- what there is ----------------------------------------------------- */

static void only_the_backends_own_pages(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	uint64_t total = 0;

	foreign_begin(r, &f);
	for (size_t i = 0; i < f.nmaps; i++) {
		const struct procs_map *m = &f.maps[i];

		total += m->end - m->start;
		rig_say("foreign: %llx-%llx %s %s",
		    (unsigned long long)m->start, (unsigned long long)m->end,
		    m->perms, m->path);
		/* No page is writable and executable, none is the owner's. */
		assert_false(m->perms[1] == 'w' && m->perms[2] == 'x');
		assert_int_not_equal(strcmp(m->path, "[heap]"), 0);
		assert_int_not_equal(strcmp(m->path, "[stack]"), 0);
		assert_int_not_equal(strcmp(m->path, "[vdso]"), 0);
		assert_int_not_equal(strcmp(m->path, "[vvar]"), 0);
		assert_null(strstr(m->path, ".so"));
	}
	assert_true(total <= 1024 * 1024);
}

/* Of the machine's memory only: what else would be within a guest's reach. */
static void no_other_descriptors(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	rig_say("%u descriptors", (unsigned)procs_fds(f.pid));
	assert_int_equal(procs_fds_but(f.pid, r->fd), 0);
}

/* Whatever the guest can read there, it is no secret of owner or machine. */
static void foreign_pages_hold_no_secret(void **state)
{
	static uint8_t page[VMMCTL_PAGE_SIZE];
	volatile uint64_t on_stack[64];
	uint64_t *on_heap;
	struct rig *r = *state;
	struct foreign f;
	unsigned readable = 0;

	foreign_begin(r, &f);
	on_heap = malloc(PAGE);
	assert_non_null(on_heap);
	for (unsigned i = 0; i < 64; i++)
		on_stack[i] = on_heap[i] = SECRET;
	for (size_t i = 0; i < f.nmaps; i++) {
		for (uint64_t at = f.maps[i].start; at < f.maps[i].end;
		    at += PAGE) {
			if (!guest_reads(r, at, page, PAGE))
				continue;
			readable++;
			for (size_t k = 0; k < PAGE; k += 8)
				assert_memory_not_equal(page + k,
				    &(uint64_t){ on_stack[k % 64] }, 8);
		}
	}
	rig_say("%u foreign pages are readable", readable);
	if (r->info.caps & VMMCTL_CAP_HIDDEN)
		assert_int_equal(readable, 0);
	free(on_heap);
	expect_nothing(r, &f);
}

static uint64_t reads_up_to(const uint8_t *page, uint64_t value, uint64_t len)
{
	uint64_t word, found = 0;

	for (uint64_t k = 0; k < PAGE; k += 8) {
		memcpy(&word, page + k, 8);
		found += word - value < len;
	}
	return found;
}

/* A process that was another space's before says nothing of that. */
static void nothing_is_left_of_another_guest(void **state)
{
	static uint8_t page[VMMCTL_PAGE_SIZE];
	struct rig *r = *state;
	const uint64_t strange = SPARE + (0x5ec2ull << 24);
	struct vmmctl_space *old = rig_space(r);
	struct vmmctl_context *c = rig_context(r, old);
	struct vmmctl_exit x;
	struct foreign f;

	foreign_begin(r, &f);
	expect_rc(r, vmmctl_space_map(old, strange, PAGE, FREE_GPA,
	    VMMCTL_PROT_RX), 0);
	rig_regs(vmmctl_context_regs(c));
	vmmctl_context_regs(c)->rip = strange + 4 * PAGE;
	rig_run_on(r, r->cpu, c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_FAULT);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(old), 0);

	r->s = rig_space(r);
	expect_rc(r, vmmctl_context_set_space(r->c, r->s), 0);
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	foreign_find(r, &f);
	for (size_t i = 0; i < f.nmaps; i++)
		for (uint64_t at = f.maps[i].start; at < f.maps[i].end;
		    at += PAGE)
			if (guest_reads(r, at, page, PAGE))
				assert_int_equal(reads_up_to(page, strange,
				    8 * PAGE), 0);
	expect_nothing(r, &f);
}

/* ---- jumps ------------------------------------------------------------- */

static void jump_to_every_byte(void **state)
{
	static const uint64_t numbers[] = { 9, 110 };
	struct rig *r = *state;
	struct foreign f;
	uint64_t failed = 0, jumps = 0;

	foreign_begin(r, &f);
	for (uint64_t at = 0; at < f.code_len + 16; at++) {
		for (size_t i = 0; i < 2; i++) {
			hostile_registers(r, &f, numbers[i]);
			r->regs->rip = f.code + at;
			for (unsigned runs = 0; runs < 3; runs++) {
				attempt(r);
				jumps++;
				failed += r->x.kind == VMMCTL_EXIT_FAILED;
				if (r->x.kind == VMMCTL_EXIT_FAILED)
					break;
			}
			expect_nothing(r, &f);
		}
	}
	rig_say("%llu runs from %llu bytes of code, %llu FAILED",
	    (unsigned long long)jumps, (unsigned long long)f.code_len,
	    (unsigned long long)failed);
}

static void calls_from_the_backends_own_code(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 2, 3, 9, 10, 11, 13, 14, 15,
	    25, 39, 45, 46, 47, 56, 57, 58, 59, 60, 62, 85, 101, 110, 131,
	    157, 158, 186, 202, 231, 234, 297, 310, 311, 317, 322, 424, 435,
	    438, 448, ~0ull, 0x40000000 + 9 };
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	if (f.nsyscalls == 0)
		rig_skip(r, "no syscall instruction is readable there");
	for (size_t s = 0; s < f.nsyscalls; s++) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]);
		    i++) {
			hostile_registers(r, &f, numbers[i]);
			r->regs->rip = f.syscalls[s];
			attempt(r);
			if (r->x.kind != VMMCTL_EXIT_FAILED)
				attempt(r);
			expect_nothing(r, &f);
		}
	}
	rig_say("%u syscall instructions, %u numbers each",
	    (unsigned)f.nsyscalls,
	    (unsigned)(sizeof(numbers) / sizeof(numbers[0])));
}

static void scribbling_over_another_vcpu(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 2000, 200, 300);
	struct vmmctl_space *other = rig_space(r);
	struct vmmctl_context *safe = rig_context(r, other);
	struct foreign f;
	static struct runner t;
	uint64_t kinds[VMMCTL_EXIT_FAILED + 1] = { 0 };

	foreign_begin(r, &f);
	runner_init(&t, r, NULL, NULL);
	rig_load(r, BLOB(x_syscall));
	runner_start(&t);
	runner_join(&t);
	rig_run(r);
	foreign_find(r, &f);
	start_on_foreign(&t, r, &f, BLOB(x_scribble));
	for (uint64_t i = 0; i < rounds; i++) {
		struct vmmctl_exit x;

		rig_regs(r->regs);
		attempt(r);
		kinds[r->x.kind]++;
		/* The neighbour notices nothing. */
		if (i % 16 == 0) {
			rig_regs(vmmctl_context_regs(safe));
			rig_run_on(r, r->cpu, safe, &x);
			assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		}
	}
	runner_stop(&t);
	rig_say("%llu runs: %llu SYSCALL, %llu FAILED, %llu out of time",
	    (unsigned long long)rounds,
	    (unsigned long long)kinds[VMMCTL_EXIT_SYSCALL],
	    (unsigned long long)kinds[VMMCTL_EXIT_FAILED],
	    (unsigned long long)kinds[VMMCTL_EXIT_BUDGET]);
	/* In peace, and after at most one more failure, all is well. */
	rig_regs(r->regs);
	attempt(r);
	if (r->x.kind == VMMCTL_EXIT_FAILED)
		attempt(r);
	expect_nothing(r, &f);
}

/* ---- one vCPU's own foreign pages -------------------------------------- */

static void writing_to_foreign_pages(void **state)
{
	static const uint64_t values[] = { 0, ~0ull, 0x4141414141414141,
	    0x7ff800200000, DATA, 0x2b, 1 };
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < f.nmaps; i++) {
		const struct procs_map *m = &f.maps[i];

		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]);
		    v++) {
			rig_load(r, BLOB(x_fill));
			r->regs->r9 = m->start;
			r->regs->r8 = (m->end - m->start) / 8;
			r->regs->r15 = values[v];
			attempt(r);
			if (m->perms[1] != 'w')
				expect_fault(r, m->start, VMMCTL_PROT_WRITE,
				    0);
			else if (r->x.kind != VMMCTL_EXIT_FAILED)
				expect_syscall(r);
			expect_nothing(r, &f);
		}
	}
}

static void stack_pointer_in_foreign_pages(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < f.nmaps; i++) {
		const struct procs_map *m = &f.maps[i];

		for (uint64_t at = m->start; at <= m->end; at += 0x200) {
			rig_load(r, BLOB(c_calls));
			r->regs->rsp = at;
			rig_run(r);
			expect_syscall(r);
			assert_int_equal(r->regs->rsp, at);
			r->regs->rip = LOOT;
			rig_run(r);
			expect_fault(r, LOOT, VMMCTL_PROT_EXEC, 0);
			assert_int_equal(r->regs->rsp, at);
		}
	}
	expect_nothing(r, &f);
}

/* ---- signals ------------------------------------------------------------ */

enum way { BY_KICK, BY_BUDGET, BY_CHANGE, BY_SIGNAL };

static void nothing(int sig)
{
	(void)sig;
}

/*
 * The guest returns from a signal that never was, with all signals blocked:
 * what the owner sends does not reach it.  It must come out all the same.
 */
static void come_out(struct rig *r, uint64_t from, enum way way)
{
	static struct runner t;
	struct signal_frame f = { .stack_flags = 2, .sigmask = ~0ull };
	uint64_t start = now_ns(), ms;

	rig_load(r, BLOB(c_spin));
	f.gregs[15] = RSP;
	f.gregs[16] = CODE;
	f.gregs[17] = RFLAGS;
	f.gregs[18] = 0x002b000000000033;
	memcpy(rig_gpa(r, STACK_GPA + RSP - STACK), &f, sizeof(f));
	r->regs->rax = 15;
	r->regs->rip = from;
	if (way == BY_BUDGET)
		expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 20000000, 0), 0);
	runner_init(&t, r, r->cpu, r->c);
	runner_start(&t);
	sleep_us(20000);
	if (way == BY_KICK)
		vmmctl_vcpu_kick(r->cpu);
	else if (way == BY_CHANGE)
		rig_unmap(r, CODE, REGION);
	else if (way == BY_SIGNAL)
		pthread_kill(t.thread, SIGUSR2);
	runner_join(&t);
	ms = (now_ns() - start) / 1000000;
	if (ms > 5000)
		rig_say("the guest came out after %llu ms",
		    (unsigned long long)ms);
	assert_true(ms < 10000);
	if (way == BY_CHANGE)
		expect_rc(r, vmmctl_space_map(r->s, CODE, REGION, CODE_GPA,
		    VMMCTL_PROT_RX), 0);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);
	/* A kick that came too late for that run. */
	rig_load(r, BLOB(x_syscall));
	attempt(r);
	if (r->x.kind == VMMCTL_EXIT_KICKED)
		attempt(r);
	expect_syscall(r);
}

static void with_all_signals_blocked(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	signal(SIGUSR2, nothing);
	for (size_t s = 0; s < f.nsyscalls; s++)
		for (unsigned way = BY_KICK; way <= BY_SIGNAL; way++)
			come_out(r, f.syscalls[s], way);
	expect_nothing(r, &f);
}

/* ---- the process is hit from outside ----------------------------------- */

static void killed_from_outside(void **state)
{
	static const int sigs[] = { SIGKILL, SIGTERM, SIGUSR1, SIGSEGV,
	    SIGSYS, SIGTRAP, SIGILL, SIGALRM };
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		unsigned runs = 0;

		rig_load(r, BLOB(x_syscall));
		rig_run(r);
		expect_syscall(r);
		foreign_find(r, &f);
		kill(f.pid, sigs[i]);
		sleep_us(2000);
		do {
			rig_regs(r->regs);
			attempt(r);
		} while (r->x.kind != VMMCTL_EXIT_SYSCALL && ++runs < 3);
		expect_syscall(r);
		if (runs > 0)
			rig_say("signal %d: %u runs did not get through",
			    sigs[i], runs);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_backends_own_pages),
		TEST(no_other_descriptors),
		TEST(foreign_pages_hold_no_secret),
		TEST(nothing_is_left_of_another_guest),
		TEST(jump_to_every_byte),
		TEST(calls_from_the_backends_own_code),
		TEST(writing_to_foreign_pages),
		TEST(stack_pointer_in_foreign_pages),
		TEST(scribbling_over_another_vcpu),
		TEST(with_all_signals_blocked),
		TEST(killed_from_outside),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
