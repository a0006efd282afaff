// SPDX-License-Identifier: BSD-2-Clause
/*
 * step.c - exact single steps out of RFLAGS.TF.  TF alone would show in what
 * PUSHF stores and SYSCALL copies, would be lost in POPF, and runs two
 * instructions at MOV SS (SDM vol. 3A 6.8.3, 17.3.1.4).
 */
#include "insn.h"
#include "machine.h"
#include "run.h"

#define USER_SS		0x2bu

enum step_kind step_classify(const uint8_t *code, size_t len, unsigned *size)
{
	struct insn in;

	insn_begin(&in, code, len);
	*size = in.opsize ? 2 : 8;
	if (in.at >= len)
		return STEP_PLAIN;
	code += in.at;
	len -= in.at;
	switch (code[0]) {
	case 0x9c:
		return STEP_PUSHF;
	case 0x9d:
	case 0xcf:
		return STEP_POPF;
	case 0x0f:
		return len > 1 && code[1] == 0x05 ? STEP_SYSCALL : STEP_PLAIN;
	case 0x8e:
		return len > 1 && (code[1] >> 3 & 7) == 2 ? STEP_MOV_SS :
		    STEP_PLAIN;
	default:
		return STEP_PLAIN;
	}
}

/*
 * MOV SS of the selector that ring 3 has there anyway changes nothing: skip
 * it.  Any other value faults on the processor, which does not hold back
 * anything.
 */
static bool skip_mov_ss(struct vmmctl_context *c, const uint8_t *code,
    size_t len)
{
	struct vmmctl_regs *r = &c->regs;
	struct insn in;
	uint16_t selector;

	insn_begin(&in, code, len);
	in.at++;
	if (in.at >= len)
		return false;
	if (code[in.at] >> 6 == 3) {
		selector = (uint16_t)*insn_gpr(r, insn_rm(&in, code[in.at]));
		in.at++;
	} else {
		struct vmmctl_fault f;
		uint64_t addr;
		int64_t n;

		if (!insn_address(&in, r, &addr))
			return false;
		mtx_lock(&c->m->lock);
		n = copy_locked(c->space, addr, &selector, sizeof(selector),
		    VMMCTL_PROT_READ, &f);
		mtx_unlock(&c->m->lock);
		if (n != sizeof(selector))
			return false;
	}
	if (selector != USER_SS)
		return false;
	r->rip += in.at;
	return true;
}

bool step_begin(struct vmmctl_context *c, struct step *st)
{
	uint8_t code[INSN_MAX];
	size_t len;

	st->on = c->step;
	if (!st->on)
		return false;
	st->guest_tf = (c->regs.rflags & RFLAGS_TF) != 0;
	st->rsp = c->regs.rsp;
	len = fetch_code(c, c->regs.rip, code, sizeof(code));
	st->kind = step_classify(code, len, &st->size);
	if (st->kind == STEP_MOV_SS && skip_mov_ss(c, code, len))
		return true;
	c->regs.rflags |= RFLAGS_TF;
	return false;
}

void step_end(struct vmmctl_context *c, struct step *st,
    const struct event *ev)
{
	struct vmmctl_regs *r = &c->regs;
	bool stepped = ev->type == EVENT_VECTOR && ev->vector == VEC_DB;

	if (!st->on)
		return;
	if (!(stepped && st->kind == STEP_POPF) && !st->guest_tf)
		r->rflags &= ~RFLAGS_TF;
	if (st->guest_tf)
		return;
	if (ev->type == EVENT_SYSCALL)
		r->r11 &= ~RFLAGS_TF;
	if (stepped && st->kind == STEP_PUSHF && r->rsp == st->rsp - st->size) {
		struct vmmctl_fault f;
		uint16_t flags;

		mtx_lock(&c->m->lock);
		if (copy_locked(c->space, r->rsp, &flags, sizeof(flags),
		    VMMCTL_PROT_READ, &f) == sizeof(flags)) {
			flags &= (uint16_t)~RFLAGS_TF;
			copy_locked(c->space, r->rsp, &flags, sizeof(flags),
			    VMMCTL_PROT_WRITE, &f);
		}
		mtx_unlock(&c->m->lock);
	}
}
