// SPDX-License-Identifier: BSD-2-Clause
/*
 * tap.c - between cmocka and standard output: all lines pass as they come, but
 * for the plan.
 */
#include "tap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/types.h>

#include <cmocka.h>

static struct {
	char line[1024];
	size_t len;
	char plan[32];
	char why[512];		/* of the first that was skipped */
	unsigned results, skipped;
} tap;

static int starts(const char *what)
{
	return strncmp(tap.line, what, strlen(what)) == 0;
}

/* A line has ended: what is it, and is it to be shown now? */
static int look(void)
{
	const char *why;

	if (starts("1..") && strchr(tap.line, '#') == NULL) {
		snprintf(tap.plan, sizeof(tap.plan), "%.20s", tap.line);
		return 0;
	}
	if (starts("ok ") || starts("not ok ")) {
		tap.results++;
		tap.skipped += strstr(tap.line, "# SKIP") != NULL;
	}
	if (starts("# SKIP ") && tap.why[0] == '\0' &&
	    (why = strstr(tap.line, ": ")) != NULL)
		snprintf(tap.why, sizeof(tap.why), "%s", why + 2);
	return 1;
}

static void put(const char *text, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDOUT_FILENO, text, n);

		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

static ssize_t filter(void *cookie, const char *text, size_t n)
{
	(void)cookie;
	for (size_t i = 0; i < n; i++) {
		/* The rest of a long line passes as it is. */
		if (tap.len + 2 >= sizeof(tap.line)) {
			put(tap.line, tap.len);
			tap.len = 0;
		}
		tap.line[tap.len] = text[i];
		tap.line[tap.len + 1] = '\0';
		tap.len++;
		if (text[i] != '\n')
			continue;
		tap.line[tap.len - 1] = '\0';
		if (look()) {
			tap.line[tap.len - 1] = '\n';
			put(tap.line, tap.len);
		}
		tap.len = 0;
	}
	return (ssize_t)n;
}

void tap_begin(void)
{
	const cookie_io_functions_t io = { .write = filter };
	FILE *f;

	fflush(stdout);
	f = fopencookie(NULL, "w", io);
	if (f == NULL) {
		perror("fopencookie");
		exit(1);
	}
	/* Seen when the test is killed, too; and children print nothing. */
	setvbuf(f, NULL, _IOLBF, 0);
	stdout = f;
	cmocka_set_message_output(CM_OUTPUT_TAP);
}

void tap_end(void)
{
	char text[sizeof(tap.why) + 32];
	int n;

	if (tap.plan[0] == '\0')
		return;
	fflush(stdout);
	if (tap.results != 0 && tap.skipped == tap.results)
		n = snprintf(text, sizeof(text), "1..0 # SKIP %s\n",
		    tap.why[0] != '\0' ? tap.why : "all that is in it");
	else
		n = snprintf(text, sizeof(text), "%s\n", tap.plan);
	put(text, (size_t)n);
}

void tap_reason(const char *test, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("# SKIP %s: ", test);
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
}
