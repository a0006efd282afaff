/* SPDX-License-Identifier: BSD-2-Clause */
#include "page.h"
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREE_DEPTH_MAX	64

/* The number that a directory entry's name is, or -1. */
static long number_of(const char *name)
{
	char *end;
	long n;

	if (name[0] < '0' || name[0] > '9')
		return -1;
	errno = 0;
	n = strtol(name, &end, 10);
	return errno != 0 || *end != '\0' || n > 0x7fffffff ? -1 : n;
}

int scan_process(pid_t pid, scan_found *found, void *cookie)
{
	static const char want[] = PAGE_LINK;
	char path[64], text[sizeof(want) + 1];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return errno == EACCES || errno == EPERM ? -EACCES :
		    errno == ENOENT ? -ESRCH : -errno;
	while ((e = readdir(dir)) != NULL) {
		long fd = number_of(e->d_name);
		ssize_t n;

		if (fd < 0)
			continue;
		n = readlinkat(dirfd(dir), e->d_name, text, sizeof(text));
		if (n != (ssize_t)sizeof(want) - 1 ||
		    memcmp(text, want, sizeof(want) - 1) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%ld", (int)pid, fd);
		found(cookie, pid, path);
	}
	closedir(dir);
	return 0;
}

int scan_all(scan_found *found, void *cookie)
{
	struct dirent *e;
	int denied = 0;
	DIR *dir;

	dir = opendir("/proc");
	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL) {
		long pid = number_of(e->d_name);

		/* This program holds pages too: those it has opened. */
		if (pid < 0 || pid == getpid())
			continue;
		if (scan_process((pid_t)pid, found, cookie) == -EACCES)
			denied++;
	}
	closedir(dir);
	return denied;
}

static void scan_children(pid_t pid, int depth, scan_found *found,
    void *cookie);

/* The children that one thread has started. */
static void scan_task(const char *path, int depth, scan_found *found,
    void *cookie)
{
	FILE *f = fopen(path, "re");
	int child;

	if (f == NULL)
		return;
	while (fscanf(f, "%d", &child) == 1) {
		scan_process(child, found, cookie);
		scan_children(child, depth + 1, found, cookie);
	}
	fclose(f);
}

static void scan_children(pid_t pid, int depth, scan_found *found, void *cookie)
{
	char path[96];
	struct dirent *e;
	DIR *dir;

	if (depth > TREE_DEPTH_MAX)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		long task = number_of(e->d_name);

		if (task < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%ld/children",
		    (int)pid, task);
		scan_task(path, depth, found, cookie);
	}
	closedir(dir);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[512], *p;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	/* The name may have parentheses in it: the last one ends it. */
	if (fgets(line, sizeof(line), f) != NULL &&
	    (p = strrchr(line, ')')) != NULL &&
	    sscanf(p + 1, " %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

int scan_is_descendant(pid_t pid)
{
	for (int depth = 0; pid > 1 && depth < TREE_DEPTH_MAX; depth++) {
		pid = parent_of(pid);
		if (pid == getpid())
			return 1;
	}
	return 0;
}

void scan_descendants(scan_found *found, void *cookie)
{
	scan_children(getpid(), 0, found, cookie);
}
