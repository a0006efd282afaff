// SPDX-License-Identifier: BSD-2-Clause
/*
 * kvm.c - /dev/kvm alone: the yardstick in the same boot.
 */
#include "../raw_vm.h"
#include "count.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <sys/ioctl.h>

static struct raw_vm raw;

static int kvm_open(void)
{
	count_tables(0);
	raw.memory = count_memory;
	raw.size = MEMORY_SIZE;
	raw.root = TABLES_AT;
	raw.way = BY_IRETQ;
	return 0;
}

static void kvm_close(void)
{
}

static int start(const uint8_t *at)
{
	return raw_vm_open(&raw, guest_va(at)) == 0 ? 0 :
	    count_fail("%s: %s", raw.failed, strerror(errno));
}

static int run(uint32_t port)
{
	do
		if (ioctl(raw.vcpu, KVM_RUN, 0) != 0 && errno != EINTR)
			return count_fail("KVM_RUN: %s", strerror(errno));
	while (raw.run->exit_reason == KVM_EXIT_INTR);
	if (raw.run->exit_reason != KVM_EXIT_IO ||
	    raw.run->io.port != port)
		return count_fail("KVM exit %u, port %#x instead of %#x",
		    raw.run->exit_reason, raw.run->io.port, port);
	return 0;
}

static int null_ioctl(uint64_t *samples, unsigned n)
{
	uint64_t t, last;

	if (start(guest_syscall) != 0)
		return -1;
	last = count_ticks();
	for (unsigned i = 0; i < n; i++) {
		if (ioctl(raw.kvm, KVM_GET_API_VERSION, 0) < 0)
			return count_fail("KVM_GET_API_VERSION");
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	raw_vm_close(&raw);
	return (int)n;
}

static int round_trips(uint64_t *samples, unsigned n, uint32_t port, bool out)
{
	uint64_t t, last = count_ticks();

	for (unsigned i = 0; i < n; i++) {
		if (run(port) != 0)
			return -1;
		if (!out)
			raw_vm_resume(&raw);
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	raw_vm_close(&raw);
	return (int)n;
}

static int syscall_exit(uint64_t *samples, unsigned n)
{
	return start(guest_syscall) != 0 ? -1 :
	    round_trips(samples, n, RAW_PORT_SYSCALL, false);
}

/* Ring 0 of a long-mode guest, and nothing but OUT. */
static int kvm_out(uint64_t *samples, unsigned n)
{
	if (start(guest_out) != 0)
		return -1;
	raw.user.cs = raw_vm_segment(0x10, 11, true);
	raw.user.ss = raw_vm_segment(0x18, 3, false);
	raw.run->kvm_valid_regs = 0;
	if (ioctl(raw.vcpu, KVM_SET_SREGS, &raw.user) != 0)
		return count_fail("KVM_SET_SREGS: %s", strerror(errno));
	return round_trips(samples, n, 0x80, true);
}

static int told(uint64_t *samples, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (run(RAW_PORT_SYSCALL) != 0)
			return -1;
		samples[i] = raw.run->s.regs.regs.rdi;
		raw_vm_resume(&raw);
	}
	raw_vm_close(&raw);
	return (int)n;
}

static int kvm_cpuid(uint64_t *samples, unsigned n)
{
	return start(guest_cpuid) != 0 ? -1 : told(samples, n);
}

static int demand_fault(uint64_t *samples, unsigned n, uint64_t at,
    uint64_t size, uint64_t step)
{
	struct kvm_regs regs;

	if (start(guest_touch) != 0 ||
	    ioctl(raw.vcpu, KVM_GET_REGS, &regs) != 0)
		return -1;
	regs.rbx = at;
	regs.rbp = step;
	if (ioctl(raw.vcpu, KVM_SET_REGS, &regs) != 0)
		return count_fail("KVM_SET_REGS: %s", strerror(errno));
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
	{ "null_ioctl", "raw-kvm", null_ioctl },
	{ "syscall_exit", "raw-kvm", syscall_exit },
	{ "kvm_out", "raw-kvm", kvm_out },
	{ "kvm_cpuid", "raw-kvm", kvm_cpuid },
	{ "kvm_demand_fault_4k", "raw-kvm", demand_fault_4k },
	{ "kvm_demand_fault_2m", "raw-kvm", demand_fault_2m },
};

const struct contender count_kvm = {
	.name = "raw-kvm", .open = kvm_open, .close = kvm_close,
	.works = works, .nworks = sizeof(works) / sizeof(works[0]),
};
