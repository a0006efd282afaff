/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmmctl.h - guest-user contexts on hardware or software isolation.
 *
 * A *machine* is one guest-physical memory.  A *space* maps guest-virtual
 * to guest-physical addresses.  A *context* is the register file of one
 * guest-user thread.  A *vCPU* runs contexts; every system call, exception
 * and fault of the guest user comes back as a typed *exit*.  The contract
 * is the same on every backend: see vmmctl(3).
 *
 * Conventions
 *   Results      >= 0 is the result, < 0 is -errno.  The library never sets
 *                errno, prints, exits, aborts or leaves a signal handler.
 *   Sentences    vmmctl_error() tells in words why the last call failed.
 *   Ownership    every _create has a _destroy that accepts NULL.  Destroying
 *                a machine destroys what was created in it.
 *   Threads      any thread may call anything, with these exceptions: one
 *                vCPU is run by one thread at a time, one context is run by
 *                one vCPU at a time, and nothing may be destroyed while
 *                another thread uses it.  vmmctl_vcpu_kick() may be called
 *                from any thread and from a signal handler.
 *   fork         handles belong to the process that made them.  In a forked
 *                child every call returns -ECHILD.
 *   Addresses    guest-virtual (gva) and guest-physical (gpa) addresses and
 *                lengths are bytes; map calls want them page-aligned.
 */
#ifndef VMMCTL_H
#define VMMCTL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define VMMCTL_API_VERSION	1
#define VMMCTL_PAGE_SIZE	4096u

struct vmmctl;
struct vmmctl_machine;
struct vmmctl_space;
struct vmmctl_context;
struct vmmctl_vcpu;

/* Permissions of a mapping, and the kind of an access (then exactly one). */
#define VMMCTL_PROT_NONE	0u
#define VMMCTL_PROT_READ	1u
#define VMMCTL_PROT_WRITE	2u	/* implies read, as on the processor */
#define VMMCTL_PROT_EXEC	4u	/* implies read, as on the processor */
#define VMMCTL_PROT_RW		(VMMCTL_PROT_READ | VMMCTL_PROT_WRITE)
#define VMMCTL_PROT_RX		(VMMCTL_PROT_READ | VMMCTL_PROT_EXEC)
#define VMMCTL_PROT_RWX		(VMMCTL_PROT_RW | VMMCTL_PROT_EXEC)

/* ---- opening a backend ------------------------------------------------ */

struct vmmctl_config {
	uint32_t size;		/* sizeof(struct vmmctl_config) */
	uint32_t flags;		/* must be 0 */
	const char *backend;	/* "vmm", "kvm", "proc", with ":option", or
				 * "best"; NULL: $VMMCTL_BACKEND, else best */
	/* Where the library's own objects live; NULL: malloc and free. */
	void *(*alloc)(void *cookie, size_t size);
	void (*free)(void *cookie, void *p);
	void *cookie;
	/* Receives the reason when open fails; may be NULL. */
	char *why;
	size_t why_size;
};

/*
 * Open the backend called name (NULL: the best that works, in the order vmm,
 * kvm, proc; the environment variable VMMCTL_BACKEND overrides).  "proc:ptrace"
 * forces the slow way of proc, which needs no seccomp filter.
 * why (may be NULL) receives a sentence that says what is missing and how to
 * get it when the call fails.
 *   -EINVAL        no such backend or option
 *   -ENOENT        the device, or what the backend needs of the host, is absent
 *   -EACCES        no permission: the sentence names the group
 *   -EBUSY         another hypervisor holds the hardware
 *   -ENOTSUP       the processor or the kernel lacks something required
 *   -ENOMEM
 *   -EAGAIN        no process can be made to find out
 */
int vmmctl_open(const char *name, struct vmmctl **out, char *why,
    size_t why_size);
int vmmctl_open_config(const struct vmmctl_config *config,
    struct vmmctl **out);
/* Destroys every machine of the handle. */
void vmmctl_close(struct vmmctl *v);

/*
 * The sentence of the last call that failed on this handle or on anything
 * made from it, by any thread.  Copies at most size bytes, NUL included, and
 * returns the length of the whole sentence.
 */
size_t vmmctl_error(const struct vmmctl *v, char *buf, size_t size);

/* Capabilities: what the backend in use can do. */
#define VMMCTL_CAP_CPUID_POLICY	(1ull << 0) /* CPUID follows the machine */
#define VMMCTL_CAP_DEBUG_REGS	(1ull << 1) /* hardware break/watchpoints */
#define VMMCTL_CAP_VSYSCALL	(1ull << 2) /* RAX survives a fetch from the
					     * host's vsyscall page */
#define VMMCTL_CAP_COMPAT_TRAP	(1ull << 3) /* far transfers to 32-bit code
					     * fault at once */
#define VMMCTL_CAP_FSGSBASE	(1ull << 4) /* guest may use WRFSBASE */
#define VMMCTL_CAP_SELECTORS	(1ull << 5) /* only selectors 0x2b, 0x33, 0
					     * exist in the guest */
#define VMMCTL_CAP_HIDDEN	(1ull << 6) /* nothing of the backend is
					     * readable at any guest address */
#define VMMCTL_CAP_EXACT	(1ull << 7) /* every exit is the contract's to
					     * the bit; without it the host's
					     * emulator gets rare ones wrong */
#define VMMCTL_CAP_INT80	(1ull << 8) /* RAX survives int 0x80 whole; a
					     * host with 32-bit entry keeps its
					     * low half */

struct vmmctl_info {
	uint32_t size;		/* sizeof, as the library knows it */
	uint32_t api_version;
	char backend[16];	/* "proc", "kvm", "vmm" */
	char variant[32];	/* "seccomp", "ptrace", "svm", "vmx", ... */
	uint64_t caps;		/* VMMCTL_CAP_* */
	uint64_t gva_limit;	/* first guest-virtual address that cannot be
				 * mapped */
	uint64_t gpa_limit;	/* the same, guest-physical */
	uint64_t xsave_mask;	/* XCR0 components of a context */
	uint32_t xsave_size;	/* bytes of a context's XSAVE area, standard
				 * (non-compacted) format */
	uint32_t max_vcpus;	/* per machine */
	uint64_t exit_ns;	/* rough cost of one exit as probed at open, 0
				 * when it was not measured */
	char reason[256];	/* why this backend and not a better one */
	uint64_t gva_base;	/* lowest guest-virtual address that can be
				 * mapped */
};

/* Fills at most size bytes of *info.  Never fails on a valid handle. */
int vmmctl_info(const struct vmmctl *v, struct vmmctl_info *info, size_t size);

/* The library's version, "1.2.3"; static storage. */
const char *vmmctl_version(void);

/* ---- machines --------------------------------------------------------- */

/* One CPUID leaf of a machine's policy. */
struct vmmctl_cpuid {
	uint32_t leaf;
	uint32_t subleaf;	/* used when flags has SUBLEAF */
	uint32_t flags;
#define VMMCTL_CPUID_SUBLEAF	1u
	uint32_t eax, ebx, ecx, edx;
};

/*
 * A run that a signal of the host is to end is ended by a kick, which the
 * signal's handler makes: a signal that does not kick need not end one.  A
 * backend may ignore it; proc saves a tenth of the exit, on Linux 6.11 and
 * later, in a process that has one thread.
 */
#define VMMCTL_MACHINE_KICKS_ONLY	1u

struct vmmctl_machine_config {
	uint32_t size;		/* sizeof(struct vmmctl_machine_config) */
	uint32_t flags;		/* VMMCTL_MACHINE_* */
	char name[32];		/* for people; NUL-terminated; may be empty */
	uint32_t max_vcpus;	/* 0: the backend's limit */
	uint32_t max_spaces;	/* 0: no limit */
	uint64_t max_memory;	/* bytes of guest-physical memory; 0: no limit */
	/* Leaves that differ from the host's.  -ENOTSUP without
	 * VMMCTL_CAP_CPUID_POLICY.  Copied. */
	const struct vmmctl_cpuid *cpuid;
	uint32_t cpuid_count;
	uint32_t reserved;	/* must be 0 */
	/*
	 * System calls, by number (bit n % 64 of word n / 64), whose exits may
	 * be *brief*: the caller promises to be content with the registers
	 * that pass their arguments.  A backend may ignore it; proc saves a
	 * third of the exit.  See vmmctl_context_fetch().  Copied.
	 * (On proc, with any such call, number 336 of the guest is answered by
	 * hosts since Linux 6.18, with an error and without effect.)
	 */
	const uint64_t *brief;
	uint32_t brief_words;	/* at most VMMCTL_BRIEF_WORDS */
	uint32_t reserved2;	/* must be 0 */
};
#define VMMCTL_BRIEF_WORDS	8u

/*
 * config may be NULL.  -EINVAL -ENOTSUP -ENOMEM -EMFILE; backend vmm: -EBUSY,
 * the hardware has been taken since, -EDQUOT, the user has as many machines
 * as one may have.
 */
int vmmctl_machine_create(struct vmmctl *v,
    const struct vmmctl_machine_config *config, struct vmmctl_machine **out);
void vmmctl_machine_destroy(struct vmmctl_machine *m);

/* ---- memory ----------------------------------------------------------- */

/*
 * Back [gpa, gpa + len) with len bytes of fd from offset.  fd must be a
 * memfd or a file that can be mapped shared; it is duplicated, the caller may
 * close it.  prot limits every space; it needs PROT_READ.
 *   -EINVAL  unaligned, empty, wraps, beyond gpa_limit, or overlaps
 *   -ENOMEM  over the machine's max_memory
 *   -EACCES  fd is not open for what prot asks
 *   -EBADF   fd is not open
 */
int vmmctl_memory_map(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    int fd, uint64_t offset, uint32_t prot);
/*
 * The same, backed by the caller's own pages at host.  They must stay mapped
 * until the range is unmapped.  On the proc backend they are first moved into
 * a memfd that is mapped in their place (same address, same contents, now
 * shared with forked children): nothing else may touch them during the call,
 * and other mappings of the same memory no longer see it; for what is shared,
 * map its descriptor.
 *   -EFAULT  not all of that is mapped
 */
int vmmctl_memory_map_host(struct vmmctl_machine *m, uint64_t gpa,
    uint64_t len, void *host, uint32_t prot);
/* -ENOENT when a part of the range has no memory; then nothing changes. */
int vmmctl_memory_unmap(struct vmmctl_machine *m, uint64_t gpa, uint64_t len);
int vmmctl_memory_protect(struct vmmctl_machine *m, uint64_t gpa,
    uint64_t len, uint32_t prot);
/*
 * Physical copy-in and copy-out.  Return the bytes copied, which is less than
 * len when memory ends on the way; -EFAULT when not one byte could be copied.
 * prot does not apply: this is the owner's access; but nothing is written
 * through a descriptor that is open for reading only.
 */
int64_t vmmctl_memory_read(struct vmmctl_machine *m, uint64_t gpa, void *buf,
    size_t len);
int64_t vmmctl_memory_write(struct vmmctl_machine *m, uint64_t gpa,
    const void *buf, size_t len);

/* ---- spaces ----------------------------------------------------------- */

enum vmmctl_space_op_kind {
	VMMCTL_SPACE_MAP = 1,	/* gva, len, gpa, prot; replaces what was there */
	VMMCTL_SPACE_UNMAP = 2,	/* gva, len; holes are fine */
	VMMCTL_SPACE_PROTECT = 3 /* gva, len, prot; holes are skipped */
};

struct vmmctl_space_op {
	uint32_t kind;
	uint32_t prot;
	uint64_t gva;
	uint64_t len;
	uint64_t gpa;
};

int vmmctl_space_create(struct vmmctl_machine *m, struct vmmctl_space **out);
/* -EBUSY while a context is bound to it; NULL is fine. */
int vmmctl_space_destroy(struct vmmctl_space *s);
/*
 * Apply n changes in order.  All are checked first: on -EINVAL nothing was
 * changed.  Changes cost no exit and no system call until the space runs
 * next; when another vCPU is running the space at that moment, it has been
 * interrupted and sees the change by the time the call returns.
 *   -EINVAL  unaligned, empty, wraps, mapped below gva_base, beyond gva_limit
 *            or gpa_limit, unknown kind or prot bits
 *   -ENOMEM  for page tables; *done (may be NULL) tells how many were applied
 */
int vmmctl_space_change(struct vmmctl_space *s,
    const struct vmmctl_space_op *ops, size_t n, size_t *done);
int vmmctl_space_map(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint64_t gpa, uint32_t prot);
int vmmctl_space_unmap(struct vmmctl_space *s, uint64_t gva, uint64_t len);
int vmmctl_space_protect(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    uint32_t prot);

struct vmmctl_walk {
	uint64_t gpa;		/* of the address itself, not of its page */
	uint64_t len;		/* bytes from gva to the end of the leaf */
	uint32_t prot;		/* of the space's mapping */
	uint32_t memory;	/* 1: the machine has memory there */
};
/* -ENOENT when gva is not mapped. */
int vmmctl_space_walk(struct vmmctl_space *s, uint64_t gva,
    struct vmmctl_walk *out);

/* Why a copy stopped early. */
struct vmmctl_fault {
	uint64_t gva;		/* first address that could not be accessed */
	uint64_t gpa;		/* when present */
	uint32_t access;	/* VMMCTL_PROT_READ or _WRITE */
	uint32_t present;	/* 1: mapped, but not for this access, or no
				 * memory behind it */
};

/*
 * Access by guest-virtual address with the guest user's rights: U, W and the
 * memory's own prot are honoured.  They return the bytes done; when that is
 * less than asked, *fault (may be NULL) says where and why.  -EFAULT when not
 * one byte was done.
 */
int64_t vmmctl_space_copyin(struct vmmctl_space *s, uint64_t gva, void *buf,
    size_t len, struct vmmctl_fault *fault);
int64_t vmmctl_space_copyout(struct vmmctl_space *s, uint64_t gva,
    const void *buf, size_t len, struct vmmctl_fault *fault);
/* Length without the NUL; -ENAMETOOLONG when size bytes hold no NUL. */
int64_t vmmctl_space_copyinstr(struct vmmctl_space *s, uint64_t gva, char *buf,
    size_t size, struct vmmctl_fault *fault);
/*
 * Atomic compare-and-swap of width 1, 2, 4 or 8 bytes at a naturally aligned
 * gva.  1: swapped; 0: not, and *expected is what is there.
 */
int vmmctl_space_cas(struct vmmctl_space *s, uint64_t gva, unsigned width,
    uint64_t *expected, uint64_t desired, struct vmmctl_fault *fault);

/* ---- contexts --------------------------------------------------------- */

struct vmmctl_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base;
};

/* Starts zeroed: RFLAGS 0x202, XSAVE state as after reset. */
int vmmctl_context_create(struct vmmctl_space *s, struct vmmctl_context **out);
void vmmctl_context_destroy(struct vmmctl_context *c);
/*
 * The general registers: plain loads and stores while the context does not
 * run.  Valid until the context is destroyed.
 */
struct vmmctl_regs *vmmctl_context_regs(struct vmmctl_context *c);
/*
 * After a brief exit only RAX (the number, 32 bits), RDI, RSI, RDX, R10, R8,
 * R9, RCX and RIP are the guest's; the other registers show what they were at
 * an earlier exit.  This brings them, at about the price of the exit saved;
 * after any other exit it does nothing.  What the caller has stored since the
 * exit stays; call it before storing to one of the others.  Otherwise it need
 * not be called: the next run keeps the guest's own values of all that the
 * caller did not change.  To change only RAX before the next run is what brief
 * exits are for.  -EIO: the guest is gone.
 */
int vmmctl_context_fetch(struct vmmctl_context *c);
/*
 * The extended state in the standard XSAVE format, info.xsave_size bytes.  A
 * shorter buffer (at least 576) gets, or sets, the components that fit in it
 * whole; the others stay as they are.
 *   -EINVAL  size, or a header or MXCSR bit that the processor would refuse
 */
int vmmctl_context_get_xsave(struct vmmctl_context *c, void *buf, size_t size);
int vmmctl_context_set_xsave(struct vmmctl_context *c, const void *buf,
    size_t size);
/* Bind to another space of the same machine. */
int vmmctl_context_set_space(struct vmmctl_context *c, struct vmmctl_space *s);
/* step != 0: every run ends with DEBUG after one instruction. */
int vmmctl_context_set_step(struct vmmctl_context *c, int step);

/* What happens on each of the 32 exception vectors. */
enum vmmctl_policy {
	VMMCTL_POLICY_EXIT = 0,	/* run returns; the default */
	VMMCTL_POLICY_COUNT = 1, /* counted, and the guest goes on: the traps
				 * #DB and #BP only */
	VMMCTL_POLICY_REFLECT = 2, /* the guest's own handler runs, see below */
	VMMCTL_POLICY_KILL = 3	/* run returns the exit; the context is dead:
				 * later runs return -ESRCH */
};
int vmmctl_context_set_policy(struct vmmctl_context *c, unsigned vector,
    enum vmmctl_policy policy);
/*
 * The handler for reflected exceptions.  It is entered with RSP = sp (0: the
 * current RSP less the red zone, aligned), where it finds struct
 * vmmctl_frame; it goes on by restoring the registers itself.  When the frame
 * cannot be stored the exception exits instead.
 */
struct vmmctl_frame {
	uint64_t vector, error_code, cr2;
	uint64_t rip, rflags, rsp;
};
int vmmctl_context_set_handler(struct vmmctl_context *c, uint64_t rip,
    uint64_t sp);

/* Hardware breakpoints, as DR0-DR3 and DR7.  -ENOTSUP without DEBUG_REGS. */
struct vmmctl_debug_regs {
	uint64_t addr[4];
	uint64_t dr7;
};
int vmmctl_context_set_debug_regs(struct vmmctl_context *c,
    const struct vmmctl_debug_regs *d);

/* ---- vCPUs ------------------------------------------------------------ */

enum vmmctl_exit_kind {
	VMMCTL_EXIT_NONE = 0,
	VMMCTL_EXIT_SYSCALL = 1,	/* RIP after, RCX = RIP, R11 = RFLAGS */
	VMMCTL_EXIT_SOFTINT = 2,	/* int n: vector; RIP after it */
	VMMCTL_EXIT_BREAKPOINT = 3,	/* int3; RIP after it */
	VMMCTL_EXIT_FAULT = 4,	/* addr, access, present, error_code */
	VMMCTL_EXIT_EXCEPTION = 5,	/* vector, error_code */
	VMMCTL_EXIT_DEBUG = 6,	/* dr6 */
	VMMCTL_EXIT_NOMEM = 7,	/* addr, gpa, access */
	VMMCTL_EXIT_KICKED = 8,	/* another thread's kick, or a host signal */
	VMMCTL_EXIT_BUDGET = 9,	/* budget: which one ran out */
	VMMCTL_EXIT_FAILED = 10	/* field, value, rule, section */
};

#define VMMCTL_BUDGET_TIME	1u
#define VMMCTL_BUDGET_EXITS	2u

#define VMMCTL_DR6_BS	0x4000u	/* single step */

struct vmmctl_exit {
	uint32_t kind;		/* enum vmmctl_exit_kind */
	uint32_t vector;	/* SOFTINT, EXCEPTION; else the vector that the
				 * processor raised, 0 for SYSCALL */
	uint32_t error_code;	/* as the processor pushes it; 0 if none */
	uint32_t access;	/* FAULT, NOMEM: VMMCTL_PROT_READ, _WRITE or
				 * _EXEC */
	uint32_t present;	/* FAULT: the address is mapped in the space */
	uint32_t budget;	/* BUDGET: VMMCTL_BUDGET_* */
	uint32_t brief;		/* SYSCALL: 1: see vmmctl_context_fetch() */
	uint32_t reserved;	/* 0 */
	uint64_t addr;		/* FAULT, NOMEM: guest-virtual address */
	uint64_t gpa;		/* NOMEM */
	uint64_t dr6;		/* DEBUG: VMMCTL_DR6_BS, bits 0-3 for DR0-3 */
	/* FAILED; static strings */
	const char *field;	/* the state that was refused: "RIP" */
	uint64_t value;
	const char *rule;	/* "must be canonical" */
	const char *section;	/* "SDM vol. 3C 26.3.1.4" */
};

/* -ENOSPC over max_vcpus, -ENOMEM, -EMFILE */
int vmmctl_vcpu_create(struct vmmctl_machine *m, struct vmmctl_vcpu **out);
void vmmctl_vcpu_destroy(struct vmmctl_vcpu *v);
/*
 * Run c until an exit; 0 and *exit filled.  A signal that the thread takes
 * ends the run as KICKED (see VMMCTL_MACHINE_KICKS_ONLY).  Nothing is lost on
 * KICKED and BUDGET: running again continues exactly there.
 *   -ECHILD  the machine belongs to another process (this is a forked child)
 *   -ESRCH   the context was killed by its policy
 *   -EBUSY   the vCPU or the context is running already
 *   -EINVAL  the context is of another machine
 *   -ENOMEM  the host has no memory for the run
 *   -EAGAIN  the host has no process or thread to give
 *   -EMFILE  nor a descriptor
 *   -EIO     the guest user's process is gone, or the host goes down
 *   -EPERM   the host forbids ptrace (proc:ptrace)
 */
int vmmctl_vcpu_run(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct vmmctl_exit *exit);
/*
 * End the vCPU's run, or the next one if it does not run now, as KICKED.
 * Kicks before an exit that has not been returned yet are one kick.
 * Async-signal-safe.
 */
void vmmctl_vcpu_kick(struct vmmctl_vcpu *v);
/*
 * From now on the vCPU may spend ns nanoseconds in guests and take exits exits;
 * 0: no limit.  When one is used up run returns BUDGET until it is set anew.
 */
int vmmctl_vcpu_set_budget(struct vmmctl_vcpu *v, uint64_t ns,
    uint64_t exits);

/* ---- counters --------------------------------------------------------- */

/*
 * The machine's counter page, a memfd in the format of vmmctl_counters.h: the
 * caller may map it read-only or hand it on.  The descriptor belongs to the
 * machine.  vmmstat(1) finds it by itself.
 */
int vmmctl_machine_counters(struct vmmctl_machine *m);
/*
 * One counter by name, summed over the machine; for histograms the number of
 * values.  -ENOENT when there is no counter of that name.
 */
int vmmctl_machine_counter(struct vmmctl_machine *m, const char *name,
    uint64_t *value);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
