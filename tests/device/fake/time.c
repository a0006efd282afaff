// SPDX-License-Identifier: BSD-2-Clause
/* time.c - clocks and timers: see fake.h. */
#include "fake.h"
#include "cpu.h"

static struct os_timer *timers;

/* ---- clocks ---- */

uint64_t os_mono_ns(void)
{
	return fake.now++;
}

uint64_t os_real_ns(void)
{
	return 1700000000000000000ull + fake.now;
}

bool os_tsc_is_clock(void)
{
	return !fake.tsc_unstable;
}

uint64_t os_tsc_at(uint64_t mono_ns)
{
	const uint64_t hour = 3600000000000ull;
	uint64_t ns = mono_ns > fake.now ? mono_ns - fake.now : 0;

	return fake_hw.tsc + (ns < hour ? ns : hour) * FAKE_GHZ;
}

/* ---- timers ---- */

void os_timer_init(struct os_timer *t, void (*fn)(struct os_timer *t))
{
	struct os_timer *i;

	for (i = timers; i != NULL; i = i->next) {
		if (i == t)
			fake_bug("a timer is made twice");
	}
	*t = (struct os_timer){ .fn = fn, .next = timers };
	timers = t;
}

void os_timer_start(struct os_timer *t, uint64_t mono_ns)
{
	struct os_timer *i;

	for (i = timers; i != NULL && i != t; i = i->next)
		;
	if (i == NULL)
		fake_bug("a timer is started that was never made");
	fake.timer_starts++;
	t->when = mono_ns == 0 ? 1 : mono_ns;
	t->cpu = fake.cur->cpu;
}

void os_timer_stop(struct os_timer *t)
{
	fake_may_sleep("os_timer_stop");
	t->when = 0;
}

bool fake_timer_running(const struct os_timer *t)
{
	return t->when != 0;
}

uint32_t fake_live_timers(void)
{
	const struct os_timer *t;
	uint32_t n = 0;

	for (t = timers; t != NULL; t = t->next)
		n += t->when != 0;
	return n;
}

void fake_timers_reset(void)
{
	timers = NULL;
}

void fake_timers_forget(const void *from, size_t size)
{
	const uint8_t *start = from;
	struct os_timer **at = &timers, *t;

	while ((t = *at) != NULL) {
		const uint8_t *p = (const uint8_t *)t;

		if (p < start || p >= start + size) {
			at = &t->next;
			continue;
		}
		if (t->when != 0)
			fake_bug("the memory of a timer that runs is freed");
		*at = t->next;
	}
}

static void fire(void *cookie)
{
	struct os_timer *t = cookie;

	t->fn(t);
}

void fake_advance(uint64_t ns)
{
	struct os_timer *t;

	fake.now += ns;
	fake_hw.tsc += ns * FAKE_GHZ;
	for (t = timers; t != NULL; t = t->next) {
		if (t->when == 0 || t->when > fake.now)
			continue;
		t->when = 0;
		/* Interrupts are off there: it comes when the guest is left. */
		if (fake_guest_on(t->cpu))
			fake.pending[t->cpu] = true;
		fake_interrupt(t->cpu, fire, t);
	}
}
