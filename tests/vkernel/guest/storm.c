// SPDX-License-Identifier: BSD-2-Clause
/* Many processes: in sequence, at once, in a chain, by vfork and exec. */
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static int *shared;

static int reap(void)
{
	int status, bad = 0;

	while (wait(&status) > 0)
		bad += !WIFEXITED(status) || WEXITSTATUS(status) != 3;
	return bad;
}

static void chain(int n)
{
	pid_t pid;
	int status;

	if (n == 0)
		_exit(3);
	pid = fork();
	if (!pid)
		chain(n - 1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 3 << 8)
		_exit(1);
	_exit(3);
}

int main(int argc, char **argv)
{
	char *again[] = { argv[0], "child", NULL };
	int bad = 0, p[2];
	pid_t pid;
	char c;

	if (argc > 1)
		return 3;
	alarm(250);
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 1000; i++) {
		if (!fork())
			_exit(3);
		bad += reap();
	}
	printf("1000 in sequence, %d bad\n", bad);

	if (pipe(p))
		return 1;
	for (int i = 0; i < 400; i++)
		if (!fork()) {
			close(p[1]);
			__atomic_fetch_add(shared, 1, __ATOMIC_SEQ_CST);
			_exit(read(p[0], &c, 1) == 0 ? 3 : 1);
		}
	while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) < 400)
		usleep(1000);
	close(p[1]);
	printf("400 at once, %d bad\n", bad = reap());

	if (!fork())
		chain(100);
	printf("a chain of 100, %d bad\n", reap());

	for (int i = 0; i < 300; i++) {
		if (posix_spawn(&pid, argv[0], NULL, NULL, again, environ))
			return 1;
		if (i % 10 == 9)
			bad += reap();
	}
	printf("300 spawned, %d bad\n", bad);

	for (int i = 0; i < 100; i++) {
		pid = fork();
		if (!pid)
			for (;;)
				if (!fork())
					_exit(0);
		usleep(500);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	printf("100 forkers killed\n");
	return bad != 0;
}
