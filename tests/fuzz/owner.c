// SPDX-License-Identifier: BSD-2-Clause
/* owner.c - what the owner does: ioctls, and stores to the shared page. */
#include "target.h"

/* ---- machines, vCPUs ---- */

void machine_create(void)
{
	const uint32_t slot = bytes_u8(&in) % MACHINES;
	struct vmm_machine_create a = { .name = "fuzz" };

	if (machines[slot] != NULL)
		return;
	a.max_vcpus = bytes_u8(&in) < 200 ? 0 : bytes_u32(&in);
	a.max_memory = bytes_u8(&in) < 200 ? 0 : any_size();
	a.flags = zero();
	if (bytes_u8(&in) == 255)
		memset(a.name, 'x', sizeof(a.name));
	if (vmm_machine_create(&a, &machines[slot]) != 0)
		machines[slot] = NULL;
}

void machine_close(void)
{
	const uint32_t slot = bytes_u8(&in) % MACHINES;
	struct vmm_machine *m = machines[slot];

	machines[slot] = NULL;
	if (m != NULL)
		vmm_machine_put(m);
}

void vcpu_create(void)
{
	const uint32_t slot = bytes_u8(&in) % VCPUS;
	struct vmm_machine *m = any_machine();
	const struct vmm_vcpu_create a = { .index = bytes_u8(&in) < 240 ?
	    bytes_u8(&in) & 7 : bytes_u32(&in), .flags = zero() };

	if (m == NULL || vcpus[slot] != NULL)
		return;
	if (vmm_vcpu_create(m, &a, &vcpus[slot]) != 0)
		vcpus[slot] = NULL;
}

/* A descriptor that an ioctl is in the middle of is not closed. */
void vcpu_close(void)
{
	const uint32_t slot = bytes_u8(&in) % VCPUS;
	struct vmm_vcpu *v = vcpus[slot];

	if (v == NULL || v->busy != VMM_REST)
		return;
	vcpus[slot] = NULL;
	vmm_vcpu_destroy(v);
}

void kick(void)
{
	struct vmm_vcpu *v = any_vcpu();

	if (v != NULL)
		(void)vmm_vcpu_ioctl(v, VMM_KICK, NULL);
}

void raw(void)
{
	struct vmm_vcpu *v = any_vcpu();
	static const uint16_t fields[] = {
	    offsetof(struct svm_vmcb, tsc_offset),
	    offsetof(struct svm_vmcb, dr6), offsetof(struct svm_vmcb, cr2),
	    offsetof(struct svm_vmcb, rip), offsetof(struct svm_vmcb, asid) };
	struct vmm_raw a = { .op = bytes_u8(&in) & 3, .width = 8 };
	const uint8_t how = bytes_u8(&in);

	a.field = how < 200 ? fields[how % 5] : bytes_u16(&in);
	if (how >= 128)
		a.width = bytes_u8(&in);
	a.reserved = zero();
	a.value = bytes_u64(&in);
	if (v != NULL)
		(void)vmm_vcpu_ioctl(v, VMM_RAW, &a);
}

/* ---- memory ---- */

static void memory(uint32_t cmd)
{
	struct vmm_machine *m = any_machine();
	struct vmm_memory a = { .gpa = any_gpa(), .size = any_size() };

	if (bytes_u8(&in) < 240) {
		a.gpa &= ~(PAGE - 1);
		a.size = a.size < PAGE ? PAGE : a.size & ~(PAGE - 1);
	}
	if (cmd == VMM_MEMORY_MAP)
		a.uaddr = any_uaddr() & ~(PAGE - 1);
	if (cmd != VMM_MEMORY_UNMAP)
		a.prot = any_prot();
	a.flags = zero();
	if (m != NULL)
		(void)vmm_machine_ioctl(m, cmd, &a);
}

void memory_map(void) { memory(VMM_MEMORY_MAP); }
void memory_unmap(void) { memory(VMM_MEMORY_UNMAP); }
void memory_protect(void) { memory(VMM_MEMORY_PROTECT); }

/* Of a region that there is, or of anything. */
void dirty_log(void)
{
	static const uint32_t ops[] = { VMM_DIRTY_ENABLE, VMM_DIRTY_DISABLE,
	    VMM_DIRTY_GET, VMM_DIRTY_GET | VMM_DIRTY_CLEAR };
	struct vmm_machine *m = any_machine();
	const uint8_t how = bytes_u8(&in);
	struct vmm_dirty_log a = { .op = ops[how & 3] };

	if (m == NULL)
		return;
	if (how < 220 && m->nregions != 0) {
		const uint32_t i = bytes_u8(&in) % m->nregions;

		a.gpa = m->regions[i]->gpa;
		a.size = m->regions[i]->size;
		if ((how & 4) != 0 && i + 1 < m->nregions)
			a.size += m->regions[i + 1]->size;
	} else {
		a.gpa = any_gpa();
		a.size = any_size();
		a.op = bytes_u8(&in);
	}
	if ((a.op & VMM_DIRTY_GET) != 0)
		a.bitmap = (how & 8) != 0 ? any_uaddr() : BUFFER;
	a.reserved = zero();
	(void)vmm_machine_ioctl(m, VMM_DIRTY_LOG, &a);
}

/* ---- what a machine has besides ---- */

void context(void)
{
	struct vmm_machine *m = any_machine();
	struct vmm_context a = { .reserved = zero() };
	const uint8_t how = bytes_u8(&in);

	if (m == NULL)
		return;
	if (how % 3 == 0) {
		a.context = any_context();
		(void)vmm_machine_ioctl(m, VMM_CONTEXT_DESTROY, &a);
	} else {
		(void)vmm_machine_ioctl(m, VMM_CONTEXT_CREATE, &a);
	}
}

void policy(void)
{
	struct vmm_machine *m = any_machine();
	struct vmm_policy a = { .context = any_context(),
	    .reserved = zero() };

	a.vector[1] = bytes_u8(&in) & 1;
	a.vector[3] = bytes_u8(&in) & 1;
	a.vector[bytes_u8(&in) & 31] |= bytes_u8(&in) < 240 ? 0 : 1;
	if (m != NULL)
		(void)vmm_machine_ioctl(m, VMM_POLICY_SET, &a);
}

void xsave(void)
{
	struct vmm_machine *m = any_machine();
	const uint8_t how = bytes_u8(&in);
	struct vmm_xsave a = { .buf = (how & 8) != 0 ? any_uaddr() : BUFFER,
	    .size = (how & 1) != 0 ? FAKE_XSAVE : 576,
	    .context = any_context() };
	uint8_t area[FAKE_XSAVE];

	if ((how & 16) != 0)
		a.size = bytes_u16(&in);
	if (m == NULL)
		return;
	if ((how & 2) != 0) {
		(void)vmm_machine_ioctl(m, VMM_XSAVE_GET, &a);
		return;
	}
	x86_xsave_init(area, sizeof(area));
	area[512] = bytes_u8(&in);
	area[160 + (how >> 5) * 16] = bytes_u8(&in);
	if ((how & 4) != 0)
		area[bytes_u16(&in) % sizeof(area)] = bytes_u8(&in);
	(void)fake_write(BUFFER, area, sizeof(area));
	(void)vmm_machine_ioctl(m, VMM_XSAVE_SET, &a);
}

void cpuid(void)
{
	struct vmm_machine *m = any_machine();
	const uint8_t how = bytes_u8(&in);
	struct vmm_cpuid_entry e = { .leaf = how & 3, .flags = how >> 2 & 1,
	    .eax = bytes_u8(&in), .reserved = zero() };
	struct vmm_cpuid a = { .entries = (how & 8) != 0 ? any_uaddr() :
	    BUFFER, .count = how < 240 ? how & 1 : bytes_u32(&in),
	    .reserved = zero() };

	(void)fake_write(BUFFER, &e, sizeof(e));
	if (m != NULL)
		(void)vmm_machine_ioctl(m, VMM_CPUID_SET, &a);
}

void msr(void)
{
	struct vmm_machine *m = any_machine();
	struct vmm_msr a = { .index = 0xc0000103, .reserved = zero(),
	    .value = bytes_u8(&in) };

	if (bytes_u8(&in) > 240)
		a.index = bytes_u32(&in);
	if (m != NULL)
		(void)vmm_machine_ioctl(m, VMM_MSR_SET, &a);
}

/* ---- the device ---- */

void device(void)
{
	struct vmm_enable enable = { .enable = bytes_u8(&in) & 1,
	    .reserved = zero() };
	struct vmm_list list = { .entries = any_uaddr(),
	    .capacity = bytes_u8(&in) };
	struct vmm_info info = { .size = sizeof(info) };

	switch (bytes_u8(&in) % 3) {
	case 0:
		fake.admin = bytes_u8(&in) < 200;
		(void)vmm_device_ioctl(VMM_ENABLE, &enable);
		/* Or there would be nothing more to see. */
		enable = (struct vmm_enable){ .enable = 1 };
		fake.admin = true;
		(void)vmm_device_ioctl(VMM_ENABLE, &enable);
		fake.admin = false;
		break;
	case 1:
		(void)vmm_device_ioctl(VMM_LIST, &list);
		break;
	default:
		(void)vmm_device_ioctl(VMM_INFO, &info);
		break;
	}
}

void counters(void)
{
	struct vmm_machine *m = any_machine();
	struct vmm_stats a = { .id = m != NULL ? m->id : bytes_u8(&in),
	    .flags = zero() };
	uint8_t buf[300];

	if (stats == NULL) {
		if (vmm_stats_open(&a, &stats) != 0)
			stats = NULL;
	} else if (bytes_u8(&in) < 200) {
		(void)vmm_stats_read(stats, bytes_u8(&in) < 128 ?
		    bytes_u16(&in) : bytes_u64(&in), buf,
		    bytes_u16(&in) % sizeof(buf));
	} else {
		vmm_stats_close(stats);
		stats = NULL;
	}
}

/* ---- the shared page ---- */

void scribble(void)
{
	struct vmm_vcpu *v = any_vcpu();
	const uint16_t at = bytes_u16(&in) % sizeof(struct vmm_vcpu_page);
	uint32_t n = 1 + bytes_u8(&in) % 16;

	for (; v != NULL && n-- > 0;)
		((uint8_t *)v->page)[(at + n) % PAGE] = bytes_u8(&in);
}

void prepare(struct vmm_vcpu *v)
{
	struct vmm_vcpu_page *p = v->page;
	const uint8_t how = bytes_u8(&in);

	p->regs.rip = (how & 1) != 0 ? TOP_CODE + PAGE - 2 :
	    CODE + bytes_u8(&in);
	p->regs.rflags = (how & 2) != 0 ? 0x302 : 0x202;
	p->regs.fs_base = p->regs.gs_base = 0;
	p->cr3 = ROOT + ((how & 4) != 0 ? PAGE * (how >> 6) : 0);
	p->context = any_context();
	p->wanted = how >> 3 & 1;
	p->deadline = (how & 16) != 0 ? fake.now + bytes_u8(&in) : 0;
	p->commit = VMM_SET_SPACE | VMM_SET_CONTEXT | ((how & 32) != 0 ?
	    VMM_SET_KEEP : 0);
	if ((how & 64) != 0) {
		p->dr[0] = CODE;
		p->dr7 = bytes_u8(&in) | (uint64_t)bytes_u8(&in) << 16;
		p->commit |= VMM_SET_DEBUG;
	}
}

void prepare_any(void)
{
	struct vmm_vcpu *v = any_vcpu();

	if (v != NULL)
		prepare(v);
}
