// SPDX-License-Identifier: BSD-2-Clause
/*
 * decode.c - from a raw event to the exit of the contract.  Knows the
 * processor's manual, no backend.
 */
#include "counters.h"
#include "insn.h"
#include "machine.h"
#include "pt.h"
#include "run.h"

#include <errno.h>
#include <string.h>

#define FILLS_MAX	8u		/* of c->fills */
#define FILLS_LACK	UINT32_MAX	/* of c->fills: the owner lacks the
					 * page at gpa fill_addr */

size_t fetch_code(struct vmmctl_context *c, uint64_t gva, uint8_t *buf,
    size_t size)
{
	struct vmmctl_fault f;
	int64_t n;

	mtx_lock(&c->m->lock);
	n = copy_locked(c->space, gva, buf, size, VMMCTL_PROT_EXEC, &f);
	mtx_unlock(&c->m->lock);
	return (size_t)n;
}

static bool is_prefix(uint8_t b)
{
	return b == 0x66 || b == 0x67 || b == 0x26 || b == 0x2e ||
	    b == 0x36 || b == 0x3e || b == 0x64 || b == 0x65 ||
	    b == 0xf2 || b == 0xf3 || (b & 0xf0) == 0x40;
}

/*
 * INT n through a gate that ring 3 may not use, or through none: #GP with the
 * vector and the IDT bit in the error code (SDM vol. 3A 6.13).
 */
bool decode_int_n(uint32_t error_code, const uint8_t *code, size_t size,
    uint32_t *n, unsigned *len)
{
	unsigned i = 0;

	if ((error_code & 7) != 2)
		return false;
	while (i < size && is_prefix(code[i]))
		i++;
	*n = error_code >> 3;
	if (i + 1 < size && code[i] == 0xcd && code[i + 1] == *n) {
		*len = i + 2;
		return true;
	}
	return false;
}

static void fill_fault(struct vmmctl_exit *e, const struct event *ev,
    uint32_t access)
{
	e->vector = VEC_PF;
	e->addr = ev->cr2;
	e->access = access;
}

static uint32_t fault_access(const struct event *ev)
{
	if (ev->error_code & PF_FETCH)
		return VMMCTL_PROT_EXEC;
	return ev->error_code & PF_WRITE ? VMMCTL_PROT_WRITE :
	    VMMCTL_PROT_READ;
}

/*
 * Only the guest-physical address is known of this access.  It will come
 * again, and fault: see lacks().
 */
static int decode_lacks(struct vmmctl_context *c, const struct event *ev)
{
	int err;

	mtx_lock(&c->m->lock);
	err = space_lacks(c->space, ev->gpa);
	c->fills = FILLS_LACK;
	c->fill_addr = ev->gpa & ~PAGE_MASK;
	c->fill_rip = c->regs.rip;
	c->fill_changes = c->m->changes;
	mtx_unlock(&c->m->lock);
	return err == 0 ? 0 : vmmctl_fail(c->m->v, err,
	    "no memory for page tables");
}

/* Is this the fault that was to come? */
static bool lacks(const struct vmmctl_context *c, uint64_t gpa)
{
	return c->fills == FILLS_LACK &&
	    c->fill_addr == (gpa & ~PAGE_MASK) &&
	    c->fill_rip == c->regs.rip && c->fill_changes == c->m->changes;
}

/*
 * The same access failing again after it was loaded: the file behind the
 * memory has no page there.  How often in a row?
 */
static uint32_t count_fill(struct vmmctl_context *c, uint64_t addr)
{
	if (c->fills != 0 && c->fills != FILLS_LACK && c->fill_addr == addr &&
	    c->fill_rip == c->regs.rip && c->fill_changes == c->m->changes)
		return ++c->fills;
	c->fills = 1;
	c->fill_addr = addr;
	c->fill_rip = c->regs.rip;
	c->fill_changes = c->m->changes;
	return 1;
}

/*
 * A page fault is the space's (FAULT), the machine's (NOMEM), or nobody's:
 * the backend had not loaded the mapping.  The page table says which.
 */
static int decode_fault(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    const struct event *ev, struct vmmctl_exit *e)
{
	struct vmmctl_machine *m = c->m;
	uint32_t access = fault_access(ev), key = ev->error_code & PF_KEY;
	struct pt_leaf leaf = { .mapped = false };
	struct memory *r;
	int err;

	fill_fault(e, ev, access);
	mtx_lock(&m->lock);
	if (ev->cr2 < m->v->info.gva_limit)
		pt_find(c->space, ev->cr2, &leaf);
	if (!leaf.mapped || (leaf.prot & access) == 0 || key != 0) {
		e->kind = VMMCTL_EXIT_FAULT;
		e->present = leaf.mapped;
		e->error_code = PF_USER | (leaf.mapped ? PF_PRESENT | key : 0) |
		    (access == VMMCTL_PROT_WRITE ? PF_WRITE : 0) |
		    (access == VMMCTL_PROT_EXEC ? PF_FETCH : 0);
		mtx_unlock(&m->lock);
		return 1;
	}
	e->gpa = leaf.gpa + (ev->cr2 - leaf.gva);
	r = memory_find(m, e->gpa);
	if (r == NULL || (r->prot & access) == 0 || lacks(c, e->gpa) ||
	    count_fill(c, ev->cr2) > FILLS_MAX) {
		e->kind = VMMCTL_EXIT_NOMEM;
		mtx_unlock(&m->lock);
		return 1;
	}
	err = space_refresh(c->space, ev->cr2);
	mtx_unlock(&m->lock);
	if (err != 0)
		return vmmctl_fail(m->v, err, "no memory for page tables");
	count_add(&v->counters->fills, 1);
	return 0;
}

static void decode_trap_or_exception(struct vmmctl_context *c,
    const struct event *ev, struct vmmctl_exit *e)
{
	uint8_t code[INSN_MAX];
	unsigned len;

	e->kind = VMMCTL_EXIT_EXCEPTION;
	e->vector = ev->vector;
	e->error_code = ev->error_code;
	switch (ev->vector) {
	case VEC_DB:
		e->kind = VMMCTL_EXIT_DEBUG;
		e->dr6 = ev->dr6;
		break;
	case VEC_BP:
		/* CC, or the two bytes CD 03, both trap: the last tells. */
		e->kind = VMMCTL_EXIT_BREAKPOINT;
		if (!c->m->v->ops->bare && fetch_code(c, c->regs.rip - 1, code, 1) == 1 &&
		    code[0] == 0x03)
			e->kind = VMMCTL_EXIT_SOFTINT;
		break;
	case VEC_OF:
		/* INTO does not exist in 64-bit mode: this is CD 04. */
		e->kind = VMMCTL_EXIT_SOFTINT;
		e->error_code = 0;
		break;
	case VEC_GP:
		if (decode_int_n(ev->error_code, code,
		    fetch_code(c, c->regs.rip, code, sizeof(code)),
		    &e->vector, &len)) {
			e->kind = VMMCTL_EXIT_SOFTINT;
			e->error_code = 0;
			c->regs.rip += len;
		} else {
			e->vector = VEC_GP;
		}
		break;
	default:
		break;
	}
}

/* 1, 0 and -errno as decode_event. */
static int decode(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    const struct event *ev, struct vmmctl_exit *e)
{
	switch (ev->type) {
	case EVENT_SYSCALL:
		e->kind = VMMCTL_EXIT_SYSCALL;
		e->brief = ev->brief;
		return 1;
	case EVENT_SOFTINT:
		e->kind = VMMCTL_EXIT_SOFTINT;
		e->vector = ev->vector;
		return 1;
	case EVENT_VECTOR:
		if (ev->vector == VEC_PF)
			return decode_fault(v, c, ev, e);
		decode_trap_or_exception(c, ev, e);
		return 1;
	case EVENT_SIGNAL:
		e->kind = VMMCTL_EXIT_KICKED;
		return 1;
	case EVENT_FAILED:
		e->kind = VMMCTL_EXIT_FAILED;
		e->field = ev->field;
		e->value = ev->value;
		e->rule = ev->rule;
		e->section = ev->section;
		return 1;
	case EVENT_KICK:	/* the caller looks whether it was for it */
	case EVENT_TIMEOUT:
	case EVENT_REFUSED:	/* and finds the reason itself */
	case EVENT_DONE:
		return 0;
	case EVENT_LACKS:
		return decode_lacks(c, ev);
	}
	return -EINVAL;
}

int decode_event(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    const struct event *ev, struct vmmctl_exit *e)
{
	int r;

	memset(e, 0, sizeof(*e));
	r = decode(v, c, ev, e);
	/* The guest got on, or the caller will see to it. */
	if (r != 0)
		c->fills = 0;
	return r;
}
