// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork: what a child may do with what it inherits, that it can have its own,
 * and what its parent's vCPUs feel of it.
 */
#include "runner.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

GUEST(c_calls);
GUEST(c_spin);

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(fork_child_is_told),
		TEST(fork_child_opens_its_own),
		TEST(where_another_filter_notifies),
		TEST(fork_under_a_running_vcpu),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
