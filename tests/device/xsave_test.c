// SPDX-License-Identifier: BSD-2-Clause
/*
 * Contexts: extended state that is one guest's and never another's or the
 * host's; GET and SET of it, whole and in part; numbers; what runs is busy.
 */
#include "device.h"

#define BOTH(f)	TEST(f), TEST_SVM(f)

/* Components of the fake processor: x87, SSE, AVX. */
#define XMM0	160u
#define YMMH0	576u
#define BV	512u

static uint8_t area[FAKE_XSAVE];

static int get(struct device *d, uint32_t context, uint32_t size)
{
	struct vmm_xsave a = { .buf = BUFFER, .size = size,
	    .context = context };
	int error = vmm_machine_ioctl(d->m, VMM_XSAVE_GET, &a);

	memset(area, 0xee, sizeof(area));
	if (error == 0)
		assert_true(fake_read(BUFFER, area, size));
	return error;
}

static int set(struct device *d, uint32_t context, uint32_t size)
{
	struct vmm_xsave a = { .buf = BUFFER, .size = size,
	    .context = context };

	assert_true(fake_write(BUFFER, area, size));
	return vmm_machine_ioctl(d->m, VMM_XSAVE_SET, &a);
}

static uint64_t bv(void)
{
	uint64_t v;

	memcpy(&v, area + BV, 8);
	return v;
}

/* Enter once, let the guest do that, and out again. */
static void run_with(struct device *d, void (*change)(struct vmm_regs *regs,
    struct vmm_state *s))
{
	fake.signal = false;
	fake_change(change);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
}

static void check_fresh(struct vmm_regs *regs, struct vmm_state *s)
{
	const uint8_t *ext = fake_cpu()->ext;
	uint32_t i;

	(void)regs;
	(void)s;
	assert_int_equal(ext[0] | ext[1] << 8, 0x37f);
	assert_int_equal(ext[24] | ext[25] << 8, 0x1f80);
	for (i = XMM0; i < 416; i++)
		assert_int_equal(ext[i], 0);
	for (i = YMMH0; i < FAKE_XSAVE; i++)
		assert_int_equal(ext[i], 0);
}

static void fill_registers(struct vmm_regs *regs, struct vmm_state *s)
{
	uint8_t *ext = fake_cpu()->ext;

	(void)regs;
	(void)s;
	memset(ext + XMM0, 0x77, 256);
	memset(ext + YMMH0, 0x88, 256);
	memset(ext + 32, 0x66, 128);
	ext[25] = 0x3f;
}

static void check_filled(struct vmm_regs *regs, struct vmm_state *s)
{
	const uint8_t *ext = fake_cpu()->ext;

	(void)regs;
	(void)s;
	assert_int_equal(ext[XMM0 + 255], 0x77);
	assert_int_equal(ext[YMMH0 + 255], 0x88);
	assert_int_equal(ext[32], 0x66);
	assert_int_equal(ext[25], 0x3f);
}

static void a_context_begins_as_after_reset(void **state)
{
	struct device *d = *state;

	run_with(d, check_fresh);
	assert_ok(get(d, d->context, FAKE_XSAVE));
	assert_int_equal(area[0] | area[1] << 8, 0x37f);
}

static void a_context_keeps_its_state(void **state)
{
	struct device *d = *state;

	run_with(d, fill_registers);
	run_with(d, check_filled);
	fake_migrate(2);
	run_with(d, check_filled);
	fake_migrate(0);
	assert_ok(get(d, d->context, FAKE_XSAVE));
	assert_int_equal(area[XMM0], 0x77);
	assert_int_equal(area[YMMH0], 0x88);
	assert_int_equal(bv() & 7, 7);
}

static void contexts_see_nothing_of_each_other(void **state)
{
	struct device *d = *state;
	uint32_t other;

	assert_ok(context_create(d->m, &other));
	run_with(d, fill_registers);
	d->page->context = other;
	d->page->commit = VMM_SET_CONTEXT;
	run_with(d, check_fresh);
	d->page->context = d->context;
	d->page->commit = VMM_SET_CONTEXT;
	run_with(d, check_filled);
}

/* One that takes the place of another, too. */
static void a_new_context_sees_nothing_of_an_old_one(void **state)
{
	struct device *d = *state;
	struct vmm_policy p = { .context = d->context };
	const uint32_t number = d->context;

	p.vector[VMM_X86_BP] = VMM_POLICY_COUNT;
	assert_ok(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &p));
	run_with(d, fill_registers);
	assert_ok(context_destroy(d->m, d->context));
	/* Without one it does not run. */
	fake.signal = false;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	assert_int_equal(d->exit->detail, VMM_FIELD_CONTEXT);
	assert_ok(context_create(d->m, &d->context));
	assert_int_equal(d->context, number);
	run_with(d, check_fresh);
	assert_int_equal(d->v->context->counted, 0);
}

static void what_is_set_is_what_the_guest_has(void **state)
{
	struct device *d = *state;

	memset(area, 0, sizeof(area));
	memset(area + XMM0, 0x77, 256);
	memset(area + YMMH0, 0x88, 256);
	memset(area + 32, 0x66, 128);
	area[25] = 0x3f;
	area[BV] = 7;
	assert_ok(set(d, d->context, FAKE_XSAVE));
	run_with(d, check_filled);
}

/* Components that do not fit stay as they are. */
static void a_part_is_set_and_the_rest_stays(void **state)
{
	struct device *d = *state;

	run_with(d, fill_registers);
	assert_ok(get(d, d->context, 576));
	assert_int_equal(bv(), 3);
	memset(area + XMM0, 0x55, 256);
	assert_ok(set(d, d->context, 576));
	assert_ok(get(d, d->context, FAKE_XSAVE));
	assert_int_equal(area[XMM0], 0x55);
	assert_int_equal(area[YMMH0], 0x88);
	assert_int_equal(bv(), 7);
	/* Half of a component is none. */
	memset(area + YMMH0, 0x44, 256);
	assert_ok(set(d, d->context, FAKE_XSAVE - 1));
	assert_ok(get(d, d->context, FAKE_XSAVE));
	assert_int_equal(area[YMMH0], 0x88);
}

static void what_the_header_leaves_out_is_as_after_reset(void **state)
{
	struct device *d = *state;

	run_with(d, fill_registers);
	assert_ok(get(d, d->context, FAKE_XSAVE));
	area[BV] = 0;
	area[25] = 0x1f;
	assert_ok(set(d, d->context, FAKE_XSAVE));
	run_with(d, check_fresh);
}

static void get_tells_nothing_beyond_its_size(void **state)
{
	struct device *d = *state;
	uint8_t guard[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, after[8];

	assert_true(fake_write(BUFFER + 576, guard, 8));
	assert_ok(get(d, d->context, 576));
	assert_true(fake_read(BUFFER + 576, after, 8));
	assert_memory_equal(guard, after, 8);
}

/* ---- numbers ---- */

static void numbers_are_the_lowest_that_are_free(void **state)
{
	struct device *d = *state;
	uint32_t n[600], i;

	for (i = 1; i < 600; i++) {
		assert_ok(context_create(d->m, &n[i]));
		assert_int_equal(n[i], i);
	}
	assert_int_equal(vmm_live.contexts, 600);
	assert_ok(context_destroy(d->m, 300));
	assert_ok(context_destroy(d->m, 17));
	assert_ok(context_create(d->m, &n[0]));
	assert_int_equal(n[0], 17);
	assert_ok(context_create(d->m, &n[0]));
	assert_int_equal(n[0], 300);
	assert_ok(context_create(d->m, &n[0]));
	assert_int_equal(n[0], 600);
	for (i = 600; i-- > 1;)
		assert_ok(context_destroy(d->m, i));
	assert_int_equal(vmm_live.contexts, 2);
}

static void there_are_so_many_contexts(void **state)
{
	struct device *d = *state;
	struct vmm_context a = { 0 };
	uint32_t i, n;

	for (i = 1; i < VMM_MAX_CONTEXTS; i++)
		assert_ok(context_create(d->m, &n));
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CONTEXT_CREATE, &a),
	    ENOSPC);
	assert_ok(context_destroy(d->m, 40000));
	assert_ok(context_create(d->m, &n));
	assert_int_equal(n, 40000);
	assert_int_equal(vmm_live.contexts, VMM_MAX_CONTEXTS);
}

/* A run looks at a free number at the very moment when it is to be taken. */
static void a_number_that_somebody_looks_at_is_left_for_later(void **state)
{
	struct device *d = *state;
	struct vmm_context_state *const places = d->m->contexts[0];
	uint32_t n, i;

	assert_int_equal(d->context, 0);
	places[1].busy = VMM_RUNS;
	assert_ok(context_create(d->m, &n));
	assert_int_equal(n, 2);
	places[1].busy = VMM_REST;
	assert_ok(context_create(d->m, &n));
	assert_int_equal(n, 1);
	/* At all that are left: more are made. */
	for (i = 3; i < VMM_CONTEXT_CHUNK; i++)
		places[i].busy = VMM_RUNS;
	assert_ok(context_create(d->m, &n));
	assert_int_equal(n, VMM_CONTEXT_CHUNK);
	for (i = 3; i < VMM_CONTEXT_CHUNK; i++)
		places[i].busy = VMM_REST;
	assert_ok(context_create(d->m, &n));
	assert_int_equal(n, 3);
	assert_int_equal(vmm_live.contexts, 5);
	assert_int_equal(d->m->ncontexts, 5);
}

/* An SVM host that uses more than contexts have, as AMX is. */
static int setup_wide(void **state)
{
	struct device *d = device_start_svm();
	uint32_t i;

	vmm_hw_fini();
	for (i = 0; i < FAKE_CPUS; i++)
		fake_hw.cpu[i].xcr0 = FAKE_XCR0 | 3ull << 17;
	fake_cpuid_set(0xd, 18, 8192, 2752, 0, 0);
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){ &vmm_svm },
	    1));
	machine_make(d);
	*state = d;
	return 0;
}

/* Nor can guests use what is not switched for them: the model of a processor
 * looks at XCR0 when one is entered. */
static void other_state_is_out_of_reach(void **state)
{
	struct device *d = *state;

	fake.signal = false;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(fake_cpu()->xcr0, FAKE_XCR0 | 3ull << 17);
	assert_int_equal(vmm_hw.xcr0, FAKE_XCR0);
}

/* Both ways, where the processor does not do it. */
static void pointers_of_x87_are_nobodys(void **state)
{
	struct device *d = *state;
	uint64_t before = fake_hw.x87_forgets;

	assert_true(vmm_hw.x87_leaks);
	fake.signal = false;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(fake_hw.x87_forgets, before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_context_begins_as_after_reset),
		BOTH(a_context_keeps_its_state),
		BOTH(contexts_see_nothing_of_each_other),
		BOTH(a_new_context_sees_nothing_of_an_old_one),
		BOTH(what_is_set_is_what_the_guest_has),
		BOTH(a_part_is_set_and_the_rest_stays),
		BOTH(what_the_header_leaves_out_is_as_after_reset),
		TEST(get_tells_nothing_beyond_its_size),
		TEST(numbers_are_the_lowest_that_are_free),
		TEST(there_are_so_many_contexts),
		TEST(a_number_that_somebody_looks_at_is_left_for_later),
		{ "other_state_is_out_of_reach", other_state_is_out_of_reach,
		    setup_wide, device_teardown, NULL },
		TEST_SVM(pointers_of_x87_are_nobodys),
	};

	return RUN(tests);
}
