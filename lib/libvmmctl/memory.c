// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory.c - guest-physical memory: ranges, their backing, physical copies.
 */
#include "machine.h"
#include "os.h"

#include <errno.h>
#include <string.h>

struct memory *memory_find(struct vmmctl_machine *m, uint64_t gpa)
{
	uint32_t lo = 0, hi = m->nmem;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		struct memory *r = &m->mem[mid];

		if (gpa < r->gpa)
			hi = mid;
		else if (gpa - r->gpa >= r->len)
			lo = mid + 1;
		else
			return r;
	}
	return NULL;
}

static int check_range(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    uint32_t prot)
{
	uint64_t limit = m->v->info.gpa_limit;

	if (((gpa | len) & PAGE_MASK) != 0 || len == 0)
		return vmmctl_fail(m->v, -EINVAL, "memory [0x%llx, +0x%llx): "
		    "address and length must be multiples of 4096, the length "
		    "not 0", (unsigned long long)gpa, (unsigned long long)len);
	if (len > limit || gpa > limit - len)
		return vmmctl_fail(m->v, -EINVAL, "memory [0x%llx, +0x%llx) "
		    "ends beyond gpa_limit 0x%llx", (unsigned long long)gpa,
		    (unsigned long long)len, (unsigned long long)limit);
	if ((prot & ~VMMCTL_PROT_RWX) != 0 || (prot & VMMCTL_PROT_READ) == 0)
		return vmmctl_fail(m->v, -EINVAL, "memory prot 0x%x: must be "
		    "READ, with or without WRITE and EXEC", prot);
	return 0;
}

/* Index of the first range that ends above gpa. */
static uint32_t lower(struct vmmctl_machine *m, uint64_t gpa)
{
	uint32_t i = 0;

	while (i < m->nmem && m->mem[i].gpa + m->mem[i].len <= gpa)
		i++;
	return i;
}

/* Room for n more ranges. */
static int reserve(struct vmmctl_machine *m, uint32_t n)
{
	uint32_t cap = m->capmem * 2 + 8;
	struct memory *mem;

	if (m->nmem + n <= m->capmem)
		return 0;
	mem = vmmctl_zalloc(m->v, cap * sizeof(*mem));
	if (mem == NULL)
		return vmmctl_fail(m->v, -ENOMEM,
		    "no memory for another memory range");
	if (m->nmem != 0)
		memcpy(mem, m->mem, m->nmem * sizeof(*mem));
	vmmctl_free(m->v, m->mem);
	m->mem = mem;
	m->capmem = cap;
	return 0;
}

static void insert(struct vmmctl_machine *m, uint32_t at,
    const struct memory *r)
{
	memmove(&m->mem[at + 1], &m->mem[at],
	    (m->nmem - at) * sizeof(*m->mem));
	m->mem[at] = *r;
	m->nmem++;
	r->b->refs++;
}

static void backing_put(struct vmmctl_machine *m, struct backing *b)
{
	if (--b->refs != 0)
		return;
	if (b->owned)
		os_shm_unmap(b->hva, b->len);
	os_fd_close(b->fd);
	vmmctl_free(m->v, b);
}

static void erase(struct vmmctl_machine *m, uint32_t at)
{
	struct backing *b = m->mem[at].b;

	m->nmem--;
	memmove(&m->mem[at], &m->mem[at + 1],
	    (m->nmem - at) * sizeof(*m->mem));
	backing_put(m, b);
}

static int add(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    struct backing *b, uint32_t prot)
{
	struct memory r = { .gpa = gpa, .len = len, .prot = prot, .b = b };
	uint32_t at = lower(m, gpa);
	int err;

	if (at < m->nmem && m->mem[at].gpa < gpa + len)
		return vmmctl_fail(m->v, -EINVAL, "memory [0x%llx, +0x%llx) "
		    "overlaps [0x%llx, +0x%llx)", (unsigned long long)gpa,
		    (unsigned long long)len,
		    (unsigned long long)m->mem[at].gpa,
		    (unsigned long long)m->mem[at].len);
	if (m->max_memory != 0 && (len > m->max_memory ||
	    m->memory_size > m->max_memory - len))
		return vmmctl_fail(m->v, -ENOMEM, "0x%llx bytes more would "
		    "exceed the machine's max_memory of 0x%llx",
		    (unsigned long long)len, (unsigned long long)m->max_memory);
	err = reserve(m, 1);
	if (err != 0)
		return err;
	err = m->v->ops->memory_add(m, &r);
	if (err != 0)
		return err;
	insert(m, at, &r);
	m->changes++;
	m->memory_size += len;
	return 0;
}

static int add_backing(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    const struct backing *init, uint32_t prot)
{
	struct backing *b = vmmctl_zalloc(m->v, sizeof(*b));
	int err;

	if (b == NULL) {
		if (init->owned)
			os_shm_unmap(init->hva, init->len);
		os_fd_close(init->fd);
		return vmmctl_fail(m->v, -ENOMEM,
		    "no memory for another memory range");
	}
	*b = *init;
	b->refs = 1;
	mtx_lock(&m->lock);
	err = add(m, gpa, len, b, prot);
	backing_put(m, b);
	mtx_unlock(&m->lock);
	return err;
}

int vmmctl_memory_map(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    int fd, uint64_t offset, uint32_t prot)
{
	KEEP_ERRNO();
	bool writable = (prot & VMMCTL_PROT_WRITE) != 0;
	struct backing b = { .offset = offset, .len = len, .owned = true };
	int err;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	err = check_range(m, gpa, len, prot);
	if (err != 0)
		return err;
	if ((offset & PAGE_MASK) != 0 || offset > INT64_MAX - len)
		return vmmctl_fail(m->v, -EINVAL, "offset 0x%llx must be a "
		    "multiple of 4096 within the file",
		    (unsigned long long)offset);
	err = os_fd_check(fd, writable);
	if (err != 0)
		return vmmctl_fail(m->v, err, "descriptor %d must be a memfd "
		    "or a regular file, open for reading%s", fd,
		    writable ? " and writing" : "");
	b.fd = os_fd_dup(fd);
	if (b.fd < 0)
		return vmmctl_fail(m->v, b.fd, "no descriptor is free; raise "
		    "the limit (ulimit -n)");
	/* The owner may write to what guest users only read, if it can. */
	b.writable = os_fd_check(fd, true) == 0;
	b.hva = os_shm_map(b.fd, offset, len, b.writable);
	if (b.hva == NULL && b.writable && !writable) {
		b.writable = false;
		b.hva = os_shm_map(b.fd, offset, len, false);
	}
	if (b.hva == NULL) {
		os_fd_close(b.fd);
		return vmmctl_fail(m->v, -ENOMEM, "descriptor %d cannot be "
		    "mapped shared at 0x%llx", fd, (unsigned long long)offset);
	}
	return add_backing(m, gpa, len, &b, prot);
}

int vmmctl_memory_map_host(struct vmmctl_machine *m, uint64_t gpa,
    uint64_t len, void *host, uint32_t prot)
{
	KEEP_ERRNO();
	struct backing b = { .fd = -1, .len = len, .hva = host,
	    .writable = true };
	int err;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	err = check_range(m, gpa, len, prot);
	if (err != 0)
		return err;
	if (((uintptr_t)host & PAGE_MASK) != 0 || host == NULL)
		return vmmctl_fail(m->v, -EINVAL,
		    "host address %p must be a multiple of 4096", host);
	if (len > UINTPTR_MAX - (uintptr_t)host || !os_pages_mapped(host, len))
		return vmmctl_fail(m->v, -EFAULT, "the caller has to have "
		    "memory at all of the 0x%llx bytes from %p",
		    (unsigned long long)len, host);
	return add_backing(m, gpa, len, &b, prot);
}

static int check_backed(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    uint32_t prot)
{
	uint64_t end = gpa + len;

	for (uint64_t a = gpa; a < end;) {
		const struct memory *r = memory_find(m, a);

		if (r == NULL)
			return vmmctl_fail(m->v, -ENOENT,
			    "there is no memory at 0x%llx",
			    (unsigned long long)a);
		if ((prot & VMMCTL_PROT_WRITE) && !r->b->writable)
			return vmmctl_fail(m->v, -EACCES, "prot WRITE: the "
			    "descriptor of the memory at 0x%llx is not open "
			    "for writing", (unsigned long long)a);
		a = r->gpa + r->len;
	}
	return 0;
}

/* Make at a boundary between ranges: true if there was none. */
static bool split_at(struct vmmctl_machine *m, uint64_t at)
{
	uint32_t i = lower(m, at);
	struct memory high;

	if (i == m->nmem || m->mem[i].gpa >= at)
		return false;
	high = m->mem[i];
	high.gpa = at;
	high.start += at - m->mem[i].gpa;
	high.len -= at - m->mem[i].gpa;
	m->mem[i].len -= high.len;
	insert(m, i + 1, &high);
	return true;
}

/* The reverse, of two halves of one range. */
static void join_at(struct vmmctl_machine *m, uint64_t at)
{
	uint32_t i = lower(m, at);

	m->mem[i - 1].len += m->mem[i].len;
	erase(m, i);
}

/* Nobody may enter while ranges are replaced: a range that a backend has to
 * take out and put back in pieces is missing for a moment. */
static void park_all(struct vmmctl_machine *m, bool park)
{
	struct link *l;

	LIST_EACH(l, &m->spaces) {
		struct vmmctl_space *s = LIST_ITEM(l, struct vmmctl_space,
		    link);

		if (park)
			space_park(s);
		else
			space_unpark(s);
	}
}

/* Ranges [first, first + n) of the list that are to be replaced. */
struct cut {
	uint64_t gpa, end;	/* what of them is to change */
	uint32_t first, n;
	struct memory *old;	/* as the backend has them */
	bool low, high;		/* a split was made at gpa, at end */
};

static bool inside(const struct cut *cut, const struct memory *r)
{
	return r->gpa >= cut->gpa && r->gpa < cut->end;
}

static int cut_out(struct vmmctl_machine *m, struct cut *cut)
{
	cut->first = lower(m, cut->gpa);
	while (cut->first + cut->n < m->nmem &&
	    m->mem[cut->first + cut->n].gpa < cut->end)
		cut->n++;
	cut->old = vmmctl_zalloc(m->v, cut->n * sizeof(*cut->old));
	if (cut->old == NULL)
		return vmmctl_fail(m->v, -ENOMEM,
		    "no memory for a change of memory ranges");
	memcpy(cut->old, &m->mem[cut->first], cut->n * sizeof(*cut->old));
	for (uint32_t i = 0; i < cut->n; i++)
		m->v->ops->memory_remove(m, &cut->old[i]);
	cut->low = split_at(m, cut->gpa);
	cut->high = split_at(m, cut->end);
	return 0;
}

/* The first n pieces are in the backend: make all as it was.  What the
 * backend does not take back is lost. */
static void roll_back(struct vmmctl_machine *m, const struct cut *cut,
    uint32_t n, uint32_t prot)
{
	uint32_t at = cut->first;

	for (uint32_t i = 0; i < n; i++)
		if (prot != 0 || !inside(cut, &m->mem[at + i]))
			m->v->ops->memory_remove(m, &m->mem[at + i]);
	if (cut->high)
		join_at(m, cut->end);
	if (cut->low)
		join_at(m, cut->gpa);
	for (uint32_t i = 0; i < cut->n; i++) {
		m->mem[at] = cut->old[i];
		if (m->v->ops->memory_add(m, &m->mem[at]) == 0) {
			at++;
			continue;
		}
		m->memory_size -= m->mem[at].len;
		erase(m, at);
	}
}

/*
 * Take [gpa, gpa+len) out of the backend and, with prot 0, for good; else put
 * it back with prot.  What else is in the ranges that it is a part of goes
 * out and in with it.
 */
static int replace(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    uint32_t prot)
{
	struct cut cut = { .gpa = gpa, .end = gpa + len };
	uint32_t pieces;
	int err = spaces_memory_changed(m, gpa, len);

	if (err == 0)
		err = cut_out(m, &cut);
	if (err != 0)
		return err;
	pieces = cut.n + cut.low + cut.high;
	for (uint32_t i = 0; i < pieces && err == 0; i++) {
		struct memory *r = &m->mem[cut.first + i];

		if (inside(&cut, r) && prot == 0)
			continue;
		if (inside(&cut, r))
			r->prot = prot;
		err = m->v->ops->memory_add(m, r);
		if (err != 0)
			roll_back(m, &cut, i, prot);
	}
	vmmctl_free(m->v, cut.old);
	if (err != 0 || prot != 0)
		return err;
	for (uint32_t i = lower(m, gpa); i < m->nmem && inside(&cut,
	    &m->mem[i]);) {
		m->memory_size -= m->mem[i].len;
		erase(m, i);
	}
	return 0;
}

static int change(struct vmmctl_machine *m, uint64_t gpa, uint64_t len,
    uint32_t prot)
{
	int err = check_backed(m, gpa, len, prot);

	if (err == 0)
		err = reserve(m, 2);
	if (err != 0)
		return err;
	m->changes++;
	park_all(m, true);
	err = replace(m, gpa, len, prot);
	park_all(m, false);
	return err;
}

static int change_checked(struct vmmctl_machine *m, uint64_t gpa,
    uint64_t len, uint32_t prot, uint32_t set)
{
	KEEP_ERRNO();
	int err;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	err = check_range(m, gpa, len, prot);
	if (err != 0)
		return err;
	mtx_lock(&m->lock);
	err = change(m, gpa, len, set);
	mtx_unlock(&m->lock);
	return err;
}

int vmmctl_memory_unmap(struct vmmctl_machine *m, uint64_t gpa, uint64_t len)
{
	return change_checked(m, gpa, len, VMMCTL_PROT_READ, 0);
}

int vmmctl_memory_protect(struct vmmctl_machine *m, uint64_t gpa,
    uint64_t len, uint32_t prot)
{
	return change_checked(m, gpa, len, prot, prot);
}

void memory_fini(struct vmmctl_machine *m)
{
	while (m->nmem != 0) {
		m->v->ops->memory_remove(m, &m->mem[m->nmem - 1]);
		erase(m, m->nmem - 1);
	}
	vmmctl_free(m->v, m->mem);
	m->mem = NULL;
}

static int64_t copy(struct vmmctl_machine *m, uint64_t gpa, void *buf,
    size_t len, bool write)
{
	size_t done = 0;

	if (!vmmctl_alive(m->v))
		return vmmctl_forked(m->v);
	if (len > INT64_MAX)
		return vmmctl_fail(m->v, -EINVAL, "length is too large");
	mtx_lock(&m->lock);
	while (done < len) {
		struct memory *r = memory_find(m, gpa + done);
		uint64_t n;

		if (r == NULL || (write && !r->b->writable))
			break;
		n = r->gpa + r->len - (gpa + done);
		if (n > len - done)
			n = len - done;
		if (write)
			memcpy(memory_hva(r, gpa + done),
			    (const uint8_t *)buf + done, n);
		else
			memcpy((uint8_t *)buf + done,
			    memory_hva(r, gpa + done), n);
		done += n;
	}
	mtx_unlock(&m->lock);
	if (done == 0 && len != 0)
		return vmmctl_fail(m->v, -EFAULT, "there is no %smemory at "
		    "0x%llx", write ? "writable " : "",
		    (unsigned long long)gpa);
	return (int64_t)done;
}

int64_t vmmctl_memory_read(struct vmmctl_machine *m, uint64_t gpa, void *buf,
    size_t len)
{
	return copy(m, gpa, buf, len, false);
}

int64_t vmmctl_memory_write(struct vmmctl_machine *m, uint64_t gpa,
    const void *buf, size_t len)
{
	return copy(m, gpa, (void *)(uintptr_t)buf, len, true);
}
