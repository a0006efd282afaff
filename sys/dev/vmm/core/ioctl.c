/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ioctl.c - which ioctl is whose.  Those that give a descriptor are the glue's
 * to call by name; VMM_RUN too, where every instruction counts.
 */
#include "stats.h"

/* ---- the device ---- */

static int device_info(void *arg)
{
	struct vmm_info *info = arg;

	if (info->size != sizeof(*info))
		return EINVAL;
	vmm_hw_info(info);
	return 0;
}

static int device_enable(void *arg)
{
	const struct vmm_enable *a = arg;

	if (!os_is_admin())
		return EPERM;
	if (a->reserved != 0 || a->enable > 1)
		return EINVAL;
	return vmm_hw_enable(a->enable != 0);
}

static int device_list(void *arg)
{
	struct vmm_list *a = arg;

	if (vmm_hw.vendor == NULL) {
		a->count = 0;
		return 0;
	}
	return vmm_list(a);
}

static const struct {
	uint32_t cmd;
	int (*handler)(void *arg);
} device[] = {
	{ VMM_INFO, device_info },
	{ VMM_ENABLE, device_enable },
	{ VMM_LIST, device_list },
};

int vmm_device_ioctl(uint32_t cmd, void *arg)
{
	size_t i;

	for (i = 0; i < sizeof(device) / sizeof(device[0]); i++)
		if (device[i].cmd == cmd)
			return device[i].handler(arg);
	return ENOTTY;
}

/* ---- a machine ---- */

#define MACHINE(name, type) \
static int machine_##name(struct vmm_machine *m, void *arg) \
{ \
	type *a = arg; \
	\
	return vmm_##name(m, a); \
}
MACHINE(memory_map, const struct vmm_memory)
MACHINE(memory_unmap, const struct vmm_memory)
MACHINE(memory_protect, const struct vmm_memory)
MACHINE(dirty_log, const struct vmm_dirty_log)
MACHINE(cpuid_set, const struct vmm_cpuid)
MACHINE(msr_set, const struct vmm_msr)
MACHINE(context_create, struct vmm_context)
MACHINE(context_destroy, const struct vmm_context)
MACHINE(xsave_get, const struct vmm_xsave)
MACHINE(xsave_set, const struct vmm_xsave)
MACHINE(policy_set, const struct vmm_policy)

static const struct {
	uint32_t cmd;
	int (*handler)(struct vmm_machine *m, void *arg);
} machine[] = {
	{ VMM_MEMORY_MAP, machine_memory_map },
	{ VMM_MEMORY_UNMAP, machine_memory_unmap },
	{ VMM_MEMORY_PROTECT, machine_memory_protect },
	{ VMM_DIRTY_LOG, machine_dirty_log },
	{ VMM_CPUID_SET, machine_cpuid_set },
	{ VMM_MSR_SET, machine_msr_set },
	{ VMM_CONTEXT_CREATE, machine_context_create },
	{ VMM_CONTEXT_DESTROY, machine_context_destroy },
	{ VMM_XSAVE_GET, machine_xsave_get },
	{ VMM_XSAVE_SET, machine_xsave_set },
	{ VMM_POLICY_SET, machine_policy_set },
};

int vmm_machine_ioctl(struct vmm_machine *m, uint32_t cmd, void *arg)
{
	int error;
	size_t i;

	for (i = 0; i < sizeof(machine) / sizeof(machine[0]); i++) {
		if (machine[i].cmd != cmd)
			continue;
		error = vmm_machine_usable(m);
		return error != 0 ? error : machine[i].handler(m, arg);
	}
	return ENOTTY;
}

/* ---- a vCPU ---- */

static int vcpu_run(struct vmm_vcpu *v, void *arg)
{
	(void)arg;
	return vmm_vcpu_run(v);
}

static int vcpu_kick(struct vmm_vcpu *v, void *arg)
{
	(void)arg;
	return vmm_vcpu_kick(v);
}

static int vcpu_raw(struct vmm_vcpu *v, void *arg)
{
	return vmm_vcpu_raw(v, arg);
}

static const struct {
	uint32_t cmd;
	int (*handler)(struct vmm_vcpu *v, void *arg);
} vcpu[] = {
	{ VMM_RUN, vcpu_run },
	{ VMM_KICK, vcpu_kick },
	{ VMM_RAW, vcpu_raw },
};

/* Each asks itself whether the caller may. */
int vmm_vcpu_ioctl(struct vmm_vcpu *v, uint32_t cmd, void *arg)
{
	size_t i;

	for (i = 0; i < sizeof(vcpu) / sizeof(vcpu[0]); i++)
		if (vcpu[i].cmd == cmd)
			return vcpu[i].handler(v, arg);
	return ENOTTY;
}
