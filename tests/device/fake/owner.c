// SPDX-License-Identifier: BSD-2-Clause
/*
 * owner.c - a process's memory: pages that come when they are touched, go
 * when the host wants them, and are written back when they are dirty.  What
 * goes without having been told dirty is lost, as on a real host.  The
 * notifiers are called as a host calls them: before the page goes, and after.
 */
#include "owner.h"

struct page pages[FAKE_USER_PAGES], giant;
static struct frame *frames;
struct os_owner *owners;
void (*fake_on_frame_gone)(uint64_t pa, uint64_t size);

/* ---- frames ---- */

struct frame *frame_make(uint64_t size)
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

struct page *page_at(uint64_t uaddr)
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

void notify(uint64_t start, uint64_t end, bool begin)
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

void page_leave(struct page *p)
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

int page_touch(struct page *p, uint64_t uaddr, bool write)
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
