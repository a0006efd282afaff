// SPDX-License-Identifier: GPL-2.0
/*
 * Faulting ahead.  An exit costs a guest user ten times what a page does, so
 * who writes to private memory page after page is given several at a time, as
 * large folios would do where there are such, and who reads a file is given
 * more of what is there of it where exits are dear.  Knows nothing of backends.
 */
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched.h>
#include <linux/userfaultfd_k.h>
#include <vmm.h>

#define AHEAD_MAX	16	/* pages */
#define AROUND		64	/* pages, a power of two; else 16 */
#define AROUND_NS	3000	/* what they cost beyond those */

/* From mm/memory.c, where it is ours. */
extern void fault_around_set(unsigned long pages);

/* exit_ns: what an exit costs, 0 if nobody knows. */
void __init vmm_ahead_init(unsigned long long exit_ns)
{
	if (!exit_ns || exit_ns > AROUND_NS)
		fault_around_set(AROUND);
}

static bool writable(struct mm_struct *mm, unsigned long addr)
{
	pte_t *pte = virt_to_pte(mm, addr);

	return pte && pte_present(*pte) && pte_write(*pte);
}

/* Pages that can be written to in a row, up to and with addr. */
static unsigned int run_length(struct vm_area_struct *vma, unsigned long addr)
{
	unsigned int n = 0;

	while (n < AHEAD_MAX && addr >= vma->vm_start &&
	       writable(vma->vm_mm, addr)) {
		n++;
		addr -= PAGE_SIZE;
	}
	return n;
}

/* A write would neither read a file nor swap, nor has it been done. */
static bool cheap_to_write(struct vm_area_struct *vma, unsigned long addr)
{
	pte_t *pte = virt_to_pte(vma->vm_mm, addr);

	if (!pte || pte_none(*pte))
		return vma_is_anonymous(vma);
	return pte_present(*pte) && !pte_write(*pte);
}

/*
 * So much that an allocation neither reclaims nor kills, and that what may
 * have been given in vain will not be missed.
 */
static bool memory_is_plenty(void)
{
	struct zone *zone = &NODE_DATA(0)->node_zones[ZONE_NORMAL];

	return zone_page_state(zone, NR_FREE_PAGES) >
	       low_wmark_pages(zone) + AHEAD_MAX &&
	       si_mem_available() > totalram_pages() / 4;
}

/*
 * As many pages more as there are in a row before addr: a page by itself
 * brings no other, and of a row less than half has not been asked for.
 */
static void write_ahead(struct vm_area_struct *vma, unsigned long addr)
{
	unsigned int n;

	for (n = run_length(vma, addr); n > 1; n--) {
		addr += PAGE_SIZE;
		if (addr >= vma->vm_end || !cheap_to_write(vma, addr) ||
		    handle_mm_fault(vma, addr, FAULT_FLAG_WRITE, NULL) &
		    VM_FAULT_ERROR)
			break;
	}
}

/* After a write to addr has faulted; it may have been in vain. */
void vmm_fault_ahead(unsigned long addr)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	if (!memory_is_plenty() || !mmap_read_trylock(mm))
		return;
	addr &= PAGE_MASK;
	vma = vma_lookup(mm, addr);
	if (vma && (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE &&
	    !userfaultfd_armed(vma))
		write_ahead(vma, addr);
	mmap_read_unlock(mm);
}
