// SPDX-License-Identifier: BSD-2-Clause
/* fake.c - the backends of fake.h, and an operating system that runs out. */
#include "fake.h"
#include "os.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fake fake;
struct fake_alive fake_alive;
int fake_fail_at;

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake_fail_at = 0;
}

static bool runs_out(void)
{
	return fake_fail_at > 0 && --fake_fail_at == 0;
}

void *fake_alloc(void *cookie, size_t size)
{
	void *p = runs_out() ? NULL : malloc(size);

	(void)cookie;
	fake_alive.allocations += p != NULL;
	if (p != NULL)
		memset(p, 0xa5, size);
	return p;
}

void fake_free(void *cookie, void *p)
{
	(void)cookie;
	fake_alive.allocations--;
	free(p);
}

/* ---- the operating system --------------------------------------------- */

void *__real_os_pages_alloc(size_t size);
void *__wrap_os_pages_alloc(size_t size);
void *__wrap_os_pages_alloc(size_t size)
{
	void *p = runs_out() ? NULL : __real_os_pages_alloc(size);

	fake_alive.pages += p != NULL;
	return p;
}

void *__real_os_fork_guard_alloc(void);
void *__wrap_os_fork_guard_alloc(void);
void *__wrap_os_fork_guard_alloc(void)
{
	void *p = runs_out() ? NULL : __real_os_fork_guard_alloc();

	fake_alive.pages += p != NULL;
	return p;
}

void __real_os_pages_free(void *p, size_t size);
void __wrap_os_pages_free(void *p, size_t size);
void __wrap_os_pages_free(void *p, size_t size)
{
	fake_alive.pages -= p != NULL;
	__real_os_pages_free(p, size);
}

int __real_os_shm_create(const char *name, uint64_t size);
int __wrap_os_shm_create(const char *name, uint64_t size);
int __wrap_os_shm_create(const char *name, uint64_t size)
{
	int fd = runs_out() ? -EMFILE : __real_os_shm_create(name, size);

	fake_alive.fds += fd >= 0;
	return fd;
}

int __real_os_fd_dup(int fd);
int __wrap_os_fd_dup(int fd);
int __wrap_os_fd_dup(int fd)
{
	int d = runs_out() ? -EMFILE : __real_os_fd_dup(fd);

	fake_alive.fds += d >= 0;
	return d;
}

void __real_os_fd_close(int fd);
void __wrap_os_fd_close(int fd);
void __wrap_os_fd_close(int fd)
{
	fake_alive.fds -= fd >= 0;
	__real_os_fd_close(fd);
}

void *__real_os_shm_map(int fd, uint64_t offset, size_t size, int writable);
void *__wrap_os_shm_map(int fd, uint64_t offset, size_t size, int writable);
void *__wrap_os_shm_map(int fd, uint64_t offset, size_t size, int writable)
{
	void *p = runs_out() ? NULL :
	    __real_os_shm_map(fd, offset, size, writable);

	fake_alive.maps += p != NULL;
	return p;
}

void __real_os_shm_unmap(void *p, size_t size);
void __wrap_os_shm_unmap(void *p, size_t size);
void __wrap_os_shm_unmap(void *p, size_t size)
{
	fake_alive.maps -= p != NULL;
	__real_os_shm_unmap(p, size);
}

/* ---- the backends ------------------------------------------------------- */

/* The components that the host has, without AMX. */
static void xsave_facts(struct vmmctl_info *info)
{
	unsigned lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	info->xsave_mask = ((uint64_t)hi << 32 | lo) & ~(3ull << 17);
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

static int fake_open(struct vmmctl *v, struct fake_backend *b,
    const char *option)
{
	struct vmmctl_info *info = &v->info;

	b->opens++;
	strncpy(b->option, option, sizeof(b->option) - 1);
	if (strcmp(option, "bad") == 0)
		return vmmctl_fail(v, -EINVAL, "no option is called \"bad\"");
	if (b->open_error != 0)
		return vmmctl_fail(v, b->open_error, "%s lacks its crank",
		    info->backend);
	v->backend_data = vmmctl_zalloc(v, 8);
	if (v->backend_data == NULL)
		return vmmctl_fail(v, -ENOMEM, "no memory for the backend");
	info->caps = fake.caps;
	info->gva_limit = FAKE_GVA_LIMIT;
	info->gpa_limit = FAKE_GPA_LIMIT;
	info->max_vcpus = FAKE_VCPUS;
	info->exit_ns = b->exit_ns;
	xsave_facts(info);
	return 0;
}

static int open_kvm(struct vmmctl *v, const char *option)
{
	return fake_open(v, &fake.kvm, option);
}

static int open_proc(struct vmmctl *v, const char *option)
{
	return fake_open(v, &fake.proc, option);
}

static void fake_close(struct vmmctl *v)
{
	if (strcmp(v->info.backend, "kvm") == 0)
		fake.kvm.closes++;
	else
		fake.proc.closes++;
	vmmctl_free(v, v->backend_data);
	v->backend_data = NULL;
}

/* Memory of a backend's own, or the error that the test wants. */
static int make(struct vmmctl *v, int error, size_t size, void **out)
{
	*out = NULL;
	if (error != 0)
		return vmmctl_fail(v, error, "the backend is made to fail");
	*out = vmmctl_zalloc(v, size);
	return *out != NULL ? 0 : vmmctl_fail(v, -ENOMEM,
	    "no memory for the backend's part");
}

static int machine_init(struct vmmctl_machine *m)
{
	m->pool.gpa = fake.pool_gpa;
	return make(m->v, fake.machine_error, 8, &m->backend_data);
}

static void machine_fini(struct vmmctl_machine *m)
{
	vmmctl_free(m->v, m->backend_data);
}

static int memory_add(struct vmmctl_machine *m, struct memory *r)
{
	uint32_t n = ++fake.memory_adds;
	bool fail = n >= fake.memory_fail_from && n <= fake.memory_fail_to;
	void *p;
	int err = make(m->v, fail ? -ENOSPC : fake.memory_error, 8, &p);

	vmmctl_free(m->v, p);
	if (err != 0)
		return err;
	for (uint32_t i = 0; i < fake.nranges; i++)
		if (fake.ranges[i].gpa < r->gpa + r->len &&
		    r->gpa < fake.ranges[i].gpa + fake.ranges[i].len)
			fake.bad_ranges++;
	if (fake.nranges == FAKE_MAX)
		abort();
	fake.ranges[fake.nranges++] = (struct fake_range){ r->gpa, r->len,
	    r->prot };
	return 0;
}

static void memory_remove(struct vmmctl_machine *m, struct memory *r)
{
	(void)m;
	for (uint32_t i = 0; i < fake.nranges; i++)
		if (fake.ranges[i].gpa == r->gpa &&
		    fake.ranges[i].len == r->len) {
			fake.ranges[i] = fake.ranges[--fake.nranges];
			return;
		}
	fake.bad_ranges++;
}

static int space_init(struct vmmctl_space *s)
{
	return make(s->m->v, fake.space_error, 8, &s->backend_data);
}

static void space_fini(struct vmmctl_space *s)
{
	vmmctl_free(s->m->v, s->backend_data);
}

static void space_changed(struct vmmctl_space *s, uint64_t gva, uint64_t len,
    enum change change)
{
	(void)s;
	if (fake.nchanges < FAKE_MAX)
		fake.changes[fake.nchanges] = (struct fake_change){ gva, len,
		    change };
	fake.nchanges++;
}

static void table_freed(struct vmmctl_machine *m, uint64_t gpa)
{
	(void)m;
	(void)gpa;
	fake.tables_freed++;
}

struct fake_seat {
	struct seat seat;
	uint8_t xsave[];
};

static int seat(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    struct seat **out)
{
	struct fake_seat *s = v->backend_data;

	(void)c;
	if (fake.seat_error != 0)
		return vmmctl_fail(v->m->v, fake.seat_error,
		    "the backend is made to fail");
	s->seat.vcpu = v;
	*out = &s->seat;
	return 0;
}

static int xsave_load(struct seat *s, const void *buf)
{
	struct fake_seat *f = (struct fake_seat *)(void *)s;

	fake.loads++;
	if (fake.load_error == 0)
		memcpy(f->xsave, buf, s->vcpu->m->v->info.xsave_size);
	return fake.load_error;
}

static int xsave_save(struct seat *s, void *buf)
{
	struct fake_seat *f = (struct fake_seat *)(void *)s;

	fake.saves++;
	if (fake.save_error == 0)
		memcpy(buf, f->xsave, s->vcpu->m->v->info.xsave_size);
	return fake.save_error;
}

static int fetch(struct seat *s, struct vmmctl_regs *all)
{
	(void)s;
	fake.fetches++;
	*all = fake.guest;
	return fake.fetch_error;
}

static int vcpu_init(struct vmmctl_vcpu *v)
{
	return make(v->m->v, fake.vcpu_error, sizeof(struct fake_seat) +
	    v->m->v->info.xsave_size, &v->backend_data);
}

static void vcpu_fini(struct vmmctl_vcpu *v)
{
	vmmctl_free(v->m->v, v->backend_data);
}

static int enter(struct vmmctl_vcpu *v, struct vmmctl_context *c,
    uint64_t deadline, struct event *ev)
{
	fake.enters++;
	memset(ev, 0, sizeof(*ev));
	ev->type = EVENT_SYSCALL;
	return fake.enter != NULL ? fake.enter(v, c, deadline, ev) : 0;
}

static void kick(struct vmmctl_vcpu *v)
{
	(void)v;
	atomic_fetch_add(&fake.kicks, 1);
}

static int debug_regs(struct vmmctl_context *c)
{
	fake.debugs++;
	return fake.debug_error == 0 ? 0 : vmmctl_fail(c->m->v,
	    fake.debug_error, "the backend is made to fail");
}

#define BACKEND(called) \
	.name = #called, .open = open_##called, .close = fake_close, \
	.machine_init = machine_init, .machine_fini = machine_fini, \
	.memory_add = memory_add, .memory_remove = memory_remove, \
	.space_init = space_init, .space_fini = space_fini, \
	.space_changed = space_changed, .table_freed = table_freed, \
	.seat = seat, .xsave_load = xsave_load, .xsave_save = xsave_save, \
	.fetch = fetch, \
	.vcpu_init = vcpu_init, .vcpu_fini = vcpu_fini, .enter = enter, \
	.kick = kick

const struct backend_ops backend_kvm = {
	BACKEND(kvm), .debug_regs = debug_regs,
};
const struct backend_ops backend_proc = { BACKEND(proc) };
