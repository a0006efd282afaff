/* SPDX-License-Identifier: BSD-2-Clause */
/* A loop of every kind of exit, for hosts that interrupt it. */
#include "guest.h"

/* RBX counts the rounds; RSI is not mapped. */
GUEST_BEGIN(i_exits)
1:	inc	%rbx
	syscall
GUEST_MARK(i_exits, syscall)
	int3
GUEST_MARK(i_exits, int3)
	mov	%rax, (%rsi)
GUEST_MARK(i_exits, fault)
	ud2
GUEST_MARK(i_exits, ud2)
	hlt
GUEST_MARK(i_exits, hlt)
	jmp	1b
GUEST_END(i_exits)
