/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owner.h - what the parts of the fake owner share: the process's pages, which
 * it touches (owner.c) and the host takes (paging.c).
 */
#ifndef FAKE_OWNER_H
#define FAKE_OWNER_H

#include "fake.h"
#include "vmm.h"

struct frame {
	uint8_t *mem;
	uint64_t size;
	uint32_t refs;		/* maps, and holders */
	uint32_t maps;		/* of the process */
	bool dirty;		/* else it is what written is, or all 0 */
	uint8_t *written;
	struct frame *next;
};

struct page {
	struct frame *frame;	/* NULL: not there */
	uint64_t at;		/* where in the frame */
	uint8_t *swapped;	/* then: what it holds, NULL: 0 */
	bool mapped, writable, ksm, poisoned;
	uint8_t level;
};

struct os_owner {
	struct vmm_machine *m;
	uint32_t process;
	/* Ranges that are being taken away, the newest last. */
	struct { uint64_t start, end; } range[8];
	uint32_t invalidating;
	bool ended;
	struct os_owner *next;
};

extern struct page pages[FAKE_USER_PAGES], giant;
extern struct os_owner *owners;

struct frame *frame_make(uint64_t size);
/* The page that is mapped there; NULL: none. */
struct page *page_at(uint64_t uaddr);
void notify(uint64_t start, uint64_t end, bool begin);
/* The page leaves its frame; between the notifier's calls. */
void page_leave(struct page *p);
/* The page is there; for writing when that is said: 0 or an errno. */
int page_touch(struct page *p, uint64_t uaddr, bool write);

#endif
