/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmmctl_counters.h - the format of a machine's counter page.
 *
 * The page describes itself: a header, descriptors, and slots of uint64_t.
 * Slot 0 belongs to the machine, slot n + 1 to vCPU n; a counter's value is
 * the sum over the slots in use.  A reader needs no counter name: it shows
 * what the descriptors say.  Every slot has one writer, which stores relaxed;
 * a reader may read at any time and disturbs nobody.  It must trust nothing:
 * check each offset and size against the size of the file, and read with
 * pread(2), since the file may be anyone's.
 *
 * The page is a sealed memfd named VMMCTL_COUNTERS_NAME, found as
 * /proc/PID/fd/N -> "/memfd:vmmctl-counters (deleted)".
 *
 * Times are in ticks of the processor's time-stamp counter.  A reader on the
 * same machine gets their length from its own pair of clocks:
 *   ns per tick = (CLOCK_MONOTONIC now - created_mono_ns)
 *               / (RDTSC now - created_ticks)
 * When the machine has ended, the ended pair replaces "now", so that a saved
 * page tells the length by itself.
 */
#ifndef VMMCTL_COUNTERS_H
#define VMMCTL_COUNTERS_H

#ifndef __KERNEL__	/* which has them under other names */
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
#define VMMCTL_COUNTERS_ASSERT(e) static_assert(e, #e)
#else
#define VMMCTL_COUNTERS_ASSERT(e) _Static_assert(e, #e)
#endif

#define VMMCTL_COUNTERS_NAME	"vmmctl-counters"
#define VMMCTL_COUNTERS_MAGIC	0x31535254434d4d56ull	/* "VMMCTRS1" */
#define VMMCTL_COUNTERS_VERSION	1u

struct vmmctl_counters_header {
	uint64_t magic;
	uint32_t version;	/* readers refuse a greater one */
	uint32_t ready;		/* stored last, with release: 1 */
	uint64_t total_size;	/* bytes of the file */
	uint32_t header_size;
	uint32_t desc_size;	/* bytes of one descriptor; may grow */
	uint32_t desc_count;
	uint32_t desc_offset;	/* from the start of the file */
	uint32_t slot_count;	/* 1 + the most vCPUs there can be */
	uint32_t slot_size;
	uint32_t slot_offset;
	uint32_t slots_used;	/* slots [0, slots_used) were ever in use */
	uint32_t pid;		/* of the owner */
	uint32_t uid;
	uint64_t created_real_ns;	/* CLOCK_REALTIME */
	uint64_t created_mono_ns;	/* CLOCK_MONOTONIC */
	uint64_t created_ticks;		/* RDTSC at created_mono_ns */
	char backend[16];	/* NUL-terminated, like every string here */
	char name[32];
	/* Both 0 while the machine lives; stored when it is destroyed, the
	 * ticks first, with release between. */
	uint64_t ended_mono_ns;
	uint64_t ended_ticks;	/* RDTSC at ended_mono_ns */
	uint8_t reserved[104];
};
VMMCTL_COUNTERS_ASSERT(sizeof(struct vmmctl_counters_header) == 256);
VMMCTL_COUNTERS_ASSERT(offsetof(struct vmmctl_counters_header, backend) == 88);
VMMCTL_COUNTERS_ASSERT(
    offsetof(struct vmmctl_counters_header, ended_mono_ns) == 136);

enum vmmctl_counters_type {
	VMMCTL_COUNTERS_SCALAR = 1,	/* one value that only grows */
	VMMCTL_COUNTERS_LOG2 = 2	/* value n counts ticks in
					 * [2^n, 2^(n+1)); value 0 has 0 too */
};
enum vmmctl_counters_unit {
	VMMCTL_COUNTERS_EVENTS = 1,
	VMMCTL_COUNTERS_TICKS = 2,
	VMMCTL_COUNTERS_PAGES = 3,	/* of 4 KiB */
	VMMCTL_COUNTERS_BYTES = 4
};
#define VMMCTL_COUNTERS_F_SUMMARY 1u	/* shown in the summary */
#define VMMCTL_COUNTERS_F_PERCENT 2u	/* a time: show its share of the
					 * interval */
#define VMMCTL_COUNTERS_F_EXIT	4u	/* belongs to an exit kind */
#define VMMCTL_COUNTERS_F_RAW	8u	/* one of the processor's own exit
					 * codes: its name is the vendor's */

#define VMMCTL_COUNTERS_BUCKETS	40u

struct vmmctl_counters_desc {
	char name[32];
	char column[12];	/* heading in a table; may be empty */
	uint32_t type;		/* enum vmmctl_counters_type */
	uint32_t unit;		/* enum vmmctl_counters_unit */
	uint32_t flags;
	uint32_t offset;	/* bytes from the start of a slot */
	uint32_t count;		/* uint64_t values: 1, or the buckets */
	uint32_t group;		/* the same non-zero number: the count, time
				 * and histogram of one exit kind */
	uint32_t reserved[3];
	char help[112];
};
VMMCTL_COUNTERS_ASSERT(sizeof(struct vmmctl_counters_desc) == 192);
VMMCTL_COUNTERS_ASSERT(offsetof(struct vmmctl_counters_desc, help) == 80);

#endif
