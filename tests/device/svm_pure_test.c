// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pure parts of svm/: which processors are usable, what a control block
 * asks of the processor, which fields an owner may see and write.
 */
#include "device.h"
#include "svm_impl.h"

/* ---- probe ---- */

/* QEMU 7.2's, which has the least. */
static struct svm_cpuid plain(void)
{
	return (struct svm_cpuid){ .max_leaf = 0x8000000a,
	    .features_ecx = SVM_CPUID_FEATURES_SVM, .sizes_eax = 0x3028,
	    .revision = 1, .asids = 16, .svm_edx = 0x10010001 };
}

static uint64_t usable(const struct svm_cpuid *id)
{
	const char *why = "unset";
	uint64_t caps = 1;

	assert_ok(svm_usable(id, &caps, &why));
	return caps;
}

static void refused(const struct svm_cpuid *id, const char *word)
{
	const char *why = NULL;
	uint64_t caps;

	assert_int_equal(svm_usable(id, &caps, &why), EOPNOTSUPP);
	assert_non_null(why);
	if (strstr(why, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, word);
	assert_true(strlen(why) < sizeof(((struct vmm_info *)0)->why));
}

static void a_plain_processor_is_usable(void **state)
{
	const struct svm_cpuid id = plain();
	const uint64_t caps = usable(&id);

	(void)state;
	assert_true((caps & VMM_CAP_GUEST_USER) != 0);
	assert_true((caps & VMM_CAP_HW_DIRTY) != 0);
	assert_int_equal(caps & (VMM_CAP_NRIP | VMM_CAP_DECODE |
	    VMM_CAP_CLEAN | VMM_CAP_FLUSH_TAG), 0);
}

static void each_feature_is_one_capability(void **state)
{
	static const struct { uint32_t edx; uint64_t cap; } bits[] = {
		{ SVM_CPUID_NRIPS, VMM_CAP_NRIP },
		{ SVM_CPUID_CLEAN, VMM_CAP_CLEAN },
		{ SVM_CPUID_FLUSH_ASID, VMM_CAP_FLUSH_TAG },
		{ SVM_CPUID_DECODE, VMM_CAP_DECODE },
	};
	struct svm_cpuid id = plain();
	const uint64_t before = usable(&id);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		id = plain();
		id.svm_edx |= bits[i].edx;
		assert_int_equal(usable(&id), before | bits[i].cap);
	}
	id = plain();
	id.features_edx = SVM_CPUID_FEATURES_1G;
	assert_int_equal(usable(&id), before | VMM_CAP_LARGE_1G);
}

static void what_is_missing_is_said(void **state)
{
	struct svm_cpuid id = plain();

	(void)state;
	id.max_leaf = 0x80000008;
	refused(&id, "SVM");
	id = plain();
	id.features_ecx = 0;
	refused(&id, "SVM");
	id = plain();
	id.vm_cr = SVM_VM_CR_SVMDIS;
	refused(&id, "firmware");
	id.vm_cr |= SVM_VM_CR_LOCK;
	refused(&id, "locked");
	id = plain();
	id.svm_edx &= ~SVM_CPUID_NP;
	refused(&id, "nested paging");
	id = plain();
	id.asids = 1;
	refused(&id, "ASID");
	/* A lock of what is enabled is no harm. */
	id = plain();
	id.vm_cr = SVM_VM_CR_LOCK;
	(void)usable(&id);
}

static void guest_addresses_have_at_most_48_bits(void **state)
{
	struct svm_cpuid id = plain();

	(void)state;
	assert_int_equal(svm_gpa_bits(&id), 40);
	id.sizes_eax = 0x3034;
	assert_int_equal(svm_gpa_bits(&id), 48);
	/* Told apart from the host's own: 8000_0008 EAX 23-16. */
	id.sizes_eax = 0x243034;
	assert_int_equal(svm_gpa_bits(&id), 36);
}

/* ---- the control block ---- */

static struct svm_vmcb *block(uint64_t cr4)
{
	const struct svm_guest g = { .host_cr4 = cr4, .nested_cr3 = 0x5000,
	    .iopm_pa = 0x6000, .msrpm_pa = 0x7000 };
	struct svm_vmcb *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	svm_vmcb_init(b, &g);
	return b;
}

static bool intercepts(const struct svm_vmcb *b, uint32_t code)
{
	return (b->intercept[SVM_INTERCEPT_WORD(code)] &
	    SVM_INTERCEPT_BIT(code)) != 0;
}

static void all_that_leads_past_the_owner_is_intercepted(void **state)
{
	static const uint32_t must[] = { SVM_EXIT_INTR, SVM_EXIT_NMI,
	    SVM_EXIT_SMI, SVM_EXIT_INIT, SVM_EXIT_RDPMC, SVM_EXIT_CPUID,
	    SVM_EXIT_RSM, SVM_EXIT_SWINT, SVM_EXIT_INVD, SVM_EXIT_HLT,
	    SVM_EXIT_INVLPG, SVM_EXIT_INVLPGA, SVM_EXIT_IOIO, SVM_EXIT_MSR,
	    SVM_EXIT_TASK_SWITCH, SVM_EXIT_FERR_FREEZE, SVM_EXIT_SHUTDOWN,
	    SVM_EXIT_VMRUN, SVM_EXIT_VMMCALL, SVM_EXIT_VMLOAD,
	    SVM_EXIT_VMSAVE, SVM_EXIT_STGI, SVM_EXIT_CLGI, SVM_EXIT_SKINIT,
	    SVM_EXIT_ICEBP, SVM_EXIT_WBINVD, SVM_EXIT_MONITOR,
	    SVM_EXIT_MWAIT, SVM_EXIT_MWAIT_ARMED, SVM_EXIT_XSETBV,
	    SVM_EXIT_RDPRU, SVM_EXIT_INVLPGB, SVM_EXIT_INVPCID,
	    SVM_EXIT_MCOMMIT, SVM_EXIT_TLBSYNC };
	struct svm_vmcb *b = block(0);
	size_t i;

	(void)state;
	assert_int_equal(b->intercept_cr, 0xfffffffe);
	assert_int_equal(b->intercept_dr, 0xffffffff);
	assert_int_equal(b->intercept_exceptions, 0xffffffff);
	for (i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
		if (!intercepts(b, must[i]))
			fail_msg("%#x is not intercepted", must[i]);
	}
	free(b);
}

/* What a guest user may do itself, at the speed of the processor. */
static void no_exit_is_paid_for_what_is_harmless(void **state)
{
	struct svm_vmcb *b = block(0);

	(void)state;
	assert_false(intercepts(b, SVM_EXIT_PUSHF));
	assert_false(intercepts(b, SVM_EXIT_POPF));
	assert_false(intercepts(b, SVM_EXIT_IRET));
	assert_false(intercepts(b, SVM_EXIT_PAUSE));
	assert_false(intercepts(b, SVM_EXIT_RDTSC));
	assert_false(intercepts(b, SVM_EXIT_RDTSCP));
	free(b);
}

static void the_guest_is_ring_3_in_64_bit_mode(void **state)
{
	struct svm_vmcb *b = block(0);

	(void)state;
	assert_int_equal(b->cpl, 3);
	assert_int_equal(b->efer, VMM_X86_EFER_SVME | VMM_X86_EFER_LME |
	    VMM_X86_EFER_LMA | VMM_X86_EFER_NXE);
	assert_int_equal(b->cr0 & (VMM_X86_CR0_PG | VMM_X86_CR0_PE |
	    VMM_X86_CR0_WP | VMM_X86_CR0_NE), VMM_X86_CR0_PG |
	    VMM_X86_CR0_PE | VMM_X86_CR0_WP | VMM_X86_CR0_NE);
	assert_int_equal(b->cr4 & VMM_X86_CR4_PAE, VMM_X86_CR4_PAE);
	assert_int_equal(b->cs.selector & 3, 3);
	assert_int_equal(b->ss.selector & 3, 3);
	/* L without D: APM vol. 2 4.8.1. */
	assert_int_equal(b->cs.attr & 0x600, 0x200);
	assert_int_equal(b->cs.attr >> 5 & 3, 3);
	/* Nothing to deliver an event by, nothing to load a segment from. */
	assert_int_equal(b->idtr.limit, 0);
	assert_int_equal(b->gdtr.limit, 0);
	assert_int_equal(b->ldtr.limit | b->ldtr.selector, 0);
	assert_int_equal(b->dr7, VMM_X86_DR7_FIXED);
	assert_int_equal(b->event_injection, 0);
	free(b);
}

static void nested_paging_and_the_hosts_interrupts_are_on(void **state)
{
	struct svm_vmcb *b = block(0);

	(void)state;
	assert_int_equal(b->nested_control, SVM_NESTED_PAGING);
	assert_int_equal(b->nested_cr3, 0x5000);
	assert_int_equal(b->iopm_pa, 0x6000);
	assert_int_equal(b->msrpm_pa, 0x7000);
	assert_true((b->v_intr & SVM_V_INTR_MASKING) != 0);
	assert_int_equal(b->virt_ext, 0);
	assert_int_equal(b->avic_bar, 0);
	/* Write back in all eight. */
	assert_int_equal(b->g_pat, 0x0606060606060606);
	free(b);
}

static void cr4_follows_the_host_where_ring_3_sees_it(void **state)
{
	static const uint64_t same = VMM_X86_CR4_FSGSBASE |
	    VMM_X86_CR4_OSXSAVE | VMM_X86_CR4_MCE;
	struct svm_vmcb *b = block(0);
	unsigned bit;

	(void)state;
	assert_int_equal(b->cr4 & same, 0);
	free(b);
	for (bit = 0; bit < 64; bit++) {
		const uint64_t one = 1ull << bit;

		b = block(one);
		assert_int_equal(b->cr4 & same, one & same);
		/* Never SMEP, SMAP, PKE, CET, PCE, TSD, UMIP by accident. */
		assert_int_equal(b->cr4 & ~(same | VMM_X86_CR4_PAE |
		    VMM_X86_CR4_OSFXSR | VMM_X86_CR4_OSXMMEXCPT), 0);
		free(b);
	}
}

/* ---- raw access ---- */

#define AT(f)	((uint32_t)offsetof(struct svm_vmcb, f))

static void fields_are_read_by_their_own_width(void **state)
{
	struct svm_vmcb *b = block(0);
	uint64_t value = 77;

	(void)state;
	b->rip = 0x123456789abcdef0;
	b->cs.limit = 0x89abcdef;
	assert_ok(svm_raw_get(b, AT(rip), 8, &value));
	assert_int_equal(value, 0x123456789abcdef0);
	assert_ok(svm_raw_get(b, AT(cs.limit), 4, &value));
	assert_int_equal(value, 0x89abcdef);
	assert_ok(svm_raw_get(b, AT(cs.attr), 2, &value));
	assert_int_equal(value, SVM_ATTR_CODE64_USER);
	assert_ok(svm_raw_get(b, AT(cpl), 1, &value));
	assert_int_equal(value, 3);
	assert_int_equal(svm_raw_get(b, AT(rip), 4, &value), EINVAL);
	assert_int_equal(svm_raw_get(b, AT(cpl), 8, &value), EINVAL);
	assert_int_equal(svm_raw_get(b, AT(rip), 0, &value), EINVAL);
	free(b);
}

/* The host's physical addresses tell nobody. */
static void what_is_not_on_the_list_is_refused(void **state)
{
	static const uint32_t secret[] = { AT(iopm_pa), AT(msrpm_pa),
	    AT(nested_cr3), AT(avic_bar), AT(ghcb_pa), AT(rip) + 1, 4095,
	    4096, 0x80000000, ~0u };
	static const uint32_t widths[] = { 1, 2, 4, 8 };
	struct svm_vmcb *b = block(0);
	uint64_t value;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
		for (k = 0; k < 4; k++) {
			assert_int_equal(svm_raw_get(b, secret[i], widths[k],
			    &value), EPERM);
			assert_int_equal(svm_raw_set(b, secret[i], widths[k],
			    1, false), EPERM);
		}
	}
	free(b);
}

/* Whatever is written: the guest stays where it is, and the host whole. */
static void nothing_that_matters_can_be_written(void **state)
{
	struct svm_vmcb *b = block(0), *before = block(0);
	uint32_t field, width, written = 0;

	(void)state;
	for (field = 0; field < 4200; field++) {
		for (width = 0; width <= 16; width++)
			written += svm_raw_set(b, field, width, ~0ull,
			    false) == 0;
	}
	assert_true(written > 0 && written < 8);
	assert_memory_equal(b, before, AT(tsc_offset));
	assert_memory_equal(&b->asid, &before->asid, AT(dr6) - AT(asid));
	assert_memory_equal(&b->rflags, &before->rflags,
	    AT(cr2) - AT(rflags));
	free(before);
	free(b);
}

/* Even who may break the guest gets nowhere but to what can be read. */
static void all_that_can_be_read_can_be_written(void **state)
{
	struct svm_vmcb *b = block(0);
	uint32_t field, width;
	uint64_t value;

	(void)state;
	for (field = 0; field < 4200; field++) {
		for (width = 0; width <= 16; width++)
			assert_int_equal(svm_raw_set(b, field, width, 0, true),
			    svm_raw_get(b, field, width, &value));
	}
	assert_int_equal(b->nested_cr3, 0x5000);
	assert_int_equal(b->iopm_pa, 0x6000);
	assert_int_equal(b->msrpm_pa, 0x7000);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_processor_is_usable),
		cmocka_unit_test(each_feature_is_one_capability),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(guest_addresses_have_at_most_48_bits),
		cmocka_unit_test(all_that_leads_past_the_owner_is_intercepted),
		cmocka_unit_test(no_exit_is_paid_for_what_is_harmless),
		cmocka_unit_test(the_guest_is_ring_3_in_64_bit_mode),
		cmocka_unit_test(nested_paging_and_the_hosts_interrupts_are_on),
		cmocka_unit_test(cr4_follows_the_host_where_ring_3_sees_it),
		cmocka_unit_test(fields_are_read_by_their_own_width),
		cmocka_unit_test(what_is_not_on_the_list_is_refused),
		cmocka_unit_test(nothing_that_matters_can_be_written),
		cmocka_unit_test(all_that_can_be_read_can_be_written),
	};

	return RUN(tests);
}
