/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one place that checks a counter page's header and descriptors.  Every
 * refusal names the field and the rule.
 */
#include "layout.h"
#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBBSD_OPENBSD_VIS	/* says which strnvis(): neither is used */
#include <vis.h>

static int __attribute__((format(printf, 3, 4)))
refuse(char *why, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	return -EINVAL;
}

/* Is [base, base + len) inside [0, limit)? */
static int inside(uint64_t base, uint64_t len, uint64_t limit)
{
	return len != 0 && len <= limit && base <= limit - len;
}

static int ends(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

/* Make a string of the page fit for a terminal. */
static void make_safe(char *out, const char *in)
{
	strvis(out, in, VIS_CSTYLE | VIS_NL | VIS_TAB);
}

static int check_identity(const struct vmmctl_counters_header *h, char *why,
    size_t why_size)
{
	if (h->magic != VMMCTL_COUNTERS_MAGIC)
		return refuse(why, why_size, "not a counter page: its first "
		    "bytes are %#llx", (unsigned long long)h->magic);
	if (h->version > VMMCTL_COUNTERS_VERSION)
		return refuse(why, why_size, "made by a newer vmmctl: format "
		    "version %u, this vmmstat reads up to %u; update it",
		    h->version, VMMCTL_COUNTERS_VERSION);
	if (h->version == 0)
		return refuse(why, why_size, "format version 0");
	if (h->ready == 0) {
		refuse(why, why_size, "not ready: its owner is still filling "
		    "it, or died doing so");
		return -EAGAIN;
	}
	if (h->ready != 1)
		return refuse(why, why_size, "ready is %u, not 0 or 1",
		    h->ready);
	return 0;
}

static int check_sizes(const struct vmmctl_counters_header *h, uint64_t size,
    char *why, size_t why_size)
{
	if (h->total_size > size)
		return refuse(why, why_size, "truncated: total_size is %llu "
		    "bytes, the file has %llu",
		    (unsigned long long)h->total_size,
		    (unsigned long long)size);
	if (h->total_size > PAGE_FILE_MAX)
		return refuse(why, why_size, "total_size is %llu bytes, more "
		    "than the %llu that are read",
		    (unsigned long long)h->total_size, PAGE_FILE_MAX);
	if (h->header_size < sizeof(*h) || h->header_size > h->total_size)
		return refuse(why, why_size, "header_size is %u",
		    h->header_size);
	if (h->desc_size < sizeof(struct vmmctl_counters_desc) ||
	    h->desc_size > PAGE_SLOT_MAX)
		return refuse(why, why_size, "desc_size is %u", h->desc_size);
	if (h->desc_count == 0 || h->desc_count > PAGE_COUNTERS_MAX)
		return refuse(why, why_size, "desc_count is %u, not 1 to %u",
		    h->desc_count, PAGE_COUNTERS_MAX);
	if (h->slot_size == 0 || h->slot_size > PAGE_SLOT_MAX ||
	    h->slot_size % sizeof(uint64_t) != 0)
		return refuse(why, why_size, "slot_size is %u, not a multiple "
		    "of 8 up to %u", h->slot_size, PAGE_SLOT_MAX);
	if (h->slot_count == 0 || h->slot_count > PAGE_SLOTS_MAX)
		return refuse(why, why_size, "slot_count is %u, not 1 to %u",
		    h->slot_count, PAGE_SLOTS_MAX);
	if (h->slots_used > h->slot_count)
		return refuse(why, why_size, "slots_used is %u of %u slots",
		    h->slots_used, h->slot_count);
	return 0;
}

int layout_check_header(const struct vmmctl_counters_header *h, uint64_t size,
    char *why, size_t why_size)
{
	uint64_t descs = (uint64_t)h->desc_count * h->desc_size;
	uint64_t slots = (uint64_t)h->slot_count * h->slot_size;
	int r;

	r = check_identity(h, why, why_size);
	if (r == 0)
		r = check_sizes(h, size, why, why_size);
	if (r < 0)
		return r;
	if (h->desc_offset < h->header_size ||
	    !inside(h->desc_offset, descs, h->total_size))
		return refuse(why, why_size, "desc_offset is %u: the "
		    "descriptors leave the file", h->desc_offset);
	if (h->slot_offset % sizeof(uint64_t) != 0 ||
	    h->slot_offset < h->header_size ||
	    !inside(h->slot_offset, slots, h->total_size))
		return refuse(why, why_size, "slot_offset is %u: the slots "
		    "leave the file", h->slot_offset);
	if (!ends(h->backend, sizeof(h->backend)))
		return refuse(why, why_size, "backend has no NUL");
	if (!ends(h->name, sizeof(h->name)))
		return refuse(why, why_size, "name has no NUL");
	return 0;
}

/* 1: use it, 0: of a type this program does not know, < 0: refused. */
static int check_desc(const struct vmmctl_counters_desc *d, size_t i,
    uint32_t slot_size, char *why, size_t why_size)
{
	uint32_t most = PAGE_BUCKETS_MAX;

	if (!ends(d->name, sizeof(d->name)) ||
	    !ends(d->column, sizeof(d->column)) ||
	    !ends(d->help, sizeof(d->help)))
		return refuse(why, why_size, "counter %zu: a string has no NUL",
		    i);
	if (d->name[0] == '\0')
		return refuse(why, why_size, "counter %zu has no name", i);
	/* What stands for its bytes in JSON would hide other names. */
	if (!utf8_is_valid(d->name))
		return refuse(why, why_size, "counter %zu: its name is not "
		    "UTF-8", i);
	if (d->type != VMMCTL_COUNTERS_SCALAR &&
	    d->type != VMMCTL_COUNTERS_LOG2)
		return 0;
	if (d->type == VMMCTL_COUNTERS_SCALAR)
		most = 1;
	if (d->count == 0 || d->count > most)
		return refuse(why, why_size, "counter %zu: count is %u, not 1 "
		    "to %u", i, d->count, most);
	if (d->offset % sizeof(uint64_t) != 0 ||
	    !inside(d->offset, d->count * sizeof(uint64_t), slot_size))
		return refuse(why, why_size, "counter %zu: offset is %u: it "
		    "leaves the slot of %u bytes", i, d->offset, slot_size);
	return 1;
}

static void load_desc(struct page *p, const struct vmmctl_counters_desc *d)
{
	struct page_counter *c = &p->counters[p->counter_count++];

	memcpy(c->raw, d->name, sizeof(c->raw));
	make_safe(c->name, d->name);
	make_safe(c->column, d->column);
	make_safe(c->help, d->help);
	c->type = d->type;
	c->unit = d->unit;
	c->flags = d->flags;
	c->group = d->group;
	c->count = d->count;
	c->offset = d->offset;
	c->first = p->value_count;
	p->value_count += c->count;
}

static int by_name(const void *a, const void *b)
{
	const struct page_counter *const *x = a, *const *y = b;

	return strcmp((*x)->raw, (*y)->raw);
}

/* Names are keys in the output: two of a kind would hide one another. */
static int check_names(const struct page *p, char *why, size_t why_size)
{
	const struct page_counter **sorted;
	int r = 0;

	sorted = calloc(p->counter_count + 1, sizeof(*sorted));
	if (sorted == NULL) {
		refuse(why, why_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->counter_count; i++)
		sorted[i] = &p->counters[i];
	qsort(sorted, p->counter_count, sizeof(*sorted), by_name);
	for (size_t i = 1; r == 0 && i < p->counter_count; i++)
		if (strcmp(sorted[i - 1]->raw, sorted[i]->raw) == 0)
			r = refuse(why, why_size, "two counters are called %s",
			    sorted[i]->name);
	free(sorted);
	return r;
}

int layout_load(struct page *p, const struct vmmctl_counters_header *h,
    const unsigned char *table, char *why, size_t why_size)
{
	for (uint32_t i = 0; i < h->desc_count; i++) {
		struct vmmctl_counters_desc d;
		int r;

		memcpy(&d, table + (size_t)i * h->desc_size, sizeof(d));
		r = check_desc(&d, i, h->slot_size, why, why_size);
		if (r < 0)
			return r;
		if (r > 0)
			load_desc(p, &d);
	}
	/* Or a small page could ask for much work, by overlapping counters. */
	if (p->value_count > h->slot_size / sizeof(uint64_t))
		return refuse(why, why_size, "the counters have %zu values, "
		    "the slots room for %zu", p->value_count,
		    h->slot_size / sizeof(uint64_t));
	p->slot_count = h->slot_count;
	p->slot_size = h->slot_size;
	p->slot_offset = h->slot_offset;
	p->pid = h->pid;
	p->uid = h->uid;
	p->created_real_ns = h->created_real_ns;
	p->created_mono_ns = h->created_mono_ns;
	p->created_ticks = h->created_ticks;
	memcpy(p->raw_name, h->name, sizeof(p->raw_name));
	make_safe(p->name, h->name);
	make_safe(p->backend, h->backend);
	return check_names(p, why, why_size);
}
