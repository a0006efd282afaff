/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proc.h - the backend that runs guest users in host processes.  stub/stub.h
 * says how they are confined.
 */
#ifndef VMMCTL_PROC_H
#define VMMCTL_PROC_H

#include "../counters.h"
#include "../internal.h"
#include "stub/trace.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/types.h>

#define KICK_SIGNAL	SIGALRM
/* What a stub answers takes microseconds of its own; later it is taken for
 * hostile. */
#define PATIENCE_NS	2000000000ull
#define QUEUE_MAX	4096u		/* ranges; beyond, all is dropped */

struct proc_seat;
struct stub;

/* What keeps guests from the host's system calls. */
struct proc_variant {
	const char *name;
	/* Fork the stub (pid is not 0 then); with one seat, make that. [m] */
	int (*start_stub)(struct stub *stub);
	/* Make the thread of a further seat. [m] */
	int (*start_seat)(struct proc_seat *seat);
	/* Leave nothing of the guest that was here before. */
	void (*seat_clear)(struct proc_seat *seat);
	void (*seat_fini)(struct proc_seat *seat);
	/*
	 * Carry the ops out without entering the guest.  No seat of the stub
	 * is inside.  -EAGAIN: the host refused one, seat->op_error says why;
	 * -ESRCH: it is gone.
	 */
	int (*flush)(struct proc_seat *seat);
	/*
	 * Carry the ops out and run the guest.  -EAGAIN: the host refused an
	 * op, the guest has not run; -ESRCH: the stub is gone.
	 */
	int (*enter)(struct vmmctl_vcpu *v, struct vmmctl_context *c,
	    struct proc_seat *seat, uint64_t deadline, struct event *ev);
	int (*xsave_load)(struct proc_seat *seat, const void *buf);
	int (*xsave_save)(struct proc_seat *seat, void *buf);
	int (*fetch)(struct proc_seat *seat, struct vmmctl_regs *all);
};

extern const struct proc_variant proc_seccomp;
extern const struct proc_variant proc_ptrace;

/* The handle. [I] */
struct proc {
	const struct proc_variant *variant;
	bool int1_before;	/* the host leaves RIP at INT1 */
	bool receiving_ends;	/* it says when nobody is left to notify */
};

/* A descriptor that the zygote has for a backing. */
struct proc_file {
	struct backing *b;	/* NULL: free */
	uint32_t ranges;	/* that use it */
};

struct proc_machine {
	int socket;			/* [m] to it */
	struct link held;		/* zygote.c: under held.lock, while
					 * there is a socket */
	int arena;			/* [I] */
	uint64_t key;			/* [I] */
	uint64_t slots[STUB_SLOTS / 64];	/* [m] 1: in use */
	struct proc_file files[STUB_MAX_MEM];	/* [m] */
	struct list stubs;		/* [m] used ones, least recent first */
	struct list idle;		/* [m] without a space, to be reused */
	uint32_t nidle;			/* [m] */
};

/* A thread of a stub. */
struct proc_seat {
	struct seat seat;
	struct stub *stub;		/* [I] */
	uint32_t index;			/* [I] in the stub */
	bool made;			/* [m] the thread is there */
	int listener;			/* [I] seccomp: if made */
	struct stub_trace *trace;	/* [I] ptrace */
	pid_t tid;			/* [I] */
	uint64_t notif;			/* [r] to answer */
	bool armed;			/* [r] the ops frame holds the key */
	int op_error;			/* [r] why the host refused an op */
	bool maps;			/* [r] the last ops map something */
	bool in_call;			/* [r] blocked in the guest's own system
					 * call, not in the handler */
	uint32_t nr;			/* [r] the call's number */
	uint64_t ip;			/* [r] after the instruction */
	struct stub_ops *ops;		/* [I] */
	uint8_t *frame;			/* [I] the alternate stack */
	uint32_t uc, info, xsave;	/* [I] offsets into the frame */
	uint32_t magic2;		/* [I] likewise: the end of XSAVE */
	uint8_t sw[48];			/* [I] what the kernel says of XSAVE */
	uint64_t uc_flags;		/* [I] */
};

struct stub {
	struct link link;		/* [m] */
	struct vmmctl_machine *m;	/* [I] */
	struct vmmctl_space *space;	/* [m] NULL: idle */
	pid_t pid;			/* [I] */
	int socket;			/* [I] of more than one seat; else -1 */
	uint32_t slot;			/* [I] */
	uint32_t nseats;		/* [I] */
	struct proc_seat seats[];
};

/* A range whose mappings in the stub may differ from the page table's. */
struct range {
	uint64_t gva, len;
	bool protect;		/* the stub has the right pages there */
};

struct proc_space {
	struct stub *stub;		/* [m] NULL: made when it runs */
	struct range *queue;		/* [m] */
	uint32_t nqueue, capqueue;	/* [m] */
	bool drop;			/* [m] unmap everything first */
	bool started;			/* [m] has had a stub */
	bool sparse;			/* [m] mapped pages may be missing */
	uint32_t refused;		/* [m] ops by the host, in a row */
	bool careful;			/* [m] no ops together with an entry */
	_Atomic uint32_t pending;	/* [a] nqueue != 0 or drop */
};

/* Where a kick goes: the thread that v's guest is in, 0 if none. */
struct proc_vcpu {
	_Atomic int32_t tgid, tid;	/* [a] */
	/* What seat_listen() hears; a kick spoils it. */
	struct seccomp_notif heard;	/* [r], flags: [a] */
};

static inline const struct proc_variant *variant_of(
    const struct vmmctl_machine *m)
{
	const struct proc *p = m->v->backend_data;

	return p->variant;
}

static inline struct proc_seat *seat_from(struct seat *seat)
{
	return (struct proc_seat *)(void *)((char *)seat -
	    offsetof(struct proc_seat, seat));
}

/* zygote.c */
int zygote_start(struct vmmctl_machine *m);
void zygote_stop(struct vmmctl_machine *m);
/* -errno, or the zygote's answer; *received (if not NULL) gets the
 * descriptor of the message that came besides the answer. */
int zygote_call(struct vmmctl_machine *m, struct zygote_request *q, int fd,
    int *received);
int receive_listener(int socket, int *fd);

/* stub.c */
int stub_seat(struct vmmctl_vcpu *v, struct vmmctl_space *s,
    struct proc_seat **out);
void stub_release(struct stub *stub, bool reuse);
void stub_destroy(struct stub *stub);
/* After the set of files has changed: every space gets a new stub. [m] */
void stubs_retire(struct vmmctl_machine *m);

/* queue.c */
void queue_changed(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    bool protect);
/* The stub's mappings are worthless: unmap, and let faults fetch. */
void queue_drop_all(struct vmmctl_space *s);
/* The same before the first run: what is queued is all there is. */
void queue_start(struct vmmctl_space *s);
/* Fill the seat's ops; true: more are left. [m] */
bool queue_take(struct vmmctl_space *s, struct proc_seat *seat);
void queue_fini(struct vmmctl_space *s);

/* filter.c */
struct sock_filter;
#define FILTER_MAX	(20 + 3 * 2 * VMMCTL_BRIEF_WORDS)
/* Into f, which has room for FILTER_MAX: how many instructions. */
size_t filter_build(const uint64_t brief[VMMCTL_BRIEF_WORDS],
    struct sock_filter *f);

/* receive.c */
/* What a seat's thread says next, within ns.  -ESRCH: it is gone; -EINTR: we
 * took a signal; -ETIMEDOUT. */
int seat_receive(struct proc_seat *seat, uint64_t ns, uint64_t args[6]);
/* Is there nobody else who could want the guest outside? */
bool seat_may_listen(const struct proc_seat *seat);
/* Then the same at any time, in one call less.  -EINTR: v is kicked, or we took
 * a signal that restarts no calls. */
int seat_listen(struct proc_seat *seat, struct vmmctl_vcpu *v,
    uint64_t args[6]);
/* What the thread says, with patience.  -ETIMEDOUT: that has come to an end. */
int seat_await(struct proc_seat *seat, uint64_t args[6]);
/*
 * What does not answer within PATIENCE_NS, however many signals come to us, and
 * has a processor after that, is hostile: an answer takes microseconds.  On a
 * busy host, or halted, it may have none.
 */
struct patience {
	uint64_t end, computed;
};
struct patience patience_begin(void);
/* For how long to wait now; 0: it has come to an end. */
uint64_t patience_left(struct patience *p, pid_t pid);

/* enter.c */
int proc_enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev);
void proc_kick(struct vmmctl_vcpu *v);
/* The next run makes a new stub. */
void seat_died(struct proc_seat *seat);
/* frame.c */
#define FRAME_XSAVE_SW	464u		/* struct _fpx_sw_bytes in XSAVE */
#define FRAME_LEGACY	512u		/* its end */

/* What a signal that a guest caused was about. */
struct stub_signal {
	int sig;
	const uint8_t *info;		/* siginfo */
	uint64_t cs, trap, error, cr2;
	bool int1_before;		/* a fact of the host */
};

/* EVENT_KICK when it says nothing of the guest. */
void signal_event(const struct stub_signal *s, struct vmmctl_regs *r,
    struct event *ev);
/* From the arguments of the first notification. */
int frame_learn(struct proc_seat *seat, const uint64_t args[6]);
/* Leave nothing of the guest that was here before. */
void frame_clear(struct proc_seat *seat);
/* The ops frame: armed before ops are carried out, disarmed when the thread
 * has spoken again.  True if it had used the key. */
void frame_arm(struct proc_seat *seat, uint64_t key);
bool frame_disarm(struct proc_seat *seat);
void frame_store(struct proc_seat *seat, const struct vmmctl_regs *r);
void frame_load(struct proc_seat *seat, struct vmmctl_regs *r);
void frame_event(struct proc_seat *seat, struct vmmctl_regs *r, int sig,
    struct event *ev);
int frame_xsave_load(struct proc_seat *seat, const void *buf);
int frame_xsave_save(struct proc_seat *seat, void *buf);

#endif
