/* SPDX-License-Identifier: BSD-2-Clause */
/* list.h - doubly linked lists through a member of the objects. */
#ifndef VMMCTL_LIST_H
#define VMMCTL_LIST_H

#include <stddef.h>

struct link {
	struct link *next, *prev;
};

struct list {
	struct link head;
};

#define LIST_ITEM(l, type, member) \
	((type *)(void *)((char *)(l) - offsetof(type, member)))
#define LIST_EACH(l, list) \
	for ((l) = (list)->head.next; (l) != &(list)->head; (l) = (l)->next)

static inline void list_init(struct list *list)
{
	list->head.next = list->head.prev = &list->head;
}

static inline int list_empty(const struct list *list)
{
	return list->head.next == &list->head;
}

static inline struct link *list_first(const struct list *list)
{
	return list->head.next;
}

static inline void list_append(struct list *list, struct link *l)
{
	l->prev = list->head.prev;
	l->next = &list->head;
	l->prev->next = l;
	list->head.prev = l;
}

static inline void list_remove(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = l;
}

#endif
