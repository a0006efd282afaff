/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * measure.h - a machine's counters over one interval, and what follows from
 * them.  Pure functions of their arguments, the clocks excepted.
 */
#ifndef VMMSTAT_MEASURE_H
#define VMMSTAT_MEASURE_H

#include "page.h"

struct sample {
	const struct page *page;
	int first;			/* since creation, not since the last */
	uint64_t real_ns;		/* CLOCK_REALTIME when it was read */
	uint64_t interval_ns;		/* 0: unknown */
	uint64_t age_ns;		/* 0: unknown */
	double ns_per_tick;		/* 0: unknown */
	uint32_t vcpus;
	int ended;
	const uint64_t *delta;		/* page->value_count values each */
	const uint64_t *total;
};

/* A quantile of a histogram: below bound, or, when open, above it. */
struct quantile {
	uint64_t bound;			/* in the counter's unit */
	uint64_t number;		/* values in the histogram */
	int open;
};

uint64_t clock_mono_ns(void);
uint64_t clock_real_ns(void);

/*
 * Nanoseconds per tick, from the two pairs of clocks that the page's format
 * names.  0 when it cannot be known: no such counter on this processor, or a
 * saved copy of a machine that lived when it was copied.
 */
double clock_ns_per_tick(const struct page *p, const struct page_state *state);

/*
 * The value below which permille of 1000 values lie, as the upper bound of
 * its bucket, over histograms that are summed into buckets[count].  number is
 * 0 when they are empty.
 */
struct quantile measure_quantile(const uint64_t *buckets, uint32_t count,
    unsigned permille);

/* That of all exit kinds together. */
struct quantile measure_exit_quantile(const struct sample *s,
    unsigned permille);

/* A time counter's share of the interval in percent; < 0: unknown. */
double measure_percent(const struct sample *s, uint64_t ticks);

/* Ticks as nanoseconds; only when s->ns_per_tick is not 0. */
uint64_t measure_ns(const struct sample *s, uint64_t ticks);

/* What a histogram counts: the sum of its buckets. */
uint64_t measure_number(const uint64_t *buckets, uint32_t count);

#endif
