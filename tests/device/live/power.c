// SPDX-License-Identifier: BSD-2-Clause
/*
 * power.c - no test by itself: guests run on each processor until the host is
 * about to go down, and what their owner is told then goes to the kernel's log,
 * where tests/lab looks for it.  There are milliseconds for that, and only
 * where another processor is the one that switches off: who tells is asked
 * often, and before all others.
 */
#include "live.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#define VCPUS	4u
#define OFTEN	500u	/* microseconds */

static struct guest guest;
static struct vcpu vcpus[VCPUS];

/* As it is to be, or what is not. */
static const char *told(int error)
{
	struct vmm_machine_create c = { .name = "too late" };
	struct vmm_info info = device_info();

	if (error != EIO)
		return "VMM_RUN has failed otherwise";
	if (info.usable != 0 || strstr(info.why, "restart") == NULL)
		return "VMM_INFO does not say why";
	if (ioctl(device, VMM_MACHINE_CREATE, &c) != -1 || errno != EBUSY)
		return "VMM_MACHINE_CREATE has not failed as it should";
	if (strstr(c.why, "restart") == NULL)
		return "VMM_MACHINE_CREATE does not say why";
	return "all is as it should be";
}

static void *run(void *cookie)
{
	const struct vcpu *v = cookie;

	while (ioctl(v->fd, VMM_RUN) == 0)
		;
	return NULL;
}

static void prefer(size_t cpu)
{
	const struct sched_param p = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	must(sched_setscheduler(0, SCHED_FIFO, &p));
}

static void *tell(void *cookie)
{
	const struct vcpu *v = cookie;
	int error, log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	char line[128];

	prefer((size_t)(v - vcpus) % 2);
	do {
		usleep(OFTEN);
		v->page->deadline = now_ns() + 1000 * OFTEN / 4;
	} while (ioctl(v->fd, VMM_RUN) == 0);
	error = errno;
	snprintf(line, sizeof(line), "<4>power: %s\n", told(error));
	must((int)write(log, line, strlen(line)));
	return NULL;
}

int main(void)
{
	unsigned i;

	if (!device_open())
		return 1;
	guest_start(&guest, 4 * MIB, MAP_PRIVATE);
	for (i = 0; i < VCPUS; i++) {
		vcpu_start(&vcpus[i], &guest, i, DO_SPIN);
		assert_int_equal(pthread_create(&vcpus[i].thread, NULL,
		    i < 2 ? tell : run, &vcpus[i]), 0);
	}
	for (;;)
		pause();
}
