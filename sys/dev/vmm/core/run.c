/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run.c - VMM_RUN: from the owner's page into the guest, again and again, and
 * back to the page.  What an exit means is exit.c's; how it is done, the
 * vendor's.
 *
 * This is the path whose length counts.
 */
#include "stats.h"
#include "cpu.h"

#define SET_ALL	(VMM_SET_SPACE | VMM_SET_CONTEXT | VMM_SET_DEBUG | \
		    VMM_SET_FLUSH | VMM_SET_KEEP)
#define WANT_ALL	VMM_WANT_INSN

/* ---- from the page ---- */

/* What of the page the processor, or the host, could take amiss: 0, or
 * VMM_FIELD_*. */
static uint32_t take_regs(struct vmm_vcpu *v)
{
	const struct vmm_regs *from = &v->page->regs;
	struct vmm_state *s = &v->state;
	uint64_t rflags = OS_READ(from->rflags);

	s->rip = OS_READ(from->rip);
	s->rsp = OS_READ(from->rsp);
	s->fs_base = OS_READ(from->fs_base);
	s->gs_base = OS_READ(from->gs_base);
	if (!x86_canonical(s->rip))
		return VMM_FIELD_RIP;
	if ((rflags & ~(VMM_X86_RFLAGS_USER | VMM_X86_RFLAGS_FIXED)) != 0)
		return VMM_FIELD_RFLAGS;
	if (!x86_canonical(s->fs_base))
		return VMM_FIELD_FS_BASE;
	if (!x86_canonical(s->gs_base))
		return VMM_FIELD_GS_BASE;
	/* Ring 3 cannot clear IF and is used to see it set. */
	s->rflags = rflags | VMM_X86_RFLAGS_FIXED | VMM_X86_RFLAGS_IF;
	return 0;
}

/* The context is the run's from here to its end.  Inlined in both places it is
 * 15 instructions shorter. */
static inline uint32_t take_context(struct vmm_vcpu *v,
    struct vmm_context_state *c)
{
	if (c == NULL || !vmm_acquire(&c->busy, VMM_RUNS))
		return VMM_FIELD_CONTEXT;
	if (!c->exists) {
		vmm_release(&c->busy);
		return VMM_FIELD_CONTEXT;
	}
	v->context = c;
	return 0;
}

/* Inlined it would have all the others' stack guarded for its array. */
__attribute__((__noinline__)) static uint32_t take_debug(struct vmm_vcpu *v)
{
	uint64_t dr[4], dr7 = OS_READ(v->page->dr7);
	unsigned i;

	for (i = 0; i < 4; i++) {
		dr[i] = OS_READ(v->page->dr[i]);
		/* Or the host's own code would be watched. */
		if (dr[i] >> 47 != 0)
			return VMM_FIELD_DR;
	}
	if (!x86_dr7_valid(dr7))
		return VMM_FIELD_DR7;
	memcpy(v->dr, dr, sizeof(v->dr));
	v->dr7 = dr7 | VMM_X86_DR7_FIXED;
	v->debug = (dr7 & VMM_X86_DR7_ENABLED) != 0;
	v->pending |= VMM_LOAD_DEBUG;
	return 0;
}

/* It is the space's: the next run may be of another one. */
void vmm_flush_space(struct vmm_vcpu *v)
{
	v->space->stale = true;
	v->pending |= VMM_LOAD_FLUSH;
	x86_code_forget(&v->space->code);
	vmm_count(&v->stats->flushes_guest, 1);
}

/* The one that has cr3; else another in the place of the oldest. */
static struct vmm_space *find_space(struct vmm_vcpu *v, uint64_t cr3)
{
	struct vmm_space *s;

	for (s = v->spaces; s < v->spaces + VMM_SPACES; s++)
		if (s->cr3 == cr3)
			return s;
	s = &v->spaces[v->last_id++ % VMM_SPACES];
	s->cr3 = cr3;
	s->id = v->last_id;
	s->stale = true;
	x86_code_forget(&s->code);
	return s;
}

static void take_space(struct vmm_vcpu *v, uint64_t cr3)
{
	if (v->space->cr3 != cr3) {
		v->space = find_space(v, cr3);
		v->pending |= VMM_LOAD_SPACE;
		vmm_count(&v->stats->space_switches, 1);
	}
}

/* What is known of the page table that a processor begins with, at 0, is known
 * of no other. */
void vmm_spaces_init(struct vmm_vcpu *v)
{
	unsigned i;

	for (i = 0; i < VMM_SPACES; i++)
		v->spaces[i].cr3 = VMM_NO_CR3;
	/* It is the one that is looked for last. */
	v->last_id = VMM_SPACES - 1;
	v->space = find_space(v, 0);
}

/* All groups are checked before the first is taken: a run that FAILED has
 * changed nothing, its commit included. */
static uint32_t take_groups(struct vmm_vcpu *v, uint32_t commit)
{
	struct vmm_context_state *old = v->context, *c = old;
	uint64_t cr3 = OS_READ(v->page->cr3);
	uint32_t field;

	if ((commit & ~SET_ALL) != 0 ||
	    (commit & (VMM_SET_KEEP | VMM_SET_SPACE)) == VMM_SET_KEEP)
		return VMM_FIELD_COMMIT;
	if ((commit & VMM_SET_SPACE) != 0 && (cr3 & ~vmm_hw.gpa_pages) != 0)
		return VMM_FIELD_CR3;
	if ((commit & VMM_SET_CONTEXT) != 0)
		c = vmm_context_find(v->machine, OS_READ(v->page->context));
	field = take_context(v, c);
	if (field == 0 && (commit & VMM_SET_DEBUG) != 0) {
		field = take_debug(v);
		if (field != 0) {
			vmm_release(&c->busy);
			v->context = old;
		}
	}
	if (field != 0)
		return field;

	if (c != old)
		vmm_count(&v->stats->context_switches, 1);
	if ((commit & VMM_SET_SPACE) != 0)
		take_space(v, cr3);
	/* Also when the space is the same: that is how a processor flushes. */
	if ((commit & VMM_SET_FLUSH) != 0 ||
	    (commit & (VMM_SET_SPACE | VMM_SET_KEEP)) == VMM_SET_SPACE)
		vmm_flush_space(v);
	OS_WRITE(v->page->commit, 0);
	return 0;
}

/* The timer is started when the processor is known. */
static void change_deadline(struct vmm_vcpu *v, uint64_t deadline)
{
	if (v->deadline != 0 && !v->by_tsc)
		os_timer_stop(&v->timer);
	OS_WRITE(v->expired, 0);
	v->deadline = deadline;
	v->timer_cpu = VMM_NO_CPU;
	v->deadline_tsc = 0;
	v->by_tsc = false;
	if (vmm_hw.has_timer) {
		v->by_tsc = deadline != 0 && os_tsc_is_clock();
		v->pending |= VMM_LOAD_TIMER;
	}
}

/* False: the exit FAILED is in the page. */
static bool take_page(struct vmm_vcpu *v)
{
	uint32_t commit = OS_READ(v->page->commit);
	uint64_t deadline = OS_READ(v->page->deadline);
	uint32_t field = take_regs(v);

	v->wanted = OS_READ(v->page->wanted);
	if (field == 0 && (v->wanted & ~WANT_ALL) != 0)
		field = VMM_FIELD_WANTED;
	if (field == 0)
		field = commit != 0 ? take_groups(v, commit) :
		    take_context(v, v->context);
	if (field != 0) {
		vmm_exit_plain(v, VMM_EXIT_FAILED, field);
		return false;
	}
	if (deadline != v->deadline)
		change_deadline(v, deadline);
	return true;
}

static void store_page(struct vmm_vcpu *v)
{
	struct vmm_regs *to = &v->page->regs;

	OS_WRITE(to->rip, v->state.rip);
	OS_WRITE(to->rflags, v->state.rflags);
	OS_WRITE(to->rsp, v->state.rsp);
	OS_WRITE(to->fs_base, v->state.fs_base);
	OS_WRITE(to->gs_base, v->state.gs_base);
}

/* ---- inside: interrupts off ---- */

/* Fires on the processor where the guest runs: the interrupt itself is the
 * exit. */
void vmm_run_expired(struct os_timer *t)
{
	struct vmm_vcpu *v = (struct vmm_vcpu *)(void *)((uint8_t *)t -
	    offsetof(struct vmm_vcpu, timer));

	OS_WRITE(v->expired, 1);
}

/* False: its time is over.  That is looked at after the start: if it was
 * firing elsewhere just now, and so stays there, it is. */
static bool start_timer(struct vmm_vcpu *v, uint32_t cpu)
{
	if (v->by_tsc) {
		v->deadline_tsc = os_tsc_at(v->deadline);
		v->pending |= VMM_LOAD_TIMER;
	} else {
		os_timer_start(&v->timer, v->deadline);
	}
	v->timer_cpu = cpu;
	if (os_mono_ns() < v->deadline)
		return true;
	OS_WRITE(v->expired, 1);
	return false;
}

/* The processor where it was has to let go of it first. */
static inline bool has_to_leave(const struct vmm_vcpu *v,
    const struct vmm_cpu *c)
{
	return v->last_cpu != c->number && v->last_cpu != VMM_NO_CPU &&
	    vmm_hw.vendor->vcpu_leave != NULL;
}

/* Another guest user was the last here: of the same vCPU, or not.  Who is
 * gone may have had this one's address: last_cpu tells, then.  False: not yet,
 * it has_to_leave(). */
static inline bool take_cpu(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	if (c->last != v || v->last_cpu != c->number) {
		if (has_to_leave(v, c))
			return false;
		v->pending |= VMM_LOAD_CPU;
		vmm_count(&v->stats->cpu_loads, 1);
		if (v->last_cpu != c->number && v->last_cpu != VMM_NO_CPU)
			vmm_count(&v->stats->migrations, 1);
		c->last = v;
		v->last_cpu = c->number;
	} else if (c->last_space == v->space->id) {
		return true;
	}
	c->last_space = v->space->id;
	os_ibpb();
	return true;
}

static void leave_cpu(struct vmm_vcpu *v)
{
	vmm_hw.vendor->vcpu_leave(v);
	v->last_cpu = VMM_NO_CPU;
	vmm_count(&v->stats->migrations, 1);
}

/* Between the extended state of one and that of the other, whose XCR0 it is.
 * APM vol. 2 11.4.4: a processor may leave the pointers of x87 alone unless an
 * exception is pending. */
__attribute__((__noinline__)) static void part_xstate(uint64_t xcr0)
{
	if (vmm_hw.x87_leaks)
		cpu_x87_forget();
	if (vmm_hw.xcr0 != vmm_hw.host_xcr0)
		cpu_xsetbv(0, xcr0);
}

static void load_guest(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	unsigned i;

	if (vmm_hw.vendor->begin != NULL)
		vmm_hw.vendor->begin(v, c);
	cpu_xsave(v->host_xsave, vmm_hw.xcr0);
	if (vmm_hw.xstate_rare)
		part_xstate(vmm_hw.xcr0);
	cpu_xrstor(v->context->xsave, vmm_hw.xcr0);
	if (v->machine->has_tsc_aux) {
		v->host_tsc_aux = cpu_rdmsr(VMM_MSR_TSC_AUX);
		cpu_wrmsr(VMM_MSR_TSC_AUX, v->machine->tsc_aux);
	}
	if (v->debug) {
		/* Or the host's breakpoints would be at the guest's places. */
		if (os_debug_in_use())
			cpu_set_dr(7, VMM_X86_DR7_FIXED);
		for (i = 0; i < 4; i++)
			cpu_set_dr(i, v->dr[i]);
	}
}

static void load_host(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	if (vmm_hw.vendor->end != NULL)
		vmm_hw.vendor->end(v, c);
	cpu_xsave(v->context->xsave, vmm_hw.xcr0);
	if (vmm_hw.xstate_rare)
		part_xstate(vmm_hw.host_xcr0);
	cpu_xrstor(v->host_xsave, vmm_hw.xcr0);
	if (v->machine->has_tsc_aux)
		cpu_wrmsr(VMM_MSR_TSC_AUX, v->host_tsc_aux);
	/* The vendor leaves DR7 disabled, whatever the guest had. */
	if (os_debug_in_use())
		os_debug_restore();
}

/* Somebody wants this thread outside. */
static inline bool wanted_outside(struct vmm_vcpu *v)
{
	return (OS_READ(v->kicked) | OS_READ(v->expired)) != 0 ||
	    OS_READ(v->machine->dead) || os_attention();
}

static void forget_code(struct vmm_vcpu *v)
{
	unsigned i;

	for (i = 0; i < VMM_SPACES; i++)
		x86_code_forget(&v->spaces[i].code);
}

static enum vmm_verdict enter(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	enum vmm_verdict verdict;
	uint64_t gen;

	load_guest(v, c);
	for (;;) {
		gen = OS_READ(v->machine->flush_gen);
		if (gen != v->flush_gen) {
			v->flush_gen = gen;
			v->pending |= VMM_LOAD_NESTED;
			vmm_count(&v->stats->flushes_nested, 1);
		}
		if ((v->pending & VMM_LOAD_NESTED) != 0)
			forget_code(v);
		vmm_count(&v->stats->entries, 1);
		vmm_hw.vendor->run(v, c, &v->cause);
		verdict = vmm_exit_handle(v, &v->cause);
		if (verdict != VMM_GO_ON)
			break;
		vmm_count(&v->stats->handled, 1);
		if (wanted_outside(v)) {
			verdict = VMM_AROUND;
			break;
		}
	}
	load_host(v, c);
	return verdict;
}

/*
 * Once inside, with all that may be done there.  EIO: this processor is not to
 * be used.
 *
 * Whoever kicks, or takes leaves away, first says so (kicked, flush_gen), then
 * looks for mode INSIDE; here mode is set first, then those are read: one of
 * the two sees the other.
 */
static int inside(struct vmm_vcpu *v, enum vmm_verdict *verdict)
{
	uint32_t n = os_guest_begin();
	struct vmm_cpu *c = &vmm_hw.cpus[n];
	int error = 0;

	OS_WRITE(v->cpu, n);
	OS_WRITE(v->mode, VMM_INSIDE);
	os_mb();
	*verdict = VMM_AROUND;
	/* First: who is to leave a processor that goes off line is not to hear
	 * of that. */
	if (wanted_outside(v))
		goto out;
	if (!OS_READ(c->on) || OS_READ(vmm_hw.going_down)) {
		error = EIO;
		goto out;
	}
	if (v->deadline != 0 && v->timer_cpu != n && !start_timer(v, n))
		goto out;
	*verdict = take_cpu(v, c) ? enter(v, c) : VMM_MOVE;
out:
	/* Only after the last look at the nested tables. */
	OS_RELEASE(v->mode, VMM_OUTSIDE);
	os_guest_end();
	return error;
}

/* ---- outside ---- */

/* Nobody but the clock says that it is when the processor's own timer is used:
 * that may be early, or count while the guest runs only. */
static bool is_over(struct vmm_vcpu *v)
{
	if (v->by_tsc && OS_READ(v->expired) == 0) {
		v->timer_cpu = VMM_NO_CPU;
		if (os_mono_ns() >= v->deadline)
			OS_WRITE(v->expired, 1);
	}
	return OS_READ(v->expired) != 0;
}

/*
 * Has the run come to its end?  A kick first: it is told once, while the
 * others stay as they are until the next run.
 */
static bool ends_here(struct vmm_vcpu *v)
{
	if (OS_READ(v->kicked) != 0) {
		(void)os_xchg32(&v->kicked, 0);
		vmm_count(&v->stats->kicks, 1);
		vmm_exit_plain(v, VMM_EXIT_INTERRUPTED, VMM_BY_KICK);
		return true;
	}
	if (is_over(v)) {
		vmm_exit_plain(v, VMM_EXIT_DEADLINE, 0);
		return true;
	}
	if (os_signal()) {
		vmm_exit_plain(v, VMM_EXIT_INTERRUPTED, VMM_BY_SIGNAL);
		return true;
	}
	return false;
}

/* 0: go on, or *ended: an exit is in the page.  Else what VMM_RUN returns. */
static int look_around(struct vmm_vcpu *v, bool *ended)
{
	*ended = ends_here(v);
	return *ended ? 0 : os_resched();
}

static int fill(struct vmm_vcpu *v, bool *ended)
{
	int error = vmm_fault(v, v->cause.gpa, v->cause.access);

	switch (error) {
	case 0:
		return 0;
	case EAGAIN:
	case EINTR:
		return look_around(v, ended);
	case ENOMEM:
	case EIO:
		return error;
	default:
		vmm_exit_memory(v, &v->cause, error);
		*ended = true;
		return 0;
	}
}

#define ENDED	(-1)

/* Before it is entered again.  0; ENDED: an exit is in the page; or what
 * VMM_RUN returns.  Not inlined, or a kernel would guard the caller's stack. */
__attribute__((__noinline__)) static int outside(struct vmm_vcpu *v,
    enum vmm_verdict verdict)
{
	bool ended = false;
	int error;

	if (OS_READ(v->machine->dead))
		return EIO;
	if (verdict == VMM_MOVE) {
		leave_cpu(v);
		return 0;
	}
	/* As of any program of the host's: it is slowed down and may go on, or
	 * there is a signal for this thread. */
	if (verdict == VMM_SPLIT)
		os_split_lock(v->state.rip);
	error = verdict == VMM_FILL ? fill(v, &ended) :
				      look_around(v, &ended);
	return ended ? ENDED : error;
}

static int go(struct vmm_vcpu *v)
{
	enum vmm_verdict verdict = VMM_AROUND;
	int error;

	for (;;) {
		error = inside(v, &verdict);
		if (error != 0 || verdict == VMM_LEAVE)
			return error;
		error = outside(v, verdict);
		if (error != 0)
			return error != ENDED ? error : 0;
	}
}

int vmm_vcpu_run(struct vmm_vcpu *v)
{
	int error = vmm_machine_usable(v->machine);

	if (error != 0)
		return error;
	if (!vmm_acquire(&v->busy, VMM_RUNS))
		return EBUSY;
	vmm_count(&v->stats->runs, 1);
	if (take_page(v)) {
		error = go(v);
		store_page(v);
		vmm_release(&v->context->busy);
		if (error != 0)
			OS_WRITE(v->page->exit.kind, VMM_EXIT_NONE);
	}
	vmm_release(&v->busy);
	return error;
}
