/* SPDX-License-Identifier: BSD-2-Clause */
#include "choose.h"
#include "scan.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sys/stat.h>

static int is_device(const char *machine)
{
	return strncmp(machine, MACHINE_DEVICE, strlen(MACHINE_DEVICE)) == 0;
}

int choose_wants_device(const struct options *o)
{
	for (size_t i = 0; i < o->machine_count; i++)
		if (is_device(o->machines[i].name))
			return 1;
	return o->device || o->view == VIEW_LIST;
}

int choose_only_paths(const struct options *o)
{
	for (size_t i = 0; i < o->machine_count; i++)
		if (!o->machines[i].is_file)
			return 0;
	return o->machine_count > 0 && o->pid_count == 0;
}

int choose_add_paths(struct machines *set, const struct options *o)
{
	int code = 0;

	for (size_t i = 0; i < o->machine_count; i++) {
		int r;

		if (!o->machines[i].is_file)
			continue;
		r = machines_add_path(set, o->machines[i].name);
		if (r == -ENOMEM)
			code = EXIT_SYSTEM;
		else if (r == -EACCES || r == -EPERM)
			code = EXIT_DENIED;
		else if (r < 0 && code == 0)
			code = EXIT_NOTHING;
	}
	return code;
}

/* Is it one of the library's, or with -d of the device's? */
static int is_of_kind(const struct machine *m, const struct options *o)
{
	return o->view == VIEW_LIST ||
	    (o->device != 0) == (m->device_id != 0);
}

static int is_called(const struct machine *m, const char *name,
    const struct options *o)
{
	if (m->id != NULL && strcmp(name, m->id) == 0)
		return 1;
	return is_of_kind(m, o) && (strcmp(name, m->page.raw_name) == 0 ||
	    strcmp(name, m->page.name) == 0);
}

static int is_meant(const struct machine *m, const struct options *o)
{
	if (m->from_path)
		return 1;
	if (o->machine_count == 0)
		return is_of_kind(m, o);
	for (size_t i = 0; i < o->machine_count; i++)
		if (is_called(m, o->machines[i].name, o))
			return 1;
	return 0;
}

size_t choose_mark(struct machines *set, const struct options *o)
{
	size_t n = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct machine *m = set->list[i];

		m->chosen = is_meant(m, o);
		n += m->chosen != 0;
	}
	return n;
}

/* A page that is sought among those of the machines. */
struct search {
	const struct machines *set;
	const struct options *options;
	int found;
};

/* One that -p may mean, whatever -m says. */
static int counts(const struct machine *m, const struct options *o)
{
	return m->chosen || is_of_kind(m, o);
}

static void look_for(void *cookie, pid_t pid, const char *path)
{
	struct search *search = cookie;
	struct stat st;

	(void)pid;
	if (stat(path, &st) < 0)
		return;
	for (size_t i = 0; i < search->set->count; i++) {
		const struct machine *m = search->set->list[i];

		if (m->device_id == 0 && counts(m, search->options) &&
		    m->page.dev == st.st_dev && m->page.ino == st.st_ino)
			search->found = 1;
	}
}

/* Has the process a machine?  < 0: it cannot be looked into. */
static int has_machine(const struct machines *set, const struct options *o,
    pid_t pid)
{
	struct search search = { set, o, 0 };
	int r;

	for (size_t i = 0; i < set->count; i++)
		if (set->list[i]->pid == pid && counts(set->list[i], o) &&
		    !set->list[i]->page.saved)
			return 1;
	/* It may have inherited another's. */
	r = scan_process(pid, look_for, &search);
	return r < 0 ? r : search.found;
}

static int check_pid(const struct machines *set, const struct options *o,
    pid_t pid)
{
	int r = has_machine(set, o, pid);

	if (r > 0)
		return 0;
	if (r == -EACCES) {
		warnx("process %d belongs to another user: run as that user "
		    "or as root", (int)pid);
		return EXIT_DENIED;
	}
	if (r < 0)
		warnx("no process %d", (int)pid);
	else
		warnx("process %d has no machine: vmmstat -l lists those "
		    "there are", (int)pid);
	return EXIT_NOTHING;
}

static int say_device(const struct machines *set)
{
	warnx("/dev/vmm: %s%s", strerror(-set->device_error),
	    set->device_error == -EACCES ?
	    ": join the group vmm, or run as root" :
	    set->device_error == -ENOENT ?
	    ": load its module (modprobe vmm)" : "");
	return set->device_error == -EACCES ? EXIT_DENIED : EXIT_NOTHING;
}

static void ignore(void *cookie, pid_t pid, const char *path)
{
	(void)cookie;
	(void)pid;
	(void)path;
}

/* Is it the id of a machine of a process that may not be looked into? */
static int is_denied(const char *name)
{
	unsigned pid, n;
	char end;

	return sscanf(name, "%9u.%9u%c", &pid, &n, &end) == 2 &&
	    scan_process((pid_t)pid, ignore, NULL) == -EACCES;
}

static int check_name(const struct machines *set, const struct options *o,
    const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (is_called(set->list[i], name, o))
			return 0;
	if (is_denied(name)) {
		warnx("machine %s belongs to another user: run as that user "
		    "or as root", name);
		return EXIT_DENIED;
	}
	if (is_device(name) && set->device_error < 0)
		return say_device(set);
	if (o->command != NULL)
		warnx("%s made no machine that is called %s", o->command[0],
		    name);
	else if (strchr(name, '/') != NULL)
		warnx("%s: %s, and no machine is called so", name,
		    strerror(ENOENT));
	else
		warnx("no machine%s is called %s: vmmstat -l lists those there "
		    "are", o->pid_count > 0 ? " of these processes" : "", name);
	return EXIT_NOTHING;
}

/* The code that weighs more. */
static int worse(int a, int b)
{
	return a > b ? a : b;
}

int choose_check_names(const struct machines *set, const struct options *o)
{
	int code = 0;

	/* Files are there; those of a command's machines are no files. */
	for (size_t i = 0; i < o->machine_count; i++)
		if (o->command != NULL || !o->machines[i].is_file)
			code = worse(code, check_name(set, o,
			    o->machines[i].name));
	return code;
}

/* What hides all machines at once; 0: nothing does. */
static int check_sight(const struct machines *set, const struct options *o)
{
	if (set->denied_pages > 0 && set->count == 0) {
		warnx("permission denied for %d machine%s: run as the owner or "
		    "as root", set->denied_pages,
		    set->denied_pages > 1 ? "s" : "");
		return EXIT_DENIED;
	}
	if (o->device && set->device_error < 0)
		return say_device(set);
	return 0;
}

int choose_check(const struct machines *set, const struct options *o)
{
	size_t chosen = 0;
	int code = 0;

	for (size_t i = 0; i < set->count; i++)
		chosen += set->list[i]->chosen != 0;
	if (chosen == 0)
		code = check_sight(set, o);
	if (code != 0)
		return code;
	code = choose_check_names(set, o);
	for (size_t i = 0; i < o->pid_count; i++)
		code = worse(code, check_pid(set, o, o->pids[i]));
	if (code == 0 && chosen == 0) {
		warnx("no machine was found: nothing that uses vmmctl runs "
		    "now");
		code = EXIT_NOTHING;
	}
	if (code == EXIT_NOTHING && set->denied > 0)
		warnx("%d processes of other users could not be looked into; "
		    "root can", set->denied);
	if (code == EXIT_NOTHING && set->unfinished > 0)
		warnx("%d machines are not ready yet", set->unfinished);
	return code;
}
