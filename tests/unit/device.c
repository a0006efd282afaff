// SPDX-License-Identifier: BSD-2-Clause
/* device.c - see device.h: in the place of lib/libvmmctl/vmm/device.c. */
#include "device.h"

#include <stdlib.h>
#include <string.h>

struct device device;
int device_fds;

void device_reset(void)
{
	memset(&device, 0, sizeof(device));
	device.info = (struct vmm_info){
		.size = sizeof(device.info), .version = VMM_ABI_VERSION,
		.caps = VMM_CAP_GUEST_USER | VMM_CAP_CPUID, .vendor = "svm",
		.enabled = 1, .usable = 1, .gpa_limit = 1ull << 40,
		.xcr0 = 3, .xsave_size = 576, .max_vcpus = 4,
		.max_contexts = 16, .max_regions = DEVICE_MAX,
		.page_size = sizeof(struct device_page),
	};
}

int dv_open(const char *path)
{
	device.opens++;
	if (strcmp(path, "/dev/vmm") != 0)
		device.bad++;
	if (device.open_error != 0)
		return device.open_error;
	device_fds++;
	return DEVICE_FD;
}

void dv_close(int fd)
{
	if (fd >= 0)
		device_fds--;
}

void *dv_map(int fd, size_t size)
{
	if (size != sizeof(struct device_page))
		device.bad++;
	return device.map_fails ? NULL : &device.page[fd - VCPU_FD];
}

void dv_unmap(void *p, size_t size)
{
	(void)p;
	(void)size;
}

static int new_fd(int error, int fd)
{
	if (error != 0)
		return error;
	device_fds++;
	return fd;
}

static int info(void *arg)
{
	if (((struct vmm_info *)arg)->size != sizeof(struct vmm_info))
		device.bad++;
	memcpy(arg, &device.info, sizeof(device.info));
	return device.info_error;
}

static int machine_create(void *arg)
{
	struct vmm_machine_create *a = arg;

	device.machine = *a;
	if (device.machine_error != 0)
		strcpy(a->why, device.why);
	return new_fd(device.machine_error, MACHINE_FD);
}

static int memory_map(void *arg)
{
	const struct vmm_memory *a = arg;

	if (device.memory_error != 0)
		return device.memory_error;
	for (uint32_t i = 0; i < device.nregions; i++)
		if (a->gpa < device.regions[i].gpa + device.regions[i].size &&
		    device.regions[i].gpa < a->gpa + a->size)
			device.bad++;
	if (device.nregions == DEVICE_MAX)
		return -ENOSPC;
	device.regions[device.nregions++] = *a;
	return 0;
}

static int memory_unmap(void *arg)
{
	const struct vmm_memory *a = arg;

	if ((a->uaddr | a->prot) != 0)
		device.bad++;
	for (uint32_t i = 0; i < device.nregions; i++)
		if (device.regions[i].gpa == a->gpa &&
		    device.regions[i].size == a->size) {
			device.regions[i] = device.regions[--device.nregions];
			return 0;
		}
	device.bad++;
	return -ENOENT;
}

static int cpuid_set(void *arg)
{
	const struct vmm_cpuid *a = arg;

	device.cpuids = a->count;
	memcpy(device.cpuid, (const void *)(uintptr_t)a->entries,
	    a->count * sizeof(device.cpuid[0]));
	return device.cpuid_error;
}

static int context_create(void *arg)
{
	struct vmm_context *a = arg;

	if (device.context_error != 0)
		return device.context_error;
	device.contexts++;
	a->context = device.next_context;
	return 0;
}

static int context_destroy(void *arg)
{
	(void)arg;
	device.contexts--;
	return 0;
}

static int xsave_get(void *arg)
{
	const struct vmm_xsave *a = arg;

	memcpy((void *)(uintptr_t)a->buf, device.xsave, a->size);
	return device.xsave_error;
}

static int xsave_set(void *arg)
{
	const struct vmm_xsave *a = arg;

	memcpy(device.xsave, (const void *)(uintptr_t)a->buf, a->size);
	return device.xsave_error;
}

static int vcpu_create(void *arg)
{
	const struct vmm_vcpu_create *a = arg;

	return new_fd(device.vcpu_error, VCPU_FD + (int)a->index);
}

static int raw(void *arg)
{
	return device.raw != NULL ? device.raw(arg) : -EPERM;
}

static const struct {
	unsigned long request;
	int (*call)(void *arg);
} calls[] = {
	{ VMM_INFO, info }, { VMM_MACHINE_CREATE, machine_create },
	{ VMM_MEMORY_MAP, memory_map }, { VMM_MEMORY_UNMAP, memory_unmap },
	{ VMM_CPUID_SET, cpuid_set }, { VMM_CONTEXT_CREATE, context_create },
	{ VMM_CONTEXT_DESTROY, context_destroy },
	{ VMM_XSAVE_GET, xsave_get }, { VMM_XSAVE_SET, xsave_set },
	{ VMM_VCPU_CREATE, vcpu_create }, { VMM_RAW, raw },
};

/* As the probe wants it, at the next instruction. */
static void breakpoint(struct vmm_vcpu_page *page)
{
	page->exit.kind = VMM_EXIT_EXCEPTION;
	page->exit.vector = 1;
	page->exit.dr6 = 1;
	page->exit.valid = VMM_VALID_DR6;
	page->regs.rip = page->dr[0];
}

static int run(struct vmm_vcpu_page *page)
{
	device.runs++;
	device.commit = page->commit;
	if (device.run_error != 0)
		return device.run_error;
	memset(&page->exit, 0, sizeof(page->exit));
	page->exit.kind = VMM_EXIT_SYSCALL;
	if (page->dr7 == 1 && page->dr[0] == page->regs.rip + 1 &&
	    !device.no_breakpoints)
		breakpoint(page);
	if (device.run != NULL)
		device.run(page);
	if (page->exit.kind != VMM_EXIT_FAILED)
		page->commit = 0;
	return 0;
}

long dv_run(long fd)
{
	return run(&device.page[fd - VCPU_FD].page);
}

int dv_call(int fd, unsigned long request, const void *arg)
{
	(void)fd;
	if (request == VMM_KICK) {
		device.kicks++;
		return 0;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].request == request)
			return calls[i].call((void *)(uintptr_t)arg);
	device.bad++;
	return -ENOTTY;
}
