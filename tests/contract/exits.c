// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every row of the contract table: each exit with its exact registers, and
 * no byte of guest memory changed by it.
 */
#include "harness.h"

#include <string.h>

GUEST(syscalls);
GUEST_MARKED(syscalls, second);
GUEST_ONE(syscall_66);
GUEST_ONE(syscall_f2);
GUEST_ONE(syscall_f3);
GUEST_ONE(syscall_rex);
GUEST_ONE(syscall_seg);
GUEST_ONE(softint);
GUEST_MARKED(softint, vector);
GUEST_ONE(int3);
GUEST_ONE(int1);
GUEST_ONE(ud2);
GUEST_ONE(load);
GUEST_ONE(store);
GUEST(redzone);
GUEST_MARKED(redzone, after_ud2);
GUEST_MARKED(redzone, after_load);

static void after_syscall(struct vmmctl_regs *want, uint64_t rip)
{
	want->rip = want->rcx = rip;
	want->r11 = want->rflags;
}

static void new_context_is_zeroed(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs zero = { .rflags = RFLAGS };
	struct vmmctl_context *c;

	expect_rc(r, vmmctl_context_create(r->s, &c), 0);
	assert_memory_equal(vmmctl_context_regs(c), &zero, sizeof(zero));
	vmmctl_context_destroy(c);
}

static void syscall_registers(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_load(r, BLOB(syscalls));
	want = *r->regs;
	rig_snapshot(r);
	rig_run(r);
	expect_syscall(r);
	after_syscall(&want, CODE + MARK(syscalls, second));
	expect_regs(r, &want);
	expect_same_memory(r);

	/* What the owner stores is what the guest goes on with. */
	r->regs->rax = want.rax = 0x123456789abcdef0;
	r->regs->rcx = want.rcx = 1;
	r->regs->r11 = want.r11 = 2;
	rig_run(r);
	expect_syscall(r);
	after_syscall(&want, CODE + MARK(syscalls, second) + 2);
	expect_regs(r, &want);
	expect_same_memory(r);
}

static void syscall_flags(void **state)
{
	static const uint64_t flags[] = { CF, PF, 0x10, ZF, 0x80, DF, OF, AC,
	    ID, CF | PF | 0x10 | ZF | 0x80 | DF | OF | AC | ID };
	struct rig *r = *state;
	struct vmmctl_regs want;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		rig_load(r, BLOB(syscalls));
		r->regs->rflags |= flags[i];
		want = *r->regs;
		rig_run(r);
		expect_syscall(r);
		after_syscall(&want, CODE + 2);
		expect_regs(r, &want);
	}
}

static void syscall_with_nested_task_flag(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_need_exact(r, "RFLAGS.NT");
	rig_load(r, BLOB(syscalls));
	r->regs->rflags |= NT;
	want = *r->regs;
	rig_run(r);
	expect_syscall(r);
	after_syscall(&want, CODE + 2);
	expect_regs(r, &want);
}

/* No number means anything to the backend, or to its host. */
static void syscall_numbers(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 2, 9, 10, 11, 13, 14, 15, 16,
	    34, 39, 56, 57, 58, 59, 60, 61, 62, 101, 131, 157, 158, 186, 200,
	    202, 218, 219, 231, 234, 272, 273, 310, 311, 317, 318, 322, 334,
	    335, 424, 425, 426, 434, 435, 438, 439, 450, 511, 512, 513, 520,
	    547, 0x3fff, 0x4000000f, 0x4000003c, 0x400000e7, 0x7fffffff,
	    0x80000000, 0xffffffff, 0x10000003c, 0xffffffff0000000f,
	    0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe,
	    0xffffffffffffffff };
	struct rig *r = *state;
	struct vmmctl_regs want;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		rig_load(r, BLOB(syscalls));
		r->regs->rax = numbers[i];
		r->regs->rdi = i % 3 == 0 ? 0 : DATA;
		r->regs->rsi = i % 2 == 0 ? 0 : 9;
		want = *r->regs;
		rig_run(r);
		expect_syscall(r);
		after_syscall(&want, CODE + 2);
		/* A brief exit has the number's 32 bits. */
		if (r->was_brief && want.rax > UINT32_MAX) {
			want.rax = (uint32_t)want.rax;
			rig_untraced(r);
		}
		expect_regs(r, &want);
	}
}

static void syscall_with_prefixes(void **state)
{
	const struct blob blobs[] = { BLOB(syscall_66), BLOB(syscall_f2),
	    BLOB(syscall_f3), BLOB(syscall_rex), BLOB(syscall_seg) };
	struct rig *r = *state;
	struct vmmctl_regs want;

	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		rig_load(r, blobs[i]);
		want = *r->regs;
		rig_run(r);
		expect_syscall(r);
		after_syscall(&want, CODE + 3);
		expect_regs(r, &want);
	}
}

static void software_interrupt(struct rig *r, uint32_t v)
{
	struct vmmctl_regs want;

	rig_load(r, BLOB(softint));
	*rig_gpa(r, CODE_GPA + MARK(softint, vector)) = (uint8_t)v;
	/* fork, were it a system call of the host. */
	r->regs->rax = 2;
	want = *r->regs;
	rig_snapshot(r);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = v);
	want.rip = CODE + MARK(softint, after);
	expect_regs(r, &want);
	expect_same_memory(r);
	rig_run(r);
	expect_syscall(r);
}

/* Those of the vectors that people use, and those that are exceptions. */
static void software_interrupts(void **state)
{
	static const uint8_t vectors[] = { 0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 14,
	    16, 18, 31, 32, 0x21, 0x2d, 0x2e, 0x30, 0x7f, 0x80, 0x81, 0xfe,
	    0xff };

	for (size_t i = 0; i < sizeof(vectors); i++)
		software_interrupt(*state, vectors[i]);
}

static void every_software_interrupt(void **state)
{
	rig_need_exact(*state, "int n for some n");
	for (uint32_t v = 0; v < 256; v++)
		software_interrupt(*state, v);
}

static void int_0x80_keeps_all_of_rax(void **state)
{
	struct rig *r = *state;

	rig_need(r, VMMCTL_CAP_INT80,
	    "keep the upper half of RAX at int 0x80");
	rig_load(r, BLOB(softint));
	*rig_gpa(r, CODE_GPA + MARK(softint, vector)) = 0x80;
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 0x80);
	assert_int_equal(r->regs->rax, 0xa5000000deadbe00);
}

static void breakpoint(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_load(r, BLOB(int3));
	want = *r->regs;
	rig_snapshot(r);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
	want.rip = CODE + MARK(int3, after);
	expect_regs(r, &want);
	expect_same_memory(r);
	rig_run(r);
	expect_syscall(r);
}

static void int1_is_debug_without_a_cause(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_load(r, BLOB(int1));
	want = *r->regs;
	rig_run(r);
	expect_debug(r, 0);
	want.rip = CODE + MARK(int1, after);
	expect_regs(r, &want);
	rig_run(r);
	expect_syscall(r);
}

/* The seed ran a real #UD as a system call. */
static void undefined_is_no_syscall(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 15, 39, 60, 231, ~0ull };
	struct rig *r = *state;
	struct vmmctl_regs want;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		rig_load(r, BLOB(ud2));
		r->regs->rax = numbers[i];
		want = *r->regs;
		rig_snapshot(r);
		rig_run(r);
		expect_exception(r, 6, 0);
		expect_regs(r, &want);
		expect_same_memory(r);
	}
}

static void fault_registers(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_load(r, BLOB(load));
	r->regs->rbx = SPARE + 0x123;
	want = *r->regs;
	rig_snapshot(r);
	rig_run(r);
	expect_fault(r, SPARE + 0x123, VMMCTL_PROT_READ, 0);
	expect_regs(r, &want);
	expect_same_memory(r);

	rig_map(r, SPARE, FREE_GPA, VMMCTL_PROT_READ);
	memset(rig_gpa(r, FREE_GPA), 0x5a, PAGE);
	rig_run(r);
	expect_syscall(r);
	want.rax = 0x5a5a5a5a5a5a5a5a;
	after_syscall(&want, CODE + MARK(load, after) + 2);
	expect_regs(r, &want);
}

static void no_memory_registers(void **state)
{
	static const uint32_t access[] = { VMMCTL_PROT_READ,
	    VMMCTL_PROT_WRITE, VMMCTL_PROT_EXEC };
	struct rig *r = *state;
	struct vmmctl_regs want;

	for (size_t i = 0; i < 3; i++) {
		rig_load(r, i == 0 ? BLOB(load) : BLOB(store));
		rig_map(r, SPARE, GPA + MEM_SIZE + PAGE, VMMCTL_PROT_RWX);
		r->regs->rbx = SPARE + 0x238;
		if (access[i] == VMMCTL_PROT_EXEC)
			r->regs->rip = SPARE + 0x238;
		want = *r->regs;
		rig_snapshot(r);
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_NOMEM,
		    .access = access[i], .addr = SPARE + 0x238,
		    .gpa = GPA + MEM_SIZE + PAGE + 0x238);
		expect_regs(r, &want);
		expect_same_memory(r);
	}

	/* With memory there it goes on. */
	r->regs->rip = CODE;
	expect_rc(r, vmmctl_memory_map(r->m, GPA + MEM_SIZE, 2 * PAGE, r->fd,
	    MEM_SIZE - 2 * PAGE, VMMCTL_PROT_RWX), 0);
	rig_run(r);
	expect_syscall(r);
	assert_memory_equal(rig_gpa(r, GPA + MEM_SIZE - PAGE + 0x238),
	    &r->regs->rax, 8);
}

/* The walk of the space comes first, as with nested paging. */
static void no_memory_and_no_permission_is_a_fault(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(store));
	rig_map(r, SPARE, GPA + MEM_SIZE, VMMCTL_PROT_READ);
	r->regs->rbx = SPARE;
	rig_run(r);
	expect_fault(r, SPARE, VMMCTL_PROT_WRITE, 1);
}

static void kicked_registers(void **state)
{
	struct rig *r = *state;
	struct vmmctl_regs want;

	rig_load(r, BLOB(syscalls));
	want = *r->regs;
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	expect_regs(r, &want);
	rig_run(r);
	expect_syscall(r);
	after_syscall(&want, CODE + 2);
	expect_regs(r, &want);
}

static void red_zone_and_stack_are_untouched(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(redzone));
	memset(rig_gpa(r, STACK_GPA), 0xc7, REGION);
	r->regs->rbx = SPARE;
	rig_run(r);
	expect_syscall(r);
	rig_snapshot(r);

	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_SOFTINT, .vector = 0x80);
	rig_run(r);
	expect_exception(r, 6, 0);
	r->regs->rip = CODE + MARK(redzone, after_ud2);
	expect_rc(r, vmmctl_context_set_step(r->c, 1), 0);
	rig_run(r);
	expect_fault(r, SPARE, VMMCTL_PROT_READ, 0);
	r->regs->rip = CODE + MARK(redzone, after_load);
	rig_run(r);
	expect_debug(r, VMMCTL_DR6_BS);
	expect_rc(r, vmmctl_context_set_step(r->c, 0), 0);
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rdx, 0);
	expect_same_memory(r);
}

static uint64_t counter(struct rig *r, const char *name)
{
	uint64_t value = 0;

	expect_rc(r, vmmctl_machine_counter(r->m, name, &value), 0);
	return value;
}

/* Each exit once, and nothing else: a backend may fill something in first. */
static void exits_are_counted(void **state)
{
	struct rig *r = *state;
	unsigned i;

	for (i = 0; i < 100; i++) {
		rig_load(r, BLOB(syscalls));
		rig_run(r);
		expect_syscall(r);
	}
	for (i = 0; i < 10; i++) {
		rig_load(r, BLOB(int3));
		rig_run(r);
		expect_exit(r, .kind = VMMCTL_EXIT_BREAKPOINT, .vector = 3);
	}
	vmmctl_vcpu_kick(r->cpu);
	vmmctl_vcpu_kick(r->cpu);
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
	assert_int_equal(counter(r, "exit.syscall"), 100);
	assert_int_equal(counter(r, "exit.breakpoint"), 10);
	assert_int_equal(counter(r, "exit.kicked"), 1);
	assert_int_equal(counter(r, "kicks"), 1);
	assert_int_equal(counter(r, "exits"), counter(r, "entries"));
	assert_int_equal(counter(r, "exits"), counter(r, "exits.handled") +
	    110);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(new_context_is_zeroed),
		TEST(syscall_registers),
		TEST(syscall_flags),
		TEST(syscall_with_nested_task_flag),
		TEST(syscall_numbers),
		TEST(syscall_with_prefixes),
		TEST(software_interrupts),
		TEST(every_software_interrupt),
		TEST(int_0x80_keeps_all_of_rax),
		TEST(breakpoint),
		TEST(int1_is_debug_without_a_cause),
		TEST(undefined_is_no_syscall),
		TEST(fault_registers),
		TEST(no_memory_registers),
		TEST(no_memory_and_no_permission_is_a_fault),
		TEST(kicked_registers),
		TEST(red_zone_and_stack_are_untouched),
		TEST(exits_are_counted),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
