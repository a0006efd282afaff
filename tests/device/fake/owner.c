// SPDX-License-Identifier: BSD-2-Clause
/*
 * owner.c - a process's memory: pages that come when they are touched, go
 * when the host wants them, and are written back when they are dirty.  What
 * goes without having been told dirty is lost, as on a real host.  The
 * notifiers are called as a host calls them: before the page goes, and after.
 */
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

static struct page pages[FAKE_USER_PAGES], giant;
static struct frame *frames;
static struct os_owner *owners;
void (*fake_on_frame_gone)(uint64_t pa, uint64_t size);

/* ---- frames ---- */

static struct frame *frame_make(uint64_t size)
{
	struct frame *f = calloc(1, sizeof(*f));

	if (f == NULL)
		abort();
	/* calloc of this size gives memory that is not touched; it has to be
	 * aligned to its own size. */
	f->mem = aligned_alloc(size, size);
	if (f->mem == NULL)
		abort();
	if (size < FAKE_GIB)
		memset(f->mem, 0, size);
	f->size = size;
	f->refs = f->maps = 1;
	f->next = frames;
	frames = f;
	return f;
}

static void frame_put(struct frame *f)
{
	struct frame **at = &frames;

	if (--f->refs != 0)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f->written);
	free(f->mem);
	free(f);
}

static struct frame *frame_of(uint64_t pa)
{
	const uint8_t *p = (const uint8_t *)(uintptr_t)(pa & ~FAKE_PA);
	struct frame *f;

	for (f = frames; f != NULL; f = f->next) {
		if (p >= f->mem && p < f->mem + f->size)
			return f;
	}
	return NULL;
}

bool fake_frame_live(uint64_t pa)
{
	const struct frame *f = frame_of(pa);
	const uint8_t *p = os_page_at(pa & ~(FAKE_PAGE - 1));
	uint32_t i;

	if (f == NULL || f->size != FAKE_MIB2)
		return f != NULL && f->maps != 0;
	for (i = 0; i < FAKE_USER_PAGES; i++) {
		if (pages[i].frame == f && f->mem + pages[i].at == p)
			return true;
	}
	return false;
}

static void frame_clean(struct frame *f)
{
	if (f->size != FAKE_PAGE)
		return;
	if (f->written == NULL)
		f->written = malloc(FAKE_PAGE);
	memcpy(f->written, f->mem, FAKE_PAGE);
	f->dirty = false;
}

void fake_frames_reset(void)
{
	uint32_t i;

	for (i = 0; i < FAKE_USER_PAGES; i++)
		free(pages[i].swapped);
	memset(pages, 0, sizeof(pages));
	memset(&giant, 0, sizeof(giant));
	while (frames != NULL) {
		frames->refs = 1;
		frame_put(frames);
	}
	while (owners != NULL) {
		struct os_owner *o = owners;

		owners = o->next;
		free(o);
	}
}

void fake_owner_check_idle(void)
{
	if (owners != NULL)
		fake_bug("an owner is still bound");
	if (fake.gets != fake.puts)
		fake_bug("%llu pages of the owner's were got, %llu put",
		    (unsigned long long)fake.gets,
		    (unsigned long long)fake.puts);
}

/* ---- the mapping ---- */

static struct page *page_at(uint64_t uaddr)
{
	struct page *p = NULL;

	if (uaddr >= FAKE_GIANT && uaddr < FAKE_GIANT + FAKE_GIB)
		p = &giant;
	else if (uaddr >= FAKE_USER && uaddr < FAKE_USER_END)
		p = &pages[(uaddr - FAKE_USER) / FAKE_PAGE];
	return p != NULL && p->mapped ? p : NULL;
}

static uint8_t *byte_at(struct page *p, uint64_t uaddr)
{
	const uint64_t mask = p == &giant ? FAKE_GIB - 1 : FAKE_PAGE - 1;

	return p->frame->mem + p->at + (uaddr & mask);
}

static void notify(uint64_t start, uint64_t end, bool begin)
{
	struct os_owner *o;

	for (o = owners; o != NULL; o = o->next) {
		if (o->ended)
			continue;
		if (begin) {
			if (o->invalidating == 8)
				abort();
			o->range[o->invalidating].start = start;
			o->range[o->invalidating++].end = end;
			vmm_machine_invalidate_begin(o->m, start, end, true);
		} else {
			vmm_machine_invalidate_end(o->m, start, end);
			o->invalidating--;
		}
	}
}

/* The page leaves its frame; between the notifier's calls. */
static void page_leave(struct page *p)
{
	struct frame *f = p->frame;

	if (f == NULL)
		return;
	if (fake_on_frame_gone != NULL)
		fake_on_frame_gone((uint64_t)(uintptr_t)(f->mem + p->at) |
		    FAKE_PA, p == &giant ? FAKE_GIB : FAKE_PAGE);
	p->frame = NULL;
	p->at = 0;
	f->maps--;
	frame_put(f);
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

/* The page is there; for writing when that is said. */
static int page_touch(struct page *p, uint64_t uaddr, bool write)
{
	if (p->poisoned)
		return EHWPOISON;
	if (write && !p->writable)
		return EFAULT;
	if (p->frame == NULL) {
		p->frame = frame_make(FAKE_PAGE);
		p->at = 0;
		p->level = 1;
		if (p->swapped != NULL) {
			memcpy(p->frame->mem, p->swapped, FAKE_PAGE);
			p->frame->written = p->swapped;
			p->swapped = NULL;
		}
	}
	if (write && p->ksm) {
		struct frame *f = frame_make(FAKE_PAGE);

		notify(uaddr, uaddr + FAKE_PAGE, true);
		memcpy(f->mem, p->frame->mem + p->at, FAKE_PAGE);
		page_leave(p);
		p->frame = f;
		p->ksm = false;
		notify(uaddr, uaddr + FAKE_PAGE, false);
	}
	if (write)
		p->frame->dirty = true;
	return 0;
}

static bool user_copy(uint64_t uaddr, void *to, const void *from, size_t size)
{
	size_t done = 0;

	while (done < size) {
		struct page *p = page_at(uaddr + done);
		size_t n = FAKE_PAGE - ((uaddr + done) & (FAKE_PAGE - 1));

		n = n < size - done ? n : size - done;
		if (p == NULL || page_touch(p, (uaddr + done) &
		    ~(FAKE_PAGE - 1), from != NULL) != 0)
			return false;
		if (from != NULL)
			memcpy(byte_at(p, uaddr + done),
			    (const uint8_t *)from + done, n);
		else
			memcpy((uint8_t *)to + done,
			    byte_at(p, uaddr + done), n);
		done += n;
	}
	return true;
}

bool fake_write(uint64_t uaddr, const void *buf, size_t size)
{
	return user_copy(uaddr, NULL, buf, size);
}

bool fake_read(uint64_t uaddr, void *buf, size_t size)
{
	return user_copy(uaddr, buf, NULL, size);
}

static bool copy_refused(const char *who)
{
	fake_may_sleep(who);
	fake.copies++;
	if (fake.on_copy != NULL)
		fake.on_copy();
	return fake.copy_fail_at != 0 && --fake.copy_fail_at == 0;
}

int os_copyin(uint64_t uaddr, void *buf, size_t size)
{
	if (copy_refused("os_copyin") || !fake_read(uaddr, buf, size))
		return EFAULT;
	return 0;
}

int os_copyout(uint64_t uaddr, const void *buf, size_t size)
{
	if (copy_refused("os_copyout") || !fake_write(uaddr, buf, size))
		return EFAULT;
	return 0;
}

bool os_user_range(uint64_t uaddr, uint64_t size)
{
	const uint64_t limit = 0x7ffffffff000ull;

	return size <= limit && uaddr <= limit - size;
}

/* ---- what the host does to it ---- */

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

/* ---- the seam ---- */

uint32_t fake_bound(void)
{
	const struct os_owner *o;
	uint32_t n = 0;

	for (o = owners; o != NULL; o = o->next)
		n++;
	return n;
}

int os_owner_get(struct vmm_machine *m, struct os_owner **out)
{
	struct os_owner *o;

	fake_may_sleep("os_owner_get");
	fake.allocs++;
	if (fake.fail_at != 0 && --fake.fail_at == 0) {
		fake.failed = true;
		return ENOMEM;
	}
	if (fake.owner_error != 0)
		return fake.owner_error;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		abort();
	o->m = m;
	o->process = fake.cur->process;
	o->next = owners;
	owners = o;
	*out = o;
	return 0;
}

void os_owner_put(struct os_owner *o)
{
	struct os_owner **at = &owners;

	fake_may_sleep("os_owner_put");
	while (*at != NULL && *at != o)
		at = &(*at)->next;
	if (*at == NULL) {
		fake_bug("an owner is put that is not bound");
		return;
	}
	/* As a host does: what is bound is told of the end. */
	if (!o->ended) {
		o->ended = true;
		vmm_machine_orphan(o->m);
	}
	*at = o->next;
	free(o);
}

bool os_owner_is_current(const struct os_owner *o)
{
	return o->process == fake.cur->process && !o->ended;
}

uint32_t os_owner_pid(const struct os_owner *o)
{
	return o->process == fake.cur->process || fake.admin ?
	    1000 + o->process : 0;
}

int os_user_page_get(struct os_owner *o, uint64_t uaddr, bool write,
    struct os_user_page *out)
{
	struct page *p;
	int error = fake.get_error;

	fake_may_sleep("os_user_page_get");
	if ((uaddr & (FAKE_PAGE - 1)) != 0)
		fake_bug("os_user_page_get of an unaligned address");
	if (fake.on_get != NULL)
		fake.on_get(uaddr, false);
	fake.get_error = 0;
	if (error != 0)
		return error;
	if (o->ended)
		return EFAULT;
	if (fake.signal)
		return EINTR;
	p = page_at(uaddr);
	if (p == NULL)
		return EFAULT;
	error = page_touch(p, uaddr, write);
	if (error != 0)
		return error;
	out->pa = (uint64_t)(uintptr_t)byte_at(p, uaddr) | FAKE_PA;
	out->writable = p->writable && !p->ksm;
	out->handle = p->frame;
	p->frame->refs++;
	fake.gets++;
	if (fake.on_get != NULL)
		fake.on_get(uaddr, true);
	return 0;
}

void os_user_page_put(struct os_user_page *p)
{
	fake.puts++;
	frame_put(p->handle);
	p->handle = NULL;
}

unsigned os_user_page_level(struct os_owner *o, uint64_t uaddr)
{
	const struct page *p = page_at(uaddr);
	uint32_t i;

	if (fake.cur->spins == 0)
		fake_bug("os_user_page_level without the nested lock");
	for (i = 0; i < o->invalidating; i++) {
		if (uaddr >= o->range[i].start && uaddr < o->range[i].end)
			fake_bug("os_user_page_level of a page that is being "
			    "taken away");
	}
	return p == NULL || p->frame == NULL ? 1 : p->level;
}

void os_page_dirtied(uint64_t pa)
{
	struct frame *f = frame_of(pa);

	if (f == NULL)
		fake_bug("os_page_dirtied of %#llx, which is no page",
		    (unsigned long long)pa);
	else
		f->dirty = true;
}
