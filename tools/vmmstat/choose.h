/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * choose.h - which machines the user means.
 */
#ifndef VMMSTAT_CHOOSE_H
#define VMMSTAT_CHOOSE_H

#include "machine.h"
#include "options.h"

/* Does the user ask for machines of the device? */
int choose_wants_device(const struct options *o);

/* Does the user name only files?  Then nothing is searched for. */
int choose_only_paths(const struct options *o);

/* Add the files that the user named; returns an exit code or 0. */
int choose_add_paths(struct machines *set, const struct options *o);

/* Mark the machines that the user means; returns how many. */
size_t choose_mark(struct machines *set, const struct options *o);

/*
 * Is there a machine for each -m and each -p?  After choose_mark().
 * If not, say for which there is none, why, and what helps.  Returns 0 or the
 * exit code.
 */
int choose_check(const struct machines *set, const struct options *o);

/* The same for each -m alone. */
int choose_check_names(const struct machines *set, const struct options *o);

#endif
