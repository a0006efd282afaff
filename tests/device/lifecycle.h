/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lifecycle.h - what the tests of the device's, the hardware's and machines'
 * lives share: the device's ioctls, on a device that may have no machine yet.
 */
#ifndef LIFECYCLE_H
#define LIFECYCLE_H

#include "device.h"

struct vmm_info info(void);
struct vmm_machine *machine(void);
/* VMM_ENABLE: 0 or an errno. */
int enable(uint32_t word);

#endif
