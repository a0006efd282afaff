/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_types.h - what core/os.h wants of the operating system, in user space.
 * Locks check themselves (locks.c): their order, who sleeps under a spin lock
 * or with interrupts off, what is never unlocked.  Nothing ever waits: a lock
 * that another of the fake's threads holds is a bug of the test.
 */
#ifndef FAKE_OS_TYPES_H
#define FAKE_OS_TYPES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define OS_READ(x)	(*(const volatile __typeof__(x) *)&(x))
#define OS_WRITE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define OS_ADD(x, n)	OS_WRITE(x, OS_READ(x) + (n))
#define OS_RELEASE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define os_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

static inline uint32_t os_xchg32(uint32_t *p, uint32_t v)
{
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}

/* Returns what was there: v has been stored when that is old. */
static inline uint32_t os_cmpxchg32(uint32_t *p, uint32_t old, uint32_t v)
{
	__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST,
	    __ATOMIC_SEQ_CST);
	return old;
}

/* Called before an exchange, as the hardware that comes in between. */
extern void (*fake_before_xchg64)(uint64_t *p);

static inline uint64_t os_xchg64(uint64_t *p, uint64_t v)
{
	if (fake_before_xchg64 != NULL)
		fake_before_xchg64(p);
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t os_cmpxchg64(uint64_t *p, uint64_t old, uint64_t v)
{
	if (fake_before_xchg64 != NULL)
		fake_before_xchg64(p);
	__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST,
	    __ATOMIC_SEQ_CST);
	return old;
}

/* Returns what was there. */
static inline uint64_t os_fetch_add64(uint64_t *p, uint64_t n)
{
	return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);
}

/* ---- locks ---- */

struct fake_thread;

enum fake_lock_kind { FAKE_MUTEX = 1, FAKE_SPIN };

struct fake_lock {
	const char *name;	/* as the source has it; NULL: not made */
	uint32_t kind;
	uint32_t class;
	struct fake_thread *holder;
};
struct os_mutex { struct fake_lock l; };
struct os_spin { struct fake_lock l; };

void fake_lock_init(struct fake_lock *l, enum fake_lock_kind kind,
    const char *name);
void fake_lock_fini(struct fake_lock *l);
void fake_lock_take(struct fake_lock *l);
void fake_lock_drop(struct fake_lock *l);
/* Does anybody hold it? */
static inline bool fake_lock_held(const struct fake_lock *l)
{
	return l->holder != NULL;
}

#define os_mutex_init(m)	fake_lock_init(&(m)->l, FAKE_MUTEX, #m)
#define os_mutex_fini(m)	fake_lock_fini(&(m)->l)
#define os_mutex_lock(m)	fake_lock_take(&(m)->l)
#define os_mutex_unlock(m)	fake_lock_drop(&(m)->l)
#define os_spin_init(s)		fake_lock_init(&(s)->l, FAKE_SPIN, #s)
#define os_spin_fini(s)		fake_lock_fini(&(s)->l)
#define os_spin_lock(s)		fake_lock_take(&(s)->l)
#define os_spin_unlock(s)	fake_lock_drop(&(s)->l)

/* ---- the rest of what os.h calls inline ---- */

#define FAKE_CPUS	8u

struct os_cpuset { uint64_t bits; };

static inline void os_cpuset_clear(struct os_cpuset *set)
{
	set->bits = 0;
}

static inline void os_cpuset_add(struct os_cpuset *set, uint32_t cpu)
{
	set->bits |= 1ull << cpu;
}

struct os_timer {
	void (*fn)(struct os_timer *t);
	uint64_t when;		/* 0: not running */
	uint32_t cpu;
	struct os_timer *next;	/* of all that were made */
};

struct os_owner;

void *os_page_at(uint64_t pa);
bool os_owner_is_current(const struct os_owner *o);
uint32_t os_guest_begin(void);
void os_guest_end(void);
bool os_attention(void);
bool os_signal(void);
void os_relax(bool may_sleep);
int os_resched(void);
bool os_debug_in_use(void);
bool os_split_locks(void);
void os_ibpb(void);
void os_vmxe(bool on);
void os_tss_limited(void);
void os_load_user_gs(uint16_t selector);

#endif
