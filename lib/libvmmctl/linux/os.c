// SPDX-License-Identifier: BSD-2-Clause
/*
 * os.c - the core's operating-system calls on Linux.  Knows nothing of the
 * library's objects.
 */
#include "../os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__has_include) && __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_THREADED	__libc_single_threaded
#else
#define SINGLE_THREADED	0
#endif

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE	0x0010
#endif

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t os_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t os_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint32_t os_pid(void)
{
	return (uint32_t)getpid();
}

uint32_t os_uid(void)
{
	return (uint32_t)geteuid();
}

int os_single_threaded(void)
{
	return SINGLE_THREADED;
}

const char *os_getenv(const char *name)
{
	return getenv(name);
}

void *os_pages_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void os_pages_free(void *p, size_t size)
{
	if (p != NULL)
		munmap(p, size);
}

void *os_fork_guard_alloc(void)
{
	void *p = os_pages_alloc(4096);

	/* Without MADV_WIPEONFORK (before 4.14) a child must not see it. */
	if (p != NULL && madvise(p, 4096, MADV_WIPEONFORK) != 0 &&
	    madvise(p, 4096, MADV_DONTFORK) != 0) {
		os_pages_free(p, 4096);
		p = NULL;
	}
	return p;
}

int os_shm_create(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void *os_shm_map(int fd, uint64_t offset, size_t size, int writable)
{
	void *p = mmap(NULL, size, PROT_READ | (writable ? PROT_WRITE : 0),
	    MAP_SHARED, fd, (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

void os_shm_unmap(void *p, size_t size)
{
	if (p != NULL)
		munmap(p, size);
}

void os_shm_seal_readers(int fd)
{
	/* Since 5.1; without it the page's readers are merely trusted. */
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
}

int os_fd_dup(int fd)
{
	int d = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return d < 0 ? -errno : d;
}

void os_fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int os_fd_check(int fd, int writable)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return -EINVAL;
	if ((flags & O_ACCMODE) == O_WRONLY ||
	    (writable && (flags & O_ACCMODE) != O_RDWR))
		return -EACCES;
	return 0;
}

int os_pages_mapped(void *p, size_t size)
{
	/* Of what is mapped this does nothing. */
	return msync(p, size, MS_ASYNC) == 0;
}

/* As a write, which tells of pages that cannot be read. */
static int store(int fd, const uint8_t *from, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pwrite(fd, from + done, size - done, (off_t)done);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int os_pages_share(void *p, size_t size)
{
	int fd = os_shm_create("vmmctl-pages", size), err;

	if (fd < 0)
		return fd;
	err = store(fd, p, size);
	if (err != 0)
		goto fail;
	err = -ENOMEM;
	if (mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
	    0) == MAP_FAILED)
		goto fail;
	return fd;
fail:
	close(fd);
	return err;
}

_Static_assert(sizeof(sigset_t) <= sizeof(struct os_signals),
    "a set of signals fits");

void os_signals_hold(struct os_signals *saved)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, (sigset_t *)(void *)saved);
}

void os_signals_let(const struct os_signals *saved)
{
	pthread_sigmask(SIG_SETMASK, (const sigset_t *)(const void *)saved,
	    NULL);
}

void os_wait(_Atomic uint32_t *word, uint32_t value)
{
	const struct timespec second = { .tv_sec = 1 };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &second, NULL, 0);
}

void os_wake_all(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void os_yield(void)
{
	sched_yield();
}
