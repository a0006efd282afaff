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
#include <linux/sched.h>
#include <as-layout.h>
#include <init.h>
#include <kern.h>
#include <kern_util.h>
#include <mem_user.h>
#include <os.h>
#include <skas.h>
#include <vmm.h>
#include "vmmctl.h"

int using_vmm;

static char *vmm_arg __initdata = "best";
struct vmmctl *vmm_handle;
struct vmmctl_vcpu *vmm_vcpu;
unsigned long long vmm_xsave_mask;
static struct vmmctl_machine *machine;
static int first_fd;		/* what is below was open before us */

/* ---- the handle and the machine ---------------------------------------- */

extern unsigned long long physmem_size;
extern int close_range(unsigned int first, unsigned int last, int flags);
extern int dup(int fd);
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

	first_fd = dup(0);
	if (first_fd >= 0)
		os_close_file(first_fd);
	if (!strcmp(vmm_arg, "off"))
		return 0;
	if (!best)
		config.backend = vmm_arg;

	err = vmmctl_open_config(&config, &vmm_handle);
	if (!err) {
		vmmctl_info(vmm_handle, &info, sizeof(info));
		if (info.gva_limit < TASK_SIZE) {
			snprintf(why, sizeof(why),
				 "%s ends guest addresses at 0x%llx, programs need 0x%lx",
				 info.backend, info.gva_limit, TASK_SIZE);
			vmmctl_close(vmm_handle);
			vmm_handle = NULL;
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
	vmm_ahead_init(info.exit_ns);
	vmm_xsave_mask = info.xsave_mask;
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
		.flags		= VMMCTL_MACHINE_KICKS_ONLY,
		.name		= "vkernel",
		.max_vcpus	= 1,
	};
	unsigned long long offset;
	int fd = phys_mapping(0, &offset);
	int err;

	vmm_set_brief(&config);
	err = vmmctl_machine_create(vmm_handle, &config, &machine);
	if (!err)
		err = vmmctl_memory_map(machine, 0, PAGE_ALIGN(physmem_size),
					fd, offset, VMMCTL_PROT_RWX);
	if (!err)
		err = map_iomem();
	if (!err)
		err = vmmctl_vcpu_create(machine, &vmm_vcpu);
	if (err) {
		char why[256] = "";

		vmmctl_error(vmm_handle, why, sizeof(why));
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
	struct vmmctl *v = vmm_handle;

	if (system_state <= SYSTEM_RUNNING)
		return;
	if (first_fd >= 0)
		close_range(first_fd, ~0U, CLOSE_RANGE_CLOEXEC);
	vmm_vcpu = NULL;
	vmm_handle = NULL;
	vmmctl_close(v);
}
__uml_exitcall(vmm_exit);

void vmm_kick(void)
{
	if (vmm_vcpu)
		vmmctl_vcpu_kick(vmm_vcpu);
}

/* ---- address spaces ----------------------------------------------------- */

int vmm_mm_create(struct mm_id *id)
{
	if (!machine)
		create_machine();
	id->vmm_error = 0;
	return vmmctl_space_create(machine, &id->vmm);
}

void vmm_mm_destroy(struct mm_id *id)
{
	int err = vmm_handle ? vmmctl_space_destroy(id->vmm) : 0;

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

/* The walk of the page table has nobody to tell; the space's next run does. */
static int note(struct mm_id *id, int err)
{
	if (err)
		id->vmm_error = err;
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
	return note(id, vmmctl_space_map(id->vmm, virt, len, offset,
					 vmm_prot(prot)));
}

int vmm_unmap(struct mm_id *id, unsigned long virt, unsigned long len)
{
	return note(id, vmmctl_space_unmap(id->vmm, virt, len));
}

int vmm_protect(struct mm_id *id, unsigned long virt, unsigned long len,
		unsigned int prot)
{
	return note(id, vmmctl_space_protect(id->vmm, virt, len,
					     vmm_prot(prot)));
}
