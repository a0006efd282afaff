/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only the library's own headers tell, for tests of what it keeps from
 * guests: nobody can look for a secret that he does not know.
 */
#ifndef TESTS_CONTRACT_INSIDE_H
#define TESTS_CONTRACT_INSIDE_H

#include "harness.h"

/* The key with which the backend's code proves itself to the host, where it
 * does; else 0. */
uint64_t inside_key(const struct rig *r, const struct vmmctl_machine *m);
/* The same of the rig's machine; skips where there is none. */
uint64_t the_key(struct rig *r);
/* While it is locked no vCPU of the machine finds its place in a process. */
void inside_lock(struct rig *r);
void inside_unlock(struct rig *r);

#endif
