// SPDX-License-Identifier: BSD-2-Clause
/* script.c - see script.h. */
#include "script.h"
#include "cpu.h"
#include "vmx_cpu.h"
#include "x86.h"

struct fake_script fake_script;

void fake_script_reset(void)
{
	memset(&fake_script, 0, sizeof(fake_script));
	guest_reset();
	fake_vendor_reset();
	fake_vmrun_reset();
	fake_vmx_reset();
}

struct fake_step *fake_step(enum fake_step_kind kind)
{
	struct fake_script *q = &fake_script;
	struct fake_step *s;

	if (q->n == FAKE_STEPS) {
		memmove(q->step, q->step + q->at,
		    (FAKE_STEPS - q->at) * sizeof(*s));
		q->n -= q->at;
		q->at = 0;
	}
	if (q->n == FAKE_STEPS) {
		fprintf(stderr, "fake: more than %u steps\n", FAKE_STEPS);
		abort();
	}
	s = &q->step[q->n++];
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	return s;
}

void fake_cause(enum vmm_cause_kind kind)
{
	fake_step(FAKE_CAUSE)->cause.kind = kind;
}

void fake_exception(uint32_t vector, uint32_t error_code, uint64_t address)
{
	struct vmm_cause *c = &fake_step(FAKE_CAUSE)->cause;

	c->kind = VMM_CAUSE_EXCEPTION;
	c->vector = vector;
	c->error_code = error_code;
	c->address = address;
}

void fake_exit_code(uint64_t code, uint64_t info1, uint64_t info2,
    uint32_t length)
{
	struct fake_step *s = fake_step(FAKE_EXIT);

	s->code = code;
	s->info[0] = info1;
	s->info[1] = info2;
	s->length = length;
}

static void touch(enum fake_step_kind kind, uint64_t gpa, uint32_t access,
    void *buf, uint32_t size)
{
	struct fake_step *s = fake_step(kind);

	s->gpa = gpa;
	s->access = access;
	s->buf = buf;
	s->size = size;
}

void fake_touch(uint64_t gpa, uint32_t access, void *buf, uint32_t size)
{
	touch(FAKE_TOUCH, gpa, access, buf, size);
}

void fake_touch_va(uint64_t va, uint32_t access, void *buf, uint32_t size)
{
	touch(FAKE_TOUCH_VA, va, access, buf, size);
}

void fake_call(void (*call)(void *cookie), void *cookie)
{
	struct fake_step *s = fake_step(FAKE_CALL);

	s->call = call;
	s->cookie = cookie;
}

void fake_change(void (*change)(struct vmm_regs *regs, struct vmm_state *s))
{
	fake_step(FAKE_CHANGE)->change = change;
}

bool fake_script_done(void)
{
	return fake_script.at == fake_script.n;
}

struct fake_step *fake_script_next(uint32_t cpu, uint64_t tag)
{
	struct fake_script *q = &fake_script;

	for (;;) {
		struct fake_step *s;

		if (fake.pending[cpu])
			return NULL;
		guest_check(cpu, tag);
		if (q->at >= q->n) {
			fake.signal = true;
			return NULL;
		}
		s = &q->step[q->at];
		if (s->kind != FAKE_CALL)
			return s;
		q->at++;
		fake_as((cpu + 1) % fake.cpus, s->call, s->cookie);
	}
}

enum guest_outcome fake_script_touch(struct fake_step *s, uint32_t cpu,
    uint64_t ncr3, uint64_t cr3, uint64_t tag, struct guest_fault *f)
{
	const struct guest_access a = {
		.format = vmm_hw.npt,
		.ncr3 = ncr3,
		.cr3 = s->kind == FAKE_TOUCH ? GUEST_NO_PAGING : cr3,
		.tag = tag,
		.address = s->gpa,
		.access = s->access,
		.buf = s->buf,
		.size = s->size,
	};
	enum guest_outcome o = guest_access(cpu, &a, f);

	/* After a nested fault it is tried again. */
	if (o != GUEST_NESTED)
		fake_script.at++;
	return o;
}

void fake_check_state(const struct vmm_state *s, uint64_t cr3,
    const uint64_t dr[4], uint64_t dr7)
{
	uint32_t i;

	if (!x86_canonical(s->rip))
		fake_bug("RIP %#llx reaches the vendor",
		    (unsigned long long)s->rip);
	if ((s->rflags & ~(VMM_X86_RFLAGS_USER | 2)) != 0 ||
	    (s->rflags & 2) == 0)
		fake_bug("RFLAGS %#llx reach the vendor",
		    (unsigned long long)s->rflags);
	if (!x86_canonical(s->fs_base) || !x86_canonical(s->gs_base))
		fake_bug("a segment base that is not canonical reaches the "
		    "vendor");
	if ((cr3 & (FAKE_PAGE - 1)) != 0 || cr3 >> vmm_hw.gpa_bits != 0)
		fake_bug("CR3 %#llx reaches the vendor",
		    (unsigned long long)cr3);
	if (fake_cpu()->xcr0 != vmm_hw.xcr0)
		fake_bug("the guest has XCR0 %#llx",
		    (unsigned long long)fake_cpu()->xcr0);
	if (!x86_dr7_valid(dr7))
		fake_bug("DR7 %#llx reaches the vendor",
		    (unsigned long long)dr7);
	for (i = 0; i < 4; i++) {
		if (dr[i] >> 47 != 0)
			fake_bug("DR%u %#llx reaches the vendor", i,
			    (unsigned long long)dr[i]);
		if ((dr7 >> 2 * i & 3) != 0 && fake_cpu()->dr[i] != dr[i])
			fake_bug("DR%u is not loaded", i);
	}
}
