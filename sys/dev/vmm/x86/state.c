/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state.c - which state of a guest user the processor takes without harm to
 * the host.  Pure.
 */
#include "x86.h"

#define XSAVE_HEADER	512u
#define XSAVE_MXCSR	24u
#define XSAVE_FCW	0u
#define FCW_INIT	0x037fu
#define MXCSR_INIT	0x1f80u

/* APM vol. 2 13.1.1.4, SDM vol. 3B 17.2.4. */
bool x86_dr7_valid(uint64_t dr7)
{
	const uint64_t reserved = 0xffffffff0000f800ull; /* RTM, GD, 12 14 15 */
	unsigned i;

	if ((dr7 & reserved) != 0)
		return false;
	for (i = 0; i < 4; i++)
		if ((dr7 >> (16 + 4 * i) & 3) == 2) /* I/O */
			return false;
	return true;
}

bool x86_xsave_valid(const void *area, uint32_t size, uint64_t xcr0,
    uint32_t mxcsr_mask)
{
	const uint8_t *bytes = area;
	uint64_t header[8];
	uint32_t mxcsr;
	unsigned i;

	if (size < XSAVE_HEADER + sizeof(header))
		return false;
	/* Taken from memory whatever the header says, 13.8.1. */
	memcpy(&mxcsr, bytes + XSAVE_MXCSR, sizeof(mxcsr));
	memcpy(header, bytes + XSAVE_HEADER, sizeof(header));
	if ((mxcsr & ~mxcsr_mask) != 0 || (header[0] & ~xcr0) != 0)
		return false;
	for (i = 1; i < 8; i++)
		if (header[i] != 0)
			return false;
	return true;
}

void x86_xsave_init(void *area, uint32_t size)
{
	const uint16_t fcw = FCW_INIT;
	const uint32_t mxcsr = MXCSR_INIT;
	uint8_t *bytes = area;

	memset(bytes, 0, size);
	memcpy(bytes + XSAVE_FCW, &fcw, sizeof(fcw));
	memcpy(bytes + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
}
