// SPDX-License-Identifier: BSD-2-Clause
/* The vmm backend: exits of the device, and entries that are refused. */
#include "vmm_unit.h"
#include "vmm/explain.h"

#define LIMIT	(1ull << 39)

static struct event decode(const struct vmm_exit *x, uint64_t dr7)
{
	struct event ev;

	memset(&ev, 0xa5, sizeof(ev));
	dv_decode(x, dr7, LIMIT, &ev);
	return ev;
}

static void plain_exits(void **state)
{
	static const struct {
		struct vmm_exit x;
		enum event_type type;
		uint32_t vector;
	} t[] = {
		{ { .kind = VMM_EXIT_SYSCALL }, EVENT_SYSCALL, 0 },
		{ { .kind = VMM_EXIT_SOFTINT, .vector = 0x80 },
		    EVENT_SOFTINT, 0x80 },
		{ { .kind = VMM_EXIT_INTERRUPTED, .detail = VMM_BY_KICK },
		    EVENT_KICK, 0 },
		{ { .kind = VMM_EXIT_INTERRUPTED, .detail = VMM_BY_SIGNAL },
		    EVENT_SIGNAL, 0 },
		{ { .kind = VMM_EXIT_DEADLINE }, EVENT_TIMEOUT, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct event ev = decode(&t[i].x, 0);

		assert_int_equal(ev.type, t[i].type);
		assert_int_equal(ev.vector, t[i].vector);
		assert_false(ev.brief);
	}
}

static void exceptions(void **state)
{
	struct vmm_exit x = { .kind = VMM_EXIT_EXCEPTION, .vector = VEC_PF,
	    .error_code = 7, .address = 0x1234, .dr6 = 0x400f,
	    .valid = VMM_VALID_ERROR_CODE | VMM_VALID_ADDRESS };
	struct event ev = decode(&x, 0);

	(void)state;
	assert_int_equal(ev.type, EVENT_VECTOR);
	assert_int_equal(ev.vector, VEC_PF);
	assert_int_equal(ev.error_code, 7);
	assert_int_equal(ev.cr2, 0x1234);
	assert_int_equal(ev.dr6, 0);
	x.vector = VEC_DB;
	x.valid = VMM_VALID_DR6;
	ev = decode(&x, 0x1 | 0x8);	/* DR0 local, DR1 global */
	assert_int_equal(ev.error_code, 0);
	assert_int_equal(ev.cr2, 0);
	assert_int_equal(ev.dr6, 0x4003);
}

static void memory_exits(void **state)
{
	struct vmm_exit x = { .kind = VMM_EXIT_MEMORY, .gpa = LIMIT - 1,
	    .access = VMM_PROT_WRITE, .detail = EFAULT };
	struct event ev = decode(&x, 0);

	(void)state;
	assert_int_equal(ev.type, EVENT_LACKS);
	assert_int_equal(ev.gpa, LIMIT - 1);
	x.gpa = LIMIT;
	ev = decode(&x, 0);
	assert_int_equal(ev.type, EVENT_FAILED);
	assert_string_equal(ev.field, "page table");
	assert_int_equal(ev.value, LIMIT);
}

static void failures(void **state)
{
	struct vmm_exit x = { .kind = VMM_EXIT_FAILED, .raw = ~0ull };
	struct event ev;

	(void)state;
	for (x.detail = 0; x.detail < 12; x.detail++) {
		bool ours = x.detail >= VMM_FIELD_RIP &&
		    x.detail <= VMM_FIELD_GS_BASE;

		ev = decode(&x, 0);
		assert_int_equal(ev.type, ours ? EVENT_REFUSED :
		    EVENT_FAILED);
		if (ours)
			continue;
		assert_non_null(ev.field);
		assert_non_null(ev.rule);
		assert_non_null(ev.section);
	}
	for (uint32_t kind = 0; kind < 12; kind++) {
		if (kind != VMM_EXIT_NONE && kind < VMM_EXIT_SHUTDOWN)
			continue;
		x = (struct vmm_exit){ .kind = kind, .raw = 0x7f };
		ev = decode(&x, 0);
		assert_int_equal(ev.type, EVENT_FAILED);
		assert_int_equal(ev.value, 0x7f);
	}
}

static void fail_rip(struct vmm_vcpu_page *p)
{
	p->exit.kind = VMM_EXIT_FAILED;
	p->exit.detail = VMM_FIELD_RIP;
}

static void refused_by_the_device(void **state)
{
	struct unit *u = *state;

	device.run = fail_rip;
	u->r->rip = 1ull << 47;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "RIP");
	assert_int_equal(u->e.value, 1ull << 47);
	device.run = NULL;
	u->r->rip = RIP;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_CONTEXT);
}

static uint64_t failing_raw = ~0ull, failing_info;

static void fail_hardware(struct vmm_vcpu_page *p)
{
	p->exit.kind = VMM_EXIT_FAILED;
	p->exit.detail = 0;
	p->exit.raw = failing_raw;
	p->exit.info[0] = failing_info;
}

/* A control block with nothing in it; that the processor has long mode, any
 * that runs this does. */
static int raw_zero(struct vmm_raw *a)
{
	assert_int_equal(a->op, VMM_RAW_READ);
	assert_int_equal(a->reserved, 0);
	a->value = a->field == offsetof(struct svm_vmcb, efer) ? 0xd00 : 0;
	return 0;
}

static void refused_by_the_processor(void **state)
{
	struct unit *u = *state;

	device.run = fail_hardware;
	device.raw = raw_zero;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "EFER");
	assert_int_equal(u->e.value, 0xd00);
	assert_string_equal(u->e.rule, "SVME must be 1");
	assert_string_equal(u->e.section, "APM vol. 2 15.5.1");
}

static void refused_unexplained(void **state)
{
	struct unit *u = *state;

	device.run = fail_hardware;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "hardware exit code");
	assert_int_equal(u->e.value, ~0ull);
	assert_non_null(u->e.rule);
	assert_non_null(u->e.section);
}

static int setup_vmx(void **state)
{
	device_reset();
	strcpy(device.info.vendor, "vmx");
	strcpy(device.info.facts[0].name, "vmx.pin");
	device.info.facts[0].value = 2;		/* has to be set */
	strcpy(device.info.facts[1].name, "vmx.cr4_fixed1");
	device.info.facts[1].value = 0x7ff;
	return start(state);
}

/* A processor that lacks a field. */
static int raw_without_vpid(struct vmm_raw *a)
{
	return a->field == VMX_VPID ? -EPERM : raw_zero(a);
}

static int raw_that_ends(struct vmm_raw *a)
{
	return a->field == VMX_GUEST_RIP ? -EIO : raw_zero(a);
}

/* A control structure of zeros; or, if none is shown, the processor's word. */
static void refused_by_vmx(void **state)
{
	static const struct {
		uint64_t raw, info;
		const char *field, *section;
	} rows[] = {
		{ 1u << 31, 7, "VM-instruction error", "SDM vol. 3C 26.2.1" },
		{ 1u << 31, 8, "VM-instruction error", "SDM vol. 3C 26.2.2" },
		{ 1u << 31 | 33, 4, "VMCS link pointer",
		    "SDM vol. 3C 26.3.1.5" },
		{ 1u << 31 | 34, 3, "VM-entry MSR-load area",
		    "SDM vol. 3C 26.4" },
		{ 1u << 31 | 33, 0, "hardware exit code",
		    "APM vol. 2 15.5.1, SDM vol. 3C 26.3" },
	};
	struct unit *u = *state;

	device.run = fail_hardware;
	device.raw = raw_zero;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "pin-based controls");
	assert_string_equal(u->e.section, "SDM vol. 3C 26.2.1.1");
	device.raw = raw_without_vpid;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "pin-based controls");
	device.raw = raw_that_ends;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "hardware exit code");
	device.raw = NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		failing_raw = rows[i].raw;
		failing_info = rows[i].info;
		run(u, VMMCTL_EXIT_FAILED);
		assert_string_equal(u->e.field, rows[i].field);
		assert_string_equal(u->e.section, rows[i].section);
		assert_non_null(u->e.rule);
	}
	failing_raw = ~0ull;
	failing_info = 0;
}

int main(void)
{
	const struct CMUnitTest vmm_exit[] = {
		cmocka_unit_test(plain_exits),
		cmocka_unit_test(exceptions),
		cmocka_unit_test(memory_exits),
		cmocka_unit_test(failures),
		TEST(refused_by_the_device),
		TEST(refused_by_the_processor),
		TEST(refused_unexplained),
		cmocka_unit_test_setup_teardown(refused_by_vmx, setup_vmx,
		    teardown),
	};

	return RUN(vmm_exit);
}
