/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm.h - between storm.c, where processes are made and ended, and
 * storm_ops.c, for what one of their threads does.
 */
#ifndef STORM_H
#define STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORM_OPS	32u
#define STORM_KINDS	10u	/* of exits */

/* How a process of the storm ends that is not as it ought to be. */
enum {
	STORM_ERRNO = 90,	/* an errno that is the kernel's own */
	STORM_REGISTERS,	/* a register has changed across VMM_RUN */
	STORM_FAULT,		/* a fault where nothing is ever taken away */
	STORM_SETUP
};

/* Written by all processes. */
struct storm_counts {
	uint64_t tried[STORM_OPS], done[STORM_OPS];
	uint64_t exits[STORM_KINDS];
	uint64_t faults;
	/* Of STORM_FAULT: signal, address, and the instruction's. */
	uint64_t fault_signal, fault_at, fault_ip;
};
extern struct storm_counts *storm_counts;

/* The nth operation's name; NULL: there are no more. */
const char *storm_name(unsigned n);

/* Random numbers, a sequence for each thread. */
void storm_seed(uint64_t seed);
uint64_t storm_any(void);
uint32_t storm_below(uint32_t n);

/*
 * In a process of its own: memory, signals, and a first machine that could
 * run.  machine and vcpu: descriptors of somebody else's to attack, or -1.
 */
void storm_begin(int machine, int vcpu);
/* One operation. */
void storm_operate(void);

#endif
