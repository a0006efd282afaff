/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - contenders and their works.  A contender lives in a process of
 * its own; main.c asks each in turn for a few samples of one work, so that
 * noise hits all alike.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BATCH_MAX	256u
#define WARM_UP		4u	/* not counted, at the start of a batch */
#define PAGE		4096u
#define MEMORY_SIZE	(8u << 20)
#define MEMORY_PAGES	(4u << 20)	/* where the pages to map begin */
#define AREA		0x10000000ull	/* where guests have them */
#define AREA_STRIDE	(4u << 20)

/* Works of one rank are measured side by side. */
enum rank {
	RANK_SYSCALL, RANK_BREAKPOINT, RANK_FAULT, RANK_FAULT_ONLY, RANK_MAP_1,
	RANK_MAP_16, RANK_MAP_512, RANK_SPACE, RANK_SWITCH, RANK_KICK,
	RANK_PART, RANKS
};

struct work {
	const char *name;
	enum rank rank;
	/* n samples in nanoseconds, n <= BATCH_MAX; -1 after bench_fail(). */
	int (*batch)(uint64_t *ns, unsigned n);
};

struct contender {
	const char *backend;
	int (*open)(const char *backend);	/* -1 after bench_fail() */
	void (*close)(void);		/* may be NULL; after open only */
	const struct work *works;
	size_t nworks;
};

extern const struct work library_works[], library_kicks[], ptrace_works[],
    raw_kvm_works[], part_works[];
extern const size_t library_nworks, library_nkicks, ptrace_nworks,
    raw_kvm_nworks, part_nworks;
int library_open(const char *backend);
void library_close(void);
int ptrace_open(const char *backend);
void ptrace_close(void);
int raw_kvm_open(const char *backend);
int part_open(const char *backend);

/* ---- for the contenders (worker.c) --------------------------------------- */

/* Keep the sentence for the report; returns -1. */
int bench_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* Something that the reader of the figures should know. */
void bench_note(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* A memfd of MEMORY_SIZE, its pages there, the guests' code at its start. */
int bench_memory(uint8_t **at);

/*
 * Kicks from another CPU, or from the same if there is but one: kicker_ask(),
 * run the guest, and when the run has ended kicker_asked() tells since when
 * it should have; 0: not for the kick's sake.  spin is what the guest counts
 * in.
 */
int kicker_start(void (*kick)(void), const volatile uint64_t *spin);
void kicker_ask(void);
uint64_t kicker_asked(void);

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- for main.c ---------------------------------------------------------- */

struct worker {
	const struct contender *contender;
	int pid, socket;
};

/* cpu: where it is pinned to; other: where its kicks come from, or -1. */
int worker_start(struct worker *w, const struct contender *c, int cpu,
    int other);
void worker_stop(struct worker *w);
/* n samples of a work; -1: it has failed, and said so. */
int worker_batch(struct worker *w, size_t work, uint64_t *ns, unsigned n);

#endif
