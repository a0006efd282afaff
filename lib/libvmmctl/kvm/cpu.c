// SPDX-License-Identifier: BSD-2-Clause
/*
 * cpu.c - one vCPU: creation, its fixed state, extended state, debug
 * registers, the timer and the kick.
 */
#include "kv.h"
#include "../os.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CR0		0x80050033ull	/* PG AM WP NE ET MP PE */
#define EFER		0xd01ull	/* NXE LMA LME SCE */
#define CR4_FSGSBASE	(1ull << 16)

#define MSR_STAR	0xc0000081u
#define MSR_LSTAR	0xc0000082u
#define MSR_FMASK	0xc0000084u
#define RFLAGS_ALL	0x3f7fd5u	/* SYSCALL clears every flag */

#define APIC_SPIV	0xf0
#define APIC_ISR	0x100
#define APIC_IRR_END	0x280
#define APIC_LVTT	0x320
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define APIC_ENABLE	0x1ffu
#define APIC_DIVIDE_1	0xbu
#define APIC_TICK_MAX	0xffffffffull	/* of 1 ns */

#define MSI_ADDRESS	0xfee00000u
#define MSI_NMI		0x400u

#define DR7_INIT	0x400ull
#define DR6_INIT	0xffff0ff0ull

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type,
		.present = 1, .dpl = selector & 3, .db = !code, .s = 1,
		.l = code, .g = 1,
	};
}

/* DS, ES, FS and GS are null, as Linux leaves them. */
static struct kvm_segment null_segment(void)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .type = 3, .present = 1, .dpl = 3,
		.db = 1, .s = 1, .g = 1, .unusable = 1,
	};
}

static void init_templates(struct kv_cpu *cpu, const struct kvm_sregs *reset)
{
	const struct kv_host *h = cpu->vm->h;
	const uint64_t va = stub_va(cpu->index);
	struct kvm_sregs *s = &cpu->ring3;

	*s = *reset;
	s->cr0 = CR0;
	s->cr4 = h->cr4;
	if (h->has_fsgsbase)
		s->cr4 |= CR4_FSGSBASE;
	s->efer = EFER;
	s->gdt.base = va + STUB_GDT;
	s->gdt.limit = GDT_LIMIT;
	s->idt.base = va + STUB_IDT;
	s->idt.limit = IDT_LIMIT;
	s->ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	s->tr = (struct kvm_segment){ .base = va + STUB_TSS, .limit = 0x67,
	    .selector = SEL_TSS, .type = 11, .present = 1 };
	s->ds = s->es = s->fs = s->gs = null_segment();
	s->cs = segment(SEL_USER_CS, 11, true);
	s->ss = segment(SEL_USER_SS, 3, false);
	cpu->ring0 = *s;
	cpu->ring0.cs = segment(SEL_KERNEL_CS, 11, true);
	cpu->ring0.ss = segment(SEL_KERNEL_SS, 3, false);
}

static int set_msrs(struct kv_cpu *cpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[3];
	} m = {
		.head.nmsrs = 3,
		.entry = {
			{ .index = MSR_STAR, .data =
			    (uint64_t)SEL_KERNEL_CS << 32 | 0x23ull << 48 },
			{ .index = MSR_LSTAR,
			    .data = stub_va(cpu->index) + STUB_LSTAR },
			{ .index = MSR_FMASK, .data = RFLAGS_ALL },
		},
	};
	int rc = kv_ioctl(cpu->fd, KVM_SET_MSRS, &m);

	return rc == 3 ? 0 : rc < 0 ? rc : -EIO;
}

static int set_state(struct kv_cpu *cpu)
{
	const struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	struct kvm_sregs reset;
	int err;

	xcrs.xcrs[0].value = cpu->vm->h->xcr0;
	err = kv_debug_set(cpu, &cpu->debug);
	if (err == 0)
		err = kv_ioctl(cpu->fd, KVM_GET_SREGS, &reset);
	if (err != 0)
		return err;
	init_templates(cpu, &reset);
	err = kv_ioctl(cpu->fd, KVM_SET_SREGS, &cpu->ring3);
	if (err == 0)
		err = set_msrs(cpu);
	if (err == 0 && cpu->vm->h->xsave)
		err = kv_ioctl(cpu->fd, KVM_SET_XCRS, &xcrs);
	if (err == 0)
		err = kv_ioctl(cpu->fd, KVM_SET_MP_STATE, &runnable);
	if (err == 0)
		err = kv_ioctl(cpu->fd, KVM_GET_LAPIC, &cpu->lapic);
	return err;
}

static void apic_put(struct kv_cpu *cpu, size_t reg, uint32_t value)
{
	memcpy(cpu->lapic.regs + reg, &value, sizeof(value));
}

static int init_lapic(struct kv_cpu *cpu)
{
	/* A timer of the last user's. */
	memset(cpu->lapic.regs + APIC_ISR, 0, APIC_IRR_END - APIC_ISR);
	apic_put(cpu, APIC_SPIV, APIC_ENABLE);
	apic_put(cpu, APIC_LVTT, STUB_TIMER);	/* one-shot */
	apic_put(cpu, APIC_TDCR, APIC_DIVIDE_1);
	return kv_ioctl(cpu->fd, KVM_SET_LAPIC, &cpu->lapic);
}

/*
 * One ioctl sets the count and takes the last timer interrupt out of service.
 * KVM's APIC bus ticks every nanosecond; a long deadline is reached in legs.
 */
static int timer_set(struct kv_cpu *cpu, uint64_t ns)
{
	uint32_t count = (uint32_t)(ns > APIC_TICK_MAX ? APIC_TICK_MAX : ns);

	apic_put(cpu, APIC_TMICT, count);
	apic_put(cpu, APIC_TMCCT, count);
	return kv_ioctl(cpu->fd, KVM_SET_LAPIC, &cpu->lapic);
}

int kv_timer_arm(struct kv_cpu *cpu, uint64_t deadline)
{
	uint64_t now, ns;
	int err;

	if (deadline == 0 || (cpu->armed != 0 && cpu->armed <= deadline))
		return 0;
	now = os_mono_ns();
	ns = deadline > now ? deadline - now : 1;
	err = timer_set(cpu, ns);
	cpu->armed = err != 0 ? 0 : now + (ns > APIC_TICK_MAX ?
	    APIC_TICK_MAX : ns);
	return err;
}

int kv_timer_ack(struct kv_cpu *cpu)
{
	cpu->armed = 0;
	return timer_set(cpu, 0);
}

int kv_cpu_init(struct kv_cpu *cpu, struct kv_vm *vm, uint32_t index)
{
	const struct kv_host *h = vm->h;
	int err = 0;

	memset(cpu, 0, sizeof(*cpu));
	cpu->vm = vm;
	cpu->index = index;
	cpu->page = kv_stub_page(vm, index);
	cpu->plain = h->set_state || !h->has_fsgsbase;
	cpu->stale = true;
	cpu->nmi_masked = true;		/* as the last user may have left it */
	cpu->fd = kv_vcpu_fd(vm, index);
	if (cpu->fd < 0)
		return cpu->fd;
	cpu->run = mmap(NULL, h->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		err = -ENOMEM;
	}
	if (err == 0) {
		cpu->xsave = vmmctl_zalloc(vm->v, h->xsave_bytes);
		err = cpu->xsave == NULL ? -ENOMEM : 0;
	}
	if (err == 0)
		err = set_state(cpu);
	if (err == 0)
		err = init_lapic(cpu);
	if (err != 0) {
		kv_cpu_fini(cpu);
		return vmmctl_fail(vm->v, err,
		    "KVM refused a vCPU's initial state: %s", strerror(-err));
	}
	stub_build(cpu->page, index, cpu->plain);
	return 0;
}

void kv_cpu_fini(struct kv_cpu *cpu)
{
	if (cpu->run != NULL)
		munmap(cpu->run, cpu->vm->h->run_size);
	vmmctl_free(cpu->vm->v, cpu->xsave);
	cpu->run = NULL;
	cpu->xsave = NULL;
	cpu->fd = -1;		/* stays open, see kv_vcpu_fd() */
}

int kv_xsave_set(struct kv_cpu *cpu, const void *buf)
{
	memset(cpu->xsave, 0, cpu->vm->h->xsave_bytes);
	memcpy(cpu->xsave, buf, cpu->vm->h->xsave_size);
	return kv_ioctl(cpu->fd, KVM_SET_XSAVE, cpu->xsave);
}

int kv_xsave_get(struct kv_cpu *cpu, void *buf)
{
	int err = kv_ioctl(cpu->fd, cpu->vm->h->xsave2 ? KVM_GET_XSAVE2 :
	    KVM_GET_XSAVE, cpu->xsave);

	if (err == 0)
		memcpy(buf, cpu->xsave, cpu->vm->h->xsave_size);
	return err;
}

int kv_debug_set(struct kv_cpu *cpu, const struct vmmctl_debug_regs *d)
{
	struct kvm_debugregs r = { .dr6 = DR6_INIT, .dr7 = d->dr7 | DR7_INIT };
	int err;

	memcpy(r.db, d->addr, sizeof(r.db));
	err = kv_ioctl(cpu->fd, KVM_SET_DEBUGREGS, &r);
	if (err == 0)
		cpu->debug = *d;
	return err;
}

int kv_nmi_unmask(struct kv_cpu *cpu)
{
	struct kvm_vcpu_events e = { .flags = 0 };
	int err = kv_ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &e);

	if (err != 0)
		return err;
	/* Without its flag what is pending stays pending: a kick that comes
	 * in between is not lost. */
	e.flags = 0;
	e.nmi.masked = 0;
	cpu->nmi_masked = false;
	return kv_ioctl(cpu->fd, KVM_SET_VCPU_EVENTS, &e);
}

/*
 * A non-maskable interrupt from the VM's side: it needs neither the vCPU's
 * lock nor a signal, and it stays pending until the vCPU is entered.
 */
void kv_kick(const struct kv_cpu *cpu)
{
	const struct kvm_msi msi = {
		.address_lo = MSI_ADDRESS | cpu->index << 12, .data = MSI_NMI,
	};
	int saved = errno;

	ioctl(cpu->vm->fd, KVM_SIGNAL_MSI, &msi);
	errno = saved;
}
