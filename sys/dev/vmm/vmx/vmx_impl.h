/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx_impl.h - what the files of vmx/ share.  All but vmx.c, processor.c and
 * enter.S are pure; decode.c reads the current control structure.
 */
#ifndef VMM_VMX_IMPL_H
#define VMM_VMX_IMPL_H

#include "vmx.h"
#include "../core/vendor.h"
#include "../x86/x86.h"
#include "../vmm_ioctl.h"
#include "vmx_cpu.h"

/* The processor's words about itself. */
struct vmx_words {
	bool amd;			/* another vendor's file knows it */
	uint32_t cpuid1_eax, cpuid1_ecx;
	uint32_t sizes_eax;		/* CPUID 8000_0008 */
	uint64_t feature_control;	/* 0: none */
	uint64_t cr4;			/* as the host has it */
	/* A.1 to A.10; the true variants where there are any. */
	uint64_t basic, pin, proc, proc2, exit, entry, misc;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint64_t ept_vpid;
};

struct vmx_controls {
	uint32_t pin, proc, proc2, exit, entry;
};

/* controls.c.  0, the controls and caps, or EOPNOTSUPP and why (NULL: that is
 * for another vendor to say). */
int vmx_usable(const struct vmx_words *w, struct vmx_controls *c,
    uint64_t *caps, const char **why);
uint32_t vmx_gpa_bits(const struct vmx_words *w);
/* Has it a timer that counts as it says? */
bool vmx_has_timer(const struct vmx_words *w);

struct vmx_value {
	uint32_t field;
	uint64_t value;
};

/* vmcs.c: what a guest user's control structure has for ever. */
struct vmx_guest {
	struct vmx_controls controls;
	uint64_t cr0_fixed0, cr4_fixed0;
	uint64_t host_cr4;
	uint64_t eptp;
};
#define VMX_GUEST_VALUES 80u
uint32_t vmx_guest_values(const struct vmx_guest *g,
    struct vmx_value out[VMX_GUEST_VALUES]);

/* And what of the host does not change while it is on a processor. */
struct vmx_host {
	uint64_t cr0, efer;
	uint64_t gs_base, tr_base;
	struct cpu_table gdtr, idtr;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t rip;		/* where exits arrive */
	uint16_t cs, ss, tr;
};
#define VMX_HOST_VALUES 24u
uint32_t vmx_host_values(const struct vmx_host *h,
    struct vmx_value out[VMX_HOST_VALUES]);
/* The base of a system segment, from its descriptor of 16 bytes. */
uint64_t vmx_descriptor_base(const uint8_t *descriptor);

/* A row for each counter of raw exit reasons. */
struct vmx_reason_row {
	const char *name;
	uint8_t kind; /* enum vmm_cause_kind */
};
#define VMX_RAW_COUNT (VMX_REASON_LAST + 3u)
extern const struct vmx_reason_row vmx_reason_rows[VMX_RAW_COUNT];
uint32_t vmx_raw_index(uint32_t reason);

/* decode.c: the rest of vmx_decode(). */
void vmx_decode_reason(struct vmm_cause *cause, uint32_t reason);
void vmx_decode_event(struct vmm_cause *cause, uint32_t event);

/* Exceptions that have more to tell than a vector and an error code. */
#define VMX_HAVE_MORE	(1u << VMM_X86_DB | 1u << VMM_X86_GP | \
	1u << VMM_X86_PF | 1u << VMM_X86_MC)

/* The current control structure says why its guest was left; no more of it is
 * read than the reason asks for. */
static inline void vmx_decode(struct vmm_cause *cause)
{
	const uint32_t reason = (uint32_t)cpu_vmread(VMX_REASON);
	uint32_t event;

	if (reason != VMX_REASON_EXCEPTION) {
		vmx_decode_reason(cause, reason);
		return;
	}
	event = (uint32_t)cpu_vmread(VMX_EVENT);
	cause->kind = VMM_CAUSE_EXCEPTION;
	cause->raw = VMX_REASON_EXCEPTION;
	cause->raw_index = VMX_REASON_EXCEPTION;
	cause->info[0] = 0;
	cause->info[1] = event;
	cause->vector = VMX_EVENT_VECTOR(event);
	cause->length = 0;
	if ((event & VMX_EVENT_HAS_ERROR) != 0)
		cause->error_code = (uint32_t)cpu_vmread(VMX_EVENT_ERROR);
	if (VMX_EVENT_TYPE(event) != VMX_EVENT_HARDWARE ||
	    (VMX_HAVE_MORE >> (event & 31) & 1) != 0)
		vmx_decode_event(cause, event);
}

/* It was not entered, for a reason that has no exit: 30.4. */
void vmx_decode_failure(struct vmm_cause *cause, bool has_error);

/* raw.c: 0, EPERM, EINVAL.  all: what may be read may be written. */
int vmx_raw_check(uint32_t field, uint32_t width, bool write, bool all);

/*
 * enter.S: with interrupts off.  Runs the guest of the current control
 * structure until it exits.  General registers but RSP come from regs and go
 * there: any memory, whose contents may change meanwhile.  *host_rsp is what
 * the structure's HOST_RSP is, or 0.  0; or it was refused: 1 without, 2 with
 * VMX_INSTRUCTION_ERROR.
 */
uint32_t vmx_enter(struct vmm_regs *regs, bool launched, uint64_t *host_rsp);
/* HOST_RIP. */
uint64_t vmx_exit_address(void);

/* ---- processor.c: of the vendor table, and what vmx.c needs of it ---- */

/* What the processors are: [I] since probe. */
struct vmx_facts {
	struct vmx_words words;
	struct vmx_controls controls;
	bool has_debugctl;
	bool usual;	/* so is CR4.FSGSBASE */
	bool has_pebs;
	uint64_t pebs_counters;	/* what of PEBS_ENABLE is a counter */
};
extern struct vmx_facts vmx_facts;

int vmx_probe(struct vmm_hw *hw, const char **why);
int vmx_cpu_init(struct vmm_cpu *c);
void vmx_cpu_fini(struct vmm_cpu *c);
int vmx_cpu_check(struct vmm_cpu *c, const char **why);
int vmx_cpu_on(struct vmm_cpu *c, const char **why);
void vmx_cpu_off(struct vmm_cpu *c);
/* On c; its current control structure is whole in memory then. */
void vmx_clear_current(struct vmm_cpu *c);

#endif
