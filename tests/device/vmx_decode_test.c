// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an exit of VMX means: each reason by hand, a counter for each, entries
 * that fail.
 */
#include "device.h"
#include "vmx_cpu.h"
#include "vmx_impl.h"

struct by_hand {
	const char *what;
	uint32_t reason, event, error, vectoring, length;
	uint64_t qualification, gpa;
	struct vmm_cause want;
};

#define EV(type, vector)	(0x80000000u | (type) << 8 | (vector))
#define ERR			VMX_EVENT_HAS_ERROR

/* By hand, from the manual; what processors did is in recorded.def. */
static const struct by_hand by_hand[] = {
	{ "SYSCALL", 0, EV(3, 6), 0, 0, 2, 0, 0,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 6 } },
	{ "#GP", 0, EV(3, 13) | ERR, 0x402, 0, 0, 0, 0,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 13,
	      .error_code = 0x402 } },
	{ "INT 80", 0, EV(3, 13) | ERR, 0x402, EV(4, 0x80), 2, 0, 0,
	    { .kind = VMM_CAUSE_SOFTINT, .vector = 0x80, .error_code = 0x402,
	      .length = 2 } },
	{ "INT 3 of two bytes", 0, EV(3, 13) | ERR, 0x1a, EV(4, 3), 2, 0, 0,
	    { .kind = VMM_CAUSE_SOFTINT, .vector = 3, .error_code = 0x1a,
	      .length = 2 } },
	{ "#GP while something else was delivered", 0, EV(3, 13) | ERR, 2,
	    EV(3, 0), 2, 0, 0,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 13, .error_code = 2 } },
	{ "INT3", 0, EV(6, 3), 0, 0, 1, 0, 0,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 3, .length = 1 } },
	{ "INT1", 0, EV(5, 1), 0, 0, 1, 0x4000, 0,
	    { .kind = VMM_CAUSE_ICEBP, .vector = 1, .length = 1 } },
	{ "single step", 0, EV(3, 1), 0, 0, 7, 0x4000, 0,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 1, .dr6 = 0x4000,
	      .info = { 0x4000 } } },
	{ "watchpoint 2, with a bit that is no cause", 0, EV(3, 1), 0, 0, 0,
	    0x11004, 0, { .kind = VMM_CAUSE_EXCEPTION, .vector = 1,
	      .dr6 = 4, .info = { 0x11004 } } },
	{ "#PF of a write", 0, EV(3, 14) | ERR, 6, 0, 0, 0x7fffdead, 0,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 14, .error_code = 6,
	      .address = 0x7fffdead, .info = { 0x7fffdead } } },
	{ "machine check", 0, EV(3, 18), 0, 0, 0, 0, 0,
	    { .kind = VMM_CAUSE_MACHINE_CHECK, .vector = 18 } },
	{ "NMI", 0, EV(2, 2), 0, 0, 0, 0, 0,
	    { .kind = VMM_CAUSE_NMI, .vector = 2 } },
	{ "interrupt", 1, 0, 0, 0, 0, 0, 0,
	    { .kind = VMM_CAUSE_INTERRUPT } },
	{ "triple fault", 2, 0, 0, 0, 0, 0, 0,
	    { .kind = VMM_CAUSE_SHUTDOWN } },
	{ "INIT", 3, 0, 0, 0, 0, 0, 0, { .kind = VMM_CAUSE_NMI } },
	{ "CPUID", 10, 0, 0, 0, 2, 0, 0,
	    { .kind = VMM_CAUSE_CPUID, .length = 2 } },
	{ "VMCALL", 18, 0, 0, 0, 3, 0, 0, { .kind = VMM_CAUSE_UNDEFINED } },
	{ "XSETBV", 55, 0, 0, 0, 3, 0, 0, { .kind = VMM_CAUSE_PRIVILEGED } },
	{ "RDMSR", 31, 0, 0, 0, 2, 0, 0, { .kind = VMM_CAUSE_PRIVILEGED } },
	{ "guest state", 0x80000021, 0, 0, 0, 0, 4, 0,
	    { .kind = VMM_CAUSE_INVALID, .info = { 4 } } },
	{ "machine check on entry", 0x80000029, 0, 0, 0, 0, 0, 0,
	    { .kind = VMM_CAUSE_MACHINE_CHECK } },
	{ "nested read", 48, 0, 0, 0, 0, 0x181, 0x123450,
	    { .kind = VMM_CAUSE_NESTED, .gpa = 0x123450,
	      .access = VMM_PROT_READ, .info = { 0x181 } } },
	{ "nested write to what is there", 48, 0, 0, 0, 0, 0x1aa, 0x123450,
	    { .kind = VMM_CAUSE_NESTED, .gpa = 0x123450,
	      .access = VMM_PROT_WRITE, .present = true,
	      .info = { 0x1aa } } },
	{ "nested fetch", 48, 0, 0, 0, 0, 0x184, 0x1000,
	    { .kind = VMM_CAUSE_NESTED, .gpa = 0x1000,
	      .access = VMM_PROT_EXEC, .info = { 0x184 } } },
	{ "walk of the guest's table", 48, 0, 0, 0, 0, 0x83, 0x2008,
	    { .kind = VMM_CAUSE_NESTED, .gpa = 0x2008,
	      .access = VMM_PROT_WRITE, .info = { 0x83 } } },
	{ "what will be", 4095, 0, 0, 0, 0, 9, 0,
	    { .kind = VMM_CAUSE_UNKNOWN, .info = { 9 } } },
};

static void decode(const struct by_hand *r, struct vmm_cause *c)
{
	fake_vmx_put_exit(&(struct fake_vmx_exit){ r->reason, r->event,
	    r->error, r->vectoring, r->length, r->qualification, r->gpa });
	memset(c, 0, sizeof(*c));
	vmx_decode(c);
}

static void exits_mean_what_the_manual_says(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++) {
		const struct by_hand *r = &by_hand[i];
		const struct vmm_cause *w = &r->want;
		struct vmm_cause c;

		decode(r, &c);
		if (c.kind != w->kind || c.vector != w->vector ||
		    c.error_code != w->error_code || c.length != w->length ||
		    c.access != w->access || c.present != w->present ||
		    c.address != w->address || c.gpa != w->gpa ||
		    c.dr6 != w->dr6 || c.info[0] != w->info[0])
			fail_msg("%s is not decoded right", r->what);
		assert_int_equal(c.raw, r->reason);
		assert_true(c.raw_index < VMX_RAW_COUNT);
	}
}

static void every_reason_has_a_counter(void **state)
{
	uint32_t i, j;

	(void)state;
	for (i = 0; i < VMX_RAW_COUNT; i++) {
		const char *name = vmm_vmx.raw_name(i);

		assert_non_null(name);
		for (j = 0; j < i; j++)
			assert_string_not_equal(name, vmm_vmx.raw_name(j));
	}
	assert_null(vmm_vmx.raw_name(VMX_RAW_COUNT));
	for (i = 0; i <= VMX_REASON_LAST; i++)
		assert_int_equal(vmx_raw_index(i), i);
	assert_int_equal(vmx_raw_index(VMX_REASON_LAST + 1),
	    VMX_REASON_LAST + 1);
	assert_int_equal(vmx_raw_index(VMX_REASON_REFUSED | 33), 33);
	assert_string_equal(vmm_vmx.raw_name(48), "EPT_VIOLATION");
	assert_string_equal(vmm_vmx.raw_name(55), "XSETBV");
	assert_string_equal(vmm_vmx.raw_name(81), "UWRMSR");
}

static void failures_tell_the_instructions_error(void **state)
{
	struct vmm_cause c;

	(void)state;
	fake_vmx_put(VMX_INSTRUCTION_ERROR, 7);
	vmx_decode_failure(&c, true);
	assert_int_equal(c.kind, VMM_CAUSE_INVALID);
	assert_int_equal(c.info[0], 7);
	assert_string_equal(vmm_vmx.raw_name(c.raw_index), "VMFAIL");
	vmx_decode_failure(&c, false);
	assert_int_equal(c.info[0], 0);
}

static int setup_exits(void **state)
{
	(void)state;
	fake_reset();
	fake_script_reset();
	fake_on_bug = fail_by_bug;
	fake_vmx_load();
	fake.cur->off = 1;
	return 0;
}

static int teardown_exits(void **state)
{
	(void)state;
	fake_vmx_reset();
	fake_reset();
	return 0;
}

#define TEST_EXITS(f) cmocka_unit_test_setup_teardown(f, setup_exits, \
	teardown_exits)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_EXITS(exits_mean_what_the_manual_says),
		cmocka_unit_test(every_reason_has_a_counter),
		TEST_EXITS(failures_tell_the_instructions_error),
	};

	return RUN(tests);
}
