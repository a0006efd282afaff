/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * skipping - a test program for skips.sh: its arguments are what its tests do.
 */
#include "../tap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TESTS_MAX	8

static void test(void **state)
{
	const char *what = *state;

	if (strcmp(what, "fail") == 0)
		fail();
	if (strcmp(what, "pass") == 0)
		return;
	printf("# something %s\n", "else");
	if (strcmp(what, "skip") != 0)
		tap_reason(what, "as %s says: so", what);
	skip();
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[TESTS_MAX];
	size_t n = 0;
	int rc;

	for (int i = 1; i < argc && n < TESTS_MAX; i++)
		tests[n++] = (struct CMUnitTest){ argv[i], test, NULL, NULL,
		    argv[i] };
	tap_begin();
	rc = _cmocka_run_group_tests("skipping", tests, n, NULL, NULL);
	tap_end();
	return rc;
}
