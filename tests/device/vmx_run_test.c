// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmx/ on a fake processor: what it switches on and off, control structures
 * that go from processor to processor and are read where they are, and the host
 * as it was after each run.
 */
#include "vmx_run.h"

/* ---- on and off ---- */

static void vmxe_comes_and_goes(void **state)
{
	struct vmm_machine *m;
	uint32_t i;

	(void)state;
	(void)device_start_vmx();
	assert_ok(machine_create(&m));
	for (i = 0; i < 4; i++)
		assert_true((fake_hw.cpu[i].cr4 & VMM_X86_CR4_VMXE) != 0);
	vmm_machine_put(m);
	for (i = 0; i < 4; i++)
		assert_int_equal(fake_hw.cpu[i].cr4 & VMM_X86_CR4_VMXE, 0);
	device_end();
}

static void a_processor_that_kvm_has_is_left_alone(void **state)
{
	struct vmm_machine_create a = { .name = "x" };
	struct vmm_machine *m;
	uint32_t i;

	(void)state;
	(void)device_start_vmx();
	fake_hw.cpu[2].cr4 |= VMM_X86_CR4_VMXE;
	assert_int_equal(vmm_machine_create(&a, &m), EBUSY);
	assert_non_null(strstr(a.why, "kvm"));
	for (i = 0; i < 4; i++)
		assert_int_equal((fake_hw.cpu[i].cr4 & VMM_X86_CR4_VMXE) != 0,
		    i == 2);
	fake_hw.cpu[2].cr4 &= ~VMM_X86_CR4_VMXE;
	device_end();
}

static void what_the_firmware_forbids_is_told(void **state)
{
	struct vmm_info info = { .size = sizeof(info) };
	static const struct { uint64_t value; const char *say; } words[] = {
		{ 0, "not locked" }, { VMX_FEATURE_LOCKED, "firmware" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		fake_reset();
		fake_script_reset();
		fake_hw_intel();
		fake_msr_set(FAKE_CPUS, VMX_MSR_FEATURE_CONTROL,
		    words[i].value);
		/* svm/ does not know this processor, whoever comes last. */
		assert_int_equal(vmm_hw_init((const struct vmm_vendor *const[])
		    { &vmm_svm, &vmm_vmx }, 2), EOPNOTSUPP);
		assert_ok(vmm_device_ioctl(VMM_INFO, &info));
		assert_non_null(strstr(info.why, words[i].say));
		vmm_hw_fini();
		fake_check_idle();
	}
}

/* ---- control structures ---- */

static void one_is_loaded_once(void **state)
{
	struct device *d = *state;
	uint64_t loads, clears;

	run_syscall(d);
	loads = fake_vmx.vmptrlds;
	clears = fake_vmx.vmclears;
	run_syscall(d);
	leave(d, d->v);
	assert_int_equal(fake_vmx.vmptrlds, loads);
	assert_int_equal(fake_vmx.vmclears, clears);
}

static void one_that_moves_is_cleared_where_it_was(void **state)
{
	struct device *d = *state;
	unsigned i;

	for (i = 0; i < 12; i++) {
		fake_migrate(i % 3);
		run_syscall(d);
		/* Each one is new there: the fake would tell else. */
		assert_int_equal(fake_vmx.vmptrlds, i + 1);
	}
	/* One for a new structure, one for each time it left. */
	assert_int_equal(fake_vmx.vmclears, 12);
	fake_migrate(0);
}

static void two_take_turns_on_a_processor(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu *v = second(d);
	unsigned i;

	for (i = 0; i < 6; i++) {
		leave(d, d->v);
		leave(d, v);
	}
	fake_migrate(1);
	leave(d, v);
	/* The other one's is not cleared for that. */
	fake_migrate(0);
	leave(d, d->v);
	fake_migrate(2);
	vmm_vcpu_destroy(v);
	fake_migrate(0);
	leave(d, d->v);
}

static void a_processor_goes_off_line_with_one(void **state)
{
	struct device *d = *state;

	fake_migrate(1);
	run_syscall(d);
	fake_migrate(0);
	fake_cpu_offline(1);
	run_syscall(d);
	assert_true(fake_cpu_online(1));
	fake_migrate(1);
	run_syscall(d);
	fake_migrate(0);
}

static void a_new_one_follows_a_refused_entry(void **state)
{
	struct device *d = *state;
	static const uint32_t how[] = { 1, 2, 33 };
	size_t i;

	for (i = 0; i < 3; i++) {
		fake_vmx.refuse = how[i];
		fake_vmx.error = 7;
		fake.signal = false;
		assert_ok(vmm_vcpu_run(d->v));
		assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
		assert_true((d->exit->raw & VMX_REASON_REFUSED) != 0);
		assert_int_equal(d->exit->info[0], how[i] == 2 ? 7 : 0);
		run_syscall(d);
	}
}

/* ---- the host ---- */

static void selectors_of_the_thread_are_as_they_were(void **state)
{
	struct device *d = *state;
	const uint64_t base = fake_msr_get(0, VMX_MSR_FS_BASE);

	fake_vmx.ds = fake_vmx.es = 0x2b;
	fake_vmx.fs = 0x63;
	fake_vmx.gs = 0x6b;
	run_syscall(d);
	assert_int_equal(fake_vmx.ds, 0x2b);
	assert_int_equal(fake_vmx.es, 0x2b);
	assert_int_equal(fake_vmx.fs, 0x63);
	assert_int_equal(fake_vmx.gs, 0x6b);
	assert_int_equal(fake_msr_get(0, VMX_MSR_FS_BASE), base);
}

/* The fake compares what an exit would load with what there is. */
static void what_changes_of_the_host_is_told_to_the_processor(void **state)
{
	struct device *d = *state;

	run_syscall(d);
	fake_vmx.host_cr3 += 0x1000;
	run_syscall(d);
	fake_hw.cpu[0].cr4 ^= 4;	/* TSD */
	run_syscall(d);
	fake_msr_set(0, VMX_MSR_FS_BASE, 0x7f1234567000);
	run_syscall(d);
	fake_msr_set(0, VMX_MSR_DEBUGCTL, 2);
	run_syscall(d);
	assert_int_equal(fake_msr_get(0, VMX_MSR_DEBUGCTL), 2);
}

/* The fake looks at each entry. */
static void the_hosts_records_end_outside(void **state)
{
	struct device *d = *state;
	unsigned i;

	/* Whose upper half only is not 0, and whose lower half. */
	for (i = 0; i < 4; i++) {
		const uint64_t on = i == 3 ? 0 : 1ull << 16 * i;

		fake_msr_set(0, VMX_MSR_PEBS_ENABLE, on);
		fake_vmx.nmi_starts_pebs = on != 0;
		run_syscall(d);
		assert_int_equal(fake_vmx.pebs_at_entry, 0);
		assert_int_equal(fake_msr_get(0, VMX_MSR_PEBS_ENABLE), on);
		/* Nor do its counters go on, which are the lower ones here. */
		assert_int_equal(fake_vmx.counting_inside,
		    0x70000000f & ~(on & 0xff));
		assert_int_equal(fake_msr_get(0, VMX_MSR_PERF_GLOBAL),
		    0x70000000f);
	}
	/* Nor does an entry that is refused lose them. */
	fake_msr_set(0, VMX_MSR_PEBS_ENABLE, 1);
	fake_vmx.refuse = 1;
	fake.signal = false;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	assert_int_equal(fake_msr_get(0, VMX_MSR_PEBS_ENABLE), 1);
}

static uint64_t pebs_at_nmi, pebs_after_nmi;

static void handle_nmi(void)
{
	struct fake_cpu *c = fake_cpu();
	unsigned i;

	pebs_at_nmi = fake_msr_get(0, VMX_MSR_PEBS_ENABLE);
	assert_int_equal(fake_msr_get(0, VMX_MSR_PERF_GLOBAL), 0x70000000f);
	fake_msr_set(0, VMX_MSR_PEBS_ENABLE, pebs_after_nmi);
	/* This is how the host wants it now. */
	for (i = 0; i < FAKE_MSRS; i++)
		if (c->saved_msr[i].index == VMX_MSR_PEBS_ENABLE)
			c->saved_msr[i].value = pebs_after_nmi;
}

/* What the handler of an NMI makes of them is how they stay. */
static void an_nmi_may_stop_the_hosts_records(void **state)
{
	struct device *d = *state;

	fake_vmx.on_nmi = handle_nmi;
	for (pebs_after_nmi = 0; pebs_after_nmi < 4; pebs_after_nmi++) {
		fake_msr_set(0, VMX_MSR_PEBS_ENABLE, 3);
		fake.signal = false;
		CODE_SET(0x0f, 0x05);
		d->page->regs.rip = CODE;
		guest_at(CODE);
		fake_cause(VMM_CAUSE_NMI);
		guest_at(CODE);
		fake_exception(VMM_X86_UD, 0, 0);
		RUN_TO(d, VMM_EXIT_SYSCALL);
		assert_int_equal(pebs_at_nmi, 3);
		assert_int_equal(fake_msr_get(0, VMX_MSR_PEBS_ENABLE),
		    pebs_after_nmi);
		assert_int_equal(fake_msr_get(0, VMX_MSR_PERF_GLOBAL),
		    0x70000000f);
	}
	fake_vmx.on_nmi = NULL;
	fake_msr_set(0, VMX_MSR_PEBS_ENABLE, 0);
}

static void an_nmi_is_the_hosts(void **state)
{
	struct device *d = *state;

	fake_cause(VMM_CAUSE_NMI);
	run_syscall(d);
	assert_int_equal(fake_vmx.nmis, 1);
}

/* ---- raw access ---- */

static void fields_are_read_where_they_are(void **state)
{
	struct device *d = *state;
	struct vmm_vcpu *v = second(d);
	uint64_t value = 0;

	/* Before it has ever run. */
	assert_ok(raw(v, VMM_RAW_READ, VMX_EXCEPTIONS, 4, &value));
	assert_int_equal(value, 0xffffffff);
	run_syscall(d);
	assert_ok(raw(d->v, VMM_RAW_READ, VMX_REASON, 4, &value));
	assert_int_equal(value, 0);
	value = 0x1234;
	assert_ok(raw(d->v, VMM_RAW_WRITE, VMX_TSC_OFFSET, 8, &value));
	fake_migrate(1);
	value = 0;
	assert_ok(raw(d->v, VMM_RAW_READ, VMX_TSC_OFFSET, 8, &value));
	assert_int_equal(value, 0x1234);
	run_syscall(d);
	assert_ok(raw(d->v, VMM_RAW_READ, VMX_TSC_OFFSET, 8, &value));
	assert_int_equal(value, 0x1234);
	fake_cpu_offline(3);
	fake_migrate(0);
	fake_cpu_offline(1);
	assert_ok(raw(d->v, VMM_RAW_READ, VMX_TSC_OFFSET, 8, &value));
	assert_int_equal(value, 0x1234);
	assert_int_equal(raw(d->v, VMM_RAW_READ, VMX_EPTP, 8, &value), EPERM);
	run_syscall(d);
	vmm_vcpu_destroy(v);
}

static void a_field_that_is_not_there_is_refused(void **state)
{
	struct device *d = *state;
	uint64_t value = 1;

	fake_vmx.lacks = VMX_TSC_OFFSET;
	assert_int_equal(raw(d->v, VMM_RAW_READ, VMX_TSC_OFFSET, 8, &value),
	    EPERM);
	assert_int_equal(raw(d->v, VMM_RAW_WRITE, VMX_TSC_OFFSET, 8, &value),
	    EPERM);
	assert_int_equal(value, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmxe_comes_and_goes),
		cmocka_unit_test(a_processor_that_kvm_has_is_left_alone),
		cmocka_unit_test(what_the_firmware_forbids_is_told),
		TEST_VMX(one_is_loaded_once),
		TEST_VMX(one_that_moves_is_cleared_where_it_was),
		TEST_VMX(two_take_turns_on_a_processor),
		TEST_VMX(a_processor_goes_off_line_with_one),
		TEST_VMX(a_new_one_follows_a_refused_entry),
		TEST_VMX(selectors_of_the_thread_are_as_they_were),
		TEST_VMX(what_changes_of_the_host_is_told_to_the_processor),
		TEST_VMX(the_hosts_records_end_outside),
		TEST_VMX(an_nmi_may_stop_the_hosts_records),
		TEST_VMX(an_nmi_is_the_hosts),
		TEST_VMX(a_field_that_is_not_there_is_refused),
		TEST_VMX(fields_are_read_where_they_are),
	};

	return RUN(tests);
}
