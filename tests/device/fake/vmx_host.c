// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmx_host.c - the host beside a VMX without a processor: the registers that
 * vmx/ reads so that an exit loads them, and those that it puts back itself.
 */
#include "vmx_fake.h"

uint64_t cpu_get_cr0(void)
{
	return 0x80050033;
}

uint64_t cpu_get_cr3(void)
{
	return fake_vmx.host_cr3;
}

uint64_t cpu_get_fs_base(void)
{
	return cpu_rdmsr(VMX_MSR_FS_BASE);
}

/* A GDT that has the TSS's descriptor, at which STR points. */
static uint8_t gdt[0x50];

void cpu_get_gdtr(struct cpu_table *t)
{
	const uint64_t base = (uintptr_t)gdt;

	t->limit = vmx[here()].gdtr.limit;
	memcpy(t->base, &base, sizeof(base));
}

void cpu_set_gdtr(const struct cpu_table *t)
{
	if (cpu_table_base(t) != (uintptr_t)gdt)
		fake_bug("LGDT of another table");
	vmx[here()].gdtr.limit = t->limit;
}

void cpu_get_idtr(struct cpu_table *t)
{
	memset(t, 0, sizeof(*t));
	t->limit = vmx[here()].idtr.limit;
}

void cpu_set_idtr(const struct cpu_table *t)
{
	vmx[here()].idtr.limit = t->limit;
}

uint16_t cpu_get_tr(void)
{
	return 0x40;
}

uint16_t cpu_get_cs(void)
{
	return 0x10;
}

uint16_t cpu_get_ss(void)
{
	return 0x18;
}

uint32_t cpu_get_ds(void)
{
	return fake_vmx.ds;
}

uint32_t cpu_get_es(void)
{
	return fake_vmx.es;
}

uint32_t cpu_get_fs(void)
{
	return fake_vmx.fs;
}

uint32_t cpu_get_gs(void)
{
	return fake_vmx.gs;
}

void cpu_set_ds(uint16_t value)
{
	fake_vmx.ds = value;
}

void cpu_set_es(uint16_t value)
{
	fake_vmx.es = value;
}

void cpu_set_fs(uint16_t value)
{
	fake_vmx.fs = value;
	fake_msr_set(here(), VMX_MSR_FS_BASE, 0xbad);
}

void os_load_user_gs(uint16_t selector)
{
	fake_vmx.gs = selector;
}

void os_tss_limited(void)
{
}

void cpu_nmi(void)
{
	fake_irqs_off("INT 2");
	fake_vmx.nmis++;
	if (fake_vmx.on_nmi != NULL)
		fake_vmx.on_nmi();
}

uint64_t vmx_exit_address(void)
{
	return 0xffffffff81234000;
}

void leave_host(void)
{
	vmx[here()].gdtr.limit = vmx[here()].idtr.limit = 0xffff;
	fake_vmx.ds = fake_vmx.es = fake_vmx.fs = fake_vmx.gs = 0;
	fake_cpu()->dr[7] = 0x400;
	fake_msr_set(here(), VMX_MSR_DEBUGCTL, 0);
}

/* The host goes on, outside: all of it is to be as it was. */
void fake_vmx_check_host(void)
{
	uint32_t i;

	for (i = 0; i < FAKE_CPUS; i++) {
		if (vmx[i].gdtr.limit != FAKE_HOST_TABLE ||
		    vmx[i].idtr.limit != FAKE_HOST_TABLE)
			fake_bug("the limits of processor %u's tables are "
			    "not as they were", i);
	}
}
