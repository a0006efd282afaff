// SPDX-License-Identifier: BSD-2-Clause
/*
 * decode.c - from the OUT that ended KVM_RUN to a raw event, with the guest
 * user's registers as they were before the stub.
 */
#include "kv.h"
#include "../os.h"

#include <errno.h>
#include <string.h>

#define DR6_CAUSES	0xe00full	/* BT BS BD B3-B0 */
#define CR4_FSGSBASE	(1ull << 16)

static bool has_error_code(uint32_t vector)
{
	/* #DF #TS #NP #SS #GP #PF #AC #CP */
	return vector < 32 && (0x00227d00u >> vector & 1) != 0;
}

static struct stub_frame *frame_of(struct kv_cpu *cpu, uint32_t vector)
{
	uint32_t top = vector == 2 ? STUB_IST2 : vector == 8 || vector == 18 ?
	    STUB_IST3 : STUB_IST1;

	return (struct stub_frame *)(void *)(cpu->page + top -
	    sizeof(struct stub_frame));
}

static void store_bases(struct kv_cpu *cpu, struct vmmctl_regs *regs)
{
	const struct kvm_sregs *s = &cpu->run->s.regs.sregs;

	if ((cpu->run->kvm_valid_regs & KVM_SYNC_X86_SREGS) == 0)
		return;
	cpu->fs_base = regs->fs_base = s->fs.base;
	cpu->gs_base = regs->gs_base = s->gs.base;
}

/* The registers at an exception or interrupt of ring 3. */
static void store(struct kv_cpu *cpu, struct vmmctl_regs *regs,
    const struct stub_frame *f)
{
	kv_regs_from(regs, &cpu->run->s.regs.regs);
	regs->rip = f->rip;
	regs->rsp = f->rsp;
	regs->rflags = f->rflags;
	store_bases(cpu, regs);
}

static int syscall_event(struct kv_cpu *cpu, struct kv_entry *e,
    struct event *ev)
{
	kv_regs_from(e->regs, &cpu->run->s.regs.regs);
	e->regs->rip = e->regs->rcx;
	e->regs->rflags = e->regs->r11;
	store_bases(cpu, e->regs);
	ev->type = EVENT_SYSCALL;
	return 1;
}

/* Something came in ring 0: leave it, and go on there. */
static int resume_ring0(struct kv_cpu *cpu, const struct stub_frame *f)
{
	struct kvm_regs *r = &cpu->run->s.regs.regs;

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
		return resume_ring0(cpu, f);
	/* On the way in: the guest user has not run. */
	if (vector == 2) {
		ev->type = EVENT_KICK;
		return 1;
	}
	/* IRETQ refused the state, SDM vol. 2A IRET. */
	ev->type = EVENT_FAILED;
	ev->field = "RIP";
	ev->value = e->regs->rip;
	ev->rule = "must be canonical";
	ev->section = "SDM vol. 2A IRET/IRETQ, #GP(0)";
	return 1;
}

/* ---- exceptions that need a closer look --------------------------------- */

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

/* Is it RDFSBASE, RDGSBASE, WRFSBASE or WRGSBASE? */
static bool at_fsgsbase(const struct kv_entry *e)
{
	uint8_t code[6];
	size_t len = e->fetch(e->cookie, e->regs->rip, code, sizeof(code));
	size_t i = 0;

	if (len == 0 || code[i++] != 0xf3)
		return false;
	if (i < len && (code[i] & 0xf0) == 0x40)
		i++;
	return i + 2 < len && code[i] == 0x0f && code[i + 1] == 0xae &&
	    (code[i + 2] & 0xe0) == 0xc0;
}

/*
 * A KVM that emulates what raised #GP, INT n and INT3 among it, may know
 * neither: what the processor would have said.
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

static int ud_event(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	/* Bases are read after every exit only for guests that set them. */
	if (cpu->vm->h->has_fsgsbase && !cpu->fsgsbase && at_fsgsbase(e)) {
		cpu->fsgsbase = true;
		cpu->ring0.cr4 |= CR4_FSGSBASE;
		cpu->ring3.cr4 |= CR4_FSGSBASE;
		cpu->stale = true;
		kv_load(cpu, e);
		return 0;
	}
	if (cpu->vm->h->set_state)
		correct(e, ev);
	return 1;
}

static int db_event(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	struct kvm_debugregs r;
	int err = kv_ioctl(cpu->fd, KVM_GET_DEBUGREGS, &r);

	if (err == 0) {
		ev->dr6 = r.dr6 & DR6_CAUSES;
		err = kv_debug_set(cpu, &cpu->debug);	/* clears DR6 */
	}
	/* INT1 is a trap; emulated it may come as a fault. */
	if (cpu->vm->h->set_state && ev->dr6 == 0 && code_at_rip(e) == 0xf1)
		e->regs->rip++;
	return err != 0 ? err : 1;
}

static int fault_event(struct kv_cpu *cpu, struct kv_entry *e,
    const struct stub_frame *f, struct event *ev)
{
	const struct stub_scratch *scratch =
	    (const void *)(cpu->page + STUB_SCRATCH);

	/* SYSCALL without its change of ring: the masked IF shows it, for
	 * ring 3 cannot clear IF. */
	if ((f->rflags & RFLAGS_IF) == 0) {
		kv_regs_from(e->regs, &cpu->run->s.regs.regs);
		e->regs->rsp = f->rsp;
		e->regs->rip = e->regs->rcx;
		e->regs->rflags = e->regs->r11;
		store_bases(cpu, e->regs);
		ev->type = EVENT_SYSCALL;
		return 1;
	}
	if (cpu->vm->h->set_state) {
		ev->cr2 = cpu->run->s.regs.sregs.cr2;
	} else {
		ev->cr2 = scratch->cr2;
		e->regs->rax = scratch->rax;
	}
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
	cpu->in_ring3 = false;
	if (vector == 2)
		cpu->nmi_masked = true;
	if ((f->cs & 3) == 0)
		return ring0_event(cpu, e, vector, f, ev);
	ev->type = EVENT_VECTOR;
	ev->vector = vector;
	ev->error_code = (uint32_t)f->error_code;
	if (vector != VEC_PF || (f->rflags & RFLAGS_IF) != 0)
		store(cpu, e->regs, f);
	switch (vector) {
	case 2:
		ev->type = EVENT_KICK;
		return 1;
	case VEC_DB:
		return db_event(cpu, e, ev);
	case VEC_UD:
		return ud_event(cpu, e, ev);
	case VEC_GP:
		if (cpu->vm->h->set_state && ev->error_code == 0)
			correct(e, ev);
		return 1;
	case VEC_PF:
		return fault_event(cpu, e, f, ev);
	case STUB_TIMER:
		return timer_event(cpu, e, ev);
	default:
		return 1;
	}
}

int kv_decode_port(struct kv_cpu *cpu, struct kv_entry *e, struct event *ev)
{
	uint32_t port = cpu->run->io.port;

	cpu->run->kvm_dirty_regs = 0;
	if (port == STUB_PORT + STUB_SYSCALL) {
		cpu->in_ring3 = false;
		return syscall_event(cpu, e, ev);
	}
	if (port >= STUB_PORT && port < STUB_PORT + STUB_VECTORS)
		return vector_event(cpu, e, port - STUB_PORT, ev);
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
