// SPDX-License-Identifier: BSD-2-Clause
/*
 * The ends of the address space: page 0, the last page, the limit, the
 * kernel's half, the host's vsyscall page.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>

GUEST_ONE(load);
GUEST_ONE(store);

#define R	VMMCTL_PROT_READ
#define W	VMMCTL_PROT_WRITE
#define X	VMMCTL_PROT_EXEC

static void nothing_there(struct rig *r, uint64_t at)
{
	static const uint32_t access[] = { R, W, X };
	struct vmmctl_regs want;

	for (size_t i = 0; i < 3; i++) {
		rig_load(r, access[i] == W ? BLOB(store) : BLOB(load));
		r->regs->rbx = at;
		if (access[i] == X)
			r->regs->rip = at;
		want = *r->regs;
		rig_snapshot(r);
		rig_run(r);
		expect_fault(r, at, access[i], 0);
		if (access[i] != X || at < 0xffffffffff000000)
			expect_regs(r, &want);
		expect_same_memory(r);
	}
}

/* Reads, writes and executes a page of memory mapped at gva. */
static void a_page_at(struct rig *r, uint64_t gva)
{
	rig_map(r, gva, FREE_GPA, R | W | X);
	rig_load(r, BLOB(store));
	r->regs->rbx = gva + PAGE - 8;
	rig_run(r);
	expect_syscall(r);
	assert_memory_equal(rig_gpa(r, FREE_GPA + PAGE - 8), &r->regs->rax, 8);
	rig_load(r, BLOB(load));
	r->regs->rbx = gva + PAGE - 8;
	rig_run(r);
	expect_syscall(r);
	memcpy(rig_gpa(r, FREE_GPA), "\x0f\x05", 2);
	r->regs->rip = gva;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rip, gva + 2);
	rig_unmap(r, gva, PAGE);
}

static void page_zero_is_not_mapped(void **state)
{
	struct rig *r = *state;

	nothing_there(r, 0);
	nothing_there(r, 8);
	nothing_there(r, 0xffff);
}

/* Where the host keeps the first pages to itself gva_base says so. */
static void lowest_page_can_be_mapped(void **state)
{
	struct rig *r = *state;
	const uint64_t base = r->info.gva_base;

	rig_untraced(r);
	rig_say("gva_base %#llx", (unsigned long long)base);
	assert_true(base <= 0x100000);
	a_page_at(r, base);
	nothing_there(r, base);
	if (base == 0)
		return;
	expect_rc(r, vmmctl_space_map(r->s, base - PAGE, PAGE, FREE_GPA, R),
	    -EINVAL);
	expect_rc(r, vmmctl_space_map(r->s, base - PAGE, 2 * PAGE, FREE_GPA,
	    R), -EINVAL);
	rig_unmap(r, 0, base + PAGE);
	nothing_there(r, base - PAGE);
}

static void page_zero_can_be_mapped(void **state)
{
	struct rig *r = *state;

	if (r->info.gva_base != 0)
		rig_skip(r, "the host keeps what is below %#llx from this "
		    "user (vm.mmap_min_addr)",
		    (unsigned long long)r->info.gva_base);
	a_page_at(r, 0);
	nothing_there(r, 0);
	a_page_at(r, PAGE);
	nothing_there(r, PAGE);
}

static void first_pages_of_a_gigabyte_can_be_mapped(void **state)
{
	struct rig *r = *state;

	a_page_at(r, 0x40000000);
	a_page_at(r, 0x7fffffff000 & ~(PAGE - 1));
	a_page_at(r, 0x8000000000);
	a_page_at(r, 0x550000000000);
}

static void last_page_can_be_mapped(void **state)
{
	struct rig *r = *state;

	rig_untraced(r);
	rig_say("gva_limit %#llx", (unsigned long long)r->info.gva_limit);
	assert_true(r->info.gva_limit >= 1ull << 46);
	assert_true(r->info.gva_limit <= 1ull << 47);
	a_page_at(r, r->info.gva_limit - PAGE);
}

static void last_page_is_not_mapped(void **state)
{
	struct rig *r = *state;

	rig_untraced(r);
	nothing_there(r, r->info.gva_limit - PAGE);
	nothing_there(r, r->info.gva_limit - 8);
}

static void nothing_at_the_limit(void **state)
{
	struct rig *r = *state;

	rig_untraced(r);
	if (r->info.gva_limit >= 1ull << 47)
		rig_skip(r, "the limit is the end of the canonical half");
	nothing_there(r, r->info.gva_limit);
	nothing_there(r, (1ull << 47) - 8);
}

/* Code that runs off the last page. */
static void running_over_the_limit(void **state)
{
	struct rig *r = *state;
	uint64_t last = r->info.gva_limit - PAGE;

	rig_untraced(r);
	rig_map(r, last, FREE_GPA, R | X);
	memset(rig_gpa(r, FREE_GPA), 0x90, PAGE);
	r->regs->rip = last + PAGE - 4;
	rig_run(r);
	if (r->info.gva_limit < 1ull << 47) {
		expect_fault(r, r->info.gva_limit, X, 0);
	} else {
		expect_exception(r, 13, 0);
	}
	assert_int_equal(r->regs->rip, r->info.gva_limit);
}

static void kernel_half(void **state)
{
	struct rig *r = *state;

	nothing_there(r, 0xffff800000000000);
	nothing_there(r, 0xffff888000000000);	/* Linux: all memory */
	nothing_there(r, 0xffffffff81000000);	/* Linux: its code */
	nothing_there(r, 0xfffffe0000000000);	/* Linux: the IDT */
	nothing_there(r, 0xfffffffffffff000);
	nothing_there(r, 0xfffffffffffffff8);
}

static void vsyscall_page(void **state)
{
	static const uint64_t entries[] = { 0xffffffffff600000,
	    0xffffffffff600400, 0xffffffffff600800, 0xffffffffff600123 };
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_untraced(r);	/* RAX is as it may be */
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		rig_load(r, BLOB(load));
		r->regs->rip = entries[i];
		/* Were it obeyed: time and gettimeofday write here. */
		r->regs->rdi = DATA;
		r->regs->rsi = DATA;
		memcpy(rig_gpa(r, STACK_GPA + RSP - STACK),
		    &(uint64_t){ CODE }, 8);
		want = *r->regs;
		rig_snapshot(r);
		rig_run(r);
		expect_fault(r, entries[i], X, 0);
		if ((r->info.caps & VMMCTL_CAP_VSYSCALL) == 0)
			r->regs->rax = want.rax;
		expect_regs(r, &want);
		expect_same_memory(r);
	}
	rig_load(r, BLOB(load));
	r->regs->rbx = 0xffffffffff600000;
	rig_run(r);
	expect_fault(r, 0xffffffffff600000, R, 0);
}

/* ---- where backends keep their own ------------------------------------- */

#define STORE_AT	(CODE + 0x100)
#define GIB		(1ull << 30)
#define LARGE		(2ull << 20)

static void load_both(struct rig *r)
{
	struct blob b = BLOB(store);

	rig_load(r, BLOB(load));
	memcpy(rig_gpa(r, CODE_GPA + STORE_AT - CODE), b.start,
	    (size_t)(b.end - b.start));
}

/* As nothing_there(), for many pages. */
static void hidden(struct rig *r, uint64_t at)
{
	static const uint32_t access[] = { R, W, X };

	for (size_t i = 0; i < 3; i++) {
		struct vmmctl_regs want;

		rig_regs(r->regs);
		r->regs->rbx = at;
		if (access[i] != R)
			r->regs->rip = access[i] == W ? STORE_AT : at;
		want = *r->regs;
		assert_int_equal(rig_enter(r->cpu, r->c, &r->x), 0);
		expect_fault(r, at, access[i], 0);
		expect_regs(r, &want);
	}
}

static void hidden_pages(struct rig *r, uint64_t from, uint64_t step,
    unsigned n)
{
	rig_untraced(r);
	load_both(r);
	rig_snapshot(r);
	for (unsigned i = 0; i < n; i++)
		hidden(r, from + i * step);
	expect_same_memory(r);
	rig_run(r);
	expect_fault(r, from + (n - 1) * step, X, 0);
}

/* kvm: descriptor tables, stacks and code of ring 0, a page for each vCPU. */
static void pages_of_ring_0(void **state)
{
	hidden_pages(*state, 0xffffffffc0000000, PAGE, 512);
}

/* Another vCPU has run: its page is in use, too. */
static void pages_of_ring_0_of_another_vcpu(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *other;
	struct vmmctl_exit x;

	rig_untraced(r);
	expect_rc(r, vmmctl_vcpu_create(r->m, &other), 0);
	rig_load(r, BLOB(load));
	r->regs->rbx = DATA;
	rig_run_on(r, other, r->c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
	hidden_pages(r, 0xffffffffc0000000, PAGE, 8);
}

/* The rest of what the entries for those pages could lead to. */
static void around_the_pages_of_ring_0(void **state)
{
	hidden_pages(*state, 0xffffffffc0000000, LARGE, 507);
	hidden_pages(*state, 0xffffff8000000000, GIB, 511);
}

/* kvm, where page tables are shadowed: they map themselves, for ring 0. */
static void page_tables(void **state)
{
	struct rig *r = *state;

	/* So that there is something to bring up to date. */
	for (unsigned i = 0; i < 4; i++) {
		rig_map(r, SPARE, FREE_GPA, R | W);
		rig_load(r, BLOB(store));
		r->regs->rbx = SPARE;
		rig_run(r);
		expect_syscall(r);
		rig_unmap(r, SPARE, PAGE);
	}
	hidden_pages(r, 0xffffff0000000000, PAGE, 512);
	hidden_pages(r, 0xffffff0000000000, LARGE, 512);
	hidden_pages(r, 0xffffff0000000000, GIB, 512);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(page_zero_is_not_mapped),
		TEST(lowest_page_can_be_mapped),
		TEST(page_zero_can_be_mapped),
		TEST(first_pages_of_a_gigabyte_can_be_mapped),
		TEST(last_page_can_be_mapped),
		TEST(last_page_is_not_mapped),
		TEST(nothing_at_the_limit),
		TEST(running_over_the_limit),
		TEST(kernel_half),
		TEST(vsyscall_page),
		TEST(pages_of_ring_0),
		TEST(pages_of_ring_0_of_another_vcpu),
		TEST(around_the_pages_of_ring_0),
		TEST(page_tables),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
