// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an exit of SVM means: each code by hand, lengths of instructions, a
 * counter for each.
 */
#include "device.h"
#include "svm_impl.h"

struct by_hand {
	const char *what;
	uint64_t caps;
	uint64_t code, info[2], rip, nrip, dr6, rflags;
	struct vmm_cause want;
};

#define NRIP	VMM_CAP_NRIP
#define ASSIST	(VMM_CAP_NRIP | VMM_CAP_DECODE)

/* By hand, from the manual; what processors did is in recorded.def. */
static const struct by_hand by_hand[] = {
	{ "SYSCALL in QEMU", 0, 0x46, { 0, 0 }, 0x401000, 0, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 6 } },
	{ "#GP", 0, 0x4d, { 0x402, 0 }, 0x401000, 0, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 13,
	      .error_code = 0x402 } },
	{ "#PF of a write", 0, 0x4e, { 6, 0x7fffdead }, 0x401000, 0, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 14, .error_code = 6,
	      .address = 0x7fffdead } },
	{ "#PF with garbage above the error code", 0, 0x4e,
	    { 0xffffffff00000015, ~0ull }, 1, 0, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 14, .error_code = 0x15,
	      .address = ~0ull } },
	{ "#DE", NRIP, 0x40, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 0 } },
	{ "single step", 0, 0x41, { 0, 0 }, 0x1000, 0, 0xffff4ff0, 0x102,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 1, .dr6 = 0x4000 } },
	{ "single step in Bochs, which does not tell", 0, 0x41, { 0, 0 },
	    0x1000, 0, 0xffff0ff0, 0x102,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 1, .dr6 = 0x4000 } },
	{ "watchpoint 2", 0, 0x41, { 0, 0 }, 0x1000, 0, 0xffff0ff4, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 1, .dr6 = 4 } },
	{ "INT3 with a length", NRIP, 0x43, { 0, 0 }, 0x1000, 0x1001, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 3, .length = 1 } },
	{ "INT3 without", 0, 0x43, { 0, 0 }, 0x1000, 0x1001, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 3 } },
	{ "INT3 with no next RIP", NRIP, 0x43, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_EXCEPTION, .vector = 3 } },
	{ "machine check", 0, 0x52, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_MACHINE_CHECK } },
	{ "interrupt", 0, 0x60, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_INTERRUPT } },
	{ "NMI", 0, 0x61, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_NMI } },
	{ "SMI", 0, 0x62, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_NMI } },
	{ "CPUID", 0, 0x72, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_CPUID, .vector = VMM_VECTOR_UNTOLD } },
	{ "CPUID with a length", NRIP, 0x72, { 0, 0 }, 0x1000, 0x1002, 0, 2,
	    { .kind = VMM_CAUSE_CPUID, .length = 2,
	      .vector = VMM_VECTOR_UNTOLD } },
	{ "INT n", 0, 0x75, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_SOFTINT, .vector = VMM_VECTOR_UNTOLD } },
	{ "INT 80 with a length", NRIP, 0x75, { 0, 0 }, 0x1000, 0x1002, 0, 2,
	    { .kind = VMM_CAUSE_SOFTINT, .length = 2,
	      .vector = VMM_VECTOR_UNTOLD } },
	{ "INT 80 all told", ASSIST, 0x75, { 0x80, 0 }, 0x1000, 0x1002, 0, 2,
	    { .kind = VMM_CAUSE_SOFTINT, .length = 2, .vector = 0x80 } },
	{ "the last address there is", ASSIST, 0x75, { 0x80, 0 }, ~1ull, 0, 0,
	    2, { .kind = VMM_CAUSE_SOFTINT, .length = 2, .vector = 0x80 } },
	{ "HLT", 0, 0x78, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_PRIVILEGED, .vector = VMM_VECTOR_UNTOLD } },
	{ "VMMCALL", NRIP, 0x81, { 0, 0 }, 0x1000, 0x1003, 0, 2,
	    { .kind = VMM_CAUSE_UNDEFINED, .length = 3,
	      .vector = VMM_VECTOR_UNTOLD } },
	{ "ICEBP", NRIP, 0x88, { 0, 0 }, 0x1000, 0x1001, 0, 2,
	    { .kind = VMM_CAUSE_ICEBP, .length = 1,
	      .vector = VMM_VECTOR_UNTOLD } },
	{ "RDPMC", 0, 0x6f, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_PRIVILEGED, .vector = VMM_VECTOR_UNTOLD } },
	{ "MOV from CR0", 0, 0x00, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_PRIVILEGED, .vector = VMM_VECTOR_UNTOLD } },
	{ "MOV to DR7", 0, 0x37, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_PRIVILEGED, .vector = VMM_VECTOR_UNTOLD } },
	{ "shutdown", 0, 0x7f, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_SHUTDOWN, .vector = VMM_VECTOR_UNTOLD } },
	{ "nested read", 0, 0x400, { 0x100000004, 0x123450 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_NESTED, .gpa = 0x123450,
	      .access = VMM_PROT_READ } },
	{ "nested write to what is there", 0, 0x400,
	    { 0x100000007, 0x123450 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_NESTED, .gpa = 0x123450, .present = true,
	      .access = VMM_PROT_WRITE } },
	{ "nested fetch", 0, 0x400, { 0x100000014, 0x123000 }, 0x1000, 0, 0,
	    2, { .kind = VMM_CAUSE_NESTED, .gpa = 0x123000,
	      .access = VMM_PROT_EXEC } },
	{ "a walk of the guest's table", 0, 0x400, { 0x200000006, 0x2008 },
	    0x1000, 0, 0, 2, { .kind = VMM_CAUSE_NESTED, .gpa = 0x2008,
	      .access = VMM_PROT_WRITE } },
	/* 15.25.6: the walk is a write even when a fetch is the reason. */
	{ "a walk for a fetch", 0, 0x400, { 0x200000016, 0x2008 }, 0x1000, 0,
	    0, 2, { .kind = VMM_CAUSE_NESTED, .gpa = 0x2008,
	      .access = VMM_PROT_WRITE } },
	{ "refused", 0, ~0ull, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_INVALID, .vector = VMM_VECTOR_UNTOLD } },
	{ "busy", 0, ~1ull, { 0, 0 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_UNKNOWN, .vector = VMM_VECTOR_UNTOLD } },
	{ "what nobody knows yet", 0, 0x500, { 1, 2 }, 0x1000, 0, 0, 2,
	    { .kind = VMM_CAUSE_UNKNOWN, .vector = VMM_VECTOR_UNTOLD } },
};

static void same(const char *what, const char *field, uint64_t got,
    uint64_t want)
{
	if (got != want)
		fail_msg("%s: %s is %#llx, not %#llx", what, field,
		    (unsigned long long)got, (unsigned long long)want);
}

static void exits_are_decoded(void **state)
{
	struct svm_vmcb *b = calloc(1, sizeof(*b));
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++) {
		const struct by_hand *r = &by_hand[i];
		const struct vmm_cause *w = &r->want;
		struct vmm_cause c;

		memset(b, 0, sizeof(*b));
		b->exit_code = r->code;
		b->exit_info[0] = r->info[0];
		b->exit_info[1] = r->info[1];
		b->rip = r->rip;
		b->nrip = r->nrip;
		b->dr6 = r->dr6;
		b->rflags = r->rflags;
		b->clean = SVM_CLEAN_ALL;
		memset(&c, 0xa5, sizeof(c));
		svm_decode(b, r->caps, &c);
		same(r->what, "kind", c.kind, w->kind);
		same(r->what, "raw", c.raw, r->code);
		same(r->what, "info[0]", c.info[0], r->info[0]);
		same(r->what, "info[1]", c.info[1], r->info[1]);
		assert_true(c.raw_index < SVM_RAW_COUNT);
		switch (w->kind) {
		case VMM_CAUSE_EXCEPTION:
			same(r->what, "vector", c.vector, w->vector);
			if (x86_has_error_code(w->vector))
				same(r->what, "error_code", c.error_code,
				    w->error_code);
			if (w->vector == VMM_X86_PF)
				same(r->what, "address", c.address,
				    w->address);
			if (w->vector == VMM_X86_BP)
				same(r->what, "length", c.length, w->length);
			if (w->vector == VMM_X86_DB) {
				same(r->what, "dr6", c.dr6, w->dr6);
				/* The processor only adds to it. */
				same(r->what, "DR6", b->dr6,
				    SVM_DR6_NOTHING);
				same(r->what, "clean", b->clean &
				    SVM_CLEAN_DRX, 0);
			}
			break;
		case VMM_CAUSE_NESTED:
			same(r->what, "gpa", c.gpa, w->gpa);
			same(r->what, "access", c.access, w->access);
			same(r->what, "present", c.present, w->present);
			break;
		case VMM_CAUSE_SOFTINT:
		case VMM_CAUSE_ICEBP:
		case VMM_CAUSE_CPUID:
			same(r->what, "length", c.length, w->length);
			if (w->kind == VMM_CAUSE_SOFTINT)
				same(r->what, "vector", c.vector, w->vector);
			break;
		default:
			break;
		}
	}
	free(b);
}

/* A length that is longer than an instruction can be is not believed. */
static void lengths_are_those_of_instructions(void **state)
{
	struct svm_vmcb *b = calloc(1, sizeof(*b));
	struct vmm_cause c;
	uint64_t n;

	(void)state;
	for (n = 0; n < 64; n++) {
		b->exit_code = SVM_EXIT_CPUID;
		b->rip = 0x1000;
		b->nrip = 0x1000 + n;
		svm_decode(b, NRIP, &c);
		assert_int_equal(c.length, n <= 15 ? n : 0);
	}
	b->nrip = 0xfff;
	svm_decode(b, NRIP, &c);
	assert_int_equal(c.length, 0);
	free(b);
}

static void every_code_has_a_counter_with_a_name(void **state)
{
	uint32_t i, k;
	uint64_t code;

	(void)state;
	for (code = 0; code < 0x600; code++)
		assert_true(svm_raw_index(code) < SVM_RAW_COUNT);
	assert_true(svm_raw_index(~0ull) < SVM_RAW_COUNT);
	assert_true(svm_raw_index(~1ull) < SVM_RAW_COUNT);
	assert_true(svm_raw_index(1ull << 32 | 0x400) < SVM_RAW_COUNT);
	assert_int_not_equal(svm_raw_index(1ull << 32 | 0x72),
	    svm_raw_index(0x72));
	for (i = 0; i < SVM_RAW_COUNT; i++) {
		assert_non_null(svm_exit_rows[i].name);
		assert_true(strlen(svm_exit_rows[i].name) > 0);
		assert_true(svm_exit_rows[i].kind < VMM_CAUSES);
		for (k = 0; k < i; k++)
			assert_string_not_equal(svm_exit_rows[i].name,
			    svm_exit_rows[k].name);
	}
	/* One each where ring 3 can go. */
	for (code = 0x40; code < 0x90; code++) {
		assert_int_not_equal(svm_raw_index(code),
		    svm_raw_index(code == 0x8f ? 0x400 : code + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exits_are_decoded),
		cmocka_unit_test(lengths_are_those_of_instructions),
		cmocka_unit_test(every_code_has_a_counter_with_a_name),
	};

	return RUN(tests);
}
