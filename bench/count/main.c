// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - runs the works and prints one JSON object per line, as vmmbench
 * does; the unit is what the time-stamp counter counts.
 */
#include "count.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#define SAMPLES	2000u

static const struct contender *const contenders[] = {
	&count_device, &count_library_vmm, &count_kvm, &count_library_kvm,
};
#define CONTENDERS	(sizeof(contenders) / sizeof(contenders[0]))

uint8_t *count_memory;
static char why[300];

int count_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	return -1;
}

/* Everything present: what is counted is the guest's way to it. */
static int memory_init(void)
{
	uint8_t *p = mmap(NULL, MEMORY_SIZE + LARGE_PAGE,
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	p += -(uintptr_t)p & (LARGE_PAGE - 1);
	madvise(p, LARGE_AT, MADV_NOHUGEPAGE);
	madvise(p + LARGE_AT, LARGE_SIZE, MADV_HUGEPAGE);
	memset(p, 1, MEMORY_SIZE);
	memcpy(p, guest_start, (size_t)(guest_end - guest_start));
	count_memory = p;
	return 0;
}

static void put(uint64_t *at, uint64_t gpa)
{
	*at = gpa | 0x67;	/* P W U A D */
}

void count_tables(uint64_t base)
{
	uint64_t *t = (uint64_t *)(void *)(count_memory + TABLES_AT);
	const uint64_t at = base + TABLES_AT;

	/* 0: root, 1: directory pointers, 2 to 4: directories for each GiB, 5:
	 * the code's table, then the area's and the large area's. */
	memset(t, 0, AREA_AT - TABLES_AT);
	put(&t[0], at + PAGE);
	for (unsigned i = 0; i < 3; i++)
		put(&t[512 + i], at + (2 + i) * PAGE);
	put(&t[2 * 512 + (CODE >> 21)], at + 5 * PAGE);
	put(&t[5 * 512], base);
	for (unsigned i = 0; i < (AREA_SIZE >> 21); i++)
		put(&t[3 * 512 + i], at + (6 + i) * PAGE);
	for (unsigned i = 0; i < AREA_SIZE / PAGE; i++)
		put(&t[6 * 512 + i], base + AREA_AT + i * (uint64_t)PAGE);
	for (unsigned i = 0; i < (LARGE_SIZE >> 21); i++)
		put(&t[4 * 512 + i], (base + LARGE_AT + i *
		    (uint64_t)LARGE_PAGE) | 0x80);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int one(const struct work *w)
{
	static uint64_t samples[SAMPLES];
	int n = w->run(samples, SAMPLES);

	if (n <= 0) {
		fprintf(stderr, "%s on %s: %s\n", w->name, w->backend,
		    n == 0 ? "no samples" : why);
		return -1;
	}
	qsort(samples, (size_t)n, sizeof(samples[0]), by_value);
	printf("{\"name\":\"%s\",\"backend\":\"%s\","
	    "\"unit\":\"instructions\",\"min\":%llu,\"median\":%llu,"
	    "\"n\":%d}\n", w->name, w->backend,
	    (unsigned long long)samples[0],
	    (unsigned long long)samples[n / 2], n);
	fflush(stdout);
	return 0;
}

static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(name, argv[i]) == 0)
			return 1;
	return argc <= 2;
}

/* vmmcount vmm|kvm [NAME]...: who has the processor's virtualisation. */
int main(int argc, char **argv)
{
	int failed = 0, any = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: vmmcount vmm|kvm [NAME]...\n");
		return 2;
	}
	if (memory_init() != 0) {
		perror("vmmcount: memory");
		return 1;
	}
	for (size_t i = 0; i < CONTENDERS; i++) {
		const struct contender *c = contenders[i];

		if (strstr(c->name, argv[1]) == NULL)
			continue;
		if (c->open() != 0) {
			fprintf(stderr, "%s: %s\n", c->name, why);
			failed = 1;
			continue;
		}
		for (size_t k = 0; k < c->nworks; k++)
			if (wanted(c->works[k].name, argc, argv)) {
				any = 1;
				if (one(&c->works[k]) != 0)
					failed = 1;
			}
		c->close();
	}
	return failed != 0 || any == 0;
}
