/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counting over a command: its machines and those of its descendants are
 * sought again and again while it runs.  A page that was found once is kept
 * open, so that it can be read when everybody else is gone.
 */
#include "choose.h"
#include "follow.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#define STATUS_CANNOT_RUN	126
#define STATUS_NOT_FOUND	127
#define STATUS_SIGNAL		128

/*
 * How long to wait between two looks: so long that looking takes no more than
 * a 20th of a processor.  A command may be over in no time: at first, look
 * harder.
 */
#define STEP_MIN_NS		1000000u
#define STEP_MAX_NS		100000000u
#define STEP_FACTOR		20u
#define EAGER_NS		200000000u
#define EAGER_STEP_NS		50000u

/* What the command inherits as it was. */
struct inherited {
	sigset_t mask;
	void (*on_int)(int), (*on_quit)(int);
};

static pid_t start(char **argv, const struct inherited *old)
{
	pid_t pid = fork();

	if (pid < 0)
		err(EXIT_SYSTEM, "fork");
	if (pid > 0)
		return pid;
	signal(SIGINT, old->on_int);
	signal(SIGQUIT, old->on_quit);
	sigprocmask(SIG_SETMASK, &old->mask, NULL);
	execvp(argv[0], argv);
	warn("%s", argv[0]);
	_exit(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

/* Reap what has ended; 1 when the command has, and *status is its own. */
static int reap(pid_t command, int *status)
{
	int done = 0, s;
	pid_t pid;

	while ((pid = waitpid(-1, &s, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		*status = WIFSIGNALED(s) ? STATUS_SIGNAL + WTERMSIG(s) :
		    WEXITSTATUS(s);
		done = 1;
	}
	return done;
}

/* Machines that have ended need no descriptor any more. */
static void read_last(struct machines *set)
{
	char why[256];

	for (size_t i = 0; i < set->count;) {
		struct machine *m = set->list[i];

		if (m->ended && m->page.fd >= 0) {
			if (machine_sample(m, why, sizeof(why)) < 0) {
				warnx("%s: %s", m->id != NULL ? m->id : "?",
				    why);
				machines_drop(set, i);
				continue;
			}
			machine_freeze(m);
		}
		i++;
	}
}

/* What this process has had of a processor: on a busy one, less than time. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t step(uint64_t age_ns, uint64_t cost_ns)
{
	uint64_t ns = cost_ns * STEP_FACTOR;

	if (age_ns < EAGER_NS)
		return EAGER_STEP_NS;
	if (ns < STEP_MIN_NS)
		return STEP_MIN_NS;
	return ns < STEP_MAX_NS ? ns : STEP_MAX_NS;
}

static void watch(struct machines *set, pid_t command,
    const sigset_t *wanted, int *status)
{
	uint64_t begin = clock_mono_ns();

	do {
		uint64_t spent = cpu_ns();
		struct timespec ts = { 0, 0 };
		int sig;

		machines_scan(set, MACHINES_DESCENDANTS, NULL, 0);
		read_last(set);
		ts.tv_nsec = (long)step(clock_mono_ns() - begin,
		    cpu_ns() - spent);
		/* The command's end cuts the wait short; what is to end us is
		 * for the command. */
		sig = sigtimedwait(wanted, NULL, &ts);
		if (sig == SIGTERM || sig == SIGHUP)
			kill(command, sig);
	} while (!reap(command, status));
}

static void prepare(sigset_t *wanted, struct inherited *old)
{
	/* Daemons of the command stay our descendants. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* What the terminal sends is for the command. */
	old->on_int = signal(SIGINT, SIG_IGN);
	old->on_quit = signal(SIGQUIT, SIG_IGN);
	/* It may be ignored by inheritance; then there was nothing to reap. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(wanted);
	sigaddset(wanted, SIGCHLD);
	sigaddset(wanted, SIGTERM);
	sigaddset(wanted, SIGHUP);
	sigprocmask(SIG_BLOCK, wanted, &old->mask);
}

int follow_command(const struct options *o, struct output *out)
{
	struct machines set;
	struct inherited old;
	sigset_t wanted;
	int status = 0, code;
	size_t shown = 0;
	pid_t command;

	machines_init(&set);
	set.device = choose_wants_device(o);
	prepare(&wanted, &old);
	command = start(o->command, &old);
	follow_raise_limit();
	watch(&set, command, &wanted, &status);
	choose_mark(&set, o);
	follow_sample(&set);
	code = follow_check_filter(&set, o);
	if (code == 0)
		shown = follow_show(&set, out);
	if (code == 0 && status == 0)
		code = choose_check_names(&set, o);
	if (code == 0 && status == 0 && shown == 0) {
		warnx("%s made no machine", o->command[0]);
		code = EXIT_NOTHING;
	}
	machines_fini(&set);
	if (code == 0)
		code = out->code;
	return status != 0 ? status : code;
}
