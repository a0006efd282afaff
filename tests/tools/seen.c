/* SPDX-License-Identifier: BSD-2-Clause */
#include "seen.h"

#include <dirent.h>
#include <stdio.h>

#include <sys/stat.h>

int seen_by(pid_t pid, int fd)
{
	struct stat want, have;
	char path[64];
	struct dirent *e;
	int seen = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL || fstat(fd, &want) < 0)
		return 1;
	while (!seen && (e = readdir(dir)) != NULL)
		seen = fstatat(dirfd(dir), e->d_name, &have, 0) == 0 &&
		    have.st_dev == want.st_dev && have.st_ino == want.st_ino;
	closedir(dir);
	return seen;
}
