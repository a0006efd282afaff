/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * files.c - descriptors: the device, machines, vCPUs, counters.  Here
 * arguments are copied and errors become negative, and nowhere else.
 */
#include "vmm.h"
#include "linux.h"
#include "os_compat.h"

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* ---- arguments of ioctls ---- */

/* The largest of them; more than that is no command of ours. */
#define ARG_MAX_SIZE	sizeof(struct vmm_info)

struct arg {
	uint64_t words[(ARG_MAX_SIZE + 7) / 8];
};

static int arg_in(struct arg *a, unsigned int cmd, unsigned long user)
{
	size_t size = _IOC_SIZE(cmd);

	if (_IOC_TYPE(cmd) != VMM_IOC || size > sizeof(*a))
		return ENOTTY;
	if (_IOC_DIR(cmd) & _IOC_WRITE)
		return os_copyin(user, a, size);
	memset(a, 0, size);
	return 0;
}

static int arg_out(const struct arg *a, unsigned int cmd, unsigned long user)
{
	if (_IOC_DIR(cmd) & _IOC_READ)
		return os_copyout(user, a, _IOC_SIZE(cmd));
	return 0;
}

/* error, unless what there is to be told cannot be told. */
static int finish(int error, const struct arg *a, unsigned int cmd,
    unsigned long user)
{
	int out = arg_out(a, cmd, user);

	return -(out != 0 ? out : error);
}

/* ---- new descriptors ---- */

struct descriptor {
	struct file *file;
	int fd;
};

/* A descriptor on object that nobody sees yet; where there is none, object is
 * still the caller's.  EMFILE, ENFILE, ENOMEM. */
static int descriptor_make(struct descriptor *d, const char *name,
    const struct file_operations *fops, void *object, int flags)
{
	d->fd = get_unused_fd_flags(O_CLOEXEC);
	if (d->fd < 0)
		return -d->fd;
	d->file = anon_inode_getfile(name, fops, object, flags);
	if (IS_ERR(d->file)) {
		put_unused_fd(d->fd);
		return (int)-PTR_ERR(d->file);
	}
	return 0;
}

/* The last thing: what is to be told is told before anybody can use it. */
static int descriptor_install(const struct descriptor *d, const struct arg *a,
    unsigned int cmd, unsigned long user)
{
	int error = arg_out(a, cmd, user);

	if (error != 0) {
		put_unused_fd(d->fd);
		fput(d->file);	/* and with it the object */
		return -error;
	}
	fd_install(d->fd, d->file);
	return d->fd;
}

/* ---- counters ---- */

static ssize_t stats_read(struct file *file, char __user *user, size_t size,
    loff_t *at)
{
	size_t chunk = min_t(size_t, size, PAGE_SIZE);
	ssize_t done = 0;
	void *buf;

	if (*at < 0)
		return -EINVAL;
	buf = kmalloc(chunk, GFP_KERNEL);
	if (buf == NULL)
		return -ENOMEM;
	while (size != 0) {
		size_t n = vmm_stats_read(file->private_data, (uint64_t)*at,
		    buf, min(size, chunk));

		if (n == 0)
			break;
		if (copy_to_user(user, buf, n) != 0) {
			if (done == 0)
				done = -EFAULT;
			break;
		}
		user += n;
		size -= n;
		*at += n;
		done += n;
	}
	kfree(buf);
	return done;
}

static int stats_release(struct inode *inode, struct file *file)
{
	vmm_stats_close(file->private_data);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.llseek = no_seek_end_llseek,
	.release = stats_release,
};

/* ---- a vCPU ---- */

/* Both pages are here as long as the descriptor; a mapping holds that. */
static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct vmm_vcpu *v = vmf->vma->vm_file->private_data;
	void *page;

	switch (vmf->pgoff) {
	case 0:
		page = v->page;
		break;
	case 1:
		page = v->stats;
		break;
	default:
		return VM_FAULT_SIGBUS;
	}
	vmf->page = virt_to_page(page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmm_vcpu *v = file->private_data;
	unsigned long pages = vma_pages(vma);
	int error = vmm_machine_usable(v->machine);

	if (error != 0)
		return -error;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff >= 2 || pages > 2 - vma->vm_pgoff)
		return -EINVAL;
	if (vma->vm_pgoff + pages == 2) {	/* counters are in it */
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		os_vma_flags(vma, 0, VM_MAYWRITE);
	}
	os_vma_flags(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, 0);
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

/*
 * VMM_RUN that returns ERESTART goes the way to user mode as if a signal had
 * come, and is called again there: what the host has left for this thread to
 * do is done meanwhile.
 */
static long vcpu_run(struct vmm_vcpu *v)
{
	int error = vmm_vcpu_run(v);

	if (unlikely(error == ERESTART)) {
		set_thread_flag(TIF_NOTIFY_SIGNAL);
		return -ERESTARTNOINTR;
	}
	return -error;
}

/* A function of its own: the kernel clears such a frame on entry, which would
 * be the half of VMM_RUN's price. */
static noinline long vcpu_other(struct vmm_vcpu *v, unsigned int cmd,
    unsigned long user)
{
	struct arg a;
	int error = vmm_machine_usable(v->machine);

	if (error == 0)
		error = arg_in(&a, cmd, user);
	if (error != 0)
		return -error;
	error = vmm_vcpu_ioctl(v, cmd, &a);
	return finish(error, &a, cmd, user);
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct vmm_vcpu *v = file->private_data;

	return likely(cmd == VMM_RUN) ? vcpu_run(v) : vcpu_other(v, cmd, user);
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	vmm_vcpu_destroy(file->private_data);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
	.release = vcpu_release,
};

/* ---- a machine ---- */

static int vcpu_create(struct vmm_machine *m, const struct arg *a,
    unsigned int cmd, unsigned long user)
{
	struct descriptor d;
	struct vmm_vcpu *v;
	int error = vmm_vcpu_create(m, (const void *)a, &v);

	if (error != 0)
		return -error;
	error = descriptor_make(&d, "[vmm-vcpu]", &vcpu_fops, v, O_RDWR);
	if (error != 0) {
		vmm_vcpu_destroy(v);
		return -error;
	}
	return descriptor_install(&d, a, cmd, user);
}

static long machine_ioctl(struct file *file, unsigned int cmd,
    unsigned long user)
{
	struct vmm_machine *m = file->private_data;
	struct arg a;
	int error = vmm_machine_usable(m);

	if (error == 0)
		error = arg_in(&a, cmd, user);
	if (error != 0)
		return -error;
	if (cmd == VMM_VCPU_CREATE)
		return vcpu_create(m, &a, cmd, user);
	error = vmm_machine_ioctl(m, cmd, &a);
	return finish(error, &a, cmd, user);
}

static int machine_release(struct inode *inode, struct file *file)
{
	vmm_machine_put(file->private_data);
	return 0;
}

static const struct file_operations machine_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = machine_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
	.release = machine_release,
};

/* ---- the device ---- */

static int machine_create(struct arg *a, unsigned int cmd, unsigned long user)
{
	struct vmm_machine_create *c = (void *)a;
	struct vmm_machine *m;
	struct descriptor d;
	int error = vmm_machine_create(c, &m);

	if (error != 0)
		return finish(error, a, cmd, user);
	error = descriptor_make(&d, "[vmm-machine]", &machine_fops, m, O_RDWR);
	if (error != 0) {
		vmm_machine_put(m);
		vmm_tell(c->why, sizeof(c->why), error == ENOMEM ?
		    "there is no memory" :
		    "there are too many open files: raise the limit (ulimit -n)");
		return finish(error, a, cmd, user);
	}
	return descriptor_install(&d, a, cmd, user);
}

static int stats_open(const struct arg *a, unsigned int cmd,
    unsigned long user)
{
	struct vmm_stats_file *f;
	struct descriptor d;
	int error = vmm_stats_open((const void *)a, &f);

	if (error != 0)
		return -error;
	error = descriptor_make(&d, "[vmm-stats]", &stats_fops, f, O_RDONLY);
	if (error != 0) {
		vmm_stats_close(f);
		return -error;
	}
	d.file->f_mode |= FMODE_LSEEK | FMODE_PREAD;
	return descriptor_install(&d, a, cmd, user);
}

static long device_ioctl(struct file *file, unsigned int cmd,
    unsigned long user)
{
	struct arg a;
	int error = arg_in(&a, cmd, user);

	if (error != 0)
		return -error;
	switch (cmd) {
	case VMM_MACHINE_CREATE:
		return machine_create(&a, cmd, user);
	case VMM_STATS:
		return stats_open(&a, cmd, user);
	default:
		error = vmm_device_ioctl(cmd, &a);
		return finish(error, &a, cmd, user);
	}
}

const struct file_operations vmm_device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
