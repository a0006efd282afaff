// SPDX-License-Identifier: BSD-2-Clause
/*
 * device.c - /dev/vmm alone: its ioctls and the shared page, nothing between.
 */
#include "../../sys/dev/vmm/vmm_ioctl.h"
#include "count.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

static struct {
	int device, machine, vcpu;
	struct vmm_vcpu_page *page;
	uint32_t context[2];
	uint64_t root[2];
} dev = { .device = -1, .machine = -1, .vcpu = -1 };

static int failed(const char *what)
{
	return count_fail("%s: %s", what, strerror(errno));
}

static void device_close(void)
{
	if (dev.page != NULL)
		munmap(dev.page, PAGE);
	dev.page = NULL;
	close(dev.vcpu);
	close(dev.machine);
	close(dev.device);
}

/* Leaves that were filled go; nothing else changes. */
static int map_memory(void)
{
	struct vmm_memory r = { .size = MEMORY_SIZE,
	    .uaddr = (uintptr_t)count_memory,
	    .prot = VMM_PROT_READ | VMM_PROT_WRITE | VMM_PROT_EXEC };

	return ioctl(dev.machine, VMM_MEMORY_MAP, &r) == 0 ? 0 :
	    failed("VMM_MEMORY_MAP");
}

static int unmap_memory(void)
{
	struct vmm_memory r = { .size = MEMORY_SIZE };

	return ioctl(dev.machine, VMM_MEMORY_UNMAP, &r) == 0 ? 0 :
	    failed("VMM_MEMORY_UNMAP");
}

static int vcpu_open(void)
{
	struct vmm_vcpu_create create = { .index = 0 };
	void *p;

	dev.vcpu = ioctl(dev.machine, VMM_VCPU_CREATE, &create);
	if (dev.vcpu < 0)
		return failed("VMM_VCPU_CREATE");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.vcpu, 0);
	if (p == MAP_FAILED)
		return failed("mmap of the vCPU");
	dev.page = p;
	for (unsigned i = 0; i < 2; i++) {
		struct vmm_context c = { 0 };

		if (ioctl(dev.machine, VMM_CONTEXT_CREATE, &c) != 0)
			return failed("VMM_CONTEXT_CREATE");
		dev.context[i] = c.context;
	}
	return 0;
}

static int device_open(void)
{
	struct vmm_machine_create m = { .name = "vmmcount" };
	uint8_t *second = count_memory + AREA_AT - PAGE;

	dev.device = open(VMM_DEVICE, O_RDWR | O_CLOEXEC);
	if (dev.device < 0)
		return failed(VMM_DEVICE);
	dev.machine = ioctl(dev.device, VMM_MACHINE_CREATE, &m);
	if (dev.machine < 0)
		return count_fail("VMM_MACHINE_CREATE: %s", m.why);
	count_tables(0);
	/* Another space is another root; what is below may be the same. */
	memcpy(second, count_memory + TABLES_AT, PAGE);
	dev.root[0] = TABLES_AT;
	dev.root[1] = AREA_AT - PAGE;
	return map_memory() != 0 ? -1 : vcpu_open();
}

static void start(const uint8_t *at)
{
	dev.page->regs = (struct vmm_regs){ .rip = guest_va(at),
	    .rflags = 0x202, .rbx = UNMAPPED };
	dev.page->cr3 = dev.root[0];
	dev.page->context = dev.context[0];
	dev.page->commit = VMM_SET_SPACE | VMM_SET_CONTEXT;
}

static int run(uint32_t kind)
{
	do
		if (ioctl(dev.vcpu, VMM_RUN, 0) != 0)
			return failed("VMM_RUN");
	while (dev.page->exit.kind == VMM_EXIT_INTERRUPTED);
	if (dev.page->exit.kind != kind)
		return count_fail("exit %u (vector %u, raw %#llx) at %#llx "
		    "instead of %u", dev.page->exit.kind,
		    dev.page->exit.vector,
		    (unsigned long long)dev.page->exit.raw,
		    (unsigned long long)dev.page->regs.rip, kind);
	return 0;
}

/* What any ioctl costs: one that a driver without ioctls refuses. */
static int null_ioctl(uint64_t *samples, unsigned n)
{
	uint64_t t, last;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return failed("/dev/null");
	last = count_ticks();
	for (unsigned i = 0; i < n; i++) {
		(void)ioctl(fd, VMM_RUN, 0);
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	close(fd);
	return (int)n;
}

static int round_trips(uint64_t *samples, unsigned n, uint32_t kind)
{
	uint64_t t, last = count_ticks();

	for (unsigned i = 0; i < n; i++) {
		if (run(kind) != 0)
			return -1;
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	return (int)n;
}

static int syscall_exit(uint64_t *samples, unsigned n)
{
	start(guest_syscall);
	return round_trips(samples, n, VMM_EXIT_SYSCALL);
}

static int breakpoint_exit(uint64_t *samples, unsigned n)
{
	start(guest_break);
	return round_trips(samples, n, VMM_EXIT_EXCEPTION);
}

static int fault_exit(uint64_t *samples, unsigned n)
{
	uint64_t t, last;

	start(guest_fault);
	last = count_ticks();
	for (unsigned i = 0; i < n; i++) {
		if (run(VMM_EXIT_EXCEPTION) != 0)
			return -1;
		dev.page->regs.rip = guest_va(guest_next);
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	return (int)n;
}

static int context_switch(uint64_t *samples, unsigned n)
{
	uint64_t t, last;

	start(guest_syscall);
	last = count_ticks();
	for (unsigned i = 0; i < n; i++) {
		dev.page->cr3 = dev.root[i & 1];
		dev.page->context = dev.context[i & 1];
		dev.page->commit = VMM_SET_SPACE | VMM_SET_KEEP |
		    VMM_SET_CONTEXT;
		if (run(VMM_EXIT_SYSCALL) != 0)
			return -1;
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	return (int)n;
}

/* The guest tells in RDI what it has counted itself. */
static int told(uint64_t *samples, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (run(VMM_EXIT_SYSCALL) != 0)
			return -1;
		samples[i] = dev.page->regs.rdi;
	}
	return (int)n;
}

static int cpuid_exit(uint64_t *samples, unsigned n)
{
	start(guest_cpuid);
	return told(samples, n);
}

static int demand_fault(uint64_t *samples, unsigned n, uint64_t at,
    uint64_t size, uint64_t step)
{
	/* The first fault comes with the tables' own. */
	if (unmap_memory() != 0 || map_memory() != 0)
		return -1;
	start(guest_touch);
	dev.page->regs.rbx = at;
	dev.page->regs.rbp = step;
	if (n > size / step)
		n = (unsigned)(size / step);
	return told(samples, n);
}

static int demand_fault_4k(uint64_t *samples, unsigned n)
{
	return demand_fault(samples, n, AREA, AREA_SIZE, PAGE);
}

static int demand_fault_2m(uint64_t *samples, unsigned n)
{
	return demand_fault(samples, n, LARGE, LARGE_SIZE, LARGE_PAGE);
}

static const struct work works[] = {
	{ "null_ioctl", "vmm-device", null_ioctl },
	{ "syscall_exit", "vmm-device", syscall_exit },
	{ "fault_exit", "vmm-device", fault_exit },
	{ "breakpoint_exit", "vmm-device", breakpoint_exit },
	{ "cpuid_exit", "vmm-device", cpuid_exit },
	{ "demand_fault_4k", "vmm-device", demand_fault_4k },
	{ "demand_fault_2m", "vmm-device", demand_fault_2m },
	{ "context_switch", "vmm-device", context_switch },
};

const struct contender count_device = {
	.name = "vmm-device", .open = device_open, .close = device_close,
	.works = works, .nworks = sizeof(works) / sizeof(works[0]),
};
