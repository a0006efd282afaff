// SPDX-License-Identifier: BSD-2-Clause
/* The counter page against its definition file, and the sums over slots. */
#include "unit.h"
#include "counters.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name, *column;
	uint32_t unit, flags;
} defined[] = {
#define EVENTS VMMCTL_COUNTERS_EVENTS
#define TICKS VMMCTL_COUNTERS_TICKS
#define PAGES VMMCTL_COUNTERS_PAGES
#define SUMMARY VMMCTL_COUNTERS_F_SUMMARY
#define PERCENT VMMCTL_COUNTERS_F_PERCENT
#define COUNTER(f, n, u, c, fl, h) { n, c, u, fl },
#define EXIT(f, k, n, c, fl, h) { n, c, EVENTS, \
	(fl) | VMMCTL_COUNTERS_F_EXIT },
#include "../../sys/dev/vmm/vmm_counters.def"
};
#define NDEFINED (sizeof(defined) / sizeof(defined[0]))

static const struct vmmctl_counters_header *page(struct unit *u)
{
	int fd = vmmctl_machine_counters(u->m);
	struct stat st;
	void *p;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static const struct vmmctl_counters_desc *desc(
    const struct vmmctl_counters_header *h, uint32_t i)
{
	return (const void *)((const uint8_t *)h + h->desc_offset +
	    i * h->desc_size);
}

static void header(void **state)
{
	struct unit *u = *state;
	const struct vmmctl_counters_header *h = page(u);

	assert_int_equal(h->magic, VMMCTL_COUNTERS_MAGIC);
	assert_int_equal(h->version, VMMCTL_COUNTERS_VERSION);
	assert_int_equal(h->ready, 1);
	assert_int_equal(h->header_size, sizeof(*h));
	assert_int_equal(h->slot_count, FAKE_VCPUS + 1);
	assert_int_equal(h->slots_used, 2);
	assert_int_equal(h->pid, getpid());
	assert_int_equal(h->uid, geteuid());
	assert_string_equal(h->backend, "kvm");
	assert_true(h->created_mono_ns != 0 && h->created_ticks != 0);
	assert_int_equal(h->ended_ticks, 0);
	assert_true(h->desc_offset + h->desc_count * h->desc_size <=
	    h->slot_offset);
	assert_true(h->slot_offset + (uint64_t)h->slot_count * h->slot_size <=
	    h->total_size);
	assert_true((h->slot_offset | h->slot_size) % 8 == 0);
	munmap((void *)(uintptr_t)h, h->total_size);
}

static void descriptors(void **state)
{
	struct unit *u = *state;
	const struct vmmctl_counters_header *h = page(u);
	uint8_t seen[4096] = { 0 };
	uint32_t found = 0, groups[32][2] = { { 0 } };

	assert_true(h->slot_size <= sizeof(seen));
	for (uint32_t i = 0; i < h->desc_count; i++) {
		const struct vmmctl_counters_desc *d = desc(h, i);

		assert_non_null(memchr(d->name, 0, sizeof(d->name)));
		assert_non_null(memchr(d->column, 0, sizeof(d->column)));
		assert_non_null(memchr(d->help, 0, sizeof(d->help)));
		assert_true(d->name[0] != '\0' && d->help[0] != '\0');
		assert_true(d->count != 0 && d->offset % 8 == 0 &&
		    d->offset + 8 * d->count <= h->slot_size);
		assert_int_equal(d->count, d->type == VMMCTL_COUNTERS_LOG2 ?
		    VMMCTL_COUNTERS_BUCKETS : 1);
		/* No two counters share a byte. */
		for (uint32_t k = 0; k < 8 * d->count; k++)
			assert_int_equal(seen[d->offset + k]++, 0);
		if (d->group != 0) {
			assert_true(d->group <= VMMCTL_EXIT_FAILED);
			groups[d->group][d->type ==
			    VMMCTL_COUNTERS_LOG2]++;
		}
		for (size_t k = 0; k < NDEFINED; k++)
			if (strcmp(defined[k].name, d->name) == 0) {
				found++;
				assert_string_equal(defined[k].column,
				    d->column);
				assert_int_equal(defined[k].unit, d->unit);
				assert_int_equal(defined[k].flags, d->flags);
			}
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(d->name, desc(h, k)->name);
	}
	assert_int_equal(found, NDEFINED);
	for (uint32_t g = 1; g <= VMMCTL_EXIT_FAILED; g++) {
		assert_int_equal(groups[g][0], 2);
		assert_int_equal(groups[g][1], 1);
	}
	munmap((void *)(uintptr_t)h, h->total_size);
}

/* machine_counter is the sum over slots and buckets, for each of them. */
static void sums(void **state)
{
	struct unit *u = *state;
	const struct vmmctl_counters_header *h = page(u);
	struct vmmctl_vcpu *v2;
	uint64_t n;

	assert_ok(vmmctl_vcpu_create(u->m, &v2));
	assert_int_equal(h->slots_used, 3);
	for (uint32_t i = 0; i < h->desc_count; i++) {
		const struct vmmctl_counters_desc *d = desc(h, i);
		uint64_t want = 0;

		for (uint32_t s = 0; s < 3; s++)
			for (uint32_t k = 0; k < d->count; k++) {
				uint64_t *p = (uint64_t *)(void *)((uint8_t *)
				    u->m->counters->page + h->slot_offset +
				    s * h->slot_size + d->offset) + k;

				*p = (i + 1) * 1000 + s * 100 + k;
				want += *p;
			}
		assert_ok(vmmctl_machine_counter(u->m, d->name, &n));
		assert_int_equal(n, want);
	}
	assert_fails(u->v, vmmctl_machine_counter(u->m, "exit.none", &n),
	    -ENOENT, "exit.none");
	assert_fails(u->v, vmmctl_machine_counter(u->m, "", &n), -ENOENT,
	    "\"\"");
	munmap((void *)(uintptr_t)h, h->total_size);
}

static void histogram(void **state)
{
	struct unit *u = *state;
	struct counter_slot *s = counters_slot(u->m, 1);
	const struct { uint64_t t; unsigned bucket; } t[] = {
		{ 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 1 }, { 4, 2 },
		{ (1ull << 20) - 1, 19 }, { 1ull << 20, 20 },
		{ 1ull << 39, 39 }, { 1ull << 40, 39 }, { UINT64_MAX, 39 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t before = s->exit[1].hist[t[i].bucket];

		counters_exit_time(&s->exit[1], t[i].t);
		assert_int_equal(s->exit[1].hist[t[i].bucket], before + 1);
	}
}

/* Who runs what is counted where it happens. */
static void runs(void **state)
{
	struct unit *u = *state;
	struct vmmctl_vcpu *v2;
	const struct { const char *name; uint64_t n; } want[] = {
		{ "runs", 5 }, { "entries", 5 }, { "exits", 5 },
		{ "exit.syscall", 5 }, { "exit.syscall.hist", 3 },
		{ "exits.handled", 0 }, { "space.create", 1 },
		{ "space.map", 4 }, { "space.map.pages", 7 },
		{ "space.unmap", 1 }, { "space.unmap.pages", 2 },
		{ "space.protect", 1 }, { "space.protect.pages", 1 },
		{ "space.switches", 2 }, { "space.destroy", 0 },
	};

	assert_ok(vmmctl_vcpu_create(u->m, &v2));
	for (int i = 0; i < 5; i++)
		assert_ok(vmmctl_vcpu_run(i < 2 ? u->cpu : v2, u->c, &u->e));
	assert_ok(vmmctl_space_unmap(u->s, DATA, 2 * PAGE));
	assert_ok(vmmctl_space_protect(u->s, DATA + 2 * PAGE, PAGE, 0));
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		uint64_t n;

		assert_ok(vmmctl_machine_counter(u->m, want[i].name, &n));
		if (n != want[i].n)
			fail_msg("%s is %llu", want[i].name,
			    (unsigned long long)n);
	}
}

/* A page that somebody has kept says that the machine has ended. */
static void after_the_end(void **state)
{
	struct unit *u = *state;
	struct vmmctl_machine_config config = { .size = sizeof(config),
	    .name = "short-lived", .max_vcpus = 2 };
	const struct vmmctl_counters_header *h;
	struct vmmctl_machine *m, *old = u->m;

	assert_ok(vmmctl_machine_create(u->v, &config, &m));
	u->m = m;
	h = page(u);
	u->m = old;
	assert_string_equal(h->name, "short-lived");
	assert_int_equal(h->slot_count, 3);
	vmmctl_machine_destroy(m);
	assert_true(h->ended_mono_ns >= h->created_mono_ns);
	assert_true(h->ended_ticks > h->created_ticks);
	munmap((void *)(uintptr_t)h, h->total_size);
}

/* Whoever gets the descriptor cannot spoil the page. */
static void readers_cannot_write(void **state)
{
	struct unit *u = *state;
	int fd = vmmctl_machine_counters(u->m);
	void *p;

	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_equal(p, MAP_FAILED);
	assert_true(pwrite(fd, "x", 1, 0) < 0);
	assert_true(ftruncate(fd, 0) < 0);
}

int main(void)
{
	const struct CMUnitTest counters[] = {
		TEST(header),
		TEST(descriptors),
		TEST(sums),
		TEST(histogram),
		TEST(runs),
		TEST(after_the_end),
		TEST(readers_cannot_write),
	};

	return RUN(counters);
}
