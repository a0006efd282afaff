/* SPDX-License-Identifier: BSD-2-Clause */
/* c/work.c, linked for the address at which the harness loads programs. */
#include "guest.h"

GUEST_BEGIN(work)
	.incbin	"work.bin"
GUEST_END(work)
