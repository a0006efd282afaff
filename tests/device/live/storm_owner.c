// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm_owner.c - what an owner asks of the device: machines, vCPUs and their
 * pages, memory, contexts, counters, and what there is no such ioctl of.
 */
#include "storm_ops.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

/* ---- machines and vCPUs ---- */

int storm_map_pages(uint32_t i, int fd)
{
	uint64_t at = (uintptr_t)storm_page_of(i);

	if (mmap((void *)(uintptr_t)at, PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return storm_checked(-1);
	return mmap((void *)(uintptr_t)(at + PAGE), PAGE, PROT_READ,
	    MAP_SHARED | MAP_FIXED, fd, PAGE) == MAP_FAILED ? storm_checked(-1) : 0;
}

int storm_do_vcpu_create(void)
{
	const uint32_t i = storm_below(VCPUS);
	struct vmm_vcpu_create c = { .index = storm_below(VCPUS),
	    .flags = zero() };
	int fd;

	if (one_in(16))
		c.index = (uint32_t)storm_any();
	fd = CALL(storm_any_machine(), VMM_VCPU_CREATE, c);
	if (fd < 0)
		return -1;
	storm_put_fd(&storm_vcpus[i], fd);
	return one_in(8) ? 0 : storm_map_pages(i, fd);
}

int storm_do_machine_create(void)
{
	struct vmm_machine_create c = { .name = "storm", .flags = zero() };
	struct vmm_memory map = { .size = ARENA_SIZE, .uaddr = ARENA,
	    .prot = 7 };
	struct vmm_context context = { 0 };
	int fd;

	if (one_in(16))
		memset(c.name, 'x', storm_below(sizeof(c.name) + 1));
	if (one_in(16))
		c.max_memory = storm_any_size();
	if (one_in(16))
		c.max_vcpus = storm_below(400);
	fd = CALL(device, VMM_MACHINE_CREATE, c);
	if (fd < 0)
		return -1;
	if (!one_in(4)) {
		(void)ioctl(fd, VMM_MEMORY_MAP, &map);
		(void)ioctl(fd, VMM_CONTEXT_CREATE, &context);
		context.context = 0;
		(void)ioctl(fd, VMM_CONTEXT_CREATE, &context);
	}
	storm_put_fd(&storm_machines[storm_below(MACHINES)], fd);
	return storm_do_vcpu_create();
}

int storm_do_machine_close(void)
{
	storm_put_fd(&storm_machines[storm_below(MACHINES)], -1);
	return 0;
}

int storm_do_vcpu_close(void)
{
	storm_put_fd(&storm_vcpus[storm_below(VCPUS)], -1);
	return 0;
}

/* Another descriptor of the same, in the place of some other. */
int storm_do_dup(void)
{
	const int cmd = one_in(8) ? F_DUPFD : F_DUPFD_CLOEXEC;
	const uint32_t i = storm_below(VCPUS);
	int fd;

	if (one_in(2)) {
		fd = fcntl(storm_any_of(storm_machines, MACHINES), cmd, 0);
		if (fd >= 0)
			storm_put_fd(&storm_machines[storm_below(MACHINES)], fd);
		return fd;
	}
	fd = fcntl(storm_any_of(storm_vcpus, VCPUS), cmd, 0);
	if (fd < 0)
		return -1;
	storm_put_fd(&storm_vcpus[i], fd);
	return one_in(4) ? 0 : storm_map_pages(i, fd);
}

int storm_do_vcpu_pages(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_WRITE,
	    PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	const uint32_t i = storm_below(VCPUS);
	void *at = (void *)(uintptr_t)(SHARED + storm_below(2 * VCPUS) * PAGE);
	const size_t size = (1 + storm_below(3)) * PAGE;

	if ((uintptr_t)at + size > END)
		return -1;
	switch (storm_below(8)) {
	case 0:
		return munmap(at, size);
	case 1:
		return mprotect(at, size, prots[storm_below(5)]);
	case 2:
		return madvise(at, size, MADV_DONTNEED);
	case 3:
		return mmap(at, size, prots[storm_below(5)], MAP_FIXED |
		    (one_in(8) ? MAP_PRIVATE : MAP_SHARED), storm_any_fd(),
		    (off_t)(storm_below(4) * PAGE)) == MAP_FAILED ?
		    storm_checked(-1) : 0;
	default:
		return storm_map_pages(i, storm_any_of(storm_vcpus, VCPUS));
	}
}

/* ---- what a machine has ---- */

int storm_do_memory(void)
{
	static const unsigned long commands[] = { VMM_MEMORY_MAP,
	    VMM_MEMORY_MAP, VMM_MEMORY_UNMAP, VMM_MEMORY_PROTECT };
	const unsigned long cmd = commands[storm_below(4)];
	struct vmm_memory a = { .gpa = storm_any_gpa(), .size = storm_any_size(),
	    .flags = zero() };

	if (!one_in(32)) {
		a.gpa &= -(uint64_t)PAGE;
		a.size &= -(uint64_t)PAGE;
	}
	/* All of it again: or little would be left after a while. */
	if (cmd == VMM_MEMORY_MAP && one_in(4)) {
		a.gpa = 0;
		a.size = ARENA_SIZE;
		a.uaddr = ARENA;
	} else if (cmd == VMM_MEMORY_MAP) {
		a.uaddr = storm_any_uaddr() & -(uint64_t)PAGE;
	}
	if (cmd != VMM_MEMORY_UNMAP)
		a.prot = one_in(16) ? (uint32_t)storm_any() :
		    VMM_PROT_READ | storm_below(8);
	return CALL(storm_any_machine(), cmd, a);
}

int storm_do_dirty(void)
{
	static const uint32_t ops[] = { VMM_DIRTY_ENABLE, VMM_DIRTY_DISABLE,
	    VMM_DIRTY_GET, VMM_DIRTY_GET | VMM_DIRTY_CLEAR };
	struct vmm_dirty_log a = { .size = ARENA_SIZE,
	    .op = ops[storm_below(4)], .reserved = zero() };

	if (one_in(4)) {
		a.gpa = storm_any_gpa();
		a.size = storm_any_size();
	}
	if (one_in(32))
		a.op = (uint32_t)storm_any();
	if ((a.op & VMM_DIRTY_GET) != 0)
		a.bitmap = storm_any_uaddr();
	return CALL(storm_any_machine(), VMM_DIRTY_LOG, a);
}

int storm_do_context(void)
{
	struct vmm_context a = { .reserved = zero() };

	if (one_in(2))
		return CALL(storm_any_machine(), VMM_CONTEXT_CREATE, a);
	a.context = one_in(4) ? storm_any_context() : 2 + storm_below(8);
	return CALL(storm_any_machine(), VMM_CONTEXT_DESTROY, a);
}

int storm_do_xsave(void)
{
	struct vmm_xsave a = { .buf = storm_any_uaddr() & ~63ull,
	    .size = one_in(2) ? 576 : storm_below(4096),
	    .context = storm_any_context() };
	uint8_t *area = (void *)(uintptr_t)a.buf;

	if (one_in(2))
		return CALL(storm_any_machine(), VMM_XSAVE_GET, a);
	/* A header that could be: and the rest is anything. */
	if (a.buf >= ARENA && a.buf < ARENA + ARENA_SIZE - PAGE && !one_in(4)) {
		memset(area + 512, 0, 64);
		area[512] = (uint8_t)storm_below(8);
		memset(area + 24, 0, 4);
		area[25] = (uint8_t)storm_any() & 0x7f;
	}
	return CALL(storm_any_machine(), VMM_XSAVE_SET, a);
}

int storm_do_policy(void)
{
	struct vmm_policy a = { .context = storm_any_context(),
	    .reserved = zero() };

	a.vector[1] = (uint8_t)storm_below(2);
	a.vector[3] = (uint8_t)storm_below(2);
	a.vector[storm_below(32)] |= one_in(16);
	return CALL(storm_any_machine(), VMM_POLICY_SET, a);
}

int storm_do_cpuid(void)
{
	struct vmm_cpuid_entry e[8] = { 0 };
	struct vmm_cpuid a = { .entries = (uintptr_t)e,
	    .count = storm_below(9), .reserved = zero() };
	struct vmm_msr msr = { .index = 0xc0000103, .reserved = zero(),
	    .value = (uint32_t)storm_any() };
	uint32_t i;

	if (one_in(2)) {
		if (one_in(8))
			msr.index = (uint32_t)storm_any();
		if (one_in(8))
			msr.value = storm_any();
		return CALL(storm_any_machine(), VMM_MSR_SET, msr);
	}
	for (i = 0; i < 8; i++) {
		e[i].leaf = storm_below(16);
		e[i].eax = (uint32_t)storm_any();
		e[i].flags = storm_below(2) | zero();
	}
	if (one_in(8))
		a.entries = storm_any_uaddr();
	if (one_in(16))
		a.count = (uint32_t)storm_any();
	return CALL(storm_any_machine(), VMM_CPUID_SET, a);
}

/* ---- the device ---- */

int storm_do_info(void)
{
	struct vmm_info info = { .size = sizeof(info) };
	struct vmm_list list = { .entries = storm_any_uaddr(),
	    .capacity = one_in(8) ? (uint32_t)storm_any() : storm_below(8) };
	struct vmm_enable enable = { .enable = storm_below(2),
	    .reserved = zero() };

	switch (storm_below(8)) {
	case 0:
		return CALL(device, VMM_ENABLE, enable);
	case 1:
	case 2:
		return CALL(device, VMM_INFO, info);
	default:
		return CALL(device, VMM_LIST, list);
	}
}

int storm_do_stats(void)
{
	struct vmm_list_entry entries[4];
	struct vmm_list list = { .entries = (uintptr_t)entries,
	    .capacity = 4 };
	struct vmm_stats a = { .flags = zero(), .reserved = zero() };
	int fd = storm_any_of(storm_stats, STATS);

	if (!one_in(3))
		return (int)pread(fd, (void *)(uintptr_t)storm_any_uaddr(),
		    storm_below(20000), storm_below(100000));
	if (ioctl(device, VMM_LIST, &list) != 0 || list.count == 0)
		return -1;
	a.id = one_in(8) ? storm_any() : entries[storm_below(list.count < 4 ?
	    list.count : 4)].id;
	fd = CALL(device, VMM_STATS, a);
	storm_put_fd(&storm_stats[storm_below(STATS)], fd);
	return fd;
}

/* Any command, and its neighbours, of any descriptor; but VMM_RUN, of which
 * the result is looked at elsewhere. */
int storm_do_ioctl(void)
{
	static const unsigned long commands[] = { VMM_INFO, VMM_LIST,
	    VMM_STATS, VMM_MEMORY_MAP, VMM_MEMORY_UNMAP, VMM_MEMORY_PROTECT,
	    VMM_DIRTY_LOG, VMM_MSR_SET, VMM_CONTEXT_DESTROY, VMM_POLICY_SET,
	    VMM_KICK, VMM_RAW };
	unsigned long cmd = commands[storm_below(12)];
	uint64_t words[sizeof(struct vmm_info) / 8];
	uint32_t i;

	if (one_in(2))
		cmd ^= 1ul << storm_below(32);
	if (cmd == VMM_RUN)
		return -1;
	for (i = 0; i < sizeof(words) / 8; i++)
		words[i] = one_in(2) ? 0 : storm_any() >> storm_below(64);
	/* Results that are pointers' contents go where they may. */
	for (i = 0; i < 3; i++)
		if (one_in(2) || cmd == VMM_LIST || cmd == VMM_DIRTY_LOG)
			words[i] = storm_any_uaddr();
	return CALL(storm_any_fd(), cmd, words);
}

/* As a file. */
int storm_do_file(void)
{
	const int fd = storm_any_fd();
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	void *at = (void *)(uintptr_t)storm_any_uaddr();

	switch (storm_below(6)) {
	case 0:
		return storm_checked((int)read(fd, at, storm_below(9999)));
	case 1:
		return storm_checked((int)write(fd, at, storm_below(9999)));
	case 2:
		return storm_checked((int)lseek(fd, (off_t)storm_any(),
		    (int)storm_below(4)));
	case 3:
		return storm_checked(poll(&p, 1, 0));
	case 4:
		return storm_checked(fsync(fd));
	default:
		return storm_checked(ftruncate(fd, (off_t)storm_any()));
	}
}
