/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fakepage.h - counter pages made to order, for tests of their readers.
 *
 * A page starts valid, with the project's own counters; then any field of it
 * can be given any value.
 */
#ifndef FAKEPAGE_H
#define FAKEPAGE_H

#include <stddef.h>
#include <stdint.h>

#include "vmmctl_counters.h"

#define FAKE_SLOTS	4u
#define FAKE_ROOM	16u	/* for counters that are added */

struct fake {
	unsigned char *bytes;
	size_t size;		/* what is written of it */
};

/* A valid page of a machine that was made right now. */
int fake_init(struct fake *f);
void fake_fini(struct fake *f);

struct vmmctl_counters_header *fake_header(struct fake *f);
struct vmmctl_counters_desc *fake_desc(struct fake *f, size_t i);

/*
 * Change something; 0, or -1 when the words mean nothing.
 *   header.FIELD=VALUE  desc.N.FIELD=VALUE   a number, or a string with \xHH
 *   add=NAME,COLUMN,TYPE,UNIT,FLAGS          one more counter; column -: none
 *   value.NAME=N        in slot 1, first value; value.NAME.K=N: value K
 *   truncate=N          bytes are left
 *   extend=N            bytes of zeros more
 */
int fake_edit(struct fake *f, const char *words);

/* All fields of header and descriptor, for tests that break each. */
struct fake_field {
	const char *name;
	size_t offset, size;
	int is_string;
};
extern const struct fake_field fake_header_fields[];
extern const size_t fake_header_field_count;
extern const struct fake_field fake_desc_fields[];
extern const size_t fake_desc_field_count;

/* Add n to every counter of slot 1. */
void fake_tick(struct fake *f, uint64_t n);

#endif
