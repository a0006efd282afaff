/* SPDX-License-Identifier: BSD-2-Clause */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include <sys/ioctl.h>

int device_open(void)
{
	int fd = open(VMM_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int device_list(int device, struct vmm_list_entry **entries, size_t *count)
{
	struct vmm_list list = { .capacity = 16 };

	*entries = NULL;
	for (;;) {
		struct vmm_list_entry *more = reallocarray(*entries,
		    list.capacity, sizeof(**entries));

		if (more == NULL)
			goto fail;
		*entries = more;
		list.entries = (uint64_t)(uintptr_t)more;
		if (ioctl(device, VMM_LIST, &list) < 0)
			goto fail;
		if (list.count <= list.capacity)
			break;
		/* Some more than there were just now. */
		list.capacity = list.count + 16;
	}
	*count = list.count;
	return 0;
fail:
	free(*entries);
	*entries = NULL;
	return -errno;
}

int device_counters(int device, uint64_t id)
{
	const struct vmm_stats stats = { .id = id };
	int fd = ioctl(device, VMM_STATS, &stats);

	return fd < 0 ? -errno : fd;
}
