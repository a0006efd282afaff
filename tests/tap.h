/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tap.h - TAP for the test programs that may skip: a program that has skipped
 * all its tests says so by its plan, and counts as skipped, not as passed.
 * cmocka has the plan first; here it comes last.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

/* From here on standard output is TAP of cmocka. */
void tap_begin(void);
/* All tests have run: the plan.  Does nothing without tap_begin(). */
void tap_end(void);

/* "# SKIP test: why", which is where a reason is looked for; then skip(). */
void tap_reason(const char *test, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
