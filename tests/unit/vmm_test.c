// SPDX-License-Identifier: BSD-2-Clause
/* The vmm backend against a device that keeps book. */
#include "device.h"
#include "unit.h"
#include "vmm/explain.h"

#include <stdlib.h>
#include <unistd.h>

#define RIP	0x401000ull

static struct fake_alive before;

/* A handle, or the error and the sentence. */
static int try(const char *name, struct vmmctl **v, char *why, size_t size)
{
	const struct vmmctl_config config = {
		.size = sizeof(config), .backend = name, .alloc = fake_alloc,
		.free = fake_free, .why = why, .why_size = size,
	};

	return vmmctl_open_config(&config, v);
}

/* On the device as it is set up. */
static int start(void **state)
{
	struct unit *u = calloc(1, sizeof(*u));

	fake_reset();
	device_fds = 0;
	before = fake_alive;
	assert_ok(try("vmm", &u->v, NULL, 0));
	device.nregions = device.contexts = 0;	/* the probe's */
	memset(device.page, 0, sizeof(device.page));
	assert_ok(vmmctl_machine_create(u->v, NULL, &u->m));
	assert_ok(vmmctl_space_create(u->m, &u->s));
	assert_ok(vmmctl_context_create(u->s, &u->c));
	assert_ok(vmmctl_vcpu_create(u->m, &u->cpu));
	u->r = vmmctl_context_regs(u->c);
	u->r->rip = RIP;
	*state = u;
	return 0;
}

static int setup(void **state)
{
	device_reset();
	return start(state);
}

static int teardown(void **state)
{
	struct unit *u = *state;

	vmmctl_close(u->v);
	free(u);
	assert_int_equal(device.contexts, 0);
	assert_int_equal(device_fds, 0);
	assert_int_equal(device.bad, 0);
	unit_no_leaks(&before);
	return 0;
}

static struct vmm_vcpu_page *page(unsigned n)
{
	return &device.page[n].page;
}

static void run(struct unit *u, enum vmmctl_exit_kind kind)
{
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, kind);
}

/* ---- opening ---- */

static void sentences(void **state)
{
	static const struct {
		int error, want;
		const char *word;
	} opens[] = {
		{ -ENOENT, -ENOENT, "modprobe vmm" },
		{ -ENODEV, -ENOENT, "make -C sys/dev/vmm" },
		{ -EACCES, -EACCES, "group vmm" },
		{ -EPERM, -EACCES, "udev" },
		{ -EBUSY, -EBUSY, "held" },
		{ -EMFILE, -EMFILE, "open" },
	};
	struct vmmctl *v;
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		device_reset();
		device.open_error = opens[i].error;
		assert_int_equal(try("vmm", &v, why, sizeof(why)),
		    opens[i].want);
		assert_non_null(strstr(why, opens[i].word));
	}
	device_reset();
	device.info.version = 77;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "version 77"));
	device_reset();
	device.info_error = -ENOTTY;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_int_equal(try("vmm:x", &v, why, sizeof(why)), -EINVAL);
	device_reset();
	device.info.caps = 0;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	device_reset();
	device.info.gpa_limit = 1ull << 36;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "guest-physical"));
	assert_int_equal(device_fds, 0);
}

/* What the device says stands in the way. */
static void no_machine(void **state)
{
	static const int errors[] = { -EBUSY, -EOPNOTSUPP, -EDQUOT };
	struct vmmctl *v;
	char why[512];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		device_reset();
		device.machine_error = errors[i];
		strcpy(device.why, "kvm_amd holds it: rmmod kvm_amd");
		assert_int_equal(try("vmm", &v, why, sizeof(why)), errors[i]);
		assert_non_null(strstr(why, device.why));
	}
	assert_int_equal(device_fds, 0);
}

static void shut_down(struct vmm_vcpu_page *p)
{
	p->exit.kind = VMM_EXIT_SHUTDOWN;
	p->exit.raw = 0x7f;
}

/* Each of the probe's steps can fail. */
static void probes_that_fail(void **state)
{
	static int *const errors[] = { &device.memory_error,
	    &device.context_error, &device.vcpu_error, &device.run_error };
	struct vmmctl *v;
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		device_reset();
		*errors[i] = -ENOSPC;
		assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOSPC);
		assert_non_null(strstr(why, "/dev/vmm"));
	}
	device_reset();
	device.map_fails = true;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOMEM);
	device_reset();
	device.run = shut_down;
	assert_int_equal(try("vmm", &v, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "raw 0x7f"));
	assert_int_equal(device_fds, 0);
}

static void no_breakpoints(void **state)
{
	const struct vmmctl_debug_regs d = { .dr7 = 1 };
	struct unit *u = *state;
	struct vmmctl_info info;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl *v;

	assert_ok(vmmctl_info(u->v, &info, sizeof(info)));
	assert_true(info.caps & VMMCTL_CAP_DEBUG_REGS);
	assert_true(info.exit_ns > 0);
	device.no_breakpoints = true;
	assert_ok(try("vmm", &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_false(info.caps & VMMCTL_CAP_DEBUG_REGS);
	assert_ok(vmmctl_machine_create(v, NULL, &m));
	assert_ok(vmmctl_space_create(m, &s));
	assert_ok(vmmctl_context_create(s, &c));
	assert_fails(v, vmmctl_context_set_debug_regs(c, &d), -ENOTSUP,
	    "do not fire");
	vmmctl_close(v);
	device.contexts = 1;	/* that were not ended one by one */
	device.bad = 0;
}

static void the_best(void **state)
{
	struct vmmctl_info info;
	struct vmmctl *v;

	(void)state;
	unsetenv("VMMCTL_BACKEND");
	fake_reset();
	device_reset();
	assert_ok(try(NULL, &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_string_equal(info.backend, "vmm");
	vmmctl_close(v);
	device.open_error = -EACCES;
	assert_ok(try(NULL, &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_string_equal(info.backend, "kvm");
	assert_non_null(strstr(info.reason, "group vmm"));
	vmmctl_close(v);
}

static void facts(void **state)
{
	struct unit *u = *state;
	struct vmmctl_info info;
	struct vmmctl *v;

	assert_ok(vmmctl_info(u->v, &info, sizeof(info)));
	assert_string_equal(info.variant, "svm");
	assert_int_equal(info.gpa_limit, (1ull << 40) - (64ull << 30));
	assert_int_equal(info.xsave_size, 576);
	assert_int_equal(info.max_vcpus, 4);
	assert_true(info.caps & VMMCTL_CAP_CPUID_POLICY);
	assert_false(info.caps & VMMCTL_CAP_FSGSBASE);
	assert_true(info.caps & VMMCTL_CAP_EXACT);
	device.info.caps = VMM_CAP_GUEST_USER | VMM_CAP_FSGSBASE;
	memcpy(device.info.vendor, "unended!", 8);
	assert_ok(try("vmm", &v, NULL, 0));
	assert_ok(vmmctl_info(v, &info, sizeof(info)));
	assert_string_equal(info.variant, "unended!");
	assert_false(info.caps & VMMCTL_CAP_CPUID_POLICY);
	assert_true(info.caps & VMMCTL_CAP_FSGSBASE);
	vmmctl_close(v);
	device.contexts = 1;	/* the probe's ended with its machine */
	device.bad = 0;
}

/* ---- machines ---- */

static void machines(void **state)
{
	const struct vmmctl_cpuid leaves[] = {
		{ .leaf = 7, .flags = VMMCTL_CPUID_SUBLEAF, .subleaf = 1,
		  .eax = 1, .ebx = 2, .ecx = 3, .edx = 4 },
		{ .leaf = 1, .subleaf = 9 },
	};
	const struct vmmctl_machine_config config = { .size = sizeof(config),
	    .name = "unit", .max_vcpus = 2, .max_memory = PAGE,
	    .cpuid = leaves, .cpuid_count = 2 };
	struct unit *u = *state;
	struct vmmctl_machine *m;

	assert_ok(vmmctl_machine_create(u->v, &config, &m));
	assert_string_equal(device.machine.name, "unit");
	assert_int_equal(device.machine.max_vcpus, 2);
	assert_int_equal(device.machine.max_memory, 0);
	assert_int_equal(device.cpuids, 2);
	assert_int_equal(device.cpuid[0].flags, VMM_CPUID_SUBLEAF);
	assert_int_equal(device.cpuid[0].subleaf, 1);
	assert_int_equal(device.cpuid[0].ecx, 3);
	assert_int_equal(device.cpuid[1].subleaf, 0);
	vmmctl_machine_destroy(m);
	device.cpuid_error = -EINVAL;
	assert_fails(u->v, vmmctl_machine_create(u->v, &config, &m), -EINVAL,
	    "CPUID");
	device.machine_error = -EBUSY;
	strcpy(device.why, "disabled: VMM_ENABLE");
	assert_fails(u->v, vmmctl_machine_create(u->v, &config, &m), -EBUSY,
	    "disabled");
}

/* The tables that are in use are in regions above the limit. */
static void the_pool_grows(void **state)
{
	struct unit *u = *state;
	const uint64_t limit = (1ull << 40) - (64ull << 30);
	struct vmmctl_space *s;

	assert_int_equal(device.nregions, 1);
	assert_int_equal(device.regions[0].gpa, limit);
	assert_int_equal(device.regions[0].size, 16u << 20);
	assert_int_equal(device.regions[0].prot,
	    VMM_PROT_READ | VMM_PROT_WRITE);
	for (int i = 0; i < 4096; i++)
		assert_ok(vmmctl_space_create(u->m, &s));
	assert_int_equal(device.nregions, 2);
	assert_int_equal(device.regions[1].gpa, limit + (16u << 20));
	assert_int_equal(device.regions[1].uaddr,
	    device.regions[0].uaddr + (16u << 20));
}

static void memory(void **state)
{
	struct unit *u = *state;
	int fd = unit_memfd(4 * PAGE);

	assert_ok(vmmctl_memory_map(u->m, MEM_GPA, 4 * PAGE, fd, 0,
	    VMMCTL_PROT_RX));
	assert_int_equal(device.nregions, 2);
	assert_int_equal(device.regions[1].gpa, MEM_GPA);
	assert_int_equal(device.regions[1].prot,
	    VMM_PROT_READ | VMM_PROT_EXEC);
	assert_ok(vmmctl_memory_unmap(u->m, MEM_GPA + PAGE, PAGE));
	assert_int_equal(device.nregions, 3);
	assert_ok(vmmctl_memory_protect(u->m, MEM_GPA, PAGE,
	    VMMCTL_PROT_READ));
	device.memory_error = -ENOMEM;
	assert_fails(u->v, vmmctl_memory_map(u->m, 0, PAGE, fd, 0,
	    VMMCTL_PROT_READ), -ENOMEM, "refused memory");
	device.memory_error = -ENOSPC;
	assert_fails(u->v, vmmctl_memory_map(u->m, 0, PAGE, fd, 0,
	    VMMCTL_PROT_READ), -ENOSPC, "fewer");
	close(fd);
}

/* ---- contexts and vCPUs ---- */

static void contexts(void **state)
{
	struct unit *u = *state;
	struct vmmctl_context *c;
	uint8_t area[576];

	assert_int_equal(device.contexts, 1);
	device.context_error = -ENOSPC;
	assert_fails(u->v, vmmctl_context_create(u->s, &c), -ENOSPC,
	    "at most 16");
	memset(device.xsave, 0, sizeof(device.xsave));
	device.xsave[100] = 77;
	assert_ok(vmmctl_context_get_xsave(u->c, area, sizeof(area)));
	assert_int_equal(area[100], 77);
	area[100] = 78;
	assert_ok(vmmctl_context_set_xsave(u->c, area, sizeof(area)));
	assert_int_equal(device.xsave[100], 78);
	device.xsave_error = -EBUSY;
	assert_fails(u->v, vmmctl_context_get_xsave(u->c, area,
	    sizeof(area)), -EBUSY, "extended state");
}

static void vcpus_keep_their_place(void **state)
{
	struct unit *u = *state;
	struct vmmctl_vcpu *v2;

	run(u, VMMCTL_EXIT_SYSCALL);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, 0);
	vmmctl_vcpu_destroy(u->cpu);
	device.vcpu_error = -EEXIST;
	assert_ok(vmmctl_vcpu_create(u->m, &u->cpu));
	/* All is loaded anew that may have changed. */
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_FLUSH | VMM_SET_CONTEXT);
	device.vcpu_error = -ENOMEM;
	assert_fails(u->v, vmmctl_vcpu_create(u->m, &v2), -ENOMEM, "vCPU");
	device.vcpu_error = 0;
	device.map_fails = true;
	assert_fails(u->v, vmmctl_vcpu_create(u->m, &v2), -ENOMEM, "vCPU");
}

static void registers_go_and_come(struct vmm_vcpu_page *p)
{
	assert_int_equal(p->regs.rip, RIP);
	assert_int_equal(p->regs.gs_base, 0x1234);
	p->regs.rax = 5;
	p->regs.gs_base = 0x4321;
	p->regs.rip = RIP + 2;
}

static void registers(void **state)
{
	struct unit *u = *state;

	device.run = registers_go_and_come;
	u->r->gs_base = 0x1234;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(u->r->rax, 5);
	assert_int_equal(u->r->gs_base, 0x4321);
	assert_int_equal(u->r->rip, RIP + 2);
}

/* Only what has changed is committed. */
static void commits(void **state)
{
	struct vmmctl_debug_regs d = { .addr = { 1, 2, 3, 4 }, .dr7 = 1 };
	struct unit *u = *state;
	struct vmmctl_context *c2;
	struct vmmctl_space *s2;

	device.next_context = 9;
	assert_ok(vmmctl_space_create(u->m, &s2));
	assert_ok(vmmctl_context_create(s2, &c2));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_CONTEXT);
	assert_int_equal(page(0)->cr3, u->s->root_gpa);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, 0);
	assert_ok(vmmctl_vcpu_run(u->cpu, c2, &u->e));
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_CONTEXT);
	assert_int_equal(page(0)->cr3, s2->root_gpa);
	assert_int_equal(page(0)->context, 9);
	/* Back, and there again: nothing was taken from them meanwhile. */
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_KEEP |
	    VMM_SET_CONTEXT);
	assert_ok(vmmctl_space_map(s2, 0x2000, PAGE, MEM_GPA,
	    VMMCTL_PROT_RW));
	assert_ok(vmmctl_vcpu_run(u->cpu, c2, &u->e));
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_KEEP |
	    VMM_SET_CONTEXT);
	assert_ok(vmmctl_space_unmap(u->s, 0x1000, PAGE));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_CONTEXT);
	assert_ok(vmmctl_vcpu_run(u->cpu, c2, &u->e));
	assert_ok(vmmctl_context_set_space(u->c, s2));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_CONTEXT);
	/* More needs no flush, less does; in another space none. */
	assert_ok(vmmctl_space_map(s2, 0x1000, PAGE, MEM_GPA,
	    VMMCTL_PROT_RW));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, 0);
	assert_ok(vmmctl_space_protect(s2, 0x1000, PAGE, VMMCTL_PROT_READ));
	assert_ok(vmmctl_space_unmap(u->s, 0x1000, PAGE));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_FLUSH);
	assert_ok(vmmctl_context_set_debug_regs(u->c, &d));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_CONTEXT | VMM_SET_DEBUG);
	assert_int_equal(page(0)->dr[3], 4);
	assert_int_equal(page(0)->dr7, 1);
	/* Another context has none. */
	assert_ok(vmmctl_vcpu_run(u->cpu, c2, &u->e));
	assert_int_equal(device.commit, VMM_SET_CONTEXT | VMM_SET_DEBUG);
	assert_int_equal(page(0)->dr7, 0);
}

/* A new space, or context, where an old one was. */
static void nothing_is_taken_for_its_predecessor(void **state)
{
	struct unit *u = *state;
	uint64_t root = u->s->root_gpa;

	run(u, VMMCTL_EXIT_SYSCALL);
	vmmctl_context_destroy(u->c);
	assert_ok(vmmctl_space_destroy(u->s));
	assert_ok(vmmctl_space_create(u->m, &u->s));
	assert_ok(vmmctl_context_create(u->s, &u->c));
	assert_int_equal(u->s->root_gpa, root);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_FLUSH | VMM_SET_CONTEXT);
}

/* What a run that failed has not taken, the next one takes. */
static void commits_are_not_lost(void **state)
{
	struct unit *u = *state;

	device.run_error = -ENOMEM;
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, u->c, &u->e), -ENOMEM,
	    "nested");
	device.run_error = -EIO;
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, u->c, &u->e), -EIO,
	    "given the processor up");
	device.run_error = -EPERM;
	assert_fails(u->v, vmmctl_vcpu_run(u->cpu, u->c, &u->e), -EPERM,
	    "VMM_RUN");
	device.run_error = 0;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_CONTEXT);
}

/* What a failed run was to drop, the next run in that space drops. */
static void flushes_are_not_lost(void **state)
{
	struct unit *u = *state;
	struct vmmctl_context *c2;
	struct vmmctl_space *s2;

	device.next_context = 9;
	assert_ok(vmmctl_space_create(u->m, &s2));
	assert_ok(vmmctl_context_create(s2, &c2));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_ok(vmmctl_vcpu_run(u->cpu, c2, &u->e));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_ok(vmmctl_space_unmap(u->s, 0x1000, PAGE));
	device.run_error = -ENOMEM;
	assert_int_equal(vmmctl_vcpu_run(u->cpu, u->c, &u->e), -ENOMEM);
	device.run_error = 0;
	assert_ok(vmmctl_vcpu_run(u->cpu, c2, &u->e));
	assert_int_equal(device.commit & VMM_SET_KEEP, 0);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_CONTEXT);
}

static void kicks_and_deadlines(void **state)
{
	struct unit *u = *state;

	u->cpu->entered = 1;
	vmmctl_vcpu_kick(u->cpu);
	u->cpu->entered = 0;
	assert_int_equal(device.kicks, 1);
	run(u, VMMCTL_EXIT_KICKED);
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(page(0)->deadline, 0);
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 1000000000, 0));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_true(page(0)->deadline > 0);
	assert_ok(vmmctl_vcpu_set_budget(u->cpu, 0, 0));
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(page(0)->deadline, 0);
}

/* ---- exits ---- */

#define LIMIT	(1ull << 39)

static struct event decode(const struct vmm_exit *x, uint64_t dr7)
{
	struct event ev;

	memset(&ev, 0xa5, sizeof(ev));
	dv_decode(x, dr7, LIMIT, &ev);
	return ev;
}

static void plain_exits(void **state)
{
	static const struct {
		struct vmm_exit x;
		enum event_type type;
		uint32_t vector;
	} t[] = {
		{ { .kind = VMM_EXIT_SYSCALL }, EVENT_SYSCALL, 0 },
		{ { .kind = VMM_EXIT_SOFTINT, .vector = 0x80 },
		    EVENT_SOFTINT, 0x80 },
		{ { .kind = VMM_EXIT_INTERRUPTED, .detail = VMM_BY_KICK },
		    EVENT_KICK, 0 },
		{ { .kind = VMM_EXIT_INTERRUPTED, .detail = VMM_BY_SIGNAL },
		    EVENT_SIGNAL, 0 },
		{ { .kind = VMM_EXIT_DEADLINE }, EVENT_TIMEOUT, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct event ev = decode(&t[i].x, 0);

		assert_int_equal(ev.type, t[i].type);
		assert_int_equal(ev.vector, t[i].vector);
		assert_false(ev.brief);
	}
}

static void exceptions(void **state)
{
	struct vmm_exit x = { .kind = VMM_EXIT_EXCEPTION, .vector = VEC_PF,
	    .error_code = 7, .address = 0x1234, .dr6 = 0x400f,
	    .valid = VMM_VALID_ERROR_CODE | VMM_VALID_ADDRESS };
	struct event ev = decode(&x, 0);

	(void)state;
	assert_int_equal(ev.type, EVENT_VECTOR);
	assert_int_equal(ev.vector, VEC_PF);
	assert_int_equal(ev.error_code, 7);
	assert_int_equal(ev.cr2, 0x1234);
	assert_int_equal(ev.dr6, 0);
	x.vector = VEC_DB;
	x.valid = VMM_VALID_DR6;
	ev = decode(&x, 0x1 | 0x8);	/* DR0 local, DR1 global */
	assert_int_equal(ev.error_code, 0);
	assert_int_equal(ev.cr2, 0);
	assert_int_equal(ev.dr6, 0x4003);
}

static void memory_exits(void **state)
{
	struct vmm_exit x = { .kind = VMM_EXIT_MEMORY, .gpa = LIMIT - 1,
	    .access = VMM_PROT_WRITE, .detail = EFAULT };
	struct event ev = decode(&x, 0);

	(void)state;
	assert_int_equal(ev.type, EVENT_LACKS);
	assert_int_equal(ev.gpa, LIMIT - 1);
	x.gpa = LIMIT;
	ev = decode(&x, 0);
	assert_int_equal(ev.type, EVENT_FAILED);
	assert_string_equal(ev.field, "page table");
	assert_int_equal(ev.value, LIMIT);
}

static void failures(void **state)
{
	struct vmm_exit x = { .kind = VMM_EXIT_FAILED, .raw = ~0ull };
	struct event ev;

	(void)state;
	for (x.detail = 0; x.detail < 12; x.detail++) {
		bool ours = x.detail >= VMM_FIELD_RIP &&
		    x.detail <= VMM_FIELD_GS_BASE;

		ev = decode(&x, 0);
		assert_int_equal(ev.type, ours ? EVENT_REFUSED :
		    EVENT_FAILED);
		if (ours)
			continue;
		assert_non_null(ev.field);
		assert_non_null(ev.rule);
		assert_non_null(ev.section);
	}
	for (uint32_t kind = 0; kind < 12; kind++) {
		if (kind != VMM_EXIT_NONE && kind < VMM_EXIT_SHUTDOWN)
			continue;
		x = (struct vmm_exit){ .kind = kind, .raw = 0x7f };
		ev = decode(&x, 0);
		assert_int_equal(ev.type, EVENT_FAILED);
		assert_int_equal(ev.value, 0x7f);
	}
}

static void fail_rip(struct vmm_vcpu_page *p)
{
	p->exit.kind = VMM_EXIT_FAILED;
	p->exit.detail = VMM_FIELD_RIP;
}

static void refused_by_the_device(void **state)
{
	struct unit *u = *state;

	device.run = fail_rip;
	u->r->rip = 1ull << 47;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "RIP");
	assert_int_equal(u->e.value, 1ull << 47);
	device.run = NULL;
	u->r->rip = RIP;
	run(u, VMMCTL_EXIT_SYSCALL);
	assert_int_equal(device.commit, VMM_SET_SPACE | VMM_SET_CONTEXT);
}

static uint64_t failing_raw = ~0ull, failing_info;

static void fail_hardware(struct vmm_vcpu_page *p)
{
	p->exit.kind = VMM_EXIT_FAILED;
	p->exit.detail = 0;
	p->exit.raw = failing_raw;
	p->exit.info[0] = failing_info;
}

/* A control block with nothing in it; that the processor has long mode, any
 * that runs this does. */
static int raw_zero(struct vmm_raw *a)
{
	assert_int_equal(a->op, VMM_RAW_READ);
	assert_int_equal(a->reserved, 0);
	a->value = a->field == offsetof(struct svm_vmcb, efer) ? 0xd00 : 0;
	return 0;
}

static void refused_by_the_processor(void **state)
{
	struct unit *u = *state;

	device.run = fail_hardware;
	device.raw = raw_zero;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "EFER");
	assert_int_equal(u->e.value, 0xd00);
	assert_string_equal(u->e.rule, "SVME must be 1");
	assert_string_equal(u->e.section, "APM vol. 2 15.5.1");
}

static void refused_unexplained(void **state)
{
	struct unit *u = *state;

	device.run = fail_hardware;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "hardware exit code");
	assert_int_equal(u->e.value, ~0ull);
	assert_non_null(u->e.rule);
	assert_non_null(u->e.section);
}

static int setup_vmx(void **state)
{
	device_reset();
	strcpy(device.info.vendor, "vmx");
	strcpy(device.info.facts[0].name, "vmx.pin");
	device.info.facts[0].value = 2;		/* has to be set */
	strcpy(device.info.facts[1].name, "vmx.cr4_fixed1");
	device.info.facts[1].value = 0x7ff;
	return start(state);
}

/* A processor that lacks a field. */
static int raw_without_vpid(struct vmm_raw *a)
{
	return a->field == VMX_VPID ? -EPERM : raw_zero(a);
}

static int raw_that_ends(struct vmm_raw *a)
{
	return a->field == VMX_GUEST_RIP ? -EIO : raw_zero(a);
}

/* A control structure of zeros; or, if none is shown, the processor's word. */
static void refused_by_vmx(void **state)
{
	static const struct {
		uint64_t raw, info;
		const char *field, *section;
	} rows[] = {
		{ 1u << 31, 7, "VM-instruction error", "SDM vol. 3C 26.2.1" },
		{ 1u << 31, 8, "VM-instruction error", "SDM vol. 3C 26.2.2" },
		{ 1u << 31 | 33, 4, "VMCS link pointer",
		    "SDM vol. 3C 26.3.1.5" },
		{ 1u << 31 | 34, 3, "VM-entry MSR-load area",
		    "SDM vol. 3C 26.4" },
		{ 1u << 31 | 33, 0, "hardware exit code",
		    "APM vol. 2 15.5.1, SDM vol. 3C 26.3" },
	};
	struct unit *u = *state;

	device.run = fail_hardware;
	device.raw = raw_zero;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "pin-based controls");
	assert_string_equal(u->e.section, "SDM vol. 3C 26.2.1.1");
	device.raw = raw_without_vpid;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "pin-based controls");
	device.raw = raw_that_ends;
	run(u, VMMCTL_EXIT_FAILED);
	assert_string_equal(u->e.field, "hardware exit code");
	device.raw = NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		failing_raw = rows[i].raw;
		failing_info = rows[i].info;
		run(u, VMMCTL_EXIT_FAILED);
		assert_string_equal(u->e.field, rows[i].field);
		assert_string_equal(u->e.section, rows[i].section);
		assert_non_null(u->e.rule);
	}
	failing_raw = ~0ull;
	failing_info = 0;
}

/* Memory and descriptors run out at each place in turn. */
static void nothing_leaks(void **state)
{
	struct unit *u = *state;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl_vcpu *v;

	for (int n = 1;; n++) {
		fake_fail_at = n;
		if (vmmctl_machine_create(u->v, NULL, &m) != 0)
			continue;
		if (vmmctl_space_create(m, &s) == 0)
			(void)vmmctl_context_create(s, &c);
		(void)vmmctl_vcpu_create(m, &v);
		vmmctl_machine_destroy(m);
		if (fake_fail_at != 0)
			break;
	}
	fake_fail_at = 0;
	assert_int_equal(device.contexts, 1);
	device.bad = 0;		/* two machines' tables, at the same places */
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest vmm_tests[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(no_machine),
		cmocka_unit_test(probes_that_fail),
		TEST(no_breakpoints),
		cmocka_unit_test(the_best),
		TEST(facts),
		TEST(machines),
		TEST(the_pool_grows),
		TEST(memory),
		TEST(contexts),
		TEST(vcpus_keep_their_place),
		TEST(registers),
		TEST(commits),
		TEST(nothing_is_taken_for_its_predecessor),
		TEST(commits_are_not_lost),
		TEST(flushes_are_not_lost),
		TEST(kicks_and_deadlines),
		cmocka_unit_test(plain_exits),
		cmocka_unit_test(exceptions),
		cmocka_unit_test(memory_exits),
		cmocka_unit_test(failures),
		TEST(refused_by_the_device),
		TEST(refused_by_the_processor),
		TEST(refused_unexplained),
		cmocka_unit_test_setup_teardown(refused_by_vmx, setup_vmx,
		    teardown),
		TEST(nothing_leaks),
	};

	return RUN(vmm_tests);
}
