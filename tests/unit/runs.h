/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runs.h - what the tests of vCPUs share: a run of the unit that ends with an
 * exit, and the machine's counters.
 */
#ifndef UNIT_RUNS_H
#define UNIT_RUNS_H

#include "unit.h"

static inline uint64_t counter(struct unit *u, const char *name)
{
	uint64_t n = 0;

	assert_ok(vmmctl_machine_counter(u->m, name, &n));
	return n;
}

static inline void run(struct unit *u, enum vmmctl_exit_kind kind)
{
	memset(&u->e, 0xa5, sizeof(u->e));
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, kind);
}

#endif
