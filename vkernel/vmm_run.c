// SPDX-License-Identifier: GPL-2.0
/*
 * Running user processes as guest-user contexts: registers into and out of a
 * context, and what each exit means to this kernel.  Knows no backend, and
 * address spaces only by name; see vmm.c.
 */
#include <linux/kernel.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/thread_info.h>
#include <asm/unistd.h>
#include <kern_util.h>
#include <os.h>
#include <skas.h>
#include <vmm.h>
#include "vmmctl.h"

#define FP_BYTES	sizeof_field(struct uml_pt_regs, fp)
#define XSAVE_HEADER	512
#define XSAVE_X87	1
#define XSAVE_SSE	2

/* ---- registers ----------------------------------------------------------- */

static void load_regs(struct vmmctl_regs *to, const unsigned long *gp)
{
	*to = (struct vmmctl_regs) {
		.rax = gp[HOST_AX], .rbx = gp[HOST_BX],
		.rcx = gp[HOST_CX], .rdx = gp[HOST_DX],
		.rsi = gp[HOST_SI], .rdi = gp[HOST_DI],
		.rbp = gp[HOST_BP], .rsp = gp[HOST_SP],
		.r8 = gp[HOST_R8], .r9 = gp[HOST_R9],
		.r10 = gp[HOST_R10], .r11 = gp[HOST_R11],
		.r12 = gp[HOST_R12], .r13 = gp[HOST_R13],
		.r14 = gp[HOST_R14], .r15 = gp[HOST_R15],
		.rip = gp[HOST_IP], .rflags = gp[HOST_EFLAGS],
		.fs_base = gp[HOST_FS_BASE], .gs_base = gp[HOST_GS_BASE],
	};
}

static void store_regs(unsigned long *gp, const struct vmmctl_regs *from)
{
	gp[HOST_AX] = from->rax;
	gp[HOST_BX] = from->rbx;
	gp[HOST_CX] = from->rcx;
	gp[HOST_DX] = from->rdx;
	gp[HOST_SI] = from->rsi;
	gp[HOST_DI] = from->rdi;
	gp[HOST_BP] = from->rbp;
	gp[HOST_SP] = from->rsp;
	gp[HOST_R8] = from->r8;
	gp[HOST_R9] = from->r9;
	gp[HOST_R10] = from->r10;
	gp[HOST_R11] = from->r11;
	gp[HOST_R12] = from->r12;
	gp[HOST_R13] = from->r13;
	gp[HOST_R14] = from->r14;
	gp[HOST_R15] = from->r15;
	gp[HOST_IP] = from->rip;
	gp[HOST_EFLAGS] = from->rflags;
	gp[HOST_FS_BASE] = from->fs_base;
	gp[HOST_GS_BASE] = from->gs_base;
}

/* What a brief exit brings and what goes back after one. */
static void load_brief(struct vmmctl_regs *to, const unsigned long *gp)
{
	to->rax = gp[HOST_AX];
	to->rcx = gp[HOST_CX];
	to->rdx = gp[HOST_DX];
	to->rsi = gp[HOST_SI];
	to->rdi = gp[HOST_DI];
	to->r8 = gp[HOST_R8];
	to->r9 = gp[HOST_R9];
	to->r10 = gp[HOST_R10];
	to->rip = gp[HOST_IP];
}

static void store_brief(unsigned long *gp, const struct vmmctl_regs *from)
{
	gp[HOST_AX] = from->rax;
	gp[HOST_CX] = from->rcx;
	gp[HOST_DX] = from->rdx;
	gp[HOST_SI] = from->rsi;
	gp[HOST_DI] = from->rdi;
	gp[HOST_R8] = from->r8;
	gp[HOST_R9] = from->r9;
	gp[HOST_R10] = from->r10;
	gp[HOST_IP] = from->rip;
}

/*
 * The extended state stays in the context, and after a brief exit so do the
 * registers that pass no arguments.  They are fetched before anything can
 * look at them in regs or change them there: signals and stops under ptrace,
 * which interrupt_end() does, and the system calls below.
 */
struct vmm_run {
	struct uml_pt_regs *regs;
	struct vmmctl_context *context;
	bool fp_in_context;
	bool brief;
	bool stepping;
};

static void fetch_state(struct vmm_run *r)
{
	if (r->brief) {
		struct vmmctl_regs *gp = vmmctl_context_regs(r->context);

		load_brief(gp, r->regs->gp);
		vmmctl_context_fetch(r->context);
		store_regs(r->regs->gp, gp);
		r->brief = false;
	}
	if (r->fp_in_context)
		vmmctl_context_get_xsave(r->context, r->regs->fp, FP_BYTES);
	r->fp_in_context = false;
}

static bool is_fork(unsigned long nr)
{
	return nr == __NR_clone || nr == __NR_clone3 || nr == __NR_fork ||
	       nr == __NR_vfork;
}

static bool syscall_wants_state(unsigned long nr)
{
	return is_fork(nr) || nr == __NR_execve || nr == __NR_execveat ||
	       nr == __NR_rt_sigreturn || current->ptrace;
}

/*
 * Not brief: what looks at or sets other registers, and what changes pages
 * that are there, which the stub can do only from its handler.  brk and mmap
 * seldom do.
 */
static const u16 full_syscalls[] = {
	__NR_clone, __NR_clone3, __NR_fork, __NR_vfork, __NR_execve,
	__NR_execveat, __NR_rt_sigreturn, __NR_exit, __NR_exit_group,
	__NR_sigaltstack, __NR_arch_prctl, __NR_modify_ldt, __NR_ptrace,
	__NR_rt_sigsuspend, __NR_pause,
	__NR_munmap, __NR_mprotect, __NR_mremap,
	__NR_madvise, __NR_shmat, __NR_shmdt,
};

void vmm_set_brief(struct vmmctl_machine_config *config)
{
	static uint64_t brief[VMMCTL_BRIEF_WORDS];
	int i;

	for (i = 0; i < __NR_syscalls && i < 64 * VMMCTL_BRIEF_WORDS; i++)
		brief[i / 64] |= 1ULL << (i % 64);
	for (i = 0; i < ARRAY_SIZE(full_syscalls); i++)
		brief[full_syscalls[i] / 64] &=
			~(1ULL << (full_syscalls[i] % 64));
	config->brief = brief;
	config->brief_words = VMMCTL_BRIEF_WORDS;
}

/* Which components hold something: SDM vol. 1, 13.4.2. */
static u64 *xstate_bv(struct uml_pt_regs *regs)
{
	return (u64 *)((char *)regs->fp + XSAVE_HEADER);
}

/* PTRACE_SETFPREGS; the header has to say that x87 and SSE hold something. */
int vmm_set_fpregs(struct uml_pt_regs *regs, const struct user_i387_struct *fp)
{
	memcpy(regs->fp, fp, offsetof(struct user_i387_struct, padding));
	*xstate_bv(regs) |= XSAVE_X87 | XSAVE_SSE;
	return 0;
}

/* ---- exits ---------------------------------------------------------------- */

static void syscall_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	unsigned long nr = r->regs->gp[HOST_AX];

	if (syscall_wants_state(nr))
		fetch_state(r);
	/* Nothing but a tracer changes it in the parent of a fork. */
	if (is_fork(nr) && !current->ptrace)
		r->fp_in_context = true;
	PT_SYSCALL_NR(r->regs->gp) = nr;
	handle_syscall(r->regs);
}

static void fault_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	segv_handler(SIGSEGV, NULL, r->regs);
	if (e->access & VMMCTL_PROT_WRITE)
		vmm_fault_ahead(e->addr);
}

/* The si_code of a floating-point exception, from the unmasked flags. */
static int fp_code(struct vmm_run *r, u32 vector)
{
	const u16 *fx = (const u16 *)r->regs->fp;
	u32 mxcsr, flags;

	fetch_state(r);
	mxcsr = *(const u32 *)&fx[12];
	flags = vector == 16 ? fx[1] & ~fx[0] : mxcsr & ~(mxcsr >> 7);
	if (flags & 0x01)
		return FPE_FLTINV;
	if (flags & 0x04)
		return FPE_FLTDIV;
	if (flags & 0x08)
		return FPE_FLTOVF;
	if (flags & 0x12)
		return FPE_FLTUND;
	return FPE_FLTRES;
}

static const struct {
	int sig;
	int code;
} traps[32] = {
	[0]	= { SIGFPE,	FPE_INTDIV },
	[6]	= { SIGILL,	ILL_ILLOPN },
	[11]	= { SIGBUS,	SI_KERNEL },
	[12]	= { SIGBUS,	SI_KERNEL },
	[16]	= { SIGFPE,	FPE_FLTUNK },
	[17]	= { SIGBUS,	BUS_ADRALN },
	[19]	= { SIGFPE,	FPE_FLTUNK },
};

static void raise_trap(struct vmm_run *r, int sig, int code)
{
	current->thread.arch.faultinfo = r->regs->faultinfo;
	if (code == SI_KERNEL)
		force_sig(sig);
	else
		force_sig_fault(sig, code, (void __user *)UPT_IP(r->regs));
}

static void exception_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	u32 v = e->vector & 31;
	int code = traps[v].code;

	if (!traps[v].sig) {
		segv_handler(SIGSEGV, NULL, r->regs);
		return;
	}
	if (code == FPE_FLTUNK)
		code = fp_code(r, v);
	raise_trap(r, traps[v].sig, code);
}

static void breakpoint_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	raise_trap(r, SIGTRAP, SI_KERNEL);
}

/* int n is a #GP with the vector as error code where the IDT forbids it; it
 * allows int 3 and int 4. */
static void softint_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	struct faultinfo *fi = &r->regs->faultinfo;

	if (e->vector == 0x80) {
		syscall_exit(r, e);
		return;
	}
	if (e->vector == 3) {
		fi->error_code = 0;
		breakpoint_exit(r, e);
		return;
	}
	fi->trap_no = e->vector == 4 ? 4 : 13;
	fi->error_code = e->vector == 4 ? 0 : e->vector * 8 + 2;
	if (e->vector != 4)
		UPT_IP(r->regs) -= 2;
	segv_handler(SIGSEGV, NULL, r->regs);
}

static void debug_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	raise_trap(r, SIGTRAP, e->dr6 & VMMCTL_DR6_BS ? TRAP_TRACE :
		   TRAP_BRKPT);
}

static void nomem_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	pr_err_ratelimited("vmm: %s[%d]: no memory at guest-physical 0x%llx\n",
			   current->comm, task_pid_nr(current), e->gpa);
	raise_trap(r, SIGBUS, BUS_ADRERR);
}

/* State that cannot be loaded faults on real hardware on the way back. */
static void failed_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	pr_info_ratelimited("vmm: %s[%d]: %s = 0x%llx %s\n", current->comm,
			    task_pid_nr(current), e->field, e->value, e->rule);
	r->regs->faultinfo.trap_no = 13;
	segv_handler(SIGSEGV, NULL, r->regs);
}

static void (*const exits[])(struct vmm_run *r, const struct vmmctl_exit *e) = {
	[VMMCTL_EXIT_SYSCALL]		= syscall_exit,
	[VMMCTL_EXIT_SOFTINT]		= softint_exit,
	[VMMCTL_EXIT_BREAKPOINT]	= breakpoint_exit,
	[VMMCTL_EXIT_FAULT]		= fault_exit,
	[VMMCTL_EXIT_EXCEPTION]		= exception_exit,
	[VMMCTL_EXIT_DEBUG]		= debug_exit,
	[VMMCTL_EXIT_NOMEM]		= nomem_exit,
	[VMMCTL_EXIT_FAILED]		= failed_exit,
};

/* ---- running --------------------------------------------------------------- */

static void __noreturn give_up(const char *what, int err)
{
	char why[256] = "";

	vmmctl_error(vmm_handle, why, sizeof(why));
	if (err == -ENOMEM)
		report_enomem();
	pr_err("vmm: %s[%d]: %s: %s (error %d)\n", current->comm,
	       task_pid_nr(current), what, why, -err);
	fatal_sigsegv();
	unreachable();
}

/* A new task has none yet, and exec took the old one away. */
static void get_context(struct vmm_run *r)
{
	struct thread_struct *t = &current->thread;
	int err;

	if (!t->vmm) {
		err = vmmctl_context_create(current->mm->context.id.vmm,
					    &t->vmm);
		if (err)
			give_up("no context", err);
		r->fp_in_context = false;
		r->brief = false;
		r->stepping = false;
	}
	r->context = t->vmm;
}

static void run(struct vmm_run *r, struct vmmctl_exit *e)
{
	int *sync_error = &current->mm->context.id.vmm_error;
	bool step = test_thread_flag(TIF_SINGLESTEP);
	struct vmmctl_regs *gp;
	int err;

	err = *sync_error;
	*sync_error = 0;
	if (err)
		give_up("cannot map", err);
	get_context(r);
	if (!r->fp_in_context) {
		/* The first state of all comes from the host's processor, which
		 * may have components that the backend has not. */
		*xstate_bv(r->regs) &= vmm_xsave_mask;
		err = vmmctl_context_set_xsave(r->context, r->regs->fp,
					       FP_BYTES);
		if (err)
			give_up("bad floating-point state", err);
		r->fp_in_context = true;
	}
	if (r->stepping != step) {
		r->stepping = step;
		vmmctl_context_set_step(r->context, step);
	}

	gp = vmmctl_context_regs(r->context);
	if (r->brief)
		load_brief(gp, r->regs->gp);
	else
		load_regs(gp, r->regs->gp);
	err = vmmctl_vcpu_run(vmm_vcpu, r->context, e);
	if (err)
		give_up("cannot run", err);
	r->brief = e->kind == VMMCTL_EXIT_SYSCALL && e->brief;
	if (r->brief)
		store_brief(r->regs->gp, gp);
	else
		store_regs(r->regs->gp, gp);
}

/* A switch of tasks alone leaves all state where it is. */
static void handle_work(struct vmm_run *r)
{
	unsigned long flags;

	while ((flags = read_thread_flags()) & _TIF_WORK_MASK) {
		if (flags & _TIF_WORK_MASK & ~_TIF_NEED_RESCHED) {
			fetch_state(r);
			interrupt_end();
		} else {
			schedule();
		}
	}
}

void vmm_userspace(struct uml_pt_regs *regs)
{
	struct vmm_run r = { .regs = regs };
	struct vmmctl_exit e;

	interrupt_end();

	while (1) {
		current_mm_sync();
		run(&r, &e);

		regs->is_user = 1;
		UPT_SYSCALL_NR(regs) = -1;
		PT_SYSCALL_NR(regs->gp) = -1;
		if (e.kind != VMMCTL_EXIT_SYSCALL)
			regs->faultinfo = (struct faultinfo) {
				.error_code	= e.error_code,
				.cr2		= e.addr,
				.trap_no	= e.vector,
			};
		if (e.kind < ARRAY_SIZE(exits) && exits[e.kind])
			exits[e.kind](&r, &e);

		handle_work(&r);
	}
}
