// SPDX-License-Identifier: BSD-2-Clause
/*
 * ptrace.c - the slow variant, for hosts without seccomp filters: the owner's
 * side of the tracers, see stub/trace.h.
 */
#include "../os.h"
#include "proc.h"

#include <cpuid.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <time.h>
#include <unistd.h>

#define USER_CS		0x33u
#define USER_SS		0x2bu
#define PKRU		9u		/* state component */
/* How often to look whether the tracer is still there. */
#define LOOK_NS		100000000ull

_Static_assert(sizeof(struct user_regs_struct) ==
    TRACE_NREGS * sizeof(uint64_t), "registers");

/* ---- talking to the tracer -------------------------------------------------- */

static _Atomic uint32_t *turn_of(const struct proc_seat *seat)
{
	return (_Atomic uint32_t *)&seat->trace->turn;
}

static bool zygote_lives(struct vmmctl_machine *m)
{
	struct proc_machine *pm = m->backend_data;
	struct pollfd p = { .fd = pm->socket };

	return poll(&p, 1, 0) == 0 || (p.revents & (POLLHUP | POLLERR)) == 0;
}

/*
 * Until it is the owner's turn.  -ETIMEDOUT: the deadline has passed (0:
 * there is none); -EINTR: a signal; -ESRCH: the seat is gone.
 */
static int wait_turn(struct proc_seat *seat, uint64_t deadline)
{
	for (;;) {
		uint64_t limit = os_mono_ns() + LOOK_NS;
		struct timespec t;
		int err;

		if (deadline != 0 && deadline < limit)
			limit = deadline;
		t.tv_sec = (time_t)(limit / 1000000000u);
		t.tv_nsec = (long)(limit % 1000000000u);
		if (atomic_load(turn_of(seat)) == TRACE_OWNER)
			break;
		err = syscall(SYS_futex, turn_of(seat), FUTEX_WAIT_BITSET,
		    TRACE_TRACER, &t, NULL, FUTEX_BITSET_MATCH_ANY) == 0 ? 0 :
		    errno;
		if (atomic_load(turn_of(seat)) == TRACE_OWNER)
			break;
		if (err == EINTR)
			return zygote_lives(seat->stub->m) ? -EINTR : -ESRCH;
		if (err == ETIMEDOUT && limit == deadline)
			return -ETIMEDOUT;
		if (err == ETIMEDOUT && !zygote_lives(seat->stub->m))
			return -ESRCH;
	}
	return seat->trace->report == TRACE_GONE ? -ESRCH : 0;
}

static void command(struct proc_seat *seat, enum trace_command what)
{
	seat->trace->command = what;
	atomic_store(turn_of(seat), TRACE_TRACER);
	syscall(SYS_futex, turn_of(seat), FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* What takes only a moment. */
static int finish(struct proc_seat *seat)
{
	int err;

	do {
		err = wait_turn(seat, 0);
	} while (err == -EINTR);
	return err;
}

static int ask(struct proc_seat *seat, enum trace_command what)
{
	command(seat, what);
	return finish(seat);
}

/* ---- making seats ------------------------------------------------------------ */

static uint32_t pkru_offset(uint64_t mask)
{
	unsigned len, at, ecx, edx;

	if ((mask >> PKRU & 1) == 0)
		return 0;
	__cpuid_count(0xd, PKRU, len, at, ecx, edx);
	return at + len <= TRACE_XSAVE ? at : 0;
}

/* The page that is shared with the tracer, before there is one. */
static int map_trace(struct proc_seat *seat)
{
	struct proc_machine *pm = seat->stub->m->backend_data;
	struct stub_trace *t = os_shm_map(pm->arena, ARENA_TRACE +
	    (uint64_t)(seat->stub->slot + seat->index) * TRACE_SIZE,
	    TRACE_SIZE, 1);

	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, offsetof(struct stub_trace, xsave));
	t->pkru_at = pkru_offset(seat->stub->m->v->info.xsave_mask);
	seat->trace = t;
	return 0;
}

/* The tracer has been started and is about to take hold of the thread. */
static int attached(struct proc_seat *seat)
{
	int err = finish(seat);

	if (err != 0)
		return seat->trace->error != 0 ? seat->trace->error : err;
	if (seat->trace->xsave_size < seat->stub->m->v->info.xsave_size)
		return -EOVERFLOW;
	seat->tid = seat->trace->tid;
	seat->made = true;
	return 0;
}

static int start_stub(struct stub *stub)
{
	struct zygote_request q = { .kind = ZYGOTE_FORK, .slot = stub->slot,
	    .seats = stub->nseats };
	int r = 0;

	for (uint32_t i = 0; i < stub->nseats && r == 0; i++)
		r = map_trace(&stub->seats[i]);
	if (r == 0)
		r = zygote_call(stub->m, &q, -1, NULL);
	if (r < 0)
		return r;
	stub->pid = r;
	return stub->nseats == 1 ? attached(&stub->seats[0]) : 0;
}

static int start_seat(struct proc_seat *seat)
{
	struct zygote_request q = { .kind = ZYGOTE_SEAT,
	    .pid = seat->stub->pid, .slot = seat->stub->slot,
	    .index = seat->index };
	int err = zygote_call(seat->stub->m, &q, -1, NULL);

	if (err == 0)
		err = attached(seat);
	/* Its thread may be there, and nobody traces it. */
	if (err != 0)
		seat_died(seat);
	return err;
}

static void seat_clear(struct proc_seat *seat)
{
	memset(seat->frame, 0, STUB_FRAME_SIZE);
}

static void seat_fini(struct proc_seat *seat)
{
	os_shm_unmap(seat->trace, TRACE_SIZE);
}

/* ---- into the guest and out -------------------------------------------------- */

static void store(struct proc_seat *seat, const struct vmmctl_regs *r)
{
	const struct user_regs_struct u = {
		.r15 = r->r15, .r14 = r->r14, .r13 = r->r13, .r12 = r->r12,
		.rbp = r->rbp, .rbx = r->rbx, .r11 = r->r11, .r10 = r->r10,
		.r9 = r->r9, .r8 = r->r8, .rax = r->rax, .rcx = r->rcx,
		.rdx = r->rdx, .rsi = r->rsi, .rdi = r->rdi,
		.orig_rax = ~0ull,	/* no call to restart */
		.rip = r->rip, .cs = USER_CS, .eflags = r->rflags,
		.rsp = r->rsp, .ss = USER_SS, .fs_base = r->fs_base,
		.gs_base = r->gs_base,
	};

	memcpy(seat->trace->regs, &u, sizeof(u));
	seat->ops->sp = (r->rflags & TRACE_FLAG_ID) | RFLAGS_FIXED |
	    RFLAGS_IF;
	seat->ops->fs_base = r->fs_base;
	seat->ops->gs_base = r->gs_base;
}

static void load(const struct user_regs_struct *u, struct vmmctl_regs *r)
{
	*r = (struct vmmctl_regs){
		.rax = u->rax, .rbx = u->rbx, .rcx = u->rcx, .rdx = u->rdx,
		.rsi = u->rsi, .rdi = u->rdi, .rbp = u->rbp, .rsp = u->rsp,
		.r8 = u->r8, .r9 = u->r9, .r10 = u->r10, .r11 = u->r11,
		.r12 = u->r12, .r13 = u->r13, .r14 = u->r14, .r15 = u->r15,
		.rip = u->rip, .rflags = u->eflags, .fs_base = u->fs_base,
		.gs_base = u->gs_base,
	};
}

static void refused(const struct vmmctl_regs *r, struct event *ev)
{
	bool fs = r->fs_base >> 47 != 0;

	memset(ev, 0, sizeof(*ev));
	ev->type = EVENT_FAILED;
	ev->field = fs ? "FS_BASE" : r->gs_base >> 47 != 0 ? "GS_BASE" :
	    "registers";
	ev->value = fs ? r->fs_base : r->gs_base;
	ev->rule = "must be in the user's half: the host has no WRFSBASE";
	ev->section = "vmmctl(3), ISOLATION";
}

static int answered(struct proc_seat *seat, struct vmmctl_regs *r,
    struct event *ev)
{
	struct stub_trace *t = seat->trace;
	struct user_regs_struct u;
	const struct proc *p = seat->stub->m->v->backend_data;
	struct stub_signal s = { .info = t->info,
	    .int1_before = p->int1_before, .trap = t->trap,
	    .error = (uint32_t)t->error, .cr2 = t->cr2 };
	int32_t sig;

	switch (t->report) {
	case TRACE_OP_FAILED:
		seat->op_error = t->error;
		return -EAGAIN;
	case TRACE_REFUSED:
		refused(r, ev);
		return 0;
	case TRACE_SYSCALL:
	case TRACE_INT80:
	case TRACE_SIGNAL:
	case TRACE_KICKED:
		break;
	default:
		return -ESRCH;
	}
	memcpy(&u, t->regs, sizeof(u));
	load(&u, r);
	memset(ev, 0, sizeof(*ev));
	ev->type = EVENT_KICK;
	if (t->report == TRACE_KICKED)
		return 0;
	s.cs = u.cs & 0xffff;
	memcpy(&sig, t->info, sizeof(sig));
	s.sig = t->report == TRACE_SIGNAL ? sig : 0;
	signal_event(&s, r, ev);
	if (ev->type != EVENT_KICK)
		return 0;
	if (t->report == TRACE_SYSCALL) {
		ev->type = EVENT_SYSCALL;
	} else if (t->report == TRACE_INT80) {
		ev->type = EVENT_SOFTINT;
		ev->vector = 0x80;
	}
	return 0;
}

static int enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct proc_seat *seat, uint64_t deadline, struct event *ev)
{
	enum event_type cause = EVENT_KICK;
	int err;

	store(seat, &c->regs);
	seat->trace->resume = 1;
	command(seat, TRACE_RUN);
	for (;;) {
		err = wait_turn(seat, deadline);
		if (err == -ETIMEDOUT)
			cause = EVENT_TIMEOUT;
		else if (err == -EINTR)
			cause = EVENT_SIGNAL;
		else
			break;
		/* The guest must come out before we can tell anything. */
		deadline = 0;
		proc_kick(v);
	}
	if (err == 0)
		err = answered(seat, &c->regs, ev);
	if (err == 0 && ev->type == EVENT_KICK)
		ev->type = cause;
	return err;
}

static int flush(struct proc_seat *seat)
{
	int err;

	seat->trace->resume = 0;
	err = ask(seat, TRACE_RUN);
	seat->ops->count = 0;
	if (err != 0)
		return err;
	seat->op_error = seat->trace->error;
	return seat->trace->report == TRACE_DONE ? 0 :
	    seat->trace->report == TRACE_OP_FAILED ? -EAGAIN : -ESRCH;
}

/* ---- extended state ------------------------------------------------------------ */

/* The next run takes it along. */
static int xsave_load(struct proc_seat *seat, const void *buf)
{
	uint32_t size = seat->stub->m->v->info.xsave_size;
	uint8_t *to = seat->trace->xsave;

	memcpy(to, buf, size);
	memset(to + size, 0, TRACE_XSAVE - size);
	memset(to + FRAME_XSAVE_SW, 0, FRAME_LEGACY - FRAME_XSAVE_SW);
	seat->trace->load = 1;
	return 0;
}

static int xsave_save(struct proc_seat *seat, void *buf)
{
	uint32_t size = seat->stub->m->v->info.xsave_size;
	const uint8_t *from = seat->trace->xsave;

	/* With the thread its state has gone: the last one known stays. */
	if (seat->seat.dead)
		return 0;
	if (seat->trace->load == 0 && ask(seat, TRACE_XSAVE_GET) != 0)
		return 0;
	memcpy(buf, from, FRAME_XSAVE_SW);
	memcpy((uint8_t *)buf + FRAME_LEGACY, from + FRAME_LEGACY,
	    size - FRAME_LEGACY);
	return 0;
}

const struct proc_variant proc_ptrace = {
	.name = "ptrace",
	.start_stub = start_stub,
	.start_seat = start_seat,
	.seat_clear = seat_clear,
	.seat_fini = seat_fini,
	.flush = flush,
	.enter = enter,
	.xsave_load = xsave_load,
	.xsave_save = xsave_save,
};
