// SPDX-License-Identifier: BSD-2-Clause
/* Changes of spaces: what is refused, in order, and what the backend hears. */
#include "unit.h"

#define MAP	VMMCTL_SPACE_MAP
#define UNMAP	VMMCTL_SPACE_UNMAP
#define PROTECT	VMMCTL_SPACE_PROTECT
#define RW	VMMCTL_PROT_RW

static void refusals(void **state)
{
	struct unit *u = *state;
	static const struct {
		struct vmmctl_space_op op;
		const char *word;
	} t[] = {
		{ { 0, RW, DATA, PAGE, 0 }, "kind 0" },
		{ { 4, RW, DATA, PAGE, 0 }, "kind 4" },
		{ { MAP, 8, DATA, PAGE, 0 }, "prot 0x8" },
		{ { PROTECT, 1u << 31, DATA, PAGE, 0 }, "prot" },
		{ { MAP, RW, DATA + 1, PAGE, 0 }, "multiples" },
		{ { MAP, RW, DATA, PAGE + 1, 0 }, "multiples" },
		{ { MAP, RW, DATA, PAGE, 8 }, "multiples" },
		{ { UNMAP, 0, DATA, 0, 0 }, "length" },
		{ { MAP, RW, FAKE_GVA_LIMIT, PAGE, 0 }, "gva_limit" },
		{ { UNMAP, 0, FAKE_GVA_LIMIT - PAGE, 2 * PAGE, 0 },
		    "gva_limit" },
		{ { UNMAP, 0, 0, FAKE_GVA_LIMIT + PAGE, 0 }, "gva_limit" },
		{ { UNMAP, 0, 0ull - PAGE, 2 * PAGE, 0 }, "gva_limit" },
		{ { PROTECT, RW, PAGE, 0ull - PAGE, 0 }, "gva_limit" },
		{ { MAP, RW, DATA, PAGE, FAKE_GPA_LIMIT }, "gpa_limit" },
		{ { MAP, RW, DATA, 2 * PAGE, 0ull - PAGE }, "gpa_limit" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		/* Behind a good one: nothing at all may change. */
		struct vmmctl_space_op ops[] = {
			{ UNMAP, 0, DATA, DATA_LEN, 0 }, t[i].op,
		};
		struct vmmctl_walk w;
		size_t done = 99;

		assert_fails(u->v, vmmctl_space_change(u->s, ops, 2, &done),
		    -EINVAL, "change 1");
		assert_fails(u->v, vmmctl_space_change(u->s, ops, 2, NULL),
		    -EINVAL, t[i].word);
		assert_int_equal(done, 0);
		assert_ok(vmmctl_space_walk(u->s, DATA, &w));
	}
	assert_int_equal(fake.nchanges, 0);
	assert_ok(vmmctl_space_change(u->s, NULL, 0, NULL));
	assert_ok(vmmctl_space_map(u->s, FAKE_GVA_LIMIT - PAGE, PAGE,
	    FAKE_GPA_LIMIT - PAGE, RW));
}

static void in_order(void **state)
{
	struct unit *u = *state;
	const uint64_t at = 1ull << 32;
	const struct vmmctl_space_op ops[] = {
		{ MAP, RW, at, 4 * PAGE, DATA_GPA },
		{ PROTECT, VMMCTL_PROT_READ, at + PAGE, 3 * PAGE, 0 },
		{ UNMAP, 0, at + 2 * PAGE, PAGE, 0 },
		{ MAP, VMMCTL_PROT_EXEC, at + 2 * PAGE, PAGE, CODE_GPA },
		{ MAP, RW, at + 8 * PAGE, PAGE, VOID_GPA },
	};
	static const uint32_t prot[] = { RW, VMMCTL_PROT_READ,
	    VMMCTL_PROT_RX, VMMCTL_PROT_READ };
	static const enum change heard[] = { CHANGE_ADD, CHANGE_PROTECT,
	    CHANGE_RESTRICT, CHANGE_ADD, CHANGE_ADD };
	struct vmmctl_walk w;
	size_t done;

	assert_ok(vmmctl_space_change(u->s, ops, 5, &done));
	assert_int_equal(done, 5);
	for (uint64_t i = 0; i < 4; i++) {
		assert_ok(vmmctl_space_walk(u->s, at + i * PAGE + 5, &w));
		assert_int_equal(w.prot, prot[i]);
		assert_int_equal(w.gpa, (i == 2 ? CODE_GPA :
		    DATA_GPA + i * PAGE) + 5);
		assert_int_equal(w.len, PAGE - 5);
		assert_int_equal(w.memory, 1);
	}
	assert_ok(vmmctl_space_walk(u->s, at + 8 * PAGE, &w));
	assert_int_equal(w.memory, 0);
	assert_fails(u->v, vmmctl_space_walk(u->s, at + 5 * PAGE, &w),
	    -ENOENT, "0x100005000");
	assert_fails(u->v, vmmctl_space_walk(u->s, FAKE_GVA_LIMIT, &w),
	    -ENOENT, "not mapped");
	assert_fails(u->v, vmmctl_space_walk(u->s, UINT64_MAX, &w),
	    -ENOENT, "not mapped");
	assert_int_equal(fake.nchanges, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(fake.changes[i].gva, ops[i].gva);
		assert_int_equal(fake.changes[i].len, ops[i].len);
		assert_int_equal(fake.changes[i].change, heard[i]);
	}
	/* Nobody ran: no one was interrupted, no one is kept out. */
	assert_int_equal(fake.kicks, 0);
	assert_int_equal(u->s->parked, 0);
}

/* Over the borders of memory ranges and holes between them. */
static void pieces(void **state)
{
	struct unit *u = *state;
	const uint64_t at = 1ull << 32, gpa = VOID_GPA;
	static const uint32_t memory[] = { 0, 3, 3, 0, 1, 0, 0, 7 };

	for (uint64_t i = 0; i < 8; i++)
		if (memory[i] != 0)
			assert_ok(vmmctl_memory_map(u->m, gpa + i * PAGE, PAGE,
			    u->fd, 0, memory[i]));
	assert_ok(vmmctl_space_map(u->s, at, 8 * PAGE, gpa, RW));
	for (uint64_t i = 0; i < 8; i++) {
		uint8_t b = 0;

		assert_int_equal(vmmctl_space_copyin(u->s, at + i * PAGE, &b,
		    1, NULL), memory[i] != 0 ? 1 : -EFAULT);
		assert_int_equal(vmmctl_space_copyout(u->s, at + i * PAGE, &b,
		    1, NULL), memory[i] & 2 ? 1 : -EFAULT);
	}
}

static void lives(void **state)
{
	struct unit *u = *state;
	struct vmmctl_space *s;
	uint64_t n;

	fake.space_error = -ENOSPC;
	assert_fails(u->v, vmmctl_space_create(u->m, &s), -ENOSPC,
	    "made to fail");
	fake.space_error = 0;
	assert_ok(vmmctl_space_create(u->m, &s));
	assert_ok(vmmctl_space_destroy(s));
	assert_ok(vmmctl_machine_counter(u->m, "space.destroy", &n));
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest space[] = {
		TEST(refusals),
		TEST(in_order),
		TEST(pieces),
		TEST(lives),
	};

	return RUN(space);
}
