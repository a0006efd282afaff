/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON lines: one object per machine and sample.  "version" grows when the
 * meaning of a member changes; members may be added without it.
 */
#include "format.h"
#include "output.h"
#include "utf8.h"

#include <inttypes.h>

#define JSON_VERSION	1

/* Valid JSON in ASCII, whatever the string holds. */
static void string(FILE *f, const char *text)
{
	fputc('"', f);
	while (*text != '\0') {
		uint32_t c = utf8_next(&text, NULL);

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", (int)c);
		else if (c >= 0x10000)
			fprintf(f, "\\u%04x\\u%04x",
			    0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
		else if (c < 0x20 || c > 0x7e)
			fprintf(f, "\\u%04x", c);
		else
			fputc((int)c, f);
	}
	fputc('"', f);
}

static void member(FILE *f, const char *name, const char *value)
{
	fprintf(f, ",\"%s\":", name);
	string(f, value);
}

static void number(FILE *f, const char *name, uint64_t value, int known)
{
	fprintf(f, ",\"%s\":", name);
	if (known)
		fprintf(f, "%" PRIu64, value);
	else
		fputs("null", f);
}

static void array(FILE *f, const char *name, const uint64_t *values,
    uint32_t count)
{
	fprintf(f, ",\"%s\":[", name);
	for (uint32_t i = 0; i < count; i++)
		fprintf(f, "%s%" PRIu64, i > 0 ? "," : "", values[i]);
	fputc(']', f);
}

static void quantile(FILE *f, const char *name, const struct sample *s,
    const struct quantile *q)
{
	number(f, name, measure_ns(s, q->bound),
	    q->number != 0 && s->ns_per_tick > 0);
}

static void machine(FILE *f, const char *kind, const struct machine *m)
{
	const struct sample *s = &m->sample;

	fprintf(f, "{\"version\":%d", JSON_VERSION);
	member(f, "kind", kind);
	member(f, "machine", m->id != NULL ? m->id : "?");
	member(f, "name", m->page.raw_name);
	number(f, "pid", (uint32_t)m->pid, 1);
	number(f, "uid", m->uid, 1);
	member(f, "owner", m->owner);
	member(f, "backend", m->page.backend);
	number(f, "vcpus", s->vcpus, 1);
	fprintf(f, ",\"ended\":%s", m->ended ? "true" : "false");
	fprintf(f, ",\"saved\":%s", m->page.saved ? "true" : "false");
	number(f, "created_real_ns", m->page.created_real_ns, 1);
	number(f, "age_ns", s->age_ns, s->age_ns != 0);
	number(f, "real_ns", s->real_ns, 1);
}

static void scalar(FILE *f, const struct sample *s,
    const struct page_counter *c)
{
	uint64_t delta = s->delta[c->first], total = s->total[c->first];

	number(f, "value", delta, 1);
	number(f, "total", total, 1);
	if (c->unit != VMMCTL_COUNTERS_TICKS)
		return;
	number(f, "value_ns", measure_ns(s, delta), s->ns_per_tick > 0);
	number(f, "total_ns", measure_ns(s, total), s->ns_per_tick > 0);
	if (c->flags & VMMCTL_COUNTERS_F_PERCENT) {
		double percent = measure_percent(s, delta);

		if (percent >= 0)
			fprintf(f, ",\"percent\":%.3f", percent);
		else
			fputs(",\"percent\":null", f);
	}
}

static void histogram(FILE *f, const struct sample *s,
    const struct page_counter *c)
{
	const uint64_t *delta = &s->delta[c->first];
	struct quantile q50 = measure_quantile(delta, c->count, 500);
	struct quantile q99 = measure_quantile(delta, c->count, 990);

	array(f, "value", delta, c->count);
	array(f, "total", &s->total[c->first], c->count);
	quantile(f, "p50_ns", s, &q50);
	quantile(f, "p99_ns", s, &q99);
}

static void counter(FILE *f, const struct sample *s,
    const struct page_counter *c)
{
	string(f, c->raw);
	fprintf(f, ":{\"type\":\"%s\"",
	    c->type == VMMCTL_COUNTERS_LOG2 ? "log2" : "scalar");
	member(f, "unit", format_unit(c->unit));
	if (c->group != 0)
		number(f, "group", c->group, 1);
	if (c->type == VMMCTL_COUNTERS_LOG2)
		histogram(f, s, c);
	else
		scalar(f, s, c);
	fputc('}', f);
}

void show_json(struct output *out, struct machine *const *m, size_t count)
{
	const struct options *o = out->options;
	FILE *f = out->file;

	for (size_t i = 0; i < count; i++) {
		const struct sample *s = &m[i]->sample;
		const struct page *p = &m[i]->page;
		struct quantile q = measure_exit_quantile(s, 990);
		const char *comma = "";

		machine(f, "sample", m[i]);
		member(f, "since", s->first ? "creation" : "sample");
		number(f, "interval_ns", s->interval_ns, s->interval_ns != 0);
		if (s->ns_per_tick > 0)
			fprintf(f, ",\"ns_per_tick\":%.9g", s->ns_per_tick);
		else
			fputs(",\"ns_per_tick\":null", f);
		quantile(f, "exit_p99_ns", s, &q);
		fputs(",\"counters\":{", f);
		for (size_t k = 0; k < p->counter_count; k++) {
			const struct page_counter *c = &p->counters[k];

			if (!output_wants(o, c))
				continue;
			fputs(comma, f);
			counter(f, s, c);
			comma = ",";
		}
		fputs("}}\n", f);
	}
}

void show_json_list(struct output *out, struct machine *const *m, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		machine(out->file, "machine", m[i]);
		fputs("}\n", out->file);
	}
}
