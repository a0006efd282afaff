/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest programs are position-independent blobs linked into the tests as
 * read-only data; the harness copies them into machine memory.  This header
 * is read by the assembler and by C: GUEST_BEGIN/GUEST_END/GUEST_MARK define
 * the symbols that GUEST and GUEST_MARKED declare.
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#ifdef __ASSEMBLER__

#define GUEST_BEGIN(name)					\
	.section .rodata.guest, "a", @progbits;			\
	.balign	16;						\
	.globl	guest_##name;					\
guest_##name:

#define GUEST_MARK(name, mark)					\
	.globl	guest_##name##_##mark;				\
guest_##name##_##mark:

#define GUEST_END(name)						\
	.globl	guest_##name##_end;				\
guest_##name##_end:

/* One instruction between the marks "at" and "after", then a system call. */
#define GUEST_ONE(name, ...)					\
	GUEST_BEGIN(name)					\
	GUEST_MARK(name, at)					\
	__VA_ARGS__;						\
	GUEST_MARK(name, after)					\
	syscall;						\
	GUEST_END(name)

	.section .note.GNU-stack, "", @progbits

#else /* C */

#include <stddef.h>
#include <stdint.h>

struct blob {
	const uint8_t *start;
	const uint8_t *end;
};

#define GUEST(name)						\
	extern const uint8_t guest_##name[], guest_##name##_end[]
#define GUEST_MARKED(name, mark)				\
	extern const uint8_t guest_##name##_##mark[]
#define GUEST_ONE(name)						\
	GUEST(name);						\
	GUEST_MARKED(name, at);					\
	GUEST_MARKED(name, after)

#define BLOB(name)						\
	((struct blob){ guest_##name, guest_##name##_end })
/* The offset of a mark in its blob. */
#define MARK(name, mark)					\
	((uint64_t)(guest_##name##_##mark - guest_##name))

#endif
#endif
