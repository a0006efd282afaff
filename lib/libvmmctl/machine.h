/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.h - what the core's files need of each other. */
#ifndef VMMCTL_MACHINE_H
#define VMMCTL_MACHINE_H

#include "internal.h"

/*
 * Keep every vCPU out of the guest in s, interrupting those inside; nest.
 * [m]
 */
void space_park(struct vmmctl_space *s);
/* The same by a vCPU that is itself entered. */
void space_park_others(struct vmmctl_space *s,
    const struct vmmctl_vcpu *self);
void space_unpark(struct vmmctl_space *s);
/* Re-evaluate what hardware may do in the leaf at gva, after a fault. [m] */
int space_refresh(struct vmmctl_space *s, uint64_t gva);
/* Withdraw or limit what maps into [gpa, gpa+len), in all spaces. [m] */
int spaces_memory_changed(struct vmmctl_machine *m, uint64_t gpa,
    uint64_t len);
/*
 * The owner's memory lacks the page at gpa: let the next access fault, so that
 * it tells its address. [m]
 */
int space_lacks(struct vmmctl_space *s, uint64_t gpa);
void space_destroy_locked(struct vmmctl_space *s);
/* Copy with the machine lock held; honour the guest's rights. */
int64_t copy_locked(struct vmmctl_space *s, uint64_t gva, void *buf,
    size_t len, uint32_t access, struct vmmctl_fault *fault);
void memory_fini(struct vmmctl_machine *m);
/* Bring c's extended state home from its seat. [m] */
void context_unload(struct vmmctl_context *c);
/* Make regs whole after a brief exit. [m], or the runner */
int context_fetch(struct vmmctl_context *c);
/* The guest's registers are all; keep what the caller changed in regs. */
void context_merge(struct vmmctl_context *c, const struct vmmctl_regs *all);
void context_free(struct vmmctl_context *c);
void vcpu_free(struct vmmctl_vcpu *v);

#endif
