/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - /dev/vmm without a processor, for the backend on it.  It keeps
 * book of what was asked for, and answers a run as the test wants.
 */
#ifndef UNIT_DEVICE_H
#define UNIT_DEVICE_H

#include "vmm/dv.h"

#define DEVICE_FD	1000
#define MACHINE_FD	1001
#define VCPU_FD		1100	/* + index */
#define DEVICE_MAX	64u

struct device_page {
	struct vmm_vcpu_page page;
	uint8_t rest[4096 - sizeof(struct vmm_vcpu_page)];
};

struct device {
	struct vmm_info info;
	/* What the next calls return. */
	int open_error, info_error, machine_error, memory_error;
	int context_error, cpuid_error, vcpu_error, xsave_error, run_error;
	bool map_fails, no_breakpoints;
	char why[64];
	/* Answers a run: fills the page's exit. */
	void (*run)(struct vmm_vcpu_page *page);
	/* Answers VMM_RAW; NULL: no field may be seen. */
	int (*raw)(struct vmm_raw *a);
	/* What was called. */
	int runs, kicks, opens;
	uint32_t commit;		/* of the last run */
	struct vmm_machine_create machine;
	struct vmm_cpuid_entry cpuid[8];
	uint32_t cpuids;
	struct vmm_memory regions[DEVICE_MAX];
	uint32_t nregions;
	uint32_t contexts, next_context;
	uint8_t xsave[4096];
	struct device_page page[4];
	int bad;			/* calls that should not have been */
};

extern struct device device;
/* As a device would be that works. */
void device_reset(void);
/* Open descriptors. */
extern int device_fds;

#endif
