// SPDX-License-Identifier: BSD-2-Clause
/*
 * A file of the host as I/O memory: what is in it is seen, and what is written
 * to the mapping goes there.  Argument: what to write, behind what is there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES	4
#define PAGE	4096

int main(int argc, char **argv)
{
	int fd = open("/dev/mmapper", O_RDWR);
	char head[32] = "", *p, *end;

	if (argc != 2 || fd < 0) {
		perror("/dev/mmapper");
		return 1;
	}
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	printf("mapped: %.20s\n", p);
	end = p + 3 * PAGE;
	end += strlen(end);
	strcpy(end, argv[1]);
	strcat(end, "\n");
	/* The kernel has the same memory by another way. */
	printf("read: %zd", pread(fd, head, sizeof(head) - 1, 0));
	printf(" %s\n", strcmp(head, p) == 0 ? "the same" : "different");
	return 0;
}
