// SPDX-License-Identifier: BSD-2-Clause
/*
 * churn.c - the owner's memory is unmapped, protected, paged out, forked,
 * collapsed to huge pages and thrown away under running vCPUs.  What they
 * count in it is as it would be without.
 */
#include "live.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define VCPUS	3u
#define SIZE	(16 * MIB)
#define ROUNDS	300

/* Contents stay with all of them. */
static void keep(uint8_t *at, size_t size, unsigned how)
{
	pid_t child;

	switch (how % 6) {
	case 0:
		must(mprotect(at, size, PROT_READ));
		must(mprotect(at, size, PROT_READ | PROT_WRITE));
		break;
	case 1:
		must(mprotect(at, size, PROT_NONE));
		must(mprotect(at, size, PROT_READ | PROT_WRITE));
		break;
	case 2:
		(void)madvise(at, size, MADV_PAGEOUT);
		break;
	case 3:
		(void)madvise(at, size, MADV_COLLAPSE);
		break;
	case 4:
		(void)madvise(at, size, MADV_MERGEABLE);
		break;
	default:
		/* Every page is to be copied when it is written next. */
		child = fork();
		if (child == 0)
			_exit(0);
		(void)waitpid(child, NULL, 0);
		break;
	}
}

static void piece(const struct guest *g, uint8_t **at, size_t *size)
{
	size_t pages = (g->size - TOUCH_FROM) / PAGE;
	size_t first = (size_t)rand() % pages;
	size_t n = 1 + (size_t)rand() % 700;

	if (n > pages - first)
		n = pages - first;
	*at = g->memory + TOUCH_FROM + first * PAGE;
	*size = n * PAGE;
}

/* Guests add to the same words: locked they are not, so that only one does
 * where sums are to be right. */
static void contents_stay(int flags)
{
	struct guest g;
	struct vcpu v;
	uint64_t at, count, first;
	unsigned i;

	guest_start(&g, SIZE, flags);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	vcpu_go(&v);
	for (i = 0; i < ROUNDS; i++) {
		uint8_t *where;
		size_t size;

		piece(&g, &where, &size);
		keep(where, size, (unsigned)rand());
	}
	vcpu_join(&v);
	/* Each page has been counted in as often as there were rounds, and
	 * those before where it is now once more. */
	first = 0;
	for (at = TOUCH_FROM; at < SIZE; at += PAGE) {
		memcpy(&count, g.memory + at, sizeof(count));
		if (at == TOUCH_FROM)
			first = count;
		assert_true(count == v.page->regs.rax ||
		    count == v.page->regs.rax + 1);
		assert_true(count <= first);
		first = count;
	}
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

static void private_memory(void **state)
{
	(void)state;
	contents_stay(MAP_PRIVATE);
}

static void shared_memory(void **state)
{
	(void)state;
	contents_stay(MAP_SHARED);
}

/* Memory that goes, and comes again empty: guests stop where it is not. */
static void memory_goes(void **state)
{
	struct guest g;
	struct vcpu v[VCPUS];
	unsigned i;

	(void)state;
	guest_start(&g, SIZE, MAP_PRIVATE);
	for (i = 0; i < VCPUS; i++) {
		vcpu_start(&v[i], &g, i, DO_TOUCH);
		vcpu_go(&v[i]);
	}
	for (i = 0; i < ROUNDS; i++) {
		uint8_t *at;
		size_t size;

		piece(&g, &at, &size);
		if (i % 3 == 0) {
			must(madvise(at, size, MADV_DONTNEED));
		} else {
			must(munmap(at, size));
			assert_ptr_equal(mmap(at, size, PROT_READ | PROT_WRITE,
			    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			    at);
			(void)madvise(g.memory, g.size, MADV_HUGEPAGE);
		}
	}
	for (i = 0; i < VCPUS; i++) {
		vcpu_join(&v[i]);
		vcpu_end(&v[i]);
	}
	guest_end(&g);
	expect_nothing_lives();
}

int main(void)
{
	const struct CMUnitTest churn[] = {
		cmocka_unit_test(private_memory),
		cmocka_unit_test(shared_memory),
		cmocka_unit_test(memory_goes),
	};

	return RUN(churn);
}
