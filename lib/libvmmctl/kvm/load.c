// SPDX-License-Identifier: BSD-2-Clause
/*
 * load.c - from a context's registers to what KVM_RUN starts with.
 *
 * Where ring 0 is executed by hardware, the vCPU is in ring 0 after an event
 * and goes back with IRETQ: only the general registers travel.  Where KVM
 * emulates ring 0 (shadow paging without hardware support), the ring 3 state
 * is set as a whole, which is cheaper than to emulate an IRETQ.
 */
#include "kv.h"

#include <string.h>

static struct stub_return *return_frame(struct kv_cpu *cpu)
{
	return (struct stub_return *)(void *)(cpu->page + STUB_RETURN);
}

/* KVM's registers lie as ours do, but RSP before RBP. */
_Static_assert(sizeof(struct kvm_regs) == 18 * sizeof(uint64_t), "registers");
_Static_assert(offsetof(struct kvm_regs, rdi) ==
    offsetof(struct vmmctl_regs, rdi), "first six");
_Static_assert(offsetof(struct kvm_regs, r8) ==
    offsetof(struct vmmctl_regs, r8), "r8 to r15");
_Static_assert(offsetof(struct kvm_regs, rflags) ==
    offsetof(struct vmmctl_regs, rflags), "RIP and RFLAGS");

static void regs_to(struct kvm_regs *to, const struct vmmctl_regs *from)
{
	memcpy(to, from, sizeof(*to));
	to->rsp = from->rsp;
	to->rbp = from->rbp;
}

void kv_regs_from(struct vmmctl_regs *to, const struct kvm_regs *from)
{
	memcpy(to, from, sizeof(*from));
	to->rsp = from->rsp;
	to->rbp = from->rbp;
}

static void load_sregs(struct kv_cpu *cpu, const struct kv_entry *e,
    const struct kvm_sregs *template)
{
	struct kvm_sregs *s = &cpu->run->s.regs.sregs;

	*s = *template;
	s->cr3 = e->cr3;
	s->fs.base = e->regs->fs_base;
	s->gs.base = e->regs->gs_base;
	cpu->cr3 = e->cr3;
	cpu->fs_base = e->regs->fs_base;
	cpu->gs_base = e->regs->gs_base;
	cpu->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

static void load_whole(struct kv_cpu *cpu, const struct kv_entry *e)
{
	load_sregs(cpu, e, &cpu->ring3);
	regs_to(&cpu->run->s.regs.regs, e->regs);
}

static void load_return(struct kv_cpu *cpu, const struct kv_entry *e)
{
	const uint64_t va = stub_va(cpu->index);
	struct kvm_regs *r = &cpu->run->s.regs.regs;
	const struct vmmctl_regs *from = e->regs;
	bool flush = e->flush || cpu->cr3 != e->cr3;

	/* Another root is set from outside: the one that is loaded may be of
	 * a space that is gone, and the stub would not be there. */
	if (cpu->stale || cpu->cr3 != e->cr3 ||
	    from->fs_base != cpu->fs_base || from->gs_base != cpu->gs_base)
		load_sregs(cpu, e, &cpu->ring0);
	*return_frame(cpu) = (struct stub_return){
		.rax = from->rax, .rip = from->rip, .cs = SEL_USER_CS,
		.rflags = from->rflags, .rsp = from->rsp, .ss = SEL_USER_SS,
	};
	regs_to(r, from);
	r->rflags = RFLAGS_FIXED;
	if (flush) {
		r->rax = e->cr3;
		r->rip = va + STUB_LOAD_CR3;
		r->rsp = va + STUB_RETURN;
		cpu->cr3 = e->cr3;
	} else {
		r->rip = va + STUB_IRETQ;
		r->rsp = va + STUB_RETURN + offsetof(struct stub_return, rip);
	}
}

void kv_load(struct kv_cpu *cpu, const struct kv_entry *e)
{
	struct kvm_run *run = cpu->run;

	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	if (cpu->plain)
		run->kvm_valid_regs |= KVM_SYNC_X86_SREGS;
	if (cpu->vm->h->set_state)
		load_whole(cpu, e);
	else
		load_return(cpu, e);
	cpu->stale = false;
}
