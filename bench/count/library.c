// SPDX-License-Identifier: BSD-2-Clause
/*
 * library.c - through libvmmctl, on the backend whose contender it is.
 */
#include "count.h"
#include "vmmctl.h"

#include <string.h>

static struct {
	struct vmmctl *v;
	struct vmmctl_machine *m;
	struct vmmctl_vcpu *vcpu;
	struct vmmctl_space *space[2];
	struct vmmctl_context *context[2];
} lib;

static int failed(const char *what, int err)
{
	char text[250] = "";

	vmmctl_error(lib.v, text, sizeof(text));
	return count_fail("%s: error %d, %s", what, -err, text);
}

static int library_open(const char *backend)
{
	char why[250] = "";
	int err = vmmctl_open(backend, &lib.v, why, sizeof(why));

	if (err != 0)
		return count_fail("%s", why);
	err = vmmctl_machine_create(lib.v, NULL, &lib.m);
	if (err == 0)
		err = vmmctl_memory_map_host(lib.m, 0, MEMORY_SIZE,
		    count_memory, VMMCTL_PROT_RWX);
	if (err == 0)
		err = vmmctl_vcpu_create(lib.m, &lib.vcpu);
	for (unsigned i = 0; i < 2 && err == 0; i++) {
		err = vmmctl_space_create(lib.m, &lib.space[i]);
		if (err == 0)
			err = vmmctl_space_map(lib.space[i], CODE, PAGE, 0,
			    VMMCTL_PROT_RX);
		if (err == 0)
			err = vmmctl_context_create(lib.space[i],
			    &lib.context[i]);
	}
	return err == 0 ? 0 : failed("a machine", err);
}

static int open_vmm(void)
{
	return library_open("vmm");
}

static int open_kvm(void)
{
	return library_open("kvm");
}

static void library_close(void)
{
	vmmctl_close(lib.v);
	lib.v = NULL;
}

static void start(const uint8_t *at)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vmmctl_regs *r = vmmctl_context_regs(lib.context[i]);

		r->rip = guest_va(at);
		r->rbx = UNMAPPED;
	}
}

static int run(struct vmmctl_context *c, uint32_t kind)
{
	struct vmmctl_exit e;
	int err;

	do
		err = vmmctl_vcpu_run(lib.vcpu, c, &e);
	while (err == 0 && e.kind == VMMCTL_EXIT_KICKED);
	if (err != 0)
		return failed("run", err);
	return e.kind == kind ? 0 : count_fail("exit %u instead of %u",
	    e.kind, kind);
}

static int round_trips(uint64_t *samples, unsigned n, uint32_t kind)
{
	uint64_t t, last = count_ticks();

	for (unsigned i = 0; i < n; i++) {
		if (run(lib.context[0], kind) != 0)
			return -1;
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	return (int)n;
}

static int syscall_exit(uint64_t *samples, unsigned n)
{
	start(guest_syscall);
	return round_trips(samples, n, VMMCTL_EXIT_SYSCALL);
}

static int breakpoint_exit(uint64_t *samples, unsigned n)
{
	start(guest_break);
	return round_trips(samples, n, VMMCTL_EXIT_BREAKPOINT);
}

static int fault_exit(uint64_t *samples, unsigned n)
{
	uint64_t t, last;

	start(guest_fault);
	last = count_ticks();
	for (unsigned i = 0; i < n; i++) {
		if (run(lib.context[0], VMMCTL_EXIT_FAULT) != 0)
			return -1;
		vmmctl_context_regs(lib.context[0])->rip =
		    guest_va(guest_next);
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	return (int)n;
}

static int context_switch(uint64_t *samples, unsigned n)
{
	uint64_t t, last;

	start(guest_syscall);
	last = count_ticks();
	for (unsigned i = 0; i < n; i++) {
		if (run(lib.context[i & 1], VMMCTL_EXIT_SYSCALL) != 0)
			return -1;
		t = count_ticks();
		samples[i] = t - last;
		last = t;
	}
	return (int)n;
}

#define WORKS(b) {						\
	{ "syscall_exit", b, syscall_exit },			\
	{ "fault_exit", b, fault_exit },			\
	{ "breakpoint_exit", b, breakpoint_exit },		\
	{ "context_switch", b, context_switch },		\
}

static const struct work vmm_works[] = WORKS("vmm"), kvm_works[] =
    WORKS("kvm");

const struct contender count_library_vmm = {
	.name = "vmm", .open = open_vmm, .close = library_close,
	.works = vmm_works, .nworks = sizeof(vmm_works) / sizeof(vmm_works[0]),
};
const struct contender count_library_kvm = {
	.name = "kvm", .open = open_kvm, .close = library_close,
	.works = kvm_works, .nworks = sizeof(kvm_works) / sizeof(kvm_works[0]),
};
