/* SPDX-License-Identifier: BSD-2-Clause */
#include "utf8.h"

#include <stddef.h>

static uint32_t none(const char **at, int *wrong)
{
	++*at;
	if (wrong != NULL)
		*wrong = 1;
	return UTF8_NONE;
}

uint32_t utf8_next(const char **at, int *wrong)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)*at;
	int more = *s < 0x80 ? 0 : *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : 1;
	uint32_t c = more == 0 ? *s : *s & (0x3fu >> more);

	if ((*s >= 0x80 && *s < 0xc0) || *s >= 0xf8)
		return none(at, wrong);
	for (int i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return none(at, wrong);
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return none(at, wrong);
	*at += 1 + more;
	return c;
}

int utf8_is_valid(const char *text)
{
	int wrong = 0;

	while (*text != '\0' && !wrong)
		utf8_next(&text, &wrong);
	return !wrong;
}
