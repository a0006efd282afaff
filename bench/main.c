// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - the rounds: every contender in turn does a few samples of a work,
 * then of the next, and all that many times.  Prints one JSON object per
 * line; bench/run makes a report of them.
 */
#include "bench.h"

#include <err.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX	64
#define WORKS_MAX	32

static const struct contender contenders[] = {
	{ "proc", library_open, library_close, library_works, 0 },
	{ "kvm", library_open, library_close, library_works, 0 },
	{ "vmm", library_open, library_close, library_works, 0 },
	/* By themselves: a kick needs a second thread, beside which proc waits
	 * in another way. */
	{ "proc", library_open, library_close, library_kicks, 0 },
	{ "kvm", library_open, library_close, library_kicks, 0 },
	{ "vmm", library_open, library_close, library_kicks, 0 },
	{ "ptrace", ptrace_open, ptrace_close, ptrace_works, 0 },
	{ "raw-kvm", raw_kvm_open, NULL, raw_kvm_works, 0 },
	{ "host", part_open, NULL, part_works, 0 },
};
#define CONTENDERS	(sizeof(contenders) / sizeof(contenders[0]))

/* Samples of one work of one contender. */
struct series {
	bool wanted;
	uint64_t *ns;
	size_t n;
};

static struct {
	struct contender contender;
	struct worker worker;
	bool running;
	struct series series[WORKS_MAX];
} run[CONTENDERS];

static struct {
	const char *names[NAMES_MAX], *backends[NAMES_MAX];
	size_t nnames, nbackends;
	unsigned rounds, batch;
	int cpu, other;
	bool parts, list, failed;
} opt = { .rounds = 60, .batch = 32, .cpu = -1, .other = -1 };

static size_t count_of(const struct contender *c)
{
	return c->works == library_works ? library_nworks :
	    c->works == library_kicks ? library_nkicks :
	    c->works == ptrace_works ? ptrace_nworks :
	    c->works == raw_kvm_works ? raw_kvm_nworks : part_nworks;
}

static bool among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static bool is_wanted(const struct contender *c, const struct work *w)
{
	if (opt.nbackends != 0 &&
	    !among(c->backend, opt.backends, opt.nbackends))
		return false;
	if (opt.nnames != 0)
		return among(w->name, opt.names, opt.nnames);
	return opt.parts == (w->rank == RANK_PART);
}

static void start(void)
{
	for (size_t i = 0; i < CONTENDERS; i++) {
		struct contender *c = &run[i].contender;
		bool any = false;

		*c = contenders[i];
		c->nworks = count_of(c);
		for (size_t k = 0; k < c->nworks; k++) {
			struct series *s = &run[i].series[k];

			s->wanted = is_wanted(c, &c->works[k]);
			if (!s->wanted)
				continue;
			any = true;
			s->ns = calloc((size_t)opt.rounds * opt.batch,
			    sizeof(*s->ns));
			if (s->ns == NULL)
				err(1, "no memory for the samples");
		}
		run[i].running = any && worker_start(&run[i].worker, c,
		    opt.cpu, opt.other) == 0;
	}
}

/* A contender that could be opened has failed: that is an error. */
static void lost(size_t i)
{
	run[i].running = false;
	opt.failed = true;
}

static void one_round(void)
{
	for (unsigned rank = 0; rank < RANKS; rank++)
		for (size_t i = 0; i < CONTENDERS; i++) {
			const struct contender *c = &run[i].contender;

			for (size_t k = 0; k < c->nworks; k++) {
				struct series *s = &run[i].series[k];

				if (!run[i].running || !s->wanted ||
				    c->works[k].rank != rank)
					continue;
				if (worker_batch(&run[i].worker, k,
				    s->ns + s->n, opt.batch) == 0)
					s->n += opt.batch;
				else
					lost(i);
			}
		}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print(void)
{
	for (size_t i = 0; i < CONTENDERS; i++) {
		const struct contender *c = &run[i].contender;

		for (size_t k = 0; k < c->nworks; k++) {
			struct series *s = &run[i].series[k];

			if (s->n == 0)
				continue;
			qsort(s->ns, s->n, sizeof(*s->ns), by_value);
			printf("{\"name\":\"%s\",\"backend\":\"%s\","
			    "\"unit\":\"ns\",\"min\":%llu,\"median\":%llu,"
			    "\"n\":%zu}\n", c->works[k].name, c->backend,
			    (unsigned long long)s->ns[0],
			    (unsigned long long)s->ns[s->n / 2], s->n);
		}
	}
}

/* Everything on the last CPU that we may use, kicks from the one before. */
static void choose_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		err(1, "sched_getaffinity");
	if (opt.cpu >= 0 && (opt.cpu >= CPU_SETSIZE ||
	    !CPU_ISSET((size_t)opt.cpu, &set)))
		errx(2, "CPU %d is not one of ours: see taskset -p $$",
		    opt.cpu);
	for (int i = CPU_SETSIZE - 1; i >= 0 && opt.cpu < 0; i--)
		if (CPU_ISSET((size_t)i, &set))
			opt.cpu = i;
	for (int i = CPU_SETSIZE - 1; i >= 0 && opt.other < 0; i--)
		if (CPU_ISSET((size_t)i, &set) && i != opt.cpu)
			opt.other = i;
	fprintf(stderr, "pinned to CPU %d, kicks come from CPU %d\n", opt.cpu,
	    opt.other < 0 ? opt.cpu : opt.other);
}

static int usage(FILE *f)
{
	fputs("usage: vmmbench [-l] [-p] [-b BACKEND]... [-c CPU] [-n SAMPLES] "
	    "[-r ROUNDS]\n"
	    "                [NAME]...\n"
	    "-b BACKEND   only this one; may be repeated\n"
	    "-c CPU       pin to it (default: the last one)\n"
	    "-l           list the names\n"
	    "-n SAMPLES   of each work in a round (default: 32)\n"
	    "-p           the parts that an exit of proc consists of\n"
	    "-r ROUNDS    how many (default: 60)\n", f);
	return f == stderr ? 2 : 0;
}

static unsigned number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n > max)
		errx(2, "%s: a number up to %lu is wanted", text, max);
	return (unsigned)n;
}

static int parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "b:c:hln:pr:")) != -1)
		switch (c) {
		case 'b':
			if (opt.nbackends == NAMES_MAX)
				errx(2, "too many backends");
			opt.backends[opt.nbackends++] = optarg;
			break;
		case 'c':
			opt.cpu = (int)number(optarg, CPU_SETSIZE - 1);
			break;
		case 'l':
			opt.list = true;
			break;
		case 'n':
			opt.batch = number(optarg, BATCH_MAX);
			break;
		case 'p':
			opt.parts = true;
			break;
		case 'r':
			opt.rounds = number(optarg, 1000000);
			break;
		case 'h':
			exit(usage(stdout));
		default:
			return usage(stderr);
		}
	for (; optind < argc; optind++) {
		if (opt.nnames == NAMES_MAX)
			errx(2, "too many names");
		opt.names[opt.nnames++] = argv[optind];
	}
	return 0;
}

static bool known(const char *name)
{
	for (size_t i = 0; i < CONTENDERS; i++)
		for (size_t k = 0; k < count_of(&contenders[i]); k++)
			if (strcmp(contenders[i].works[k].name, name) == 0)
				return true;
	return false;
}

static int list(void)
{
	for (size_t i = 0; i < CONTENDERS; i++)
		for (size_t k = 0; k < count_of(&contenders[i]); k++)
			printf("%-8s %s\n", contenders[i].backend,
			    contenders[i].works[k].name);
	return 0;
}

int main(int argc, char **argv)
{
	int r = parse(argc, argv);

	if (r != 0)
		return r;
	if (opt.list)
		return list();
	for (size_t i = 0; i < opt.nnames; i++)
		if (!known(opt.names[i]))
			errx(2, "%s: no such name; bench/run --list has them",
			    opt.names[i]);
	choose_cpus();
	start();
	for (unsigned i = 0; i < opt.rounds; i++)
		one_round();
	print();
	for (size_t i = 0; i < CONTENDERS; i++)
		worker_stop(&run[i].worker);
	return opt.failed ? 1 : 0;
}
