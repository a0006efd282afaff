/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx_run.h - what the tests of vmx/ on a fake processor share: runs that end
 * by themselves, a second vCPU, raw access.
 */
#ifndef VMX_RUN_H
#define VMX_RUN_H

#include "device.h"
#include "vmx_cpu.h"
#include "vmx_impl.h"

static inline void run_syscall(struct device *d)
{
	fake.signal = false;
	CODE_SET(0x0f, 0x05);
	d->page->regs.rip = CODE;
	d->page->regs.rflags = 0x202;
	guest_at(CODE);
	fake_exception(VMM_X86_UD, 0, 0);
	RUN_TO(d, VMM_EXIT_SYSCALL);
}

/* Out again, by an instruction of ring 0. */
static inline void leave(struct device *d, struct vmm_vcpu *v)
{
	fake.signal = false;
	fake_cause(VMM_CAUSE_PRIVILEGED);
	assert_ok(vmm_vcpu_run(v));
	assert_int_equal(v->page->exit.kind, VMM_EXIT_EXCEPTION);
	(void)d;
}

static inline struct vmm_vcpu *second(struct device *d)
{
	struct vmm_vcpu *v;
	uint32_t context;

	assert_ok(vcpu_create(d->m, 1, &v));
	assert_ok(context_create(d->m, &context));
	vcpu_prepare(v, context);
	return v;
}

static inline int raw(struct vmm_vcpu *v, uint32_t op, uint32_t field,
    uint32_t width, uint64_t *value)
{
	struct vmm_raw a = { .op = op, .field = field, .width = width,
	    .value = *value };
	int error = vmm_vcpu_ioctl(v, VMM_RAW, &a);

	*value = a.value;
	return error;
}

#endif
