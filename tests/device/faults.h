/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * faults.h - what the tests of nested faults share: one page of the machine's
 * memory, which guest and owner read and write.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "device.h"

#define PAGE_GPA	(MIB2 + 5 * PAGE)
#define PAGE_AT		(MEMORY + PAGE_GPA)

/* As the owner's program does it. */
void put(uint64_t uaddr, uint64_t value);
uint64_t get(uint64_t uaddr);
/* As the guest does it, which may. */
uint64_t guest_get(struct device *d, uint64_t gpa);
void guest_put(struct device *d, uint64_t gpa, uint64_t value);
/* The guest's access ends its run, with VMM_EXIT_MEMORY and that errno. */
void no_memory(struct device *d, uint64_t gpa, uint32_t access,
    uint32_t detail);

#endif
