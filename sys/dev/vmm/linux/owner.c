/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owner.c - the memory of the process that made a machine: what the kernel
 * does to it is told to the core, and the pages in it are found.
 */
#include "vmm.h"
#include "os_compat.h"

#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/pid.h>
#include <linux/signal.h>
#include <linux/slab.h>

static struct os_owner *owner_of(struct mmu_notifier *n)
{
	return container_of(n, struct os_owner, notifier);
}

/*
 * The host is about to take pages of the range away, or to write-protect
 * them, and does so until invalidate_end().
 */
static int invalidate_begin(struct mmu_notifier *n,
    const struct mmu_notifier_range *range)
{
	vmm_machine_invalidate_begin(owner_of(n)->machine, range->start,
	    range->end, mmu_notifier_range_blockable(range));
	return 0;
}

static void invalidate_end(struct mmu_notifier *n,
    const struct mmu_notifier_range *range)
{
	vmm_machine_invalidate_end(owner_of(n)->machine, range->start,
	    range->end);
}

static int clear_young(struct mmu_notifier *n, struct mm_struct *mm,
    unsigned long start, unsigned long end)
{
	return vmm_machine_young(owner_of(n)->machine, start, end, true);
}

static int test_young(struct mmu_notifier *n, struct mm_struct *mm,
    unsigned long address)
{
	return vmm_machine_young(owner_of(n)->machine, address,
	    address + PAGE_SIZE, false);
}

/* The last thread of the process has gone, or execs. */
static void release(struct mmu_notifier *n, struct mm_struct *mm)
{
	vmm_machine_orphan(owner_of(n)->machine);
}

static const struct mmu_notifier_ops ops = {
	.invalidate_range_start = invalidate_begin,
	.invalidate_range_end = invalidate_end,
	/* A flush is the core's to decide. */
	.clear_flush_young = clear_young,
	.clear_young = clear_young,
	.test_young = test_young,
	.release = release,
};

/*
 * Without a look at signals: it fails for any, and would for ever where they
 * come faster than a machine is made.  It fails with EINTR still for work that
 * others have given this thread to do on its way to user mode.
 */
static int watch(struct os_owner *o)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigprocmask(SIG_SETMASK, &all, &old);
	error = mmu_notifier_register(&o->notifier, o->mm);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return error;
}

int os_owner_get(struct vmm_machine *m, struct os_owner **out)
{
	struct os_owner *o;
	int error;

	if (current->mm == NULL)
		return EINVAL;
	o = kzalloc(sizeof(*o), GFP_KERNEL_ACCOUNT);
	if (o == NULL)
		return ENOMEM;
	o->notifier.ops = &ops;
	o->mm = current->mm;
	o->machine = m;
	o->pid = get_pid(task_tgid(current));
	/* Holds the mm's struct. */
	error = watch(o);
	if (error != 0) {
		put_pid(o->pid);
		kfree(o);
		return -error;
	}
	*out = o;
	return 0;
}

void os_owner_put(struct os_owner *o)
{
	if (o == NULL)
		return;
	/* Calls release() when the memory is still there; waits for all that
	 * are running. */
	mmu_notifier_unregister(&o->notifier, o->mm);
	put_pid(o->pid);
	kfree(o);
}

uint32_t os_owner_pid(const struct os_owner *o)
{
	return (uint32_t)pid_vnr(o->pid);
}

/* ---- pages ---- */

/*
 * Nested tables give it to the guest as ordinary memory, and it comes and goes
 * by notifiers: not so what drivers have mapped there, or devices' memory.
 */
static bool ordinary(struct page *page)
{
	if (is_zero_pfn(page_to_pfn(page)))
		return true;
	return !PageReserved(page) && !is_zone_device_page(page);
}

static int take_page(struct page *page, bool writable,
    struct os_user_page *out)
{
	if (!ordinary(page)) {
		put_page(page);
		return EFAULT;
	}
	out->pa = __sme_set(page_to_phys(page));
	out->writable = writable;
	out->handle = page;
	return 0;
}

/*
 * First what is there and may be written already: so a page that is read only
 * now needs no second fault when it is written later.
 *
 * The page is not marked dirty here: it can have been cleaned since, and a
 * dirty mark that the filesystem does not know of would hide the next one from
 * it.  os_page_dirtied() does that while the mapping is sure to be there.
 */
int os_user_page_get(struct os_owner *o, uint64_t uaddr, bool write,
    struct os_user_page *out)
{
	unsigned int flags = FOLL_HWPOISON | OS_FOLL_GUEST;
	struct page *page;
	long n;

	if (!os_owner_is_current(o))
		return EFAULT;
	uaddr &= PAGE_MASK;
	if (get_user_page_fast_only(uaddr, FOLL_WRITE, &page))
		return take_page(page, true, out);
	if (write)
		flags |= FOLL_WRITE;
	n = get_user_pages_unlocked(uaddr, 1, &page, flags);
	if (n != 1)
		return n < 0 ? (int)-n : EAGAIN;
	if (!write) {
		struct page *writable;

		if (get_user_page_fast_only(uaddr, FOLL_WRITE, &writable)) {
			put_page(page);
			return take_page(writable, true, out);
		}
	}
	return take_page(page, write, out);
}

void os_user_page_put(struct os_user_page *p)
{
	put_page(p->handle);
}

/*
 * The tables are read as a fast get_user_pages() does: with interrupts off
 * none of them is freed.  What they say is true because nothing was taken away
 * since the page was found, and the caller sees to it that nothing is.
 */
static unsigned int host_level(struct mm_struct *mm, unsigned long at)
{
	pgd_t *pgd_at = pgd_offset(mm, at), pgd = READ_ONCE(*pgd_at);
	p4d_t *p4d_at, p4d;
	pud_t *pud_at, pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return 1;
	p4d_at = p4d_offset_lockless(pgd_at, pgd, at);
	p4d = READ_ONCE(*p4d_at);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return 1;
	pud_at = pud_offset_lockless(p4d_at, p4d, at);
	pud = READ_ONCE(*pud_at);
	if (pud_none(pud) || !pud_present(pud))
		return 1;
	if (pud_leaf(pud))
		return 3;
	pmd = READ_ONCE(*pmd_offset_lockless(pud_at, pud, at));
	if (pmd_none(pmd) || !pmd_present(pmd) || !pmd_leaf(pmd))
		return 1;
	return 2;
}

unsigned os_user_page_level(struct os_owner *o, uint64_t uaddr)
{
	unsigned long flags;
	unsigned int level;

	local_irq_save(flags);
	level = host_level(o->mm, uaddr);
	local_irq_restore(flags);
	return level;
}

/*
 * The host has it mapped still, for else the leaf would be gone.  Filesystems
 * that want to know have been asked when it was mapped for writing, and its
 * mark is there until they take the mapping away; where they do not (shared
 * memory, anonymous), the mark is all.
 */
void os_page_dirtied(uint64_t pa)
{
	struct page *page = pfn_to_page(__sme_clr(pa) >> PAGE_SHIFT);

	if (!PageReserved(page))
		SetPageDirty(page);
}
