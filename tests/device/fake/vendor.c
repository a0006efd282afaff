// SPDX-License-Identifier: BSD-2-Clause
/* vendor.c - a vendor without hardware: see script.h. */
#include "script.h"
#include "cpu.h"
#include "x86.h"

struct fake_vendor fake_vendor;

/* What each processor holds of the vCPU that was there last. */
static struct {
	const struct vmm_vcpu *v;
	uint64_t cr3;
	uint64_t space_id;
} held[FAKE_CPUS];

void fake_vendor_reset(void)
{
	memset(&fake_vendor, 0, sizeof(fake_vendor));
	memset(held, 0, sizeof(held));
	fake_vendor.format = &x86_npt_svm;
	fake_vendor.caps = VMM_CAP_GUEST_USER | VMM_CAP_CPUID |
	    VMM_CAP_LARGE_2M | VMM_CAP_LARGE_1G | VMM_CAP_HW_DIRTY |
	    VMM_CAP_FSGSBASE;
}

/* ---- the vendor's table ---- */

static int probe(struct vmm_hw *hw, const char **why)
{
	if (fake_vendor.probe_error != 0) {
		*why = fake_vendor.why;
		return fake_vendor.probe_error;
	}
	hw->caps |= fake_vendor.caps;
	hw->gpa_bits = 40;
	hw->npt = fake_vendor.format;
	hw->nasid = 16;
	memcpy(hw->facts[0].name, "fake.fact", 10);
	hw->facts[0].value = 42;
	return 0;
}

static int cpu_on(struct vmm_cpu *c, const char **why)
{
	fake_irqs_off("cpu_on");
	if (c->number != fake.cur->cpu)
		fake_bug("cpu_on of %u on %u", c->number, fake.cur->cpu);
	if (fake_vendor.refuse_on == c->number + 1) {
		*why = "the test holds it";
		return EBUSY;
	}
	if (fake_vendor.on[c->number])
		fake_bug("processor %u is turned on twice", c->number);
	fake_vendor.on[c->number] = true;
	fake_vendor.ons++;
	return 0;
}

static int cpu_check(struct vmm_cpu *c, const char **why)
{
	fake_irqs_off("cpu_check");
	fake_vendor.checks++;
	if (fake_vendor.refuse_on != c->number + 1)
		return 0;
	*why = "the test holds it";
	return EBUSY;
}

static void cpu_off(struct vmm_cpu *c)
{
	fake_irqs_off("cpu_off");
	if (c->number != fake.cur->cpu)
		fake_bug("cpu_off of %u on %u", c->number, fake.cur->cpu);
	if (!fake_vendor.on[c->number])
		fake_bug("processor %u is turned off twice", c->number);
	fake_vendor.on[c->number] = false;
	fake_vendor.offs++;
}

static int cpu_init(struct vmm_cpu *c)
{
	c->svm.host_save = os_cpu_page_alloc(&c->svm.host_save_pa);
	if (c->svm.host_save == NULL)
		return ENOMEM;
	fake_vendor.cpu_inits++;
	return 0;
}

static void cpu_fini(struct vmm_cpu *c)
{
	os_cpu_page_free(c->svm.host_save);
	c->svm.host_save = NULL;
	fake_vendor.cpu_finis++;
}

static int vcpu_init(struct vmm_vcpu *v)
{
	v->svm.vmcb = os_page_alloc(&v->svm.vmcb_pa);
	if (v->svm.vmcb == NULL)
		return ENOMEM;
	fake_vendor.vcpu_inits++;
	return 0;
}

static void vcpu_fini(struct vmm_vcpu *v)
{
	os_page_free(v->svm.vmcb);
	v->svm.vmcb = NULL;
	fake_vendor.vcpu_finis++;
}

static void check_entry(struct vmm_vcpu *v, const struct vmm_cpu *c)
{
	fake_irqs_off("run");
	if (c->number != fake.cur->cpu || v->cpu != c->number)
		fake_bug("run for processor %u on %u", c->number,
		    fake.cur->cpu);
	if (!c->on || !fake_vendor.on[c->number])
		fake_bug("run on a processor that is off");
	if (OS_READ(v->mode) != VMM_INSIDE)
		fake_bug("run of a vCPU whose mode is outside");
	if (!fake.cur->in_guest)
		fake_bug("run outside of os_guest_begin and _end");
	if (fake.cur->spins != 0)
		fake_bug("run with a spin lock held");
	if (v->busy != VMM_RUNS)
		fake_bug("run of a vCPU that is not taken");
	if (v->context == NULL || v->context->busy != VMM_RUNS)
		fake_bug("run without a context");
	fake_check_state(&v->state, v->space->cr3, v->dr, v->dr7);
}

/* Each space of a vCPU has translations of its own. */
static uint64_t tag_of(const struct vmm_space *s)
{
	return (uint64_t)(uintptr_t)s;
}

static void load(struct vmm_vcpu *v, const struct vmm_cpu *c)
{
	const uint32_t p = v->pending;
	uint32_t i;

	if (held[c->number].v != v && (p & VMM_LOAD_CPU) == 0)
		fake_bug("another vCPU was here, and nothing says so");
	if ((p & VMM_LOAD_CPU) == 0 && (p & VMM_LOAD_SPACE) == 0 &&
	    (held[c->number].cr3 != v->space->cr3 ||
	    held[c->number].space_id != v->space->id))
		fake_bug("CR3 has changed, and nothing says so");
	if (v->space->stale && p == 0)
		fake_bug("the space is stale, and nothing says so");
	held[c->number].v = v;
	held[c->number].cr3 = v->space->cr3;
	held[c->number].space_id = v->space->id;
	for (i = 0; i < VMM_SPACES; i++) {
		if ((p & (VMM_LOAD_CPU | VMM_LOAD_NESTED)) != 0 ||
		    (&v->spaces[i] == v->space && v->space->stale))
			guest_flush_tag(c->number, tag_of(&v->spaces[i]));
	}
	v->space->stale = false;
	v->pending = 0;
}

static void record(struct vmm_vcpu *v, const struct vmm_cpu *c)
{
	struct fake_entry *e;

	if (fake_vendor.entries++ >= FAKE_ENTRIES)
		return;
	e = &fake_vendor.entry[fake_vendor.entries - 1];
	e->v = v;
	e->cpu = c->number;
	e->pending = v->pending;
	e->state = v->state;
	e->cr3 = v->space->cr3;
	memcpy(e->dr, v->dr, sizeof(e->dr));
	e->dr7 = v->dr7;
	e->regs = v->page->regs;
}

static void run(struct vmm_vcpu *v, struct vmm_cpu *c, struct vmm_cause *cause)
{
	const uint64_t tag = tag_of(v->space);
	struct guest_fault f;
	struct fake_step *s;

	record(v, c);
	check_entry(v, c);
	load(v, c);
	memset(cause, 0xa5, sizeof(*cause));	/* what is not set, is not */
	cause->raw = 0x1000;
	cause->info[0] = cause->info[1] = 0;
	cause->raw_index = 0;
	fake_cpu()->dr[7] = 0x400;
	if (fake_vendor.on_run != NULL)
		fake_vendor.on_run(v);
	while ((s = fake_script_next(c->number, tag)) != NULL) {
		if (s->kind == FAKE_CHANGE) {
			fake_script.at++;
			s->change(&v->page->regs, &v->state);
			continue;
		}
		if (s->kind == FAKE_CAUSE) {
			fake_script.at++;
			*cause = s->cause;
			return;
		}
		switch (fake_script_touch(s, c->number,
		    v->machine->npt.root_pa, v->space->cr3, tag, &f)) {
		case GUEST_OK:
			continue;
		case GUEST_NESTED:
			cause->kind = VMM_CAUSE_NESTED;
			cause->gpa = f.gpa;
			cause->access = f.access;
			cause->present = f.present;
			return;
		case GUEST_PAGE_FAULT:
			cause->kind = VMM_CAUSE_EXCEPTION;
			cause->vector = VMM_X86_PF;
			cause->error_code = f.error_code;
			cause->address = s->gpa;
			return;
		}
	}
	cause->kind = VMM_CAUSE_INTERRUPT;
}

static int raw_read(struct vmm_vcpu *v, uint32_t field, uint32_t width,
    uint64_t *value)
{
	if (field >= 4096)
		return EPERM;
	if (width != 8)
		return EINVAL;
	memcpy(value, (uint8_t *)v->svm.vmcb + field / 8 * 8, 8);
	return 0;
}

static int raw_write(struct vmm_vcpu *v, uint32_t field, uint32_t width,
    uint64_t value, bool all)
{
	if (field >= 2048 && !(all && field < 4096))
		return EPERM;
	if (width != 8)
		return EINVAL;
	memcpy((uint8_t *)v->svm.vmcb + field / 8 * 8, &value, 8);
	return 0;
}

static const char *raw_name(uint32_t index)
{
	static const char *const names[] = { "fake.zero", "fake.one",
	    "fake.two" };

	return index < 3 ? names[index] : NULL;
}

#define COMMON \
	.name = "fake", \
	.probe = probe, \
	.cpu_on = cpu_on, \
	.cpu_check = cpu_check, \
	.cpu_off = cpu_off, \
	.cpu_init = cpu_init, \
	.cpu_fini = cpu_fini, \
	.vcpu_init = vcpu_init, \
	.vcpu_fini = vcpu_fini, \
	.raw_read = raw_read, \
	.raw_write = raw_write, \
	.raw_count = 3, \
	.raw_name = raw_name

const struct vmm_vendor fake_vendor_table = { COMMON, .run = run };

/* ---- a vendor whose vCPUs have to leave a processor ---- */

static void vcpu_leave(struct vmm_vcpu *v)
{
	fake_may_sleep("vcpu_leave");
	if (v->last_cpu >= fake.cpus || v->last_cpu == fake.cur->cpu)
		fake_bug("a vCPU leaves processor %u on %u", v->last_cpu,
		    fake.cur->cpu);
	if (fake_vendor.where[v->index] != v->last_cpu + 1)
		fake_bug("a vCPU leaves where it was not");
	fake_vendor.where[v->index] = 0;
	fake_vendor.leaves++;
}

static void begin(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	fake_irqs_off("begin");
	if (fake_vendor.begun != NULL)
		fake_bug("begin is called twice");
	if (fake_vendor.where[v->index] != 0 &&
	    fake_vendor.where[v->index] != c->number + 1)
		fake_bug("a vCPU comes without having left");
	fake_vendor.where[v->index] = c->number + 1;
	fake_vendor.begun = v;
}

static void end(struct vmm_vcpu *v, struct vmm_cpu *c)
{
	fake_irqs_off("end");
	if (fake_vendor.begun != v || c->number != fake.cur->cpu)
		fake_bug("end of what has not begun");
	fake_vendor.begun = NULL;
}

static void run_begun(struct vmm_vcpu *v, struct vmm_cpu *c,
    struct vmm_cause *cause)
{
	if (fake_vendor.begun != v)
		fake_bug("run of what has not begun");
	run(v, c, cause);
}

const struct vmm_vendor fake_vendor_that_leaves = {
	COMMON, .run = run_begun, .vcpu_leave = vcpu_leave, .begin = begin,
	.end = end,
};
