/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.h - what the guests do.  Position-independent, and the same bytes for
 * every contender.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stdint.h>

#define BRIEF_CALL	110

extern const uint8_t guest_start[];
extern const uint8_t guest_brief[];	/* system calls, number BRIEF_CALL */
extern const uint8_t guest_syscall[];	/* system calls */
extern const uint8_t guest_break[];	/* breakpoints */
extern const uint8_t guest_fault[];	/* writes to a page after the other
					 * from RBX */
extern const uint8_t guest_touch[];	/* the same, R12 pages, then a system
					 * call */
extern const uint8_t guest_spin[];	/* counts in (RBX) */
extern const uint8_t guest_inject[];	/* a system call, then a breakpoint */
extern const uint8_t guest_end[];

#endif
