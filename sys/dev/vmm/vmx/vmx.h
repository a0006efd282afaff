/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx.h - what Intel processors define: fields of the virtual machine control
 * structure, controls, exit reasons.  References are to the Intel Software
 * Developer's Manual, volume 3 (325384): chapters 24 to 31, appendices A, B, C.
 */
#ifndef VMM_VMX_H
#define VMM_VMX_H

#include "../vmm_ioctl.h"	/* for types */

#define VMX_CPUID0_EBX_AMD	0x68747541u	/* Auth... */
#define VMX_CPUID0_EBX_HYGON	0x6f677948u	/* Hygo... */
#define VMX_CPUID1_ECX		(1u << 5)	/* CPUID leaf 1: VMX */

#define VMX_MSR_FEATURE_CONTROL	0x03au		/* 24.7 */
#define VMX_FEATURE_LOCKED	(1ull << 0)
#define VMX_FEATURE_VMX		(1ull << 2)	/* outside SMX */
#define VMX_MSR_SYSENTER_CS	0x174u
#define VMX_MSR_SYSENTER_ESP	0x175u
#define VMX_MSR_SYSENTER_EIP	0x176u
#define VMX_MSR_DEBUGCTL	0x1d9u
#define VMX_MSR_PERF_GLOBAL	0x38fu		/* vol. 3B 18.2.2 */
#define VMX_MSR_PEBS_ENABLE	0x3f1u		/* vol. 3B 19.3.1.1.1 */
#define VMX_MSR_BASIC		0x480u		/* appendix A, here and below */
#define VMX_MSR_PIN		0x481u
#define VMX_MSR_PROC		0x482u
#define VMX_MSR_EXIT		0x483u
#define VMX_MSR_ENTRY		0x484u
#define VMX_MSR_MISC		0x485u
#define VMX_MSR_CR0_FIXED0	0x486u
#define VMX_MSR_CR0_FIXED1	0x487u
#define VMX_MSR_CR4_FIXED0	0x488u
#define VMX_MSR_CR4_FIXED1	0x489u
#define VMX_MSR_PROC2		0x48bu
#define VMX_MSR_EPT_VPID	0x48cu
#define VMX_MSR_TRUE_PIN	0x48du
#define VMX_MSR_TRUE_PROC	0x48eu
#define VMX_MSR_TRUE_EXIT	0x48fu
#define VMX_MSR_TRUE_ENTRY	0x490u
#define VMX_MSR_EFER		0xc0000080u
#define VMX_MSR_FS_BASE		0xc0000100u
#define VMX_MSR_GS_BASE		0xc0000101u

/* A.1 */
#define VMX_BASIC_REVISION	0x7fffffffull
#define VMX_BASIC_SIZE(basic)	((uint32_t)((basic) >> 32) & 0x1fff)
#define VMX_BASIC_32BIT		(1ull << 48)	/* addresses below 4 GiB */
#define VMX_BASIC_TYPE(basic)	((uint32_t)((basic) >> 50) & 15)
#define VMX_BASIC_TRUE		(1ull << 55)
#define VMX_TYPE_WB		6u

#define VMX_MISC_RATE(misc)	((uint32_t)(misc) & 31)	/* A.6 */

/* A.10 */
#define VMX_EPT_WALK_4		(1ull << 6)
#define VMX_EPT_WB		(1ull << 14)
#define VMX_EPT_2M		(1ull << 16)
#define VMX_EPT_1G		(1ull << 17)
#define VMX_EPT_INVEPT		(1ull << 20)
#define VMX_EPT_AD		(1ull << 21)
#define VMX_EPT_INVEPT_ONE	(1ull << 25)
#define VMX_EPT_INVEPT_ALL	(1ull << 26)
#define VMX_EPT_INVVPID		(1ull << 32)
#define VMX_EPT_INVVPID_ALL	(1ull << 42)

/* 24.6.1 */
#define VMX_PIN_INTERRUPTS	(1u << 0)
#define VMX_PIN_NMI		(1u << 3)
#define VMX_PIN_TIMER		(1u << 6)

/* 24.6.2, table 24-6 */
#define VMX_PROC_TSC_OFFSET	(1u << 3)
#define VMX_PROC_HLT		(1u << 7)
#define VMX_PROC_INVLPG		(1u << 9)
#define VMX_PROC_MWAIT		(1u << 10)
#define VMX_PROC_RDPMC		(1u << 11)
#define VMX_PROC_CR3_LOAD	(1u << 15)
#define VMX_PROC_CR3_STORE	(1u << 16)
#define VMX_PROC_CR8_LOAD	(1u << 19)
#define VMX_PROC_CR8_STORE	(1u << 20)
#define VMX_PROC_MOV_DR		(1u << 23)
#define VMX_PROC_IO		(1u << 24)
#define VMX_PROC_MSR_BITMAPS	(1u << 28)
#define VMX_PROC_MONITOR	(1u << 29)
#define VMX_PROC_SECONDARY	(1u << 31)

/* Table 24-7 */
#define VMX_PROC2_EPT		(1u << 1)
#define VMX_PROC2_RDTSCP	(1u << 3)
#define VMX_PROC2_VPID		(1u << 5)
#define VMX_PROC2_WBINVD	(1u << 6)
#define VMX_PROC2_INVPCID	(1u << 12)
#define VMX_PROC2_XSAVES	(1u << 20)
#define VMX_PROC2_USER_WAIT	(1u << 26)

/* 24.7.1 */
#define VMX_EXIT_SAVE_DEBUG	(1u << 2)
#define VMX_EXIT_HOST_64	(1u << 9)
#define VMX_EXIT_LOAD_EFER	(1u << 21)

/* 24.8.1 */
#define VMX_ENTRY_LOAD_DEBUG	(1u << 2)
#define VMX_ENTRY_GUEST_64	(1u << 9)
#define VMX_ENTRY_LOAD_EFER	(1u << 15)

/* An entry of the lists of MSRs that entries and exits load, 24.8.2. */
#define VMX_MSRS	2u
struct vmx_msr {
	uint32_t index;
	uint32_t reserved;
	uint64_t value;
};

/* 24.6.11: write back, a walk of four levels. */
#define VMX_EPTP_FORM		(6ull | 3ull << 3)
#define VMX_EPTP_AD		(1ull << 6)

#define VMX_NO_LINK		(~0ull)	/* 24.4.2: no linked structure */

/* Access rights, 24.4.1. */
#define VMX_AR_CODE64_USER	0xa0fbu	/* G L P DPL 3 code RA */
#define VMX_AR_DATA_USER	0xc0f3u	/* G B P DPL 3 data WA */
#define VMX_AR_TSS_BUSY		0x008bu	/* P, 64-bit TSS */
#define VMX_AR_UNUSABLE		0x10000u

/* Appendix B.  Bits 14-13 of an encoding are the width: 16, 64, 32 bits,
 * natural. */
enum vmx_field {
	VMX_VPID = 0x0000,
	VMX_GUEST_ES = 0x0800,
	VMX_GUEST_CS = 0x0802,
	VMX_GUEST_SS = 0x0804,
	VMX_GUEST_DS = 0x0806,
	VMX_GUEST_FS = 0x0808,
	VMX_GUEST_GS = 0x080a,
	VMX_GUEST_LDTR = 0x080c,
	VMX_GUEST_TR = 0x080e,
	VMX_HOST_ES = 0x0c00,
	VMX_HOST_CS = 0x0c02,
	VMX_HOST_SS = 0x0c04,
	VMX_HOST_DS = 0x0c06,
	VMX_HOST_FS = 0x0c08,
	VMX_HOST_GS = 0x0c0a,
	VMX_HOST_TR = 0x0c0c,

	VMX_ENTRY_MSR_LOAD = 0x200a,
	VMX_TSC_OFFSET = 0x2010,
	VMX_EPTP = 0x201a,
	VMX_GUEST_PHYSICAL = 0x2400,
	VMX_LINK = 0x2800,
	VMX_GUEST_DEBUGCTL = 0x2802,
	VMX_GUEST_EFER = 0x2806,
	VMX_HOST_EFER = 0x2c02,

	VMX_PIN = 0x4000,
	VMX_PROC = 0x4002,
	VMX_EXCEPTIONS = 0x4004,
	VMX_PFEC_MASK = 0x4006,
	VMX_PFEC_MATCH = 0x4008,
	VMX_CR3_TARGETS = 0x400a,
	VMX_EXIT = 0x400c,
	VMX_EXIT_MSR_STORES = 0x400e,
	VMX_EXIT_MSR_LOADS = 0x4010,
	VMX_ENTRY = 0x4012,
	VMX_ENTRY_MSR_LOADS = 0x4014,
	VMX_ENTRY_EVENT = 0x4016,
	VMX_ENTRY_ERROR = 0x4018,
	VMX_ENTRY_LENGTH = 0x401a,
	VMX_PROC2 = 0x401e,
	VMX_INSTRUCTION_ERROR = 0x4400,
	VMX_REASON = 0x4402,
	VMX_EVENT = 0x4404,
	VMX_EVENT_ERROR = 0x4406,
	VMX_VECTORING = 0x4408,
	VMX_VECTORING_ERROR = 0x440a,
	VMX_LENGTH = 0x440c,
	VMX_INSTRUCTION_INFO = 0x440e,
	VMX_GUEST_ES_LIMIT = 0x4800,
	VMX_GUEST_CS_LIMIT = 0x4802,
	VMX_GUEST_SS_LIMIT = 0x4804,
	VMX_GUEST_DS_LIMIT = 0x4806,
	VMX_GUEST_FS_LIMIT = 0x4808,
	VMX_GUEST_GS_LIMIT = 0x480a,
	VMX_GUEST_LDTR_LIMIT = 0x480c,
	VMX_GUEST_TR_LIMIT = 0x480e,
	VMX_GUEST_GDTR_LIMIT = 0x4810,
	VMX_GUEST_IDTR_LIMIT = 0x4812,
	VMX_GUEST_ES_AR = 0x4814,
	VMX_GUEST_CS_AR = 0x4816,
	VMX_GUEST_SS_AR = 0x4818,
	VMX_GUEST_DS_AR = 0x481a,
	VMX_GUEST_FS_AR = 0x481c,
	VMX_GUEST_GS_AR = 0x481e,
	VMX_GUEST_LDTR_AR = 0x4820,
	VMX_GUEST_TR_AR = 0x4822,
	VMX_GUEST_BLOCKING = 0x4824,	/* interruptibility state */
	VMX_GUEST_ACTIVITY = 0x4826,
	VMX_GUEST_SYSENTER_CS = 0x482a,
	VMX_GUEST_TIMER = 0x482e,
	VMX_HOST_SYSENTER_CS = 0x4c00,

	VMX_CR0_MASK = 0x6000,
	VMX_CR4_MASK = 0x6002,
	VMX_CR0_SHADOW = 0x6004,
	VMX_CR4_SHADOW = 0x6006,
	VMX_QUALIFICATION = 0x6400,
	VMX_GUEST_LINEAR = 0x640a,
	VMX_GUEST_CR0 = 0x6800,
	VMX_GUEST_CR3 = 0x6802,
	VMX_GUEST_CR4 = 0x6804,
	VMX_GUEST_ES_BASE = 0x6806,
	VMX_GUEST_CS_BASE = 0x6808,
	VMX_GUEST_SS_BASE = 0x680a,
	VMX_GUEST_DS_BASE = 0x680c,
	VMX_GUEST_FS_BASE = 0x680e,
	VMX_GUEST_GS_BASE = 0x6810,
	VMX_GUEST_LDTR_BASE = 0x6812,
	VMX_GUEST_TR_BASE = 0x6814,
	VMX_GUEST_GDTR_BASE = 0x6816,
	VMX_GUEST_IDTR_BASE = 0x6818,
	VMX_GUEST_DR7 = 0x681a,
	VMX_GUEST_RSP = 0x681c,
	VMX_GUEST_RIP = 0x681e,
	VMX_GUEST_RFLAGS = 0x6820,
	VMX_GUEST_PENDING = 0x6822,	/* debug exceptions */
	VMX_GUEST_SYSENTER_ESP = 0x6824,
	VMX_GUEST_SYSENTER_EIP = 0x6826,
	VMX_HOST_CR0 = 0x6c00,
	VMX_HOST_CR3 = 0x6c02,
	VMX_HOST_CR4 = 0x6c04,
	VMX_HOST_FS_BASE = 0x6c06,
	VMX_HOST_GS_BASE = 0x6c08,
	VMX_HOST_TR_BASE = 0x6c0a,
	VMX_HOST_GDTR_BASE = 0x6c0c,
	VMX_HOST_IDTR_BASE = 0x6c0e,
	VMX_HOST_SYSENTER_ESP = 0x6c10,
	VMX_HOST_SYSENTER_EIP = 0x6c12,
	VMX_HOST_RSP = 0x6c14,
	VMX_HOST_RIP = 0x6c16
};

#define VMX_FIELD_BYTES(field) \
	(((field) >> 13 & 3) == 0 ? 2u : ((field) >> 13 & 3) == 2 ? 4u : 8u)
static inline uint32_t vmx_field_bytes(uint32_t field)
{
	return VMX_FIELD_BYTES(field);
}

/* 24.9.1, and appendix C. */
#define VMX_REASON_BASIC	0xffffu
#define VMX_REASON_REFUSED	(1u << 31)
enum vmx_reason {
	VMX_REASON_EXCEPTION = 0,	/* or NMI */
	VMX_REASON_INTERRUPT = 1,
	VMX_REASON_TRIPLE_FAULT = 2,
	VMX_REASON_CPUID = 10,
	VMX_REASON_VMCALL = 18,
	VMX_REASON_GUEST_STATE = 33,
	VMX_REASON_MSR_LOAD = 34,
	VMX_REASON_EPT_VIOLATION = 48,
	VMX_REASON_EPT_MISCONFIG = 49,
	VMX_REASON_TIMER = 52,
	VMX_REASON_LAST = 81
};

/* Interruption information, 24.8.3, 24.9.2, 24.9.3. */
#define VMX_EVENT_VECTOR(info)	((info) & 0xff)
#define VMX_EVENT_TYPE(info)	((info) >> 8 & 7)
#define VMX_EVENT_HAS_ERROR	(1u << 11)
#define VMX_EVENT_VALID		(1u << 31)
enum vmx_event_type {
	VMX_EVENT_INTERRUPT = 0,
	VMX_EVENT_NMI = 2,
	VMX_EVENT_HARDWARE = 3,		/* exception */
	VMX_EVENT_INT_N = 4,
	VMX_EVENT_INT1 = 5,
	VMX_EVENT_SOFTWARE = 6		/* INT3, INTO */
};

/* Qualification of an EPT violation, table 27-7. */
#define VMX_EPT_VIOLATION_WRITE	(1ull << 1)
#define VMX_EPT_VIOLATION_FETCH	(1ull << 2)
#define VMX_EPT_VIOLATION_LEAF	(7ull << 3)	/* what is allowed there */

/* 30.3 */
#define VMX_INVEPT_ONE		1u
#define VMX_INVEPT_ALL		2u
#define VMX_INVVPID_ALL		2u

#define VMX_VPIDS		0x10000u

#endif
