// SPDX-License-Identifier: BSD-2-Clause
/* raw_vm.c - see raw_vm.h. */
#include "raw_vm.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096u
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

#define USER_CS		0x33u
#define USER_SS		0x2bu
#define RFLAGS_USER	0x202u
#define PTE_SYSTEM	0x63ull		/* P W A D */

static int failed(struct raw_vm *raw, const char *what)
{
	raw->failed = what;
	return -1;
}

static void put(struct raw_vm *raw, uint64_t at, uint64_t value)
{
	memcpy(raw->memory + at, &value, sizeof(value));
}

static void build_tables(struct raw_vm *raw)
{
	put(raw, raw->root + 8 * 511, RAW_TABLES | PTE_SYSTEM);
	put(raw, RAW_TABLES + 8 * 511, (RAW_TABLES + 0x1000) | PTE_SYSTEM);
	put(raw, RAW_TABLES + 0x1000, (RAW_TABLES + 0x2000) | PTE_SYSTEM);
	put(raw, RAW_TABLES + 0x2000, RAW_SYSTEM | PTE_SYSTEM);
}

static void out(struct raw_vm *raw, uint32_t at, uint32_t port)
{
	raw->memory[RAW_SYSTEM + at] = 0xe6;
	raw->memory[RAW_SYSTEM + at + 1] = (uint8_t)port;
}

static void build_system(struct raw_vm *raw)
{
	const uint64_t tss = SYSTEM_VA + TSS;
	const uint64_t at = RAW_SYSTEM;

	memset(raw->memory + at, 0, PAGE);
	put(raw, at + GDT + 0x10, 0x00af9b000000ffffull);
	put(raw, at + GDT + 0x18, 0x00cf93000000ffffull);
	put(raw, at + GDT + 0x28, 0x00cff3000000ffffull);
	put(raw, at + GDT + 0x30, 0x00affb000000ffffull);
	put(raw, at + GDT + 0x40, 0x67 | (tss & 0xffffff) << 16 |
	    0x8bull << 40 | (tss >> 24 & 0xff) << 56);
	put(raw, at + GDT + 0x48, tss >> 32);
	put(raw, at + TSS + 0x04, SYSTEM_VA + STACK);
	put(raw, at + TSS + 0x24, SYSTEM_VA + STACK);
	for (uint32_t i = 0; i < GATES; i++) {
		const uint64_t to = SYSTEM_VA + VECTORS + 4 * i;

		out(raw, VECTORS + 4 * i, RAW_PORT + i);
		/* Interrupt gate, DPL 0, IST 1. */
		put(raw, at + IDT + 16 * i, (to & 0xffff) | 0x10ull << 16 |
		    0x8e01ull << 32 | (to >> 16 & 0xffff) << 48);
		put(raw, at + IDT + 16 * i + 8, to >> 32);
	}
	out(raw, LSTAR, RAW_PORT_SYSCALL);
	if (raw->way == BY_SYSRET)
		memcpy(raw->memory + at + LSTAR + 2, "\x48\x0f\x07", 3);
	memcpy(raw->memory + at + IRETQ, "\x48\xcf", 2);
}

struct kvm_segment raw_vm_segment(uint16_t selector, uint8_t type, int code)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
	    .selector = selector, .type = type, .present = 1,
	    .dpl = selector & 3, .db = !code, .s = 1, .l = code != 0,
	    .g = 1 };
}

static int set_cpuid(struct raw_vm *raw)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} table;

	table.head.nent = 256;
	return ioctl(raw->kvm, KVM_GET_SUPPORTED_CPUID, &table) == 0 &&
	    ioctl(raw->vcpu, KVM_SET_CPUID2, &table) == 0 ? 0 :
	    failed(raw, "KVM_SET_CPUID2");
}

static int set_state(struct raw_vm *raw, uint64_t rip)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[3];
	} msrs = { .head.nmsrs = 3, .entry = {
		{ .index = 0xc0000081, .data = 0x10ull << 32 | 0x23ull << 48 },
		{ .index = 0xc0000082, .data = SYSTEM_VA + LSTAR },
		{ .index = 0xc0000084, .data = 0x3f7fd5 },
	} };
	const struct kvm_regs regs = { .rflags = RFLAGS_USER, .rip = rip };
	struct kvm_sregs *s = &raw->user;

	if (ioctl(raw->vcpu, KVM_GET_SREGS, s) != 0)
		return failed(raw, "KVM_GET_SREGS");
	s->cr0 = 0x80050033;
	s->cr3 = raw->root;
	s->cr4 = 0x620;
	s->efer = 0xd01;
	s->gdt.base = SYSTEM_VA + GDT;
	s->gdt.limit = 0x4f;
	s->idt.base = SYSTEM_VA + IDT;
	s->idt.limit = GATES * 16 - 1;
	s->cs = raw_vm_segment(USER_CS, 11, true);
	s->ss = s->ds = s->es = raw_vm_segment(USER_SS, 3, false);
	s->tr = (struct kvm_segment){ .base = SYSTEM_VA + TSS, .limit = 0x67,
	    .selector = 0x40, .type = 11, .present = 1 };
	s->ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	if (ioctl(raw->vcpu, KVM_SET_SREGS, s) != 0)
		return failed(raw, "KVM_SET_SREGS");
	if (ioctl(raw->vcpu, KVM_SET_MSRS, &msrs) != 3)
		return failed(raw, "KVM_SET_MSRS");
	if (ioctl(raw->vcpu, KVM_SET_REGS, &regs) != 0)
		return failed(raw, "KVM_SET_REGS");
	return 0;
}

void raw_vm_close(struct raw_vm *raw)
{
	if (raw->run != NULL)
		munmap(raw->run, sizeof(*raw->run));
	if (raw->vcpu >= 0)
		close(raw->vcpu);
	if (raw->vm >= 0)
		close(raw->vm);
	if (raw->kvm >= 0)
		close(raw->kvm);
	raw->run = NULL;
	raw->vcpu = raw->vm = raw->kvm = -1;
}

static int vm_make(struct raw_vm *raw, uint64_t rip)
{
	struct kvm_userspace_memory_region r = { .memory_size = raw->size,
	    .userspace_addr = (uintptr_t)raw->memory };
	void *p;

	raw->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (raw->kvm < 0)
		return failed(raw, "/dev/kvm (load kvm_intel or kvm_amd, join "
		    "the group kvm)");
	raw->vm = ioctl(raw->kvm, KVM_CREATE_VM, 0);
	if (raw->vm < 0)
		return failed(raw, "KVM_CREATE_VM");
	ioctl(raw->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	if (ioctl(raw->vm, KVM_SET_USER_MEMORY_REGION, &r) != 0)
		return failed(raw, "KVM_SET_USER_MEMORY_REGION");
	raw->vcpu = ioctl(raw->vm, KVM_CREATE_VCPU, 0);
	if (raw->vcpu < 0)
		return failed(raw, "KVM_CREATE_VCPU");
	p = mmap(NULL, sizeof(*raw->run), PROT_READ | PROT_WRITE, MAP_SHARED,
	    raw->vcpu, 0);
	if (p == MAP_FAILED)
		return failed(raw, "mmap of a vCPU");
	raw->run = p;
	raw->run->kvm_valid_regs = KVM_SYNC_X86_REGS |
	    (raw->way == BY_STATE ? KVM_SYNC_X86_SREGS : 0u);
	return set_cpuid(raw) != 0 || set_state(raw, rip) != 0 ? -1 : 0;
}

int raw_vm_open(struct raw_vm *raw, uint64_t rip)
{
	raw->kvm = raw->vm = raw->vcpu = -1;
	raw->run = NULL;
	build_tables(raw);
	build_system(raw);
	if (vm_make(raw, rip) == 0)
		return 0;
	raw_vm_close(raw);
	return -1;
}

void raw_vm_resume(struct raw_vm *raw)
{
	struct kvm_regs *r = &raw->run->s.regs.regs;

	r->rax = 0;
	raw->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	if (raw->way == BY_IRETQ) {
		const uint64_t frame[5] = { r->rcx, USER_CS, r->r11, r->rsp,
		    USER_SS };

		memcpy(raw->memory + RAW_SYSTEM + FRAME, frame, sizeof(frame));
		r->rip = SYSTEM_VA + IRETQ;
		r->rsp = SYSTEM_VA + FRAME;
		r->rflags = 2;
	} else if (raw->way == BY_STATE) {
		struct kvm_sregs *s = &raw->run->s.regs.sregs;

		s->cs = raw->user.cs;
		s->ss = raw->user.ss;
		r->rip = r->rcx;
		r->rflags = r->r11;
		raw->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	}
}
