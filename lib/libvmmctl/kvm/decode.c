// SPDX-License-Identifier: BSD-2-Clause
/*
 * decode.c - from the OUT that ended KVM_RUN to a raw event, with the guest
 * user's registers as they were before the stub.
 */
#include "kv.h"
#include "../os.h"

#include <errno.h>
#include <string.h>

#define GP_IDT		2u	/* error code: an IDT entry, SDM vol. 3A 6.13 */
#define DR6_CAUSES	0xe00full	/* BT BS BD B3-B0 */

static bool has_error_code(uint32_t vector)
{
	/* #DF #TS #NP #SS #GP #PF #AC #CP */
	return vector < 32 && (0x00227d00u >> vector & 1) != 0;
}

static struct stub_frame *frame_of(struct kv_cpu *cpu, uint32_t vector)
{
	uint32_t top = vector == STUB_NMI ? STUB_IST2 :
	    vector == 8 || vector == 18 ? STUB_IST3 : STUB_IST1;

	return (struct stub_frame *)(void *)(cpu->page + top -
	    sizeof(struct stub_frame));
}

static struct stub_scratch *scratch_of(struct kv_cpu *cpu, uint32_t vector)
{
	return (struct stub_scratch *)(void *)(cpu->page +
	    (vector == STUB_NMI ? STUB_SCRATCH_NMI : STUB_SCRATCH));
}

/* The registers that no frame holds. */
static void store(struct kv_cpu *cpu, struct vmmctl_regs *regs,
    uint32_t vector)
{
	const struct kvm_sregs *s = &cpu->run->s.regs.sregs;
	const struct stub_scratch *scratch = scratch_of(cpu, vector);

	kv_regs_from(regs, &cpu->run->s.regs.regs);
	if (cpu->plain) {
		regs->fs_base = s->fs.base;
		regs->gs_base = s->gs.base;
	} else {
		regs->rax = scratch->rax;
		regs->fs_base = scratch->fs_base;
		regs->gs_base = scratch->gs_base;
	}
	cpu->fs_base = regs->fs_base;
	cpu->gs_base = regs->gs_base;
}

/* vector: what led into the stub. */
static int syscall_event(struct kv_cpu *cpu, struct kv_entry *e,
    uint32_t vector, struct event *ev)
{
	store(cpu, e->regs, vector);
	e->regs->rip = e->regs->rcx;
	e->regs->rflags = e->regs->r11;
	ev->type = EVENT_SYSCALL;
	return 1;
}

static int kick_event(const struct kv_entry *e, struct event *ev)
{
	ev->type = e->signalled ? EVENT_SIGNAL : EVENT_KICK;
	return 1;
}

/* Something came in ring 0: leave it, and go on there. */
static int resume_ring0(struct kv_cpu *cpu, uint32_t vector,
    const struct stub_frame *f)
{
	struct kvm_regs *r = &cpu->run->s.regs.regs;

	if (!cpu->plain)
		r->rax = scratch_of(cpu, vector)->rax;
	r->rip = f->rip;
	r->rsp = f->rsp;
	r->rflags = f->rflags & ~RFLAGS_TF;
	cpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return 0;
}

static int ring0_event(struct kv_cpu *cpu, struct kv_entry *e,
    uint32_t vector, const struct stub_frame *f, struct event *ev)
{
	const uint64_t offset = f->rip - stub_va(cpu->index);

	if (offset < STUB_LOAD_CR3 || offset > STUB_IRETQ)
		return resume_ring0(cpu, vector, f);
	/* On the way in: the guest user has not run. */
	cpu->cr3 = 0;
	if (vector == STUB_NMI)
		return kick_event(e, ev);
	/* IRETQ refused the state, SDM vol. 2A IRET. */
	ev->type = EVENT_FAILED;
	ev->field = "RIP";
	ev->value = e->regs->rip;
	ev->rule = "must be canonical";
	ev->section = "SDM vol. 2A IRET/IRETQ, #GP(0)";
	return 1;
}

/* ---- exceptions that need a closer look ---- */

static bool int_at_rip(const struct kv_entry *e, uint8_t *n)
{
	static const uint8_t prefixes[] = {
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3
	};
	uint8_t code[15];
	size_t len = e->fetch(e->cookie, e->regs->rip, code, sizeof(code));
	size_t i = 0;

	while (i < len && memchr(prefixes, code[i], sizeof(prefixes)) != NULL)
		i++;
	if (i < len && (code[i] & 0xf0) == 0x40)
		i++;
	if (i + 1 >= len || code[i] != 0xcd)
		return false;
	*n = code[i + 1];
	return true;
}

static int code_at_rip(const struct kv_entry *e)
{
	uint8_t code;

	return e->fetch(e->cookie, e->regs->rip, &code, 1) == 1 ? code : -1;
}

/*
 * What the processor would have said.  A KVM that emulates what raised #GP
 * may know neither INT n nor INT3; QEMU's emulation of a processor has 16 n
 * for 8 n in the error code.
 */
static void correct(const struct kv_entry *e, struct event *ev)
{
	uint8_t n;

	if (int_at_rip(e, &n)) {
		ev->vector = VEC_GP;
		ev->error_code = n * 8u + 2;
	} else if (code_at_rip(e) == 0xcc) {
		ev->vector = VEC_BP;
		e->regs->rip++;
	}
}

static int db_event(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	struct kvm_debugregs r;
	int err = kv_ioctl(cpu->fd, KVM_GET_DEBUGREGS, &r);

	if (err == 0) {
		ev->dr6 = r.dr6 & DR6_CAUSES;
		/* The bits of others than enabled breakpoints mean nothing,
		 * SDM vol. 3B 17.2.3. */
		for (int i = 0; i < 4; i++)
			if ((cpu->debug.dr7 >> (2 * i) & 3) == 0)
				ev->dr6 &= ~(1ull << i);
		err = kv_debug_set(cpu, &cpu->debug);	/* clears DR6 */
	}
	/* INT1 is a trap; emulated it may come as a fault. */
	if (cpu->vm->h->set_state && ev->dr6 == 0 && code_at_rip(e) == 0xf1)
		e->regs->rip++;
	return err != 0 ? err : 1;
}

static int fault_event(struct kv_cpu *cpu, struct event *ev)
{
	ev->cr2 = cpu->plain ? cpu->run->s.regs.sregs.cr2 :
	    scratch_of(cpu, VEC_PF)->cr2;
	return 1;
}

static int timer_event(struct kv_cpu *cpu, struct kv_entry *e,
    struct event *ev)
{
	int err = kv_timer_ack(cpu);

	if (err != 0)
		return err;
	if (e->deadline != 0 && os_mono_ns() >= e->deadline) {
		ev->type = EVENT_TIMEOUT;
		return 1;
	}
	if (e->kicked)		/* while the stub ran */
		return kick_event(e, ev);
	err = kv_timer_arm(cpu, e->deadline);
	if (err == 0)
		kv_load(cpu, e);
	return err;
}

static int vector_event(struct kv_cpu *cpu, struct kv_entry *e,
    uint32_t vector, struct event *ev)
{
	const struct stub_frame *f = frame_of(cpu, vector);
	struct stub_frame shifted;

	if (!has_error_code(vector)) {
		/* The frame ends where the error code would be above. */
		shifted = *f;
		shifted.error_code = 0;
		f = &shifted;
	}
	if (vector == STUB_NMI) {
		cpu->nmi_masked = true;
		e->kicked = true;
	}
	if ((f->cs & 3) == 0)
		return ring0_event(cpu, e, vector, f, ev);
	/*
	 * SYSCALL without its change of ring, interrupted before the first
	 * instruction or by its fault: the masked IF shows it, for ring 3
	 * cannot clear IF.  Whoever kicked will ask again.
	 */
	if ((f->rflags & RFLAGS_IF) == 0) {
		syscall_event(cpu, e, vector, ev);
		e->regs->rsp = f->rsp;
		return 1;
	}
	ev->type = EVENT_VECTOR;
	ev->vector = vector;
	ev->error_code = (uint32_t)f->error_code;
	store(cpu, e->regs, vector);
	e->regs->rip = f->rip;
	e->regs->rsp = f->rsp;
	e->regs->rflags = f->rflags;
	switch (vector) {
	case STUB_NMI:
		return kick_event(e, ev);
	case VEC_DB:
		return db_event(cpu, e, ev);
	case VEC_UD:
		if (cpu->vm->h->set_state)
			correct(e, ev);
		return 1;
	case VEC_GP:
		if ((ev->error_code & 7) == GP_IDT ||
		    (cpu->vm->h->set_state && ev->error_code == 0))
			correct(e, ev);
		return 1;
	case VEC_PF:
		return fault_event(cpu, ev);
	case STUB_TIMER:
		return timer_event(cpu, e, ev);
	default:
		return 1;
	}
}

int kv_decode_port(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	const uint32_t port = cpu->run->io.port;
	uint32_t vector = port - STUB_PORT;

	cpu->run->kvm_dirty_regs = 0;
	if (port == STUB_SAVED)
		vector = (uint32_t)scratch_of(cpu, STUB_SYSCALL)->vector;
	else if (port == STUB_SAVED_NMI)
		vector = STUB_NMI;
	if (vector == STUB_SYSCALL)
		return syscall_event(cpu, e, vector, ev);
	if (vector < STUB_VECTORS)
		return vector_event(cpu, e, vector, ev);
	return kv_decode_failure(cpu, ev);
}

int kv_decode_failure(struct kv_cpu *cpu, struct event *ev)
{
	const struct kvm_run *run = cpu->run;

	ev->type = EVENT_FAILED;
	ev->section = "Documentation/virt/kvm/api.rst 5";
	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		ev->field = "hardware entry failure";
		ev->value = run->fail_entry.hardware_entry_failure_reason;
		ev->rule = "the processor must accept the guest's state";
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		ev->field = "KVM internal error";
		ev->value = run->internal.suberror;
		ev->rule = "KVM must be able to run or emulate the "
		    "instruction";
		break;
	case KVM_EXIT_MMIO:
		ev->field = "guest-physical address";
		ev->value = run->mmio.phys_addr;
		ev->rule = "must have memory behind it";
		break;
	default:
		ev->field = "KVM exit reason";
		ev->value = run->exit_reason;
		ev->rule = "must be one that ring 3 can cause";
		break;
	}
	return 1;
}
