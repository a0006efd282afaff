// SPDX-License-Identifier: BSD-2-Clause
/*
 * device.c - system calls on descriptors of the device.  Knows nothing of what
 * they mean.
 */
#include "dv.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int dv_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void dv_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int dv_call(int fd, unsigned long request, const void *arg)
{
	long r;

	do
		r = dv_ioctl(fd, request, arg);
	while (r == -EINTR);
	return (int)r;
}

void *dv_map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

void dv_unmap(void *p, size_t size)
{
	if (p != NULL)
		munmap(p, size);
}
