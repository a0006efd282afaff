// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmx_insn.c - VMX without a processor, in place of the instructions: control
 * structures that live in the processor where they are active.
 */
#include "vmx_fake.h"

#define STRUCTURES	24u
#define NOWHERE		0xffffffffu

struct fake_vmx fake_vmx;

static struct structure *all[STRUCTURES];

struct fake_vmx_processor vmx[FAKE_CPUS];

static void (*next_on_page_free)(uint64_t pa);

static void freed(uint64_t pa)
{
	uint32_t i;

	if (next_on_page_free != NULL)
		next_on_page_free(pa);
	for (i = 0; i < STRUCTURES; i++) {
		if (all[i] == NULL || all[i]->pa != pa)
			continue;
		if (all[i]->active != NOWHERE)
			fake_bug("a control structure is freed that is "
			    "active on processor %u", all[i]->active);
		free(all[i]);
		all[i] = NULL;
	}
}

void fake_vmx_reset(void)
{
	uint32_t i;

	for (i = 0; i < STRUCTURES; i++) {
		free(all[i]);
		all[i] = NULL;
	}
	memset(vmx, 0, sizeof(vmx));
	memset(&fake_vmx, 0, sizeof(fake_vmx));
	fake_vmx.host_cr3 = 0x1234000;
	for (i = 0; i < FAKE_CPUS; i++)
		vmx[i].gdtr.limit = vmx[i].idtr.limit = FAKE_HOST_TABLE;
	/* guest_reset() has set its own. */
	if (fake_on_page_free != freed) {
		next_on_page_free = fake_on_page_free;
		fake_on_page_free = freed;
	}
}

static struct structure *find(uint64_t pa, bool make)
{
	uint32_t i, place = STRUCTURES;

	for (i = 0; i < STRUCTURES; i++) {
		if (all[i] == NULL)
			place = i;
		else if (all[i]->pa == pa)
			return all[i];
	}
	if (!make || place == STRUCTURES) {
		fake_bug("no place for the control structure %#llx",
		    (unsigned long long)pa);
		abort();
	}
	all[place] = calloc(1, sizeof(*all[place]));
	all[place]->pa = pa;
	all[place]->active = NOWHERE;
	return all[place];
}

void fake_vmx_load(void)
{
	struct structure *s = calloc(1, sizeof(*s));

	free(all[0]);
	all[0] = s;
	s->pa = 1;
	s->active = NOWHERE;
	s->cleared = true;
	vmx[here()].on = true;
	vmx[here()].current = s;
}

uint64_t fake_vmx_of(uint64_t pa, uint32_t field)
{
	return find(pa, false)->field[field / 2];
}

/* ---- instructions: SDM vol. 3C chapter 30 ---- */

void needs_vmx(const char *what)
{
	fake_irqs_off(what);
	if (!vmx[here()].on)
		fake_bug("%s: #UD in the kernel, VMX is off", what);
}

static void check_revision(uint64_t pa, const char *what)
{
	uint32_t revision;

	memcpy(&revision, os_page_at(pa), sizeof(revision));
	if (revision != (fake_msr_get(here(), VMX_MSR_BASIC) &
	    VMX_BASIC_REVISION))
		fake_bug("%s: the page has no revision", what);
}

void os_vmxe(bool on)
{
	fake_irqs_off("os_vmxe");
	if (on)
		fake_cpu()->cr4 |= VMM_X86_CR4_VMXE;
	else
		fake_cpu()->cr4 &= ~VMM_X86_CR4_VMXE;
}

bool cpu_vmxon(uint64_t pa)
{
	const uint64_t need = VMX_FEATURE_LOCKED | VMX_FEATURE_VMX;

	fake_irqs_off("VMXON");
	if ((fake_cpu()->cr4 & VMM_X86_CR4_VMXE) == 0)
		fake_bug("VMXON: #UD in the kernel");
	if ((fake_msr_get(here(), VMX_MSR_FEATURE_CONTROL) & need) != need)
		fake_bug("VMXON: #GP in the kernel");
	check_revision(pa, "VMXON");
	if (vmx[here()].on)
		return false;
	vmx[here()].on = true;
	vmx[here()].current = NULL;
	return true;
}

void cpu_vmxoff(void)
{
	uint32_t i;

	needs_vmx("VMXOFF");
	for (i = 0; i < STRUCTURES; i++) {
		if (all[i] != NULL && all[i]->active == here())
			fake_bug("VMXOFF with an active control structure");
	}
	vmx[here()].on = false;
}

bool cpu_vmclear(uint64_t pa)
{
	struct structure *s = find(pa, true);

	needs_vmx("VMCLEAR");
	fake_vmx.vmclears++;
	if (s->active != NOWHERE && s->active != here())
		fake_bug("VMCLEAR on %u of what is active on %u", here(),
		    s->active);
	if (vmx[here()].current == s)
		vmx[here()].current = NULL;
	s->cleared = true;
	s->launched = false;
	s->active = NOWHERE;
	return true;
}

bool cpu_vmptrld(uint64_t pa)
{
	struct structure *s = find(pa, true);

	needs_vmx("VMPTRLD");
	fake_vmx.vmptrlds++;
	check_revision(pa, "VMPTRLD");
	if (!s->cleared)
		fake_bug("VMPTRLD of what was never cleared");
	if (s->active != NOWHERE && s->active != here())
		fake_bug("VMPTRLD on %u of what is active on %u", here(),
		    s->active);
	s->active = here();
	vmx[here()].current = s;
	return true;
}

static uint64_t *field_at(uint32_t field, const char *what)
{
	static uint64_t nothing;

	needs_vmx(what);
	if (vmx[here()].current == NULL || field >= FIELDS) {
		fake_bug("%s of %#x: nothing is current", what, field);
		return &nothing;
	}
	return &vmx[here()].current->field[field / 2];
}

uint64_t cpu_vmread(uint32_t field)
{
	return *field_at(field, "VMREAD");
}

bool cpu_vmread_safe(uint32_t field, uint64_t *value)
{
	needs_vmx("VMREAD");
	if (fake_vmx.lacks != 0 && field == fake_vmx.lacks)
		return false;
	*value = cpu_vmread(field);
	return true;
}

bool cpu_vmwrite(uint32_t field, uint64_t value)
{
	if (fake_vmx.lacks != 0 && field == fake_vmx.lacks)
		return false;
	if ((field >> 10 & 3) == 1)
		fake_bug("VMWRITE of %#x, which can only be read", field);
	if (vmx_field_bytes(field) < 8 &&
	    value >> 8 * vmx_field_bytes(field) != 0)
		fake_bug("VMWRITE of %#x: %#llx is too wide", field,
		    (unsigned long long)value);
	*field_at(field, "VMWRITE") = value;
	return true;
}

uint64_t root_tag(uint64_t eptp)
{
	return (eptp & X86_NPT_ADDR) << 4;
}

bool cpu_invept(uint64_t type, uint64_t eptp)
{
	needs_vmx("INVEPT");
	fake_vmx.invept++;
	if (type == VMX_INVEPT_ONE)
		guest_flush_tags(here(), ~0xffffull, root_tag(eptp));
	else if (type == VMX_INVEPT_ALL)
		guest_flush_all(here());
	else
		fake_bug("INVEPT %llu", (unsigned long long)type);
	return true;
}

bool cpu_invvpid(uint64_t type, uint16_t vpid)
{
	needs_vmx("INVVPID");
	fake_vmx.invvpid++;
	if (type != VMX_INVVPID_ALL || vpid != 0)
		fake_bug("INVVPID %llu", (unsigned long long)type);
	guest_flush_translations(here());
	return true;
}
