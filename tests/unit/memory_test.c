// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ranges of guest-physical memory: what is refused, what splits, and that
 * the backend is told of exactly the ranges that there are.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT	0x10000000ull
#define RW	VMMCTL_PROT_RW
#define R	VMMCTL_PROT_READ

static void map_refuses(void **state)
{
	struct unit *u = *state;
	struct vmmctl *v = u->v;
	int fd = unit_memfd(16 * PAGE), ro, p[2];
	char path[64];

	assert_fails(v, vmmctl_memory_map(u->m, AT + 1, PAGE, fd, 0, RW),
	    -EINVAL, "multiples of 4096");
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE + 8, fd, 0, RW),
	    -EINVAL, "multiples of 4096");
	assert_fails(v, vmmctl_memory_map(u->m, AT, 0, fd, 0, RW),
	    -EINVAL, "length");
	assert_fails(v, vmmctl_memory_map(u->m, FAKE_GPA_LIMIT, PAGE, fd, 0,
	    RW), -EINVAL, "gpa_limit");
	assert_fails(v, vmmctl_memory_map(u->m, FAKE_GPA_LIMIT - PAGE,
	    2 * PAGE, fd, 0, RW), -EINVAL, "gpa_limit");
	assert_fails(v, vmmctl_memory_map(u->m, 0ull - PAGE, 2 * PAGE, fd, 0,
	    RW), -EINVAL, "gpa_limit");
	assert_fails(v, vmmctl_memory_map(u->m, PAGE, 0ull - PAGE, fd, 0, RW),
	    -EINVAL, "gpa_limit");
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, fd, 0, RW | 8),
	    -EINVAL, "prot");
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, fd, 0,
	    VMMCTL_PROT_WRITE), -EINVAL, "prot");
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, fd, 0, 0), -EINVAL,
	    "prot");
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, fd, 1, RW), -EINVAL,
	    "offset");
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, fd,
	    INT64_MAX - PAGE + 1, RW), -EINVAL, "offset");
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, -1, 0, RW), -EBADF,
	    "descriptor -1");
	assert_int_equal(pipe(p), 0);
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, p[0], 0, R),
	    -EINVAL, "memfd");
	close(p[0]);
	close(p[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	assert_fails(v, vmmctl_memory_map(u->m, AT, PAGE, ro, 0, RW), -EACCES,
	    "writing");
	/* What is valid, to know that each was refused for one reason. */
	assert_ok(vmmctl_memory_map(u->m, AT, PAGE, fd, 0, RW));
	assert_ok(vmmctl_memory_map(u->m, AT + PAGE, PAGE, ro, 0, R));
	assert_ok(vmmctl_memory_map(u->m, FAKE_GPA_LIMIT - PAGE, PAGE, fd, 0,
	    RW));
	close(ro);
	close(fd);
}

static void map_host_refuses(void **state)
{
	struct unit *u = *state;
	uint8_t *host = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_fails(u->v, vmmctl_memory_map_host(u->m, AT, PAGE, host + 1,
	    RW), -EINVAL, "host address");
	assert_fails(u->v, vmmctl_memory_map_host(u->m, AT, PAGE, NULL, RW),
	    -EINVAL, "host address");
	assert_fails(u->v, vmmctl_memory_map_host(u->m, AT, 0, host, RW),
	    -EINVAL, "length");
	assert_fails(u->v, vmmctl_memory_map_host(u->m, AT, PAGE, host, 16),
	    -EINVAL, "prot");
	assert_ok(vmmctl_memory_map_host(u->m, AT, 4 * PAGE, host, RW));
	host[5] = 0x5a;
	{
		uint8_t b = 0;

		assert_int_equal(vmmctl_memory_read(u->m, AT + 5, &b, 1), 1);
		assert_int_equal(b, 0x5a);
	}
	assert_ok(vmmctl_memory_unmap(u->m, AT, 4 * PAGE));
	munmap(host, 4 * PAGE);
}

static void overlaps(void **state)
{
	struct unit *u = *state;
	const struct { uint64_t gpa, len; } bad[] = {
		{ AT, 4 * PAGE }, { AT - PAGE, 2 * PAGE },
		{ AT + 3 * PAGE, 2 * PAGE }, { AT + PAGE, PAGE },
		{ AT - PAGE, 6 * PAGE }, { AT, PAGE }, { AT + 3 * PAGE, PAGE },
	};

	assert_ok(vmmctl_memory_map(u->m, AT, 4 * PAGE, u->fd, 0, RW));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(u->v, vmmctl_memory_map(u->m, bad[i].gpa,
		    bad[i].len, u->fd, 0, RW), -EINVAL, "overlaps");
	assert_ok(vmmctl_memory_map(u->m, AT - PAGE, PAGE, u->fd, 0, RW));
	assert_ok(vmmctl_memory_map(u->m, AT + 4 * PAGE, PAGE, u->fd, 0, RW));
}

static void max_memory(void **state)
{
	struct unit *u = *state;
	struct vmmctl_machine_config config = { .size = sizeof(config),
	    .max_memory = 4 * PAGE };
	struct vmmctl_machine *m;

	assert_ok(vmmctl_machine_create(u->v, &config, &m));
	assert_fails(u->v, vmmctl_memory_map(m, AT, 5 * PAGE, u->fd, 0, RW),
	    -ENOMEM, "max_memory");
	assert_ok(vmmctl_memory_map(m, AT, 3 * PAGE, u->fd, 0, RW));
	assert_fails(u->v, vmmctl_memory_map(m, 0, 2 * PAGE, u->fd, 0, RW),
	    -ENOMEM, "max_memory");
	assert_ok(vmmctl_memory_map(m, 0, PAGE, u->fd, 0, RW));
	assert_ok(vmmctl_memory_unmap(m, AT + PAGE, PAGE));
	assert_ok(vmmctl_memory_map(m, AT + PAGE, PAGE, u->fd, 0, RW));
	vmmctl_machine_destroy(m);
}

static void unmap_and_protect_refuse(void **state)
{
	struct unit *u = *state;
	char path[64];
	int ro;

	assert_ok(vmmctl_memory_map(u->m, AT, 2 * PAGE, u->fd, 0, RW));
	assert_ok(vmmctl_memory_map(u->m, AT + 3 * PAGE, PAGE, u->fd, 0, RW));
	assert_fails(u->v, vmmctl_memory_unmap(u->m, AT, 4 * PAGE), -ENOENT,
	    "0x10002000");
	assert_fails(u->v, vmmctl_memory_protect(u->m, AT, 4 * PAGE, R),
	    -ENOENT, "0x10002000");
	assert_fails(u->v, vmmctl_memory_unmap(u->m, AT - PAGE, 2 * PAGE),
	    -ENOENT, "0xffff000");
	assert_fails(u->v, vmmctl_memory_unmap(u->m, AT + 8, PAGE), -EINVAL,
	    "multiples");
	assert_fails(u->v, vmmctl_memory_unmap(u->m, AT, 0), -EINVAL,
	    "length");
	assert_fails(u->v, vmmctl_memory_unmap(u->m, AT, FAKE_GPA_LIMIT),
	    -EINVAL, "gpa_limit");
	assert_fails(u->v, vmmctl_memory_protect(u->m, AT, PAGE, 0), -EINVAL,
	    "prot");
	assert_fails(u->v, vmmctl_memory_protect(u->m, AT, PAGE, 9), -EINVAL,
	    "prot");
	assert_int_equal(u->m->nmem, 3);
	assert_int_equal(u->m->memory_size, MEM_LEN + 3 * PAGE);
	/* More than the descriptor was opened for. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", u->fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_ok(vmmctl_memory_map(u->m, AT + 2 * PAGE, PAGE, ro, 0, R));
	assert_fails(u->v, vmmctl_memory_protect(u->m, AT, 4 * PAGE, RW),
	    -EACCES, "0x10002000");
	assert_ok(vmmctl_memory_protect(u->m, AT, 4 * PAGE,
	    VMMCTL_PROT_RX));
	close(ro);
}

/* The owner's copies: through borders of ranges, up to the first hole. */
static void copies(void **state)
{
	struct unit *u = *state;
	uint8_t out[3 * PAGE], in[3 * PAGE];
	char path[64];
	int ro;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + 1);
	assert_ok(vmmctl_memory_map(u->m, AT, PAGE, u->fd, 0, R));
	assert_ok(vmmctl_memory_map(u->m, AT + PAGE, PAGE, u->fd, 8 * PAGE,
	    RW));
	/* prot does not apply: this is the owner. */
	assert_int_equal(vmmctl_memory_write(u->m, AT + 100, out, 3 * PAGE),
	    2 * PAGE - 100);
	assert_int_equal(vmmctl_memory_read(u->m, AT + 100, in, 3 * PAGE),
	    2 * PAGE - 100);
	assert_memory_equal(in, out, 2 * PAGE - 100);
	assert_memory_equal(u->mem + 100, out, PAGE - 100);
	assert_memory_equal(u->mem + 8 * PAGE, out + PAGE - 100, PAGE);
	assert_fails(u->v, vmmctl_memory_read(u->m, AT + 2 * PAGE, in, 1),
	    -EFAULT, "0x10002000");
	assert_fails(u->v, vmmctl_memory_read(u->m, UINT64_MAX, in, 1),
	    -EFAULT, "0xffffffffffffffff");
	assert_fails(u->v, vmmctl_memory_read(u->m, AT, in, SIZE_MAX),
	    -EINVAL, "length");
	assert_int_equal(vmmctl_memory_read(u->m, AT, in, 0), 0);
	/* A descriptor that is not open for writing. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", u->fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_ok(vmmctl_memory_map(u->m, AT + 2 * PAGE, PAGE, ro, 0, R));
	close(ro);
	assert_int_equal(vmmctl_memory_read(u->m, AT + 2 * PAGE, in, 4), 4);
	assert_fails(u->v, vmmctl_memory_write(u->m, AT + 2 * PAGE, out, 4),
	    -EFAULT, "writable");
}

static void sealed_memory(void **state)
{
	struct unit *u = *state;
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_ok(vmmctl_memory_map(u->m, AT, PAGE, fd, 0, R));
	assert_fails(u->v, vmmctl_memory_write(u->m, AT, "x", 1), -EFAULT,
	    "writable");
	assert_fails(u->v, vmmctl_memory_map(u->m, AT + PAGE, PAGE, fd, 0,
	    RW), -ENOMEM, "mapped");
	close(fd);
}

/* ---- against a model --------------------------------------------------- */

#define PAGES	64u

struct page {
	uint32_t prot;		/* 0: none */
	uint64_t offset;
};

static struct page model[PAGES];

static void compare(struct unit *u)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t gpa = AT + i * PAGE;
		const struct memory *r = memory_find(u->m, gpa);

		assert_int_equal(r != NULL, model[i].prot != 0);
		if (r == NULL)
			continue;
		size += PAGE;
		assert_int_equal(r->prot, model[i].prot);
		assert_int_equal(r->b->offset + r->start + (gpa - r->gpa),
		    model[i].offset);
		assert_int_equal(*(uint32_t *)(void *)memory_hva(r, gpa),
		    model[i].offset / PAGE);
	}
	assert_int_equal(u->m->memory_size, MEM_LEN + size);
	for (uint32_t i = 1; i < u->m->nmem; i++)
		assert_true(u->m->mem[i - 1].gpa + u->m->mem[i - 1].len <=
		    u->m->mem[i].gpa);
	/* What the backend knows. */
	assert_int_equal(fake.nranges, u->m->nmem);
	assert_int_equal(fake.bad_ranges, 0);
	for (uint32_t i = 0; i < u->m->nmem; i++) {
		const struct memory *r = &u->m->mem[i];
		unsigned k = 0;

		while (k < fake.nranges && fake.ranges[k].gpa != r->gpa)
			k++;
		assert_true(k < fake.nranges);
		assert_int_equal(fake.ranges[k].len, r->len);
		assert_int_equal(fake.ranges[k].prot, r->prot);
	}
}

static bool all(unsigned first, unsigned n, bool mapped)
{
	for (unsigned i = first; i < first + n; i++)
		if ((model[i].prot != 0) != mapped)
			return false;
	return true;
}

static void step(struct unit *u, uint64_t *seed)
{
	unsigned first = (unsigned)unit_random(seed, PAGES);
	unsigned n = 1 + (unsigned)unit_random(seed, PAGES - first);
	uint32_t prot = R | (uint32_t)unit_random(seed, 8);
	uint64_t gpa = AT + first * PAGE, len = n * PAGE, off;

	switch (unit_random(seed, 3)) {
	case 0:
		n = n > 12 ? 12 : n;
		len = n * PAGE;
		off = PAGE * unit_random(seed, 1000);
		if (!all(first, n, false)) {
			assert_fails(u->v, vmmctl_memory_map(u->m, gpa, len,
			    u->fd, off, prot), -EINVAL, "overlaps");
			return;
		}
		assert_ok(vmmctl_memory_map(u->m, gpa, len, u->fd, off, prot));
		for (unsigned i = 0; i < n; i++)
			model[first + i] = (struct page){ prot,
			    off + i * PAGE };
		return;
	case 1:
		if (!all(first, n, true)) {
			assert_fails(u->v, vmmctl_memory_unmap(u->m, gpa, len),
			    -ENOENT, "no memory at");
			return;
		}
		assert_ok(vmmctl_memory_unmap(u->m, gpa, len));
		memset(&model[first], 0, n * sizeof(model[0]));
		return;
	default:
		if (!all(first, n, true)) {
			assert_fails(u->v, vmmctl_memory_protect(u->m, gpa,
			    len, prot), -ENOENT, "no memory at");
			return;
		}
		assert_ok(vmmctl_memory_protect(u->m, gpa, len, prot));
		for (unsigned i = 0; i < n; i++)
			model[first + i].prot = prot;
	}
}

static void random_sequence(void **state)
{
	struct unit *u = *state;
	uint64_t seed = 20251123;

	for (uint32_t i = 0; i < MEM_LEN / PAGE; i++)
		memcpy(u->mem + i * PAGE, &i, sizeof(i));
	memset(model, 0, sizeof(model));
	for (int i = 0; i < 4000; i++) {
		step(u, &seed);
		compare(u);
	}
}

/* A page table's hardware bits follow the memory. */
static void spaces_follow(void **state)
{
	struct unit *u = *state;
	struct vmmctl_walk w;
	uint8_t b;

	assert_ok(vmmctl_space_walk(u->s, DATA, &w));
	assert_int_equal(w.memory, 1);
	fake.nchanges = 0;
	assert_ok(vmmctl_memory_unmap(u->m, DATA_GPA, PAGE));
	assert_int_equal(fake.nchanges, 1);
	assert_int_equal(fake.changes[0].gva, DATA);
	assert_int_equal(fake.changes[0].change, CHANGE_RESTRICT);
	assert_ok(vmmctl_space_walk(u->s, DATA, &w));
	assert_int_equal(w.memory, 0);
	assert_int_equal(w.prot, RW);
	assert_int_equal(vmmctl_space_copyin(u->s, DATA, &b, 1, NULL),
	    -EFAULT);
	assert_int_equal(vmmctl_space_copyin(u->s, DATA + PAGE, &b, 1, NULL),
	    1);
	/* Read-only memory limits a writable mapping. */
	assert_ok(vmmctl_memory_protect(u->m, DATA_GPA + PAGE, PAGE, R));
	assert_int_equal(vmmctl_space_copyin(u->s, DATA + PAGE, &b, 1, NULL),
	    1);
	assert_int_equal(vmmctl_space_copyout(u->s, DATA + PAGE, &b, 1, NULL),
	    -EFAULT);
	assert_ok(vmmctl_memory_protect(u->m, DATA_GPA + PAGE, PAGE, RW));
	assert_int_equal(vmmctl_space_copyout(u->s, DATA + PAGE, &b, 1, NULL),
	    1);
}

static void a_backend_refuses(void **state)
{
	struct unit *u = *state;

	fake.memory_error = -ENOSPC;
	assert_fails(u->v, vmmctl_memory_map(u->m, AT, PAGE, u->fd, 0, RW),
	    -ENOSPC, "made to fail");
	fake.memory_error = 0;
	assert_int_equal(u->m->memory_size, MEM_LEN);
	assert_ok(vmmctl_memory_map(u->m, AT, PAGE, u->fd, 0, RW));
}

static void fail_additions(uint32_t from, uint32_t to)
{
	fake.memory_adds = 0;
	fake.memory_fail_from = from;
	fake.memory_fail_to = to;
}

/* Three ranges of four pages of which changes are to cut the middle. */
static void three_ranges(struct unit *u)
{
	for (uint32_t i = 0; i < MEM_LEN / PAGE; i++)
		memcpy(u->mem + i * PAGE, &i, sizeof(i));
	memset(model, 0, sizeof(model));
	for (unsigned r = 0; r < 3; r++) {
		uint64_t off = (r * 10 + 1) * PAGE;

		assert_ok(vmmctl_memory_map(u->m, AT + 4 * r * PAGE, 4 * PAGE,
		    u->fd, off, RW));
		for (unsigned i = 0; i < 4; i++)
			model[4 * r + i] = (struct page){ RW, off + i * PAGE };
	}
	compare(u);
}

static int cut_middle(struct unit *u, bool unmap)
{
	return unmap ? vmmctl_memory_unmap(u->m, AT + 2 * PAGE, 8 * PAGE) :
	    vmmctl_memory_protect(u->m, AT + 2 * PAGE, 8 * PAGE, R);
}

/* Whichever step the backend refuses, nothing has changed. */
static void changes_roll_back(void **state)
{
	struct unit *u = *state;

	three_ranges(u);
	for (unsigned unmap = 0; unmap < 2; unmap++) {
		const uint32_t steps = unmap ? 2 : 5;

		for (uint32_t i = 1; i <= steps; i++) {
			fail_additions(i, i);
			assert_fails(u->v, cut_middle(u, unmap), -ENOSPC,
			    "made to fail");
			compare(u);
		}
		fail_additions(steps + 1, steps + 1);
		assert_ok(cut_middle(u, unmap));
		for (unsigned i = 2; i < 10; i++)
			model[i].prot = unmap ? 0 : R;
		compare(u);
		/* For the other: three ranges again. */
		fail_additions(0, 0);
		if (!unmap) {
			assert_ok(vmmctl_memory_unmap(u->m, AT, 12 * PAGE));
			three_ranges(u);
		}
	}
}

/* What the backend does not take back is gone, and nothing else. */
static void roll_back_fails(void **state)
{
	struct unit *u = *state;

	for (unsigned lost = 1; lost <= 3; lost++) {
		three_ranges(u);
		/* The first piece, and all up to the range with this number. */
		fail_additions(1, 1 + lost);
		assert_fails(u->v, cut_middle(u, false), -ENOSPC,
		    "made to fail");
		memset(model, 0, 4 * lost * sizeof(model[0]));
		compare(u);
		fail_additions(0, 0);
		if (lost < 3)
			assert_ok(vmmctl_memory_unmap(u->m, AT + 4 * lost *
			    PAGE, (12 - 4 * lost) * PAGE));
	}
}

int main(void)
{
	const struct CMUnitTest memory[] = {
		TEST(map_refuses),
		TEST(map_host_refuses),
		TEST(overlaps),
		TEST(max_memory),
		TEST(unmap_and_protect_refuse),
		TEST(copies),
		TEST(sealed_memory),
		TEST(random_sequence),
		TEST(spaces_follow),
		TEST(a_backend_refuses),
		TEST(changes_roll_back),
		TEST(roll_back_fails),
	};

	return RUN(memory);
}
