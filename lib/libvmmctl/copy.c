// SPDX-License-Identifier: BSD-2-Clause
/*
 * copy.c - access to a space by guest-virtual address, with the rights that
 * the guest user has there.
 */
#include "machine.h"
#include "pt.h"

#include <errno.h>
#include <string.h>

/*
 * Where gva is in the owner's memory, and how many bytes follow it there;
 * NULL and *fault when the guest may not access it so.
 */
static uint8_t *resolve(struct vmmctl_space *s, uint64_t gva, uint32_t access,
    uint64_t *len, struct vmmctl_fault *fault)
{
	struct vmmctl_machine *m = s->m;
	struct pt_leaf leaf = { .mapped = false };
	struct memory *r = NULL;
	uint64_t gpa = 0;

	if (gva < m->v->info.gva_limit)
		pt_find(s, gva, &leaf);
	if (leaf.mapped) {
		gpa = leaf.gpa + (gva - leaf.gva);
		r = memory_find(m, gpa);
	}
	if (r == NULL || (leaf.prot & access) == 0 ||
	    (r->prot & access) == 0) {
		fault->gva = gva;
		fault->gpa = gpa;
		fault->access = access;
		fault->present = leaf.mapped;
		return NULL;
	}
	*len = leaf.gva + leaf.len - gva;
	if (*len > r->gpa + r->len - gpa)
		*len = r->gpa + r->len - gpa;
	return memory_hva(r, gpa);
}

int64_t copy_locked(struct vmmctl_space *s, uint64_t gva, void *buf,
    size_t len, uint32_t access, struct vmmctl_fault *fault)
{
	uint8_t *b = buf;
	size_t done = 0;

	while (done < len) {
		uint64_t n;
		uint8_t *p = resolve(s, gva + done, access, &n, fault);

		if (p == NULL)
			break;
		if (n > len - done)
			n = len - done;
		if (access == VMMCTL_PROT_WRITE)
			memcpy(p, b + done, n);
		else
			memcpy(b + done, p, n);
		done += n;
	}
	return (int64_t)done;
}

static int64_t copy(struct vmmctl_space *s, uint64_t gva, void *buf,
    size_t len, uint32_t access, struct vmmctl_fault *fault)
{
	struct vmmctl *v = s->m->v;
	struct vmmctl_fault f = { 0 };
	int64_t done;

	if (!vmmctl_alive(v))
		return vmmctl_forked(v);
	if (len > INT64_MAX)
		return vmmctl_fail(v, -EINVAL, "length is too large");
	mtx_lock(&s->m->lock);
	done = copy_locked(s, gva, buf, len, access, &f);
	mtx_unlock(&s->m->lock);
	if (fault != NULL)
		*fault = f;
	if (done == 0 && len != 0)
		return vmmctl_fail(v, -EFAULT, "the guest user may not %s "
		    "0x%llx", access == VMMCTL_PROT_WRITE ? "write" : "read",
		    (unsigned long long)f.gva);
	return done;
}

int64_t vmmctl_space_copyin(struct vmmctl_space *s, uint64_t gva, void *buf,
    size_t len, struct vmmctl_fault *fault)
{
	return copy(s, gva, buf, len, VMMCTL_PROT_READ, fault);
}

int64_t vmmctl_space_copyout(struct vmmctl_space *s, uint64_t gva,
    const void *buf, size_t len, struct vmmctl_fault *fault)
{
	return copy(s, gva, (void *)(uintptr_t)buf, len, VMMCTL_PROT_WRITE,
	    fault);
}

int64_t vmmctl_space_copyinstr(struct vmmctl_space *s, uint64_t gva, char *buf,
    size_t size, struct vmmctl_fault *fault)
{
	struct vmmctl *v = s->m->v;
	struct vmmctl_fault f = { 0 };
	const uint8_t *nul = NULL;
	bool faulted = false;
	size_t done = 0;

	if (!vmmctl_alive(v))
		return vmmctl_forked(v);
	mtx_lock(&s->m->lock);
	while (done < size && nul == NULL) {
		uint64_t n;
		const uint8_t *p = resolve(s, gva + done, VMMCTL_PROT_READ,
		    &n, &f);

		faulted = p == NULL;
		if (faulted)
			break;
		if (n > size - done)
			n = size - done;
		/* Other vCPUs may write here: look only at our copy. */
		memcpy(buf + done, p, n);
		nul = memchr(buf + done, '\0', n);
		done = nul != NULL ? (size_t)(nul - (uint8_t *)buf) : done + n;
	}
	mtx_unlock(&s->m->lock);
	if (fault != NULL)
		*fault = f;
	if (faulted)
		return vmmctl_fail(v, -EFAULT, "the string at 0x%llx runs into "
		    "0x%llx, which the guest user may not read",
		    (unsigned long long)gva, (unsigned long long)f.gva);
	if (nul == NULL)
		return vmmctl_fail(v, -ENAMETOOLONG, "the string at 0x%llx "
		    "does not end within %zu bytes", (unsigned long long)gva,
		    size);
	return (int64_t)done;
}

#define CAS(type) do { \
	type old = (type)*expected; \
	r = __atomic_compare_exchange_n((type *)(void *)p, &old, \
	    (type)desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	*expected = old; \
} while (0)

int vmmctl_space_cas(struct vmmctl_space *s, uint64_t gva, unsigned width,
    uint64_t *expected, uint64_t desired, struct vmmctl_fault *fault)
{
	struct vmmctl *v = s->m->v;
	struct vmmctl_fault f = { 0 };
	uint64_t len;
	uint8_t *p;
	int r = 0;

	if (!vmmctl_alive(v))
		return vmmctl_forked(v);
	if ((width != 1 && width != 2 && width != 4 && width != 8) ||
	    (gva & (width - 1)) != 0)
		return vmmctl_fail(v, -EINVAL, "compare-and-swap of %u bytes "
		    "at 0x%llx: width must be 1, 2, 4 or 8, the address a "
		    "multiple of it", width, (unsigned long long)gva);
	mtx_lock(&s->m->lock);
	p = resolve(s, gva, VMMCTL_PROT_WRITE, &len, &f);
	if (p == NULL)
		r = -EFAULT;
	else if (width == 1)
		CAS(uint8_t);
	else if (width == 2)
		CAS(uint16_t);
	else if (width == 4)
		CAS(uint32_t);
	else
		CAS(uint64_t);
	mtx_unlock(&s->m->lock);
	if (fault != NULL)
		*fault = f;
	if (r < 0)
		return vmmctl_fail(v, r, "the guest user may not write "
		    "0x%llx", (unsigned long long)gva);
	return r;
}
