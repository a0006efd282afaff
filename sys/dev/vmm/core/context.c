/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context.c - what of a guest-user thread does not fit into the shared page:
 * its XSAVE area and its policy.
 *
 * The area is in memory whenever no vCPU is inside with it.  A run owns its
 * context from its start to its end; others visit it meanwhile: EBUSY.
 */
#include "stats.h"

#define XSAVE_MIN	576u
#define LEGACY		512u	/* x87, SSE, MXCSR */
#define BV_AT		512u	/* XSTATE_BV, SDM vol. 1 13.4.2 */
#define BV_LEGACY	3ull

/* [c] 0, and the context is the caller's, who holds c until it is released. */
static int visit(const struct vmm_machine *m, uint32_t number,
    struct vmm_context_state **out)
{
	struct vmm_context_state *c = vmm_context_find(m, number);

	if (c == NULL)
		return ENOENT;
	if (!vmm_acquire(&c->busy, VMM_VISITED))
		return EBUSY;
	if (!c->exists) {
		vmm_release(&c->busy);
		return ENOENT;
	}
	*out = c;
	return 0;
}

/* It was busy just now: a visit is waited for. */
bool vmm_acquire_busy(uint32_t *busy, enum vmm_busy what)
{
	uint32_t was;

	while ((was = os_cmpxchg32(busy, VMM_REST, what)) == VMM_VISITED)
		os_relax(false);
	return was == VMM_REST;
}

/* ---- making and ending ---- */

/* [c] A free place, which is the caller's; NULL: there is none.  Who does not
 * know that a place is free may be looking at it just now: not that one. */
static struct vmm_context_state *take_free(struct vmm_machine *m,
    uint32_t *number)
{
	struct vmm_context_state *c;
	uint32_t n;
	bool lowest = true;

	for (n = m->free_context; n < m->cap_contexts; n++) {
		c = vmm_context_find(m, n);
		if (!c->exists) {
			if (vmm_acquire(&c->busy, VMM_VISITED)) {
				*number = n;
				return c;
			}
			lowest = false;
		}
		if (lowest)
			m->free_context = n + 1;
	}
	return NULL;
}

/* [m] More places. */
static int grow(struct vmm_machine *m)
{
	struct vmm_context_state *chunk;

	if (m->cap_contexts == VMM_MAX_CONTEXTS)
		return ENOSPC;
	chunk = os_zalloc(VMM_CONTEXT_CHUNK * sizeof(*chunk));
	if (chunk == NULL)
		return ENOMEM;
	os_spin_lock(&m->context_lock);
	OS_RELEASE(m->contexts[m->cap_contexts / VMM_CONTEXT_CHUNK], chunk);
	m->cap_contexts += VMM_CONTEXT_CHUNK;
	os_spin_unlock(&m->context_lock);
	return 0;
}

/* Put an area in a free place; false: there is none. */
static bool place(struct vmm_machine *m, void *memory, uint32_t *number)
{
	struct vmm_context_state *c;

	os_spin_lock(&m->context_lock);
	c = take_free(m, number);
	if (c != NULL) {
		c->memory = memory;
		c->xsave = (uint8_t *)(((uintptr_t)memory + 63) &
		    ~(uintptr_t)63);
		OS_WRITE(c->counted, 0);
		c->exists = true;
		m->ncontexts++;
		vmm_release(&c->busy);
	}
	os_spin_unlock(&m->context_lock);
	return c != NULL;
}

static int create(struct vmm_machine *m, void *memory, uint32_t *number)
{
	int error = 0;

	os_mutex_lock(&m->lock);
	if (!place(m, memory, number)) {
		error = grow(m);
		if (error == 0 && !place(m, memory, number))
			error = ENOSPC;
	}
	os_mutex_unlock(&m->lock);
	return error;
}

int vmm_context_create(struct vmm_machine *m, struct vmm_context *a)
{
	uint8_t *memory;
	int error;

	if (a->context != 0 || a->reserved != 0)
		return EINVAL;
	memory = os_zalloc(vmm_hw.xsave_size + 64);
	if (memory == NULL)
		return ENOMEM;
	x86_xsave_init((uint8_t *)(((uintptr_t)memory + 63) & ~(uintptr_t)63),
	    vmm_hw.xsave_size);
	error = create(m, memory, &a->context);
	if (error != 0)
		os_free(memory);
	else
		(void)os_fetch_add64(&vmm_live.contexts, 1);
	return error;
}

int vmm_context_destroy(struct vmm_machine *m, const struct vmm_context *a)
{
	struct vmm_context_state *c;
	void *memory = NULL;
	int error;

	if (a->reserved != 0)
		return EINVAL;
	os_spin_lock(&m->context_lock);
	error = visit(m, a->context, &c);
	if (error == 0) {
		memory = c->memory;
		c->memory = NULL;
		c->xsave = NULL;
		c->exists = false;
		m->ncontexts--;
		if (a->context < m->free_context)
			m->free_context = a->context;
		vmm_release(&c->busy);
	}
	os_spin_unlock(&m->context_lock);
	if (error == 0)
		(void)os_fetch_add64(&vmm_live.contexts, -1ull);
	os_free(memory);
	return error;
}

void vmm_contexts_fini(struct vmm_machine *m)
{
	uint32_t i, k;

	for (i = 0; i < m->cap_contexts / VMM_CONTEXT_CHUNK; i++) {
		for (k = 0; k < VMM_CONTEXT_CHUNK; k++)
			os_free(m->contexts[i][k].memory);
		os_free(m->contexts[i]);
	}
	(void)os_fetch_add64(&vmm_live.contexts, -(uint64_t)m->ncontexts);
}

/* ---- its extended state ---- */

/* The components that are whole within the first size bytes. */
static uint64_t parts_within(uint32_t size)
{
	uint64_t parts = BV_LEGACY;
	uint32_t i;

	for (i = 2; i < 63; i++)
		if (vmm_hw.part[i].size != 0 &&
		    vmm_hw.part[i].offset + vmm_hw.part[i].size <= size)
			parts |= 1ull << i;
	return parts;
}

static uint64_t get_bv(const uint8_t *area)
{
	uint64_t bv;

	memcpy(&bv, area + BV_AT, sizeof(bv));
	return bv;
}

static void set_bv(uint8_t *area, uint64_t bv)
{
	memcpy(area + BV_AT, &bv, sizeof(bv));
}

/* What is not told is as after reset, and not bytes of long ago. */
static void export(uint8_t *to, const uint8_t *area, uint32_t size)
{
	memcpy(to, area, size);
	set_bv(to, get_bv(area) & parts_within(size));
}

static void import(uint8_t *area, const uint8_t *from, uint32_t size)
{
	uint64_t within = parts_within(size);
	uint32_t i;

	memcpy(area, from, LEGACY);
	for (i = 2; i < 63; i++)
		if ((within >> i & 1) != 0)
			memcpy(area + vmm_hw.part[i].offset,
			    from + vmm_hw.part[i].offset,
			    vmm_hw.part[i].size);
	set_bv(area, (get_bv(from) & within) | (get_bv(area) & ~within));
}

/* Copy between a context that does not run and buf. */
static int move(struct vmm_machine *m, const struct vmm_xsave *a, uint8_t *buf,
    void (*one)(uint8_t *to, const uint8_t *from, uint32_t size), bool set)
{
	struct vmm_context_state *c;
	int error;

	os_spin_lock(&m->context_lock);
	error = visit(m, a->context, &c);
	if (error == 0) {
		one(set ? c->xsave : buf, set ? buf : c->xsave, a->size);
		vmm_release(&c->busy);
	}
	os_spin_unlock(&m->context_lock);
	return error;
}

static bool is_size(uint32_t size)
{
	return size >= XSAVE_MIN && size <= vmm_hw.xsave_size;
}

int vmm_xsave_get(struct vmm_machine *m, const struct vmm_xsave *a)
{
	uint8_t *buf;
	int error;

	if (!is_size(a->size))
		return EINVAL;
	buf = os_zalloc(a->size);
	if (buf == NULL)
		return ENOMEM;
	error = move(m, a, buf, export, false);
	if (error == 0)
		error = os_copyout(a->buf, buf, a->size);
	os_free(buf);
	return error;
}

int vmm_xsave_set(struct vmm_machine *m, const struct vmm_xsave *a)
{
	uint8_t *buf;
	int error;

	if (!is_size(a->size))
		return EINVAL;
	buf = os_zalloc(a->size);
	if (buf == NULL)
		return ENOMEM;
	error = os_copyin(a->buf, buf, a->size);
	if (error == 0 && !x86_xsave_valid(buf, a->size, vmm_hw.xcr0,
	    vmm_hw.mxcsr_mask))
		error = EINVAL;
	if (error == 0)
		error = move(m, a, buf, import, true);
	os_free(buf);
	return error;
}

/* ---- its policy ---- */

int vmm_policy_set(struct vmm_machine *m, const struct vmm_policy *a)
{
	const uint32_t may_count = 1u << VMM_X86_DB | 1u << VMM_X86_BP;
	struct vmm_context_state *c;
	uint32_t i, counted = 0;
	int error = 0;

	if (a->reserved != 0)
		return EINVAL;
	for (i = 0; i < 32; i++) {
		if (a->vector[i] == VMM_POLICY_COUNT)
			counted |= 1u << i;
		else if (a->vector[i] != VMM_POLICY_EXIT)
			return EINVAL;
	}
	if ((counted & ~may_count) != 0)
		return EINVAL;
	/* Also of one that runs. */
	os_spin_lock(&m->context_lock);
	c = vmm_context_find(m, a->context);
	if (c == NULL || !c->exists)
		error = ENOENT;
	else
		OS_WRITE(c->counted, counted);
	os_spin_unlock(&m->context_lock);
	return error;
}
