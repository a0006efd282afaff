// SPDX-License-Identifier: BSD-2-Clause
/*
 * locks.c - locks that check themselves.  Every place that makes a lock is a
 * class; which class was taken under which is remembered for the program's
 * life, and a circle is a bug, as is what core/vmm.h's order forbids.
 */
#include "fake.h"

#define CLASSES	32u

static struct {
	const char *name;
	unsigned rank;		/* in core/vmm.h's order; 0: not in it */
	bool under[CLASSES];	/* was taken while that one was held */
} classes[CLASSES];
static uint32_t nclasses;

/* core/vmm.h: h; l; m, owner's mmap lock, n or c (never both). */
static unsigned rank_of(const char *name)
{
	if (strstr(name, "hw.lock") != NULL || strstr(name, "hw->lock") != NULL)
		return 1;
	if (strstr(name, "m->lock") != NULL)
		return 3;
	if (strstr(name, "nested_lock") != NULL ||
	    strstr(name, "context_lock") != NULL)
		return 5;
	return 0;
}

static uint32_t class_of(const char *name)
{
	uint32_t i;

	for (i = 0; i < nclasses; i++) {
		if (strcmp(classes[i].name, name) == 0)
			return i;
	}
	if (nclasses == CLASSES) {
		fake_bug("more than %u classes of locks", CLASSES);
		return 0;
	}
	classes[i].name = name;
	classes[i].rank = rank_of(name);
	return nclasses++;
}

void fake_lock_init(struct fake_lock *l, enum fake_lock_kind kind,
    const char *name)
{
	memset(l, 0, sizeof(*l));
	l->name = name;
	l->kind = kind;
	l->class = class_of(name);
}

void fake_lock_fini(struct fake_lock *l)
{
	if (l->name == NULL)
		fake_bug("a lock ends that was never made");
	else if (fake_lock_held(l))
		fake_bug("%s ends while it is held", l->name);
	l->name = NULL;
}

/* Is there a way from a lock of class at to one of class to? */
static bool reaches(uint32_t at, uint32_t to, bool *seen)
{
	uint32_t i;

	if (at == to)
		return true;
	seen[at] = true;
	for (i = 0; i < nclasses; i++) {
		if (classes[i].under[at] && !seen[i] && reaches(i, to, seen))
			return true;
	}
	return false;
}

static void check_order(const struct fake_lock *l)
{
	const struct fake_thread *t = fake.cur;
	uint32_t i;

	for (i = 0; i < t->nheld; i++) {
		const struct fake_lock *h = t->held[i];
		bool seen[CLASSES] = { false };

		if (h->class == l->class)
			fake_bug("%s is taken while another is held", l->name);
		if (classes[h->class].rank != 0 &&
		    classes[l->class].rank != 0 &&
		    classes[h->class].rank >= classes[l->class].rank)
			fake_bug("%s is taken while %s is held", l->name,
			    h->name);
		if (classes[l->class].under[h->class])
			continue;
		if (reaches(l->class, h->class, seen))
			fake_bug("%s is taken while %s is held, and elsewhere "
			    "the other way round", l->name, h->name);
		classes[l->class].under[h->class] = true;
	}
}

void fake_lock_take(struct fake_lock *l)
{
	struct fake_thread *t = fake.cur;
	uint32_t i;

	if (l->name == NULL) {
		fake_bug("a lock is taken that was never made");
		return;
	}
	for (i = 0; i < t->nheld; i++) {
		if (t->held[i] == l)
			fake_bug("%s is taken twice", l->name);
	}
	if (l->holder != NULL)
		fake_bug("%s would be waited for, for ever", l->name);
	if (l->kind == FAKE_SPIN) {
		if (t->off != 0 || t->in_interrupt)
			fake_bug("%s is taken with interrupts off", l->name);
	} else {
		fake_may_sleep(l->name);
	}
	check_order(l);
	if (t->nheld == FAKE_HELD) {
		fake_bug("more than %u locks are held", FAKE_HELD);
		return;
	}
	l->holder = t;
	t->spins += l->kind == FAKE_SPIN;
	t->held[t->nheld++] = l;
}

void fake_lock_drop(struct fake_lock *l)
{
	struct fake_thread *t = fake.cur;
	uint32_t i;

	for (i = 0; i < t->nheld && t->held[i] != l; i++)
		;
	if (i == t->nheld) {
		fake_bug("%s is dropped by who does not hold it",
		    l->name == NULL ? "a lock" : l->name);
		return;
	}
	memmove(&t->held[i], &t->held[i + 1],
	    (t->nheld - i - 1) * sizeof(t->held[0]));
	t->nheld--;
	l->holder = NULL;
	t->spins -= l->kind == FAKE_SPIN;
	if (fake.on_unlock != NULL)
		fake.on_unlock(l->name);
}
