/* SPDX-License-Identifier: BSD-2-Clause */
#include "fakepage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEADER		sizeof(struct vmmctl_counters_header)
#define DESC		sizeof(struct vmmctl_counters_desc)

static const struct {
	const char *name, *column, *help;
	uint32_t unit, flags;
	int is_exit;
} counters[] = {
#define EVENTS	VMMCTL_COUNTERS_EVENTS
#define TICKS	VMMCTL_COUNTERS_TICKS
#define PAGES	VMMCTL_COUNTERS_PAGES
#define SUMMARY	VMMCTL_COUNTERS_F_SUMMARY
#define PERCENT	VMMCTL_COUNTERS_F_PERCENT
#define COUNTER(f, n, u, c, fl, h)	{ n, c, h, u, fl, 0 },
#define EXIT(f, k, n, c, fl, h)		{ n, c, h, EVENTS, fl, 1 },
#include "vmm_counters.def"
};

#define COUNTERS	(sizeof(counters) / sizeof(counters[0]))
#define DESCS_MAX	(3 * COUNTERS + FAKE_ROOM)
#define SLOT_SIZE	((COUNTERS + FAKE_ROOM) * \
	(2 + VMMCTL_COUNTERS_BUCKETS) * sizeof(uint64_t))
#define SLOT_OFFSET	((HEADER + DESCS_MAX * DESC + 63) / 64 * 64)

#define F(type, name, is_string) \
	{ #name, offsetof(struct type, name), \
	sizeof(((struct type *)0)->name), is_string }
#define H(name)	F(vmmctl_counters_header, name, 0)
#define D(name)	F(vmmctl_counters_desc, name, 0)

const struct fake_field fake_header_fields[] = {
	H(magic), H(version), H(ready), H(total_size), H(header_size),
	H(desc_size), H(desc_count), H(desc_offset), H(slot_count),
	H(slot_size), H(slot_offset), H(slots_used), H(pid), H(uid),
	H(created_real_ns), H(created_mono_ns), H(created_ticks),
	F(vmmctl_counters_header, backend, 1),
	F(vmmctl_counters_header, name, 1),
	H(ended_mono_ns), H(ended_ticks),
};
const size_t fake_header_field_count =
    sizeof(fake_header_fields) / sizeof(fake_header_fields[0]);

const struct fake_field fake_desc_fields[] = {
	F(vmmctl_counters_desc, name, 1), F(vmmctl_counters_desc, column, 1),
	D(type), D(unit), D(flags), D(offset), D(count), D(group),
	F(vmmctl_counters_desc, help, 1),
};
const size_t fake_desc_field_count =
    sizeof(fake_desc_fields) / sizeof(fake_desc_fields[0]);

struct vmmctl_counters_header *fake_header(struct fake *f)
{
	return (void *)f->bytes;
}

struct vmmctl_counters_desc *fake_desc(struct fake *f, size_t i)
{
	return (void *)(f->bytes + HEADER + i * DESC);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* One more counter behind the others. */
static struct vmmctl_counters_desc *add(struct fake *f, const char *name,
    const char *suffix, const char *column, uint32_t type)
{
	struct vmmctl_counters_header *h = fake_header(f);
	struct vmmctl_counters_desc *d, *last;

	if (h->desc_count >= DESCS_MAX)
		return NULL;
	d = fake_desc(f, h->desc_count);
	memset(d, 0, DESC);
	snprintf(d->name, sizeof(d->name), "%s%s", name, suffix);
	snprintf(d->column, sizeof(d->column), "%s", column);
	d->type = type;
	d->unit = VMMCTL_COUNTERS_TICKS;
	d->count = type == VMMCTL_COUNTERS_LOG2 ? VMMCTL_COUNTERS_BUCKETS : 1;
	if (h->desc_count > 0) {
		last = d - 1;
		d->offset = last->offset + last->count * 8;
	}
	h->desc_count++;
	return d;
}

static void add_own(struct fake *f, size_t i)
{
	uint32_t flags = counters[i].flags, group = (uint32_t)i + 1;
	const char *name = counters[i].name;
	struct vmmctl_counters_desc *d;

	d = add(f, name, "", counters[i].column, VMMCTL_COUNTERS_SCALAR);
	d->unit = counters[i].unit;
	d->flags = flags;
	snprintf(d->help, sizeof(d->help), "%s", counters[i].help);
	if (!counters[i].is_exit)
		return;
	d->flags |= VMMCTL_COUNTERS_F_EXIT;
	d->group = group;
	d = add(f, name, ".time", "", VMMCTL_COUNTERS_SCALAR);
	d->flags = VMMCTL_COUNTERS_F_EXIT;
	d->group = group;
	d = add(f, name, ".hist", "", VMMCTL_COUNTERS_LOG2);
	d->flags = VMMCTL_COUNTERS_F_EXIT;
	d->group = group;
}

int fake_init(struct fake *f)
{
	struct vmmctl_counters_header *h;

	f->size = SLOT_OFFSET + FAKE_SLOTS * SLOT_SIZE;
	f->bytes = calloc(1, f->size);
	if (f->bytes == NULL)
		return -1;
	h = fake_header(f);
	for (size_t i = 0; i < COUNTERS; i++)
		add_own(f, i);
	h->magic = VMMCTL_COUNTERS_MAGIC;
	h->version = VMMCTL_COUNTERS_VERSION;
	h->ready = 1;
	h->total_size = f->size;
	h->header_size = HEADER;
	h->desc_size = DESC;
	h->desc_offset = HEADER;
	h->slot_count = FAKE_SLOTS;
	h->slot_size = SLOT_SIZE;
	h->slot_offset = SLOT_OFFSET;
	h->slots_used = 2;
	h->pid = (uint32_t)getpid();
	h->uid = getuid();
	h->created_real_ns = clock_ns(CLOCK_REALTIME);
	h->created_mono_ns = clock_ns(CLOCK_MONOTONIC);
	h->created_ticks = __builtin_ia32_rdtsc();
	strcpy(h->backend, "fake");
	return 0;
}

void fake_fini(struct fake *f)
{
	free(f->bytes);
	f->bytes = NULL;
}

void fake_tick(struct fake *f, uint64_t n)
{
	const struct vmmctl_counters_header *h = fake_header(f);

	for (uint32_t i = 0; i < h->desc_count; i++) {
		const struct vmmctl_counters_desc *d = fake_desc(f, i);
		uint64_t v;

		/* Times around 2^12 ticks. */
		unsigned char *at = f->bytes + SLOT_OFFSET + SLOT_SIZE +
		    d->offset +
		    (d->type == VMMCTL_COUNTERS_LOG2 ? 12 * sizeof(v) : 0);

		memcpy(&v, at, sizeof(v));
		v += d->unit == VMMCTL_COUNTERS_TICKS &&
		    d->type == VMMCTL_COUNTERS_SCALAR ? n * 5000 : n;
		memcpy(at, &v, sizeof(v));
	}
}

/* "\x1b" and the like; returns the length. */
static size_t unescape(char *out, size_t size, const char *in)
{
	size_t n = 0;

	while (*in != '\0' && n < size) {
		unsigned byte;

		if (sscanf(in, "\\x%2x", &byte) == 1) {
			out[n++] = (char)byte;
			in += 4;
		} else {
			out[n++] = *in++;
		}
	}
	return n;
}

static int set_field(unsigned char *base, const struct fake_field *fields,
    size_t count, const char *name, const char *value)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char *at = base + fields[i].offset;
		char text[128] = "";
		uint64_t v;

		if (strcmp(fields[i].name, name) != 0)
			continue;
		if (fields[i].is_string) {
			unescape(text, sizeof(text), value);
			memcpy(at, text, fields[i].size);
			return 0;
		}
		v = strtoull(value, NULL, 0);
		memcpy(at, &v, fields[i].size);
		return 0;
	}
	return -1;
}

static int set_value(struct fake *f, const char *name, uint64_t k, uint64_t v)
{
	for (uint32_t i = 0; i < fake_header(f)->desc_count; i++) {
		const struct vmmctl_counters_desc *d = fake_desc(f, i);

		if (strcmp(d->name, name) != 0)
			continue;
		memcpy(f->bytes + SLOT_OFFSET + SLOT_SIZE + d->offset +
		    k * sizeof(v), &v, sizeof(v));
		return 0;
	}
	return -1;
}

static int edit_value(struct fake *f, const char *name, const char *value)
{
	uint64_t v = strtoull(value, NULL, 0);
	char counter[64];
	const char *dot = strrchr(name, '.');

	if (set_value(f, name, 0, v) == 0)
		return 0;
	if (dot == NULL)
		return -1;
	snprintf(counter, sizeof(counter), "%.*s", (int)(dot - name), name);
	return set_value(f, counter, strtoull(dot + 1, NULL, 0), v);
}

static int edit_add(struct fake *f, const char *words)
{
	struct vmmctl_counters_desc *d;
	char name[33] = "", column[13] = "";
	unsigned type, unit, flags;

	if (sscanf(words, "%32[^,],%12[^,],%u,%u,%u", name, column, &type,
	    &unit, &flags) != 5)
		return -1;
	d = add(f, "", "", strcmp(column, "-") == 0 ? "" : column, type);
	if (d == NULL)
		return -1;
	unescape(d->name, sizeof(d->name), name);
	d->unit = unit;
	d->flags = flags;
	strcpy(d->help, "a counter that nobody has heard of");
	return 0;
}

static int resize(struct fake *f, size_t size)
{
	unsigned char *bytes = realloc(f->bytes, size + 1);

	if (bytes == NULL)
		return -1;
	if (size > f->size)
		memset(bytes + f->size, 0, size - f->size);
	f->bytes = bytes;
	f->size = size;
	return 0;
}

int fake_edit(struct fake *f, const char *words)
{
	char name[128];
	const char *value = strchr(words, '=');
	char field[64];
	unsigned i;

	if (value == NULL || (size_t)(value - words) >= sizeof(name))
		return -1;
	snprintf(name, sizeof(name), "%.*s", (int)(value - words), words);
	value++;
	if (strcmp(name, "add") == 0)
		return edit_add(f, value);
	if (strcmp(name, "truncate") == 0)
		return resize(f, strtoull(value, NULL, 0));
	if (strcmp(name, "extend") == 0)
		return resize(f, f->size + strtoull(value, NULL, 0));
	if (strncmp(name, "value.", 6) == 0)
		return edit_value(f, name + 6, value);
	if (strncmp(name, "header.", 7) == 0)
		return set_field(f->bytes, fake_header_fields,
		    fake_header_field_count, name + 7, value);
	if (sscanf(name, "desc.%u.%63s", &i, field) == 2 && i < DESCS_MAX)
		return set_field((void *)fake_desc(f, i), fake_desc_fields,
		    fake_desc_field_count, field, value);
	return -1;
}
