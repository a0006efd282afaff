// SPDX-License-Identifier: BSD-2-Clause
/*
 * selector.c - loads of segment selectors for a guest user without descriptor
 * tables.  The selectors of a 64-bit user of Linux exist: 0x33 is code, 0x2b
 * data, both with base 0.  The processor finds neither and raises #GP with the
 * selector, after it has read all operands; what it would have done then is
 * done here.  All other selectors, and whatever else the processor would have
 * checked, stay #GP.
 *
 * Selectors are no part of a context: a load is allowed, and clears the base
 * of FS and GS; CS and SS are what they always are; DS, ES, FS and GS read as
 * 0 afterwards.
 */
#include "insn.h"
#include "machine.h"
#include "run.h"

#include <string.h>

#define USER_CS		0x33u
#define USER_SS		0x2bu
#define INDEX		0xfffcu	/* of an error code: without RPL or EXT, IDT */

/* SREG: as in ModRM's reg field. */
enum { SREG_ES = 0, SREG_SS = 2, SREG_DS = 3, SREG_FS = 4, SREG_GS = 5 };

struct load {
	struct vmmctl_context *c;
	struct event *ev;
	struct insn in;
	struct vmmctl_regs r;	/* becomes c->regs when all went well */
	uint32_t index;		/* that the processor complained of */
	bool transfers;		/* r.rip has been set */
	bool holds_back;	/* MOV SS: no trap before the next is done */
};

/* What a step of the load comes to. */
enum outcome {
	NOT_OURS,		/* leave the event as it is */
	LOADED,
	RAISES			/* *l->ev says what instead */
};

static enum outcome raise(struct load *l, uint32_t vector,
    uint32_t error_code, uint64_t address)
{
	*l->ev = (struct event){ .type = EVENT_VECTOR, .vector = vector,
	    .error_code = error_code, .cr2 = address };
	return RAISES;
}

static enum outcome access_to(struct load *l, uint64_t gva, void *buf,
    size_t size, uint32_t access)
{
	struct vmmctl_fault f;
	int64_t n;

	mtx_lock(&l->c->m->lock);
	n = copy_locked(l->c->space, gva, buf, size, access, &f);
	mtx_unlock(&l->c->m->lock);
	if (n == (int64_t)size)
		return LOADED;
	return raise(l, VEC_PF, PF_USER |
	    (access == VMMCTL_PROT_WRITE ? PF_WRITE : 0), f.gva);
}

static enum outcome load_from(struct load *l, uint64_t gva, uint64_t *value,
    size_t size)
{
	*value = 0;		/* operands lie as the processor has them */
	return access_to(l, gva, value, size, VMMCTL_PROT_READ);
}

static size_t operand_size(const struct load *l, size_t usual)
{
	return l->in.rex & 8 ? 8 : l->in.opsize ? 2 : usual;
}

/* ---- data segments ---- */

static enum outcome load_data(struct load *l, unsigned sreg, uint64_t value)
{
	const uint32_t selector = (uint16_t)value;

	if ((selector & INDEX) != l->index)
		return NOT_OURS;
	/* SDM vol. 3A 5.5: data of the user's own ring; SS wants its RPL. */
	if (sreg == SREG_SS && selector != USER_SS)
		return NOT_OURS;
	if (sreg == SREG_FS)
		l->r.fs_base = 0;
	else if (sreg == SREG_GS)
		l->r.gs_base = 0;
	return LOADED;
}

static enum outcome mov(struct load *l)
{
	const uint8_t modrm = l->in.code[l->in.at];
	const unsigned sreg = modrm >> 3 & 7;
	uint64_t value, addr;
	enum outcome o;

	if (modrm >> 6 == 3) {
		value = *insn_gpr(&l->r, insn_rm(&l->in, modrm));
		l->in.at++;
	} else {
		if (!insn_address(&l->in, &l->c->regs, &addr))
			return NOT_OURS;
		o = load_from(l, addr, &value, 2);
		if (o != LOADED)
			return o;
	}
	l->holds_back = sreg == SREG_SS;
	return load_data(l, sreg, value);
}

static enum outcome pop(struct load *l, unsigned sreg)
{
	uint64_t value;
	enum outcome o = load_from(l, l->r.rsp, &value, 2);

	l->r.rsp += operand_size(l, 8);
	return o == LOADED ? load_data(l, sreg, value) : o;
}

/* ---- far pointers in memory ---- */

/*
 * An offset and the selector behind it.  Some processors do not know offsets
 * of 8 bytes (APM vol. 3 JMP Far): the selector that the processor found tells.
 */
static enum outcome far_pointer(struct load *l, uint64_t *offset,
    uint64_t *selector, size_t *size)
{
	enum outcome o;
	uint64_t addr;

	if (l->in.code[l->in.at] >> 6 == 3 ||
	    !insn_address(&l->in, &l->c->regs, &addr))
		return NOT_OURS;
	*size = operand_size(l, 4);
	o = load_from(l, addr + *size, selector, 2);
	if (*size == 8 && (o != LOADED || (*selector & INDEX) != l->index)) {
		*size = 4;
		o = load_from(l, addr + *size, selector, 2);
	}
	return o == LOADED ? load_from(l, addr, offset, *size) : o;
}

static enum outcome load_pointer(struct load *l, unsigned sreg)
{
	const unsigned reg = insn_reg(&l->in, l->in.code[l->in.at]);
	uint64_t offset, selector, *to;
	enum outcome o;
	size_t size;

	o = far_pointer(l, &offset, &selector, &size);
	if (o == LOADED)
		o = load_data(l, sreg, selector);
	if (o != LOADED)
		return o;
	to = insn_gpr(&l->r, reg);
	*to = size == 2 ? (*to & ~0xffffull) | offset : offset;
	return LOADED;
}

/* ---- far transfers ---- */

/* returns: RPL must be the user's. */
static enum outcome load_code(struct load *l, uint64_t selector, bool returns,
    uint64_t rip)
{
	if ((selector & INDEX) != l->index || l->index != (USER_CS & INDEX) ||
	    (returns && (uint16_t)selector != USER_CS))
		return NOT_OURS;
	if (!is_canonical(rip))
		return raise(l, VEC_GP, 0, 0);
	l->r.rip = rip;
	l->transfers = true;
	return LOADED;
}

static enum outcome jump(struct load *l, bool call)
{
	uint64_t rip, selector, frame[2] = { 0 };
	size_t size;
	enum outcome o = far_pointer(l, &rip, &selector, &size);
	const uint64_t next = l->c->regs.rip + l->in.at;
	const uint64_t cs = USER_CS;

	if (o == LOADED)
		o = load_code(l, selector, false, rip);
	if (o != LOADED || !call)
		return o;
	memcpy(frame, &next, size);
	memcpy((uint8_t *)frame + size, &cs, size);
	l->r.rsp -= 2 * size;
	return access_to(l, l->r.rsp, frame, 2 * size, VMMCTL_PROT_WRITE);
}

/* The next n words of the stack. */
static enum outcome pop_words(struct load *l, size_t size, uint64_t *words,
    unsigned n)
{
	enum outcome o = LOADED;

	for (unsigned i = 0; i < n && o == LOADED; i++) {
		o = load_from(l, l->r.rsp, &words[i], size);
		l->r.rsp += size;
	}
	return o;
}

static enum outcome far_return(struct load *l, bool drops)
{
	enum { RIP, CS, WORDS };
	uint64_t w[WORDS];
	uint16_t n = 0;
	enum outcome o = pop_words(l, operand_size(l, 4), w, WORDS);

	if (drops) {
		if (l->in.len - l->in.at < 2)
			return NOT_OURS;
		memcpy(&n, l->in.code + l->in.at, 2);
	}
	l->r.rsp += n;
	return o == LOADED ? load_code(l, w[CS], true, w[RIP]) : o;
}

static enum outcome interrupt_return(struct load *l)
{
	enum { RIP, CS, FLAGS, RSP, SS, WORDS };
	const size_t size = operand_size(l, 4);
	uint64_t w[WORDS], mask = RFLAGS_USER & ~RFLAGS_IF;
	enum outcome o = pop_words(l, size, w, WORDS);

	if (o == LOADED)
		o = load_code(l, w[CS], true, w[RIP]);
	if (o != LOADED)
		return o;
	if ((uint16_t)w[SS] != USER_SS)
		return raise(l, VEC_GP, w[SS] & INDEX, 0);
	if (size == 2)
		mask &= UINT16_MAX;
	l->r.rflags = (l->r.rflags & ~(mask | RFLAGS_RF)) | (w[FLAGS] & mask);
	l->r.rsp = w[RSP];
	return LOADED;
}

/* ---- all of them ---- */

static bool bytes_left(const struct load *l)
{
	return l->in.at < l->in.len;
}

static enum outcome group_5(struct load *l)
{
	const unsigned what = l->in.code[l->in.at] >> 3 & 7;

	return what == 3 || what == 5 ? jump(l, what == 3) : NOT_OURS;
}

static enum outcome two_bytes(struct load *l)
{
	const uint8_t opcode = l->in.code[l->in.at++];

	switch (opcode) {
	case 0xa1:
		return pop(l, SREG_FS);
	case 0xa9:
		return pop(l, SREG_GS);
	default:
		break;
	}
	if (!bytes_left(l))
		return NOT_OURS;
	switch (opcode) {
	case 0xb2:
		return load_pointer(l, SREG_SS);
	case 0xb4:
		return load_pointer(l, SREG_FS);
	case 0xb5:
		return load_pointer(l, SREG_GS);
	default:
		return NOT_OURS;
	}
}

static enum outcome carry_out(struct load *l)
{
	uint8_t opcode;

	if (!bytes_left(l))
		return NOT_OURS;
	opcode = l->in.code[l->in.at++];
	switch (opcode) {
	case 0xcb:
		return far_return(l, false);
	case 0xca:
		return far_return(l, true);
	case 0xcf:
		return interrupt_return(l);
	default:
		break;
	}
	if (!bytes_left(l))
		return NOT_OURS;
	switch (opcode) {
	case 0x8e:
		return mov(l);
	case 0xff:
		return group_5(l);
	case 0x0f:
		return two_bytes(l);
	default:
		return NOT_OURS;
	}
}

void selector_load(struct vmmctl_context *c, struct event *ev)
{
	const bool trap = (c->regs.rflags & RFLAGS_TF) != 0;
	struct load l = { .c = c, .ev = ev, .r = c->regs,
	    .index = ev->error_code };
	uint8_t code[INSN_MAX];

	if (l.index != (USER_CS & INDEX) && l.index != (USER_SS & INDEX))
		return;
	insn_begin(&l.in, code, fetch_code(c, c->regs.rip, code,
	    sizeof(code)));
	l.r.rflags &= ~RFLAGS_RF;
	if (carry_out(&l) != LOADED)
		return;
	if (!l.transfers)
		l.r.rip += l.in.at;
	c->regs = l.r;
	*ev = trap && !l.holds_back ? (struct event){ .type = EVENT_VECTOR,
	    .vector = VEC_DB, .dr6 = VMMCTL_DR6_BS } :
	    (struct event){ .type = EVENT_DONE };
}
