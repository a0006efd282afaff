/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * npt.h - nested page tables: guest-physical to physical, four levels, in the
 * vendor's format.  Builds and looks up; knows no machine, lock or flush.
 * Hardware walks the tables meanwhile, and sets bits in them: every change of
 * an entry is one store or exchange.  Tables are freed only by x86_npt_fini()
 * and x86_npt_free().
 */
#ifndef VMM_X86_NPT_H
#define VMM_X86_NPT_H

#include "os_types.h"

/*
 * Where a vendor has its bits: APM vol. 2 15.25 (as long-mode tables),
 * SDM vol. 3C 28.3.2 (EPT).
 */
struct x86_npt_format {
	uint64_t table;		/* set in every entry that leads to a table */
	uint64_t leaf;		/* set in every leaf: present, user, type */
	uint64_t write;		/* set: may be written */
	uint64_t exec;		/* set: may be executed; 0 where */
	uint64_t no_exec;	/* this one forbids it */
	uint64_t large;		/* a leaf above level 1 */
	uint64_t accessed, dirty;	/* 0: hardware keeps none */
	uint64_t present;	/* any of these: the entry is in use */
};
extern const struct x86_npt_format x86_npt_svm;
extern const struct x86_npt_format x86_npt_ept;		/* with A/D */
extern const struct x86_npt_format x86_npt_ept_plain;	/* without */

#define X86_NPT_ADDR	0x000ffffffffff000ull
#define X86_NPT_SPAN(level)	(1ull << (12 + 9 * ((level) - 1)))

struct x86_npt {
	const struct x86_npt_format *f;
	uint64_t *root;
	uint64_t root_pa;
	uint64_t leaves;	/* mapped, in pages of 4 KiB */
	uint64_t tables;	/* below the root, empty ones too */
	uint64_t walked;	/* entries x86_npt_apply() has looked at, ever */
};

/* Tables ready for use, so that mapping allocates nothing. */
struct x86_npt_stock {
	void **pages;
	uint64_t *pas;
	uint32_t *n;
};

int x86_npt_init(struct x86_npt *t, const struct x86_npt_format *f);
/* Hardware has let go of it. */
void x86_npt_fini(struct x86_npt *t);

/*
 * Make [gpa, gpa + span of level) lead to pa, which may replace a leaf of the
 * same level (the same page: what was dirty stays so).  False when a larger
 * leaf or a table, even an empty one, is in the way, or the stock (3 suffice)
 * is short; then nothing has changed.  prot: VMM_PROT_*; dirty: set D now.
 * No flush is due if the page is the same and prot no less, or nothing was
 * there.
 */
bool x86_npt_map(struct x86_npt *t, struct x86_npt_stock *s, uint64_t gpa,
    uint64_t pa, unsigned level, uint32_t prot, bool dirty);

/* A leaf as it is in the table. */
struct x86_npt_leaf {
	uint64_t gpa, pa;
	unsigned level;
	uint32_t prot;
	bool dirty, accessed;
};
bool x86_npt_find(const struct x86_npt *t, uint64_t gpa,
    struct x86_npt_leaf *out);
/* The physical address of gpa, or ~0: for walks of the guest's tables just
 * after an exit; short. */
uint64_t x86_npt_translate(const struct x86_npt *t, uint64_t gpa);

/*
 * For every leaf that meets the range, whole or in part: what to do to it.
 * Large leaves that reach out of the range are taken whole.
 */
enum x86_npt_op {
	X86_NPT_ZAP,		/* remove it */
	X86_NPT_PROTECT,	/* limit it to arg: VMM_PROT_* */
	X86_NPT_CLEAN,		/* clear D (without hardware D: W) */
	X86_NPT_AGE,		/* clear A */
	X86_NPT_LOOK		/* nothing */
};
/* seen (may be NULL) hears of each leaf as it was.  The number of leaves whose
 * entry has changed so that a flush is due; AGE needs none. */
uint64_t x86_npt_apply(struct x86_npt *t, uint64_t gpa, uint64_t size,
    enum x86_npt_op op, uint32_t arg,
    void (*seen)(void *cookie, const struct x86_npt_leaf *leaf), void *cookie);

/*
 * Take the tables of the range that hold no leaf out of the tree; NULL: none.
 * Processors may go on reading them, as empty ones, until they are flushed:
 * x86_npt_free() what this returns only then.  to_leaf: up to the first leaf
 * there, which says that not all of them can go; each table is looked through
 * once for that.
 */
void *x86_npt_prune(struct x86_npt *t, uint64_t gpa, uint64_t size,
    bool to_leaf);
void x86_npt_free(void *tables);

#endif
