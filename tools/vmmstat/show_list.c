/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of machines.
 */
#include "format.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

static void set_key(struct row *row, const struct machine *m, const char *key)
{
	if (strcmp(key, "pid") == 0)
		row->number = (uint64_t)INT64_MAX - (uint64_t)m->pid;
	else if (strcmp(key, "age") == 0)
		row->number = m->sample.age_ns;
	else if (strcmp(key, "vcpus") == 0)
		row->number = m->sample.vcpus;
	else if (strcmp(key, "backend") == 0)
		row->text = m->page.backend;
	else if (strcmp(key, "owner") == 0)
		row->text = m->owner;
	else
		row->text = m->page.name;
}

static void print_machine(struct output *out, const struct machine *m)
{
	char age[FORMAT_SIZE];

	format_age(age, m->sample.age_ns);
	fprintf(out->file, "%-12s %7d %-10.10s %-8.8s %5u %7s %s%s\n",
	    m->id != NULL ? m->id : "?", (int)m->pid, m->owner,
	    m->page.backend, m->sample.vcpus, age, m->page.name,
	    m->ended ? " (ended)" : m->page.saved ? " (saved)" : "");
}

void show_list(struct output *out, struct machine *const *m, size_t count)
{
	const char *key = out->options->key;
	struct row *rows = rows_create(count);

	for (size_t i = 0; i < count; i++) {
		rows[i].index = i;
		if (key != NULL)
			set_key(&rows[i], m[i], key);
	}
	rows_sort(rows, count);
	fprintf(out->file, "%-12s %7s %-10s %-8s %5s %7s %s\n", "machine",
	    "pid", "owner", "backend", "vcpus", "age", "name");
	for (size_t i = 0; i < count; i++)
		print_machine(out, m[rows[i].index]);
	free(rows);
}
