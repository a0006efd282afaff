// SPDX-License-Identifier: BSD-2-Clause
/*
 * stale.c - a page is taken away on one processor while a guest uses it on
 * another: from the call's return on it is neither read nor written.  Each
 * way, with leaves of 4 KiB and of 2 MiB.
 */
#include "live.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#define SUBJECT	(2 * MIB + 5 * PAGE)	/* the page */
#define BOARD	0x20000u		/* what was read, and how often */
#define OLD	0x01d01d01d01d01d0ull
#define NEW	0x4e34e34e34e34e34ull
#define TIMES	6u
#define RW	(PROT_READ | PROT_WRITE)

static const uint8_t reader[] = {
	0x48, 0x8b, 0x06,		/* 1: mov (%rsi), %rax */
	0x48, 0x89, 0x03,		/* mov %rax, (%rbx) */
	0x48, 0xff, 0x43, 0x08,		/* incq 8(%rbx) */
	0xeb, 0xf4			/* jmp 1b */
};
static const uint8_t writer[] = {
	0x48, 0xff, 0x06,		/* 1: incq (%rsi) */
	0x48, 0xff, 0x43, 0x08,		/* incq 8(%rbx) */
	0xeb, 0xf7			/* jmp 1b */
};

struct scene {
	struct guest g;
	struct vcpu v;
	uint8_t *page;		/* of the owner's, behind SUBJECT */
	uint8_t *other;		/* a page that no guest has */
};

/* Where there is one processor only, it is all of them. */
static void pin(size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static uint64_t word(const void *at)
{
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

static void set_word(void *at, uint64_t value)
{
	__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELAXED);
}

static uint64_t seen(const struct scene *s)
{
	return word(s->g.memory + BOARD);
}

static uint64_t rounds(const struct scene *s)
{
	return word(s->g.memory + BOARD + 8);
}

/* What it had begun has ended, and more than that. */
static void expect_goes_on(const struct scene *s)
{
	uint64_t had = rounds(s), end = now_ns() + 10000000000u;

	while (rounds(s) < had + 3 && now_ns() < end)
		usleep(100);
	assert_true(rounds(s) >= had + 3);
}

static void expect_rest(const void *at)
{
	uint64_t had = word(at);

	usleep(3000);
	assert_int_equal(word(at), had);
}

static void begin(struct scene *s, const uint8_t *code, size_t size,
    bool huge)
{
	guest_start(&s->g, 4 * MIB, MAP_PRIVATE);
	if (!huge)
		(void)madvise(s->g.memory + 2 * MIB, 2 * MIB,
		    MADV_NOHUGEPAGE);
	memcpy(s->g.memory + DO_SPIN, code, size);
	s->page = s->g.memory + SUBJECT;
	set_word(s->page, OLD);
	s->other = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->other, MAP_FAILED);
	set_word(s->other, NEW);
	vcpu_start(&s->v, &s->g, 0, DO_SPIN);
	s->v.page->regs.rsi = SUBJECT;
	s->v.page->regs.rbx = BOARD;
	pin(1);
	vcpu_go(&s->v);
	pin(0);
	expect_goes_on(s);
}

static void end(struct scene *s)
{
	vcpu_join(&s->v);
	vcpu_end(&s->v);
	guest_end(&s->g);
	munmap(s->other, PAGE);
	expect_nothing_lives();
}

/* ---- ways to take it ---- */

static void memory(const struct scene *s, unsigned long cmd, void *uaddr,
    uint32_t prot)
{
	struct vmm_memory m = { .gpa = SUBJECT, .size = PAGE,
	    .uaddr = (uintptr_t)uaddr, .prot = prot };

	must(ioctl(s->g.machine, cmd, &m));
}

static void device_unmap(struct scene *s)
{
	memory(s, VMM_MEMORY_UNMAP, NULL, 0);
}

static void device_exchange(struct scene *s)
{
	memory(s, VMM_MEMORY_UNMAP, NULL, 0);
	memory(s, VMM_MEMORY_MAP, s->other, VMM_PROT_READ);
}

static void device_protect(struct scene *s)
{
	memory(s, VMM_MEMORY_PROTECT, NULL, VMM_PROT_READ);
}

static void owner_dontneed(struct scene *s)
{
	must(madvise(s->page, PAGE, MADV_DONTNEED));
}

static void owner_unmap(struct scene *s)
{
	must(munmap(s->page, PAGE));
}

static void owner_replace(struct scene *s)
{
	assert_ptr_equal(mmap(s->page, PAGE, RW, MAP_FIXED | MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0), s->page);
}

static void owner_protect_all(struct scene *s)
{
	must(mprotect(s->page, PAGE, PROT_NONE));
}

static void owner_protect(struct scene *s)
{
	must(mprotect(s->page, PAGE, PROT_READ));
}

/* The page itself goes elsewhere. */
static void owner_move(struct scene *s)
{
	assert_ptr_equal(mremap(s->page, PAGE, PAGE, MREMAP_MAYMOVE |
	    MREMAP_FIXED, s->other), s->other);
}

/* ---- reading ---- */

static void expect_sees(const struct scene *s, uint64_t value)
{
	unsigned i;

	for (i = 0; i < 5; i++) {
		expect_goes_on(s);
		assert_int_equal(seen(s), value);
	}
}

static void goes_on_with(void (*take)(struct scene *s), uint64_t value)
{
	struct scene s;
	unsigned i;

	for (i = 0; i < TIMES; i++) {
		begin(&s, reader, sizeof(reader), i % 2 != 0);
		assert_int_equal(seen(&s), OLD);
		take(&s);
		expect_sees(&s, value);
		end(&s);
	}
}

static void stops_until_it_is_back(void (*take)(struct scene *s),
    void (*give)(struct scene *s), uint64_t value)
{
	struct scene s;
	unsigned i;

	for (i = 0; i < TIMES; i++) {
		begin(&s, reader, sizeof(reader), i % 2 != 0);
		take(&s);
		/* It may have read just before, and still has to write that
		 * down. */
		usleep(1000);
		expect_rest(s.g.memory + BOARD + 8);
		give(&s);
		expect_sees(&s, value);
		end(&s);
	}
}

static void give_region(struct scene *s)
{
	memory(s, VMM_MEMORY_MAP, s->page, VMM_PROT_READ | VMM_PROT_WRITE);
}

static void give_rights(struct scene *s)
{
	must(mprotect(s->page, PAGE, RW));
}

#define READS(name, take, value) \
static void reads_##name(void **state) \
{ \
	(void)state; \
	goes_on_with(take, value); \
}
READS(zero_after_dontneed, owner_dontneed, 0)
READS(what_replaces_it, owner_replace, 0)
READS(what_the_region_has_now, device_exchange, NEW)
READS(on_without_the_right_to_write, owner_protect, OLD)
READS(on_in_a_region_that_is_read_only, device_protect, OLD)

#define STOPS(name, take, give, value) \
static void stops_after_##name(void **state) \
{ \
	(void)state; \
	stops_until_it_is_back(take, give, value); \
}
STOPS(region_unmap, device_unmap, give_region, OLD)
STOPS(munmap, owner_unmap, owner_replace, 0)
STOPS(mprotect, owner_protect_all, give_rights, OLD)
STOPS(mremap, owner_move, owner_replace, 0)

/* ---- writing ---- */

static void write_protected_region(void **state)
{
	struct scene s;
	unsigned i;

	(void)state;
	for (i = 0; i < TIMES; i++) {
		begin(&s, writer, sizeof(writer), i % 2 != 0);
		device_protect(&s);
		expect_rest(s.page);
		memory(&s, VMM_MEMORY_PROTECT, NULL,
		    VMM_PROT_READ | VMM_PROT_WRITE);
		expect_goes_on(&s);
		end(&s);
	}
}

static void moved_page_is_not_written(void **state)
{
	struct scene s;
	unsigned i;

	(void)state;
	for (i = 0; i < TIMES; i++) {
		begin(&s, writer, sizeof(writer), i % 2 != 0);
		owner_move(&s);
		expect_rest(s.other);
		owner_replace(&s);
		expect_goes_on(&s);
		expect_rest(s.other);
		end(&s);
	}
}

/* Who asks next gets the page that was freed last, most likely. */
static void freed_page_is_not_written(void **state)
{
	const size_t size = 64 * PAGE;
	struct scene s;
	unsigned i;
	size_t at;

	(void)state;
	for (i = 0; i < 2 * TIMES; i++) {
		uint64_t *next;

		begin(&s, writer, sizeof(writer), i % 4 >= 2);
		(i % 2 == 0 ? owner_dontneed : owner_unmap)(&s);
		next = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_POPULATE, -1, 0);
		assert_ptr_not_equal(next, MAP_FAILED);
		usleep(3000);
		for (at = 0; at < size / sizeof(*next); at++)
			assert_int_equal(word(&next[at]), 0);
		munmap(next, size);
		end(&s);
	}
}

/* After a fork the page is the child's as well: what is written from then on,
 * is written to a copy. */
static void page_of_a_child_is_not_written(void **state)
{
	struct scene s;
	unsigned i;
	int status;

	(void)state;
	for (i = 0; i < TIMES; i++) {
		pid_t child;

		begin(&s, writer, sizeof(writer), i % 2 != 0);
		child = fork();
		if (child == 0) {
			uint64_t had = word(s.page);

			usleep(3000);
			_exit(word(s.page) != had);
		}
		must(child);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		expect_goes_on(&s);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest stale[] = {
		cmocka_unit_test(reads_zero_after_dontneed),
		cmocka_unit_test(reads_what_replaces_it),
		cmocka_unit_test(reads_what_the_region_has_now),
		cmocka_unit_test(reads_on_without_the_right_to_write),
		cmocka_unit_test(reads_on_in_a_region_that_is_read_only),
		cmocka_unit_test(stops_after_region_unmap),
		cmocka_unit_test(stops_after_munmap),
		cmocka_unit_test(stops_after_mprotect),
		cmocka_unit_test(stops_after_mremap),
		cmocka_unit_test(write_protected_region),
		cmocka_unit_test(moved_page_is_not_written),
		cmocka_unit_test(freed_page_is_not_written),
		cmocka_unit_test(page_of_a_child_is_not_written),
	};

	return RUN(stale);
}
