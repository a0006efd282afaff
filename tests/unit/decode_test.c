// SPDX-License-Identifier: BSD-2-Clause
/*
 * From events to exits: every vector, every kind of page fault, INT n behind
 * every prefix.
 */
#include "unit.h"
#include "counters.h"
#include "pt.h"

static int decode(struct unit *u, const struct event *ev)
{
	return decode_event(u->cpu, u->c, ev, &u->e);
}

static int vector(struct unit *u, uint32_t n, uint32_t error, uint64_t cr2)
{
	const struct event ev = { .type = EVENT_VECTOR, .vector = n,
	    .error_code = error, .cr2 = cr2, .dr6 = VMMCTL_DR6_BS | 2 };

	return decode(u, &ev);
}

static void every_vector(void **state)
{
	struct unit *u = *state;

	for (uint32_t n = 0; n < 32; n++) {
		UNIT_CODE(u, 0x90);
		if (n == VEC_PF)
			continue;
		assert_int_equal(vector(u, n, n << 3, 0), 1);
		assert_int_equal(u->e.vector, n);
		assert_int_equal(u->r->rip, CODE);
		switch (n) {
		case VEC_DB:
			assert_int_equal(u->e.kind, VMMCTL_EXIT_DEBUG);
			assert_int_equal(u->e.dr6, VMMCTL_DR6_BS | 2);
			break;
		case VEC_BP:
			assert_int_equal(u->e.kind, VMMCTL_EXIT_BREAKPOINT);
			break;
		case VEC_OF:
			assert_int_equal(u->e.kind, VMMCTL_EXIT_SOFTINT);
			assert_int_equal(u->e.error_code, 0);
			break;
		default:
			assert_int_equal(u->e.kind, VMMCTL_EXIT_EXCEPTION);
			assert_int_equal(u->e.error_code, n << 3);
			assert_int_equal(u->e.dr6, 0);
			break;
		}
	}
}

static void other_events(void **state)
{
	struct unit *u = *state;
	struct event ev = { .type = EVENT_SYSCALL };

	assert_int_equal(decode(u, &ev), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->e.vector, 0);
	ev = (struct event){ .type = EVENT_SOFTINT, .vector = 0x80 };
	assert_int_equal(decode(u, &ev), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SOFTINT);
	assert_int_equal(u->e.vector, 0x80);
	ev = (struct event){ .type = EVENT_SIGNAL };
	assert_int_equal(decode(u, &ev), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_KICKED);
	ev = (struct event){ .type = EVENT_KICK };
	assert_int_equal(decode(u, &ev), 0);
	ev = (struct event){ .type = EVENT_TIMEOUT };
	assert_int_equal(decode(u, &ev), 0);
	ev = (struct event){ .type = EVENT_FAILED, .field = "CS", .value = 7,
	    .rule = "must not", .section = "1.1" };
	assert_int_equal(decode(u, &ev), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "CS");
	assert_int_equal(u->e.value, 7);
	assert_string_equal(u->e.rule, "must not");
	assert_string_equal(u->e.section, "1.1");
}

static void int_n_with_prefixes(void **state)
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0x26, 0x2e, 0x36,
	    0x3e, 0x64, 0x65, 0xf2, 0xf3, 0x40, 0x48, 0x4f };
	struct unit *u = *state;

	for (uint32_t n = 0; n < 256; n++) {
		UNIT_CODE(u, 0xcd, (uint8_t)n);
		assert_int_equal(vector(u, VEC_GP, n << 3 | 2, 0), 1);
		assert_int_equal(u->e.kind, VMMCTL_EXIT_SOFTINT);
		assert_int_equal(u->e.vector, n);
		assert_int_equal(u->e.error_code, 0);
		assert_int_equal(u->r->rip, CODE + 2);
	}
	for (size_t i = 0; i < sizeof(prefixes); i++)
		for (size_t k = 1; k <= 13; k++) {
			uint8_t code[15];

			memset(code, prefixes[i], k);
			code[k] = 0xcd;
			code[k + 1] = 0x21;
			unit_code(u, code, k + 2);
			assert_int_equal(vector(u, VEC_GP, 0x21 << 3 | 2, 0),
			    1);
			assert_int_equal(u->e.kind, VMMCTL_EXIT_SOFTINT);
			assert_int_equal(u->r->rip, CODE + k + 2);
		}
}

static void what_is_no_int_n(void **state)
{
	struct unit *u = *state;
	const struct {
		uint32_t error;
		uint8_t code[3];
	} t[] = {
		{ 0x21 << 3 | 2, { 0xcd, 0x22 } },	/* another n */
		{ 0x21 << 3 | 2, { 0xcc, 0x21 } },	/* no INT */
		{ 0x21 << 3 | 2, { 0xf0, 0xcd, 0x21 } }, /* LOCK is #UD */
		{ 0x21 << 3 | 2, { 0x0f, 0xcd, 0x21 } },
		{ 0x21 << 3, { 0xcd, 0x21 } },		/* no IDT bit */
		{ 0x21 << 3 | 3, { 0xcd, 0x21 } },	/* external */
		{ 0x21 << 3 | 6, { 0xcd, 0x21 } },	/* LDT */
		{ 0, { 0xcd, 0 } },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		unit_code(u, t[i].code, 3);
		assert_int_equal(vector(u, VEC_GP, t[i].error, 0), 1);
		assert_int_equal(u->e.kind, VMMCTL_EXIT_EXCEPTION);
		assert_int_equal(u->e.vector, VEC_GP);
		assert_int_equal(u->e.error_code, t[i].error);
		assert_int_equal(u->r->rip, CODE);
	}
	/* The bytes cannot be fetched: at the end of the page, in data. */
	u->r->rip = CODE + PAGE - 1;
	*unit_at(u, CODE_GPA + PAGE - 1) = 0xcd;
	assert_int_equal(vector(u, VEC_GP, 0x21 << 3 | 2, 0), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_EXCEPTION);
	memcpy(unit_at(u, DATA_GPA), "\xcd\x21", 2);
	u->r->rip = DATA;
	assert_int_equal(vector(u, VEC_GP, 0x21 << 3 | 2, 0), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_EXCEPTION);
	/* Across a page border it can. */
	assert_ok(vmmctl_space_map(u->s, CODE + PAGE, PAGE, CODE_GPA + 2 *
	    PAGE, VMMCTL_PROT_RX));
	*unit_at(u, CODE_GPA + 2 * PAGE) = 0x21;
	u->r->rip = CODE + PAGE - 1;
	assert_int_equal(vector(u, VEC_GP, 0x21 << 3 | 2, 0), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SOFTINT);
	assert_int_equal(u->r->rip, CODE + PAGE + 1);
}

static void int3_and_cd_03(void **state)
{
	struct unit *u = *state;

	UNIT_CODE(u, 0xcc);
	u->r->rip = CODE + 1;
	assert_int_equal(vector(u, VEC_BP, 0, 0), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_BREAKPOINT);
	assert_int_equal(u->e.vector, 3);
	UNIT_CODE(u, 0xcd, 0x03);
	u->r->rip = CODE + 2;
	assert_int_equal(vector(u, VEC_BP, 0, 0), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SOFTINT);
	assert_int_equal(u->e.vector, 3);
	assert_int_equal(u->r->rip, CODE + 2);
	UNIT_CODE(u, 0xcd, 0x04);
	u->r->rip = CODE + 2;
	assert_int_equal(vector(u, VEC_OF, 0, 0), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SOFTINT);
	assert_int_equal(u->e.vector, 4);
	/* Code that has been unmapped since. */
	u->r->rip = 0x1001;
	assert_int_equal(vector(u, VEC_BP, 0, 0), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_BREAKPOINT);
}

static const struct {
	uint32_t code, access;
} accesses[] = {
	{ PF_USER, VMMCTL_PROT_READ },
	{ PF_USER | PF_WRITE, VMMCTL_PROT_WRITE },
	{ PF_USER | PF_FETCH, VMMCTL_PROT_EXEC },
};

static void expect_fault(struct unit *u, uint64_t addr, uint32_t code,
    uint32_t access, bool present)
{
	assert_int_equal(vector(u, VEC_PF, code, addr), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_FAULT);
	assert_int_equal(u->e.vector, VEC_PF);
	assert_int_equal(u->e.addr, addr);
	assert_int_equal(u->e.access, access);
	assert_int_equal(u->e.present, present);
	assert_int_equal(u->e.error_code, (code & ~PF_PRESENT) |
	    (present ? PF_PRESENT : 0));
	assert_int_equal(u->e.gpa, 0);
}

/* What the backend's mapping was is not what the guest's was. */
static void faults(void **state)
{
	struct unit *u = *state;

	for (uint32_t p = 0; p <= PF_PRESENT; p++) {
		for (size_t i = 0; i < 3; i++) {
			uint32_t code = accesses[i].code | p;
			uint32_t access = accesses[i].access;

			expect_fault(u, 0x123456, code, access, false);
			expect_fault(u, FAKE_GVA_LIMIT, code, access, false);
			expect_fault(u, UINT64_MAX, code, access, false);
			expect_fault(u, 1ull << 63, code, access, false);
		}
		expect_fault(u, CODE + 5, PF_USER | PF_WRITE | p,
		    VMMCTL_PROT_WRITE, true);
		expect_fault(u, DATA + 5, PF_USER | PF_FETCH | p,
		    VMMCTL_PROT_EXEC, true);
		expect_fault(u, ONLY + 5, PF_USER | PF_WRITE | p,
		    VMMCTL_PROT_WRITE, true);
	}
	assert_ok(vmmctl_space_protect(u->s, DATA, PAGE, 0));
	for (size_t i = 0; i < 3; i++)
		expect_fault(u, DATA, accesses[i].code, accesses[i].access,
		    true);
}

/* The mapping and the memory are there, but the guest's PKRU forbids it. */
static void protection_keys(void **state)
{
	struct unit *u = *state;

	expect_fault(u, DATA, PF_USER | PF_PRESENT | PF_KEY,
	    VMMCTL_PROT_READ, true);
	expect_fault(u, DATA, PF_USER | PF_WRITE | PF_PRESENT | PF_KEY,
	    VMMCTL_PROT_WRITE, true);
}

static void no_memory(void **state)
{
	struct unit *u = *state;

	assert_int_equal(vector(u, VEC_PF, PF_USER | PF_WRITE, VOID + 0x123),
	    1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_NOMEM);
	assert_int_equal(u->e.addr, VOID + 0x123);
	assert_int_equal(u->e.gpa, VOID_GPA + 0x123);
	assert_int_equal(u->e.access, VMMCTL_PROT_WRITE);
	/* The space's own rights come first. */
	expect_fault(u, VOID, PF_USER | PF_FETCH, VMMCTL_PROT_EXEC, true);
	/* The machine's memory forbids what the space allows. */
	assert_ok(vmmctl_memory_protect(u->m, DATA_GPA, PAGE,
	    VMMCTL_PROT_READ));
	assert_int_equal(vector(u, VEC_PF, PF_USER | PF_WRITE, DATA), 1);
	assert_int_equal(u->e.kind, VMMCTL_EXIT_NOMEM);
	assert_int_equal(vector(u, VEC_PF, PF_USER, DATA), 0);
}

static void fills(void **state)
{
	struct unit *u = *state;
	uint64_t n;

	fake.nchanges = 0;
	assert_int_equal(vector(u, VEC_PF, PF_USER | PF_WRITE, DATA + 8), 0);
	assert_int_equal(fake.nchanges, 1);
	assert_int_equal(fake.changes[0].gva, DATA);
	assert_int_equal(fake.changes[0].len, PAGE);
	assert_int_equal(fake.changes[0].change, CHANGE_ADD);
	assert_ok(vmmctl_machine_counter(u->m, "space.fill", &n));
	assert_int_equal(n, 1);
	/* Memory comes where a mapping waits for it. */
	assert_int_equal(vector(u, VEC_PF, PF_USER, VOID), 1);
	assert_ok(vmmctl_memory_map(u->m, VOID_GPA, PAGE, u->fd, 0,
	    VMMCTL_PROT_RW));
	assert_int_equal(vector(u, VEC_PF, PF_USER, VOID), 0);
}

static int fill(struct unit *u)
{
	return vector(u, VEC_PF, PF_USER, DATA);
}

/* A page that cannot be had, though it should be: NOMEM, not for ever. */
static void a_fill_that_does_not_help(void **state)
{
	struct unit *u = *state;

	for (int round = 0; round < 3; round++) {
		int n = 0;

		while (fill(u) == 0)
			assert_true(++n < 100);
		assert_int_equal(n, 8);
		assert_int_equal(u->e.kind, VMMCTL_EXIT_NOMEM);
		assert_int_equal(u->e.gpa, DATA_GPA);
	}
}

/* What looks the same but is not. */
static void fills_that_help(void **state)
{
	struct unit *u = *state;
	const struct event call = { .type = EVENT_SYSCALL };

	for (int i = 0; i < 100; i++) {
		assert_int_equal(fill(u), 0);
		u->r->rip++;		/* another instruction */
	}
	for (uint64_t i = 0; i < 100; i++)	/* another address */
		assert_int_equal(vector(u, VEC_PF, PF_USER, DATA + i), 0);
	for (int i = 0; i < 100; i++) {	/* the guest got on */
		assert_int_equal(fill(u), 0);
		assert_int_equal(decode(u, &call), 1);
	}
	for (int i = 0; i < 100; i++) {	/* the mapping was changed */
		assert_int_equal(fill(u), 0);
		assert_ok(vmmctl_space_map(u->s, DATA, PAGE, DATA_GPA,
		    VMMCTL_PROT_RW));
	}
	for (int i = 0; i < 100; i++) {	/* the memory was */
		assert_int_equal(fill(u), 0);
		assert_ok(vmmctl_memory_protect(u->m, DATA_GPA, PAGE,
		    VMMCTL_PROT_RWX));
	}
}

static void a_fill_without_page_tables(void **state)
{
	struct unit *u = *state;
	struct pt_pool *p = &u->m->pool;
	uint64_t size = p->size, at = 1ull << 30;

	/* A big leaf, half of whose memory goes: filling must split it. */
	assert_ok(vmmctl_space_map(u->s, at, 0x200000, MEM_GPA,
	    VMMCTL_PROT_RW));
	assert_ok(vmmctl_memory_unmap(u->m, MEM_GPA + 0x100000, PAGE));
	p->size = p->used;
	assert_int_equal(p->free, 0);
	assert_fails(u->v, vector(u, VEC_PF, PF_USER, at), -ENOMEM,
	    "page tables");
	p->size = size;
	assert_int_equal(vector(u, VEC_PF, PF_USER, at), 0);
}

static int lack(struct unit *u, uint64_t gpa)
{
	const struct event ev = { .type = EVENT_LACKS, .gpa = gpa };

	return decode(u, &ev);
}

/* The owner has no page: the access that finds this faults, and tells. */
static void memory_that_lacks_a_page(void **state)
{
	const uint64_t large = 0x40000000, page = 2 * PAGE;
	struct unit *u = *state;
	struct vmmctl_walk w;
	struct pt_leaf leaf;

	assert_ok(vmmctl_space_map(u->s, large, 2 << 20, MEM_GPA,
	    VMMCTL_PROT_RW));
	assert_ok(vmmctl_space_map(u->s, 0x1000000, PAGE, MEM_GPA + page,
	    VMMCTL_PROT_READ));
	for (int round = 0; round < 3; round++) {
		fake.nchanges = 0;
		assert_int_equal(lack(u, MEM_GPA + page + 0x18), 0);
		/* That page wherever it is mapped, and no other. */
		assert_int_equal(fake.nchanges, 2);
		assert_int_equal(fake.changes[0].gva, 0x1000000);
		assert_int_equal(fake.changes[1].gva, large + page);
		assert_int_equal(fake.changes[1].len, PAGE);
		assert_int_equal(fake.changes[1].change, CHANGE_RESTRICT);
		pt_find(u->s, large + page, &leaf);
		assert_int_equal(leaf.hw, 0);
		pt_find(u->s, large, &leaf);
		assert_int_equal(leaf.hw, VMMCTL_PROT_RW);
		assert_ok(vmmctl_space_walk(u->s, large + page, &w));
		assert_int_equal(w.gpa, MEM_GPA + page);
		/* Another page is filled as ever, and makes it forgotten. */
		if (round == 1) {
			assert_int_equal(fill(u), 0);
		} else {
			assert_int_equal(vector(u, VEC_PF, PF_USER | PF_WRITE,
			    large + page + 0x18), 1);
			assert_int_equal(u->e.kind, VMMCTL_EXIT_NOMEM);
			assert_int_equal(u->e.addr, large + page + 0x18);
			assert_int_equal(u->e.gpa, MEM_GPA + page + 0x18);
			assert_int_equal(u->e.access, VMMCTL_PROT_WRITE);
		}
		/* Tried again, it may be there. */
		assert_int_equal(vector(u, VEC_PF, PF_USER, large + page), 0);
		assert_int_equal(vector(u, VEC_PF, PF_USER, 0x1000000), 0);
	}
}

int main(void)
{
	const struct CMUnitTest decode_tests[] = {
		TEST(every_vector),
		TEST(other_events),
		TEST(int_n_with_prefixes),
		TEST(what_is_no_int_n),
		TEST(int3_and_cd_03),
		TEST(faults),
		TEST(protection_keys),
		TEST(no_memory),
		TEST(fills),
		TEST(a_fill_that_does_not_help),
		TEST(fills_that_help),
		TEST(memory_that_lacks_a_page),
		TEST(a_fill_without_page_tables),
	};

	return RUN(decode_tests);
}
