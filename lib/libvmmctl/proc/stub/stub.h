/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stub.h - what the owner and the processes that hold guest users share.
 *
 * A machine has one *zygote*, a small static program that is the parent of
 * all its *stubs*.  A stub is a forked zygote that has unmapped everything
 * but three things above the guest's addresses:
 *
 *   STUB_CODE	the trap handler, read and execute only
 *   STUB_OPS	a page per seat that only the owner can write
 *   STUB_FRAME	the alternate signal stack of each seat
 *
 * A *seat* is a thread of a stub that runs guest code for one vCPU.  Whatever
 * the guest does that concerns the kernel (system call, fault, trap) lands in
 * the handler, whose first step is the notification call: there the thread
 * blocks in the kernel until the owner answers, and returns from the signal
 * to enter the guest again.
 *
 * Calls that change mappings are admitted by the seccomp filter only with the
 * machine's secret key in their unused argument bits.  A guest can jump to
 * any byte of the handler, with signals unblocked and TF set; so the key must
 * never be in a register that a signal could spill to the guest's sight.  When
 * there are changes to carry out, the owner, while every seat of the stub is
 * blocked in its notification, writes a second signal frame, the *ops frame*:
 * returning from it blocks all signals and loads the key, in one system call.
 * The code it leads to erases the key in the frame, carries out the ops, and
 * goes on to the guest with all registers overwritten.
 *
 * System calls that the owner has declared brief do not even take a signal:
 * they notify from where they stand, and are answered with their result.  A
 * signal takes the thread from there to the handler when all registers are
 * wanted or the handler is needed; the call is restarted if nobody had seen it.
 *
 * The filter admits each call that needs no key from one instruction only.
 * What a guest can do with the handler: notify the owner, return from a signal
 * (its own registers, mask and alternate stack: a guest that blocks the
 * owner's kick is killed), and everything else gets a SIGSYS.
 *
 * On hosts without such filters stubs are traced instead, see trace.h.
 */
#ifndef VMMCTL_STUB_H
#define VMMCTL_STUB_H

#define STUB_HI		0x7ff8
#define STUB_CODE	0x7ff800000000
#define STUB_OPS_ENTRY	STUB_CODE	/* where the ops frame leads */
#define STUB_OPS	0x7ff800100000
#define STUB_FRAME	0x7ff800200000
#define STUB_END	0x7ff800300000
#define ZYGOTE_LO	0x10000000	/* low half of its addresses */
#define ZYGOTE_HI_END	0x11000000
#define STUB_TASK_END	0x7ffffffff000
#define STUB_GVA_LIMIT	0x7ff000000000

#define STUB_OPS_SIZE	4096
#define STUB_FRAME_SIZE	16384		/* AMX needs 11 KiB */
#define STUB_OPS_FRAME	512		/* of it, at its start */
#define STUB_SLOT_SIZE	(STUB_OPS_SIZE + STUB_FRAME_SIZE)
#define STUB_MAX_SEATS	16
#define STUB_MAX_OPS	64
#define STUB_MAX_MEM	256

/* Descriptors of the zygote and its stubs. */
#define FD_LISTENER	0	/* the lowest free one when it is made */
#define FD_SOCKET	3	/* to the owner */
#define FD_ARENA	4	/* ops and frame pages; not in stubs */
#define FD_PASSED	5	/* one that has just been received */
#define FD_OWNER	6	/* a pidfd of the owner; not in stubs */
#define FD_MEM		8	/* + index of the backing */

/* The call that notifies; harmless should it ever be carried out. */
#define NR_NOTIFY	110	/* getppid */

/* What the handler reports in the first argument instead of a signal. */
#define REPORT_DONE	0x100	/* the ops are carried out */
#define REPORT_ERROR	0x101	/* second argument: -errno, third: which op */

/* Offsets in struct stub_ops for the assembly. */
#define OPS_COUNT	0
#define OPS_RESUME	4
#define OPS_FS		8
#define OPS_GS		16
#define OPS_SP		24
#define OPS_FRAME_SP	32
#define OPS_FLAGS	40
#define OPS_ALTSTACK	48
#define OPS_FPROG	72
#define OPS_MSG		88
#define OPS_OPS		512
#define OP_SIZE		56

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct stub_op {
	uint64_t nr;			/* of the system call */
	uint64_t va, len, prot, flags, fd, offset;
};

/* Written by the owner, read-only in the stub. */
struct stub_ops {
	uint32_t count;			/* ops to carry out */
	uint32_t resume;		/* then enter the guest, else report */
	uint64_t fs_base, gs_base;
	uint64_t sp;			/* the frame to enter the guest from */
	uint64_t frame_sp;		/* the ops frame, if count != 0 */
	uint64_t flags;			/* RFLAGS.NT and ID of the guest */
	struct {
		uint64_t sp;
		uint32_t flags, pad;
		uint64_t size;
	} altstack;
	struct {
		uint16_t len, pad[3];
		uint64_t filter;
	} fprog;
	struct {			/* struct msghdr */
		uint64_t name;
		uint32_t name_len, pad;
		uint64_t iov, iov_len, control, control_len;
		uint32_t flags, pad2;
	} msg;
	struct {
		uint64_t base, len;
	} iov;
	struct {			/* SCM_RIGHTS with FD_LISTENER */
		uint64_t len;
		uint32_t level, type;
		uint32_t fd, pad;
	} control;
	uint64_t filter[8];		/* struct sock_filter */
	uint8_t pad[512 - 88 - 56 - 16 - 24 - 64];
	struct stub_op ops[STUB_MAX_OPS];
};

#define AT(member, offset) \
	_Static_assert(offsetof(struct stub_ops, member) == (offset), #member)
AT(count, OPS_COUNT);
AT(resume, OPS_RESUME);
AT(fs_base, OPS_FS);
AT(gs_base, OPS_GS);
AT(sp, OPS_SP);
AT(frame_sp, OPS_FRAME_SP);
AT(flags, OPS_FLAGS);
AT(altstack, OPS_ALTSTACK);
AT(fprog, OPS_FPROG);
AT(msg, OPS_MSG);
AT(ops, OPS_OPS);
#undef AT
_Static_assert(sizeof(struct stub_op) == OP_SIZE, "op");
_Static_assert(sizeof(struct stub_ops) <= STUB_OPS_SIZE, "ops");

/* Requests to the zygote, one datagram each; some bring a descriptor. */
enum zygote_request_kind {
	ZYGOTE_START = 1,	/* fd: the arena; key, traced */
	ZYGOTE_MEMORY = 2,	/* fd: memory; index */
	ZYGOTE_FORGET = 3,	/* index */
	ZYGOTE_FORK = 4,	/* slot, seats; seats > 1: fd: its socket */
	ZYGOTE_KILL = 5,	/* pid, slot, seats */
	ZYGOTE_SEAT = 6,	/* traced: pid, slot, index of the seat */
	ZYGOTE_OWNER = 7	/* fd: a pidfd of the owner */
};

struct zygote_request {
	uint32_t kind;
	uint32_t index;		/* of a backing, or of a seat */
	uint32_t slot;		/* first slot in the arena */
	uint32_t seats;
	int32_t pid;
	uint32_t traced;
	uint64_t key;
	uint32_t brief;		/* some calls notify by themselves */
	uint32_t pad;
	uint64_t processes;	/* the owner's RLIMIT_NPROC now */
};

/* One for each request; of a fork, also one with the listener from the seat:
 * then kind is 0 and the descriptor comes along. */
struct zygote_reply {
	uint32_t kind;
	int32_t result;		/* 0, a pid, or -errno */
};
#endif
#endif
