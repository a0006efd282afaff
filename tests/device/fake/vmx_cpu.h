/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmx_cpu.h - what vmx/hw/vmx_cpu.h has, without a processor (vmx_insn.c,
 * vmx_host.c): found before it on the include path.
 */
#ifndef FAKE_VMX_CPU_H
#define FAKE_VMX_CPU_H

#include "os_types.h"

struct cpu_table {
	uint16_t limit;
	uint16_t base[4];
};

static inline uint64_t cpu_table_base(const struct cpu_table *t)
{
	uint64_t base;

	memcpy(&base, t->base, sizeof(base));
	return base;
}

bool cpu_vmxon(uint64_t pa);
void cpu_vmxoff(void);
bool cpu_vmclear(uint64_t pa);
bool cpu_vmptrld(uint64_t pa);
uint64_t cpu_vmread(uint32_t field);
bool cpu_vmread_safe(uint32_t field, uint64_t *value);
bool cpu_vmwrite(uint32_t field, uint64_t value);
bool cpu_invept(uint64_t type, uint64_t eptp);
bool cpu_invvpid(uint64_t type, uint16_t vpid);
uint64_t cpu_get_cr0(void);
uint64_t cpu_get_cr3(void);
uint64_t cpu_get_fs_base(void);
void cpu_get_gdtr(struct cpu_table *t);
void cpu_set_gdtr(const struct cpu_table *t);
void cpu_get_idtr(struct cpu_table *t);
void cpu_set_idtr(const struct cpu_table *t);
uint16_t cpu_get_tr(void);
uint16_t cpu_get_cs(void);
uint16_t cpu_get_ss(void);
uint32_t cpu_get_ds(void);
uint32_t cpu_get_es(void);
uint32_t cpu_get_fs(void);
uint32_t cpu_get_gs(void);
void cpu_set_ds(uint16_t value);
void cpu_set_es(uint16_t value);
void cpu_set_fs(uint16_t value);
void cpu_nmi(void);

#define FAKE_HOST_TABLE	0x27u	/* limit of GDTR and IDTR: anything */

/* What the tests set and see. */
struct fake_vmx {
	uint64_t entries, refused;
	uint64_t invept, invvpid, vmclears, vmptrlds, nmis;
	uint32_t max_vpid;
	uint64_t host_cr3;
	uint16_t ds, es, fs, gs;	/* of the thread */
	uint64_t pebs_at_entry, counting_inside;
	void (*on_nmi)(void);
	bool nmi_starts_pebs;
	uint32_t lacks;			/* a field; 0: none */
	/* The next entry is refused: 33 and so on; or 1, 2 with error. */
	uint32_t refuse, error;
};
extern struct fake_vmx fake_vmx;
void fake_vmx_reset(void);
/* Of the host all is as it was, or it is a bug. */
void fake_vmx_check_host(void);
/* An Intel processor as Bochs has it: after fake_hw_reset(). */
void fake_hw_intel(void);
/* A field of the current control structure, for tests of decoding. */
void fake_vmx_load(void);
void fake_vmx_put(uint32_t field, uint64_t value);
/* All of them that decoding may read. */
struct fake_vmx_exit {
	uint64_t reason, event, error, vectoring, length, qualification, gpa;
};
void fake_vmx_put_exit(const struct fake_vmx_exit *e);
/* Of any control structure. */
uint64_t fake_vmx_of(uint64_t pa, uint32_t field);

#endif
