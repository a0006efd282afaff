// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy.c - what of a guest's doing is not for its owner: exceptions that are
 * only counted; and what it is told of the processor: TSC_AUX.
 */
#include "live.h"

#include <cpuid.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#define CODE	0x12000u
#define TIMES	1000u
#define TSC_AUX	0xc0000103u
#define TF	0x100u
#define DB	1u
#define BP	3u

static struct guest guest;
static struct vcpu vcpu;
static int stats = -1;

static void start(const uint8_t *code, size_t size)
{
	guest_start(&guest, 4 * MIB, MAP_PRIVATE);
	memcpy(guest.memory + CODE, code, size);
	vcpu_start(&vcpu, &guest, 0, CODE);
	stats = stats_open();
	must(stats);
}

static void end(void)
{
	close(stats);
	stats = -1;
	vcpu_end(&vcpu);
	guest_end(&guest);
	expect_nothing_lives();
}

/* After a failure. */
static int clean(void **state)
{
	(void)state;
	if (stats >= 0)
		end();
	return 0;
}

static void set_policy(unsigned vector, uint8_t policy)
{
	struct vmm_policy a = { .context = 0 };

	a.vector[vector] = policy;
	must(ioctl(guest.machine, VMM_POLICY_SET, &a));
}

static const struct vmm_exit *run(uint64_t rflags)
{
	vcpu.page->regs.rip = CODE;
	vcpu.page->regs.rflags = rflags | 2;
	vcpu.page->regs.rcx = TIMES;
	must(ioctl(vcpu.fd, VMM_RUN));
	return &vcpu.page->exit;
}

/* A run that comes to its SYSCALL, past so many exceptions. */
static void expect_counted(uint64_t rflags, uint64_t times)
{
	uint64_t counted = stats_value(stats, "exits.counted");
	uint64_t returned = stats_value(stats, "return.exception");

	assert_int_equal(run(rflags)->kind, VMM_EXIT_SYSCALL);
	assert_int_equal(stats_value(stats, "exits.counted") - counted,
	    times);
	assert_int_equal(stats_value(stats, "return.exception"), returned);
}

static void expect_exception(uint64_t rflags, unsigned vector)
{
	const struct vmm_exit *e = run(rflags);

	assert_int_equal(e->kind, VMM_EXIT_EXCEPTION);
	assert_int_equal(e->vector, vector);
}

/* ---- counted ---- */

static void int3_is_counted(void **state)
{
	static const uint8_t code[] = {
		0xcc,			/* 1: int3 */
		0xff, 0xc9,		/* dec %ecx */
		0x75, 0xfb,		/* jnz 1b */
		0x0f, 0x05		/* syscall */
	};

	(void)state;
	start(code, sizeof(code));
	expect_exception(0, BP);
	assert_int_equal(vcpu.page->regs.rip, CODE + 1);
	set_policy(BP, VMM_POLICY_COUNT);
	expect_counted(0, TIMES);
	/* The other one is an exit still. */
	expect_exception(TF, DB);
	set_policy(BP, VMM_POLICY_EXIT);
	expect_exception(0, BP);
	end();
}

/* CPUID is done by the device, and is a step as others are. */
static void steps_are_counted(void **state)
{
	static const uint8_t code[] = {
		0x89, 0xce,		/* mov %ecx, %esi */
		0x0f, 0xa2,		/* 1: cpuid */
		0xff, 0xce,		/* dec %esi */
		0x75, 0xfa,		/* jnz 1b */
		0x0f, 0x05		/* syscall */
	};

	(void)state;
	start(code, sizeof(code));
	expect_exception(TF, DB);
	assert_int_equal(vcpu.page->regs.rip, CODE + 2);
	set_policy(DB, VMM_POLICY_COUNT);
	expect_counted(TF, 1 + 3 * TIMES);
	expect_counted(0, 0);
	set_policy(DB, VMM_POLICY_EXIT);
	expect_exception(TF, DB);
	end();
}

/* It is a fault: the instruction is to be done all the same. */
static void hardware_breakpoints_are_counted(void **state)
{
	static const uint8_t code[] = {
		0x90,			/* 1: nop */
		0xff, 0xc9,		/* dec %ecx */
		0x75, 0xfb,		/* jnz 1b */
		0x0f, 0x05		/* syscall */
	};

	(void)state;
	start(code, sizeof(code));
	vcpu.page->dr[2] = CODE;
	vcpu.page->dr7 = 0x410;
	vcpu.page->commit |= VMM_SET_DEBUG;
	expect_exception(0, DB);
	assert_int_equal(vcpu.page->exit.dr6 & 0xf, 4);
	assert_int_equal(vcpu.page->regs.rip, CODE);
	set_policy(DB, VMM_POLICY_COUNT);
	expect_counted(0, TIMES);
	end();
}

static const uint8_t int3_for_ever[] = {
	0xcc,				/* 1: int3 */
	0xeb, 0xfd			/* jmp 1b */
};

/* A guest that has nothing but exceptions can be ended. */
static void counting_comes_to_an_end(void **state)
{
	(void)state;
	start(int3_for_ever, sizeof(int3_for_ever));
	set_policy(BP, VMM_POLICY_COUNT);
	vcpu.page->deadline = now_ns() + 20000000;
	assert_int_equal(run(0)->kind, VMM_EXIT_DEADLINE);
	assert_true(now_ns() >= vcpu.page->deadline);
	assert_true(stats_value(stats, "exits.counted") != 0);
	vcpu.page->deadline = 0;
	vcpu_go(&vcpu);
	usleep(20000);
	vcpu_join(&vcpu);
	end();
}

static void *change_policy(void *cookie)
{
	(void)cookie;
	usleep(20000);
	set_policy(BP, VMM_POLICY_EXIT);
	return NULL;
}

static void of_a_guest_that_runs(void **state)
{
	pthread_t thread;

	(void)state;
	start(int3_for_ever, sizeof(int3_for_ever));
	set_policy(BP, VMM_POLICY_COUNT);
	assert_int_equal(pthread_create(&thread, NULL, change_policy, NULL),
	    0);
	expect_exception(0, BP);
	pthread_join(thread, NULL);
	assert_true(stats_value(stats, "exits.counted") != 0);
	end();
}

static void others_cannot_be_counted(void **state)
{
	struct vmm_policy a;
	unsigned n;

	(void)state;
	start(int3_for_ever, sizeof(int3_for_ever));
	for (n = 0; n < 32; n++) {
		memset(&a, 0, sizeof(a));
		a.vector[n] = VMM_POLICY_COUNT;
		if (n == DB || n == BP)
			continue;
		expect_errno(ioctl(guest.machine, VMM_POLICY_SET, &a),
		    EINVAL);
	}
	end();
}

/* ---- TSC_AUX ---- */

static bool has_rdtscp(void)
{
	uint32_t a, b, c, d;

	return __get_cpuid(0x80000001, &a, &b, &c, &d) && (d >> 27 & 1) != 0;
}

static bool has_rdpid(void)
{
	uint32_t a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 22 & 1) != 0;
}

static uint32_t hosts(void)
{
	uint32_t a, d, aux;

	__asm__ volatile("rdtscp" : "=a"(a), "=d"(d), "=c"(aux));
	return aux;
}

static int set_aux(int machine, uint32_t index, uint64_t value)
{
	struct vmm_msr a = { .index = index, .value = value };

	return ioctl(machine, VMM_MSR_SET, &a);
}

/* The guest finds what it is told, and the host what is its own. */
static void aux(const uint8_t *code, size_t size)
{
	static const uint32_t values[] = { 0, 1, 0x12345678, 0xffffffff };
	uint32_t host = hosts();
	unsigned n;

	start(code, size);
	for (n = 0; n < 4; n++) {
		must(set_aux(guest.machine, TSC_AUX, values[n]));
		vcpu.page->regs.rbx = ~0ull;
		assert_int_equal(run(0)->kind, VMM_EXIT_SYSCALL);
		assert_int_equal(vcpu.page->regs.rbx, values[n]);
		/* Which is the processor's number: it may have changed. */
		assert_in_range(hosts() & 0xfff, 0,
		    (unsigned)sysconf(_SC_NPROCESSORS_CONF) - 1);
		assert_int_equal(hosts() >> 12, host >> 12);
	}
	end();
}

static void rdtscp_finds_it(void **state)
{
	static const uint8_t code[] = {
		0x0f, 0x01, 0xf9,		/* rdtscp */
		0x89, 0xcb,			/* mov %ecx, %ebx */
		0x0f, 0x05			/* syscall */
	};

	(void)state;
	if (!has_rdtscp())
		skip_test("the processor has no RDTSCP");
	aux(code, sizeof(code));
}

static void rdpid_finds_it(void **state)
{
	static const uint8_t code[] = {
		0xf3, 0x0f, 0xc7, 0xfb,		/* rdpid %rbx */
		0x0f, 0x05			/* syscall */
	};

	(void)state;
	if (!has_rdtscp() || !has_rdpid())
		skip_test("the processor has no RDPID");
	aux(code, sizeof(code));
}

/* Of two machines on one processor each has its own. */
static void each_machine_has_its_own(void **state)
{
	static const uint8_t code[] = {
		0x0f, 0x01, 0xf9,		/* rdtscp */
		0x89, 0xcb,			/* mov %ecx, %ebx */
		0x0f, 0x05			/* syscall */
	};
	struct guest g[2];
	struct vcpu v[2];
	unsigned n;

	(void)state;
	if (!has_rdtscp())
		skip_test("the processor has no RDTSCP");
	for (n = 0; n < 2; n++) {
		guest_start(&g[n], 4 * MIB, MAP_PRIVATE);
		memcpy(g[n].memory + CODE, code, sizeof(code));
		vcpu_start(&v[n], &g[n], 0, CODE);
		must(set_aux(g[n].machine, TSC_AUX, 1000 + n));
	}
	for (n = 0; n < 20; n++) {
		v[n % 2].page->regs.rip = CODE;
		must(ioctl(v[n % 2].fd, VMM_RUN));
		assert_int_equal(v[n % 2].page->regs.rbx, 1000 + n % 2);
	}
	for (n = 0; n < 2; n++) {
		vcpu_end(&v[n]);
		guest_end(&g[n]);
	}
	expect_nothing_lives();
}

static void no_other_msr_can_be_set(void **state)
{
	static const uint32_t others[] = { 0x10, 0x1b, 0x48, 0x8b, 0x1d9,
		0xc0000080, 0xc0000082, 0xc0000100, 0xc0000101, 0xc0000102,
		0xc0000104, 0xc0010117, 0 };
	int machine = machine_create();
	unsigned n;

	(void)state;
	for (n = 0; n < sizeof(others) / sizeof(others[0]); n++)
		expect_errno(set_aux(machine, others[n], 0), EINVAL);
	/* The upper half is reserved. */
	expect_errno(set_aux(machine, TSC_AUX, 1ull << 32), EINVAL);
	close(machine);
	expect_nothing_lives();
}

int main(void)
{
	const struct CMUnitTest policy[] = {
		cmocka_unit_test_teardown(int3_is_counted, clean),
		cmocka_unit_test_teardown(steps_are_counted, clean),
		cmocka_unit_test_teardown(hardware_breakpoints_are_counted, clean),
		cmocka_unit_test_teardown(counting_comes_to_an_end, clean),
		cmocka_unit_test_teardown(of_a_guest_that_runs, clean),
		cmocka_unit_test_teardown(others_cannot_be_counted, clean),
		cmocka_unit_test_teardown(rdtscp_finds_it, clean),
		cmocka_unit_test_teardown(rdpid_finds_it, clean),
		cmocka_unit_test_teardown(each_machine_has_its_own, clean),
		cmocka_unit_test_teardown(no_other_msr_can_be_set, clean),
	};

	return RUN(policy);
}
