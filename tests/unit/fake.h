/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake.h - two backends without a processor, called kvm and proc like those
 * they stand for.  What entering the guest does is up to the test.  Memory
 * and descriptors are counted, and can run out at any point.
 */
#ifndef UNIT_FAKE_H
#define UNIT_FAKE_H

#include "internal.h"

#define FAKE_GVA_LIMIT	0x7ff000000000ull
#define FAKE_GPA_LIMIT	(1ull << 46)
#define FAKE_VCPUS	4u
#define FAKE_MAX	64u

struct fake_range {
	uint64_t gpa, len;
	uint32_t prot;
};

struct fake_change {
	uint64_t gva, len;
	enum change change;
};

typedef int fake_enter_fn(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev);

struct fake_backend {
	int open_error;
	uint64_t exit_ns;
	char option[32];	/* of the last open */
	int opens, closes;
};

struct fake {
	struct fake_backend kvm, proc;
	uint64_t caps;
	uint64_t pool_gpa;
	/* What the next calls return. */
	int machine_error, memory_error, space_error, vcpu_error, seat_error;
	/* Which of the next additions of memory fail: the first is 1. */
	uint32_t memory_fail_from, memory_fail_to;
	int load_error, save_error, fetch_error, debug_error;
	fake_enter_fn *enter;
	/* What was called. */
	struct vmmctl_regs guest;	/* what a fetch brings */
	int enters, loads, saves, fetches, debugs;
	_Atomic int kicks;
	struct fake_range ranges[FAKE_MAX];
	uint32_t nranges, memory_adds;
	int bad_ranges;		/* added twice, removed though not there */
	struct fake_change changes[FAKE_MAX];
	uint32_t nchanges;
	int tables_freed;
};

extern struct fake fake;
void fake_reset(void);

/* Objects alive, by kind; all zero when nothing has leaked. */
struct fake_alive {
	int allocations, pages, maps, fds;
};
extern struct fake_alive fake_alive;
/* The nth request for memory or a descriptor from now on fails; 0: none.
 * Counts down; 0 afterwards when it has failed. */
extern int fake_fail_at;

/* Hooks for struct vmmctl_config. */
void *fake_alloc(void *cookie, size_t size);
void fake_free(void *cookie, void *p);

#endif
