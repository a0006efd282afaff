/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters.h - the counters in memory, from their definition file.  A slot
 * has one writer: vCPU slots the thread that runs it, slot 0 whoever holds
 * the machine lock.
 */
#ifndef VMMCTL_COUNTERS_INTERNAL_H
#define VMMCTL_COUNTERS_INTERNAL_H

#include "internal.h"

struct counter_exit {
	_Atomic uint64_t count, time, hist[VMMCTL_COUNTERS_BUCKETS];
};

enum {
#define EXIT(field, kind, name, column, flags, help) COUNTERS_EXIT_##kind,
#include "../../sys/dev/vmm/vmm_counters.def"
	COUNTERS_EXITS
};

struct counter_slot {
#define COUNTER(field, name, unit, column, flags, help) _Atomic uint64_t field;
#include "../../sys/dev/vmm/vmm_counters.def"
	struct counter_exit exit[COUNTERS_EXITS];
};

struct counters {
	int fd;
	struct vmmctl_counters_header *page;
	size_t size;
};

int counters_create(struct vmmctl_machine *m, const char *name);
void counters_destroy(struct vmmctl_machine *m);
/* Slot 0 is the machine's; a vCPU's is its index + 1. */
struct counter_slot *counters_slot(struct vmmctl_machine *m, uint32_t n);

/* A relaxed load, an addition and a relaxed store, in one instruction. */
static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
	__asm__("addq %1, %0" : "+m"(*c) : "er"(n));
}

/* The time spent outside the guest after an exit of that kind. */
static inline void counters_exit_time(struct counter_exit *e, uint64_t t)
{
	uint32_t bucket = 63u - (uint32_t)__builtin_clzll(t | 1);

	if (unlikely(bucket >= VMMCTL_COUNTERS_BUCKETS))
		bucket = VMMCTL_COUNTERS_BUCKETS - 1;
	count_add(&e->time, t);
	count_add(&e->hist[bucket], 1);
}

#endif
