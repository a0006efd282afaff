// SPDX-License-Identifier: BSD-2-Clause
/* guest.c - see guest.h. */
#include "guest.h"
#include "cpu.h"
#include "vmm_ioctl.h"

#define ENTRIES	64u
#define TABLES	64u

struct entry {
	bool valid, stale;
	uint64_t tag;
	uint64_t cr3, page;	/* the key */
	uint64_t gpa, pa;	/* of the page of 4 KiB */
	uint32_t prot;		/* WRITE: and dirty is set already */
};
struct table {
	bool valid, stale;
	uint64_t tag, pa;
};
uint64_t guest_table_mask = ~0ull;

static struct {
	struct entry entry[ENTRIES];
	struct table table[TABLES];
	uint32_t next_entry, next_table;
} tlb[FAKE_CPUS];

static void page_gone(uint64_t pa)
{
	uint32_t c, i;

	for (c = 0; c < FAKE_CPUS; c++) {
		for (i = 0; i < TABLES; i++) {
			if (tlb[c].table[i].valid && tlb[c].table[i].pa == pa)
				tlb[c].table[i].stale = true;
		}
	}
}

static void frame_gone(uint64_t pa, uint64_t size)
{
	uint32_t c, i;

	for (c = 0; c < FAKE_CPUS; c++) {
		for (i = 0; i < ENTRIES; i++) {
			struct entry *e = &tlb[c].entry[i];

			if (e->valid && e->pa >= pa && e->pa < pa + size)
				e->stale = true;
		}
	}
}

static void all_gone(uint32_t cpu)
{
	uint32_t i;

	for (i = 0; i < ENTRIES; i++)
		tlb[cpu].entry[i].stale = true;
	for (i = 0; i < TABLES; i++)
		tlb[cpu].table[i].stale = true;
}

void guest_reset(void)
{
	memset(tlb, 0, sizeof(tlb));
	fake_on_page_free = page_gone;
	fake_on_frame_gone = frame_gone;
	fake_on_off = all_gone;
	guest_table_mask = ~0ull;
}

void guest_flush_all(uint32_t cpu)
{
	memset(&tlb[cpu], 0, sizeof(tlb[cpu]));
}

void guest_flush_tags(uint32_t cpu, uint64_t mask, uint64_t tag)
{
	uint32_t i;

	for (i = 0; i < ENTRIES; i++) {
		if ((tlb[cpu].entry[i].tag & mask) == tag)
			tlb[cpu].entry[i].valid = false;
	}
	for (i = 0; i < TABLES; i++) {
		if ((tlb[cpu].table[i].tag & mask) == tag)
			tlb[cpu].table[i].valid = false;
	}
}

void guest_flush_tag(uint32_t cpu, uint64_t tag)
{
	guest_flush_tags(cpu, ~0ull, tag);
}

void guest_flush_translations(uint32_t cpu)
{
	memset(tlb[cpu].entry, 0, sizeof(tlb[cpu].entry));
}

void guest_check(uint32_t cpu, uint64_t tag)
{
	uint32_t i;

	for (i = 0; i < ENTRIES; i++) {
		const struct entry *e = &tlb[cpu].entry[i];

		if (e->valid && e->stale && e->tag == tag)
			fake_bug("processor %u has a translation of %#llx to "
			    "a page that has gone", cpu,
			    (unsigned long long)e->gpa);
	}
	for (i = 0; i < TABLES; i++) {
		const struct table *t = &tlb[cpu].table[i];

		if (t->valid && t->stale &&
		    t->tag == (tag & guest_table_mask))
			fake_bug("processor %u knows a nested table that has "
			    "been freed", cpu);
	}
}

static void remember_table(uint32_t cpu, uint64_t tag, uint64_t pa)
{
	struct table *t;
	uint32_t i;

	tag &= guest_table_mask;
	for (i = 0; i < TABLES; i++) {
		t = &tlb[cpu].table[i];
		if (t->valid && t->tag == tag && t->pa == pa)
			return;
	}
	t = &tlb[cpu].table[tlb[cpu].next_table++ % TABLES];
	*t = (struct table){ .valid = true, .tag = tag, .pa = pa };
}

static bool allows(const struct x86_npt_format *f, uint64_t entry,
    uint32_t access)
{
	if (access == VMM_PROT_WRITE)
		return (entry & f->write) != 0;
	if (access == VMM_PROT_EXEC)
		return f->exec != 0 ? (entry & f->exec) != 0 :
		    (entry & f->no_exec) == 0;
	return true;
}

/* Guest-physical to physical; what the leaf allows from now on. */
static bool nested_walk(uint32_t cpu, const struct guest_access *a,
    uint64_t gpa, uint32_t access, uint64_t *pa, uint32_t *prot,
    struct guest_fault *out)
{
	const struct x86_npt_format *f = a->format;
	uint64_t *table = os_page_at(a->ncr3), *at, span;
	int shift;

	out->gpa = gpa;
	out->access = access;
	out->present = false;
	if (gpa >> 48 != 0)
		return false;
	/* As many levels as the host has: CR4.LA57. */
	for (shift = (fake_cpu()->cr4 & 1u << 12) != 0 ? 48 : 39;;
	    shift -= 9) {
		at = &table[gpa >> shift & 511];
		if ((*at & f->present) == 0)
			return false;
		if (!allows(f, *at, access)) {
			out->present = true;
			return false;
		}
		if (shift == 12 || (*at & f->large) != 0)
			break;
		remember_table(cpu, a->tag, *at & X86_NPT_ADDR);
		table = os_page_at(*at & X86_NPT_ADDR);
		*at |= f->accessed;
	}
	*at |= f->accessed | (access == VMM_PROT_WRITE ? f->dirty : 0);
	span = 1ull << shift;
	*pa = (*at & X86_NPT_ADDR & ~(span - 1)) | (gpa & (span - 1));
	*prot = VMM_PROT_READ;
	if (allows(f, *at, VMM_PROT_EXEC))
		*prot |= VMM_PROT_EXEC;
	if (allows(f, *at, VMM_PROT_WRITE) &&
	    (f->dirty == 0 || (*at & f->dirty) != 0))
		*prot |= VMM_PROT_WRITE;
	if (!fake_frame_live(*pa))
		fake_bug("the nested table leads %#llx to a page that has "
		    "gone", (unsigned long long)gpa);
	return true;
}

/* The guest's own table, APM vol. 2 5.3; its entries are read, and written
 * (accessed, dirty), by way of the nested one: 15.25.6. */
static enum guest_outcome guest_walk(uint32_t cpu,
    const struct guest_access *a, uint64_t *gpa, uint32_t *may,
    struct guest_fault *out)
{
	uint64_t table = a->cr3 & X86_NPT_ADDR, pa, *at, span;
	const bool write = a->access == VMM_PROT_WRITE;
	uint32_t prot, code = 4 | (write ? 2 : 0) |
	    (a->access == VMM_PROT_EXEC ? 16 : 0);
	int shift;

	*may = VMM_PROT_READ | VMM_PROT_WRITE | VMM_PROT_EXEC;
	for (shift = 39;; shift -= 9) {
		if (!nested_walk(cpu, a, table + (a->address >> shift & 511) *
		    8, VMM_PROT_WRITE, &pa, &prot, out)) {
			out->walk = true;
			return GUEST_NESTED;
		}
		at = os_page_at(pa);
		out->error_code = code | (*at & 1);
		if ((*at & 5) != 5 || (write && (*at & 2) == 0) ||
		    (a->access == VMM_PROT_EXEC && *at >> 63 != 0))
			return GUEST_PAGE_FAULT;
		if ((*at & 2) == 0)
			*may &= ~VMM_PROT_WRITE;
		if (*at >> 63 != 0)
			*may &= ~VMM_PROT_EXEC;
		*at |= 0x20;
		if (shift == 12 || ((*at & 0x80) != 0 && shift != 39))
			break;
		table = *at & X86_NPT_ADDR;
	}
	if (write)
		*at |= 0x40;
	else if ((*at & 0x40) == 0)
		*may &= ~VMM_PROT_WRITE;	/* walk again to write */
	span = 1ull << shift;
	*gpa = (*at & X86_NPT_ADDR & ~(span - 1)) | (a->address & (span - 1));
	return GUEST_OK;
}

static struct entry *find(uint32_t cpu, const struct guest_access *a)
{
	uint32_t i;

	for (i = 0; i < ENTRIES; i++) {
		struct entry *e = &tlb[cpu].entry[i];

		/* cr3 is no part of what processors compare. */
		if (e->valid && e->tag == a->tag && e->page ==
		    (a->address & ~(FAKE_PAGE - 1)) &&
		    (e->cr3 == GUEST_NO_PAGING) == (a->cr3 == GUEST_NO_PAGING))
			return e;
	}
	return NULL;
}

enum guest_outcome guest_access(uint32_t cpu, const struct guest_access *a,
    struct guest_fault *out)
{
	struct entry *e = find(cpu, a);
	uint64_t gpa = a->address, pa;
	uint32_t prot = 0, may = 7;
	uint8_t *p;

	memset(out, 0, sizeof(*out));
	guest_check(cpu, a->tag);
	if (e == NULL || (e->prot & a->access) == 0) {
		if (a->cr3 != GUEST_NO_PAGING) {
			enum guest_outcome o = guest_walk(cpu, a, &gpa, &may,
			    out);

			if (o != GUEST_OK)
				return o;
		}
		if (!nested_walk(cpu, a, gpa, a->access, &pa, &prot, out))
			return GUEST_NESTED;
		if (e == NULL)
			e = &tlb[cpu].entry[tlb[cpu].next_entry++ % ENTRIES];
		*e = (struct entry){ .valid = true, .tag = a->tag,
		    .cr3 = a->cr3, .page = a->address & ~(FAKE_PAGE - 1),
		    .gpa = gpa & ~(FAKE_PAGE - 1),
		    .pa = pa & ~(FAKE_PAGE - 1), .prot = prot & may };
	}
	if (a->size == 0)
		return GUEST_OK;
	p = (uint8_t *)os_page_at(e->pa) + a->address % FAKE_PAGE;
	if (a->access == VMM_PROT_WRITE) {
		if (a->buf != NULL)
			memcpy(p, a->buf, a->size);
		else
			memset(p, 0, a->size);
	} else if (a->buf != NULL) {
		memcpy(a->buf, p, a->size);
	}
	return GUEST_OK;
}
