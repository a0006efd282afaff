// SPDX-License-Identifier: BSD-2-Clause
/* The vmm backend: machines, contexts and vCPUs, and what runs commit. */
#include "vmm_unit.h"

#include <unistd.h>

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

/* ---- the end ---- */

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

int main(void)
{
	const struct CMUnitTest vmm_machine[] = {
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
		TEST(nothing_leaks),
	};

	return RUN(vmm_machine);
}
