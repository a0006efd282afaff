/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svm_impl.h - what the files of svm/ share.  All but svm.c and enter.S are
 * pure.
 */
#ifndef VMM_SVM_IMPL_H
#define VMM_SVM_IMPL_H

#include "svm.h"
#include "../core/vendor.h"
#include "../x86/x86.h"
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

/* The rest of svm_decode(): raw and info are there. */
void svm_decode_other(struct svm_vmcb *b, uint64_t caps,
    struct vmm_cause *cause);

/* APM vol. 2 15.12: EXITINFO1, and for #PF the address in EXITINFO2. */
static inline void svm_decode_exception(uint32_t vector,
    struct vmm_cause *cause)
{
	cause->raw_index = vector;
	cause->vector = vector;
	cause->error_code = (uint32_t)cause->info[0];
	cause->address = cause->info[1];
	cause->length = 0;
}

/*
 * Why the guest was left.  caps: VMM_CAP_NRIP and VMM_CAP_DECODE matter.  DR6
 * is reset for the next #DB.  Straight through for exceptions that need nothing
 * more: SYSCALL's #UD and #PF are among them.
 */
static inline void svm_decode(struct svm_vmcb *b, uint64_t caps,
    struct vmm_cause *cause)
{
	const uint32_t more = 1u << VMM_X86_DB | 1u << VMM_X86_BP |
	    1u << VMM_X86_MC;
	uint64_t vector = b->exit_code - SVM_EXIT_EXCEPTION;

	cause->raw = b->exit_code;
	cause->info[0] = b->exit_info[0];
	cause->info[1] = b->exit_info[1];
	if (vector >= 32 || (more >> vector & 1) != 0) {
		svm_decode_other(b, caps, cause);
		return;
	}
	cause->kind = VMM_CAUSE_EXCEPTION;
	svm_decode_exception((uint32_t)vector, cause);
}

/* The processor's words about itself, for probe. */
struct svm_cpuid {
	uint32_t max_leaf; /* of 8000_0000 */
	uint32_t features_ecx, features_edx; /* 8000_0001 */
	uint32_t sizes_eax, sizes_ebx; /* 8000_0008 */
	uint32_t revision, asids, svm_edx; /* 8000_000A EAX EBX EDX */
	uint64_t vm_cr; /* 0: none */
};
/* 0 and caps, or EOPNOTSUPP and why. */
int svm_usable(const struct svm_cpuid *id, uint64_t *caps, const char **why);
uint32_t svm_gpa_bits(const struct svm_cpuid *id);
/* Does XRSTOR leave the pointers of x87 alone? */
bool svm_x87_leaks(const struct svm_cpuid *id);

/* 0, EPERM, EINVAL.  all: what may be read may be written. */
int svm_raw_get(const struct svm_vmcb *b, uint32_t field, uint32_t width,
    uint64_t *value);
int svm_raw_set(struct svm_vmcb *b, uint32_t field, uint32_t width,
    uint64_t value, bool all);

/*
 * enter.S: with interrupts off.  Saves what VMSAVE does of the host to
 * host_pa, runs the guest until it exits, and loads the host again; an
 * interrupt of the host ends it and is pending then, an NMI has been taken.
 * General registers but RAX, RSP come from regs and go there: any memory, whose
 * contents may change meanwhile.
 */
void svm_enter(uint64_t vmcb_pa, uint64_t host_pa, struct vmm_regs *regs);

#endif
