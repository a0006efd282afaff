// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - opening /dev/kvm: is it there, may we, and has it what we need?
 * Every refusal says how to cure it.
 */
#include "kv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define API_VERSION	12	/* has not changed since Linux 2.6.22 */

static const struct {
	long cap;
	const char *name;
	const char *since;
} needed[] = {
	{ KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS", "Linux 4.17" },
	{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", "Linux 4.4" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI", "Linux 3.5" },
	{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE", "Linux 2.6.36" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS", "Linux 2.6.36" },
	{ KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS", "Linux 2.6.35" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "Linux 4.11" },
	{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM", "Linux 3.7" },
};

int kv_ioctl(int fd, unsigned long request, const void *arg)
{
	int rc;

	/* KVM_CREATE_VM, too, is cut short by any signal. */
	do
		rc = ioctl(fd, request, arg);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

static int check(struct kv_host *h, long cap)
{
	return ioctl(h->fd, KVM_CHECK_EXTENSION, cap);
}

static int open_device(struct vmmctl *v)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return vmmctl_fail(v, -ENOENT, "/dev/kvm is absent: enable "
		    "virtualisation in the firmware and load kvm_intel or "
		    "kvm_amd (modprobe), or in a virtual machine switch "
		    "nested virtualisation on at its host");
	case EACCES:
	case EPERM:
		return vmmctl_fail(v, -EACCES, "no permission for /dev/kvm: "
		    "join the group kvm (usermod -aG kvm USER, then log in "
		    "again)");
	case EBUSY:
		return vmmctl_fail(v, -EBUSY,
		    "/dev/kvm is held by another hypervisor; unload it");
	default:
		return vmmctl_fail(v, -errno, "/dev/kvm cannot be opened: %s",
		    strerror(errno));
	}
}

static int check_device(struct vmmctl *v, struct kv_host *h)
{
	int version = ioctl(h->fd, KVM_GET_API_VERSION, 0);
	const int want = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	int rc;

	if (version != API_VERSION)
		return vmmctl_fail(v, -ENOTSUP, "/dev/kvm speaks version %d "
		    "of its interface, not %d: it is not Linux' KVM", version,
		    API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (check(h, needed[i].cap) <= 0)
			return vmmctl_fail(v, -ENOTSUP, "this KVM has no %s; "
			    "it is there since %s", needed[i].name,
			    needed[i].since);
	if ((check(h, KVM_CAP_SYNC_REGS) & want) != want)
		return vmmctl_fail(v, -ENOTSUP, "KVM_CAP_SYNC_REGS does not "
		    "cover general and special registers");
	rc = ioctl(h->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (rc < (int)sizeof(struct kvm_run))
		return vmmctl_fail(v, -ENOTSUP,
		    "KVM_GET_VCPU_MMAP_SIZE says %d", rc);
	h->run_size = (uint32_t)rc;
	rc = check(h, KVM_CAP_MAX_VCPUS);
	h->max_vcpus = rc > 0 && rc < (int)KV_VCPUS_MAX ? (uint32_t)rc :
	    KV_VCPUS_MAX;
	rc = check(h, KVM_CAP_XSAVE2);
	h->xsave2 = rc > (int)sizeof(struct kvm_xsave);
	h->xsave_bytes = h->xsave2 ? (uint32_t)rc : sizeof(struct kvm_xsave);
	return 0;
}

int kv_host_open(struct vmmctl *v, struct kv_host *h)
{
	int err;

	h->fd = open_device(v);
	if (h->fd < 0)
		return h->fd;
	err = check_device(v, h);
	if (err == 0)
		err = kv_cpuid_init(v, h);
	if (err == 0)
		err = kv_probe(v, h);
	if (err != 0)
		kv_host_close(v, h);
	return err;
}

void kv_host_close(struct vmmctl *v, struct kv_host *h)
{
	vmmctl_free(v, h->cpuid);
	h->cpuid = NULL;
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}
