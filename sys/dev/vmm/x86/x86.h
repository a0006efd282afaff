/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86.h - what both vendors' guests have in common: names of bits, checks of
 * state, the guest's own page tables, the length of an instruction.  Pure but
 * for memory that is handed in.
 */
#ifndef VMM_X86_H
#define VMM_X86_H

#include "npt.h"

#define VMM_X86_CR0_PE	(1ull << 0)
#define VMM_X86_CR0_MP	(1ull << 1)
#define VMM_X86_CR0_ET	(1ull << 4)
#define VMM_X86_CR0_NE	(1ull << 5)
#define VMM_X86_CR0_WP	(1ull << 16)
#define VMM_X86_CR0_AM	(1ull << 18)
#define VMM_X86_CR0_PG	(1ull << 31)
#define VMM_X86_CR4_PAE	(1ull << 5)
#define VMM_X86_CR4_MCE	(1ull << 6)
#define VMM_X86_CR4_OSFXSR	(1ull << 9)
#define VMM_X86_CR4_OSXMMEXCPT	(1ull << 10)
#define VMM_X86_CR4_LA57	(1ull << 12)
#define VMM_X86_CR4_VMXE	(1ull << 13)
#define VMM_X86_CR4_FSGSBASE	(1ull << 16)
#define VMM_X86_CR4_OSXSAVE	(1ull << 18)
#define VMM_X86_CR4_FRED	(1ull << 32)

/* A guest user's CR0; its CR4, of which the host decides what ring 3 sees. */
#define VMM_X86_CR0_GUEST	(VMM_X86_CR0_PG | VMM_X86_CR0_PE | \
	VMM_X86_CR0_MP | VMM_X86_CR0_ET | VMM_X86_CR0_NE | VMM_X86_CR0_WP | \
	VMM_X86_CR0_AM)
static inline uint64_t x86_guest_cr4(uint64_t host_cr4)
{
	return VMM_X86_CR4_PAE | VMM_X86_CR4_OSFXSR | VMM_X86_CR4_OSXMMEXCPT |
	    (host_cr4 & (VMM_X86_CR4_MCE | VMM_X86_CR4_FSGSBASE |
	    VMM_X86_CR4_OSXSAVE));
}
#define VMM_X86_EFER_SCE	(1ull << 0)
#define VMM_X86_EFER_LME	(1ull << 8)
#define VMM_X86_EFER_LMA	(1ull << 10)
#define VMM_X86_EFER_NXE	(1ull << 11)
#define VMM_X86_EFER_SVME	(1ull << 12)
#define VMM_X86_RFLAGS_FIXED	2ull
#define VMM_X86_RFLAGS_TF	(1ull << 8)
#define VMM_X86_RFLAGS_IF	(1ull << 9)
#define VMM_X86_RFLAGS_RF	(1ull << 16)
#define VMM_X86_RFLAGS_AC	(1ull << 18)
/* CF PF AF ZF SF TF IF DF OF NT RF AC ID: what ring 3 may have. */
#define VMM_X86_RFLAGS_USER	0x254fd5ull
#define VMM_X86_DR7_FIXED	0x400ull
#define VMM_X86_DR7_ENABLED	0xffull
#define VMM_X86_DR6_BS		(1ull << 14)
#define VMM_X86_DR6_CAUSES	0xe00full	/* BT BS BD B3-B0 */

#define VMM_X86_SEL_SS	0x2bu
#define VMM_X86_SEL_CS	0x33u

enum {
	VMM_X86_DE = 0, VMM_X86_DB = 1, VMM_X86_NMI = 2, VMM_X86_BP = 3,
	VMM_X86_OF = 4, VMM_X86_UD = 6, VMM_X86_GP = 13, VMM_X86_PF = 14,
	VMM_X86_AC = 17, VMM_X86_MC = 18
};

static inline bool x86_canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

/* Has the exception an error code?  SDM vol. 3A 6.13, APM vol. 2 8.2: #DF #TS
 * #NP #SS #GP #PF #AC #CP #VC #SX. */
static inline bool x86_has_error_code(uint32_t vector)
{
	const uint32_t with = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 |
	    1u << 13 | 1u << 14 | 1u << 17 | 1u << 21 | 1u << 29 | 1u << 30;

	return vector < 32 && (with >> vector & 1) != 0;
}

/* DR7 that a guest user's owner may load: no GD, no reserved bit, no I/O. */
bool x86_dr7_valid(uint64_t dr7);
/* Header and MXCSR as XRSTOR takes them (standard format): SDM vol. 1
 * 13.8.  size >= 576. */
bool x86_xsave_valid(const void *area, uint32_t size, uint64_t xcr0,
    uint32_t mxcsr_mask);
/* Offset and size of the component in the standard format from CPUID leaf 13
 * are arguments elsewhere; this is the state after reset: FCW, MXCSR. */
void x86_xsave_init(void *area, uint32_t size);

/*
 * Read code as the guest user would fetch it: cr3's table by way of npt, U and
 * NX honoured, within the page of rip and the next.  Bytes read.  Only right
 * after an exit, before anyone can have freed what was mapped then: interrupts
 * off, mode INSIDE.
 */
size_t x86_fetch(const struct x86_npt *npt, uint64_t cr3, uint64_t rip,
    uint8_t *buf, size_t size);

/*
 * Where a vCPU's code has been found lately: a TLB in software, which is right
 * for as long as the processor's own is.  x86_code_forget() it whenever that
 * one is flushed, for translations of the guest or nested ones.
 */
#define X86_CODE_PAGES	8u
struct x86_code {
	struct {
		uint64_t page;		/* rip / 4096; ~0: none */
		const uint8_t *at;
	} slot[X86_CODE_PAGES];
};
void x86_code_forget(struct x86_code *c);

/* The byte at rip, and all after it within the page; NULL: not known. */
static inline const uint8_t *x86_code_at(const struct x86_code *c,
    uint64_t rip)
{
	uint64_t page = rip >> 12;

	if (c->slot[page % X86_CODE_PAGES].page != page)
		return NULL;
	return c->slot[page % X86_CODE_PAGES].at + (rip & 0xfff);
}

/* As x86_fetch(), and remembers. */
size_t x86_code_fetch(struct x86_code *c, const struct x86_npt *npt,
    uint64_t cr3, uint64_t rip, uint8_t *buf, size_t size);

/*
 * The length of the instruction at code, prefixes included, if it is that one
 * and whole within n bytes; else 0.  LOCK makes none of them valid.  0F second:
 * SYSCALL 05, CPUID A2; one byte: INT3 CC, ICEBP F1; INT n.
 */
unsigned x86_insn_0f(const uint8_t *code, size_t n, uint8_t second);
unsigned x86_insn_1(const uint8_t *code, size_t n, uint8_t opcode);
unsigned x86_insn_int(const uint8_t *code, size_t n, uint8_t *vector);

#endif
