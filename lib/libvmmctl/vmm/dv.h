/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dv.h - what the files of the vmm backend need of each other.
 *
 * The device does what a machine, a context and a vCPU are; the backend keeps
 * book of what of them is loaded where, so that a run commits only what has
 * changed.  Contexts, spaces and debug registers carry stamps, which are never
 * used twice: a vCPU whose last entry had the same stamps has it all.
 */
#ifndef VMMCTL_VMM_DV_H
#define VMMCTL_VMM_DV_H

#include "../internal.h"
#include "../../../sys/dev/vmm/vmm_ioctl.h"

#include <sys/syscall.h>

#define DV_VCPUS_MAX	256u
#define DV_RAN		16u	/* a power of two */

/* ---- the device (device.c); -errno, errno stays ---- */

int dv_open(const char *path);
void dv_close(int fd);
/* An ioctl, which goes on after a signal.  Async-signal-safe. */
int dv_call(int fd, unsigned long request, const void *arg);

/* ioctl(2) by itself: the function would change errno, and costs a dozen
 * instructions of the few that an exit has. */
static inline long dv_ioctl(long fd, unsigned long request, const void *arg)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r)
	    : "0"((long)SYS_ioctl), "D"(fd), "S"(request), "d"(arg)
	    : "rcx", "r11", "memory");
	return r;
}

/* VMM_RUN, which no signal cuts short: it is an exit. */
#ifdef VMMCTL_FAKE_DEVICE
long dv_run(long fd);
#else
static inline long dv_run(long fd)
{
	return dv_ioctl(fd, VMM_RUN, NULL);
}
#endif

void *dv_map(int fd, size_t size);	/* NULL: no memory */
void dv_unmap(void *p, size_t size);

/* ---- the handle (open.c) ---- */

struct dv_host {
	int fd;
	struct vmm_info info;
	/* Probed, for emulated processors differ from what they say. */
	bool debug_regs;	/* hardware breakpoints fire */
	uint64_t exit_ns;	/* of a SYSCALL and back */
};

int dv_backend_open(struct vmmctl *v, const char *option);
void dv_backend_close(struct vmmctl *v);
/* Does the device run a guest user?  probe.c */
int dv_probe(struct vmmctl *v, struct dv_host *h);
/* A machine descriptor; -errno, with the device's sentence. */
int dv_machine(struct vmmctl *v, const struct dv_host *h,
    struct vmm_machine_create *a);

/* ---- objects (backend.c) ---- */

struct dv_cpu {
	long fd;
	struct vmm_vcpu_page *page;
	/* [r] What is loaded, or committed. */
	uint64_t context, space;	/* stamps */
	struct vmmctl_debug_regs debug;
	/* [r] Contexts without hardware breakpoints that ran here, by their
	 * numbers: with which stamps, their spaces' and their own, last. */
	struct {
		uint64_t context, space;
	} ran[DV_RAN];
};

struct dv_machine {
	int fd;
	_Atomic uint64_t stamps;	/* [a] */
	uint64_t pool_covered;		/* [m] bytes of the pool in regions */
	/* [m] A forked child may keep descriptors open, and with them the
	 * places of vCPUs: they are kept for the next of the same index. */
	struct dv_cpu *cpu[DV_VCPUS_MAX];
};

struct dv_space {
	_Atomic uint64_t stamp;		/* [a] changes when anything goes */
};

struct dv_context {
	struct seat seat;
	uint32_t number;		/* [I] the device's */
	uint64_t stamp;			/* [r] changes with debug registers */
};

static inline uint64_t dv_stamp(struct dv_machine *d)
{
	return atomic_fetch_add_explicit(&d->stamps, 1,
	    memory_order_relaxed) + 1;
}

/* ---- running (enter.c, decode.c) ---- */

int dv_enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev);
/* Pure: from what the device says to an event.  dr7 is the guest's;
 * gpa_limit: from there on are page tables. */
void dv_decode(const struct vmm_exit *x, uint64_t dr7, uint64_t gpa_limit,
    struct event *ev);
/* The processor has refused to enter the guest: ev is FAILED, and says why
 * if that can be told (explain.c).  vcpu is not running. */
void dv_explain(const struct vmm_info *info, int vcpu,
    const struct vmm_exit *x, struct event *ev);

#endif
