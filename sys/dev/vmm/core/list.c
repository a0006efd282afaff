/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c - the machines there are, for VMM_LIST and VMM_STATS, and how many a
 * user has.  The lock is never held while user memory is touched: that could
 * take as long as its owner likes.
 */
#include "stats.h"

static struct {
	struct os_mutex lock;		/* l */
	struct vmm_machine *first;	/* [l] the newest */
	uint64_t last_id;		/* [l] */
} list;

void vmm_list_init(void)
{
	os_mutex_init(&list.lock);
	list.first = NULL;
}

void vmm_list_fini(void)
{
	os_mutex_fini(&list.lock);
}

int vmm_list_add(struct vmm_machine *m)
{
	struct vmm_machine *other;
	uint32_t n = 0;
	int error = 0;

	os_mutex_lock(&list.lock);
	for (other = list.first; other != NULL; other = other->next)
		n += other->uid == m->uid;
	if (n >= VMM_MAX_USER_MACHINES) {
		error = EDQUOT;
	} else {
		m->id = ++list.last_id;
		m->next = list.first;
		list.first = m;
	}
	os_mutex_unlock(&list.lock);
	return error;
}

void vmm_list_remove(struct vmm_machine *m)
{
	struct vmm_machine **at;

	os_mutex_lock(&list.lock);
	for (at = &list.first; *at != m; at = &(*at)->next)
		;
	*at = m->next;
	os_mutex_unlock(&list.lock);
}

/* Who asks: an administrator sees all. */
struct viewer {
	uint32_t uid;
	bool admin;
};

static struct viewer viewer(void)
{
	return (struct viewer){ os_uid(), os_is_admin() };
}

static bool visible(const struct vmm_machine *m, struct viewer who)
{
	return m->uid == who.uid || who.admin;
}

static void describe(const struct vmm_machine *m, struct vmm_list_entry *e)
{
	*e = (struct vmm_list_entry){
		.id = m->id,
		.created_mono_ns = m->created_mono_ns,
		.memory = OS_READ(m->memory),
		.mapped = OS_READ(m->npt.leaves),
		.pid = os_owner_pid(m->owner),
		.uid = m->uid,
		.vcpus = OS_READ(m->live_vcpus),
		.contexts = OS_READ(m->ncontexts),
	};
	memcpy(e->name, m->name, sizeof(e->name));
}

/* Those that the caller may see: how many, and the first capacity of them. */
static uint32_t collect(struct vmm_list_entry *entries, uint32_t capacity)
{
	struct viewer who = viewer();
	const struct vmm_machine *m;
	uint32_t n = 0;

	os_mutex_lock(&list.lock);
	for (m = list.first; m != NULL; m = m->next) {
		if (!visible(m, who))
			continue;
		if (n < capacity)
			describe(m, &entries[n]);
		n++;
	}
	os_mutex_unlock(&list.lock);
	return n;
}

int vmm_list(struct vmm_list *a)
{
	uint32_t there = collect(NULL, 0), n = a->capacity;
	struct vmm_list_entry *entries;
	int error = 0;

	if (n > there)
		n = there;
	if (n == 0) {
		a->count = there;
		return 0;
	}
	entries = os_zalloc(n * sizeof(*entries));
	if (entries == NULL)
		return ENOMEM;
	a->count = collect(entries, n);
	if (n > a->count)
		n = a->count;
	if (n != 0)
		error = os_copyout(a->entries, entries, n * sizeof(*entries));
	os_free(entries);
	return error;
}

struct vmm_stats_set *vmm_list_stats(uint64_t id, uint32_t *pid)
{
	struct vmm_stats_set *s = NULL;
	struct viewer who = viewer();
	struct vmm_machine *m;

	os_mutex_lock(&list.lock);
	for (m = list.first; m != NULL; m = m->next) {
		if (m->id != id || !visible(m, who))
			continue;
		s = m->stats;
		(void)os_fetch_add64(&s->refs, 1);
		*pid = os_owner_pid(m->owner);
	}
	os_mutex_unlock(&list.lock);
	return s;
}
