/* SPDX-License-Identifier: BSD-2-Clause */
#include "format.h"

#include <inttypes.h>
#include <libutil.h>
#include <stdio.h>
#include <string.h>

#define PAGE_BYTES	4096u	/* of VMMCTL_COUNTERS_PAGES */

static void humanize(char out[FORMAT_SIZE], size_t size, uint64_t n,
    const char *suffix, int flags)
{
	/* humanize_number() takes a signed number. */
	int64_t v = n > INT64_MAX ? INT64_MAX : (int64_t)n;

	if (humanize_number(out, size, v, suffix, HN_AUTOSCALE,
	    HN_NOSPACE | HN_DECIMAL | flags) < 0)
		snprintf(out, FORMAT_SIZE, "?");
}

void format_number(char out[FORMAT_SIZE], uint64_t n)
{
	if (n < 100000)
		snprintf(out, FORMAT_SIZE, "%" PRIu64, n);
	else
		humanize(out, 5, n, "", HN_DIVISOR_1000);
}

void format_bytes(char out[FORMAT_SIZE], uint64_t n)
{
	humanize(out, 5, n, "", HN_B);
}

void format_ns(char out[FORMAT_SIZE], uint64_t ns)
{
	static const struct {
		double scale;
		const char *unit;
	} units[] = {
		{ 1, "ns" }, { 1e3, "us" }, { 1e6, "ms" }, { 1e9, "s" },
		{ 60e9, "m" }, { 3600e9, "h" }, { 86400e9, "d" },
	};
	size_t i = 0;
	double v;

	while (i + 1 < sizeof(units) / sizeof(units[0]) &&
	    (double)ns >= units[i + 1].scale * 0.9995)
		i++;
	v = (double)ns / units[i].scale;
	snprintf(out, FORMAT_SIZE, "%.*f%s",
	    i == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2, v, units[i].unit);
}

void format_ticks(char out[FORMAT_SIZE], const struct sample *s, uint64_t ticks)
{
	if (s->ns_per_tick > 0)
		format_ns(out, measure_ns(s, ticks));
	else
		humanize(out, 6, ticks, "t", HN_DIVISOR_1000);
}

void format_percent(char out[FORMAT_SIZE], double percent)
{
	if (percent < 0)
		snprintf(out, FORMAT_SIZE, "-");
	else if (percent > 1e6)
		snprintf(out, FORMAT_SIZE, "%.1e", percent);
	else
		snprintf(out, FORMAT_SIZE, "%.*f", percent < 999.95 ? 1 : 0,
		    percent);
}

void format_quantile(char out[FORMAT_SIZE], const struct sample *s,
    const struct quantile *q)
{
	char bound[FORMAT_SIZE];

	if (q->number == 0) {
		snprintf(out, FORMAT_SIZE, "-");
		return;
	}
	format_ticks(bound, s, q->bound);
	snprintf(out, FORMAT_SIZE, "%s%.14s", q->open ? ">" : "", bound);
}

void format_value(char out[FORMAT_SIZE], const struct sample *s,
    const struct page_counter *c, uint64_t value)
{
	switch (c->unit) {
	case VMMCTL_COUNTERS_TICKS:
		format_ticks(out, s, value);
		break;
	case VMMCTL_COUNTERS_PAGES:
		format_bytes(out, value > UINT64_MAX / PAGE_BYTES ?
		    UINT64_MAX : value * PAGE_BYTES);
		break;
	case VMMCTL_COUNTERS_BYTES:
		format_bytes(out, value);
		break;
	default:
		format_number(out, value);
		break;
	}
}

void format_age(char out[FORMAT_SIZE], uint64_t ns)
{
	uint64_t s = ns / 1000000000u;

	if (ns == 0)
		snprintf(out, FORMAT_SIZE, "-");
	else if (s < 60)
		snprintf(out, FORMAT_SIZE, "%.1fs", (double)ns / 1e9);
	else if (s < 3600)
		snprintf(out, FORMAT_SIZE, "%um%02us", (unsigned)(s / 60),
		    (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(out, FORMAT_SIZE, "%uh%02um", (unsigned)(s / 3600),
		    (unsigned)(s / 60 % 60));
	else
		snprintf(out, FORMAT_SIZE, "%ud%02uh",
		    (unsigned)(s / 86400 % 1000000),
		    (unsigned)(s / 3600 % 24));
}

const char *format_unit(uint32_t unit)
{
	static const char *const names[] = {
		[VMMCTL_COUNTERS_EVENTS] = "events",
		[VMMCTL_COUNTERS_TICKS] = "ticks",
		[VMMCTL_COUNTERS_PAGES] = "pages",
		[VMMCTL_COUNTERS_BYTES] = "bytes",
	};

	if (unit >= sizeof(names) / sizeof(names[0]) || names[unit] == NULL)
		return "unknown";
	return names[unit];
}
