/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake.h - an operating system for the device's core, in the test's hands.
 *
 * One real thread plays all: fake_as() makes what it calls another thread on
 * another processor, so that things happen "meanwhile" - while a guest runs,
 * while a page is being got.  Whatever breaks a contract of core/os.h is
 * fake_bug().
 */
#ifndef FAKE_H
#define FAKE_H

#include "os.h"

#include <stdlib.h>

#define FAKE_PAGE	4096ull

/* ---- bugs ---- */

/* Told once; by default it ends the program. */
extern void (*fake_on_bug)(const char *what);
void fake_bug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- threads and processors ---- */

#define FAKE_HELD	16u

struct fake_thread {
	uint32_t cpu;
	uint32_t process;
	uint32_t off;		/* interrupts: off when it is not 0 */
	uint32_t spins;		/* held */
	bool in_guest;		/* os_guest_begin() to os_guest_end() */
	bool in_interrupt;
	uint32_t nheld;
	struct fake_lock *held[FAKE_HELD];
	struct fake_thread *under;	/* whom it interrupts */
};

struct fake {
	struct fake_thread *cur;

	uint32_t cpus;
	bool online[FAKE_CPUS];
	bool pending[FAKE_CPUS];	/* an interrupt was sent, not taken */
	uint64_t sent[FAKE_CPUS];	/* interrupts, ever */
	uint64_t sets;			/* os_cpus_interrupt() calls */
	uint64_t waits;			/* processors that those waited for */
	uint64_t needless;		/* interrupts to where no guest was */
	uint64_t resumes;		/* os_guest_begin() */

	bool admin;
	bool raw_all;			/* os_raw_all() */
	uint32_t uid;
	uint64_t now;			/* ns; every look is 1 later */
	bool signal, resched, debug_in_use;
	bool split_locks;		/* are trapped */
	bool split_is_fatal;
	uint64_t split_lock_rip;	/* the last one */
	bool restart;			/* work for the way to user mode */
	void (*on_resched)(void);	/* a hook: others run */
	void (*on_attention)(void);	/* a hook: interrupts are off */
	void (*on_unlock)(const char *name);	/* a hook: they were waiting */
	bool tsc_unstable;	/* it is no clock */
	int owner_error;		/* os_owner_get() fails with it */
	uint64_t relaxed[2];		/* os_relax(), by may_sleep */
	uint64_t resched_calls, machine_checks, debug_restores, timer_starts;
	char log[512];			/* the last line */
	uint32_t log_lines;

	/* Allocations: the nth from now fails; 0: none does. */
	uint64_t fail_at;
	uint64_t allocs;		/* that were asked for */
	bool failed;			/* one did */
	uint64_t live_allocs;

	/* The owner's memory: see owner.c. */
	void (*on_get)(uint64_t uaddr, bool got);	/* a hook: may sleep */
	int get_error;			/* of the next get only */
	uint64_t gets, puts;		/* os_user_page_get() that succeeded */
	uint64_t copies;		/* os_copyin, os_copyout */
	uint64_t copy_fail_at;		/* the nth from now is EFAULT */
	/* A hook: between two uses of memory that others can write. */
	void (*on_copy)(void);
};
extern struct fake fake;

/* The fake processors (cpu.c). */
void fake_hw_reset(void);
/* All as new: 4 processors, process 1 of user 1000 on processor 0. */
void fake_reset(void);
/* Nothing is held, allocated, bound or running; else a bug. */
void fake_check_idle(void);

/* Parts of these: allocations (alloc.c), timers (time.c). */
void fake_blocks_reset(void);
void fake_blocks_check_idle(void);
void fake_timers_reset(void);
/* Memory goes, and the timers in it. */
void fake_timers_forget(const void *from, size_t size);

/* Another thread, on that processor, calls fn. */
void fake_as(uint32_t cpu, void (*fn)(void *cookie), void *cookie);
/* The same in another process. */
void fake_as_process(uint32_t process, void (*fn)(void *cookie),
    void *cookie);
/* Move this thread. */
void fake_migrate(uint32_t cpu);
/* An interrupt on that processor calls fn. */
void fake_interrupt(uint32_t cpu, void (*fn)(void *cookie), void *cookie);
/* Interrupts have to be on, no spin lock held. */
void fake_may_sleep(const char *who);
void fake_irqs_off(const char *who);
/* Fire each timer that is due after that time has gone by. */
void fake_advance(uint64_t ns);
#define FAKE_GHZ 3u	/* of the TSC */
bool fake_timer_running(const struct os_timer *t);
uint32_t fake_live_timers(void);
/* Hotplug, as a host does it; false: refused. */
bool fake_cpu_online(uint32_t cpu);
void fake_cpu_offline(uint32_t cpu);
/* A guest is inside on that processor. */
bool fake_guest_on(uint32_t cpu);

/* ---- physical memory ---- */

/* No address of the kernel is a physical address, nor the other way. */
#define FAKE_PA		(1ull << 50)
/* Called before a page of the kernel's own goes. */
extern void (*fake_on_page_free)(uint64_t pa);

/* ---- the owner's memory (owner.c, paging.c) ---- */

#define FAKE_USER	0x7e0000000000ull
#define FAKE_USER_PAGES	4096u
#define FAKE_USER_END	(FAKE_USER + FAKE_USER_PAGES * FAKE_PAGE)
/* One mapping of 1 GiB, when fake_giant() has made it. */
#define FAKE_GIANT	0x7f0000000000ull
#define FAKE_GIB	(1ull << 30)
#define FAKE_MIB2	(1ull << 21)

/* mmap: read and write, nothing there yet. */
void fake_map(uint64_t uaddr, uint64_t size);
/* mprotect(PROT_READ) and back. */
void fake_protect(uint64_t uaddr, uint64_t size, bool write);
void fake_unmap(uint64_t uaddr, uint64_t size);
/* A page of 2 MiB, now, and back to 512 small ones. */
void fake_huge(uint64_t uaddr);
void fake_split(uint64_t uaddr);
void fake_giant(void);
/* What the host does to a page that is there. */
void fake_page_out(uint64_t uaddr);
void fake_clean(uint64_t uaddr);	/* written back: not dirty any more */
void fake_move(uint64_t uaddr);		/* migration, compaction */
void fake_ksm(uint64_t uaddr);		/* read-only until written */
void fake_poison(uint64_t uaddr);
bool fake_present(uint64_t uaddr);
bool fake_young(uint64_t uaddr, uint64_t size, bool clear);
uint32_t fake_bound(void);		/* owners there are */
/* The process's memory ends: exit, exec. */
void fake_exit(void);
/* As its program does; false: it would get SIGSEGV. */
bool fake_write(uint64_t uaddr, const void *buf, size_t size);
bool fake_read(uint64_t uaddr, void *buf, size_t size);
/* The frame of a page, whether the guest has one: for the fake processor. */
bool fake_frame_live(uint64_t pa);
void fake_frames_reset(void);
void fake_owner_check_idle(void);
/* Called when a page of the owner's moves or goes, after the notifier. */
extern void (*fake_on_frame_gone)(uint64_t pa, uint64_t size);

#endif
