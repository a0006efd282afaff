/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mkpage - a counter page made to order.
 *
 *   mkpage -o FILE [edit ...]    write it to a file
 *   mkpage [options] [edit ...]  hold it as the memfd of a live machine, print
 *                                the pid, and go on until standard input ends
 *     -n N   hold N of them
 *     -t     count: every 10 ms each counter grows by 10
 *     -f     let a forked child hold them too
 *     -w MS  end after MS milliseconds instead
 *     -s PID end when this process has seen the last of them instead; with -t
 *            after one more step
 * The edits are those of fake_edit().
 */
#include "fakepage.h"
#include "seen.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define STEP_MS	10

static void write_bytes(int fd, const struct fake *f, size_t from, size_t to)
{
	while (from < to) {
		ssize_t n = pwrite(fd, f->bytes + from, to - from,
		    (off_t)from);

		if (n < 0)
			err(1, "write");
		from += (size_t)n;
	}
}

/* As the format wants it: ready last. */
static void write_page(int fd, const struct fake *f)
{
	size_t ready = offsetof(struct vmmctl_counters_header, ready);
	size_t after = ready + sizeof(((struct vmmctl_counters_header *)0)->ready);

	if (after > f->size)
		ready = after = f->size;
	write_bytes(fd, f, after, f->size);
	write_bytes(fd, f, 0, ready);
	write_bytes(fd, f, ready, after);
}

static int hold(const struct fake *f)
{
	int fd = memfd_create(VMMCTL_COUNTERS_NAME, MFD_CLOEXEC);

	if (fd < 0)
		err(1, "memfd_create");
	write_page(fd, f);
	return fd;
}

/* When to end: with standard input, unless one of them is set. */
struct end {
	int ms;			/* -1: not by time */
	pid_t reader;		/* 0: not by being seen */
};

static void live(struct fake *f, int fd, int tick, const struct end *end)
{
	int by_stdin = end->ms < 0 && end->reader == 0, seen = 0;
	struct pollfd in = { by_stdin ? STDIN_FILENO : -1, POLLIN, 0 };
	char c;

	for (int ms = 0; !seen && (end->ms < 0 || ms < end->ms);
	    ms += STEP_MS) {
		seen = end->reader != 0 && seen_by(end->reader, fd);
		if (poll(&in, 1, STEP_MS) > 0 && read(in.fd, &c, 1) <= 0)
			return;
		if (!tick)
			continue;
		fake_tick(f, 10);
		write_page(fd, f);
	}
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	int c, count = 1, tick = 0, both = 0, fd = -1;
	struct end end = { -1, 0 };
	struct fake f;
	pid_t child = 0;

	while ((c = getopt(argc, argv, "o:n:tfw:s:")) != -1) {
		switch (c) {
		case 'o':
			path = optarg;
			break;
		case 'n':
			count = atoi(optarg);
			break;
		case 't':
			tick = 1;
			break;
		case 'f':
			both = 1;
			break;
		case 'w':
			end.ms = atoi(optarg);
			break;
		case 's':
			end.reader = atoi(optarg);
			break;
		default:
			return 1;
		}
	}
	if (fake_init(&f) < 0)
		err(1, NULL);
	for (int i = optind; i < argc; i++)
		if (fake_edit(&f, argv[i]) < 0)
			errx(1, "%s: not understood", argv[i]);
	if (path != NULL) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			err(1, "%s", path);
		write_page(fd, &f);
		return 0;
	}
	for (int i = 0; i < count; i++)
		fd = hold(&f);
	if (both && (child = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		live(&f, fd, 0, &end);
		return 0;
	}
	printf("%d\n", (int)getpid());
	fflush(stdout);
	live(&f, fd, tick, &end);
	if (child > 0)
		waitpid(child, NULL, 0);
	fake_fini(&f);
	return 0;
}
