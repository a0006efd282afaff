// SPDX-License-Identifier: GPL-2.0
/*
 * User processes as guest-user contexts of libvmmctl.
 *
 * The kernel's physical memory is the memory of one machine, an mm is a
 * space, a task is a context, and the one processor is a vCPU.  Which backend
 * runs them is the library's affair; vmm=off leaves everything to ptrace.
 *
 * The library is called from process context only, except for
 * vmmctl_vcpu_kick(), which the timer interrupt calls at any moment.  It
 * allocates from the host's C library, because an allocation from this kernel
 * might schedule while the library holds a lock.
 */
#include <linux/close_range.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/thread_info.h>
#include <asm/unistd.h>
#include <as-layout.h>
#include <init.h>
#include <kern.h>
#include <kern_util.h>
#include <mem_user.h>
#include <os.h>
#include <skas.h>
#include <vmm.h>
#include "vmmctl.h"

#define FP_BYTES	sizeof_field(struct uml_pt_regs, fp)
#define XSAVE_HEADER	512
#define XSAVE_X87	1
#define XSAVE_SSE	2

int using_vmm;

static char *vmm_arg __initdata = "best";
static struct vmmctl *vmm;
static struct vmmctl_machine *machine;
static struct vmmctl_vcpu *vcpu;
static int first_fd;		/* what is below was open before us */

/* ---- the handle and the machine ---------------------------------------- */

extern unsigned long long physmem_size;
extern int close_range(unsigned int first, unsigned int last, int flags);
extern void *__real_malloc(size_t size);
extern void __real_free(void *p);

static void *host_alloc(void *cookie, size_t size)
{
	return __real_malloc(size);
}

static void host_free(void *cookie, void *p)
{
	__real_free(p);
}

static int __init vmm_setup(char *line, int *add)
{
	*add = 0;
	vmm_arg = line;
	return 0;
}

__uml_setup("vmm=", vmm_setup,
"vmm=<off|best|vmm|kvm|proc[:option]>\n"
"    What runs user processes: a backend of libvmmctl, the best one that\n"
"    works (the default), or with 'off' the host's ptrace.\n\n"
);

static int __init vmm_open(void)
{
	struct vmmctl_info info;
	char why[256] = "";
	struct vmmctl_config config = {
		.size		= sizeof(config),
		.alloc		= host_alloc,
		.free		= host_free,
		.why		= why,
		.why_size	= sizeof(why),
	};
	bool best = !strcmp(vmm_arg, "best");
	int err;

	first_fd = os_dup_file(0);
	if (first_fd >= 0)
		os_close_file(first_fd);
	if (!strcmp(vmm_arg, "off"))
		return 0;
	if (!best)
		config.backend = vmm_arg;

	err = vmmctl_open_config(&config, &vmm);
	if (!err) {
		vmmctl_info(vmm, &info, sizeof(info));
		if (info.gva_limit < TASK_SIZE) {
			snprintf(why, sizeof(why),
				 "%s ends guest addresses at 0x%llx, programs need 0x%lx",
				 info.backend, info.gva_limit, TASK_SIZE);
			vmmctl_close(vmm);
			vmm = NULL;
			err = -EOPNOTSUPP;
		}
	}
	if (err && best) {
		os_warn("vmm=best: %s; user processes run under ptrace\n", why);
		return 0;
	}
	if (err) {
		os_warn("vmm=%s: %s (error %d)\n", vmm_arg, why, -err);
		exit(1);
	}

	using_vmm = 1;
	pr_info("vmm: user processes run on %s (%s)%s%s\n", info.backend,
		info.variant, info.reason[0] ? ": " : "", info.reason);
	return 0;
}
__uml_postsetup(vmm_open);

static int map_iomem(void)
{
	struct iomem_region *r;
	int err = 0;

	for (r = iomem_regions; r && !err; r = r->next)
		if (r->phys)
			err = vmmctl_memory_map(machine, r->phys, r->size,
						r->fd, 0, VMMCTL_PROT_RW);
	return err;
}

/* With the first mm, when physical memory is set up. */
static int create_machine(void)
{
	struct vmmctl_machine_config config = {
		.size		= sizeof(config),
		.name		= "vkernel",
		.max_vcpus	= 1,
	};
	unsigned long long offset;
	int fd = phys_mapping(0, &offset);
	int err;

	err = vmmctl_machine_create(vmm, &config, &machine);
	if (!err)
		err = vmmctl_memory_map(machine, 0, PAGE_ALIGN(physmem_size),
					fd, offset, VMMCTL_PROT_RWX);
	if (!err)
		err = map_iomem();
	if (!err)
		err = vmmctl_vcpu_create(machine, &vcpu);
	if (err) {
		char why[256] = "";

		vmmctl_error(vmm, why, sizeof(why));
		panic("vmm: no machine: %s (error %d)", why, -err);
	}
	return err;
}

/*
 * Reboot executes the kernel anew in the same process, so everything has to
 * go, this kernel's own descriptors too: the memory is behind one of them.
 * After a fatal host signal the library may be in the middle of something:
 * then the exit of this process takes the contexts with it.
 */
static void vmm_exit(void)
{
	struct vmmctl *v = vmm;

	if (system_state <= SYSTEM_RUNNING)
		return;
	if (first_fd >= 0)
		close_range(first_fd, ~0U, CLOSE_RANGE_CLOEXEC);
	vcpu = NULL;
	vmm = NULL;
	vmmctl_close(v);
}
__uml_exitcall(vmm_exit);

void vmm_kick(void)
{
	if (vcpu)
		vmmctl_vcpu_kick(vcpu);
}

/* ---- address spaces ----------------------------------------------------- */

int vmm_mm_create(struct mm_id *id)
{
	if (!machine)
		create_machine();
	return vmmctl_space_create(machine, &id->vmm);
}

void vmm_mm_destroy(struct mm_id *id)
{
	int err = vmm ? vmmctl_space_destroy(id->vmm) : 0;

	WARN_ONCE(err, "vmm: space not destroyed, error %d", -err);
	id->vmm = NULL;
}

/* The task exits or is about to have another mm. */
void vmm_mm_deactivate(struct task_struct *task)
{
	vmmctl_context_destroy(task->thread.vmm);
	task->thread.vmm = NULL;
}

static u32 vmm_prot(unsigned int prot)
{
	return (prot & UM_PROT_READ ? VMMCTL_PROT_READ : 0) |
	       (prot & UM_PROT_WRITE ? VMMCTL_PROT_WRITE : 0) |
	       (prot & UM_PROT_EXEC ? VMMCTL_PROT_EXEC : 0);
}

/* The walk of the page table has nobody to tell; the next run does it. */
static int sync_error;

static int note(int err)
{
	if (err)
		sync_error = err;
	return err;
}

/*
 * Guest-physical is the kernel's own physical address; the walk of the page
 * table knows it, but hands on the descriptor and the offset.
 */
int vmm_map(struct mm_id *id, unsigned long virt, unsigned long len, int prot,
	    int phys_fd, unsigned long long offset)
{
	struct iomem_region *r;

	for (r = iomem_regions; r; r = r->next)
		if (r->fd == phys_fd)
			offset += r->phys;
	return note(vmmctl_space_map(id->vmm, virt, len, offset,
				     vmm_prot(prot)));
}

int vmm_unmap(struct mm_id *id, unsigned long virt, unsigned long len)
{
	return note(vmmctl_space_unmap(id->vmm, virt, len));
}

int vmm_protect(struct mm_id *id, unsigned long virt, unsigned long len,
		unsigned int prot)
{
	return note(vmmctl_space_protect(id->vmm, virt, len, vmm_prot(prot)));
}

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

/*
 * The extended state stays in the context.  It is fetched into regs->fp
 * before anything can look at it there or change it: signals and stops under
 * ptrace, which interrupt_end() does, and the system calls below.
 */
struct vmm_run {
	struct uml_pt_regs *regs;
	struct vmmctl_context *context;
	bool fp_in_context;
	bool stepping;
};

static void fetch_fp(struct vmm_run *r)
{
	if (r->fp_in_context)
		vmmctl_context_get_xsave(r->context, r->regs->fp, FP_BYTES);
	r->fp_in_context = false;
}

static bool syscall_wants_fp(unsigned long nr)
{
	switch (nr) {
	case __NR_clone:
	case __NR_clone3:
	case __NR_fork:
	case __NR_vfork:
	case __NR_execve:
	case __NR_execveat:
	case __NR_rt_sigreturn:
		return true;
	default:
		return current->ptrace != 0;
	}
}

/* PTRACE_SETFPREGS; the header has to say that x87 and SSE hold something. */
int vmm_set_fpregs(struct uml_pt_regs *regs, const struct user_i387_struct *fp)
{
	u64 *header = (u64 *)((char *)regs->fp + XSAVE_HEADER);

	memcpy(regs->fp, fp, offsetof(struct user_i387_struct, padding));
	*header |= XSAVE_X87 | XSAVE_SSE;
	return 0;
}

/* ---- exits ---------------------------------------------------------------- */

static void syscall_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	unsigned long nr = r->regs->gp[HOST_AX];

	if (syscall_wants_fp(nr))
		fetch_fp(r);
	PT_SYSCALL_NR(r->regs->gp) = nr;
	handle_syscall(r->regs);
}

static void fault_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	segv_handler(SIGSEGV, NULL, r->regs);
}

/* The si_code of a floating-point exception, from the unmasked flags. */
static int fp_code(struct vmm_run *r, u32 vector)
{
	const u16 *fx = (const u16 *)r->regs->fp;
	u32 mxcsr, flags;

	fetch_fp(r);
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

/* int n is a #GP with the vector as error code where the IDT forbids it. */
static void softint_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	struct faultinfo *fi = &r->regs->faultinfo;

	if (e->vector == 0x80) {
		syscall_exit(r, e);
		return;
	}
	fi->trap_no = e->vector == 4 ? 4 : 13;
	fi->error_code = e->vector == 4 ? 0 : e->vector * 8 + 2;
	if (e->vector != 4)
		UPT_IP(r->regs) -= 2;
	segv_handler(SIGSEGV, NULL, r->regs);
}

static void breakpoint_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	raise_trap(r, SIGTRAP, SI_KERNEL);
}

static void debug_exit(struct vmm_run *r, const struct vmmctl_exit *e)
{
	raise_trap(r, SIGTRAP, TRAP_TRACE);
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

	vmmctl_error(vmm, why, sizeof(why));
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
		r->stepping = false;
	}
	r->context = t->vmm;
}

static void run(struct vmm_run *r, struct vmmctl_exit *e)
{
	struct vmmctl_regs *gp;
	int err;

	if (sync_error) {
		err = sync_error;
		sync_error = 0;
		give_up("cannot map", err);
	}
	get_context(r);
	if (!r->fp_in_context) {
		err = vmmctl_context_set_xsave(r->context, r->regs->fp,
					       FP_BYTES);
		if (err)
			give_up("bad floating-point state", err);
		r->fp_in_context = true;
	}
	if (r->stepping != singlestepping()) {
		r->stepping = !r->stepping;
		vmmctl_context_set_step(r->context, r->stepping);
	}

	gp = vmmctl_context_regs(r->context);
	load_regs(gp, r->regs->gp);
	err = vmmctl_vcpu_run(vcpu, r->context, e);
	if (err)
		give_up("cannot run", err);
	store_regs(r->regs->gp, gp);
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

		if (read_thread_flags() & _TIF_WORK_MASK) {
			fetch_fp(&r);
			interrupt_end();
		}
	}
}
