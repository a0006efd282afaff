// SPDX-License-Identifier: BSD-2-Clause
/* Access by guest-virtual address, with the guest user's rights. */
#include "unit.h"

static void rights(void **state)
{
	struct unit *u = *state;
	static const struct {
		uint64_t gva, gpa;
		bool in, out, present;
	} t[] = {
		{ CODE, CODE_GPA, true, false, true },
		{ DATA, DATA_GPA, true, true, true },
		{ ONLY, ONLY_GPA, true, false, true },
		{ VOID, VOID_GPA, false, false, true },
		{ 0x1000, 0, false, false, false },
		{ FAKE_GVA_LIMIT, 0, false, false, false },
		{ UINT64_MAX, 0, false, false, false },
	};
	struct vmmctl_fault f;
	uint8_t b = 1;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(&f, 0xa5, sizeof(f));
		assert_int_equal(vmmctl_space_copyin(u->s, t[i].gva, &b, 1,
		    &f), t[i].in ? 1 : -EFAULT);
		if (!t[i].in) {
			assert_int_equal(f.gva, t[i].gva);
			assert_int_equal(f.gpa, t[i].gpa);
			assert_int_equal(f.access, VMMCTL_PROT_READ);
			assert_int_equal(f.present, t[i].present);
		}
		memset(&f, 0xa5, sizeof(f));
		assert_int_equal(vmmctl_space_copyout(u->s, t[i].gva, &b, 1,
		    &f), t[i].out ? 1 : -EFAULT);
		if (!t[i].out) {
			assert_int_equal(f.gva, t[i].gva);
			assert_int_equal(f.gpa, t[i].gpa);
			assert_int_equal(f.access, VMMCTL_PROT_WRITE);
			assert_int_equal(f.present, t[i].present);
		}
	}
	assert_fails(u->v, vmmctl_space_copyout(u->s, ONLY, &b, 1, NULL),
	    -EFAULT, "write 0x600000");
	assert_fails(u->v, vmmctl_space_copyin(u->s, 0x1000, &b, 1, NULL),
	    -EFAULT, "read 0x1000");
	assert_fails(u->v, vmmctl_space_copyin(u->s, DATA, &b, SIZE_MAX,
	    NULL), -EINVAL, "length");
}

static void over_borders(void **state)
{
	struct unit *u = *state;
	uint8_t out[2 * DATA_LEN], in[2 * DATA_LEN];
	struct vmmctl_fault f;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13 + 5);
	/* The same bytes by another way: pages in reverse. */
	for (uint64_t i = 0; i < 4; i++)
		assert_ok(vmmctl_space_map(u->s, (1ull << 33) + i * PAGE, PAGE,
		    DATA_GPA + (3 - i) * PAGE, VMMCTL_PROT_RW));
	assert_int_equal(vmmctl_space_copyout(u->s, (1ull << 33) + 9, out,
	    sizeof(out), &f), DATA_LEN - 9);
	assert_int_equal(f.gva, (1ull << 33) + DATA_LEN);
	assert_int_equal(f.present, 0);
	assert_int_equal(vmmctl_space_copyin(u->s, (1ull << 33) + 9, in,
	    sizeof(in), &f), DATA_LEN - 9);
	assert_memory_equal(in, out, DATA_LEN - 9);
	assert_memory_equal(unit_at(u, DATA_GPA + 3 * PAGE + 9), out,
	    PAGE - 9);
	assert_memory_equal(unit_at(u, DATA_GPA), out + 3 * PAGE - 9, PAGE);
	assert_int_equal(vmmctl_space_copyin(u->s, DATA, in, 0, &f), 0);
	assert_int_equal(vmmctl_space_copyin(u->s, 0, in, 0, NULL), 0);
}

static void strings(void **state)
{
	struct unit *u = *state;
	char buf[2 * PAGE];
	struct vmmctl_fault f;
	uint64_t at = DATA + PAGE - 3;

	memcpy(unit_at(u, DATA_GPA + PAGE - 3), "border", 7);
	assert_int_equal(vmmctl_space_copyinstr(u->s, at, buf, sizeof(buf),
	    &f), 6);
	assert_string_equal(buf, "border");
	assert_int_equal(vmmctl_space_copyinstr(u->s, at, buf, 7, &f), 6);
	assert_fails(u->v, vmmctl_space_copyinstr(u->s, at, buf, 6, &f),
	    -ENAMETOOLONG, "6 bytes");
	assert_fails(u->v, vmmctl_space_copyinstr(u->s, at, buf, 0, &f),
	    -ENAMETOOLONG, "0 bytes");
	assert_int_equal(vmmctl_space_copyinstr(u->s, at + 6, buf, 1, NULL),
	    0);
	/* Up to the very end, and one further. */
	memset(unit_at(u, DATA_GPA + DATA_LEN - 4), 'x', 4);
	assert_fails(u->v, vmmctl_space_copyinstr(u->s, DATA + DATA_LEN - 4,
	    buf, sizeof(buf), &f), -EFAULT, "0x504000");
	assert_int_equal(f.gva, DATA + DATA_LEN);
	assert_fails(u->v, vmmctl_space_copyinstr(u->s, DATA + DATA_LEN - 4,
	    buf, 4, &f), -ENAMETOOLONG, "4 bytes");
	*unit_at(u, DATA_GPA + DATA_LEN - 1) = 0;
	assert_int_equal(vmmctl_space_copyinstr(u->s, DATA + DATA_LEN - 4,
	    buf, sizeof(buf), &f), 3);
	assert_fails(u->v, vmmctl_space_copyinstr(u->s, 0x1000, buf, 9, &f),
	    -EFAULT, "0x1000");
}

static void swaps(void **state)
{
	struct unit *u = *state;
	const uint64_t old = 0x8877665544332211ull, new = 0xffeeddccbbaa9988;

	for (unsigned w = 1; w <= 8; w *= 2) {
		uint64_t mask = w == 8 ? ~0ull : (1ull << 8 * w) - 1;
		uint64_t e = old + 1, mem = 0;

		memcpy(unit_at(u, DATA_GPA + 8), &old, 8);
		assert_int_equal(vmmctl_space_cas(u->s, DATA + 8, w, &e, new,
		    NULL), 0);
		assert_int_equal(e, old & mask);
		assert_int_equal(vmmctl_space_cas(u->s, DATA + 8, w, &e, new,
		    NULL), 1);
		memcpy(&mem, unit_at(u, DATA_GPA + 8), 8);
		assert_int_equal(mem, (old & ~mask) | (new & mask));
	}
}

static void swaps_refused(void **state)
{
	static const unsigned widths[] = { 0, 3, 5, 6, 7, 9, 16, 1u << 31 };
	struct unit *u = *state;
	struct vmmctl_fault f;
	uint64_t e = 0;

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		assert_fails(u->v, vmmctl_space_cas(u->s, DATA, widths[i], &e,
		    0, &f), -EINVAL, "width");
	for (unsigned w = 2; w <= 8; w *= 2)
		for (unsigned off = 1; off < w; off++)
			assert_fails(u->v, vmmctl_space_cas(u->s, DATA + off,
			    w, &e, 0, &f), -EINVAL, "address");
	assert_fails(u->v, vmmctl_space_cas(u->s, ONLY, 4, &e, 1, &f),
	    -EFAULT, "0x600000");
	assert_int_equal(f.gva, ONLY);
	assert_int_equal(f.access, VMMCTL_PROT_WRITE);
	assert_int_equal(f.present, 1);
	assert_fails(u->v, vmmctl_space_cas(u->s, 0x1000, 4, &e, 1, NULL),
	    -EFAULT, "0x1000");
	assert_int_equal(e, 0);
}

int main(void)
{
	const struct CMUnitTest copy[] = {
		TEST(rights),
		TEST(over_borders),
		TEST(strings),
		TEST(swaps),
		TEST(swaps_refused),
	};

	return RUN(copy);
}
