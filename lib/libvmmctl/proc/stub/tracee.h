/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tracee.h - a traced thread, for the thread of the zygote that traces it.
 * Results are those of the system calls, or 0 and -errno.
 */
#ifndef VMMCTL_STUB_TRACEE_H
#define VMMCTL_STUB_TRACEE_H

#include "trace.h"
#include "zygote.h"

#include <asm/unistd.h>
#include <stdbool.h>

/* Indices into struct user_regs_struct. */
enum {
	RBX = 5, RAX = 10, RCX = 11, RDX = 12, ORIG_RAX = 15, RIP = 16,
	CS = 17, EFLAGS = 18, RSP = 19, SS = 20, FS_BASE = 21, GS_BASE = 22
};

static inline long trace(long request, int tid, long addr, long data)
{
	return call(__NR_ptrace, request, tid, addr, data, 0, 0);
}

/* TRACE_NREGS of them. */
long get_regs(int tid, uint64_t *regs);
long set_regs(int tid, uint64_t *regs);
/* All but the segment bases and what follows; after our own code has run. */
long set_first_regs(int tid, uint64_t *regs);

/* t->xsave. */
long get_xsave(struct stub_trace *t);
long set_xsave(struct stub_trace *t);
/* Put the extended state away, for what must not run with the guest's. */
long init_xsave(struct stub_trace *t);

/*
 * What the thread has stopped for: a signal, with bit 7 for a system call, or
 * an event in the upper bits; -1 when it has ended.  The dead are left for the
 * zygote to reap, so that their numbers are not used again.
 */
int wait_stop(int tid);
bool is_fault(int sig);
/*
 * Until the thread, which runs our own code, has trapped before end; *regs
 * is its state then.  -ESRCH: it has ended; -EFAULT: a fault.
 */
int wait_trap(struct stub_trace *t, const char *end, uint64_t *regs);

/* Let the thread go, from start on in our own code. */
int start_own(int tid, const char *start, uint64_t rbx, uint64_t rcx);
/*
 * Run our own code from start to end, with rbx the seat's struct stub_ops.
 * 0 and *regs, or as wait_trap().
 */
int run_own(struct stub_trace *t, const char *start, const char *end,
    uint64_t rcx, uint64_t *regs);

#endif
