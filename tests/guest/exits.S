/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction for each exit of the contract's table.
 */
#include "guest.h"

/* Twice, so that the run goes on where it stopped. */
GUEST_BEGIN(syscalls)
1:	syscall
GUEST_MARK(syscalls, second)
	syscall
	jmp	1b
GUEST_END(syscalls)

GUEST_ONE(syscall_66, .byte 0x66, 0x0f, 0x05)
GUEST_ONE(syscall_f2, .byte 0xf2, 0x0f, 0x05)
GUEST_ONE(syscall_f3, .byte 0xf3, 0x0f, 0x05)
GUEST_ONE(syscall_rex, .byte 0x48, 0x0f, 0x05)
GUEST_ONE(syscall_seg, .byte 0x64, 0x0f, 0x05)

/* The test stores the vector. */
GUEST_BEGIN(softint)
GUEST_MARK(softint, at)
	.byte	0xcd
GUEST_MARK(softint, vector)
	.byte	0
GUEST_MARK(softint, after)
	syscall
GUEST_END(softint)

GUEST_ONE(int3, .byte 0xcc)
GUEST_ONE(int1, .byte 0xf1)
GUEST_ONE(ud2, ud2)
GUEST_ONE(load, mov (%rbx), %rax)
GUEST_ONE(store, mov %rax, (%rbx))

/* Writes the red zone, leaves in several ways, and reads it back. */
GUEST_BEGIN(redzone)
	mov	$-128, %rcx
1:	mov	%rcx, (%rsp, %rcx)
	add	$8, %rcx
	jnz	1b
	syscall
	int3
	mov	%eax, %eax
	int	$0x80
	ud2
GUEST_MARK(redzone, after_ud2)
	mov	(%rbx), %rax
GUEST_MARK(redzone, after_load)
	mov	$-128, %rcx
	xor	%rdx, %rdx
2:	mov	%rcx, %rax
	sub	(%rsp, %rcx), %rax
	or	%rax, %rdx
	add	$8, %rcx
	jnz	2b
	syscall
GUEST_END(redzone)

/* Counts in RBX for ever. */
GUEST_BEGIN(spin)
1:	inc	%rbx
	jmp	1b
GUEST_END(spin)

GUEST_ONE(fs_load, mov %fs:0x10, %rax)
GUEST_ONE(gs_load, mov %gs:0x18, %rax)
GUEST_ONE(fs_store, mov %rax, %fs:0)
GUEST_ONE(wrfsbase, wrfsbase %rax)
GUEST_ONE(wrgsbase, wrgsbase %rax)
GUEST_ONE(rdfsbase, rdfsbase %rax)
GUEST_ONE(rdgsbase, rdgsbase %rax)
GUEST_ONE(cpuid, cpuid)
