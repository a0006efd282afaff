/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os.h - the seam to the operating system: what the core asks of it, and what
 * it calls in the core.  "os_types.h" is found on the include path: linux/ in
 * the module, a fake in the unit tests.  It has
 *   - uint8_t ... uint64_t, bool, size_t, NULL, errno values, memcpy & co.
 *   - struct os_mutex (may sleep), os_spin, os_timer, os_cpuset, and the short
 *     functions below marked [inline];
 *   - OS_READ(x), OS_WRITE(x, v): one untorn access;  OS_ADD(x, n): both, of
 *     64 bits, where nobody else writes;  OS_RELEASE(x, v): a store that
 *     comes after all before it;  os_mb(): full barrier;
 *     os_xchg32(p, v), os_cmpxchg32(p, old, new), os_fetch_add64(p, n);
 *     os_xchg64(p, v), os_cmpxchg64(p, old, new): all give what was there.
 * "os_asm.h" is for .S files, found likewise:
 *   - OS_FUNC_START(name), OS_FUNC_END(name), OS_RET;
 *   - OS_BEFORE_ENTRY: the last thing before the guest.  All registers but
 *     the stack pointer are the guest's, the segment bases too: it may change
 *     flags only.
 *   - OS_AFTER_EXIT: the host's segment bases are back, the general registers
 *     have no value of the guest; no return or indirect branch has been
 *     executed yet.  It may change rax, rcx, rdx and flags.
 * Errors are positive errno values; the glue negates them, in one place.
 */
#ifndef VMM_OS_H
#define VMM_OS_H

#include "os_types.h"

struct vmm_machine;
struct vmm_vcpu;

/* [inline] os_mutex_init, _lock, _unlock, _fini; os_spin_init, _lock, _unlock,
 * _fini (interrupts stay as they are: never taken with them off, nor from an
 * interrupt); os_cpuset_clear(set), os_cpuset_add(set, cpu). */

/* ---- memory: may sleep, charged to the caller's cgroup ---- */
void *os_zalloc(size_t size);		/* large sizes too */
void os_free(void *p);			/* NULL is fine */
/* A zeroed page, counted in vmm_live.pages; *pa is its physical address, here
 * and below as the processor's structures take it: with the bit that says
 * encrypted where memory is (APM vol. 2 7.10). */
void *os_page_alloc(uint64_t *pa);
void os_page_free(void *page);
/* Pages with no charge to anybody, for a processor's own use. */
void *os_cpu_page_alloc(uint64_t *pa);
void os_cpu_page_free(void *page);
/* Zeroed, contiguous pages, likewise. */
void *os_cpu_pages_alloc(uint32_t n, uint64_t *pa);
void os_cpu_pages_free(void *pages, uint32_t n);
/* [inline] void *os_page_at(uint64_t pa): the kernel's view of any page. */

/* ---- the caller ---- */
int os_copyin(uint64_t uaddr, void *buf, size_t size);	/* 0, EFAULT */
int os_copyout(uint64_t uaddr, const void *buf, size_t size);
bool os_is_admin(void);
uint32_t os_uid(void);
uint64_t os_mono_ns(void);
uint64_t os_real_ns(void);		/* since 1970 */
/* Does the TSC of all processors go on at one rate?  It may cease to. */
bool os_tsc_is_clock(void);
/* What it says when os_mono_ns() is that, or in an hour if that is before. */
uint64_t os_tsc_at(uint64_t mono_ns);
/* Is [uaddr, uaddr + size) a possible range of user addresses? */
bool os_user_range(uint64_t uaddr, uint64_t size);

/* ---- the owner of a machine: a process's memory ---- */
/*
 * Bind the calling process to m: from now on vmm_machine_invalidate_begin()
 * and its like are called.  os_owner_put() ends that; after it none is
 * running.  0, ENOMEM, EINVAL (it has no memory), EINTR (the host has work for
 * this thread first: try again).
 */
int os_owner_get(struct vmm_machine *m, struct os_owner **out);
void os_owner_put(struct os_owner *o);
/* [inline] bool os_owner_is_current(const struct os_owner *o); */
uint32_t os_owner_pid(const struct os_owner *o);

/* A page of the owner, held by a reference. */
struct os_user_page {
	uint64_t pa;
	bool writable;		/* may be mapped for writing */
	void *handle;
};
/*
 * Make the owner's page present for the access; sleeps.  0, EFAULT,
 * EHWPOISON, EINTR (a signal came first), ENOMEM, EAGAIN (try again).
 */
int os_user_page_get(struct os_owner *o, uint64_t uaddr, bool write,
    struct os_user_page *out);
void os_user_page_put(struct os_user_page *p);
/*
 * How large the owner's own mapping is there: 1, 2 or 3 for 4 KiB, 2 MiB,
 * 1 GiB.  Under the nested spin lock, with no invalidation under way.
 */
unsigned os_user_page_level(struct os_owner *o, uint64_t uaddr);
/* A nested leaf of that page, written through it, goes away. */
void os_page_dirtied(uint64_t pa);

/* What the glue calls, from any context; only with may_sleep, and when the
 * memory ends, may it sleep. [n] is taken. */
void vmm_machine_invalidate_begin(struct vmm_machine *m, uint64_t start,
    uint64_t end, bool may_sleep);
void vmm_machine_invalidate_end(struct vmm_machine *m, uint64_t start,
    uint64_t end);
/* Was anything there accessed?  With clear: and from now on? */
bool vmm_machine_young(struct vmm_machine *m, uint64_t start, uint64_t end,
    bool clear);
/* The owner's memory ends. */
void vmm_machine_orphan(struct vmm_machine *m);

/* ---- processors ---- */
uint32_t os_cpu_max(void);		/* greater than every number */
/* Run fn on every processor that is on line, one by one, interrupts off; stop
 * at the first error. Holds hotplug off. */
int os_cpu_each(int (*fn)(uint32_t cpu, void *arg), void *arg);
/* Run fn there, interrupts off, and wait for it; nothing, when that one is
 * off line.  Not with interrupts off; may be called under a spin lock. */
void os_cpu_call(uint32_t cpu, void (*fn)(void *arg), void *arg);
/* Make a processor leave the guest soon.  Not with interrupts off. */
void os_cpu_interrupt(uint32_t cpu);
/* Return when every processor in the set has taken an interrupt.  May be
 * called under a spin lock. */
void os_cpus_interrupt(const struct os_cpuset *set);
/*
 * [inline]
 * uint32_t os_guest_begin(void): interrupts off; the number of this processor.
 * void os_guest_end(void): on again; what waited is taken here.
 * bool os_attention(void): interrupts off; does the thread have to leave (a
 *	signal, another thread to run, work of the host's)?
 * bool os_signal(void);
 * void os_vmxe(bool on): CR4.VMXE of this processor, interrupts off; the host
 *	hears that VMX is in use.
 * void os_tss_limited(void): the limit of this processor's TSS is the least,
 *	as exits on VMX leave it; interrupts off.
 * void os_load_user_gs(uint16_t selector): the thread's GS, and its base;
 *	interrupts off.
 * void os_relax(bool may_sleep): between two parts of what takes long, with no
 *	lock held, or while somebody else's short work is waited for: another
 *	thread may run, when that is allowed.
 * int os_resched(void): let others run.  0; or ERESTART: the host has work for
 *	this thread that is done on the way to user mode only (limits of its
 *	cgroup, a machine check).  VMM_RUN is to return that, with everything
 *	stored; the glue goes that way and calls it again, and nobody notices.
 */
/*
 * [inline] void os_ibpb(void): what branches of one guest user have taught the
 * processor does not guide those of the next; nothing where the host does not
 * care between its own processes.  Interrupts off.
 */
/* A model-specific register that may be absent; false: it is. */
bool os_rdmsr_safe(uint32_t msr, uint64_t *value);
/* May the caller break guests, and by that the host, with VMM_RAW?  For tests
 * of entries that the processor refuses. */
bool os_raw_all(void);
/* A machine check came while the guest ran. Interrupts off. */
void os_machine_check(void);
/* [inline] bool os_split_locks(void): has the host the processor trap locks
 * that are split over two cache lines?  os_split_lock() does with one what it
 * does with a program's: it sleeps, and lets the next one pass, or there is a
 * signal for this thread. */
void os_split_lock(uint64_t rip);
/* DR0-3, 6, 7 of the host were overwritten; interrupts off.  [inline] bool
 * os_debug_in_use(void) tells whether the host has breakpoints itself. */
void os_debug_restore(void);

/* ---- timers: fire on the processor they were started on ---- */
void os_timer_init(struct os_timer *t, void (*fn)(struct os_timer *t));
/* Also one that runs, from another processor; interrupts may be off. */
void os_timer_start(struct os_timer *t, uint64_t mono_ns);
/* After it fn does not run; waits for it. */
void os_timer_stop(struct os_timer *t);

/* A line for the system's log. */
void os_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
