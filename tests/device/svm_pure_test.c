// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pure parts of svm/: which processors are usable, what a control block
 * asks of the processor, what an exit means, which fields an owner may see and
 * write.
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

/* ---- exits ---- */

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
		cmocka_unit_test(exits_are_decoded),
		cmocka_unit_test(lengths_are_those_of_instructions),
		cmocka_unit_test(every_code_has_a_counter_with_a_name),
		cmocka_unit_test(fields_are_read_by_their_own_width),
		cmocka_unit_test(what_is_not_on_the_list_is_refused),
		cmocka_unit_test(nothing_that_matters_can_be_written),
		cmocka_unit_test(all_that_can_be_read_can_be_written),
	};

	return RUN(tests);
}
