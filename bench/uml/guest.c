// SPDX-License-Identifier: BSD-2-Clause
/*
 * The works that are measured inside the vkernel; the first process there.
 * Prints "NAME NANOSECONDS" for each sample and turns the machine off.
 * From the kernel's command line: VK_WORK (names), VK_DIR (the host's directory
 * with dtc/ or with a kernel's source), VK_SAMPLES.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define PAGES	512ul
#define CALLS	1000
#define FORKS	10

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static uint64_t getpid_work(void)
{
	uint64_t t = now();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getpid);
	return (now() - t) / CALLS;
}

static uint64_t touch(volatile char *p, size_t step)
{
	uint64_t t = now();

	for (size_t i = 0; i < PAGES; i += step)
		p[i * PAGE] = 1;
	return (now() - t) / (PAGES / step);
}

static char *fresh(void)
{
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static uint64_t faults(size_t step)
{
	char *p = fresh();
	uint64_t ns = touch(p, step);

	munmap(p, PAGES * PAGE);
	return ns;
}

static uint64_t fault_work(void)
{
	return faults(1);
}

/* No page has one beside it. */
static uint64_t fault_lone_work(void)
{
	return faults(4);
}

/* The child writes to what the parent wrote before. */
static uint64_t cow_work(void)
{
	char *p = fresh();
	uint64_t *ns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0), result;

	memset(p, 1, PAGES * PAGE);
	if (!fork()) {
		*ns = touch(p, 1);
		_exit(0);
	}
	wait(NULL);
	result = *ns;
	munmap(p, PAGES * PAGE);
	munmap(ns, PAGE);
	return result;
}

static uint64_t forks(char *const *argv)
{
	uint64_t t = now();

	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (!pid) {
			if (argv != NULL)
				execv(argv[0], argv);
			_exit(argv != NULL);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			fail("fork");
	}
	return (now() - t) / FORKS;
}

static uint64_t fork_exit_work(void)
{
	return forks(NULL);
}

static uint64_t fork_exec_work(void)
{
	static char *const argv[] = { "/proc/1/exe", "child", NULL };

	return forks(argv);
}

static uint64_t command(const char *prepare, const char *work)
{
	uint64_t t;

	if (system(prepare) != 0)
		fail(prepare);
	t = now();
	if (system(work) != 0)
		fail(work);
	return now() - t;
}

static uint64_t build_work(void)
{
	return command("rm -rf /tmp/dtc && cp -r /tmp/host/dtc /tmp/dtc",
		       "make -s -C /tmp/dtc -f /tmp/host/dtc.mk >/dev/null");
}

static uint64_t kernel_work(void)
{
	return command("rm -rf /tmp/o && mkdir /tmp/o && cd /tmp/host/linux && "
		       "echo CONFIG_64BIT=y >/tmp/64 && "
		       "make -s ARCH=um O=/tmp/o KCONFIG_ALLCONFIG=/tmp/64 "
		       "allnoconfig >/tmp/log 2>&1",
		       "make -s -C /tmp/host/linux ARCH=um O=/tmp/o "
		       ">/tmp/log 2>&1");
}

static const struct {
	const char *name;
	uint64_t (*f)(void);
	int once;
} works[] = {
	{ "uml_getpid", getpid_work, 0 },
	{ "uml_fault", fault_work, 0 },
	{ "uml_fault_lone", fault_lone_work, 0 },
	{ "uml_cow", cow_work, 0 },
	{ "uml_fork", fork_exit_work, 0 },
	{ "uml_fork_exec", fork_exec_work, 0 },
	{ "uml_build", build_work, 1 },
	{ "uml_kernel", kernel_work, 1 },
};

int main(int argc, char **argv)
{
	const char *wanted = getenv("VK_WORK"), *dir = getenv("VK_DIR");
	const char *s = getenv("VK_SAMPLES");
	int samples = s != NULL ? atoi(s) : 20;
	char name[32];

	(void)argv;
	if (argc > 1)
		return 0;
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", 1);
	if (mount("proc", "/proc", "proc", 0, NULL) ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, NULL) ||
	    mkdir("/tmp/host", 0755) ||
	    mount("none", "/tmp/host", "hostfs", MS_RDONLY, dir))
		fail("mount");
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++) {
		snprintf(name, sizeof(name), ",%s,", works[i].name);
		if (wanted == NULL || strstr(wanted, name) == NULL)
			continue;
		if (!works[i].once)
			works[i].f();
		for (int n = works[i].once ? 1 : samples; n > 0; n--)
			printf("%s %llu\n", works[i].name,
			       (unsigned long long)works[i].f());
		fflush(stdout);
	}
	reboot(RB_POWER_OFF);
	return 1;
}
