/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fakedevice.c - in the place of vmmstat's device.c: the machines are those of
 * FAKE_DEVICE, "ID PID FILE ..." with the counters in files.  If it is a
 * number alone, that is the error of opening.
 */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MACHINES	8u

static struct {
	unsigned long long id;
	unsigned pid;
	char file[256];
} machines[MACHINES];
static size_t count;

int device_open(void)
{
	const char *text = getenv("FAKE_DEVICE");
	int used;

	count = 0;
	while (text != NULL && count < MACHINES && sscanf(text,
	    "%llu %u %255s%n", &machines[count].id, &machines[count].pid,
	    machines[count].file, &used) == 3) {
		text += used;
		count++;
	}
	if (count == 0 && text != NULL)
		return -atoi(text);
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int device_list(int device, struct vmm_list_entry **entries, size_t *n)
{
	(void)device;
	*entries = calloc(MACHINES, sizeof(**entries));
	if (*entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		(*entries)[i] = (struct vmm_list_entry){
			.id = machines[i].id, .pid = machines[i].pid,
			.uid = getuid(),
		};
	*n = count;
	return 0;
}

int device_counters(int device, uint64_t id)
{
	(void)device;
	for (size_t i = 0; i < count; i++) {
		int fd;

		if (machines[i].id != id)
			continue;
		fd = open(machines[i].file, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}
