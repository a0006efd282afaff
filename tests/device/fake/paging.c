// SPDX-License-Identifier: BSD-2-Clause
/*
 * paging.c - what the host does to a process's memory: it maps, splits, moves,
 * merges and takes pages, and writes back what is dirty.
 */
#include "owner.h"

static void frame_clean(struct frame *f)
{
	if (f->size != FAKE_PAGE)
		return;
	if (f->written == NULL)
		f->written = malloc(FAKE_PAGE);
	memcpy(f->written, f->mem, FAKE_PAGE);
	f->dirty = false;
}

/* The host has what it needs of the page: it may go. */
static void page_swap(struct page *p)
{
	const struct frame *f = p->frame;

	free(p->swapped);
	p->swapped = NULL;
	if (f->dirty || f->written != NULL) {
		p->swapped = malloc(FAKE_PAGE);
		memcpy(p->swapped, f->dirty ? f->mem + p->at : f->written,
		    FAKE_PAGE);
	}
	page_leave(p);
}

void fake_map(uint64_t uaddr, uint64_t size)
{
	uint64_t a;

	for (a = uaddr; a < uaddr + size; a += FAKE_PAGE) {
		struct page *p = &pages[(a - FAKE_USER) / FAKE_PAGE];

		p->mapped = p->writable = true;
		p->level = 1;
	}
}

void fake_split(uint64_t uaddr)
{
	struct page *p = &pages[(uaddr - FAKE_USER) / FAKE_PAGE];
	uint32_t i;

	notify(uaddr, uaddr + FAKE_MIB2, true);
	for (i = 0; i < 512; i++) {
		struct frame *f;

		if (p[i].frame == NULL)
			continue;
		f = frame_make(FAKE_PAGE);
		memcpy(f->mem, p[i].frame->mem + p[i].at, FAKE_PAGE);
		f->dirty = true;
		page_leave(&p[i]);
		p[i].frame = f;
		p[i].level = 1;
	}
	notify(uaddr, uaddr + FAKE_MIB2, false);
}

/* Part of a huge page is nothing that could be taken away, or protected: a
 * host splits it first. */
static void split_at(uint64_t uaddr)
{
	const struct page *p = page_at(uaddr);

	if (p != NULL && p->level == 2 && (uaddr & (FAKE_MIB2 - 1)) != 0)
		fake_split(uaddr & ~(FAKE_MIB2 - 1));
}

void fake_protect(uint64_t uaddr, uint64_t size, bool write)
{
	uint64_t a;

	split_at(uaddr);
	split_at(uaddr + size);
	notify(uaddr, uaddr + size, true);
	for (a = uaddr; a < uaddr + size; a += FAKE_PAGE)
		pages[(a - FAKE_USER) / FAKE_PAGE].writable = write;
	notify(uaddr, uaddr + size, false);
}

void fake_unmap(uint64_t uaddr, uint64_t size)
{
	uint64_t a;

	split_at(uaddr);
	split_at(uaddr + size);
	notify(uaddr, uaddr + size, true);
	for (a = uaddr; a < uaddr + size; a += FAKE_PAGE) {
		struct page *p = &pages[(a - FAKE_USER) / FAKE_PAGE];

		page_leave(p);
		free(p->swapped);
		memset(p, 0, sizeof(*p));
	}
	notify(uaddr, uaddr + size, false);
}

void fake_huge(uint64_t uaddr)
{
	struct page *p = &pages[(uaddr - FAKE_USER) / FAKE_PAGE];
	struct frame *f = frame_make(FAKE_MIB2);
	uint32_t i;

	fake_unmap(uaddr, FAKE_MIB2);
	for (i = 0; i < 512; i++) {
		p[i].mapped = p[i].writable = true;
		p[i].frame = f;
		p[i].at = i * FAKE_PAGE;
		p[i].level = 2;
	}
	f->refs = f->maps = 512;
	f->dirty = true;
}

void fake_giant(void)
{
	giant.frame = frame_make(FAKE_GIB);
	giant.frame->dirty = true;
	giant.mapped = giant.writable = true;
	giant.level = 3;
}

static struct page *small_at(uint64_t uaddr)
{
	struct page *p = page_at(uaddr);

	if (p != NULL && p->level == 2)
		fake_split(uaddr & ~(FAKE_MIB2 - 1));
	return p == &giant ? NULL : p;
}

void fake_page_out(uint64_t uaddr)
{
	struct page *p = small_at(uaddr);

	if (p == NULL || p->frame == NULL || p->poisoned)
		return;
	notify(uaddr, uaddr + FAKE_PAGE, true);
	page_swap(p);
	p->ksm = false;
	notify(uaddr, uaddr + FAKE_PAGE, false);
}

void fake_clean(uint64_t uaddr)
{
	struct page *p = small_at(uaddr);

	if (p == NULL || p->frame == NULL)
		return;
	/* What the host writes back it first protects from writing. */
	notify(uaddr, uaddr + FAKE_PAGE, true);
	if (p->frame->dirty)
		frame_clean(p->frame);
	notify(uaddr, uaddr + FAKE_PAGE, false);
}

void fake_move(uint64_t uaddr)
{
	struct page *p = small_at(uaddr);
	struct frame *f;

	if (p == NULL || p->frame == NULL || p->poisoned)
		return;
	notify(uaddr, uaddr + FAKE_PAGE, true);
	f = frame_make(FAKE_PAGE);
	memcpy(f->mem, p->frame->mem + p->at, FAKE_PAGE);
	f->dirty = true;
	page_leave(p);
	p->frame = f;
	p->at = 0;
	notify(uaddr, uaddr + FAKE_PAGE, false);
}

void fake_ksm(uint64_t uaddr)
{
	struct page *p = small_at(uaddr);

	if (p == NULL || p->poisoned ||
	    page_touch(p, uaddr, false) != 0)
		return;
	notify(uaddr, uaddr + FAKE_PAGE, true);
	p->ksm = true;
	notify(uaddr, uaddr + FAKE_PAGE, false);
}

void fake_poison(uint64_t uaddr)
{
	struct page *p = small_at(uaddr);

	if (p == NULL)
		return;
	notify(uaddr, uaddr + FAKE_PAGE, true);
	page_leave(p);
	p->poisoned = true;
	notify(uaddr, uaddr + FAKE_PAGE, false);
}

bool fake_present(uint64_t uaddr)
{
	const struct page *p = page_at(uaddr);

	return p != NULL && p->frame != NULL;
}

bool fake_young(uint64_t uaddr, uint64_t size, bool clear)
{
	struct os_owner *o;
	bool young = false;

	for (o = owners; o != NULL; o = o->next) {
		if (!o->ended && vmm_machine_young(o->m, uaddr, uaddr + size,
		    clear))
			young = true;
	}
	return young;
}

void fake_exit(void)
{
	struct os_owner *o;

	for (o = owners; o != NULL; o = o->next) {
		if (!o->ended && o->process == fake.cur->process) {
			o->ended = true;
			vmm_machine_orphan(o->m);
		}
	}
}
