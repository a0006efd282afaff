/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which counters make up an exit kind: those of one group.  Their roles
 * follow from type and unit, not from names.
 */
#include "output.h"

#include <err.h>
#include <stdlib.h>

static void give_role(struct kind *k, const struct page_counter *c)
{
	const struct page_counter **role = NULL;

	if (c->type == VMMCTL_COUNTERS_LOG2)
		role = &k->histogram;
	else if (c->unit == VMMCTL_COUNTERS_EVENTS)
		role = &k->count;
	else if (c->unit == VMMCTL_COUNTERS_TICKS)
		role = &k->time;
	if (role != NULL && *role == NULL)
		*role = c;
	if (role == &k->count || k->name == NULL)
		k->name = k->count != NULL ? k->count->name : c->name;
}

/* Has an earlier counter opened the kind that c belongs to? */
static struct kind *find_kind(struct kind *kinds, const uint32_t *groups,
    size_t n, const struct page_counter *c)
{
	for (size_t i = n; c->group != 0 && i-- > 0;)
		if (groups[i] == c->group)
			return &kinds[i];
	return NULL;
}

size_t kinds_find(const struct options *o, const struct page *p,
    struct kind **out)
{
	struct kind *kinds = calloc(p->counter_count + 1, sizeof(*kinds));
	uint32_t *groups = calloc(p->counter_count + 1, sizeof(*groups));
	size_t n = 0;

	if (kinds == NULL || groups == NULL)
		err(EXIT_SYSTEM, NULL);
	for (size_t i = 0; i < p->counter_count; i++) {
		const struct page_counter *c = &p->counters[i];
		struct kind *k;

		if (!output_is_exit(o, c))
			continue;
		k = find_kind(kinds, groups, n, c);
		if (k == NULL) {
			groups[n] = c->group;
			k = &kinds[n++];
		}
		give_role(k, c);
	}
	free(groups);
	*out = kinds;
	return n;
}
