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
 * Nothing was found: say so, why, and what helps.  scan_error is what
 * machines_scan() returned.  Returns the exit code.
 */
int choose_complain(const struct machines *set, const struct options *o,
    int scan_error);

#endif
