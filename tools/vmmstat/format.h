/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * format.h - numbers for people, in a few characters and with their unit.
 */
#ifndef VMMSTAT_FORMAT_H
#define VMMSTAT_FORMAT_H

#include "measure.h"

#define FORMAT_SIZE	16

/* "512", "12K", "3.4M": a plain number in at most 5 characters. */
void format_number(char out[FORMAT_SIZE], uint64_t n);
/* "4.0M", in powers of 1024. */
void format_bytes(char out[FORMAT_SIZE], uint64_t n);
/* "1.23us" */
void format_ns(char out[FORMAT_SIZE], uint64_t ns);
/* A time of the sample: nanoseconds, or "12Kt" when they are not known. */
void format_ticks(char out[FORMAT_SIZE], const struct sample *s,
    uint64_t ticks);
/* "97.3", "1250"; "-" when it is not known. */
void format_percent(char out[FORMAT_SIZE], double percent);
/* "1.2us", ">9.1s", "-" */
void format_quantile(char out[FORMAT_SIZE], const struct sample *s,
    const struct quantile *q);
/* A scalar in the unit of its counter. */
void format_value(char out[FORMAT_SIZE], const struct sample *s,
    const struct page_counter *c, uint64_t value);
/* "3d04h", "2h05m", "1m12s", "7.3s" */
void format_age(char out[FORMAT_SIZE], uint64_t ns);

/* The unit's name in machine-readable output. */
const char *format_unit(uint32_t unit);

#endif
