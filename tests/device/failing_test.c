// SPDX-License-Identifier: BSD-2-Clause
/*
 * The Nth allocation fails, for every N until none is left to fail: ENOMEM,
 * nothing is left over, nothing has changed, and the next time it works.
 */
#include "device.h"

/* What is to be tried; 0 or an errno. */
struct attempt {
	const char *what;
	/* Brings what it needs; called once, before the first try. */
	void (*before)(struct device *d);
	int (*try)(struct device *d);
	/* Undoes a try that succeeded. */
	void (*undo)(struct device *d);
	uint32_t at_least;	/* so many allocations are there */
};

static struct vmm_vcpu *vcpu;
static struct vmm_machine *second;
static struct vmm_stats_file *stats;
static uint32_t context;

/* What may not change by a failure. */
struct sum {
	struct vmm_live live;
	uint64_t allocs;
	uint64_t memory, gets;
	uint32_t nregions, ncontexts, cpuid_count, owners;
	uint64_t regions;
	bool logging;
};

static struct sum sum_up(const struct device *d)
{
	struct sum s;
	uint32_t i;

	memset(&s, 0, sizeof(s));
	s.live = vmm_live;
	s.allocs = fake.live_allocs;
	s.gets = fake.gets - fake.puts;
	s.owners = fake_bound();
	if (d->m == NULL)
		return s;
	s.memory = d->m->memory;
	s.nregions = d->m->nregions;
	s.ncontexts = d->m->ncontexts;
	s.cpuid_count = d->m->cpuid_count;
	for (i = 0; i < d->m->nregions; i++) {
		const struct vmm_region *r = d->m->regions[i];

		s.regions = s.regions * 31 + r->gpa + r->size * 3 + r->uaddr *
		    5 + r->prot * 7;
		s.logging |= r->dirty != NULL;
	}
	return s;
}

/* Tables and the like that are kept for next time are no leak. */
static void same(const char *what, uint64_t n, const struct sum *a,
    const struct sum *b)
{
	if (memcmp(&a->live.machines, &b->live.machines,
	    offsetof(struct vmm_live, pages)) != 0)
		fail_msg("%s, allocation %llu: something lives", what,
		    (unsigned long long)n);
	if (memcmp(&a->memory, &b->memory, sizeof(*a) -
	    offsetof(struct sum, memory)) != 0)
		fail_msg("%s, allocation %llu: something has changed", what,
		    (unsigned long long)n);
}

static void fail_each(struct device *d, const struct attempt *t)
{
	uint64_t n, left = 0;
	int error;

	if (t->before != NULL)
		t->before(d);
	for (n = 1;; n++) {
		const struct sum before = sum_up(d);
		struct sum after;

		assert_true(n < 1000);
		fake.failed = false;
		fake.fail_at = n;
		error = t->try(d);
		fake.fail_at = 0;
		if (!fake.failed)
			break;
		if (error != ENOMEM)
			fail_msg("%s, allocation %llu: %d", t->what,
			    (unsigned long long)n, error);
		after = sum_up(d);
		same(t->what, n, &before, &after);
		/* What is kept, is kept once. */
		left += after.allocs - before.allocs;
		if (left > 8)
			fail_msg("%s, allocation %llu: %llu are left",
			    t->what, (unsigned long long)n,
			    (unsigned long long)left);
	}
	assert_int_equal(error, 0);
	if (n <= t->at_least)
		fail_msg("%s: %llu allocations only", t->what,
		    (unsigned long long)n - 1);
	if (t->undo != NULL)
		t->undo(d);
}

/* ---- loading ---- */

static void loading_fails_whole(const struct vmm_vendor *vendor)
{
	const struct vmm_vendor *const one[] = { vendor };
	uint64_t n;
	int error = ENOMEM;

	for (n = 1; error != 0; n++) {
		fake_reset();
		fake_script_reset();
		fake_on_bug = fail_by_bug;
		fake.fail_at = n;
		error = vmm_hw_init(one, 1);
		assert_true(error == (fake.failed ? ENOMEM : 0));
		fake.fail_at = 0;
		if (error != 0) {
			struct vmm_info a = { .size = sizeof(a) };

			assert_ok(vmm_device_ioctl(VMM_INFO, &a));
			assert_int_equal(a.usable, 0);
			assert_true(a.why[0] != '\0');
		}
		vmm_hw_fini();
		fake_check_idle();
	}
	assert_true(n > 4);
}

static void loading_fails_whole_or_not_at_all(void **state)
{
	(void)state;
	loading_fails_whole(&fake_vendor_table);
	loading_fails_whole(&vmm_svm);
}

/* ---- making ---- */

static int try_machine(struct device *d)
{
	(void)d;
	return machine_create(&second);
}

static void end_machine(struct device *d)
{
	(void)d;
	vmm_machine_put(second);
}

static int try_vcpu(struct device *d)
{
	return vcpu_create(d->m, 7, &vcpu);
}

static void end_vcpu(struct device *d)
{
	(void)d;
	vmm_vcpu_destroy(vcpu);
}

static int try_context(struct device *d)
{
	return context_create(d->m, &context);
}

/* The next one needs a larger table. */
static void fill_contexts(struct device *d)
{
	uint32_t i, number;

	for (i = 1; i < VMM_CONTEXT_CHUNK; i++)
		assert_ok(context_create(d->m, &number));
}

static int try_stats(struct device *d)
{
	const struct vmm_stats a = { .id = d->m->id };

	return vmm_stats_open(&a, &stats);
}

static void end_stats(struct device *d)
{
	(void)d;
	vmm_stats_close(stats);
}

static int try_list(struct device *d)
{
	struct vmm_list a = { .entries = BUFFER, .capacity = 4 };

	(void)d;
	return vmm_device_ioctl(VMM_LIST, &a);
}

static int try_cpuid(struct device *d)
{
	struct vmm_cpuid a = { .entries = BUFFER, .count = 5 };

	return vmm_machine_ioctl(d->m, VMM_CPUID_SET, &a);
}

static int try_xsave_get(struct device *d)
{
	struct vmm_xsave a = { .buf = BUFFER, .size = FAKE_XSAVE,
	    .context = d->context };

	return vmm_machine_ioctl(d->m, VMM_XSAVE_GET, &a);
}

static void have_xsave(struct device *d)
{
	assert_ok(try_xsave_get(d));
}

static int try_xsave_set(struct device *d)
{
	struct vmm_xsave a = { .buf = BUFFER, .size = FAKE_XSAVE,
	    .context = d->context };

	return vmm_machine_ioctl(d->m, VMM_XSAVE_SET, &a);
}

/* ---- memory ---- */

static int try_map(struct device *d)
{
	return memory_map(d->m, 0x40000000, MIB2, MEMORY, RW);
}

static void end_map(struct device *d)
{
	assert_ok(memory_unmap(d->m, 0x40000000, MIB2));
}

/* The next one needs a larger array. */
static void fill_regions(struct device *d)
{
	uint64_t i;

	for (i = 1; i < 8; i++)
		assert_ok(memory_map(d->m, 0x80000000 + i * MIB2, PAGE,
		    MEMORY, RW));
}

static int try_unmap_middle(struct device *d)
{
	return memory_unmap(d->m, MIB2 + PAGE, PAGE);
}

static int try_protect_middle(struct device *d)
{
	return memory_protect(d->m, MIB2 + 5 * PAGE, 3 * PAGE, R);
}

static void with_log(struct device *d)
{
	assert_ok(dirty_log(d->m, 0, MEMORY_SIZE, VMM_DIRTY_ENABLE, 0));
}

static void with_log_and_many_regions(struct device *d)
{
	with_log(d);
	fill_regions(d);
}

static int try_log(struct device *d)
{
	return dirty_log(d->m, 0, MEMORY_SIZE, VMM_DIRTY_ENABLE, 0);
}

/* Over several regions: all or none. */
static void cut_in_three(struct device *d)
{
	assert_ok(memory_protect(d->m, MIB2, MIB2, R));
	assert_int_equal(d->m->nregions, 3);
}

static int try_log_get(struct device *d)
{
	return dirty_log(d->m, 0, MEMORY_SIZE, VMM_DIRTY_GET |
	    VMM_DIRTY_CLEAR, BUFFER);
}

/* ---- running ---- */

static int try_fault(struct device *d)
{
	int error;

	fake.signal = false;
	fake_script_reset();
	memset(fake_vendor.on, true, sizeof(fake_vendor.on));
	d->v->pending |= VMM_LOAD_CPU | VMM_LOAD_SPACE;
	fake_touch(3 * MIB2 + 0x5000, W, NULL, 1);
	error = vmm_vcpu_run(d->v);
	if (error != 0)
		assert_int_equal(d->exit->kind, VMM_EXIT_NONE);
	else
		assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	return error;
}

static void end_fault(struct device *d)
{
	(void)d;
	fake_vendor.vcpu_finis = fake_vendor.cpu_finis = 0;
}

static const struct attempt attempts[] = {
	{ "a machine", NULL, try_machine, end_machine, 5 },
	{ "a vCPU", NULL, try_vcpu, end_vcpu, 3 },
	{ "a context", NULL, try_context, NULL, 1 },
	{ "a context more", fill_contexts, try_context, NULL, 2 },
	{ "counters", NULL, try_stats, end_stats, 1 },
	{ "a list", NULL, try_list, NULL, 1 },
	{ "CPUID", NULL, try_cpuid, NULL, 1 },
	{ "CPUID again", NULL, try_cpuid, NULL, 1 },
	{ "getting XSAVE", NULL, try_xsave_get, NULL, 1 },
	{ "setting XSAVE", have_xsave, try_xsave_set, NULL, 1 },
	{ "mapping", NULL, try_map, end_map, 1 },
	{ "mapping more", fill_regions, try_map, end_map, 2 },
	{ "unmapping the middle", NULL, try_unmap_middle, NULL, 1 },
	{ "protecting the middle", NULL, try_protect_middle, NULL, 2 },
	{ "unmapping of many", fill_regions, try_unmap_middle, NULL, 2 },
	{ "protecting of many", fill_regions, try_protect_middle, NULL, 3 },
	{ "unmapping with a log", with_log, try_unmap_middle, NULL, 2 },
	{ "protecting with a log", with_log, try_protect_middle, NULL, 2 },
	{ "protecting with a log of many", with_log_and_many_regions,
	  try_protect_middle, NULL, 3 },
	{ "a log", NULL, try_log, NULL, 2 },
	{ "a log again", with_log, try_log, NULL, 2 },
	{ "a log of many", cut_in_three, try_log, NULL, 4 },
	{ "asking the log", with_log, try_log_get, NULL, 1 },
	{ "a fault", NULL, try_fault, end_fault, 2 },
};

static void making_fails_whole_or_not_at_all(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		struct device *d;
		void *s;

		assert_ok(device_setup(&s));
		d = s;
		fail_each(d, &attempts[i]);
		machine_end(d);
		assert_int_equal(vmm_live.pages, 0);
		vmm_hw_fini();
		fake_check_idle();
	}
}

static void a_machine_on_svm_fails_whole_or_not_at_all(void **state)
{
	static const struct attempt t[] = {
		{ "a machine", NULL, try_machine, end_machine, 5 },
		{ "a vCPU", NULL, try_vcpu, end_vcpu, 3 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		void *s;

		/* With a fifth level of tables, and without. */
		assert_ok(device_setup_svm(&s));
		if (i >= 2)
			fake_hw.cpu[0].cr4 |= VMM_X86_CR4_LA57;
		fail_each(s, &t[i % 2]);
		assert_ok(device_teardown(&s));
	}
}

/* The first machine turns the processors on: that is undone, too. */
static void the_first_machine_fails_whole(void **state)
{
	static const struct attempt t = { "the first machine", NULL,
	    try_machine, end_machine, 5 };
	struct device *d = *state;

	fail_each(d, &t);
	assert_int_equal(fake_vendor.ons, fake_vendor.offs);
}

/* Guest runs on after ENOMEM as if nothing had been. */
static void a_run_that_failed_is_run_again(void **state)
{
	struct device *d = *state;
	uint8_t got = 0, want = 0x5a;

	assert_true(fake_write(MEMORY + DATA_GPA, &want, 1));
	fake_touch(DATA_GPA, R, &got, 1);
	fake.fail_at = 1;
	assert_int_equal(vmm_vcpu_run(d->v), ENOMEM);
	assert_int_equal(d->exit->kind, VMM_EXIT_NONE);
	assert_int_equal(d->page->commit, 0);
	assert_int_equal(d->page->regs.rip, CODE);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(got, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loading_fails_whole_or_not_at_all),
		cmocka_unit_test(making_fails_whole_or_not_at_all),
		cmocka_unit_test(a_machine_on_svm_fails_whole_or_not_at_all),
		TEST_BARE(the_first_machine_fails_whole),
		TEST(a_run_that_failed_is_run_again),
	};

	return RUN(tests);
}
