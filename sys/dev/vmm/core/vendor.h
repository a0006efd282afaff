/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vendor.h - what svm/ and vmx/ do for the core: turn a vCPU's state into the
 * hardware's control structure and an exit into a cause.  Vendors decode; what
 * to do about a cause is written once, in the core.
 */
#ifndef VMM_VENDOR_H
#define VMM_VENDOR_H

#include "os.h"

struct vmm_cpu;
struct vmm_hw;
struct vmm_vcpu;

/* Why the processor left the guest, whoever made it. */
enum vmm_cause_kind {
	VMM_CAUSE_INTERRUPT,	/* for the host; it is taken when they are on */
	VMM_CAUSE_NMI,		/* has been taken by now */
	VMM_CAUSE_MACHINE_CHECK,
	VMM_CAUSE_EXCEPTION,	/* vector, error_code, address (#PF), dr6 (#DB).
				 * RIP at the instruction, #BP's INT3 too;
				 * after it for a #DB that is a trap */
	VMM_CAUSE_SOFTINT,	/* INT n: vector, or VMM_VECTOR_UNTOLD, and then
				 * it may be an INT3.  RIP at the instruction,
				 * here and below */
	VMM_CAUSE_ICEBP,	/* opcode F1: to become a #DB with no cause in
				 * dr6, RIP after it */
	VMM_CAUSE_CPUID,
	VMM_CAUSE_UNDEFINED,	/* an instruction that a guest user has not */
	VMM_CAUSE_PRIVILEGED,	/* one that is #GP(0) in ring 3 */
	VMM_CAUSE_NESTED,	/* gpa, access, present */
	VMM_CAUSE_SHUTDOWN,
	VMM_CAUSE_INVALID,	/* the entry was refused */
	VMM_CAUSE_UNKNOWN,
	VMM_CAUSES
};

#define VMM_VECTOR_UNTOLD	0xffffffffu

/* Fields that the kind has no use for are not set. */
struct vmm_cause {
	uint32_t kind;		/* enum vmm_cause_kind */
	uint32_t vector;
	uint32_t error_code;	/* where x86_has_error_code() */
	uint32_t length;	/* of the instruction, where RIP is at it and
				 * one follows: #BP, SOFTINT, ICEBP, CPUID;
				 * 0: not told */
	uint32_t access;	/* NESTED: VMM_PROT_* */
	bool present;		/* NESTED: a leaf was there */
	uint64_t address;
	uint64_t gpa;
	uint64_t dr6;		/* positive logic, see vmm_exit */
	uint64_t raw, info[2];
	uint32_t raw_index;	/* of the counter of raw; below raw_count */
};

struct vmm_vendor {
	const char *name;

	/* From the processor this runs on: can it be used at all?  Fills
	 * hw->caps, facts, gpa_bits, npt.  0, or EOPNOTSUPP and *why. */
	int (*probe)(struct vmm_hw *hw, const char **why);

	/* On that processor, interrupts off.  EBUSY and *why when somebody
	 * else has it. */
	int (*cpu_on)(struct vmm_cpu *c, const char **why);
	/* Would cpu_on succeed?  Changes nothing.  May be NULL. */
	int (*cpu_check)(struct vmm_cpu *c, const char **why);
	void (*cpu_off)(struct vmm_cpu *c);
	/* Memory of a processor; may sleep; h is held, or nobody else is
	 * there yet. */
	int (*cpu_init)(struct vmm_cpu *c);
	void (*cpu_fini)(struct vmm_cpu *c);

	int (*vcpu_init)(struct vmm_vcpu *v);
	void (*vcpu_fini)(struct vmm_vcpu *v);
	/* It goes from v->last_cpu to another processor.  Interrupts on.  May
	 * be NULL. */
	void (*vcpu_leave)(struct vmm_vcpu *v);

	/*
	 * Around one or more runs, interrupts off all the time: what of the
	 * host they need not restore each time.  May be NULL.
	 */
	void (*begin)(struct vmm_vcpu *v, struct vmm_cpu *c);
	void (*end)(struct vmm_vcpu *v, struct vmm_cpu *c);

	/*
	 * Once into the guest and out again.  Interrupts off, the vCPU's
	 * extended state and DR0-3 are loaded.  Takes v->state and what
	 * v->pending names (and clears it); general registers go from and to
	 * v->page->regs; v->state is stored.  Fills *cause.  Host segment
	 * bases and MSRs are as before, all else of the host after end();
	 * DR7 is 0x400.
	 */
	void (*run)(struct vmm_vcpu *v, struct vmm_cpu *c,
	    struct vmm_cause *cause);

	/* The allow-list of VMM_RAW; v is not running.  0, EPERM, EINVAL.
	 * all: what may be read may be written. */
	int (*raw_read)(struct vmm_vcpu *v, uint32_t field, uint32_t width,
	    uint64_t *value);
	int (*raw_write)(struct vmm_vcpu *v, uint32_t field, uint32_t width,
	    uint64_t value, bool all);

	/* Counters of raw exit codes: their number, and the name of each. */
	uint32_t raw_count;
	const char *(*raw_name)(uint32_t index);
};

/* For probe(): the nth fact of the hardware; the name is shorter than its
 * place. */
void vmm_hw_fact(struct vmm_hw *hw, unsigned n, const char *name,
    uint64_t value);

extern const struct vmm_vendor vmm_svm;
extern const struct vmm_vendor vmm_vmx;

#endif
