/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runs.h - what the tests of runs share: a run that ends by itself, what its
 * entry had to load, interrupts that were sent, a second vCPU.
 */
#ifndef RUNS_H
#define RUNS_H

#include "device.h"

/* The second vCPU, of make_other(): with a context of its own. */
extern struct vmm_vcpu *other;
void make_other(struct device *d);

/* Interrupts to all processors, ever. */
uint64_t sent(void);
/* What the last entry had to load. */
uint32_t last_pending(void);
/* A run that ends with a shutdown. */
void shut_down(struct device *d);

#endif
