/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses of every kind, by (%rbx) unless the instruction says otherwise.
 */
#include "guest.h"

GUEST_ONE(f_load1, mov (%rbx), %al)
GUEST_ONE(f_load2, mov (%rbx), %ax)
GUEST_ONE(f_load4, mov (%rbx), %eax)
GUEST_ONE(f_load8, mov (%rbx), %rax)
GUEST_ONE(f_load16, movups (%rbx), %xmm0)
GUEST_ONE(f_load_x87, fldt (%rbx))
GUEST_ONE(f_fxsave, fxsave (%rbx))
GUEST_ONE(f_store1, mov %al, (%rbx))
GUEST_ONE(f_store8, mov %rax, (%rbx))
GUEST_ONE(f_store16, movups %xmm0, (%rbx))
GUEST_ONE(f_add, addq $1, (%rbx))
GUEST_ONE(f_lock_add, lock addq $1, (%rbx))
GUEST_ONE(f_xchg, xchg %rax, (%rbx))
GUEST_ONE(f_cmpxchg, lock cmpxchg %rcx, (%rbx))
GUEST_ONE(f_bts, btsq $3, (%rbx))
GUEST_ONE(f_push, push %rax)
GUEST_ONE(f_push_mem, push (%rbx))
GUEST_ONE(f_pop_mem, pop (%rbx))
GUEST_ONE(f_call, call guest_f_call)
GUEST_ONE(f_call_mem, call *(%rbx))
GUEST_ONE(f_enter, enter $32, $0)
GUEST_ONE(f_ret, ret)
GUEST_ONE(f_prefetch, prefetcht0 (%rbx))
GUEST_ONE(f_nop, nopl (%rbx))

/* RAX stays: it is the number of the call that follows. */
GUEST_ONE(f_load_r12, mov (%rbx), %r12)
GUEST_ONE(f_store_r12, mov %r12, (%rbx))

GUEST_ONE(f_rep_movsb, rep movsb)
GUEST_ONE(f_rep_movsq, rep movsq)
GUEST_ONE(f_rep_stosb, rep stosb)
GUEST_ONE(f_rep_movsb_down, rep movsb)
GUEST_ONE(f_repne_scasb, repne scasb)

/* Ten bytes: the test puts them across the end of a page. */
GUEST_ONE(f_long, movabs $0x1122334455667788, %rax)
/* Seven bytes that store. */
GUEST_ONE(f_long_store, movl $0x55667788, 0x8(%rbx))
