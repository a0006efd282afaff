// SPDX-License-Identifier: BSD-2-Clause
/*
 * raw_kvm.c - a system call's round trip on /dev/kvm without any library: one
 * vCPU in ring 3, a stub of one OUT in ring 0, one KVM_RUN per system call,
 * general registers by KVM_CAP_SYNC_REGS.  Of the ways back to ring 3 the one
 * that is fastest here is taken.
 */
#include "bench.h"
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Guest-physical pages; the guest's code is page 0. */
#define TABLES		0x100000u	/* seven of them */
#define SYSTEM		0x110000u
#define USER_VA		0x400000ull
#define SYSTEM_VA	0xffffffffc0000000ull

/* In the system page. */
#define GDT		0x000u
#define TSS		0x080u
#define IDT		0x100u
#define GATES		15u		/* up to #PF */
#define LSTAR		0x300u
#define IRETQ		0x310u
#define VECTORS		0x320u		/* 4 bytes each */
#define FRAME		0xf00u		/* for IRETQ */
#define STACK		0xf00u		/* grows down */

#define PORT		0xc0u		/* + vector */
#define PORT_SYSCALL	0xe0u
#define USER_CS		0x33u
#define USER_SS		0x2bu
#define RFLAGS_USER	0x202u
#define PTE		0x67ull		/* P W U A D */
#define PTE_SYSTEM	0x63ull

enum way { BY_SYSRET, BY_IRETQ, BY_STATE, WAYS };

static const char *const way_names[WAYS] = { "SYSRET", "IRETQ",
    "setting the state from outside" };

static struct {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *memory;
	struct kvm_sregs user;
	enum way way;
} raw;

static int failed(const char *what)
{
	return bench_fail("%s: %s", what, strerror(errno));
}

static void put(uint32_t at, uint64_t value)
{
	memcpy(raw.memory + at, &value, sizeof(value));
}

static void build_tables(void)
{
	/* 0 PML4; 1, 2, 3 for the user's page; 4, 5, 6 for the system's. */
	put(TABLES, (TABLES + 0x1000) | PTE);
	put(TABLES + 0x1000, (TABLES + 0x2000) | PTE);
	put(TABLES + 0x2000 + 8 * (USER_VA >> 21), (TABLES + 0x3000) | PTE);
	put(TABLES + 0x3000, PTE);
	put(TABLES + 8 * 511, (TABLES + 0x4000) | PTE_SYSTEM);
	put(TABLES + 0x4000 + 8 * 511, (TABLES + 0x5000) | PTE_SYSTEM);
	put(TABLES + 0x5000, (TABLES + 0x6000) | PTE_SYSTEM);
	put(TABLES + 0x6000, SYSTEM | PTE_SYSTEM);
}

static void out(uint32_t at, uint32_t port)
{
	raw.memory[SYSTEM + at] = 0xe6;
	raw.memory[SYSTEM + at + 1] = (uint8_t)port;
}

static void build_system(bool sysret)
{
	const uint64_t tss = SYSTEM_VA + TSS;

	memset(raw.memory + SYSTEM, 0, PAGE);
	put(SYSTEM + GDT + 0x10, 0x00af9b000000ffffull);
	put(SYSTEM + GDT + 0x18, 0x00cf93000000ffffull);
	put(SYSTEM + GDT + 0x28, 0x00cff3000000ffffull);
	put(SYSTEM + GDT + 0x30, 0x00affb000000ffffull);
	put(SYSTEM + GDT + 0x40, 0x67 | (tss & 0xffffff) << 16 |
	    0x8bull << 40 | (tss >> 24 & 0xff) << 56);
	put(SYSTEM + GDT + 0x48, tss >> 32);
	put(SYSTEM + TSS + 0x04, SYSTEM_VA + STACK);
	put(SYSTEM + TSS + 0x24, SYSTEM_VA + STACK);
	for (uint32_t i = 0; i < GATES; i++) {
		const uint64_t to = SYSTEM_VA + VECTORS + 4 * i;

		out(VECTORS + 4 * i, PORT + i);
		/* Interrupt gate, DPL 0, IST 1. */
		put(SYSTEM + IDT + 16 * i, (to & 0xffff) | 0x10ull << 16 |
		    0x8e01ull << 32 | (to >> 16 & 0xffff) << 48);
		put(SYSTEM + IDT + 16 * i + 8, to >> 32);
	}
	out(LSTAR, PORT_SYSCALL);
	if (sysret)
		memcpy(raw.memory + SYSTEM + LSTAR + 2, "\x48\x0f\x07", 3);
	memcpy(raw.memory + SYSTEM + IRETQ, "\x48\xcf", 2);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
	    .selector = selector, .type = type, .present = 1,
	    .dpl = selector & 3, .db = !code, .s = 1, .l = code, .g = 1 };
}

static int set_cpuid(void)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} table = { .head.nent = 256 };

	return ioctl(raw.kvm, KVM_GET_SUPPORTED_CPUID, &table) == 0 &&
	    ioctl(raw.vcpu, KVM_SET_CPUID2, &table) == 0 ? 0 :
	    failed("KVM_SET_CPUID2");
}

static int set_state(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[3];
	} msrs = { .head.nmsrs = 3, .entry = {
		{ .index = 0xc0000081, .data = 0x10ull << 32 | 0x23ull << 48 },
		{ .index = 0xc0000082, .data = SYSTEM_VA + LSTAR },
		{ .index = 0xc0000084, .data = 0x3f7fd5 },
	} };
	const struct kvm_regs regs = { .rflags = RFLAGS_USER,
	    .rip = USER_VA + (uint64_t)(guest_syscall - guest_start) };
	struct kvm_sregs *s = &raw.user;

	if (ioctl(raw.vcpu, KVM_GET_SREGS, s) != 0)
		return failed("KVM_GET_SREGS");
	s->cr0 = 0x80050033;
	s->cr3 = TABLES;
	s->cr4 = 0x620;
	s->efer = 0xd01;
	s->gdt.base = SYSTEM_VA + GDT;
	s->gdt.limit = 0x4f;
	s->idt.base = SYSTEM_VA + IDT;
	s->idt.limit = GATES * 16 - 1;
	s->cs = segment(USER_CS, 11, true);
	s->ss = s->ds = s->es = segment(USER_SS, 3, false);
	s->tr = (struct kvm_segment){ .base = SYSTEM_VA + TSS, .limit = 0x67,
	    .selector = 0x40, .type = 11, .present = 1 };
	s->ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	if (ioctl(raw.vcpu, KVM_SET_SREGS, s) != 0)
		return failed("KVM_SET_SREGS");
	if (ioctl(raw.vcpu, KVM_SET_MSRS, &msrs) != 3)
		return failed("KVM_SET_MSRS");
	if (ioctl(raw.vcpu, KVM_SET_REGS, &regs) != 0)
		return failed("KVM_SET_REGS");
	return 0;
}

static void vm_close(void)
{
	if (raw.run != NULL)
		munmap(raw.run, sizeof(*raw.run));
	if (raw.vcpu >= 0)
		close(raw.vcpu);
	if (raw.vm >= 0)
		close(raw.vm);
	raw.run = NULL;
	raw.vcpu = raw.vm = -1;
}

static int vm_open(enum way way)
{
	struct kvm_userspace_memory_region r = { .memory_size = MEMORY_SIZE,
	    .userspace_addr = (uintptr_t)raw.memory };
	void *p;

	raw.way = way;
	build_tables();
	build_system(way == BY_SYSRET);
	raw.vm = ioctl(raw.kvm, KVM_CREATE_VM, 0);
	if (raw.vm < 0)
		return failed("KVM_CREATE_VM");
	ioctl(raw.vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	if (ioctl(raw.vm, KVM_SET_USER_MEMORY_REGION, &r) != 0)
		return failed("KVM_SET_USER_MEMORY_REGION");
	raw.vcpu = ioctl(raw.vm, KVM_CREATE_VCPU, 0);
	if (raw.vcpu < 0)
		return failed("KVM_CREATE_VCPU");
	p = mmap(NULL, sizeof(*raw.run), PROT_READ | PROT_WRITE, MAP_SHARED,
	    raw.vcpu, 0);
	if (p == MAP_FAILED)
		return failed("mmap of a vCPU");
	raw.run = p;
	raw.run->kvm_valid_regs = KVM_SYNC_X86_REGS |
	    (way == BY_STATE ? KVM_SYNC_X86_SREGS : 0u);
	return set_cpuid() != 0 || set_state() != 0 ? -1 : 0;
}

/* To the next system call.  Some KVMs take it for a fault in ring 3. */
static int run(void)
{
	const uint64_t after = USER_VA +
	    (uint64_t)(guest_syscall - guest_start) + 7;
	uint32_t port;

	do
		if (ioctl(raw.vcpu, KVM_RUN, 0) != 0 && errno != EINTR)
			return failed("KVM_RUN");
	while (raw.run->exit_reason == KVM_EXIT_INTR);
	if (raw.run->exit_reason != KVM_EXIT_IO)
		return bench_fail("KVM exit %u", raw.run->exit_reason);
	port = raw.run->io.port;
	if (port != PORT_SYSCALL && port != PORT + 14)
		return bench_fail("vector %u", port - PORT);
	if (raw.run->s.regs.regs.rax != 39 ||
	    raw.run->s.regs.regs.rcx != after)
		return bench_fail("RAX %#llx RCX %#llx at a system call",
		    (unsigned long long)raw.run->s.regs.regs.rax,
		    (unsigned long long)raw.run->s.regs.regs.rcx);
	return 0;
}

/* Let the system call return 0. */
static void resume(void)
{
	struct kvm_regs *r = &raw.run->s.regs.regs;

	r->rax = 0;
	raw.run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	if (raw.way == BY_IRETQ) {
		const uint64_t frame[5] = { r->rcx, USER_CS, r->r11, r->rsp,
		    USER_SS };

		memcpy(raw.memory + SYSTEM + FRAME, frame, sizeof(frame));
		r->rip = SYSTEM_VA + IRETQ;
		r->rsp = SYSTEM_VA + FRAME;
		r->rflags = 2;
	} else if (raw.way == BY_STATE) {
		struct kvm_sregs *s = &raw.run->s.regs.sregs;

		s->cs = raw.user.cs;
		s->ss = raw.user.ss;
		r->rip = r->rcx;
		r->rflags = r->r11;
		raw.run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	}
}

static int raw_syscall(uint64_t *ns, unsigned n)
{
	uint64_t t = 0, last = 0;

	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run() != 0)
			return -1;
		resume();
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

static int try_way(enum way way, uint64_t *least)
{
	uint64_t ns[BATCH_MAX];
	int r = vm_open(way) != 0 || raw_syscall(ns, BATCH_MAX) != 0 ? -1 : 0;

	*least = UINT64_MAX;
	for (unsigned i = 0; r == 0 && i < BATCH_MAX; i++)
		if (ns[i] < *least)
			*least = ns[i];
	vm_close();
	return r;
}

int raw_kvm_open(const char *backend)
{
	uint64_t least = UINT64_MAX, ns;
	enum way best = WAYS;

	(void)backend;
	raw.vm = raw.vcpu = -1;
	raw.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (raw.kvm < 0)
		return bench_fail("/dev/kvm: %s; load kvm_intel or kvm_amd, "
		    "join the group kvm", strerror(errno));
	if (bench_memory(&raw.memory) < 0)
		return -1;
	for (enum way way = 0; way < WAYS; way++)
		if (try_way(way, &ns) == 0 && ns < least) {
			least = ns;
			best = way;
		}
	if (best == WAYS)
		return -1;
	bench_note("back to ring 3 by %s", way_names[best]);
	return vm_open(best);
}

const struct work raw_kvm_works[] = {
	{ "raw_kvm_syscall", RANK_SYSCALL, raw_syscall },
};
const size_t raw_kvm_nworks = 1;
