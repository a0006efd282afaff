/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.c - can this processor do it, and what else can it do?  Pure.
 */
#include "svm_impl.h"

int svm_usable(const struct svm_cpuid *id, uint64_t *caps, const char **why)
{
	*caps = 0;
	*why = NULL;
	if (id->max_leaf < SVM_CPUID ||
	    (id->features_ecx & SVM_CPUID_FEATURES_SVM) == 0)
		*why = "the processor has no SVM (AMD-V), or a hypervisor "
		       "below hides it";
	else if ((id->vm_cr & SVM_VM_CR_SVMDIS) != 0)
		*why = (id->vm_cr & SVM_VM_CR_LOCK) != 0 ?
		    "the firmware has disabled SVM (AMD-V) and locked it: "
		    "enable it in the firmware's setup" :
		    "SVM (AMD-V) is disabled by VM_CR.SVMDIS: enable it in "
		    "the firmware's setup";
	else if ((id->svm_edx & SVM_CPUID_NP) == 0)
		*why = "the processor's SVM has no nested paging";
	else if (id->asids < 2)
		*why = "the processor's SVM offers no ASID";
	if (*why != NULL)
		return EOPNOTSUPP;

	*caps = VMM_CAP_GUEST_USER | VMM_CAP_CPUID | VMM_CAP_LARGE_2M |
	    VMM_CAP_HW_DIRTY;
	/* APM vol. 2 15.25.5, 5.3.5: nested tables are as the host's own. */
	if ((id->features_edx & SVM_CPUID_FEATURES_1G) != 0)
		*caps |= VMM_CAP_LARGE_1G;
	if ((id->svm_edx & SVM_CPUID_NRIPS) != 0)
		*caps |= VMM_CAP_NRIP;
	if ((id->svm_edx & SVM_CPUID_DECODE) != 0)
		*caps |= VMM_CAP_DECODE;
	if ((id->svm_edx & SVM_CPUID_CLEAN) != 0)
		*caps |= VMM_CAP_CLEAN;
	if ((id->svm_edx & SVM_CPUID_FLUSH_ASID) != 0)
		*caps |= VMM_CAP_FLUSH_TAG;
	return 0;
}

/* APM vol. 3, Fn8000_0008 EBX: RstrFpErrPtrs. */
bool svm_x87_leaks(const struct svm_cpuid *id)
{
	return (id->sizes_ebx & 4) == 0;
}

/* Nested tables have four levels that matter. */
uint32_t svm_gpa_bits(const struct svm_cpuid *id)
{
	uint32_t physical = id->sizes_eax & 0xff;
	uint32_t guest = id->sizes_eax >> 16 & 0xff;

	if (guest == 0)
		guest = physical;
	return guest < 48 ? guest : 48;
}
