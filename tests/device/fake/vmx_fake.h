/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx_fake.h - what the parts of the fake VMX share: each processor with the
 * control structure that is current there (vmx_insn.c), the host's tables
 * (vmx_host.c), entries (vmenter.c).  What the tests may see is in vmx_cpu.h.
 */
#ifndef VMX_FAKE_H
#define VMX_FAKE_H

#include "script.h"
#include "cpu.h"
#include "vmx_cpu.h"
#include "vmx_impl.h"
#include "x86.h"

#define FIELDS		0x7000u

struct structure {
	uint64_t pa;		/* 0: this place is free */
	bool cleared, launched;
	uint32_t active;	/* on that processor */
	uint64_t field[FIELDS / 2];
};

extern struct fake_vmx_processor {
	bool on;
	struct structure *current;
	struct cpu_table gdtr, idtr;
} vmx[FAKE_CPUS];

static inline uint32_t here(void)
{
	return fake.cur->cpu;
}

/* A bug where VMX is off. */
void needs_vmx(const char *what);
/* What a processor remembers goes by the root of the nested tables, and for
 * translations of guests by the VPID, too: 28.3.1. */
uint64_t root_tag(uint64_t eptp);
/* 27.5: what an exit leaves of the host. */
void leave_host(void);

#endif
