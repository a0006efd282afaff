// SPDX-License-Identifier: BSD-2-Clause
/*
 * step.c - exact single steps out of RFLAGS.TF.  TF alone would show in what
 * PUSHF stores and SYSCALL copies, would be lost in POPF, and runs two
 * instructions at MOV SS (SDM vol. 3A 6.8.3, 17.3.1.4).
 */
#include "machine.h"
#include "run.h"

#include <string.h>

#define MAX_INSN	15u
#define USER_SS		0x2bu

/*
 * Length of the prefixes; *opsize and *rex as they are in force: REX only
 * right before the opcode, and REX.W outdoes 66 (SDM vol. 2A 2.2.1).
 */
static size_t prefixes(const uint8_t *code, size_t len, bool *opsize,
    uint8_t *rex)
{
	size_t i;

	*opsize = false;
	*rex = 0;
	for (i = 0; i < len; i++) {
		uint8_t b = code[i];

		if ((b & 0xf0) == 0x40) {
			*rex = b;
			continue;
		}
		if (b == 0x66)
			*opsize = true;
		else if (b != 0x67 && b != 0x26 && b != 0x2e && b != 0x36 &&
		    b != 0x3e && b != 0x64 && b != 0x65 && b != 0xf2 &&
		    b != 0xf3)
			break;
		*rex = 0;
	}
	if (*rex & 8)
		*opsize = false;
	return i;
}

enum step_kind step_classify(const uint8_t *code, size_t len, unsigned *size)
{
	bool opsize;
	uint8_t rex;
	size_t i = prefixes(code, len, &opsize, &rex);

	*size = opsize ? 2 : 8;
	if (i >= len)
		return STEP_PLAIN;
	switch (code[i]) {
	case 0x9c:
		return STEP_PUSHF;
	case 0x9d:
	case 0xcf:
		return STEP_POPF;
	case 0x0f:
		return i + 1 < len && code[i + 1] == 0x05 ? STEP_SYSCALL :
		    STEP_PLAIN;
	case 0x8e:
		return i + 1 < len && (code[i + 1] >> 3 & 7) == 2 ?
		    STEP_MOV_SS : STEP_PLAIN;
	default:
		return STEP_PLAIN;
	}
}

static uint64_t gpr(const struct vmmctl_regs *r, unsigned n)
{
	const uint64_t by_number[16] = {
		r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi,
		r->rdi, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14,
		r->r15,
	};

	return by_number[n & 15];
}

/* What the address in ModRM is (SDM vol. 2A 2.1.5); i is past the opcode. */
static size_t effective(const struct vmmctl_regs *r, const uint8_t *code,
    size_t i, size_t len, uint8_t rex, uint64_t *addr)
{
	uint8_t modrm = code[i++], mod = modrm >> 6, rm = modrm & 7;
	unsigned disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	int32_t d = 0;
	bool rip = false;

	*addr = 0;
	if (rm == 4) {
		uint8_t sib;
		unsigned index;

		if (i >= len)
			return 0;
		sib = code[i++];
		index = (sib >> 3 & 7) | (rex & 2 ? 8u : 0);
		if (index != 4)
			*addr += gpr(r, index) << (sib >> 6);
		if ((sib & 7) == 5 && mod == 0)
			disp = 4;
		else
			*addr += gpr(r, (sib & 7u) | (rex & 1 ? 8u : 0));
	} else if (rm == 5 && mod == 0) {
		rip = true;
		disp = 4;
	} else {
		*addr += gpr(r, rm | (rex & 1 ? 8u : 0));
	}
	if (i + disp > len)
		return 0;
	if (disp == 1)
		d = (int8_t)code[i];
	else if (disp == 4)
		memcpy(&d, code + i, 4);
	i += disp;
	*addr += (uint64_t)(int64_t)d + (rip ? r->rip + i : 0);
	return i;
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
	bool opsize;
	uint8_t rex;
	size_t i = prefixes(code, len, &opsize, &rex), p;
	uint64_t base = 0, mask = UINT64_MAX;
	uint16_t selector;

	for (p = 0; p < i; p++) {
		if (code[p] == 0x64)
			base = r->fs_base;
		else if (code[p] == 0x65)
			base = r->gs_base;
		else if (code[p] == 0x67)
			mask = UINT32_MAX;
	}
	i++;
	if (i >= len)
		return false;
	if (code[i] >> 6 == 3) {
		selector = (uint16_t)gpr(r, (code[i] & 7u) |
		    (rex & 1 ? 8u : 0));
		i++;
	} else {
		struct vmmctl_fault f;
		uint64_t addr;
		int64_t n;

		i = effective(r, code, i, len, rex, &addr);
		if (i == 0)
			return false;
		addr = base + (addr & mask);
		mtx_lock(&c->m->lock);
		n = copy_locked(c->space, addr, &selector, sizeof(selector),
		    VMMCTL_PROT_READ, &f);
		mtx_unlock(&c->m->lock);
		if (n != sizeof(selector))
			return false;
	}
	if (selector != USER_SS)
		return false;
	r->rip += i;
	return true;
}

bool step_begin(struct vmmctl_context *c, struct step *st)
{
	uint8_t code[MAX_INSN];
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
