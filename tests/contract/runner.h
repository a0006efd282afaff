/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that runs one context on one vCPU until it is told to stop, or
 * until an exit that the test did not ask for.  on_exit may find the exit
 * brief, as callers in earnest do; after runner_join all registers are there.
 */
#ifndef TESTS_CONTRACT_RUNNER_H
#define TESTS_CONTRACT_RUNNER_H

#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct runner {
	struct vmmctl_vcpu *cpu;
	struct vmmctl_context *c;
	/* What to do with an exit: true goes on.  NULL: stop. */
	bool (*on_exit)(struct runner *t);
	void *cookie;
	struct vmmctl_exit x;		/* the last exit */
	int rc;				/* of the last run */
	_Atomic uint64_t exits;
	_Atomic bool started, stop, done;
	pthread_t thread;
};

/*
 * *t is static: a test that fails leaves its stack before its threads have
 * ended.  cpu NULL: a vCPU of its own; c NULL: a context of its own in r->s.
 */
void runner_init(struct runner *t, struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c);
void runner_start(struct runner *t);
void runner_join(struct runner *t);
/* Whatever it does: no more exits are handled, the thread ends. */
void runner_stop(struct runner *t);

/*
 * A thread that kicks a vCPU.  Kicks of one that does not run are cheap, and
 * where every run is hit by one the guest never comes to its next exit: after
 * each volley it waits for exits to go up, which the test counts there.
 */
#define VOLLEY	500u
struct kicker {
	struct vmmctl_vcpu *cpu;
	uint64_t kicks;			/* to do */
	unsigned pause;			/* loops between two */
	unsigned rest;			/* exits after a volley */
	_Atomic uint64_t kicked, exits;
	_Atomic bool started, stop;
	pthread_t thread;
};

/*
 * *k is static, as above.  rest is 1 for a guest that exits for kicks only;
 * with 2, one of the exits after each volley is the guest's own.
 */
void kicker_start(struct kicker *k, struct rig *r, uint64_t kicks,
    unsigned pause, unsigned rest);
void kicker_stop(struct kicker *k);

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void sleep_us(long us)
{
	nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 },
	    NULL);
}

/* Waits until *p is no longer old, as guests and threads change it. */
static inline uint64_t wait_change(const volatile uint64_t *p, uint64_t old)
{
	while (*p == old)
		sleep_us(50);
	return *p;
}

#endif
