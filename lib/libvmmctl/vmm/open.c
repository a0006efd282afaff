// SPDX-License-Identifier: BSD-2-Clause
/*
 * open.c - opening /dev/vmm: is it there, may we, does it speak our version,
 * and does it run a guest user now?  Every refusal says how to cure it.
 */
#include "dv.h"
#include "../os.h"
#include "../pt.h"

#include <stdio.h>
#include <string.h>

#define GVA_LIMIT	0x7ffffffff000ull	/* as Linux' own processes */

static int open_device(struct vmmctl *v)
{
	int fd = dv_open(VMM_DEVICE);

	switch (fd) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return vmmctl_fail(v, -ENOENT, VMM_DEVICE " is absent: load "
		    "the module (modprobe vmm), or build it first (make -C "
		    "sys/dev/vmm modules modules_install)");
	case -EACCES:
	case -EPERM:
		return vmmctl_fail(v, -EACCES, "no permission for "
		    VMM_DEVICE ": join the group vmm (usermod -aG vmm USER, "
		    "then log in again); it belongs to that group if the "
		    "module's udev rule is installed");
	case -EBUSY:
		return vmmctl_fail(v, -EBUSY, VMM_DEVICE " is held by "
		    "another process or hypervisor; end it");
	default:
		if (fd < 0)
			return vmmctl_fail(v, fd, VMM_DEVICE " cannot be "
			    "opened: %s", strerror(-fd));
		return fd;
	}
}

static int ask(struct vmmctl *v, struct dv_host *h)
{
	struct vmm_info *info = &h->info;
	int err;

	info->size = sizeof(*info);
	err = dv_call(h->fd, VMM_INFO, info);
	if (err == -ENOTTY || (err == 0 && info->version != VMM_ABI_VERSION))
		return vmmctl_fail(v, -ENOTSUP, "the module behind "
		    VMM_DEVICE " speaks version %u of its interface, this "
		    "library version %u: load the module of the same release "
		    "(rmmod vmm; modprobe vmm)", err == 0 ? info->version : 0,
		    VMM_ABI_VERSION);
	if (err != 0)
		return vmmctl_fail(v, err, VMM_DEVICE " does not answer: %s",
		    strerror(-err));
	return 0;
}

int dv_machine(struct vmmctl *v, const struct dv_host *h,
    struct vmm_machine_create *a)
{
	struct os_signals signals;
	int fd;

	os_signals_hold(&signals);
	fd = dv_call(h->fd, VMM_MACHINE_CREATE, a);
	os_signals_let(&signals);
	if (fd >= 0)
		return fd;
	a->why[sizeof(a->why) - 1] = '\0';
	return vmmctl_fail(v, fd, VMM_DEVICE " makes no machine: %s",
	    a->why[0] != '\0' ? a->why : strerror(-fd));
}

static int check(struct vmmctl *v, struct dv_host *h)
{
	int err = ask(v, h);

	if (err != 0)
		return err;
	if ((h->info.caps & VMM_CAP_GUEST_USER) == 0)
		return vmmctl_fail(v, -ENOTSUP, VMM_DEVICE " has no "
		    "guest-user contexts: load a newer module");
	/* Half for the machine, at least. */
	if (h->info.gpa_limit < 2 * PT_POOL_SIZE)
		return vmmctl_fail(v, -ENOTSUP, VMM_DEVICE " has "
		    "guest-physical addresses below 0x%llx; 0x%llx are needed",
		    (unsigned long long)h->info.gpa_limit,
		    (unsigned long long)(2 * PT_POOL_SIZE));
	return dv_probe(v, h);
}

static void fill_info(struct vmmctl_info *info, const struct dv_host *h)
{
	const struct vmm_info *d = &h->info;

	snprintf(info->variant, sizeof(info->variant), "%.*s",
	    (int)sizeof(d->vendor), d->vendor);
	/* Nothing is in the guest but the guest: every exit is the
	 * processor's own. */
	info->caps = VMMCTL_CAP_VSYSCALL | VMMCTL_CAP_COMPAT_TRAP |
	    VMMCTL_CAP_SELECTORS | VMMCTL_CAP_HIDDEN | VMMCTL_CAP_EXACT |
	    VMMCTL_CAP_INT80;
	if (h->debug_regs)
		info->caps |= VMMCTL_CAP_DEBUG_REGS;
	if (d->caps & VMM_CAP_CPUID)
		info->caps |= VMMCTL_CAP_CPUID_POLICY;
	if (d->caps & VMM_CAP_FSGSBASE)
		info->caps |= VMMCTL_CAP_FSGSBASE;
	info->gva_limit = GVA_LIMIT;
	info->gpa_limit = d->gpa_limit - PT_POOL_SIZE;
	info->xsave_mask = d->xcr0;
	info->xsave_size = d->xsave_size;
	info->max_vcpus = d->max_vcpus < DV_VCPUS_MAX ? d->max_vcpus :
	    DV_VCPUS_MAX;
	info->exit_ns = h->exit_ns;
}

int dv_backend_open(struct vmmctl *v, const char *option)
{
	struct dv_host *h;
	int err;

	if (*option != '\0')
		return vmmctl_fail(v, -EINVAL,
		    "backend vmm has no option \"%s\"", option);
	h = vmmctl_zalloc(v, sizeof(*h));
	if (h == NULL)
		return vmmctl_fail(v, -ENOMEM, "no memory for a handle");
	h->fd = open_device(v);
	err = h->fd < 0 ? h->fd : check(v, h);
	if (err != 0) {
		dv_close(h->fd);
		vmmctl_free(v, h);
		return err;
	}
	v->backend_data = h;
	fill_info(&v->info, h);
	return 0;
}

void dv_backend_close(struct vmmctl *v)
{
	struct dv_host *h = v->backend_data;

	dv_close(h->fd);
	vmmctl_free(v, h);
}
