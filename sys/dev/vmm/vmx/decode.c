/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * decode.c - why a guest user's processor left it, from the control structure
 * that is current.  Reading it is all that is done here.  What is most frequent
 * is in vmx_impl.h.
 */
#include "vmx_impl.h"
#include "../x86/x86.h"
#include "vmx_cpu.h"

#define ROW(n, k) { .name = (n), .kind = VMM_CAUSE_##k }

/*
 * Appendix C.  What ring 3 is refused before an exit is thought of (25.1.1)
 * is here all the same.
 */
const struct vmx_reason_row vmx_reason_rows[VMX_RAW_COUNT] = {
	ROW("EXCEPTION_NMI", EXCEPTION),
	ROW("EXTERNAL_INTERRUPT", INTERRUPT),
	ROW("TRIPLE_FAULT", SHUTDOWN),
	ROW("INIT", NMI),
	ROW("SIPI", NMI),
	ROW("IO_SMI", NMI),
	ROW("OTHER_SMI", NMI),
	ROW("INTERRUPT_WINDOW", UNKNOWN),
	ROW("NMI_WINDOW", UNKNOWN),
	ROW("TASK_SWITCH", UNKNOWN),
	ROW("CPUID", CPUID),
	ROW("GETSEC", UNDEFINED),
	ROW("HLT", PRIVILEGED),
	ROW("INVD", PRIVILEGED),
	ROW("INVLPG", PRIVILEGED),
	ROW("RDPMC", PRIVILEGED),
	ROW("RDTSC", PRIVILEGED),
	ROW("RSM", UNDEFINED),
	ROW("VMCALL", UNDEFINED),
	ROW("VMCLEAR", UNDEFINED),
	ROW("VMLAUNCH", UNDEFINED),
	ROW("VMPTRLD", UNDEFINED),
	ROW("VMPTRST", UNDEFINED),
	ROW("VMREAD", UNDEFINED),
	ROW("VMRESUME", UNDEFINED),
	ROW("VMWRITE", UNDEFINED),
	ROW("VMXOFF", UNDEFINED),
	ROW("VMXON", UNDEFINED),
	ROW("CR_ACCESS", PRIVILEGED),
	ROW("DR_ACCESS", PRIVILEGED),
	ROW("IO", PRIVILEGED),
	ROW("RDMSR", PRIVILEGED),
	ROW("WRMSR", PRIVILEGED),
	ROW("INVALID_GUEST_STATE", INVALID),
	ROW("MSR_LOAD", INVALID),
	ROW("REASON35", UNKNOWN),
	ROW("MWAIT", UNDEFINED),
	ROW("MONITOR_TRAP", UNKNOWN),
	ROW("REASON38", UNKNOWN),
	ROW("MONITOR", UNDEFINED),
	ROW("PAUSE", UNKNOWN),
	ROW("MACHINE_CHECK", MACHINE_CHECK),
	ROW("REASON42", UNKNOWN),
	ROW("TPR", UNKNOWN),
	ROW("APIC_ACCESS", UNKNOWN),
	ROW("VIRTUAL_EOI", UNKNOWN),
	ROW("GDTR_IDTR", PRIVILEGED),
	ROW("LDTR_TR", PRIVILEGED),
	ROW("EPT_VIOLATION", NESTED),
	ROW("EPT_MISCONFIG", UNKNOWN),
	ROW("INVEPT", UNDEFINED),
	ROW("RDTSCP", UNDEFINED),
	ROW("PREEMPTION_TIMER", INTERRUPT),
	ROW("INVVPID", UNDEFINED),
	ROW("WBINVD", PRIVILEGED),
	ROW("XSETBV", PRIVILEGED),
	ROW("APIC_WRITE", UNKNOWN),
	ROW("RDRAND", UNDEFINED),
	ROW("INVPCID", PRIVILEGED),
	ROW("VMFUNC", UNDEFINED),
	ROW("ENCLS", UNDEFINED),
	ROW("RDSEED", UNDEFINED),
	ROW("PML_FULL", UNKNOWN),
	ROW("XSAVES", PRIVILEGED),
	ROW("XRSTORS", PRIVILEGED),
	ROW("PCONFIG", UNDEFINED),
	ROW("SPP", UNKNOWN),
	ROW("UMWAIT", UNDEFINED),
	ROW("TPAUSE", UNDEFINED),
	ROW("LOADIWKEY", PRIVILEGED),
	ROW("ENCLV", UNDEFINED),
	ROW("REASON71", UNKNOWN),
	ROW("ENQCMD_PASID", UNKNOWN),
	ROW("ENQCMDS_PASID", UNKNOWN),
	ROW("BUS_LOCK", UNKNOWN),
	ROW("NOTIFY", UNKNOWN),
	ROW("SEAMCALL", UNDEFINED),
	ROW("TDCALL", UNDEFINED),
	ROW("RDMSRLIST", PRIVILEGED),
	ROW("WRMSRLIST", PRIVILEGED),
	ROW("URDMSR", UNDEFINED),
	ROW("UWRMSR", UNDEFINED),
	ROW("OTHER", UNKNOWN),
	ROW("VMFAIL", INVALID),
};

enum {
	ROW_OTHER = VMX_REASON_LAST + 1,
	ROW_VMFAIL,
};
_Static_assert(ROW_VMFAIL + 1 == VMX_RAW_COUNT, "rows");

uint32_t vmx_raw_index(uint32_t reason)
{
	reason &= VMX_REASON_BASIC;
	return reason <= VMX_REASON_LAST ? reason : ROW_OTHER;
}

static uint32_t read32(uint32_t field)
{
	return (uint32_t)cpu_vmread(field);
}

/*
 * 27.2.4: the #GP by the empty IDT tells what was to be delivered, and how
 * long the instruction is.
 */
static void decode_gp(struct vmm_cause *cause)
{
	const uint32_t event = read32(VMX_VECTORING);

	if ((event & VMX_EVENT_VALID) == 0 ||
	    VMX_EVENT_TYPE(event) != VMX_EVENT_INT_N)
		return;
	cause->kind = VMM_CAUSE_SOFTINT;
	cause->vector = VMX_EVENT_VECTOR(event);
	cause->length = read32(VMX_LENGTH);
}

static void decode_more(struct vmm_cause *cause)
{
	switch (cause->vector) {
	case VMM_X86_DB:
		cause->info[0] = cpu_vmread(VMX_QUALIFICATION);
		cause->dr6 = cause->info[0] & VMM_X86_DR6_CAUSES;
		break;
	case VMM_X86_PF:
		cause->info[0] = cpu_vmread(VMX_QUALIFICATION);
		cause->address = cause->info[0];
		break;
	case VMM_X86_GP:
		decode_gp(cause);
		break;
	default:
		cause->kind = VMM_CAUSE_MACHINE_CHECK;
		break;
	}
}

/* 27.2.2. */
void vmx_decode_event(struct vmm_cause *cause, uint32_t event)
{
	switch (VMX_EVENT_TYPE(event)) {
	case VMX_EVENT_NMI:
		cause->kind = VMM_CAUSE_NMI;
		break;
	case VMX_EVENT_INT1:
		cause->kind = VMM_CAUSE_ICEBP;
		cause->length = read32(VMX_LENGTH);
		break;
	case VMX_EVENT_SOFTWARE:
		cause->length = read32(VMX_LENGTH);
		break;
	default:
		decode_more(cause);
		break;
	}
}

/* 27.2.1.  The guest's own tables are walked as if to write them, where there
 * are accessed and dirty bits. */
static void decode_violation(struct vmm_cause *cause)
{
	const uint64_t how = cpu_vmread(VMX_QUALIFICATION);

	cause->info[0] = how;
	cause->gpa = cpu_vmread(VMX_GUEST_PHYSICAL);
	cause->present = (how & VMX_EPT_VIOLATION_LEAF) != 0;
	cause->access = VMM_PROT_READ;
	if ((how & VMX_EPT_VIOLATION_WRITE) != 0)
		cause->access = VMM_PROT_WRITE;
	else if ((how & VMX_EPT_VIOLATION_FETCH) != 0)
		cause->access = VMM_PROT_EXEC;
}

void vmx_decode_reason(struct vmm_cause *cause, uint32_t reason)
{
	const uint32_t row = vmx_raw_index(reason);

	cause->kind = vmx_reason_rows[row].kind;
	cause->raw = reason;
	cause->raw_index = row;
	cause->info[0] = 0;
	cause->info[1] = 0;
	switch (row) {
	case VMX_REASON_EPT_VIOLATION:
		decode_violation(cause);
		break;
	case VMX_REASON_INTERRUPT:
	case VMX_REASON_TIMER:
		break;
	case VMX_REASON_CPUID:
		cause->length = read32(VMX_LENGTH);
		break;
	default:
		cause->info[0] = cpu_vmread(VMX_QUALIFICATION);
		break;
	}
}

void vmx_decode_failure(struct vmm_cause *cause, bool has_error)
{
	cause->kind = vmx_reason_rows[ROW_VMFAIL].kind;
	cause->raw = VMX_REASON_REFUSED;
	cause->raw_index = ROW_VMFAIL;
	cause->info[0] = has_error ? read32(VMX_INSTRUCTION_ERROR) : 0;
	cause->info[1] = 0;
}
