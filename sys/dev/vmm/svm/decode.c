/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * decode.c - why a guest user's processor left it, from the control block.
 * Pure.  What is most frequent is in svm_impl.h.
 */
#include "svm_impl.h"
#include "../x86/x86.h"

#define ROW(n, k) { .name = (n), .kind = VMM_CAUSE_##k }
#define EXCEPTION(n) ROW(n, EXCEPTION)

/*
 * By svm_raw_index(): codes 040 to 08F first.  What ring 3 is refused before
 * an intercept is looked at (APM vol. 2 table 15-7) is here all the same.
 */
const struct svm_exit_row svm_exit_rows[SVM_RAW_COUNT] = {
	EXCEPTION("EXCP0_DE"),
	EXCEPTION("EXCP1_DB"),
	EXCEPTION("EXCP2"),
	EXCEPTION("EXCP3_BP"),
	EXCEPTION("EXCP4_OF"),
	EXCEPTION("EXCP5_BR"),
	EXCEPTION("EXCP6_UD"),
	EXCEPTION("EXCP7_NM"),
	EXCEPTION("EXCP8_DF"),
	EXCEPTION("EXCP9"),
	EXCEPTION("EXCP10_TS"),
	EXCEPTION("EXCP11_NP"),
	EXCEPTION("EXCP12_SS"),
	EXCEPTION("EXCP13_GP"),
	EXCEPTION("EXCP14_PF"),
	EXCEPTION("EXCP15"),
	EXCEPTION("EXCP16_MF"),
	EXCEPTION("EXCP17_AC"),
	ROW("EXCP18_MC", MACHINE_CHECK),
	EXCEPTION("EXCP19_XF"),
	EXCEPTION("EXCP20"),
	EXCEPTION("EXCP21_CP"),
	EXCEPTION("EXCP22"),
	EXCEPTION("EXCP23"),
	EXCEPTION("EXCP24"),
	EXCEPTION("EXCP25"),
	EXCEPTION("EXCP26"),
	EXCEPTION("EXCP27"),
	EXCEPTION("EXCP28_HV"),
	EXCEPTION("EXCP29_VC"),
	EXCEPTION("EXCP30_SX"),
	EXCEPTION("EXCP31"),
	ROW("INTR", INTERRUPT),
	/* Held until STGI, which has been: 15.13. */
	ROW("NMI", NMI),
	ROW("SMI", NMI),
	ROW("INIT", NMI),
	ROW("VINTR", UNKNOWN),
	ROW("CR0_SEL_WRITE", PRIVILEGED),
	ROW("IDTR_READ", PRIVILEGED),
	ROW("GDTR_READ", PRIVILEGED),
	ROW("LDTR_READ", PRIVILEGED),
	ROW("TR_READ", PRIVILEGED),
	ROW("IDTR_WRITE", PRIVILEGED),
	ROW("GDTR_WRITE", PRIVILEGED),
	ROW("LDTR_WRITE", PRIVILEGED),
	ROW("TR_WRITE", PRIVILEGED),
	ROW("RDTSC", PRIVILEGED),
	ROW("RDPMC", PRIVILEGED),
	ROW("PUSHF", UNKNOWN),
	ROW("POPF", UNKNOWN),
	ROW("CPUID", CPUID),
	ROW("RSM", UNDEFINED),
	ROW("IRET", UNKNOWN),
	ROW("SWINT", SOFTINT),
	ROW("INVD", PRIVILEGED),
	ROW("PAUSE", UNKNOWN),
	ROW("HLT", PRIVILEGED),
	ROW("INVLPG", PRIVILEGED),
	ROW("INVLPGA", PRIVILEGED),
	ROW("IOIO", PRIVILEGED),
	ROW("MSR", PRIVILEGED),
	ROW("TASK_SWITCH", UNKNOWN),
	ROW("FERR_FREEZE", UNKNOWN),
	ROW("SHUTDOWN", SHUTDOWN),
	ROW("VMRUN", UNDEFINED),
	ROW("VMMCALL", UNDEFINED),
	ROW("VMLOAD", UNDEFINED),
	ROW("VMSAVE", UNDEFINED),
	ROW("STGI", UNDEFINED),
	ROW("CLGI", UNDEFINED),
	ROW("SKINIT", UNDEFINED),
	ROW("RDTSCP", UNDEFINED),
	ROW("ICEBP", ICEBP),
	ROW("WBINVD", PRIVILEGED),
	ROW("MONITOR", UNDEFINED),
	ROW("MWAIT", UNDEFINED),
	ROW("MWAIT_CONDITIONAL", UNDEFINED),
	ROW("XSETBV", PRIVILEGED),
	ROW("RDPRU", UNDEFINED),
	ROW("EFER_WRITE_TRAP", UNKNOWN),
	ROW("CR_READ", PRIVILEGED),
	ROW("CR_WRITE", PRIVILEGED),
	ROW("DR_READ", PRIVILEGED),
	ROW("DR_WRITE", PRIVILEGED),
	ROW("CR_WRITE_TRAP", UNKNOWN),
	ROW("INVLPGB", PRIVILEGED),
	ROW("INVLPGB_ILLEGAL", PRIVILEGED),
	ROW("INVPCID", PRIVILEGED),
	ROW("MCOMMIT", UNDEFINED),
	ROW("TLBSYNC", PRIVILEGED),
	ROW("BUSLOCK", UNKNOWN),
	ROW("IDLE_HLT", UNKNOWN),
	ROW("NPF", NESTED),
	ROW("INVALID", INVALID),
	ROW("BUSY", UNKNOWN),
	ROW("OTHER", UNKNOWN),
};

enum {
	FIRST = SVM_EXIT_EXCEPTION,
	LAST = SVM_EXIT_EFER_WRITE_TRAP,
	ROW_CR_READ = LAST - FIRST + 1, /* and three more, by 16 codes each */
	ROW_CR_WRITE_TRAP = ROW_CR_READ + 4,
	ROW_INVLPGB,
	ROW_NPF = ROW_INVLPGB + 7,
	ROW_INVALID,
	ROW_BUSY,
	ROW_OTHER,
};
_Static_assert(ROW_OTHER + 1 == SVM_RAW_COUNT, "rows");

uint32_t svm_raw_index(uint64_t code)
{
	if (code - FIRST <= LAST - FIRST)
		return (uint32_t)code - FIRST;
	if (code == SVM_EXIT_NPF)
		return ROW_NPF;
	if (code < FIRST)
		return ROW_CR_READ + (uint32_t)code / 16;
	if (code < SVM_EXIT_INVLPGB)
		return ROW_CR_WRITE_TRAP;
	if (code <= SVM_EXIT_IDLE_HLT)
		return ROW_INVLPGB + (uint32_t)code - SVM_EXIT_INVLPGB;
	/* All ones, which QEMU stores in 32 bits. */
	if (code == SVM_EXIT_INVALID || code == SVM_EXIT_INVALID >> 32)
		return ROW_INVALID;
	return code == SVM_EXIT_BUSY ? ROW_BUSY : ROW_OTHER;
}

/* 15.7.1.  Not every exit has a next RIP. */
static uint32_t told_length(const struct svm_vmcb *b, uint64_t caps)
{
	uint64_t length = b->nrip - b->rip;

	return (caps & VMM_CAP_NRIP) != 0 && length <= 15 ? (uint32_t)length :
							    0;
}

static void decode_debug(struct svm_vmcb *b, struct vmm_cause *cause)
{
	cause->dr6 = b->dr6 & VMM_X86_DR6_CAUSES;
	/* Bochs does not tell, and there is nothing else. */
	if (cause->dr6 == 0 && (b->rflags & VMM_X86_RFLAGS_TF) != 0)
		cause->dr6 = VMM_X86_DR6_BS;
	/* The processor only adds to it. */
	b->dr6 = SVM_DR6_NOTHING;
	b->clean &= ~SVM_CLEAN_DRX;
}

/* 15.25.6.  The guest's own tables are walked as if to write them. */
static void decode_nested(const struct svm_vmcb *b, struct vmm_cause *cause)
{
	uint64_t info = b->exit_info[0];

	cause->gpa = b->exit_info[1];
	cause->present = (info & SVM_NPF_PRESENT) != 0;
	cause->access = VMM_PROT_READ;
	if ((info & SVM_NPF_WRITE) != 0)
		cause->access = VMM_PROT_WRITE;
	else if ((info & SVM_NPF_FETCH) != 0)
		cause->access = VMM_PROT_EXEC;
}

void svm_decode_other(struct svm_vmcb *b, uint64_t caps,
    struct vmm_cause *cause)
{
	uint64_t code = cause->raw;
	uint32_t row = code - FIRST <= LAST - FIRST ? (uint32_t)code - FIRST :
						      svm_raw_index(code);

	cause->kind = svm_exit_rows[row].kind;
	if (row < 32) {
		svm_decode_exception(row, cause);
		if (row == VMM_X86_DB)
			decode_debug(b, cause);
		else if (row == VMM_X86_BP)
			cause->length = told_length(b, caps);
		return;
	}
	cause->raw_index = row;
	if (row == ROW_NPF) {
		decode_nested(b, cause);
		return;
	}
	cause->length = told_length(b, caps);
	/* 15.33.4: decode assists tell the vector. */
	cause->vector = VMM_VECTOR_UNTOLD;
	if ((caps & VMM_CAP_DECODE) != 0)
		cause->vector = (uint32_t)b->exit_info[0] & 0xff;
}
