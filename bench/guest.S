/* SPDX-License-Identifier: BSD-2-Clause */
/* guest.S - see guest.h. */
	.section .text.guest, "ax", @progbits
	.balign	4096
	.globl	guest_start, guest_brief, guest_syscall, guest_break, guest_fault
	.globl	guest_touch, guest_spin, guest_inject, guest_end
guest_start:
guest_brief:
	mov	$110, %eax
	syscall
	jmp	guest_brief
guest_syscall:
	mov	$39, %eax
	syscall
	jmp	guest_syscall
guest_break:
	int3
	jmp	guest_break
guest_fault:
	movb	$1, (%rbx)
	add	$4096, %rbx
	jmp	guest_fault
guest_touch:
	movb	$1, (%rbx)
	add	$4096, %rbx
	dec	%r12
	jnz	guest_touch
	syscall
	jmp	guest_touch
guest_spin:
	incq	(%rbx)
	jmp	guest_spin
guest_inject:
	syscall
	int3
guest_end:
	.section .note.GNU-stack, "", @progbits
