/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explain_test.h - why an entry is refused: from a good state each rule is
 * broken, once in each way, and has to be the one that is named.  That
 * processors agree is shown by tests/device/live/mutate.c.
 */
#ifndef EXPLAIN_TEST_H
#define EXPLAIN_TEST_H

#include "vmm/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

#define CR0	0x80050033ull	/* PG AM WP NE ET MP PE */

/* A processor with all that there is, and 48 bits of physical addresses. */
static const struct explain_cpuid everything = {
	.max = 0x20, .max_extended = 0x80000021, .ecx1 = ~0u, .edx1 = ~0u,
	.ebx7 = ~0u, .ecx7 = ~0u, .eax7_1 = ~0u, .ecx_features = ~0u,
	.edx_features = ~0u, .eax_sizes = 0x3030, .ebx_sizes = ~(1u << 20),
	.eax_more = ~0u,
};

#endif
