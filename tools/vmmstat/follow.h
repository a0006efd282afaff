/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * follow.h - the two ways to take samples: at a pace, and over a command.
 */
#ifndef VMMSTAT_FOLLOW_H
#define VMMSTAT_FOLLOW_H

#include "output.h"

/* Both return the exit code. */
int follow(const struct options *o, struct output *out);
int follow_command(const struct options *o, struct output *out);

/*
 * Sample the chosen machines, and show them.  One that cannot be read is
 * complained about and marked ended.  Returns how many were shown.
 */
size_t follow_sample(struct machines *set);
size_t follow_show(struct machines *set, struct output *out);

/*
 * Has one of the chosen machines a counter that -f matches, whatever it counts?
 * If none has, say so.  Returns 0 or the exit code.
 */
int follow_check_filter(const struct machines *set, const struct options *o);

/* Every machine takes a descriptor. */
void follow_raise_limit(void);

#endif
