/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - the objects behind the handles, and what a backend implements.
 * The core validates, decides and counts; a backend only moves guest users in
 * and out of the processor and hands over raw events.
 *
 * Guards: [I] set at creation, [m] machine lock, [a] atomic, [r] the thread
 * that runs the vCPU.  Lock order: handle lock, machine lock.  The machine
 * lock is never held while a guest runs.
 */
#ifndef VMMCTL_INTERNAL_H
#define VMMCTL_INTERNAL_H

#include "vmmctl.h"
#include "vmmctl_counters.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <threads.h>

#include "list.h"

#define likely(e)	__builtin_expect((e) != 0, 1)
#define unlikely(e)	__builtin_expect((e) != 0, 0)

#define PAGE_SHIFT	12
#define PAGE_MASK	(VMMCTL_PAGE_SIZE - 1ull)

#define RFLAGS_TF	(1ull << 8)
#define RFLAGS_IF	(1ull << 9)
#define RFLAGS_NT	(1ull << 14)
#define RFLAGS_RF	(1ull << 16)
#define RFLAGS_ID	(1ull << 21)
#define RFLAGS_FIXED	0x2ull
/* CF PF AF ZF SF TF IF DF OF NT RF AC ID: what ring 3 may have. */
#define RFLAGS_USER	(0x254dd5ull | RFLAGS_TF | RFLAGS_IF)

enum {
	VEC_DE = 0, VEC_DB = 1, VEC_BP = 3, VEC_OF = 4, VEC_UD = 6,
	VEC_SS = 12, VEC_GP = 13, VEC_PF = 14, VEC_MF = 16, VEC_AC = 17,
	VEC_XM = 19
};

#define PF_PRESENT	(1u << 0)
#define PF_WRITE	(1u << 1)
#define PF_USER		(1u << 2)
#define PF_FETCH	(1u << 4)
#define PF_KEY		(1u << 5)	/* PKRU, which is the guest's own */

/* ---- what a backend reports ------------------------------------------- */

enum event_type {
	EVENT_SYSCALL,		/* c->regs as the contract has them */
	EVENT_VECTOR,		/* vector, error_code, cr2, dr6; RIP as the
				 * processor left it */
	EVENT_SOFTINT,		/* vector; RIP after it */
	EVENT_KICK,		/* kick() arrived, or a stale one */
	EVENT_SIGNAL,		/* the thread took a signal */
	EVENT_TIMEOUT,		/* the deadline passed */
	EVENT_REFUSED,		/* c->regs, in a way that the core can tell */
	EVENT_LACKS,		/* gpa: mapped, but the owner of the machine's
				 * memory has no page there */
	EVENT_DONE,		/* the core has done what it came for: go on,
				 * c->regs is as the guest has it */
	EVENT_FAILED		/* field, value, rule, section */
};

struct event {
	enum event_type type;
	uint32_t vector;
	uint32_t error_code;
	uint64_t cr2;
	uint64_t dr6;
	uint64_t gpa;
	bool brief;		/* SYSCALL: only the argument registers */
	const char *field;
	uint64_t value;
	const char *rule;
	const char *section;
};

/* Why a backend hears of a changed range of a space. */
enum change {
	CHANGE_ADD,		/* [gva, gva+len) may have become more usable */
	CHANGE_PROTECT,		/* the same pages, other permissions */
	CHANGE_RESTRICT		/* anything may have been removed or limited */
};

/*
 * What enter returns for a SYSCALL that is not brief: *ev says nothing, and
 * RFLAGS has IF and its fixed bit, and no RF.
 */
#define ENTER_SYSCALL	1

struct counter_exit;
struct memory;
struct seat;

struct backend_ops {
	const char *name;
	/* Contexts have seats of their own (context_init), no event is brief,
	 * and enter looks itself whether the processor would refuse c->regs:
	 * EVENT_REFUSED.  Then a run can be short, see run.c. */
	bool simple;
	/* The guest has no descriptor tables: INT n is EVENT_SOFTINT, and the
	 * core does what loads the selectors that exist, 0x2b and 0x33, see
	 * selector.c. */
	bool bare;

	/*
	 * Can it be used?  Fills v->info (all but size, api_version, backend)
	 * and v->backend_data.  option is what followed the colon, or "".
	 * On failure says why with vmmctl_fail().
	 */
	int (*open)(struct vmmctl *v, const char *option);
	void (*close)(struct vmmctl *v);

	int (*machine_init)(struct vmmctl_machine *m);
	void (*machine_fini)(struct vmmctl_machine *m);
	/* A range is about to be added, or has been removed (its mappings
	 * have been withdrawn from every space before). [m] */
	int (*memory_add)(struct vmmctl_machine *m, struct memory *r);
	void (*memory_remove)(struct vmmctl_machine *m, struct memory *r);

	int (*space_init)(struct vmmctl_space *s);
	void (*space_fini)(struct vmmctl_space *s);
	/*
	 * The page table has changed in this range; the leaves say how (see
	 * pt.h).  The change must hold when the next vCPU enters; none is
	 * inside the guest with this space now.  Only CHANGE_ADD may find vCPUs inside, and may be deferred: a fault on a
	 * mapped page comes back as another CHANGE_ADD.  [m]
	 */
	void (*space_changed)(struct vmmctl_space *s, uint64_t gva,
	    uint64_t len, enum change change);

	/* A page-table page goes back to the pool; may be NULL.  [m] */
	void (*table_freed)(struct vmmctl_machine *m, uint64_t gpa);

	/*
	 * Registers other than c->regs live where a context last ran, its
	 * seat.  seat() makes the place where v runs c and returns it in
	 * *out; xsave_load and xsave_save move the whole standard-format
	 * area between a seat and a buffer of v->info.xsave_size bytes.
	 * While nobody runs the seat.
	 * Or context_init gives each context a seat of its own, in its initial
	 * state, which context_fini takes away; then there is no seat().
	 * NULL for a backend that has none. [m]
	 */
	int (*context_init)(struct vmmctl_context *c);
	void (*context_fini)(struct vmmctl_context *c);
	int (*seat)(struct vmmctl_vcpu *v, struct vmmctl_context *c,
	    struct seat **out);
	int (*xsave_load)(struct seat *seat, const void *buf);
	int (*xsave_save)(struct seat *seat, void *buf);
	/* After a brief event: all registers of the seat's guest.  NULL for a
	 * backend that has none. */
	int (*fetch)(struct seat *seat, struct vmmctl_regs *all);

	int (*vcpu_init)(struct vmmctl_vcpu *v);
	void (*vcpu_fini)(struct vmmctl_vcpu *v);
	/*
	 * Run c on v (c->seat is set up) from c->regs until an event;
	 * c->regs is the state then.  deadline is of os_mono_ns(), 0 for
	 * none.  0 and all of *ev, or ENTER_SYSCALL, or -errno; after -errno
	 * c->regs is unchanged.  errno is as it was.
	 */
	int (*enter)(struct vmmctl_vcpu *v, struct vmmctl_context *c,
	    uint64_t deadline, struct event *ev);
	/*
	 * Make enter return soon with EVENT_KICK; called from anywhere,
	 * signal handlers included, possibly just before the guest is
	 * entered or just after it was left.  May be heard late or twice.
	 */
	void (*kick)(struct vmmctl_vcpu *v);
	/* May be NULL: no hardware breakpoints. c->debug has been checked. */
	int (*debug_regs)(struct vmmctl_context *c);
};

extern const struct backend_ops backend_proc;
extern const struct backend_ops backend_kvm;
extern const struct backend_ops backend_vmm;

/* ---- objects ----------------------------------------------------------- */

struct vmmctl {
	const struct backend_ops *ops;		/* [I] */
	void *backend_data;			/* [I] */
	struct vmmctl_info info;		/* [I] */
	struct {
		uint32_t at, len;
	} xsave[64];				/* [I] components' places */
	void *(*alloc)(void *cookie, size_t size);	/* [I] */
	void (*free)(void *cookie, void *p);	/* [I] */
	void *cookie;				/* [I] */
	_Atomic uint32_t *guard;		/* [I] zero in a forked child */
	mtx_t lock;
	struct list machines;			/* [lock] */
	char why[512];				/* [lock] */
};

/* Where a range's bytes are; shared by ranges that were split. */
struct backing {
	uint32_t refs;		/* [m] */
	int fd;			/* [I] -1: the caller's own pages */
	uint64_t offset;	/* [I] of hva in fd */
	uint64_t len;		/* [I] */
	uint8_t *hva;		/* [I] mapped here in the owner */
	bool owned;		/* [I] hva was mapped by the library */
	bool writable;		/* [I] hva is */
	uint32_t index;		/* [m] for the backend's use */
};

/* A range of guest-physical memory. */
struct memory {
	uint64_t gpa, len;	/* [m] */
	uint32_t prot;		/* [m] */
	uint64_t start;		/* [m] offset of gpa into the backing */
	struct backing *b;	/* [I] */
	uint32_t slot;		/* [m] for the backend's use */
};

static inline uint8_t *memory_hva(const struct memory *r, uint64_t gpa)
{
	return r->b->hva + r->start + (gpa - r->gpa);
}

/* Page-table pages: one run of host pages, also a range of guest-physical
 * addresses above gpa_limit for backends whose hardware walks them. */
struct pt_pool {
	uint8_t *hva;		/* [I] */
	uint64_t gpa;		/* [I] set by machine_init; 0 if unused */
	uint64_t size;		/* [I] bytes reserved */
	uint64_t used;		/* [m] bytes handed out from the start */
	uint64_t free;		/* [m] list through the pages: hva, or 0 */
};

struct vmmctl_machine {
	struct vmmctl *v;		/* [I] */
	struct link link;		/* [v->lock] */
	void *backend_data;		/* [I] */
	mtx_t lock;
	uint32_t max_vcpus, max_spaces;	/* [I] */
	uint64_t max_memory;		/* [I] */
	struct vmmctl_cpuid *cpuid;	/* [I] */
	uint32_t cpuid_count;		/* [I] */
	uint64_t brief[VMMCTL_BRIEF_WORDS];	/* [I] */
	bool any_brief;			/* [I] */
	bool kicks_only;		/* [I] signals alone end no run */
	struct memory *mem;		/* [m] sorted by gpa */
	uint32_t nmem, capmem;		/* [m] */
	uint64_t memory_size;		/* [m] bytes mapped */
	struct pt_pool pool;		/* [m] */
	struct list spaces;		/* [m] */
	struct list vcpus;		/* [m] */
	struct list contexts;		/* [m] */
	uint32_t nspaces;		/* [m] */
	uint64_t changes;		/* [m] of memory and of spaces */
	struct counters *counters;	/* [I] */
};

struct vmmctl_space {
	struct vmmctl_machine *m;	/* [I] */
	struct link link;		/* [m] */
	void *backend_data;		/* [I] */
	uint64_t *root;			/* [I] top page-table page */
	uint64_t root_gpa;		/* [I] */
	uint32_t contexts;		/* [m] bound here */
	_Atomic uint32_t parked;	/* [a] >0: nobody may enter */
};

/* Where a context's state is loaded; part of a backend's own structure. */
struct seat {
	struct vmmctl_vcpu *vcpu;	/* [I] NULL: the context's own, which
					 * every vCPU may use */
	struct vmmctl_context *owner;	/* [m] whose state is loaded */
	_Atomic bool dead;		/* [a] a context must look for another */
};

struct vmmctl_context {
	struct vmmctl_machine *m;	/* [I] */
	struct link link;		/* [m] */
	struct vmmctl_space *space;	/* [r] */
	struct vmmctl_regs regs;	/* [r] */
	struct vmmctl_regs shown;	/* [r] regs when brief became true */
	union {
		struct {		/* [r] */
			bool brief;	/* regs are not all the guest's */
			bool lost;	/* nor will they ever be */
			bool step;
			bool dead;	/* killed by policy */
		};
		uint32_t special;	/* any of them: no short run */
	};
	struct seat *seat;		/* [m] where xsave is; NULL: in xsave */
	uint8_t *xsave;			/* [r] info.xsave_size bytes */
	uint8_t policy[32];		/* [r] enum vmmctl_policy */
	uint64_t handler, handler_sp;	/* [r] */
	struct vmmctl_debug_regs debug;	/* [r] */
	_Atomic uint32_t busy;		/* [a] */
	uint64_t fill_addr, fill_rip;	/* [r] last fault on a mapped page */
	uint64_t fill_changes;		/* [r] m->changes then */
	uint32_t fills;			/* [r] how often in a row */
	void *backend_data;		/* [I] */
};
_Static_assert(offsetof(struct vmmctl_context, brief) ==
    offsetof(struct vmmctl_context, special) && sizeof(bool) == 1,
    "special is all four");

#define RUN_LONG	(1u << 31)

struct vmmctl_vcpu {
	struct vmmctl_machine *m;	/* [I] */
	const struct backend_ops *ops;	/* [I] m->v's */
	_Atomic uint32_t *guard;	/* [I] m->v's */
	struct link link;		/* [m] */
	void *backend_data;		/* [I] */
	uint32_t index;			/* [I] */
	_Atomic uint32_t busy;		/* [a] run is going on */
	_Atomic uint32_t kicked;	/* [a] sticky */
	_Atomic uint32_t entered;	/* [a] in, or about to enter, the guest */
	/* [a] of the last entry, or of the one going on */
	struct vmmctl_space *_Atomic running;
	uint64_t budget_ns, budget_exits;	/* [r] what is left */
	uint32_t special;		/* [r] VMMCTL_BUDGET_* in force, and
					 * RUN_LONG if ops are not simple: any
					 * of them: no short run */
	struct counter_slot *counters;	/* [r] */
	struct counter_exit *outside;	/* [r] of the last exit's kind; NULL:
					 * its time has been counted */
	uint64_t in, left;		/* [r] ticks of the last entry, exit */
	struct event event;		/* [r] */
};

/* ---- helpers ----------------------------------------------------------- */

/* Record the sentence and return err (negative). */
int vmmctl_fail(struct vmmctl *v, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int vmmctl_forked(struct vmmctl *v);

/* errno is the caller's: what system calls leave there is put back. */
static inline void restore_errno(const int *saved)
{
	errno = *saved;
}
#define KEEP_ERRNO() \
	int saved_errno __attribute__((cleanup(restore_errno))) = errno

static inline bool vmmctl_alive(const struct vmmctl *v)
{
	return atomic_load_explicit(v->guard, memory_order_relaxed) != 0;
}

void *vmmctl_zalloc(struct vmmctl *v, size_t size);
void vmmctl_free(struct vmmctl *v, void *p);

/* The range that holds gpa, or NULL. [m] */
struct memory *memory_find(struct vmmctl_machine *m, uint64_t gpa);

static inline bool is_canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static inline uint64_t ticks(void)
{
	uint64_t lo, hi;	/* it clears the upper halves */

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return hi << 32 | lo;
}

#endif
