/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exit.c - what becomes of an exit, by its cause.  Interrupts are off and the
 * mode is INSIDE, so that whoever takes a page away waits for this processor:
 * the guest's code may be read.
 *
 * It may have gone since the guest ran it, or have changed.  Then the guest is
 * entered again at the same place, without old translations, and all comes
 * again, or something else does.
 */
#include "stats.h"
#include "cpu.h"

/* Functions of their own have what is rare and wants an array: a kernel
 * guards the stack of who has one. */
#define RARE	__attribute__((__noinline__))

#define LONGEST		15u

#define SECOND_SYSCALL	0x05u	/* after 0F */
#define SECOND_SYSRET	0x07u
#define SECOND_CPUID	0xa2u
#define INSN_SYSCALL	0x050fu	/* as peek() has them */
#define INSN_CPUID	0xa20fu
#define OPCODE_INT3	0xccu
#define OPCODE_INT	0xcdu
#define OPCODE_ICEBP	0xf1u

#define ERROR_IDT_MASK	7u	/* SDM vol. 3A 6.13: IDT set, EXT clear */
#define ERROR_IDT	2u
#define DR6_BS		(1ull << 14)

struct code {
	size_t n;
	uint8_t byte[LONGEST + 2];
};

static void fetch(struct vmm_vcpu *v, struct code *c, size_t size)
{
	c->n = x86_code_fetch(&v->space->code, &v->machine->npt, v->space->cr3,
	    v->state.rip, c->byte, size);
}

/* Where the instruction is; NULL: it cannot be read. */
RARE static const uint8_t *find(struct vmm_vcpu *v)
{
	struct x86_code *known = &v->space->code;
	uint8_t byte;

	if (x86_code_fetch(known, &v->machine->npt, v->space->cr3, v->state.rip,
	    &byte, 1) != 1)
		return NULL;
	return x86_code_at(known, v->state.rip);
}

/* Two bytes of the instruction, the quick way; 0 when it is the other one. */
static inline uint32_t peek(struct vmm_vcpu *v)
{
	const uint8_t *at = x86_code_at(&v->space->code, v->state.rip);

	if (at == NULL)
		at = find(v);
	if (at == NULL || (v->state.rip & VMM_PAGE_MASK) == VMM_PAGE_MASK)
		return 0;
	return OS_READ(at[0]) | (uint32_t)OS_READ(at[1]) << 8;
}

/* Could what is missing make it one of those?  Interesting are 0F xx, INT n,
 * INT3 and ICEBP. */
static bool incomplete(struct code *c, uint8_t second)
{
	uint8_t *next = &c->byte[c->n], n;

	if (c->n >= LONGEST)
		return false;
	next[0] = second;
	next[1] = 0;
	if (x86_insn_0f(c->byte, c->n + 1, second) != 0 ||
	    x86_insn_int(c->byte, c->n + 1, &n) != 0)
		return true;
	/* Only prefixes? */
	return x86_insn_1(c->byte, c->n + 1, second) == c->n + 1;
}

/* The instruction was not to be read, or is not there any more. */
static enum vmm_verdict again(struct vmm_vcpu *v)
{
	vmm_flush_space(v);
	vmm_count(&v->stats->refetches, 1);
	return VMM_AROUND;
}

/* An instruction has been done: traps of the next one are on again. */
static void step_over(struct vmm_vcpu *v, uint32_t length)
{
	v->state.rip += length;
	v->state.rflags &= ~VMM_X86_RFLAGS_RF;
}

/* ---- the exits ---- */

static inline struct vmm_exit *fill(struct vmm_vcpu *v, uint32_t kind,
    const struct vmm_cause *c)
{
	struct vmm_exit *e = &v->page->exit;

	/* All of it, one by one: of an initializer compilers make a loop. */
	e->kind = kind;
	e->valid = 0;
	e->vector = 0;
	e->error_code = 0;
	e->access = 0;
	e->detail = 0;
	e->address = 0;
	e->gpa = 0;
	e->dr6 = 0;
	e->raw = c->raw;
	e->info[0] = c->info[0];
	e->info[1] = c->info[1];
	memset(e->insn, 0, sizeof(e->insn));
	e->insn_bytes = 0;
	vmm_count(&v->stats->returned[kind], 1);
	return e;
}

void vmm_exit_plain(struct vmm_vcpu *v, uint32_t kind, uint32_t detail)
{
	static const struct vmm_cause none;

	fill(v, kind, &none)->detail = detail;
}

void vmm_exit_memory(struct vmm_vcpu *v, const struct vmm_cause *c, int error)
{
	struct vmm_exit *e = fill(v, VMM_EXIT_MEMORY, c);

	e->gpa = c->gpa;
	e->access = c->access;
	e->detail = (uint32_t)error;
	e->valid = VMM_VALID_GPA;
}

static enum vmm_verdict syscall_exit(struct vmm_vcpu *v,
    const struct vmm_cause *c, uint32_t length)
{
	/* APM vol. 3 SYSCALL: RF is neither saved nor kept. */
	step_over(v, length);
	OS_WRITE(v->page->regs.rcx, v->state.rip);
	OS_WRITE(v->page->regs.r11, v->state.rflags);
	(void)fill(v, VMM_EXIT_SYSCALL, c);
	return VMM_LEAVE;
}

static enum vmm_verdict softint_exit(struct vmm_vcpu *v,
    const struct vmm_cause *c, uint32_t length, uint32_t vector)
{
	step_over(v, length);
	fill(v, VMM_EXIT_SOFTINT, c)->vector = vector;
	return VMM_LEAVE;
}

RARE static void tell_insn(struct vmm_vcpu *v, struct vmm_exit *e)
{
	struct code code;

	fetch(v, &code, LONGEST);
	memcpy(e->insn, code.byte, code.n);
	e->insn_bytes = (uint8_t)code.n;
	e->valid |= VMM_VALID_INSN;
}

/* Inlined it would have registers saved for exceptions that are no exit. */
__attribute__((__noinline__)) static enum vmm_verdict exception_exit(
    struct vmm_vcpu *v, const struct vmm_cause *c, uint32_t vector,
    uint32_t error_code)
{
	struct vmm_exit *e = fill(v, VMM_EXIT_EXCEPTION, c);

	e->vector = vector;
	if (x86_has_error_code(vector)) {
		e->error_code = error_code;
		e->valid = VMM_VALID_ERROR_CODE;
	}
	if (vector == VMM_X86_PF) {
		e->address = c->address;
		e->valid |= VMM_VALID_ADDRESS;
	} else if ((v->wanted & VMM_WANT_INSN) != 0) {
		tell_insn(v, e);
	}
	return VMM_LEAVE;
}

static bool only_counted(struct vmm_vcpu *v, uint32_t vector)
{
	if ((OS_READ(v->context->counted) >> vector & 1) == 0)
		return false;
	vmm_count(&v->stats->counted, 1);
	return true;
}

/* Where the lower half of the addresses ends a processor raises #GP, as it
 * fetches; an entry might be refused there. */
static enum vmm_verdict go_on(struct vmm_vcpu *v, const struct vmm_cause *c)
{
	if (x86_canonical(v->state.rip))
		return VMM_GO_ON;
	return exception_exit(v, c, VMM_X86_GP, 0);
}

static enum vmm_verdict breakpoint(struct vmm_vcpu *v,
    const struct vmm_cause *c, uint32_t length)
{
	step_over(v, length);
	if (only_counted(v, VMM_X86_BP))
		return go_on(v, c);
	return exception_exit(v, c, VMM_X86_BP, 0);
}

/* RIP is where the processor leaves it. */
static enum vmm_verdict debug(struct vmm_vcpu *v, const struct vmm_cause *c,
    uint64_t dr6)
{
	unsigned i;

	/* Of breakpoints that are not enabled it may tell what it likes, SDM
	 * vol. 3B 17.2.3. */
	for (i = 0; i < 4; i++)
		if ((v->dr7 >> (2 * i) & 3) == 0)
			dr6 &= ~(1ull << i);
	if (!only_counted(v, VMM_X86_DB)) {
		(void)exception_exit(v, c, VMM_X86_DB, 0);
		v->page->exit.dr6 = dr6;
		v->page->exit.valid |= VMM_VALID_DR6;
		return VMM_LEAVE;
	}
	/* A breakpoint on execution is a fault: the same instruction would
	 * raise it for ever, SDM vol. 3B 17.3.1.1. */
	for (i = 0; i < 4; i++)
		if ((dr6 >> i & 1) != 0 && (v->dr7 >> (16 + 4 * i) & 3) == 0)
			v->state.rflags |= VMM_X86_RFLAGS_RF;
	return go_on(v, c);
}

/* ---- exceptions ---- */

/* With prefixes; or not at all. */
RARE static enum vmm_verdict other_ud(struct vmm_vcpu *v,
    const struct vmm_cause *c)
{
	struct code code;
	unsigned length;

	fetch(v, &code, LONGEST);
	length = x86_insn_0f(code.byte, code.n, SECOND_SYSCALL);
	if (length != 0)
		return syscall_exit(v, c, length);
	if (incomplete(&code, SECOND_SYSCALL))
		return again(v);
	/* SYSRET is #UD for the same reason, before the ring is looked at. */
	if (x86_insn_0f(code.byte, code.n, SECOND_SYSRET) != 0)
		return exception_exit(v, c, VMM_X86_GP, 0);
	return exception_exit(v, c, VMM_X86_UD, 0);
}

/* SYSCALL with EFER.SCE clear is #UD; so is much else. */
static enum vmm_verdict on_ud(struct vmm_vcpu *v, const struct vmm_cause *c)
{
	if (peek(v) == INSN_SYSCALL)
		return syscall_exit(v, c, 2);
	return other_ud(v, c);
}

/* INT n, where only the empty IDT tells: SDM vol. 3A 6.13. */
static enum vmm_verdict on_gp(struct vmm_vcpu *v, const struct vmm_cause *c)
{
	struct code code;
	unsigned length;
	uint8_t n;

	if ((c->error_code & ERROR_IDT_MASK) != ERROR_IDT)
		return exception_exit(v, c, VMM_X86_GP, c->error_code);
	fetch(v, &code, LONGEST);
	length = x86_insn_int(code.byte, code.n, &n);
	if (length != 0)
		return softint_exit(v, c, length, n);
	length = x86_insn_1(code.byte, code.n, OPCODE_INT3);
	if (length != 0)
		return breakpoint(v, c, length);
	if (incomplete(&code, OPCODE_INT))
		return again(v);
	return exception_exit(v, c, VMM_X86_GP, c->error_code);
}

/* With prefixes. */
RARE static uint32_t other_int3(struct vmm_vcpu *v)
{
	struct code code;

	fetch(v, &code, LONGEST);
	return x86_insn_1(code.byte, code.n, OPCODE_INT3);
}

static inline uint32_t int3_length(struct vmm_vcpu *v)
{
	return (peek(v) & 0xff) == OPCODE_INT3 ? 1 : other_int3(v);
}

static enum vmm_verdict on_bp(struct vmm_vcpu *v, const struct vmm_cause *c)
{
	uint32_t length = c->length != 0 ? c->length : int3_length(v);

	return length != 0 ? breakpoint(v, c, length) : again(v);
}

static enum vmm_verdict on_db(struct vmm_vcpu *v, const struct vmm_cause *c)
{
	return debug(v, c, c->dr6);
}

/* Without AC nothing is an alignment check: the host has the processor trap
 * locks of two cache lines, SDM vol. 3A 8.1.2.3. */
static enum vmm_verdict on_ac(struct vmm_vcpu *v, const struct vmm_cause *c)
{
	if ((v->state.rflags & VMM_X86_RFLAGS_AC) == 0 && os_split_locks())
		return VMM_SPLIT;
	return exception_exit(v, c, VMM_X86_AC, c->error_code);
}

static enum vmm_verdict (*const on_vector[32])(struct vmm_vcpu *v,
    const struct vmm_cause *c) = {
	[VMM_X86_UD] = on_ud,
	[VMM_X86_GP] = on_gp,
	[VMM_X86_BP] = on_bp,
	[VMM_X86_DB] = on_db,
	[VMM_X86_AC] = on_ac,
};

/* ---- causes ---- */

static enum vmm_verdict on_exception(struct vmm_vcpu *v, struct vmm_cause *c)
{
	if (on_vector[c->vector & 31] != NULL)
		return on_vector[c->vector & 31](v, c);
	return exception_exit(v, c, c->vector, c->error_code);
}

/* INT n with prefixes; or INT3. */
RARE static enum vmm_verdict other_softint(struct vmm_vcpu *v,
    const struct vmm_cause *c)
{
	struct code code;
	unsigned length;
	uint8_t n;

	fetch(v, &code, LONGEST);
	length = x86_insn_int(code.byte, code.n, &n);
	if (length != 0)
		return softint_exit(v, c, length, n);
	length = x86_insn_1(code.byte, code.n, OPCODE_INT3);
	return length != 0 ? breakpoint(v, c, length) : again(v);
}

static enum vmm_verdict on_softint(struct vmm_vcpu *v, struct vmm_cause *c)
{
	uint32_t bytes;

	if (c->length != 0 && c->vector != VMM_VECTOR_UNTOLD)
		return softint_exit(v, c, c->length, c->vector);
	bytes = peek(v);
	if ((bytes & 0xff) == OPCODE_INT)
		return softint_exit(v, c, 2, bytes >> 8);
	if ((bytes & 0xff) == OPCODE_INT3)
		return breakpoint(v, c, 1);
	return other_softint(v, c);
}

static enum vmm_verdict on_icebp(struct vmm_vcpu *v, struct vmm_cause *c)
{
	uint32_t length = c->length;
	struct code code;

	if (length == 0) {
		fetch(v, &code, LONGEST);
		length = x86_insn_1(code.byte, code.n, OPCODE_ICEBP);
	}
	if (length == 0)
		return again(v);
	step_over(v, length);
	return debug(v, c, 0);
}

static enum vmm_verdict on_cpuid(struct vmm_vcpu *v, struct vmm_cause *c)
{
	const struct vmm_machine *m = v->machine;
	const struct vmm_cpuid_limits limits = {
		.xcr0 = vmm_hw.xcr0,
		.xsave_size = vmm_hw.xsave_size,
		.fsgsbase = (vmm_hw.caps & VMM_CAP_FSGSBASE) != 0,
	};
	struct vmm_regs *r = &v->page->regs;
	uint32_t length = c->length, leaf, sub, out[4];
	struct code code;

	if (length == 0 && peek(v) == INSN_CPUID)
		length = 2;
	if (length == 0) {
		fetch(v, &code, LONGEST);
		length = x86_insn_0f(code.byte, code.n, SECOND_CPUID);
		if (length == 0)
			return again(v);
	}
	leaf = (uint32_t)OS_READ(r->rax);
	sub = (uint32_t)OS_READ(r->rcx);
	cpu_cpuid(leaf, sub, out);
	vmm_cpuid_apply(m->cpuid, m->cpuid_count, &limits, leaf, sub, out);
	OS_WRITE(r->rax, out[0]);
	OS_WRITE(r->rbx, out[1]);
	OS_WRITE(r->rcx, out[2]);
	OS_WRITE(r->rdx, out[3]);
	step_over(v, length);
	/* The processor would trap after it. */
	if ((v->state.rflags & VMM_X86_RFLAGS_TF) != 0)
		return debug(v, c, DR6_BS);
	return go_on(v, c);
}

static enum vmm_verdict on_undefined(struct vmm_vcpu *v, struct vmm_cause *c)
{
	return exception_exit(v, c, VMM_X86_UD, 0);
}

static enum vmm_verdict on_privileged(struct vmm_vcpu *v, struct vmm_cause *c)
{
	return exception_exit(v, c, VMM_X86_GP, 0);
}

static enum vmm_verdict on_nested(struct vmm_vcpu *v, struct vmm_cause *c)
{
	(void)v;
	(void)c;
	return VMM_FILL;
}

static enum vmm_verdict on_around(struct vmm_vcpu *v, struct vmm_cause *c)
{
	(void)v;
	(void)c;
	return VMM_AROUND;
}

static enum vmm_verdict on_machine_check(struct vmm_vcpu *v,
    struct vmm_cause *c)
{
	(void)v;
	(void)c;
	os_machine_check();
	return VMM_AROUND;
}

static enum vmm_verdict on_shutdown(struct vmm_vcpu *v, struct vmm_cause *c)
{
	(void)fill(v, VMM_EXIT_SHUTDOWN, c);
	return VMM_LEAVE;
}

static enum vmm_verdict on_invalid(struct vmm_vcpu *v, struct vmm_cause *c)
{
	(void)fill(v, VMM_EXIT_FAILED, c);
	return VMM_LEAVE;
}

static enum vmm_verdict on_unknown(struct vmm_vcpu *v, struct vmm_cause *c)
{
	(void)fill(v, VMM_EXIT_UNKNOWN, c);
	return VMM_LEAVE;
}

static enum vmm_verdict (*const on_cause[VMM_CAUSES])(struct vmm_vcpu *v,
    struct vmm_cause *c) = {
	[VMM_CAUSE_INTERRUPT] = on_around,
	[VMM_CAUSE_NMI] = on_around,
	[VMM_CAUSE_MACHINE_CHECK] = on_machine_check,
	[VMM_CAUSE_EXCEPTION] = on_exception,
	[VMM_CAUSE_SOFTINT] = on_softint,
	[VMM_CAUSE_ICEBP] = on_icebp,
	[VMM_CAUSE_CPUID] = on_cpuid,
	[VMM_CAUSE_UNDEFINED] = on_undefined,
	[VMM_CAUSE_PRIVILEGED] = on_privileged,
	[VMM_CAUSE_NESTED] = on_nested,
	[VMM_CAUSE_SHUTDOWN] = on_shutdown,
	[VMM_CAUSE_INVALID] = on_invalid,
	[VMM_CAUSE_UNKNOWN] = on_unknown,
};

enum vmm_verdict vmm_exit_handle(struct vmm_vcpu *v, struct vmm_cause *cause)
{
	struct vmm_stats_page *s = v->stats;

	vmm_count(&s->exits, 1);
	vmm_count(&s->cause[cause->kind], 1);
	vmm_count(&s->raw[cause->raw_index], 1);
	return on_cause[cause->kind](v, cause);
}
