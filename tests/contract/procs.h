/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host's /proc tells about this process, its descendants and what
 * they map.
 */
#ifndef TESTS_CONTRACT_PROCS_H
#define TESTS_CONTRACT_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* For the host to take away what has ended. */
#define PATIENCE_MS	10000u

/* Descendants of pid, that are not zombies; at most max; how many. */
size_t procs_below(pid_t pid, pid_t *out, size_t max);
/*
 * Other processes than this, whosever children, that map the file or hold it
 * open; at most max; how many.
 */
size_t procs_with_file(int fd, pid_t *out, size_t max);
/* Waits up to ms for there to be none; how many there are. */
size_t procs_file_gone(int fd, unsigned ms);
/* Waits up to ms for pid to have stopped. */
bool procs_stopped(pid_t pid, unsigned ms);
size_t procs_fds(pid_t pid);
/* Descriptors of pid that are not of that file. */
size_t procs_fds_but(pid_t pid, int fd);
size_t procs_threads(pid_t pid);
/* Bytes: proportional set size and page tables of pid. */
uint64_t procs_memory(pid_t pid);

struct procs_map {
	uint64_t start, end, inode;
	char perms[5];
	char path[128];
};
/* The mappings of pid; at most max; how many. */
size_t procs_maps(pid_t pid, struct procs_map *out, size_t max);
/*
 * All of pid that its system calls could change: mappings, descriptors,
 * threads, and of each what is blocked, filtered, and who may look.  As text,
 * of which a test compares two.
 */
void procs_describe(pid_t pid, char *text, size_t size);

#endif
