/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svm_run.h - what the tests of svm/ on a fake processor share: the device
 * loaded on one with some features, runs that end by themselves.
 */
#ifndef SVM_RUN_H
#define SVM_RUN_H

#include "device.h"
#include "svm_impl.h"

/* Load the device on a processor with those features. */
static inline struct device *load_on(uint32_t features)
{
	struct device *d = device_start_svm();

	vmm_hw_fini();
	fake_cpuid_at(SVM_CPUID, 0)[3] = SVM_CPUID_NP | features;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){ &vmm_svm },
	    1));
	machine_make(d);
	CODE_SET(0x0f, 0x05);
	return d;
}

static inline void unload(struct device *d)
{
	machine_end(d);
	device_end();
}

static inline void run_syscall(struct device *d)
{
	fake.signal = false;
	d->page->regs.rip = CODE;
	d->page->regs.rflags = 0x202;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
}

/* Out again, by an instruction of ring 0. */
static inline void leave_once(struct device *d)
{
	fake.signal = false;
	fake_exit_code(SVM_EXIT_HLT, 0, 0, 1);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
}

#endif
