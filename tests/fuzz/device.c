// SPDX-License-Identifier: BSD-2-Clause
/*
 * device.c - the device's core, svm/ and vmx/ against an owner, a guest and a
 * host that do anything at any time: bytes are a sequence of operations, some
 * of which happen in the middle of others (while a guest runs, while a page is
 * got, when an allocation fails).  It starts with a machine that could run, so
 * that most bytes are worth something.
 *
 * What is checked is in tests/device/fake: locks, sleeping, interrupts, the
 * host's registers, stale translations, state that was not validated; at the
 * end nothing is left.
 */
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes in;
struct vmm_machine *machines[MACHINES];
struct vmm_vcpu *vcpus[VCPUS];
struct vmm_stats_file *stats;
uint32_t depth, huge_pages, runs;
bool svm, ended;

/* ---- operations ---- */

static void (*const operations[])(void) = {
	machine_create, machine_close, vcpu_create, vcpu_close, kick, raw,
	memory_map, memory_unmap, memory_protect, dirty_log, context, policy,
	xsave, cpuid, msr, device, counters, scribble, prepare_any, run, run,
	run, run, write_code, write_table, host, host, host, processors,
	time_and_signals, fail, fail_get, stranger, ends, hooks,
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

void operate(void)
{
	if (!bytes_left(&in))
		return;
	depth++;
	operations[bytes_u8(&in) % OPERATIONS]();
	depth--;
}

/* ---- from the first to the last ---- */

static void write_tables(void)
{
	static const uint64_t entries[][2] = {
		{ ROOT, (ROOT + PAGE) | 7 },
		{ ROOT + PAGE, (ROOT + 2 * PAGE) | 7 },
		{ ROOT + 2 * PAGE + 2 * 8, (ROOT + 3 * PAGE) | 7 },
		{ ROOT + 3 * PAGE, CODE_GPA | 5 },
		{ ROOT + 3 * PAGE + 8, (CODE_GPA + PAGE) | 5 },
		{ ROOT + 3 * PAGE + 256 * 8, 0x30007 },
		{ ROOT + 3 * PAGE + 257 * 8, 0x31007 },
		/* The last page of the lower half is code, too. */
		{ ROOT + 255 * 8, (ROOT + 4 * PAGE) | 7 },
		{ ROOT + 4 * PAGE + 511 * 8, (ROOT + 5 * PAGE) | 7 },
		{ ROOT + 5 * PAGE + 511 * 8, (ROOT + 6 * PAGE) | 7 },
		{ ROOT + 6 * PAGE + 511 * 8, CODE_GPA | 5 },
	};
	size_t i;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		(void)fake_write(MEMORY + entries[i][0], &entries[i][1], 8);
}

/* Which processor, and what it can: loaded. */
static void load(uint8_t how)
{
	static const struct vmm_vendor *const vendors[] = { &vmm_svm,
	    &vmm_svm, &vmm_vmx, &fake_vendor_table };
	const unsigned which = how >> 5 & 3;
	uint32_t i;

	svm = which < 2;
	if (svm) {
		fake_cpuid_at(SVM_CPUID, 0)[3] = SVM_CPUID_NP |
		    ((how & 1) != 0 ? SVM_CPUID_NRIPS : 0) |
		    ((how & 2) != 0 ? SVM_CPUID_CLEAN : 0) |
		    ((how & 4) != 0 ? SVM_CPUID_FLUSH_ASID : 0) |
		    ((how & 8) != 0 ? SVM_CPUID_DECODE : 0);
		for (i = 0; (how & 16) != 0 && i < FAKE_CPUS; i++)
			fake_hw.cpu[i].cr4 |= VMM_X86_CR4_LA57;
	} else if (which == 2) {
		fake_hw_intel();
	} else if ((how & 1) != 0) {
		fake_vendor.format = &x86_npt_ept_plain;
		fake_vendor.caps &= ~VMM_CAP_HW_DIRTY;
	}
	if (vmm_hw_init(&vendors[which], 1) != 0)
		fake_bug("the device cannot be loaded");
}

static void begin(uint8_t how)
{
	struct vmm_machine_create mc = { .name = "first" };
	const struct vmm_vcpu_create vc = { .index = 0 };
	struct vmm_memory map = { .size = MEMORY_SIZE, .uaddr = MEMORY,
	    .prot = 7 };
	struct vmm_context c = { 0 };

	fake_reset();
	fake_script_reset();
	memset(machines, 0, sizeof(machines));
	memset(vcpus, 0, sizeof(vcpus));
	stats = NULL;
	depth = huge_pages = runs = 0;
	ended = false;
	fake_map(FAKE_USER, FAKE_USER_PAGES * FAKE_PAGE);
	load(how);
	write_tables();
	if (vmm_machine_create(&mc, &machines[0]) != 0 ||
	    vmm_machine_ioctl(machines[0], VMM_MEMORY_MAP, &map) != 0 ||
	    vmm_machine_ioctl(machines[0], VMM_CONTEXT_CREATE, &c) != 0 ||
	    vmm_vcpu_create(machines[0], &vc, &vcpus[0]) != 0)
		fake_bug("the first machine cannot be made");
	vcpus[0]->page->regs.rip = CODE;
	vcpus[0]->page->cr3 = ROOT;
	vcpus[0]->page->commit = VMM_SET_SPACE | VMM_SET_CONTEXT;
}

static void finish(void)
{
	uint32_t i;

	fake.on_get = NULL;
	if (stats != NULL && runs % 2 != 0) {
		vmm_stats_close(stats);
		stats = NULL;
	}
	for (i = 0; i < VCPUS; i++) {
		if (vcpus[i] != NULL)
			vmm_vcpu_destroy(vcpus[i]);
	}
	for (i = 0; i < MACHINES; i++) {
		if (machines[i] != NULL)
			vmm_machine_put(machines[i]);
	}
	if (stats != NULL)
		vmm_stats_close(stats);
	if ((vmm_live.machines | vmm_live.vcpus | vmm_live.contexts |
	    vmm_live.regions | vmm_live.pages) != 0)
		fake_bug("something lives on");
	for (i = 0; i < FAKE_CPUS; i++) {
		if (fake_vendor.on[i] ||
		    (fake_msr_get(i, 0xc0000080) & 0x1000) != 0)
			fake_bug("processor %u is still on", i);
	}
	vmm_hw_fini();
	fake_vmx_check_host();
	fake_check_idle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	bytes_init(&in, data + 1, size - 1);
	begin(data[0]);
	while (bytes_left(&in))
		operate();
	finish();
	return 0;
}
