// SPDX-License-Identifier: BSD-2-Clause
/*
 * Spaces and machine memory: batches, walks, what a change must not leave
 * behind, limits.
 */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

GUEST(c_look);
GUEST_ONE(load);
GUEST_ONE(store);

#define R	VMMCTL_PROT_READ
#define W	VMMCTL_PROT_WRITE
#define X	VMMCTL_PROT_EXEC
#define RW	VMMCTL_PROT_RW

/* The guest's 8 bytes at gva. */
static uint64_t look(struct rig *r, uint64_t gva)
{
	rig_load(r, BLOB(c_look));
	r->regs->rbx = gva;
	rig_run(r);
	expect_syscall(r);
	return r->regs->rax;
}

static void faults(struct rig *r, uint64_t gva, uint32_t present)
{
	rig_load(r, BLOB(c_look));
	r->regs->rbx = gva;
	rig_run(r);
	expect_fault(r, gva, R, present);
}

static void fill_pages(struct rig *r, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		memset(rig_gpa(r, FREE_GPA + i * PAGE), (int)(i + 1), PAGE);
}

static uint64_t filled(uint64_t page)
{
	return (page + 1) * 0x0101010101010101ull;
}

static void expect_walk(struct rig *r, uint64_t gva, uint64_t gpa,
    uint32_t prot, uint32_t memory)
{
	struct vmmctl_walk w;

	expect_rc(r, vmmctl_space_walk(r->s, gva, &w), 0);
	assert_int_equal(w.gpa, gpa);
	assert_int_equal(w.prot, prot);
	assert_int_equal(w.memory, memory);
	assert_in_range(w.len, 1, PAGE - gva % PAGE + 0x40000000);
	assert_int_equal((gva + w.len) % PAGE, 0);
}

static void same_address_other_memory(void **state)
{
	struct rig *r = *state;
	struct vmmctl_space *other = rig_space(r);
	struct vmmctl_context *c = rig_context(r, other);
	struct vmmctl_exit x;

	fill_pages(r, 2);
	rig_map(r, SPARE, FREE_GPA, R);
	expect_rc(r, vmmctl_space_map(other, SPARE, PAGE, FREE_GPA + PAGE, R),
	    0);
	vmmctl_context_regs(c)->rbx = SPARE;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(look(r, SPARE), filled(0));
		vmmctl_context_regs(c)->rip = CODE;
		rig_run_on(r, r->cpu, c, &x);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		assert_int_equal(vmmctl_context_regs(c)->rax, filled(1));
	}
}

static void same_memory_other_rights(void **state)
{
	struct rig *r = *state;
	struct vmmctl_space *other = rig_space(r);

	rig_map(r, SPARE, FREE_GPA, R);
	expect_rc(r, vmmctl_space_map(other, SPARE, PAGE, FREE_GPA, R | W), 0);
	for (unsigned i = 0; i < 3; i++) {
		expect_rc(r, vmmctl_context_set_space(r->c, other), 0);
		rig_load(r, BLOB(store));
		r->regs->rbx = SPARE;
		rig_run(r);
		expect_syscall(r);
		expect_rc(r, vmmctl_context_set_space(r->c, r->s), 0);
		rig_load(r, BLOB(store));
		r->regs->rbx = SPARE;
		rig_run(r);
		expect_fault(r, SPARE, W, 1);
		assert_int_equal(look(r, SPARE), r->regs->rax);
	}
}

static void aliases_show_the_same_bytes(void **state)
{
	struct rig *r = *state;

	for (uint64_t i = 0; i < 16; i++)
		rig_map(r, SPARE + i * 0x200000, FREE_GPA, i % 2 ? R : R | W);
	rig_load(r, BLOB(store));
	r->regs->rbx = SPARE + 8 * 0x200000;
	r->regs->rax = 0x1234567812345678;
	rig_run(r);
	expect_syscall(r);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(look(r, SPARE + i * 0x200000),
		    0x1234567812345678);
}

static void changes_apply_in_order(void **state)
{
	const struct vmmctl_space_op ops[] = {
		{ VMMCTL_SPACE_MAP, R | W, SPARE, 4 * PAGE, FREE_GPA },
		{ VMMCTL_SPACE_UNMAP, 0, SPARE + PAGE, PAGE, 0 },
		{ VMMCTL_SPACE_MAP, R, SPARE + 2 * PAGE, PAGE, FREE_GPA },
		{ VMMCTL_SPACE_PROTECT, R | X, SPARE, 4 * PAGE, 0 },
		{ VMMCTL_SPACE_MAP, R, SPARE + 3 * PAGE, PAGE,
		    FREE_GPA + 7 * PAGE },
		{ VMMCTL_SPACE_PROTECT, 0, SPARE + 2 * PAGE, PAGE, 0 },
	};
	struct rig *r = *state;
	struct vmmctl_walk w;
	size_t done = 99;

	fill_pages(r, 8);
	expect_rc(r, vmmctl_space_change(r->s, ops, 6, &done), 0);
	assert_int_equal(done, 6);
	expect_walk(r, SPARE + 5, FREE_GPA + 5, R | X, 1);
	expect_rc(r, vmmctl_space_walk(r->s, SPARE + PAGE, &w), -ENOENT);
	expect_walk(r, SPARE + 2 * PAGE, FREE_GPA, 0, 1);
	expect_walk(r, SPARE + 3 * PAGE, FREE_GPA + 7 * PAGE, R, 1);
	assert_int_equal(look(r, SPARE), filled(0));
	faults(r, SPARE + PAGE, 0);
	faults(r, SPARE + 2 * PAGE, 1);
	assert_int_equal(look(r, SPARE + 3 * PAGE), filled(7));
}

/* One bad change among good ones: none is done. */
static void a_bad_change_undoes_the_batch(void **state)
{
	const struct vmmctl_space_op good[] = {
		{ VMMCTL_SPACE_MAP, R, SPARE, PAGE, FREE_GPA },
		{ VMMCTL_SPACE_UNMAP, 0, DATA, PAGE, 0 },
		{ VMMCTL_SPACE_PROTECT, R, STACK, PAGE, 0 },
	};
	struct vmmctl_space_op ops[3];
	struct rig *r = *state;
	struct vmmctl_walk w;

	for (unsigned bad = 0; bad < 3; bad++) {
		size_t done = 99;

		memcpy(ops, good, sizeof(ops));
		ops[bad].len = PAGE + 1;
		expect_rc(r, vmmctl_space_change(r->s, ops, 3, &done),
		    -EINVAL);
		assert_int_equal(done, 0);
		expect_rc(r, vmmctl_space_walk(r->s, SPARE, &w), -ENOENT);
		expect_walk(r, DATA, DATA_GPA, R | W, 1);
		expect_walk(r, STACK, STACK_GPA, R | W, 1);
	}
	expect_rc(r, vmmctl_space_change(r->s, ops, 0, NULL), 0);
}

static void holes_are_fine(void **state)
{
	struct rig *r = *state;
	struct vmmctl_walk w;

	fill_pages(r, 8);
	for (uint64_t i = 0; i < 8; i += 2)
		rig_map(r, SPARE + i * PAGE, FREE_GPA + i * PAGE, R | W);
	expect_rc(r, vmmctl_space_protect(r->s, SPARE, 8 * PAGE, R), 0);
	for (uint64_t i = 0; i < 8; i++) {
		if (i % 2 == 0)
			expect_walk(r, SPARE + i * PAGE, FREE_GPA + i * PAGE,
			    R, 1);
		else
			expect_rc(r, vmmctl_space_walk(r->s, SPARE + i * PAGE,
			    &w), -ENOENT);
	}
	assert_int_equal(look(r, SPARE + 6 * PAGE), filled(6));
	faults(r, SPARE + 5 * PAGE, 0);
	rig_unmap(r, SPARE - 16 * PAGE, 64 * PAGE);
	rig_unmap(r, SPARE - 16 * PAGE, 64 * PAGE);
	for (uint64_t i = 0; i < 8; i++)
		faults(r, SPARE + i * PAGE, 0);
}

static void middle_of_a_mapping_changes(void **state)
{
	struct rig *r = *state;

	fill_pages(r, 16);
	expect_rc(r, vmmctl_space_map(r->s, SPARE, 16 * PAGE, FREE_GPA, R),
	    0);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(look(r, SPARE + i * PAGE), filled(i));
	rig_map(r, SPARE + 5 * PAGE, FREE_GPA + 12 * PAGE, R);
	rig_unmap(r, SPARE + 8 * PAGE, PAGE);
	expect_rc(r, vmmctl_space_protect(r->s, SPARE + 10 * PAGE, PAGE, 0),
	    0);
	for (uint64_t i = 0; i < 16; i++) {
		uint64_t gva = SPARE + i * PAGE;

		if (i == 8)
			faults(r, gva, 0);
		else if (i == 10)
			faults(r, gva, 1);
		else
			assert_int_equal(look(r, gva),
			    filled(i == 5 ? 12 : i));
	}
}

/* 1 GiB in one change, most of it without memory. */
static void large_mapping(void **state)
{
	const uint64_t gva = 0x100000000, len = 0x40000000;
	struct rig *r = *state;
	struct vmmctl_walk w;

	fill_pages(r, 1);
	expect_rc(r, vmmctl_space_map(r->s, gva, len, FREE_GPA, R | W), 0);
	assert_int_equal(look(r, gva), filled(0));
	rig_load(r, BLOB(load));
	r->regs->rbx = gva + len - 8;
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_NOMEM, .access = R,
	    .addr = gva + len - 8, .gpa = FREE_GPA + len - 8);
	expect_walk(r, gva + 0x3ffffff1, FREE_GPA + 0x3ffffff1, R | W, 0);
	rig_unmap(r, gva, len);
	expect_rc(r, vmmctl_space_walk(r->s, gva, &w), -ENOENT);
	faults(r, gva, 0);
	faults(r, gva + len - 8, 0);
}

static void many_changes_in_a_batch(void **state)
{
	enum { N = 4000 };
	struct rig *r = *state;
	struct vmmctl_space_op *ops = calloc(N, sizeof(*ops));

	assert_non_null(ops);
	fill_pages(r, 16);
	for (uint64_t i = 0; i < N; i++)
		ops[i] = (struct vmmctl_space_op){ VMMCTL_SPACE_MAP, R,
		    SPARE + i * PAGE, PAGE, FREE_GPA + (i % 16) * PAGE };
	expect_rc(r, vmmctl_space_change(r->s, ops, N, NULL), 0);
	for (uint64_t i = 0; i < N; i += 397)
		assert_int_equal(look(r, SPARE + i * PAGE), filled(i % 16));
	for (uint64_t i = 0; i < N; i++)
		ops[i].kind = i % 3 == 0 ? VMMCTL_SPACE_UNMAP :
		    VMMCTL_SPACE_PROTECT;
	expect_rc(r, vmmctl_space_change(r->s, ops, N, NULL), 0);
	for (uint64_t i = 0; i < N; i += 397) {
		if (i % 3 == 0)
			faults(r, SPARE + i * PAGE, 0);
		else
			assert_int_equal(look(r, SPARE + i * PAGE),
			    filled(i % 16));
	}
	free(ops);
}

/* Between two runs the same address is other memory: each run sees its. */
static void nothing_stale_between_runs(void **state)
{
	struct rig *r = *state;

	fill_pages(r, 16);
	rig_load(r, BLOB(c_look));
	r->regs->rbx = SPARE;
	for (uint64_t i = 0; i < 300; i++) {
		rig_map(r, SPARE, FREE_GPA + (i % 16) * PAGE, R);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, filled(i % 16));
	}
}

static void pages_come_and_go(void **state)
{
	struct rig *r = *state;

	fill_pages(r, 16);
	for (uint64_t i = 0; i < 100; i++) {
		rig_map(r, SPARE, FREE_GPA + (i % 16) * PAGE, R);
		assert_int_equal(look(r, SPARE), filled(i % 16));
		rig_unmap(r, SPARE, PAGE);
		faults(r, SPARE, 0);
	}
}

/* The same instruction at the same address, each time loaded anew. */
static void reloaded_again_and_again(void **state)
{
	struct rig *r = *state;

	fill_pages(r, 2);
	rig_load(r, BLOB(c_look));
	r->regs->rbx = SPARE;
	for (uint64_t i = 0; i < 40; i++) {
		rig_unmap(r, SPARE, PAGE);
		rig_map(r, SPARE, FREE_GPA + i % 2 * PAGE, R);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, filled(i % 2));
		expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, 2 * PAGE,
		    i % 2 ? RW : R), 0);
	}
}

static void bound_space_is_busy(void **state)
{
	struct rig *r = *state;
	struct vmmctl_space *s = rig_space(r);
	struct vmmctl_context *c = rig_context(r, s);

	expect_rc(r, vmmctl_space_destroy(s), -EBUSY);
	expect_rc(r, vmmctl_context_set_space(c, r->s), 0);
	expect_rc(r, vmmctl_space_destroy(s), 0);
	vmmctl_context_destroy(c);
	s = rig_space(r);
	c = rig_context(r, s);
	expect_rc(r, vmmctl_space_destroy(s), -EBUSY);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(s), 0);
	expect_rc(r, vmmctl_space_destroy(NULL), 0);
}

static void context_moves_between_spaces(void **state)
{
	struct rig *r = *state;
	struct vmmctl_space *s[4];

	fill_pages(r, 4);
	for (uint64_t i = 0; i < 4; i++) {
		s[i] = rig_space(r);
		expect_rc(r, vmmctl_space_map(s[i], SPARE, PAGE,
		    FREE_GPA + i * PAGE, R), 0);
	}
	rig_load(r, BLOB(c_look));
	r->regs->rbx = SPARE;
	for (uint64_t i = 0; i < 40; i++) {
		expect_rc(r, vmmctl_context_set_space(r->c, s[i % 4]), 0);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, filled(i % 4));
	}
}

static void changes_wait_for_the_next_run(void **state)
{
	struct rig *r = *state;
	uint64_t before, after;

	look(r, DATA);
	expect_rc(r, vmmctl_machine_counter(r->m, "exits", &before), 0);
	for (uint64_t i = 0; i < 100; i++)
		rig_map(r, SPARE + i * PAGE, FREE_GPA, R);
	rig_unmap(r, SPARE, 50 * PAGE);
	expect_rc(r, vmmctl_machine_counter(r->m, "exits", &after), 0);
	assert_int_equal(before, after);
	expect_rc(r, vmmctl_machine_counter(r->m, "space.shootdown", &after),
	    0);
	assert_int_equal(after, 0);
	rig_untraced(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(same_address_other_memory),
		TEST(same_memory_other_rights),
		TEST(aliases_show_the_same_bytes),
		TEST(changes_apply_in_order),
		TEST(a_bad_change_undoes_the_batch),
		TEST(holes_are_fine),
		TEST(middle_of_a_mapping_changes),
		TEST(large_mapping),
		TEST(many_changes_in_a_batch),
		TEST(nothing_stale_between_runs),
		TEST(pages_come_and_go),
		TEST(reloaded_again_and_again),
		TEST(bound_space_is_busy),
		TEST(context_moves_between_spaces),
		TEST(changes_wait_for_the_next_run),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
