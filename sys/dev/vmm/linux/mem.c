/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem.c - the kernel's memory, and the caller: what it may, where its own
 * memory is.
 */
#include "vmm.h"

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/gfp.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tsc.h>

void *os_zalloc(size_t size)
{
	/* More is a warning there, not an error. */
	if (size > INT_MAX)
		return NULL;
	return kvzalloc(size, GFP_KERNEL_ACCOUNT);
}

void os_free(void *p)
{
	kvfree(p);
}

static void *pages_alloc(gfp_t gfp, unsigned int order, uint64_t *pa)
{
	struct page *page = alloc_pages(gfp | __GFP_ZERO, order);

	if (page == NULL)
		return NULL;
	*pa = __sme_set(page_to_phys(page));
	return page_address(page);
}

void *os_page_alloc(uint64_t *pa)
{
	void *page = pages_alloc(GFP_KERNEL_ACCOUNT, 0, pa);

	if (page != NULL)
		os_fetch_add64(&vmm_live.pages, 1);
	return page;
}

/* The owner may still have it mapped: the page goes with the last of them. */
void os_page_free(void *page)
{
	if (page == NULL)
		return;
	put_page(virt_to_page(page));
	os_fetch_add64(&vmm_live.pages, (uint64_t)-1);
}

void *os_cpu_page_alloc(uint64_t *pa)
{
	return pages_alloc(GFP_KERNEL, 0, pa);
}

void os_cpu_page_free(void *page)
{
	free_pages((unsigned long)page, 0);
}

void *os_cpu_pages_alloc(uint32_t n, uint64_t *pa)
{
	return pages_alloc(GFP_KERNEL, get_order((size_t)n << PAGE_SHIFT), pa);
}

void os_cpu_pages_free(void *pages, uint32_t n)
{
	free_pages((unsigned long)pages, get_order((size_t)n << PAGE_SHIFT));
}

int os_copyin(uint64_t uaddr, void *buf, size_t size)
{
	return copy_from_user(buf, u64_to_user_ptr(uaddr), size) ? EFAULT : 0;
}

int os_copyout(uint64_t uaddr, const void *buf, size_t size)
{
	return copy_to_user(u64_to_user_ptr(uaddr), buf, size) ? EFAULT : 0;
}

/* access_ok() lets pass what merely cannot be the kernel's. */
bool os_user_range(uint64_t uaddr, uint64_t size)
{
	return size != 0 && size <= TASK_SIZE_MAX &&
	    uaddr <= TASK_SIZE_MAX - size;
}

bool os_is_admin(void)
{
	return capable(CAP_SYS_ADMIN);
}

uint32_t os_uid(void)
{
	return from_kuid(&init_user_ns, current_uid());
}

uint64_t os_mono_ns(void)
{
	return ktime_get_ns();
}

uint64_t os_real_ns(void)
{
	return ktime_get_real_ns();
}

bool os_tsc_is_clock(void)
{
	return tsc_khz != 0 && boot_cpu_has(X86_FEATURE_CONSTANT_TSC) &&
	    !check_tsc_unstable();
}

uint64_t os_tsc_at(uint64_t mono_ns)
{
	const uint64_t now = ktime_get_ns(), tsc = rdtsc();
	uint64_t ns = mono_ns > now ? mono_ns - now : 0;

	/* So that the product has its place. */
	ns = min_t(uint64_t, ns, 3600ull * NSEC_PER_SEC);
	return tsc + mul_u64_u32_div(ns, tsc_khz, NSEC_PER_MSEC);
}

void os_log(const char *fmt, ...)
{
	struct va_format line;
	va_list args;

	va_start(args, fmt);
	line.fmt = fmt;
	line.va = &args;
	pr_err("vmm: %pV\n", &line);
	va_end(args);
}
