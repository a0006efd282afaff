// SPDX-License-Identifier: BSD-2-Clause
/* Single steps: what kind of instruction comes, and what TF leaves behind. */
#include "unit.h"

#define TF	RFLAGS_TF

static void classes(void **state)
{
	static const struct {
		uint8_t code[6];
		uint8_t len;
		enum step_kind kind;
		unsigned size;
	} t[] = {
		{ { 0x90 }, 1, STEP_PLAIN, 8 },
		{ { 0 }, 0, STEP_PLAIN, 8 },
		{ { 0x9c }, 1, STEP_PUSHF, 8 },
		{ { 0x66, 0x9c }, 2, STEP_PUSHF, 2 },
		{ { 0x48, 0x9c }, 2, STEP_PUSHF, 8 },
		{ { 0x66, 0x48, 0x9c }, 3, STEP_PUSHF, 8 },
		{ { 0x48, 0x66, 0x9c }, 3, STEP_PUSHF, 2 },
		{ { 0x40, 0x66, 0x41, 0x9c }, 4, STEP_PUSHF, 2 },
		{ { 0x67, 0xf2, 0x64, 0x9c }, 4, STEP_PUSHF, 8 },
		{ { 0x2e, 0x66, 0x36, 0x9c }, 4, STEP_PUSHF, 2 },
		{ { 0x9d }, 1, STEP_POPF, 8 },
		{ { 0x66, 0x9d }, 2, STEP_POPF, 2 },
		{ { 0xcf }, 1, STEP_POPF, 8 },
		{ { 0x48, 0xcf }, 2, STEP_POPF, 8 },
		{ { 0x0f, 0x05 }, 2, STEP_SYSCALL, 8 },
		{ { 0x48, 0x0f, 0x05 }, 3, STEP_SYSCALL, 8 },
		{ { 0x0f }, 1, STEP_PLAIN, 8 },
		{ { 0x0f, 0x0b }, 2, STEP_PLAIN, 8 },
		{ { 0x0f, 0x9c }, 2, STEP_PLAIN, 8 },
		{ { 0x8e, 0xd0 }, 2, STEP_MOV_SS, 8 },
		{ { 0x8e, 0x10 }, 2, STEP_MOV_SS, 8 },
		{ { 0x41, 0x8e, 0xd0 }, 3, STEP_MOV_SS, 8 },
		{ { 0x8e, 0xd8 }, 2, STEP_PLAIN, 8 },	/* DS */
		{ { 0x8e }, 1, STEP_PLAIN, 8 },
		{ { 0x66, 0x66, 0x66 }, 3, STEP_PLAIN, 2 },
		{ { 0xf0, 0x9c }, 2, STEP_PLAIN, 8 },	/* LOCK: #UD */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		unsigned size = 0;
		enum step_kind kind = step_classify(t[i].code, t[i].len,
		    &size);

		if (kind != t[i].kind || size != t[i].size)
			fail_msg("row %zu: kind %d, size %u", i, kind, size);
	}
}

static bool begin(struct unit *u, struct step *st)
{
	u->c->step = true;
	return step_begin(u->c, st);
}

static void end(struct unit *u, struct step *st, enum event_type type,
    uint32_t vector)
{
	const struct event ev = { .type = type, .vector = vector };

	step_end(u->c, st, &ev);
}

static void off(void **state)
{
	struct unit *u = *state;
	struct step st;

	UNIT_CODE(u, 0x90);
	assert_false(step_begin(u->c, &st));
	assert_int_equal(u->r->rflags & TF, 0);
	u->r->rflags |= TF;
	end(u, &st, EVENT_VECTOR, VEC_DB);
	assert_int_equal(u->r->rflags & TF, TF);
}

static void a_plain_instruction(void **state)
{
	struct unit *u = *state;
	const struct { enum event_type type; uint32_t vector; } t[] = {
		{ EVENT_VECTOR, VEC_DB }, { EVENT_VECTOR, VEC_PF },
		{ EVENT_KICK, 0 }, { EVENT_SIGNAL, 0 }, { EVENT_TIMEOUT, 0 },
		{ EVENT_SYSCALL, 0 }, { EVENT_SOFTINT, 3 },
		{ EVENT_FAILED, 0 },
	};
	struct step st;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (uint64_t own = 0; own <= TF; own += TF) {
			UNIT_CODE(u, 0x90);
			u->r->rflags = 0x202 | own;
			assert_false(begin(u, &st));
			assert_int_equal(u->r->rflags, 0x202 | TF);
			end(u, &st, t[i].type, t[i].vector);
			/* The guest's own TF stays. */
			assert_int_equal(u->r->rflags, 0x202 | own);
		}
}

static void code_that_cannot_be_read(void **state)
{
	struct unit *u = *state;
	struct step st;

	u->r->rip = 0x1000;
	assert_false(begin(u, &st));
	assert_int_equal(st.kind, STEP_PLAIN);
	assert_int_equal(u->r->rflags & TF, TF);
	end(u, &st, EVENT_VECTOR, VEC_PF);
	assert_int_equal(u->r->rflags & TF, 0);
}

static void pushf(void **state)
{
	struct unit *u = *state;

	for (uint64_t own = 0; own <= TF; own += TF)
		for (int wide = 0; wide <= 1; wide++)
			for (int done = 0; done <= 1; done++) {
				uint16_t flags = (uint16_t)(0x246 | TF);
				uint64_t size = wide ? 8 : 2;
				struct step st;

				if (wide)
					UNIT_CODE(u, 0x9c);
				else
					UNIT_CODE(u, 0x66, 0x9c);
				u->r->rsp = DATA + 64;
				u->r->rflags = 0x246 | own;
				assert_false(begin(u, &st));
				memcpy(unit_at(u, DATA_GPA + 64 - size),
				    &flags, 2);
				/* It may fault instead. */
				u->r->rsp -= done ? size : 0;
				end(u, &st, EVENT_VECTOR,
				    done ? VEC_DB : VEC_PF);
				memcpy(&flags, unit_at(u, DATA_GPA + 64 -
				    size), 2);
				assert_int_equal(flags, own || !done ?
				    0x246 | TF : 0x246);
				assert_int_equal(u->r->rflags, 0x246 | own);
			}
}

static void popf(void **state)
{
	struct unit *u = *state;
	struct step st;

	for (uint64_t popped = 0; popped <= TF; popped += TF)
		for (uint64_t own = 0; own <= TF; own += TF) {
			UNIT_CODE(u, 0x9d);
			u->r->rflags = 0x202 | own;
			assert_false(begin(u, &st));
			u->r->rflags = 0x202 | popped;
			end(u, &st, EVENT_VECTOR, VEC_DB);
			assert_int_equal(u->r->rflags, 0x202 | popped);
			/* It faults: nothing was popped. */
			u->r->rflags = 0x202 | own;
			assert_false(begin(u, &st));
			end(u, &st, EVENT_VECTOR, VEC_PF);
			assert_int_equal(u->r->rflags, 0x202 | own);
		}
}

static void syscall_copies_no_tf(void **state)
{
	struct unit *u = *state;
	struct step st;

	for (uint64_t own = 0; own <= TF; own += TF) {
		UNIT_CODE(u, 0x0f, 0x05);
		u->r->rflags = 0x202 | own;
		assert_false(begin(u, &st));
		u->r->r11 = u->r->rflags;
		end(u, &st, EVENT_SYSCALL, 0);
		assert_int_equal(u->r->r11, 0x202 | own);
		assert_int_equal(u->r->rflags, 0x202 | own);
	}
}

/* MOV SS, %reg for each register, and from memory in each form. */
static void mov_ss_registers(void **state)
{
	struct unit *u = *state;
	struct vmmctl_regs *r = u->r;
	uint64_t *const by_number[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
		&r->rsi, &r->rdi, &r->r8, &r->r9, &r->r10, &r->r11, &r->r12,
		&r->r13, &r->r14, &r->r15,
	};
	struct step st;

	for (unsigned n = 0; n < 16; n++)
		for (int good = 0; good <= 1; good++) {
			uint64_t old = *by_number[n];

			UNIT_CODE(u, n < 8 ? 0x40 : 0x41, 0x8e,
			    (uint8_t)(0xd0 | (n & 7)));
			r->rflags = 0x202;
			*by_number[n] = good ? 0xabcd0000002bull : 0x2a;
			assert_int_equal(begin(u, &st), good);
			assert_int_equal(r->rip, good ? CODE + 3 : CODE);
			assert_int_equal(r->rflags, good ? 0x202 : 0x202 | TF);
			*by_number[n] = old;
		}
}

#define TARGET	(DATA + 0x248)

static void mov_ss_memory(void **state)
{
	struct unit *u = *state;
	struct vmmctl_regs *r = u->r;
	static const struct {
		uint8_t code[10];
		uint8_t len;
	} t[] = {
		{ { 0x8e, 0x10 }, 2 },			/* (rax) */
		{ { 0x8e, 0x13 }, 2 },			/* (rbx) */
		{ { 0x41, 0x8e, 0x10 }, 3 },		/* (r8) */
		{ { 0x41, 0x8e, 0x13 }, 3 },		/* (r11) */
		{ { 0x41, 0x8e, 0x14, 0x24 }, 4 },	/* (r12): SIB */
		{ { 0x41, 0x8e, 0x55, 0x00 }, 4 },	/* 0(r13) */
		{ { 0x8e, 0x55, 0xf8 }, 3 },		/* -8(rbp) */
		{ { 0x8e, 0x95, 0xf8, 0xff, 0xff, 0xff }, 6 },
		{ { 0x8e, 0x14, 0x24 }, 3 },		/* (rsp) */
		{ { 0x8e, 0x54, 0x24, 0x00 }, 4 },	/* 0(rsp) */
		{ { 0x8e, 0x14, 0x0e }, 3 },		/* (rsi,rcx) */
		{ { 0x8e, 0x14, 0xce }, 3 },		/* (rsi,rcx,8): no */
		{ { 0x8e, 0x14, 0xd6 }, 3 },		/* (rsi,rdx,8) */
		{ { 0x42, 0x8e, 0x14, 0x26 }, 4 },	/* (rsi,r12) */
		{ { 0x8e, 0x14, 0x25, 0x48, 0x02, 0x50, 0x00 }, 7 }, /* abs */
		{ { 0x8e, 0x14, 0x0d, 0x48, 0x00, 0x50, 0x00 }, 7 },
		{ { 0x8e, 0x15, 0x42, 0x02, 0x10, 0x00 }, 6 },	/* rip */
		{ { 0x67, 0x8e, 0x17 }, 3 },		/* (edi) */
		{ { 0x64, 0x8e, 0x12 }, 3 },		/* fs:(rdx) */
		{ { 0x65, 0x8e, 0x12 }, 3 },		/* gs:(rdx) */
		{ { 0x66, 0x3e, 0x8e, 0x10 }, 4 },
		{ { 0x48, 0x8e, 0x10 }, 3 },
		{ { 0x49, 0x66, 0x8e, 0x10 }, 4 },	/* REX is lost */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (int good = 0; good <= 1; good++) {
			uint16_t selector = good ? 0x2b : 0;
			bool no = i == 11;
			struct step st;

			unit_code(u, t[i].code, t[i].len);
			*r = (struct vmmctl_regs){ .rip = CODE,
			    .rflags = 0x202, .rax = TARGET, .rbx = TARGET,
			    .rcx = 0x200, .rdx = 0x40, .rsi = TARGET - 0x200,
			    .rdi = 0xffffffff00000000ull | TARGET,
			    .rbp = TARGET + 8, .rsp = TARGET,
			    .r8 = TARGET, .r11 = TARGET, .r12 = TARGET,
			    .r13 = TARGET, .fs_base = TARGET - 0x40,
			    .gs_base = TARGET - 0x40 };
			if (i == 13)
				r->r12 = 0x200;
			memcpy(unit_at(u, DATA_GPA + TARGET - DATA),
			    &selector, 2);
			if (begin(u, &st) != (good && !no))
				fail_msg("row %zu, selector 0x%x", i,
				    selector);
			assert_int_equal(r->rip, good && !no ?
			    CODE + t[i].len : CODE);
		}
	}
}

static void mov_ss_left_to_the_processor(void **state)
{
	struct unit *u = *state;
	struct step st;

	/* Memory that cannot be read; half of the selector there. */
	UNIT_CODE(u, 0x8e, 0x10);
	u->r->rax = 0x1000;
	assert_false(begin(u, &st));
	u->r->rax = DATA + DATA_LEN - 1;
	assert_false(begin(u, &st));
	u->r->rax = UINT64_MAX;
	assert_false(begin(u, &st));
	/* Bytes missing at the end of the page. */
	for (uint64_t n = 1; n < 7; n++) {
		const uint8_t code[] = { 0x8e, 0x14, 0x25, 0x48, 0x02, 0x50,
		    0x00 };

		memcpy(unit_at(u, CODE_GPA + PAGE - n), code, n);
		u->r->rip = CODE + PAGE - n;
		assert_false(begin(u, &st));
		assert_int_equal(u->r->rip, CODE + PAGE - n);
	}
}

/* Through vmmctl_vcpu_run(). */
static int nop(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	(void)v;
	(void)deadline;
	assert_int_equal(c->regs.rflags & TF, TF);
	c->regs.rip++;
	*ev = (struct event){ .type = EVENT_VECTOR, .vector = VEC_DB,
	    .dr6 = VMMCTL_DR6_BS };
	return 0;
}

static void a_run_ends_after_each(void **state)
{
	static const uint64_t at[] = { 1, 2, 3, 5, 6 };
	struct unit *u = *state;

	fake.enter = nop;
	UNIT_CODE(u, 0x90, 0x90, 0x90, 0x8e, 0xd0, 0x90);
	u->r->rax = 0x2b;
	assert_ok(vmmctl_context_set_step(u->c, 7));
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
		assert_int_equal(u->e.kind, VMMCTL_EXIT_DEBUG);
		assert_int_equal(u->e.dr6, VMMCTL_DR6_BS);
		assert_int_equal(u->r->rip, CODE + at[i]);
		assert_int_equal(u->r->rflags, 0x202);
	}
	/* MOV SS was not left to the processor. */
	assert_int_equal(fake.enters, 4);
}

int main(void)
{
	const struct CMUnitTest step_tests[] = {
		TEST(classes),
		TEST(off),
		TEST(a_plain_instruction),
		TEST(code_that_cannot_be_read),
		TEST(pushf),
		TEST(popf),
		TEST(syscall_copies_no_tf),
		TEST(mov_ss_registers),
		TEST(mov_ss_memory),
		TEST(mov_ss_left_to_the_processor),
		TEST(a_run_ends_after_each),
	};

	return RUN(step_tests);
}
