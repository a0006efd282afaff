// SPDX-License-Identifier: BSD-2-Clause
/*
 * tracee.c - a traced thread: its registers, why it stopped, and letting it
 * run what the stub's page holds.  Knows nothing of guests and owners.
 */
#include "tracee.h"

#include <errno.h>
#include <linux/elf.h>
#include <linux/ptrace.h>
#include <linux/wait.h>
#include <signal.h>
#include <sys/uio.h>

#define USER_CS		0x33u
#define USER_SS		0x2bu
#define FLAGS_IF	0x202u
#define XSAVE_BV	512u

static long regset(long request, int tid, long type, void *p, size_t *size)
{
	struct iovec iov = { p, *size };
	long r = trace(request, tid, type, (long)&iov);

	*size = iov.iov_len;
	return r;
}

/* Not by regset: that would be in the form of the mode that it runs in. */
long get_regs(int tid, uint64_t *regs)
{
	return trace(PTRACE_GETREGS, tid, 0, (long)regs);
}

long set_regs(int tid, uint64_t *regs)
{
	return trace(PTRACE_SETREGS, tid, 0, (long)regs);
}

long set_first_regs(int tid, uint64_t *regs)
{
	size_t size = FS_BASE * sizeof(*regs);

	return regset(PTRACE_SETREGSET, tid, NT_PRSTATUS, regs, &size);
}

int start_own(int tid, const char *start, uint64_t rbx, uint64_t rcx)
{
	uint64_t regs[TRACE_NREGS];

	for (int i = 0; i < TRACE_NREGS; i++)
		regs[i] = 0;
	regs[RBX] = rbx;
	regs[RCX] = rcx;
	regs[ORIG_RAX] = ~0ull;
	regs[RIP] = (uint64_t)start;
	regs[CS] = USER_CS;
	regs[SS] = USER_SS;
	regs[EFLAGS] = FLAGS_IF;
	return set_regs(tid, regs) == 0 &&
	    trace(PTRACE_CONT, tid, 0, 0) == 0 ? 0 : -ESRCH;
}

long get_xsave(struct stub_trace *t)
{
	size_t size = TRACE_XSAVE;
	long r = regset(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, t->xsave,
	    &size);

	t->xsave_size = (uint32_t)size;
	return r == 0 && size == TRACE_XSAVE ? -EOVERFLOW : r;
}

long set_xsave(struct stub_trace *t)
{
	size_t size = t->xsave_size;

	return regset(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, t->xsave,
	    &size);
}

long init_xsave(struct stub_trace *t)
{
	uint64_t *bv = (uint64_t *)(t->xsave + XSAVE_BV), saved;
	long r = get_xsave(t);

	saved = *bv;
	*bv = 0;
	if (r == 0)
		r = set_xsave(t);
	*bv = saved;
	return r;
}

int wait_stop(int tid)
{
	siginfo_t info;
	long r;

	do {
		r = call(__NR_waitid, P_PID, tid, (long)&info, WSTOPPED |
		    WEXITED | WNOWAIT | __WALL, 0, 0);
	} while (r == -EINTR);
	return r == 0 && info.si_code == CLD_TRAPPED ? info.si_status : -1;
}

bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
	    sig == SIGILL;
}

/* Kicks may come faster than the thread gets to its next instruction. */
static void hold_kicks(struct stub_trace *t, bool hold)
{
	uint64_t mask = hold ? 1ull << (SIGALRM - 1) : 0;

	trace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), (long)&mask);
}

int wait_trap(struct stub_trace *t, const char *end, uint64_t *regs)
{
	bool held = false;
	int sig, err = 0;

	for (;;) {
		sig = wait_stop(t->tid);
		if (sig < 0)
			return -ESRCH;
		if (is_fault(sig))
			err = -EFAULT;
		if (sig == SIGTRAP && get_regs(t->tid, regs) == 0 &&
		    regs[RIP] == (uint64_t)end)
			break;
		if (sig == SIGALRM && !held) {
			t->kicked = 1;
			held = true;
			hold_kicks(t, true);
		}
		if (err != 0)
			break;
		if (trace(PTRACE_CONT, t->tid, 0, 0) != 0)
			return -ESRCH;
	}
	if (held)
		hold_kicks(t, false);
	if (err == 0)
		t->flags = regs[EFLAGS];
	return err;
}

int run_own(struct stub_trace *t, const char *start, const char *end,
    uint64_t rcx, uint64_t *regs)
{
	uint64_t rbx = STUB_OPS + (uint64_t)t->index * STUB_OPS_SIZE;
	bool again = false;
	int err;

	for (;;) {
		err = start_own(t->tid, start, rbx, rcx);
		if (err != 0)
			return err;
		err = wait_trap(t, end, regs);
		if (err != -EFAULT || again)
			break;
		/* The guest's protection keys may bar our own pages. */
		if (init_xsave(t) != 0)
			return -ESRCH;
		again = true;
	}
	if (again && set_xsave(t) != 0)
		return -ESRCH;
	return err;
}
