/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm.h - the core's objects: the hardware's life cycle, machines, their
 * memory and contexts, vCPUs.
 *
 * Guards: [I] set before it is published, [h] hardware lock, [l] list lock,
 * [m] machine lock, [n] nested lock (spin), [c] context lock (spin),
 * [a] atomic, [v] whoever has made the vCPU's, or the context's, busy something
 * else than VMM_REST, [r] the thread that runs the vCPU, interrupts off where
 * it says so.
 * Lock order: h; l; m, owner's mmap lock, n or c (never both).  Nobody waits
 * for what runs: who needs a vCPU or a context at rest is EBUSY then.  The
 * host's lock against hotplug is inside h, so that what it calls may not take
 * h.
 *
 * References: a vCPU descriptor holds its machine; a machine's memory, tables
 * and contexts go when the last descriptor of either kind is closed.
 */
#ifndef VMM_CORE_H
#define VMM_CORE_H

#include "os.h"
#include "vendor.h"
#include "../vmm_ioctl.h"
#include "../x86/npt.h"
#include "../x86/x86.h"

#define VMM_PAGE_SHIFT	12
#define VMM_PAGE_SIZE	4096ull
#define VMM_PAGE_MASK	(VMM_PAGE_SIZE - 1)

#define VMM_MAX_VCPUS		256u	/* per machine */
#define VMM_MAX_CONTEXTS	65536u
#define VMM_MAX_REGIONS		4096u
#define VMM_MAX_USER_MACHINES	64u	/* per user */

/* ---- the hardware (hw.c) ---------------------------------------------- */

/* One processor of the host. */
struct vmm_cpu {
	uint32_t number;	/* [I] */
	bool ready;		/* [I] cpu_init was done */
	bool on;		/* written with interrupts off there */
	struct vmm_vcpu *last;	/* [r] interrupts off: who ran here last; may
				 * be gone, only to be compared */
	uint64_t last_space;	/* [r] v->space->id of then */
	union {
		struct {
			void *host_save;	/* [I] VM_HSAVE_PA */
			uint64_t host_save_pa;
			void *host_vmcb;	/* [I] VMSAVE of the host */
			uint64_t host_vmcb_pa;
			/* [r] As the last one was entered that its owner has
			 * written to. */
			struct svm_vmcb *tried;
			uint64_t generation;	/* [r] of ASIDs */
			uint32_t next_asid;
		} svm;
		struct {
			void *vmxon;		/* [I] */
			uint64_t vmxon_pa;
			struct vmx_host *host;	/* [I] what exits load */
			struct vmx_msr *msrs;	/* [I] what entries load */
			uint64_t msrs_pa;
			/* Whose VMCS is current, or NULL: written with
			 * interrupts off there. */
			struct vmm_vcpu *owner;
			uint64_t generation;	/* [r] of VPIDs */
			uint32_t next_vpid;
			/* [r] Nested translations are of that machine (0: of
			 * any), and as new as this. */
			uint64_t ept_machine, ept_flush_gen;
		} vmx;
	};
};

struct vmm_hw {
	const struct vmm_vendor *vendor;	/* [I] NULL: none usable */
	const char *why;			/* [I] then */
	uint64_t caps;				/* [I] VMM_CAP_* */
	uint32_t gpa_bits;			/* [I] */
	uint64_t gpa_pages;			/* [I] bits of a page's gpa */
	const struct x86_npt_format *npt;	/* [I] */
	uint32_t nasid;				/* [I] ASIDs or VPIDs, 0 included */
	uint64_t xcr0;				/* [I] of contexts */
	uint64_t host_xcr0;			/* [I] of everything else */
	bool x87_leaks;				/* [I] XRSTOR leaves the pointers
						 * of x87 as they are */
	bool xstate_rare;			/* [I] one of both: differs, or
						 * leaks */
	uint32_t xsave_size, mxcsr_mask;	/* [I] */
	/* [I] Where the standard format has component n; size 0: it is none. */
	struct {
		uint32_t offset, size;
	} part[64];
	bool has_tsc_aux;			/* [I] there is such an MSR */
	bool has_timer;				/* [I] runs end by deadline_tsc */
	struct vmm_fact facts[VMM_FACTS];	/* [I] */
	struct vmm_cpu *cpus;			/* [I] os_cpu_max() of them */
	struct os_mutex lock;
	uint32_t users;				/* [h] machines */
	bool enabled;				/* [h] */
	bool active;				/* on; changes while there is
						 * no hotplug only */
	bool going_down;			/* [a] reboot: nobody enters */
};
extern struct vmm_hw vmm_hw;

/* How many of each live; all 0 when nobody uses the device. [a] */
struct vmm_live {
	uint64_t machines, vcpus, contexts, regions, pages;
};
extern struct vmm_live vmm_live;

/* Module load and unload.  init: 0, or EOPNOTSUPP with the sentence logged
 * and in vmm_hw.why. */
int vmm_hw_init(const struct vmm_vendor *const *vendors, unsigned n);
void vmm_hw_fini(void);
/* For a new machine: on for the first, off after the last. */
int vmm_hw_get(const char **why);
void vmm_hw_put(void);
int vmm_hw_enable(bool enable);
void vmm_hw_info(struct vmm_info *info);
/* Fill a sentence's place. */
void vmm_tell(char *to, size_t size, const char *text);
/* From the glue, on that processor, interrupts off, by the thread that does
 * hotplug: so too for suspend (off) and resume (on).  0, or EBUSY. */
int vmm_hw_cpu_online(uint32_t cpu);
void vmm_hw_cpu_offline(uint32_t cpu);
/* From the glue's reboot notifier; may sleep. */
void vmm_hw_reboot(void);

/* ---- memory (memory.c, fault.c, dirty.c) ------------------------------- */

/* Written with m and n held, as the array of them: either is enough to
 * read. */
/* What was written, one bit per page.  The regions that one was cut into have
 * parts of the same: a cut takes no time. */
struct vmm_bitmap {
	uint64_t refs;		/* [m] */
	uint64_t words[];	/* [n] */
};

struct vmm_region {
	uint64_t gpa, size;
	uint64_t uaddr;
	uint32_t prot;		/* 0: it is about to go */
	struct vmm_bitmap *dirty; /* changed with n held; NULL: not logging */
	uint64_t dirty_at;	/* the bit of the first page */
};

/* ---- contexts (context.c) ---------------------------------------------- */

/* Who owns a vCPU, or a context.  A visitor does not sleep, so that run may
 * wait for it. */
enum vmm_busy { VMM_REST = 0, VMM_RUNS = 1, VMM_VISITED = 2 };

/* There from the first use of its number to the machine's end, so that a
 * number leads to it without a lock. */
struct vmm_context_state {
	uint32_t busy;		/* [a] enum vmm_busy: v */
	bool exists;		/* [v, c] */
	uint32_t counted;	/* [a] COUNT: bit n of vector n */
	uint8_t *xsave;		/* [v] 64-byte aligned */
	void *memory;		/* [v] what xsave is in */
};
#define VMM_CONTEXT_CHUNK	256u

/* ---- machines (machine.c) ---------------------------------------------- */

struct vmm_machine {
	uint64_t id;			/* [I] */
	char name[32];			/* [I] */
	uint32_t uid;			/* [I] */
	uint64_t created_mono_ns;	/* [I] */
	uint64_t max_memory;		/* [I] */
	uint32_t max_vcpus;		/* [I] */
	struct os_owner *owner;		/* [I] */
	uint64_t refs;			/* [a] descriptors */
	struct vmm_machine *next;	/* [l] */

	struct os_mutex lock;		/* m */
	/* Written with m and n held: either is enough to read.  Sorted by
	 * gpa. */
	struct vmm_region **regions;
	uint32_t nregions, cap_regions;
	uint64_t region_gen;		/* [n] counts their changes */
	uint64_t memory;		/* [m] bytes */
	/* Written with m and n held. */
	struct vmm_vcpu *vcpus[VMM_MAX_VCPUS];
	uint32_t nvcpus;		/* one above the last in use */
	uint32_t live_vcpus;		/* [m] */
	/* [m], and no vCPU runs: those that run need no lock to read. */
	struct vmm_cpuid_entry *cpuid;
	uint32_t cpuid_count;
	uint64_t tsc_aux;
	bool has_tsc_aux;

	struct os_spin context_lock;	/* c */
	/* [m] filled from the start, [a] read: by number. */
	struct vmm_context_state *contexts[VMM_MAX_CONTEXTS /
	    VMM_CONTEXT_CHUNK];
	uint32_t ncontexts, cap_contexts;	/* [c] */
	uint32_t free_context;		/* [c] none below is free */

	struct os_spin nested_lock;	/* n */
	struct x86_npt npt;		/* [n] */
	struct os_cpuset interrupt;	/* [n] vmm_flush() */
	uint64_t invalidating;		/* [n] calls of begin less calls of end */
	uint64_t inv_start, inv_end;	/* [n] their hull */
	uint64_t inv_seq;		/* [n] counts ends */
	uint64_t flush_gen;		/* [a] leaves were taken away */
	bool dead;			/* [a] the owner has gone */

	struct vmm_stats_set *stats;	/* [I] may outlive the machine */
};

/* ---- vCPUs (vcpu.c, run.c, exit.c) ------------------------------------- */

/* What a vendor has to load besides v->state. */
#define VMM_LOAD_SPACE	1u	/* cr3: another of v->spaces */
#define VMM_LOAD_FLUSH	2u	/* a space is stale */
#define VMM_LOAD_NESTED	4u	/* nested translations: all spaces are */
#define VMM_LOAD_CPU	8u	/* another processor than before, or another
				 * vCPU was here: nothing cached is right */
#define VMM_LOAD_DEBUG	16u	/* dr7 */
#define VMM_LOAD_TIMER	32u	/* deadline_tsc; stays while that is not 0 */

#define VMM_NO_CPU	0xffffffffu
#define VMM_MSR_TSC_AUX	0xc0000103u

/* Spaces whose translations a vCPU may keep. */
#define VMM_SPACES	4u
#define VMM_NO_CR3	1ull	/* no page begins there */

struct vmm_space {
	uint64_t cr3;		/* VMM_NO_CR3: none yet */
	uint64_t id;		/* never twice in a vCPU */
	bool stale;		/* processors have translations of it that are
				 * wrong; the vendor clears it */
	uint32_t tag;		/* the vendor's: ASID or VPID, as good as */
	uint64_t generation;	/* this is that of the processor's; 0: never */
	struct x86_code code;	/* where it is: a TLB in software */
};

enum vmm_mode { VMM_OUTSIDE = 0, VMM_INSIDE = 1 };

/* Validated, and not in the owner's hands. */
struct vmm_state {
	uint64_t rip, rflags, rsp;
	uint64_t fs_base, gs_base;
};

struct vmm_vcpu {
	struct vmm_machine *machine;	/* [I] */
	uint32_t index;			/* [I] */
	struct vmm_vcpu_page *page;	/* [I] shared: copy once, then check */
	struct vmm_stats_page *stats;	/* [r] shared, the owner reads */
	uint32_t busy;			/* [a] enum vmm_busy: v */

	/* [a] Dekker with kick and with whoever takes leaves away: mode first,
	 * then kicked and flush_gen are read; the others write those first,
	 * then read mode. */
	uint32_t mode;
	uint32_t cpu;			/* where, while it is inside */
	uint32_t kicked;
	uint32_t expired;		/* the deadline's timer has fired */

	/* [r] */
	struct vmm_state state;
	uint32_t last_cpu;		/* where it was last in the guest, or
					 * VMM_NO_CPU */
	uint32_t wanted;		/* VMM_WANT_* */
	uint32_t pending;		/* VMM_LOAD_* */
	uint64_t flush_gen;		/* that has been honoured */
	struct vmm_space *space;	/* one of these */
	struct vmm_space spaces[VMM_SPACES];
	uint64_t last_id;		/* of the last one that was new */
	uint32_t tags_cpu;		/* whose tags they have */
	struct vmm_context_state *context;	/* [v] that the owner named
					 * last, or NULL; owned by a run */
	uint64_t dr[4], dr7;
	bool debug;			/* dr7 enables something */
	uint64_t deadline;		/* the timer is armed for it; 0 */
	uint32_t timer_cpu;		/* there, or VMM_NO_CPU */
	bool by_tsc;			/* ... the processor's own */
	uint64_t deadline_tsc;		/* by that; 0: none, or the host's */
	struct os_timer timer;
	uint8_t *host_xsave;		/* the thread's own, while inside */
	uint64_t host_tsc_aux;		/* the processor's, likewise */
	void *host_memory;		/* [I] what host_xsave is in */
	struct vmm_cause cause;		/* of the last exit */
	void *tables[4];		/* [v] ready for the next nested fault */
	uint64_t tables_pa[4];
	uint32_t ntables;
	union {
		struct {
			struct svm_vmcb *vmcb;	/* [I] the page */
			uint64_t vmcb_pa;
			uint64_t *top;	/* [I] a fifth level; NULL: none */
			bool raw;	/* its owner has written to vmcb */
			uint64_t debugctl;	/* of the host, inside */
		} svm;
		struct {
			void *vmcs;		/* [I] the page */
			uint64_t vmcs_pa;
			uint64_t eptp;
			bool written;	/* what it has for ever */
			bool launched;	/* since it was cleared */
			bool timer;	/* counts while the guest runs */
			/* What is in the VMCS. */
			uint64_t rsp, fs_base, gs_base;
			uint64_t host_rsp, host_cr3, host_cr4, host_fs_base;
			/* Of the thread, while inside. */
			uint32_t rare;	/* 0: none of these */
			uint32_t debugctl;
			uint64_t pebs, counting;
			uint16_t ds, es, fs, gs;
		} vmx;
	};
};

/* ---- what the glue calls: arguments have been copied in ---------------- */

int vmm_machine_create(struct vmm_machine_create *a, struct vmm_machine **out);
void vmm_machine_ref(struct vmm_machine *m);
/* The last one frees it. May sleep. */
void vmm_machine_put(struct vmm_machine *m);
int vmm_vcpu_create(struct vmm_machine *m, const struct vmm_vcpu_create *a,
    struct vmm_vcpu **out);
/* The descriptor is closed, so nobody runs it. Drops the machine, too. */
void vmm_vcpu_destroy(struct vmm_vcpu *v);
int vmm_vcpu_run(struct vmm_vcpu *v);
int vmm_vcpu_kick(struct vmm_vcpu *v);

/*
 * The rest go by tables (ioctl.c): the struct's size and direction are in the
 * command.  arg has been copied in and will be copied out where the command
 * says so (on failure, too).  ENOTTY: no such command.
 */
int vmm_device_ioctl(uint32_t cmd, void *arg);
int vmm_machine_ioctl(struct vmm_machine *m, uint32_t cmd, void *arg);
int vmm_vcpu_ioctl(struct vmm_vcpu *v, uint32_t cmd, void *arg);

/* VMM_STATS: a snapshot holder that outlives its machine (stats.c). */
struct vmm_stats_file;
int vmm_stats_open(const struct vmm_stats *a, struct vmm_stats_file **out);
/* Bytes read, 0 at the end; buf is the kernel's. */
size_t vmm_stats_read(struct vmm_stats_file *f, uint64_t at, void *buf,
    size_t size);
void vmm_stats_close(struct vmm_stats_file *f);

/* ---- among the core's files -------------------------------------------- */

/* May the calling process use m now? */
static inline int vmm_machine_usable(const struct vmm_machine *m)
{
	if (OS_READ(m->dead))
		return EIO;
	return os_owner_is_current(m->owner) ? 0 : EPERM;
}

/* fault.c: 0: go on; ENOENT EACCES EFAULT EHWPOISON: the exit MEMORY's detail;
 * EINTR, ENOMEM, EIO; EAGAIN: look at signals, then again. */
int vmm_fault(struct vmm_vcpu *v, uint64_t gpa, uint32_t access);
/* [n] Do that to the leaves of the range, and remember what was dirty; true:
 * a flush is due. */
bool vmm_leaves(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    enum x86_npt_op op, uint32_t arg);
/* The same, flush included, a part at a time: n is not held. */
void vmm_leaves_all(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    enum x86_npt_op op, uint32_t arg);
/* [n] How much of size is one part, so that the lock is not held for long. */
uint64_t vmm_part(const struct vmm_machine *m, uint64_t gpa, uint64_t size);
/* [n] Leaves were taken away: nobody uses them when this returns. */
void vmm_flush(struct vmm_machine *m);
/* [m or n] The first region that ends above gpa, m->nregions when there is
 * none; the region of gpa, or NULL. */
uint32_t vmm_region_index(const struct vmm_machine *m, uint64_t gpa);
struct vmm_region *vmm_region_find(const struct vmm_machine *m, uint64_t gpa);

int vmm_memory_map(struct vmm_machine *m, const struct vmm_memory *a);
int vmm_memory_unmap(struct vmm_machine *m, const struct vmm_memory *a);
int vmm_memory_protect(struct vmm_machine *m, const struct vmm_memory *a);
void vmm_memory_fini(struct vmm_machine *m);
int vmm_dirty_log(struct vmm_machine *m, const struct vmm_dirty_log *a);
/* [m] */
void vmm_bitmap_put(struct vmm_bitmap *b);
/* [n] The word of region r's page at gpa, and its number there. */
static inline uint64_t *vmm_dirty_word(const struct vmm_region *r,
    uint64_t gpa, uint32_t *bit)
{
	uint64_t page = r->dirty_at + ((gpa - r->gpa) >> VMM_PAGE_SHIFT);

	*bit = page % 64;
	return &r->dirty->words[page / 64];
}
/* [m] Is there memory in all of the range?  *first: where it begins. */
bool vmm_is_backed(const struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint32_t *first);
bool vmm_is_range(uint64_t gpa, uint64_t size);

int vmm_context_create(struct vmm_machine *m, struct vmm_context *a);
int vmm_context_destroy(struct vmm_machine *m, const struct vmm_context *a);
int vmm_xsave_get(struct vmm_machine *m, const struct vmm_xsave *a);
int vmm_xsave_set(struct vmm_machine *m, const struct vmm_xsave *a);
int vmm_policy_set(struct vmm_machine *m, const struct vmm_policy *a);
/* The place of that number; NULL: it was never used. */
static inline struct vmm_context_state *vmm_context_find(
    const struct vmm_machine *m, uint64_t number)
{
	struct vmm_context_state *chunk;

	/* In bounds whatever the number is: a processor that guesses how the
	 * check will end looks nowhere else. */
	chunk = OS_READ(m->contexts[number % VMM_MAX_CONTEXTS /
	    VMM_CONTEXT_CHUNK]);
	if (number >= VMM_MAX_CONTEXTS || chunk == NULL)
		return NULL;
	return &chunk[number % VMM_CONTEXT_CHUNK];
}
void vmm_contexts_fini(struct vmm_machine *m);

/* Own a vCPU or a context: false when it runs.  To visit it a spin lock has to
 * be held, so that it is not for long. */
bool vmm_acquire_busy(uint32_t *busy, enum vmm_busy what);
static inline bool vmm_acquire(uint32_t *busy, enum vmm_busy what)
{
	return os_cmpxchg32(busy, VMM_REST, what) == VMM_REST ||
	    vmm_acquire_busy(busy, what);
}

static inline void vmm_release(uint32_t *busy)
{
	OS_RELEASE(*busy, VMM_REST);
}
int vmm_cpuid_set(struct vmm_machine *m, const struct vmm_cpuid *a);
int vmm_msr_set(struct vmm_machine *m, const struct vmm_msr *a);
int vmm_vcpu_raw(struct vmm_vcpu *v, struct vmm_raw *a);

/*
 * cpuid.c: pure.  out: in the processor's own answer, out the guest user's.
 */
struct vmm_cpuid_limits {
	uint64_t xcr0;
	uint32_t xsave_size;
	bool fsgsbase;
};
void vmm_cpuid_apply(const struct vmm_cpuid_entry *table, uint32_t n,
    const struct vmm_cpuid_limits *l, uint32_t leaf, uint32_t subleaf,
    uint32_t out[4]);

/* What becomes of an exit. */
enum vmm_verdict {
	VMM_GO_ON,		/* it is done: enter again at once */
	VMM_LEAVE,		/* it is in v->page: VMM_RUN returns */
	VMM_AROUND,		/* enter again, after interrupts were on */
	VMM_FILL,		/* a nested fault: vmm_fault(), enter again */
	VMM_SPLIT,		/* a split lock: the host's to judge */
	VMM_MOVE		/* not entered: it is to leave another processor
				 * first */
};
/* run.c */
/* The space's table allows less than before, for all that is known. */
void vmm_flush_space(struct vmm_vcpu *v);
/* For a vendor: tags are those of one processor, generations too. */
static inline void vmm_tags_on(struct vmm_vcpu *v, uint32_t cpu)
{
	unsigned i;

	if (v->tags_cpu == cpu)
		return;
	v->tags_cpu = cpu;
	for (i = 0; i < VMM_SPACES; i++)
		v->spaces[i].generation = 0;
}
void vmm_run_expired(struct os_timer *t);
void vmm_spaces_init(struct vmm_vcpu *v);
/* exit.c: interrupts off, mode INSIDE. */
enum vmm_verdict vmm_exit_handle(struct vmm_vcpu *v, struct vmm_cause *cause);
/* The exit of a kind with nothing more to tell. */
void vmm_exit_plain(struct vmm_vcpu *v, uint32_t kind, uint32_t detail);
void vmm_exit_memory(struct vmm_vcpu *v, const struct vmm_cause *cause,
    int error);

/* list.c.  EDQUOT: the user has too many. */
void vmm_list_init(void);
void vmm_list_fini(void);
int vmm_list_add(struct vmm_machine *m);
void vmm_list_remove(struct vmm_machine *m);
int vmm_list(struct vmm_list *a);

#endif
