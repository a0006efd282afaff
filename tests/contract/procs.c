// SPDX-License-Identifier: BSD-2-Clause
/*
 * Readers of /proc; what has gone meanwhile counts as nothing.
 */
#include "procs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool parent_of(pid_t pid, pid_t *parent, char *state)
{
	char path[64], line[512];
	const char *p;
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	ok = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	/* The name, in parentheses, may hold anything. */
	p = ok ? strrchr(line, ')') : NULL;
	return p != NULL && sscanf(p + 1, " %c %d", state, parent) == 2;
}

static bool is_below(pid_t pid, pid_t top)
{
	char state;
	pid_t parent;

	for (unsigned depth = 0; depth < 16 && pid > 1; depth++) {
		if (!parent_of(pid, &parent, &state))
			return false;
		if (parent == top)
			return true;
		pid = parent;
	}
	return false;
}

bool procs_stopped(pid_t pid, unsigned ms)
{
	pid_t parent;
	char state;

	for (; parent_of(pid, &parent, &state) && ms > 0; ms--) {
		/* t: by a tracer. */
		if (state == 'T' || state == 't')
			return true;
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	return false;
}

size_t procs_below(pid_t pid, pid_t *out, size_t max)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		pid_t p = (pid_t)strtol(e->d_name, NULL, 10), parent;
		char state;

		if (p <= 0 || !is_below(p, pid) ||
		    !parent_of(p, &parent, &state) || state == 'Z' ||
		    state == 'X')
			continue;
		if (n < max)
			out[n] = p;
		n++;
	}
	closedir(d);
	return n;
}

/* Descriptors of pid that are of the file. */
static size_t fds_of(pid_t pid, const struct stat *st)
{
	char path[64], file[384];
	struct dirent *e;
	struct stat other;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		n += e->d_name[0] != '.' && stat(file, &other) == 0 &&
		    other.st_ino == st->st_ino && other.st_dev == st->st_dev;
	}
	if (d != NULL)
		closedir(d);
	return n;
}

static bool holds(pid_t pid, const struct stat *st)
{
	static struct procs_map maps[512];
	size_t n = procs_maps(pid, maps, 512);

	for (size_t i = 0; i < n; i++)
		if (maps[i].inode == st->st_ino &&
		    strncmp(maps[i].path, "/memfd:", 7) == 0)
			return true;
	return fds_of(pid, st) != 0;
}

size_t procs_with_file(int fd, pid_t *out, size_t max)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	struct stat st;
	size_t n = 0;

	if (d == NULL)
		return 0;
	while (fstat(fd, &st) == 0 && (e = readdir(d)) != NULL) {
		pid_t p = (pid_t)strtol(e->d_name, NULL, 10);

		if (p <= 0 || p == getpid() || !holds(p, &st))
			continue;
		if (n < max)
			out[n] = p;
		n++;
	}
	closedir(d);
	return n;
}

size_t procs_file_gone(int fd, unsigned ms)
{
	size_t n;

	for (;;) {
		n = procs_with_file(fd, NULL, 0);
		if (n == 0 || ms == 0)
			return n;
		ms = ms < 20 ? 0 : ms - 20;
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	}
}

static size_t entries(const char *format, pid_t pid)
{
	char path[64];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), format, (int)pid);
	d = opendir(path);
	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

size_t procs_fds(pid_t pid)
{
	return entries("/proc/%d/fd", pid);
}

size_t procs_fds_but(pid_t pid, int fd)
{
	struct stat st;

	return fstat(fd, &st) != 0 ? 0 : procs_fds(pid) - fds_of(pid, &st);
}

size_t procs_threads(pid_t pid)
{
	return entries("/proc/%d/task", pid);
}

static uint64_t kilobytes(const char *format, pid_t pid, const char *field)
{
	char path[64], line[256];
	uint64_t kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), format, (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			kb += strtoull(line + strlen(field), NULL, 10);
	fclose(f);
	return kb;
}

uint64_t procs_memory(pid_t pid)
{
	return 1024 * (kilobytes("/proc/%d/smaps_rollup", pid, "Pss:") +
	    kilobytes("/proc/%d/status", pid, "VmPTE:"));
}

size_t procs_maps(pid_t pid, struct procs_map *out, size_t max)
{
	char path[64], line[512];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (n < max && fgets(line, sizeof(line), f) != NULL) {
		struct procs_map *m = &out[n];
		unsigned long long start, end, inode;

		m->path[0] = '\0';
		if (sscanf(line, "%llx-%llx %4s %*s %*s %llu %127[^\n]",
		    &start, &end, m->perms, &inode, m->path) < 4)
			continue;
		m->start = start;
		m->end = end;
		m->inode = inode;
		n++;
	}
	fclose(f);
	return n;
}

/* What is in /proc/path, or only its lines that begin with one of the words. */
static size_t add_file(char *text, size_t size, const char *path,
    const char *const *words)
{
	char line[512];
	FILE *f = fopen(path, "re");
	size_t n = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		bool wanted = words == NULL;

		for (size_t i = 0; !wanted && words[i] != NULL; i++)
			wanted = strncmp(line, words[i], strlen(words[i])) == 0;
		if (wanted && n < size)
			n += (size_t)snprintf(text + n, size - n, "%s", line);
	}
	if (f != NULL)
		fclose(f);
	return n < size ? n : size;
}

/* One line or more for each entry of a folder, in the order of numbers. */
static size_t add_entries(char *text, size_t size, pid_t pid,
    const char *folder, size_t (*add)(char *, size_t, const char *))
{
	struct dirent **list;
	char path[384];
	size_t n = 0;
	int count;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, folder);
	count = scandir(path, &list, NULL, versionsort);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s/%s", (int)pid,
		    folder, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			n += add(text + n, size - n, path);
		free(list[i]);
	}
	if (count >= 0)
		free(list);
	return n;
}

static size_t add_descriptor(char *text, size_t size, const char *path)
{
	char to[256] = "";
	int n;

	(void)!readlink(path, to, sizeof(to) - 1);
	n = snprintf(text, size, "%s %s\n", path, to);
	return (size_t)n < size ? (size_t)n : size;
}

static size_t add_thread(char *text, size_t size, const char *path)
{
	static const char *const words[] = { "Name:", "Pid:", "TracerPid:",
	    "SigBlk:", "SigCgt:", "SigIgn:", "NoNewPrivs:", "Seccomp", NULL };
	char status[400];

	snprintf(status, sizeof(status), "%s/status", path);
	return add_file(text, size, status, words);
}

void procs_describe(pid_t pid, char *text, size_t size)
{
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	text[0] = '\0';
	n = add_file(text, size, path, NULL);
	n += add_entries(text + n, size - n, pid, "fd", add_descriptor);
	n += add_entries(text + n, size - n, pid, "task", add_thread);
}
