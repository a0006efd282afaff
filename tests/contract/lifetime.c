// SPDX-License-Identifier: BSD-2-Clause
/*
 * What destroying leaves behind; what the library must not do to the process
 * that it is in.
 */
#include "procs.h"
#include "runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

GUEST(c_calls);

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
