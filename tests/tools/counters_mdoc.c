/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints the tables of vmmctl_counters(5) from the counters' definition file.
 */
#include <ctype.h>
#include <stdio.h>

#include "vmmctl_counters.h"

enum { EVENTS, TICKS, PAGES, BYTES };
enum { SUMMARY = 1, PERCENT = 2 };

/* A heading in the summary, and what to do with it. */
static void print_item(const char *name, int unit, const char *column,
    int flags, const char *help)
{
	printf(".It Li %s\n", name);
	printf("%c%s", toupper((unsigned char)help[0]), help + 1);
	if (unit == TICKS)
		printf(", in ticks");
	puts(".");
	if (flags & SUMMARY)
		printf("The summary's column\n.Sq %s .\n", column);
}

int main(void)
{
	puts(".Ss The machine and its spaces");
	puts(".Bl -tag -width space.protect.pages");
#define COUNTER(f, name, unit, column, flags, help) \
	print_item(name, unit, column, flags, help);
#include "vmm_counters.def"
	puts(".El");
	puts(".Ss The exit kinds");
	puts("Each has a count, a total time");
	puts(".Pq Li .time");
	puts("and a histogram of that time");
	puts(".Pq Li .hist ,");
	puts("both in ticks and taken from the exit to the next entry of the "
	    "same vCPU.");
	puts(".Bl -tag -width exit.breakpoint");
#define EXIT(f, kind, name, column, flags, help) \
	print_item(name, EVENTS, column, flags, help);
#include "vmm_counters.def"
	puts(".El");
	return 0;
}
