// SPDX-License-Identifier: BSD-2-Clause
/*
 * ends.c - machines whose process is killed, execs, exits, or closes what is
 * in use, in any order: nothing of them is left.
 */
#include "live.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* A child that runs guests, told apart from this program by its arguments. */
static void run_guests(void)
{
	struct guest g;
	struct vcpu v[3];
	unsigned i;

	guest_start(&g, 8 * MIB, MAP_PRIVATE);
	for (i = 0; i < 3; i++) {
		vcpu_start(&v[i], &g, i, i == 0 ? DO_SPIN : DO_TOUCH);
		vcpu_go(&v[i]);
	}
}

static pid_t guests_in_child(void (*then)(void))
{
	int p[2];
	char c;
	pid_t child;

	must(pipe(p));
	child = fork();
	if (child == 0) {
		run_guests();
		assert_int_equal(write(p[1], "x", 1), 1);
		if (then != NULL)
			then();
		for (;;)
			pause();
	}
	must(child);
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	close(p[0]);
	return child;
}

static void killed(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		pid_t child = guests_in_child(NULL);
		int status;

		usleep(i * 3000);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		expect_nothing_lives();
	}
}

static void killed_together(void **state)
{
	pid_t child[4];
	unsigned i, n;

	(void)state;
	for (n = 0; n < 3; n++) {
		for (i = 0; i < 4; i++)
			child[i] = guests_in_child(NULL);
		for (i = 0; i < 4; i++)
			kill(child[i], SIGKILL);
		for (i = 0; i < 4; i++)
			assert_int_equal(waitpid(child[i], NULL, 0), child[i]);
		expect_nothing_lives();
	}
}

/* Also while they are made: nobody waits until they run. */
static void killed_at_any_moment(void **state)
{
	pid_t child[10];
	unsigned i, n;

	(void)state;
	for (n = 0; n < 10; n++) {
		for (i = 0; i < 10; i++) {
			child[i] = fork();
			if (child[i] == 0) {
				run_guests();
				for (;;)
					pause();
			}
			must(child[i]);
			usleep((unsigned)rand() % 2000);
			if (i % 2 == 0)
				kill(child[i], SIGKILL);
		}
		for (i = 1; i < 10; i += 2) {
			usleep((unsigned)rand() % 10000);
			kill(child[i], SIGKILL);
		}
		for (i = 0; i < 10; i++)
			assert_int_equal(waitpid(child[i], NULL, 0), child[i]);
		expect_nothing_lives();
	}
}

static void exit_now(void)
{
	_exit(0);
}

static void exec_true(void)
{
	execl("/proc/self/exe", "ends", "nothing", (char *)NULL);
	_exit(1);
}

static void ends_well(void (*how)(void))
{
	unsigned i;

	for (i = 0; i < 5; i++) {
		pid_t child = guests_in_child(how);
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		expect_nothing_lives();
	}
}

static void exits(void **state)
{
	(void)state;
	ends_well(exit_now);
}

static void execs(void **state)
{
	(void)state;
	ends_well(exec_true);
}

/* Descriptors that survive exec are of no use, and keep no memory. */
static int heir(int machine, int vcpu)
{
	struct vmm_context context = { 0 };
	int bad = 0;

	bad += ioctl(vcpu, VMM_RUN) != -1 || errno != EIO;
	bad += ioctl(vcpu, VMM_KICK) != -1 || errno != EIO;
	bad += ioctl(machine, VMM_CONTEXT_CREATE, &context) != -1 ||
	    errno != EIO;
	bad += mmap(NULL, PAGE, PROT_READ, MAP_SHARED, vcpu, 0) !=
	    MAP_FAILED || errno != EIO;
	return bad;
}

static void inherited_by_exec(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		int machine = machine_create(), vcpu = vcpu_create(machine, 0);
		char a[12], b[12];

		fcntl(machine, F_SETFD, 0);
		fcntl(vcpu, F_SETFD, 0);
		snprintf(a, sizeof(a), "%d", machine);
		snprintf(b, sizeof(b), "%d", vcpu);
		execl("/proc/self/exe", "ends", a, b, (char *)NULL);
		_exit(100);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect_nothing_lives();
}

/*
 * A child of the owner's has the descriptors, and lives on: they are of no use
 * to it, before and after; what they hold is there until it closes them.
 */
static int outlive(int machine, int vcpu, int owner)
{
	struct vmm_context context = { 0 };
	int bad = 0;
	char c;

	bad += ioctl(vcpu, VMM_RUN) != -1 || errno != EPERM;
	bad += write(owner, "x", 1) != 1;
	/* Nobody writes: it is the owner's end that ends it. */
	bad += read(owner, &c, 1) != 0;
	bad += ioctl(vcpu, VMM_RUN) != -1 || errno != EIO;
	bad += ioctl(vcpu, VMM_KICK) != -1 || errno != EIO;
	bad += ioctl(machine, VMM_CONTEXT_CREATE, &context) != -1 ||
	    errno != EIO;
	bad += device_info().live_machines != 1;
	bad += device_info().live_vcpus != 1;
	return bad;
}

static void own_and_fork(void)
{
	struct guest g;
	struct vcpu v;
	int s[2];
	char c;
	pid_t child;

	guest_start(&g, 8 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	vcpu_go(&v);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	child = fork();
	if (child == 0) {
		close(s[1]);
		_exit(outlive(g.machine, v.fd, s[0]));
	}
	must(child);
	close(s[0]);
	assert_int_equal(read(s[1], &c, 1), 1);
	kill(getpid(), SIGKILL);
}

static void outlived_by_a_child(void **state)
{
	unsigned i;
	int status;

	(void)state;
	/* Orphans become this process's. */
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (i = 0; i < 10; i++) {
		pid_t owner = fork();

		if (owner == 0)
			own_and_fork();
		must(owner);
		assert_int_equal(waitpid(owner, &status, 0), owner);
		assert_true(WIFSIGNALED(status));
		must(waitpid(-1, &status, 0));
		assert_int_equal(status, 0);
		expect_nothing_lives();
	}
	must(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

/* A run goes on without its descriptors, and can be ended by a signal. */
static void nothing(int signal)
{
	(void)signal;
}

static void closed_in_use(void **state)
{
	struct sigaction action = { .sa_handler = nothing };
	struct guest g;
	struct vcpu v;
	unsigned i;

	(void)state;
	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < 10; i++) {
		guest_start(&g, 4 * MIB, MAP_PRIVATE);
		vcpu_start(&v, &g, 0, i % 2 == 0 ? DO_SPIN : DO_TOUCH);
		vcpu_go(&v);
		while (__atomic_load_n(&v.page->commit, __ATOMIC_RELAXED) != 0)
			usleep(100);
		close(g.machine);
		close(v.fd);
		munmap((void *)(uintptr_t)v.counters, PAGE);
		assert_int_equal(device_info().live_vcpus, 1);
		v.stop = true;
		pthread_kill(v.thread, SIGUSR1);
		pthread_join(v.thread, NULL);
		munmap(v.page, PAGE);
		munmap(g.memory, g.size);
		expect_nothing_lives();
	}
}

/* What keeps parts of a machine, let go of in one order. */
#define PARTS	6u

static void let_go(struct guest *g, struct vcpu v[2], unsigned part)
{
	switch (part) {
	case 0:
		close(g->machine);
		break;
	case 1:
		munmap(g->memory, g->size);
		break;
	case 2:
	case 3:
		close(v[part - 2].fd);
		break;
	default:
		munmap(v[part - 4].page, PAGE);
		munmap((void *)(uintptr_t)v[part - 4].counters, PAGE);
		break;
	}
}

/* The next order of n parts, as a dictionary has them. */
static bool next_order(uint8_t *order, unsigned n)
{
	unsigned i = n - 1, k = n - 1;
	uint8_t t;

	while (i > 0 && order[i - 1] >= order[i])
		i--;
	if (i == 0)
		return false;
	while (order[k] <= order[i - 1])
		k--;
	t = order[i - 1];
	order[i - 1] = order[k];
	order[k] = t;
	for (k = n - 1; i < k; i++, k--) {
		t = order[i];
		order[i] = order[k];
		order[k] = t;
	}
	return true;
}

static void in_any_order(void **state)
{
	uint8_t order[PARTS] = { 0, 1, 2, 3, 4, 5 };
	unsigned i, n = 0;

	(void)state;
	do {
		struct vcpu v[2];
		struct guest g;

		guest_start(&g, 4 * MIB, MAP_PRIVATE);
		g.memory[DO_SPIN] = 0xcc;	/* int3 */
		for (i = 0; i < 2; i++) {
			vcpu_start(&v[i], &g, i, DO_SPIN);
			must(ioctl(v[i].fd, VMM_RUN));
			assert_int_equal(v[i].page->exit.kind,
			    VMM_EXIT_EXCEPTION);
		}
		for (i = 0; i < PARTS; i++)
			let_go(&g, v, order[i]);
		expect_nothing_lives();
		n++;
	} while (next_order(order, PARTS));
	assert_int_equal(n, 720);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest ends[] = {
		cmocka_unit_test(killed),
		cmocka_unit_test(killed_together),
		cmocka_unit_test(killed_at_any_moment),
		cmocka_unit_test(exits),
		cmocka_unit_test(execs),
		cmocka_unit_test(inherited_by_exec),
		cmocka_unit_test(outlived_by_a_child),
		cmocka_unit_test(closed_in_use),
		cmocka_unit_test(in_any_order),
	};

	if (argc == 2)
		return 0;
	if (argc == 3)
		return heir(atoi(argv[1]), atoi(argv[2]));
	return RUN(ends);
}
