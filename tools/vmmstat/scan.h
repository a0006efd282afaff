/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.h - where in /proc counter pages are.  It finds entries by their
 * name and opens none of them.
 */
#ifndef VMMSTAT_SCAN_H
#define VMMSTAT_SCAN_H

#include <sys/types.h>

/* path is the entry's, in /proc/PID/fd. */
typedef void scan_found(void *cookie, pid_t pid, const char *path);

/*
 * The entries of one process.
 *   -ESRCH   there is no such process
 *   -EACCES  its descriptors belong to somebody else
 */
int scan_process(pid_t pid, scan_found *found, void *cookie);

/* Those of all processes; returns how many could not be looked into. */
int scan_all(scan_found *found, void *cookie);

/* Those of all descendants of this process. */
void scan_descendants(scan_found *found, void *cookie);

/* Is it a descendant of this process? */
int scan_is_descendant(pid_t pid);

#endif
