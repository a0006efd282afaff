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

/*
 * A walk of the nested tables that remembers where it was: a guest's page
 * table and its code are often within the same 2 MiB.
 */
struct nested {
	const struct x86_npt *npt;
	uint64_t region;	/* gpa / 2 MiB of what follows; NOWHERE: none */
	const uint64_t *table;	/* its level 1; NULL: one leaf, at base */
	uint64_t base;
};

static bool find_region(struct nested *w, uint64_t gpa)
{
	const uint64_t present = w->npt->f->present;
	const uint64_t large = w->npt->f->large;
	const uint64_t *table = w->npt->root;
	uint64_t entry;

	if (gpa >> 48 != 0)
		return false;
	entry = OS_READ(table[gpa >> 39]);
	if ((entry & present) == 0)
		return false;
	table = os_page_at(entry & X86_NPT_ADDR);
	entry = OS_READ(table[gpa >> 30 & 511]);
	if ((entry & present) == 0)
		return false;
	w->region = gpa >> 21;
	w->table = NULL;
	if ((entry & large) != 0) {
		w->base = (entry & X86_NPT_ADDR & ~(X86_NPT_SPAN(3) - 1)) |
		    (gpa & (X86_NPT_SPAN(3) - X86_NPT_SPAN(2)));
		return true;
	}
	table = os_page_at(entry & X86_NPT_ADDR);
	entry = OS_READ(table[gpa >> 21 & 511]);
	if ((entry & large) != 0)
		w->base = entry & X86_NPT_ADDR & ~(X86_NPT_SPAN(2) - 1);
	else
		w->table = os_page_at(entry & X86_NPT_ADDR);
	if ((entry & present) != 0)
		return true;
	w->region = NOWHERE;
	return false;
}

/* The physical page of gpa, or NOWHERE. */
static inline uint64_t nested_page(struct nested *w, uint64_t gpa)
{
	uint64_t entry;

	if (gpa >> 21 != w->region && !find_region(w, gpa))
		return NOWHERE;
	if (w->table == NULL)
		return w->base | (gpa & (X86_NPT_SPAN(2) - PAGE));
	entry = OS_READ(w->table[gpa >> 12 & 511]);
	if ((entry & w->npt->f->present) == 0)
		return NOWHERE;
	return entry & X86_NPT_ADDR;
}

uint64_t x86_npt_translate(const struct x86_npt *t, uint64_t gpa)
{
	struct nested w = { .npt = t, .region = NOWHERE };
	uint64_t pa = nested_page(&w, gpa);

	return pa == NOWHERE ? NOWHERE : pa | gpa % PAGE;
}

/* One level of the guest's table: the entry, or 0 when it is of no use. */
static inline uint64_t guest_entry(struct nested *w, uint64_t table,
    uint64_t index)
{
	uint64_t pa = nested_page(w, table & X86_NPT_ADDR), entry;

	if (pa == NOWHERE)
		return 0;
	entry = OS_READ(((const uint64_t *)os_page_at(pa))[index & 511]);
	if ((entry & (GUEST_P | GUEST_US | GUEST_NX)) != (GUEST_P | GUEST_US))
		return 0;
	return entry;
}

/* Where a guest user's code is; NULL: a fetch would fault. */
static const uint8_t *guest_code(struct nested *w, uint64_t cr3, uint64_t at)
{
	uint64_t entry, offset = PAGE - 1, pa;

	if (!x86_canonical(at))
		return NULL;
	entry = guest_entry(w, cr3, at >> 39);
	if (entry == 0 || (entry & GUEST_PS) != 0)
		return NULL;
	entry = guest_entry(w, entry, at >> 30);
	if (entry == 0)
		return NULL;
	if ((entry & GUEST_PS) != 0) {
		offset = X86_NPT_SPAN(3) - 1;
		goto leaf;
	}
	entry = guest_entry(w, entry, at >> 21);
	if (entry == 0)
		return NULL;
	if ((entry & GUEST_PS) != 0) {
		offset = X86_NPT_SPAN(2) - 1;
		goto leaf;
	}
	entry = guest_entry(w, entry, at >> 12);
	if (entry == 0)
		return NULL;
leaf:
	pa = nested_page(w,
	    (entry & X86_NPT_ADDR & ~offset) | (at & offset));
	if (pa == NOWHERE)
		return NULL;
	return (const uint8_t *)os_page_at(pa) + at % PAGE;
}

/* A guest may write there meanwhile: any mixture will do. */
static inline void copy(uint8_t *to, const uint8_t *from, size_t n)
{
	for (; n >= 8; n -= 8, to += 8, from += 8)
		memcpy(to, from, 8);
	if ((n & 4) != 0) {
		memcpy(to, from, 4);
		to += 4;
		from += 4;
	}
	if ((n & 2) != 0) {
		memcpy(to, from, 2);
		to += 2;
		from += 2;
	}
	if ((n & 1) != 0)
		*to = OS_READ(*from);
}

void x86_code_forget(struct x86_code *c)
{
	unsigned i;

	for (i = 0; i < X86_CODE_PAGES; i++)
		c->slot[i].page = NOWHERE;
}

size_t x86_code_fetch(struct x86_code *c, const struct x86_npt *npt,
    uint64_t cr3, uint64_t rip, uint8_t *buf, size_t size)
{
	struct nested w = { .npt = npt, .region = NOWHERE };
	size_t done = 0;

	while (done < size) {
		const uint8_t *from = x86_code_at(c, rip);
		size_t n = PAGE - rip % PAGE;

		if (from == NULL) {
			uint64_t page = rip / PAGE;

			from = guest_code(&w, cr3, rip);
			if (from == NULL)
				break;
			c->slot[page % X86_CODE_PAGES].page = page;
			c->slot[page % X86_CODE_PAGES].at = from - rip % PAGE;
		}
		if (n > size - done)
			n = size - done;
		copy(buf + done, from, n);
		rip += n;
		done += n;
	}
	return done;
}

size_t x86_fetch(const struct x86_npt *npt, uint64_t cr3, uint64_t rip,
    uint8_t *buf, size_t size)
{
	struct x86_code none;

	x86_code_forget(&none);
	return x86_code_fetch(&none, npt, cr3, rip, buf, size);
}
