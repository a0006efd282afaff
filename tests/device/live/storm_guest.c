// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm_guest.c - guests that run, and what is done to them meanwhile: stores
 * to their shared page, tables and code that change, kicks.
 */
#include "storm_ops.h"

#include <string.h>
#include <unistd.h>

#include <sys/syscall.h>

/* In the arena, as guests find it: page tables, code, the rest. */
#define ROOT		0x1000u
#define CODE		0x10000u
#define SNIPPET		64u
#define SNIPPETS	64u
#define DATA		(2 * MIB)

void storm_write_tables(void)
{
	uint64_t *t = (void *)(uintptr_t)(ARENA + ROOT), i;

	t[0] = (ROOT + PAGE) | 7;
	t[PAGE / 8] = (ROOT + 2 * PAGE) | 7;
	for (i = 0; i < ARENA_SIZE / (2 * MIB); i++)
		t[2 * PAGE / 8 + i] = i * 2 * MIB | 0x87;
}

/* What guests come by: loops, stores, exits of all kinds, and anything. */
void storm_write_snippet(void)
{
	static const uint8_t likely[] = { 0x0f, 0x05, 0xcd, 0x80, 0xcc, 0xf1,
	    0xa2, 0x66, 0x48, 0xf0, 0x0b, 0x07, 0x90, 0xf3, 0x01, 0x0f,
	    0xaa, 0xab, 0xa4, 0xeb, 0xfe, 0xcf, 0xf4, 0xfa };
	static const uint8_t spin[] = { 0x48, 0xff, 0xc0, 0xeb, 0xfb };
	static const uint8_t touch[] = {
		0x48, 0x83, 0x07, 0x01,			/* addq $1, (%rdi) */
		0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, /* add $4096, .. */
		0x48, 0x81, 0xe7, 0xf8, 0xff, 0x7f, 0x00, /* and $.., %rdi */
		0xeb, 0xec };
	static const uint8_t fill[] = { 0xf3, 0x48, 0xab, 0xeb, 0xfb };
	static const uint8_t cpuid[] = { 0x0f, 0xa2, 0xeb, 0xfc };
	static const uint8_t syscall_[] = { 0x0f, 0x05, 0xeb, 0xfc };
	static const uint8_t x87[] = { 0xd9, 0xe8, 0xde, 0xc1, 0x0f, 0x57,
	    0xc0, 0xeb, 0xf7 };
	static const struct {
		const uint8_t *code;
		size_t size;
	} known[] = {
		{ spin, sizeof(spin) }, { touch, sizeof(touch) },
		{ touch, sizeof(touch) }, { fill, sizeof(fill) },
		{ cpuid, sizeof(cpuid) }, { syscall_, sizeof(syscall_) },
		{ x87, sizeof(x87) },
	};
	uint8_t *to = (void *)(uintptr_t)(ARENA + CODE +
	    storm_below(SNIPPETS) * SNIPPET);
	uint32_t i = storm_below(10);

	if (i < sizeof(known) / sizeof(known[0])) {
		memcpy(to, known[i].code, known[i].size);
		return;
	}
	for (i = 0; i < 12; i++)
		to[i] = one_in(3) ? (uint8_t)storm_any() :
		    likely[storm_below(sizeof(likely))];
}

/* Where the guest would look. */
int storm_do_write(void)
{
	volatile uint64_t *table = (void *)(uintptr_t)(ARENA + ROOT);

	switch (storm_below(4)) {
	case 0:
		table[storm_below(3) * (PAGE / 8) + storm_below(4)] =
		    one_in(4) ? storm_any() : any_page() | storm_below(256);
		break;
	case 1:
		storm_write_tables();
		break;
	default:
		storm_write_snippet();
		break;
	}
	return 0;
}

static uint64_t any_value(void)
{
	switch (storm_below(4)) {
	case 0:
		return storm_any();
	case 1:
		return 1ull << storm_below(64);
	default:
		return DATA + storm_below(ARENA_SIZE - DATA);
	}
}

/* That could run, mostly. */
static void prepare(volatile struct vmm_vcpu_page *p)
{
	p->regs.rax = any_value();
	p->regs.rcx = any_value();
	p->regs.rdi = any_value();
	p->regs.rsp = any_value();
	p->regs.rip = CODE + storm_below(SNIPPETS) * SNIPPET;
	p->regs.rflags = one_in(8) ? 0x102 : 2;
	p->regs.fs_base = p->regs.gs_base = DATA;
	p->cr3 = one_in(16) ? any_page() : ROOT;
	p->context = one_in(8) ? storm_any_context() : storm_below(2);
	p->wanted = storm_below(2);
	p->deadline = one_in(8) ? 0 : now_ns() + storm_below(3000000);
	p->dr[storm_below(4)] = CODE + storm_below(SNIPPETS) * SNIPPET;
	p->dr7 = one_in(8) ? 0x455 : 0x400;
	p->commit = VMM_SET_SPACE | VMM_SET_CONTEXT |
	    (one_in(4) ? storm_below(32) : 0);
	if (one_in(4))
		storm_write_tables();
	if (one_in(4))
		storm_write_snippet();
}

/* VMM_RUN, across which registers that are the caller's stay: what the guest
 * had in XMM15 is not seen. */
static int run(int fd)
{
	const uint64_t mark = storm_any();
	uint64_t after;
	long result;

	__asm__ volatile("movq %[mark], %%xmm15\n\t"
	    "syscall\n\t"
	    "movq %%xmm15, %[after]"
	    : "=a"(result), [after] "=&r"(after)
	    : "0"(SYS_ioctl), "D"((long)fd), "S"((unsigned long)VMM_RUN),
	      "d"(0l), [mark] "r"(mark)
	    : "rcx", "r11", "xmm15", "memory");
	if (after != mark)
		_exit(STORM_REGISTERS);
	errno = result < 0 ? (int)-result : 0;
	return storm_checked(result < 0 ? -1 : 0);
}

int storm_do_run(void)
{
	const uint32_t i = storm_below(VCPUS);
	uint32_t kind;

	if (!one_in(4))
		prepare(storm_page_of(i));
	if (run(__atomic_load_n(&storm_vcpus[i], __ATOMIC_ACQUIRE)) != 0)
		return -1;
	kind = storm_page_of(i)->exit.kind;
	if (kind < STORM_KINDS)
		__atomic_add_fetch(&storm_counts->exits[kind], 1,
		    __ATOMIC_RELAXED);
	return 0;
}

/* While it may run. */
int storm_do_scribble(void)
{
	volatile struct vmm_vcpu_page *p = storm_page_of(storm_below(VCPUS));
	volatile uint64_t *words = (volatile void *)p;

	switch (storm_below(8)) {
	case 0:
		p->commit = (uint32_t)storm_any();
		break;
	case 1:
		p->commit = storm_below(32);
		break;
	case 2:
		p->wanted = (uint32_t)storm_any();
		break;
	case 3:
		p->context = storm_any_context();
		break;
	case 4:
		p->regs.rflags = storm_any() & 0x254dd7;
		break;
	case 5:
		p->regs.rip = one_in(2) ? 0x7fffffffffffull : storm_any();
		break;
	default:
		words[storm_below(sizeof(*p) / 8)] = any_value();
		break;
	}
	return 0;
}

int storm_do_kick(void)
{
	return storm_checked(ioctl(storm_any_vcpu(), VMM_KICK));
}

int storm_do_raw(void)
{
	/* By the SVM's offset or the VMX's encoding. */
	static const uint32_t fields[] = { 0x50, 0x560, 0x640, 0x58, 0x578,
	    0x2010, 0x681a, 0x6822, 0x4826, 0x4402 };
	struct vmm_raw a = { .op = 1 + storm_below(2), .width = 8,
	    .field = fields[storm_below(10)], .reserved = zero(),
	    .value = any_value() };

	if (one_in(4))
		a.field = storm_below(0x7000);
	if (one_in(4))
		a.width = 1u << storm_below(5);
	if (one_in(16))
		a.op = (uint32_t)storm_any();
	return CALL(storm_any_vcpu(), VMM_RAW, a);
}
