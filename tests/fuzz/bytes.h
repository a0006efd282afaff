/* SPDX-License-Identifier: BSD-2-Clause */
/* bytes.h - decisions from bytes; 0 when there are no more. */
#ifndef FUZZ_BYTES_H
#define FUZZ_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *at;
	size_t left;
};

static inline void bytes_init(struct bytes *b, const uint8_t *data,
    size_t size)
{
	b->at = data;
	b->left = size;
}

static inline bool bytes_left(const struct bytes *b)
{
	return b->left != 0;
}

static inline uint8_t bytes_u8(struct bytes *b)
{
	if (b->left == 0)
		return 0;
	b->left--;
	return *b->at++;
}

static inline uint16_t bytes_u16(struct bytes *b)
{
	const uint16_t low = bytes_u8(b);

	return (uint16_t)(low | bytes_u8(b) << 8);
}

static inline uint32_t bytes_u32(struct bytes *b)
{
	const uint32_t low = bytes_u16(b);

	return low | (uint32_t)bytes_u16(b) << 16;
}

static inline uint64_t bytes_u64(struct bytes *b)
{
	const uint64_t low = bytes_u32(b);

	return low | (uint64_t)bytes_u32(b) << 32;
}

#endif
