// SPDX-License-Identifier: BSD-2-Clause
/* lifecycle.c - see lifecycle.h. */
#include "lifecycle.h"

struct vmm_info info(void)
{
	struct vmm_info a = { .size = sizeof(a) };

	assert_ok(vmm_device_ioctl(VMM_INFO, &a));
	return a;
}

struct vmm_machine *machine(void)
{
	struct vmm_machine *m;

	assert_ok(machine_create(&m));
	return m;
}

int enable(uint32_t word)
{
	struct vmm_enable a = { .enable = word };

	return vmm_device_ioctl(VMM_ENABLE, &a);
}
