/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exits.h - what the tests of exits share: each is for the vendor that only
 * plays a script and for svm/ on a processor that tells the least, and what
 * the guest does next is said for both.
 */
#ifndef EXITS_H
#define EXITS_H

#include "device.h"

#define BOTH(f)	TEST(f), TEST_SVM(f)

/* The cause, or on SVM the exit code. */
void leave(struct device *d, enum vmm_cause_kind kind, uint64_t code);
void softint(struct device *d);
void debug(struct device *d, uint64_t dr6);

/* Of the context: what becomes of that exception. */
void policy(struct device *d, uint32_t vector, uint8_t what);

#endif
