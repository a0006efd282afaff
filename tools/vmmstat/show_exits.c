/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of the exit kinds: how many, what part of all, the time outside
 * the guest, its share of the interval, mean, median and p99.
 */
#include "format.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

static uint64_t value(const struct sample *s, const struct page_counter *c)
{
	return c != NULL ? s->delta[c->first] : 0;
}

static struct quantile quantile(const struct sample *s,
    const struct page_counter *c, unsigned permille)
{
	struct quantile none = { 0, 0, 0 };

	return c != NULL ? measure_quantile(&s->delta[c->first], c->count,
	    permille) : none;
}

static void print_kind(struct output *out, const struct sample *s,
    const struct kind *k, uint64_t all)
{
	struct quantile q50 = quantile(s, k->histogram, 500);
	struct quantile q99 = quantile(s, k->histogram, 990);
	uint64_t count = value(s, k->count), time = value(s, k->time);
	char number[FORMAT_SIZE], part[FORMAT_SIZE], total[FORMAT_SIZE];
	char share[FORMAT_SIZE], mean[FORMAT_SIZE], p50[FORMAT_SIZE];
	char p99[FORMAT_SIZE];

	format_number(number, count);
	format_percent(part, all != 0 ?
	    (double)count * 100 / (double)all : -1);
	format_ticks(total, s, time);
	format_percent(share, measure_percent(s, time));
	strcpy(mean, "-");
	if (count != 0 && k->time != NULL)
		format_ticks(mean, s, time / count);
	format_quantile(p50, s, &q50);
	format_quantile(p99, s, &q99);
	fprintf(out->file, "  %-23s %7s %6s %7s %6s %7s %7s %7s\n", k->name,
	    number, part, total, share, mean, p50, p99);
}

/* The value that a kind is sorted by. */
static void set_key(struct row *row, const struct sample *s,
    const struct kind *k, const char *key)
{
	uint64_t count = value(s, k->count), time = value(s, k->time);

	if (strcmp(key, "count") == 0)
		row->number = count;
	else if (strcmp(key, "time") == 0)
		row->number = time;
	else if (strcmp(key, "mean") == 0)
		row->number = count != 0 ? time / count : 0;
	else if (strcmp(key, "p50") == 0)
		row->number = quantile(s, k->histogram, 500).bound;
	else if (strcmp(key, "p99") == 0)
		row->number = quantile(s, k->histogram, 990).bound;
	else
		row->text = k->name;
}

static void show_machine(struct output *out, const struct machine *m)
{
	const struct sample *s = &m->sample;
	const struct options *o = out->options;
	struct kind *kinds;
	size_t n = kinds_find(o, &m->page, &kinds), shown = 0;
	struct row *rows = rows_create(n);
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += value(s, kinds[i].count);
	for (size_t i = 0; i < n; i++) {
		struct row row = { NULL, 0, i };

		set_key(&row, s, &kinds[i],
		    o->key != NULL ? o->key : "count");
		if (!options_wants(o, kinds[i].name) ||
		    (!o->all && value(s, kinds[i].count) == 0 &&
		    value(s, kinds[i].time) == 0))
			continue;
		rows[shown++] = row;
	}
	rows_sort(rows, shown);
	title(out, m);
	fprintf(out->file, "  %-23s %7s %6s %7s %6s %7s %7s %7s\n", "exit",
	    "count", "%exits", "time", "%time", "mean", "p50", "p99");
	for (size_t i = 0; i < shown; i++)
		print_kind(out, s, &kinds[rows[i].index], all);
	free(rows);
	free(kinds);
}

void show_exits(struct output *out, struct machine *const *m, size_t count)
{
	for (size_t i = 0; i < count; i++)
		show_machine(out, m[i]);
}
