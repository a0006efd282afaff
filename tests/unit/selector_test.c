// SPDX-License-Identifier: BSD-2-Clause
/* Loads of selectors that no descriptor table has. */
#include "unit.h"

#define CS	0x33u
#define SS	0x2bu
#define TO	0x12345678ull

static struct event ev;

/* #GP(error_code) at the code there. */
static void load(struct unit *u, uint32_t error_code)
{
	ev = (struct event){ .type = EVENT_VECTOR, .vector = VEC_GP,
	    .error_code = error_code };
	selector_load(u->c, &ev);
}

static void is_done(struct unit *u, uint64_t rip)
{
	assert_int_equal(ev.type, EVENT_DONE);
	assert_int_equal(u->r->rip, rip);
}

/* The event stays, and so do the registers. */
static void stays(struct unit *u, uint32_t error_code)
{
	const struct vmmctl_regs before = *u->r;

	load(u, error_code);
	assert_int_equal(ev.type, EVENT_VECTOR);
	assert_int_equal(ev.vector, VEC_GP);
	assert_int_equal(ev.error_code, error_code);
	assert_memory_equal(u->r, &before, sizeof(before));
}

/* Becomes a page fault, and the registers stay. */
static void faults(struct unit *u, uint64_t addr, bool write)
{
	const struct vmmctl_regs before = *u->r;

	load(u, CS & ~3u);
	assert_int_equal(ev.type, EVENT_VECTOR);
	assert_int_equal(ev.vector, VEC_PF);
	assert_int_equal(ev.cr2, addr);
	assert_int_equal(ev.error_code, PF_USER | (write ? PF_WRITE : 0));
	assert_memory_equal(u->r, &before, sizeof(before));
}

static void put(struct unit *u, uint64_t gva, const void *p, size_t n)
{
	memcpy(unit_at(u, DATA_GPA + (gva - DATA)), p, n);
}

static void registers_to_segments(void **state)
{
	static const struct {
		uint8_t modrm;
		uint16_t selector;
		bool good;
	} t[] = {
		{ 0xd8, 0x28, true }, { 0xd8, 0x29, true },	/* DS */
		{ 0xd8, 0x2a, true }, { 0xd8, 0x2b, true },
		{ 0xd8, 0x30, true }, { 0xd8, 0x33, true },
		{ 0xc0, 0x2b, true }, { 0xc0, 0x33, true },	/* ES */
		{ 0xe0, 0x2b, true }, { 0xe8, 0x33, true },	/* FS GS */
		{ 0xd0, 0x2b, true }, { 0xd0, 0x2a, false },	/* SS */
		{ 0xd0, 0x28, false }, { 0xd0, 0x33, false },
	};
	struct unit *u = *state;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		UNIT_CODE(u, 0x8e, t[i].modrm);
		u->r->rax = 0xdead0000u | t[i].selector;
		if (!t[i].good) {
			stays(u, t[i].selector & 0xfffcu);
			continue;
		}
		load(u, t[i].selector & 0xfffcu);
		is_done(u, CODE + 2);
	}
}

static void bases(void **state)
{
	struct unit *u = *state;

	u->r->fs_base = 0x1111;
	u->r->gs_base = 0x2222;
	u->r->rax = SS;
	UNIT_CODE(u, 0x8e, 0xd8);
	load(u, SS & ~3u);
	assert_int_equal(u->r->fs_base, 0x1111);
	UNIT_CODE(u, 0x8e, 0xe0);
	load(u, SS & ~3u);
	assert_int_equal(u->r->fs_base, 0);
	assert_int_equal(u->r->gs_base, 0x2222);
	UNIT_CODE(u, 0x41, 0x8e, 0xe9);		/* mov %r9d, %gs */
	u->r->r9 = CS;
	load(u, CS & ~3u);
	assert_int_equal(u->r->gs_base, 0);
}

/* Other selectors, and error codes that speak of something else. */
static void other_selectors_stay(void **state)
{
	static const uint32_t codes[] = { 0, 0x20, 0x2c, 0x34, 0x29, 0x2a,
	    0x31, 0x32, 0x10028, 0xfff8 };
	struct unit *u = *state;

	UNIT_CODE(u, 0x8e, 0xd8);
	u->r->rax = SS;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		stays(u, codes[i]);
	/* The processor saw another value than is there now. */
	stays(u, CS & ~3u);
}

static void memory_to_segments(void **state)
{
	const uint16_t selector = SS;
	struct unit *u = *state;

	put(u, DATA + 0x40, &selector, 2);
	UNIT_CODE(u, 0x8e, 0x58, 0x40);		/* mov 0x40(%rax), %ds */
	u->r->rax = DATA;
	load(u, SS & ~3u);
	is_done(u, CODE + 3);
	UNIT_CODE(u, 0x64, 0x67, 0x8e, 0x10);	/* mov %fs:(%eax), %ss */
	u->r->fs_base = DATA;
	u->r->rax = 0xf00000040;
	load(u, SS & ~3u);
	is_done(u, CODE + 4);
	UNIT_CODE(u, 0x8e, 0x10);
	u->r->rax = VOID;
	ev.cr2 = 0;
	faults(u, VOID, false);
	u->r->rax = DATA + DATA_LEN - 1;
	faults(u, DATA + DATA_LEN, false);
}

static void pops(void **state)
{
	const uint64_t word = 0xabcd0000ull | SS;
	const uint64_t top = DATA + 0x100;
	struct unit *u = *state;

	put(u, top, &word, 8);
	u->r->fs_base = u->r->gs_base = 1;
	u->r->rsp = top;
	UNIT_CODE(u, 0x0f, 0xa1);
	load(u, SS & ~3u);
	is_done(u, CODE + 2);
	assert_int_equal(u->r->rsp, top + 8);
	assert_int_equal(u->r->fs_base, 0);
	u->r->rsp = top;
	UNIT_CODE(u, 0x66, 0x0f, 0xa9);
	load(u, SS & ~3u);
	is_done(u, CODE + 3);
	assert_int_equal(u->r->rsp, top + 2);
	assert_int_equal(u->r->gs_base, 0);
}

static void pointers(void **state)
{
	static const struct {
		uint8_t code[5];
		uint8_t len, offset;
		uint64_t want;
	} t[] = {
		{ { 0x0f, 0xb4, 0x18 }, 3, 4, 0x55667788 },
		{ { 0x66, 0x0f, 0xb4, 0x18 }, 4, 2, 0xffffffffffff7788 },
		{ { 0x48, 0x0f, 0xb4, 0x18 }, 4, 8, 0x1122334455667788 },
		{ { 0x48, 0x0f, 0xb4, 0x18 }, 4, 4, 0x55667788 },
		{ { 0x0f, 0xb5, 0x18 }, 3, 4, 0x55667788 },
		{ { 0x0f, 0xb2, 0x18 }, 3, 4, 0x55667788 },
	};
	const uint64_t value = 0x1122334455667788;
	const uint16_t selector = SS;
	struct unit *u = *state;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(unit_at(u, DATA_GPA), 0, 16);
		put(u, DATA, &value, 8);
		put(u, DATA + t[i].offset, &selector, 2);
		unit_code(u, t[i].code, t[i].len);
		u->r->rax = DATA;
		u->r->rbx = UINT64_MAX;
		load(u, SS & ~3u);
		is_done(u, CODE + t[i].len);
		assert_int_equal(u->r->rbx, t[i].want);
	}
	/* A register instead of memory is #UD: never seen here. */
	UNIT_CODE(u, 0x0f, 0xb4, 0xd8);
	stays(u, SS & ~3u);
}

static void jumps(void **state)
{
	const uint32_t far[] = { TO, CS };
	const uint64_t wide[] = { 0x7f0012345678, CS }, odd[] = { 1ull << 50,
	    CS };
	struct unit *u = *state;

	put(u, DATA, far, sizeof(far));
	UNIT_CODE(u, 0xff, 0x28);		/* ljmp *(%rax) */
	u->r->rax = DATA;
	load(u, CS & ~3u);
	is_done(u, TO);
	put(u, DATA, wide, sizeof(wide));
	UNIT_CODE(u, 0x48, 0xff, 0x28);
	load(u, CS & ~3u);
	is_done(u, wide[0]);
	/* To itself. */
	put(u, DATA, &(uint32_t[]){ CODE, CS }, 8);
	UNIT_CODE(u, 0xff, 0x28);
	load(u, CS & ~3u);
	is_done(u, CODE);
	put(u, DATA, odd, sizeof(odd));
	UNIT_CODE(u, 0x48, 0xff, 0x28);
	load(u, CS & ~3u);
	assert_int_equal(ev.vector, VEC_GP);
	assert_int_equal(ev.error_code, 0);
	assert_int_equal(u->r->rip, CODE);
	/* Data is not code. */
	put(u, DATA, &(uint32_t[]){ TO, SS }, 8);
	UNIT_CODE(u, 0xff, 0x28);
	stays(u, SS & ~3u);
	/* Near ones are none of this. */
	UNIT_CODE(u, 0xff, 0x20);
	stays(u, CS & ~3u);
}

static void calls(void **state)
{
	const uint32_t far[] = { TO, CS };
	const uint64_t top = DATA + 0x200;
	struct unit *u = *state;

	put(u, DATA, far, sizeof(far));
	UNIT_CODE(u, 0xff, 0x18);		/* lcall *(%rax) */
	u->r->rax = DATA;
	u->r->rsp = top;
	load(u, CS & ~3u);
	is_done(u, TO);
	assert_int_equal(u->r->rsp, top - 8);
	assert_memory_equal(unit_at(u, DATA_GPA + 0x1f8),
	    (&(uint32_t[]){ CODE + 2, CS }), 8);
	/* And back. */
	UNIT_CODE(u, 0xcb);
	load(u, CS & ~3u);
	is_done(u, CODE + 2);
	assert_int_equal(u->r->rsp, top);
	/* A stack that cannot be written. */
	UNIT_CODE(u, 0xff, 0x18);
	u->r->rsp = ONLY + 0x80;
	faults(u, ONLY + 0x78, true);
}

static void returns(void **state)
{
	const uint64_t wide[] = { TO, CS }, loose[] = { TO, CS & ~3u };
	const uint64_t top = DATA + 0x300;
	struct unit *u = *state;

	put(u, top, wide, sizeof(wide));
	u->r->rsp = top;
	UNIT_CODE(u, 0x48, 0xcb);
	load(u, CS & ~3u);
	is_done(u, TO);
	assert_int_equal(u->r->rsp, top + 16);
	u->r->rsp = top;
	UNIT_CODE(u, 0x48, 0xca, 0x10, 0x01);
	load(u, CS & ~3u);
	is_done(u, TO);
	assert_int_equal(u->r->rsp, top + 16 + 0x110);
	/* A return to more privilege is none. */
	put(u, top, loose, sizeof(loose));
	u->r->rsp = top;
	UNIT_CODE(u, 0x48, 0xcb);
	stays(u, CS & ~3u);
	u->r->rsp = DATA + DATA_LEN - 8;
	put(u, u->r->rsp, wide, 8);
	faults(u, DATA + DATA_LEN, false);
}

static void interrupt_returns(void **state)
{
	uint64_t frame[] = { TO, CS, 0xfffffffffffbffff, DATA + 8, SS };
	const uint64_t top = DATA + 0x400;
	struct unit *u = *state;

	u->r->rflags = 0x202;
	put(u, top, frame, sizeof(frame));
	u->r->rsp = top;
	UNIT_CODE(u, 0x48, 0xcf);
	load(u, CS & ~3u);
	is_done(u, TO);
	assert_int_equal(u->r->rsp, DATA + 8);
	/* All that is a user's, RF among it; AC was not asked for. */
	assert_int_equal(u->r->rflags, (RFLAGS_USER & ~(1ull << 18)) | 2);
	/* Flags that are not a user's stay. */
	frame[2] = 0x3000;
	put(u, top, frame, sizeof(frame));
	UNIT_CODE(u, 0x48, 0xcf);
	u->r->rsp = top;
	u->r->rflags = 0x202 | 1 | RFLAGS_RF;
	load(u, CS & ~3u);
	is_done(u, TO);
	assert_int_equal(u->r->rflags, 0x202);
	/* Half as wide. */
	put(u, top, &(uint32_t[]){ TO, CS, 0x203, DATA, SS }, 20);
	UNIT_CODE(u, 0xcf);
	u->r->rsp = top;
	load(u, CS & ~3u);
	is_done(u, TO);
	assert_int_equal(u->r->rsp, DATA);
	assert_int_equal(u->r->rflags, 0x203);
	/* A stack of the kernel's. */
	frame[4] = 0x18;
	put(u, top, frame, sizeof(frame));
	UNIT_CODE(u, 0x48, 0xcf);
	u->r->rsp = top;
	load(u, CS & ~3u);
	assert_int_equal(ev.type, EVENT_VECTOR);
	assert_int_equal(ev.error_code, 0x18);
	assert_int_equal(u->r->rip, CODE);
	assert_int_equal(u->r->rsp, top);
}

/* The trap comes after the instruction, but not after MOV SS. */
static void traps(void **state)
{
	const uint64_t frame[] = { TO, CS, 0x202, DATA, SS };
	struct unit *u = *state;

	u->r->rax = SS;
	u->r->rflags = 0x202 | RFLAGS_TF | RFLAGS_RF;
	UNIT_CODE(u, 0x8e, 0xd8);
	load(u, SS & ~3u);
	assert_int_equal(ev.vector, VEC_DB);
	assert_int_equal(ev.dr6, VMMCTL_DR6_BS);
	assert_int_equal(u->r->rip, CODE + 2);
	assert_int_equal(u->r->rflags, 0x202 | RFLAGS_TF);
	UNIT_CODE(u, 0x8e, 0xd0);
	load(u, SS & ~3u);
	is_done(u, CODE + 2);
	assert_int_equal(u->r->rflags, 0x202 | RFLAGS_TF);
	put(u, DATA, frame, sizeof(frame));
	u->r->rsp = DATA;
	UNIT_CODE(u, 0x48, 0xcf);
	load(u, CS & ~3u);
	assert_int_equal(ev.vector, VEC_DB);
	assert_int_equal(u->r->rip, TO);
	assert_int_equal(u->r->rflags, 0x202);
}

/* Nothing is read behind the end of the code. */
static void code_that_ends(void **state)
{
	static const uint8_t code[] = { 0x48, 0xff, 0xac, 0x25, 0, 0, 0x50,
	    0 };
	struct unit *u = *state;

	put(u, DATA, &(uint64_t[]){ TO, CS }, 16);
	u->r->rbp = 0;
	for (size_t n = 0; n < sizeof(code); n++) {
		memcpy(unit_at(u, CODE_GPA + PAGE - n), code, n);
		u->r->rip = CODE + PAGE - n;
		stays(u, CS & ~3u);
	}
	unit_code(u, code, sizeof(code));
	load(u, CS & ~3u);
	is_done(u, TO);
}

static int gp(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *e)
{
	(void)v;
	(void)deadline;
	if (c->regs.rip == TO) {
		*e = (struct event){ .type = EVENT_SYSCALL };
		return 0;
	}
	*e = (struct event){ .type = EVENT_VECTOR, .vector = VEC_GP,
	    .error_code = CS & ~3u };
	return 0;
}

/* A run goes on where the load has led, if the backend is bare. */
static void through_a_run(void **state)
{
	static struct backend_ops bare;
	struct unit *u = *state;
	uint64_t handled;

	put(u, DATA, &(uint32_t[]){ TO, CS }, 8);
	UNIT_CODE(u, 0xff, 0x28);
	u->r->rax = DATA;
	fake.enter = gp;
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_EXCEPTION);
	bare = *u->v->ops;
	bare.bare = true;
	u->cpu->ops = &bare;
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
	assert_ok(vmmctl_machine_counter(u->m, "exits.handled", &handled));
	assert_int_equal(handled, 1);
	/* One step of it. */
	UNIT_CODE(u, 0xff, 0x28);
	assert_ok(vmmctl_context_set_step(u->c, 1));
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_DEBUG);
	assert_int_equal(u->r->rip, TO);
	assert_int_equal(u->r->rflags, 0x202);
}

int main(void)
{
	const struct CMUnitTest selector_tests[] = {
		TEST(registers_to_segments),
		TEST(bases),
		TEST(other_selectors_stay),
		TEST(memory_to_segments),
		TEST(pops),
		TEST(pointers),
		TEST(jumps),
		TEST(calls),
		TEST(returns),
		TEST(interrupt_returns),
		TEST(traps),
		TEST(code_that_ends),
		TEST(through_a_run),
	};

	return RUN(selector_tests);
}
