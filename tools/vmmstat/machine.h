/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h - the machines that are there, and their samples.
 *
 * A page that several descriptors or processes lead to is one machine.  A
 * machine's page stays open, so that its last values can be read when its
 * owner is gone already.
 */
#ifndef VMMSTAT_MACHINE_H
#define VMMSTAT_MACHINE_H

#include "measure.h"

struct machine {
	struct page page;
	pid_t pid;		/* of the owner, or of who has it open */
	uid_t uid;
	char owner[33];		/* the uid's name, or its number */
	unsigned ordinal;	/* the pid's first, second, ...; 0: not yet */
	char *id;		/* "PID.N", "vmm.N" of the device's, or the
				 * path as it was given */
	uint64_t device_id;	/* N of "vmm.N"; 0: a page of a library's */
	const char *label;	/* the name when it is unique, else the id */
	int from_path;
	int seen;		/* in the scan that goes on */
	int ended;
	int chosen;
	uint64_t last_ns;	/* CLOCK_MONOTONIC of the last sample; 0 */
	uint64_t *total, *before, *delta;
	struct sample sample;
};

/* A page that was found wanting, and is not to be complained about again. */
struct rejected {
	dev_t dev;
	ino_t ino;
};

struct machines {
	struct machine **list;
	size_t count;
	struct rejected *rejected;
	size_t rejected_count;
	int denied;		/* processes or pages that could not be read */
	int denied_pages;
	int unfinished;		/* pages that were not ready */
	int device;		/* look for the device's machines, too */
	int device_error;	/* 0, or why there are none: -errno */
};

/* What the ids of the device's machines begin with. */
#define MACHINE_DEVICE	"vmm."

void machines_init(struct machines *set);
void machines_fini(struct machines *set);

/* Where to look. */
enum machines_where {
	MACHINES_ALL,
	MACHINES_PIDS,
	MACHINES_DESCENDANTS
};

/*
 * Look for machines anew.  New ones are added, numbered and, when their page
 * is bad, complained about once; those that nobody has open any more are
 * marked ended.
 */
void machines_scan(struct machines *set, enum machines_where where,
    const pid_t *pids, size_t pid_count);

/* Add the page at path; complains and returns -errno when it cannot. */
int machines_add_path(struct machines *set, const char *path);

/* Close the page of a machine that has ended; its last sample stays. */
void machine_freeze(struct machine *m);

/* Take a machine out and free it. */
void machines_drop(struct machines *set, size_t i);

/* Give each chosen machine its label. */
void machines_label(struct machines *set);

/*
 * Read the page.  < 0: why says what became of it.
 */
int machine_sample(struct machine *m, char *why, size_t why_size);

#endif
