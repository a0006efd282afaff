// SPDX-License-Identifier: BSD-2-Clause
/*
 * What happens during a fault, at every moment of it: the page goes, memory
 * changes, the owner ends, a signal or kick comes; and faults of two vCPUs.
 */
#include "faults.h"

static struct device *dev;

/* ---- at every moment of a fault ---- */

static uint32_t moments;		/* that are left to the hook */
static bool after;			/* the page has been got */
static void (*act)(void);

static void run_act(void *cookie)
{
	(void)cookie;
	act();
}

static void hook(uint64_t uaddr, bool got)
{
	(void)uaddr;
	if (got != after || moments == 0)
		return;
	moments--;
	fake_as(2, run_act, NULL);
}

static void at_moment(bool got, uint32_t times, void (*fn)(void))
{
	moments = times;
	after = got;
	act = fn;
	fake.on_get = hook;
}

static void page_out(void) { fake_page_out(PAGE_AT); }
static void move(void) { fake_move(PAGE_AT); }
static void ksm(void) { fake_ksm(PAGE_AT); }
static void poison(void) { fake_poison(PAGE_AT); }
static void unmap(void) { fake_unmap(PAGE_AT, PAGE); }
static void write_protect(void) { fake_protect(PAGE_AT, PAGE, false); }
static void elsewhere(void) { fake_page_out(MEMORY + 3 * MIB2); }

/* The page that was got is not the one that is there any more. */
static void a_page_that_goes_before_it_is_mapped_is_got_again(void **state)
{
	void (*const acts[])(void) = { page_out, move, ksm, elsewhere };
	struct device *d = *state;
	size_t i, k;

	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		for (k = 0; k < 4; k++) {
			const uint64_t retries = d->v->stats->retries;

			put(PAGE_AT, 100 + i);
			put(MEMORY + 3 * MIB2, 1);
			fake_page_out(PAGE_AT);
			at_moment(k % 2 != 0, 3, acts[i]);
			if (k < 2) {
				assert_int_equal(guest_get(d, PAGE_GPA),
				    100 + i);
			} else {
				guest_put(d, PAGE_GPA, 200 + i);
				assert_int_equal(get(PAGE_AT), 200 + i);
			}
			if (k == 1 && acts[i] != elsewhere)
				assert_true(d->v->stats->retries > retries);
			fake.on_get = NULL;
			assert_int_equal(fake.gets, fake.puts);
		}
	}
}

static void a_page_that_ends_before_it_is_mapped_is_told(void **state)
{
	struct device *d = *state;

	at_moment(true, 1, unmap);
	no_memory(d, PAGE_GPA, R, EFAULT);
	assert_int_equal(d->m->npt.leaves, 0);
	fake_map(PAGE_AT, PAGE);
	at_moment(true, 1, write_protect);
	no_memory(d, PAGE_GPA, W, EFAULT);
	fake_protect(PAGE_AT, PAGE, true);
	at_moment(true, 1, poison);
	no_memory(d, PAGE_GPA, R, EHWPOISON);
	assert_int_equal(d->m->npt.leaves, 0);
}

static void region_goes(void)
{
	assert_ok(memory_unmap(dev->m, PAGE_GPA, PAGE));
}

static void region_moves(void)
{
	assert_ok(memory_unmap(dev->m, PAGE_GPA, PAGE));
	assert_ok(memory_map(dev->m, PAGE_GPA, PAGE, BUFFER, RW));
}

static void region_is_limited(void)
{
	assert_ok(memory_protect(dev->m, PAGE_GPA, PAGE, R));
}

static void region_is_logged(void)
{
	assert_ok(dirty_log(dev->m, 0, MEMORY_SIZE, VMM_DIRTY_ENABLE, 0));
}

/* Or a large leaf would hide which of its pages is written. */
static void a_log_that_begins_during_a_fault_has_small_leaves(void **state)
{
	struct device *d = *state;

	dev = d;
	fake_huge(MEMORY + MIB2);
	at_moment(true, 1, region_is_logged);
	guest_put(d, PAGE_GPA, 1);
	assert_int_equal(d->m->npt.leaves, 1);
}

static void memory_that_changes_during_a_fault_is_looked_at_again(
    void **state)
{
	struct device *d = *state;

	dev = d;
	put(PAGE_AT, 1);
	put(BUFFER, 2);
	at_moment(true, 1, region_is_limited);
	no_memory(d, PAGE_GPA, W, EACCES);
	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, RWX));
	at_moment(true, 1, region_goes);
	no_memory(d, PAGE_GPA, R, ENOENT);
	assert_ok(memory_map(d->m, PAGE_GPA, PAGE, PAGE_AT, RW));
	at_moment(true, 1, region_moves);
	assert_int_equal(guest_get(d, PAGE_GPA), 2);
	fake.on_get = NULL;
	guest_put(d, PAGE_GPA, 3);
	assert_int_equal(get(BUFFER), 3);
	assert_int_equal(get(PAGE_AT), 1);
}

static void owner_ends(void)
{
	fake_exit();
}

static void an_owner_that_ends_during_a_fault_ends_the_run(void **state)
{
	struct device *d = *state;
	unsigned k;

	for (k = 0; k < 2; k++) {
		at_moment(k != 0, 1, owner_ends);
		fake_touch(PAGE_GPA, W, NULL, 1);
		/* Who has no memory any more may hear just that. */
		if (vmm_vcpu_run(d->v) == 0)
			assert_int_equal(d->exit->kind, VMM_EXIT_MEMORY);
		assert_int_equal(vmm_vcpu_run(d->v), EIO);
		assert_int_equal(d->m->npt.leaves, 0);
		assert_int_equal(fake.gets, fake.puts);
		fake.on_get = NULL;
		fake_script.at = fake_script.n;
		machine_end(d);
		machine_make(d);
	}
}

/* An invalidation that does not end: the fault waits for it, outside. */
static uint32_t rounds;

static void begin_invalidation(void)
{
	vmm_machine_invalidate_begin(dev->m, PAGE_AT, PAGE_AT + PAGE, true);
	rounds = 3;
}

static void end_invalidation(void *cookie)
{
	(void)cookie;
	vmm_machine_invalidate_end(dev->m, PAGE_AT, PAGE_AT + PAGE);
}

static void count_rounds(void)
{
	if (rounds != 0 && --rounds == 0)
		fake_as(3, end_invalidation, NULL);
}

static void a_fault_waits_for_an_invalidation_to_end(void **state)
{
	struct device *d = *state;

	dev = d;
	put(PAGE_AT, 77);
	at_moment(false, 1, begin_invalidation);
	fake.on_resched = count_rounds;
	assert_int_equal(guest_get(d, PAGE_GPA), 77);
	assert_true(d->v->stats->retries >= 3);
	assert_int_equal(d->m->invalidating, 0);
	/* Not so for another page. */
	begin_invalidation();
	rounds = 0;
	(void)guest_get(d, PAGE_GPA + 2 * PAGE);
	fake_as(3, end_invalidation, NULL);
}

static void kick_now(void)
{
	assert_ok(vmm_vcpu_kick(dev->v));
}

static void such_a_fault_is_ended_by_a_kick(void **state)
{
	struct device *d = *state;

	dev = d;
	begin_invalidation();
	fake.on_resched = kick_now;
	fake_touch(PAGE_GPA, W, NULL, 1);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->exit->detail, VMM_BY_KICK);
	fake.on_resched = NULL;
	fake_as(3, end_invalidation, NULL);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
}

/* Two that overlap in time: the hull of both counts. */
static void invalidations_nest(void **state)
{
	struct device *d = *state;

	(void)guest_get(d, PAGE_GPA);
	vmm_machine_invalidate_begin(d->m, PAGE_AT, PAGE_AT + PAGE, true);
	vmm_machine_invalidate_begin(d->m, MEMORY, MEMORY + PAGE, true);
	vmm_machine_invalidate_end(d->m, PAGE_AT, PAGE_AT + PAGE);
	assert_int_equal(d->m->invalidating, 1);
	vmm_machine_invalidate_begin(d->m, MEMORY + 3 * PAGE,
	    MEMORY + 4 * PAGE, true);
	vmm_machine_invalidate_end(d->m, MEMORY, MEMORY + PAGE);
	vmm_machine_invalidate_end(d->m, MEMORY + 3 * PAGE,
	    MEMORY + 4 * PAGE);
	assert_int_equal(d->m->invalidating, 0);
	(void)guest_get(d, PAGE_GPA);
	/* The later one reaches further, on both sides. */
	vmm_machine_invalidate_begin(d->m, PAGE_AT - PAGE, PAGE_AT, true);
	vmm_machine_invalidate_begin(d->m, PAGE_AT - 2 * PAGE, PAGE_AT + PAGE,
	    true);
	assert_int_equal(d->m->inv_start, PAGE_AT - 2 * PAGE);
	assert_int_equal(d->m->inv_end, PAGE_AT + PAGE);
	vmm_machine_invalidate_end(d->m, PAGE_AT - PAGE, PAGE_AT);
	vmm_machine_invalidate_end(d->m, PAGE_AT - 2 * PAGE, PAGE_AT + PAGE);
}

static void signal_now(void)
{
	fake.signal = true;
}

static void a_signal_ends_a_fault(void **state)
{
	struct device *d = *state;

	at_moment(false, 1, signal_now);
	fake_touch(PAGE_GPA, R, NULL, 1);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->exit->detail, VMM_BY_SIGNAL);
	fake.signal = false;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
}

static void split(void) { fake_split(MEMORY + MIB2); }

static void a_large_page_that_is_split_during_the_fault_is_small(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	put(MEMORY + MIB2, 3);
	at_moment(true, 1, split);
	assert_int_equal(guest_get(d, MIB2), 3);
	assert_int_equal(d->m->npt.leaves, 1);
	assert_int_equal(d->v->stats->large_2m, 0);
}

/* ---- two vCPUs ---- */

static struct vmm_vcpu *other;

static void run_other(void *cookie)
{
	(void)cookie;
	assert_ok(vmm_vcpu_run(other));
	assert_int_equal(other->page->exit.kind, VMM_EXIT_SHUTDOWN);
}

static void make_other(struct device *d)
{
	uint32_t context;

	assert_ok(context_create(d->m, &context));
	assert_ok(vcpu_create(d->m, 1, &other));
	vcpu_prepare(other, context);
}

/* Both fault on one page; the second finds it there. */
static void run_other_at_get(uint64_t uaddr, bool got)
{
	(void)uaddr;
	if (!got || moments == 0)
		return;
	moments--;
	fake_as(2, run_other, NULL);
}

static void two_vcpus_fault_on_one_page(void **state)
{
	struct device *d = *state;
	uint64_t a = 0;

	make_other(d);
	put(PAGE_AT, 31);
	fake_touch(PAGE_GPA, R, (uint8_t *)&a, 8);
	fake.on_get = run_other_at_get;
	moments = 1;
	/* The first one's touch is what the other does meanwhile; then it
	 * leaves, and the first goes on to its own. */
	fake_cause(VMM_CAUSE_SHUTDOWN);
	fake_touch(PAGE_GPA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(a, 31);
	assert_int_equal(d->m->npt.leaves, 1);
	assert_int_equal(d->v->stats->fills + other->stats->fills, 1);
	fake.on_get = NULL;
	vmm_vcpu_destroy(other);
}

/* One is inside with translations of small pages, the other's fault replaces
 * their table. */
static void huge_now(void *cookie)
{
	(void)cookie;
	fake_huge(MEMORY + MIB2);
}

static void a_table_is_replaced_under_another_vcpu(void **state)
{
	struct device *d = *state;
	uint64_t a = 0;

	make_other(d);
	guest_put(d, MIB2, 1);
	fake_touch(MIB2, R, (uint8_t *)&a, 8);
	fake_call(huge_now, NULL);
	fake_touch(0, R, NULL, 1);
	fake_call(run_other, NULL);
	fake_touch(MIB2 + 5 * PAGE, W, NULL, 1);	/* the other's */
	fake_cause(VMM_CAUSE_SHUTDOWN);			/* likewise */
	fake_touch(MIB2 + 6 * PAGE, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(a, 1);
	assert_int_equal(d->m->npt.leaves, 513);
	vmm_vcpu_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_that_goes_before_it_is_mapped_is_got_again),
		TEST(a_page_that_ends_before_it_is_mapped_is_told),
		TEST(memory_that_changes_during_a_fault_is_looked_at_again),
		TEST(a_log_that_begins_during_a_fault_has_small_leaves),
		TEST(an_owner_that_ends_during_a_fault_ends_the_run),
		TEST(a_fault_waits_for_an_invalidation_to_end),
		TEST(such_a_fault_is_ended_by_a_kick),
		TEST(invalidations_nest),
		TEST(a_signal_ends_a_fault),
		TEST(a_large_page_that_is_split_during_the_fault_is_small),
		TEST(two_vcpus_fault_on_one_page),
		TEST(a_table_is_replaced_under_another_vcpu),
	};

	return RUN(tests);
}
