// SPDX-License-Identifier: BSD-2-Clause
/*
 * library.c - the works on the library, whatever the backend.
 */
#include "bench.h"
#include "guest.h"
#include "vmmctl.h"

#include <string.h>

#define CODE		0x400000ull
#define DATA		0x500000ull
#define DATA_OFFSET	PAGE		/* in the memory */

static struct {
	struct vmmctl *v;
	struct vmmctl_machine *m;
	struct vmmctl_vcpu *vcpu;
	struct vmmctl_space *space[2];
	struct vmmctl_context *context[2];
	struct vmmctl_regs *regs;	/* of the first */
	uint8_t *memory;
} lib;

static int failed(const char *what, int err)
{
	char text[400] = "";

	vmmctl_error(lib.v, text, sizeof(text));
	return bench_fail("%s: error %d, %s", what, -err, text);
}

static int run(struct vmmctl_context *c, struct vmmctl_exit *e, uint32_t kind)
{
	int err;

	do
		err = vmmctl_vcpu_run(lib.vcpu, c, e);
	while (err == 0 && e->kind == VMMCTL_EXIT_KICKED &&
	    kind != VMMCTL_EXIT_KICKED);
	if (err != 0)
		return failed("run", err);
	if (e->kind != kind)
		return bench_fail("exit %u at %#llx instead of %u", e->kind,
		    (unsigned long long)vmmctl_context_regs(c)->rip, kind);
	return 0;
}

static uint64_t code(const uint8_t *guest)
{
	return CODE + (uint64_t)(guest - guest_start);
}

static int space_make(struct vmmctl_space **s, struct vmmctl_context **c)
{
	int err = vmmctl_space_create(lib.m, s);

	if (err == 0)
		err = vmmctl_space_map(*s, CODE, PAGE, 0, VMMCTL_PROT_RX);
	if (err == 0)
		err = vmmctl_context_create(*s, c);
	if (err != 0)
		return failed("a space", err);
	vmmctl_context_regs(*c)->rip = code(guest_syscall);
	return 0;
}

int library_open(const char *backend)
{
	const uint64_t brief[] = { 0, 1ull << (BRIEF_CALL - 64) };
	const struct vmmctl_machine_config config = {
		.size = sizeof(config), .name = "vmmbench",
		.flags = VMMCTL_MACHINE_KICKS_ONLY,
		.brief = brief, .brief_words = 2,
	};
	struct vmmctl_info info;
	char why[400] = "";
	int fd, err = vmmctl_open(backend, &lib.v, why, sizeof(why));

	if (err != 0)
		return bench_fail("%s (error %d)", why, -err);
	vmmctl_info(lib.v, &info, sizeof(info));
	bench_note("%s, %s", info.backend, info.variant);
	fd = bench_memory(&lib.memory);
	if (fd < 0)
		return -1;
	err = vmmctl_machine_create(lib.v, &config, &lib.m);
	if (err == 0)
		err = vmmctl_memory_map(lib.m, 0, MEMORY_SIZE, fd, 0,
		    VMMCTL_PROT_RWX);
	if (err == 0)
		err = vmmctl_vcpu_create(lib.m, &lib.vcpu);
	if (err != 0)
		return failed("a machine", err);
	for (int i = 0; i < 2; i++)
		if (space_make(&lib.space[i], &lib.context[i]) != 0)
			return -1;
	err = vmmctl_space_map(lib.space[0], DATA, PAGE, DATA_OFFSET,
	    VMMCTL_PROT_RW);
	if (err != 0)
		return failed("map", err);
	lib.regs = vmmctl_context_regs(lib.context[0]);
	return 0;
}

void library_close(void)
{
	vmmctl_close(lib.v);
}

/* Samples of one run after the other. */
static int runs(const uint8_t *guest, uint32_t kind, uint64_t *ns, unsigned n)
{
	struct vmmctl_exit e;
	uint64_t t = 0, last = 0;

	lib.regs->rip = code(guest);
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run(lib.context[0], &e, kind) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

/* As a kernel takes most calls: arguments out, a result in. */
static int syscall_exit(uint64_t *ns, unsigned n)
{
	struct vmmctl_exit e;
	uint64_t t = 0, last = 0;

	lib.regs->rip = code(guest_brief);
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run(lib.context[0], &e, VMMCTL_EXIT_SYSCALL) != 0)
			return -1;
		lib.regs->rax = lib.regs->rdi;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return vmmctl_context_fetch(lib.context[0]);
}

static int syscall_exit_full(uint64_t *ns, unsigned n)
{
	return runs(guest_syscall, VMMCTL_EXIT_SYSCALL, ns, n);
}

static int breakpoint_exit(uint64_t *ns, unsigned n)
{
	return runs(guest_break, VMMCTL_EXIT_BREAKPOINT, ns, n);
}

static int fault_only(uint64_t *ns, unsigned n)
{
	lib.regs->rbx = AREA;
	return runs(guest_fault, VMMCTL_EXIT_FAULT, ns, n);
}

/* A fault, the mapping that it wants, and back to where it was. */
static int fault_exit(uint64_t *ns, unsigned n)
{
	struct vmmctl_exit e;
	uint64_t t = 0, last = 0;
	int err;

	lib.regs->rip = code(guest_fault);
	lib.regs->rbx = AREA;
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		const uint64_t page = (uint64_t)i * PAGE;

		if (run(lib.context[0], &e, VMMCTL_EXIT_FAULT) != 0)
			return -1;
		if (e.addr != AREA + page)
			return bench_fail("fault at %#llx instead of %#llx",
			    (unsigned long long)e.addr,
			    (unsigned long long)(AREA + page));
		err = vmmctl_space_map(lib.space[0], AREA + page, PAGE,
		    MEMORY_PAGES + page, VMMCTL_PROT_RW);
		if (err != 0)
			return failed("map", err);
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	err = vmmctl_space_unmap(lib.space[0], AREA,
	    (uint64_t)(WARM_UP + n) * PAGE);
	if (err != 0)
		return failed("unmap", err);
	lib.regs->rip = code(guest_syscall);
	return run(lib.context[0], &e, VMMCTL_EXIT_SYSCALL);
}

/*
 * Two areas by turns, so that no backend can take an unmap and the next map
 * for one change: what is unmapped here is unmapped by the end of the next
 * sample.
 */
static int map_touch_unmap(uint64_t *ns, unsigned n, unsigned pages)
{
	const uint64_t len = (uint64_t)pages * PAGE;
	struct vmmctl_exit e;
	uint64_t t = 0, last = 0;
	int err;

	for (unsigned i = 0; i < WARM_UP + n; i++) {
		const uint64_t at = AREA + (i & 1) * (uint64_t)AREA_STRIDE;

		err = vmmctl_space_map(lib.space[0], at, len, MEMORY_PAGES,
		    VMMCTL_PROT_RW);
		if (err != 0)
			return failed("map", err);
		lib.regs->rip = code(guest_touch);
		lib.regs->rbx = at;
		lib.regs->r12 = pages;
		if (run(lib.context[0], &e, VMMCTL_EXIT_SYSCALL) != 0)
			return -1;
		err = vmmctl_space_unmap(lib.space[0], at, len);
		if (err != 0)
			return failed("unmap", err);
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	lib.regs->rip = code(guest_syscall);
	return run(lib.context[0], &e, VMMCTL_EXIT_SYSCALL);
}

static int map_1(uint64_t *ns, unsigned n)
{
	return map_touch_unmap(ns, n, 1);
}

static int map_16(uint64_t *ns, unsigned n)
{
	return map_touch_unmap(ns, n, 16);
}

static int map_512(uint64_t *ns, unsigned n)
{
	return map_touch_unmap(ns, n, 512);
}

/* With a run in between: some backends make a space when it first runs. */
static int space_create_destroy(uint64_t *ns, unsigned n)
{
	struct vmmctl_space *s = NULL;
	struct vmmctl_context *c = NULL;
	struct vmmctl_exit e;

	for (unsigned i = 0; i < WARM_UP + n; i++) {
		uint64_t t = now_ns();
		int err;

		if (space_make(&s, &c) != 0 ||
		    run(c, &e, VMMCTL_EXIT_SYSCALL) != 0)
			return -1;
		vmmctl_context_destroy(c);
		err = vmmctl_space_destroy(s);
		if (err != 0)
			return failed("destroying a space", err);
		if (i >= WARM_UP)
			ns[i - WARM_UP] = now_ns() - t;
	}
	return 0;
}

/* Two spaces by turns: each sample is a system call in the other one. */
static int context_switch(uint64_t *ns, unsigned n)
{
	struct vmmctl_exit e;
	uint64_t t = 0, last = 0;

	lib.regs->rip = code(guest_syscall);
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run(lib.context[i & 1], &e, VMMCTL_EXIT_SYSCALL) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

static void do_kick(void)
{
	vmmctl_vcpu_kick(lib.vcpu);
}

/* From the call of kick, made while the guest runs, to the end of run. */
static int kick(uint64_t *ns, unsigned n)
{
	struct vmmctl_exit e;

	if (kicker_start(do_kick, (const volatile uint64_t *)(const void *)
	    (lib.memory + DATA_OFFSET)) != 0)
		return -1;
	lib.regs->rip = code(guest_spin);
	lib.regs->rbx = DATA;
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		kicker_ask();
		do
			if (run(lib.context[0], &e, VMMCTL_EXIT_KICKED) != 0)
				return -1;
		while (kicker_asked() == 0);
		if (i >= WARM_UP)
			ns[i - WARM_UP] = now_ns() - kicker_asked();
	}
	return 0;
}

const struct work library_works[] = {
	{ "syscall_exit", RANK_SYSCALL, syscall_exit },
	{ "syscall_exit_full", RANK_SYSCALL, syscall_exit_full },
	{ "breakpoint_exit", RANK_BREAKPOINT, breakpoint_exit },
	{ "fault_exit", RANK_FAULT, fault_exit },
	{ "fault_only", RANK_FAULT_ONLY, fault_only },
	{ "map_touch_unmap_1", RANK_MAP_1, map_1 },
	{ "map_touch_unmap_16", RANK_MAP_16, map_16 },
	{ "map_touch_unmap_512", RANK_MAP_512, map_512 },
	{ "space_create_destroy", RANK_SPACE, space_create_destroy },
	{ "context_switch", RANK_SWITCH, context_switch },
};
const size_t library_nworks = sizeof(library_works) / sizeof(library_works[0]);

const struct work library_kicks[] = {
	{ "kick", RANK_KICK, kick },
};
const size_t library_nkicks = sizeof(library_kicks) / sizeof(library_kicks[0]);
