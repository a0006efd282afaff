/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * insn.c - the few instructions of a guest user that end in an exit, and whose
 * length some processors do not tell.  Pure.
 */
#include "x86.h"

#define LONGEST	15u

/*
 * Legacy prefixes in any order and number, APM vol. 3 1.2.  A REX that is not
 * the last of them means nothing, so that each may be skipped.  n: there is no
 * opcode, or LOCK, which makes all that is looked for here #UD.
 */
static size_t skip_prefixes(const uint8_t *code, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		switch (code[i]) {
		case 0x26: /* ES CS SS DS FS GS */
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x66: /* operand and address size */
		case 0x67:
		case 0xf2: /* REPNE, REP */
		case 0xf3:
			break;
		case 0xf0:
			return n;
		default:
			if ((code[i] & 0xf0) != 0x40)
				return i;
			break;
		}
	}
	return n;
}

static size_t limit(size_t n)
{
	return n < LONGEST ? n : LONGEST;
}

unsigned x86_insn_0f(const uint8_t *code, size_t n, uint8_t second)
{
	size_t i;

	if (n >= 2 && code[0] == 0x0f)
		return code[1] == second ? 2 : 0;
	n = limit(n);
	i = skip_prefixes(code, n);
	if (n - i < 2 || code[i] != 0x0f || code[i + 1] != second)
		return 0;
	return (unsigned)i + 2;
}

unsigned x86_insn_1(const uint8_t *code, size_t n, uint8_t opcode)
{
	size_t i;

	n = limit(n);
	i = skip_prefixes(code, n);
	return i < n && code[i] == opcode ? (unsigned)i + 1 : 0;
}

unsigned x86_insn_int(const uint8_t *code, size_t n, uint8_t *vector)
{
	size_t i;

	n = limit(n);
	i = skip_prefixes(code, n);
	if (n - i < 2 || code[i] != 0xcd)
		return 0;
	*vector = code[i + 1];
	return (unsigned)i + 2;
}
