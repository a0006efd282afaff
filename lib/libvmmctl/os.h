/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os.h - what the library's core asks of the operating system.  Implemented
 * once per OS, in a directory of its name.  Results as everywhere in the
 * library: >= 0, or -errno.
 */
#ifndef VMMCTL_OS_H
#define VMMCTL_OS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

uint64_t os_mono_ns(void);
uint64_t os_real_ns(void);
uint32_t os_pid(void);
uint32_t os_uid(void);
/* Nobody else in this process can call us; 0 where that cannot be told. */
int os_single_threaded(void);
const char *os_getenv(const char *name);

/* Anonymous pages, zeroed and private, not reserved in advance. */
void *os_pages_alloc(size_t size);	/* NULL: no memory */
void os_pages_free(void *p, size_t size);
/* Is something mapped at all of them? */
int os_pages_mapped(void *p, size_t size);
/* A page that a forked child finds zeroed. */
void *os_fork_guard_alloc(void);

/* A close-on-exec shared-memory file of size bytes, sealed at that size. */
int os_shm_create(const char *name, uint64_t size);
void *os_shm_map(int fd, uint64_t offset, size_t size, int writable);
void os_shm_unmap(void *p, size_t size);
/* Nobody else may write to it from now on; best effort. */
void os_shm_seal_readers(int fd);
int os_fd_dup(int fd);			/* close-on-exec */
void os_fd_close(int fd);
/* -EACCES when fd cannot be mapped shared for that; -EINVAL: not mappable. */
int os_fd_check(int fd, int writable);
/*
 * Make the pages at p shareable with other processes: returns a descriptor of
 * a shared-memory file that is now mapped at p with the same contents.
 */
int os_pages_share(void *p, size_t size);

/*
 * Hold back the signals of this thread, for a call that any of them would cut
 * short and that, begun again each time, might never end.
 */
struct os_signals {
	uint64_t words[16];
};
void os_signals_hold(struct os_signals *saved);
void os_signals_let(const struct os_signals *saved);

/* Sleep while *word is value, for a second at most; wakes spuriously. */
void os_wait(_Atomic uint32_t *word, uint32_t value);
void os_wake_all(_Atomic uint32_t *word);
void os_yield(void);

#endif
