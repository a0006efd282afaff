// SPDX-License-Identifier: BSD-2-Clause
/*
 * One trace: every deterministic program runs on each backend that this host
 * has, and what it wrote (each exit with all registers, the memory at the
 * end) is the same on all of them, byte for byte.
 */
#include "harness.h"
#include "../tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROC, PROC_BRIEF };
static const char *const backends[] = { [PROC] = "proc",
    [PROC_BRIEF] = "proc-brief", "proc-ptrace", "kvm", "vmm" };
#define BACKENDS	(sizeof(backends) / sizeof(backends[0]))

static char here[PATH_MAX];	/* where the programs are */
static char traces[PATH_MAX];	/* a folder for each backend */
static bool usable[BACKENDS];

static void folder(char *path, size_t size, size_t backend,
    const char *program)
{
	int n = snprintf(path, size, "%s/%s/%s", traces, backends[backend],
	    program);

	assert_in_range(n, 1, size - 1);
}

/* Runs the program for its trace; its own verdict is another test's. */
static void run_program(size_t backend, const char *program)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int n, null, status;
	pid_t pid;

	folder(dir, sizeof(dir), backend, program);
	assert_int_equal(mkdir(dir, 0700), 0);
	n = snprintf(path, sizeof(path), "%s/%s/%s", here, backends[backend],
	    program);
	assert_in_range(n, 1, sizeof(path) - 1);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("VMMCTL_TRACE_DIR", dir, 1);
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (null >= 0 && dup2(null, STDOUT_FILENO) >= 0)
			execl(path, path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 127);
}

/* The first line in which two files differ; false: none does. */
static bool differ(const char *left, const char *right)
{
	FILE *a = fopen(left, "re"), *b = fopen(right, "re");
	char x[1024], y[1024];
	char exit_line[1024] = "the beginning\n";
	bool found = false;
	unsigned line = 0;

	while (a != NULL && b != NULL && !found) {
		char *p = fgets(x, sizeof(x), a), *q = fgets(y, sizeof(y), b);

		line++;
		if (p == NULL && q == NULL)
			break;
		found = p == NULL || q == NULL || strcmp(x, y) != 0;
		if (found)
			rig_say("line %u, after %s#   %s#   %s", line,
			    exit_line, p ? p : "end\n", q ? q : "end");
		if (x[0] != ' ')
			memcpy(exit_line, x, sizeof(x));
	}
	if (a != NULL)
		fclose(a);
	if (b != NULL)
		fclose(b);
	return found;
}

static void compare(const char *program, size_t left, size_t right)
{
	char dir[PATH_MAX], other_dir[PATH_MAX];
	struct dirent *e;
	unsigned same = 0, other = 0, missing = 0;
	DIR *d;

	folder(dir, sizeof(dir), left, program);
	folder(other_dir, sizeof(other_dir), right, program);
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char a[PATH_MAX + 257], b[PATH_MAX + 257];

		if (strstr(e->d_name, ".trace") == NULL)
			continue;
		snprintf(a, sizeof(a), "%s/%s", dir, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", other_dir, e->d_name);
		if (access(b, R_OK) != 0) {
			rig_say("%s: only on %s", e->d_name, backends[left]);
			missing++;
		} else if (differ(a, b)) {
			rig_say("%s: differs between %s and %s", e->d_name,
			    backends[left], backends[right]);
			other++;
		} else {
			same++;
		}
	}
	closedir(d);
	rig_say("%s: %u traces are the same on %s and %s, %u are not, %u "
	    "are skipped by one", program, same, backends[left],
	    backends[right], other, missing);
	assert_int_equal(other, 0);
	assert_true(same > 0);
}

static void traces_are_the_same(void **state)
{
	const char *program = *state;
	size_t first = BACKENDS;

	for (size_t i = 0; i < BACKENDS; i++) {
		if (!usable[i])
			continue;
		run_program(i, program);
		if (first == BACKENDS)
			first = i;
		else
			compare(program, first, i);
	}
}

static void find_usable(void)
{
	for (size_t i = 0; i < BACKENDS; i++) {
		char name[32], dir[PATH_MAX + 16], why[256] = "";
		struct vmmctl *v;

		snprintf(name, sizeof(name), "%s", backends[i]);
		if (strcmp(name, "proc-brief") == 0)
			name[4] = '\0';
		if (strchr(name, '-') != NULL)
			*strchr(name, '-') = ':';
		if (vmmctl_open(name, &v, why, sizeof(why)) != 0) {
			printf("# %s is not compared: %s\n", name, why);
			continue;
		}
		vmmctl_close(v);
		snprintf(dir, sizeof(dir), "%s/%s", traces, backends[i]);
		usable[i] = mkdir(dir, 0700) == 0;
	}
}

static void remove_traces(void)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", traces);
	(void)!system(command);
}

int main(void)
{
	static char programs[] = TRACED;
	struct CMUnitTest tests[64];
	char *slash;
	size_t n = 0;
	ssize_t len = readlink("/proc/self/exe", here, sizeof(here) - 1);
	int rc;

	tap_begin();
	slash = len > 0 ? strrchr(here, '/') : NULL;
	if (slash == NULL)
		return 1;
	*slash = '\0';
	snprintf(traces, sizeof(traces), "%s/vmmctl-traces-XXXXXX",
	    getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	if (mkdtemp(traces) == NULL)
		return 1;
	find_usable();
	/* proc needs nothing of the host, so that there always are two. */
	if (!usable[PROC] || !usable[PROC_BRIEF]) {
		printf("Bail out! proc cannot be used\n");
		remove_traces();
		return 1;
	}
	for (char *p = strtok(programs, " "); p != NULL && n < 64;
	    p = strtok(NULL, " "))
		tests[n++] = (struct CMUnitTest){ p, traces_are_the_same,
		    NULL, NULL, p };
	rc = _cmocka_run_group_tests("same", tests, n, NULL, NULL);
	tap_end();
	remove_traces();
	return rc;
}
