// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - what the host does while guests run: signals, other threads, its
 * processors and its sleep; and what it shows of the device.
 */
#include "live.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SYSFS	"/sys/class/misc/vmm/"
#define VCPUS	3u

static struct guest guest;
static struct vcpu vcpus[VCPUS];

static void start_all(void)
{
	unsigned i;

	guest_start(&guest, 4 * MIB, MAP_PRIVATE);
	for (i = 0; i < VCPUS; i++) {
		vcpu_start(&vcpus[i], &guest, i, DO_SPIN);
		vcpu_go(&vcpus[i]);
	}
}

static uint64_t rax(const struct vcpu *v)
{
	must(ioctl(v->fd, VMM_KICK));
	usleep(10000);
	return __atomic_load_n(&v->page->regs.rax, __ATOMIC_RELAXED);
}

/* They run until now, whatever has been, and have been in the guest since;
 * each comes to it when the host lets it. */
static void end_all(void)
{
	uint64_t had[VCPUS], end;
	unsigned i;

	for (i = 0; i < VCPUS; i++)
		had[i] = rax(&vcpus[i]);
	end = now_ns() + 10000000000u;
	for (i = 0; i < VCPUS; i++)
		while (rax(&vcpus[i]) <= had[i] && now_ns() < end)
			;
	for (i = 0; i < VCPUS; i++) {
		vcpu_join(&vcpus[i]);
		assert_true(vcpus[i].page->regs.rax > had[i]);
		vcpu_end(&vcpus[i]);
	}
	guest_end(&guest);
	expect_nothing_lives();
}

/* ---- the thread ---- */

static void nothing(int signal)
{
	(void)signal;
}

static int signals(int flags)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = flags };

	return sigaction(SIGALRM, &action, NULL);
}

/* Also where system calls are to be restarted: run is not one that waits. */
static void a_signal_ends_the_run(void **state)
{
	struct vcpu v;
	int i;

	(void)state;
	guest_start(&guest, 4 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &guest, 0, DO_SPIN);
	for (i = 0; i < 4; i++) {
		must(signals(i % 2 == 0 ? 0 : SA_RESTART));
		ualarm(20000, 0);
		must(ioctl(v.fd, VMM_RUN));
		assert_int_equal(v.page->exit.kind, VMM_EXIT_INTERRUPTED);
		assert_int_equal(v.page->exit.detail, VMM_BY_SIGNAL);
	}
	vcpu_end(&v);
	guest_end(&guest);
	expect_nothing_lives();
}

/*
 * With others to run on its processor the thread is preempted, and has to go
 * by way of user mode then (rseq(2)): nobody notices, and the deadline is kept.
 */
static void preemption_is_not_seen(void **state)
{
	cpu_set_t old, one;
	struct vcpu v;
	pid_t other;

	(void)state;
	must(sched_getaffinity(0, sizeof(old), &old));
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	must(sched_setaffinity(0, sizeof(one), &one));
	other = fork();
	if (other == 0)
		for (;;)
			getppid();
	guest_start(&guest, 4 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &guest, 0, DO_SPIN);
	v.page->deadline = now_ns() + 1000000000u;
	must(ioctl(v.fd, VMM_RUN));
	assert_int_equal(v.page->exit.kind, VMM_EXIT_DEADLINE);
	assert_true(now_ns() >= v.page->deadline);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	must(sched_setaffinity(0, sizeof(old), &old));
	vcpu_end(&v);
	guest_end(&guest);
	expect_nothing_lives();
}

static uint64_t us(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec;
}

/* Its time is user time: more of it than the rest. */
static void guest_time_is_user_time(void **state)
{
	struct rusage before, after;
	struct vcpu v;
	uint64_t user, system;

	(void)state;
	guest_start(&guest, 4 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &guest, 0, DO_SPIN);
	must(getrusage(RUSAGE_THREAD, &before));
	v.page->deadline = now_ns() + 1000000000u;
	must(ioctl(v.fd, VMM_RUN));
	must(getrusage(RUSAGE_THREAD, &after));
	assert_int_equal(v.page->exit.kind, VMM_EXIT_DEADLINE);
	user = us(&after.ru_utime) - us(&before.ru_utime);
	system = us(&after.ru_stime) - us(&before.ru_stime);
	assert_true(user > system);
	vcpu_end(&v);
	guest_end(&guest);
	expect_nothing_lives();
}

/* ---- processors ---- */

static void processors_come_and_go(void **state)
{
	static const char online[] = "/sys/devices/system/cpu/cpu1/online";
	int i;

	(void)state;
	if (!file_write(online, "1"))
		skip_test("there is one processor");
	start_all();
	for (i = 0; i < 20; i++) {
		assert_true(file_write(online, "0"));
		usleep(20000);
		assert_true(file_write(online, "1"));
		usleep(20000);
	}
	end_all();
}

/* As far as it goes without an alarm to wake up by: processors and devices are
 * off, and on again. */
static void the_host_sleeps(void **state)
{
	static const char test[] = "/sys/power/pm_test";
	char line[80];
	int i;

	(void)state;
	if (!file_write(test, "core") || !file_read("/sys/power/state", line,
	    sizeof(line)) || strstr(line, "mem") == NULL)
		skip_test("this kernel cannot try it");
	/* Of 5 seconds that it would rest. */
	(void)file_write("/sys/module/suspend/parameters/pm_test_delay", "1");
	start_all();
	for (i = 0; i < 2; i++) {
		usleep(100000);
		assert_true(file_write("/sys/power/state", "mem"));
	}
	(void)file_write(test, "none");
	end_all();
}

/* ---- what it shows ---- */

static uint64_t number(const char *path)
{
	char line[80];

	assert_true(file_read(path, line, sizeof(line)));
	return strtoull(line, NULL, 0);
}

static void sysfs(void **state)
{
	struct vmm_info info = device_info();
	int machine = machine_create();
	char path[128];
	unsigned i;

	(void)state;
	assert_int_equal(number(SYSFS "version"), info.version);
	assert_int_equal(number(SYSFS "live/machines"), 1);
	assert_int_equal(number(SYSFS "live/vcpus"), 0);
	assert_true(number(SYSFS "live/pages") != 0);
	for (i = 0; i < VMM_FACTS && info.facts[i].name[0] != '\0'; i++) {
		snprintf(path, sizeof(path), SYSFS "hw/%s",
		    info.facts[i].name);
		assert_int_equal(number(path), info.facts[i].value);
	}
	assert_true(i != 0);
	close(machine);
	expect_nothing_lives();
	assert_int_equal(number(SYSFS "live/pages"), 0);
}

/* Its group is udev's. */
static void the_node(void **state)
{
	struct stat st;

	(void)state;
	must(stat(VMM_DEVICE, &st));
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, 0);
}

static void the_switch(void **state)
{
	struct vmm_machine_create c = { .name = "refused" };
	struct vmm_info info;
	int machine;

	(void)state;
	assert_int_equal(number(SYSFS "enable"), 1);
	machine = machine_create();
	if (geteuid() != 0) {
		close(machine);
		skip_test("root writes it");
	}
	assert_false(file_write(SYSFS "enable", "0"));
	assert_int_equal(errno, EBUSY);
	close(machine);
	assert_false(file_write(SYSFS "enable", "2x"));
	assert_true(file_write(SYSFS "enable", "0"));
	assert_int_equal(number(SYSFS "enable"), 0);
	info = device_info();
	assert_int_equal(info.usable, 0);
	assert_true(info.why[0] != '\0');
	expect_errno(ioctl(device, VMM_MACHINE_CREATE, &c), EBUSY);
	assert_string_equal(c.why, info.why);
	assert_true(file_write(SYSFS "enable", "1"));
	close(machine_create());
	expect_nothing_lives();
}

static void no_unloading_while_in_use(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_test("root unloads modules");
	expect_errno((int)syscall(SYS_delete_module, "vmm", O_NONBLOCK),
	    EAGAIN);
}

int main(void)
{
	const struct CMUnitTest host[] = {
		cmocka_unit_test(a_signal_ends_the_run),
		cmocka_unit_test(preemption_is_not_seen),
		cmocka_unit_test(guest_time_is_user_time),
		cmocka_unit_test(processors_come_and_go),
		cmocka_unit_test(the_host_sleeps),
		cmocka_unit_test(sysfs),
		cmocka_unit_test(the_node),
		cmocka_unit_test(the_switch),
		cmocka_unit_test(no_unloading_while_in_use),
	};

	return RUN(host);
}
