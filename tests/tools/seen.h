/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seen.h - has a reader come?  For machines that are to live until then,
 * however slow the host is.
 */
#ifndef SEEN_H
#define SEEN_H

#include <sys/types.h>

/* Does that process have the file of this descriptor open, or is it gone? */
int seen_by(pid_t pid, int fd);

#endif
