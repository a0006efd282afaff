// SPDX-License-Identifier: BSD-2-Clause
/*
 * tracer.c - the threads of the zygote that trace seats.  Freestanding as
 * zygote.c; a tracer's stack is in the page that it shares with the owner.
 * Guests can write to the frame pages: what is read there is data only.
 */
#include "tracee.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>

#define ARENA_AT	0x7ff900000000ul
#define USER_END	STUB_TASK_END	/* ptrace takes no bases above */
#define STATUS_SYSCALL	(SIGTRAP | 0x80)
#define RED_ZONE	128u
#define UC_GREGS	40u		/* offsets in the kernel's ucontext */
#define UC_ERR		(UC_GREGS + 8 * 19)
#define UC_TRAP		(UC_GREGS + 8 * 20)
#define UC_CR2		(UC_GREGS + 8 * 22)
#define UC_SIZE		(UC_GREGS + 8 * 23)
#define INFO_CODE	8u
#define TRACER_FLAGS	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | \
	CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | \
	CLONE_CHILD_CLEARTID)
#define OPTIONS		(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)

extern const char traced_handler_end[], traced_setup[], traced_setup_end[],
    traced_ops[], traced_ops_end[], traced_state[], traced_state_end[],
    traced_clone[], traced_clone_end[];

__attribute__((used, noreturn)) void tracer_main(struct stub_trace *t);

static struct stub_trace *trace_of(uint32_t slot)
{
	return (struct stub_trace *)(ARENA_AT + ARENA_TRACE +
	    (uint64_t)slot * TRACE_SIZE);
}

/* ---- into the guest and out ------------------------------------------------ */

/*
 * Let the kernel deliver the fault, for only a signal frame has its error
 * code and CR2.  The registers have been read; the extended state is put away
 * meanwhile, since the kernel resets it for handlers.
 */
static int deliver(struct stub_trace *t, int sig)
{
	uint64_t frame = STUB_FRAME + (uint64_t)t->index * STUB_FRAME_SIZE;
	uint64_t regs[TRACE_NREGS], uc, rsp;
	const uint8_t *p;

	if (get_xsave(t) != 0)
		return -ESRCH;
	if (t->pkru_at != 0 && (t->xsave[t->pkru_at] & 3) != 0 &&
	    init_xsave(t) != 0)
		return -ESRCH;
	if (t->regs[RSP] - frame <= STUB_FRAME_SIZE + RED_ZONE) {
		/* It would seem to be on the alternate stack already. */
		rsp = t->regs[RSP];
		t->regs[RSP] = 0;
		if (set_regs(t->tid, t->regs) != 0)
			return -ESRCH;
		t->regs[RSP] = rsp;
	}
	if (trace(PTRACE_CONT, t->tid, 0, sig) != 0 ||
	    wait_trap(t, traced_handler_end, regs) != 0)
		return -ESRCH;
	uc = regs[RDX] - frame;
	if (uc > STUB_FRAME_SIZE - UC_SIZE || (uc & 7) != 0)
		return -ESRCH;
	p = (const uint8_t *)(ARENA_AT + (uint64_t)t->slot * STUB_SLOT_SIZE +
	    STUB_OPS_SIZE + uc);
	t->error = *(const volatile int32_t *)(p + UC_ERR);
	t->trap = *(const volatile uint32_t *)(p + UC_TRAP);
	t->cr2 = *(const volatile uint64_t *)(p + UC_CR2);
	return set_xsave(t) == 0 ? 0 : -ESRCH;
}

static uint32_t signalled(struct stub_trace *t, int sig)
{
	int32_t code;

	if (sig == SIGALRM || (!is_fault(sig) && sig != SIGTRAP &&
	    sig != SIGSYS))
		return TRACE_KICKED;
	if (trace(PTRACE_GETSIGINFO, t->tid, 0, (long)t->info) != 0)
		return TRACE_GONE;
	code = *(const int32_t *)(t->info + INFO_CODE);
	/* Somebody's kill(2) at the stub is not the guest's doing. */
	if (code <= 0)
		return TRACE_KICKED;
	t->error = 0;
	t->cr2 = 0;
	if (sig == SIGTRAP)
		t->trap = code == SI_KERNEL ? 3 : 1;
	else if (sig != SIGSYS && deliver(t, sig) != 0)
		return TRACE_GONE;
	return TRACE_SIGNAL;
}

/* Both stop in the same way; the last byte of the instruction tells. */
static uint32_t which_call(struct stub_trace *t)
{
	uint64_t at = t->regs[RIP] - 1, word;

	/* SYSCALL leaves these so, INT 0x80 only by chance. */
	if (t->regs[RCX] != t->regs[RIP])
		return TRACE_INT80;
	if (trace(PTRACE_PEEKTEXT, t->tid, (long)(at & ~7ul),
	    (long)&word) == 0 && (word >> (8 * (at & 7)) & 0xff) == 0x80)
		return TRACE_INT80;
	return TRACE_SYSCALL;
}

/* Load t->regs.  Not 0: as run_own(), or ptrace's -EIO or -EINVAL. */
static int load(struct stub_trace *t)
{
	bool high = t->regs[FS_BASE] >= USER_END || t->regs[GS_BASE] >= USER_END;
	uint64_t regs[TRACE_NREGS];
	int err;

	if (high || ((t->flags ^ t->regs[EFLAGS]) & TRACE_FLAG_ID) != 0) {
		err = run_own(t, traced_state, traced_state_end, high, regs);
		if (err == -EFAULT)
			return -EIO;
		if (err != 0)
			return err;
	}
	return (int)(high ? set_first_regs(t->tid, t->regs) :
	    set_regs(t->tid, t->regs));
}

static uint32_t run_guest(struct stub_trace *t)
{
	int sig = 0, err = load(t);

	if (err == -ESRCH)
		return TRACE_GONE;
	if (err != 0) {
		t->error = err;
		return TRACE_REFUSED;
	}
	if (t->kicked != 0) {
		t->kicked = 0;
		return TRACE_KICKED;
	}
	do {
		if (trace(PTRACE_SYSEMU, t->tid, 0, 0) != 0)
			return TRACE_GONE;
		sig = wait_stop(t->tid);
	} while (sig >= 0 && sig >> 8 != 0);
	if (sig < 0 || get_regs(t->tid, t->regs) != 0)
		return TRACE_GONE;
	t->flags = t->regs[EFLAGS];
	if (sig != STATUS_SYSCALL)
		return signalled(t, sig);
	t->regs[RAX] = t->regs[ORIG_RAX];
	return which_call(t);
}

static uint32_t run(struct stub_trace *t)
{
	const struct stub_ops *ops = (const struct stub_ops *)(ARENA_AT +
	    (uint64_t)t->slot * STUB_SLOT_SIZE);
	uint64_t regs[TRACE_NREGS];

	if (t->load != 0) {
		t->load = 0;
		if (set_xsave(t) != 0)
			return TRACE_GONE;
	}
	if (ops->count != 0) {
		if (run_own(t, traced_ops, traced_ops_end, 0, regs) != 0)
			return TRACE_GONE;
		t->error = (int32_t)regs[RAX];
		if (regs[RAX] != 0)
			return TRACE_OP_FAILED;
	}
	return t->resume != 0 ? run_guest(t) : TRACE_DONE;
}

/* ---- the thread ------------------------------------------------------------ */

static void futex(uint32_t *word, int op, uint32_t value)
{
	call(__NR_futex, (long)word, op, (long)value, 0, 0, 0);
}

static void answer(struct stub_trace *t, uint32_t report)
{
	uint32_t turn = TRACE_TRACER;

	t->report = report;
	/* Not over TRACE_QUIT. */
	__atomic_compare_exchange_n(&t->turn, &turn, TRACE_OWNER, 0,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	futex(&t->turn, FUTEX_WAKE, 1);
}

static uint32_t attach(struct stub_trace *t)
{
	uint64_t regs[TRACE_NREGS];

	t->error = (int32_t)trace(PTRACE_SEIZE, t->tid, 0, OPTIONS);
	if (t->error != 0)
		return TRACE_GONE;
	t->error = -ESRCH;
	if (trace(PTRACE_INTERRUPT, t->tid, 0, 0) != 0 ||
	    wait_stop(t->tid) < 0 ||
	    run_own(t, traced_setup, traced_setup_end, 0, regs) != 0)
		return TRACE_GONE;
	t->error = (int32_t)regs[RAX];
	if (t->error == 0)
		t->error = (int32_t)get_xsave(t);
	return t->error == 0 ? TRACE_DONE : TRACE_GONE;
}

void tracer_main(struct stub_trace *t)
{
	uint32_t report = attach(t), turn;

	for (;;) {
		answer(t, report);
		while ((turn = __atomic_load_n(&t->turn, __ATOMIC_SEQ_CST)) ==
		    TRACE_OWNER)
			futex(&t->turn, FUTEX_WAIT, TRACE_OWNER);
		if (turn == TRACE_QUIT)
			break;
		if (report == TRACE_GONE)
			continue;
		if (t->command == TRACE_RUN)
			report = run(t);
		else
			report = get_xsave(t) == 0 ? TRACE_DONE : TRACE_GONE;
		if (report == TRACE_GONE)
			CALL(__NR_tkill, t->tid, SIGKILL, 0);
	}
	for (;;)
		CALL(__NR_exit, 0, 0, 0);
}

static int tracer_start(int tid, uint32_t slot, uint32_t index)
{
	struct stub_trace *t = trace_of(slot + index);
	register struct stub_trace *r12 __asm__("r12") = t;
	register uint32_t *r10 __asm__("r10") = &t->thread;
	register long r8 __asm__("r8") = 0;
	long r;

	t->tid = tid;
	t->index = index;
	t->slot = slot + index;
	t->turn = TRACE_TRACER;
	__asm__ volatile(
	    "syscall\n\t"
	    "test	%%rax, %%rax\n\t"
	    "jnz	1f\n\t"
	    "xor	%%ebp, %%ebp\n\t"
	    "mov	%%r12, %%rdi\n\t"
	    "call	tracer_main\n"
	    "1:"
	    : "=a"(r)
	    : "0"((long)__NR_clone), "D"((long)TRACER_FLAGS),
	    "S"(t->stack + sizeof(t->stack)), "d"(&t->thread), "r"(r10),
	    "r"(r8), "r"(r12)
	    : "rcx", "r11", "memory");
	if (r < 0)
		t->turn = TRACE_OWNER;
	return r < 0 ? (int)r : 0;
}

/* ---- the zygote's side ------------------------------------------------------ */

int tracee_start(void)
{
	return (int)trace(PTRACE_TRACEME, 0, 0, 0);
}

int tracer_init(int arena)
{
	return call(__NR_mmap, (long)ARENA_AT, (long)ARENA_TRACED, PROT_READ |
	    PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, arena, 0) ==
	    (long)ARENA_AT ? 0 : -ENOMEM;
}

int tracer_adopt(int pid, uint32_t slot, uint32_t seats)
{
	int sig = wait_stop(pid);

	if (sig != SIGTRAP)
		return -EPERM;
	if (seats > 1)
		return (int)trace(PTRACE_SETOPTIONS, pid, 0,
		    PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE);
	if (trace(PTRACE_DETACH, pid, 0, 0) != 0)
		return -ESRCH;
	return tracer_start(pid, slot, 0);
}

int tracer_seat(int pid, uint32_t slot, uint32_t index)
{
	uint64_t regs[TRACE_NREGS];
	unsigned long tid = 0;
	int sig;

	if (start_own(pid, traced_clone, 0, 0) != 0)
		return -ESRCH;
	for (;;) {
		sig = wait_stop(pid);
		if (sig < 0)
			return -ESRCH;
		if (sig == (SIGTRAP | PTRACE_EVENT_CLONE << 8))
			trace(PTRACE_GETEVENTMSG, pid, 0, (long)&tid);
		if (sig == SIGTRAP && get_regs(pid, regs) == 0 &&
		    regs[RIP] == (uint64_t)traced_clone_end)
			break;
		if (trace(PTRACE_CONT, pid, 0, 0) != 0)
			return -ESRCH;
	}
	if (tid == 0)
		return -EAGAIN;
	if (wait_stop((int)tid) < 0 ||
	    trace(PTRACE_DETACH, (int)tid, 0, 0) != 0)
		return -ESRCH;
	return tracer_start((int)tid, slot, index);
}

void tracer_quit(uint32_t slot, uint32_t seats)
{
	for (uint32_t i = 0; i < seats; i++) {
		struct stub_trace *t = trace_of(slot + i);
		uint32_t thread;

		__atomic_store_n(&t->turn, TRACE_QUIT, __ATOMIC_SEQ_CST);
		futex(&t->turn, FUTEX_WAKE, 1);
		while ((thread = __atomic_load_n(&t->thread,
		    __ATOMIC_SEQ_CST)) != 0)
			futex(&t->thread, FUTEX_WAIT, thread);
	}
}
