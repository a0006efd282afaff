/* SPDX-License-Identifier: BSD-2-Clause */
/* run.h - the parts of a run: from raw event to exit, and stepping. */
#ifndef VMMCTL_RUN_H
#define VMMCTL_RUN_H

#include "internal.h"

/*
 * Turn an event into an exit.  1: *exit is filled; 0: it was handled, the
 * guest goes on; -errno.  Both backends' events pass here: what an event
 * means is decided once.
 */
int decode_event(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    const struct event *ev, struct vmmctl_exit *exit);

/*
 * For a backend's enter that will not go into the guest any more and wants the
 * machine lock: whoever holds it may wait for this vCPU to be outside.
 */
void vcpu_left(struct vmmctl_vcpu *v);

/* What a single step does besides RFLAGS.TF. */
enum step_kind {
	STEP_PLAIN,
	STEP_PUSHF,	/* stores RFLAGS */
	STEP_POPF,	/* loads RFLAGS; IRET too */
	STEP_SYSCALL,	/* copies RFLAGS to R11 */
	STEP_MOV_SS	/* the trap would be held back for an instruction */
};

struct step {
	bool on;
	bool guest_tf;		/* the guest's own TF */
	enum step_kind kind;
	uint64_t rsp;
	unsigned size;		/* bytes that PUSHF stores */
};

/* Pure: what kind of instruction code[0..len) begins with. */
enum step_kind step_classify(const uint8_t *code, size_t len, unsigned *size);
/*
 * Set TF for one instruction.  True: the instruction has been done here
 * (MOV SS of the selector that is there anyway), report DEBUG.
 */
bool step_begin(struct vmmctl_context *c, struct step *st);
/* Undo what the step left in the guest's sight. */
void step_end(struct vmmctl_context *c, struct step *st,
    const struct event *ev);

/* *ev is #GP of a guest user without descriptor tables: if that was the load
 * of a selector that exists, do it, and say in *ev what comes of it. */
void selector_load(struct vmmctl_context *c, struct event *ev);

/* Pure: n of INT n whose #GP has this error code; its length in *len. */
bool decode_int_n(uint32_t error_code, const uint8_t *code, size_t size,
    uint32_t *n, unsigned *len);

/* Enter the guest's handler for exit; false: the frame cannot be stored. */
bool reflect(struct vmmctl_context *c, const struct vmmctl_exit *exit);

/* Code bytes at gva that the guest may execute: how many were there. */
size_t fetch_code(struct vmmctl_context *c, uint64_t gva, uint8_t *buf,
    size_t size);

#endif
