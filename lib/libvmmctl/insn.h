/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * insn.h - the parts of 64-bit instructions that the core must read itself:
 * prefixes, registers by number, addresses of operands.  Pure.
 */
#ifndef VMMCTL_INSN_H
#define VMMCTL_INSN_H

#include "vmmctl.h"

#include <stdbool.h>

#define INSN_MAX	15u

struct insn {
	const uint8_t *code;
	size_t len;		/* bytes there */
	size_t at;		/* the next to look at: after the prefixes */
	bool opsize;		/* 66 is in force */
	bool addr32;		/* 67 */
	uint8_t rex;		/* in force, or 0 */
	uint8_t segment;	/* 64 (FS), 65 (GS), or 0 */
};

/* The prefixes: REX counts only right before the opcode, and REX.W outdoes 66
 * (SDM vol. 2A 2.2.1). */
void insn_begin(struct insn *in, const uint8_t *code, size_t len);

/* General register n: 0 RAX, 1 RCX, 2 RDX, 3 RBX, 4 RSP ... */
uint64_t *insn_gpr(struct vmmctl_regs *r, unsigned n);

/* ModRM's reg field with REX.R, its r/m with REX.B. */
static inline unsigned insn_reg(const struct insn *in, uint8_t modrm)
{
	return (modrm >> 3 & 7u) | (in->rex & 4 ? 8u : 0);
}
static inline unsigned insn_rm(const struct insn *in, uint8_t modrm)
{
	return (modrm & 7u) | (in->rex & 1 ? 8u : 0);
}

/*
 * in->at is at ModRM, which says memory, and nothing follows the address (SDM
 * vol. 2A 2.1.5): moves in->at behind it and tells the address, the segment's
 * base in it.  False: code ends too early.
 */
bool insn_address(struct insn *in, const struct vmmctl_regs *r,
    uint64_t *addr);

#endif
