// SPDX-License-Identifier: BSD-2-Clause
/*
 * device.c - the device's core, svm/ and vmx/ against an owner, a guest and a
 * host that do anything at any time: bytes are a sequence of operations, some
 * of which happen in the middle of others (while a guest runs, while a page is
 * got, when an allocation fails).  It starts with a machine that could run, so
 * that most bytes are worth something.
 *
 * What is checked is in tests/device/fake: locks, sleeping, interrupts, the
 * host's registers, stale translations, state that was not validated; at the
 * end nothing is left.
 */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes in;
static struct vmm_machine *machines[MACHINES];
static struct vmm_vcpu *vcpus[VCPUS];
static struct vmm_stats_file *stats;
static uint32_t depth, huge_pages, runs;
static bool svm, ended;

static void operate(void);

/* ---- helpers ---- */

/* Might an operation wait for a lock that a thread underneath has? */
static bool nothing_held(void)
{
	const struct fake_thread *t;

	for (t = fake.cur; t != NULL; t = t->under) {
		if (t->nheld != 0)
			return false;
	}
	return true;
}

static bool thread_on(uint32_t cpu)
{
	const struct fake_thread *t;

	for (t = fake.cur; t != NULL; t = t->under) {
		if (t->cpu == cpu)
			return true;
	}
	return false;
}

static uint64_t any_uaddr(void)
{
	const uint8_t how = bytes_u8(&in);

	if (how < 200)
		return MEMORY + (how & 63) * PAGE * ((how & 64) != 0 ? 16 : 1);
	if (how < 230)
		return BUFFER + (how & 7) * 512;
	if (how < 240)
		return FAKE_USER_END - (how & 7) * 256;
	return bytes_u64(&in);
}

static uint64_t any_gpa(void)
{
	const uint8_t how = bytes_u8(&in);

	if (how < 128)
		return (how & 63) * PAGE * ((how & 64) != 0 ? 16 : 1);
	if (how < 200)
		return ROOT + (how & 31) * PAGE + bytes_u8(&in) * 8;
	if (how < 240)
		return (1ull << 30) + (how & 15) * MIB2 / 4;
	return bytes_u64(&in);
}

static uint64_t any_size(void)
{
	const uint8_t how = bytes_u8(&in);

	if (how < 128)
		return (1 + (how & 15)) * PAGE;
	if (how < 200)
		return (1 + (how & 3)) * MIB2;
	if (how < 240)
		return MEMORY_SIZE;
	return bytes_u64(&in);
}

static uint32_t any_prot(void)
{
	const uint8_t how = bytes_u8(&in);

	return how < 240 ? VMM_PROT_READ | (how & 3) << 1 : bytes_u32(&in);
}

/* Mostly what it has to be. */
static uint32_t zero(void)
{
	return bytes_u8(&in) < 250 ? 0 : bytes_u32(&in);
}

static struct vmm_machine *any_machine(void)
{
	return machines[bytes_u8(&in) % MACHINES];
}

static struct vmm_vcpu *any_vcpu(void)
{
	return vcpus[bytes_u8(&in) % VCPUS];
}

static uint32_t any_context(void)
{
	const uint8_t how = bytes_u8(&in);

	return how < 240 ? how & 3 : bytes_u32(&in);
}

/* ---- machines, vCPUs ---- */

static void machine_create(void)
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

static void machine_close(void)
{
	const uint32_t slot = bytes_u8(&in) % MACHINES;
	struct vmm_machine *m = machines[slot];

	machines[slot] = NULL;
	if (m != NULL)
		vmm_machine_put(m);
}

static void vcpu_create(void)
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
static void vcpu_close(void)
{
	const uint32_t slot = bytes_u8(&in) % VCPUS;
	struct vmm_vcpu *v = vcpus[slot];

	if (v == NULL || v->busy != VMM_REST)
		return;
	vcpus[slot] = NULL;
	vmm_vcpu_destroy(v);
}

static void kick(void)
{
	struct vmm_vcpu *v = any_vcpu();

	if (v != NULL)
		(void)vmm_vcpu_ioctl(v, VMM_KICK, NULL);
}

static void raw(void)
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

static void memory_map(void) { memory(VMM_MEMORY_MAP); }
static void memory_unmap(void) { memory(VMM_MEMORY_UNMAP); }
static void memory_protect(void) { memory(VMM_MEMORY_PROTECT); }

/* Of a region that there is, or of anything. */
static void dirty_log(void)
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

static void context(void)
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

static void policy(void)
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

static void xsave(void)
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

static void cpuid(void)
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

static void msr(void)
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

static void device(void)
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

static void counters(void)
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

static void scribble(void)
{
	struct vmm_vcpu *v = any_vcpu();
	const uint16_t at = bytes_u16(&in) % sizeof(struct vmm_vcpu_page);
	uint32_t n = 1 + bytes_u8(&in) % 16;

	for (; v != NULL && n-- > 0;)
		((uint8_t *)v->page)[(at + n) % PAGE] = bytes_u8(&in);
}

static void prepare(struct vmm_vcpu *v)
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

static void prepare_any(void)
{
	struct vmm_vcpu *v = any_vcpu();

	if (v != NULL)
		prepare(v);
}

/* ---- running ---- */

static void meanwhile(void *cookie)
{
	(void)cookie;
	if (depth < DEPTH && nothing_held())
		operate();
}

/* Whatever a guest does, its RIP and bases stay what a processor has. */
static void guest_changes(struct vmm_regs *regs, struct vmm_state *s)
{
	const uint8_t how = bytes_u8(&in);

	regs->rax = bytes_u8(&in);
	regs->rcx = how & 3;
	s->rip = (how & 4) != 0 ? TOP_CODE + PAGE - 1 - (how >> 5) :
	    CODE + bytes_u8(&in) * 17;
	s->rflags = 2 | 0x200 | ((how & 8) != 0 ? 0x100 : 0) |
	    ((how & 16) != 0 ? 0x10000 : 0);
	fake_cpu()->ext[160 + (how & 15)] = how;
}

static void add_exit(void)
{
	static const uint16_t codes[] = { 0x46, 0x4d, 0x4e, 0x43, 0x41, 0x75,
	    0x72, 0x88, 0x60, 0x61, 0x52, 0x7f, 0x400, 0x78, 0x81 };
	const uint8_t how = bytes_u8(&in);
	const uint64_t code = how < 220 ? codes[how % 15] :
	    how < 250 ? bytes_u16(&in) : bytes_u64(&in);

	/* The processor tells gpa as its tables have it. */
	fake_exit_code(code, (how & 1) != 0 ? bytes_u16(&in) : bytes_u8(&in),
	    code == 0x400 ? any_gpa() : bytes_u64(&in), bytes_u8(&in) & 15);
	if (code == 0x41)
		fake_script.step[fake_script.n - 1].dr6 = 0xffff0ff0 |
		    (bytes_u8(&in) & 15) | (uint64_t)(how & 2) << 13;
}

static void add_cause(void)
{
	struct vmm_cause *c = &fake_step(FAKE_CAUSE)->cause;
	const uint8_t how = bytes_u8(&in);

	c->kind = how % VMM_CAUSES;
	c->vector = c->kind == VMM_CAUSE_EXCEPTION ? bytes_u8(&in) & 31 :
	    (how & 64) != 0 ? VMM_VECTOR_UNTOLD : bytes_u8(&in);
	c->error_code = bytes_u16(&in);
	c->length = (how & 128) != 0 ? bytes_u8(&in) & 15 : 0;
	c->gpa = any_gpa();
	c->access = 1u << bytes_u8(&in) % 3;
	c->dr6 = bytes_u16(&in) & 0xe00f;
}

static void add_step(void)
{
	const uint8_t how = bytes_u8(&in);

	switch (how & 7) {
	case 0:
	case 1:
		fake_touch(any_gpa(), 1u << how % 3, NULL, 1);
		break;
	case 2:
		fake_touch_va(CODE + (how & 8) * 512, VMM_PROT_EXEC, NULL, 1);
		break;
	case 3:
		fake_touch_va(DATA + (how >> 4) * PAGE, 1u << (how >> 3 & 1),
		    NULL, 1);
		break;
	case 4:
		fake_call(meanwhile, NULL);
		break;
	case 5:
		fake_change(guest_changes);
		break;
	default:
		if (svm)
			add_exit();
		else
			add_cause();
		break;
	}
}

/* A processor for this thread: on line, with no guest. */
static bool find_cpu(uint32_t *cpu)
{
	const uint32_t from = bytes_u8(&in);
	uint32_t i;

	for (i = 0; i < fake.cpus; i++) {
		*cpu = (from + i) % fake.cpus;
		if (fake.online[*cpu] && !fake_guest_on(*cpu))
			return true;
	}
	return false;
}

static void run_now(void *cookie)
{
	struct vmm_vcpu *v = cookie;
	int error = vmm_vcpu_run(v);

	if (error == 0 && (v->page->exit.kind == VMM_EXIT_NONE ||
	    v->page->exit.kind > VMM_EXIT_UNKNOWN))
		fake_bug("VMM_RUN returns with exit %u", v->page->exit.kind);
	if (error != 0 && error != EBUSY && error != EPERM && error != EIO &&
	    error != ENOMEM && error != ERESTART)
		fake_bug("VMM_RUN returns %d", error);
}

static void run(void)
{
	struct vmm_vcpu *v = any_vcpu();
	uint32_t n = 1 + (bytes_u8(&in) & 7), cpu;

	if (v == NULL || ++runs > 64 || !find_cpu(&cpu))
		return;
	if (bytes_u8(&in) < 128)
		prepare(v);
	/* Those of an outer run come after these. */
	if (fake_script.n - fake_script.at + n > FAKE_STEPS / 2)
		return;
	for (; n > 0; n--)
		add_step();
	fake.signal = false;
	fake_as(cpu, run_now, v);
	if (depth == 1) {
		fake_script.n = fake_script.at = 0;
		fake.signal = false;
	}
}

static void write_code(void)
{
	uint8_t code[16];
	const uint16_t at = bytes_u16(&in) % PAGE;
	uint32_t n = 1 + bytes_u8(&in) % 8, i;
	static const uint8_t likely[] = { 0x0f, 0x05, 0xcd, 0x80, 0xcc, 0xf1,
	    0xa2, 0x66, 0x48, 0xf0, 0x0b, 0x07, 0x90, 0xf3, 0x01, 0x0f };

	for (i = 0; i < n; i++) {
		code[i] = bytes_u8(&in);
		if (code[i] < 224)
			code[i] = likely[code[i] & 15];
	}
	(void)fake_write(MEMORY + CODE_GPA + at, code, n);
}

/* An entry of the guest's own table. */
static void write_table(void)
{
	const uint8_t level = bytes_u8(&in) & 3, how = bytes_u8(&in);
	const uint64_t entry = how < 200 ? ROOT + (how & 15) * PAGE +
	    (how < 128 ? 7 : bytes_u8(&in)) : bytes_u64(&in);
	const uint64_t at[] = { 0, 0, 2, how & 16 ? 0 : 256 };

	(void)fake_write(MEMORY + ROOT + level * PAGE + at[level] * 8, &entry,
	    8);
}

/* ---- the host ---- */

static void host(void)
{
	const uint64_t page = MEMORY + (bytes_u8(&in) & 127) * PAGE;

	switch (bytes_u8(&in) % 12) {
	case 0:
	case 1:
		fake_page_out(page);
		break;
	case 2:
		fake_move(page);
		break;
	case 3:
		fake_ksm(page);
		break;
	case 4:
		fake_clean(page);
		break;
	case 5:
		fake_unmap(page, PAGE);
		break;
	case 6:
		fake_map(page, PAGE);
		break;
	case 7:
		fake_protect(page, PAGE * (1 + (bytes_u8(&in) & 3)),
		    (bytes_u8(&in) & 1) != 0);
		break;
	case 8:
		(void)fake_young(page, PAGE * bytes_u8(&in),
		    (bytes_u8(&in) & 1) != 0);
		break;
	case 9:
		if (huge_pages++ < 3)
			fake_huge(MEMORY);
		break;
	case 10:
		fake_split(MEMORY);
		break;
	default:
		if (bytes_u8(&in) < 32)
			fake_poison(page);
		break;
	}
}

static void processors(void)
{
	const uint32_t cpu = bytes_u8(&in) % fake.cpus;
	uint32_t i, on = 0;

	for (i = 0; i < fake.cpus; i++)
		on += fake.online[i];
	if (!fake.online[cpu])
		(void)fake_cpu_online(cpu);
	else if (on > 2 && !thread_on(cpu))
		fake_cpu_offline(cpu);
}

static void time_and_signals(void)
{
	switch (bytes_u8(&in) % 5) {
	case 0:
		fake_advance(bytes_u16(&in));
		break;
	case 1:
		fake.signal = true;
		break;
	case 2:
		fake.resched = true;
		break;
	case 3:
		fake.restart = true;
		break;
	default:
		fake.debug_in_use = !fake_guest_on(0) && !fake_guest_on(1) &&
		    !fake_guest_on(2) && !fake_guest_on(3) &&
		    (bytes_u8(&in) & 1) != 0;
		break;
	}
}

static void fail(void)
{
	fake.fail_at = 1 + (bytes_u8(&in) & 7);
	operate();
	fake.fail_at = 0;
}

static void fail_get(void)
{
	static const int errors[] = { EINTR, EAGAIN, ENOMEM, EFAULT,
	    EHWPOISON };

	fake.get_error = errors[bytes_u8(&in) % 5];
}

static void as_stranger(void *cookie)
{
	(void)cookie;
	operate();
}

static void stranger(void)
{
	fake_as_process(2, as_stranger, NULL);
}

/* These end most of what could be seen: seldom. */
static void ends(void)
{
	if (ended || bytes_u8(&in) > 40)
		return;
	ended = true;
	if (bytes_u8(&in) < 128)
		fake_exit();
	else
		vmm_hw_reboot();
}

static void at_get(uint64_t uaddr, bool got)
{
	static uint32_t calls;

	(void)uaddr;
	(void)got;
	/* A few of them would never end. */
	if (depth < DEPTH && bytes_left(&in) && ++calls % 3 == 0 &&
	    nothing_held())
		fake_as(fake.cpus - 1, meanwhile, NULL);
}

static void hooks(void)
{
	fake.on_get = (bytes_u8(&in) & 1) != 0 ? at_get : NULL;
}

static void (*const operations[])(void) = {
	machine_create, machine_close, vcpu_create, vcpu_close, kick, raw,
	memory_map, memory_unmap, memory_protect, dirty_log, context, policy,
	xsave, cpuid, msr, device, counters, scribble, prepare_any, run, run,
	run, run, write_code, write_table, host, host, host, processors,
	time_and_signals, fail, fail_get, stranger, ends, hooks,
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void operate(void)
{
	if (!bytes_left(&in))
		return;
	depth++;
	operations[bytes_u8(&in) % OPERATIONS]();
	depth--;
}

/* ---- from the first to the last ---- */

static void write_tables(void)
{
	static const uint64_t entries[][2] = {
		{ ROOT, (ROOT + PAGE) | 7 },
		{ ROOT + PAGE, (ROOT + 2 * PAGE) | 7 },
		{ ROOT + 2 * PAGE + 2 * 8, (ROOT + 3 * PAGE) | 7 },
		{ ROOT + 3 * PAGE, CODE_GPA | 5 },
		{ ROOT + 3 * PAGE + 8, (CODE_GPA + PAGE) | 5 },
		{ ROOT + 3 * PAGE + 256 * 8, 0x30007 },
		{ ROOT + 3 * PAGE + 257 * 8, 0x31007 },
		/* The last page of the lower half is code, too. */
		{ ROOT + 255 * 8, (ROOT + 4 * PAGE) | 7 },
		{ ROOT + 4 * PAGE + 511 * 8, (ROOT + 5 * PAGE) | 7 },
		{ ROOT + 5 * PAGE + 511 * 8, (ROOT + 6 * PAGE) | 7 },
		{ ROOT + 6 * PAGE + 511 * 8, CODE_GPA | 5 },
	};
	size_t i;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		(void)fake_write(MEMORY + entries[i][0], &entries[i][1], 8);
}

/* Which processor, and what it can: loaded. */
static void load(uint8_t how)
{
	static const struct vmm_vendor *const vendors[] = { &vmm_svm,
	    &vmm_svm, &vmm_vmx, &fake_vendor_table };
	const unsigned which = how >> 5 & 3;
	uint32_t i;

	svm = which < 2;
	if (svm) {
		fake_cpuid_at(SVM_CPUID, 0)[3] = SVM_CPUID_NP |
		    ((how & 1) != 0 ? SVM_CPUID_NRIPS : 0) |
		    ((how & 2) != 0 ? SVM_CPUID_CLEAN : 0) |
		    ((how & 4) != 0 ? SVM_CPUID_FLUSH_ASID : 0) |
		    ((how & 8) != 0 ? SVM_CPUID_DECODE : 0);
		for (i = 0; (how & 16) != 0 && i < FAKE_CPUS; i++)
			fake_hw.cpu[i].cr4 |= VMM_X86_CR4_LA57;
	} else if (which == 2) {
		fake_hw_intel();
	} else if ((how & 1) != 0) {
		fake_vendor.format = &x86_npt_ept_plain;
		fake_vendor.caps &= ~VMM_CAP_HW_DIRTY;
	}
	if (vmm_hw_init(&vendors[which], 1) != 0)
		fake_bug("the device cannot be loaded");
}

static void begin(uint8_t how)
{
	struct vmm_machine_create mc = { .name = "first" };
	const struct vmm_vcpu_create vc = { .index = 0 };
	struct vmm_memory map = { .size = MEMORY_SIZE, .uaddr = MEMORY,
	    .prot = 7 };
	struct vmm_context c = { 0 };

	fake_reset();
	fake_script_reset();
	memset(machines, 0, sizeof(machines));
	memset(vcpus, 0, sizeof(vcpus));
	stats = NULL;
	depth = huge_pages = runs = 0;
	ended = false;
	fake_map(FAKE_USER, FAKE_USER_PAGES * FAKE_PAGE);
	load(how);
	write_tables();
	if (vmm_machine_create(&mc, &machines[0]) != 0 ||
	    vmm_machine_ioctl(machines[0], VMM_MEMORY_MAP, &map) != 0 ||
	    vmm_machine_ioctl(machines[0], VMM_CONTEXT_CREATE, &c) != 0 ||
	    vmm_vcpu_create(machines[0], &vc, &vcpus[0]) != 0)
		fake_bug("the first machine cannot be made");
	vcpus[0]->page->regs.rip = CODE;
	vcpus[0]->page->cr3 = ROOT;
	vcpus[0]->page->commit = VMM_SET_SPACE | VMM_SET_CONTEXT;
}

static void finish(void)
{
	uint32_t i;

	fake.on_get = NULL;
	if (stats != NULL && runs % 2 != 0) {
		vmm_stats_close(stats);
		stats = NULL;
	}
	for (i = 0; i < VCPUS; i++) {
		if (vcpus[i] != NULL)
			vmm_vcpu_destroy(vcpus[i]);
	}
	for (i = 0; i < MACHINES; i++) {
		if (machines[i] != NULL)
			vmm_machine_put(machines[i]);
	}
	if (stats != NULL)
		vmm_stats_close(stats);
	if ((vmm_live.machines | vmm_live.vcpus | vmm_live.contexts |
	    vmm_live.regions | vmm_live.pages) != 0)
		fake_bug("something lives on");
	for (i = 0; i < FAKE_CPUS; i++) {
		if (fake_vendor.on[i] ||
		    (fake_msr_get(i, 0xc0000080) & 0x1000) != 0)
			fake_bug("processor %u is still on", i);
	}
	vmm_hw_fini();
	fake_vmx_check_host();
	fake_check_idle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	bytes_init(&in, data + 1, size - 1);
	begin(data[0]);
	while (bytes_left(&in))
		operate();
	finish();
	return 0;
}
