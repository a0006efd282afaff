/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work of every kind that a compiler makes of C: integers, doubles, tables,
 * recursion, pointers to functions.  The same functions run in the guest and
 * in the test, which compares; they use nothing but their arguments.
 */
#ifndef TESTS_GUEST_WORK_H
#define TESTS_GUEST_WORK_H

#include <stdint.h>

/* Results, in the order in which the guest hands them over. */
struct work {
	uint64_t hash;		/* of a pseudo-random buffer */
	uint64_t sorted;	/* checksum of it when sorted */
	uint64_t queens;	/* solutions for n = 6 */
	uint64_t primes;	/* below size */
	double sum;		/* of a matrix product */
	uint64_t dispatched;	/* by a table of functions */
};

static inline uint64_t work_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline uint64_t work_hash(const uint32_t *p, uint32_t n)
{
	uint64_t h = 0x9e3779b97f4a7c15;

	for (uint32_t i = 0; i < n; i++) {
		h ^= p[i];
		h *= 0x100000001b3;
		h = h << 23 | h >> 41;
	}
	return h;
}

static inline void work_sort(uint32_t *p, int64_t lo, int64_t hi)
{
	while (lo < hi) {
		uint32_t pivot = p[lo + (hi - lo) / 2];
		int64_t i = lo, j = hi;

		while (i <= j) {
			while (p[i] < pivot)
				i++;
			while (p[j] > pivot)
				j--;
			if (i <= j) {
				uint32_t t = p[i];

				p[i++] = p[j];
				p[j--] = t;
			}
		}
		work_sort(p, lo, j);
		lo = i;
	}
}

static inline uint64_t work_queens(uint32_t all, uint32_t cols,
    uint32_t left, uint32_t right)
{
	uint64_t n = 0;

	if (cols == all)
		return 1;
	for (uint32_t free = all & ~(cols | left | right); free != 0;) {
		uint32_t bit = free & (0u - free);

		free ^= bit;
		n += work_queens(all, cols | bit, (left | bit) << 1,
		    (right | bit) >> 1);
	}
	return n;
}

static inline uint64_t work_primes(uint32_t below)
{
	uint64_t n = 0;

	for (uint32_t i = 2; i < below; i++) {
		uint32_t k = 2;

		while (k * k <= i && i % k != 0)
			k++;
		n += k * k > i;
	}
	return n;
}

static inline double work_matrix(uint32_t n)
{
	double a[8][8], b[8][8], sum = 0;

	for (uint32_t i = 0; i < 8; i++)
		for (uint32_t k = 0; k < 8; k++) {
			a[i][k] = (double)(i * n + k) / 3;
			b[i][k] = (double)(k * 7 + n) / (i + 1);
		}
	for (uint32_t i = 0; i < 8; i++)
		for (uint32_t k = 0; k < 8; k++)
			for (uint32_t m = 0; m < 8; m++)
				sum += a[i][m] * b[m][k];
	return sum;
}

static uint64_t work_add(uint64_t x) { return x + 0x1234567; }
static uint64_t work_mul(uint64_t x) { return x * 31; }
static uint64_t work_div(uint64_t x) { return x / 7 + x % 13; }
static uint64_t work_rot(uint64_t x) { return x << 9 | x >> 55; }

static inline uint64_t work_dispatch(uint32_t n, uint64_t seed)
{
	static uint64_t (*const table[])(uint64_t) = { work_add, work_mul,
	    work_div, work_rot };
	uint64_t x = 1;

	while (n-- > 0)
		x = table[work_random(&seed) % 4](x);
	return x;
}

/* buf: size words of room. */
static inline void work(struct work *w, uint32_t *buf, uint32_t size)
{
	uint64_t seed = 0x5eed0001 + size;

	for (uint32_t i = 0; i < size; i++)
		buf[i] = (uint32_t)work_random(&seed);
	w->hash = work_hash(buf, size);
	work_sort(buf, 0, (int64_t)size - 1);
	w->sorted = work_hash(buf, size);
	w->queens = work_queens((1u << 6) - 1, 0, 0, 0);
	w->primes = work_primes(size);
	w->sum = work_matrix(size);
	w->dispatched = work_dispatch(size, seed);
}

#endif
