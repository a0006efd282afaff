/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_types.h - what core/os.h wants of the operating system, on Linux: types,
 * locks, and all that is too short to be called.  Exported symbols only.
 */
#ifndef VMM_LINUX_OS_TYPES_H
#define VMM_LINUX_OS_TYPES_H

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/entry-kvm.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/hw_breakpoint.h>
#include <linux/irqflags.h>
#include <linux/jump_label.h>
#include <linux/mem_encrypt.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/vtime.h>

#include <asm/barrier.h>
#include <asm/cmpxchg.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/mmu_context.h>		/* load_gs_index(), in all versions */
#include <asm/nospec-branch.h>
#include <asm/page.h>
#include <asm/perf_event.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

/* ---- one access ---- */

#define OS_READ(x)		READ_ONCE(x)
#define OS_WRITE(x, v)		WRITE_ONCE(x, v)
#define OS_RELEASE(x, v)	smp_store_release(&(x), v)
#define os_mb()			smp_mb()
/* Compilers make three instructions of the two above. */
#define OS_ADD(x, n) \
	__asm__("addq %1, %0" : "+m"(x) : "er"((uint64_t)(n)))

/* All give what was there, and are full barriers. */
#define os_xchg32(p, v)			xchg((uint32_t *)(p), v)
#define os_cmpxchg32(p, old, v)		cmpxchg((uint32_t *)(p), old, v)
#define os_xchg64(p, v)			xchg((uint64_t *)(p), v)
#define os_cmpxchg64(p, old, v)		cmpxchg((uint64_t *)(p), old, v)

static inline uint64_t os_fetch_add64(uint64_t *p, uint64_t n)
{
	BUILD_BUG_ON(sizeof(atomic64_t) != sizeof(*p));
	return (uint64_t)atomic64_fetch_add((s64)n, (atomic64_t *)p);
}

/* ---- locks ---- */

struct os_mutex { struct mutex l; };
struct os_spin { spinlock_t l; };

/* Macros: lockdep tells locks apart by where they are made. */
#define os_mutex_init(m)	mutex_init(&(m)->l)
#define os_mutex_fini(m)	mutex_destroy(&(m)->l)
#define os_mutex_lock(m)	mutex_lock(&(m)->l)
#define os_mutex_unlock(m)	mutex_unlock(&(m)->l)
#define os_spin_init(s)		spin_lock_init(&(s)->l)
#define os_spin_fini(s)		((void)(s))
#define os_spin_lock(s)		spin_lock(&(s)->l)
#define os_spin_unlock(s)	spin_unlock(&(s)->l)

/* ---- processors ---- */

struct os_cpuset { cpumask_t mask; };

#define os_cpuset_clear(s)	cpumask_clear(&(s)->mask)
#define os_cpuset_add(s, cpu)	cpumask_set_cpu(cpu, &(s)->mask)

/* cpu.c: off where nothing is to be flushed, which costs a no-op. */
DECLARE_STATIC_KEY_FALSE(vmm_l1d_key);
void vmm_flush_l1d(void);

static inline uint32_t os_guest_begin(void)
{
	local_irq_disable();
	/* A guest can read the first-level cache there (L1TF); what is loaded
	 * from here on is its owner's. */
	if (static_branch_unlikely(&vmm_l1d_key))
		vmm_flush_l1d();
	/* In the books it is the guest's time, and so user time. */
	vtime_account_guest_enter();
	return (uint32_t)smp_processor_id();
}

static inline void os_guest_end(void)
{
	const bool exact = vtime_accounting_enabled_this_cpu();

#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	/* What the guest has taught the processor is not to guide the process
	 * that runs it: the kernel sees to that on the way to user mode. */
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
	if (exact)
		vtime_account_guest_exit();
	local_irq_enable();
	if (!exact) {
		/* A tick that waits is for the guest, and is taken after the
		 * instruction that follows the one above. */
		__asm__ volatile("nop");
		vtime_account_guest_exit();
	}
}

#ifndef CONFIG_KVM_XFER_TO_GUEST_WORK
#define XFER_TO_GUEST_MODE_WORK	(_TIF_NEED_RESCHED | _TIF_SIGPENDING | \
	_TIF_NOTIFY_SIGNAL | _TIF_NOTIFY_RESUME)
#endif

static inline bool os_attention(void)
{
	return (read_thread_flags() & XFER_TO_GUEST_MODE_WORK) != 0;
}

static inline bool os_signal(void)
{
	return signal_pending(current);
}

static inline void os_relax(bool may_sleep)
{
	if (may_sleep)
		cond_resched();
	else
		cpu_relax();
}

/*
 * What a kernel without modules would do here for TIF_NOTIFY_RESUME and its
 * like is not exported; the way to user mode does it.
 */
static inline int os_resched(void)
{
	if (need_resched())
		schedule();
	if (read_thread_flags() & XFER_TO_GUEST_MODE_WORK &
	    ~(_TIF_NEED_RESCHED | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL))
		return ERESTART;
	return 0;
}

/* The module parameter ibpb. */
extern bool vmm_ibpb;

/*
 * The host's own choice between its processes: with prctl(2) or seccomp(2) a
 * thread asks.  That it is to be always is not told to modules.
 */
static inline void os_ibpb(void)
{
	if (test_thread_flag(TIF_SPEC_IB) || READ_ONCE(vmm_ibpb))
		indirect_branch_prediction_barrier();
}

static inline bool os_debug_in_use(void)
{
	return hw_breakpoint_active();
}

static inline bool os_split_locks(void)
{
	return boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT);
}

/* The kernel keeps a copy of CR4; traces of the processor (PT) may have to
 * stop while VMX is on. */
static inline void os_vmxe(bool on)
{
	if (on) {
		intel_pt_handle_vmx(1);
		cr4_set_bits_irqsoff(X86_CR4_VMXE);
	} else {
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
	}
}

void os_tss_reload(void);

/* The map of ports is behind that limit: invalidate_tss_limit(). */
static inline void os_tss_limited(void)
{
	this_cpu_write(__tss_limit_invalid, true);
	if (unlikely(test_thread_flag(TIF_IO_BITMAP)))
		os_tss_reload();
}

/* Its base is that of the descriptor, if there is one, as it was. */
static inline void os_load_user_gs(uint16_t selector)
{
	uint64_t base = native_read_msr(MSR_KERNEL_GS_BASE);

	load_gs_index(selector);
	native_write_msr(MSR_KERNEL_GS_BASE, (uint32_t)base,
	    (uint32_t)(base >> 32));
}

/* ---- memory, and whose ---- */

static inline void *os_page_at(uint64_t pa)
{
	return __va(__sme_clr(pa));
}

struct vmm_machine;

struct os_owner {
	struct mmu_notifier notifier;
	struct mm_struct *mm;	/* the struct is held, not the memory */
	struct vmm_machine *machine;
	struct pid *pid;
};

static inline bool os_owner_is_current(const struct os_owner *o)
{
	return current->mm == o->mm;
}

/* ---- timers ---- */

struct os_timer {
	struct hrtimer t;
	void (*fn)(struct os_timer *t);
};

#endif
