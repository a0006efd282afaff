// SPDX-License-Identifier: BSD-2-Clause
/*
 * probe.c - how does this KVM behave?  Asked of itself, by running a few
 * instructions in ring 3: names and module parameters tell neither whether
 * ring 0 is emulated nor whether page tables are shadowed.
 */
#include "kv.h"
#include "../os.h"
#include "../pt.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES		16u
#define MEM_GPA		0x100000ull
#define CODE_GVA	0x400000ull
#define DATA_GVA	0x401000ull
#define ROUNDS		64u
#define HOST_CS32	0x23	/* no descriptor of ours */
#define CPUID_LEAF	0x80000002u
#define CPUID_MARK	0x4c4d4d56u

enum { PAGE_CODE, PAGE_A, PAGE_B, PAGE_TABLES };

struct probe {
	struct kv_vm vm;
	struct kv_cpu cpu;
	struct kvm_cpuid2 *cpuid;
	uint8_t *mem;
	uint64_t *leaf;		/* of DATA_GVA */
	bool flush;
	struct vmmctl_regs regs;
};

static uint64_t gpa_of(unsigned page)
{
	return MEM_GPA + (uint64_t)page * VMMCTL_PAGE_SIZE;
}

static uint64_t *at(struct probe *p, unsigned page)
{
	return (uint64_t *)(void *)(p->mem + (size_t)page * VMMCTL_PAGE_SIZE);
}

static void build(struct probe *p)
{
	const uint64_t table = PTE_P | PTE_W | PTE_U | PTE_A;
	uint64_t *l1 = at(p, PAGE_TABLES + 3);

	at(p, PAGE_TABLES)[0] = gpa_of(PAGE_TABLES + 1) | table;
	at(p, PAGE_TABLES)[511] = kv_top_entry(&p->vm);
	at(p, PAGE_TABLES + 1)[0] = gpa_of(PAGE_TABLES + 2) | table;
	at(p, PAGE_TABLES + 2)[CODE_GVA >> 21] =
	    gpa_of(PAGE_TABLES + 3) | table;
	l1[CODE_GVA >> PAGE_SHIFT & 511] = gpa_of(PAGE_CODE) | table | PTE_D;
	p->leaf = &l1[DATA_GVA >> PAGE_SHIFT & 511];
	*p->leaf = gpa_of(PAGE_A) | table | PTE_D;
	at(p, PAGE_A)[0] = 0xa;
	at(p, PAGE_B)[0] = 0xb;
}

static void probe_close(struct probe *p)
{
	kv_cpu_fini(&p->cpu);
	kv_vm_fini(&p->vm);
	vmmctl_free(p->vm.v, p->cpuid);
	if (p->mem != NULL)
		munmap(p->mem, PAGES * VMMCTL_PAGE_SIZE);
}

static int probe_open(struct probe *p, struct vmmctl *v, struct kv_host *h)
{
	const struct vmmctl_cpuid mark = { .leaf = CPUID_LEAF,
	    .eax = CPUID_MARK };
	uint32_t slot;
	int err = -ENOMEM;

	memset(p, 0, sizeof(*p));
	p->cpuid = kv_cpuid_policy(v, h, &mark, 1);
	p->mem = mmap(NULL, PAGES * VMMCTL_PAGE_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->mem == MAP_FAILED)
		p->mem = NULL;
	if (p->cpuid == NULL || p->mem == NULL)
		vmmctl_fail(v, err, "no memory to probe KVM with");
	else
		err = kv_vm_init(&p->vm, v, h, p->cpuid);
	if (err != 0) {
		vmmctl_free(v, p->cpuid);
		if (p->mem != NULL)
			munmap(p->mem, PAGES * VMMCTL_PAGE_SIZE);
		return err;
	}
	err = kv_slot_add(&p->vm, MEM_GPA, PAGES * VMMCTL_PAGE_SIZE, p->mem,
	    true, &slot);
	if (err == 0)
		err = kv_cpu_init(&p->cpu, &p->vm, 0);
	if (err != 0) {
		kv_vm_fini(&p->vm);
		vmmctl_free(v, p->cpuid);
		munmap(p->mem, PAGES * VMMCTL_PAGE_SIZE);
		return err;
	}
	build(p);
	return 0;
}

static size_t fetch(void *cookie, uint64_t gva, uint8_t *buf, size_t len)
{
	struct probe *p = cookie;
	uint64_t offset = gva - CODE_GVA;

	if (offset >= VMMCTL_PAGE_SIZE)
		return 0;
	if (len > VMMCTL_PAGE_SIZE - offset)
		len = VMMCTL_PAGE_SIZE - offset;
	memcpy(buf, p->mem + offset, len);
	return len;
}

/* Run from RIP = CODE_GVA to the first event. */
static int attempt(struct probe *p, struct event *ev)
{
	struct kv_entry e = { .regs = &p->regs, .cr3 = gpa_of(PAGE_TABLES),
	    .fetch = fetch, .cookie = p, .flush = p->flush };
	int err;

	p->regs.rip = CODE_GVA;
	p->regs.rsp = DATA_GVA + VMMCTL_PAGE_SIZE;
	p->regs.rflags = RFLAGS_FIXED | RFLAGS_IF;
	do
		err = kv_enter(&p->cpu, &e, ev);
	while (err == 0 && (ev->type == EVENT_SIGNAL ||
	    ev->type == EVENT_KICK));	/* a signal's, come late */
	if (err != 0)
		return vmmctl_fail(p->vm.v, err, "KVM_RUN failed: %s",
		    strerror(-err));
	return 0;
}

/* ... which is the SYSCALL that ends every snippet. */
static int go(struct probe *p)
{
	struct event ev;
	int err = attempt(p, &ev);

	if (err != 0)
		return err;
	if (ev.type == EVENT_SYSCALL && (p->regs.rflags & RFLAGS_IF) != 0)
		return 0;
	if (ev.type == EVENT_FAILED)
		return vmmctl_fail(p->vm.v, -ENOTSUP, "this KVM does not run "
		    "ring 3 code: %s 0x%llx %s", ev.field,
		    (unsigned long long)ev.value, ev.rule);
	return vmmctl_fail(p->vm.v, -ENOTSUP, "this KVM does not deliver "
	    "SYSCALL: event %d, vector %u at 0x%llx", (int)ev.type,
	    ev.vector, (unsigned long long)p->regs.rip);
}

static int snippet(struct probe *p, const char *code, size_t len)
{
	memcpy(p->mem, code, len);
	return go(p);
}

/* Nanoseconds of one SYSCALL and back; the least of several. */
static int measure(struct probe *p, uint64_t *ns)
{
	int err = snippet(p, "\x0f\x05", 2);

	*ns = UINT64_MAX;
	for (unsigned i = 0; i < ROUNDS && err == 0; i++) {
		uint64_t t = os_mono_ns();

		err = go(p);
		t = os_mono_ns() - t;
		if (t < *ns)
			*ns = t;
	}
	return err;
}

/*
 * After an IRETQ that it emulates, KVM may go on to emulate ring 3, too, and
 * its INT n is not the processor's #GP (SDM vol. 3A 6.12.1.1, 6.13).
 */
static int probe_iretq(struct probe *p, bool *exact)
{
	struct event ev;
	int err;

	memcpy(p->mem, "\xcd\x80", 2);	/* int $0x80 */
	err = attempt(p, &ev);
	*exact = err == 0 && ev.type == EVENT_VECTOR && ev.vector == VEC_GP &&
	    ev.error_code == 0x80 * 8 + 2;
	return err;
}

/* A page-table entry that the library changes: does the guest notice? */
static int probe_shadow(struct probe *p, struct kv_host *h)
{
	/* mov DATA, %rax; syscall: with page A there, then page B */
	int err = snippet(p, "\x48\x8b\x04\x25\x00\x10\x40\x00\x0f\x05", 10);

	if (err != 0)
		return err;
	*p->leaf += VMMCTL_PAGE_SIZE;
	p->flush = true;
	err = go(p);
	h->shadow = p->regs.rax != 0xb;
	return err;
}

static int probe_cpuid(struct probe *p, struct kv_host *h)
{
	int err;

	p->regs.rax = CPUID_LEAF;
	p->regs.rcx = 0;
	err = snippet(p, "\x0f\xa2\x0f\x05", 4);	/* cpuid */
	h->native_cpuid = p->regs.rax != CPUID_MARK;
	return err;
}

/* lar %eax, %ebx; setz %al: 0x23 is Linux' 32-bit code segment */
static int probe_segments(struct probe *p, struct kv_host *h)
{
	int err;

	p->regs.rax = HOST_CS32;
	err = snippet(p, "\x0f\x02\xd8\x0f\x94\xc0\x0f\x05", 8);
	h->native_segments = (p->regs.rax & 1) != 0;
	return err;
}

/* wrfsbase %rax, where CPUID says nothing of it. */
static int probe_fsgsbase(struct probe *p, struct kv_host *h)
{
	struct event ev;
	int err;

	if (h->has_fsgsbase)
		return 0;
	p->regs.rax = CODE_GVA;
	memcpy(p->mem, "\xf3\x48\x0f\xae\xd0\x0f\x05", 7);
	err = attempt(p, &ev);
	h->native_fsgsbase = err == 0 && ev.type == EVENT_SYSCALL &&
	    p->regs.fs_base == CODE_GVA;
	p->regs.fs_base = 0;
	return err;
}

/* A breakpoint on the second instruction. */
static int probe_debug(struct probe *p, struct kv_host *h)
{
	const struct vmmctl_debug_regs d = { .addr = { CODE_GVA + 1 },
	    .dr7 = 1 };
	struct event ev;
	int err = kv_debug_set(&p->cpu, &d);

	if (err != 0)
		return 0;	/* then there are none */
	memcpy(p->mem, "\x90\x90\x0f\x05", 4);
	err = attempt(p, &ev);
	h->debug_regs = err == 0 && ev.type == EVENT_VECTOR &&
	    ev.vector == VEC_DB && p->regs.rip == CODE_GVA + 1;
	return err;
}

static int behaviour(struct probe *p, struct kv_host *h)
{
	static int (*const probes[])(struct probe *, struct kv_host *) = {
		probe_shadow, probe_cpuid, probe_segments, probe_fsgsbase,
		probe_debug,
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]) && err == 0;
	    i++)
		err = probes[i](p, h);
	return err;
}

int kv_probe(struct vmmctl *v, struct kv_host *h)
{
	uint64_t ns[2] = { UINT64_MAX, UINT64_MAX };
	struct probe p;
	bool exact = false;
	int err = 0, err0 = 0;

	for (int i = 0; i < 2; i++) {
		h->set_state = i == 1;
		err = probe_open(&p, v, h);
		if (err != 0)
			return err;
		err = measure(&p, &ns[i]);
		if (i == 0 && err == 0)
			err = probe_iretq(&p, &exact);
		if (i == 0)
			err0 = err;
		probe_close(&p);
	}
	if (err != 0 && err0 != 0)
		return err;
	/* What is exact is worth more than what else was going on meanwhile. */
	h->set_state = !exact || ns[1] < ns[0] / 2;
	h->exit_ns = h->set_state ? ns[1] : ns[0];
	err = probe_open(&p, v, h);
	if (err != 0)
		return err;
	err = behaviour(&p, h);
	probe_close(&p);
	return err;
}
