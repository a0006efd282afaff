// SPDX-License-Identifier: BSD-2-Clause
/*
 * pressure.c - what the host does with pages is told by its own counters: it
 * swaps them, merges them, makes large ones; and pages that were taken away
 * are not written any more.
 */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB	(30 << 26)
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define SIZE	(16 * MIB)
#define KSM	"/sys/kernel/mm/ksm/"
/* Counters of a vCPU by their order in vmm_device_counters.def. */
#define LARGE_2M	16
#define LARGE_1G	17
#define GIB		(1ull << 30)

static uint64_t vmstat(const char *name)
{
	FILE *f = fopen("/proc/vmstat", "re");
	char word[64];
	unsigned long long value;

	assert_non_null(f);
	while (fscanf(f, "%63s %llu", word, &value) == 2)
		if (strcmp(word, name) == 0) {
			fclose(f);
			return value;
		}
	fclose(f);
	fail_msg("no %s in /proc/vmstat", name);
	return 0;
}

static bool there_is_swap(void)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[256];
	int n = 0;

	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL)
		n++;
	fclose(f);
	return n > 1;
}

static uint64_t word(const void *at)
{
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

static void expect_growth(const void *at)
{
	uint64_t had = word(at), end = now_ns() + 60000000000u;

	while (word(at) == had && now_ns() < end)
		usleep(1000);
	assert_true(word(at) != had);
}

/* The guest was at each page, however slow all is: some of it again. */
static void expect_round(const struct guest *g)
{
	const uint8_t *last = g->memory + g->size - PAGE;

	expect_growth(last);
	expect_growth(last);
}

static void pages_go_out_and_come_in(void **state)
{
	uint64_t out, in, begin, now;
	struct guest g;
	struct vcpu v;

	(void)state;
	if (!there_is_swap())
		skip_test("there is no swap");
	out = vmstat("pswpout");
	in = vmstat("pswpin");
	guest_start(&g, SIZE, MAP_PRIVATE);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	vcpu_go(&v);
	begin = now = now_ns();
	while (now < begin + 3000000000u || (now < begin + 60000000000u &&
	    (vmstat("pswpout") < out + 4000 || vmstat("pswpin") < in + 4000))) {
		/* The first call leaves what the guest, by our answer, has
		 * touched since; the second one, at once, finds it idle. */
		must(madvise(g.memory, g.size, MADV_PAGEOUT));
		must(madvise(g.memory, g.size, MADV_PAGEOUT));
		usleep(20000);
		now = now_ns();
	}
	vcpu_join(&v);
	guest_expect_sums(&g, &v);
	out = vmstat("pswpout") - out;
	in = vmstat("pswpin") - in;
	print_message("# out %llu, in %llu, rounds %llu\n",
	    (unsigned long long)out, (unsigned long long)in,
	    (unsigned long long)v.page->regs.rax);
	assert_true(out >= 4000);
	assert_true(in >= 4000);
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

static uint64_t sharing(void)
{
	char line[32];

	assert_true(file_read(KSM "pages_sharing", line, sizeof(line)));
	return strtoull(line, NULL, 10);
}

static void merged_pages_are_split(void **state)
{
	uint64_t merged, end, rounds;
	struct guest g;
	struct vcpu v;

	(void)state;
	if (!file_write(KSM "pages_to_scan", "5000") ||
	    !file_write(KSM "sleep_millisecs", "1") ||
	    !file_write(KSM "run", "1"))
		skip_test("this kernel merges no pages, or root has it do so");
	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	vcpu_go(&v);
	expect_round(&g);
	vcpu_join(&v);
	rounds = v.page->regs.rax;
	must(madvise(g.memory, g.size, MADV_MERGEABLE));
	end = now_ns() + 15000000000u;
	while (sharing() < 400 && now_ns() < end)
		usleep(50000);
	merged = sharing();
	assert_true(merged >= 400);
	guest_expect_sums(&g, &v);
	v.stop = false;
	vcpu_go(&v);
	expect_round(&g);
	vcpu_join(&v);
	print_message("# merged %llu, rounds %llu then %llu\n",
	    (unsigned long long)merged, (unsigned long long)rounds,
	    (unsigned long long)v.page->regs.rax);
	assert_true(v.page->regs.rax > rounds);
	guest_expect_sums(&g, &v);
	(void)file_write(KSM "run", "2");
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

static void huge_pages_are_large_leaves(void **state)
{
	struct guest g;
	struct vcpu v;

	(void)state;
	if (!(device_info().caps & VMM_CAP_LARGE_2M) ||
	    !file_write("/sys/kernel/mm/transparent_hugepage/enabled",
	    "always"))
		skip_test("there are no huge pages to have");
	guest_start(&g, SIZE, MAP_PRIVATE);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	vcpu_go(&v);
	expect_round(&g);
	vcpu_join(&v);
	guest_expect_sums(&g, &v);
	print_message("# leaves of 2 MiB: %llu\n",
	    (unsigned long long)v.counters[LARGE_2M]);
	assert_true(v.counters[LARGE_2M] >= 4);
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

/* One leaf, which goes in small pieces: by the log, and as a whole. */
static void giant_pages_are_giant_leaves(void **state)
{
	struct vmm_memory r = { .gpa = GIB, .size = GIB,
	    .prot = VMM_PROT_READ | VMM_PROT_WRITE };
	static uint64_t dirty[GIB / PAGE / 64];
	struct vmm_dirty_log log = { .gpa = GIB, .size = GIB };
	uint64_t entry = GIB | 0x87, n;
	uint8_t *giant;
	struct guest g;
	struct vcpu v;

	(void)state;
	giant = mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB, -1, 0);
	if (giant == MAP_FAILED || !(device_info().caps & VMM_CAP_LARGE_1G))
		skip_test("there is no page of 1 GiB (hugepagesz=1G "
		    "hugepages=1)");
	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	/* In the guest's table of 1 GiB pages. */
	memcpy(g.memory + 0x2008, &entry, sizeof(entry));
	r.uaddr = (uintptr_t)giant;
	must(ioctl(g.machine, VMM_MEMORY_MAP, &r));
	vcpu_start(&v, &g, 0, DO_TOUCH);
	v.page->regs.rsi = 2 * GIB - 64 * MIB;
	v.page->regs.rdx = 2 * GIB;
	vcpu_go(&v);
	expect_growth(giant + GIB - PAGE);
	vcpu_join(&v);
	print_message("# leaves of 1 GiB: %llu, of 2 MiB: %llu\n",
	    (unsigned long long)v.counters[LARGE_1G],
	    (unsigned long long)v.counters[LARGE_2M]);
	/* Read-only first, where that is what the walk asks for. */
	assert_in_range(v.counters[LARGE_1G], 1, 2);
	assert_in_range(v.counters[LARGE_2M], 0, 3);
	for (n = GIB - 64 * MIB; n < GIB; n += PAGE)
		assert_in_range(word(giant + n) - v.page->regs.rax, 0, 1);

	/* Each page of it is seen when it is written. */
	log.op = VMM_DIRTY_ENABLE;
	must(ioctl(g.machine, VMM_DIRTY_LOG, &log));
	v.page->regs.rip = DO_TOUCH;
	v.page->regs.rsi = GIB + 512 * MIB;
	v.page->regs.rdx = GIB + 512 * MIB + 3 * PAGE;
	v.stop = false;
	vcpu_go(&v);
	for (n = 0; n < 3; n++)
		expect_growth(giant + 512 * MIB + 2 * PAGE);
	vcpu_join(&v);
	log.op = VMM_DIRTY_GET;
	log.bitmap = (uintptr_t)dirty;
	must(ioctl(g.machine, VMM_DIRTY_LOG, &log));
	for (n = 0; n < GIB / PAGE / 64; n++)
		assert_int_equal(dirty[n], n == GIB / PAGE / 128 ? 7 : 0);

	/* With the page its leaf goes. */
	munmap(giant, GIB);
	must(ioctl(v.fd, VMM_RUN));
	assert_int_equal(v.page->exit.kind, VMM_EXIT_MEMORY);
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

static void expect_rest(const void *at)
{
	uint64_t had = word(at);

	usleep(5000);
	assert_int_equal(word(at), had);
}

/* By the ioctl, and by the owner: from the call's return on. */
static void what_was_taken_is_not_written(void **state)
{
	struct vmm_memory r = { .gpa = TOUCH_FROM, .size = 2 * MIB };
	struct guest g;
	struct vcpu v;
	unsigned i;

	(void)state;
	guest_start(&g, 4 * MIB, MAP_SHARED);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	vcpu_go(&v);
	for (i = 0; i < 40; i++) {
		uint8_t *page = g.memory + TOUCH_FROM + i * PAGE;
		uint8_t *old;

		expect_growth(page);
		r.uaddr = 0;
		r.prot = 0;
		must(ioctl(g.machine, VMM_MEMORY_UNMAP, &r));
		expect_rest(page);
		r.uaddr = (uintptr_t)g.memory + TOUCH_FROM;
		r.prot = VMM_PROT_READ | VMM_PROT_WRITE;
		must(ioctl(g.machine, VMM_MEMORY_MAP, &r));
		expect_growth(page);

		must(mprotect(page, PAGE, PROT_READ));
		expect_rest(page);
		must(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		expect_growth(page);

		/* The same page at a second place. */
		old = mremap(page, 0, PAGE, MREMAP_MAYMOVE);
		assert_ptr_not_equal(old, MAP_FAILED);
		assert_ptr_equal(mmap(page, PAGE, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page);
		expect_rest(old);
		expect_growth(page);
		expect_rest(old);
		munmap(old, PAGE);
	}
	vcpu_join(&v);
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

int main(void)
{
	const struct CMUnitTest pressure[] = {
		cmocka_unit_test(pages_go_out_and_come_in),
		cmocka_unit_test(merged_pages_are_split),
		cmocka_unit_test(huge_pages_are_large_leaves),
		cmocka_unit_test(giant_pages_are_giant_leaves),
		cmocka_unit_test(what_was_taken_is_not_written),
	};

	return RUN(pressure);
}
