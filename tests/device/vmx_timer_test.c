// SPDX-License-Identifier: BSD-2-Clause
/*
 * Deadlines by the processor's own timer: over when the time has come and not
 * before, wherever it passes; and none where the TSC is no clock.
 */
#include "vmx_run.h"

static void pass(void *cookie)
{
	fake_advance(*(const uint64_t *)cookie);
}

static const uint64_t half = 500000, whole = 1000000;

static void expect_over(struct device *d)
{
	fake.signal = false;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
}

static void a_deadline_ends_the_run(void **state)
{
	struct device *d = *state;
	const uint64_t deadline = fake.now + whole;

	d->page->deadline = deadline;
	run_syscall(d);
	fake_call(pass, (void *)(uintptr_t)&half);
	fake_call(pass, (void *)(uintptr_t)&half);
	fake_cause(VMM_CAUSE_PRIVILEGED);
	expect_over(d);
	assert_true(fake.now >= deadline && fake.now < deadline + half);
	expect_over(d);			/* it stays, and is over */
	d->page->deadline = fake.now + whole;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_EXCEPTION);
	d->page->deadline = 0;
	fake_advance(whole);
	run_syscall(d);
	assert_int_equal(fake.timer_starts, 0);
}

static void a_deadline_ends_what_is_handled_here(void **state)
{
	struct device *d = *state;
	unsigned i;

	d->page->deadline = fake.now + whole;
	for (i = 0; i < 4; i++) {
		fake_cause(VMM_CAUSE_CPUID);
		fake_call(pass, (void *)(uintptr_t)&half);
	}
	expect_over(d);
	/* Nothing of the guest has been done since. */
	assert_true(fake_script.at < fake_script.n);
	fake_script.at = fake_script.n;
}

static void a_deadline_passes_outside(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + whole;
	run_syscall(d);
	fake_advance(whole);
	fake_cause(VMM_CAUSE_PRIVILEGED);
	expect_over(d);
	assert_int_equal(fake_script.at, fake_script.n - 1);
	fake_script.at = fake_script.n;
}

static void a_deadline_follows_the_thread(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + whole;
	run_syscall(d);
	fake_migrate(2);
	run_syscall(d);
	fake_call(pass, (void *)(uintptr_t)&whole);
	fake_cause(VMM_CAUSE_PRIVILEGED);
	expect_over(d);
	fake_script.at = fake_script.n;
	fake_migrate(0);
}

static void a_deadline_too_far_for_the_timer(void **state)
{
	struct device *d = *state;
	const uint64_t far = 400 * 1000000000ull;

	/* 2^32 counts of 128 ticks are 183 s. */
	d->page->deadline = fake.now + far;
	fake_call(pass, (void *)(uintptr_t)&(const uint64_t){ far / 2 });
	fake_cause(VMM_CAUSE_PRIVILEGED);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_EXCEPTION);
	d->page->deadline = UINT64_MAX;
	run_syscall(d);
	assert_int_equal(fake.timer_starts, 0);
}

static void a_tsc_that_is_no_clock_is_not_asked(void **state)
{
	struct device *d = *state;

	fake.tsc_unstable = true;
	d->page->deadline = fake.now + whole;
	run_syscall(d);
	assert_int_equal(fake_live_timers(), 1);
	/* It has become one; the timer goes on until the next deadline. */
	fake.tsc_unstable = false;
	fake_call(pass, (void *)(uintptr_t)&whole);
	fake_cause(VMM_CAUSE_PRIVILEGED);
	expect_over(d);
	fake_script.at = fake_script.n;
	assert_int_equal(fake.timer_starts, 1);
	d->page->deadline = fake.now + whole;
	run_syscall(d);
	assert_int_equal(fake_live_timers(), 0);
	fake.tsc_unstable = true;
	d->page->deadline++;
	run_syscall(d);
	fake_advance(whole);
	expect_over(d);
}

/* Else time would end a run that has no deadline. */
static void no_deadline_no_timer(void **state)
{
	struct device *d = *state;
	uint64_t pin = 0;

	d->page->deadline = fake.now + whole;
	run_syscall(d);
	assert_ok(raw(d->v, VMM_RAW_READ, VMX_PIN, 4, &pin));
	assert_true((pin & VMX_PIN_TIMER) != 0);
	d->page->deadline = 0;
	run_syscall(d);
	assert_ok(raw(d->v, VMM_RAW_READ, VMX_PIN, 4, &pin));
	assert_int_equal(pin & VMX_PIN_TIMER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VMX(a_deadline_ends_the_run),
		TEST_VMX(a_deadline_ends_what_is_handled_here),
		TEST_VMX(a_deadline_passes_outside),
		TEST_VMX(a_deadline_follows_the_thread),
		TEST_VMX(a_deadline_too_far_for_the_timer),
		TEST_VMX(a_tsc_that_is_no_clock_is_not_asked),
		TEST_VMX(no_deadline_no_timer),
	};

	return RUN(tests);
}
