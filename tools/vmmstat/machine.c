/* SPDX-License-Identifier: BSD-2-Clause */
#include "machine.h"
#include "device.h"
#include "scan.h"

#include <err.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#define WHY_SIZE	256

void machines_init(struct machines *set)
{
	memset(set, 0, sizeof(*set));
}

static void machine_destroy(struct machine *m)
{
	if (m == NULL)
		return;
	page_close(&m->page);
	free(m->id);
	free(m->total);
	free(m->before);
	free(m->delta);
	free(m);
}

void machines_fini(struct machines *set)
{
	for (size_t i = 0; i < set->count; i++)
		machine_destroy(set->list[i]);
	free(set->list);
	free(set->rejected);
	machines_init(set);
}

void machine_freeze(struct machine *m)
{
	if (m->page.fd >= 0)
		close(m->page.fd);
	m->page.fd = -1;
}

void machines_drop(struct machines *set, size_t i)
{
	machine_destroy(set->list[i]);
	set->count--;
	memmove(&set->list[i], &set->list[i + 1],
	    (set->count - i) * sizeof(*set->list));
}

static int is_rejected(const struct machines *set, const struct stat *st)
{
	for (size_t i = 0; i < set->rejected_count; i++)
		if (set->rejected[i].dev == st->st_dev &&
		    set->rejected[i].ino == st->st_ino)
			return 1;
	return 0;
}

static void reject(struct machines *set, const struct stat *st)
{
	struct rejected *more;

	more = reallocarray(set->rejected, set->rejected_count + 1,
	    sizeof(*more));
	if (more == NULL)
		return;
	set->rejected = more;
	more[set->rejected_count].dev = st->st_dev;
	more[set->rejected_count++].ino = st->st_ino;
}

/* Open a page, at path or, if that is NULL, of the device, and make a machine
 * of it, without an id yet. */
static int machine_create(const char *path, int fd, struct machine **out,
    char *why, size_t why_size)
{
	struct machine *m = calloc(1, sizeof(*m));
	size_t n;
	int r;

	if (m == NULL) {
		if (fd >= 0)
			close(fd);
		goto no_memory;
	}
	m->page.fd = -1;
	r = path != NULL ? page_open(&m->page, path, why, why_size) :
	    page_open_device(&m->page, fd, why, why_size);
	if (r < 0) {
		machine_destroy(m);
		return r;
	}
	n = m->page.value_count + 1;
	m->total = calloc(n, sizeof(*m->total));
	m->before = calloc(n, sizeof(*m->before));
	m->delta = calloc(n, sizeof(*m->delta));
	if (m->total == NULL || m->before == NULL || m->delta == NULL)
		goto no_memory;
	*out = m;
	return 0;
no_memory:
	machine_destroy(m);
	snprintf(why, why_size, "%s", strerror(ENOMEM));
	return -ENOMEM;
}

static void set_owner(struct machine *m, uid_t uid)
{
	m->uid = uid;
	strlcpy(m->owner, user_from_uid(uid, 0), sizeof(m->owner));
}

static int add(struct machines *set, struct machine *m)
{
	struct machine **more;

	more = reallocarray(set->list, set->count + 1, sizeof(*more));
	if (more == NULL) {
		machine_destroy(m);
		return -ENOMEM;
	}
	set->list = more;
	more[set->count++] = m;
	return 0;
}

static struct machine *find_open(const struct machines *set,
    const struct stat *st)
{
	for (size_t i = 0; i < set->count; i++) {
		struct machine *m = set->list[i];

		/* A closed page's inode number may be in use again. */
		if (m->page.fd >= 0 && m->device_id == 0 &&
		    m->page.dev == st->st_dev && m->page.ino == st->st_ino)
			return m;
	}
	return NULL;
}

/* Several processes may have the page open: the owner is among them. */
static void choose_pid(struct machine *m, pid_t pid)
{
	if (m->ordinal != 0 || m->pid == (pid_t)m->page.pid)
		return;
	if (m->pid == 0 || pid < m->pid || pid == (pid_t)m->page.pid)
		m->pid = pid;
}

static void found(void *cookie, pid_t pid, const char *path)
{
	struct machines *set = cookie;
	struct machine *m;
	struct stat st, now;
	char why[WHY_SIZE];
	int r;

	if (stat(path, &st) < 0 || is_rejected(set, &st))
		return;
	m = find_open(set, &st);
	if (m == NULL) {
		r = machine_create(path, -1, &m, why, sizeof(why));
		if (r == -EAGAIN)
			set->unfinished++;
		if (r == -EACCES || r == -EPERM)
			set->denied_pages++;
		if (r == -EAGAIN || r == -ENOENT || r == -EACCES ||
		    r == -EPERM)
			return;
		if (r < 0) {
			/* By now it may be the descriptor of another file. */
			if (stat(path, &now) < 0 || now.st_dev != st.st_dev ||
			    now.st_ino != st.st_ino)
				return;
			warnx("%s: %s; ignored", path, why);
			reject(set, &st);
			return;
		}
		set_owner(m, st.st_uid);
		if (add(set, m) < 0)
			return;
	}
	choose_pid(m, pid);
	m->seen = 1;
}

static struct machine *find_device(const struct machines *set, uint64_t id)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->list[i]->device_id == id)
			return set->list[i];
	return NULL;
}

static void found_device(struct machines *set, int device,
    const struct vmm_list_entry *e)
{
	/* Among the rejected it is an inode of no device. */
	const struct stat st = { .st_ino = e->id };
	struct machine *m = find_device(set, e->id);
	char why[WHY_SIZE];
	int r;

	if (is_rejected(set, &st))
		return;
	if (m == NULL) {
		r = device_counters(device, e->id);
		if (r < 0)
			return;		/* it has ended by now */
		r = machine_create(NULL, r, &m, why, sizeof(why));
		if (r < 0) {
			warnx("%s%llu: %s; ignored", MACHINE_DEVICE,
			    (unsigned long long)e->id, why);
			reject(set, &st);
			return;
		}
		m->device_id = e->id;
		m->pid = (pid_t)e->pid;
		set_owner(m, e->uid);
		if (asprintf(&m->id, "%s%llu", MACHINE_DEVICE,
		    (unsigned long long)e->id) < 0)
			m->id = NULL;
		if (add(set, m) < 0)
			return;
	}
	m->seen = 1;
}

static int is_wanted(enum machines_where where, const pid_t *pids,
    size_t pid_count, pid_t pid)
{
	if (where == MACHINES_ALL)
		return 1;
	if (where == MACHINES_DESCENDANTS)
		return scan_is_descendant(pid);
	for (size_t i = 0; i < pid_count; i++)
		if (pids[i] == pid)
			return 1;
	return 0;
}

static void scan_device(struct machines *set, enum machines_where where,
    const pid_t *pids, size_t pid_count)
{
	struct vmm_list_entry *entries = NULL;
	size_t count = 0;
	int device = device_open();

	set->device_error = device < 0 ? device :
	    device_list(device, &entries, &count);
	for (size_t i = 0; i < count; i++)
		if (is_wanted(where, pids, pid_count, (pid_t)entries[i].pid))
			found_device(set, device, &entries[i]);
	free(entries);
	if (device >= 0)
		close(device);
}

/* Machines of a pid are numbered in the order in which they were made. */
static int by_age(const void *a, const void *b)
{
	const struct machine *x = *(struct machine *const *)a;
	const struct machine *y = *(struct machine *const *)b;

	if (x->device_id != y->device_id)
		return x->device_id < y->device_id ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if ((x->ordinal == 0) != (y->ordinal == 0))
		return x->ordinal == 0 ? 1 : -1;
	if (x->ordinal != y->ordinal)
		return x->ordinal < y->ordinal ? -1 : 1;
	if (x->page.created_mono_ns != y->page.created_mono_ns)
		return x->page.created_mono_ns < y->page.created_mono_ns ?
		    -1 : 1;
	return x->page.ino < y->page.ino ? -1 : x->page.ino > y->page.ino;
}

static void number(struct machines *set)
{
	if (set->count > 1)
		qsort(set->list, set->count, sizeof(*set->list), by_age);
	for (size_t i = 0; i < set->count; i++) {
		struct machine *m = set->list[i], *prev;

		if (m->ordinal != 0 || m->from_path || m->device_id != 0)
			continue;
		prev = i > 0 ? set->list[i - 1] : NULL;
		m->ordinal = 1;
		if (prev != NULL && prev->pid == m->pid && !prev->from_path)
			m->ordinal = prev->ordinal + 1;
		if (asprintf(&m->id, "%d.%u", (int)m->pid, m->ordinal) < 0)
			m->id = NULL;
	}
}

void machines_scan(struct machines *set, enum machines_where where,
    const pid_t *pids, size_t pid_count)
{
	for (size_t i = 0; i < set->count; i++)
		set->list[i]->seen = set->list[i]->from_path;
	set->denied = set->denied_pages = set->unfinished = 0;
	if (set->device)
		scan_device(set, where, pids, pid_count);
	if (where == MACHINES_ALL)
		set->denied = scan_all(found, set);
	if (where == MACHINES_DESCENDANTS)
		scan_descendants(found, set);
	for (size_t i = 0; where == MACHINES_PIDS && i < pid_count; i++)
		scan_process(pids[i], found, set);
	number(set);
	for (size_t i = 0; i < set->count; i++)
		if (!set->list[i]->seen)
			set->list[i]->ended = 1;
}

int machines_add_path(struct machines *set, const char *path)
{
	char why[WHY_SIZE];
	struct machine *m;
	struct stat st;
	int r;

	r = machine_create(path, -1, &m, why, sizeof(why));
	if (r < 0) {
		/* An error of the system names the path already. */
		if (r == -EINVAL || r == -EAGAIN || r == -ENOMEM)
			warnx("%s: %s", path, why);
		else
			warnx("%s", why);
		return r;
	}
	m->from_path = 1;
	m->pid = (pid_t)m->page.pid;
	/* What a saved page says of its owner is all there is. */
	set_owner(m, m->page.uid);
	if (!m->page.saved && fstat(m->page.fd, &st) == 0)
		set_owner(m, st.st_uid);
	m->id = strdup(path);
	return add(set, m);
}

static int name_is_unique(const struct machines *set, const struct machine *m)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct machine *other = set->list[i];

		if (other != m && other->chosen && other->device_id == 0 &&
		    strcmp(other->page.name, m->page.name) == 0)
			return 0;
	}
	return 1;
}

void machines_label(struct machines *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct machine *m = set->list[i];

		m->label = m->id != NULL ? m->id : "?";
		/* The library's page of the same machine has the name. */
		if (m->device_id == 0 && m->page.name[0] != '\0' &&
		    name_is_unique(set, m))
			m->label = m->page.name;
	}
}

/* The end of the interval that is measured now: the end of the machine, if it
 * is earlier. */
static uint64_t interval_end(const struct page_state *state, uint64_t now)
{
	if (state->ended_mono_ns != 0 && state->ended_mono_ns < now)
		return state->ended_mono_ns;
	return now;
}

static void set_interval(struct machine *m, const struct page_state *state,
    uint64_t now)
{
	struct sample *s = &m->sample;
	int known = !m->page.saved || state->ended_mono_ns != 0;
	uint64_t end = interval_end(state, now);
	uint64_t start = m->page.created_mono_ns;

	s->age_ns = known && end > start ? end - start : 0;
	s->interval_ns = s->age_ns;
	if (!s->first)
		s->interval_ns = end > m->last_ns ? end - m->last_ns : 0;
	m->last_ns = end;
}

int machine_sample(struct machine *m, char *why, size_t why_size)
{
	struct sample *s = &m->sample;
	struct page_state state;
	uint64_t *swap = m->before;
	int r;

	m->before = m->total;
	m->total = swap;
	s->first = m->last_ns == 0;
	s->real_ns = clock_real_ns();
	r = page_read(&m->page, m->total, &state, why, why_size);
	if (r < 0)
		return r;
	/* A counter only grows: what shrinks has been tampered with. */
	for (size_t i = 0; i < m->page.value_count; i++)
		m->delta[i] = m->total[i] >= m->before[i] ?
		    m->total[i] - m->before[i] : 0;
	s->ns_per_tick = clock_ns_per_tick(&m->page, &state);
	set_interval(m, &state, clock_mono_ns());
	if (state.ended_mono_ns != 0)
		m->ended = 1;
	s->page = &m->page;
	s->vcpus = state.vcpus;
	s->ended = m->ended;
	s->delta = m->delta;
	s->total = m->total;
	return 0;
}
