/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * script.h - what the guest does is a script: it touches memory, leaves, and
 * meanwhile things happen on other processors.  Two vendors play it: one
 * without hardware (vendor.c), and the device's own svm/ on a fake VMRUN
 * (vmrun.c).  Whatever the core gets wrong in the vendor's contract is found at
 * each entry.
 */
#ifndef FAKE_SCRIPT_H
#define FAKE_SCRIPT_H

#include "guest.h"
#include "vmm.h"

enum fake_step_kind {
	FAKE_CAUSE,	/* vendor.c: the guest is left, because of cause */
	FAKE_EXIT,	/* vmrun.c: with this code */
	FAKE_TOUCH,	/* it accesses gpa; again after a nested fault */
	FAKE_TOUCH_VA,	/* by its own page table, an address of its */
	FAKE_CALL,	/* this happens meanwhile, on another processor */
	FAKE_CHANGE	/* the guest changes its own state */
};

struct fake_step {
	enum fake_step_kind kind;
	struct vmm_cause cause;
	uint64_t code, info[2], dr6;
	uint32_t length;		/* of the instruction: for NRIP */
	uint64_t gpa;
	uint32_t access;
	uint8_t *buf;
	uint32_t size;
	void (*call)(void *cookie);
	void (*change)(struct vmm_regs *regs, struct vmm_state *s);
	void *cookie;
};
#define FAKE_STEPS	64u

struct fake_script {
	struct fake_step step[FAKE_STEPS];
	uint32_t n, at;
};
extern struct fake_script fake_script;

void fake_script_reset(void);
/* Add to it. */
struct fake_step *fake_step(enum fake_step_kind kind);
void fake_cause(enum vmm_cause_kind kind);
void fake_exception(uint32_t vector, uint32_t error_code, uint64_t address);
void fake_exit_code(uint64_t code, uint64_t info1, uint64_t info2,
    uint32_t length);
void fake_touch(uint64_t gpa, uint32_t access, void *buf, uint32_t size);
void fake_touch_va(uint64_t va, uint32_t access, void *buf, uint32_t size);
void fake_call(void (*call)(void *cookie), void *cookie);
void fake_change(void (*change)(struct vmm_regs *regs, struct vmm_state *s));
/* Have all steps been done? */
bool fake_script_done(void);
/* NULL: an interrupt leaves the guest - one that is pending, or, when nothing
 * is left to do, one with a signal.  Calls have been made. */
struct fake_step *fake_script_next(uint32_t cpu, uint64_t tag);
/* The access of a touch. */
enum guest_outcome fake_script_touch(struct fake_step *s, uint32_t cpu,
    uint64_t ncr3, uint64_t cr3, uint64_t tag, struct guest_fault *f);

/* What must hold of any state that reaches a vendor. */
void fake_check_state(const struct vmm_state *s, uint64_t cr3,
    const uint64_t dr[4], uint64_t dr7);

/* ---- the vendor without hardware ---- */

/* An entry, as it was seen. */
struct fake_entry {
	struct vmm_vcpu *v;
	uint32_t cpu;
	uint32_t pending;
	struct vmm_state state;
	uint64_t cr3, dr[4], dr7;
	struct vmm_regs regs;
};
#define FAKE_ENTRIES	64u

struct fake_vendor {
	struct fake_entry entry[FAKE_ENTRIES];	/* the first ones */
	uint64_t entries;
	bool on[FAKE_CPUS];
	uint32_t ons, offs, checks;
	uint32_t refuse_on;		/* processor number + 1 */
	int probe_error;
	const char *why;
	uint64_t caps;
	const struct x86_npt_format *format;
	uint32_t cpu_inits, cpu_finis, vcpu_inits, vcpu_finis;
	/* Of the one that leaves: processor number + 1, by index. */
	uint32_t where[8], leaves;
	struct vmm_vcpu *begun;
	/* Called at each entry, before the first step. */
	void (*on_run)(struct vmm_vcpu *v);
};
extern struct fake_vendor fake_vendor;
extern const struct vmm_vendor fake_vendor_table, fake_vendor_that_leaves;
void fake_vendor_reset(void);

/* ---- VMRUN ---- */

struct svm_vmcb;
struct fake_vmrun {
	uint64_t entries;
	uint64_t invalid;		/* refused */
	uint64_t flush_all, flush_asid;
	struct svm_vmcb *vmcb;		/* of the last one */
	uint32_t last_clean, last_tlb_control, last_asid;
	uint32_t max_asid;		/* of any so far */
	uint64_t last_shadow;		/* of interrupts */
};
extern struct fake_vmrun fake_vmrun;
void fake_vmrun_reset(void);

#endif
