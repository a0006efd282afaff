/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context.c - what of a guest-user thread does not fit into the shared page:
 * its XSAVE area and its policy.
 *
 * The area is in memory whenever its vCPU is not inside.  A context belongs to
 * the vCPU that ran it last (holder), so that an entry need not ask; others
 * visit that vCPU, which is EBUSY only while it runs, and may take the context
 * away from it.
 */
#include "stats.h"

#define XSAVE_MIN	576u
#define LEGACY		512u	/* x87, SSE, MXCSR */
#define BV_AT		512u	/* XSTATE_BV, SDM vol. 1 13.4.2 */
#define BV_LEGACY	3ull

/* [c] */
static struct vmm_context_state *find(const struct vmm_machine *m,
    uint32_t number)
{
	return number < m->cap_contexts ? m->contexts[number] : NULL;
}

/* [c] Make c nobody's; false: it runs. */
static bool release(struct vmm_context_state *c)
{
	struct vmm_vcpu *v = c->holder;

	if (v == NULL)
		return true;
	if (!vmm_vcpu_visit(v))
		return false;
	v->context = NULL;
	c->holder = NULL;
	vmm_vcpu_leave(v);
	return true;
}

/* ---- making and ending ---- */

static void unmake(struct vmm_context_state *c)
{
	if (c != NULL)
		os_free(c->memory);
	os_free(c);
}

static struct vmm_context_state *make(void)
{
	struct vmm_context_state *c = os_zalloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	c->memory = os_zalloc(vmm_hw.xsave_size + 64);
	if (c->memory == NULL) {
		unmake(c);
		return NULL;
	}
	c->xsave = (uint8_t *)(((uintptr_t)c->memory + 63) & ~(uintptr_t)63);
	x86_xsave_init(c->xsave, vmm_hw.xsave_size);
	return c;
}

/* [c] */
static bool place(struct vmm_machine *m, struct vmm_context_state *c)
{
	uint32_t n = m->free_context;

	while (n < m->cap_contexts && m->contexts[n] != NULL)
		n++;
	m->free_context = n;
	if (n == m->cap_contexts)
		return false;
	c->number = n;
	m->contexts[n] = c;
	m->ncontexts++;
	return true;
}

/* Twice as many may be; [m] keeps others from doing the same. */
static int grow(struct vmm_machine *m)
{
	uint32_t cap = m->cap_contexts == 0 ? 16 : 2 * m->cap_contexts;
	struct vmm_context_state **bigger, **old = m->contexts;

	if (cap > VMM_MAX_CONTEXTS)
		return ENOSPC;
	bigger = os_zalloc(cap * sizeof(struct vmm_context_state *));
	if (bigger == NULL)
		return ENOMEM;
	os_spin_lock(&m->context_lock);
	if (old != NULL)
		memcpy(bigger, old,
		    m->cap_contexts * sizeof(struct vmm_context_state *));
	m->contexts = bigger;
	m->cap_contexts = cap;
	os_spin_unlock(&m->context_lock);
	os_free(old);
	return 0;
}

static bool place_locked(struct vmm_machine *m, struct vmm_context_state *c)
{
	bool placed;

	os_spin_lock(&m->context_lock);
	placed = place(m, c);
	os_spin_unlock(&m->context_lock);
	return placed;
}

int vmm_context_create(struct vmm_machine *m, struct vmm_context *a)
{
	struct vmm_context_state *c;
	int error = 0;

	if (a->context != 0 || a->reserved != 0)
		return EINVAL;
	c = make();
	if (c == NULL)
		return ENOMEM;
	os_mutex_lock(&m->lock);
	if (!place_locked(m, c)) {
		error = grow(m);
		if (error == 0)
			(void)place_locked(m, c);
	}
	os_mutex_unlock(&m->lock);
	if (error != 0) {
		unmake(c);
		return error;
	}
	a->context = c->number;
	(void)os_fetch_add64(&vmm_live.contexts, 1);
	return 0;
}

int vmm_context_destroy(struct vmm_machine *m, const struct vmm_context *a)
{
	struct vmm_context_state *c;
	int error = 0;

	if (a->reserved != 0)
		return EINVAL;
	os_spin_lock(&m->context_lock);
	c = find(m, a->context);
	if (c == NULL) {
		error = ENOENT;
	} else if (!release(c)) {
		c = NULL;
		error = EBUSY;
	} else {
		m->contexts[c->number] = NULL;
		m->ncontexts--;
		if (c->number < m->free_context)
			m->free_context = c->number;
	}
	os_spin_unlock(&m->context_lock);
	if (error != 0)
		return error;
	unmake(c);
	(void)os_fetch_add64(&vmm_live.contexts, -1ull);
	return 0;
}

void vmm_contexts_fini(struct vmm_machine *m)
{
	uint32_t i;

	for (i = 0; i < m->cap_contexts; i++)
		unmake(m->contexts[i]);
	(void)os_fetch_add64(&vmm_live.contexts, -(uint64_t)m->ncontexts);
	os_free(m->contexts);
	m->contexts = NULL;
	m->ncontexts = m->cap_contexts = 0;
}

/* ---- whose it is ---- */

bool vmm_context_take(struct vmm_vcpu *v, uint32_t number)
{
	struct vmm_machine *m = v->machine;
	struct vmm_context_state *c;
	bool taken;

	if (v->context != NULL && v->context->number == number)
		return true;
	os_spin_lock(&m->context_lock);
	c = find(m, number);
	taken = c != NULL && release(c);
	if (taken) {
		if (v->context != NULL)
			v->context->holder = NULL;
		v->context = c;
		c->holder = v;
	}
	os_spin_unlock(&m->context_lock);
	if (taken) {
		v->context_number = number;
		vmm_count(&v->stats->context_switches, 1);
	}
	return taken;
}

void vmm_context_drop(struct vmm_vcpu *v)
{
	os_spin_lock(&v->machine->context_lock);
	if (v->context != NULL)
		v->context->holder = NULL;
	v->context = NULL;
	os_spin_unlock(&v->machine->context_lock);
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
	int error = 0;

	os_spin_lock(&m->context_lock);
	c = find(m, a->context);
	if (c == NULL)
		error = ENOENT;
	else if (c->holder != NULL && !vmm_vcpu_visit(c->holder))
		error = EBUSY;
	if (error == 0) {
		one(set ? c->xsave : buf, set ? buf : c->xsave, a->size);
		if (c->holder != NULL)
			vmm_vcpu_leave(c->holder);
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
	os_spin_lock(&m->context_lock);
	c = find(m, a->context);
	if (c != NULL)
		OS_WRITE(c->counted, counted);
	os_spin_unlock(&m->context_lock);
	return c != NULL ? 0 : ENOENT;
}
