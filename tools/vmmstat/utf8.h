/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * utf8.h - the characters of a string that anybody may have written.
 */
#ifndef VMMSTAT_UTF8_H
#define VMMSTAT_UTF8_H

#include <stdint.h>

/* What stands for a byte that belongs to no character. */
#define UTF8_NONE	0xfffdu

/*
 * Decode one character and step over it; a byte that belongs to none becomes
 * UTF8_NONE and, if wrong is not NULL, sets *wrong.
 */
uint32_t utf8_next(const char **at, int *wrong);

/* Is all of the string UTF-8? */
int utf8_is_valid(const char *text);

#endif
