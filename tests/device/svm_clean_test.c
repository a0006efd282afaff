// SPDX-License-Identifier: BSD-2-Clause
/*
 * Clean bits of svm/: of what has not changed since the processor has read it,
 * and of nothing else.
 */
#include "svm_run.h"

static void clean_bits_are_those_of_what_has_not_changed(void **state)
{
	struct device *d = load_on(SVM_CPUID_CLEAN | SVM_CPUID_FLUSH_ASID);

	(void)state;
	leave_once(d);
	assert_int_equal(fake_vmrun.last_clean, 0);
	leave_once(d);
	assert_int_equal(fake_vmrun.last_clean, SVM_CLEAN_ALL);
	d->page->commit = VMM_SET_SPACE | VMM_SET_KEEP;
	d->page->cr3 = ROOT_GPA + PAGE;
	leave_once(d);
	assert_int_equal(fake_vmrun.last_clean & SVM_CLEAN_CRX, 0);
	assert_true((fake_vmrun.last_clean & SVM_CLEAN_NP) != 0);
	d->page->commit = VMM_SET_DEBUG;
	d->page->dr7 = 0x401;
	leave_once(d);
	assert_int_equal(fake_vmrun.last_clean & SVM_CLEAN_DRX, 0);
	fake_migrate(1);
	leave_once(d);
	assert_int_equal(fake_vmrun.last_clean, 0);
	fake_migrate(0);
	leave_once(d);
	assert_int_equal(fake_vmrun.last_clean, 0);
	unload(d);
}

static void without_the_capability_nothing_is_clean(void **state)
{
	struct device *d = load_on(0);
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		leave_once(d);
		assert_int_equal(fake_vmrun.last_clean, 0);
	}
	unload(d);
}

/* DR6 is changed for the next #DB: the processor has to look. */
static void a_debug_exception_leaves_nothing_for_the_next(void **state)
{
	struct device *d = load_on(SVM_CPUID_CLEAN);
	uint32_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		d->page->regs.rflags = 0x202;
		d->page->dr7 = 0x401;
		d->page->commit |= VMM_SET_DEBUG;
		fake_exit_code(SVM_EXIT_EXCEPTION + VMM_X86_DB, 0, 0, 0);
		fake_script.step[fake_script.n - 1].dr6 = i == 0 ? 0xffff0ff1 :
		    0xffff4ff0;
		RUN_TO(d, VMM_EXIT_EXCEPTION);
		assert_int_equal(d->exit->dr6, i == 0 ? 1 : 0x4000);
		assert_int_equal(fake_vmrun.vmcb->dr6, SVM_DR6_NOTHING);
	}
	assert_int_equal(fake_vmrun.last_clean & SVM_CLEAN_DRX, 0);
	unload(d);
}

/* Also when something else changes before the next entry. */
static void a_debug_exception_is_not_hidden_by_another_change(void **state)
{
	struct device *d = load_on(SVM_CPUID_CLEAN);
	uint32_t i;

	(void)state;
	leave_once(d);
	for (i = 0; i < 3; i++) {
		d->page->dr7 = 0x401;
		d->page->commit |= VMM_SET_DEBUG;
		leave_once(d);
		assert_int_equal(fake_vmrun.vmcb->dr7, 0x401);
		fake_exit_code(SVM_EXIT_EXCEPTION + VMM_X86_DB, 0, 0, 0);
		fake_script.step[fake_script.n - 1].dr6 = 0xffff0ff1;
		RUN_TO(d, VMM_EXIT_EXCEPTION);
		d->page->commit = i == 0 ? VMM_SET_SPACE : i == 1 ?
		    VMM_SET_FLUSH : VMM_SET_SPACE | VMM_SET_KEEP;
		d->page->cr3 = ROOT_GPA + i * PAGE;
		leave_once(d);
		assert_int_equal(fake_vmrun.last_clean & SVM_CLEAN_DRX, 0);
		leave_once(d);
	}
	unload(d);
}

static void a_raw_write_is_seen_by_the_processor(void **state)
{
	struct device *d = load_on(SVM_CPUID_CLEAN);
	struct vmm_raw raw = { .op = VMM_RAW_WRITE, .width = 8,
	    .field = offsetof(struct svm_vmcb, tsc_offset), .value = 1000 };
	struct vmm_regs regs;

	(void)state;
	leave_once(d);
	leave_once(d);
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	leave_once(d);		/* and VMRUN checks the clean bits */
	assert_int_equal(fake_vmrun.vmcb->tsc_offset, 1000);
	raw.field = offsetof(struct svm_vmcb, cr2);
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	leave_once(d);
	raw.field = offsetof(struct svm_vmcb, dr6);
	raw.value = 1ull << 40;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	fake_exit_code(SVM_EXIT_HLT, 0, 0, 1);
	d->page->regs.rflags |= VMM_X86_RFLAGS_FIXED | VMM_X86_RFLAGS_IF;
	regs = d->page->regs;
	assert_ok(vmm_vcpu_run(d->v));
	/* The processor refuses it; the owner hears, and can put it right. */
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	assert_int_equal(d->exit->raw, SVM_EXIT_INVALID);
	assert_memory_equal(&d->page->regs, &regs, sizeof(regs));
	raw.op = VMM_RAW_READ;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	assert_int_equal(raw.value, 1ull << 40);
	raw.field = offsetof(struct svm_vmcb, cr3);
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	assert_int_equal(raw.value, ROOT_GPA);
	raw.field = offsetof(struct svm_vmcb, dr6);
	raw.op = VMM_RAW_WRITE;
	raw.value = SVM_DR6_NOTHING;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	unload(d);
}

/* A flush that was asked for with an entry that was refused is asked again. */
static void a_refused_entry_has_flushed_nothing(void **state)
{
	struct device *d = load_on(SVM_CPUID_CLEAN | SVM_CPUID_FLUSH_ASID);
	struct vmm_raw raw = { .op = VMM_RAW_WRITE, .width = 8,
	    .field = offsetof(struct svm_vmcb, dr6), .value = 1ull << 40 };
	uint64_t got = 0;

	(void)state;
	TOUCH(d, DATA_GPA, W, NULL, 1);
	fake_page_out(MEMORY + DATA_GPA);
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	fake_touch(DATA_GPA, R, &got, 1);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	raw.value = SVM_DR6_NOTHING;
	assert_ok(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw));
	fake.signal = false;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	unload(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_bits_are_those_of_what_has_not_changed),
		cmocka_unit_test(without_the_capability_nothing_is_clean),
		cmocka_unit_test(a_debug_exception_leaves_nothing_for_the_next),
		cmocka_unit_test(
		    a_debug_exception_is_not_hidden_by_another_change),
		cmocka_unit_test(a_raw_write_is_seen_by_the_processor),
		cmocka_unit_test(a_refused_entry_has_flushed_nothing),
	};

	return RUN(tests);
}
