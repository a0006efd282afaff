/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pt.h - a space's page table: the one record of what is mapped, in the form
 * that long-mode hardware walks (SDM vol. 3A 4.5, APM vol. 2 5.3), so that a
 * backend with hardware can use it as it is.
 *
 * A leaf that is mapped has PT_MAPPED; its hardware bits (P, W, NX) are set
 * only for what the guest may do right now, which is less than the mapping
 * allows where the machine has no memory.  The mapping's own permissions are
 * in PT_R, PT_W, PT_X, which hardware ignores.
 */
#ifndef VMMCTL_PT_H
#define VMMCTL_PT_H

#include "internal.h"

#define PTE_P		(1ull << 0)
#define PTE_W		(1ull << 1)
#define PTE_U		(1ull << 2)
#define PTE_A		(1ull << 5)
#define PTE_D		(1ull << 6)
#define PTE_PS		(1ull << 7)
#define PT_MAPPED	(1ull << 9)
#define PT_R		(1ull << 52)
#define PT_W		(1ull << 53)
#define PT_X		(1ull << 54)
#define PTE_NX		(1ull << 63)
#define PTE_ADDR	0x000ffffffffff000ull

/* Of a machine: reserved addresses, not memory. */
#define PT_POOL_SIZE	(64ull << 30)

struct pt_leaf {
	uint64_t gva, len;	/* of the leaf, or of a hole */
	uint64_t gpa;
	uint32_t prot;		/* the mapping's own */
	uint32_t hw;		/* what hardware lets through: VMMCTL_PROT_* */
	bool mapped;
};

int pt_pool_init(struct pt_pool *p, uint64_t size);
void pt_pool_fini(struct pt_pool *p);

/* All with the machine lock held; ranges have been checked. */
int pt_init(struct vmmctl_space *s);
void pt_fini(struct vmmctl_space *s);
/* hw: what is usable now, a subset of prot. -ENOMEM: nothing changed beyond
 * [gva, *done). */
int pt_map(struct vmmctl_space *s, uint64_t gva, uint64_t len, uint64_t gpa,
    uint32_t prot, uint32_t hw, uint64_t *done);
int pt_unmap(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint64_t *done);
/* The leaf or the hole that gva is in. */
void pt_find(struct vmmctl_space *s, uint64_t gva, struct pt_leaf *out);

#endif
