/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line per machine.  The columns are the scalars that the pages call
 * SUMMARY, in their order, and the p99 of all exit times.
 */
#include "format.h"
#include "output.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MIN	8
#define LABEL_MAX	16
#define NUMBER_WIDTH	5
#define P99_WIDTH	6
#define PERMILLE	990

struct column {
	const char *name, *heading;
	int width;
};

struct columns {
	struct column *list;
	size_t count;
	int label_width;
};

static const char *heading_of(const struct page_counter *c)
{
	return c->column[0] != '\0' ? c->column : c->name;
}

static const struct page_counter *find_counter(const struct page *p,
    const char *name)
{
	for (size_t i = 0; i < p->counter_count; i++)
		if (strcmp(p->counters[i].name, name) == 0)
			return &p->counters[i];
	return NULL;
}

static void add_column(struct columns *cols, const struct page_counter *c)
{
	struct column *more;

	for (size_t i = 0; i < cols->count; i++)
		if (strcmp(cols->list[i].name, c->name) == 0)
			return;
	more = reallocarray(cols->list, cols->count + 1, sizeof(*more));
	if (more == NULL)
		err(EXIT_SYSTEM, NULL);
	cols->list = more;
	more += cols->count++;
	more->name = c->name;
	more->heading = heading_of(c);
	more->width = (int)strlen(more->heading);
	if (more->width < NUMBER_WIDTH)
		more->width = NUMBER_WIDTH;
}

static void find_columns(struct columns *cols, struct machine *const *m,
    size_t count)
{
	memset(cols, 0, sizeof(*cols));
	cols->label_width = LABEL_MIN;
	for (size_t i = 0; i < count; i++) {
		const struct page *p = &m[i]->page;
		int len = (int)strnlen(m[i]->label, LABEL_MAX);

		if (len > cols->label_width)
			cols->label_width = len;
		for (size_t k = 0; k < p->counter_count; k++)
			if (p->counters[k].type == VMMCTL_COUNTERS_SCALAR &&
			    p->counters[k].flags & VMMCTL_COUNTERS_F_SUMMARY)
				add_column(cols, &p->counters[k]);
	}
}

/* Headings come again on a full terminal, and when they change. */
static void print_heading(struct output *out, const struct columns *cols)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int width, lines;

	if (f == NULL)
		err(EXIT_SYSTEM, NULL);
	fprintf(f, "%-*s", cols->label_width, "machine");
	for (size_t i = 0; i < cols->count; i++)
		fprintf(f, " %*s", cols->list[i].width, cols->list[i].heading);
	fprintf(f, " %*s\n", P99_WIDTH, "p99");
	if (fclose(f) == EOF)
		err(EXIT_SYSTEM, NULL);
	output_size(out, &width, &lines);
	if (out->heading != NULL && strcmp(out->heading, text) == 0 &&
	    !(out->terminal && out->lines >= lines - 2)) {
		free(text);
		return;
	}
	fputs(text, out->file);
	free(out->heading);
	out->heading = text;
	out->lines = 0;
}

static void print_machine(struct output *out, const struct columns *cols,
    const struct machine *m)
{
	const struct sample *s = &m->sample;
	struct quantile q = measure_exit_quantile(s, PERMILLE);
	char text[FORMAT_SIZE];

	fprintf(out->file, "%-*.*s", cols->label_width, LABEL_MAX, m->label);
	for (size_t i = 0; i < cols->count; i++) {
		const struct page_counter *c = find_counter(&m->page,
		    cols->list[i].name);

		if (c == NULL)
			strcpy(text, "-");
		else if (c->flags & VMMCTL_COUNTERS_F_PERCENT)
			format_percent(text, measure_percent(s,
			    s->delta[c->first]));
		else
			format_value(text, s, c, s->delta[c->first]);
		fprintf(out->file, " %*s", cols->list[i].width, text);
	}
	format_quantile(text, s, &q);
	fprintf(out->file, " %*s\n", P99_WIDTH, text);
	out->lines++;
}

/* A counter is a key by its name and by its heading. */
static const struct page_counter *find_key(const struct page *p,
    const char *key)
{
	for (size_t i = 0; i < p->counter_count; i++)
		if (key[0] != '\0' && (strcmp(p->counters[i].name, key) == 0 ||
		    strcmp(p->counters[i].column, key) == 0))
			return &p->counters[i];
	return NULL;
}

/* 0: the machine has nothing that is called so. */
static int set_key(struct row *row, const struct machine *m, const char *key)
{
	const struct sample *s = &m->sample;
	const struct page_counter *c = find_key(&m->page, key);
	struct quantile q;

	if (c != NULL)
		row->number = measure_number(&s->delta[c->first], c->count);
	else if (strcmp(key, "machine") == 0)
		row->text = m->label;
	else if (strcmp(key, "age") == 0)
		row->number = s->age_ns;
	else if (strcmp(key, "p99") == 0) {
		q = measure_exit_quantile(s, PERMILLE);
		row->number = s->ns_per_tick > 0 ? measure_ns(s, q.bound) :
		    q.bound;
	} else
		return 0;
	return 1;
}

int summary_check_key(const struct options *o, struct machine *const *m,
    size_t count)
{
	struct row row;

	if (o->key == NULL || count == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (set_key(&row, m[i], o->key))
			return 0;
	return options_bad_key(o, "machine, age, p99, the headings and the "
	    "counters that vmmstat -a shows");
}

void show_summary(struct output *out, struct machine *const *m, size_t count)
{
	const char *key = out->options->key;
	struct row *rows = rows_create(count);
	struct columns cols;

	for (size_t i = 0; i < count; i++) {
		rows[i].index = i;
		if (key != NULL)
			set_key(&rows[i], m[i], key);
	}
	rows_sort(rows, count);
	find_columns(&cols, m, count);
	print_heading(out, &cols);
	for (size_t i = 0; i < count; i++)
		print_machine(out, &cols, m[rows[i].index]);
	free(cols.list);
	free(rows);
}
