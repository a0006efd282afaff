// SPDX-License-Identifier: BSD-2-Clause
/*
 * exec, exit and death of the owner, in a run or not: nothing is left of its
 * machines.
 */
#include "procs.h"
#include "runner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum end { EXEC, EXEC_AS_PARENT, EXIT, KILLED, KILLED_RUNNING,
	KILLED_AS_PARENT };

static bool execs(enum end end)
{
	return end == EXEC || end == EXEC_AS_PARENT;
}

/* In a child: a machine with several spaces that have run; then the end. */
static void owner(enum end end, int fd, int ready)
{
	pid_t heir = 0;
	struct vmmctl *v;
	struct vmmctl_machine *m;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_context *c = NULL;
	struct vmmctl_exit x;
	const char *const exec[] = { "sleep", "30", NULL };

	if (pwrite(fd, "\x0f\x05\xeb\xfe", 4, 0) != 4 ||
	    vmmctl_open(backend_name(), &v, NULL, 0) != 0 ||
	    vmmctl_machine_create(v, NULL, &m) != 0 ||
	    vmmctl_memory_map(m, GPA, PAGE, fd, 0, VMMCTL_PROT_RWX) != 0 ||
	    vmmctl_vcpu_create(m, &cpu) != 0)
		_exit(1);
	for (unsigned i = 0; i < 5; i++) {
		struct vmmctl_space *s;

		if (vmmctl_space_create(m, &s) != 0 ||
		    vmmctl_space_map(s, CODE, PAGE, GPA, 5) != 0 ||
		    vmmctl_context_create(s, &c) != 0)
			_exit(2);
		vmmctl_context_regs(c)->rip = CODE;
		if (vmmctl_vcpu_run(cpu, c, &x) != 0)
			_exit(3);
	}
	if (end == KILLED_AS_PARENT || end == EXEC_AS_PARENT) {
		heir = fork();
		while (heir == 0)
			pause();
	}
	(void)!write(ready, &heir, sizeof(heir));
	if (execs(end))
		execvp("sleep", (char *const *)(uintptr_t)exec);
	if (end == EXIT)
		_exit(0);
	if (end == KILLED_RUNNING)
		vmmctl_vcpu_run(cpu, c, &x);	/* jmp . */
	for (;;)
		pause();
}

static bool pipe_is_closed(int fd, unsigned ms)
{
	char c;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (; ms > 0; ms -= 10) {
		ssize_t n = read(fd, &c, 1);

		if (n == 0)
			return true;
		sleep_us(10000);
	}
	return false;
}

/* Our descendants but these, which have their time to go. */
static size_t others_than(pid_t pid, pid_t heir)
{
	pid_t pids[16];
	size_t n = 0, left = 0;

	for (unsigned ms = 0; ms < PATIENCE_MS; ms += 10) {
		n = procs_below(getpid(), pids, 16);
		left = n;
		for (size_t k = 0; k < n && k < 16; k++)
			left -= pids[k] == pid || pids[k] == heir;
		if (left == 0)
			break;
		sleep_us(10000);
	}
	return left;
}

/*
 * Orphans become our children.  Whoever still has the machine's memory, or a
 * pipe that the owner held open, is found, too, whosever child it is.
 */
static void owner_ends(struct rig *r, enum end end)
{
	int ready[2], held[2], status;
	size_t left, more = 0;
	pid_t pid, heir;

	rig_untraced(r);
	vmmctl_close(r->v);
	r->v = NULL;
	assert_int_equal(procs_file_gone(r->fd, PATIENCE_MS), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		close(held[0]);
		owner(end, r->fd, ready[1]);
		_exit(9);
	}
	close(ready[1]);
	close(held[1]);
	assert_int_equal(read(ready[0], &heir, sizeof(heir)), sizeof(heir));
	if (!execs(end) && end != EXIT) {
		sleep_us(20000);
		kill(pid, SIGKILL);
	}
	if (execs(end)) {
		/* sleep lives on; nothing of the machine does. */
		more = others_than(pid, heir);
		if (heir == 0) {
			assert_int_equal(procs_file_gone(r->fd, PATIENCE_MS),
			    0);
			assert_true(pipe_is_closed(held[0], PATIENCE_MS));
		}
		for (unsigned i = 0; i < 300 && procs_fds(pid) > 3; i++)
			sleep_us(10000);
		rig_say("after exec: %u processes, %u descriptors",
		    (unsigned)more, (unsigned)procs_fds(pid));
		kill(pid, SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (end == EXIT)
		assert_int_equal(status, 0);
	/* Its child has all that it had open, and lives. */
	left = others_than(heir, 0);
	if (left != 0)
		rig_say("%u processes are left behind", (unsigned)left);
	if (heir != 0) {
		assert_int_equal(waitpid(heir, NULL, WNOHANG), 0);
		kill(heir, SIGKILL);
	}
	assert_int_equal(more, 0);
	assert_int_equal(left, 0);
	assert_int_equal(procs_file_gone(r->fd, PATIENCE_MS), 0);
	assert_true(pipe_is_closed(held[0], PATIENCE_MS));
	close(held[0]);
	close(ready[0]);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void exec_leaves_nothing(void **state)
{
	owner_ends(*state, EXEC);
}

static void exec_before_a_child_leaves_nothing(void **state)
{
	owner_ends(*state, EXEC_AS_PARENT);
}

static void exit_leaves_nothing(void **state)
{
	owner_ends(*state, EXIT);
}

static void death_leaves_nothing(void **state)
{
	owner_ends(*state, KILLED);
}

static void death_in_run_leaves_nothing(void **state)
{
	owner_ends(*state, KILLED_RUNNING);
}

static void death_before_a_child_leaves_nothing(void **state)
{
	struct rig *r = *state;
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		rig_skip(r, "the host has no pidfds (Linux 5.3)");
	close(fd);
	owner_ends(r, KILLED_AS_PARENT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(exec_leaves_nothing),
		TEST(exec_before_a_child_leaves_nothing),
		TEST(exit_leaves_nothing),
		TEST(death_leaves_nothing),
		TEST(death_in_run_leaves_nothing),
		TEST(death_before_a_child_leaves_nothing),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
