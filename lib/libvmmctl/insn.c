// SPDX-License-Identifier: BSD-2-Clause
/* insn.c - see insn.h. */
#include "insn.h"

#include <string.h>

void insn_begin(struct insn *in, const uint8_t *code, size_t len)
{
	*in = (struct insn){ .code = code, .len = len };
	for (; in->at < len; in->at++) {
		const uint8_t b = code[in->at];

		if ((b & 0xf0) == 0x40) {
			in->rex = b;
			continue;
		}
		if (b == 0x66)
			in->opsize = true;
		else if (b == 0x67)
			in->addr32 = true;
		else if (b == 0x64 || b == 0x65)
			in->segment = b;
		else if (b != 0x26 && b != 0x2e && b != 0x36 && b != 0x3e &&
		    b != 0xf2 && b != 0xf3)
			break;
		in->rex = 0;
	}
	if (in->rex & 8)
		in->opsize = false;
}

uint64_t *insn_gpr(struct vmmctl_regs *r, unsigned n)
{
	uint64_t *const by_number[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi,
		&r->rdi, &r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13,
		&r->r14, &r->r15,
	};

	return by_number[n & 15];
}

static uint64_t gpr(const struct vmmctl_regs *r, unsigned n)
{
	struct vmmctl_regs copy = *r;

	return *insn_gpr(&copy, n);
}

/* Base and index of the SIB byte; *disp grows when there is no base. */
static bool sib(struct insn *in, const struct vmmctl_regs *r, uint8_t mod,
    unsigned *disp, uint64_t *addr)
{
	uint8_t b;
	unsigned index;

	if (in->at >= in->len)
		return false;
	b = in->code[in->at++];
	index = (b >> 3 & 7u) | (in->rex & 2 ? 8u : 0);
	if (index != 4)
		*addr += gpr(r, index) << (b >> 6);
	if ((b & 7) == 5 && mod == 0)
		*disp = 4;
	else
		*addr += gpr(r, insn_rm(in, b));
	return true;
}

bool insn_address(struct insn *in, const struct vmmctl_regs *r,
    uint64_t *addr)
{
	const uint8_t modrm = in->code[in->at++], mod = modrm >> 6;
	unsigned disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	bool rip = false;
	int32_t d = 0;

	*addr = 0;
	if ((modrm & 7) == 4) {
		if (!sib(in, r, mod, &disp, addr))
			return false;
	} else if ((modrm & 7) == 5 && mod == 0) {
		rip = true;
		disp = 4;
	} else {
		*addr = gpr(r, insn_rm(in, modrm));
	}
	if (disp > in->len - in->at)
		return false;
	if (disp == 1)
		d = (int8_t)in->code[in->at];
	else if (disp == 4)
		memcpy(&d, in->code + in->at, 4);
	in->at += disp;
	*addr += (uint64_t)(int64_t)d + (rip ? r->rip + in->at : 0);
	if (in->addr32)
		*addr &= UINT32_MAX;
	if (in->segment != 0)
		*addr += in->segment == 0x64 ? r->fs_base : r->gs_base;
	return true;
}
