/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_unit.h - what the tests of the vmm backend share: a unit (unit.h) on a
 * device that keeps book (device.h), which is as it was when the test ends.
 */
#ifndef VMM_UNIT_H
#define VMM_UNIT_H

#include "device.h"
#include "unit.h"

#define RIP	0x401000ull

/* A handle, or the error and the sentence. */
int try(const char *name, struct vmmctl **v, char *why, size_t size);
/* cmocka's set-up on the device as it is set up, or as one that works is. */
int start(void **state);
int setup(void **state);
int teardown(void **state);
#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

/* What the device shares with a vCPU. */
struct vmm_vcpu_page *page(unsigned n);
/* A run that ends with that exit. */
void run(struct unit *u, enum vmmctl_exit_kind kind);

#endif
