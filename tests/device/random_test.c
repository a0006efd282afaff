// SPDX-License-Identifier: BSD-2-Clause
/*
 * A machine beside a model of it, by random operations: the owner maps, limits
 * and logs memory, the host pages out, moves, merges and splits pages, two
 * guests read and write on any processor, and all that at any moment of a
 * fault or of a run.  Every value, every refusal and every dirty bit is as the
 * model has it.
 */
#include "device.h"

#define N		1024u		/* pages, guest-physical and owner's */
#define BASE		0x40000000ull	/* guest-physical */
#define NONE		~0u

struct gpage {
	uint32_t at;		/* the owner's page; NONE */
	uint32_t prot;
	bool logging, dirty;
};
struct upage {
	uint64_t value;
	bool mapped, writable, poisoned;
};

static struct {
	struct device *d;
	struct vmm_vcpu *v[2];
	struct gpage g[N];
	struct upage u[N];
	uint64_t seed, stamp;
	bool hardware_dirty;
	uint32_t runs, faults, meanwhile;
} t;

static uint32_t any(uint32_t below)
{
	return (uint32_t)next_random(&t.seed, below);
}

static uint64_t uaddr(uint32_t page)
{
	return MEMORY + page * PAGE;
}

static uint64_t gpa(uint32_t page)
{
	return BASE + page * PAGE;
}

/* A run of pages, mostly short, at times across all. */
static void any_run(uint32_t *first, uint32_t *n)
{
	*first = any(4) == 0 ? any(2) * 512 : any(N);
	*n = any(8) == 0 ? 512 : 1 + any(24);
	if (*n > N - *first)
		*n = N - *first;
}

/* ---- what the host does: nobody can tell ---- */

static void host_does(void *cookie)
{
	const uint32_t page = any(N);

	(void)cookie;
	if (!t.u[page].mapped)
		return;
	switch (any(6)) {
	case 0:
		fake_page_out(uaddr(page));
		break;
	case 1:
		fake_move(uaddr(page));
		break;
	case 2:
		if (!t.u[page].poisoned)
			fake_ksm(uaddr(page));
		break;
	case 3:
		fake_clean(uaddr(page));
		break;
	case 4:
		(void)fake_young(uaddr(page), (1 + any(20)) * PAGE,
		    any(2) != 0);
		break;
	default:
		fake_page_out(uaddr(page & ~511u));
		break;
	}
}

static void at_get(uint64_t at, bool got)
{
	(void)at;
	(void)got;
	if (any(6) == 0) {
		t.meanwhile++;
		fake_as(3, host_does, NULL);
	}
}

static void host_changes(void)
{
	const uint32_t page = any(N);
	uint32_t i;

	switch (any(8)) {
	case 0:			/* a large page, of zeros */
		fake_huge(uaddr(page & ~511u));
		for (i = page & ~511u; i < (page & ~511u) + 512; i++)
			t.u[i] = (struct upage){ .mapped = true,
			    .writable = true };
		break;
	case 1:
		fake_unmap(uaddr(page), PAGE);
		t.u[page] = (struct upage){ 0 };
		break;
	case 2:
		if (!t.u[page].mapped) {
			fake_map(uaddr(page), PAGE);
			t.u[page] = (struct upage){ .mapped = true,
			    .writable = true };
		}
		break;
	case 3:
		if (t.u[page].mapped && !t.u[page].poisoned) {
			t.u[page].writable = any(2) != 0;
			fake_protect(uaddr(page), PAGE, t.u[page].writable);
		}
		break;
	case 4:
		if (t.u[page].mapped && any(8) == 0) {
			fake_poison(uaddr(page));
			t.u[page].poisoned = true;
		}
		break;
	default:
		host_does(NULL);
		break;
	}
}

/* ---- what the owner does ---- */

static void owner_touches(void)
{
	const uint32_t page = any(N);
	struct upage *u = &t.u[page];
	uint64_t value = ++t.stamp;
	bool done;

	if (any(2) == 0) {
		done = fake_write(uaddr(page), &value, 8);
		assert_int_equal(done, u->mapped && u->writable &&
		    !u->poisoned);
		if (done)
			u->value = value;
	} else {
		done = fake_read(uaddr(page), &value, 8);
		assert_int_equal(done, u->mapped && !u->poisoned);
		if (done)
			assert_int_equal(value, u->value);
	}
}

static void owner_maps(void)
{
	uint32_t first, n, at, i;
	int want = 0, got;
	const uint32_t prot = R | any(4) << 1;

	any_run(&first, &n);
	at = any(3) == 0 ? first & ~511u : any(N);
	if (any(2) == 0)
		at = first;
	if (n > N - at)
		n = N - at;
	for (i = 0; i < n; i++) {
		if (t.g[first + i].at != NONE)
			want = EEXIST;
	}
	got = memory_map(t.d->m, gpa(first), n * PAGE, uaddr(at), prot);
	assert_int_equal(got, want);
	for (i = 0; got == 0 && i < n; i++)
		t.g[first + i] = (struct gpage){ .at = at + i,
		    .prot = prot };
}

static bool backed(uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n; i++) {
		if (t.g[i].at == NONE)
			return false;
	}
	return true;
}

static void owner_unmaps(void)
{
	uint32_t first, n, i;
	int got;

	any_run(&first, &n);
	got = memory_unmap(t.d->m, gpa(first), n * PAGE);
	assert_int_equal(got, backed(first, n) ? 0 : ENOENT);
	for (i = first; got == 0 && i < first + n; i++)
		t.g[i] = (struct gpage){ .at = NONE };
}

static void owner_protects(void)
{
	const uint32_t prot = R | any(4) << 1;
	uint32_t first, n, i;
	int got;

	any_run(&first, &n);
	got = memory_protect(t.d->m, gpa(first), n * PAGE, prot);
	assert_int_equal(got, backed(first, n) ? 0 : ENOENT);
	for (i = first; got == 0 && i < first + n; i++)
		t.g[i].prot = prot;
}

/* Of one region or of two that meet. */
static void owner_logs(void)
{
	const struct vmm_machine *m = t.d->m;
	uint32_t i, k, n, op;
	uint64_t from, size, bits[N / 64];
	bool logging = true;

	if (m->nregions == 0)
		return;
	i = any(m->nregions);
	from = m->regions[i]->gpa;
	size = m->regions[i]->size;
	if (any(2) == 0 && i + 1 < m->nregions &&
	    m->regions[i + 1]->gpa == from + size)
		size += m->regions[i + 1]->size;
	i = (uint32_t)((from - BASE) / PAGE);
	n = (uint32_t)(size / PAGE);
	for (k = i; k < i + n; k++)
		logging &= t.g[k].logging;
	op = any(5);
	if (op == 0) {
		assert_ok(dirty_log(t.d->m, from, size, VMM_DIRTY_ENABLE, 0));
		for (k = i; k < i + n; k++) {
			t.g[k].logging = true;
			t.g[k].dirty = false;
		}
		return;
	}
	if (op == 1 && any(3) == 0) {
		assert_ok(dirty_log(t.d->m, from, size, VMM_DIRTY_DISABLE,
		    0));
		for (k = i; k < i + n; k++)
			t.g[k].logging = t.g[k].dirty = false;
		return;
	}
	op = VMM_DIRTY_GET | (any(2) == 0 ? VMM_DIRTY_CLEAR : 0);
	if (any(16) == 0 && logging) {
		/* What could not be told is told the next time. */
		assert_int_equal(dirty_log(t.d->m, from, size, op, 0x1000),
		    EFAULT);
		return;
	}
	assert_int_equal(dirty_log(t.d->m, from, size, op, BUFFER),
	    logging ? 0 : ENOENT);
	if (!logging)
		return;
	assert_true(fake_read(BUFFER, bits, (n + 63) / 64 * 8));
	for (k = 0; k < n; k++) {
		if ((bits[k / 64] >> k % 64 & 1) != t.g[i + k].dirty)
			fail_msg("page %u is %sdirty", i + k,
			    t.g[i + k].dirty ? "" : "not ");
		if ((op & VMM_DIRTY_CLEAR) != 0)
			t.g[i + k].dirty = false;
	}
	for (; k % 64 != 0; k++)
		assert_int_equal(bits[k / 64] >> k % 64 & 1, 0);
}

/* ---- what a guest does ---- */

static void in_between(void *cookie)
{
	(void)cookie;
	t.meanwhile++;
	switch (any(3)) {
	case 0:
		owner_logs();
		break;
	default:
		host_does(NULL);
		break;
	}
}

static uint32_t expected(const struct gpage *g, uint32_t access)
{
	const struct upage *u;

	if (g->at == NONE)
		return ENOENT;
	if ((g->prot & access) == 0)
		return EACCES;
	u = &t.u[g->at];
	if (!u->mapped)
		return EFAULT;
	if (u->poisoned)
		return EHWPOISON;
	return access == W && !u->writable ? EFAULT : 0;
}

static void guest_touches(void)
{
	static const uint32_t accesses[] = { R, W, W, X };
	struct vmm_vcpu *v = t.v[any(2)];
	const uint32_t page = any(N), access = accesses[any(4)];
	struct gpage *g = &t.g[page];
	const uint32_t want = expected(g, access);
	uint64_t value = ++t.stamp;

	fake_migrate(any(3));
	if (any(3) == 0)
		fake_call(in_between, NULL);
	fake_touch(gpa(page), access, access == X ? NULL : &value, 8);
	fake.signal = false;
	if (t.d->svm && any(8) == 0)
		v->page->commit = VMM_SET_SPACE;
	assert_ok(vmm_vcpu_run(v));
	t.runs++;
	if (want != 0) {
		assert_int_equal(v->page->exit.kind, VMM_EXIT_MEMORY);
		assert_int_equal(v->page->exit.detail, want);
		assert_int_equal(v->page->exit.gpa, gpa(page));
		fake_script.at = fake_script.n;
		t.faults++;
		return;
	}
	assert_int_equal(v->page->exit.kind, VMM_EXIT_INTERRUPTED);
	assert_true(fake_script_done());
	if (access == R) {
		assert_int_equal(value, t.u[g->at].value);
	} else if (access == W) {
		t.u[g->at].value = value;
		g->dirty = g->logging;
	}
}

/* Write first, then what happens, all in one run. */
static void guest_is_disturbed(void)
{
	struct vmm_vcpu *v = t.v[any(2)];
	uint64_t value[4], stamp[4];
	uint32_t page[4], i;

	fake.signal = false;
	for (i = 0; i < 4; i++) {
		do {
			page[i] = any(N);
		} while (expected(&t.g[page[i]], W) == EFAULT);
		if (expected(&t.g[page[i]], W) != 0)
			break;
		value[i] = stamp[i] = ++t.stamp;
		fake_touch(gpa(page[i]), W, &value[i], 8);
		t.u[t.g[page[i]].at].value = stamp[i];
		if (any(2) == 0)
			fake_call(host_does, NULL);
	}
	assert_ok(vmm_vcpu_run(v));
	assert_int_equal(v->page->exit.kind, VMM_EXIT_INTERRUPTED);
	assert_true(fake_script_done());
	while (i-- > 0)
		t.g[page[i]].dirty = t.g[page[i]].logging;
}

static void leaves_are_those_of_the_model(void)
{
	struct x86_npt_leaf l;
	uint32_t i;

	for (i = 0; i < N; i++) {
		if (!x86_npt_find(&t.d->m->npt, gpa(i), &l))
			continue;
		if (t.g[i].at == NONE)
			fail_msg("page %u has a leaf and no memory", i);
		assert_int_equal(l.prot & ~t.g[i].prot, 0);
		if (!t.u[t.g[i].at].writable)
			assert_int_equal(l.prot & W, 0);
		if (t.g[i].logging)
			assert_int_equal(l.level, 1);
	}
}

static void play(struct device *d, uint64_t seed, uint32_t steps)
{
	uint32_t i, context;

	memset(&t, 0, sizeof(t));
	t.d = d;
	t.seed = seed;
	t.v[0] = d->v;
	assert_ok(context_create(d->m, &context));
	assert_ok(vcpu_create(d->m, 1, &t.v[1]));
	vcpu_prepare(t.v[1], context);
	/* The guests' page table is elsewhere; it is not used. */
	assert_ok(memory_unmap(d->m, 0, MEMORY_SIZE));
	for (i = 0; i < N; i++) {
		t.g[i].at = NONE;
		t.u[i].mapped = t.u[i].writable = true;
		assert_true(fake_write(uaddr(i), &t.u[i].value, 8));
	}
	fake.on_get = at_get;
	for (i = 0; i < steps; i++) {
		switch (any(16)) {
		case 0:
			owner_maps();
			break;
		case 1:
			if (any(2) == 0)
				owner_unmaps();
			break;
		case 2:
			if (any(2) == 0)
				owner_protects();
			break;
		case 3:
			owner_logs();
			break;
		case 4:
			if (any(3) == 0)
				host_changes();
			break;
		case 5:
			host_does(NULL);
			break;
		case 6:
		case 7:
			owner_touches();
			break;
		case 8:
			guest_is_disturbed();
			break;
		default:
			guest_touches();
			break;
		}
		if (i % 128 == 0)
			leaves_are_those_of_the_model();
	}
	fake.on_get = NULL;
	fake_migrate(0);
	assert_true(t.runs > steps / 4 && t.faults > steps / 50 &&
	    t.meanwhile > steps / 50);
	vmm_vcpu_destroy(t.v[1]);
	machine_end(d);
	/* All that was written is the owner's, wherever it was. */
	for (i = 0; i < N; i++) {
		uint64_t value;

		fake_page_out(uaddr(i));
		if (fake_read(uaddr(i), &value, 8))
			assert_int_equal(value, t.u[i].value);
	}
}

#define STEPS	12000u

static void plain_vendor(const struct x86_npt_format *f, uint64_t seed)
{
	struct device *d = device_start();

	vmm_hw_fini();
	fake_vendor.format = f;
	if (f->dirty == 0)
		fake_vendor.caps &= ~VMM_CAP_HW_DIRTY;
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_table }, 1));
	machine_make(d);
	play(d, seed, STEPS);
	device_end();
}

static void a_machine_is_as_its_model_with_nested_paging(void **state)
{
	(void)state;
	plain_vendor(&x86_npt_svm, 11);
	plain_vendor(&x86_npt_svm, 12);
}

static void a_machine_is_as_its_model_with_ept(void **state)
{
	(void)state;
	plain_vendor(&x86_npt_ept, 13);
}

static void a_machine_is_as_its_model_without_dirty_bits(void **state)
{
	(void)state;
	plain_vendor(&x86_npt_ept_plain, 14);
	plain_vendor(&x86_npt_ept_plain, 15);
}

static void on_svm(bool rich, uint64_t seed)
{
	void *s;

	fake_reset();
	assert_ok(device_setup_svm(&s));
	if (rich) {
		machine_end(s);
		vmm_hw_fini();
		fake_hw_rich();
		assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
		    &vmm_svm }, 1));
		machine_make(s);
	}
	play(s, seed, STEPS);
	device_end();
}

static void a_machine_is_as_its_model_on_a_plain_svm(void **state)
{
	(void)state;
	on_svm(false, 16);
}

static void a_machine_is_as_its_model_on_a_rich_svm(void **state)
{
	(void)state;
	on_svm(true, 17);
}

static void a_machine_is_as_its_model_on_vmx(void **state)
{
	void *s;

	(void)state;
	fake_reset();
	assert_ok(device_setup_vmx(&s));
	play(s, 18, STEPS);
	device_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_is_as_its_model_with_nested_paging),
		cmocka_unit_test(a_machine_is_as_its_model_with_ept),
		cmocka_unit_test(a_machine_is_as_its_model_without_dirty_bits),
		cmocka_unit_test(a_machine_is_as_its_model_on_a_plain_svm),
		cmocka_unit_test(a_machine_is_as_its_model_on_a_rich_svm),
		cmocka_unit_test(a_machine_is_as_its_model_on_vmx),
	};

	return RUN(tests);
}
