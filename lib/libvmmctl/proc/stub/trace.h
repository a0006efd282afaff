/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h - what the owner and the tracers share, where stubs are traced
 * instead of filtered.
 *
 * Each seat has a *tracer*: a thread of the zygote that alone may ptrace the
 * seat's thread, so that the owner may run the seat from any thread of its
 * own, and that the owner's wait(2) never meets a stop.  Guests run under
 * PTRACE_SYSEMU: no system call of theirs is carried out, whatever the code
 * is that makes it.  What a stub does with its mappings it does in STUB_CODE
 * with registers that the tracer has set, while its guest does not run.
 *
 * Owner and tracer share a struct stub_trace that no stub has mapped.
 */
#ifndef VMMCTL_STUB_TRACE_H
#define VMMCTL_STUB_TRACE_H

#include "stub.h"

#include <stddef.h>
#include <stdint.h>

/* The arena: all slots' pages, then all their struct stub_trace. */
#define STUB_SLOTS	65536u
#define ARENA_TRACE	((uint64_t)STUB_SLOTS * STUB_SLOT_SIZE)
#define ARENA_TRACED	(ARENA_TRACE + (uint64_t)STUB_SLOTS * TRACE_SIZE)
#define TRACE_SIZE	16384u
#define TRACE_XSAVE	12288u

#define TRACE_NREGS	27		/* struct user_regs_struct */
#define TRACE_FLAG_ID	(1u << 21)

/* Whose turn it is; a futex. */
enum trace_turn {
	TRACE_OWNER,			/* the tracer has answered */
	TRACE_TRACER,			/* a command is there */
	TRACE_QUIT			/* the tracer shall end */
};

enum trace_command {
	TRACE_RUN = 1,			/* ops, then the guest if resume */
	TRACE_XSAVE_GET = 2
};

enum trace_report {
	TRACE_DONE = 1,			/* nothing of the guest's */
	TRACE_OP_FAILED = 2,
	TRACE_SYSCALL = 3,
	TRACE_INT80 = 4,
	TRACE_SIGNAL = 5,		/* info, trap, error, cr2 */
	TRACE_KICKED = 6,
	TRACE_REFUSED = 7,		/* the registers: error */
	TRACE_GONE = 8			/* the seat's thread has ended */
};

struct stub_trace {
	uint32_t turn;			/* [a] enum trace_turn */
	uint32_t thread;		/* [a] the tracer; 0: it has ended */
	int32_t tid;			/* of the seat's thread */
	uint32_t index;			/* of the seat in its stub */
	uint32_t slot;
	uint32_t command;		/* enum trace_command */
	uint32_t resume;		/* enter the guest after the ops */
	uint32_t load;			/* xsave is to be loaded first */
	uint32_t report;		/* enum trace_report */
	int32_t error;			/* of the report; else the error code */
	uint32_t trap;
	uint32_t kicked;		/* while outside: tracer's own */
	uint32_t xsave_size;		/* as ptrace wants it */
	uint32_t pkru_at;		/* offset in xsave; 0: none */
	uint64_t cr2;
	uint64_t flags;			/* the thread's RFLAGS: tracer's own */
	uint64_t regs[TRACE_NREGS];	/* in and out */
	uint8_t info[128];		/* siginfo */
	uint8_t xsave[TRACE_XSAVE] __attribute__((aligned(64)));
	uint8_t stack[TRACE_SIZE - TRACE_XSAVE - 448]
	    __attribute__((aligned(64)));
};

_Static_assert(offsetof(struct stub_trace, xsave) == 448, "trace");
_Static_assert(sizeof(struct stub_trace) == TRACE_SIZE, "trace");

#endif
