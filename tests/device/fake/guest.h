/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.h - what a processor does with a guest's memory: walks both tables,
 * sets accessed and dirty bits, remembers translations and tables until it is
 * told to forget.  What it remembers of memory that has gone is a bug as soon
 * as the guest goes on.
 */
#ifndef FAKE_GUEST_H
#define FAKE_GUEST_H

#include "fake.h"
#include "npt.h"

#define GUEST_NO_PAGING	(~0ull)		/* as cr3: addresses are physical */

enum guest_outcome { GUEST_OK, GUEST_NESTED, GUEST_PAGE_FAULT };

/* What the guest has and does. */
struct guest_access {
	const struct x86_npt_format *format;
	uint64_t ncr3;		/* root of the nested table */
	uint64_t cr3;
	uint64_t tag;		/* ASID or so */
	uint64_t address;
	uint32_t access;	/* VMM_PROT_*, one */
	uint8_t *buf;		/* read to, written from; NULL: zeros */
	size_t size;		/* within the page */
};
struct guest_fault {
	uint64_t gpa;
	uint32_t access;
	bool present;
	bool walk;		/* of the guest's tables */
	uint32_t error_code;	/* GUEST_PAGE_FAULT */
};

void guest_reset(void);
enum guest_outcome guest_access(uint32_t cpu, const struct guest_access *a,
    struct guest_fault *out);
void guest_flush_all(uint32_t cpu);
void guest_flush_tag(uint32_t cpu, uint64_t tag);
/* All whose tag has that in the bits of mask; all but nested tables. */
void guest_flush_tags(uint32_t cpu, uint64_t mask, uint64_t tag);
void guest_flush_translations(uint32_t cpu);
/* What of a tag nested tables are remembered by; all of it at first. */
extern uint64_t guest_table_mask;
/* Going on with that tag: nothing old may be there. */
void guest_check(uint32_t cpu, uint64_t tag);

#endif
