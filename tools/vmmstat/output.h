/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.h - the ways to show samples.  One function per view and style;
 * output_show() chooses.
 */
#ifndef VMMSTAT_OUTPUT_H
#define VMMSTAT_OUTPUT_H

#include <stdio.h>

#include "machine.h"
#include "options.h"

struct output {
	FILE *file;
	const struct options *options;
	int terminal;
	int samples;		/* shown so far */
	int lines;		/* since the last heading */
	int code;		/* to end with, if nothing is worse */
	char *heading;		/* the last one */
};

/* file may be a terminal. */
void output_init(struct output *out, FILE *file, const struct options *o);
void output_fini(struct output *out);

/* Columns and lines of the terminal, else 80 and 24. */
void output_size(const struct output *out, int *columns, int *lines);

void output_show(struct output *out, struct machine *const *machines,
    size_t count);

/* The views. */
typedef void view_fn(struct output *out, struct machine *const *machines,
    size_t count);
view_fn show_summary, show_exits, show_counters, show_list;
view_fn show_json, show_json_list, show_csv, show_csv_list;

/* Is the counter one of those that the view and the user ask for? */
int output_wants(const struct options *o, const struct page_counter *c);
/* Has a page any of those, whatever they count? */
int output_has_any(const struct options *o, const struct page *p);
/* Is it of an exit kind; with --raw, of an exit code? */
int output_is_exit(const struct options *o, const struct page_counter *c);

/* A row to be sorted: by text if it has one, else by number, largest first. */
struct row {
	const char *text;
	uint64_t number;
	size_t index;		/* into whatever the rows stand for */
};
void rows_sort(struct row *rows, size_t count);
/* calloc() or the end. */
struct row *rows_create(size_t count);
/* EXIT_USAGE: nothing answers to the key, which has been said. */
int summary_check_key(const struct options *o,
    struct machine *const *machines, size_t count);

/* "demo (123.1, proc), 1.00s": what a table is about. */
void title(struct output *out, const struct machine *m);

/* One exit kind: counters of one group. */
struct kind {
	const struct page_counter *count, *time, *histogram;
	const char *name;
};
/*
 * The exit kinds of a page, or with --raw the exit codes, in the order of its
 * counters.  Returns how many; *kinds is the caller's to free.
 */
size_t kinds_find(const struct options *o, const struct page *p,
    struct kind **kinds);

#endif
