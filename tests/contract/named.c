// SPDX-License-Identifier: BSD-2-Clause
/* named.c - see named.h. */
#include "named.h"

unsigned briefs;

void remake(struct rig *r)
{
	const uint64_t words[] = { 1ull << NAMED };
	const struct vmmctl_machine_config config = {
		.size = sizeof(config), .brief = words, .brief_words = 1,
	};

	briefs = 0;
	vmmctl_machine_destroy(r->m);
	expect_rc(r, vmmctl_machine_create(r->v, &config, &r->m), 0);
	expect_rc(r, vmmctl_memory_map(r->m, GPA, MEM_SIZE, r->fd, 0,
	    VMMCTL_PROT_RWX), 0);
	r->s = rig_space(r);
	r->c = rig_context(r, r->s);
	r->regs = vmmctl_context_regs(r->c);
	expect_rc(r, vmmctl_vcpu_create(r->m, &r->cpu), 0);
}

void load(struct rig *r, struct blob b)
{
	rig_load(r, b);
	r->regs->rax = NAMED;
}

void call_on(struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c)
{
	int rc = vmmctl_vcpu_run(cpu, c, &r->x);

	assert_int_equal(rc, 0);
	briefs += r->x.brief;
	assert_in_range(r->x.brief, 0, 1);
	r->x.brief = 0;
	expect_syscall(r);
}

void call(struct rig *r)
{
	call_on(r, r->cpu, r->c);
}

void fetch(struct rig *r)
{
	expect_rc(r, vmmctl_context_fetch(r->c), 0);
}

void told(struct rig *r)
{
	rig_say("%s/%s: %u exits were brief", r->info.backend,
	    r->info.variant, briefs);
}

void after_call(struct vmmctl_regs *want, uint64_t rip)
{
	want->rip = want->rcx = rip;
	want->r11 = want->rflags;
}
