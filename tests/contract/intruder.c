// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hostile guest reads and writes the foreign pages of its host process, those
 * of other vCPUs among them, and leaves them to the next guest.  It must never
 * reach memory that its space does not map.
 */
#include "foreign.h"

#include <stdlib.h>
#include <string.h>

GUEST_ONE(x_syscall);
GUEST(x_scribble);
GUEST(x_fill);
GUEST(x_spoil);
GUEST(p_store_all);
GUEST(c_calls);

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

/* ---- another vCPU's ----------------------------------------------------- */

static void scribbling_over_another_vcpu(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 2000, 200, 300);
	const uint64_t end = now_ns() + 2000000000u;
	struct vmmctl_space *other = rig_space(r);
	struct vmmctl_context *safe = rig_context(r, other);
	struct foreign f;
	static struct runner t;
	uint64_t kinds[VMMCTL_EXIT_FAILED + 1] = { 0 }, i;

	foreign_begin(r, &f);
	foreign_second(r, &f, &t);
	start_on_foreign(&t, r, &f, BLOB(x_scribble));
	/* It has been everywhere once. */
	wait_change((volatile uint64_t *)(void *)rig_gpa(r, DATA_GPA +
	    0xf008), 0);
	for (i = 0; i < rounds && now_ns() < end; i++) {
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
	    (unsigned long long)i,
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

/* ---- what the next guest finds ------------------------------------------ */

#define XSTATE_BV	512
#define YMM_HIGH	576
#define AVX		4ull

/*
 * A guest of another space spoils what it can write and has the owner notified
 * as it is, so that the host does not write it anew; then it is gone.
 */
static void spoil(struct rig *r, const struct foreign *f, uint64_t place,
    uint64_t junk)
{
	struct blob b = BLOB(x_spoil);
	struct vmmctl_space *s = rig_space(r);
	struct vmmctl_context *c = rig_context(r, s);
	struct vmmctl_regs *regs = vmmctl_context_regs(c);
	struct vmmctl_exit x;

	memcpy(rig_gpa(r, CODE_GPA), b.start, (size_t)(b.end - b.start));
	for (size_t i = 0; i < f->nmaps; i++) {
		if (f->maps[i].perms[1] != 'w')
			continue;
		regs->r9 = f->maps[i].start;
		regs->r8 = (f->maps[i].end - f->maps[i].start) / 8;
	}
	regs->r15 = junk;
	regs->rbx = place;
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 5000000, 0), 0);
	assert_int_equal(rig_enter(r->cpu, c, &x), 0);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(s), 0);
}

/* A new space and context: the upper halves of its YMM registers are its. */
static void expect_ymm(struct rig *r, uint8_t seed)
{
	struct vmmctl_space *s = rig_space(r);
	struct vmmctl_context *c = rig_context(r, s);
	uint8_t *area = calloc(1, r->info.xsave_size);
	uint8_t *seen = rig_gpa(r, DATA_GPA);
	struct vmmctl_exit x;

	assert_non_null(area);
	expect_rc(r, vmmctl_context_get_xsave(c, area, r->info.xsave_size),
	    0);
	area[XSTATE_BV] |= 7;
	for (unsigned i = 0; i < 256; i++) {
		area[160 + i] = (uint8_t)(seed + i);
		area[YMM_HIGH + i] = (uint8_t)(seed ^ i);
	}
	expect_rc(r, vmmctl_context_set_xsave(c, area, r->info.xsave_size),
	    0);
	rig_load(r, BLOB(p_store_all));
	memset(seen, 0, PAGE);
	vmmctl_context_regs(c)->rbx = DATA;
	rig_run_on(r, r->cpu, c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
	assert_memory_equal(seen + 160, area + 160, 256);
	assert_memory_equal(seen + YMM_HIGH, area + YMM_HIGH, 256);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(s), 0);
	free(area);
}

static void extended_state_after_a_spoilt_frame(void **state)
{
	static const uint64_t junk[] = { 0, ~0ull, 0x4141414141414141 };
	struct rig *r = *state;
	struct foreign f;
	pid_t pids[16], last[16] = { 0 };
	unsigned reused = 0;

	if ((r->info.xsave_mask & AVX) == 0)
		rig_skip(r, "no AVX in a context");
	foreign_begin(r, &f);
	for (size_t i = 0; i < 3 * f.nsyscalls; i++) {
		memset(pids, 0, sizeof(pids));
		spoil(r, &f, f.syscalls[i / 3], junk[i % 3]);
		expect_ymm(r, (uint8_t)i);
		assert_in_range(procs_with_file(r->fd, pids, 16), 1, 16);
		reused += memcmp(pids, last, sizeof(last)) == 0;
		memcpy(last, pids, sizeof(last));
	}
	expect_nothing(r, &f);
	rig_say("%u of %u processes were used again", reused,
	    (unsigned)(3 * f.nsyscalls));
	assert_true(f.nsyscalls == 0 || reused > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_backends_own_pages),
		TEST(no_other_descriptors),
		TEST(foreign_pages_hold_no_secret),
		TEST(nothing_is_left_of_another_guest),
		TEST(writing_to_foreign_pages),
		TEST(stack_pointer_in_foreign_pages),
		TEST(scribbling_over_another_vcpu),
		TEST(extended_state_after_a_spoilt_frame),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
