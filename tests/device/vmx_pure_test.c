// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pure parts of vmx/: which processors are usable and with which controls,
 * what a control structure asks of the processor, which fields an owner may see
 * and write.
 */
#include "device.h"
#include "vmx_cpu.h"
#include "vmx_impl.h"

/* ---- processors ---- */

struct processor {
	const char *name;
	struct vmx_words words;
	const char *refused;	/* a word of the sentence */
};

#define ENABLED		(VMX_FEATURE_LOCKED | VMX_FEATURE_VMX)
#define COMMON .cpuid1_ecx = VMX_CPUID1_ECX, .feature_control = ENABLED, \
	.cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff, \
	.cr4_fixed0 = 0x2000
/* The true variants, from Nehalem to what is not quite the newest. */
#define TRUE_ONES .pin = 0x7f00000016, .proc = 0xf7f9fffe04006172, \
	.exit = 0x7fffff00036dfb, .entry = 0xffff000011fb

/* As they say it themselves; where there are true variants, those. */
static const struct processor processors[] = {
	{ "Core 2, without secondary controls",
	    { COMMON, .sizes_eax = 0x3024, .basic = 0x5a080000000007,
	      .pin = 0x1f00000016, .proc = 0x77b9fffe0401e172,
	      .exit = 0x3ffff00036dff, .entry = 0x1fff000011ff },
	    "secondary" },
	{ "Core 2 of 45 nm, without EPT",
	    { COMMON, .sizes_eax = 0x3026, .basic = 0x5a08000000000d,
	      .pin = 0x3f00000016, .proc = 0xf7b9fffe0401e172,
	      .proc2 = 0x4100000000, .exit = 0x3ffff00036dff,
	      .entry = 0x3fff000011ff }, "EPT" },
	{ "Nehalem, without unrestricted guest",
	    { COMMON, TRUE_ONES, .sizes_eax = 0x3024,
	      .basic = 0xda04000000000e, .proc2 = 0x7f00000000,
	      .ept_vpid = 0xf0106114141 }, NULL },
	{ "Westmere",
	    { COMMON, TRUE_ONES, .sizes_eax = 0x3024,
	      .basic = 0xda04000000000f, .proc2 = 0xff00000000,
	      .ept_vpid = 0xf0106134141 }, NULL },
	{ "Haswell",
	    { COMMON, TRUE_ONES, .sizes_eax = 0x3027,
	      .basic = 0xda040000000012, .proc2 = 0x7cff00000000,
	      .ept_vpid = 0xf0106334141 }, NULL },
	{ "Bochs' Haswell",
	    { COMMON, TRUE_ONES, .sizes_eax = 0x3028,
	      .basic = 0xd810000000002b, .proc2 = 0x7fff00000000,
	      .ept_vpid = 0xf0106334141 }, NULL },
	{ "Skylake-X",
	    { COMMON, TRUE_ONES, .sizes_eax = 0x302e,
	      .basic = 0xda040000000004, .proc2 = 0x553cff00000000,
	      .ept_vpid = 0xf0106734141 }, NULL },
	{ "Sapphire Rapids",
	    { COMMON, .sizes_eax = 0x3934, .basic = 0x3da050000000013,
	      .pin = 0xff00000016, .proc = 0xfffbfffe04006172,
	      .proc2 = 0x7fffffff00000000, .exit = 0x37ffffff00036dfb,
	      .entry = 0x76ffff000011fb, .ept_vpid = 0xf0106f34141 }, NULL },
};
#define PROCESSORS	(sizeof(processors) / sizeof(processors[0]))

static const struct vmx_words *named(const char *name)
{
	size_t i;

	for (i = 0; i < PROCESSORS; i++) {
		if (strcmp(processors[i].name, name) == 0)
			return &processors[i].words;
	}
	fail_msg("no processor %s", name);
	return NULL;
}

/* SDM vol. 3D A.2. */
static void check_allowed(uint64_t capability, uint32_t value)
{
	assert_int_equal(value & ~(uint32_t)(capability >> 32), 0);
	assert_int_equal((uint32_t)capability & ~value, 0);
}

static void refused(const struct vmx_words *w, const char *word)
{
	struct vmx_controls c;
	const char *why = NULL;
	uint64_t caps;

	assert_int_equal(vmx_usable(w, &c, &caps, &why), EOPNOTSUPP);
	assert_non_null(why);
	if (strstr(why, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, word);
	assert_true(strlen(why) < sizeof(((struct vmm_info *)0)->why));
}

static void usable(const struct vmx_words *w, struct vmx_controls *c,
    uint64_t *caps)
{
	const char *why = "unset";

	assert_ok(vmx_usable(w, c, caps, &why));
	assert_null(why);
	check_allowed(w->pin, c->pin);
	check_allowed(w->proc, c->proc);
	check_allowed(w->proc2, c->proc2);
	check_allowed(w->exit, c->exit);
	check_allowed(w->entry, c->entry);
	/* RDMSR and WRMSR all exit; none of them is left to a bitmap. */
	assert_int_equal(c->proc & VMX_PROC_MSR_BITMAPS, 0);
}

static void processors_are_usable_or_say_why_not(void **state)
{
	struct vmx_controls c;
	uint64_t caps;
	size_t i;

	(void)state;
	for (i = 0; i < PROCESSORS; i++) {
		if (processors[i].refused != NULL)
			refused(&processors[i].words, processors[i].refused);
		else
			usable(&processors[i].words, &c, &caps);
	}
}

static void what_they_can_is_used(void **state)
{
	struct vmx_controls c;
	uint64_t caps;

	(void)state;
	usable(named("Nehalem, without unrestricted guest"), &c, &caps);
	assert_int_equal(c.proc2, VMX_PROC2_EPT | VMX_PROC2_RDTSCP |
	    VMX_PROC2_VPID | VMX_PROC2_WBINVD);
	assert_int_equal(caps & (VMM_CAP_LARGE_1G | VMM_CAP_HW_DIRTY), 0);
	assert_true((caps & VMM_CAP_LARGE_2M) != 0);
	usable(named("Westmere"), &c, &caps);
	assert_true((caps & VMM_CAP_LARGE_1G) != 0);
	usable(named("Haswell"), &c, &caps);
	assert_true((caps & VMM_CAP_HW_DIRTY) != 0);
	assert_true((c.proc2 & VMX_PROC2_INVPCID) != 0);
	usable(named("Sapphire Rapids"), &c, &caps);
	assert_true((c.proc2 & VMX_PROC2_USER_WAIT) != 0);
	assert_true((c.proc2 & VMX_PROC2_XSAVES) != 0);
	assert_int_equal(vmx_gpa_bits(named("Sapphire Rapids")), 48);
	assert_int_equal(vmx_gpa_bits(named("Haswell")), 39);
}

static void what_is_missing_is_said(void **state)
{
	static const struct { size_t at; uint64_t without; const char *say; }
	needs[] = {
#define WORD(f)	offsetof(struct vmx_words, f)
		{ WORD(feature_control), VMX_FEATURE_LOCKED, "not locked" },
		{ WORD(feature_control), VMX_FEATURE_VMX, "firmware" },
		{ WORD(pin), 1ull << 32, "interrupts" },
		{ WORD(pin), 8ull << 32, "interrupts" },
		{ WORD(proc), (uint64_t)VMX_PROC_SECONDARY << 32,
		  "secondary" },
		{ WORD(proc), (uint64_t)VMX_PROC_RDPMC << 32, "intercept" },
		{ WORD(proc2), (uint64_t)VMX_PROC2_EPT << 32, "EPT" },
		{ WORD(exit), (uint64_t)VMX_EXIT_HOST_64 << 32, "64-bit" },
		{ WORD(entry), (uint64_t)VMX_ENTRY_GUEST_64 << 32, "64-bit" },
		{ WORD(exit), (uint64_t)VMX_EXIT_LOAD_EFER << 32, "EFER" },
		{ WORD(entry), (uint64_t)VMX_ENTRY_LOAD_EFER << 32, "EFER" },
		{ WORD(ept_vpid), VMX_EPT_WALK_4, "four levels" },
		{ WORD(ept_vpid), VMX_EPT_WB, "write-back" },
		{ WORD(ept_vpid), VMX_EPT_INVEPT, "INVEPT" },
		{ WORD(ept_vpid), VMX_EPT_INVEPT_ONE | VMX_EPT_INVEPT_ALL,
		  "INVEPT" },
		{ WORD(basic), 6ull << 50, "kind" },
	};
	struct vmx_words w = *named("Haswell");
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		uint64_t word;

		w = *named("Haswell");
		memcpy(&word, (uint8_t *)&w + needs[i].at, sizeof(word));
		word &= ~needs[i].without;
		memcpy((uint8_t *)&w + needs[i].at, &word, sizeof(word));
		refused(&w, needs[i].say);
	}
	w = *named("Haswell");
	w.basic |= VMX_BASIC_32BIT;
	refused(&w, "kind");
	w = *named("Haswell");
	w.cpuid1_ecx = 0;
	refused(&w, "no VMX");
	w = *named("Haswell");
	w.cr4 = VMM_X86_CR4_FRED;
	refused(&w, "fred=off");
}

static void a_timer_that_counts_wrong_is_not_used(void **state)
{
	struct vmx_words w = *named("Nehalem, without unrestricted guest");

	(void)state;
	w.cpuid1_eax = 0x106a5;		/* Xeon 5500, D0 */
	assert_false(vmx_has_timer(&w));
	w.cpuid1_eax = 0x206c2;		/* Xeon 5600 */
	assert_true(vmx_has_timer(&w));
	w.pin &= ~((uint64_t)VMX_PIN_TIMER << 32);
	assert_false(vmx_has_timer(&w));
}

/* What AMD's processors lack is for svm/ to say. */
static void others_processors_are_not_spoken_of(void **state)
{
	const struct vmx_words w = { .amd = true };
	struct vmx_controls c;
	const char *why = "unset";
	uint64_t caps;

	(void)state;
	assert_int_equal(vmx_usable(&w, &c, &caps, &why), EOPNOTSUPP);
	assert_null(why);
}

static void a_tag_that_cannot_be_flushed_is_not_used(void **state)
{
	struct vmx_words w = *named("Haswell");
	struct vmx_controls c;
	uint64_t caps;

	(void)state;
	w.ept_vpid &= ~VMX_EPT_INVVPID_ALL;
	usable(&w, &c, &caps);
	assert_int_equal(c.proc2 & VMX_PROC2_VPID, 0);
	assert_int_equal(caps & VMM_CAP_FLUSH_TAG, 0);
}

/* ---- the control structure ---- */

static struct vmx_value values[VMX_GUEST_VALUES];
static uint32_t nvalues;

static uint64_t value_of(uint32_t field)
{
	uint64_t value = 0;
	unsigned found = 0;
	uint32_t i;

	for (i = 0; i < nvalues; i++) {
		if (values[i].field == field) {
			value = values[i].value;
			found++;
		}
	}
	if (found != 1)
		fail_msg("field %#x is written %u times", field, found);
	return value;
}

static void structure(uint64_t host_cr4)
{
	struct vmx_guest g = { .cr0_fixed0 = 0x80000021,
	    .cr4_fixed0 = 0x2000, .host_cr4 = host_cr4, .eptp = 0x501e };
	uint64_t caps;

	usable(named("Haswell"), &g.controls, &caps);
	nvalues = vmx_guest_values(&g, values);
	assert_true(nvalues <= VMX_GUEST_VALUES);
}

static void every_value_fits_its_field(void **state)
{
	uint32_t i;

	(void)state;
	structure(~0ull);
	for (i = 0; i < nvalues; i++) {
		const uint32_t bytes = vmx_field_bytes(values[i].field);

		(void)value_of(values[i].field);
		/* Neither the host's, nor what can only be read. */
		assert_int_not_equal(values[i].field >> 10 & 3, 1);
		assert_int_not_equal(values[i].field >> 10 & 3, 3);
		if (bytes < 8)
			assert_int_equal(values[i].value >> 8 * bytes, 0);
	}
}

static void the_guest_is_ring_3_in_64_bit_mode(void **state)
{
	(void)state;
	structure(0);
	assert_int_equal(value_of(VMX_GUEST_CS) & 3, 3);
	assert_int_equal(value_of(VMX_GUEST_SS) & 3, 3);
	/* L without D, DPL 3, and SS of the same: 26.3.1.2. */
	assert_int_equal(value_of(VMX_GUEST_CS_AR) & 0x6000, 0x2000);
	assert_int_equal(value_of(VMX_GUEST_CS_AR) >> 5 & 3, 3);
	assert_int_equal(value_of(VMX_GUEST_SS_AR) >> 5 & 3, 3);
	assert_int_equal(value_of(VMX_GUEST_TR_AR), VMX_AR_TSS_BUSY);
	assert_int_equal(value_of(VMX_GUEST_EFER), VMM_X86_EFER_LME |
	    VMM_X86_EFER_LMA | VMM_X86_EFER_NXE);
	assert_int_equal(value_of(VMX_GUEST_CR4) & VMM_X86_CR4_PAE,
	    VMM_X86_CR4_PAE);
	/* Nothing to deliver an event by, nothing to load a segment from. */
	assert_int_equal(value_of(VMX_GUEST_IDTR_LIMIT), 0);
	assert_int_equal(value_of(VMX_GUEST_GDTR_LIMIT), 0);
	assert_int_equal(value_of(VMX_GUEST_LDTR_AR), VMX_AR_UNUSABLE);
	assert_int_equal(value_of(VMX_EXCEPTIONS), 0xffffffff);
	assert_int_equal(value_of(VMX_PFEC_MASK), 0);
	assert_int_equal(value_of(VMX_PFEC_MATCH), 0);
	assert_int_equal(value_of(VMX_ENTRY_EVENT), 0);
	assert_int_equal(value_of(VMX_LINK), ~0ull);
	assert_int_equal(value_of(VMX_GUEST_DR7), VMM_X86_DR7_FIXED);
}

static void cr4_follows_the_host_where_ring_3_sees_it(void **state)
{
	static const uint64_t same = VMM_X86_CR4_FSGSBASE |
	    VMM_X86_CR4_OSXSAVE | VMM_X86_CR4_MCE;
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		const uint64_t one = 1ull << bit;

		structure(one);
		assert_int_equal(value_of(VMX_GUEST_CR4) & same, one & same);
		/* Never SMEP, SMAP, PKE, CET, PCE, TSD, UMIP by accident. */
		assert_int_equal(value_of(VMX_GUEST_CR4) & ~(same |
		    VMM_X86_CR4_PAE | VMM_X86_CR4_OSFXSR |
		    VMM_X86_CR4_OSXMMEXCPT | VMM_X86_CR4_VMXE), 0);
	}
}

static void a_descriptors_base_has_four_parts(void **state)
{
	/* limit, base 15-0, 23-16, attributes, 31-24, 63-32 */
	static const uint8_t tss[16] = { 0x67, 0, 0x34, 0x12, 0x56, 0x8b, 0,
	    0x78, 0xbc, 0x9a, 0xff, 0xff };

	(void)state;
	assert_int_equal(vmx_descriptor_base(tss), 0xffff9abc78561234);
}

/* ---- raw access ---- */

static void nothing_of_the_host_can_be_read(void **state)
{
	static const uint32_t never[] = { VMX_EPTP, VMX_HOST_RSP,
	    VMX_HOST_RIP, VMX_HOST_CR3, VMX_HOST_GS_BASE, VMX_HOST_TR_BASE,
	    VMX_HOST_GDTR_BASE, VMX_HOST_IDTR_BASE, VMX_HOST_EFER, 0x2000,
	    0x2004, 0x2012, 0x7001, ~0u };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		assert_int_equal(vmx_raw_check(never[i], 8, false, false), EPERM);
		assert_int_equal(vmx_raw_check(never[i], 8, true, false), EPERM);
	}
	assert_ok(vmx_raw_check(VMX_GUEST_RIP, 8, false, false));
	assert_int_equal(vmx_raw_check(VMX_GUEST_RIP, 4, false, false), EINVAL);
	assert_int_equal(vmx_raw_check(VMX_GUEST_RIP, 8, true, false), EPERM);
	assert_ok(vmx_raw_check(VMX_GUEST_CS, 2, false, false));
	assert_ok(vmx_raw_check(VMX_REASON, 4, false, false));
	assert_ok(vmx_raw_check(VMX_TSC_OFFSET, 8, true, false));
	assert_int_equal(vmx_raw_check(VMX_EXCEPTIONS, 4, true, false), EPERM);
	assert_int_equal(vmx_raw_check(VMX_PIN, 4, true, false), EPERM);
	for (uint32_t field = 0; field < 0x8000; field++)
		assert_int_equal(vmx_raw_check(field, vmx_field_bytes(field),
		    true, true), vmx_raw_check(field, vmx_field_bytes(field),
		    false, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processors_are_usable_or_say_why_not),
		cmocka_unit_test(what_they_can_is_used),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(others_processors_are_not_spoken_of),
		cmocka_unit_test(a_tag_that_cannot_be_flushed_is_not_used),
		cmocka_unit_test(a_timer_that_counts_wrong_is_not_used),
		cmocka_unit_test(every_value_fits_its_field),
		cmocka_unit_test(the_guest_is_ring_3_in_64_bit_mode),
		cmocka_unit_test(cr4_follows_the_host_where_ring_3_sees_it),
		cmocka_unit_test(a_descriptors_base_has_four_parts),
		cmocka_unit_test(nothing_of_the_host_can_be_read),
	};

	return RUN(tests);
}
