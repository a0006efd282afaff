/* SPDX-License-Identifier: BSD-2-Clause */
#include "measure.h"

#include <time.h>

/* Outside of these a pair of clocks is nonsense. */
#define NS_PER_TICK_MIN	0.001
#define NS_PER_TICK_MAX	1e6

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* The counter that the page's times are in; 0: none here. */
static uint64_t clock_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

double clock_ns_per_tick(const struct page *p, const struct page_state *state)
{
	uint64_t ns, ticks;
	double ratio;

	if (state->ended_mono_ns != 0) {
		ns = state->ended_mono_ns;
		ticks = state->ended_ticks;
	} else if (!p->saved) {
		ns = clock_mono_ns();
		ticks = clock_ticks();
	} else {
		return 0;
	}
	if (ns <= p->created_mono_ns || ticks <= p->created_ticks)
		return 0;
	ratio = (double)(ns - p->created_mono_ns) /
	    (double)(ticks - p->created_ticks);
	if (ratio < NS_PER_TICK_MIN || ratio > NS_PER_TICK_MAX)
		return 0;
	return ratio;
}

uint64_t measure_number(const uint64_t *buckets, uint32_t count)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += buckets[i];
	return n;
}

struct quantile measure_quantile(const uint64_t *buckets, uint32_t count,
    unsigned permille)
{
	struct quantile q = { 0, 0, 0 };
	uint64_t want, seen = 0;

	q.number = measure_number(buckets, count);
	if (q.number == 0)
		return q;
	/* Round up without overflow: rank ceil(number * permille / 1000). */
	want = q.number / 1000 * permille +
	    (q.number % 1000 * permille + 999) / 1000;
	for (uint32_t i = 0; i < count; i++) {
		/* seen + buckets[i] >= want; hostile sums may wrap */
		if (buckets[i] >= want - seen) {
			q.open = i + 1 == count || i >= 63;
			q.bound = (uint64_t)1 << (q.open ? i : i + 1);
			return q;
		}
		seen += buckets[i];
	}
	q.open = 1;
	q.bound = (uint64_t)1 << (count - 1);
	return q;
}

struct quantile measure_exit_quantile(const struct sample *s, unsigned permille)
{
	uint64_t all[PAGE_BUCKETS_MAX] = { 0 };
	const struct page *p = s->page;
	uint32_t count = 1;

	for (size_t i = 0; i < p->counter_count; i++) {
		const struct page_counter *c = &p->counters[i];

		if (c->type != VMMCTL_COUNTERS_LOG2 ||
		    c->unit != VMMCTL_COUNTERS_TICKS ||
		    (c->flags & VMMCTL_COUNTERS_F_EXIT) == 0)
			continue;
		if (c->count > count)
			count = c->count;
		for (uint32_t k = 0; k < c->count; k++)
			all[k] += s->delta[c->first + k];
	}
	return measure_quantile(all, count, permille);
}

double measure_percent(const struct sample *s, uint64_t ticks)
{
	if (s->interval_ns == 0 || s->ns_per_tick <= 0)
		return -1;
	return (double)ticks * s->ns_per_tick * 100 / (double)s->interval_ns;
}

uint64_t measure_ns(const struct sample *s, uint64_t ticks)
{
	double ns = (double)ticks * s->ns_per_tick;

	/* A double this large does not fit: the conversion is undefined. */
	return ns >= 1.8e19 ? UINT64_MAX : (uint64_t)ns;
}
