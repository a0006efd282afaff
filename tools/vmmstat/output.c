/* SPDX-License-Identifier: BSD-2-Clause */
#include "output.h"
#include "format.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

void output_init(struct output *out, FILE *file, const struct options *o)
{
	memset(out, 0, sizeof(*out));
	out->file = file;
	out->options = o;
	out->terminal = isatty(fileno(file));
}

void output_fini(struct output *out)
{
	free(out->heading);
	out->heading = NULL;
}

void output_size(const struct output *out, int *columns, int *lines)
{
	struct winsize w;

	*columns = 80;
	*lines = 24;
	if (!out->terminal || ioctl(fileno(out->file), TIOCGWINSZ, &w) < 0)
		return;
	if (w.ws_col > 0)
		*columns = w.ws_col;
	if (w.ws_row > 0)
		*lines = w.ws_row;
}

void output_show(struct output *out, struct machine *const *machines,
    size_t count)
{
	static view_fn *const views[][3] = {
		[VIEW_SUMMARY] = { show_summary, show_json, show_csv },
		[VIEW_EXITS] = { show_exits, show_json, show_csv },
		[VIEW_COUNTERS] = { show_counters, show_json, show_csv },
		[VIEW_LIST] = { show_list, show_json_list, show_csv_list },
	};

	if (out->options->view == VIEW_SUMMARY)
		out->code = summary_check_key(out->options, machines, count);
	/* What a command has counted is not there a second time. */
	if (out->code != 0 && out->options->command == NULL)
		exit(out->code);
	views[out->options->view][out->options->style](out, machines, count);
	out->samples++;
	if (fflush(out->file) == EOF)
		err(EXIT_SYSTEM, "output");
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->text != NULL && y->text != NULL) {
		int r = strcmp(x->text, y->text);

		if (r != 0)
			return r;
	} else if (x->number != y->number) {
		return x->number > y->number ? -1 : 1;
	}
	return x->index < y->index ? -1 : x->index > y->index;
}

void rows_sort(struct row *rows, size_t count)
{
	qsort(rows, count, sizeof(*rows), compare_rows);
}

struct row *rows_create(size_t count)
{
	struct row *rows = calloc(count + 1, sizeof(*rows));

	if (rows == NULL)
		err(EXIT_SYSTEM, NULL);
	return rows;
}

void title(struct output *out, const struct machine *m)
{
	char text[FORMAT_SIZE];

	format_age(text, m->sample.interval_ns);
	if (m->device_id != 0 && m->page.name[0] != '\0')
		fprintf(out->file, "%s (%s, %s)", m->label, m->page.name,
		    m->page.backend);
	else if (m->label != m->id && m->id != NULL)
		fprintf(out->file, "%s (%s, %s)", m->label, m->id,
		    m->page.backend);
	else
		fprintf(out->file, "%s (%s)", m->label, m->page.backend);
	fprintf(out->file, "%s%s%s\n",
	    m->sample.interval_ns != 0 ? ", " : "",
	    m->sample.interval_ns != 0 ? text : "",
	    m->ended ? ", ended" : "");
}

int output_is_exit(const struct options *o, const struct page_counter *c)
{
	return (c->flags & (o->raw ? VMMCTL_COUNTERS_F_RAW :
	    VMMCTL_COUNTERS_F_EXIT)) != 0;
}

int output_wants(const struct options *o, const struct page_counter *c)
{
	if ((c->flags & VMMCTL_COUNTERS_F_RAW) != 0 && !o->raw)
		return 0;
	if (o->view == VIEW_EXITS && !output_is_exit(o, c))
		return 0;
	return options_wants(o, c->name);
}

/* The table of exits goes by the names of the kinds. */
static int has_kind(const struct options *o, const struct page *p)
{
	struct kind *kinds;
	size_t n = kinds_find(o, p, &kinds);
	int any = 0;

	for (size_t i = 0; i < n && !any; i++)
		any = options_wants(o, kinds[i].name);
	free(kinds);
	return any;
}

int output_has_any(const struct options *o, const struct page *p)
{
	if (o->view == VIEW_EXITS && o->style == STYLE_TEXT)
		return has_kind(o, p);
	for (size_t i = 0; i < p->counter_count; i++)
		if (output_wants(o, &p->counters[i]))
			return 1;
	return 0;
}
