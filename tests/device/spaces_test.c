// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many spaces on a few vCPUs and processors, beside a model: a guest sees the
 * mappings of the space that it runs in, as they are now where a flush was
 * asked for; what may be kept is kept.
 */
#include "device.h"
#include "svm_impl.h"

#define SPACES	9u		/* more than a vCPU remembers */
#define SLOTS	4u		/* pages of each, from DATA on */
#define FRAMES	64u		/* guest-physical pages to be mapped */
#define TABLES	0x100000ull	/* 4 pages for each space */
#define FRAME	0x200000ull
#define VALUE(n) (0xabc000ull + (n))

static struct {
	struct device *d;
	struct vmm_vcpu *v[2];
	uint32_t space[2];		/* that each is in */
	uint32_t map[SPACES][SLOTS];	/* frame; FRAMES: none */
	bool flush[2][SPACES];		/* is to come with the next entry */
	uint64_t seed;
	uint64_t kept;
} t;

static uint32_t any(uint32_t below)
{
	return (uint32_t)next_random(&t.seed, below);
}

static uint64_t root(uint32_t space)
{
	return TABLES + space * 4 * PAGE;
}

static void put(uint64_t gpa, uint64_t value)
{
	assert_true(fake_write(MEMORY + gpa, &value, 8));
}

static void make_tables(void)
{
	uint32_t i;

	for (i = 0; i < SPACES; i++) {
		put(root(i), (root(i) + PAGE) | 7);
		put(root(i) + PAGE, (root(i) + 2 * PAGE) | 7);
		put(root(i) + 2 * PAGE + DATA / MIB2 * 8,
		    (root(i) + 3 * PAGE) | 7);
	}
	for (i = 0; i < FRAMES; i++)
		put(FRAME + i * PAGE, VALUE(i));
}

/* Less than before, or more. */
static void remap(void)
{
	const uint32_t s = any(SPACES), slot = any(SLOTS);
	const uint32_t frame = any(FRAMES + 8);
	uint32_t *m = &t.map[s][slot];

	if (*m != FRAMES)
		t.flush[0][s] = t.flush[1][s] = true;
	*m = frame < FRAMES ? frame : FRAMES;
	put(root(s) + 3 * PAGE + (DATA / PAGE % 512 + slot) * 8,
	    *m == FRAMES ? 0 : (FRAME + *m * PAGE) | 7);
}

static void choose(uint32_t who)
{
	struct vmm_vcpu_page *p = t.v[who]->page;
	const uint32_t s = any(2) == 0 ? t.space[who] : any(SPACES);
	bool *flush = &t.flush[who][s];

	if (s == t.space[who] && !*flush && any(4) != 0)
		return;			/* not a word */
	p->cr3 = root(s);
	if (s == t.space[who] && *flush && any(2) == 0) {
		p->commit |= VMM_SET_FLUSH;
	} else {
		p->commit |= VMM_SET_SPACE;
		if (*flush) {
			if (any(2) == 0)
				p->commit |= VMM_SET_FLUSH | VMM_SET_KEEP;
		} else if (any(4) != 0) {
			p->commit |= VMM_SET_KEEP;
			t.kept++;
		}
	}
	*flush = false;
	t.space[who] = s;
}

static void take_page(void *cookie)
{
	(void)cookie;
	fake_page_out(MEMORY + FRAME + any(FRAMES) * PAGE);
}

static void take_table(void *cookie)
{
	(void)cookie;
	fake_page_out(MEMORY + TABLES + any(4 * SPACES) * PAGE);
}

static void touch(void)
{
	const uint32_t who = any(2), slot = any(SLOTS);
	struct vmm_vcpu *v = t.v[who];
	uint64_t got[2] = { 0, 0 };
	uint32_t frame;

	choose(who);
	frame = t.map[t.space[who]][slot];
	fake_migrate(any(3));
	fake.signal = false;
	fake_touch_va(DATA + slot * PAGE, R, &got[0], 8);
	if (any(4) == 0)
		fake_call(any(2) == 0 ? take_page : take_table, NULL);
	if (frame != FRAMES)
		fake_touch_va(DATA + slot * PAGE, R, &got[1], 8);
	assert_ok(vmm_vcpu_run(v));
	if (frame == FRAMES) {
		assert_int_equal(v->page->exit.kind, VMM_EXIT_EXCEPTION);
		assert_int_equal(v->page->exit.vector, VMM_X86_PF);
		fake_script.at = fake_script.n;
		return;
	}
	assert_int_equal(v->page->exit.kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(got[0], VALUE(frame));
	assert_int_equal(got[1], VALUE(frame));
}

/* An entry that the processor refuses: nothing that was asked of it is done. */
static void refuse(void)
{
	struct vmm_vcpu *v = t.v[any(2)];
	struct vmm_raw raw = { .op = VMM_RAW_WRITE, .width = 8,
	    .field = offsetof(struct svm_vmcb, dr6), .value = 1ull << 40 };

	if (!t.d->svm)
		return;
	fake_migrate(any(3));
	v->page->commit |= VMM_SET_FLUSH;
	assert_ok(vmm_vcpu_ioctl(v, VMM_RAW, &raw));
	fake.signal = false;
	assert_ok(vmm_vcpu_run(v));
	assert_int_equal(v->page->exit.kind, VMM_EXIT_FAILED);
	raw.value = SVM_DR6_NOTHING;
	assert_ok(vmm_vcpu_ioctl(v, VMM_RAW, &raw));
}

static void disturb(void)
{
	switch (any(6)) {
	case 5:
		refuse();
		break;
	case 0:
		fake_migrate(3);
		fake_cpu_offline(any(3));
		break;
	case 1:
		fake_migrate(3);
		assert_true(fake_cpu_online(0) && fake_cpu_online(1) &&
		    fake_cpu_online(2));
		break;
	case 2:
		take_table(NULL);
		break;
	default:
		take_page(NULL);
		break;
	}
	while (!fake.online[0] || !fake.online[1] || !fake.online[2])
		assert_true(fake_cpu_online(0) && fake_cpu_online(1) &&
		    fake_cpu_online(2));
}

static void play(struct device *d, uint64_t seed)
{
	uint32_t i, k, context;

	memset(&t, 0, sizeof(t));
	t.d = d;
	t.seed = seed;
	t.v[0] = d->v;
	assert_ok(context_create(d->m, &context));
	assert_ok(vcpu_create(d->m, 1, &t.v[1]));
	vcpu_prepare(t.v[1], context);
	for (i = 0; i < SPACES; i++) {
		for (k = 0; k < SLOTS; k++)
			t.map[i][k] = FRAMES;
	}
	make_tables();
	for (i = 0; i < 2; i++) {
		t.v[i]->page->cr3 = root(0);
		t.v[i]->page->commit |= VMM_SET_SPACE;
	}
	for (i = 0; i < 20000; i++) {
		switch (any(10)) {
		case 0:
		case 1:
			remap();
			break;
		case 2:
			if (any(4) == 0)
				disturb();
			break;
		default:
			touch();
			break;
		}
	}
	assert_true(t.kept > 1000);
	fake_migrate(0);
	vmm_vcpu_destroy(t.v[1]);
}

static void spaces_are_as_a_model_has_them(void **state)
{
	play(*state, 5);
}

static void spaces_are_as_a_model_has_them_on_a_plain_svm(void **state)
{
	struct device *d = *state;

	play(d, 6);
	/* 16 ASIDs: their generations have changed often. */
	assert_true(fake_vmrun.flush_all > 100);
	assert_int_equal(fake_vmrun.flush_asid, 0);
	assert_int_equal(fake_vmrun.max_asid, 15);
}

static int setup_rich(void **state)
{
	struct device *d = device_start_svm();

	vmm_hw_fini();
	fake_hw_rich();
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){ &vmm_svm },
	    1));
	machine_make(d);
	*state = d;
	return 0;
}

static void spaces_are_as_a_model_has_them_on_a_rich_svm(void **state)
{
	struct device *d = *state;

	play(d, 7);
	assert_true(fake_vmrun.flush_asid > 100);
}

/* A space that is come back to costs no flush. */
static void a_space_that_is_kept_keeps_its_translations(void **state)
{
	struct device *d = *state;
	uint64_t asid, flushes, got;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		put(TABLES + i * 4 * PAGE, (TABLES + i * 4 * PAGE + PAGE) | 7);
	}
	TOUCH(d, DATA_GPA, R, &got, 8);
	asid = fake_vmrun.last_asid;
	flushes = fake_vmrun.flush_all + fake_vmrun.flush_asid;
	d->page->cr3 = TABLES;
	d->page->commit = VMM_SET_SPACE | VMM_SET_KEEP;
	TOUCH(d, DATA_GPA, R, &got, 8);
	assert_int_not_equal(fake_vmrun.last_asid, asid);
	d->page->cr3 = ROOT_GPA;
	d->page->commit = VMM_SET_SPACE | VMM_SET_KEEP;
	TOUCH(d, DATA_GPA, R, &got, 8);
	assert_int_equal(fake_vmrun.last_asid, asid);
	assert_int_equal(fake_vmrun.flush_all + fake_vmrun.flush_asid,
	    flushes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(spaces_are_as_a_model_has_them),
		TEST_SVM(spaces_are_as_a_model_has_them_on_a_plain_svm),
		cmocka_unit_test_setup_teardown(
		    spaces_are_as_a_model_has_them_on_a_rich_svm, setup_rich,
		    device_teardown),
		TEST_SVM(a_space_that_is_kept_keeps_its_translations),
	};

	return RUN(tests);
}
