// SPDX-License-Identifier: BSD-2-Clause
/*
 * Segment bases, flags, selectors and CPUID; state that no processor takes
 * is refused by name, and the context runs again when it is put right.
 */
#include "harness.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

GUEST_ONE(s_fs_load);
GUEST_ONE(s_gs_load);
GUEST_ONE(s_fs_store);
GUEST_ONE(s_wrfsbase);
GUEST_ONE(s_wrgsbase);
GUEST_ONE(s_rdfsbase);
GUEST_ONE(s_rdgsbase);
GUEST_ONE(s_load_fs);
GUEST_ONE(s_read_selectors);
GUEST_ONE(s_cpuid);
GUEST_ONE(s_rdtsc);
GUEST_ONE(s_popf);
GUEST_ONE(s_nop);

#define NOT_CANONICAL	0x0000900000000000ull

static void bases_address_memory(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_fs_load));
	memset(rig_gpa(r, DATA_GPA + 0x8010), 0x21, 8);
	memset(rig_gpa(r, DATA_GPA + 0x9018), 0x43, 8);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, 0x2121212121212121);
	rig_load(r, BLOB(s_gs_load));
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, 0x4343434343434343);
	rig_load(r, BLOB(s_fs_store));
	r->regs->fs_base = DATA - 0x20;
	rig_run(r);
	expect_syscall(r);
	assert_memory_equal(rig_gpa(r, DATA_GPA), &r->regs->rax, 8);
	assert_int_equal(r->regs->fs_base, DATA - 0x20);
	assert_int_equal(r->regs->gs_base, DATA + 0x9000);
}

static void fault_address_has_the_base_in_it(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_fs_load));
	r->regs->fs_base = 0;
	rig_run(r);
	expect_fault(r, 0x10, VMMCTL_PROT_READ, 0);
	r->regs->fs_base = SPARE;
	rig_run(r);
	expect_fault(r, SPARE + 0x10, VMMCTL_PROT_READ, 0);
}

/* Canonical is enough: the sum may wrap. */
static void bases_in_the_upper_half(void **state)
{
	struct rig *r = *state;

	rig_need(r, VMMCTL_CAP_FSGSBASE, "bases in the kernel's half");
	rig_load(r, BLOB(s_fs_load));
	r->regs->fs_base = ~0ull - 0xf + DATA;
	r->regs->gs_base = 0xffff800000000000;
	memset(rig_gpa(r, DATA_GPA), 0x77, 8);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, 0x7777777777777777);
	assert_int_equal(r->regs->gs_base, 0xffff800000000000);
	rig_load(r, BLOB(s_gs_load));
	r->regs->gs_base = 0xffff800000000000;
	rig_run(r);
	expect_fault(r, 0xffff800000000018, VMMCTL_PROT_READ, 0);
}

static void guest_writes_its_bases(void **state)
{
	static const uint64_t values[] = { 0, DATA, 0x7fffffffffff,
	    0xffff800000000000, ~0ull };
	struct rig *r = *state;

	if ((r->info.caps & VMMCTL_CAP_FSGSBASE) == 0) {
		rig_load(r, BLOB(s_wrfsbase));
		rig_run(r);
		expect_exception(r, 6, 0);
		rig_skip(r, "no FSGSBASE: it is an invalid opcode");
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		rig_load(r, BLOB(s_wrfsbase));
		r->regs->rax = values[i];
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->fs_base, values[i]);
		assert_int_equal(r->regs->gs_base, DATA + 0x9000);
		rig_load(r, BLOB(s_wrgsbase));
		r->regs->rax = values[i];
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->gs_base, values[i]);
		/* A brief exit has the number's 32 bits of RAX. */
		if (r->was_brief && values[i] > UINT32_MAX)
			rig_untraced(r);
	}
	rig_load(r, BLOB(s_wrfsbase));
	r->regs->rax = NOT_CANONICAL;
	rig_run(r);
	expect_exception(r, 13, 0);
	assert_int_equal(r->regs->fs_base, DATA + 0x8000);
}

static void guest_reads_its_bases(void **state)
{
	struct rig *r = *state;

	rig_need(r, VMMCTL_CAP_FSGSBASE, "FSGSBASE");
	rig_load(r, BLOB(s_rdfsbase));
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, DATA + 0x8000);
	rig_load(r, BLOB(s_rdgsbase));
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, DATA + 0x9000);
}

/* A selector loads its descriptor's base, which is 0; the owner's wins. */
static void selector_load_clears_the_base(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_load_fs));
	r->regs->rax = 0x2b;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->fs_base, 0);
	rig_load(r, BLOB(s_fs_load));
	memset(rig_gpa(r, DATA_GPA + 0x8010), 0x21, 8);
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, 0x2121212121212121);
}

static void selectors_are_those_of_a_64_bit_user(void **state)
{
	struct rig *r = *state;

	rig_need_exact(r, "the selectors of a fresh process");
	rig_load(r, BLOB(s_read_selectors));
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, 0x33);
	assert_int_equal(r->regs->rbx, 0x2b);
	assert_int_equal(r->regs->rsi, 0);
	assert_int_equal(r->regs->rdi, 0);
}

static void guest_changes_its_flags(void **state)
{
	static const uint64_t flags[] = { 0, CF, DF, AC, ID, NT,
	    CF | PF | ZF | DF | OF | AC | ID };
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		rig_load(r, BLOB(s_popf));
		r->regs->rax = RFLAGS | flags[i];
		rig_run(r);
		expect_syscall(r);
		assert_int_equal(r->regs->rbx, RFLAGS | flags[i]);
		assert_int_equal(r->regs->rflags, RFLAGS | flags[i]);
		assert_int_equal(r->regs->r11, RFLAGS | flags[i]);
	}
	/* IF and IOPL are not a user's to change. */
	rig_load(r, BLOB(s_popf));
	r->regs->rax = 0x3002;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rbx, RFLAGS);
	assert_int_equal(r->regs->rflags, RFLAGS);
}

static void refused(struct rig *r, const char *field, uint64_t value)
{
	struct vmmctl_regs want = *r->regs;

	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_FAILED, .field = field,
	    .value = value);
	assert_true(strlen(r->x.rule) > 0);
	assert_true(strlen(r->x.section) > 0);
	expect_regs(r, &want);
	/* As often as it is tried; and then it runs. */
	rig_run(r);
	expect_exit(r, .kind = VMMCTL_EXIT_FAILED, .field = field,
	    .value = value);
	rig_regs(r->regs);
	rig_run(r);
	expect_syscall(r);
	rig_regs(r->regs);
}

static void rip_must_be_canonical(void **state)
{
	static const uint64_t values[] = { 1ull << 47, NOT_CANONICAL,
	    0xffff7fffffffffff, 1ull << 63 };
	struct rig *r = *state;

	rig_load(r, BLOB(s_nop));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		r->regs->rip = values[i];
		refused(r, "RIP", values[i]);
	}
}

static void bases_must_be_canonical(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_nop));
	r->regs->fs_base = NOT_CANONICAL;
	refused(r, "FS_BASE", NOT_CANONICAL);
	r->regs->gs_base = 1ull << 47;
	refused(r, "GS_BASE", 1ull << 47);
}

static void flags_must_be_a_users(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_nop));
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t flags = RFLAGS | 1ull << bit;
		bool good = bit <= 2 || bit == 4 || (bit >= 6 && bit <= 11) ||
		    bit == 14 || bit == 16 || bit == 18 || bit == 21;

		r->regs->rflags = flags;
		if (!good)
			refused(r, "RFLAGS", flags);
	}
}

static void rsp_may_be_anything(void **state)
{
	struct rig *r = *state;

	rig_load(r, BLOB(s_nop));
	r->regs->rsp = NOT_CANONICAL;
	rig_run(r);
	expect_syscall(r);
	assert_int_equal(r->regs->rsp, NOT_CANONICAL);
}

static void cpuid_is_the_hosts(void **state)
{
	static const uint32_t leaves[] = { 0, 0x80000000, 0x80000002,
	    0x80000003, 0x80000004 };
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		uint32_t a, b, c, d;

		__cpuid_count(leaves[i], 0, a, b, c, d);
		rig_load(r, BLOB(s_cpuid));
		r->regs->rax = leaves[i];
		r->regs->rcx = 0;
		rig_run(r);
		expect_syscall(r);
		if (leaves[i] != 0 && leaves[i] != 0x80000000)
			assert_int_equal(r->regs->rax, a);
		assert_int_equal(r->regs->rbx, b);
		assert_int_equal(r->regs->rdx, d);
	}
	/* Highest leaves may be fewer in a virtual machine. */
	rig_untraced(r);
}

static void cpuid_follows_the_machine(void **state)
{
	const struct vmmctl_cpuid leaf = { .leaf = 0x80000003,
	    .eax = 0x11111111, .ebx = 0x22222222, .ecx = 0x33333333,
	    .edx = 0x44444444 };
	const struct vmmctl_machine_config config = {
		.size = sizeof(config), .cpuid = &leaf, .cpuid_count = 1,
	};
	struct rig *r = *state;
	struct vmmctl_machine *m;
	struct vmmctl_regs *regs;
	struct vmmctl_exit x;
	int rc;

	rc = vmmctl_machine_create(r->v, &config, &m);
	if ((r->info.caps & VMMCTL_CAP_CPUID_POLICY) == 0) {
		expect_rc(r, rc, -ENOTSUP);
		rig_skip(r, "CPUID is the host's; a policy is refused");
	}
	expect_rc(r, rc, 0);
	vmmctl_machine_destroy(r->m);
	r->m = m;
	expect_rc(r, vmmctl_memory_map(m, GPA, MEM_SIZE, r->fd, 0,
	    VMMCTL_PROT_RWX), 0);
	r->s = rig_space(r);
	r->c = rig_context(r, r->s);
	regs = r->regs = vmmctl_context_regs(r->c);
	expect_rc(r, vmmctl_vcpu_create(m, &r->cpu), 0);
	rig_load(r, BLOB(s_cpuid));
	regs->rax = 0x80000003;
	rig_run_on(r, r->cpu, r->c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(regs->rax, 0x11111111);
	assert_int_equal(regs->rbx, 0x22222222);
	assert_int_equal(regs->rdx, 0x44444444);
}

static void time_goes_on(void **state)
{
	struct rig *r = *state;
	uint64_t last = 0;

	rig_untraced(r);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t now;

		rig_load(r, BLOB(s_rdtsc));
		rig_run(r);
		expect_syscall(r);
		now = r->regs->rdx << 32 | r->regs->rax;
		assert_true(now > last);
		last = now;
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(bases_address_memory),
		TEST(fault_address_has_the_base_in_it),
		TEST(bases_in_the_upper_half),
		TEST(guest_writes_its_bases),
		TEST(guest_reads_its_bases),
		TEST(selector_load_clears_the_base),
		TEST(selectors_are_those_of_a_64_bit_user),
		TEST(guest_changes_its_flags),
		TEST(rip_must_be_canonical),
		TEST(bases_must_be_canonical),
		TEST(flags_must_be_a_users),
		TEST(rsp_may_be_anything),
		TEST(cpuid_is_the_hosts),
		TEST(cpuid_follows_the_machine),
		TEST(time_goes_on),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
