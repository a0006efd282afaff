/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - the machines that /dev/vmm tells of, and descriptors of their
 * counters.  It knows the device's ABI, and nothing of pages or output.
 */
#ifndef VMMSTAT_DEVICE_H
#define VMMSTAT_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "../../sys/dev/vmm/vmm_ioctl.h"

/* A descriptor, or -errno. */
int device_open(void);

/* Those that the caller may see; *entries is the caller's to free.  -errno */
int device_list(int device, struct vmm_list_entry **entries, size_t *count);

/* A descriptor of the counters of machine id, or -errno. */
int device_counters(int device, uint64_t id);

#endif
