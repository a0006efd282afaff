// SPDX-License-Identifier: BSD-2-Clause
/* Why an entry is refused by SVM: see explain_test.h. */
#include "explain_test.h"

#define EFER	0x1d00ull	/* SVME NXE LMA LME */
#define CR4	0x620ull	/* OSXMMEXCPT OSFXSR PAE */

/* A guest user, as the device has it. */
static void good_svm(struct svm_vmcb *b)
{
	memset(b, 0, sizeof(*b));
	memset(b->intercept, 0xff, sizeof(b->intercept));
	b->asid = 1;
	b->nested_control = SVM_NESTED_PAGING;
	b->cs.attr = SVM_ATTR_CODE64_USER;
	b->efer = EFER;
	b->cr0 = CR0;
	b->cr3 = 0x1000;
	b->cr4 = CR4;
	b->dr6 = SVM_DR6_NOTHING;
	b->dr7 = 0x400;
	b->g_pat = 0x0007040600070406;
}

#define SVM(member, value, name, text) \
	{ offsetof(struct svm_vmcb, member), \
	    sizeof(((struct svm_vmcb *)0)->member), value, name, text }
#define EVENT(type, vector)	(1ull << 31 | (type) << 8 | (vector))

static const struct broken_svm {
	size_t offset, width;
	uint64_t value;
	const char *field, *rule;
} broken_svm[] = {
	SVM(efer, EFER & ~0x1000ull, "EFER", "SVME"),
	SVM(efer, EFER | 1 << 1, "EFER", "does not have"),
	SVM(efer, EFER | 1 << 7, "EFER", "does not have"),
	SVM(efer, EFER | 1 << 9, "EFER", "does not have"),
	SVM(efer, EFER | 1 << 16, "EFER", "does not have"),
	SVM(efer, EFER | 1 << 19, "EFER", "does not have"),
	SVM(efer, EFER | 1 << 22, "EFER", "does not have"),
	SVM(efer, EFER | 1ull << 63, "EFER", "does not have"),
	SVM(cr0, CR0 | 1 << 29, "CR0", "NW"),
	SVM(cr0, CR0 | 1ull << 32, "CR0", "63-32"),
	SVM(cr0, CR0 | 1ull << 63, "CR0", "63-32"),
	SVM(cr0, CR0 & ~1ull, "CR0", "PE"),
	SVM(cr3, 1ull << 48, "CR3", "physical"),
	SVM(cr3, 1ull << 63, "CR3", "physical"),
	SVM(cr4, CR4 | 1 << 13, "CR4", "does not have"),
	SVM(cr4, CR4 | 1 << 15, "CR4", "does not have"),
	SVM(cr4, CR4 | 1 << 19, "CR4", "does not have"),
	SVM(cr4, CR4 | 1 << 24, "CR4", "does not have"),
	SVM(cr4, CR4 | 1ull << 63, "CR4", "does not have"),
	SVM(cr4, CR4 & ~0x20ull, "CR4", "PAE"),
	SVM(dr6, SVM_DR6_NOTHING | 1ull << 32, "DR6", "63-32"),
	SVM(dr6, 1ull << 63, "DR6", "63-32"),
	SVM(dr7, 1ull << 32, "DR7", "63-32"),
	SVM(dr7, 1ull << 63, "DR7", "63-32"),
	SVM(cs.attr, SVM_ATTR_CODE64_USER | 1 << 10, "CS attributes", "D "),
	SVM(s_cet, 1 << 6, "S_CET", "reserved"),
	SVM(s_cet, 1 << 9, "S_CET", "reserved"),
	SVM(intercept[1], ~1u, "intercepts 4", "VMRUN"),
	SVM(asid, 0, "ASID", "0"),
	SVM(event_injection, EVENT(1, 32), "EVENTINJ", "type"),
	SVM(event_injection, EVENT(5, 13), "EVENTINJ", "type"),
	SVM(event_injection, EVENT(7, 13), "EVENTINJ", "type"),
	SVM(event_injection, EVENT(3, 2), "EVENTINJ", "vector"),
	SVM(event_injection, EVENT(3, 15), "EVENTINJ", "vector"),
	SVM(event_injection, EVENT(3, 31), "EVENTINJ", "vector"),
	SVM(event_injection, EVENT(3, 32), "EVENTINJ", "vector"),
	SVM(event_injection, EVENT(3, 255), "EVENTINJ", "vector"),
	SVM(event_injection, EVENT(3, 5), "EVENTINJ", "mode"),
	SVM(g_pat, 2, "G_PAT", "type"),
	SVM(g_pat, 3ull << 56, "G_PAT", "type"),
	SVM(g_pat, 8ull << 24, "G_PAT", "type"),
	SVM(g_pat, 0x80ull << 32, "G_PAT", "type"),
};

/* What may be, though it looks as if not. */
static const struct broken_svm sound_svm[] = {
	SVM(efer, EFER | 1 << 0 | 1 << 13 | 1 << 14 | 1 << 15, NULL, NULL),
	SVM(efer, EFER | 1 << 17 | 1 << 18 | 1 << 20 | 1 << 21, NULL, NULL),
	/* Out of long mode neither PE nor PAE has to be. */
	SVM(efer, EFER & ~0x100ull, NULL, NULL),
	SVM(cr0, CR0 | 3 << 29, NULL, NULL),
	SVM(cr0, CR0 | 1 << 30, NULL, NULL),
	SVM(cr0, CR0 & ~0x80000000ull, NULL, NULL),
	SVM(cr3, (1ull << 48) - 1, NULL, NULL),
	SVM(cr4, 0xf71fff, NULL, NULL),
	SVM(dr6, 0xffffffff, NULL, NULL),
	SVM(dr7, 0xffffffff, NULL, NULL),
	SVM(s_cet, ~0x3c0ull, NULL, NULL),
	SVM(asid, ~0u, NULL, NULL),
	SVM(event_injection, 7 << 8 | 2, NULL, NULL),
	SVM(event_injection, EVENT(0, 255), NULL, NULL),
	SVM(event_injection, EVENT(2, 2), NULL, NULL),
	SVM(event_injection, EVENT(3, 14), NULL, NULL),
	SVM(event_injection, EVENT(4, 255), NULL, NULL),
	SVM(g_pat, 0x0707060504010000, NULL, NULL),
};

static bool explained_svm(const struct broken_svm *m,
    const struct explain_cpuid *id, struct explain *e)
{
	struct svm_rules rules;
	struct svm_vmcb b;

	svm_rules(id, &rules);
	good_svm(&b);
	if (m != NULL)
		memcpy((uint8_t *)&b + m->offset, &m->value, m->width);
	return explain_svm(&b, &rules, e);
}

static void svm_each_rule(void **state)
{
	struct explain e;

	(void)state;
	assert_false(explained_svm(NULL, &everything, &e));
	for (size_t i = 0; i < COUNT(broken_svm); i++) {
		const struct broken_svm *m = &broken_svm[i];

		if (!explained_svm(m, &everything, &e))
			fail_msg("%s %#llx is not refused", m->field,
			    (unsigned long long)m->value);
		assert_string_equal(e.field, m->field);
		assert_int_equal(e.value, m->value);
		assert_memory_equal(e.section, "APM vol. 2 15.", 14);
		if (strstr(e.rule, m->rule) == NULL)
			fail_msg("%s %#llx: \"%s\" is not \"%s\"", m->field,
			    (unsigned long long)m->value, e.rule, m->rule);
	}
	for (size_t i = 0; i < COUNT(sound_svm); i++)
		if (explained_svm(&sound_svm[i], &everything, &e))
			fail_msg("row %zu: %s: %s", i, e.field, e.rule);
}

/* What a bit of CPUID gives must be 0 without it. */
static void svm_by_processor(void **state)
{
	static const struct {
		size_t feature;	/* in struct explain_cpuid */
		uint32_t bit;
		struct broken_svm m;
	} rows[] = {
#define ROW(leaf, bit, member, value, name) \
	{ offsetof(struct explain_cpuid, leaf), bit, \
	    SVM(member, value, name, "does not have") }
		ROW(ecx1, 17, cr4, CR4 | 1 << 17, "CR4"),
		ROW(ecx1, 26, cr4, CR4 | 1 << 18, "CR4"),
		ROW(ebx7, 0, cr4, CR4 | 1 << 16, "CR4"),
		ROW(ebx7, 7, cr4, CR4 | 1 << 20, "CR4"),
		ROW(ebx7, 20, cr4, CR4 | 1 << 21, "CR4"),
		ROW(ecx7, 2, cr4, CR4 | 1 << 11, "CR4"),
		ROW(ecx7, 16, cr4, CR4 | 1 << 12, "CR4"),
		ROW(ecx7, 3, cr4, CR4 | 1 << 22, "CR4"),
		ROW(ecx7, 7, cr4, CR4 | 1 << 23, "CR4"),
		ROW(edx_features, 20, efer, EFER, "EFER"),
		ROW(edx_features, 25, efer, EFER | 1 << 14, "EFER"),
		ROW(ecx_features, 17, efer, EFER | 1 << 15, "EFER"),
		ROW(ebx_sizes, 8, efer, EFER | 1 << 17, "EFER"),
		ROW(ebx_sizes, 13, efer, EFER | 1 << 18, "EFER"),
		ROW(ebx_sizes, 20, efer, EFER | 1 << 13, "EFER"),
		ROW(eax_more, 7, efer, EFER | 1 << 20, "EFER"),
		ROW(eax_more, 8, efer, EFER | 1 << 21, "EFER"),
#undef ROW
	};
	struct explain_cpuid id;
	struct explain e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t leaf;

		id = everything;
		assert_false(explained_svm(&rows[i].m, &id, &e));
		memcpy(&leaf, (uint8_t *)&id + rows[i].feature, sizeof(leaf));
		leaf ^= 1u << rows[i].bit;
		memcpy((uint8_t *)&id + rows[i].feature, &leaf, sizeof(leaf));
		assert_true(explained_svm(&rows[i].m, &id, &e));
		assert_string_equal(e.field, rows[i].m.field);
		assert_non_null(strstr(e.rule, rows[i].m.rule));
	}
	id = everything;
	id.edx_features &= ~(1u << 29);
	assert_true(explained_svm(NULL, &id, &e));
	assert_string_equal(e.field, "EFER");
	assert_non_null(strstr(e.rule, "long mode"));
}

/* Rules about two fields, neither of which is wrong alone. */
static void svm_of_two_fields(void **state)
{
	struct svm_rules rules;
	struct svm_vmcb b;
	struct explain e;

	(void)state;
	svm_rules(&everything, &rules);
	good_svm(&b);
	b.cr4 |= 1 << 23;
	assert_false(explain_svm(&b, &rules, &e));
	b.cr0 &= ~(1ull << 16);
	assert_true(explain_svm(&b, &rules, &e));
	assert_non_null(strstr(e.rule, "CET"));

	good_svm(&b);
	b.g_pat = 2;
	b.nested_control = 0;
	assert_false(explain_svm(&b, &rules, &e));

	good_svm(&b);
	b.cs.attr &= (uint16_t)~0x200u;
	b.event_injection = EVENT(3, 5);
	assert_false(explain_svm(&b, &rules, &e));
}

/* Nothing is looked at that is not read from the device. */
static void svm_looks_at_its_fields_only(void **state)
{
	struct svm_rules rules;
	struct svm_vmcb b, all;
	struct explain e;

	(void)state;
	svm_rules(&everything, &rules);
	good_svm(&b);
	memset(&all, 0xff, sizeof(all));
	for (const struct explain_field *f = svm_fields; f->name != NULL; f++)
		memcpy((uint8_t *)&all + f->field, (uint8_t *)&b + f->field,
		    f->width);
	assert_false(explain_svm(&all, &rules, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(svm_each_rule),
		cmocka_unit_test(svm_by_processor),
		cmocka_unit_test(svm_of_two_fields),
		cmocka_unit_test(svm_looks_at_its_fields_only),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
