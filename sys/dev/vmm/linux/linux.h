/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linux.h - among the files of the glue.  All init functions give 0 or a
 * negative errno, as Linux has it; each has a fini that undoes it.
 */
#ifndef VMM_LINUX_LINUX_H
#define VMM_LINUX_LINUX_H

#include <linux/device.h>
#include <linux/fs.h>

/* files.c: of /dev/vmm. */
extern const struct file_operations vmm_device_fops;

/* cpu.c: what the processor's bugs want, hotplug, reboot.  Once the hardware
 * is known. */
int vmm_cpu_init(void);
void vmm_cpu_fini(void);
/* Suspend and resume are told to dev. */
void vmm_power_init(struct device *dev);
void vmm_power_fini(struct device *dev);

/* sysfs.c: vmm_sysfs_init() fills vmm_sysfs_groups from the hardware. */
extern const struct attribute_group *vmm_sysfs_groups[];
void vmm_sysfs_init(void);

#endif
