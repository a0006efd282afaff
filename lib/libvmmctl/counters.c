// SPDX-License-Identifier: BSD-2-Clause
/*
 * counters.c - makes and fills a machine's counter page from the definition
 * file.  Knows no backend.
 */
#include "counters.h"
#include "os.h"

#include <errno.h>
#include <string.h>

#define EXIT(field, kind, name, column, flags, help) \
	_Static_assert(COUNTERS_EXIT_##kind + 1 == VMMCTL_EXIT_##kind, \
	    "vmm_counters.def lists the exits in the order of their numbers");
#include "../../sys/dev/vmm/vmm_counters.def"

#define EVENTS	VMMCTL_COUNTERS_EVENTS
#define TICKS	VMMCTL_COUNTERS_TICKS
#define PAGES	VMMCTL_COUNTERS_PAGES
#define SUMMARY	VMMCTL_COUNTERS_F_SUMMARY
#define PERCENT	VMMCTL_COUNTERS_F_PERCENT
#define IS_EXIT	VMMCTL_COUNTERS_F_EXIT
#define EXIT_AT(kind, member) \
	(offsetof(struct counter_slot, exit) + \
	COUNTERS_EXIT_##kind * sizeof(struct counter_exit) + \
	offsetof(struct counter_exit, member))

static const struct vmmctl_counters_desc descs[] = {
#define COUNTER(f, n, u, c, fl, h) { \
	.name = n, .column = c, .type = VMMCTL_COUNTERS_SCALAR, .unit = u, \
	.flags = fl, .offset = offsetof(struct counter_slot, f), .count = 1, \
	.help = h },
#define EXIT(f, k, n, c, fl, h) { \
	.name = n, .column = c, .type = VMMCTL_COUNTERS_SCALAR, \
	.unit = EVENTS, .flags = (fl) | IS_EXIT, \
	.offset = EXIT_AT(k, count), .count = 1, \
	.group = COUNTERS_EXIT_##k + 1, .help = h }, { \
	.name = n ".time", .type = VMMCTL_COUNTERS_SCALAR, .unit = TICKS, \
	.flags = IS_EXIT, .offset = EXIT_AT(k, time), .count = 1, \
	.group = COUNTERS_EXIT_##k + 1, \
	.help = "time outside the guest after: " h }, { \
	.name = n ".hist", .type = VMMCTL_COUNTERS_LOG2, .unit = TICKS, \
	.flags = IS_EXIT, .offset = EXIT_AT(k, hist), \
	.count = VMMCTL_COUNTERS_BUCKETS, .group = COUNTERS_EXIT_##k + 1, \
	.help = "histogram of the time outside the guest after: " h },
#include "../../sys/dev/vmm/vmm_counters.def"
};

#define NDESC	(sizeof(descs) / sizeof(descs[0]))
#define ROUND(n, to)	(((n) + (to) - 1) / (to) * (to))

int counters_create(struct vmmctl_machine *m, const char *name)
{
	struct vmmctl_counters_header *h;
	size_t slots = ROUND(sizeof(*h) + sizeof(descs), 64);
	size_t slot = ROUND(sizeof(struct counter_slot), 64);
	struct counters *c;
	int err;

	c = vmmctl_zalloc(m->v, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->size = ROUND(slots + (m->max_vcpus + 1ul) * slot, 4096ul);
	c->fd = os_shm_create(VMMCTL_COUNTERS_NAME, c->size);
	if (c->fd < 0) {
		err = c->fd;
		goto free;
	}
	h = os_shm_map(c->fd, 0, c->size, 1);
	if (h == NULL) {
		err = -ENOMEM;
		goto close;
	}
	os_shm_seal_readers(c->fd);
	h->magic = VMMCTL_COUNTERS_MAGIC;
	h->version = VMMCTL_COUNTERS_VERSION;
	h->total_size = c->size;
	h->header_size = sizeof(*h);
	h->desc_size = sizeof(descs[0]);
	h->desc_count = NDESC;
	h->desc_offset = sizeof(*h);
	h->slot_count = m->max_vcpus + 1;
	h->slot_size = (uint32_t)slot;
	h->slot_offset = (uint32_t)slots;
	h->slots_used = 1;
	h->pid = os_pid();
	h->uid = os_uid();
	h->created_real_ns = os_real_ns();
	h->created_mono_ns = os_mono_ns();
	h->created_ticks = ticks();
	memcpy(h->backend, m->v->info.backend, sizeof(h->backend));
	memcpy(h->name, name, sizeof(h->name));
	memcpy((uint8_t *)h + sizeof(*h), descs, sizeof(descs));
	atomic_thread_fence(memory_order_release);
	*(volatile uint32_t *)&h->ready = 1;
	c->page = h;
	m->counters = c;
	return 0;
close:
	os_fd_close(c->fd);
free:
	vmmctl_free(m->v, c);
	return err;
}

void counters_destroy(struct vmmctl_machine *m)
{
	struct counters *c = m->counters;

	if (c == NULL)
		return;
	c->page->ended_ticks = ticks();
	atomic_thread_fence(memory_order_release);
	*(volatile uint64_t *)&c->page->ended_mono_ns = os_mono_ns();
	os_shm_unmap(c->page, c->size);
	os_fd_close(c->fd);
	vmmctl_free(m->v, c);
	m->counters = NULL;
}

struct counter_slot *counters_slot(struct vmmctl_machine *m, uint32_t n)
{
	struct vmmctl_counters_header *h = m->counters->page;

	if (n >= h->slots_used)
		*(volatile uint32_t *)&h->slots_used = n + 1;
	return (struct counter_slot *)(void *)((uint8_t *)h + h->slot_offset +
	    (size_t)n * h->slot_size);
}

int vmmctl_machine_counters(struct vmmctl_machine *m)
{
	return vmmctl_alive(m->v) ? m->counters->fd : vmmctl_forked(m->v);
}

int vmmctl_machine_counter(struct vmmctl_machine *m, const char *name,
    uint64_t *value)
{
	const struct vmmctl_counters_header *h;
	uint64_t sum = 0;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	h = m->counters->page;
	for (size_t i = 0; i < NDESC; i++) {
		if (strcmp(descs[i].name, name) != 0)
			continue;
		for (uint32_t n = 0; n < h->slots_used; n++) {
			const uint8_t *s = (const uint8_t *)h + h->slot_offset +
			    (size_t)n * h->slot_size + descs[i].offset;
			const _Atomic uint64_t *p =
			    (const _Atomic uint64_t *)(const void *)s;

			for (uint32_t k = 0; k < descs[i].count; k++)
				sum += atomic_load_explicit(&p[k],
				    memory_order_relaxed);
		}
		*value = sum;
		return 0;
	}
	return vmmctl_fail(m->v, -ENOENT, "no counter is called \"%s\"; "
	    "vmmctl_counters(5) lists them", name);
}
