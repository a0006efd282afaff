/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segment bases, CPUID, and code that changes itself.
 */
#include "guest.h"

GUEST_ONE(s_fs_load, mov %fs:0x10, %rax)
GUEST_ONE(s_gs_load, mov %gs:0x18, %rax)
GUEST_ONE(s_fs_store, mov %rax, %fs:0x20)
GUEST_ONE(s_wrfsbase, wrfsbase %rax)
GUEST_ONE(s_wrgsbase, wrgsbase %rax)
GUEST_ONE(s_rdfsbase, rdfsbase %rax)
GUEST_ONE(s_rdgsbase, rdgsbase %rax)
GUEST_ONE(s_load_fs, mov %eax, %fs)
GUEST_ONE(s_read_selectors,					\
	mov	%cs, %eax;					\
	mov	%ss, %ebx;					\
	mov	%ds, %ecx;					\
	mov	%es, %edx;					\
	mov	%fs, %esi;					\
	mov	%gs, %edi)
GUEST_ONE(s_cpuid, cpuid)
GUEST_ONE(s_rdtsc, rdtsc)
GUEST_ONE(s_popf, push %rax; popf; pushf; pop %rbx)
GUEST_ONE(s_nop, nop)

/*
 * Code that stores over the instruction ahead of it, after a jump; RBX is
 * the distance from the code that runs to a writable view of it.
 */
GUEST_BEGIN(s_modify)
	lea	1f(%rip), %rdx
	xor	%eax, %eax
	xor	%r8d, %r8d
	mov	$200, %ecx
2:	mov	%cl, 2(%rdx, %rbx)
	jmp	1f
1:	mov	$0, %r8b		/* 41 b0 ib */
	add	%r8, %rax
	loop	2b
	syscall
GUEST_END(s_modify)
