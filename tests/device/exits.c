// SPDX-License-Identifier: BSD-2-Clause
/* exits.c - see exits.h. */
#include "exits.h"

#include "svm_impl.h"

void leave(struct device *d, enum vmm_cause_kind kind, uint64_t code)
{
	if (d->svm)
		fake_exit_code(code, 0, 0, 0);
	else
		fake_cause(kind);
}

void softint(struct device *d)
{
	if (d->svm)
		fake_exit_code(SVM_EXIT_SWINT, 0, 0, 0);
	else
		fake_step(FAKE_CAUSE)->cause = (struct vmm_cause){
		    .kind = VMM_CAUSE_SOFTINT,
		    .vector = VMM_VECTOR_UNTOLD };
}

void debug(struct device *d, uint64_t dr6)
{
	if (d->svm) {
		fake_exit_code(SVM_EXIT_EXCEPTION + VMM_X86_DB, 0, 0, 0);
		fake_script.step[fake_script.n - 1].dr6 = 0xffff0ff0 | dr6;
	} else {
		fake_exception(VMM_X86_DB, 0, 0);
		fake_script.step[fake_script.n - 1].cause.dr6 = dr6;
	}
}

void policy(struct device *d, uint32_t vector, uint8_t what)
{
	struct vmm_policy a = { .context = d->context };

	a.vector[vector] = what;
	assert_ok(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &a));
}
