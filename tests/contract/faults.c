// SPDX-License-Identifier: BSD-2-Clause
/*
 * #PF in every form of access and presence; instructions that fault half-way
 * or lie across pages; the ends of the address space.
 */
#include "harness.h"

#include <string.h>

GUEST_ONE(f_load1);
GUEST_ONE(f_load2);
GUEST_ONE(f_load4);
GUEST_ONE(f_load8);
GUEST_ONE(f_load16);
GUEST_ONE(f_load_x87);
GUEST_ONE(f_fxsave);
GUEST_ONE(f_store1);
GUEST_ONE(f_store8);
GUEST_ONE(f_store16);
GUEST_ONE(f_add);
GUEST_ONE(f_lock_add);
GUEST_ONE(f_xchg);
GUEST_ONE(f_cmpxchg);
GUEST_ONE(f_bts);
GUEST_ONE(f_push);
GUEST_ONE(f_push_mem);
GUEST_ONE(f_pop_mem);
GUEST_ONE(f_call);
GUEST_ONE(f_call_mem);
GUEST_ONE(f_enter);
GUEST_ONE(f_ret);
GUEST_ONE(f_prefetch);
GUEST_ONE(f_nop);
GUEST_ONE(f_rep_movsb);
GUEST_ONE(f_rep_movsq);
GUEST_ONE(f_rep_stosb);
GUEST_ONE(f_rep_movsb_down);
GUEST_ONE(f_repne_scasb);
GUEST_ONE(f_long);
GUEST_ONE(f_long_store);

#define R	VMMCTL_PROT_READ
#define W	VMMCTL_PROT_WRITE
#define X	VMMCTL_PROT_EXEC
#define NOT_MAPPED 0x100u

/* As the processor has it: what may be written or fetched may be read. */
static bool allowed(uint32_t prot, uint32_t access)
{
	if (prot == NOT_MAPPED)
		return false;
	return access == R ? prot != 0 : (prot & access) != 0;
}

/* What an access of SPARE comes to. */
enum outcome { DONE, NOT_PRESENT, NOT_ALLOWED, NO_MEMORY };

static void try_access(struct rig *r, uint32_t access, enum outcome outcome)
{
	const uint64_t at = SPARE + 0x7f8;
	struct vmmctl_regs want;

	rig_load(r, access == W ? BLOB(f_store8) : BLOB(f_load8));
	/* The fetched code is a system call. */
	rig_gpa(r, FREE_GPA + 0x7f8)[0] = 0x0f;
	rig_gpa(r, FREE_GPA + 0x7f8)[1] = 0x05;
	r->regs->rbx = at;
	if (access == X)
		r->regs->rip = at;
	want = *r->regs;
	rig_snapshot(r);
	rig_run(r);
	if (outcome == DONE) {
		expect_syscall(r);
		return;
	}
	if (outcome == NO_MEMORY)
		expect_exit(r, .kind = VMMCTL_EXIT_NOMEM, .access = access,
		    .addr = at, .gpa = FREE_GPA + 0x7f8);
	else
		expect_fault(r, at, access, outcome == NOT_ALLOWED);
	expect_regs(r, &want);
	expect_same_memory(r);
}

static void each_access_by_each_mapping(void **state)
{
	static const uint32_t prots[] = { NOT_MAPPED, 0, R, W, R | W, X,
	    R | X, W | X, R | W | X };
	static const uint32_t access[] = { R, W, X };
	struct rig *r = *state;

	for (size_t p = 0; p < 9; p++) {
		if (prots[p] == NOT_MAPPED)
			rig_unmap(r, SPARE, PAGE);
		else
			rig_map(r, SPARE, FREE_GPA, prots[p]);
		for (size_t a = 0; a < 3; a++)
			try_access(r, access[a],
			    allowed(prots[p], access[a]) ? DONE :
			    prots[p] == NOT_MAPPED ? NOT_PRESENT :
			    NOT_ALLOWED);
	}
}

/* Loaded, then taken away: nothing stale may serve the access. */
static void each_access_after_protect(void **state)
{
	static const uint32_t prots[] = { R | W | X, R, R | W, 0, R | X, W,
	    R | W | X, X, 0, R | W | X };
	static const uint32_t access[] = { W, R, X };
	struct rig *r = *state;

	rig_map(r, SPARE, FREE_GPA, R | W | X);
	for (size_t p = 0; p < sizeof(prots) / sizeof(prots[0]); p++) {
		expect_rc(r, vmmctl_space_protect(r->s, SPARE, PAGE,
		    prots[p]), 0);
		for (size_t a = 0; a < 3; a++)
			try_access(r, access[a],
			    allowed(prots[p], access[a]) ? DONE :
			    NOT_ALLOWED);
	}
}

/*
 * The memory's own protection limits every space; that is the machine's
 * doing, not the space's.
 */
static void each_access_by_memory_protection(void **state)
{
	static const uint32_t prots[] = { R | W | X, R, R | W, R | X,
	    R | W | X };
	static const uint32_t access[] = { R, W, X };
	struct rig *r = *state;

	rig_map(r, SPARE, FREE_GPA, R | W | X);
	for (size_t p = 0; p < sizeof(prots) / sizeof(prots[0]); p++) {
		expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, PAGE,
		    prots[p]), 0);
		for (size_t a = 0; a < 3; a++)
			try_access(r, access[a],
			    allowed(prots[p], access[a]) ? DONE :
			    NO_MEMORY);
	}
}

struct form {
	const char *name;
	struct blob blob;
	uint32_t bytes;
	uint32_t access;	/* R: a read fails; W: a write does */
};
#define FORM(n, bytes, access)	{ #n, BLOB(n), bytes, access }

static void address_of_each_form(void **state)
{
	const struct form forms[] = {
		FORM(f_load1, 1, R), FORM(f_load2, 2, R), FORM(f_load4, 4, R),
		FORM(f_load8, 8, R), FORM(f_load16, 16, R),
		FORM(f_load_x87, 10, R), FORM(f_store1, 1, W),
		FORM(f_store8, 8, W), FORM(f_store16, 16, W),
		FORM(f_push_mem, 8, R), FORM(f_call_mem, 8, R),
	};
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_map(r, SPARE, FREE_GPA, R | W);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct form *f = &forms[i];

		for (uint64_t in = 0; in < f->bytes; in++) {
			/* in bytes on the mapped page, the rest beyond it */
			rig_note(r, "%s %u", f->name, (unsigned)in);
			rig_load(r, f->blob);
			r->regs->rbx = SPARE + PAGE - in;
			want = *r->regs;
			rig_snapshot(r);
			rig_run(r);
			expect_fault(r, SPARE + PAGE, f->access, 0);
			expect_regs(r, &want);
			expect_same_memory(r);
		}
	}
}

/* Reads of a page that is only read come as writes when they will write. */
static void read_modify_write_is_a_write(void **state)
{
	const struct form forms[] = {
		FORM(f_add, 8, W), FORM(f_lock_add, 8, W), FORM(f_xchg, 8, W),
		FORM(f_cmpxchg, 8, W), FORM(f_bts, 8, W),
		FORM(f_pop_mem, 8, W), FORM(f_fxsave, 512, W),
	};
	uint64_t addr;
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_map(r, SPARE, FREE_GPA, R);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		rig_note(r, "%s", forms[i].name);
		rig_load(r, forms[i].blob);
		r->regs->rbx = SPARE + 0x10;
		want = *r->regs;
		rig_snapshot(r);
		rig_run(r);
		/* Which byte of a long operand is not architectural. */
		addr = r->x.addr;
		assert_in_range(addr, SPARE + 0x10,
		    SPARE + 0x10 + (forms[i].bytes == 8 ? 0 : 511));
		expect_fault(r, addr, W, 1);
		expect_regs(r, &want);
		expect_same_memory(r);
	}
}

static void hints_do_not_fault(void **state)
{
	const struct blob blobs[] = { BLOB(f_prefetch), BLOB(f_nop) };
	struct rig *r = *state;

	for (size_t i = 0; i < 2; i++) {
		rig_load(r, blobs[i]);
		r->regs->rbx = SPARE;
		rig_run(r);
		expect_syscall(r);
	}
}

static void stack_accesses(void **state)
{
	const struct form forms[] = {
		FORM(f_push, 8, W), FORM(f_call, 8, W), FORM(f_enter, 8, W),
		FORM(f_ret, 0, R),
	};
	struct rig *r = *state;
	struct vmmctl_regs want;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		rig_note(r, "%s", forms[i].name);
		rig_load(r, forms[i].blob);
		r->regs->rsp = SPARE + 0x100;
		want = *r->regs;
		rig_run(r);
		expect_fault(r, SPARE + 0x100 - forms[i].bytes,
		    forms[i].access, 0);
		expect_regs(r, &want);
	}
	/* A stack that grows: map, run again, and it was pushed. */
	rig_load(r, BLOB(f_push));
	r->regs->rsp = SPARE + PAGE;
	rig_run(r);
	expect_fault(r, SPARE + PAGE - 8, W, 0);
	rig_map(r, SPARE, FREE_GPA, R | W);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rsp, SPARE + PAGE - 8);
	assert_memory_equal(rig_gpa(r, FREE_GPA + PAGE - 8), &r->regs->rax, 8);
}

static void fetch_across_pages(void **state)
{
	const uint64_t len = MARK(f_long, after);
	struct rig *r = *state;
	struct vmmctl_regs want;

	for (uint64_t in = 1; in < len; in++) {
		rig_note(r, "%u bytes on the first page", (unsigned)in);
		rig_regs(r->regs);
		memcpy(rig_gpa(r, FREE_GPA + PAGE - in), BLOB(f_long).start,
		    len + 2);
		rig_map(r, SPARE, FREE_GPA, R | X);
		rig_unmap(r, SPARE + PAGE, PAGE);
		r->regs->rip = SPARE + PAGE - in;
		want = *r->regs;
		rig_run(r);
		expect_fault(r, SPARE + PAGE, X, 0);
		expect_regs(r, &want);
		/* Mapped, but not for this. */
		rig_map(r, SPARE + PAGE, FREE_GPA + PAGE, R | W);
		rig_run(r);
		expect_fault(r, SPARE + PAGE, X, 1);
		expect_regs(r, &want);
		rig_map(r, SPARE + PAGE, FREE_GPA + PAGE, R | X);
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, 0x1122334455667788);
		assert_int_equal(r->regs->rip, SPARE + PAGE - in + len + 2);
	}
}

/* The code lies across two pages, and so does what it stores to. */
static void store_across_pages_from_across_pages(void **state)
{
	const uint64_t data = SPARE + 16 * PAGE;
	static const uint8_t stored[4] = { 0x88, 0x77, 0x66, 0x55 };
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_regs(r->regs);
	memcpy(rig_gpa(r, FREE_GPA + PAGE - 3), BLOB(f_long_store).start,
	    MARK(f_long_store, after) + 2);
	rig_map(r, SPARE, FREE_GPA, R | X);
	r->regs->rip = SPARE + PAGE - 3;
	r->regs->rbx = data + PAGE - 10;
	want = *r->regs;
	rig_snapshot(r);
	rig_run(r);
	expect_fault(r, SPARE + PAGE, X, 0);
	rig_map(r, SPARE + PAGE, FREE_GPA + PAGE, R | X);
	rig_run(r);
	expect_fault(r, data + PAGE - 2, W, 0);
	rig_map(r, data, FREE_GPA + 2 * PAGE, R | W);
	rig_run(r);
	expect_fault(r, data + PAGE, W, 0);
	rig_map(r, data + PAGE, FREE_GPA + 3 * PAGE, R);
	rig_run(r);
	expect_fault(r, data + PAGE, W, 1);
	expect_regs(r, &want);
	expect_same_memory(r);
	rig_map(r, data + PAGE, FREE_GPA + 3 * PAGE, R | W);
	rig_run(r);
	expect_syscall(r);
	assert_memory_equal(rig_gpa(r, FREE_GPA + 3 * PAGE - 2), stored, 4);
}

static void string_fault(struct rig *r, struct blob b, bool down,
    uint64_t width, bool source)
{
	const uint64_t from = SPARE, to = SPARE + 16 * PAGE, n = 256;
	const uint64_t step = down ? 0 - width : width;
	uint64_t start = down ? PAGE + 100 * width - width :
	    PAGE - 100 * width;
	const struct vmmctl_regs *now = r->regs;

	for (uint64_t i = 0; i < 2 * PAGE; i++)
		*rig_gpa(r, FREE_GPA + i) = (uint8_t)(i * 7 + i / 256);
	memset(rig_gpa(r, FREE_GPA + 2 * PAGE), 0, 2 * PAGE);
	/* Both pages of one side, one page of the other. */
	rig_unmap(r, from, 32 * PAGE);
	for (uint64_t p = 0; p < 2; p++) {
		bool missing = p == (down ? 0 : 1);

		if (!missing || !source)
			rig_map(r, from + p * PAGE, FREE_GPA + p * PAGE, R);
		if (!missing || source)
			rig_map(r, to + p * PAGE, FREE_GPA + (2 + p) * PAGE,
			    R | W);
	}
	rig_load(r, b);
	r->regs->rsi = from + start;
	r->regs->rdi = to + start;
	r->regs->rcx = n;
	if (down)
		r->regs->rflags |= DF;
	rig_run(r);
	expect_fault(r, (source ? from : to) +
	    (down ? PAGE - width : PAGE), source ? R : W, 0);
	assert_int_equal(now->rip, CODE);
	assert_int_equal(now->rcx, n - 100);
	assert_int_equal(now->rsi, from + start + 100 * step);
	assert_int_equal(now->rdi, to + start + 100 * step);
	if (source)
		rig_map(r, from + (down ? 0 : PAGE),
		    FREE_GPA + (down ? 0 : PAGE), R);
	else
		rig_map(r, to + (down ? 0 : PAGE),
		    FREE_GPA + (down ? 2 : 3) * PAGE, R | W);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(now->rsi, from + start + n * step);
	assert_int_equal(now->rdi, to + start + n * step);
	if (down)
		start -= (n - 1) * width;
	assert_memory_equal(rig_gpa(r, FREE_GPA + start),
	    rig_gpa(r, FREE_GPA + 2 * PAGE + start), n * width);
}

static void strings_fault_half_way(void **state)
{
	struct rig *r = *state;

	string_fault(r, BLOB(f_rep_movsb), false, 1, true);
	string_fault(r, BLOB(f_rep_movsb), false, 1, false);
	string_fault(r, BLOB(f_rep_movsq), false, 8, true);
	string_fault(r, BLOB(f_rep_movsq), false, 8, false);
	string_fault(r, BLOB(f_rep_movsb_down), true, 1, true);
	string_fault(r, BLOB(f_rep_movsb_down), true, 1, false);
}

static void fill_and_scan_fault_half_way(void **state)
{
	struct rig *r = *state;

	rig_map(r, SPARE, FREE_GPA, R | W);
	rig_load(r, BLOB(f_rep_stosb));
	r->regs->rax = 0x11;
	r->regs->rdi = SPARE + PAGE - 1000;
	r->regs->rcx = 1010;
	rig_run(r);
	expect_fault(r, SPARE + PAGE, W, 0);
	assert_int_equal(r->regs->rcx, 10);
	assert_int_equal(*rig_gpa(r, FREE_GPA + PAGE - 1), 0x11);

	rig_load(r, BLOB(f_repne_scasb));
	r->regs->rax = 0x12;
	r->regs->rdi = SPARE + PAGE - 1000;
	r->regs->rcx = 1010;
	rig_run(r);
	expect_fault(r, SPARE + PAGE, R, 0);
	assert_int_equal(r->regs->rcx, 10);
	assert_int_equal(r->regs->rdi, SPARE + PAGE);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(each_access_by_each_mapping),
		TEST(each_access_after_protect),
		TEST(each_access_by_memory_protection),
		TEST(address_of_each_form),
		TEST(read_modify_write_is_a_write),
		TEST(hints_do_not_fault),
		TEST(stack_accesses),
		TEST(fetch_across_pages),
		TEST(store_across_pages_from_across_pages),
		TEST(strings_fault_half_way),
		TEST(fill_and_scan_fault_half_way),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
