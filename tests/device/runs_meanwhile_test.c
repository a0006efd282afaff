// SPDX-License-Identifier: BSD-2-Clause
/*
 * What others do while a guest runs: what runs is left alone, and a shared page
 * that changes between the look and the use changes nothing.
 */
#include "runs.h"

/* ---- what runs is left alone ---- */

static void try_while_it_runs(void *cookie)
{
	struct device *d = cookie;
	struct vmm_raw raw = { .op = VMM_RAW_READ, .width = 8 };
	struct vmm_cpuid cpuid = { 0 };
	struct vmm_msr msr = { .index = 0xc0000103 };
	struct vmm_xsave xsave = { .buf = BUFFER, .size = 576,
	    .context = d->context };
	struct vmm_policy policy = { .context = d->context };

	assert_int_equal(vmm_vcpu_run(d->v), EBUSY);
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw), EBUSY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &cpuid),
	    EBUSY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MSR_SET, &msr), EBUSY);
	assert_int_equal(context_destroy(d->m, d->context), EBUSY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_XSAVE_GET, &xsave),
	    EBUSY);
	assert_true(fake_write(BUFFER, (uint8_t[576]){ 0 }, 576));
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_XSAVE_SET, &xsave),
	    EBUSY);
	assert_ok(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &policy));
	/* Other vCPUs and contexts are at rest still. */
	if (other != NULL) {
		other->page->context = d->context;
		other->page->commit = VMM_SET_CONTEXT | VMM_SET_SPACE;
		assert_ok(vmm_vcpu_run(other));
		assert_int_equal(other->page->exit.kind, VMM_EXIT_FAILED);
		assert_int_equal(other->page->exit.detail,
		    VMM_FIELD_CONTEXT);
		raw.op = VMM_RAW_READ;
		assert_ok(vmm_vcpu_ioctl(other, VMM_RAW, &raw));
	}
}

static void what_runs_is_busy(void **state)
{
	struct device *d = *state;

	make_other(d);
	fake_call(try_while_it_runs, d);
	shut_down(d);
	vmm_vcpu_destroy(other);
	other = NULL;
}

/* Several vCPUs of which one runs: those before it are at rest again. */
static void try_cpuid(void *cookie)
{
	struct device *d = cookie;
	struct vmm_cpuid cpuid = { 0 };

	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &cpuid),
	    EBUSY);
	assert_int_equal(d->v->busy, VMM_REST);
}

static void who_is_visited_in_vain_is_left(void **state)
{
	struct device *d = *state;

	make_other(d);
	fake_call(try_cpuid, d);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	shut_down(d);
	vmm_vcpu_destroy(other);
	other = NULL;
}

/* ---- a page that changes ---- */

static struct vmm_vcpu *victim;

static void scribble(struct vmm_vcpu *v)
{
	struct vmm_vcpu_page *p = v->page;

	p->regs.rip = 1ull << 63;
	p->regs.rflags = ~0ull;
	p->regs.fs_base = p->regs.gs_base = 1ull << 62;
	p->regs.rsp = ~0ull;
	p->cr3 = ~0ull;
	p->dr7 = ~0ull;
	memset(p->dr, 0xff, sizeof(p->dr));
	p->context = ~0ull;
	p->commit = ~0u;
	p->wanted = ~0u;
	p->deadline = 1;
	memset(&p->exit, 0xff, sizeof(p->exit));
}

static void scribble_now(void *cookie)
{
	scribble(cookie);
}

/* At every call of the host that a run makes: the check was of a copy. */
static void scribble_at_attention(void)
{
	scribble(victim);
}

static void scribble_at_get(uint64_t uaddr, bool got)
{
	(void)uaddr;
	(void)got;
	scribble(victim);
}

static void what_was_checked_is_what_is_used(void **state)
{
	struct device *d = *state;
	const struct vmm_vcpu_page good = *d->page;

	victim = d->v;
	fake.on_attention = scribble_at_attention;
	fake.on_resched = scribble_at_attention;
	fake.on_get = scribble_at_get;
	fake_vendor.on_run = scribble;
	/* The vendor checks at each entry what it is given. */
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(scribble_now, d->v);
	fake_cause(VMM_CAUSE_NMI);
	fake_touch(DATA_GPA + PAGE, W, NULL, 1);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_true(fake_vendor.entries >= 4);
	assert_int_equal(d->exit->kind, VMM_EXIT_SHUTDOWN);
	assert_int_equal(d->page->regs.rip, CODE);
	assert_int_equal(d->page->regs.rflags, 0x202);
	/* At the next run all of it is looked at. */
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	fake.on_attention = fake.on_resched = NULL;
	fake.on_get = NULL;
	fake_vendor.on_run = NULL;
	*d->page = good;
	shut_down(d);
}

/* General registers are the guest's alone, and may change at any time. */
static void a_guest_that_asks_cpuid_of_a_page_that_changes(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2);
	victim = d->v;
	guest_at(CODE);
	fake_call(scribble_now, d->v);
	fake_cause(VMM_CAUSE_CPUID);
	fake.signal = false;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rip, CODE + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_runs_is_busy),
		TEST(who_is_visited_in_vain_is_left),
		TEST(what_was_checked_is_what_is_used),
		TEST(a_guest_that_asks_cpuid_of_a_page_that_changes),
	};

	return RUN(tests);
}
