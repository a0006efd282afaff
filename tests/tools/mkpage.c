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
 * The edits are those of fake_edit().
 */
#include "fakepage.h"

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

/* The magic number last: before, it is no page yet. */
static void write_page(int fd, const struct fake *f)
{
	const size_t magic = f->size < 8 ? f->size : 8;

	write_bytes(fd, f, magic, f->size);
	write_bytes(fd, f, 0, magic);
}

static int hold(const struct fake *f)
{
	int fd = memfd_create(VMMCTL_COUNTERS_NAME, MFD_CLOEXEC);

	if (fd < 0)
		err(1, "memfd_create");
	write_page(fd, f);
	return fd;
}

/* Until standard input ends, or for ms milliseconds. */
static void live(struct fake *f, int fd, int tick, int ms)
{
	struct pollfd in = { ms < 0 ? STDIN_FILENO : -1, POLLIN, 0 };
	char c;

	for (int spent = 0; ms < 0 || spent < ms; spent += STEP_MS) {
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
	int c, count = 1, tick = 0, both = 0, ms = -1, fd = -1;
	struct fake f;
	pid_t child = 0;

	while ((c = getopt(argc, argv, "o:n:tfw:")) != -1) {
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
			ms = atoi(optarg);
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
		live(&f, fd, 0, ms);
		return 0;
	}
	printf("%d\n", (int)getpid());
	fflush(stdout);
	live(&f, fd, tick, ms);
	if (child > 0)
		waitpid(child, NULL, 0);
	fake_fini(&f);
	return 0;
}
