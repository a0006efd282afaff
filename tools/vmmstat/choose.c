/* SPDX-License-Identifier: BSD-2-Clause */
#include "choose.h"
#include "scan.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int is_path(const char *machine)
{
	return strchr(machine, '/') != NULL;
}

static int is_device(const char *machine)
{
	return strncmp(machine, MACHINE_DEVICE, strlen(MACHINE_DEVICE)) == 0;
}

int choose_wants_device(const struct options *o)
{
	for (size_t i = 0; i < o->machine_count; i++)
		if (is_device(o->machines[i]))
			return 1;
	return o->device || o->view == VIEW_LIST;
}

int choose_only_paths(const struct options *o)
{
	for (size_t i = 0; i < o->machine_count; i++)
		if (!is_path(o->machines[i]))
			return 0;
	return o->machine_count > 0;
}

int choose_add_paths(struct machines *set, const struct options *o)
{
	int code = 0;

	for (size_t i = 0; i < o->machine_count; i++) {
		int r;

		if (!is_path(o->machines[i]))
			continue;
		r = machines_add_path(set, o->machines[i]);
		if (r == -ENOMEM)
			code = EXIT_SYSTEM;
		else if (r == -EACCES || r == -EPERM)
			code = EXIT_DENIED;
		else if (r < 0 && code == 0)
			code = EXIT_NOTHING;
	}
	return code;
}

static int is_meant(const struct machine *m, const struct options *o)
{
	const int kind = o->view == VIEW_LIST ||
	    (o->device != 0) == (m->device_id != 0);

	if (m->from_path)
		return 1;
	if (o->machine_count == 0)
		return kind;
	for (size_t i = 0; i < o->machine_count; i++) {
		const char *name = o->machines[i];

		if (m->id != NULL && strcmp(name, m->id) == 0)
			return 1;
		if (kind && (strcmp(name, m->page.raw_name) == 0 ||
		    strcmp(name, m->page.name) == 0))
			return 1;
	}
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

static void ignore(void *cookie, pid_t pid, const char *path)
{
	(void)cookie;
	(void)pid;
	(void)path;
}

/* Does -m name a machine of a process that may not be looked into? */
static const char *denied_id(const struct options *o)
{
	for (size_t i = 0; i < o->machine_count; i++) {
		unsigned pid, n;
		char end;

		if (sscanf(o->machines[i], "%9u.%9u%c", &pid, &n, &end) == 2 &&
		    scan_process((pid_t)pid, ignore, NULL) == -EACCES)
			return o->machines[i];
	}
	return NULL;
}

static void say_what_is_missing(const struct options *o)
{
	if (o->machine_count == 1)
		warnx("no machine is called %s: vmmstat -l lists those there "
		    "are", o->machines[0]);
	else if (o->machine_count > 1)
		warnx("no machine is called so: vmmstat -l lists those there "
		    "are");
	else if (o->pid_count == 1)
		warnx("process %d has no machine: vmmstat -l lists those there "
		    "are", (int)o->pids[0]);
	else if (o->pid_count > 1)
		warnx("these processes have no machine: vmmstat -l lists "
		    "those there are");
	else
		warnx("no machine was found: nothing that uses vmmctl runs "
		    "now");
}

int choose_complain(const struct machines *set, const struct options *o,
    int scan_error)
{
	const char *id = denied_id(o);

	if (scan_error == -EACCES || id != NULL) {
		warnx("%s%s belongs to another user: run as that user or as "
		    "root", id != NULL ? "machine " : "the process",
		    id != NULL ? id : "");
		return EXIT_DENIED;
	}
	if (scan_error == -ESRCH) {
		warnx("no process %d", (int)o->pids[o->pid_count - 1]);
		return EXIT_NOTHING;
	}
	if (set->denied_pages > 0 && set->count == 0) {
		warnx("permission denied for %d machine%s: run as the owner or "
		    "as root", set->denied_pages,
		    set->denied_pages > 1 ? "s" : "");
		return EXIT_DENIED;
	}
	if (choose_wants_device(o) && o->view != VIEW_LIST &&
	    set->device_error < 0) {
		warnx("/dev/vmm: %s%s", strerror(-set->device_error),
		    set->device_error == -EACCES ?
		    ": join the group vmm, or run as root" :
		    set->device_error == -ENOENT ?
		    ": load its module (modprobe vmm)" : "");
		return set->device_error == -EACCES ? EXIT_DENIED :
		    EXIT_NOTHING;
	}
	say_what_is_missing(o);
	if (set->denied > 0)
		warnx("%d processes of other users could not be looked into; "
		    "root can", set->denied);
	if (set->unfinished > 0)
		warnx("%d machines are not ready yet", set->unfinished);
	return EXIT_NOTHING;
}
