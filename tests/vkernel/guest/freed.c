// SPDX-License-Identifier: BSD-2-Clause
/*
 * Move an area of which little has been touched onto one that was full: what
 * was there is gone, and nothing else may show.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE	4096ul
#define TABLE	(512 * PAGE)	/* what one page table maps */
#define SIZE	(2 * TABLE)

static char *area(char *at)
{
	return mmap(at, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

int main(void)
{
	unsigned long shown = 0;
	char *p = mmap(NULL, 3 * SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *full, *sparse;

	if (p == MAP_FAILED)
		return 2;
	full = (char *)(((uintptr_t)p + TABLE - 1) & ~(TABLE - 1));
	sparse = full + SIZE;
	if (area(full) != full || area(sparse) != sparse)
		return 2;
	memset(full, 'f', SIZE);
	sparse[0] = sparse[TABLE] = 's';
	if (mremap(sparse, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, full) !=
	    full)
		return 2;
	for (unsigned long i = 0; i < SIZE; i += PAGE)
		shown += full[i] != (i % TABLE == 0 ? 's' : 0);
	printf("%lu pages show what was freed\n", shown);
	return shown != 0;
}
