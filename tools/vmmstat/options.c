/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VMMSTAT_VERSION
#define VMMSTAT_VERSION	"unreleased"
#endif

#define WAIT_MIN_S	0.01
#define WAIT_MAX_S	1e6

static const char usage_text[] =
    "usage: vmmstat [options] [wait [count]]\n"
    "       vmmstat [options] -- command [argument ...]\n"
    "       vmmstat -l [options]\n"
    "  -e, --exits         a table of the exit kinds\n"
    "  -f, --filter REGEX  the counters whose names match\n"
    "  -a, --all           all counters, those that are zero too\n"
    "  -l, --list          list the machines\n"
    "  -d, --device        those of /dev/vmm instead of the libraries'\n"
    "      --raw           with the processor's own exit codes\n"
    "  -m, --machine M     a machine: its name, its id as -l shows it, or\n"
    "                      the path of a saved counter page\n"
    "  -p, --pid PID       the machines of a process\n"
    "  -k, --sort KEY      sort by a column or a counter\n"
    "  -o, --output FILE   write there instead of to the standard output\n"
    "      --json, --csv   for programs\n"
    "      --help, --version\n";

static void __attribute__((noreturn))
usage(void)
{
	fputs(usage_text, stderr);
	exit(EXIT_USAGE);
}

/* A machine's name may have a slash in it, too: then no file has that path. */
static int is_file(const char *name)
{
	return strchr(name, '/') != NULL && (access(name, F_OK) == 0 ||
	    (errno != ENOENT && errno != ENOTDIR));
}

static void add_machine(struct options *o, const char *name)
{
	struct wanted *more;

	if (*name == '\0')
		errx(EXIT_USAGE, "-m: empty; vmmstat -l lists the machines");
	more = reallocarray(o->machines, o->machine_count + 1, sizeof(*more));
	if (more == NULL)
		err(EXIT_SYSTEM, NULL);
	o->machines = more;
	more[o->machine_count++] = (struct wanted){ name, is_file(name) };
}

static void add_pid(struct options *o, const char *text)
{
	const char *error;
	long long pid = strtonum(text, 1, 0x7fffffff, &error);
	pid_t *more;

	if (error != NULL)
		errx(EXIT_USAGE, "-p %s: %s; a process id is wanted", text,
		    error);
	more = reallocarray(o->pids, o->pid_count + 1, sizeof(*more));
	if (more == NULL)
		err(EXIT_SYSTEM, NULL);
	o->pids = more;
	more[o->pid_count++] = (pid_t)pid;
}

static void set_filter(struct options *o, const char *text)
{
	char why[128];
	int r;

	if (o->has_filter)
		errx(EXIT_USAGE, "-f is given twice; join them: 'this|that'");
	r = regcomp(&o->filter, text, REG_EXTENDED | REG_NOSUB);
	if (r != 0) {
		regerror(r, &o->filter, why, sizeof(why));
		errx(EXIT_USAGE, "-f %s: %s", text, why);
	}
	o->filter_text = text;
	o->has_filter = 1;
}

static void set_style(struct options *o, enum style style)
{
	if (o->style != STYLE_TEXT && o->style != style)
		errx(EXIT_USAGE, "--json or --csv, not both");
	o->style = style;
}

static void set_wait(struct options *o, const char *text)
{
	char *end;
	double s;

	errno = 0;
	s = strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' ||
	    !(s >= WAIT_MIN_S && s <= WAIT_MAX_S))
		errx(EXIT_USAGE, "%s: wait is a number of seconds, at least "
		    "%g; a command goes after --", text, WAIT_MIN_S);
	o->wait_ns = (uint64_t)(s * 1e9);
	o->samples = 0;
}

static void set_count(struct options *o, const char *text)
{
	const char *error;

	o->samples = (uint64_t)strtonum(text, 1, INT64_MAX, &error);
	if (error != NULL)
		errx(EXIT_USAGE, "%s: %s; count is a number of samples", text,
		    error);
}

/* One option; value is its argument. */
static void set_option(struct options *o, int c, const char *value, int *table,
    int *list)
{
	switch (c) {
	case 'e':
		*table = 1;
		break;
	case 'l':
		*list = 1;
		break;
	case 'a':
		o->all = 1;
		break;
	case 'd':
		o->device = 1;
		break;
	case 'R':
		o->device = o->raw = 1;
		break;
	case 'f':
		set_filter(o, value);
		break;
	case 'k':
		o->key = value;
		break;
	case 'm':
		add_machine(o, value);
		break;
	case 'o':
		o->output = value;
		break;
	case 'p':
		add_pid(o, value);
		break;
	case 'J':
		set_style(o, STYLE_JSON);
		break;
	case 'C':
		set_style(o, STYLE_CSV);
		break;
	case 'h':
		fputs(usage_text, stdout);
		exit(0);
	case 'V':
		puts("vmmstat " VMMSTAT_VERSION);
		exit(0);
	default:
		usage();
	}
}

/* The summary's keys are known when its columns are. */
static void check_key(const struct options *o)
{
	static const char *const keys[] = {
		[VIEW_EXITS] = "name, count, time, mean, p50, p99",
		[VIEW_COUNTERS] = "name, value",
		[VIEW_LIST] = "pid, owner, backend, vcpus, age, name",
	};
	const char *known = keys[o->view];
	size_t n;

	if (o->key == NULL || o->view == VIEW_SUMMARY)
		return;
	for (const char *at = known; *at != '\0'; at += n) {
		at += strspn(at, ", ");
		n = strcspn(at, ", ");
		if (n == strlen(o->key) && strncmp(at, o->key, n) == 0)
			return;
	}
	exit(options_bad_key(o, known));
}

static void check(const struct options *o, int table)
{
	check_key(o);
	if (o->view == VIEW_LIST &&
	    (table || o->has_filter || o->all || o->device))
		errx(EXIT_USAGE, "-l lists machines, those of the device too: "
		    "it goes with no -a, -d, -e, -f or --raw");
	if (o->view == VIEW_LIST && (o->wait_ns != 0 || o->command != NULL))
		errx(EXIT_USAGE, "-l lists once: it takes no wait or command");
	if (o->command == NULL)
		return;
	if (o->command[0] == NULL)
		errx(EXIT_USAGE, "a command is wanted after --");
	if (o->wait_ns != 0)
		errx(EXIT_USAGE, "a command is counted until it ends: give "
		    "no wait");
	if (o->pid_count != 0)
		errx(EXIT_USAGE, "-p names a running process: give it no "
		    "command");
}

void options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "exits", no_argument, NULL, 'e' },
		{ "filter", required_argument, NULL, 'f' },
		{ "all", no_argument, NULL, 'a' },
		{ "list", no_argument, NULL, 'l' },
		{ "device", no_argument, NULL, 'd' },
		{ "raw", no_argument, NULL, 'R' },
		{ "machine", required_argument, NULL, 'm' },
		{ "pid", required_argument, NULL, 'p' },
		{ "sort", required_argument, NULL, 'k' },
		{ "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'J' },
		{ "csv", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, i, table = 0, list = 0;

	memset(o, 0, sizeof(*o));
	o->samples = 1;
	/* What follows the first -- is another program's business. */
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		;
	if (i < argc) {
		o->command = &argv[i + 1];
		argc = i;
	}
	while ((c = getopt_long(argc, argv, "ef:aldm:p:k:o:", longs, NULL)) !=
	    -1)
		set_option(o, c, optarg, &table, &list);
	if (optind < argc)
		set_wait(o, argv[optind++]);
	if (optind < argc)
		set_count(o, argv[optind++]);
	if (optind < argc)
		usage();
	if (list)
		o->view = VIEW_LIST;
	else if (table)
		o->view = VIEW_EXITS;
	else if (o->has_filter || o->all)
		o->view = VIEW_COUNTERS;
	check(o, table);
}

int options_bad_key(const struct options *o, const char *known)
{
	warnx("-k %s: no such key; known are %s", o->key, known);
	return EXIT_USAGE;
}

void options_fini(struct options *o)
{
	free(o->machines);
	free(o->pids);
	if (o->has_filter)
		regfree(&o->filter);
}

int options_wants(const struct options *o, const char *name)
{
	return !o->has_filter || regexec(&o->filter, name, 0, NULL, 0) == 0;
}
