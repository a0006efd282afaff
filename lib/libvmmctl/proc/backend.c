// SPDX-License-Identifier: BSD-2-Clause
/*
 * backend.c - the backend proc: what it needs of the host, and its table.
 */
#include "../machine.h"
#include "../os.h"
#include "host.h"
#include "proc.h"

#include <cpuid.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HWCAP2_FSGSBASE_BIT	(1ul << 1)
#define XFEATURES_PERMISSION	(3ull << 17)	/* AMX must be asked for */

/* The state components that a process has without asking for more. */
static void xsave_facts(struct vmmctl_info *info)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	info->xsave_mask = ((uint64_t)hi << 32 | lo) & ~XFEATURES_PERMISSION;
	info->xsave_size = 576;
	for (unsigned i = 2; i < 63; i++) {
		unsigned len, at, ecx, edx;

		if ((info->xsave_mask >> i & 1) == 0)
			continue;
		__cpuid_count(0xd, i, len, at, ecx, edx);
		if (at + len > info->xsave_size)
			info->xsave_size = at + len;
	}
}

static int no_process(struct vmmctl *v, int err)
{
	return vmmctl_fail(v, -EAGAIN, "proc: no process can be made "
	    "(error %d); raise the limit (ulimit -u)", -err);
}

static int check_seccomp(struct vmmctl *v)
{
	const uint32_t notif = SECCOMP_RET_USER_NOTIF;
	int err;

	if ((getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) == 0)
		return vmmctl_fail(v, -ENOTSUP, "proc: ring 3 has no WRFSBASE; "
		    "needs a processor of 2012 or later and Linux 5.9");
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &notif) != 0)
		return vmmctl_fail(v, -ENOTSUP, "proc: the kernel has no "
		    "seccomp filters with notification (CONFIG_SECCOMP_FILTER, "
		    "Linux 5.0)");
	err = host_listener_error();
	if (err < 0)
		return no_process(v, err);
	if (err == EBUSY)
		return vmmctl_fail(v, -ENOTSUP, "proc: this process is under a "
		    "seccomp filter that notifies, a container's, of which "
		    "there can be one; run it outside, or switch that off");
	if (err != 0)
		return vmmctl_fail(v, -ENOTSUP, "proc: no seccomp filter can "
		    "be installed here (error %d); a container's policy has to "
		    "allow seccomp(2)", err);
	return 0;
}

/* Without it a traced guest could read the time in the vsyscall page. */
static bool filters_trap(void)
{
	const uint32_t trap = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap) == 0;
}

/* Which way, and why if it was not asked for. */
static int choose(struct vmmctl *v, const char *option,
    const struct proc_variant **out)
{
	unsigned a, b, c, d;
	int err;

	__cpuid(1, a, b, c, d);
	if ((c & bit_OSXSAVE) == 0)
		return vmmctl_fail(v, -ENOTSUP, "proc: the processor has no "
		    "XSAVE");
	*out = &proc_ptrace;
	if (strcmp(option, proc_ptrace.name) == 0)
		return 0;
	if (*option != '\0' && strcmp(option, proc_seccomp.name) != 0)
		return vmmctl_fail(v, -EINVAL, "backend proc has the options "
		    "seccomp and ptrace, not \"%s\"", option);
	err = check_seccomp(v);
	if (err == -EAGAIN)
		return err;
	if (err == 0)
		*out = &proc_seccomp;
	else if (*option == '\0')
		snprintf(v->info.reason, sizeof(v->info.reason),
		    "%.200s: guests are traced, slowly", v->why);
	return *option == '\0' ? 0 : err;
}

static int proc_open(struct vmmctl *v, const char *option)
{
	const struct proc_variant *variant;
	struct vmmctl_info *info = &v->info;
	struct proc *p;
	int err = choose(v, option, &variant), before;

	if (err != 0)
		return err;
	before = host_int1_is_before();
	if (before < 0)
		return no_process(v, before);
	p = vmmctl_zalloc(v, sizeof(*p));
	if (p == NULL)
		return vmmctl_fail(v, -ENOMEM, "no memory for the backend");
	p->variant = variant;
	p->int1_before = before;
	p->receiving_ends = host_receiving_ends();
	v->backend_data = p;
	strcpy(info->variant, variant->name);
	if (filters_trap())
		info->caps |= VMMCTL_CAP_EXACT;
	if ((getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) != 0)
		info->caps |= VMMCTL_CAP_FSGSBASE;
	info->gva_base = host_lowest_address();
	info->gva_limit = STUB_GVA_LIMIT;
	info->gpa_limit = 1ull << 46;
	info->max_vcpus = STUB_MAX_SEATS;
	xsave_facts(info);
	return 0;
}

static void proc_close(struct vmmctl *v)
{
	vmmctl_free(v, v->backend_data);
	v->backend_data = NULL;
}

static int proc_machine_init(struct vmmctl_machine *m)
{
	struct proc_machine *pm = vmmctl_zalloc(m->v, sizeof(*pm));
	int err;

	if (pm == NULL)
		return vmmctl_fail(m->v, -ENOMEM, "no memory for a machine");
	m->backend_data = pm;
	pm->socket = pm->arena = -1;
	list_init(&pm->stubs);
	list_init(&pm->idle);
	err = zygote_start(m);
	if (err != 0) {
		zygote_stop(m);
		vmmctl_free(m->v, pm);
	}
	return err;
}

static void proc_machine_fini(struct vmmctl_machine *m)
{
	struct proc_machine *pm = m->backend_data;

	stubs_retire(m);
	zygote_stop(m);
	vmmctl_free(m->v, pm);
}

static int add_file(struct vmmctl_machine *m, struct backing *b)
{
	struct proc_machine *pm = m->backend_data;
	struct zygote_request q = { .kind = ZYGOTE_MEMORY };
	uint32_t i = 0;
	int err;

	while (i < STUB_MAX_MEM && pm->files[i].b != NULL)
		i++;
	if (i == STUB_MAX_MEM)
		return vmmctl_fail(m->v, -ENOSPC, "a machine of backend proc "
		    "has at most %u memory objects", STUB_MAX_MEM);
	if (b->fd < 0) {
		int fd = os_pages_share(b->hva, b->len);

		if (fd < 0)
			return vmmctl_fail(m->v, fd, "the caller's pages "
			    "cannot be moved into a shared-memory file");
		b->fd = fd;
		b->offset = 0;
	}
	/* A new stub has all the files; the ones there are lack this one. */
	stubs_retire(m);
	q.index = i;
	err = zygote_call(m, &q, b->fd, NULL);
	if (err != 0)
		return vmmctl_fail(m->v, err, "the descriptor cannot be "
		    "handed to the guests' parent (error %d)", -err);
	pm->files[i].b = b;
	pm->files[i].ranges = 0;
	b->index = i;
	return 0;
}

static int proc_memory_add(struct vmmctl_machine *m, struct memory *r)
{
	struct proc_machine *pm = m->backend_data;
	int err = 0;

	if (pm->files[r->b->index].b != r->b)
		err = add_file(m, r->b);
	if (err == 0)
		pm->files[r->b->index].ranges++;
	return err;
}

static void proc_memory_remove(struct vmmctl_machine *m, struct memory *r)
{
	struct proc_machine *pm = m->backend_data;
	struct zygote_request q = { .kind = ZYGOTE_FORGET,
	    .index = r->b->index };

	if (--pm->files[r->b->index].ranges != 0)
		return;
	/* No stub may keep the descriptor of memory that is gone. */
	stubs_retire(m);
	pm->files[r->b->index].b = NULL;
	zygote_call(m, &q, -1, NULL);
}

static int proc_space_init(struct vmmctl_space *s)
{
	s->backend_data = vmmctl_zalloc(s->m->v, sizeof(struct proc_space));
	return s->backend_data != NULL ? 0 :
	    vmmctl_fail(s->m->v, -ENOMEM, "no memory for a space");
}

static void proc_space_fini(struct vmmctl_space *s)
{
	struct proc_space *ps = s->backend_data;

	if (ps->stub != NULL)
		stub_release(ps->stub, true);
	queue_fini(s);
	vmmctl_free(s->m->v, ps);
}

static void proc_space_changed(struct vmmctl_space *s, uint64_t gva,
    uint64_t len, enum change change)
{
	queue_changed(s, gva, len, change == CHANGE_PROTECT);
}

static int proc_seat(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct seat **out)
{
	struct proc_seat *seat;
	int err = stub_seat(v, c->space, &seat);

	if (err == 0)
		*out = &seat->seat;
	return err;
}

static int proc_xsave_load(struct seat *seat, const void *buf)
{
	struct proc_seat *s = seat_from(seat);

	return variant_of(s->stub->m)->xsave_load(s, buf);
}

static int proc_xsave_save(struct seat *seat, void *buf)
{
	struct proc_seat *s = seat_from(seat);

	return variant_of(s->stub->m)->xsave_save(s, buf);
}

static int proc_fetch(struct seat *seat, struct vmmctl_regs *all)
{
	struct proc_seat *s = seat_from(seat);

	return variant_of(s->stub->m)->fetch(s, all);
}

static int proc_vcpu_init(struct vmmctl_vcpu *v)
{
	v->backend_data = vmmctl_zalloc(v->m->v, sizeof(struct proc_vcpu));
	return v->backend_data != NULL ? 0 :
	    vmmctl_fail(v->m->v, -ENOMEM, "no memory for a vCPU");
}

static void proc_vcpu_fini(struct vmmctl_vcpu *v)
{
	struct proc_machine *pm = v->m->backend_data;
	struct link *l;

	LIST_EACH(l, &pm->stubs) {
		struct stub *stub = LIST_ITEM(l, struct stub, link);

		for (uint32_t i = 0; i < stub->nseats; i++)
			if (stub->seats[i].seat.vcpu == v)
				stub->seats[i].seat.vcpu = NULL;
	}
	vmmctl_free(v->m->v, v->backend_data);
}

const struct backend_ops backend_proc = {
	.name = "proc",
	.open = proc_open,
	.close = proc_close,
	.machine_init = proc_machine_init,
	.machine_fini = proc_machine_fini,
	.memory_add = proc_memory_add,
	.memory_remove = proc_memory_remove,
	.space_init = proc_space_init,
	.space_fini = proc_space_fini,
	.space_changed = proc_space_changed,
	.seat = proc_seat,
	.xsave_load = proc_xsave_load,
	.xsave_save = proc_xsave_save,
	.fetch = proc_fetch,
	.vcpu_init = proc_vcpu_init,
	.vcpu_fini = proc_vcpu_fini,
	.enter = proc_enter,
	.kick = proc_kick,
};
