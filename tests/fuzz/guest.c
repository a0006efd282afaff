// SPDX-License-Identifier: BSD-2-Clause
/* guest.c - what a guest does while it runs, and of what it is made. */
#include "target.h"

void meanwhile(void *cookie)
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

void run(void)
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

void write_code(void)
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
void write_table(void)
{
	const uint8_t level = bytes_u8(&in) & 3, how = bytes_u8(&in);
	const uint64_t entry = how < 200 ? ROOT + (how & 15) * PAGE +
	    (how < 128 ? 7 : bytes_u8(&in)) : bytes_u64(&in);
	const uint64_t at[] = { 0, 0, 2, how & 16 ? 0 : 256 };

	(void)fake_write(MEMORY + ROOT + level * PAGE + at[level] * 8, &entry,
	    8);
}
