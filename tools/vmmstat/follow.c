/* SPDX-License-Identifier: BSD-2-Clause */
#include "choose.h"
#include "follow.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <sys/resource.h>

#define WHY_SIZE	256
#define NS_PER_S	1000000000u

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

int follow_check_filter(const struct machines *set, const struct options *o)
{
	size_t chosen = 0;

	if (!o->has_filter)
		return 0;
	for (size_t i = 0; i < set->count; i++) {
		const struct machine *m = set->list[i];

		if (m->chosen && output_has_any(o, &m->page))
			return 0;
		chosen += m->chosen != 0;
	}
	if (chosen == 0)
		return 0;
	warnx("-f %s: matches no %s: vmmstat %s-a lists them", o->filter_text,
	    o->view == VIEW_EXITS ? "exit" : "counter",
	    o->view == VIEW_EXITS ? "-e " : "");
	return EXIT_NOTHING;
}

void follow_raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void look(struct machines *set, const struct options *o)
{
	if (choose_only_paths(o))
		return;
	machines_scan(set, o->pid_count > 0 ? MACHINES_PIDS :
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

/* Is there a chosen machine whose process still is? */
static int somebody_is_left(const struct machines *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct machine *m = set->list[i];

		if (m->chosen && (m->from_path || kill(m->pid, 0) == 0 ||
		    errno != ESRCH))
			return 1;
	}
	return 0;
}

/*
 * Sleep until *next, and set it one step further.  When there is a target,
 * its end cuts a long wait short.
 */
static void pace(uint64_t *next, uint64_t step_ns,
    const struct machines *target)
{
	uint64_t now = clock_mono_ns();

	*next += step_ns;
	/* After a stop there is nothing to catch up with. */
	if (now > *next)
		*next = now;
	while (now < *next && (target == NULL || somebody_is_left(target))) {
		uint64_t left = *next - now;
		uint64_t nap = left < NS_PER_S ? left : NS_PER_S;
		struct timespec ts = {
			(time_t)(nap / NS_PER_S), (long)(nap % NS_PER_S)
		};

		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		now = clock_mono_ns();
	}
}

static int samples(struct machines *set, const struct options *o,
    struct output *out)
{
	int has_target = o->machine_count > 0 || o->pid_count > 0;
	uint64_t next = clock_mono_ns();
	size_t n;
	int code;

	for (uint64_t i = 1;; i++) {
		choose_mark(set, o);
		n = follow_sample(set);
		code = i == 1 ? follow_check_filter(set, o) : 0;
		if (code != 0)
			return code;
		follow_show(set, out);
		if (i == o->samples)
			return n > 0 || i > 1 ? 0 : EXIT_NOTHING;
		drop_ended(set, 1);
		if (choose_mark(set, o) == 0 && has_target)
			return EXIT_ENDED;
		pace(&next, o->wait_ns, has_target ? set : NULL);
		look(set, o);
	}
}

int follow(const struct options *o, struct output *out)
{
	struct machines set;
	int code;

	follow_raise_limit();
	machines_init(&set);
	set.device = choose_wants_device(o);
	code = choose_add_paths(&set, o);
	if (code == 0) {
		look(&set, o);
		choose_mark(&set, o);
		code = choose_check(&set, o);
	}
	if (code == 0)
		code = samples(&set, o, out);
	machines_fini(&set);
	return code;
}
