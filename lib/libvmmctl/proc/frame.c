// SPDX-License-Identifier: BSD-2-Clause
/*
 * frame.c - the signal frame as a register file: where it is, what is in it,
 * what the signal was about.  A guest can write to the frame of its own stub:
 * nothing read here may be used as an address or a size.
 */
#include "proc.h"

#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#define USER_CS		0x33u
#define USER_SS		0x2bull
#define VSYSCALL	0xffffffffff600000ull
#define XSAVE_MAGIC1	0x46505853u
#define XSAVE_MAGIC2	0x46505845u
#define SS_AUTODISARM_FLAG (1u << 31)
#define UC_FP_XSTATE	1ull

#ifndef SYS_SECCOMP
#define SYS_SECCOMP	1
#endif
#ifndef TRAP_TRACE
#define TRAP_TRACE	2
#endif

/* As the kernel lays it out; glibc's has the older, smaller sigset. */
struct kernel_ucontext {
	uint64_t flags, link;
	uint64_t stack_sp;
	uint32_t stack_flags, pad;
	uint64_t stack_size;
	uint64_t gregs[23];
	uint64_t fpstate, reserved[8];
	uint64_t sigmask;
};

_Static_assert(sizeof(struct kernel_ucontext) <= STUB_OPS_FRAME, "ops frame");

struct sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, pad[7];
};

static uint64_t frame_address(const struct proc_seat *seat)
{
	return STUB_FRAME + (uint64_t)seat->index * STUB_FRAME_SIZE;
}

static struct kernel_ucontext *ucontext(struct proc_seat *seat)
{
	return (struct kernel_ucontext *)(void *)(seat->frame + seat->uc);
}

/* Offset of a stub address in the frame, if size bytes are there. */
static int offset_of(const struct proc_seat *seat, uint64_t at, size_t size,
    uint32_t *offset)
{
	uint64_t off = at - frame_address(seat);

	if (off > STUB_FRAME_SIZE - size || off < STUB_OPS_FRAME ||
	    (off & 7) != 0)
		return -EPROTO;
	*offset = (uint32_t)off;
	return 0;
}

int frame_learn(struct proc_seat *seat, const uint64_t args[6])
{
	uint32_t want = seat->stub->m->v->info.xsave_size;
	struct sw_bytes sw;

	if (args[0] != SIGTRAP ||
	    offset_of(seat, args[1], 128, &seat->info) != 0 ||
	    offset_of(seat, args[2], sizeof(struct kernel_ucontext),
	    &seat->uc) != 0 ||
	    offset_of(seat, ucontext(seat)->fpstate, want,
	    &seat->xsave) != 0)
		return -EPROTO;
	memcpy(&sw, seat->frame + seat->xsave + FRAME_XSAVE_SW, sizeof(sw));
	_Static_assert(sizeof(sw) == sizeof(seat->sw), "sw");
	if (sw.magic1 != XSAVE_MAGIC1 || sw.xstate_size < want ||
	    sw.extended_size < sizeof(uint32_t) ||
	    sw.extended_size > STUB_FRAME_SIZE - seat->xsave)
		return -EPROTO;
	memcpy(seat->sw, &sw, sizeof(sw));
	seat->magic2 = seat->xsave + sw.extended_size -
	    (uint32_t)sizeof(uint32_t);
	seat->uc_flags = ucontext(seat)->flags;
	seat->ops->sp = frame_address(seat) + seat->uc;
	return 0;
}

void frame_clear(struct proc_seat *seat)
{
	const uint32_t magic2 = XSAVE_MAGIC2;

	memset(seat->frame, 0, STUB_FRAME_SIZE);
	/* Without these the kernel restores x87 and SSE only. */
	memcpy(seat->frame + seat->xsave + FRAME_XSAVE_SW, seat->sw,
	    sizeof(seat->sw));
	memcpy(seat->frame + seat->magic2, &magic2, sizeof(magic2));
}

/*
 * At the start of the frame page, where the kernel's frames do not reach.
 * RSP points at the saved R15, which is the key, for the code to erase.
 */
static struct kernel_ucontext *ops_frame(struct proc_seat *seat)
{
	return (struct kernel_ucontext *)(void *)seat->frame;
}

void frame_arm(struct proc_seat *seat, uint64_t key)
{
	struct kernel_ucontext *u = ops_frame(seat);
	uint64_t at = frame_address(seat);

	memset(u, 0, sizeof(*u));
	u->flags = seat->uc_flags & ~UC_FP_XSTATE;
	u->stack_flags = SS_DISABLE;
	u->sigmask = ~0ull;
	u->gregs[REG_RBX] = STUB_OPS + (uint64_t)seat->index * STUB_OPS_SIZE;
	u->gregs[REG_R15] = key;
	u->gregs[REG_RSP] = at + offsetof(struct kernel_ucontext, gregs) +
	    REG_R15 * sizeof(uint64_t);
	u->gregs[REG_RIP] = STUB_OPS_ENTRY;
	u->gregs[REG_EFL] = RFLAGS_FIXED | RFLAGS_IF;
	u->gregs[REG_CSGSFS] = USER_CS | USER_SS << 48;
	seat->ops->frame_sp = at;
	seat->armed = true;
}

bool frame_disarm(struct proc_seat *seat)
{
	uint64_t *key = &ops_frame(seat)->gregs[REG_R15];
	bool used = *key == 0;

	*key = 0;
	seat->armed = false;
	return used;
}

void frame_store(struct proc_seat *seat, const struct vmmctl_regs *r)
{
	struct kernel_ucontext *u = ucontext(seat);
	uint64_t *g = u->gregs;

	u->flags = seat->uc_flags;
	u->link = 0;
	u->stack_sp = frame_address(seat);
	u->stack_flags = SS_AUTODISARM_FLAG;
	u->stack_size = STUB_FRAME_SIZE;
	u->sigmask = 0;
	u->fpstate = frame_address(seat) + seat->xsave;
	g[REG_R8] = r->r8;
	g[REG_R9] = r->r9;
	g[REG_R10] = r->r10;
	g[REG_R11] = r->r11;
	g[REG_R12] = r->r12;
	g[REG_R13] = r->r13;
	g[REG_R14] = r->r14;
	g[REG_R15] = r->r15;
	g[REG_RDI] = r->rdi;
	g[REG_RSI] = r->rsi;
	g[REG_RBP] = r->rbp;
	g[REG_RBX] = r->rbx;
	g[REG_RDX] = r->rdx;
	g[REG_RAX] = r->rax;
	g[REG_RCX] = r->rcx;
	g[REG_RSP] = r->rsp;
	g[REG_RIP] = r->rip;
	g[REG_EFL] = r->rflags;
	g[REG_CSGSFS] = USER_CS | USER_SS << 48;
	/* The kernel remembers them for a thread, which another guest may have
	 * had before; it does not take them from here. */
	g[REG_CR2] = g[REG_ERR] = g[REG_TRAPNO] = 0;
	/* Returning from a signal leaves these as they are. */
	seat->ops->flags = RFLAGS_FIXED | RFLAGS_IF |
	    (r->rflags & (RFLAGS_NT | RFLAGS_ID));
	seat->ops->fs_base = r->fs_base;
	seat->ops->gs_base = r->gs_base;
}

void frame_load(struct proc_seat *seat, struct vmmctl_regs *r)
{
	const uint64_t *g = ucontext(seat)->gregs;

	r->r8 = g[REG_R8];
	r->r9 = g[REG_R9];
	r->r10 = g[REG_R10];
	r->r11 = g[REG_R11];
	r->r12 = g[REG_R12];
	r->r13 = g[REG_R13];
	r->r14 = g[REG_R14];
	r->r15 = g[REG_R15];
	r->rdi = g[REG_RDI];
	r->rsi = g[REG_RSI];
	r->rbp = g[REG_RBP];
	r->rbx = g[REG_RBX];
	r->rdx = g[REG_RDX];
	r->rax = g[REG_RAX];
	r->rcx = g[REG_RCX];
	r->rsp = g[REG_RSP];
	r->rip = g[REG_RIP];
	r->rflags = g[REG_EFL];
}

/* ---- signals to events ------------------------------------------------------ */

static void vector(struct event *ev, uint64_t v, uint64_t error, uint64_t cr2)
{
	ev->type = EVENT_VECTOR;
	ev->vector = (uint32_t)v & 31;
	ev->error_code = (uint32_t)error;
	ev->cr2 = cr2;
}

static void left_64bit(struct event *ev, uint64_t cs)
{
	ev->type = EVENT_FAILED;
	ev->field = "CS";
	ev->value = cs;
	ev->rule = "a guest user runs 64-bit code; it has jumped to 32-bit "
	    "code";
	ev->section = "DESIGN: guest-user";
}

static bool in_vsyscall(uint64_t addr)
{
	return addr - VSYSCALL < VMMCTL_PAGE_SIZE;
}

static void decode_sigsys(const uint8_t *info, struct vmmctl_regs *r,
    struct event *ev)
{
	uint64_t call_addr;
	uint32_t arch;

	memcpy(&call_addr, info + 16, sizeof(call_addr));
	memcpy(&arch, info + 28, sizeof(arch));
	if (arch == AUDIT_ARCH_I386) {
		ev->type = EVENT_SOFTINT;
		ev->vector = 0x80;
	} else if (in_vsyscall(call_addr)) {
		/* The host emulates this page up to its RET: undo that. */
		r->rip = call_addr;
		r->rsp -= 8;
		vector(ev, VEC_PF, PF_USER | PF_FETCH, call_addr);
	} else {
		ev->type = EVENT_SYSCALL;
	}
}

void signal_event(const struct stub_signal *s, struct vmmctl_regs *r,
    struct event *ev)
{
	int32_t code;

	memcpy(&code, s->info + 8, sizeof(code));
	memset(ev, 0, sizeof(*ev));
	ev->type = EVENT_KICK;
	if (s->sig == KICK_SIGNAL)
		return;
	if (s->cs != USER_CS) {
		left_64bit(ev, s->cs);
		return;
	}
	/* Somebody's kill(2) at the stub is not the guest's doing. */
	if (code <= 0)
		return;
	switch (s->sig) {
	case SIGSYS:
		decode_sigsys(s->info, r, ev);
		break;
	case SIGTRAP:
		if (s->trap == VEC_BP) {
			vector(ev, VEC_BP, 0, 0);
		} else {
			vector(ev, VEC_DB, 0, 0);
			ev->dr6 = code == TRAP_TRACE ? VMMCTL_DR6_BS : 0;
			if (code == TRAP_BRKPT && s->int1_before)
				r->rip++;
		}
		break;
	case SIGSEGV:
		/* For a wrong address there the kernel gives no vector. */
		if (in_vsyscall(r->rip)) {
			vector(ev, VEC_PF, PF_USER | PF_FETCH, r->rip);
			break;
		}
		/* FALLTHROUGH */
	case SIGBUS:
	case SIGFPE:
		vector(ev, s->trap, s->error, s->cr2);
		break;
	case SIGILL:
		/*
		 * Not #UD: uretprobe (335), which seccomp lets pass since
		 * Linux 6.14, used where there is no probe.
		 */
		if (code == SI_KERNEL) {
			r->rax = 335;
			ev->type = EVENT_SYSCALL;
			break;
		}
		vector(ev, s->trap, s->error, s->cr2);
		break;
	default:
		break;
	}
}

void frame_event(struct proc_seat *seat, struct vmmctl_regs *r, int sig,
    struct event *ev)
{
	const uint64_t *g = ucontext(seat)->gregs;
	const struct proc *p = seat->stub->m->v->backend_data;
	const struct stub_signal s = { .sig = sig,
	    .int1_before = p->int1_before,
	    .info = seat->frame + seat->info, .cs = g[REG_CSGSFS] & 0xffff,
	    .trap = g[REG_TRAPNO], .error = g[REG_ERR], .cr2 = g[REG_CR2] };

	signal_event(&s, r, ev);
}

/* ---- extended state ---------------------------------------------------------- */

int frame_xsave_load(struct proc_seat *seat, const void *buf)
{
	uint8_t *to = seat->frame + seat->xsave;
	uint32_t size = seat->stub->m->v->info.xsave_size;

	memcpy(to, buf, FRAME_XSAVE_SW);
	memcpy(to + FRAME_LEGACY, (const uint8_t *)buf + FRAME_LEGACY,
	    size - FRAME_LEGACY);
	return 0;
}

int frame_xsave_save(struct proc_seat *seat, void *buf)
{
	const uint8_t *from = seat->frame + seat->xsave;
	uint32_t size = seat->stub->m->v->info.xsave_size;

	memcpy(buf, from, FRAME_XSAVE_SW);
	memcpy((uint8_t *)buf + FRAME_LEGACY, from + FRAME_LEGACY,
	    size - FRAME_LEGACY);
	return 0;
}
