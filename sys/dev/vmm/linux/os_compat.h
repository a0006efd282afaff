/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_compat.h - what differs between the versions of Linux: the only place
 * that looks at the version.
 */
#ifndef VMM_LINUX_OS_COMPAT_H
#define VMM_LINUX_OS_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#error "Linux 6.19 and later let only KVM's modules use what vmm needs of them"
#endif

/* 6.3 made flags of a vma constant, but for these. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void os_vma_flags(struct vm_area_struct *vma,
    unsigned long set, unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#else
static inline void os_vma_flags(struct vm_area_struct *vma,
    unsigned long set, unsigned long clear)
{
	vm_flags_mod(vma, set, clear);
}
#endif

/*
 * To get_user_pages(): signals end the wait (before 6.2 only fatal ones do),
 * and what it finds counts as used by this NUMA node (before 6.6 it always
 * does).
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define OS_FOLL_GUEST	0
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define OS_FOLL_GUEST	FOLL_INTERRUPTIBLE
#else
#define OS_FOLL_GUEST	(FOLL_INTERRUPTIBLE | FOLL_HONOR_NUMA_FAULT)
#endif

#endif
