/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - a counter page, read with distrust.
 *
 * Everything in a page may be hostile.  What leaves this module is checked:
 * ranges lie inside the file, strings end and are fit for a terminal.  It
 * knows nothing of processes, machines or output.
 */
#ifndef VMMSTAT_PAGE_H
#define VMMSTAT_PAGE_H

#include <stdint.h>
#include <stddef.h>

#include <sys/types.h>

#include "vmmctl_counters.h"

#define PAGE_COUNTERS_MAX	4096u
#define PAGE_SLOT_MAX		(1u << 20)	/* bytes of one slot */
#define PAGE_SLOTS_MAX		16384u
#define PAGE_FILE_MAX		(1ull << 28)	/* bytes of the file */
#define PAGE_BUCKETS_MAX	64u

/* What the link of a live page's descriptor says. */
#define PAGE_LINK	"/memfd:" VMMCTL_COUNTERS_NAME " (deleted)"

/* strvis(3) makes at most 4 characters of one. */
#define PAGE_SAFE(n)		((n) * 4 + 1)

struct page_counter {
	char raw[32];			/* the name as it stands in the page */
	char name[PAGE_SAFE(32)];
	char column[PAGE_SAFE(12)];
	char help[PAGE_SAFE(112)];
	uint32_t type, unit, flags, group;
	uint32_t count;			/* values */
	uint32_t offset;		/* bytes from the start of a slot */
	size_t first;			/* index of the first value */
};

struct page {
	int fd;				/* -1: closed */
	dev_t dev;
	ino_t ino;
	int saved;			/* a copy in a file, not a live memfd */
	int device;			/* of the device: the kernel's, without
					 * a size of its own */
	uint32_t slot_count, slot_size, slot_offset;
	uint32_t pid, uid;
	uint64_t created_real_ns, created_mono_ns, created_ticks;
	char raw_name[32];
	char name[PAGE_SAFE(32)];
	char backend[PAGE_SAFE(16)];
	struct page_counter *counters;
	size_t counter_count;
	size_t value_count;		/* of all counters */
	unsigned char *slot;		/* room for one slot */
};

/* What changes from one reading to the next, beside the values. */
struct page_state {
	uint32_t vcpus;			/* ever in use */
	uint64_t ended_mono_ns;		/* 0: alive */
	uint64_t ended_ticks;
};

/*
 * Open the counter page at path (a file, or an entry of /proc/PID/fd, and then
 * only when it is called VMMCTL_COUNTERS_NAME).  Nothing but a regular file is
 * ever opened for reading, so that no device or FIFO feels it.
 *   -EINVAL  not a page, or a page that breaks a rule: why says which
 *   -EAGAIN  its owner has not finished it yet
 *   else     minus the errno of open(2) and its kin
 */
int page_open(struct page *p, const char *path, char *why, size_t why_size);
/* The same for a descriptor of the device's counters, which it takes. */
int page_open_device(struct page *p, int fd, char *why, size_t why_size);
void page_close(struct page *p);

/*
 * Read the sums over all slots into values[value_count].
 *   -EINVAL  the file is no longer what it was when it was opened
 */
int page_read(struct page *p, uint64_t *values, struct page_state *state,
    char *why, size_t why_size);

#endif
