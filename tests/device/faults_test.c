// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nested faults: the owner's pages come when the guest touches them, and go
 * when the host wants them, at every moment of a fault; what the guest has
 * written is never lost.
 */
#include "device.h"
#include "stats.h"

#define PAGE_GPA	(MIB2 + 5 * PAGE)
#define PAGE_AT		(MEMORY + PAGE_GPA)

static struct device *dev;

static void put(uint64_t uaddr, uint64_t value)
{
	assert_true(fake_write(uaddr, &value, sizeof(value)));
}

static uint64_t get(uint64_t uaddr)
{
	uint64_t value = 0;

	assert_true(fake_read(uaddr, &value, sizeof(value)));
	return value;
}

static uint64_t guest_get(struct device *d, uint64_t gpa)
{
	uint64_t value = 0;

	TOUCH(d, gpa, R, &value, sizeof(value));
	return value;
}

static void guest_put(struct device *d, uint64_t gpa, uint64_t value)
{
	TOUCH(d, gpa, W, &value, sizeof(value));
}

static void no_memory(struct device *d, uint64_t gpa, uint32_t access,
    uint32_t detail)
{
	struct vmm_exit *e = d->exit;

	fake_touch(gpa, access, NULL, 1);
	fake.signal = false;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(e->kind, VMM_EXIT_MEMORY);
	assert_int_equal(e->detail, detail);
	assert_int_equal(e->gpa, gpa);
	assert_int_equal(e->access, access);
	assert_int_equal(e->valid, VMM_VALID_GPA);
	assert_int_equal(d->page->regs.rip, CODE);
	/* The guest does something else. */
	fake_script.at = fake_script.n;
	assert_int_equal(fake.gets, fake.puts);
}

/* ---- that they come ---- */

static void a_page_comes_when_it_is_touched(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 0x1122334455667788);
	assert_int_equal(d->m->npt.leaves, 0);
	assert_int_equal(guest_get(d, PAGE_GPA), 0x1122334455667788);
	assert_int_equal(d->m->npt.leaves, 1);
	guest_put(d, PAGE_GPA + 8, 99);
	assert_int_equal(get(PAGE_AT + 8), 99);
	put(PAGE_AT, 7);
	assert_int_equal(guest_get(d, PAGE_GPA), 7);
	/* One fault in all: what may be written is mapped so at once. */
	assert_int_equal(d->v->stats->fills, 1);
	assert_int_equal(fake.gets, 1);
	assert_int_equal(fake.puts, 1);
}

static void memory_that_is_not_there_is_told(void **state)
{
	struct device *d = *state;

	no_memory(d, MEMORY_SIZE, R, ENOENT);
	no_memory(d, MEMORY_SIZE + 0x123, W, ENOENT);
	no_memory(d, (1ull << 40) - 1, X, ENOENT);
	/* Beyond what can have memory. */
	no_memory(d, 1ull << 40, R, ENOENT);
	no_memory(d, (1ull << 48) - PAGE, R, ENOENT);
	no_memory(d, 1ull << 51, R, ENOENT);
	assert_int_equal(fake.gets, 0);
}

static void what_the_region_forbids_is_told(void **state)
{
	struct device *d = *state;

	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, R));
	no_memory(d, PAGE_GPA, W, EACCES);
	no_memory(d, PAGE_GPA, X, EACCES);
	(void)guest_get(d, PAGE_GPA);
	no_memory(d, PAGE_GPA, W, EACCES);
	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, RW));
	guest_put(d, PAGE_GPA, 1);
	no_memory(d, PAGE_GPA, X, EACCES);
	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, RX));
	TOUCH(d, PAGE_GPA, X, NULL, 1);
	no_memory(d, PAGE_GPA, W, EACCES);
	assert_ok(memory_protect(d->m, PAGE_GPA, PAGE, RWX));
	guest_put(d, PAGE_GPA, 2);
	TOUCH(d, PAGE_GPA, X, NULL, 1);
}

static void what_the_owner_has_not_is_told(void **state)
{
	struct device *d = *state;

	fake_unmap(PAGE_AT, PAGE);
	no_memory(d, PAGE_GPA, R, EFAULT);
	no_memory(d, PAGE_GPA, W, EFAULT);
	fake_map(PAGE_AT, PAGE);
	guest_put(d, PAGE_GPA, 5);
	fake_unmap(PAGE_AT, PAGE);
	no_memory(d, PAGE_GPA, R, EFAULT);
	fake_map(PAGE_AT, PAGE);
	assert_int_equal(guest_get(d, PAGE_GPA), 0);
}

static void what_the_owner_may_not_write_is_told(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 3);
	fake_protect(PAGE_AT, PAGE, false);
	assert_int_equal(guest_get(d, PAGE_GPA), 3);
	no_memory(d, PAGE_GPA, W, EFAULT);
	fake_protect(PAGE_AT, PAGE, true);
	guest_put(d, PAGE_GPA, 4);
	fake_protect(PAGE_AT, PAGE, false);
	no_memory(d, PAGE_GPA, W, EFAULT);
	assert_int_equal(guest_get(d, PAGE_GPA), 4);
}

static void poisoned_pages_are_told(void **state)
{
	struct device *d = *state;

	guest_put(d, PAGE_GPA, 1);
	fake_poison(PAGE_AT);
	no_memory(d, PAGE_GPA, R, EHWPOISON);
	no_memory(d, PAGE_GPA, W, EHWPOISON);
	no_memory(d, PAGE_GPA, X, EHWPOISON);
	assert_int_equal(guest_get(d, PAGE_GPA + PAGE), 0);
}

/* ---- that they go ---- */

static void pages_go_and_come_with_what_they_hold(void **state)
{
	struct device *d = *state;
	uint64_t i;

	for (i = 1; i < 20; i++) {
		guest_put(d, PAGE_GPA, i);
		fake_page_out(PAGE_AT);
		assert_false(fake_present(PAGE_AT));
		assert_int_equal(d->m->npt.leaves, 0);
		assert_int_equal(guest_get(d, PAGE_GPA), i);
	}
}

/* Mapped by a read, so that nothing but the leaf knows of the write. */
static void a_write_by_a_leaf_that_was_there_is_told(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 1);
	guest_put(d, PAGE_GPA, 2);
	assert_int_equal(d->v->stats->fills, 1);
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
	/* Written back meanwhile, and written again. */
	guest_put(d, PAGE_GPA, 3);
	fake_clean(PAGE_AT);
	guest_put(d, PAGE_GPA, 4);
	fake_page_out(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 4);
}

static void writes_are_told_at_the_machines_end(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	(void)guest_get(d, PAGE_GPA);
	guest_put(d, PAGE_GPA, 2);
	machine_end(d);
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
}

static void writes_are_told_when_memory_is_unmapped(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	(void)guest_get(d, PAGE_GPA);
	guest_put(d, PAGE_GPA, 2);
	assert_ok(memory_unmap(d->m, PAGE_GPA, PAGE));
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
}

static void pages_are_moved(void **state)
{
	struct device *d = *state;

	guest_put(d, PAGE_GPA, 11);
	fake_move(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 11);
	guest_put(d, PAGE_GPA, 12);
	fake_move(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 12);
}

static void merged_pages_part_when_they_are_written(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 21);
	fake_ksm(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 21);
	guest_put(d, PAGE_GPA + 8, 22);
	assert_int_equal(get(PAGE_AT), 21);
	assert_int_equal(get(PAGE_AT + 8), 22);
	/* And one that is written while it is merged. */
	fake_ksm(PAGE_AT);
	guest_put(d, PAGE_GPA + 8, 23);
	assert_int_equal(get(PAGE_AT + 8), 23);
	assert_int_equal(d->m->npt.leaves, 1);
}

static void accessed_bits_are_told_and_forgotten(void **state)
{
	struct device *d = *state;

	assert_false(fake_young(PAGE_AT, PAGE, false));
	(void)guest_get(d, PAGE_GPA);
	assert_true(fake_young(PAGE_AT, PAGE, false));
	assert_true(fake_young(MEMORY, MEMORY_SIZE, false));
	assert_false(fake_young(PAGE_AT + PAGE, PAGE, false));
	assert_true(fake_young(PAGE_AT, PAGE, true));
	assert_false(fake_young(PAGE_AT, PAGE, false));
	assert_false(fake_young(PAGE_AT, PAGE, true));
	assert_int_equal(d->m->npt.leaves, 1);
}

/* Where hardware keeps none the leaf goes instead, written or not. */
static void without_accessed_bits_the_leaf_goes(void **state)
{
	struct device *d = *state;

	machine_end(d);
	vmm_hw_fini();
	fake_vendor.format = &x86_npt_ept_plain;
	fake_vendor.caps &= ~VMM_CAP_HW_DIRTY;
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_table }, 1));
	machine_make(d);
	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	(void)guest_get(d, PAGE_GPA);
	guest_put(d, PAGE_GPA, 2);
	assert_true(fake_young(PAGE_AT, PAGE, false));
	assert_true(fake_young(PAGE_AT, PAGE, true));
	assert_int_equal(d->m->npt.leaves, 0);
	assert_false(fake_young(PAGE_AT, PAGE, true));
	fake_page_out(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 2);
}

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

/* ---- errors of getting it ---- */

static void errors_of_the_owners_memory_are_told(void **state)
{
	struct device *d = *state;

	fake.get_error = ENOMEM;
	fake_touch(PAGE_GPA, R, NULL, 1);
	assert_int_equal(vmm_vcpu_run(d->v), ENOMEM);
	fake.get_error = EAGAIN;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	fake.signal = false;
	/* A signal that somebody else has taken in the meantime. */
	fake_page_out(PAGE_AT);
	fake.get_error = EINTR;
	(void)guest_get(d, PAGE_GPA);
	fake.get_error = EFAULT;
	no_memory(d, PAGE_GPA + PAGE, R, EFAULT);
	fake.get_error = EHWPOISON;
	no_memory(d, PAGE_GPA + PAGE, R, EHWPOISON);
	assert_int_equal(fake.gets, fake.puts);
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

/* ---- large leaves ---- */

static void a_large_page_is_one_leaf(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	put(MEMORY + MIB2 + 0x12340, 5);
	assert_int_equal(guest_get(d, MIB2 + 0x12340), 5);
	assert_int_equal(d->m->npt.leaves, 512);
	guest_put(d, 2 * MIB2 - 8, 6);
	assert_int_equal(get(MEMORY + 2 * MIB2 - 8), 6);
	TOUCH(d, MIB2 + 0x100000, X, NULL, 1);
	assert_int_equal(d->v->stats->fills, 1);
	assert_int_equal(d->v->stats->large_2m, 1);
	assert_int_equal(d->v->stats->map_pages, 512);
}

static void a_large_page_that_lies_otherwise_is_small_leaves(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	assert_ok(memory_map(d->m, 0x40000000 + PAGE, MIB2, MEMORY + MIB2,
	    RW));
	put(MEMORY + MIB2 + 0x5000, 5);
	assert_int_equal(guest_get(d, 0x40000000 + 0x6000), 5);
	assert_int_equal(d->m->npt.leaves, 1);
}

static void a_region_that_ends_within_has_small_leaves(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	assert_ok(memory_map(d->m, 0x40000000, MIB2 - PAGE, MEMORY + MIB2,
	    RW));
	assert_ok(memory_map(d->m, 0x50000000 + PAGE, MIB2 - PAGE,
	    MEMORY + MIB2 + PAGE, RW));
	guest_put(d, 0x40000000, 1);
	assert_int_equal(d->m->npt.leaves, 1);
	guest_put(d, 0x50000000 + PAGE, 1);
	assert_int_equal(d->m->npt.leaves, 2);
	no_memory(d, 0x50000000, R, ENOENT);
	no_memory(d, 0x40000000 + MIB2 - PAGE, R, ENOENT);
}

static void without_the_capability_leaves_are_small(void **state)
{
	struct device *d = *state;

	vmm_hw.caps &= ~(VMM_CAP_LARGE_2M | VMM_CAP_LARGE_1G);
	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2, 1);
	assert_int_equal(d->m->npt.leaves, 1);
}

static void pages_of_a_gibibyte_are_one_leaf(void **state)
{
	struct device *d = *state;

	fake_giant();
	assert_ok(memory_map(d->m, 1ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	guest_put(d, (1ull << 32) + 0x3456780, 8);
	assert_int_equal(d->m->npt.leaves, 262144);
	assert_int_equal(d->v->stats->large_1g, 1);
	assert_int_equal(get(FAKE_GIANT + 0x3456780), 8);
	/* In a part only, leaves of 2 MiB. */
	assert_ok(memory_unmap(d->m, (1ull << 32) + FAKE_GIB - MIB2, MIB2));
	assert_int_equal(d->m->npt.leaves, 0);
	assert_int_equal(guest_get(d, (1ull << 32) + 0x3456780), 8);
	assert_int_equal(d->m->npt.leaves, 512);
	vmm_hw.caps &= ~VMM_CAP_LARGE_1G;
	assert_ok(memory_map(d->m, 3ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	assert_int_equal(guest_get(d, (3ull << 32) + 0x3456780), 8);
	assert_int_equal(d->m->npt.leaves, 1024);
}

static void a_large_page_that_is_split_goes_on_in_small_ones(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2 + 8, 1);
	guest_put(d, MIB2 + 5 * PAGE, 2);
	fake_split(MEMORY + MIB2);
	assert_int_equal(d->m->npt.leaves, 0);
	assert_int_equal(guest_get(d, MIB2 + 8), 1);
	assert_int_equal(guest_get(d, MIB2 + 5 * PAGE), 2);
	assert_int_equal(d->m->npt.leaves, 2);
	fake_page_out(MEMORY + MIB2);
	assert_int_equal(d->m->npt.leaves, 1);
	assert_int_equal(guest_get(d, MIB2 + 8), 1);
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

/* Small pages become a large one: their empty table makes room. */
static void a_large_leaf_replaces_an_empty_table(void **state)
{
	struct device *d = *state;
	uint64_t pages;

	guest_put(d, MIB2, 1);
	guest_put(d, MIB2 + PAGE, 1);
	pages = vmm_live.pages;
	fake_huge(MEMORY + MIB2);
	assert_int_equal(d->m->npt.leaves, 0);
	guest_put(d, MIB2 + 7 * PAGE, 2);
	assert_int_equal(d->m->npt.leaves, 512);
	assert_true(vmm_live.pages < pages);
	assert_int_equal(get(MEMORY + MIB2 + 7 * PAGE), 2);
}

/* While others are there it waits. */
static void a_large_leaf_replaces_no_table_that_is_used(void **state)
{
	struct device *d = *state;

	guest_put(d, 2 * MIB2 - PAGE, 1);
	fake_huge(MEMORY + MIB2);
	/* The owner's last page is another's now: 4 KiB of its own. */
	guest_put(d, MIB2, 2);
	assert_int_equal(get(MEMORY + MIB2), 2);
	assert_int_equal(guest_get(d, 2 * MIB2 - PAGE), 0);
}

static void a_protected_part_of_a_large_leaf_is_told(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2, 1);
	assert_ok(memory_protect(d->m, MIB2 + 8 * PAGE, PAGE, R));
	no_memory(d, MIB2 + 8 * PAGE, W, EACCES);
	guest_put(d, MIB2 + 7 * PAGE, 2);
	guest_put(d, MIB2 + 9 * PAGE, 3);
	assert_int_equal(guest_get(d, MIB2 + 8 * PAGE), 0);
	assert_int_equal(get(MEMORY + MIB2 + 9 * PAGE), 3);
	assert_int_equal(d->m->nregions, 3);
}

static void an_unmapped_part_of_a_large_leaf_is_gone(void **state)
{
	struct device *d = *state;

	fake_huge(MEMORY + MIB2);
	guest_put(d, MIB2, 1);
	assert_ok(memory_unmap(d->m, MIB2 + 8 * PAGE, PAGE));
	no_memory(d, MIB2 + 8 * PAGE, R, ENOENT);
	assert_int_equal(guest_get(d, MIB2), 1);
	guest_put(d, MIB2 + 9 * PAGE, 3);
	assert_int_equal(get(MEMORY + MIB2 + 9 * PAGE), 3);
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

/* ---- more than can be done at once ---- */

static uint32_t unlocks;
static uint64_t leaves_then;

static void unmap_first(void *cookie)
{
	(void)cookie;
	assert_ok(memory_unmap(dev->m, 1ull << 32, FAKE_GIB));
}

static void on_unlock(const char *name)
{
	if (strstr(name, "nested_lock") == NULL || unlocks == 0)
		return;
	if (--unlocks == 0) {
		fake.on_unlock = NULL;
		leaves_then = dev->m->npt.leaves;
		fake_as(3, unmap_first, NULL);
	}
}

/* A GiB of one small leaf in each table. */
static void make_tables(struct device *d, uint64_t gpa)
{
	uint64_t at;

	assert_ok(dirty_log(d->m, gpa, FAKE_GIB, VMM_DIRTY_ENABLE, 0));
	for (at = 0; at < FAKE_GIB; at += MIB2)
		guest_put(d, gpa + at, 1);
}

/* Asleep only where the host may be, and with an end to every hold. */
static void what_takes_long_is_done_in_parts(void **state)
{
	struct device *d = *state;
	uint64_t *relaxed = fake.relaxed;
	const uint64_t gpa = 1ull << 32;
	uint32_t sleeps;

	fake_giant();
	assert_ok(memory_map(d->m, gpa, FAKE_GIB, FAKE_GIANT, RW));
	for (sleeps = 0; sleeps < 2; sleeps++) {
		make_tables(d, gpa);
		relaxed[0] = relaxed[1] = 0;
		vmm_machine_invalidate_begin(d->m, FAKE_GIANT,
		    FAKE_GIANT + FAKE_GIB, sleeps != 0);
		assert_int_equal(d->m->npt.leaves, 0);
		vmm_machine_invalidate_end(d->m, FAKE_GIANT,
		    FAKE_GIANT + FAKE_GIB);
		assert_true(relaxed[sleeps] >= 3);
		assert_int_equal(relaxed[!sleeps], 0);
	}
}

/* However many of the machine's addresses lead to it. */
static void a_page_that_is_taken_back_costs_one_flush(void **state)
{
	struct device *d = *state;
	const uint64_t gpa = 1ull << 32, n = 100;
	uint64_t i, before;

	for (i = 0; i < n; i++) {
		assert_ok(memory_map(d->m, gpa + i * PAGE, PAGE, PAGE_AT, RW));
		guest_put(d, gpa + i * PAGE, i);
	}
	before = vmm_stats_machine(d->m)->flush_calls;
	fake_page_out(PAGE_AT);
	assert_int_equal(vmm_stats_machine(d->m)->flush_calls, before + 1);
	assert_int_equal(d->m->npt.leaves, 0);
	for (i = 0; i < n; i++)
		guest_put(d, gpa + i * PAGE, i);
	before = vmm_stats_machine(d->m)->flush_calls;
	(void)fake_young(PAGE_AT, PAGE, true);
	assert_true(vmm_stats_machine(d->m)->flush_calls <= before + 1);
}

static uint64_t tables_then;
static void (*others_hook)(uint64_t pa);

static void at_page_free(uint64_t pa)
{
	tables_then = dev->m->npt.tables;
	fake_on_page_free = others_hook;
	if (others_hook != NULL)
		others_hook(pa);
}

static void empty_tables_go_in_parts(void **state)
{
	struct device *d = *state;
	const uint64_t gpa = 1ull << 32, before = d->m->npt.tables;

	dev = d;
	fake_giant();
	assert_ok(memory_map(d->m, gpa, FAKE_GIB, FAKE_GIANT, RW));
	make_tables(d, gpa);
	others_hook = fake_on_page_free;
	fake_on_page_free = at_page_free;
	assert_ok(memory_unmap(d->m, gpa, FAKE_GIB));
	/* The others were there yet when the first was freed. */
	assert_true(tables_then > 400);
	assert_true(d->m->npt.tables <= before);
}

/*
 * While the host takes a range back, in parts, the region that it is at goes.
 * The next one, of the same pages, is not forgotten.
 */
static void a_region_that_goes_while_pages_are_taken_hides_no_other(
    void **state)
{
	struct device *d = *state;

	dev = d;
	fake_giant();
	assert_ok(memory_map(d->m, 1ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	assert_ok(memory_map(d->m, 2ull << 32, FAKE_GIB, FAKE_GIANT, RW));
	make_tables(d, 1ull << 32);
	guest_put(d, (2ull << 32) + 64 * MIB2, 1);
	unlocks = 1;
	fake.on_unlock = on_unlock;
	vmm_machine_invalidate_begin(d->m, FAKE_GIANT, FAKE_GIANT + FAKE_GIB,
	    true);
	fake.on_unlock = NULL;
	assert_int_equal(unlocks, 0);
	assert_true(leaves_then > 0);
	assert_int_equal(d->m->npt.leaves, 0);
	vmm_machine_invalidate_end(d->m, FAKE_GIANT, FAKE_GIANT + FAKE_GIB);
}

/* While memory is unmapped, a guest comes for it: it is not there any more, or
 * it is gone when that is done. */
static void touch_now(void *cookie)
{
	const uint32_t at = fake_script.at;

	(void)cookie;
	fake_touch(PAGE_GPA, W, NULL, 1);
	fake.signal = false;
	assert_ok(vmm_vcpu_run(dev->v));
	fake.signal = false;
	fake_script.n = fake_script.at = at;
}

static void touch_at_unlock(const char *name)
{
	if (strstr(name, "nested_lock") == NULL || unlocks == 0)
		return;
	if (--unlocks == 0) {
		fake.on_unlock = NULL;
		fake_as(1, touch_now, NULL);
	}
}

static void memory_that_is_unmapped_is_not_there_again(void **state)
{
	struct device *d = *state;
	uint32_t n;

	dev = d;
	for (n = 1; n < 12; n++) {
		guest_put(d, PAGE_GPA, n);
		unlocks = n;
		fake.on_unlock = touch_at_unlock;
		assert_ok(memory_unmap(d->m, PAGE_GPA, PAGE));
		fake.on_unlock = NULL;
		assert_int_equal(d->m->npt.leaves, 0);
		no_memory(d, PAGE_GPA, R, ENOENT);
		assert_ok(memory_map(d->m, PAGE_GPA, PAGE, PAGE_AT, RW));
		if (unlocks != 0)
			break;
	}
	assert_true(n >= 4);
}

static void tables_of_memory_that_is_unmapped_are_freed(void **state)
{
	struct device *d = *state;
	uint64_t before, i;

	guest_put(d, 0, 1);
	before = vmm_live.pages;
	for (i = 1; i <= 5; i++) {
		assert_ok(memory_map(d->m, i << 32, PAGE, MEMORY, RW));
		guest_put(d, i << 32, 1);
	}
	assert_true(vmm_live.pages >= before + 10);
	for (i = 1; i <= 5; i++)
		assert_ok(memory_unmap(d->m, i << 32, PAGE));
	/* But for those that a fault has ready. */
	assert_true(vmm_live.pages <= before + 3);
}

/* ---- without a dirty bit ---- */

static int setup_plain(void **state)
{
	struct device *d = device_start();

	vmm_hw_fini();
	fake_vendor.format = &x86_npt_ept_plain;
	fake_vendor.caps &= ~VMM_CAP_HW_DIRTY;
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_table }, 1));
	machine_make(d);
	*state = d;
	return 0;
}

static void without_dirty_bits_a_write_is_a_fault_of_its_own(void **state)
{
	struct device *d = *state;

	put(PAGE_AT, 1);
	fake_clean(PAGE_AT);
	assert_int_equal(guest_get(d, PAGE_GPA), 1);
	assert_int_equal(d->v->stats->fills, 1);
	guest_put(d, PAGE_GPA, 2);
	assert_int_equal(d->v->stats->fills, 2);
	fake_page_out(PAGE_AT);
	assert_int_equal(get(PAGE_AT), 2);
}

/* The right to write stands for the dirty bit: while a processor may remember
 * it, it is not taken from the leaf by the way, here by a fetch. */
static void without_dirty_bits_a_fetch_takes_no_right_to_write(void **state)
{
	struct device *d = *state;

	assert_ok(memory_protect(d->m, DATA_GPA, PAGE, RW));
	assert_ok(dirty_log(d->m, DATA_GPA, PAGE, VMM_DIRTY_ENABLE, 0));
	fake_touch_va(DATA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_ok(memory_protect(d->m, DATA_GPA, PAGE, RWX));
	TOUCH(d, DATA_GPA, X, NULL, 1);
	assert_ok(dirty_log(d->m, DATA_GPA, PAGE, VMM_DIRTY_GET |
	    VMM_DIRTY_CLEAR, BUFFER));
	assert_int_equal(get(BUFFER), 1);
	fake_touch_va(DATA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_ok(dirty_log(d->m, DATA_GPA, PAGE, VMM_DIRTY_GET, BUFFER));
	assert_int_equal(get(BUFFER), 1);
}

#define TEST_PLAIN(f) cmocka_unit_test_setup_teardown(f, setup_plain, \
	device_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_comes_when_it_is_touched),
		TEST(memory_that_is_not_there_is_told),
		TEST(what_the_region_forbids_is_told),
		TEST(what_the_owner_has_not_is_told),
		TEST(what_the_owner_may_not_write_is_told),
		TEST(poisoned_pages_are_told),
		TEST(pages_go_and_come_with_what_they_hold),
		TEST(a_write_by_a_leaf_that_was_there_is_told),
		TEST(writes_are_told_at_the_machines_end),
		TEST(writes_are_told_when_memory_is_unmapped),
		TEST(pages_are_moved),
		TEST(merged_pages_part_when_they_are_written),
		TEST(accessed_bits_are_told_and_forgotten),
		TEST(without_accessed_bits_the_leaf_goes),
		TEST(a_page_that_goes_before_it_is_mapped_is_got_again),
		TEST(a_page_that_ends_before_it_is_mapped_is_told),
		TEST(memory_that_changes_during_a_fault_is_looked_at_again),
		TEST(a_log_that_begins_during_a_fault_has_small_leaves),
		TEST(an_owner_that_ends_during_a_fault_ends_the_run),
		TEST(a_fault_waits_for_an_invalidation_to_end),
		TEST(such_a_fault_is_ended_by_a_kick),
		TEST(invalidations_nest),
		TEST(errors_of_the_owners_memory_are_told),
		TEST(a_signal_ends_a_fault),
		TEST(a_large_page_is_one_leaf),
		TEST(a_large_page_that_lies_otherwise_is_small_leaves),
		TEST(a_region_that_ends_within_has_small_leaves),
		TEST(without_the_capability_leaves_are_small),
		TEST(pages_of_a_gibibyte_are_one_leaf),
		TEST(a_large_page_that_is_split_goes_on_in_small_ones),
		TEST(a_large_page_that_is_split_during_the_fault_is_small),
		TEST(a_large_leaf_replaces_an_empty_table),
		TEST(a_large_leaf_replaces_no_table_that_is_used),
		TEST(a_protected_part_of_a_large_leaf_is_told),
		TEST(an_unmapped_part_of_a_large_leaf_is_gone),
		TEST(two_vcpus_fault_on_one_page),
		TEST(a_table_is_replaced_under_another_vcpu),
		TEST(a_region_that_goes_while_pages_are_taken_hides_no_other),
		TEST(what_takes_long_is_done_in_parts),
		TEST(empty_tables_go_in_parts),
		TEST(a_page_that_is_taken_back_costs_one_flush),
		TEST(memory_that_is_unmapped_is_not_there_again),
		TEST(tables_of_memory_that_is_unmapped_are_freed),
		TEST_PLAIN(without_dirty_bits_a_write_is_a_fault_of_its_own),
		TEST_PLAIN(without_dirty_bits_a_fetch_takes_no_right_to_write),
	};

	return RUN(tests);
}
