// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who is interrupted when memory is taken away: the processors that a guest of
 * that machine is inside on, and no other.
 */
#include "runs.h"

static void page_out(void *cookie)
{
	fake_page_out(MEMORY + *(const uint64_t *)cookie);
}

static void only_a_guest_that_is_inside_is_interrupted(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;

	TOUCH(d, DATA_GPA, W, NULL, 1);
	/* Outside: no interrupt, but the next entry flushes. */
	page_out(&page);
	assert_int_equal(sent(), 0);
	shut_down(d);
	assert_int_equal(last_pending() & VMM_LOAD_NESTED, VMM_LOAD_NESTED);
	shut_down(d);
	assert_int_equal(last_pending() & VMM_LOAD_NESTED, 0);
	/* Inside: one, to that processor; the guest goes on. */
	fake_migrate(1);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(page_out, &page);
	fake_touch(DATA_GPA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(fake.sent[1], 1);
	assert_int_equal(sent(), 1);
	assert_int_equal(fake.needless, 0);
	fake_migrate(0);
}

static void pages_that_the_guest_has_not_cost_nothing(void **state)
{
	struct device *d = *state;
	static uint64_t mapped = DATA_GPA, untouched = DATA_GPA + 8 * PAGE;
	uint64_t gen;

	assert_true(fake_write(MEMORY + untouched, "x", 1));
	fake_touch(mapped, W, NULL, 1);
	fake_call(page_out, &untouched);
	fake_touch(mapped, W, NULL, 1);
	gen = d->m->flush_gen;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(sent(), 0);
	assert_int_equal(d->m->flush_gen, gen);
}

static void protect_twice(void *cookie)
{
	struct vmm_machine *m = cookie;

	assert_ok(memory_protect(m, DATA_GPA, PAGE, R));
	/* Nothing is taken away by these. */
	assert_ok(memory_protect(m, DATA_GPA, PAGE, R));
	assert_ok(memory_protect(m, DATA_GPA, PAGE, RWX));
	assert_ok(memory_map(m, 0x40000000, MIB2, MEMORY, RWX));
	assert_ok(memory_unmap(m, 0x40000000, MIB2));
}

static void only_what_takes_rights_away_interrupts(void **state)
{
	struct device *d = *state;

	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(protect_twice, d->m);
	fake_touch(DATA_GPA, R, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(sent(), 1);
}

static struct vmm_machine *second;

static void run_other(void *cookie)
{
	(void)cookie;
	assert_ok(vmm_vcpu_run(other));
}

static void page_out_as_third(void *cookie)
{
	fake_as(3, page_out, cookie);
}

/* Two guests inside, of one machine: each is interrupted once. */
static void all_guests_of_a_machine_are_interrupted(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;

	make_other(d);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(run_other, NULL);
	fake_touch(DATA_GPA, R, NULL, 1);	/* the other's */
	fake_call(page_out_as_third, &page);
	fake_cause(VMM_CAUSE_SHUTDOWN);		/* the other's end */
	fake_touch(DATA_GPA, R, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(other->page->exit.kind, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake.sent[0], 1);
	assert_int_equal(fake.sent[1], 1);
	assert_int_equal(sent(), 2);
	assert_int_equal(fake.needless, 0);
	vmm_vcpu_destroy(other);
}

/* Two machines of one process: the other one runs something else. */
static void no_other_machine_is_interrupted(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;
	uint32_t context;

	assert_ok(machine_create(&second));
	assert_ok(memory_map(second, 0, MEMORY_SIZE, MEMORY, RWX));
	assert_ok(context_create(second, &context));
	assert_ok(vcpu_create(second, 0, &other));
	vcpu_prepare(other, context);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(run_other, NULL);
	fake_touch(DATA_GPA + PAGE, R, NULL, 1);	/* the other's */
	fake_call(page_out_as_third, &page);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	fake_touch(DATA_GPA, R, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(fake.sent[0], 1);
	assert_int_equal(fake.sent[1], 0);
	vmm_vcpu_destroy(other);
	vmm_machine_put(second);
}

/* A vCPU that left long ago, and whose processor runs another now. */
static void a_vcpu_that_is_outside_costs_its_processor_nothing(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;

	make_other(d);
	TOUCH(d, DATA_GPA, W, NULL, 1);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	page_out(&page);
	assert_int_equal(sent(), 0);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	assert_true((last_pending() & VMM_LOAD_NESTED) != 0);
	vmm_vcpu_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_a_guest_that_is_inside_is_interrupted),
		TEST(pages_that_the_guest_has_not_cost_nothing),
		TEST(only_what_takes_rights_away_interrupts),
		TEST(all_guests_of_a_machine_are_interrupted),
		TEST(no_other_machine_is_interrupted),
		TEST(a_vcpu_that_is_outside_costs_its_processor_nothing),
	};

	return RUN(tests);
}
