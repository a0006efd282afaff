// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork, exec, exit and death of the owner; what destroying leaves behind;
 * what the library must not do to its process.
 */
#include "procs.h"
#include "runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

GUEST(c_calls);
GUEST(c_spin);

/* For the host to take away what has ended. */
#define PATIENCE_MS	10000u

/* ---- fork -------------------------------------------------------------- */

/* A child's findings: bit n is set when check n failed. */
#define CHECK(n, ok)	do { if (!(ok)) bad |= 1u << (n); } while (0)

static int child_calls(struct rig *r)
{
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_walk w;
	struct vmmctl_exit x;
	uint64_t value = 0;
	unsigned bad = 0;
	char why[256] = "";

	alarm(20);
	CHECK(0, vmmctl_vcpu_run(r->cpu, r->c, &x) == -ECHILD);
	CHECK(1, vmmctl_error(r->v, why, sizeof(why)) > 10);
	CHECK(2, vmmctl_machine_create(r->v, NULL, &m) == -ECHILD);
	CHECK(3, vmmctl_space_create(r->m, &s) == -ECHILD &&
	    vmmctl_context_create(r->s, &c) == -ECHILD &&
	    vmmctl_vcpu_create(r->m, &cpu) == -ECHILD);
	CHECK(4, vmmctl_memory_map(r->m, 0, PAGE, r->fd, 0, 1) == -ECHILD &&
	    vmmctl_memory_unmap(r->m, GPA, PAGE) == -ECHILD &&
	    vmmctl_memory_protect(r->m, GPA, PAGE, 1) == -ECHILD &&
	    vmmctl_memory_read(r->m, GPA, why, 8) == -ECHILD &&
	    vmmctl_memory_write(r->m, GPA, why, 8) == -ECHILD);
	CHECK(5, vmmctl_space_map(r->s, SPARE, PAGE, GPA, 1) == -ECHILD &&
	    vmmctl_space_walk(r->s, CODE, &w) == -ECHILD &&
	    vmmctl_space_copyin(r->s, CODE, why, 8, NULL) == -ECHILD &&
	    vmmctl_space_copyout(r->s, DATA, why, 8, NULL) == -ECHILD &&
	    vmmctl_space_copyinstr(r->s, CODE, why, 8, NULL) == -ECHILD &&
	    vmmctl_space_cas(r->s, DATA, 8, &value, 1, NULL) == -ECHILD &&
	    vmmctl_space_destroy(r->s) == -ECHILD);
	CHECK(6, vmmctl_context_set_step(r->c, 1) == -ECHILD &&
	    vmmctl_context_set_policy(r->c, 3, 0) == -ECHILD &&
	    vmmctl_context_get_xsave(r->c, why, 576) == -ECHILD &&
	    vmmctl_context_fetch(r->c) == -ECHILD &&
	    vmmctl_vcpu_set_budget(r->cpu, 0, 0) == -ECHILD);
	vmmctl_vcpu_kick(r->cpu);
	vmmctl_context_destroy(r->c);
	vmmctl_vcpu_destroy(r->cpu);
	vmmctl_machine_destroy(r->m);
	vmmctl_close(r->v);
	return (int)bad;
}

static void after_the_fork(struct rig *r)
{
	rig_run(r);
	expect_syscall(r);
	expect_rc(r, vmmctl_space_map(r->s, SPARE, PAGE, FREE_GPA,
	    VMMCTL_PROT_RW), 0);
	rig_run(r);
	expect_syscall(r);
}

static void fork_child_is_told(void **state)
{
	struct rig *r = *state;
	int status;
	pid_t pid;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	rig_run(r);
	expect_syscall(r);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(child_calls(r));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	after_the_fork(r);
}

/* A machine of its own, with the rig's memory: 0, or what failed. */
static int child_opens(struct rig *r, struct vmmctl_info *info)
{
	struct vmmctl *v;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_exit x;

	alarm(20);
	if (vmmctl_open(backend_name(), &v, NULL, 0) != 0 ||
	    vmmctl_info(v, info, sizeof(*info)) != 0 ||
	    vmmctl_machine_create(v, NULL, &m) != 0 ||
	    vmmctl_memory_map(m, GPA, MEM_SIZE, r->fd, 0, 7) != 0 ||
	    vmmctl_space_create(m, &s) != 0 ||
	    vmmctl_space_map(s, CODE, REGION, CODE_GPA, 5) != 0 ||
	    vmmctl_context_create(s, &c) != 0 ||
	    vmmctl_vcpu_create(m, &cpu) != 0)
		return 1;
	rig_regs(vmmctl_context_regs(c));
	if (vmmctl_vcpu_run(cpu, c, &x) != 0 ||
	    x.kind != VMMCTL_EXIT_SYSCALL)
		return 2;
	vmmctl_close(v);
	return 0;
}

/* A child may have a handle of its own, and the parent's goes on. */
static void fork_child_opens_its_own(void **state)
{
	struct rig *r = *state;
	struct vmmctl_info info;
	int status;
	pid_t pid;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	rig_run(r);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(child_opens(r, &info));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	after_the_fork(r);
}

/* In a container whose own filter notifies, and no other may. */
static int child_under_a_filter(struct rig *r)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ALLOW);
	const struct sock_fprog program = { 1, &allow };
	const char *name = backend_name();
	struct vmmctl_info info;
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0)
		return 77;
	rc = child_opens(r, &info);
	if (rc == 0 && strcmp(info.backend, "proc") == 0 &&
	    (strcmp(info.variant, "ptrace") != 0 ||
	    (name != NULL && strcmp(name, "proc") == 0 &&
	    info.reason[0] == '\0')))
		rc = 3;
	return rc;
}

static void where_another_filter_notifies(void **state)
{
	struct rig *r = *state;
	int status;
	pid_t pid;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	rig_run(r);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(child_under_a_filter(r));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		rig_skip(r, "no filter that notifies can be installed here");
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* While a guest runs in another thread; many times. */
static void fork_under_a_running_vcpu(void **state)
{
	struct rig *r = *state;
	static struct runner t;

	rig_untraced(r);
	rig_load(r, BLOB(c_spin));
	runner_init(&t, r, r->cpu, r->c);
	runner_start(&t);
	for (unsigned i = 0; i < 20; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			struct vmmctl_exit x;

			alarm(20);
			_exit(vmmctl_vcpu_run(r->cpu, r->c, &x) != -ECHILD);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_false(t.done);
	vmmctl_vcpu_kick(r->cpu);
	runner_join(&t);
	r->x = t.x;
	expect_exit(r, .kind = VMMCTL_EXIT_KICKED);
}

/* ---- the owner's end --------------------------------------------------- */

enum end { EXEC, EXIT, KILLED, KILLED_RUNNING, KILLED_AS_PARENT };

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
	if (end == KILLED_AS_PARENT)
		heir = fork();
	if (end == KILLED_AS_PARENT && heir == 0)
		for (;;)
			pause();
	(void)!write(ready, &heir, sizeof(heir));
	if (end == EXEC)
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

/* Our descendants but one, which have their time to go. */
static size_t others_than(pid_t pid)
{
	pid_t pids[16];
	size_t n = 0, left = 0;

	for (unsigned ms = 0; ms < PATIENCE_MS; ms += 10) {
		n = procs_below(getpid(), pids, 16);
		left = n;
		for (size_t k = 0; k < n && k < 16; k++)
			left -= pids[k] == pid;
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
	size_t left;
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
	if (end != EXEC && end != EXIT) {
		sleep_us(20000);
		kill(pid, SIGKILL);
	}
	if (end == EXEC) {
		/* sleep lives on; nothing of the machine does. */
		left = others_than(pid);
		assert_int_equal(procs_file_gone(r->fd, PATIENCE_MS), 0);
		assert_true(pipe_is_closed(held[0], PATIENCE_MS));
		for (unsigned i = 0; i < 300 && procs_fds(pid) > 3; i++)
			sleep_us(10000);
		rig_say("after exec: %u processes, %u descriptors",
		    (unsigned)left, (unsigned)procs_fds(pid));
		assert_int_equal(left, 0);
		kill(pid, SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (end == EXIT)
		assert_int_equal(status, 0);
	/* Its child has all that it had open, and lives. */
	left = others_than(heir);
	if (left != 0)
		rig_say("%u processes are left behind", (unsigned)left);
	if (heir != 0) {
		assert_int_equal(waitpid(heir, NULL, WNOHANG), 0);
		kill(heir, SIGKILL);
	}
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

/* ---- files, descriptors, processes ------------------------------------- */

static unsigned files_named_vmmctl(const char *dir)
{
	struct dirent *e;
	unsigned n = 0;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL)
		n += strstr(e->d_name, "vmmctl") != NULL;
	if (d != NULL)
		closedir(d);
	return n;
}

static unsigned not_close_on_exec(void)
{
	unsigned n = 0;

	for (int fd = 3; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags >= 0 && (flags & FD_CLOEXEC) == 0;
	}
	return n;
}

static void open_and_close_leak_nothing(void **state)
{
	struct rig *r = *state;
	size_t fds = 0, threads = 0;
	unsigned shm = files_named_vmmctl("/dev/shm");
	unsigned inherited = not_close_on_exec();
	uint64_t memory = 0;

	rig_untraced(r);
	vmmctl_close(r->v);
	r->v = NULL;
	for (unsigned i = 0; i < 25; i++) {
		struct vmmctl_machine *m;
		struct vmmctl_space *s;
		struct vmmctl_context *c;
		struct vmmctl_vcpu *cpu;
		struct vmmctl_exit x;

		assert_int_equal(vmmctl_open(backend_name(), &r->v, NULL, 0),
		    0);
		expect_rc(r, vmmctl_machine_create(r->v, NULL, &m), 0);
		expect_rc(r, vmmctl_memory_map(m, GPA, MEM_SIZE, r->fd, 0, 7),
		    0);
		expect_rc(r, vmmctl_space_create(m, &s), 0);
		expect_rc(r, vmmctl_space_map(s, CODE, PAGE, GPA, 5), 0);
		expect_rc(r, vmmctl_context_create(s, &c), 0);
		expect_rc(r, vmmctl_vcpu_create(m, &cpu), 0);
		memcpy(rig_gpa(r, GPA), "\x0f\x05", 2);
		vmmctl_context_regs(c)->rip = CODE;
		assert_int_equal(vmmctl_vcpu_run(cpu, c, &x), 0);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		assert_int_equal(not_close_on_exec(), inherited);
		vmmctl_close(r->v);
		r->v = NULL;
		assert_int_equal(procs_file_gone(r->fd, PATIENCE_MS), 0);
		if (i == 4) {
			fds = procs_fds(getpid());
			threads = procs_threads(getpid());
			memory = procs_memory(getpid());
		}
	}
	assert_int_equal(procs_fds(getpid()), fds);
	assert_int_equal(procs_threads(getpid()), threads);
	assert_int_equal(files_named_vmmctl("/dev/shm"), shm);
	assert_true(MEMORY_IS_KEPT ||
	    procs_memory(getpid()) < memory + 1024 * 1024);
}

/* In any order; a destroyed machine takes along what is in it. */
static void destroy_in_any_order(void **state)
{
	struct rig *r = *state;
	struct vmmctl_space *s = rig_space(r);
	struct vmmctl_context *c = rig_context(r, s);
	struct vmmctl_machine *m;
	struct vmmctl_exit x;

	rig_load(r, BLOB(c_calls));
	rig_run_on(r, r->cpu, c, &x);
	rig_run(r);
	vmmctl_vcpu_destroy(r->cpu);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(s), 0);
	expect_rc(r, vmmctl_vcpu_create(r->m, &r->cpu), 0);
	rig_run(r);
	expect_syscall(r);
	vmmctl_context_destroy(r->c);
	vmmctl_machine_destroy(r->m);
	expect_rc(r, vmmctl_machine_create(r->v, NULL, &m), 0);
	expect_rc(r, vmmctl_machine_create(r->v, NULL, &r->m), 0);
	vmmctl_machine_destroy(m);
	rig_untraced(r);
}

/* Two handles, two backends if need be: neither knows of the other. */
static void handles_are_apart(void **state)
{
	struct rig *r = *state;
	struct vmmctl *v;
	struct vmmctl_machine *m;
	char why[256];

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	rig_run(r);
	assert_int_equal(vmmctl_open(backend_name(), &v, NULL, 0), 0);
	assert_int_equal(vmmctl_machine_create(v, NULL, &m), 0);
	expect_rc(r, vmmctl_space_unmap(r->s, 1, 1), -EINVAL);
	assert_int_equal(vmmctl_error(v, why, sizeof(why)), 0);
	vmmctl_close(v);
	rig_run(r);
	expect_syscall(r);
}

/* ---- the process that the library is in -------------------------------- */

static void signals_and_children_are_the_callers(void **state)
{
	struct rig *r = *state;
	struct sigaction before[65], now;
	sigset_t mask, mask_now;
	int status;
	pid_t pid;

	rig_untraced(r);
	vmmctl_close(r->v);
	for (int sig = 1; sig < 65; sig++)
		sigaction(sig, NULL, &before[sig]);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	assert_int_equal(vmmctl_open(backend_name(), &r->v, NULL, 0), 0);
	expect_rc(r, vmmctl_machine_create(r->v, NULL, &r->m), 0);
	expect_rc(r, vmmctl_memory_map(r->m, GPA, MEM_SIZE, r->fd, 0,
	    VMMCTL_PROT_RWX), 0);
	r->s = rig_space(r);
	r->c = rig_context(r, r->s);
	r->regs = vmmctl_context_regs(r->c);
	expect_rc(r, vmmctl_vcpu_create(r->m, &r->cpu), 0);
	rig_load(r, BLOB(c_calls));
	rig_run(r);
	expect_syscall(r);
	for (int sig = 1; sig < 65; sig++) {
		if (sig == 32 || sig == 33)	/* libc's own */
			continue;
		sigaction(sig, NULL, &now);
		if (now.sa_handler != before[sig].sa_handler)
			rig_say("signal %d has another handler", sig);
		assert_ptr_equal(now.sa_handler, before[sig].sa_handler);
		assert_int_equal(now.sa_flags, before[sig].sa_flags);
	}
	pthread_sigmask(SIG_BLOCK, NULL, &mask_now);
	for (int sig = 1; sig < 65; sig++)
		assert_int_equal(sigismember(&mask, sig),
		    sigismember(&mask_now, sig));
	/* waitpid(-1) finds the caller's children only. */
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	pid = fork();
	if (pid == 0)
		_exit(7);
	assert_int_equal(waitpid(-1, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	rig_run(r);
	expect_syscall(r);
}

static volatile sig_atomic_t children;

static void on_child(int sig)
{
	(void)sig;
	children++;
}

static void no_child_signal_for_the_caller(void **state)
{
	struct rig *r = *state;
	struct sigaction sa = { .sa_handler = on_child }, old;

	rig_untraced(r);
	sigaction(SIGCHLD, &sa, &old);
	children = 0;
	rig_load(r, BLOB(c_calls));
	for (unsigned i = 0; i < 20; i++) {
		struct vmmctl_space *s = rig_space(r);
		struct vmmctl_context *c = rig_context(r, s);
		struct vmmctl_exit x;

		rig_run_on(r, r->cpu, c, &x);
		assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		vmmctl_context_destroy(c);
		expect_rc(r, vmmctl_space_destroy(s), 0);
	}
	vmmctl_close(r->v);
	r->v = NULL;
	assert_int_equal(procs_file_gone(r->fd, PATIENCE_MS), 0);
	sigaction(SIGCHLD, &old, NULL);
	assert_int_equal(children, 0);
}

/* The thread that made everything ends; the next one goes on. */
static void *make_machine(void *cookie)
{
	struct rig *r = cookie;

	r->s = NULL;
	if (vmmctl_machine_create(r->v, NULL, &r->m) != 0 ||
	    vmmctl_memory_map(r->m, GPA, MEM_SIZE, r->fd, 0, 7) != 0 ||
	    vmmctl_space_create(r->m, &r->s) != 0 ||
	    vmmctl_space_map(r->s, CODE, REGION, CODE_GPA, 5) != 0 ||
	    vmmctl_context_create(r->s, &r->c) != 0 ||
	    vmmctl_vcpu_create(r->m, &r->cpu) != 0)
		return r;
	r->regs = vmmctl_context_regs(r->c);
	rig_regs(r->regs);
	return vmmctl_vcpu_run(r->cpu, r->c, &r->x) != 0 ? r : NULL;
}

static void threads_come_and_go(void **state)
{
	struct rig *r = *state;
	pthread_t thread;
	void *bad;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	for (unsigned i = 0; i < 5; i++) {
		vmmctl_machine_destroy(r->m);
		assert_int_equal(pthread_create(&thread, NULL, make_machine,
		    r), 0);
		pthread_join(thread, &bad);
		assert_null(bad);
		expect_syscall(r);
		sleep_us(20000);
		for (unsigned n = 0; n < 20; n++) {
			rig_run(r);
			expect_syscall(r);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(fork_child_is_told),
		TEST(fork_child_opens_its_own),
		TEST(where_another_filter_notifies),
		TEST(fork_under_a_running_vcpu),
		TEST(exec_leaves_nothing),
		TEST(exit_leaves_nothing),
		TEST(death_leaves_nothing),
		TEST(death_in_run_leaves_nothing),
		TEST(death_before_a_child_leaves_nothing),
		TEST(open_and_close_leak_nothing),
		TEST(destroy_in_any_order),
		TEST(handles_are_apart),
		TEST(signals_and_children_are_the_callers),
		TEST(no_child_signal_for_the_caller),
		TEST(threads_come_and_go),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
