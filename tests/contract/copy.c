// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copies by guest-virtual address: with the guest user's rights, as far as
 * they go, and the address where they end.
 */
#include "runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

GUEST(c_add);

#define R	VMMCTL_PROT_READ
#define W	VMMCTL_PROT_WRITE
#define X	VMMCTL_PROT_EXEC
#define RW	VMMCTL_PROT_RW
#define NO_MEMORY (GPA + MEM_SIZE + PAGE)

static void expect_stop(const struct vmmctl_fault *f, uint64_t gva,
    uint32_t access, uint32_t present, uint64_t gpa)
{
	assert_int_equal(f->gva, gva);
	assert_int_equal(f->access, access);
	assert_int_equal(f->present, present);
	if (present)
		assert_int_equal(f->gpa, gpa);
}

static void whole_copies(void **state)
{
	static const size_t sizes[] = { 1, 7, 8, 4095, 4096, 4097, 20000 };
	struct rig *r = *state;
	uint8_t out[20000], in[20000];
	struct vmmctl_fault f;

	/* Pages in reverse order: each lies elsewhere. */
	for (uint64_t i = 0; i < 8; i++)
		rig_map(r, SPARE + i * PAGE, FREE_GPA + (7 - i) * PAGE, RW);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 31 + i / 256);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t at = SPARE + 4093;

		memset(in, 0, sizeof(in));
		expect_rc(r, vmmctl_space_copyout(r->s, at, out, sizes[i],
		    &f), (int64_t)sizes[i]);
		expect_rc(r, vmmctl_space_copyin(r->s, at, in, sizes[i],
		    NULL), (int64_t)sizes[i]);
		assert_memory_equal(in, out, sizes[i]);
	}
	assert_memory_equal(rig_gpa(r, FREE_GPA + 7 * PAGE + 4093), out, 3);
	assert_memory_equal(rig_gpa(r, FREE_GPA + 6 * PAGE), out + 3, PAGE);
	expect_rc(r, vmmctl_space_copyin(r->s, SPARE, in, 0, &f), 0);
	expect_rc(r, vmmctl_space_copyout(r->s, SPARE, in, 0, &f), 0);
}

/* Each permission, by itself: what may be read, and what may be written. */
static void every_permission(void **state)
{
	static const uint32_t prots[] = { 0, R, W, RW, X, R | X, W | X,
	    RW | X };
	struct rig *r = *state;
	uint8_t buf[32];
	struct vmmctl_fault f;

	for (size_t i = 0; i < 8; i++) {
		bool read = prots[i] != 0, write = (prots[i] & W) != 0;

		rig_map(r, SPARE, FREE_GPA, prots[i]);
		rig_snapshot(r);
		memset(buf, 0x40 + (int)i, sizeof(buf));
		expect_rc(r, vmmctl_space_copyout(r->s, SPARE + 9, buf, 32,
		    &f), write ? 32 : -EFAULT);
		if (!write) {
			expect_stop(&f, SPARE + 9, W, 1, FREE_GPA + 9);
			expect_same_memory(r);
		}
		memset(buf, 0, sizeof(buf));
		expect_rc(r, vmmctl_space_copyin(r->s, SPARE + 9, buf, 32,
		    &f), read ? 32 : -EFAULT);
		if (read)
			assert_memory_equal(buf, rig_gpa(r, FREE_GPA + 9), 32);
		else
			expect_stop(&f, SPARE + 9, R, 1, FREE_GPA + 9);
	}
	rig_unmap(r, SPARE, PAGE);
	expect_rc(r, vmmctl_space_copyin(r->s, SPARE + 9, buf, 32, &f),
	    -EFAULT);
	expect_stop(&f, SPARE + 9, R, 0, 0);
	expect_rc(r, vmmctl_space_copyout(r->s, SPARE + 9, buf, 32, &f),
	    -EFAULT);
	expect_stop(&f, SPARE + 9, W, 0, 0);
}

/* The seed wrote through read-only mappings. */
static void never_through_a_read_only_mapping(void **state)
{
	struct rig *r = *state;
	uint8_t buf[3 * PAGE];
	uint64_t expected = 0;
	struct vmmctl_fault f;

	memset(buf, 0xbb, sizeof(buf));
	rig_map(r, SPARE, FREE_GPA, RW);
	rig_map(r, SPARE + PAGE, FREE_GPA + PAGE, R | X);
	rig_map(r, SPARE + 2 * PAGE, FREE_GPA + 2 * PAGE, RW);
	expect_rc(r, vmmctl_space_copyout(r->s, SPARE + 100, buf,
	    sizeof(buf) - 100, &f), (int64_t)PAGE - 100);
	expect_stop(&f, SPARE + PAGE, W, 1, FREE_GPA + PAGE);
	assert_int_equal(*rig_gpa(r, FREE_GPA + PAGE - 1), 0xbb);
	assert_int_equal(*rig_gpa(r, FREE_GPA + PAGE), 0);
	assert_int_equal(*rig_gpa(r, FREE_GPA + 2 * PAGE), 0);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE + PAGE, 8, &expected, 1,
	    &f), -EFAULT);
	expect_stop(&f, SPARE + PAGE, W, 1, FREE_GPA + PAGE);
	/* Nor when the memory itself is read-only. */
	expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, PAGE, R), 0);
	expect_rc(r, vmmctl_space_copyout(r->s, SPARE, buf, 8, &f), -EFAULT);
	expect_stop(&f, SPARE, W, 1, FREE_GPA);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE, 8, &expected, 1, &f),
	    -EFAULT);
	assert_int_equal(*rig_gpa(r, FREE_GPA), 0);
}

static void stops_where_rights_end(void **state)
{
	struct rig *r = *state;
	uint8_t buf[2 * PAGE];
	struct vmmctl_fault f;

	rig_map(r, SPARE, FREE_GPA, RW);
	for (uint64_t n = 1; n < 20; n++) {
		uint64_t at = SPARE + PAGE - n;

		rig_unmap(r, SPARE + PAGE, PAGE);
		expect_rc(r, vmmctl_space_copyin(r->s, at, buf, n, &f),
		    (int64_t)n);
		expect_rc(r, vmmctl_space_copyin(r->s, at, buf, n + 1, &f),
		    (int64_t)n);
		expect_stop(&f, SPARE + PAGE, R, 0, 0);
		expect_rc(r, vmmctl_space_copyout(r->s, at, buf, PAGE, &f),
		    (int64_t)n);
		expect_stop(&f, SPARE + PAGE, W, 0, 0);
		rig_map(r, SPARE + PAGE, NO_MEMORY, RW);
		expect_rc(r, vmmctl_space_copyin(r->s, at, buf, n + 1, &f),
		    (int64_t)n);
		expect_stop(&f, SPARE + PAGE, R, 1, NO_MEMORY);
	}
}

static void ends_of_the_address_space(void **state)
{
	struct rig *r = *state;
	uint64_t last = r->info.gva_limit - PAGE;
	uint8_t buf[64];
	struct vmmctl_fault f;

	rig_map(r, last, FREE_GPA, RW);
	expect_rc(r, vmmctl_space_copyin(r->s, last + PAGE - 10, buf, 64, &f),
	    10);
	expect_stop(&f, last + PAGE, R, 0, 0);
	expect_rc(r, vmmctl_space_copyout(r->s, last + PAGE, buf, 1, &f),
	    -EFAULT);
	expect_rc(r, vmmctl_space_copyin(r->s, ~0ull - 3, buf, 64, &f),
	    -EFAULT);
	expect_stop(&f, ~0ull - 3, R, 0, 0);
	expect_rc(r, vmmctl_space_copyin(r->s, 0xffff800000000000, buf, 64,
	    &f), -EFAULT);
	expect_rc(r, vmmctl_space_copyout(r->s, 1ull << 63, buf, 64, &f),
	    -EFAULT);
	expect_rc(r, vmmctl_space_copyin(r->s, 0, buf, 64, &f), -EFAULT);
	expect_stop(&f, 0, R, 0, 0);
}

static void strings(void **state)
{
	struct rig *r = *state;
	char buf[PAGE];
	struct vmmctl_fault f;
	uint8_t *at = rig_gpa(r, FREE_GPA + PAGE - 6);

	rig_map(r, SPARE, FREE_GPA, R);
	memcpy(at, "hello", 6);
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf,
	    sizeof(buf), &f), 5);
	assert_string_equal(buf, "hello");
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 1, buf,
	    sizeof(buf), &f), 0);
	assert_string_equal(buf, "");
	/* Six bytes are enough, five are not. */
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf, 6,
	    &f), 5);
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf, 5,
	    &f), -ENAMETOOLONG);
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf, 0,
	    &f), -ENAMETOOLONG);
	/* Nothing behind the page, and the string goes on there. */
	at[5] = '!';
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf,
	    sizeof(buf), &f), -EFAULT);
	expect_stop(&f, SPARE + PAGE, R, 0, 0);
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf, 6,
	    &f), -ENAMETOOLONG);
	rig_map(r, SPARE + PAGE, FREE_GPA + 5 * PAGE, R);
	memcpy(rig_gpa(r, FREE_GPA + 5 * PAGE), " again", 7);
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf,
	    sizeof(buf), &f), 12);
	assert_string_equal(buf, "hello! again");
	rig_map(r, SPARE + PAGE, FREE_GPA + 5 * PAGE, 0);
	expect_rc(r, vmmctl_space_copyinstr(r->s, SPARE + PAGE - 6, buf,
	    sizeof(buf), &f), -EFAULT);
	expect_stop(&f, SPARE + PAGE, R, 1, FREE_GPA + 5 * PAGE);
}

static void compare_and_swap(void **state)
{
	static const unsigned widths[] = { 1, 2, 4, 8 };
	struct rig *r = *state;
	const uint64_t old = 0x8877665544332211, new = 0x123456789abcdef0;
	struct vmmctl_fault f;

	rig_map(r, SPARE, FREE_GPA, RW);
	for (size_t i = 0; i < 4; i++) {
		unsigned width = widths[i];
		uint64_t mask = ~0ull >> (64 - 8 * width);
		uint64_t expected, got;
		uint8_t *p = rig_gpa(r, FREE_GPA + PAGE - 16);

		for (uint64_t at = 0; at < 8; at += width) {
			memcpy(p, &old, 8);
			memcpy(p + 8, &old, 8);
			expected = old >> (8 * at) & mask;
			expect_rc(r, vmmctl_space_cas(r->s, SPARE + PAGE - 16 +
			    at, width, &expected, new, &f), 1);
			memcpy(&got, p, 8);
			assert_int_equal(got, (old & ~(mask << (8 * at))) |
			    (new & mask) << (8 * at));
			memcpy(&got, p + 8, 8);
			assert_int_equal(got, old);
			/* Again it finds the new value, and says so. */
			expected = (old >> (8 * at) & mask) ^ 1;
			expect_rc(r, vmmctl_space_cas(r->s, SPARE + PAGE - 16 +
			    at, width, &expected, 0, &f), 0);
			assert_int_equal(expected, new & mask);
		}
	}
}

static void refused_compare_and_swap(void **state)
{
	struct rig *r = *state;
	uint64_t expected = 0;
	struct vmmctl_fault f;

	rig_map(r, SPARE, FREE_GPA, RW);
	rig_snapshot(r);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE, 3, &expected, 1, &f),
	    -EINVAL);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE, 0, &expected, 1, &f),
	    -EINVAL);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE, 16, &expected, 1, &f),
	    -EINVAL);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE + 1, 2, &expected, 1, &f),
	    -EINVAL);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE + 2, 4, &expected, 1, &f),
	    -EINVAL);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE + 4, 8, &expected, 1, &f),
	    -EINVAL);
	expect_rc(r, vmmctl_space_cas(r->s, SPARE + PAGE, 8, &expected, 1,
	    &f), -EFAULT);
	expect_stop(&f, SPARE + PAGE, W, 0, 0);
	expect_rc(r, vmmctl_space_cas(r->s, ~7ull, 8, &expected, 1, &f),
	    -EFAULT);
	expect_same_memory(r);
}

/* The owner adds with compare-and-swap while a guest adds with LOCK INC. */
static void owner_and_guest_add(void **state)
{
	enum { N = 100000 };
	struct rig *r = *state;
	uint64_t expected = 0, sum;
	static struct runner t;

	rig_untraced(r);
	rig_load(r, BLOB(c_add));
	runner_init(&t, r, r->cpu, r->c);
	r->regs->rbx = DATA;
	r->regs->rcx = N;
	runner_start(&t);
	for (unsigned i = 0; i < N;) {
		int rc = vmmctl_space_cas(r->s, DATA, 8, &expected,
		    expected + 1, NULL);

		assert_in_range(rc, 0, 1);
		expected += (uint64_t)rc;
		i += (unsigned)rc;
	}
	runner_join(&t);
	assert_int_equal(t.x.kind, VMMCTL_EXIT_SYSCALL);
	memcpy(&sum, rig_gpa(r, DATA_GPA), 8);
	assert_int_equal(sum, 2 * N);
}

/* What the owner writes the guest reads, and the other way round. */
static void owner_and_guest_see_the_same(void **state)
{
	static const uint8_t code[] = { 0x48, 0x8b, 0x03, 0x48, 0xff, 0xc0,
	    0x48, 0x89, 0x43, 0x08, 0x0f, 0x05 };	/* inc, to 8(%rbx) */
	struct rig *r = *state;

	memcpy(rig_gpa(r, CODE_GPA), code, sizeof(code));
	for (uint64_t i = 0; i < 50; i++) {
		uint64_t value = i * 12345, got;

		rig_regs(r->regs);
		r->regs->rbx = DATA + 0xff8;
		expect_rc(r, vmmctl_space_copyout(r->s, DATA + 0xff8, &value,
		    8, NULL), 8);
		rig_run(r);
		expect_syscall(r);
		expect_rc(r, vmmctl_space_copyin(r->s, DATA + 0x1000, &got, 8,
		    NULL), 8);
		assert_int_equal(got, value + 1);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_copies),
		TEST(every_permission),
		TEST(never_through_a_read_only_mapping),
		TEST(stops_where_rights_end),
		TEST(ends_of_the_address_space),
		TEST(strings),
		TEST(compare_and_swap),
		TEST(refused_compare_and_swap),
		TEST(owner_and_guest_add),
		TEST(owner_and_guest_see_the_same),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
