/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * module.c - loading and unloading.
 */
#include "vmm.h"
#include "linux.h"

#include <linux/capability.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/security.h>

bool vmm_ibpb;
module_param_named(ibpb, vmm_ibpb, bool, 0644);
MODULE_PARM_DESC(ibpb,
    "Issue a branch prediction barrier at every change from one guest user to "
    "another; default: only for threads that asked for it by prctl(2)");

static bool raw_unsafe;
module_param_unsafe(raw_unsafe, bool, 0644);
MODULE_PARM_DESC(raw_unsafe,
    "Let processes with CAP_SYS_RAWIO write every field of control structures "
    "that can be read, so that tests can have entries refused; what is not "
    "refused may crash the host");

bool os_raw_all(void)
{
	return READ_ONCE(raw_unsafe) && capable(CAP_SYS_RAWIO) &&
	    security_locked_down(LOCKDOWN_MSR) == 0;
}

/* The first that the processor has. */
static const struct vmm_vendor *const vendors[] = {
	&vmm_svm,
	&vmm_vmx,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmm",
	.mode = 0660,
	.fops = &vmm_device_fops,
	.groups = vmm_sysfs_groups,
};

static int __init load(void)
{
	int error;

	error = -vmm_hw_init(vendors, ARRAY_SIZE(vendors));
	if (error != 0)
		return error;
	error = vmm_cpu_init();
	if (error != 0)
		goto fini_hw;
	vmm_sysfs_init();
	error = misc_register(&device);
	if (error != 0)
		goto fini_cpu;
	vmm_power_init(device.this_device);
	return 0;

fini_cpu:
	vmm_cpu_fini();
fini_hw:
	vmm_hw_fini();
	return error;
}

/* Every open descriptor holds the module: there are no machines any more. */
static void __exit unload(void)
{
	vmm_power_fini(device.this_device);
	misc_deregister(&device);
	vmm_cpu_fini();
	vmm_hw_fini();
}

module_init(load);
module_exit(unload);
MODULE_DESCRIPTION("vmmctl: machines for guest users (/dev/vmm)");
MODULE_AUTHOR("The vmmctl authors");
MODULE_LICENSE("Dual BSD/GPL");
