/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening and reading a counter page.  The bytes come from pread(2) only: a
 * mapping of somebody else's file could end in SIGBUS.  The checks of the
 * header and of the descriptors are in layout.c.
 */
#include "page.h"
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

static int fail(char *why, size_t size, int error, const char *what)
{
	snprintf(why, size, "%s: %s", what, strerror(error));
	return -error;
}

/* 0 when all of [offset, offset + len) was read. */
static int read_all(int fd, void *buf, size_t len, uint64_t offset)
{
	unsigned char *at = buf;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int read_part(const struct page *p, void *buf, size_t len,
    uint64_t offset, const char *what, char *why, size_t why_size)
{
	int r = read_all(p->fd, buf, len, offset);

	if (r == 0)
		return 0;
	if (r == -ENODATA)
		snprintf(why, why_size, "truncated: the file ends in its %s",
		    what);
	else
		fail(why, why_size, -r, what);
	return -EINVAL;
}

/* Does the descriptor lead to a memfd with the name of counter pages? */
static int is_counter_memfd(int fd)
{
	static const char want[] = PAGE_LINK;
	char link[64], text[sizeof(want) + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text));
	return n == (ssize_t)sizeof(want) - 1 &&
	    memcmp(text, want, sizeof(want) - 1) == 0;
}

/* Open path for reading if it is a regular file, without touching others. */
static int open_regular(struct page *p, const char *path, char *why,
    size_t why_size)
{
	char link[64];
	struct stat st;
	int handle, fd, r = 0;

	handle = open(path, O_PATH | O_CLOEXEC);
	if (handle < 0)
		return fail(why, why_size, errno, path);
	if (fstat(handle, &st) < 0) {
		r = fail(why, why_size, errno, path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, why_size, "not a regular file");
		r = -EINVAL;
		goto out;
	}
	p->saved = !is_counter_memfd(handle);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", handle);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		r = fail(why, why_size, errno, path);
		goto out;
	}
	p->fd = fd;
	p->dev = st.st_dev;
	p->ino = st.st_ino;
out:
	close(handle);
	return r;
}

static int load_counters(struct page *p, const struct vmmctl_counters_header *h,
    char *why, size_t why_size)
{
	size_t len = (size_t)h->desc_count * h->desc_size;
	unsigned char *table;
	int r;

	/* layout_check_header() bounded both factors. */
	table = malloc(len);
	p->counters = calloc(h->desc_count, sizeof(*p->counters));
	p->slot = malloc(h->slot_size);
	if (table == NULL || p->counters == NULL || p->slot == NULL) {
		r = fail(why, why_size, ENOMEM, "counters");
		goto out;
	}
	r = read_part(p, table, len, h->desc_offset, "descriptors", why,
	    why_size);
	if (r == 0)
		r = layout_load(p, h, table, why, why_size);
out:
	free(table);
	return r;
}

static int load_header(struct page *p, struct vmmctl_counters_header *h,
    char *why, size_t why_size)
{
	struct stat st;
	int r;

	memset(h, 0, sizeof(*h));
	r = read_part(p, h, sizeof(*h), 0, "header", why, why_size);
	/* What stands before ready may be older than ready: read it again. */
	if (r == 0 && h->ready == 1)
		r = read_part(p, h, sizeof(*h), 0, "header", why, why_size);
	/* Before it was ready, it may have been smaller. */
	if (r == 0 && fstat(p->fd, &st) < 0)
		r = fail(why, why_size, errno, "header");
	if (r == 0 && p->device)
		st.st_size = h->total_size > INT64_MAX ? 0 :
		    (off_t)h->total_size;
	if (r == 0)
		r = layout_check_header(h, (uint64_t)st.st_size, why, why_size);
	/* A memfd may be seen before anything was written to it. */
	if (r == -EINVAL && h->ready == 0 && !p->saved)
		r = -EAGAIN;
	return r;
}

static int load(struct page *p, char *why, size_t why_size)
{
	struct vmmctl_counters_header h;
	int r = load_header(p, &h, why, why_size);

	if (r == 0)
		r = load_counters(p, &h, why, why_size);
	if (r < 0)
		page_close(p);
	return r;
}

int page_open(struct page *p, const char *path, char *why, size_t why_size)
{
	int r;

	memset(p, 0, sizeof(*p));
	p->fd = -1;
	r = open_regular(p, path, why, why_size);
	if (r < 0) {
		page_close(p);
		return r;
	}
	return load(p, why, why_size);
}

int page_open_device(struct page *p, int fd, char *why, size_t why_size)
{
	memset(p, 0, sizeof(*p));
	p->fd = fd;
	p->device = 1;
	return load(p, why, why_size);
}

void page_close(struct page *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->counters);
	free(p->slot);
	p->fd = -1;
	p->counters = NULL;
	p->slot = NULL;
	p->counter_count = 0;
	p->value_count = 0;
}

static void add_slot(const struct page *p, uint64_t *values)
{
	for (size_t i = 0; i < p->counter_count; i++) {
		const struct page_counter *c = &p->counters[i];

		for (uint32_t k = 0; k < c->count; k++) {
			uint64_t v;

			memcpy(&v, p->slot + c->offset + k * sizeof(v),
			    sizeof(v));
			values[c->first + k] += v;
		}
	}
}

int page_read(struct page *p, uint64_t *values, struct page_state *state,
    char *why, size_t why_size)
{
	struct vmmctl_counters_header h;
	int r;

	memset(state, 0, sizeof(*state));
	memset(values, 0, p->value_count * sizeof(*values));
	r = read_part(p, &h, sizeof(h), 0, "header", why, why_size);
	if (r < 0)
		return r;
	if (h.slots_used > p->slot_count) {
		snprintf(why, why_size, "slots_used is %u of %u slots",
		    h.slots_used, p->slot_count);
		return -EINVAL;
	}
	for (uint32_t n = 0; n < h.slots_used; n++) {
		r = read_part(p, p->slot, p->slot_size,
		    p->slot_offset + (uint64_t)n * p->slot_size, "slots", why,
		    why_size);
		if (r < 0)
			return r;
		add_slot(p, values);
	}
	state->vcpus = h.slots_used > 0 ? h.slots_used - 1 : 0;
	state->ended_mono_ns = h.ended_mono_ns;
	state->ended_ticks = h.ended_ticks;
	return 0;
}
