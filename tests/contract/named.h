/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of brief exits share: a machine with one system call that is named
 * as one that may be brief, and runs that end with calls, as they come.
 */
#ifndef TESTS_CONTRACT_NAMED_H
#define TESTS_CONTRACT_NAMED_H

#include "harness.h"

#define NAMED	39u
#define UNNAMED	40u

extern unsigned briefs;		/* how many exits of the test were brief */

/* The rig's machine anew, with one call that may be brief. */
void remake(struct rig *r);
/* The guest, about to make that call. */
void load(struct rig *r, struct blob b);
/* A run that ends with the call, as it comes. */
void call_on(struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c);
void call(struct rig *r);
/* All registers, after the call. */
void fetch(struct rig *r);
/* Says how many exits were brief. */
void told(struct rig *r);
/* What a call leaves in the registers that it changes. */
void after_call(struct vmmctl_regs *want, uint64_t rip);

#endif
