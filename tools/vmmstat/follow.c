/* SPDX-License-Identifier: BSD-2-Clause */
#include "choose.h"
#include "follow.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <sys/resource.h>

#define WHY_SIZE	256

size_t follow_sample(struct machines *set)
{
	char why[WHY_SIZE];
	size_t n = 0;

	for (size_t i = 0; i < set->count;) {
		struct machine *m = set->list[i];

		if (!m->chosen || m->page.fd < 0 ||
		    machine_sample(m, why, sizeof(why)) == 0) {
			n += m->chosen && m->page.fd >= 0;
			i++;
			continue;
		}
		warnx("%s: %s", m->id != NULL ? m->id : "?", why);
		machines_drop(set, i);
	}
	return n;
}

size_t follow_show(struct machines *set, struct output *out)
{
	struct machine **chosen = calloc(set->count + 1, sizeof(*chosen));
	size_t n = 0;

	if (chosen == NULL)
		err(EXIT_SYSTEM, NULL);
	machines_label(set);
	for (size_t i = 0; i < set->count; i++)
		if (set->list[i]->chosen)
			chosen[n++] = set->list[i];
	if (n > 0)
		output_show(out, chosen, n);
	free(chosen);
	return n;
}

void follow_raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int look(struct machines *set, const struct options *o)
{
	if (choose_only_paths(o))
		return 0;
	return machines_scan(set, o->pid_count > 0 ? MACHINES_PIDS :
	    MACHINES_ALL, o->pids, o->pid_count);
}

/* Machines that have ended were shown for the last time. */
static void drop_ended(struct machines *set, int tell)
{
	for (size_t i = 0; i < set->count;) {
		struct machine *m = set->list[i];

		if (!m->ended) {
			i++;
			continue;
		}
		if (tell && m->chosen)
			warnx("machine %s has ended",
			    m->id != NULL ? m->id : "?");
		machines_drop(set, i);
	}
}

/* Sleep until *next, and set it one step further. */
static void pace(struct timespec *next, uint64_t step_ns)
{
	next->tv_sec += (time_t)(step_ns / 1000000000u);
	next->tv_nsec += (long)(step_ns % 1000000000u);
	if (next->tv_nsec >= 1000000000) {
		next->tv_nsec -= 1000000000;
		next->tv_sec++;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) ==
	    EINTR)
		;
}

static int samples(struct machines *set, const struct options *o,
    struct output *out)
{
	int has_target = o->machine_count > 0 || o->pid_count > 0;
	struct timespec next;
	size_t n;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (uint64_t i = 1;; i++) {
		choose_mark(set, o);
		n = follow_sample(set);
		follow_show(set, out);
		if (i == o->samples)
			return n > 0 || i > 1 ? 0 : EXIT_NOTHING;
		drop_ended(set, 1);
		if (choose_mark(set, o) == 0 && has_target)
			return EXIT_ENDED;
		pace(&next, o->wait_ns);
		look(set, o);
	}
}

int follow(const struct options *o, struct output *out)
{
	struct machines set;
	int code, r;

	follow_raise_limit();
	machines_init(&set);
	code = choose_add_paths(&set, o);
	if (code == 0) {
		r = look(&set, o);
		if (choose_mark(&set, o) == 0)
			code = choose_complain(&set, o, r);
		else
			code = samples(&set, o, out);
	}
	machines_fini(&set);
	return code;
}
