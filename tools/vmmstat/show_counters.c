/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters by name: what was added in the interval, and the total.  A
 * histogram shows how many values it has, and their p99.
 */
#include "format.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

static uint64_t added(const struct sample *s, const struct page_counter *c)
{
	return measure_number(&s->delta[c->first], c->count);
}

static void print_counter(struct output *out, const struct sample *s,
    const struct page_counter *c, int columns)
{
	char value[FORMAT_SIZE], total[FORMAT_SIZE], extra[FORMAT_SIZE] = "";
	struct quantile q;

	if (c->type == VMMCTL_COUNTERS_LOG2) {
		q = measure_quantile(&s->delta[c->first], c->count, 990);
		format_number(value, q.number);
		format_number(total, measure_number(&s->total[c->first],
		    c->count));
		format_quantile(extra, s, &q);
	} else {
		format_value(value, s, c, s->delta[c->first]);
		format_value(total, s, c, s->total[c->first]);
		if (c->flags & VMMCTL_COUNTERS_F_PERCENT)
			format_percent(extra, measure_percent(s,
			    s->delta[c->first]));
	}
	fprintf(out->file, "  %-31s %7s %7s %7s", c->name, value, total,
	    extra);
	/* 57 columns are used; a help text that does not fit stays out. */
	if (columns - 59 >= (int)strlen(c->help))
		fprintf(out->file, "  %s", c->help);
	fputc('\n', out->file);
}

static void set_key(struct row *row, const struct sample *s,
    const struct page_counter *c, const char *key)
{
	if (strcmp(key, "value") == 0)
		row->number = added(s, c);
	else
		row->text = c->name;
}

static void show_machine(struct output *out, const struct machine *m,
    int columns)
{
	const struct options *o = out->options;
	const struct page *p = &m->page;
	struct row *rows = rows_create(p->counter_count);
	size_t shown = 0;

	for (size_t i = 0; i < p->counter_count; i++) {
		const struct page_counter *c = &p->counters[i];
		struct row row = { NULL, 0, i };

		if (o->key != NULL)
			set_key(&row, &m->sample, c, o->key);
		if (!output_wants(o, c) ||
		    (!o->all && added(&m->sample, c) == 0))
			continue;
		rows[shown++] = row;
	}
	rows_sort(rows, shown);
	title(out, m);
	fprintf(out->file, "  %-31s %7s %7s %7s\n", "counter", "value",
	    "total", "%/p99");
	for (size_t i = 0; i < shown; i++)
		print_counter(out, &m->sample, &p->counters[rows[i].index],
		    columns);
	free(rows);
}

void show_counters(struct output *out, struct machine *const *m, size_t count)
{
	int columns, lines;

	output_size(out, &columns, &lines);
	for (size_t i = 0; i < count; i++)
		show_machine(out, m[i], columns);
}
