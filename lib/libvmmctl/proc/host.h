/* SPDX-License-Identifier: BSD-2-Clause */
/* host.h - what the backend finds out of the host, and how it makes a process. */
#ifndef VMMCTL_PROC_HOST_H
#define VMMCTL_PROC_HOST_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

/* vfork without a signal to the parent at the child's end.  Inline, since the
 * child must not return from the frame that made it. */
static inline __attribute__((always_inline, no_sanitize("address")))
long bare_vfork(void)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long pid;

	__asm__ volatile("syscall" : "=a"(pid)
	    : "0"((long)SYS_clone), "D"((long)(CLONE_VM | CLONE_VFORK)),
	    "S"(0l), "d"(0l), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return pid;
}

/* INT1 is a trap (SDM vol. 3A 6.4.4), but some hypervisors report it with RIP
 * still at the instruction.  One child process tells; negative: none can be
 * made. */
int host_int1_is_before(void);
/* Why no filter can be installed whose notifications are heard: an errno, 0 if
 * one can; negative: no process can be made to try. */
int host_listener_error(void);
/* A notification is waited for in vain when nobody is left to make it, and the
 * receiving call says so. */
bool host_receiving_ends(void);
/* The lowest address that a process of this user may map. */
uint64_t host_lowest_address(void);

/*
 * For what runs in a child on the parent's stack and never returns: a
 * sanitizer's marks would stay there.
 */
#define IN_VFORK_CHILD \
	__attribute__((noinline, noreturn, no_sanitize("address", "undefined")))

#endif
