/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_ioctl.h - the ABI of /dev/vmm: three kinds of descriptors (the device,
 * a machine, a vCPU), their ioctls, and the page that a vCPU shares with its
 * owner.
 *
 * Everything is fixed-width; user pointers are uint64_t; what is called flags
 * or reserved must be 0 unless its comment says otherwise (else EINVAL).
 * Numbers are append-only.  A descriptor is good for the process that made
 * its machine only: others get EPERM.  Once that process has no memory any
 * more (exit, exec) every call returns EIO.
 */
#ifndef VMM_IOCTL_H
#define VMM_IOCTL_H

#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#endif

#ifdef __cplusplus
#define VMM_ASSERT(e) static_assert(e, #e)
#else
#define VMM_ASSERT(e) _Static_assert(e, #e)
#endif
#define VMM_AT(type, field, at) VMM_ASSERT(offsetof(struct type, field) == (at))

#define VMM_DEVICE	"/dev/vmm"
#define VMM_ABI_VERSION	1u
#define VMM_IOC		0xb7

/* ---- the device --------------------------------------------------------- */

#define VMM_CAP_GUEST_USER	(1ull << 0)
#define VMM_CAP_CPUID		(1ull << 1)	/* CPUID follows the machine */
#define VMM_CAP_FSGSBASE	(1ull << 2)
#define VMM_CAP_LARGE_2M	(1ull << 3)	/* nested leaves of 2 MiB */
#define VMM_CAP_LARGE_1G	(1ull << 4)
#define VMM_CAP_HW_DIRTY	(1ull << 5)	/* nested A/D bits by hardware */
#define VMM_CAP_NRIP		(1ull << 6)	/* the processor tells lengths */
#define VMM_CAP_DECODE		(1ull << 7)	/* decode assists */
#define VMM_CAP_CLEAN		(1ull << 8)	/* VMCB clean bits */
#define VMM_CAP_FLUSH_TAG	(1ull << 9)	/* one ASID/VPID at a time */

#define VMM_FACTS	24u

/* A number of the hardware (what hw.vmm.* showed); name "" ends the list. */
struct vmm_fact {
	char name[24];
	uint64_t value;
};

/* Filled whatever the hardware is; usable tells. */
struct vmm_info {
	uint32_t size;		/* in: sizeof(struct vmm_info) */
	uint32_t version;	/* VMM_ABI_VERSION of the device */
	uint64_t caps;		/* VMM_CAP_* */
	char vendor[8];		/* "svm", "vmx" */
	uint32_t enabled;	/* VMM_ENABLE's word */
	uint32_t usable;	/* a machine could be made now */
	char why[128];		/* when not: the reason and the cure */
	uint64_t gpa_limit;	/* first guest-physical address that cannot
				 * have memory */
	uint64_t xcr0;		/* components of a context's XSAVE area */
	uint32_t xsave_size;	/* its bytes, standard format */
	uint32_t mxcsr_mask;
	uint32_t max_vcpus;	/* per machine */
	uint32_t max_contexts;	/* per machine */
	uint32_t max_regions;	/* per machine */
	uint32_t page_size;	/* of a vCPU's shared page, and of its
				 * counters page, which follows */
	/* What lives in the whole system: all 0 when nobody uses it. */
	uint64_t live_machines, live_vcpus, live_contexts, live_regions;
	uint64_t live_pages;	/* of nested tables, control structures */
	struct vmm_fact facts[VMM_FACTS];
};
VMM_ASSERT(sizeof(struct vmm_info) == 240 + 32 * VMM_FACTS);

/* CAP_SYS_ADMIN.  Turning off: EBUSY while there are machines. */
struct vmm_enable {
	uint32_t enable;	/* 0 or 1 */
	uint32_t reserved;
};
VMM_ASSERT(sizeof(struct vmm_enable) == 8);

struct vmm_list_entry {
	uint64_t id;		/* never used twice */
	uint64_t created_mono_ns;	/* CLOCK_MONOTONIC */
	uint64_t memory;	/* bytes of guest-physical memory */
	uint64_t mapped;	/* pages of 4 KiB in nested leaves now */
	uint32_t pid;		/* of the owner, as the caller sees it; or 0 */
	uint32_t uid;
	uint32_t vcpus;
	uint32_t contexts;
	char name[32];
};
VMM_ASSERT(sizeof(struct vmm_list_entry) == 80);

/* The caller's own machines; all of them with CAP_SYS_ADMIN. */
struct vmm_list {
	uint64_t entries;	/* user pointer: struct vmm_list_entry[] */
	uint32_t capacity;	/* in */
	uint32_t count;		/* out: how many there are, may be more */
};
VMM_ASSERT(sizeof(struct vmm_list) == 16);

/*
 * A read-only descriptor on a machine's counters, in the format of
 * vmmctl_counters.h (read(2) and pread(2)).  It keeps nothing alive: after
 * the machine's end it reads the last values.  ENOENT: no such machine of
 * yours.
 */
struct vmm_stats {
	uint64_t id;
	uint32_t flags;
	uint32_t reserved;
};
VMM_ASSERT(sizeof(struct vmm_stats) == 16);

/*
 * Returns a machine descriptor (close-on-exec).
 *   EBUSY       another hypervisor holds the processor, or VMM_ENABLE is 0
 *   EOPNOTSUPP  the processor or the firmware
 *   EDQUOT      too many machines of this user
 *   ENOMEM EMFILE ENFILE
 * why is filled on every failure but EFAULT.
 */
struct vmm_machine_create {
	char name[32];		/* NUL-terminated */
	uint64_t max_memory;	/* bytes; 0: no limit */
	uint32_t max_vcpus;	/* 0: the device's */
	uint32_t flags;
	char why[128];		/* out */
};
VMM_ASSERT(sizeof(struct vmm_machine_create) == 176);

#define VMM_INFO		_IOWR(VMM_IOC, 0x00, struct vmm_info)
#define VMM_ENABLE		_IOW(VMM_IOC, 0x01, struct vmm_enable)
#define VMM_LIST		_IOWR(VMM_IOC, 0x02, struct vmm_list)
#define VMM_STATS		_IOW(VMM_IOC, 0x03, struct vmm_stats)
#define VMM_MACHINE_CREATE	_IOWR(VMM_IOC, 0x04, struct vmm_machine_create)

/* ---- a machine ---------------------------------------------------------- */

#define VMM_PROT_READ	1u
#define VMM_PROT_WRITE	2u
#define VMM_PROT_EXEC	4u

/*
 * Back [gpa, gpa + size) by the caller's memory at uaddr.  Nothing is pinned
 * or touched now; what is not there when the guest comes is an exit MEMORY.
 * prot needs READ.  EINVAL unaligned, empty, wraps, beyond a limit;
 * EEXIST overlaps; ENOSPC over max_regions; ENOMEM over max_memory.
 */
struct vmm_memory {
	uint64_t gpa;
	uint64_t size;
	uint64_t uaddr;		/* MAP only, else 0 */
	uint32_t prot;		/* MAP and PROTECT, else 0 */
	uint32_t flags;
};
VMM_ASSERT(sizeof(struct vmm_memory) == 32);

/*
 * The dirty log of whole regions in [gpa, gpa + size).  ENABLE starts with
 * nothing dirty; GET fills bitmap (bit n % 64 of word n / 64: page n from gpa)
 * and with CLEAR clears what it told; a page written meanwhile is in this
 * answer or the next.  Exactly one of ENABLE, DISABLE, GET.
 * ENOENT: a part has no memory, or GET without ENABLE.  ENOSPC: ENABLE of a
 * region larger than VMM_DIRTY_MAX.
 */
#define VMM_DIRTY_MAX		(1ull << 40)
#define VMM_DIRTY_ENABLE	1u
#define VMM_DIRTY_DISABLE	2u
#define VMM_DIRTY_GET		4u
#define VMM_DIRTY_CLEAR		8u	/* with GET */
struct vmm_dirty_log {
	uint64_t gpa;
	uint64_t size;
	uint64_t bitmap;	/* user pointer */
	uint32_t op;
	uint32_t reserved;
};
VMM_ASSERT(sizeof(struct vmm_dirty_log) == 32);

/* The machine's CPUID; replaces the table.  Without one, and for leaves that
 * are not in it: the processor's own, less what a guest user cannot have. */
#define VMM_CPUID_SUBLEAF	1u
struct vmm_cpuid_entry {
	uint32_t leaf, subleaf;
	uint32_t flags;		/* VMM_CPUID_SUBLEAF */
	uint32_t eax, ebx, ecx, edx;
	uint32_t reserved;
};
VMM_ASSERT(sizeof(struct vmm_cpuid_entry) == 32);
#define VMM_CPUID_MAX	256u
struct vmm_cpuid {
	uint64_t entries;	/* user pointer */
	uint32_t count;		/* at most VMM_CPUID_MAX */
	uint32_t reserved;
};
VMM_ASSERT(sizeof(struct vmm_cpuid) == 16);

/* MSRs that a guest user can see the effect of: IA32_TSC_AUX (RDTSCP, RDPID).
 * Others: EINVAL.  All that ring 3 tries with RDMSR and WRMSR is #GP. */
struct vmm_msr {
	uint32_t index;
	uint32_t reserved;
	uint64_t value;
};
VMM_ASSERT(sizeof(struct vmm_msr) == 16);

/* What the device does about an exception of a context. */
#define VMM_POLICY_EXIT		0u	/* VMM_RUN returns */
#define VMM_POLICY_COUNT	1u	/* #DB and #BP: counted, goes on */

/*
 * A context is the state of a guest-user thread that is too large for the
 * shared page: its XSAVE area, and its exception policy.  CREATE returns its
 * number in .context; DESTROY is EBUSY while a vCPU runs it.
 */
struct vmm_context {
	uint32_t context;
	uint32_t reserved;
};
VMM_ASSERT(sizeof(struct vmm_context) == 8);

/*
 * GET and SET the first size bytes of the XSAVE area (at least 576, at most
 * xsave_size; components that do not fit stay as they are).  EBUSY while it
 * runs; EINVAL for a header or MXCSR that XRSTOR would refuse.
 */
struct vmm_xsave {
	uint64_t buf;		/* user pointer */
	uint32_t size;
	uint32_t context;
};
VMM_ASSERT(sizeof(struct vmm_xsave) == 16);

struct vmm_policy {
	uint32_t context;
	uint32_t reserved;
	uint8_t vector[32];	/* VMM_POLICY_* */
};
VMM_ASSERT(sizeof(struct vmm_policy) == 40);

struct vmm_vcpu_create {
	uint32_t index;		/* below max_vcpus; EEXIST when it is taken */
	uint32_t flags;
};
VMM_ASSERT(sizeof(struct vmm_vcpu_create) == 8);

#define VMM_MEMORY_MAP		_IOW(VMM_IOC, 0x20, struct vmm_memory)
#define VMM_MEMORY_UNMAP	_IOW(VMM_IOC, 0x21, struct vmm_memory)
#define VMM_MEMORY_PROTECT	_IOW(VMM_IOC, 0x22, struct vmm_memory)
#define VMM_DIRTY_LOG		_IOW(VMM_IOC, 0x23, struct vmm_dirty_log)
#define VMM_CPUID_SET		_IOW(VMM_IOC, 0x24, struct vmm_cpuid)
#define VMM_MSR_SET		_IOW(VMM_IOC, 0x25, struct vmm_msr)
#define VMM_CONTEXT_CREATE	_IOWR(VMM_IOC, 0x26, struct vmm_context)
#define VMM_CONTEXT_DESTROY	_IOW(VMM_IOC, 0x27, struct vmm_context)
#define VMM_XSAVE_GET		_IOW(VMM_IOC, 0x28, struct vmm_xsave)
#define VMM_XSAVE_SET		_IOW(VMM_IOC, 0x29, struct vmm_xsave)
#define VMM_POLICY_SET		_IOW(VMM_IOC, 0x2a, struct vmm_policy)
/* Returns a vCPU descriptor, close-on-exec. */
#define VMM_VCPU_CREATE		_IOW(VMM_IOC, 0x2b, struct vmm_vcpu_create)

/* ---- a vCPU ------------------------------------------------------------- */

/*
 * mmap(2) of a vCPU descriptor, shared: offset 0 the page below (read and
 * write), offset page_size its counters (read only).
 *
 * All of regs is taken by every VMM_RUN and stored at its end; the other
 * groups are taken when commit says so.  While VMM_RUN goes on, storing to
 * regs changes the guest's registers at no particular moment, and nothing
 * else.
 */
struct vmm_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base;
};
VMM_ASSERT(sizeof(struct vmm_regs) == 160);

#define VMM_SET_SPACE	1u	/* cr3: root of the guest's page table; drops
				 * old translations, as to load CR3 does */
#define VMM_SET_CONTEXT	2u	/* context */
#define VMM_SET_DEBUG	4u	/* dr[], dr7 */
#define VMM_SET_FLUSH	8u	/* the page table allows less than before */
#define VMM_SET_KEEP	16u	/* with SPACE: drop nothing, the page table
				 * allows no less than when this vCPU ran with
				 * it last (or never has) */

#define VMM_WANT_INSN	1u	/* exit.insn with every exception but #PF */

enum vmm_exit_kind {
	VMM_EXIT_NONE = 0,
	VMM_EXIT_SYSCALL = 1,	/* RIP after it, RCX and R11 as SYSCALL does */
	VMM_EXIT_SOFTINT = 2,	/* INT n: vector; RIP after it.  Not INT3. */
	VMM_EXIT_EXCEPTION = 3,	/* vector, error_code, address (#PF), dr6
				 * (#DB).  RIP at the instruction, after it for
				 * the traps #DB and #BP */
	VMM_EXIT_MEMORY = 4,	/* gpa, access; detail: ENOENT no memory,
				 * EACCES its prot, EFAULT the owner has
				 * nothing there, EHWPOISON */
	VMM_EXIT_INTERRUPTED = 5, /* detail: VMM_BY_* */
	VMM_EXIT_DEADLINE = 6,	/* of the page */
	VMM_EXIT_FAILED = 7,	/* detail: VMM_FIELD_*; or the processor
				 * refused the state: raw */
	VMM_EXIT_SHUTDOWN = 8,	/* the guest's processor has shut down */
	VMM_EXIT_UNKNOWN = 9	/* raw */
};
#define VMM_BY_KICK	1u
#define VMM_BY_SIGNAL	2u

#define VMM_FIELD_RIP		1u	/* must be canonical */
#define VMM_FIELD_RFLAGS	2u	/* IOPL, VM, VIF, VIP, reserved: 0 */
#define VMM_FIELD_FS_BASE	3u	/* must be canonical */
#define VMM_FIELD_GS_BASE	4u
#define VMM_FIELD_CR3		5u	/* page-aligned, below gpa_limit */
#define VMM_FIELD_CONTEXT	6u	/* none of that number, or in use */
#define VMM_FIELD_DR		7u	/* canonical, below 2^47 */
#define VMM_FIELD_DR7		8u	/* GD and reserved bits */
#define VMM_FIELD_COMMIT	9u	/* unknown bits, KEEP without SPACE */
#define VMM_FIELD_WANTED	10u	/* unknown bits */

#define VMM_VALID_ERROR_CODE	1u
#define VMM_VALID_ADDRESS	2u
#define VMM_VALID_GPA		4u
#define VMM_VALID_DR6		8u
#define VMM_VALID_INSN		16u

struct vmm_exit {
	uint32_t kind;		/* enum vmm_exit_kind */
	uint32_t valid;		/* VMM_VALID_* */
	uint32_t vector;
	uint32_t error_code;	/* as the processor has it */
	uint32_t access;	/* MEMORY: VMM_PROT_*, one */
	uint32_t detail;
	uint64_t address;
	uint64_t gpa;
	uint64_t dr6;		/* B0-B3, BD, BS; 1 for each that is so */
	uint64_t raw;		/* the vendor's exit code */
	uint64_t info[2];	/* EXITINFO1 and 2; exit qualification */
	uint8_t insn[15];	/* bytes at RIP */
	uint8_t insn_bytes;	/* how many could be read */
};
VMM_ASSERT(sizeof(struct vmm_exit) == 88);

struct vmm_vcpu_page {
	struct vmm_regs regs;
	uint32_t commit;	/* in: VMM_SET_*; cleared when taken */
	uint32_t wanted;	/* in: VMM_WANT_*; stays */
	uint64_t context;
	uint64_t cr3;
	uint64_t deadline;	/* CLOCK_MONOTONIC in ns, 0: none; stays */
	uint64_t dr[4];
	uint64_t dr7;
	struct vmm_exit exit;	/* out */
};
VMM_ASSERT(sizeof(struct vmm_vcpu_page) == 320);

/*
 * Raw access to the control structure (VMCB by byte offset, VMCS by field
 * encoding), by allow-list: EPERM for what is not on it, EBUSY while the vCPU
 * runs.  The module parameter raw_unsafe makes the list for writing longer.
 */
#define VMM_RAW_READ	1u
#define VMM_RAW_WRITE	2u
struct vmm_raw {
	uint32_t op;
	uint32_t field;
	uint32_t width;		/* bytes: 1, 2, 4, 8, the field's own */
	uint32_t reserved;
	uint64_t value;
};
VMM_ASSERT(sizeof(struct vmm_raw) == 24);

/*
 * Run until an exit, told by page.exit.
 *   EBUSY   another thread runs it
 *   EPERM   not the process that made the machine
 *   EIO     the machine's process has ended, or virtualisation was taken
 *           away from this processor (reboot)
 *   ENOMEM  no memory for nested page tables
 */
#define VMM_RUN			_IO(VMM_IOC, 0x40)
/* End the run, or the next one, as INTERRUPTED by VMM_BY_KICK.  Any thread,
 * any signal handler; several before that are one. */
#define VMM_KICK		_IO(VMM_IOC, 0x41)
#define VMM_RAW			_IOWR(VMM_IOC, 0x42, struct vmm_raw)

/* ---- every offset ------------------------------------------------------- */

VMM_AT(vmm_fact, name, 0); VMM_AT(vmm_fact, value, 24);
VMM_AT(vmm_info, size, 0); VMM_AT(vmm_info, version, 4);
VMM_AT(vmm_info, caps, 8); VMM_AT(vmm_info, vendor, 16);
VMM_AT(vmm_info, enabled, 24); VMM_AT(vmm_info, usable, 28);
VMM_AT(vmm_info, why, 32); VMM_AT(vmm_info, gpa_limit, 160);
VMM_AT(vmm_info, xcr0, 168); VMM_AT(vmm_info, xsave_size, 176);
VMM_AT(vmm_info, mxcsr_mask, 180); VMM_AT(vmm_info, max_vcpus, 184);
VMM_AT(vmm_info, max_contexts, 188); VMM_AT(vmm_info, max_regions, 192);
VMM_AT(vmm_info, page_size, 196); VMM_AT(vmm_info, live_machines, 200);
VMM_AT(vmm_info, live_vcpus, 208); VMM_AT(vmm_info, live_contexts, 216);
VMM_AT(vmm_info, live_regions, 224); VMM_AT(vmm_info, live_pages, 232);
VMM_AT(vmm_info, facts, 240);
VMM_AT(vmm_enable, enable, 0); VMM_AT(vmm_enable, reserved, 4);
VMM_AT(vmm_list_entry, id, 0); VMM_AT(vmm_list_entry, created_mono_ns, 8);
VMM_AT(vmm_list_entry, memory, 16); VMM_AT(vmm_list_entry, mapped, 24);
VMM_AT(vmm_list_entry, pid, 32); VMM_AT(vmm_list_entry, uid, 36);
VMM_AT(vmm_list_entry, vcpus, 40); VMM_AT(vmm_list_entry, contexts, 44);
VMM_AT(vmm_list_entry, name, 48);
VMM_AT(vmm_list, entries, 0); VMM_AT(vmm_list, capacity, 8);
VMM_AT(vmm_list, count, 12);
VMM_AT(vmm_stats, id, 0); VMM_AT(vmm_stats, flags, 8);
VMM_AT(vmm_stats, reserved, 12);
VMM_AT(vmm_machine_create, name, 0); VMM_AT(vmm_machine_create, max_memory, 32);
VMM_AT(vmm_machine_create, max_vcpus, 40);
VMM_AT(vmm_machine_create, flags, 44); VMM_AT(vmm_machine_create, why, 48);
VMM_AT(vmm_memory, gpa, 0); VMM_AT(vmm_memory, size, 8);
VMM_AT(vmm_memory, uaddr, 16); VMM_AT(vmm_memory, prot, 24);
VMM_AT(vmm_memory, flags, 28);
VMM_AT(vmm_dirty_log, gpa, 0); VMM_AT(vmm_dirty_log, size, 8);
VMM_AT(vmm_dirty_log, bitmap, 16); VMM_AT(vmm_dirty_log, op, 24);
VMM_AT(vmm_dirty_log, reserved, 28);
VMM_AT(vmm_cpuid_entry, leaf, 0); VMM_AT(vmm_cpuid_entry, subleaf, 4);
VMM_AT(vmm_cpuid_entry, flags, 8); VMM_AT(vmm_cpuid_entry, eax, 12);
VMM_AT(vmm_cpuid_entry, ebx, 16); VMM_AT(vmm_cpuid_entry, ecx, 20);
VMM_AT(vmm_cpuid_entry, edx, 24); VMM_AT(vmm_cpuid_entry, reserved, 28);
VMM_AT(vmm_cpuid, entries, 0); VMM_AT(vmm_cpuid, count, 8);
VMM_AT(vmm_cpuid, reserved, 12);
VMM_AT(vmm_msr, index, 0); VMM_AT(vmm_msr, reserved, 4);
VMM_AT(vmm_msr, value, 8);
VMM_AT(vmm_context, context, 0); VMM_AT(vmm_context, reserved, 4);
VMM_AT(vmm_xsave, buf, 0); VMM_AT(vmm_xsave, size, 8);
VMM_AT(vmm_xsave, context, 12);
VMM_AT(vmm_policy, context, 0); VMM_AT(vmm_policy, reserved, 4);
VMM_AT(vmm_policy, vector, 8);
VMM_AT(vmm_vcpu_create, index, 0); VMM_AT(vmm_vcpu_create, flags, 4);
VMM_AT(vmm_regs, rax, 0); VMM_AT(vmm_regs, rbx, 8); VMM_AT(vmm_regs, rcx, 16);
VMM_AT(vmm_regs, rdx, 24); VMM_AT(vmm_regs, rsi, 32); VMM_AT(vmm_regs, rdi, 40);
VMM_AT(vmm_regs, rbp, 48); VMM_AT(vmm_regs, rsp, 56); VMM_AT(vmm_regs, r8, 64);
VMM_AT(vmm_regs, r9, 72); VMM_AT(vmm_regs, r10, 80); VMM_AT(vmm_regs, r11, 88);
VMM_AT(vmm_regs, r12, 96); VMM_AT(vmm_regs, r13, 104);
VMM_AT(vmm_regs, r14, 112); VMM_AT(vmm_regs, r15, 120);
VMM_AT(vmm_regs, rip, 128); VMM_AT(vmm_regs, rflags, 136);
VMM_AT(vmm_regs, fs_base, 144); VMM_AT(vmm_regs, gs_base, 152);
VMM_AT(vmm_exit, kind, 0); VMM_AT(vmm_exit, valid, 4);
VMM_AT(vmm_exit, vector, 8); VMM_AT(vmm_exit, error_code, 12);
VMM_AT(vmm_exit, access, 16); VMM_AT(vmm_exit, detail, 20);
VMM_AT(vmm_exit, address, 24); VMM_AT(vmm_exit, gpa, 32);
VMM_AT(vmm_exit, dr6, 40); VMM_AT(vmm_exit, raw, 48);
VMM_AT(vmm_exit, info, 56); VMM_AT(vmm_exit, insn, 72);
VMM_AT(vmm_exit, insn_bytes, 87);
VMM_AT(vmm_vcpu_page, regs, 0); VMM_AT(vmm_vcpu_page, commit, 160);
VMM_AT(vmm_vcpu_page, wanted, 164); VMM_AT(vmm_vcpu_page, context, 168);
VMM_AT(vmm_vcpu_page, cr3, 176); VMM_AT(vmm_vcpu_page, deadline, 184);
VMM_AT(vmm_vcpu_page, dr, 192); VMM_AT(vmm_vcpu_page, dr7, 224);
VMM_AT(vmm_vcpu_page, exit, 232);
VMM_AT(vmm_raw, op, 0); VMM_AT(vmm_raw, field, 4); VMM_AT(vmm_raw, width, 8);
VMM_AT(vmm_raw, reserved, 12); VMM_AT(vmm_raw, value, 16);

#endif
