/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.c - the counters' descriptors, from their definition file, and the
 * file that VMM_STATS gives: header, descriptors, slots, put together when it
 * is read.
 */
#include "stats.h"
#include "cpu.h"

#define EVENTS	VMMCTL_COUNTERS_EVENTS
#define PAGES	VMMCTL_COUNTERS_PAGES
#define SUMMARY	VMMCTL_COUNTERS_F_SUMMARY

#define AT(member)	offsetof(struct vmm_stats_page, member)
#define DESC(n, u, c, fl, at, h) { \
	.name = n, .column = c, .type = VMMCTL_COUNTERS_SCALAR, .unit = u, \
	.flags = fl, .offset = (uint32_t)(at), .count = 1, .help = h }

static const struct vmmctl_counters_desc descs[] = {
#define COUNTER(field, n, u, c, fl, h) DESC(n, u, c, fl, AT(field), h),
#define CAUSE(kind, n, c, fl, h) \
	DESC(n, EVENTS, c, (fl) | VMMCTL_COUNTERS_F_EXIT, \
	    AT(cause[VMM_CAUSE_##kind]), h),
#define RETURN(kind, n, c, fl, h) \
	DESC(n, EVENTS, c, fl, AT(returned[VMM_EXIT_##kind]), h),
#include "../vmm_device_counters.def"
};

#define NDESC	((uint32_t)(sizeof(descs) / sizeof(descs[0])))
#define DESC_SIZE	((uint32_t)sizeof(descs[0]))

struct vmm_stats_file {
	struct vmm_stats_set *set;
	struct vmmctl_counters_header header;
};

/* ---- the machine's side ---- */

static void describe(const struct vmm_machine *m,
    struct vmmctl_counters_header *h)
{
	uint32_t n = NDESC + vmm_hw.vendor->raw_count;

	h->magic = VMMCTL_COUNTERS_MAGIC;
	h->version = VMMCTL_COUNTERS_VERSION;
	h->ready = 1;
	h->header_size = sizeof(*h);
	h->desc_size = DESC_SIZE;
	h->desc_count = n;
	h->desc_offset = sizeof(*h);
	h->slot_count = m->max_vcpus + 1;
	h->slot_size = sizeof(struct vmm_stats_page);
	h->slot_offset = (uint32_t)sizeof(*h) + n * DESC_SIZE;
	h->total_size = h->slot_offset +
	    (uint64_t)h->slot_count * h->slot_size;
	h->uid = m->uid;
	h->created_real_ns = os_real_ns();
	h->created_mono_ns = m->created_mono_ns;
	h->created_ticks = cpu_rdtsc();
	vmm_tell(h->backend, sizeof(h->backend), vmm_hw.vendor->name);
	memcpy(h->name, m->name, sizeof(h->name));
}

int vmm_stats_create(struct vmm_machine *m)
{
	struct vmm_stats_set *s = os_zalloc(sizeof(*s));
	uint64_t pa;

	if (s == NULL)
		return ENOMEM;
	s->slot[0] = os_page_alloc(&pa);
	if (s->slot[0] == NULL) {
		os_free(s);
		return ENOMEM;
	}
	s->refs = 1;
	s->slots_used = 1;
	describe(m, &s->header);
	m->stats = s;
	return 0;
}

void vmm_stats_end(struct vmm_machine *m)
{
	struct vmm_stats_set *s = m->stats;

	OS_WRITE(s->ended_ticks, cpu_rdtsc());
	OS_RELEASE(s->ended_mono_ns, os_mono_ns());
	m->stats = NULL;
	vmm_stats_put(s);
}

struct vmm_stats_page *vmm_stats_slot(struct vmm_machine *m, uint32_t index)
{
	struct vmm_stats_set *s = m->stats;
	struct vmm_stats_page *page = s->slot[index + 1];
	uint64_t pa;

	if (page == NULL) {
		page = os_page_alloc(&pa);
		if (page == NULL)
			return NULL;
		OS_RELEASE(s->slot[index + 1], page);
	}
	if (index + 2 > s->slots_used)
		OS_WRITE(s->slots_used, index + 2);
	return page;
}

void vmm_stats_put(struct vmm_stats_set *s)
{
	uint32_t i;

	if (os_fetch_add64(&s->refs, -1ull) != 1)
		return;
	for (i = 0; i <= VMM_MAX_VCPUS; i++)
		os_page_free(s->slot[i]);
	os_free(s);
}

/* ---- the reader's side ---- */

int vmm_stats_open(const struct vmm_stats *a, struct vmm_stats_file **out)
{
	struct vmm_stats_file *f;
	uint32_t pid = 0;

	if (a->flags != 0 || a->reserved != 0)
		return EINVAL;
	if (vmm_hw.vendor == NULL)
		return ENOENT;
	f = os_zalloc(sizeof(*f));
	if (f == NULL)
		return ENOMEM;
	f->set = vmm_list_stats(a->id, &pid);
	if (f->set == NULL) {
		os_free(f);
		return ENOENT;
	}
	f->header = f->set->header;
	f->header.pid = pid;
	*out = f;
	return 0;
}

void vmm_stats_close(struct vmm_stats_file *f)
{
	vmm_stats_put(f->set);
	os_free(f);
}

static void raw_desc(uint32_t index, struct vmmctl_counters_desc *d)
{
	static const struct vmmctl_counters_desc raw = DESC("raw.", EVENTS, "",
	    VMMCTL_COUNTERS_F_RAW, 0, "exits of this code of the processor");

	*d = raw;
	vmm_tell(d->name + 4, sizeof(d->name) - 4,
	    vmm_hw.vendor->raw_name(index));
	d->offset = (uint32_t)(AT(raw) + index * sizeof(uint64_t));
}

/* What is at that place of the file: *from is where, NULL for zeros; the
 * result is how many bytes are together there. */
struct piece {
	struct vmmctl_counters_header header;
	struct vmmctl_counters_desc desc;
};

static size_t header_piece(struct vmm_stats_file *f, struct piece *p)
{
	p->header = f->header;
	p->header.slots_used = OS_READ(f->set->slots_used);
	/* The other way round than they are stored. */
	p->header.ended_mono_ns = OS_READ(f->set->ended_mono_ns);
	p->header.ended_ticks = p->header.ended_mono_ns == 0 ? 0 :
	    OS_READ(f->set->ended_ticks);
	return sizeof(p->header);
}

static size_t find_piece(struct vmm_stats_file *f, uint64_t at,
    struct piece *p, const uint8_t **from)
{
	const struct vmmctl_counters_header *h = &f->header;
	uint64_t offset;
	size_t size;

	if (at < h->desc_offset) {
		size = header_piece(f, p);
		offset = at;
		*from = (const uint8_t *)&p->header;
	} else if (at < h->slot_offset) {
		uint32_t n = (uint32_t)(at - h->desc_offset) / DESC_SIZE;

		if (n >= NDESC)
			raw_desc(n - NDESC, &p->desc);
		*from = n < NDESC ? (const uint8_t *)&descs[n] :
		    (const uint8_t *)&p->desc;
		size = DESC_SIZE;
		offset = (at - h->desc_offset) % DESC_SIZE;
	} else {
		uint64_t n = (at - h->slot_offset) / h->slot_size;

		*from = (const uint8_t *)OS_READ(f->set->slot[n]);
		size = h->slot_size;
		offset = (at - h->slot_offset) % h->slot_size;
	}
	if (*from != NULL)
		*from += offset;
	return size - (size_t)offset;
}

/* Counters change meanwhile: each is to be of one moment. */
static void copy_counters(uint8_t *to, const uint8_t *from, size_t n)
{
	while (n >= 8 && ((uintptr_t)from & 7) == 0) {
		uint64_t value = OS_READ(*(const uint64_t *)(const void *)from);

		memcpy(to, &value, 8);
		to += 8;
		from += 8;
		n -= 8;
	}
	memcpy(to, from, n);
}

size_t vmm_stats_read(struct vmm_stats_file *f, uint64_t at, void *buf,
    size_t size)
{
	uint8_t *to = buf;
	size_t done = 0, n;

	while (done < size && at < f->header.total_size) {
		const uint8_t *from;
		struct piece p;

		n = find_piece(f, at, &p, &from);
		if (n > size - done)
			n = size - done;
		if (from == NULL)
			memset(to + done, 0, n);
		else
			copy_counters(to + done, from, n);
		done += n;
		at += n;
	}
	return done;
}
