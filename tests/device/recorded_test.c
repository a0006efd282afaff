// SPDX-License-Identifier: BSD-2-Clause
/*
 * What processors have left in their control structures is decoded to what
 * came of it: recorded.def.
 */
#include "device.h"
#include "svm_impl.h"
#include "vmx_cpu.h"
#include "vmx_impl.h"

struct exit {
	uint32_t kind, valid, vector, error_code, access;
	uint64_t address, gpa, dr6;
};

struct svm_record {
	const char *computer, *way;
	uint64_t caps, code, info[2], rip, nrip, rflags;
	struct exit exit;
};

struct vmx_record {
	const char *computer, *way;
	struct fake_vmx_exit left;
	struct exit exit;
};

#define EXIT(k, v, n, e, a, ad, g, d) { VMM_EXIT_##k, v, n, e, a, ad, g, d }

static const struct svm_record svm[] = {
#define SVM(c, w, caps, code, i0, i1, rip, nrip, rflags, e) \
	{ c, w, caps, code, { i0, i1 }, rip, nrip, rflags, e },
#define VMX(...)
#include "recorded.def"
#undef SVM
#undef VMX
};

static const struct vmx_record vmx[] = {
#define SVM(...)
#define VMX(c, w, reason, event, error, vectoring, length, q, gpa, e) \
	{ c, w, { reason, event, error, vectoring, length, q, gpa }, e },
#include "recorded.def"
};

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* Ring 3 gets the same exception from several causes. */
static bool exception(const struct exit *e, const struct vmm_cause *c)
{
	switch (c->kind) {
	case VMM_CAUSE_PRIVILEGED:
		return e->vector == VMM_X86_GP;
	case VMM_CAUSE_UNDEFINED:
		return e->vector == VMM_X86_UD;
	case VMM_CAUSE_ICEBP:
		return e->vector == VMM_X86_DB && c->length <= 1;
	case VMM_CAUSE_EXCEPTION:
		break;
	default:
		return false;
	}
	/* SYSRET, which is off, as SYSCALL is: the core looks at its bytes. */
	if (c->vector == VMM_X86_UD && e->vector == VMM_X86_GP)
		return true;
	return c->vector == e->vector &&
	    ((e->valid & VMM_VALID_ERROR_CODE) == 0 ||
	    c->error_code == e->error_code) &&
	    ((e->valid & VMM_VALID_ADDRESS) == 0 ||
	    c->address == e->address) &&
	    ((e->valid & VMM_VALID_DR6) == 0 || c->dr6 == e->dr6);
}

/* Could that exit have come of that cause? */
static bool fits(const struct exit *e, const struct vmm_cause *c)
{
	switch (e->kind) {
	case VMM_EXIT_SYSCALL:
		return c->kind == VMM_CAUSE_EXCEPTION &&
		    c->vector == VMM_X86_UD;
	case VMM_EXIT_SOFTINT:
		return c->kind == VMM_CAUSE_SOFTINT &&
		    (c->vector == VMM_VECTOR_UNTOLD ||
		    c->vector == e->vector) &&
		    (c->length == 0 || c->length == 2);
	case VMM_EXIT_EXCEPTION:
		/* INT3 alone, where the processor does not tell. */
		return exception(e, c) || (c->kind == VMM_CAUSE_SOFTINT &&
		    c->vector == VMM_VECTOR_UNTOLD &&
		    e->vector == VMM_X86_BP);
	case VMM_EXIT_MEMORY:
		return c->kind == VMM_CAUSE_NESTED && c->gpa == e->gpa &&
		    c->access == e->access;
	case VMM_EXIT_INTERRUPTED:
	case VMM_EXIT_DEADLINE:
		return c->kind == VMM_CAUSE_INTERRUPT;
	default:
		return false;
	}
}

static void expect(const char *computer, const char *way,
    const struct exit *e, const struct vmm_cause *c)
{
	if (!fits(e, c))
		fail_msg("%s, %s: cause %u, vector %u, error %#x, at %#llx, "
		    "%#llx by %u is no exit %u, vector %u", computer, way,
		    c->kind, c->vector, c->error_code,
		    (unsigned long long)c->address,
		    (unsigned long long)c->gpa, c->access, e->kind,
		    e->vector);
}

static void svm_records_are_decoded(void **state)
{
	struct svm_vmcb *b = calloc(1, sizeof(*b));
	size_t i;

	(void)state;
	assert_true(COUNT(svm) >= 90);
	for (i = 0; i < COUNT(svm); i++) {
		const struct svm_record *r = &svm[i];
		struct vmm_cause c;

		memset(b, 0, sizeof(*b));
		b->exit_code = r->code;
		memcpy(b->exit_info, r->info, sizeof(r->info));
		b->rip = r->rip;
		b->nrip = r->nrip;
		b->rflags = r->rflags;
		/* The device has reset it. */
		b->dr6 = SVM_DR6_NOTHING | r->exit.dr6;
		memset(&c, 0xa5, sizeof(c));
		svm_decode(b, r->caps, &c);
		expect(r->computer, r->way, &r->exit, &c);
		assert_int_equal(c.raw, r->code);
		assert_memory_equal(c.info, r->info, sizeof(r->info));
		assert_true(c.raw_index < SVM_RAW_COUNT);
	}
	free(b);
}

static void vmx_records_are_decoded(void **state)
{
	size_t i;

	(void)state;
	assert_true(COUNT(vmx) >= 45);
	fake_reset();
	fake_script_reset();
	fake_vmx_load();
	fake.cur->off = 1;
	for (i = 0; i < COUNT(vmx); i++) {
		const struct vmx_record *r = &vmx[i];
		struct vmm_cause c;

		fake_vmx_put_exit(&r->left);
		memset(&c, 0xa5, sizeof(c));
		vmx_decode(&c);
		expect(r->computer, r->way, &r->exit, &c);
		assert_int_equal(c.raw, r->left.reason);
		assert_true(c.raw_index < VMX_RAW_COUNT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(svm_records_are_decoded),
		cmocka_unit_test(vmx_records_are_decoded),
	};

	return RUN(tests);
}
