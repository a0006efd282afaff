// SPDX-License-Identifier: BSD-2-Clause
/* The vmm backend: when it can be had, and what it says if not. */
#include "vmm_unit.h"

#include <stdlib.h>

static void sentences(void **state)
{
	static const struct {
		int error, want;
		const char *word;
	} opens[] = {
		{ -ENOENT, -ENOENT, "modprobe vmm" },
		{ -ENODEV, -ENOENT, "make -C sys/dev/vmm" },
		{ -EACCES, -EACCES, "group vmm" },
		{ -EPERM, -EACCES, "udev" },
		{ -EBUSY, -EBUSY, "held" },
		{ -EMFILE, -EMFILE, "open" },
	};
	struct vmmctl *v;
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		device_reset();
		device.open_error = opens[i].error;
		assert_int_equal(try("vmm", &v, why, sizeof(why)),
		    opens[i].want);
		assert_non_null(strstr(why, opens[i].word));
	}
	device_reset();
	device.info.version = 77;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "version 77"));
	device_reset();
	device.info_error = -ENOTTY;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_int_equal(try("vmm:x", &v, why, sizeof(why)), -EINVAL);
	device_reset();
	device.info.caps = 0;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	device_reset();
	device.info.gpa_limit = 1ull << 36;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "guest-physical"));
	assert_int_equal(device_fds, 0);
}

/* What the device says stands in the way. */
static void no_machine(void **state)
{
	static const int errors[] = { -EBUSY, -EOPNOTSUPP, -EDQUOT };
	struct vmmctl *v;
	char why[512];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		device_reset();
		device.machine_error = errors[i];
		strcpy(device.why, "kvm_amd holds it: rmmod kvm_amd");
		assert_int_equal(try("vmm", &v, why, sizeof(why)), errors[i]);
		assert_non_null(strstr(why, device.why));
	}
	assert_int_equal(device_fds, 0);
}

static void shut_down(struct vmm_vcpu_page *p)
{
	p->exit.kind = VMM_EXIT_SHUTDOWN;
	p->exit.raw = 0x7f;
}

/* Each of the probe's steps can fail. */
static void probes_that_fail(void **state)
{
	static int *const errors[] = { &device.memory_error,
	    &device.context_error, &device.vcpu_error, &device.run_error };
	struct vmmctl *v;
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		device_reset();
		*errors[i] = -ENOSPC;
		assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOSPC);
		assert_non_null(strstr(why, "/dev/vmm"));
	}
	device_reset();
	device.map_fails = true;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOMEM);
	device_reset();
	device.run = shut_down;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "raw 0x7f"));
	assert_int_equal(device_fds, 0);
}

static void no_breakpoints(void **state)
{
	const struct vmmctl_debug_regs d = { .dr7 = 1 };
	struct unit *u = *state;
	struct vmmctl_info info;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl *v;

	assert_ok(vmmctl_info(u->v, &info, sizeof(info)));
	assert_true(info.caps & VMMCTL_CAP_DEBUG_REGS);
	assert_true(info.exit_ns > 0);
	device.no_breakpoints = true;
	assert_ok(try("vmm", &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_false(info.caps & VMMCTL_CAP_DEBUG_REGS);
	assert_ok(vmmctl_machine_create(v, NULL, &m));
	assert_ok(vmmctl_space_create(m, &s));
	assert_ok(vmmctl_context_create(s, &c));
	assert_fails(v, vmmctl_context_set_debug_regs(c, &d), -ENOTSUP,
	    "do not fire");
	vmmctl_close(v);
	device.contexts = 1;	/* that were not ended one by one */
	device.bad = 0;
}

static void the_best(void **state)
{
	struct vmmctl_info info;
	struct vmmctl *v;

	(void)state;
	unsetenv("VMMCTL_BACKEND");
	fake_reset();
	device_reset();
	assert_ok(try(NULL, &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_string_equal(info.backend, "vmm");
	vmmctl_close(v);
	device.open_error = -EACCES;
	assert_ok(try(NULL, &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_string_equal(info.backend, "kvm");
	assert_non_null(strstr(info.reason, "group vmm"));
	vmmctl_close(v);
}

static void facts(void **state)
{
	struct unit *u = *state;
	struct vmmctl_info info;
	struct vmmctl *v;

	assert_ok(vmmctl_info(u->v, &info, sizeof(info)));
	assert_string_equal(info.variant, "svm");
	assert_int_equal(info.gpa_limit, (1ull << 40) - (64ull << 30));
	assert_int_equal(info.xsave_size, 576);
	assert_int_equal(info.max_vcpus, 4);
	assert_true(info.caps & VMMCTL_CAP_CPUID_POLICY);
	assert_false(info.caps & VMMCTL_CAP_FSGSBASE);
	assert_true(info.caps & VMMCTL_CAP_EXACT);
	device.info.caps = VMM_CAP_GUEST_USER | VMM_CAP_FSGSBASE;
	memcpy(device.info.vendor, "unended!", 8);
	assert_ok(try("vmm", &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_string_equal(info.variant, "unended!");
	assert_false(info.caps & VMMCTL_CAP_CPUID_POLICY);
	assert_true(info.caps & VMMCTL_CAP_FSGSBASE);
	vmmctl_close(v);
	device.contexts = 1;	/* the probe's ended with its machine */
	device.bad = 0;
}

int main(void)
{
	const struct CMUnitTest vmm_open[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(no_machine),
		cmocka_unit_test(probes_that_fail),
		TEST(no_breakpoints),
		cmocka_unit_test(the_best),
		TEST(facts),
	};

	return RUN(vmm_open);
}
