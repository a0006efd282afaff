// SPDX-License-Identifier: BSD-2-Clause
/*
 * svm/ on processors with each set of capabilities: what it switches on and
 * off, lengths that are told or not, the guest's state, and the host as it was
 * after each exit.
 */
#include "svm_run.h"

#define NRIPS	SVM_CPUID_NRIPS
#define EFER	SVM_MSR_EFER

/* ---- on and off ---- */

static void svme_and_the_save_area_come_and_go(void **state)
{
	struct vmm_machine *m;
	uint32_t i;

	*state = device_start_svm();
	for (i = 0; i < 4; i++)
		assert_int_equal(fake_msr_get(i, EFER), 0xd01);
	assert_ok(machine_create(&m));
	for (i = 0; i < 4; i++) {
		assert_int_equal(fake_msr_get(i, EFER), 0x1d01);
		assert_true(fake_msr_get(i, SVM_MSR_HSAVE_PA) != 0);
		assert_true(i == 0 || fake_msr_get(i, SVM_MSR_HSAVE_PA) !=
		    fake_msr_get(i - 1, SVM_MSR_HSAVE_PA));
	}
	vmm_machine_put(m);
	for (i = 0; i < 4; i++) {
		assert_int_equal(fake_msr_get(i, EFER), 0xd01);
		assert_int_equal(fake_msr_get(i, SVM_MSR_HSAVE_PA), 0);
	}
	device_end();
}

static void a_processor_that_kvm_has_is_left_alone(void **state)
{
	struct vmm_machine_create a = { .name = "x" };
	struct vmm_info info = { .size = sizeof(info) };
	struct vmm_machine *m;

	(void)state;
	(void)device_start_svm();
	fake_msr_set(2, EFER, 0x1d01);
	fake_msr_set(2, SVM_MSR_HSAVE_PA, 0x12345000);
	assert_int_equal(vmm_machine_create(&a, &m), EBUSY);
	assert_non_null(strstr(a.why, "kvm"));
	assert_int_equal(fake_msr_get(2, EFER), 0x1d01);
	assert_int_equal(fake_msr_get(2, SVM_MSR_HSAVE_PA), 0x12345000);
	assert_int_equal(fake_msr_get(0, EFER), 0xd01);
	assert_int_equal(fake_msr_get(1, EFER), 0xd01);
	/* And is told without trying, where it is asked. */
	fake_msr_set(0, EFER, 0x1d01);
	assert_ok(vmm_device_ioctl(VMM_INFO, &info));
	assert_int_equal(info.usable, 0);
	assert_non_null(strstr(info.why, "kvm"));
	assert_int_equal(fake_msr_get(0, EFER), 0x1d01);
	fake_msr_set(FAKE_CPUS, EFER, 0xd01);
	device_end();
}

static void what_the_firmware_forbids_is_told(void **state)
{
	struct vmm_info info = { .size = sizeof(info) };

	(void)state;
	fake_reset();
	fake_script_reset();
	fake_msr_set(FAKE_CPUS, SVM_MSR_VM_CR, SVM_VM_CR_SVMDIS |
	    SVM_VM_CR_LOCK);
	assert_int_equal(vmm_hw_init((const struct vmm_vendor *const[]){
	    &vmm_svm }, 1), EOPNOTSUPP);
	assert_ok(vmm_device_ioctl(VMM_INFO, &info));
	assert_non_null(strstr(info.why, "firmware"));
	vmm_hw_fini();
	/* Processors without that register are old, not forbidden. */
	fake_reset();
	fake_script_reset();
	fake_msr_remove(SVM_MSR_VM_CR);
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){ &vmm_svm },
	    1));
	vmm_hw_fini();
	fake_check_idle();
}

static void facts_are_told(void **state)
{
	struct device *d = load_on(0);
	struct vmm_info info = { .size = sizeof(info) };
	uint32_t i;

	(void)state;
	assert_ok(vmm_device_ioctl(VMM_INFO, &info));
	assert_string_equal(info.vendor, "svm");
	assert_int_equal(info.gpa_limit, 1ull << 40);
	for (i = 0; i < VMM_FACTS && info.facts[i].name[0] != '\0'; i++)
		assert_non_null(memchr(info.facts[i].name, '\0',
		    sizeof(info.facts[i].name)));
	assert_true(i >= 4 && i < VMM_FACTS);
	unload(d);
}

/* ---- each set of capabilities ---- */

static void every_set_of_capabilities_runs(void **state)
{
	static const uint32_t bits[] = { SVM_CPUID_NRIPS, SVM_CPUID_CLEAN,
	    SVM_CPUID_FLUSH_ASID, SVM_CPUID_DECODE };
	uint32_t set, i;

	(void)state;
	for (set = 0; set < 16; set++) {
		uint32_t features = 0;
		struct device *d;

		for (i = 0; i < 4; i++)
			features |= (set >> i & 1) != 0 ? bits[i] : 0;
		d = load_on(features);
		CODE_SET(0xcd, 0x80, 0x0f, 0xa2, 0xcc, 0x0f, 0x05);
		guest_at(CODE);
		fake_exit_code(SVM_EXIT_SWINT, (features & SVM_CPUID_DECODE)
		    != 0 ? 0x80 : 0, 0, 2);
		RUN_TO(d, VMM_EXIT_SOFTINT);
		assert_int_equal(d->exit->vector, 0x80);
		assert_int_equal(d->page->regs.rip, CODE + 2);
		fake_exit_code(SVM_EXIT_CPUID, 0, 0, 2);
		fake_exit_code(SVM_EXIT_EXCEPTION + VMM_X86_BP, 0, 0, 1);
		RUN_TO(d, VMM_EXIT_EXCEPTION);
		assert_int_equal(d->exit->vector, VMM_X86_BP);
		assert_int_equal(d->page->regs.rip, CODE + 5);
		fake_exit_code(SVM_EXIT_EXCEPTION + VMM_X86_UD, 0, 0, 0);
		RUN_TO(d, VMM_EXIT_SYSCALL);
		assert_int_equal(d->page->regs.rip, CODE + 7);
		unload(d);
	}
}

/* ---- state ---- */

static void bases_and_stack_are_the_guests(void **state)
{
	struct device *d = load_on(0);

	(void)state;
	d->page->regs.fs_base = 0x7fff12340000;
	d->page->regs.gs_base = 0xffff800000000000;
	d->page->regs.rsp = 0x8888;
	d->page->regs.rax = 0x1234567890;
	leave_once(d);
	assert_int_equal(fake_vmrun.vmcb->fs.base, 0x7fff12340000);
	assert_int_equal(fake_vmrun.vmcb->gs.base, 0xffff800000000000);
	assert_int_equal(fake_vmrun.vmcb->rsp, 0x8888);
	assert_int_equal(fake_vmrun.vmcb->rax, 0x1234567890);
	assert_int_equal(d->page->regs.rax, 0x1234567890);
	unload(d);
}

/* BTF of a debugger's, bus locks of the host's: the fake looks inside. */
static void the_hosts_debugctl_is_not_the_guests(void **state)
{
	struct device *d = load_on(0);
	uint64_t value;

	(void)state;
	for (value = 0; value <= 4; value += 2) {
		fake_msr_set(FAKE_CPUS, SVM_MSR_DEBUGCTL, value);
		run_syscall(d);
		assert_int_equal(fake_msr_get(0, SVM_MSR_DEBUGCTL), value);
	}
	fake_msr_set(FAKE_CPUS, SVM_MSR_DEBUGCTL, 0);
	unload(d);
}

static void change_state(struct vmm_regs *regs, struct vmm_state *s)
{
	regs->rbx = 77;
	s->rip = CODE + 5;
	s->rflags = 0x247;
	s->rsp = 0x1000;
	s->fs_base = 0x2000;
	s->gs_base = 0x3000;
}

static void what_the_guest_changes_is_told(void **state)
{
	struct device *d = load_on(0);

	(void)state;
	fake_change(change_state);
	leave_once(d);
	assert_int_equal(d->page->regs.rbx, 77);
	assert_int_equal(d->page->regs.rip, CODE + 5);
	assert_int_equal(d->page->regs.rflags, 0x247);
	assert_int_equal(d->page->regs.rsp, 0x1000);
	assert_int_equal(d->page->regs.fs_base, 0x2000);
	assert_int_equal(d->page->regs.gs_base, 0x3000);
	unload(d);
}

static void set_shadow(struct vmm_regs *regs, struct vmm_state *s)
{
	(void)regs;
	(void)s;
	fake_vmrun.vmcb->interrupt_shadow = 1;
}

/* MOV SS before an exit holds off nothing of the next entry. */
static void an_exit_ends_the_shadow_of_mov_ss(void **state)
{
	struct device *d = load_on(0);

	(void)state;
	fake_change(set_shadow);
	leave_once(d);
	leave_once(d);
	assert_int_equal(fake_vmrun.last_shadow, 0);
	unload(d);
}

static void load_ds(struct vmm_regs *regs, struct vmm_state *s)
{
	(void)regs;
	(void)s;
	fake_vmrun.vmcb->ds.selector = 3;
	fake_vmrun.vmcb->gs.selector = 2;
}

/* Null selectors are all that can be loaded, and four of them there are. */
static void selectors_are_not_seen_by_the_next_space(void **state)
{
	struct device *d = load_on(SVM_CPUID_CLEAN);

	(void)state;
	leave_once(d);
	fake_change(load_ds);
	leave_once(d);
	d->page->commit = VMM_SET_SPACE;
	d->page->cr3 = ROOT_GPA + PAGE;
	leave_once(d);
	assert_int_equal(fake_vmrun.vmcb->ds.selector, 0);
	assert_int_equal(fake_vmrun.vmcb->gs.selector, 0);
	unload(d);
}

/* With five levels of its own tables a host walks five nested ones. */
static void a_host_with_five_levels_has_one_table_more(void **state)
{
	struct device *d = device_start_svm();
	const uint64_t *top;
	uint32_t i;

	(void)state;
	for (i = 0; i < FAKE_CPUS; i++)
		fake_hw.cpu[i].cr4 |= VMM_X86_CR4_LA57;
	machine_make(d);
	top = os_page_at(d->v->svm.vmcb->nested_cr3);
	assert_ptr_not_equal(top, d->m->npt.root);
	assert_int_equal(top[0] & X86_NPT_ADDR, d->m->npt.root_pa);
	assert_int_equal(top[0] & 7, 7);
	for (i = 1; i < 512; i++)
		assert_int_equal(top[i], 0);
	unload(d);
}

static void interrupts_of_the_host_end_the_guest(void **state)
{
	struct device *d = load_on(0);

	(void)state;
	fake_exit_code(SVM_EXIT_INTR, 0, 0, 0);
	fake_exit_code(SVM_EXIT_SMI, 0, 0, 0);
	fake_exit_code(SVM_EXIT_INIT, 0, 0, 0);
	leave_once(d);
	assert_int_equal(d->v->stats->cause[VMM_CAUSE_INTERRUPT], 1);
	assert_int_equal(d->v->stats->cause[VMM_CAUSE_NMI], 2);
	unload(d);
}

/* After a shutdown the control block is undefined: all is made anew. */
static void spoil(struct vmm_regs *regs, struct vmm_state *s)
{
	struct svm_vmcb *b = fake_vmrun.vmcb;

	(void)regs;
	(void)s;
	memset(&b->es, 0xff, offsetof(struct svm_vmcb, rip) -
	    offsetof(struct svm_vmcb, es));
}

static void after_a_shutdown_all_is_made_anew(void **state)
{
	struct device *d = load_on(SVM_CPUID_CLEAN);

	(void)state;
	fake_change(spoil);
	fake_exit_code(SVM_EXIT_SHUTDOWN, 0, 0, 0);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	d->page->regs.rsp = 0;
	d->page->regs.fs_base = d->page->regs.gs_base = 0;
	run_syscall(d);
	assert_int_equal(fake_vmrun.vmcb->cpl, 3);
	unload(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(svme_and_the_save_area_come_and_go),
		cmocka_unit_test(a_processor_that_kvm_has_is_left_alone),
		cmocka_unit_test(what_the_firmware_forbids_is_told),
		cmocka_unit_test(facts_are_told),
		cmocka_unit_test(every_set_of_capabilities_runs),
		cmocka_unit_test(bases_and_stack_are_the_guests),
		cmocka_unit_test(the_hosts_debugctl_is_not_the_guests),
		cmocka_unit_test(what_the_guest_changes_is_told),
		cmocka_unit_test(an_exit_ends_the_shadow_of_mov_ss),
		cmocka_unit_test(selectors_are_not_seen_by_the_next_space),
		cmocka_unit_test(a_host_with_five_levels_has_one_table_more),
		cmocka_unit_test(interrupts_of_the_host_end_the_guest),
		cmocka_unit_test(after_a_shutdown_all_is_made_anew),
	};

	return RUN(tests);
}
