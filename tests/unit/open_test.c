// SPDX-License-Identifier: BSD-2-Clause
/* Choosing a backend, configurations that are refused, sentences. */
#include "unit.h"

#include <stdlib.h>

static char why[512];

static int try(const char *name, struct vmmctl **v)
{
	memset(why, 0x7f, sizeof(why));
	*v = NULL;
	return vmmctl_open(name, v, why, sizeof(why));
}

static void expect(const char *name, const char *backend, const char *reason)
{
	struct vmmctl_info info;
	struct vmmctl *v;

	assert_ok(try(name, &v));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_string_equal(info.backend, backend);
	if (strstr(info.reason, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", info.reason, reason);
	assert_int_equal(info.size, sizeof(info));
	assert_int_equal(info.api_version, VMMCTL_API_VERSION);
	vmmctl_close(v);
}

static void refuses(const char *name, int error, const char *word)
{
	struct vmmctl *v;

	assert_int_equal(try(name, &v), error);
	assert_null(v);
	if (strstr(why, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, word);
}

static int reset(void **state)
{
	(void)state;
	fake_reset();
	unsetenv("VMMCTL_BACKEND");
	return 0;
}

static void by_name(void **state)
{
	(void)state;
	expect("kvm", "kvm", "by name");
	expect("proc", "proc", "by name");
	expect("proc:slow", "proc", "by name");
	assert_string_equal(fake.proc.option, "slow");
	expect("kvm:", "kvm", "by name");
	assert_string_equal(fake.kvm.option, "");
	assert_int_equal(fake.kvm.opens, fake.kvm.closes);
	assert_int_equal(fake.proc.opens, fake.proc.closes);
}

static void names_that_are_none(void **state)
{
	(void)state;
	refuses("qemu", -EINVAL, "\"qemu\"");
	refuses("kv", -EINVAL, "\"kv\"");
	refuses("kvmm", -EINVAL, "\"kvmm\"");
	refuses("proc2", -EINVAL, "\"proc2\"");
	refuses("proc:bad", -EINVAL, "\"bad\"");
	refuses("vmm", -ENOENT, "/dev/vmm");
	refuses("vmm:x", -ENOENT, "/dev/vmm");
	refuses("vmmx", -EINVAL, "\"vmmx\"");
}

static void environment(void **state)
{
	(void)state;
	setenv("VMMCTL_BACKEND", "proc", 1);
	expect(NULL, "proc", "by name");
	expect("kvm", "kvm", "by name");	/* the argument wins */
	setenv("VMMCTL_BACKEND", "", 1);
	expect(NULL, "kvm", "best");
	setenv("VMMCTL_BACKEND", "best", 1);
	expect(NULL, "kvm", "best");
	setenv("VMMCTL_BACKEND", "nonsense", 1);
	refuses(NULL, -EINVAL, "\"nonsense\"");
	unsetenv("VMMCTL_BACKEND");
}

static void the_best(void **state)
{
	(void)state;
	expect(NULL, "kvm", "best");
	fake.kvm.open_error = -EACCES;
	expect(NULL, "proc", "kvm lacks its crank");
	fake.proc.open_error = -ENOTSUP;
	refuses(NULL, -ENOTSUP, "kvm lacks its crank; proc lacks its crank");
	refuses("kvm", -EACCES, "kvm lacks its crank");
	/* A slow one is kept for the end. */
	fake_reset();
	fake.kvm.exit_ns = 50000;
	expect(NULL, "proc", "50000 ns");
	expect("kvm", "kvm", "by name");
	fake.proc.open_error = -ENOTSUP;
	expect(NULL, "kvm", "proc lacks its crank");
	assert_int_equal(fake.kvm.opens, fake.kvm.closes);
	fake.kvm.exit_ns = 1000;
	expect(NULL, "kvm", "best");
}

static void configurations(void **state)
{
	const struct vmmctl_config good = { .size = sizeof(good),
	    .backend = "kvm", .why = why, .why_size = sizeof(why) };
	struct vmmctl_config c = good;
	struct vmmctl *v = NULL;

	(void)state;
	assert_ok(vmmctl_open_config(&c, &v));
	vmmctl_close(v);
	v = NULL;
	c.size--;
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	assert_non_null(strstr(why, "size"));
	c = good;
	c.flags = 1;
	why[0] = '\0';
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	assert_non_null(strstr(why, "flags"));
	c = good;
	c.alloc = fake_alloc;
	why[0] = '\0';
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	assert_non_null(strstr(why, "alloc"));
	c = good;
	c.free = fake_free;
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	assert_null(v);
	/* Without a place for the reason, and with a small one. */
	c = good;
	c.flags = 1;
	c.why = NULL;
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	c = good;
	c.backend = "nonsense";
	c.why = NULL;
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	c.why = why;
	c.why_size = 5;
	memset(why, 0x7f, sizeof(why));
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	assert_string_equal(why, "no b");
	assert_int_equal(why[5], 0x7f);
	c.why_size = 0;
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);
	assert_int_equal(why[0], 'n');
}

static void sentences(void **state)
{
	struct vmmctl_machine_config bad = { .size = 1 };
	struct vmmctl_machine *m;
	struct vmmctl *v = unit_open("kvm");
	char all[512], some[8];
	size_t n;

	(void)state;
	assert_int_equal(vmmctl_machine_create(v, &bad, &m), -EINVAL);
	n = vmmctl_error(v, all, sizeof(all));
	assert_int_equal(n, strlen(all));
	assert_int_equal(vmmctl_error(v, NULL, 0), n);
	assert_int_equal(vmmctl_error(v, some, sizeof(some)), n);
	assert_int_equal(strlen(some), 7);
	assert_memory_equal(some, all, 7);
	/* However long. */
	{
		char long_name[2000];

		memset(long_name, 'x', sizeof(long_name));
		long_name[1999] = '\0';
		vmmctl_fail(v, -1, "%s", long_name);
		assert_int_equal(vmmctl_error(v, all, sizeof(all)), 511);
	}
	vmmctl_close(v);
	vmmctl_close(NULL);
}

static void info_of_any_size(void **state)
{
	struct vmmctl *v = unit_open("kvm");
	uint8_t buf[sizeof(struct vmmctl_info) + 8];

	(void)state;
	for (size_t n = 0; n <= sizeof(buf); n++) {
		size_t most = n < sizeof(struct vmmctl_info) ? n :
		    sizeof(struct vmmctl_info);

		memset(buf, 0xa5, sizeof(buf));
		assert_ok(vmmctl_info(v, (void *)buf, n));
		assert_memory_equal(buf, &v->info, most);
		for (size_t i = most; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0xa5);
	}
	vmmctl_close(v);
	assert_string_equal(vmmctl_version(), VMMCTL_VERSION_STRING);
}

static void machine_configurations(void **state)
{
	struct vmmctl_cpuid leaf[257] = { { .leaf = 1 } };
	struct vmmctl_machine_config good = { .size = sizeof(good),
	    .name = "unit", .max_vcpus = FAKE_VCPUS, .max_spaces = 1,
	    .cpuid = leaf, .cpuid_count = 1 }, c;
	struct vmmctl_machine *m = NULL;
	struct vmmctl_space *s;
	struct vmmctl *v;

	(void)state;
	fake.caps = VMMCTL_CAP_CPUID_POLICY;
	v = unit_open("kvm");
	assert_ok(vmmctl_machine_create(v, &good, &m));
	assert_int_equal(m->cpuid_count, 1);
	assert_ptr_not_equal(m->cpuid, leaf);
	assert_ok(vmmctl_space_create(m, &s));
	assert_fails(v, vmmctl_space_create(m, &s), -ENOSPC, "max_spaces");
	vmmctl_machine_destroy(m);
	m = NULL;
#define REFUSED(change, error, word) do { \
	c = good; \
	change; \
	assert_fails(v, vmmctl_machine_create(v, &c, &m), error, word); \
	assert_null(m); \
} while (0)
	REFUSED(c.size = 4, -EINVAL, "size");
	REFUSED(c.size++, -EINVAL, "size");
	REFUSED(c.flags = 2, -EINVAL, "flags is 0x2");
	REFUSED(c.reserved = 1, -EINVAL, "reserved");
	REFUSED(memset(c.name, 'x', sizeof(c.name)), -EINVAL, "name");
	REFUSED(c.max_vcpus = FAKE_VCPUS + 1, -EINVAL, "max_vcpus");
	REFUSED(c.cpuid = NULL, -EINVAL, "cpuid");
	REFUSED(c.cpuid_count = 257, -EINVAL, "cpuid_count");
	REFUSED(leaf[0].flags = 2, -EINVAL, "cpuid[0].flags");
	leaf[0].flags = VMMCTL_CPUID_SUBLEAF;
	assert_ok(vmmctl_machine_create(v, &good, &m));
	vmmctl_machine_destroy(m);
	m = NULL;
	fake.machine_error = -EMFILE;
	REFUSED((void)0, -EMFILE, "made to fail");
	vmmctl_close(v);
	fake_reset();
	v = unit_open("kvm");
	REFUSED((void)0, -ENOTSUP, "CPUID");
	vmmctl_machine_destroy(NULL);
	vmmctl_close(v);
}

/* Closing a handle ends all that was made from it. */
static void closing(void **state)
{
	const struct fake_alive before = fake_alive;
	struct vmmctl *v = unit_open("kvm");

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct vmmctl_machine *m;

		assert_ok(vmmctl_machine_create(v, NULL, &m));
		for (int k = 0; k < 3; k++) {
			struct vmmctl_space *s;
			struct vmmctl_context *c;
			struct vmmctl_vcpu *cpu;
			struct vmmctl_exit e;

			assert_ok(vmmctl_space_create(m, &s));
			assert_ok(vmmctl_context_create(s, &c));
			assert_ok(vmmctl_vcpu_create(m, &cpu));
			assert_ok(vmmctl_space_map(s, 0, 1 << 22, 0,
			    VMMCTL_PROT_RW));
			vmmctl_context_regs(c)->rip = 0x1000;
			assert_ok(vmmctl_vcpu_run(cpu, c, &e));
		}
	}
	vmmctl_close(v);
	unit_no_leaks(&before);
}

int main(void)
{
	const struct CMUnitTest open_tests[] = {
		cmocka_unit_test_setup(by_name, reset),
		cmocka_unit_test_setup(names_that_are_none, reset),
		cmocka_unit_test_setup(environment, reset),
		cmocka_unit_test_setup(the_best, reset),
		cmocka_unit_test_setup(configurations, reset),
		cmocka_unit_test_setup(sentences, reset),
		cmocka_unit_test_setup(info_of_any_size, reset),
		cmocka_unit_test_setup(machine_configurations, reset),
		cmocka_unit_test_setup(closing, reset),
	};

	return RUN(open_tests);
}
