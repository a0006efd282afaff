// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm.c - the device against processes that try everything at once, and are
 * killed meanwhile: storm [SECONDS [SEED]]; or $STORM_SECONDS.
 *
 * A round is a few processes of some threads each (storm_ops.c), for less than
 * a second; beside half of them a good guest runs.  Afterwards nothing may be
 * left, and a good guest has to run as ever.  What the kernel says of it is
 * looked at by tests/lab.  Rounds have numbers that follow each other as seeds:
 * a round can be had again, but for the order of its threads.
 */
#include "live.h"
#include "storm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define PROCESSES	3u
#define THREADS		4u
#define SECONDS		30u
/* From so many on each operation is to have succeeded at least once. */
#define ENOUGH		20000u
/* Nanoseconds after its deadline that a run may end: the whole emulator may be
 * waiting for a processor. */
#define LATE		5000000000u

static uint64_t seconds = SECONDS, seed;

/* ---- a process ---- */

static void *thread(void *cookie)
{
	storm_seed(*(const uint64_t *)cookie);
	for (;;)
		storm_operate();
	return NULL;
}

/* The others of this process, and other processes, may have all the memory for
 * a moment. */
static void start(pthread_t *t, uint64_t *mine)
{
	int tries, error = EAGAIN;

	for (tries = 0; error == EAGAIN && tries < 500; tries++) {
		error = pthread_create(t, NULL, thread, mine);
		if (error == EAGAIN)
			usleep(10000);
	}
	if (error != 0) {
		print_error("pthread_create: %s\n", strerror(error));
		_exit(STORM_SETUP);
	}
}

/* Its first thread interrupts the others, or a run might not end. */
static void owner(uint64_t mine, const struct guest *g, const struct vcpu *v)
{
	pthread_t threads[THREADS];
	uint64_t seeds[THREADS];
	uint32_t i, n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	storm_seed(mine);
	n = 2 + storm_below(THREADS - 1);
	storm_begin(g->machine, v->fd);
	for (i = 0; i < n; i++) {
		seeds[i] = storm_any();
		start(&threads[i], &seeds[i]);
	}
	for (;;) {
		usleep(storm_below(3000));
		pthread_kill(threads[storm_below(n)], SIGUSR1);
	}
}

/* After exec: with what has not been closed by that. */
static int heir(void)
{
	struct vmm_context context = { 0 };
	int fd;

	for (fd = 3; fd < 64; fd++) {
		(void)ioctl(fd, VMM_RUN);
		(void)ioctl(fd, VMM_KICK);
		(void)ioctl(fd, VMM_CONTEXT_CREATE, &context);
		(void)vcpu_create(fd, 0);
		close(fd);
	}
	return 0;
}

/* ---- a round ---- */

/* All that descend from here: they were killed, or ended by themselves. */
static void reap(void)
{
	static const char *const wrongs[] = {
		[STORM_ERRNO - STORM_ERRNO] = "an errno of the kernel's own",
		[STORM_REGISTERS - STORM_ERRNO] = "VMM_RUN changed XMM15",
		[STORM_FAULT - STORM_ERRNO] = "a fault where none can be",
		[STORM_SETUP - STORM_ERRNO] = "a process cannot begin",
	};
	int status, code;

	while (wait(&status) > 0) {
		if (status == 0 || (WIFSIGNALED(status) &&
		    WTERMSIG(status) == SIGKILL))
			continue;
		code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		if (code == STORM_FAULT)
			print_message("# signal %llu for %llx, by %llx\n",
			    (unsigned long long)storm_counts->fault_signal,
			    (unsigned long long)storm_counts->fault_at,
			    (unsigned long long)storm_counts->fault_ip);
		if (code >= STORM_ERRNO && code <= STORM_SETUP)
			fail_msg("%s", wrongs[code - STORM_ERRNO]);
		fail_msg("a process ended with status %#x", (unsigned)status);
	}
}

/* Processors that go, when there is more than one. */
static void move_processors(void)
{
	static const char online[] = "/sys/devices/system/cpu/cpu1/online";

	if (!file_write(online, "0"))
		return;
	usleep(storm_below(30000));
	(void)file_write(online, "1");
}

static void storm(const struct guest *g, const struct vcpu *v)
{
	const uint32_t n = 1 + storm_below(PROCESSES);
	pid_t children[PROCESSES];
	uint32_t i;

	for (i = 0; i < n; i++) {
		const uint64_t theirs = storm_any();

		children[i] = fork();
		if (children[i] == 0)
			owner(theirs, g, v);
		must(children[i]);
	}
	usleep(storm_below(200000));
	if (storm_below(4) == 0)
		move_processors();
	for (i = 0; i < n; i++) {
		usleep(storm_below(400000));
		kill(children[i], SIGKILL);
	}
	reap();
}

static void good_guest_runs(void)
{
	struct guest g;
	struct vcpu v;
	uint64_t end, deadline, now;

	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	end = now_ns() + 10000000000u;
	do {
		deadline = now_ns() + 20000000;
		v.page->deadline = deadline;
		must(ioctl(v.fd, VMM_RUN));
		assert_int_equal(v.page->exit.kind, VMM_EXIT_DEADLINE);
		/* On whichever processor that has been off line since. */
		now = now_ns();
		assert_true(now >= deadline);
		assert_true(now - deadline < LATE);
	} while (v.page->regs.rax == 0 && now_ns() < end);
	assert_true(v.page->regs.rax != 0);
	guest_expect_sums(&g, &v);
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

/* Alone, the storm also turns virtualisation on and off. */
static void one_round(bool with_neighbour)
{
	const struct vmm_enable enable = { .enable = 1 };
	struct guest g = { .machine = -1 };
	struct vcpu v = { .fd = -1 };

	if (with_neighbour) {
		guest_start(&g, 4 * MIB, MAP_PRIVATE);
		vcpu_start(&v, &g, 0, DO_TOUCH);
		vcpu_go(&v);
	}
	storm(&g, &v);
	if (with_neighbour) {
		vcpu_join(&v);
		guest_expect_sums(&g, &v);
		vcpu_end(&v);
		guest_end(&g);
	}
	expect_nothing_lives();
	if (geteuid() == 0)
		must(ioctl(device, VMM_ENABLE, &enable));
	good_guest_runs();
}

static void tell(uint64_t rounds)
{
	const struct storm_counts *c = storm_counts;
	unsigned i;

	print_message("# %llu rounds, %llu faults\n",
	    (unsigned long long)rounds, (unsigned long long)c->faults);
	for (i = 0; storm_name(i) != NULL; i++)
		print_message("# %-16s %8llu of %8llu\n", storm_name(i),
		    (unsigned long long)c->done[i],
		    (unsigned long long)c->tried[i]);
	for (i = 0; i < STORM_KINDS; i++)
		print_message("# exits of kind %u: %llu\n", i,
		    (unsigned long long)c->exits[i]);
}

static uint64_t operations(void)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; storm_name(i) != NULL; i++)
		sum += storm_counts->tried[i];
	return sum;
}

static void device_survives(void **state)
{
	const uint64_t end = now_ns() + seconds * 1000000000u;
	uint64_t n;
	unsigned i;

	(void)state;
	/* What children leave behind is to be waited for, too. */
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (n = 0; now_ns() < end; n++) {
		if (n % 20 == 0)
			print_message("# seed %llu\n",
			    (unsigned long long)(seed + n));
		storm_seed(seed + n);
		one_round((seed + n) % 2 != 0);
	}
	tell(n);
	if (operations() < ENOUGH)
		return;
	for (i = 0; storm_name(i) != NULL; i++)
		if (storm_counts->done[i] == 0)
			fail_msg("%s has never succeeded", storm_name(i));
	assert_true(storm_counts->exits[VMM_EXIT_EXCEPTION] != 0);
	assert_true(storm_counts->exits[VMM_EXIT_INTERRUPTED] != 0);
	assert_true(storm_counts->exits[VMM_EXIT_DEADLINE] != 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest storm_tests[] = {
		cmocka_unit_test(device_survives),
	};

	if (argc == 2 && strcmp(argv[1], "heir") == 0)
		return heir();
	if (argc > 1)
		seconds = strtoull(argv[1], NULL, 0);
	else if (getenv("STORM_SECONDS") != NULL)
		seconds = strtoull(getenv("STORM_SECONDS"), NULL, 0);
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : now_ns() % 1000000;
	storm_counts = mmap(NULL, sizeof(*storm_counts),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (storm_counts == MAP_FAILED)
		return 1;
	return RUN(storm_tests);
}
