/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - the counters of a machine and of its vCPUs.  A slot is a page with
 * one writer: a vCPU's the thread that runs it, the machine's whoever holds
 * the nested lock.  Readers see a value that was right a moment ago.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm.h"
#include "../../../../include/vmmctl_counters.h"

#define VMM_EXIT_KINDS	10u
#define VMM_RAW_MAX	384u

/* What a vCPU's counters page shows; descriptors give the offsets. */
struct vmm_stats_page {
#define COUNTER(field, name, unit, column, flags, help) uint64_t field;
#include "../vmm_device_counters.def"
	uint64_t cause[VMM_CAUSES];
	uint64_t returned[VMM_EXIT_KINDS];
	uint64_t raw[VMM_RAW_MAX];
};
VMM_ASSERT(sizeof(struct vmm_stats_page) <= VMM_PAGE_SIZE);

struct vmm_stats_set {
	uint64_t refs;			/* [a] the machine, files */
	struct vmmctl_counters_header header;	/* [I] but the last */
	uint32_t slots_used;		/* [m] written, [a] read */
	uint64_t ended_mono_ns, ended_ticks;	/* [a] the ticks first */
	/* 0: the machine; n + 1: vCPU n.  [m] set once, [a] read. */
	struct vmm_stats_page *slot[VMM_MAX_VCPUS + 1];
};

static inline void vmm_count(uint64_t *counter, uint64_t n)
{
	OS_ADD(*counter, n);
}

/* Of a machine that is being made: ENOMEM. */
int vmm_stats_create(struct vmm_machine *m);
/* The machine has ended; its files may go on. */
void vmm_stats_end(struct vmm_machine *m);
/* [m] The page of vCPU index, which an earlier one of that index may have
 * begun; NULL: no memory. */
struct vmm_stats_page *vmm_stats_slot(struct vmm_machine *m, uint32_t index);
void vmm_stats_put(struct vmm_stats_set *s);
static inline struct vmm_stats_page *vmm_stats_machine(struct vmm_machine *m)
{
	return m->stats->slot[0];
}

/* list.c: the counters of machine id, if the caller may see them, with a
 * reference, and the owner's pid as it sees it; or NULL. */
struct vmm_stats_set *vmm_list_stats(uint64_t id, uint32_t *pid);

#endif
