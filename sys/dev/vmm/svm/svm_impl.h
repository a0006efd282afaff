/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svm_impl.h - what the files of svm/ share.  All but svm.c and enter.S are
 * pure.
 */
#ifndef VMM_SVM_IMPL_H
#define VMM_SVM_IMPL_H

#include "svm.h"
#include "../core/vendor.h"
#include "../vmm_ioctl.h"

/* A row for each counter of raw exit codes. */
struct svm_exit_row {
	const char *name;
	uint8_t kind; /* enum vmm_cause_kind */
};
#define SVM_RAW_COUNT 96u
extern const struct svm_exit_row svm_exit_rows[SVM_RAW_COUNT];
uint32_t svm_raw_index(uint64_t code);

/* What a control block depends on. */
struct svm_guest {
	uint64_t host_cr4;
	uint64_t nested_cr3;
	uint64_t iopm_pa, msrpm_pa;
};
/* For a guest user; b is zeroed.  ASID and v->state are missing. */
void svm_vmcb_init(struct svm_vmcb *b, const struct svm_guest *g);

/* caps: VMM_CAP_NRIP and VMM_CAP_DECODE matter.  DR6 is reset for the next
 * #DB. */
void svm_decode(struct svm_vmcb *b, uint64_t caps, struct vmm_cause *cause);

/* The processor's words about itself, for probe. */
struct svm_cpuid {
	uint32_t max_leaf; /* of 8000_0000 */
	uint32_t features_ecx; /* 8000_0001 */
	uint32_t sizes_eax; /* 8000_0008 */
	uint32_t revision, asids, svm_edx; /* 8000_000A EAX EBX EDX */
	uint64_t vm_cr; /* 0: none */
};
/* 0 and caps, or EOPNOTSUPP and why. */
int svm_usable(const struct svm_cpuid *id, uint64_t *caps, const char **why);
uint32_t svm_gpa_bits(const struct svm_cpuid *id);

/* 0, EPERM, EINVAL; written: the processor has to look again. */
int svm_raw_get(const struct svm_vmcb *b, uint32_t field, uint32_t width,
    uint64_t *value);
int svm_raw_set(struct svm_vmcb *b, uint32_t field, uint32_t width,
    uint64_t value);

/*
 * enter.S: with interrupts off.  Saves what VMSAVE does of the host to
 * host_pa, runs the guest until it exits, and loads the host again; an
 * interrupt of the host ends it and is pending then, an NMI has been taken.
 * General registers but RAX, RSP come from regs and go there: any memory, whose
 * contents may change meanwhile.
 */
void svm_enter(uint64_t vmcb_pa, uint64_t host_pa, struct vmm_regs *regs);

#endif
