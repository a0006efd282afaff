/* SPDX-License-Identifier: BSD-2-Clause */
/* guest.S - see count.h. */
	.macro	ticks to
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, \to
	.endm

	.section .text.guest, "ax", @progbits
	.balign	4096
	.globl	guest_start, guest_syscall, guest_break, guest_fault
	.globl	guest_next, guest_cpuid, guest_touch, guest_out, guest_end
guest_start:
guest_syscall:
	syscall
	jmp	guest_syscall
guest_break:
	int3
	jmp	guest_break
guest_fault:
	movb	$1, (%rbx)
guest_next:
	jmp	guest_fault
guest_cpuid:
	xor	%eax, %eax
	ticks	%rsi
	xor	%eax, %eax
	cpuid
	ticks	%rdi
	sub	%rsi, %rdi
	syscall
	jmp	guest_cpuid
guest_touch:
	ticks	%rsi
	movb	$1, (%rbx)
	ticks	%rdi
	sub	%rsi, %rdi
	syscall
	add	%rbp, %rbx
	jmp	guest_touch
guest_out:
	out	%al, $0x80
	jmp	guest_out
guest_end:
	.section .note.GNU-stack, "", @progbits
