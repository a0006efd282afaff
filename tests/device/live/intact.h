/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intact.h - what a thread has in its registers before VMM_RUN and after it,
 * for intact.c and the assembly code that looks.
 */
#ifndef INTACT_H
#define INTACT_H

/* Offsets in struct intact_regs; what is first in it are general registers. */
#define REGS_RBX	0
#define REGS_RBP	8
#define REGS_RDI	16	/* the descriptor */
#define REGS_RSI	24	/* VMM_RUN */
#define REGS_RDX	32
#define REGS_R8		40
#define REGS_R9		48
#define REGS_R10	56
#define REGS_R12	64
#define REGS_R13	72
#define REGS_R14	80
#define REGS_R15	88
#define REGS_RFLAGS	96
#define REGS_DS		104
#define REGS_ES		112
#define REGS_FS		120
#define REGS_GS		128
#define REGS_FS_BASE	136
#define REGS_GS_BASE	144
#define REGS_XSAVE	152
#define REGS_SIZE	160

/* In struct intact. */
#define INTACT_IN	0
#define INTACT_OUT	REGS_SIZE
#define INTACT_OWN	(2 * REGS_SIZE)
#define INTACT_MASK	(3 * REGS_SIZE)
#define INTACT_BASES	(INTACT_MASK + 8)
#define INTACT_RESULT	(INTACT_MASK + 16)

#ifndef __ASSEMBLER__
#include "live.h"

#include <sched.h>

#define GENERAL	12u

struct intact_regs {
	uint64_t general[GENERAL];
	uint64_t rflags;
	uint64_t ds, es, fs, gs;
	/* Of FS it is always the thread's own: libc would miss it. */
	uint64_t fs_base, gs_base;
	uint8_t *xsave;		/* aligned to 64 */
};

struct intact {
	struct intact_regs in, out, own;
	uint64_t mask;		/* XSAVE components */
	uint64_t bases;		/* there are RDFSBASE and its like */
	int64_t result;		/* of the system call */
};
VMM_AT(intact_regs, rflags, REGS_RFLAGS);
VMM_AT(intact_regs, xsave, REGS_XSAVE);
VMM_ASSERT(sizeof(struct intact_regs) == REGS_SIZE);
VMM_AT(intact, mask, INTACT_MASK);
VMM_AT(intact, bases, INTACT_BASES);
VMM_AT(intact, result, INTACT_RESULT);

/* Loads .in, calls ioctl(2), stores .out, and has what it had. */
void intact_run(struct intact *i);

/* intact_state.c: memory, and what is the same each time. */
void intact_begin(struct intact *i);
void intact_end(struct intact *i);
/* Something else each time in every register, for VMM_RUN of vcpu. */
void intact_fill(struct intact *i, int vcpu, uint64_t seed);
/* An XSAVE area for a guest: other values than those. */
void intact_area(uint8_t *area, uint64_t mask, uint64_t seed);
/* After intact_run(): fails where .out is not .in.  With pointers: those of
 * x87 to its last instruction as well. */
void intact_expect(const struct intact *i, bool pointers);
/* Of two XSAVE areas. */
void intact_expect_area(const uint8_t *a, const uint8_t *b, uint64_t mask,
    bool pointers);

/* CPUID tells of SPEC_CTRL. */
bool intact_has_spec_ctrl(void);

/* intact_trace.c: a process that watches writes of 8 bytes at address by this
 * thread, with a hardware breakpoint. */
struct intact_watch {
	int tracer;
	volatile unsigned *hits;	/* counts them */
};
void intact_watch_begin(struct intact_watch *w, const void *address);
void intact_watch_end(struct intact_watch *w);

/* intact_ways.c: out of the guest. */
struct intact_scene;

/* A way out of the guest. */
struct intact_way {
	const char *name;
	uint8_t code[8];
	uint32_t kind, vector;
	void (*before)(struct intact_scene *s);
	void (*after)(struct intact_scene *s);
};

struct intact_scene {
	const struct intact_way *way;
	struct guest g;
	struct vcpu v;
	struct intact i;
	uint8_t *area;		/* the guest's */
	uint64_t seed;
	struct vmm_exit exit;
	uint64_t field;		/* of the control structure, as it was */
	pthread_t other;
	pid_t child;
	cpu_set_t cpus;
	bool stop;
	struct intact_watch watch;
};

#define INTACT_WAYS	21u
extern const struct intact_way intact_ways[INTACT_WAYS];
/* It needs the module's parameter raw_unsafe. */
bool intact_way_is_raw(const struct intact_way *w);
bool intact_is_svm(void);

/* Where the guest's code is: first what is the same in all ways. */
#define INTACT_CODE	0x12000u
#define INTACT_PRELUDE	21u
extern const uint8_t intact_prelude[INTACT_PRELUDE];
/* A word of the guest's that it counts up, and an address of the host's. */
#define INTACT_COUNT	0x300000u
/* No memory is there, though the guest's tables have it; they do not have what
 * follows. */
#define INTACT_BEYOND	0x3fe00000u
#endif

#endif
