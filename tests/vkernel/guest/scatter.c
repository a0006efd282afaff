// SPDX-License-Identifier: BSD-2-Clause
/*
 * Touch N pages no two of which are neighbours, in a scrambled order; check
 * them, fork, check and write them in the child.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 300000;
	unsigned long step = 104729, i, at, bad = 0;
	int status = 0;
	char *p = mmap(NULL, 2 * n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return 2;
	for (i = at = 0; i < n; i++, at = (at + step) % n)
		*(uint64_t *)(void *)(p + 2 * at * PAGE) = at ^ 0x5555;
	for (i = 0; i < n; i++)
		bad += *(uint64_t *)(void *)(p + 2 * i * PAGE) != (i ^ 0x5555);
	printf("%lu pages, %lu bad\n", n, bad);
	fflush(stdout);
	if (!fork()) {
		for (i = 0; i < n; i += 10) {
			uint64_t *q = (void *)(p + 2 * i * PAGE);

			bad += *q != (i ^ 0x5555);
			*q = 1;
		}
		_exit(bad != 0);
	}
	wait(&status);
	for (i = 0; i < n; i++)
		bad += *(uint64_t *)(void *)(p + 2 * i * PAGE) != (i ^ 0x5555);
	printf("child status %d, %lu bad after it\n", status, bad);
	return bad != 0 || status != 0;
}
