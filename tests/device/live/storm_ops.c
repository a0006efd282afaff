// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm_ops.c - what a hostile owner's thread does: any ioctl with arguments
 * that are nearly right, stores to shared pages that vCPUs run with, memory
 * taken away under guests, descriptors closed in use.  All threads of a
 * process do that to the same few machines.
 *
 * Nothing here may allocate or print: children of fork() do it, too.
 */
#include "live.h"
#include "storm.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define MACHINES	3u
#define VCPUS		6u
#define STATS		2u

/* The memory of all machines, and where a vCPU's two pages are: far from all
 * else, so that a fault elsewhere is one that should not be. */
#define ARENA		0x100000000000ull
#define ARENA_SIZE	(8 * MIB)
#define SHARED		(ARENA + 16 * MIB)
#define SHARED_SIZE	(VCPUS * 2 * PAGE)
#define END		(SHARED + SHARED_SIZE)

/* In there, as guests find it: page tables, code, the rest. */
#define ROOT		0x1000u
#define CODE		0x10000u
#define SNIPPET		64u
#define SNIPPETS	64u
#define DATA		(2 * MIB)

struct storm_counts *storm_counts;

/* Slots of all threads, changed by exchange only: no descriptor is closed
 * twice. */
static int machines[MACHINES], vcpus[VCPUS], stats[STATS];
static bool is_child;

static _Thread_local uint64_t random_state;
static _Thread_local sigjmp_buf after_fault;

/* ---- random numbers ---- */

void storm_seed(uint64_t seed)
{
	random_state = seed;
}

/* splitmix64 */
uint64_t storm_any(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t storm_below(uint32_t n)
{
	return (uint32_t)((storm_any() >> 32) * n >> 32);
}

static bool one_in(uint32_t n)
{
	return storm_below(n) == 0;
}

/* Mostly what it has to be. */
static uint32_t zero(void)
{
	return one_in(64) ? (uint32_t)storm_any() : 0;
}

static uint64_t any_page(void)
{
	return (uint64_t)storm_below(ARENA_SIZE / PAGE) * PAGE;
}

static uint64_t any_size(void)
{
	switch (storm_below(8)) {
	case 0:
		return (1 + storm_below(4)) * 2 * MIB;
	case 1:
		return one_in(4) ? storm_any() : ARENA_SIZE;
	default:
		return (1 + storm_below(40)) * PAGE;
	}
}

static uint64_t any_gpa(void)
{
	switch (storm_below(16)) {
	case 0:
		return storm_any();
	case 1:
		return storm_below(64) * MIB * 512;
	default:
		return any_page();
	}
}

/* Never this program's own data: guests write there. */
static uint64_t any_uaddr(void)
{
	switch (storm_below(24)) {
	case 0:
		return SHARED + storm_below(2 * VCPUS) * PAGE;
	case 1:
		return (uintptr_t)storm_begin & ~(uintptr_t)(PAGE - 1);
	case 2:
		return ARENA + ARENA_SIZE - storm_below(4096);
	case 3:
		return 0xffff888000000000ull + any_page();
	case 4:
		return 0x7ffffffff000ull - storm_below(2) * PAGE;
	case 5:
		return storm_any() | 1ull << 63;
	default:
		return ARENA + any_page();
	}
}

/* ---- descriptors ---- */

static void put_fd(int *slot, int fd)
{
	int old = __atomic_exchange_n(slot, fd, __ATOMIC_ACQ_REL);

	if (old >= 0)
		close(old);
}

static int any_of(int *slots, uint32_t n)
{
	return __atomic_load_n(&slots[storm_below(n)], __ATOMIC_ACQUIRE);
}

static int any_fd(void)
{
	switch (storm_below(4)) {
	case 0:
		return device;
	case 1:
		return any_of(stats, STATS);
	case 2:
		return any_of(machines, MACHINES);
	default:
		return any_of(vcpus, VCPUS);
	}
}

static int any_machine(void)
{
	return one_in(64) ? any_fd() : any_of(machines, MACHINES);
}

static int any_vcpu(void)
{
	return one_in(64) ? any_fd() : any_of(vcpus, VCPUS);
}

/* 512 and more are for the kernel alone. */
static int checked(int result)
{
	if (result < 0 && errno >= 512)
		_exit(STORM_ERRNO);
	return result;
}

/* By a pointer into the arena now and then, which may be taken away while the
 * kernel copies; or by none that is good. */
static int call(int fd, unsigned long cmd, const void *arg, size_t size)
{
	void *there = (void *)(uintptr_t)(ARENA + any_page());

	switch (storm_below(32)) {
	case 0:
		return checked(ioctl(fd, cmd, any_uaddr()));
	case 1:
		memcpy(there, arg, size);
		return checked(ioctl(fd, cmd, there));
	default:
		return checked(ioctl(fd, cmd, arg));
	}
}
#define CALL(fd, cmd, arg)	call(fd, cmd, &(arg), sizeof(arg))

/* ---- machines and vCPUs ---- */

static volatile struct vmm_vcpu_page *page_of(uint32_t vcpu)
{
	return (volatile void *)(uintptr_t)(SHARED + 2ull * vcpu * PAGE);
}

static int map_pages(uint32_t i, int fd)
{
	uint64_t at = (uintptr_t)page_of(i);

	if (mmap((void *)(uintptr_t)at, PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return checked(-1);
	return mmap((void *)(uintptr_t)(at + PAGE), PAGE, PROT_READ,
	    MAP_SHARED | MAP_FIXED, fd, PAGE) == MAP_FAILED ? checked(-1) : 0;
}

static int do_vcpu_create(void)
{
	const uint32_t i = storm_below(VCPUS);
	struct vmm_vcpu_create c = { .index = storm_below(VCPUS),
	    .flags = zero() };
	int fd;

	if (one_in(16))
		c.index = (uint32_t)storm_any();
	fd = CALL(any_machine(), VMM_VCPU_CREATE, c);
	if (fd < 0)
		return -1;
	put_fd(&vcpus[i], fd);
	return one_in(8) ? 0 : map_pages(i, fd);
}

static int do_machine_create(void)
{
	struct vmm_machine_create c = { .name = "storm", .flags = zero() };
	struct vmm_memory map = { .size = ARENA_SIZE, .uaddr = ARENA,
	    .prot = 7 };
	struct vmm_context context = { 0 };
	int fd;

	if (one_in(16))
		memset(c.name, 'x', storm_below(sizeof(c.name) + 1));
	if (one_in(16))
		c.max_memory = any_size();
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
	put_fd(&machines[storm_below(MACHINES)], fd);
	return do_vcpu_create();
}

static int do_machine_close(void)
{
	put_fd(&machines[storm_below(MACHINES)], -1);
	return 0;
}

static int do_vcpu_close(void)
{
	put_fd(&vcpus[storm_below(VCPUS)], -1);
	return 0;
}

/* Another descriptor of the same, in the place of some other. */
static int do_dup(void)
{
	const int cmd = one_in(8) ? F_DUPFD : F_DUPFD_CLOEXEC;
	const uint32_t i = storm_below(VCPUS);
	int fd;

	if (one_in(2)) {
		fd = fcntl(any_of(machines, MACHINES), cmd, 0);
		if (fd >= 0)
			put_fd(&machines[storm_below(MACHINES)], fd);
		return fd;
	}
	fd = fcntl(any_of(vcpus, VCPUS), cmd, 0);
	if (fd < 0)
		return -1;
	put_fd(&vcpus[i], fd);
	return one_in(4) ? 0 : map_pages(i, fd);
}

static int do_vcpu_pages(void)
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
		    (one_in(8) ? MAP_PRIVATE : MAP_SHARED), any_fd(),
		    (off_t)(storm_below(4) * PAGE)) == MAP_FAILED ?
		    checked(-1) : 0;
	default:
		return map_pages(i, any_of(vcpus, VCPUS));
	}
}

/* ---- what a machine has ---- */

static int do_memory(void)
{
	static const unsigned long commands[] = { VMM_MEMORY_MAP,
	    VMM_MEMORY_MAP, VMM_MEMORY_UNMAP, VMM_MEMORY_PROTECT };
	const unsigned long cmd = commands[storm_below(4)];
	struct vmm_memory a = { .gpa = any_gpa(), .size = any_size(),
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
		a.uaddr = any_uaddr() & -(uint64_t)PAGE;
	}
	if (cmd != VMM_MEMORY_UNMAP)
		a.prot = one_in(16) ? (uint32_t)storm_any() :
		    VMM_PROT_READ | storm_below(8);
	return CALL(any_machine(), cmd, a);
}

static int do_dirty(void)
{
	static const uint32_t ops[] = { VMM_DIRTY_ENABLE, VMM_DIRTY_DISABLE,
	    VMM_DIRTY_GET, VMM_DIRTY_GET | VMM_DIRTY_CLEAR };
	struct vmm_dirty_log a = { .size = ARENA_SIZE,
	    .op = ops[storm_below(4)], .reserved = zero() };

	if (one_in(4)) {
		a.gpa = any_gpa();
		a.size = any_size();
	}
	if (one_in(32))
		a.op = (uint32_t)storm_any();
	if ((a.op & VMM_DIRTY_GET) != 0)
		a.bitmap = any_uaddr();
	return CALL(any_machine(), VMM_DIRTY_LOG, a);
}

static uint32_t any_context(void)
{
	return one_in(32) ? (uint32_t)storm_any() : storm_below(4);
}

static int do_context(void)
{
	struct vmm_context a = { .reserved = zero() };

	if (one_in(2))
		return CALL(any_machine(), VMM_CONTEXT_CREATE, a);
	a.context = one_in(4) ? any_context() : 2 + storm_below(8);
	return CALL(any_machine(), VMM_CONTEXT_DESTROY, a);
}

static int do_xsave(void)
{
	struct vmm_xsave a = { .buf = any_uaddr() & ~63ull,
	    .size = one_in(2) ? 576 : storm_below(4096),
	    .context = any_context() };
	uint8_t *area = (void *)(uintptr_t)a.buf;

	if (one_in(2))
		return CALL(any_machine(), VMM_XSAVE_GET, a);
	/* A header that could be: and the rest is anything. */
	if (a.buf >= ARENA && a.buf < ARENA + ARENA_SIZE - PAGE && !one_in(4)) {
		memset(area + 512, 0, 64);
		area[512] = (uint8_t)storm_below(8);
		memset(area + 24, 0, 4);
		area[25] = (uint8_t)storm_any() & 0x7f;
	}
	return CALL(any_machine(), VMM_XSAVE_SET, a);
}

static int do_policy(void)
{
	struct vmm_policy a = { .context = any_context(),
	    .reserved = zero() };

	a.vector[1] = (uint8_t)storm_below(2);
	a.vector[3] = (uint8_t)storm_below(2);
	a.vector[storm_below(32)] |= one_in(16);
	return CALL(any_machine(), VMM_POLICY_SET, a);
}

static int do_cpuid(void)
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
		return CALL(any_machine(), VMM_MSR_SET, msr);
	}
	for (i = 0; i < 8; i++) {
		e[i].leaf = storm_below(16);
		e[i].eax = (uint32_t)storm_any();
		e[i].flags = storm_below(2) | zero();
	}
	if (one_in(8))
		a.entries = any_uaddr();
	if (one_in(16))
		a.count = (uint32_t)storm_any();
	return CALL(any_machine(), VMM_CPUID_SET, a);
}

/* ---- the device ---- */

static int do_info(void)
{
	struct vmm_info info = { .size = sizeof(info) };
	struct vmm_list list = { .entries = any_uaddr(),
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

static int do_stats(void)
{
	struct vmm_list_entry entries[4];
	struct vmm_list list = { .entries = (uintptr_t)entries,
	    .capacity = 4 };
	struct vmm_stats a = { .flags = zero(), .reserved = zero() };
	int fd = any_of(stats, STATS);

	if (!one_in(3))
		return (int)pread(fd, (void *)(uintptr_t)any_uaddr(),
		    storm_below(20000), storm_below(100000));
	if (ioctl(device, VMM_LIST, &list) != 0 || list.count == 0)
		return -1;
	a.id = one_in(8) ? storm_any() : entries[storm_below(list.count < 4 ?
	    list.count : 4)].id;
	fd = CALL(device, VMM_STATS, a);
	put_fd(&stats[storm_below(STATS)], fd);
	return fd;
}

/* Any command, and its neighbours, of any descriptor; but VMM_RUN, of which
 * the result is looked at elsewhere. */
static int do_ioctl(void)
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
			words[i] = any_uaddr();
	return CALL(any_fd(), cmd, words);
}

/* As a file. */
static int do_file(void)
{
	const int fd = any_fd();
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	void *at = (void *)(uintptr_t)any_uaddr();

	switch (storm_below(6)) {
	case 0:
		return checked((int)read(fd, at, storm_below(9999)));
	case 1:
		return checked((int)write(fd, at, storm_below(9999)));
	case 2:
		return checked((int)lseek(fd, (off_t)storm_any(),
		    (int)storm_below(4)));
	case 3:
		return checked(poll(&p, 1, 0));
	case 4:
		return checked(fsync(fd));
	default:
		return checked(ftruncate(fd, (off_t)storm_any()));
	}
}

/* ---- running ---- */

static void write_tables(void)
{
	uint64_t *t = (void *)(uintptr_t)(ARENA + ROOT), i;

	t[0] = (ROOT + PAGE) | 7;
	t[PAGE / 8] = (ROOT + 2 * PAGE) | 7;
	for (i = 0; i < ARENA_SIZE / (2 * MIB); i++)
		t[2 * PAGE / 8 + i] = i * 2 * MIB | 0x87;
}

/* What guests come by: loops, stores, exits of all kinds, and anything. */
static void write_snippet(void)
{
	static const uint8_t likely[] = { 0x0f, 0x05, 0xcd, 0x80, 0xcc, 0xf1,
	    0xa2, 0x66, 0x48, 0xf0, 0x0b, 0x07, 0x90, 0xf3, 0x01, 0x0f,
	    0xaa, 0xab, 0xa4, 0xeb, 0xfe, 0xcf, 0xf4, 0xfa };
	static const uint8_t spin[] = { 0x48, 0xff, 0xc0, 0xeb, 0xfb };
	static const uint8_t touch[] = {
		0x48, 0x83, 0x07, 0x01,			/* addq $1, (%rdi) */
		0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, /* add $4096, .. */
		0x48, 0x81, 0xe7, 0xf8, 0xff, 0x7f, 0x00, /* and $.., %rdi */
		0xeb, 0xec };
	static const uint8_t fill[] = { 0xf3, 0x48, 0xab, 0xeb, 0xfb };
	static const uint8_t cpuid[] = { 0x0f, 0xa2, 0xeb, 0xfc };
	static const uint8_t syscall_[] = { 0x0f, 0x05, 0xeb, 0xfc };
	static const uint8_t x87[] = { 0xd9, 0xe8, 0xde, 0xc1, 0x0f, 0x57,
	    0xc0, 0xeb, 0xf7 };
	static const struct {
		const uint8_t *code;
		size_t size;
	} known[] = {
		{ spin, sizeof(spin) }, { touch, sizeof(touch) },
		{ touch, sizeof(touch) }, { fill, sizeof(fill) },
		{ cpuid, sizeof(cpuid) }, { syscall_, sizeof(syscall_) },
		{ x87, sizeof(x87) },
	};
	uint8_t *to = (void *)(uintptr_t)(ARENA + CODE +
	    storm_below(SNIPPETS) * SNIPPET);
	uint32_t i = storm_below(10);

	if (i < sizeof(known) / sizeof(known[0])) {
		memcpy(to, known[i].code, known[i].size);
		return;
	}
	for (i = 0; i < 12; i++)
		to[i] = one_in(3) ? (uint8_t)storm_any() :
		    likely[storm_below(sizeof(likely))];
}

/* Where the guest would look. */
static int do_write(void)
{
	volatile uint64_t *table = (void *)(uintptr_t)(ARENA + ROOT);

	switch (storm_below(4)) {
	case 0:
		table[storm_below(3) * (PAGE / 8) + storm_below(4)] =
		    one_in(4) ? storm_any() : any_page() | storm_below(256);
		break;
	case 1:
		write_tables();
		break;
	default:
		write_snippet();
		break;
	}
	return 0;
}

static uint64_t any_value(void)
{
	switch (storm_below(4)) {
	case 0:
		return storm_any();
	case 1:
		return 1ull << storm_below(64);
	default:
		return DATA + storm_below(ARENA_SIZE - DATA);
	}
}

/* That could run, mostly. */
static void prepare(volatile struct vmm_vcpu_page *p)
{
	p->regs.rax = any_value();
	p->regs.rcx = any_value();
	p->regs.rdi = any_value();
	p->regs.rsp = any_value();
	p->regs.rip = CODE + storm_below(SNIPPETS) * SNIPPET;
	p->regs.rflags = one_in(8) ? 0x102 : 2;
	p->regs.fs_base = p->regs.gs_base = DATA;
	p->cr3 = one_in(16) ? any_page() : ROOT;
	p->context = one_in(8) ? any_context() : storm_below(2);
	p->wanted = storm_below(2);
	p->deadline = one_in(8) ? 0 : now_ns() + storm_below(3000000);
	p->dr[storm_below(4)] = CODE + storm_below(SNIPPETS) * SNIPPET;
	p->dr7 = one_in(8) ? 0x455 : 0x400;
	p->commit = VMM_SET_SPACE | VMM_SET_CONTEXT |
	    (one_in(4) ? storm_below(32) : 0);
	if (one_in(4))
		write_tables();
	if (one_in(4))
		write_snippet();
}

/* VMM_RUN, across which registers that are the caller's stay: what the guest
 * had in XMM15 is not seen. */
static int run(int fd)
{
	const uint64_t mark = storm_any();
	uint64_t after;
	long result;

	__asm__ volatile("movq %[mark], %%xmm15\n\t"
	    "syscall\n\t"
	    "movq %%xmm15, %[after]"
	    : "=a"(result), [after] "=&r"(after)
	    : "0"(SYS_ioctl), "D"((long)fd), "S"((unsigned long)VMM_RUN),
	      "d"(0l), [mark] "r"(mark)
	    : "rcx", "r11", "xmm15", "memory");
	if (after != mark)
		_exit(STORM_REGISTERS);
	errno = result < 0 ? (int)-result : 0;
	return checked(result < 0 ? -1 : 0);
}

static int do_run(void)
{
	const uint32_t i = storm_below(VCPUS);
	uint32_t kind;

	if (!one_in(4))
		prepare(page_of(i));
	if (run(__atomic_load_n(&vcpus[i], __ATOMIC_ACQUIRE)) != 0)
		return -1;
	kind = page_of(i)->exit.kind;
	if (kind < STORM_KINDS)
		__atomic_add_fetch(&storm_counts->exits[kind], 1,
		    __ATOMIC_RELAXED);
	return 0;
}

/* While it may run. */
static int do_scribble(void)
{
	volatile struct vmm_vcpu_page *p = page_of(storm_below(VCPUS));
	volatile uint64_t *words = (volatile void *)p;

	switch (storm_below(8)) {
	case 0:
		p->commit = (uint32_t)storm_any();
		break;
	case 1:
		p->commit = storm_below(32);
		break;
	case 2:
		p->wanted = (uint32_t)storm_any();
		break;
	case 3:
		p->context = any_context();
		break;
	case 4:
		p->regs.rflags = storm_any() & 0x254dd7;
		break;
	case 5:
		p->regs.rip = one_in(2) ? 0x7fffffffffffull : storm_any();
		break;
	default:
		words[storm_below(sizeof(*p) / 8)] = any_value();
		break;
	}
	return 0;
}

static int do_kick(void)
{
	return checked(ioctl(any_vcpu(), VMM_KICK));
}

static int do_raw(void)
{
	/* By the SVM's offset or the VMX's encoding. */
	static const uint32_t fields[] = { 0x50, 0x560, 0x640, 0x58, 0x578,
	    0x2010, 0x681a, 0x6822, 0x4826, 0x4402 };
	struct vmm_raw a = { .op = 1 + storm_below(2), .width = 8,
	    .field = fields[storm_below(10)], .reserved = zero(),
	    .value = any_value() };

	if (one_in(4))
		a.field = storm_below(0x7000);
	if (one_in(4))
		a.width = 1u << storm_below(5);
	if (one_in(16))
		a.op = (uint32_t)storm_any();
	return CALL(any_vcpu(), VMM_RAW, a);
}

/* ---- the process ---- */

static int do_host(void)
{
	static const int advices[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_FREE,
	    MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE,
	    MADV_MERGEABLE, MADV_WILLNEED };
	const uint64_t from = any_page(), to = any_page();
	uint64_t size = any_size() & (16 * MIB - PAGE);
	void *at = (void *)(uintptr_t)(ARENA + from);

	if (size > ARENA_SIZE - from)
		size = ARENA_SIZE - from;
	switch (storm_below(8)) {
	case 0:
		return munmap(at, size);
	case 1:
		return mprotect(at, size, PROT_READ);
	case 2:
		return mprotect(at, size, PROT_NONE);
	case 3:
		if (size > ARENA_SIZE - to)
			size = ARENA_SIZE - to;
		return mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		    (void *)(uintptr_t)(ARENA + to)) == MAP_FAILED ? -1 : 0;
	case 4:
		return madvise(at, size, advices[storm_below(9)]);
	case 5:
		return mprotect((void *)(uintptr_t)ARENA, ARENA_SIZE,
		    PROT_READ | PROT_WRITE);
	default:
		/* There is to be more of it than not. */
		return mmap(at, size, PROT_READ | PROT_WRITE, MAP_FIXED |
		    MAP_ANONYMOUS | (one_in(4) ? MAP_SHARED : MAP_PRIVATE),
		    -1, 0) == MAP_FAILED ? -1 : 0;
	}
}

static int do_affinity(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(storm_below(2), &set);
	if (one_in(2))
		memset(&set, 0xff, sizeof(set));
	return sched_setaffinity(0, sizeof(set), &set);
}

/* With all descriptors; it may live longer than their owner. */
static int do_fork(void)
{
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	const uint64_t seed = storm_any();
	uint32_t n;
	pid_t child;

	if (is_child)
		return -1;
	child = fork();
	if (child != 0)
		return child;
	is_child = true;
	storm_seed(seed);
	/* Nobody else ends its runs. */
	setitimer(ITIMER_REAL, &often, NULL);
	for (n = 50 + storm_below(200); n > 0; n--)
		storm_operate();
	_exit(0);
}

/* Either ends all threads at once. */
static int do_end(void)
{
	uint32_t i;

	if (one_in(2))
		_exit(0);
	/* They may be on their way. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	for (i = 0; i < VCPUS; i++)
		(void)fcntl(vcpus[i], F_SETFD, 0);
	(void)fcntl(any_of(machines, MACHINES), F_SETFD, 0);
	return execl("/proc/self/exe", "storm", "heir", (char *)NULL);
}

/* ---- all of it ---- */

static const struct {
	const char *name;
	int (*function)(void);
	uint32_t weight;
} operations[] = {
	{ "machine_create", do_machine_create, 20 },
	{ "machine_close", do_machine_close, 5 },
	{ "vcpu_create", do_vcpu_create, 40 },
	{ "vcpu_close", do_vcpu_close, 20 },
	{ "vcpu_pages", do_vcpu_pages, 30 },
	{ "dup", do_dup, 10 },
	{ "memory", do_memory, 60 },
	{ "dirty", do_dirty, 30 },
	{ "context", do_context, 30 },
	{ "xsave", do_xsave, 30 },
	{ "policy", do_policy, 20 },
	{ "cpuid", do_cpuid, 20 },
	{ "info", do_info, 20 },
	{ "stats", do_stats, 20 },
	{ "ioctl", do_ioctl, 80 },
	{ "file", do_file, 10 },
	{ "write", do_write, 60 },
	{ "run", do_run, 300 },
	{ "scribble", do_scribble, 150 },
	{ "kick", do_kick, 40 },
	{ "raw", do_raw, 30 },
	{ "host", do_host, 80 },
	{ "affinity", do_affinity, 10 },
	{ "fork", do_fork, 1 },
};
#define OPERATIONS	(sizeof(operations) / sizeof(operations[0]))
_Static_assert(OPERATIONS <= STORM_OPS, "counts of all operations");

const char *storm_name(unsigned n)
{
	return n < OPERATIONS ? operations[n].name : NULL;
}

static uint32_t any_operation(void)
{
	uint32_t sum = 0, i;

	for (i = 0; i < OPERATIONS; i++)
		sum += operations[i].weight;
	sum = storm_below(sum);
	for (i = 0; sum >= operations[i].weight; i++)
		sum -= operations[i].weight;
	return i;
}

void storm_operate(void)
{
	volatile uint32_t i = any_operation();

	/* Once in a few seconds. */
	if (one_in(20000))
		(void)do_end();
	__atomic_add_fetch(&storm_counts->tried[i], 1, __ATOMIC_RELAXED);
	if (sigsetjmp(after_fault, 0) != 0) {
		__atomic_add_fetch(&storm_counts->faults, 1, __ATOMIC_RELAXED);
		return;
	}
	if (operations[i].function() >= 0)
		__atomic_add_fetch(&storm_counts->done[i], 1,
		    __ATOMIC_RELAXED);
}

static void interrupted(int signal)
{
	(void)signal;
}

/* Another thread has taken away what this one wrote to. */
static void fault(int signal, siginfo_t *info, void *context)
{
	const uint64_t at = (uintptr_t)info->si_addr;

	(void)signal;
	(void)context;
	if (at < ARENA || at >= END)
		_exit(STORM_FAULT);
	siglongjmp(after_fault, 1);
}

void storm_begin(int machine, int vcpu)
{
	struct sigaction jump = { .sa_sigaction = fault,
	    .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction nothing = { .sa_handler = interrupted };
	uint32_t i;

	sigaction(SIGSEGV, &jump, NULL);
	sigaction(SIGBUS, &jump, NULL);
	sigaction(SIGUSR1, &nothing, NULL);
	sigaction(SIGALRM, &nothing, NULL);
	memset(machines, -1, sizeof(machines));
	memset(vcpus, -1, sizeof(vcpus));
	memset(stats, -1, sizeof(stats));
	if (mmap((void *)(uintptr_t)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE,
	    MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	    MAP_FAILED)
		_exit(STORM_SETUP);
	write_tables();
	for (i = 0; i < 4 * SNIPPETS; i++)
		write_snippet();
	(void)do_machine_create();
	put_fd(&machines[MACHINES - 1], machine);
	put_fd(&vcpus[VCPUS - 1], vcpu);
}
