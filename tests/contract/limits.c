// SPDX-License-Identifier: BSD-2-Clause
/*
 * An owner that may have few descriptors, or few processes: what fails says
 * so, leaves nothing behind, and works when the limit is raised.
 */
#include "procs.h"
#include "runner.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

GUEST_ONE(x_syscall);

#define PATIENCE_MS	10000u
#define VCPUS		2u

/* All that an owner makes. */
struct all {
	struct vmmctl *v;
	int fd;			/* its memory */
	struct vmmctl_machine *m;
	bool mapped;
	struct vmmctl_space *s;
	struct vmmctl_context *c[VCPUS];
	struct vmmctl_vcpu *cpu[VCPUS];
};

static int make_space(struct all *a)
{
	int rc = 0;

	if (!a->mapped)
		rc = vmmctl_memory_map(a->m, GPA, MEM_SIZE, a->fd, 0,
		    VMMCTL_PROT_RWX);
	if (rc != 0)
		return rc;
	a->mapped = true;
	if (a->s == NULL)
		rc = vmmctl_space_create(a->m, &a->s);
	return rc != 0 ? rc : vmmctl_space_map(a->s, CODE, REGION, CODE_GPA,
	    VMMCTL_PROT_RX);
}

static int make_vcpu(struct all *a, unsigned i)
{
	struct vmmctl_exit x;
	int rc = 0;

	if (a->c[i] == NULL)
		rc = vmmctl_context_create(a->s, &a->c[i]);
	if (rc == 0 && a->cpu[i] == NULL)
		rc = vmmctl_vcpu_create(a->m, &a->cpu[i]);
	if (rc != 0)
		return rc;
	rig_regs(vmmctl_context_regs(a->c[i]));
	rc = vmmctl_vcpu_run(a->cpu[i], a->c[i], &x);
	return rc != 0 ? rc : x.kind == VMMCTL_EXIT_SYSCALL ? 0 : -EPROTO;
}

/* What there is not yet: 0, or what the first call that fails returns. */
static int make_all(struct all *a)
{
	int rc = 0;

	if (a->m == NULL)
		rc = vmmctl_machine_create(a->v, NULL, &a->m);
	if (rc == 0)
		rc = make_space(a);
	for (unsigned i = 0; i < VCPUS && rc == 0; i++)
		rc = make_vcpu(a, i);
	return rc;
}

/* And more memory, which has descriptors of its own in other processes. */
static int make_more(struct all *a)
{
	int rc = make_all(a);

	for (uint64_t i = 1; i <= 8 && rc == 0; i++)
		rc = vmmctl_memory_map(a->m, GPA + i * MEM_SIZE, MEM_SIZE,
		    a->fd, 0, VMMCTL_PROT_RWX);
	return rc != 0 ? rc : make_all(a);
}

/*
 * Once under the limit, and what failed again without it.  0: it works;
 * 1: it said in a clear way why not, and worked then; -1: otherwise.
 */
static int try_limit(struct vmmctl *v, int fd, int which,
    const struct rlimit *few, const struct rlimit *many)
{
	struct all a = { .v = v, .fd = fd };
	size_t fds = procs_fds(getpid()), gone;
	char why[512] = "";
	int rc, again;

	setrlimit(which, few);
	rc = make_all(&a);
	vmmctl_error(v, why, sizeof(why));
	setrlimit(which, many);
	again = make_more(&a);
	vmmctl_machine_destroy(a.m);
	/* They count until somebody has asked: as_another_user(). */
	while (waitpid(-1, NULL, 0) > 0)
		;
	gone = procs_file_gone(fd, PATIENCE_MS);
	if (again == 0 && gone == 0 && procs_fds(getpid()) == fds &&
	    (rc == 0 || ((rc == -EMFILE || rc == -EAGAIN || rc == -ENOMEM) &&
	    why[0] != '\0')))
		return rc != 0;
	rig_say("limit %llu: %d, \"%s\"; then %d; %u processes and %d "
	    "descriptors are left", (unsigned long long)few->rlim_cur, rc,
	    why, again, (unsigned)gone, (int)(procs_fds(getpid()) - fds));
	return -1;
}

/* From few to as many as it takes: how many were too few, or -1. */
static int raise_limit(struct vmmctl *v, int fd, int which, unsigned first,
    const struct rlimit *many)
{
	struct rlimit few = *many;

	for (few.rlim_cur = first; few.rlim_cur < 100; few.rlim_cur++) {
		int r = try_limit(v, fd, which, &few, many);

		if (r < 0)
			return r;
		if (r == 0)
			return (int)(few.rlim_cur - first);
	}
	rig_say("a limit of 100 is not enough");
	return -1;
}

static int memory(void)
{
	int fd = memfd_create("limits-test", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)MEM_SIZE), 0);
	assert_int_equal(pwrite(fd, BLOB(x_syscall).start, 2,
	    CODE_GPA - GPA), 2);
	return fd;
}

static void few_descriptors(void **state)
{
	struct rig *r = *state;
	struct rlimit many;
	int n;

	r->fd = memory();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &many), 0);
	/* Below 3 there are the standard ones. */
	n = raise_limit(r->v, r->fd, RLIMIT_NOFILE, 3, &many);
	rig_say("works with a limit of %d descriptors, %u of them in use "
	    "before", n + 3, (unsigned)procs_fds(getpid()));
	assert_true(n > 0);
}

/* More spaces than processes for them: the least used give theirs up. */
static void many_spaces_few_descriptors(void **state)
{
	enum { SPACES = 40 };
	struct rig *r = *state;
	struct vmmctl_context *c[SPACES];
	struct rlimit old, few;
	int rc[2 * SPACES];

	rig_untraced(r);
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
	for (unsigned i = 0; i < SPACES; i++)
		c[i] = rig_context(r, rig_space(r));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = procs_fds(getpid()) + 8;
	setrlimit(RLIMIT_NOFILE, &few);
	for (unsigned i = 0; i < 2 * SPACES; i++) {
		rig_regs(vmmctl_context_regs(c[i % SPACES]));
		rc[i] = rig_enter(r->cpu, c[i % SPACES], &r->x);
		if (rc[i] == 0 && r->x.kind != VMMCTL_EXIT_SYSCALL)
			rc[i] = -EPROTO;
	}
	setrlimit(RLIMIT_NOFILE, &old);
	for (unsigned i = 0; i < 2 * SPACES; i++)
		assert_int_equal(rc[i], 0);
}

/* ---- processes ---------------------------------------------------------- */

/* A user of whom there is no other process. */
#define NOBODY_ELSE	60000u
/* What the child ends with. */
enum { GOOD, BAD, NO_USER, NO_LIMIT, NO_BACKEND };

static int as_another_user(void)
{
	struct rlimit old, none;
	pid_t pid;
	uid_t user = NOBODY_ELSE + (uid_t)getpid() % 4000;

	if (setresgid(user, user, user) != 0 ||
	    setresuid(user, user, user) != 0)
		return NO_USER;
	/* What has changed its user may not be traced otherwise. */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	getrlimit(RLIMIT_NPROC, &old);
	none = old;
	none.rlim_cur = 1;
	setrlimit(RLIMIT_NPROC, &none);
	pid = fork();
	if (pid == 0)
		_exit(0);
	setrlimit(RLIMIT_NPROC, &old);
	if (pid < 0)
		return GOOD;
	waitpid(pid, NULL, 0);
	return NO_LIMIT;
}

static int without_processes(int fd)
{
	struct rlimit many, few;
	char why[256] = "";
	struct vmmctl *v;
	int rc = as_another_user(), n;

	if (rc != GOOD)
		return rc;
	if (vmmctl_open(backend_name(), &v, why, sizeof(why)) != 0) {
		rig_say("open: %s", why);
		return NO_BACKEND;
	}
	getrlimit(RLIMIT_NPROC, &many);
	n = raise_limit(v, fd, RLIMIT_NPROC, 1, &many);
	vmmctl_close(v);
	if (n < 0)
		return BAD;
	rig_say("works with a limit of %d processes, this one among them",
	    n + 1);
	if (n == 0)
		return GOOD;
	/* To open it, too: not as the slower variant. */
	few = many;
	few.rlim_cur = 1;
	setrlimit(RLIMIT_NPROC, &few);
	rc = vmmctl_open("proc", &v, why, sizeof(why));
	setrlimit(RLIMIT_NPROC, &many);
	if (rc == -EAGAIN && why[0] != '\0')
		return GOOD;
	rig_say("open without processes: %d, \"%s\"", rc, why);
	return BAD;
}

static void few_processes(void **state)
{
	struct rig *r = *state;
	int status;
	pid_t pid;

	r->fd = memory();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(100);
		_exit(without_processes(r->fd));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	switch (WEXITSTATUS(status)) {
	case NO_USER:
		rig_skip(r, "not root: other processes of this user count");
	case NO_LIMIT:
		rig_skip(r, "the host does not limit this user's processes");
	case NO_BACKEND:
		rig_skip(r, "another user cannot open the backend");
	default:
		assert_int_equal(WEXITSTATUS(status), GOOD);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST_OPEN(few_descriptors),
		TEST(many_spaces_few_descriptors),
		TEST_OPEN(few_processes),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
