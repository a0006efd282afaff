/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.c - timers that interrupt the processor they were started on.
 */
#include "os.h"

#include <linux/hrtimer.h>
#include <linux/ktime.h>

static enum hrtimer_restart fire(struct hrtimer *h)
{
	struct os_timer *t = container_of(h, struct os_timer, t);

	t->fn(t);
	return HRTIMER_NORESTART;
}

void os_timer_init(struct os_timer *t, void (*fn)(struct os_timer *t))
{
	t->fn = fn;
	hrtimer_init(&t->t, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	t->t.function = fire;
}

void os_timer_start(struct os_timer *t, uint64_t mono_ns)
{
	hrtimer_start(&t->t, ns_to_ktime(min_t(uint64_t, mono_ns, KTIME_MAX)),
	    HRTIMER_MODE_ABS_PINNED_HARD);
}

void os_timer_stop(struct os_timer *t)
{
	hrtimer_cancel(&t->t);
}
