// SPDX-License-Identifier: BSD-2-Clause
/*
 * raw_kvm.c - a system call's round trip on /dev/kvm without any library: one
 * KVM_RUN per system call.  Of the ways back to ring 3 the one that is fastest
 * here is taken.
 */
#include "bench.h"
#include "guest.h"
#include "raw_vm.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define USER_TABLES	0x120000u	/* guest-physical, four pages */
#define USER_VA		0x400000ull
#define PTE		0x67ull		/* P W U A D */

static const char *const way_names[RAW_WAYS] = { "SYSRET", "IRETQ",
    "setting the state from outside" };

static struct raw_vm raw;

static void put(uint32_t at, uint64_t value)
{
	memcpy(raw.memory + at, &value, sizeof(value));
}

static int vm_open(enum raw_way way)
{
	raw.way = way;
	put(USER_TABLES, (USER_TABLES + 0x1000) | PTE);
	put(USER_TABLES + 0x1000, (USER_TABLES + 0x2000) | PTE);
	put(USER_TABLES + 0x2000 + 8 * (USER_VA >> 21),
	    (USER_TABLES + 0x3000) | PTE);
	put(USER_TABLES + 0x3000, PTE);
	return raw_vm_open(&raw, USER_VA +
	    (uint64_t)(guest_syscall - guest_start)) == 0 ? 0 :
	    bench_fail("%s: %s", raw.failed, strerror(errno));
}

/* To the next system call.  Some KVMs take it for a fault in ring 3. */
static int run(void)
{
	const uint64_t after = USER_VA +
	    (uint64_t)(guest_syscall - guest_start) + 7;
	uint32_t port;

	do
		if (ioctl(raw.vcpu, KVM_RUN, 0) != 0 && errno != EINTR)
			return bench_fail("KVM_RUN: %s", strerror(errno));
	while (raw.run->exit_reason == KVM_EXIT_INTR);
	if (raw.run->exit_reason != KVM_EXIT_IO)
		return bench_fail("KVM exit %u", raw.run->exit_reason);
	port = raw.run->io.port;
	if (port != RAW_PORT_SYSCALL && port != RAW_PORT + 14)
		return bench_fail("vector %u", port - RAW_PORT);
	if (raw.run->s.regs.regs.rax != 39 ||
	    raw.run->s.regs.regs.rcx != after)
		return bench_fail("RAX %#llx RCX %#llx at a system call",
		    (unsigned long long)raw.run->s.regs.regs.rax,
		    (unsigned long long)raw.run->s.regs.regs.rcx);
	return 0;
}

static int raw_syscall(uint64_t *ns, unsigned n)
{
	uint64_t t = 0, last = 0;

	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run() != 0)
			return -1;
		raw_vm_resume(&raw);
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

static int try_way(enum raw_way way, uint64_t *least)
{
	uint64_t ns[BATCH_MAX];
	int r = vm_open(way) != 0 || raw_syscall(ns, BATCH_MAX) != 0 ? -1 : 0;

	*least = UINT64_MAX;
	for (unsigned i = 0; r == 0 && i < BATCH_MAX; i++)
		if (ns[i] < *least)
			*least = ns[i];
	raw_vm_close(&raw);
	return r;
}

int raw_kvm_open(const char *backend)
{
	uint64_t least = UINT64_MAX, ns;
	enum raw_way best = RAW_WAYS;

	(void)backend;
	if (bench_memory(&raw.memory) < 0)
		return -1;
	raw.size = MEMORY_SIZE;
	raw.root = USER_TABLES;
	for (enum raw_way way = 0; way < RAW_WAYS; way++)
		if (try_way(way, &ns) == 0 && ns < least) {
			least = ns;
			best = way;
		}
	if (best == RAW_WAYS)
		return -1;
	bench_note("back to ring 3 by %s", way_names[best]);
	return vm_open(best);
}

const struct work raw_kvm_works[] = {
	{ "raw_kvm_syscall", RANK_SYSCALL, raw_syscall },
};
const size_t raw_kvm_nworks = 1;
