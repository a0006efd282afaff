/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of counter pages against every broken page that can be thought
 * of: one field at a time, every length, and noise.  Best with sanitizers.
 * Prints TAP.
 */
#include "fakepage.h"
#include "measure.h"
#include "page.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>

#define NOISE_ROUNDS	20000

static int tests, failures;

static void report(int ok, const char *name)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, name);
	failures += !ok;
}

/* Put the page into the memfd and read it as vmmstat does. */
static int try_fd(int fd, const struct fake *f, uint64_t *sum, char *why,
    size_t size)
{
	struct page_state state;
	uint64_t *values;
	struct page p;
	char path[64];
	int r;

	if (ftruncate(fd, 0) < 0 ||
	    pwrite(fd, f->bytes, f->size, 0) != (ssize_t)f->size)
		return -EIO;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	why[0] = '\0';
	r = page_open(&p, path, why, size);
	if (r < 0)
		return r;
	values = calloc(p.value_count + 1, sizeof(*values));
	r = page_read(&p, values, &state, why, size);
	*sum = 0;
	for (size_t i = 0; r == 0 && i < p.value_count; i++)
		*sum += values[i];
	if (r == 0)
		measure_quantile(values, p.value_count < PAGE_BUCKETS_MAX ?
		    (uint32_t)p.value_count : PAGE_BUCKETS_MAX, 990);
	free(values);
	page_close(&p);
	return r;
}

static int try(const struct fake *f, char *why, size_t size)
{
	int fd = memfd_create(VMMCTL_COUNTERS_NAME, MFD_CLOEXEC);
	uint64_t sum;
	int r = try_fd(fd, f, &sum, why, size);

	close(fd);
	return r;
}

/* A refusal is in words. */
static int is_answer(int r, const char *why)
{
	return r == 0 || ((r == -EINVAL || r == -EAGAIN) && why[0] != '\0');
}

static void good_page(void)
{
	int fd = memfd_create(VMMCTL_COUNTERS_NAME, MFD_CLOEXEC);
	char why[256];
	uint64_t sum = 0;
	struct fake f;
	int r;

	fake_init(&f);
	fake_edit(&f, "value.exits=40");
	fake_edit(&f, "value.exit.syscall.hist.39=2");
	r = try_fd(fd, &f, &sum, why, sizeof(why));
	report(r == 0 && sum == 42, "a good page is read");
	fake_header(&f)->slots_used = 0;
	r = try_fd(fd, &f, &sum, why, sizeof(why));
	report(r == 0 && sum == 0, "slots that are not in use do not count");
	close(fd);
	fake_fini(&f);
}

/* Each of these must be refused, and the reason must name the field. */
static void refused(void)
{
	static const struct {
		const char *edit, *word;
	} cases[] = {
		{ "header.magic=1", "not a counter page" },
		{ "header.version=0", "version 0" },
		{ "header.version=2", "newer" },
		{ "header.version=0xffffffff", "newer" },
		{ "header.ready=0", "not ready" },
		{ "header.ready=2", "ready" },
		{ "header.total_size=0", "header_size" },
		{ "header.total_size=0xffffffffffffffff", "truncated" },
		{ "header.total_size=255", "header_size" },
		{ "header.header_size=255", "header_size" },
		{ "header.header_size=0xffffffff", "header_size" },
		{ "header.desc_size=191", "desc_size" },
		{ "header.desc_size=0", "desc_size" },
		{ "header.desc_size=0xffffffff", "desc_size" },
		{ "header.desc_size=0x80000000", "desc_size" },
		{ "header.desc_count=0", "desc_count" },
		{ "header.desc_count=0xffffffff", "desc_count" },
		{ "header.desc_count=4096", "desc_offset" },
		{ "header.desc_offset=0", "desc_offset" },
		{ "header.desc_offset=0xffffffff", "desc_offset" },
		{ "header.slot_count=0", "slot_count" },
		{ "header.slot_count=0xffffffff", "slot_count" },
		{ "header.slot_count=5", "slot_offset" },
		{ "header.slot_size=0", "slot_size" },
		{ "header.slot_size=7", "slot_size" },
		{ "header.slot_size=0xfffffff8", "slot_size" },
		{ "header.slot_size=8", "counter 1: offset" },
		{ "header.slot_offset=0", "slot_offset" },
		{ "header.slot_offset=0xfffffff8", "slot_offset" },
		{ "header.slot_offset=0xffffffff", "slot_offset" },
		{ "header.slots_used=5", "slots_used" },
		{ "header.slots_used=0xffffffff", "slots_used" },
		{ "header.name=12345678901234567890123456789012", "name" },
		{ "header.backend=1234567890123456", "backend" },
		{ "desc.0.name=12345678901234567890123456789012", "NUL" },
		{ "desc.0.column=123456789012", "NUL" },
		{ "desc.0.name=", "no name" },
		{ "desc.1.name=entries", "two counters" },
		{ "desc.1.name=a\\xff", "counter 1: its name is not UTF-8" },
		{ "desc.1.name=\\xc3", "UTF-8" },
		{ "desc.1.name=\\xc0\\x80", "UTF-8" },
		{ "desc.1.name=\\xed\\xa0\\x80", "UTF-8" },
		{ "desc.1.name=\\xf4\\x90\\x80\\x80", "UTF-8" },
		{ "desc.0.count=0", "count" },
		{ "desc.0.count=2", "count" },
		{ "desc.0.offset=0xffffffff", "offset" },
		{ "desc.0.offset=0xfffffff8", "offset" },
		{ "desc.0.offset=1", "offset" },
		{ "desc.20.count=65", "count" },
		{ "desc.20.count=0xffffffff", "count" },
		{ "desc.20.offset=0xfffffff8", "offset" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char why[256], name[512];
		struct fake f;
		int r;

		fake_init(&f);
		if (fake_edit(&f, cases[i].edit) < 0)
			abort();
		r = try(&f, why, sizeof(why));
		snprintf(name, sizeof(name), "%s: %s", cases[i].edit, why);
		report(r < 0 && is_answer(r, why) &&
		    strstr(why, cases[i].word) != NULL, name);
		fake_fini(&f);
	}
}

/* Whatever one field holds, there is an answer. */
static int torture(size_t base, const struct fake_field *field)
{
	static const uint64_t values[] = {
		0, 1, 2, 7, 8, 63, 64, 65, 191, 192, 255, 256, 4095, 4096,
		0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff, 0x100000000,
		0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffff8,
		0xffffffffffffffff,
	};
	const size_t count = sizeof(values) / sizeof(values[0]);
	int ok = 1;

	for (size_t i = 0; i < count + 6; i++) {
		uint64_t v = 0;
		char why[256];
		struct fake f;
		int r;

		fake_init(&f);
		memcpy(&v, f.bytes + base + field->offset,
		    field->size < 8 ? field->size : 8);
		v = i < count ? values[i] :
		    v + (uint64_t[]){ 1, -1ull, 8, -8ull, 4096, -4096ull }
		    [i - count];
		for (size_t k = 0; k < field->size; k += 8)
			memcpy(f.bytes + base + field->offset + k, &v,
			    field->size - k < 8 ? field->size - k : 8);
		r = try(&f, why, sizeof(why));
		if (!is_answer(r, why)) {
			printf("# %s = %#llx: %d %s\n", field->name,
			    (unsigned long long)v, r, why);
			ok = 0;
		}
		fake_fini(&f);
	}
	return ok;
}

static void every_field(void)
{
	char name[128];

	for (size_t i = 0; i < fake_header_field_count; i++) {
		snprintf(name, sizeof(name), "any header.%s",
		    fake_header_fields[i].name);
		report(torture(0, &fake_header_fields[i]), name);
	}
	for (size_t i = 0; i < fake_desc_field_count; i++) {
		int ok = 1;

		for (size_t d = 0; d < 21; d += 20)
			ok &= torture(sizeof(struct vmmctl_counters_header) +
			    d * sizeof(struct vmmctl_counters_desc),
			    &fake_desc_fields[i]);
		snprintf(name, sizeof(name), "any desc.%s",
		    fake_desc_fields[i].name);
		report(ok, name);
	}
}

static void every_length(void)
{
	char why[256];
	struct fake f;
	int ok = 1;
	size_t full;

	fake_init(&f);
	full = f.size;
	for (f.size = 0; f.size < full;
	    f.size += f.size < 8192 || full - f.size < 64 ? 1 : 61) {
		int r = try(&f, why, sizeof(why));

		if (r != -EINVAL && !(r == -EAGAIN && f.size < 16)) {
			printf("# length %zu: %d %s\n", f.size, r, why);
			ok = 0;
		}
	}
	report(ok, "a page that is cut off at any length is refused");
	/* The header believes in what is left. */
	ok = 1;
	for (f.size = 256; f.size < full; f.size += 37) {
		fake_header(&f)->total_size = f.size;
		ok &= try(&f, why, sizeof(why)) == -EINVAL;
	}
	report(ok, "so is one whose total_size was cut with it");
	fake_fini(&f);
}

static void changes_under_us(void)
{
	int fd = memfd_create(VMMCTL_COUNTERS_NAME, MFD_CLOEXEC);
	uint32_t many = 0xffffffff;
	struct page_state state;
	uint64_t *values;
	char path[64], why[256] = "";
	struct page p;
	struct fake f;
	int r;

	fake_init(&f);
	if (write(fd, f.bytes, f.size) != (ssize_t)f.size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (page_open(&p, path, why, sizeof(why)) < 0)
		abort();
	values = calloc(p.value_count, sizeof(*values));
	if (pwrite(fd, &many, 4,
	    offsetof(struct vmmctl_counters_header, slots_used)) != 4)
		abort();
	r = page_read(&p, values, &state, why, sizeof(why));
	report(r == -EINVAL && strstr(why, "slots_used") != NULL,
	    "slots_used that grows beyond the slots is refused");
	if (pwrite(fd, f.bytes, 256, 0) != 256 ||
	    ftruncate(fd, (off_t)f.size - 3 * fake_header(&f)->slot_size) < 0)
		abort();
	r = page_read(&p, values, &state, why, sizeof(why));
	report(r == -EINVAL && strstr(why, "truncated") != NULL,
	    "a page that shrinks while it is open is an error");
	if (ftruncate(fd, 0) < 0)
		abort();
	r = page_read(&p, values, &state, why, sizeof(why));
	report(r == -EINVAL, "so is one that vanishes");
	free(values);
	page_close(&p);
	close(fd);
	fake_fini(&f);
}

/* ---- a page that is being made ------------------------------------------ */

#define MADE_ROUNDS	5000
#define MADE_SECONDS	2	/* and then it is enough, too */

/* The page that is to be read, or that the reader wants one. */
enum { WANT_ONE = -1 };
static _Atomic int made;
static _Atomic int made_enough;

/* As the library does it, again and again: ready comes last. */
static void *make_pages(void *cookie)
{
	struct fake *f = cookie;
	struct vmmctl_counters_header *h = fake_header(f);
	size_t filled = h->desc_offset + h->desc_count * h->desc_size;
	unsigned n = 0;

	while (!made_enough) {
		int fd;

		if (made != WANT_ONE) {
			sched_yield();
			continue;
		}
		fd = memfd_create(VMMCTL_COUNTERS_NAME, MFD_CLOEXEC);
		if (fd < 0)
			abort();
		made = fd;
		/* Let the reader come at any moment. */
		for (volatile unsigned w = 0; w < n * 37 % 5000; w++)
			;
		n++;
		if (ftruncate(fd, (off_t)f->size) < 0)
			abort();
		h = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
		if (h == MAP_FAILED)
			abort();
		memcpy(h, f->bytes, filled);
		atomic_thread_fence(memory_order_release);
		*(volatile uint32_t *)&h->ready = 1;
		munmap(h, f->size);
	}
	return NULL;
}

static void being_made(void)
{
	unsigned long pages = 0, early = 0;
	time_t end = time(NULL) + MADE_SECONDS;
	char path[64], why[256] = "";
	pthread_t maker;
	struct fake f;
	int r = 0;

	fake_init(&f);
	fake_header(&f)->ready = 0;
	made = WANT_ONE;
	if (pthread_create(&maker, NULL, make_pages, &f) != 0)
		abort();
	while (r == 0 && pages < MADE_ROUNDS && time(NULL) <= end) {
		struct page p;
		int fd;

		while ((fd = made) < 0)
			sched_yield();
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		while ((r = page_open(&p, path, why, sizeof(why))) == -EAGAIN)
			early++;
		if (r == 0)
			page_close(&p);
		pages++;
		made = WANT_ONE;
		close(fd);
	}
	made_enough = 1;
	pthread_join(maker, NULL);
	if (made >= 0)
		close(made);
	printf("# %lu pages, %lu times too early; %s\n", pages, early, why);
	report(r == 0, "a page that is being made is never refused");
	fake_fini(&f);
}

static void not_pages(void)
{
	struct page p;
	char why[256];
	int r;

	r = page_open(&p, "/dev/zero", why, sizeof(why));
	report(r == -EINVAL && strstr(why, "regular") != NULL,
	    "a device is not opened");
	r = page_open(&p, "/", why, sizeof(why));
	report(r == -EINVAL, "a directory is not opened");
	r = page_open(&p, "/nowhere/page", why, sizeof(why));
	report(r == -ENOENT, "a file that is not there is an error");
	r = page_open(&p, "/proc/self/status", why, sizeof(why));
	report(r == -EINVAL, "text is not a page");
}

/* Bytes at random, with a seed that a failure can be repeated with. */
static void noise(void)
{
	int fd = memfd_create(VMMCTL_COUNTERS_NAME, MFD_CLOEXEC);
	uint64_t x = 88172645463325252ull, sum;
	struct fake good, f;
	char why[256];
	int ok = 1;

	fake_init(&good);
	f.bytes = malloc(good.size);
	for (int i = 0; i < NOISE_ROUNDS && ok; i++) {
		int r;

		memcpy(f.bytes, good.bytes, good.size);
		f.size = good.size;
		for (int k = 0; k < 1 + i % 4; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			f.bytes[x % (i % 2 ? 256 : 8192)] =
			    (unsigned char)(x >> 40);
		}
		r = try_fd(fd, &f, &sum, why, sizeof(why));
		if (!is_answer(r, why)) {
			printf("# round %d: %d %s\n", i, r, why);
			ok = 0;
		}
	}
	report(ok, "noise in header and descriptors");
	free(f.bytes);
	fake_fini(&good);
	close(fd);
}

static void quantiles(void)
{
	uint64_t h[40] = { 0 };
	struct quantile q = measure_quantile(h, 40, 990);

	report(q.number == 0, "an empty histogram has no p99");
	h[10] = 99;
	h[20] = 1;
	q = measure_quantile(h, 40, 990);
	report(q.bound == 2048 && !q.open, "99 of 100 lie below 2^11");
	h[20] = 2;
	q = measure_quantile(h, 40, 990);
	report(q.bound == 1u << 21, "99 of 101 do not");
	memset(h, 0, sizeof(h));
	h[39] = 1;
	q = measure_quantile(h, 40, 990);
	report(q.open && q.bound == 1ull << 39, "the last bucket has no end");
	h[0] = h[1] = h[39] = UINT64_MAX;
	measure_quantile(h, 40, 990);
	report(1, "sums that wrap do no harm");
}

int main(void)
{
	good_page();
	refused();
	every_field();
	every_length();
	changes_under_us();
	being_made();
	not_pages();
	noise();
	quantiles();
	printf("1..%d\n", tests);
	return failures != 0;
}
