// SPDX-License-Identifier: BSD-2-Clause
/*
 * stub.c - a vCPU's supervisor page: descriptor tables, stacks and the few
 * instructions of ring 0.  A pure function of its arguments.
 *
 * Every gate uses an interrupt stack (SDM vol. 3A 6.14.5), so that a debug
 * exception right after SYSCALL, when RSP is still the guest user's, leaves no
 * trace in its memory.  Gates other than int3's have DPL 0: INT n raises
 * #GP(n * 8 + 2) at the instruction, for every n.
 */
#include "kv.h"

#include <string.h>

static void put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void build_gdt(uint8_t *page, uint64_t va)
{
	const uint64_t tss = va + STUB_TSS;
	uint8_t *gdt = page + STUB_GDT;

	/* SDM vol. 3A 3.4.5; accessed bits set, so that nobody writes them. */
	put64(gdt + SEL_KERNEL_CS, 0x00af9b000000ffffull);
	put64(gdt + SEL_KERNEL_SS, 0x00cf93000000ffffull);
	put64(gdt + (SEL_USER_SS & ~7u), 0x00cff3000000ffffull);
	put64(gdt + (SEL_USER_CS & ~7u), 0x00affb000000ffffull);
	/* A busy 64-bit TSS, 7.2.3. */
	put64(gdt + SEL_TSS, 0x67 | (tss & 0xffffff) << 16 | 0x8bull << 40 |
	    (tss >> 24 & 0xff) << 56);
	put64(gdt + SEL_TSS + 8, tss >> 32);
}

static void build_tss(uint8_t *page, uint64_t va)
{
	uint8_t *tss = page + STUB_TSS;
	const uint16_t no_io_map = 0x68;

	put64(tss + 0x04, va + STUB_IST1);	/* RSP0 */
	put64(tss + 0x24, va + STUB_IST1);
	put64(tss + 0x2c, va + STUB_IST2);
	put64(tss + 0x34, va + STUB_IST3);
	memcpy(tss + 0x66, &no_io_map, sizeof(no_io_map));
}

static void build_gate(uint8_t *page, uint32_t vector, uint64_t target,
    unsigned ist, unsigned dpl)
{
	uint8_t *gate = page + STUB_IDT + 16 * (size_t)vector;

	/* A 64-bit interrupt gate, 6.14.1. */
	put64(gate, (target & 0xffff) | (uint64_t)SEL_KERNEL_CS << 16 |
	    (uint64_t)(ist | (0x8eu | dpl << 5) << 8) << 32 |
	    (target >> 16 & 0xffff) << 48);
	put64(gate + 8, target >> 32);
}

/* out %al, $port */
static uint8_t *out(uint8_t *at, uint32_t port)
{
	*at++ = 0xe6;
	*at++ = (uint8_t)port;
	return at;
}

static uint8_t *bytes(uint8_t *at, const char *code, size_t n)
{
	memcpy(at, code, n);
	return at + n;
}

/* mov %rax, address: the stub lies in the top 2 GiB. */
static uint8_t *store_rax(uint8_t *at, uint64_t address)
{
	const uint32_t low = (uint32_t)address;

	at = bytes(at, "\x48\x89\x04\x25", 4);
	memcpy(at, &low, sizeof(low));
	return at + sizeof(low);
}

static uint8_t *jump(uint8_t *at, const uint8_t *to)
{
	const int32_t distance = (int32_t)(to - (at + 5));

	*at = 0xe9;
	memcpy(at + 1, &distance, sizeof(distance));
	return at + 5;
}

static size_t scratch_of(uint32_t vector)
{
	return vector == STUB_NMI ? STUB_SCRATCH_NMI : STUB_SCRATCH;
}

/* movb $vector, its scratch */
static uint8_t *store_vector(uint8_t *at, uint64_t va, uint32_t vector)
{
	const uint32_t low = (uint32_t)(va + scratch_of(vector) +
	    offsetof(struct stub_scratch, vector));

	at = bytes(at, "\xc6\x04\x25", 3);
	memcpy(at, &low, sizeof(low));
	at[4] = (uint8_t)vector;
	return at + 5;
}

/* Keep RAX and the bases, which the guest user may have changed; leave. */
static void build_save(uint8_t *at, uint64_t scratch, uint32_t port)
{
	at = store_rax(at, scratch);
	at = bytes(at, "\xf3\x48\x0f\xae\xc0", 5);	/* rdfsbase %rax */
	at = store_rax(at, scratch + offsetof(struct stub_scratch, fs_base));
	at = bytes(at, "\xf3\x48\x0f\xae\xc8", 5);	/* rdgsbase %rax */
	at = store_rax(at, scratch + offsetof(struct stub_scratch, gs_base));
	out(at, port);
}

static void build_saving(uint8_t *page, uint64_t va)
{
	uint64_t scratch = va + STUB_SCRATCH;
	uint8_t *at;

	build_save(page + STUB_SAVE, scratch, STUB_SAVED);
	build_save(page + STUB_SAVE_NMI, va + STUB_SCRATCH_NMI,
	    STUB_SAVED_NMI);
	for (uint32_t i = 0; i <= STUB_SYSCALL; i++) {
		at = store_vector(page + STUB_CODE + 16 * (size_t)i, va, i);
		jump(at, page + (i == STUB_NMI ? STUB_SAVE_NMI : STUB_SAVE));
	}
	at = store_vector(page + STUB_FAULT, va, VEC_PF);
	at = store_rax(at, scratch);
	at = bytes(at, "\x0f\x20\xd0", 3);		/* mov %cr2, %rax */
	at = store_rax(at, scratch + offsetof(struct stub_scratch, cr2));
	jump(at, page + STUB_SAVE + 8);			/* RAX is kept */
}

static void build_code(uint8_t *page, uint64_t va, bool plain)
{
	uint8_t *at;

	if (plain) {
		for (uint32_t i = 0; i <= STUB_SYSCALL; i++)
			out(page + STUB_CODE + 16 * (size_t)i, STUB_PORT + i);
		out(page + STUB_FAULT, STUB_PORT + VEC_PF);
	} else {
		build_saving(page, va);
	}
	/* mov %rax, %cr3; pop %rax; iretq */
	bytes(page + STUB_LOAD_CR3, "\x0f\x22\xd8\x58\x48\xcf", 6);
	/* rep movsq; out: entries written onto themselves. */
	at = bytes(page + STUB_TOUCH, "\xf3\x48\xa5", 3);
	out(at, STUB_TOUCHED);
	/* movsw; out: a write too narrow to be an entry. */
	at = bytes(page + STUB_DROP, "\x66\xa5", 2);
	out(at, STUB_TOUCHED);
}

void stub_build(uint8_t *page, uint32_t index, bool plain)
{
	const uint64_t va = stub_va(index);

	memset(page, 0, VMMCTL_PAGE_SIZE);
	build_gdt(page, va);
	build_tss(page, va);
	build_code(page, va, plain);
	for (uint32_t i = 0; i < STUB_VECTORS; i++) {
		unsigned ist = i == STUB_NMI ? 2 : i == 8 || i == 18 ? 3 : 1;

		build_gate(page, i, va + (i == VEC_PF ? STUB_FAULT :
		    STUB_CODE + 16 * i), ist, i == VEC_BP ? 3 : 0);
	}
}
