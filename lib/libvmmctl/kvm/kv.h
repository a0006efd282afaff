/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kv.h - what the files of the kvm backend need of each other.
 *
 * A guest user runs in ring 3 of a long-mode VM on the core's page tables.
 * Entry 511 of every root is ours: supervisor-only pages, one per vCPU, with
 * the descriptor tables and a stub of one OUT per vector, which ends KVM_RUN.
 * Nothing else ever runs in ring 0, and nothing of it can be mapped, read or
 * written by the guest user.
 *
 * kv_host, kv_vm and kv_cpu know /dev/kvm only; backend.c joins them to the
 * core's objects.
 */
#ifndef VMMCTL_KVM_KV_H
#define VMMCTL_KVM_KV_H

#include "../internal.h"

#include <linux/kvm.h>

/* ---- the stub page (stub.c) ---- */

#define STUB_VA		0xffffffffc0000000ull	/* of vCPU 0's page */
#define STUB_VECTORS	33u		/* the 32 exceptions and the timer */
#define STUB_NMI	2u
#define STUB_TIMER	32u		/* vector of the local APIC's timer */
#define STUB_SYSCALL	33u		/* what SYSCALL passes for a vector */
#define STUB_PORT	0xc0u		/* OUT port = this + vector */
#define STUB_SAVED	(STUB_PORT + 34u)	/* vector: in the scratch */
#define STUB_SAVED_NMI	(STUB_PORT + 35u)
#define STUB_TOUCHED	(STUB_PORT + 36u)

/* Offsets in a page. */
enum {
	STUB_GDT = 0x000, STUB_TSS = 0x080, STUB_IDT = 0x100,
	STUB_SCRATCH = 0x320,	/* struct stub_scratch */
	STUB_SCRATCH_NMI = 0x360,	/* it may interrupt the stub */
	STUB_RETURN = 0x3a0,	/* struct stub_return */
	STUB_CODE = 0x400,	/* 16 bytes per vector, then the rest */
	STUB_LSTAR = STUB_CODE + 16 * STUB_SYSCALL,
	STUB_SAVE = 0x620, STUB_SAVE_NMI = 0x650, STUB_FAULT = 0x680,
	STUB_LOAD_CR3 = 0x6b0, STUB_IRETQ = 0x6b4,
	STUB_TOUCH = 0x6c0, STUB_DROP = 0x6d0,
	STUB_IST3 = 0x900, STUB_IST2 = 0xb00, STUB_IST1 = 0x1000
};

#define SEL_KERNEL_CS	0x10u
#define SEL_KERNEL_SS	0x18u
#define SEL_USER_SS	0x2bu
#define SEL_USER_CS	0x33u
#define SEL_TSS		0x40u
#define GDT_LIMIT	0x4fu
#define IDT_LIMIT	(STUB_VECTORS * 16u - 1u)

/* What the general registers do not hold, and RAX, which fetched it. */
struct stub_scratch {
	uint64_t rax, fs_base, gs_base, cr2, vector;
};

/* What the entry pops: RAX by STUB_LOAD_CR3, the rest by IRETQ. */
struct stub_return {
	uint64_t rax, rip, cs, rflags, rsp, ss;
};

/* What the processor pushed. */
struct stub_frame {
	uint64_t error_code, rip, cs, rflags, rsp, ss;
};

/*
 * Fill the page of vCPU index, whose supervisor address is STUB_VA + index
 * pages.  plain: one OUT per vector and nothing more, for where instructions
 * are dear or RDFSBASE is not there; special registers are then KVM's to tell.
 */
void stub_build(uint8_t *page, uint32_t index, bool plain);

static inline uint64_t stub_va(uint32_t index)
{
	return STUB_VA + (uint64_t)index * VMMCTL_PAGE_SIZE;
}

/* ---- a host's KVM (host.c, cpuid.c, probe.c) ---- */

struct kv_host {
	int fd;
	uint32_t run_size;
	uint32_t max_vcpus;
	uint32_t xsave_bytes;	/* of KVM_GET_XSAVE or KVM_GET_XSAVE2 */
	bool xsave2;
	bool xsave;		/* the guest has CR4.OSXSAVE */
	uint64_t xcr0;
	uint32_t xsave_size;	/* of the standard format for xcr0 */
	uint64_t cr4;
	bool has_fsgsbase;
	uint64_t gpa_limit;	/* the rest belongs to the backend */
	struct kvm_cpuid2 *cpuid;
	/* How this KVM behaves; probed, never guessed from a name. */
	bool set_state;		/* return by setting state; else by IRETQ */
	bool shadow;		/* host's page-table writes go unseen */
	bool native_cpuid;	/* CPUID does not exit in ring 3 */
	bool native_segments;	/* ring 3 can load the host's selectors */
	bool native_fsgsbase;	/* WRFSBASE works although CPUID denies it */
	bool debug_regs;	/* hardware breakpoints fire */
	uint64_t exit_ns;
};

int kv_host_open(struct vmmctl *v, struct kv_host *h);
void kv_host_close(struct vmmctl *v, struct kv_host *h);
int kv_cpuid_init(struct vmmctl *v, struct kv_host *h);
/* The host's table with the machine's leaves in it; free with vmmctl_free. */
struct kvm_cpuid2 *kv_cpuid_policy(struct vmmctl *v, const struct kv_host *h,
    const struct vmmctl_cpuid *leaf, uint32_t n);
int kv_probe(struct vmmctl *v, struct kv_host *h);

/* ---- a VM (vm.c, shadow.c) ---- */

#define KV_TABLES	69u	/* pages before the first stub page */
#define KV_VCPUS_MAX	254u	/* xAPIC identifiers; the last is ours */
#define KV_STUB_PAGES	(KV_TABLES + KV_VCPUS_MAX + 1u)

struct kv_vm {
	struct vmmctl *v;
	const struct kv_host *h;
	int fd;
	/* A VM's vCPUs live as long as it does: kept for the next of the same
	 * index. -1: not made yet. */
	int vcpu_fd[KV_VCPUS_MAX + 1];
	uint8_t *stub;		/* KV_STUB_PAGES */
	uint64_t stub_gpa;
	uint32_t next_slot, slots_max;
	uint32_t *free_slots, nfree;
	const struct kvm_cpuid2 *cpuid;
	struct kv_cpu *service;	/* shadow only: runs the touches */
};

int kv_vm_init(struct kv_vm *vm, struct vmmctl *v, const struct kv_host *h,
    const struct kvm_cpuid2 *cpuid);
void kv_vm_fini(struct kv_vm *vm);
int kv_vcpu_fd(struct kv_vm *vm, uint32_t index);
int kv_slot_add(struct kv_vm *vm, uint64_t gpa, uint64_t len, void *hva,
    bool writable, uint32_t *slot);
void kv_slot_remove(struct kv_vm *vm, uint32_t slot);

static inline uint8_t *kv_stub_page(struct kv_vm *vm, uint32_t index)
{
	return vm->stub + (size_t)(KV_TABLES + index) * VMMCTL_PAGE_SIZE;
}

/* What goes into entry 511 of a root. */
static inline uint64_t kv_top_entry(const struct kv_vm *vm)
{
	return vm->stub_gpa | 1 /* P */ | 2 /* W */ | 0x20 /* A */;
}

/* Tell a shadow-paging KVM that n entries from *entry have been changed. */
int kv_touch(struct kv_vm *vm, const struct pt_pool *pool, uint64_t gpa,
    uint32_t n);
/* ... that anything may have changed in the table at gpa. */
int kv_drop(struct kv_vm *vm, const struct pt_pool *pool, uint64_t gpa);
void kv_service_fini(struct kv_vm *vm);

/* ---- a vCPU (cpu.c, enter.c) ---- */

struct kv_cpu {
	struct kv_vm *vm;
	int fd;
	uint32_t index;
	struct kvm_run *run;
	uint8_t *page;		/* its stub page */
	struct kvm_lapic_state lapic;	/* template, nothing in service */
	struct kvm_sregs ring0, ring3;	/* templates */
	void *xsave;
	/* What is loaded. */
	uint64_t cr3, fs_base, gs_base;
	bool stale;		/* ring 0 state must be set as a whole */
	bool plain;		/* the stub is */
	bool nmi_masked;
	uint64_t armed;		/* the timer's deadline, os_mono_ns(); 0 */
	struct vmmctl_debug_regs debug;
};

int kv_cpu_init(struct kv_cpu *cpu, struct kv_vm *vm, uint32_t index);
void kv_cpu_fini(struct kv_cpu *cpu);
/* Whole-area copies in the standard format, h->xsave_size bytes. */
int kv_xsave_set(struct kv_cpu *cpu, const void *buf);
int kv_xsave_get(struct kv_cpu *cpu, void *buf);
int kv_debug_set(struct kv_cpu *cpu, const struct vmmctl_debug_regs *d);
/* Async-signal-safe. */
void kv_kick(const struct kv_cpu *cpu);

/* Guest memory at an address of the space that runs; bytes copied.  For an
 * exit that becomes an event: the guest is not entered after it. */
typedef size_t kv_fetch(void *cookie, uint64_t gva, uint8_t *buf, size_t len);

struct kv_entry {
	struct vmmctl_regs *regs;
	uint64_t cr3;
	bool flush;		/* translations were taken away */
	uint64_t deadline;
	kv_fetch *fetch;
	void *cookie;
	/* Out. */
	bool signalled;		/* KVM_RUN was left for a signal */
	bool kicked;		/* an NMI came */
};

/* Run until an event.  0 or -errno. */
int kv_enter(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev);

/* Parts of kv_enter (load.c, decode.c). */
void kv_load(struct kv_cpu *cpu, const struct kv_entry *e);
/* Make the timer fire at deadline or before; 0: it may stay as it is. */
int kv_timer_arm(struct kv_cpu *cpu, uint64_t deadline);
/* It has fired. */
int kv_timer_ack(struct kv_cpu *cpu);
int kv_nmi_unmask(struct kv_cpu *cpu);
/* 1: an event; 0: go on; -errno. */
int kv_decode_port(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev);
int kv_decode_failure(struct kv_cpu *cpu, struct event *ev);
void kv_regs_from(struct vmmctl_regs *to, const struct kvm_regs *from);

/* ioctl(2) that returns -errno, and goes on after a signal. */
int kv_ioctl(int fd, unsigned long request, const void *arg);

#endif
