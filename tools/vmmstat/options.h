/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - what the user asked for.
 */
#ifndef VMMSTAT_OPTIONS_H
#define VMMSTAT_OPTIONS_H

#include <stdint.h>
#include <stddef.h>

#include <regex.h>
#include <sys/types.h>

/* Exit codes: see vmmstat(1). */
#define EXIT_USAGE	1
#define EXIT_NOTHING	2
#define EXIT_DENIED	3
#define EXIT_ENDED	4
#define EXIT_SYSTEM	5

enum view {
	VIEW_SUMMARY,
	VIEW_EXITS,
	VIEW_COUNTERS,
	VIEW_LIST
};

enum style {
	STYLE_TEXT,
	STYLE_JSON,
	STYLE_CSV
};

/* What -m says. */
struct wanted {
	const char *name;
	int is_file;			/* the path of a saved page */
};

struct options {
	enum view view;
	enum style style;
	int all;			/* zeros too */
	int device;			/* the device's machines */
	int raw;			/* the processor's exit codes, too */
	int has_filter;
	const char *filter_text;
	regex_t filter;			/* of counter names */
	const char *key;		/* to sort by; NULL: the view's own */
	const char *output;		/* file; NULL: standard output */
	struct wanted *machines;
	size_t machine_count;
	pid_t *pids;
	size_t pid_count;
	uint64_t wait_ns;		/* 0: one sample */
	uint64_t samples;		/* 0: no end */
	char **command;			/* NULL: none */
};

/* Exits with EXIT_USAGE, or 0 for --help and --version. */
void options_parse(struct options *o, int argc, char **argv);
void options_fini(struct options *o);

/* The complaint about -k; returns EXIT_USAGE. */
int options_bad_key(const struct options *o, const char *known);

/* Does a counter's name match -f? */
int options_wants(const struct options *o, const char *name);

#endif
