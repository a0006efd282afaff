// SPDX-License-Identifier: BSD-2-Clause
/*
 * The guest's main: works in the memory that RDI names, RSI words of it, and
 * makes one system call for each result: RAX its number, RDI its value.  The
 * last has number 100.  It writes to nothing else but its stack.
 */
#include "work.h"

__attribute__((used)) static void guest_main(uint32_t *buf, uint32_t size);

__asm__(".section .text.start, \"ax\"\n"
    "	.globl	_start\n"
    "_start:	call	guest_main\n"
    "	ud2\n"
    "	.text\n");

static void tell(uint64_t number, uint64_t value)
{
	__asm__ volatile("syscall" : "+a"(number) : "D"(value)
	    : "rcx", "r11", "memory");
}

/* The first 800 bytes of a page that the caller has not touched yet. */
static __attribute__((noinline)) uint64_t deep(uint32_t n)
{
	volatile uint64_t frame[100];

	frame[n % 100] = n;
	return n == 0 ? 0 : deep(n - 1) + frame[n % 100];
}

static void guest_main(uint32_t *buf, uint32_t size)
{
	struct work w;
	union {
		double d;
		uint64_t u;
	} sum;

	work(&w, buf, size);
	sum.d = w.sum;
	tell(0, w.hash);
	tell(1, w.sorted);
	tell(2, w.queens);
	tell(3, w.primes);
	tell(4, sum.u);
	tell(5, w.dispatched);
	tell(6, deep(size / 160));
	for (;;)
		tell(100, 0);
}
