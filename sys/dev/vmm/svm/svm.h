/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svm.h - what AMD and Hygon processors define: the virtual machine control
 * block, exit codes, intercepts.  References are to the AMD64 Architecture
 * Programmer's Manual, volume 2 (24593): chapter 15, appendices B and C.
 */
#ifndef VMM_SVM_H
#define VMM_SVM_H

#include "../vmm_ioctl.h"	/* for types */

#define SVM_CPUID_FEATURES	0x80000001u
#define SVM_CPUID_FEATURES_SVM	(1u << 2)	/* ECX */
#define SVM_CPUID_FEATURES_1G	(1u << 26)	/* EDX: pages of 1 GiB */
#define SVM_CPUID_SIZES		0x80000008u	/* EAX: address widths */
#define SVM_CPUID		0x8000000au	/* EBX: ASIDs; EDX: */
#define SVM_CPUID_NP		(1u << 0)
#define SVM_CPUID_NRIPS		(1u << 3)
#define SVM_CPUID_CLEAN		(1u << 5)
#define SVM_CPUID_FLUSH_ASID	(1u << 6)
#define SVM_CPUID_DECODE	(1u << 7)

#define SVM_MSR_DEBUGCTL	0x1d9u		/* 13.1.1.4 */
#define SVM_MSR_EFER		0xc0000080u
#define SVM_MSR_VM_CR		0xc0010114u	/* 15.30.1 */
#define SVM_VM_CR_LOCK		(1ull << 3)
#define SVM_VM_CR_SVMDIS	(1ull << 4)
#define SVM_MSR_HSAVE_PA	0xc0010117u	/* 15.30.4 */

/* Segment attributes: bits 55-52 and 47-40 of a descriptor, 15.5.1. */
#define SVM_ATTR_CODE64_USER	0x0afbu	/* G L P DPL 3 code RA */
#define SVM_ATTR_DATA_USER	0x0cf3u	/* G B P DPL 3 data WA */
#define SVM_ATTR_TSS_BUSY	0x008bu	/* P, 64-bit TSS */

struct svm_seg {
	uint16_t selector;
	uint16_t attr;
	uint32_t limit;
	uint64_t base;
};

/* Appendix B: control area (table B-1), state save area (table B-2). */
struct svm_vmcb {
	uint32_t intercept_cr;		/* reads, and writes in the high half */
	uint32_t intercept_dr;
	uint32_t intercept_exceptions;
	uint32_t intercept[3];		/* SVM_INTERCEPT_* */
	uint8_t reserved_018[0x3c - 0x18];
	uint16_t pause_threshold;
	uint16_t pause_count;
	uint64_t iopm_pa;
	uint64_t msrpm_pa;
	uint64_t tsc_offset;
	uint32_t asid;
	uint8_t tlb_control;		/* SVM_TLB_* */
	uint8_t reserved_05d[3];
	uint64_t v_intr;		/* SVM_V_* */
	uint64_t interrupt_shadow;
	uint64_t exit_code;
	uint64_t exit_info[2];
	uint64_t exit_int_info;
	uint64_t nested_control;
	uint64_t avic_bar;
	uint64_t ghcb_pa;
	uint64_t event_injection;
	uint64_t nested_cr3;
	uint64_t virt_ext;
	uint32_t clean;			/* SVM_CLEAN_* */
	uint32_t reserved_0c4;
	uint64_t nrip;
	uint8_t insn_length;
	uint8_t insn[15];
	uint8_t reserved_0e0[0x400 - 0xe0];

	struct svm_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t reserved_4a0[0x4cb - 0x4a0];
	uint8_t cpl;
	uint32_t reserved_4cc;
	uint64_t efer;
	uint8_t reserved_4d8[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t reserved_580[0x5d8 - 0x580];
	uint64_t rsp;
	uint64_t s_cet, ssp, isst;
	uint64_t rax;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t cr2;
	uint8_t reserved_648[0x668 - 0x648];
	uint64_t g_pat;
	uint64_t dbgctl, br_from, br_to, last_excp_from, last_excp_to;
	uint8_t reserved_698[0x1000 - 0x698];
};

#define SVM_AT(field, at)	\
	_Static_assert(offsetof(struct svm_vmcb, field) == (at), #field)
SVM_AT(intercept_cr, 0x000);
SVM_AT(intercept_dr, 0x004);
SVM_AT(intercept_exceptions, 0x008);
SVM_AT(intercept, 0x00c);
SVM_AT(pause_threshold, 0x03c);
SVM_AT(pause_count, 0x03e);
SVM_AT(iopm_pa, 0x040);
SVM_AT(msrpm_pa, 0x048);
SVM_AT(tsc_offset, 0x050);
SVM_AT(asid, 0x058);
SVM_AT(tlb_control, 0x05c);
SVM_AT(v_intr, 0x060);
SVM_AT(interrupt_shadow, 0x068);
SVM_AT(exit_code, 0x070);
SVM_AT(exit_info, 0x078);
SVM_AT(exit_int_info, 0x088);
SVM_AT(nested_control, 0x090);
SVM_AT(avic_bar, 0x098);
SVM_AT(ghcb_pa, 0x0a0);
SVM_AT(event_injection, 0x0a8);
SVM_AT(nested_cr3, 0x0b0);
SVM_AT(virt_ext, 0x0b8);
SVM_AT(clean, 0x0c0);
SVM_AT(nrip, 0x0c8);
SVM_AT(insn_length, 0x0d0);
SVM_AT(insn, 0x0d1);
SVM_AT(es, 0x400);
SVM_AT(cs, 0x410);
SVM_AT(ss, 0x420);
SVM_AT(ds, 0x430);
SVM_AT(fs, 0x440);
SVM_AT(gs, 0x450);
SVM_AT(gdtr, 0x460);
SVM_AT(ldtr, 0x470);
SVM_AT(idtr, 0x480);
SVM_AT(tr, 0x490);
SVM_AT(cpl, 0x4cb);
SVM_AT(efer, 0x4d0);
SVM_AT(cr4, 0x548);
SVM_AT(cr3, 0x550);
SVM_AT(cr0, 0x558);
SVM_AT(dr7, 0x560);
SVM_AT(dr6, 0x568);
SVM_AT(rflags, 0x570);
SVM_AT(rip, 0x578);
SVM_AT(rsp, 0x5d8);
SVM_AT(s_cet, 0x5e0);
SVM_AT(ssp, 0x5e8);
SVM_AT(isst, 0x5f0);
SVM_AT(rax, 0x5f8);
SVM_AT(star, 0x600);
SVM_AT(lstar, 0x608);
SVM_AT(cstar, 0x610);
SVM_AT(sfmask, 0x618);
SVM_AT(kernel_gs_base, 0x620);
SVM_AT(sysenter_cs, 0x628);
SVM_AT(sysenter_esp, 0x630);
SVM_AT(sysenter_eip, 0x638);
SVM_AT(cr2, 0x640);
SVM_AT(g_pat, 0x668);
SVM_AT(dbgctl, 0x670);
SVM_AT(br_from, 0x678);
SVM_AT(br_to, 0x680);
SVM_AT(last_excp_from, 0x688);
SVM_AT(last_excp_to, 0x690);
_Static_assert(sizeof(struct svm_seg) == 16, "svm_seg");
_Static_assert(sizeof(struct svm_vmcb) == 4096, "svm_vmcb");

/* TLB_CONTROL, 15.16.2. */
#define SVM_TLB_NOTHING		0u
#define SVM_TLB_FLUSH_ALL	1u
#define SVM_TLB_FLUSH_ASID	3u	/* SVM_CPUID_FLUSH_ASID */

#define SVM_V_INTR_MASKING	(1ull << 24)	/* 15.21.1 */
#define SVM_NESTED_PAGING	(1ull << 0)	/* 15.25.3 */

/* What has not changed in memory since the last entry, 15.15.3.  Bits that are
 * not defined yet stay 0: reload. */
#define SVM_CLEAN_INTERCEPTS	(1u << 0)
#define SVM_CLEAN_IOPM		(1u << 1)
#define SVM_CLEAN_ASID		(1u << 2)
#define SVM_CLEAN_V_INTR	(1u << 3)
#define SVM_CLEAN_NP		(1u << 4)	/* nested CR3, G_PAT */
#define SVM_CLEAN_CRX		(1u << 5)	/* CR0, CR3, CR4, EFER */
#define SVM_CLEAN_DRX		(1u << 6)
#define SVM_CLEAN_DT		(1u << 7)	/* GDTR, IDTR */
#define SVM_CLEAN_SEG		(1u << 8)	/* CS DS SS ES, CPL */
#define SVM_CLEAN_CR2		(1u << 9)
#define SVM_CLEAN_ALL		0x3ffu

/* Intercepts are numbered as their exit codes are, from SVM_EXIT_INTR up. */
#define SVM_INTERCEPT_WORD(exit)	(((exit) - SVM_EXIT_INTR) / 32u)
#define SVM_INTERCEPT_BIT(exit)		(1u << (((exit) - SVM_EXIT_INTR) % 32u))

/* Appendix C, table C-1. */
enum svm_exit {
	SVM_EXIT_CR_READ = 0x000,	/* to 0x00f */
	SVM_EXIT_CR_WRITE = 0x010,
	SVM_EXIT_DR_READ = 0x020,
	SVM_EXIT_DR_WRITE = 0x030,
	SVM_EXIT_EXCEPTION = 0x040,	/* to 0x05f */
	SVM_EXIT_INTR = 0x060,
	SVM_EXIT_NMI = 0x061,
	SVM_EXIT_SMI = 0x062,
	SVM_EXIT_INIT = 0x063,
	SVM_EXIT_VINTR = 0x064,
	SVM_EXIT_CR0_SEL_WRITE = 0x065,
	SVM_EXIT_IDTR_READ = 0x066,
	SVM_EXIT_GDTR_READ = 0x067,
	SVM_EXIT_LDTR_READ = 0x068,
	SVM_EXIT_TR_READ = 0x069,
	SVM_EXIT_IDTR_WRITE = 0x06a,
	SVM_EXIT_GDTR_WRITE = 0x06b,
	SVM_EXIT_LDTR_WRITE = 0x06c,
	SVM_EXIT_TR_WRITE = 0x06d,
	SVM_EXIT_RDTSC = 0x06e,
	SVM_EXIT_RDPMC = 0x06f,
	SVM_EXIT_PUSHF = 0x070,
	SVM_EXIT_POPF = 0x071,
	SVM_EXIT_CPUID = 0x072,
	SVM_EXIT_RSM = 0x073,
	SVM_EXIT_IRET = 0x074,
	SVM_EXIT_SWINT = 0x075,
	SVM_EXIT_INVD = 0x076,
	SVM_EXIT_PAUSE = 0x077,
	SVM_EXIT_HLT = 0x078,
	SVM_EXIT_INVLPG = 0x079,
	SVM_EXIT_INVLPGA = 0x07a,
	SVM_EXIT_IOIO = 0x07b,
	SVM_EXIT_MSR = 0x07c,
	SVM_EXIT_TASK_SWITCH = 0x07d,
	SVM_EXIT_FERR_FREEZE = 0x07e,
	SVM_EXIT_SHUTDOWN = 0x07f,
	SVM_EXIT_VMRUN = 0x080,
	SVM_EXIT_VMMCALL = 0x081,
	SVM_EXIT_VMLOAD = 0x082,
	SVM_EXIT_VMSAVE = 0x083,
	SVM_EXIT_STGI = 0x084,
	SVM_EXIT_CLGI = 0x085,
	SVM_EXIT_SKINIT = 0x086,
	SVM_EXIT_RDTSCP = 0x087,
	SVM_EXIT_ICEBP = 0x088,
	SVM_EXIT_WBINVD = 0x089,
	SVM_EXIT_MONITOR = 0x08a,
	SVM_EXIT_MWAIT = 0x08b,
	SVM_EXIT_MWAIT_ARMED = 0x08c,
	SVM_EXIT_XSETBV = 0x08d,
	SVM_EXIT_RDPRU = 0x08e,
	SVM_EXIT_EFER_WRITE_TRAP = 0x08f,
	SVM_EXIT_CR_WRITE_TRAP = 0x090,	/* to 0x09f */
	SVM_EXIT_INVLPGB = 0x0a0,
	SVM_EXIT_INVLPGB_ILLEGAL = 0x0a1,
	SVM_EXIT_INVPCID = 0x0a2,
	SVM_EXIT_MCOMMIT = 0x0a3,
	SVM_EXIT_TLBSYNC = 0x0a4,
	SVM_EXIT_BUSLOCK = 0x0a5,
	SVM_EXIT_IDLE_HLT = 0x0a6,
	SVM_EXIT_NPF = 0x400,
};
#define SVM_EXIT_INVALID	(~0ull)		/* VMRUN refused, 15.5.1 */
#define SVM_EXIT_BUSY		(~0ull - 1)

/* EXITINFO1 of a nested page fault, 15.25.6. */
#define SVM_NPF_PRESENT		(1ull << 0)
#define SVM_NPF_WRITE		(1ull << 1)
#define SVM_NPF_USER		(1ull << 2)
#define SVM_NPF_RESERVED	(1ull << 3)
#define SVM_NPF_FETCH		(1ull << 4)
#define SVM_NPF_FINAL		(1ull << 32)
#define SVM_NPF_WALK		(1ull << 33)

/* DR6 with nothing to tell, 13.1.1.3: B0-B3 BD BS BT 0, BLD (inverted) 1. */
#define SVM_DR6_NOTHING		0xffff0ff0ull

/* Permission maps, 15.10.1 and 15.11: a 1 is an intercept. */
#define SVM_IOPM_PAGES		3u
#define SVM_MSRPM_PAGES		2u

#endif
