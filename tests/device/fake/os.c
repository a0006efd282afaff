// SPDX-License-Identifier: BSD-2-Clause
/* os.c - threads, processors, the caller: see fake.h. */
#include "fake.h"
#include "cpu.h"
#include "vmm.h"

#include <stdarg.h>

struct fake fake;
void (*fake_on_bug)(const char *what);
void (*fake_on_page_free)(uint64_t pa);
void (*fake_before_xchg64)(uint64_t *p);

static struct fake_thread first;

void fake_bug(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fake_on_bug != NULL) {
		fake_on_bug(text);
		return;
	}
	fprintf(stderr, "fake: %s\n", text);
	abort();
}

void os_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake.log, sizeof(fake.log), fmt, ap);
	va_end(ap);
	fake.log_lines++;
}

/* ---- threads ---- */

void fake_may_sleep(const char *who)
{
	const struct fake_thread *t = fake.cur;

	if (t->in_interrupt)
		fake_bug("%s in an interrupt", who);
	if (t->off != 0)
		fake_bug("%s with interrupts off", who);
	if (t->spins != 0)
		fake_bug("%s under %s", who,
		    t->held[t->nheld - 1]->name);
}

void fake_irqs_off(const char *who)
{
	if (fake.cur->off == 0)
		fake_bug("%s with interrupts on", who);
}

static void as(struct fake_thread *t, void (*fn)(void *cookie), void *cookie,
    uint32_t off)
{
	t->under = fake.cur;
	t->off = off;
	fake.cur = t;
	fn(cookie);
	if (fake.cur != t || t->nheld != 0 || t->off != off)
		fake_bug("a thread ends that holds %u locks, the last %s",
		    t->nheld, t->nheld == 0 ? "none" :
		    t->held[t->nheld - 1]->name);
	fake.cur = t->under;
}

void fake_as(uint32_t cpu, void (*fn)(void *cookie), void *cookie)
{
	struct fake_thread t = { .cpu = cpu, .process = fake.cur->process };

	as(&t, fn, cookie, 0);
}

void fake_as_process(uint32_t process, void (*fn)(void *cookie), void *cookie)
{
	struct fake_thread t = { .cpu = fake.cur->cpu, .process = process };

	as(&t, fn, cookie, 0);
}

void fake_interrupt(uint32_t cpu, void (*fn)(void *cookie), void *cookie)
{
	struct fake_thread t = { .cpu = cpu, .process = fake.cur->process,
	    .in_interrupt = true };

	as(&t, fn, cookie, 1);
}

void fake_migrate(uint32_t cpu)
{
	if (fake.cur->off != 0 || fake.cur->spins != 0)
		fake_bug("a thread that cannot move is moved");
	fake.cur->cpu = cpu;
}

static void cpu_online(void *cookie)
{
	fake.cur->off = 1;
	*(int *)cookie = vmm_hw_cpu_online(fake.cur->cpu);
	fake.cur->off = 0;
}

bool fake_cpu_online(uint32_t cpu)
{
	int error = 0;

	if (fake.online[cpu])
		return true;
	fake.online[cpu] = true;
	fake_as(cpu, cpu_online, &error);
	if (error != 0)
		fake.online[cpu] = false;
	return error == 0;
}

static void cpu_offline(void *cookie)
{
	(void)cookie;
	fake.cur->off = 1;
	vmm_hw_cpu_offline(fake.cur->cpu);
	fake.cur->off = 0;
}

void fake_cpu_offline(uint32_t cpu)
{
	if (!fake.online[cpu])
		return;
	if (fake_guest_on(cpu) || fake.cur->cpu == cpu)
		fake_bug("the test takes away a processor that is in use");
	fake_as(cpu, cpu_offline, NULL);
	fake.online[cpu] = false;
}

bool fake_guest_on(uint32_t cpu)
{
	const struct fake_thread *t;

	for (t = fake.cur; t != NULL; t = t->under) {
		if (t->cpu == cpu && t->in_guest)
			return true;
	}
	return false;
}

/* os_cpu_each()'s, for processors that have a guest inside. */
static struct {
	int (*fn)(uint32_t cpu, void *arg);
	void *arg;
} deferred[FAKE_CPUS];

uint32_t os_guest_begin(void)
{
	fake_may_sleep("os_guest_begin");
	if (!fake.online[fake.cur->cpu])
		fake_bug("a thread runs on a processor that is off line");
	fake.cur->off++;
	fake.cur->in_guest = true;
	fake.resumes++;
	fake_hw_enter(fake.cur->cpu);
	return fake.cur->cpu;
}

void os_guest_end(void)
{
	const uint32_t cpu = fake.cur->cpu;

	if (fake.cur->off != 1 || !fake.cur->in_guest)
		fake_bug("os_guest_end without os_guest_begin");
	fake_hw_leave(cpu);
	fake.cur->in_guest = false;
	if (deferred[cpu].fn != NULL)
		(void)deferred[cpu].fn(cpu, deferred[cpu].arg);
	deferred[cpu].fn = NULL;
	fake.cur->off = 0;
	fake.pending[cpu] = false;
}

bool os_attention(void)
{
	fake_irqs_off("os_attention");
	if (fake.on_attention != NULL)
		fake.on_attention();
	return fake.signal || fake.resched || fake.restart;
}

bool os_raw_all(void)
{
	fake_may_sleep("os_raw_all");
	return fake.raw_all;
}

bool os_signal(void)
{
	return fake.signal;
}

void os_relax(bool may_sleep)
{
	if (may_sleep)
		fake_may_sleep("os_relax");
	fake.relaxed[may_sleep]++;
}

int os_resched(void)
{
	const int error = fake.restart ? ERESTART : 0;

	fake_may_sleep("os_resched");
	fake.resched = fake.restart = false;
	fake.resched_calls++;
	if (fake.on_resched != NULL)
		fake.on_resched();
	return error;
}

/* ---- all of it ---- */

void fake_reset(void)
{
	uint32_t i;

	fake_timers_reset();
	memset(deferred, 0, sizeof(deferred));
	fake_blocks_reset();
	fake_frames_reset();
	fake_hw_reset();
	memset(&fake, 0, sizeof(fake));
	first = (struct fake_thread){ .process = 1 };
	fake.cur = &first;
	fake.cpus = 4;
	for (i = 0; i < fake.cpus; i++)
		fake.online[i] = true;
	fake.uid = 1000;
	fake.now = 1000000;
	fake_before_xchg64 = NULL;
}

void fake_check_idle(void)
{
	if (fake.cur != &first || first.nheld != 0 || first.off != 0)
		fake_bug("locks are held, or interrupts off");
	if (fake_live_timers() != 0)
		fake_bug("%u timers run", fake_live_timers());
	fake_owner_check_idle();
	fake_blocks_check_idle();
}

/* ---- the caller ---- */

bool os_is_admin(void)
{
	return fake.admin;
}

uint32_t os_uid(void)
{
	return fake.uid;
}

/* ---- processors ---- */

uint32_t os_cpu_max(void)
{
	return fake.cpus;
}

int os_cpu_each(int (*fn)(uint32_t cpu, void *arg), void *arg)
{
	const uint32_t cpu = fake.cur->cpu;
	uint32_t i;
	int error = 0;

	fake_may_sleep("os_cpu_each");
	for (i = 0; i < fake.cpus && error == 0; i++) {
		if (!fake.online[i])
			continue;
		/* It is done when the guest has left; who waits for that here
		 * does not. */
		if (fake_guest_on(i)) {
			fake.pending[i] = true;
			deferred[i].fn = fn;
			deferred[i].arg = arg;
			continue;
		}
		fake.cur->cpu = i;
		fake.cur->off++;
		error = fn(i, arg);
		fake.cur->off--;
	}
	fake.cur->cpu = cpu;
	return error;
}

void os_cpu_call(uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	const uint32_t self = fake.cur->cpu;

	if (fake.cur->off != 0 || fake.cur->in_interrupt)
		fake_bug("os_cpu_call with interrupts off");
	if (cpu >= fake.cpus || !fake.online[cpu])
		return;
	/* It is done when the guest has left; here before the rest of its
	 * exit. */
	if (fake_guest_on(cpu))
		fake.pending[cpu] = true;
	fake.cur->cpu = cpu;
	fake.cur->off++;
	fn(arg);
	fake.cur->off--;
	fake.cur->cpu = self;
}

static void interrupt(uint32_t cpu)
{
	if (cpu >= fake.cpus) {
		fake_bug("an interrupt for processor %u", cpu);
		return;
	}
	if (fake.cur->off != 0 || fake.cur->in_interrupt)
		fake_bug("an interrupt is sent with interrupts off");
	fake.sent[cpu]++;
	if (fake_guest_on(cpu))
		fake.pending[cpu] = true;
	else
		fake.needless++;
}

void os_cpu_interrupt(uint32_t cpu)
{
	interrupt(cpu);
}

void os_cpus_interrupt(const struct os_cpuset *set)
{
	uint32_t i;

	fake.sets++;
	for (i = 0; i < 64; i++) {
		if ((set->bits >> i & 1) != 0) {
			interrupt(i);
			fake.waits++;
		}
	}
}

void os_machine_check(void)
{
	fake_irqs_off("os_machine_check");
	fake.machine_checks++;
}

bool os_split_locks(void)
{
	return fake.split_locks;
}

void os_split_lock(uint64_t rip)
{
	fake_may_sleep("os_split_lock");
	fake.split_lock_rip = rip;
	fake.signal |= fake.split_is_fatal;
}

bool os_debug_in_use(void)
{
	return fake.debug_in_use;
}
