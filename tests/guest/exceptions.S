/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction for each way to raise an exception in ring 3.
 */
#include "guest.h"

GUEST_ONE(de_zero, div %rbx)
GUEST_ONE(de_overflow, div %rbx)
GUEST_ONE(de_negative, idiv %rbx)

GUEST_ONE(ud_ud2, ud2)
GUEST_ONE(ud_ud1, .byte 0x0f, 0xb9, 0xc0)
GUEST_ONE(ud_push_es, .byte 0x06)
GUEST_ONE(ud_pusha, .byte 0x60)
GUEST_ONE(ud_daa, .byte 0x27)
GUEST_ONE(ud_into, .byte 0xce)
GUEST_ONE(ud_aam, .byte 0xd4, 0x0a)
GUEST_ONE(ud_far_jump, .byte 0xea, 0, 0, 0, 0, 0x33, 0)
GUEST_ONE(ud_load_cs, .byte 0x8e, 0xc8)
GUEST_ONE(ud_lock_nop, .byte 0xf0, 0x90)
GUEST_ONE(ud_lock_load, .byte 0xf0, 0x48, 0x8b, 0x03)
GUEST_ONE(ud_rsm, .byte 0x0f, 0xaa)
GUEST_ONE(ud_vex_rex, .byte 0x48, 0xc5, 0xf8, 0x77)
GUEST_ONE(ud_opcode, .byte 0x0f, 0x0a)
GUEST_ONE(ud_getsec, .byte 0x0f, 0x37)
GUEST_ONE(ud_monitor, .byte 0x0f, 0x01, 0xc8)
GUEST_ONE(ud_mwait, .byte 0x0f, 0x01, 0xc9)

GUEST_ONE(gp_hlt, hlt)
GUEST_ONE(gp_cli, cli)
GUEST_ONE(gp_sti, sti)
GUEST_ONE(gp_in, inb $0x80, %al)
GUEST_ONE(gp_in_dx, in %dx, %eax)
GUEST_ONE(gp_out, outb %al, $0x80)
GUEST_ONE(gp_outs, outsb)
GUEST_ONE(gp_rdmsr, rdmsr)
GUEST_ONE(gp_wrmsr, wrmsr)
GUEST_ONE(gp_clts, clts)
GUEST_ONE(gp_invlpg, invlpg (%rbx))
GUEST_ONE(gp_lgdt, lgdt (%rbx))
GUEST_ONE(gp_lidt, lidt (%rbx))
GUEST_ONE(gp_lldt, lldt %bx)
GUEST_ONE(gp_ltr, ltr %bx)
GUEST_ONE(gp_lmsw, lmsw %bx)
GUEST_ONE(gp_read_cr0, mov %cr0, %rax)
GUEST_ONE(gp_write_cr3, mov %rax, %cr3)
GUEST_ONE(gp_read_cr8, mov %cr8, %rax)
GUEST_ONE(gp_write_dr7, mov %rax, %dr7)
GUEST_ONE(gp_wbinvd, wbinvd)
GUEST_ONE(gp_invd, invd)
GUEST_ONE(gp_swapgs, swapgs)
GUEST_ONE(gp_sysret, sysretq)
GUEST_ONE(gp_xsetbv, xsetbv)
GUEST_ONE(gp_rdpmc, rdpmc)
GUEST_ONE(smsw, smsw %rax)

GUEST_ONE(vm_run, .byte 0x0f, 0x01, 0xd8)
GUEST_ONE(vm_load, .byte 0x0f, 0x01, 0xda)
GUEST_ONE(vm_save, .byte 0x0f, 0x01, 0xdb)
GUEST_ONE(vm_stgi, .byte 0x0f, 0x01, 0xdc)
GUEST_ONE(vm_clgi, .byte 0x0f, 0x01, 0xdd)
GUEST_ONE(vm_skinit, .byte 0x0f, 0x01, 0xde)
GUEST_ONE(vm_invlpga, .byte 0x0f, 0x01, 0xdf)
GUEST_ONE(vm_launch, .byte 0x0f, 0x01, 0xc2)
GUEST_ONE(vm_resume, .byte 0x0f, 0x01, 0xc3)
GUEST_ONE(vm_xoff, .byte 0x0f, 0x01, 0xc4)
GUEST_ONE(vm_ptrld, .byte 0x0f, 0xc7, 0x33)
GUEST_ONE(vm_clear, .byte 0x66, 0x0f, 0xc7, 0x33)
GUEST_ONE(vm_xon, .byte 0xf3, 0x0f, 0xc7, 0x33)
GUEST_ONE(vm_read, .byte 0x0f, 0x78, 0xc0)
GUEST_ONE(vm_write, .byte 0x0f, 0x79, 0xc0)
GUEST_ONE(vm_invept, .byte 0x66, 0x0f, 0x38, 0x80, 0x03)
GUEST_ONE(vm_invvpid, .byte 0x66, 0x0f, 0x38, 0x81, 0x03)
GUEST_ONE(vm_func, .byte 0x0f, 0x01, 0xd4)

GUEST_ONE(gp_movaps, movaps 1(%rsp), %xmm0)
GUEST_ONE(gp_cmpxchg16b, cmpxchg16b 8(%rsp))
GUEST_ONE(gp_ldmxcsr, ldmxcsr (%rbx))
GUEST_ONE(gp_fxrstor, fxrstor (%rbx))
GUEST_ONE(gp_xrstor, xrstor (%rbx))
GUEST_ONE(gp_selector, mov %ax, %ds)
GUEST_ONE(gp_null_ss, mov %ax, %ss)
GUEST_ONE(gp_long, .fill 15, 1, 0x66; nop)
GUEST_ONE(gp_load, mov (%rbx), %rax)
GUEST_ONE(gp_store, mov %rax, (%rbx))
GUEST_ONE(gp_string, lodsb)
GUEST_ONE(gp_jump_through, jmp *(%rbx))
GUEST_ONE(gp_fs_load, mov %fs:(%rbx), %rax)

GUEST_ONE(ss_load, mov (%rbp), %rax)
GUEST_ONE(ss_push, push %rax)
GUEST_ONE(ss_pop, pop %rax)
GUEST_ONE(ss_ret, ret)
GUEST_ONE(ss_call, call guest_ss_call)
GUEST_ONE(ss_leave, leave)

GUEST_ONE(ac_load, mov 1(%rsp), %eax)
GUEST_ONE(ac_store, mov %ax, 1(%rsp))
GUEST_ONE(ac_push, push %rax)
GUEST_ONE(ac_sse_moves, movups 1(%rsp), %xmm0)

/* x87 raises at the next waiting instruction. */
GUEST_BEGIN(mf)
	fninit
	fldcw	(%rbx)
	fld1
	fldz
	fdivrp
	nop
GUEST_MARK(mf, at)
	fwait
GUEST_MARK(mf, after)
	syscall
GUEST_END(mf)

GUEST_BEGIN(xm)
	ldmxcsr	(%rbx)
	xorps	%xmm0, %xmm0
	movss	4(%rbx), %xmm1
GUEST_MARK(xm, at)
	divss	%xmm0, %xmm1
GUEST_MARK(xm, after)
	syscall
GUEST_END(xm)

/* Non-canonical targets: what RIP is then differs between processors. */
GUEST_ONE(jump_away, jmp *%rbx)
GUEST_ONE(call_away, call *%rbx)
GUEST_ONE(ret_away, ret)
GUEST_ONE(iret_away, iretq)

/* RSP may be anything as long as nobody uses it. */
GUEST_BEGIN(odd_rsp)
	nop
	syscall
	int3
	mov	%eax, %eax
	int	$0x80
	ud2
GUEST_END(odd_rsp)

/* The guest sets TF itself. */
GUEST_BEGIN(trap_flag)
	pushf
	orl	$0x100, (%rsp)
	popf
	nop
GUEST_MARK(trap_flag, first)
	inc	%rbx
GUEST_MARK(trap_flag, second)
	syscall
GUEST_MARK(trap_flag, third)
	pushf
GUEST_MARK(trap_flag, fourth)
	andl	$~0x100, (%rsp)
GUEST_MARK(trap_flag, fifth)
	popf
GUEST_MARK(trap_flag, sixth)
	syscall
GUEST_END(trap_flag)
