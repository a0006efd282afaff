// SPDX-License-Identifier: BSD-2-Clause
/*
 * unload.c - the module stays while anything of it is in use, whatever that
 * is, and goes when that has ended, with nothing left.  For the laboratory,
 * which has the module to load it again.
 */
#include "live.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/syscall.h>

#define MODULE	"/lab/vmm.ko"

static int try_unload(void)
{
	return (int)syscall(SYS_delete_module, "vmm", O_NONBLOCK);
}

static void open_device(void)
{
	device = open(VMM_DEVICE, O_RDWR | O_CLOEXEC);
	must(device);
}

static void close_device(void)
{
	close(device);
	device = -1;
}

/* The last thing of it: the device itself is closed, too. */
static void expect_stays(void)
{
	if (device >= 0)
		close_device();
	expect_errno(try_unload(), EAGAIN);
	assert_int_equal(access("/sys/module/vmm", F_OK), 0);
}

static void load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);

	must(fd);
	must((int)syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	open_device();
}

static void expect_goes(void)
{
	unsigned n;

	if (device < 0)
		open_device();
	expect_nothing_lives();
	expect_errno(try_unload(), EAGAIN);
	close_device();
	/* The last reference to a file may be a thread's of the kernel. */
	for (n = 0; n < 200 && try_unload() != 0; n++) {
		assert_int_equal(errno, EAGAIN);
		usleep(10000);
	}
	expect_errno(access(VMM_DEVICE, F_OK), ENOENT);
	expect_errno(access("/sys/module/vmm", F_OK), ENOENT);
	load();
	assert_int_equal(device_info().usable, 1);
	expect_nothing_lives();
}

/* After a failure. */
static int clean(void **state)
{
	(void)state;
	if (device < 0 && access(VMM_DEVICE, F_OK) == 0)
		open_device();
	else if (device < 0)
		load();
	return 0;
}

static int machine_and_vcpu(int *vcpu)
{
	int machine = machine_create();

	*vcpu = vcpu_create(machine, 0);
	must(*vcpu);
	return machine;
}

/* ---- what it is held by ---- */

static void by_a_machine(void **state)
{
	int machine = machine_create();

	(void)state;
	expect_stays();
	close(machine);
	expect_goes();
}

static void by_a_vcpu(void **state)
{
	int vcpu, machine = machine_and_vcpu(&vcpu);

	(void)state;
	close(machine);
	expect_stays();
	close(vcpu);
	expect_goes();
}

static void mapped(off_t at, int prot)
{
	int vcpu, machine = machine_and_vcpu(&vcpu);
	volatile uint8_t *page = mmap(NULL, PAGE, prot, MAP_SHARED, vcpu, at);

	assert_ptr_not_equal(page, MAP_FAILED);
	close(machine);
	close(vcpu);
	expect_stays();
	/* What is mapped is there. */
	(void)*page;
	if ((prot & PROT_WRITE) != 0)
		page[0] = 1;
	expect_stays();
	munmap((void *)(uintptr_t)page, PAGE);
	expect_goes();
}

static void by_a_mapped_page(void **state)
{
	(void)state;
	mapped(0, PROT_READ | PROT_WRITE);
}

static void by_mapped_counters(void **state)
{
	(void)state;
	mapped(PAGE, PROT_READ);
}

/* Of a machine that has ended. */
static void by_counters(void **state)
{
	int machine = machine_create(), stats = stats_open();
	char byte;

	(void)state;
	must(stats);
	close(machine);
	expect_stays();
	assert_int_equal(pread(stats, &byte, 1, 0), 1);
	close(stats);
	expect_goes();
}

static void nothing(int signal)
{
	(void)signal;
}

static void *run(void *cookie)
{
	struct vcpu *v = cookie;

	if (ioctl(v->fd, VMM_RUN) != 0)
		v->runs = (uint64_t)errno;
	return NULL;
}

/*
 * A run whose descriptors and mappings have gone.  On its way by user mode, for
 * which another thread on its processor is a reason, it comes to an end: its
 * descriptor is looked for again.
 */
static void by_a_run(void **state)
{
	struct sigaction action = { .sa_handler = nothing };
	struct guest g;
	struct vcpu v;
	unsigned n;

	(void)state;
	must(sigaction(SIGUSR1, &action, NULL));
	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &g, 0, DO_SPIN);
	assert_int_equal(pthread_create(&v.thread, NULL, run, &v), 0);
	while (__atomic_load_n(&v.page->commit, __ATOMIC_RELAXED) != 0)
		usleep(100);
	vcpu_end(&v);
	close(g.machine);
	close_device();
	for (n = 0; n < 100 && try_unload() != 0; n++) {
		assert_int_equal(errno, EAGAIN);
		usleep(100);
	}
	if (n == 100) {
		pthread_kill(v.thread, SIGUSR1);
		open_device();
	} else {
		load();
	}
	pthread_join(v.thread, NULL);
	assert_int_equal(v.runs, n == 100 ? 0 : EBADF);
	munmap(g.memory, g.size);
	expect_goes();
}

static void many_times(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 10; i++) {
		struct guest g;
		struct vcpu v;

		guest_start(&g, 4 * MIB, MAP_PRIVATE);
		vcpu_start(&v, &g, 0, DO_TOUCH);
		v.page->deadline = now_ns() + 1000000;
		must(ioctl(v.fd, VMM_RUN));
		assert_int_equal(v.page->exit.kind, VMM_EXIT_DEADLINE);
		vcpu_end(&v);
		guest_end(&g);
		expect_goes();
	}
}

int main(void)
{
	const struct CMUnitTest unload[] = {
		cmocka_unit_test_teardown(by_a_machine, clean),
		cmocka_unit_test_teardown(by_a_vcpu, clean),
		cmocka_unit_test_teardown(by_a_mapped_page, clean),
		cmocka_unit_test_teardown(by_mapped_counters, clean),
		cmocka_unit_test_teardown(by_counters, clean),
		cmocka_unit_test_teardown(by_a_run, clean),
		cmocka_unit_test_teardown(many_times, clean),
	};

	if (access(MODULE, R_OK) != 0) {
		printf("1..0 # SKIP " MODULE ": %s\n", strerror(errno));
		return 0;
	}
	return RUN(unload);
}
