// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every argument of the ioctls of a vCPU, and of its shared page: what is valid
 * is taken, and each field alone, broken in each way, is refused; a refusal
 * changes nothing.
 */
#include "device.h"

/* ---- VCPU_CREATE, RAW ---- */

static void vcpu_create_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu_create a = { .index = 1 };
	struct vmm_vcpu *v;
	uint32_t bit;

	for (bit = 0; bit < 32; bit++) {
		a.flags = 1u << bit;
		assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EINVAL);
	}
	a.flags = 0;
	a.index = 0;
	assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EEXIST);
	a.index = VMM_MAX_VCPUS;
	assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EINVAL);
	a.index = ~0u;
	assert_int_equal(vmm_vcpu_create(d->m, &a, &v), EINVAL);
	assert_int_equal(vmm_live.vcpus, 1);
}

static void raw_refuses(void **state)
{
	struct device *d = *state;
	const struct vmm_raw good = { .op = VMM_RAW_READ, .field = 8,
	    .width = 8 };
	struct vmm_raw a = good;

	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	a = good;
	a.reserved = 1;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a = good;
	a.op = 0;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a.op = 3;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a.op = VMM_RAW_READ | 1u << 31;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a = good;
	a.field = 4096;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EPERM);
	a = good;
	a.width = 4;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EINVAL);
	a = good;
	a.op = VMM_RAW_WRITE;
	a.value = 0x1234;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	a = good;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	assert_int_equal(a.value, 0x1234);
	/* What may only be read may be written if the host says so. */
	a.field = 2048;
	a.op = VMM_RAW_WRITE;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EPERM);
	fake.raw_all = true;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &a));
	a.field = 4096;
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &a), EPERM);
	fake.raw_all = false;
	/* At rest again after each. */
	assert_int_equal(d->v->busy, VMM_REST);
}

/* ---- the page ---- */

static void run_fails(struct device *d, uint32_t field)
{
	const struct vmm_vcpu_page before = *d->page;
	struct vmm_vcpu_page after;

	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	assert_int_equal(d->exit->detail, field);
	/* Nothing was taken, and nothing else changed. */
	after = *d->page;
	after.exit = before.exit;
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(fake_vendor.entries, 0);
	assert_int_equal(d->v->pending & ~VMM_LOAD_CPU, 0);
	assert_int_equal(d->v->busy, VMM_REST);
}

static void the_page_refuses(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu_page good;
	uint32_t i, bit;

	d->page->commit |= VMM_SET_DEBUG | VMM_SET_FLUSH;
	d->page->dr7 = 0x400;
	good = *d->page;
#define BAD(member, value, which) do { \
		*d->page = good; \
		d->page->member = (value); \
		run_fails(d, which); \
	} while (0)
	BAD(regs.rip, 1ull << 47, VMM_FIELD_RIP);
	BAD(regs.rip, ~(1ull << 47), VMM_FIELD_RIP);
	BAD(regs.rip, 1ull << 63, VMM_FIELD_RIP);
	BAD(regs.fs_base, 1ull << 47, VMM_FIELD_FS_BASE);
	BAD(regs.fs_base, 0xffff000000000000, VMM_FIELD_FS_BASE);
	BAD(regs.gs_base, 1ull << 47, VMM_FIELD_GS_BASE);
	BAD(regs.gs_base, 0x8000000000000000, VMM_FIELD_GS_BASE);
	for (bit = 0; bit < 64; bit++) {
		if (((VMM_X86_RFLAGS_USER | 2) >> bit & 1) == 0)
			BAD(regs.rflags, 2 | 1ull << bit, VMM_FIELD_RFLAGS);
	}
	BAD(cr3, ROOT_GPA + 8, VMM_FIELD_CR3);
	BAD(cr3, ROOT_GPA + 2048, VMM_FIELD_CR3);
	BAD(cr3, TOP, VMM_FIELD_CR3);
	BAD(cr3, 1ull << 63, VMM_FIELD_CR3);
	BAD(context, d->context + 1, VMM_FIELD_CONTEXT);
	BAD(context, VMM_MAX_CONTEXTS, VMM_FIELD_CONTEXT);
	BAD(context, ~0u, VMM_FIELD_CONTEXT);
	for (bit = 32; bit < 64; bit++)
		BAD(context, d->context | 1ull << bit, VMM_FIELD_CONTEXT);
	for (i = 0; i < 4; i++) {
		BAD(dr[i], 1ull << 47, VMM_FIELD_DR);
		BAD(dr[i], 0xffffffff81000000, VMM_FIELD_DR);
		BAD(dr[i], 0xffff800000000000, VMM_FIELD_DR);
	}
	BAD(dr7, 1ull << 13, VMM_FIELD_DR7);
	BAD(dr7, 1ull << 32, VMM_FIELD_DR7);
	BAD(dr7, 2ull << 16, VMM_FIELD_DR7);
	for (bit = 5; bit < 32; bit++)
		BAD(commit, good.commit | 1u << bit, VMM_FIELD_COMMIT);
	for (bit = 1; bit < 32; bit++)
		BAD(wanted, 1u << bit, VMM_FIELD_WANTED);
#undef BAD
	*d->page = good;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(d->page->commit, 0);
}

/* A run that FAILED for one group has not taken another. */
static void a_context_that_came_with_bad_registers_is_not_taken(void **state)
{
	struct device *d = *state;
	uint32_t other;

	assert_ok(context_create(d->m, &other));
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	d->page->context = other;
	d->page->dr7 = 1ull << 13;
	d->page->cr3 = ROOT_GPA + PAGE;
	d->page->commit = VMM_SET_CONTEXT | VMM_SET_DEBUG | VMM_SET_SPACE;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	assert_int_equal(d->exit->detail, VMM_FIELD_DR7);
	d->page->commit = 0;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_ptr_equal(d->v->context, vmm_context_find(d->m, d->context));
	assert_int_equal(d->v->space->cr3, ROOT_GPA);
	assert_ok(context_destroy(d->m, other));
}

/* What no commit bit names is not looked at. */
static void groups_that_are_not_committed_may_hold_anything(void **state)
{
	struct device *d = *state;

	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	d->page->cr3 = ~0ull;
	d->page->context = ~0u;
	memset(d->page->dr, 0xff, sizeof(d->page->dr));
	d->page->dr7 = ~0ull;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(d->v->space->cr3, ROOT_GPA);
}

static void a_vcpu_without_a_context_does_not_run(void **state)
{
	struct device *d = *state;

	d->page->commit = VMM_SET_SPACE;
	run_fails(d, VMM_FIELD_CONTEXT);
	d->page->commit = VMM_SET_CONTEXT;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

static void rsp_and_general_registers_may_be_anything(void **state)
{
	struct device *d = *state;
	uint64_t *const r = &d->page->regs.rax;
	uint32_t i;

	for (i = 0; i < 16; i++)
		r[i] = 0x8000000000000000 + i;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	for (i = 0; i < 16; i++)
		assert_int_equal(r[i], 0x8000000000000000 + i);
	assert_int_equal(fake_vendor.entry[0].state.rsp,
	    d->page->regs.rsp);
}

/* IF and the bit that is always 1 are there whatever the owner says. */
static void rflags_are_completed(void **state)
{
	struct device *d = *state;

	d->page->regs.rflags = 0;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake_vendor.entry[0].state.rflags, 0x202);
	assert_int_equal(d->page->regs.rflags, 0x202);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vcpu_create_refuses),
		TEST(raw_refuses),
		TEST(the_page_refuses),
		TEST(a_context_that_came_with_bad_registers_is_not_taken),
		TEST(groups_that_are_not_committed_may_hold_anything),
		TEST(a_vcpu_without_a_context_does_not_run),
		TEST(rsp_and_general_registers_may_be_anything),
		TEST(rflags_are_completed),
	};

	return RUN(tests);
}
