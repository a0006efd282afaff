/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target.h - the parts of the fuzz target share what there is at the moment and
 * the bytes that are left.  An operation takes what it needs from these.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include "bytes.h"
#include "cpu.h"
#include "script.h"
#include "stats.h"
#include "svm_impl.h"
#include "vmm.h"
#include "vmx_cpu.h"

#define MACHINES	2u
#define VCPUS		4u
#define PAGE		4096ull
#define MIB2		(1ull << 21)
#define MEMORY		FAKE_USER
#define MEMORY_SIZE	(2 * MIB2)
#define ROOT		0x10000ull
#define CODE_GPA	0x20000ull
#define CODE		0x400000ull
#define DATA		0x500000ull
#define TOP_CODE	0x7ffffffff000ull
#define BUFFER		(FAKE_USER + 6 * MIB2)
#define DEPTH		3u		/* of operations within operations */

extern struct bytes in;
extern struct vmm_machine *machines[MACHINES];
extern struct vmm_vcpu *vcpus[VCPUS];
extern struct vmm_stats_file *stats;
extern uint32_t depth, huge_pages, runs;
extern bool svm, ended;

/* The operation that the next bytes are, if there are any. */
void operate(void);

/* ---- arguments (any.c) ---- */

bool nothing_held(void);
bool thread_on(uint32_t cpu);
uint64_t any_uaddr(void);
uint64_t any_gpa(void);
uint64_t any_size(void);
uint32_t any_prot(void);
uint32_t zero(void);
struct vmm_machine *any_machine(void);
struct vmm_vcpu *any_vcpu(void);
uint32_t any_context(void);

/* ---- operations: of the owner (owner.c) ---- */

void machine_create(void);
void machine_close(void);
void vcpu_create(void);
void vcpu_close(void);
void kick(void);
void raw(void);
void memory_map(void);
void memory_unmap(void);
void memory_protect(void);
void dirty_log(void);
void context(void);
void policy(void);
void xsave(void);
void cpuid(void);
void msr(void);
void device(void);
void counters(void);
void scribble(void);
void prepare(struct vmm_vcpu *v);
void prepare_any(void);

/* ---- of the guest (guest.c) ---- */

void meanwhile(void *cookie);
void run(void);
void write_code(void);
void write_table(void);

/* ---- of the host (host.c) ---- */

void host(void);
void processors(void);
void time_and_signals(void);
void fail(void);
void fail_get(void);
void stranger(void);
void ends(void);
void hooks(void);

#endif
