/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * processor.c - Intel processors as such: what they can do, and switching VMX
 * on and off.  What runs there is vmx.c's.
 */
#include "vmx_impl.h"
#include "../core/vmm.h"
#include "../x86/x86.h"
#include "cpu.h"
#include "vmx_cpu.h"

struct vmx_facts vmx_facts;

/* ---- what it is ---- */

static void read_words(struct vmx_words *w)
{
	uint32_t r[4], plus;

	memset(w, 0, sizeof(*w));
	w->cr4 = cpu_get_cr4();
	cpu_cpuid(0, 0, r);
	w->amd = r[1] == VMX_CPUID0_EBX_AMD || r[1] == VMX_CPUID0_EBX_HYGON;
	cpu_cpuid(1, 0, r);
	w->cpuid1_eax = r[0];
	w->cpuid1_ecx = r[2];
	if ((r[2] & VMX_CPUID1_ECX) == 0)
		return;
	cpu_cpuid(0x80000008u, 0, r);
	w->sizes_eax = r[0];
	(void)os_rdmsr_safe(VMX_MSR_FEATURE_CONTROL, &w->feature_control);
	if (!os_rdmsr_safe(VMX_MSR_BASIC, &w->basic))
		return;
	/* A.2: 12 above the others. */
	plus = (w->basic & VMX_BASIC_TRUE) != 0 ?
	    VMX_MSR_TRUE_PIN - VMX_MSR_PIN : 0;
	w->pin = cpu_rdmsr(VMX_MSR_PIN + plus);
	w->proc = cpu_rdmsr(VMX_MSR_PROC + plus);
	w->exit = cpu_rdmsr(VMX_MSR_EXIT + plus);
	w->entry = cpu_rdmsr(VMX_MSR_ENTRY + plus);
	w->misc = cpu_rdmsr(VMX_MSR_MISC);
	w->cr0_fixed0 = cpu_rdmsr(VMX_MSR_CR0_FIXED0);
	w->cr0_fixed1 = cpu_rdmsr(VMX_MSR_CR0_FIXED1);
	w->cr4_fixed0 = cpu_rdmsr(VMX_MSR_CR4_FIXED0);
	w->cr4_fixed1 = cpu_rdmsr(VMX_MSR_CR4_FIXED1);
	if ((w->proc >> 32 & VMX_PROC_SECONDARY) == 0)
		return;
	w->proc2 = cpu_rdmsr(VMX_MSR_PROC2);
	if ((w->proc2 >> 32 & (VMX_PROC2_EPT | VMX_PROC2_VPID)) != 0)
		w->ept_vpid = cpu_rdmsr(VMX_MSR_EPT_VPID);
}

static void set_facts(struct vmm_hw *hw, const struct vmx_words *w)
{
	vmm_hw_fact(hw, 0, "vmx.basic", w->basic);
	vmm_hw_fact(hw, 1, "vmx.pin", w->pin);
	vmm_hw_fact(hw, 2, "vmx.proc", w->proc);
	vmm_hw_fact(hw, 3, "vmx.proc2", w->proc2);
	vmm_hw_fact(hw, 4, "vmx.exit", w->exit);
	vmm_hw_fact(hw, 5, "vmx.entry", w->entry);
	vmm_hw_fact(hw, 6, "vmx.misc", w->misc);
	vmm_hw_fact(hw, 7, "vmx.ept_vpid", w->ept_vpid);
	vmm_hw_fact(hw, 8, "vmx.cr0_fixed0", w->cr0_fixed0);
	vmm_hw_fact(hw, 9, "vmx.cr0_fixed1", w->cr0_fixed1);
	vmm_hw_fact(hw, 10, "vmx.cr4_fixed0", w->cr4_fixed0);
	vmm_hw_fact(hw, 11, "vmx.cr4_fixed1", w->cr4_fixed1);
	vmm_hw_fact(hw, 12, "vmx.feature_control", w->feature_control);
	vmm_hw_fact(hw, 13, "physical_bits", w->sizes_eax & 0xff);
	vmm_hw_fact(hw, 14, "gpa_bits", hw->gpa_bits);
}

/* Vol. 3B 19.9.2, 19.9.3: since version 5 of the counters PEBS_ENABLE has the
 * fixed ones as well, where they are in PERF_GLOBAL_CTRL; before, it has other
 * things there. */
static uint64_t pebs_counters(void)
{
	uint32_t r[4];

	cpu_cpuid(0, 0, r);
	if (r[0] < 0xa)
		return 0xff;
	cpu_cpuid(0xa, 0, r);
	return (r[0] & 0xff) >= 5 ? ~0ull : 0xff;
}

int vmx_probe(struct vmm_hw *hw, const char **why)
{
	uint64_t ignored;
	int error;

	read_words(&vmx_facts.words);
	error = vmx_usable(&vmx_facts.words, &vmx_facts.controls, &hw->caps,
	    why);
	if (error != 0)
		return error;
	vmx_facts.has_debugctl = os_rdmsr_safe(VMX_MSR_DEBUGCTL, &ignored);
	vmx_facts.usual = vmx_facts.has_debugctl &&
	    (vmx_facts.words.cr4 & VMM_X86_CR4_FSGSBASE) != 0;
	vmx_facts.has_pebs = os_rdmsr_safe(VMX_MSR_PEBS_ENABLE, &ignored) &&
	    os_rdmsr_safe(VMX_MSR_PERF_GLOBAL, &ignored);
	vmx_facts.pebs_counters = pebs_counters();
	hw->gpa_bits = vmx_gpa_bits(&vmx_facts.words);
	hw->npt = (hw->caps & VMM_CAP_HW_DIRTY) != 0 ? &x86_npt_ept :
						       &x86_npt_ept_plain;
	hw->nasid = VMX_VPIDS;
	hw->has_timer = vmx_has_timer(&vmx_facts.words);
	set_facts(hw, &vmx_facts.words);
	return 0;
}

/* ---- processors ---- */

int vmx_cpu_init(struct vmm_cpu *c)
{
	const uint32_t revision =
	    (uint32_t)(vmx_facts.words.basic & VMX_BASIC_REVISION);

	c->vmx.host = os_zalloc(sizeof(*c->vmx.host));
	if (c->vmx.host == NULL)
		return ENOMEM;
	c->vmx.vmxon = os_cpu_page_alloc(&c->vmx.vmxon_pa);
	if (c->vmx.vmxon == NULL)
		goto free_host;
	c->vmx.msrs = os_cpu_page_alloc(&c->vmx.msrs_pa);
	if (c->vmx.msrs == NULL)
		goto free_vmxon;
	memcpy(c->vmx.vmxon, &revision, sizeof(revision));
	c->vmx.msrs[0].index = VMX_MSR_PEBS_ENABLE;
	c->vmx.msrs[1].index = VMX_MSR_PERF_GLOBAL;
	return 0;

free_vmxon:
	os_cpu_page_free(c->vmx.vmxon);
free_host:
	os_free(c->vmx.host);
	return ENOMEM;
}

void vmx_cpu_fini(struct vmm_cpu *c)
{
	os_cpu_page_free(c->vmx.msrs);
	os_cpu_page_free(c->vmx.vmxon);
	os_free(c->vmx.host);
}

int vmx_cpu_check(struct vmm_cpu *c, const char **why)
{
	(void)c;
	if ((cpu_get_cr4() & VMM_X86_CR4_VMXE) == 0)
		return 0;
	*why = "another hypervisor (kvm?) uses the processor's VMX: end its "
	       "machines, or unload its module";
	return EBUSY;
}

/* SDM vol. 3C 27.5.2: what exits load, and what they leave at its most. */
static void read_host(struct vmx_host *h)
{
	h->cr0 = cpu_get_cr0();
	h->efer = cpu_rdmsr(VMX_MSR_EFER);
	h->cs = cpu_get_cs();
	h->ss = cpu_get_ss();
	h->tr = cpu_get_tr();
	h->gs_base = cpu_rdmsr(VMX_MSR_GS_BASE);
	cpu_get_gdtr(&h->gdtr);
	cpu_get_idtr(&h->idtr);
	h->tr_base = vmx_descriptor_base(
	    (const uint8_t *)(uintptr_t)cpu_table_base(&h->gdtr) +
	    (h->tr & ~7u));
	h->sysenter_cs = cpu_rdmsr(VMX_MSR_SYSENTER_CS);
	h->sysenter_esp = cpu_rdmsr(VMX_MSR_SYSENTER_ESP);
	h->sysenter_eip = cpu_rdmsr(VMX_MSR_SYSENTER_EIP);
	h->rip = vmx_exit_address();
}

/* What is in the TLB is somebody else's. */
static void forget_translations(struct vmm_cpu *c)
{
	const bool all =
	    (vmx_facts.words.ept_vpid & VMX_EPT_INVEPT_ALL) != 0;

	(void)cpu_invept(all ? VMX_INVEPT_ALL : VMX_INVEPT_ONE, 0);
	c->vmx.ept_machine = 0;
	/* The first VPID given out drops those of all. */
	c->vmx.generation++;
	c->vmx.next_vpid = VMX_VPIDS;
}

int vmx_cpu_on(struct vmm_cpu *c, const char **why)
{
	int error = vmx_cpu_check(c, why);

	if (error != 0)
		return error;
	os_vmxe(true);
	if (!cpu_vmxon(c->vmx.vmxon_pa)) {
		os_vmxe(false);
		*why = "VMXON failed: another hypervisor uses the processor's "
		       "VMX";
		return EBUSY;
	}
	read_host(c->vmx.host);
	c->vmx.owner = NULL;
	forget_translations(c);
	return 0;
}

/* On c; its current control structure is whole in memory then. */
void vmx_clear_current(struct vmm_cpu *c)
{
	struct vmm_vcpu *v = c->vmx.owner;

	if (v == NULL)
		return;
	(void)cpu_vmclear(v->vmx.vmcs_pa);
	v->vmx.launched = false;
	OS_RELEASE(c->vmx.owner, NULL);
}

void vmx_cpu_off(struct vmm_cpu *c)
{
	vmx_clear_current(c);
	cpu_vmxoff();
	os_vmxe(false);
}
