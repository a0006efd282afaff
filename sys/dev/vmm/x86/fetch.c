/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch.c - reading a guest user's code, through its own page table and the
 * nested one.  Every SYSCALL pays for it, so that it is short; it changes
 * nothing, no accessed bits either.
 */
#include "x86.h"
#include "../core/os.h"

#define PAGE		4096u
#define GUEST_P		(1ull << 0)	/* APM vol. 2 5.4.1 */
#define GUEST_US	(1ull << 2)
#define GUEST_PS	(1ull << 7)
#define GUEST_NX	(1ull << 63)
#define NOWHERE		(~0ull)

static inline uint64_t translate(const struct x86_npt *t, uint64_t gpa)
{
	const uint64_t present = t->f->present, large = t->f->large;
	const uint64_t *table = t->root;
	uint64_t entry, offset;
	unsigned shift;

	if (gpa >> 48 != 0)
		return NOWHERE;
	for (shift = 39;; shift -= 9) {
		entry = OS_READ(table[(gpa >> shift) & 511]);
		if ((entry & present) == 0)
			return NOWHERE;
		if (shift == 12 || (entry & large) != 0)
			break;
		table = os_page_at(entry & X86_NPT_ADDR);
	}
	offset = (1ull << shift) - 1;
	return (entry & X86_NPT_ADDR & ~offset) | (gpa & offset);
}

uint64_t x86_npt_translate(const struct x86_npt *t, uint64_t gpa)
{
	return translate(t, gpa);
}

/* Where code of the guest is in physical memory; NOWHERE: a fetch faults. */
static uint64_t locate(const struct x86_npt *npt, uint64_t cr3, uint64_t at)
{
	uint64_t table = cr3 & X86_NPT_ADDR, pa, entry, offset;
	unsigned shift;

	if (!x86_canonical(at))
		return NOWHERE;
	for (shift = 39;; shift -= 9) {
		pa = translate(npt, table);
		if (pa == NOWHERE)
			return NOWHERE;
		entry = OS_READ(((uint64_t *)os_page_at(pa))[(at >> shift) &
		    511]);
		if ((entry & (GUEST_P | GUEST_US | GUEST_NX)) !=
		    (GUEST_P | GUEST_US))
			return NOWHERE;
		if (shift == 12)
			break;
		if ((entry & GUEST_PS) != 0) {
			if (shift == 39)
				return NOWHERE;
			break;
		}
		table = entry & X86_NPT_ADDR;
	}
	offset = (1ull << shift) - 1;
	return translate(npt, (entry & X86_NPT_ADDR & ~offset) | (at & offset));
}

size_t x86_fetch(const struct x86_npt *npt, uint64_t cr3, uint64_t rip,
    uint8_t *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		uint64_t pa = locate(npt, cr3, rip);
		size_t offset = rip % PAGE, n = PAGE - offset;
		const uint8_t *from;

		if (pa == NOWHERE)
			break;
		from = (const uint8_t *)os_page_at(pa & X86_NPT_ADDR) + offset;
		if (n > size - done)
			n = size - done;
		rip += n;
		while (n-- != 0)
			buf[done++] = OS_READ(*from++);
	}
	return done;
}
