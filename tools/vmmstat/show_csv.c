/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CSV (RFC 4180 but for the line ends): one record per machine, sample and
 * counter, so that the columns stay the same whatever counters there are.
 */
#include "format.h"
#include "output.h"

#include <inttypes.h>
#include <string.h>

static void string(FILE *f, const char *s)
{
	if (strpbrk(s, "\",\r\n") == NULL) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputc('"', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

/* A number that is not known is an empty field. */
static void number(FILE *f, uint64_t value, int known)
{
	fputc(',', f);
	if (known)
		fprintf(f, "%" PRIu64, value);
}

static void counter(FILE *f, const struct machine *m,
    const struct page_counter *c)
{
	const struct sample *s = &m->sample;
	const uint64_t *delta = &s->delta[c->first];
	uint64_t value = measure_number(delta, c->count);
	uint64_t total = measure_number(&s->total[c->first], c->count);
	struct quantile q = { 0, 0, 0 };
	const char *unit = format_unit(c->unit);

	if (c->type == VMMCTL_COUNTERS_LOG2) {
		q = measure_quantile(delta, c->count, 990);
		unit = "events";
	} else if (c->unit == VMMCTL_COUNTERS_TICKS && s->ns_per_tick > 0) {
		value = measure_ns(s, value);
		total = measure_ns(s, total);
		unit = "ns";
	}
	fprintf(f, "%" PRIu64 ",", s->real_ns);
	string(f, m->id != NULL ? m->id : "?");
	fputc(',', f);
	string(f, m->page.name);
	fprintf(f, ",%s", s->first ? "creation" : "sample");
	number(f, s->interval_ns, s->interval_ns != 0);
	fputc(',', f);
	string(f, c->name);
	fprintf(f, ",%s", unit);
	number(f, value, 1);
	number(f, total, 1);
	number(f, measure_ns(s, q.bound), q.number != 0 && s->ns_per_tick > 0);
	fputc('\n', f);
}

void show_csv(struct output *out, struct machine *const *m, size_t count)
{
	const struct options *o = out->options;

	if (out->samples == 0)
		fputs("real_ns,machine,name,since,interval_ns,counter,unit,"
		    "value,total,p99_ns\n", out->file);
	for (size_t i = 0; i < count; i++) {
		const struct page *p = &m[i]->page;

		for (size_t k = 0; k < p->counter_count; k++) {
			const struct page_counter *c = &p->counters[k];

			if (!output_wants(o, c))
				continue;
			counter(out->file, m[i], c);
		}
	}
}

void show_csv_list(struct output *out, struct machine *const *m, size_t count)
{
	FILE *f = out->file;

	fputs("machine,name,pid,uid,owner,backend,vcpus,age_ns,ended,saved\n",
	    f);
	for (size_t i = 0; i < count; i++) {
		const struct sample *s = &m[i]->sample;

		string(f, m[i]->id != NULL ? m[i]->id : "?");
		fputc(',', f);
		string(f, m[i]->page.name);
		number(f, (uint64_t)m[i]->pid, 1);
		number(f, m[i]->uid, 1);
		fputc(',', f);
		string(f, m[i]->owner);
		fputc(',', f);
		string(f, m[i]->page.backend);
		number(f, s->vcpus, 1);
		number(f, s->age_ns, s->age_ns != 0);
		fprintf(f, ",%d,%d\n", m[i]->ended, m[i]->page.saved);
	}
}
