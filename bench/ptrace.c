// SPDX-License-Identifier: BSD-2-Clause
/*
 * ptrace.c - the same works as one would write them with ptrace: a child that
 * is resumed with PTRACE_SYSEMU, waited for, and whose registers are read and
 * written.  Mappings are made by the child itself, at the point where it
 * stands: that is the cheapest way there is without a page of stub code.
 */
#include "bench.h"
#include "guest.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU	31
#endif
#define SPIN_OFFSET	PAGE

static struct {
	pid_t child[2];
	int fd;				/* the memory, in the children too */
	uint8_t *memory;		/* at the same address there */
	struct user_regs_struct regs;
	struct iovec xstate;
	uint8_t area[16384];
} pt;

static int failed(const char *what)
{
	return bench_fail("%s: %s", what, strerror(errno));
}

/* Wait for the stop with this signal. */
static int stopped(pid_t pid, int sig)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		return failed("waitpid");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != sig)
		return bench_fail("status %#x instead of a stop with %s",
		    (unsigned)status, strsignal(sig));
	return 0;
}

static int get_regs(pid_t pid)
{
	return ptrace(PTRACE_GETREGS, pid, NULL, &pt.regs) == 0 ? 0 :
	    failed("PTRACE_GETREGS");
}

static int set_regs(pid_t pid)
{
	return ptrace(PTRACE_SETREGS, pid, NULL, &pt.regs) == 0 ? 0 :
	    failed("PTRACE_SETREGS");
}

static int resume(pid_t pid)
{
	return ptrace(PTRACE_SYSEMU, pid, NULL, NULL) == 0 ? 0 :
	    failed("PTRACE_SYSEMU");
}

/* Into the guest and out again with a signal, registers here and there. */
static int run(pid_t pid, int sig)
{
	return set_regs(pid) != 0 || resume(pid) != 0 ||
	    stopped(pid, sig) != 0 ? -1 : get_regs(pid);
}

static int child_make(pid_t *out)
{
	const long options = PTRACE_O_EXITKILL;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(1);
	}
	if (pid < 0)
		return failed("fork");
	*out = pid;
	if (stopped(pid, SIGSTOP) != 0)
		return -1;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, options) != 0)
		return failed("PTRACE_SETOPTIONS");
	return get_regs(pid);
}

static void start(const uint8_t *guest)
{
	pt.regs.rip = (uintptr_t)guest;
	pt.regs.orig_rax = ~0ull;
}

int ptrace_open(const char *backend)
{
	(void)backend;
	pt.fd = bench_memory(&pt.memory);
	if (pt.fd < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (child_make(&pt.child[i]) != 0)
			return -1;
	return 0;
}

void ptrace_close(void)
{
	for (int i = 0; i < 2; i++) {
		kill(pt.child[i], SIGKILL);
		waitpid(pt.child[i], NULL, __WALL);
	}
}

/* ---- exits --------------------------------------------------------------- */

static int runs(const uint8_t *guest, int sig, uint64_t *ns, unsigned n)
{
	uint64_t t = 0, last = 0;

	start(guest);
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run(pt.child[0], sig) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

static int syscall_exit(uint64_t *ns, unsigned n)
{
	return runs(guest_syscall, SIGTRAP, ns, n);
}

static int breakpoint_exit(uint64_t *ns, unsigned n)
{
	return runs(guest_break, SIGTRAP, ns, n);
}

static int xstate(pid_t pid, int request)
{
	if (request == PTRACE_GETREGSET)
		pt.xstate = (struct iovec){ pt.area, sizeof(pt.area) };
	return ptrace(request, pid, NT_X86_XSTATE, &pt.xstate) == 0 ? 0 :
	    failed("NT_X86_XSTATE");
}

/* As whoever keeps the extended state of several contexts must do it. */
static int xstate_syscall(uint64_t *ns, unsigned n)
{
	uint64_t t = 0, last = 0;

	start(guest_syscall);
	if (xstate(pt.child[0], PTRACE_GETREGSET) != 0)
		return -1;
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (xstate(pt.child[0], PTRACE_SETREGSET) != 0 ||
		    run(pt.child[0], SIGTRAP) != 0 ||
		    xstate(pt.child[0], PTRACE_GETREGSET) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

static int context_switch(uint64_t *ns, unsigned n)
{
	uint64_t t = 0, last = 0;

	start(guest_syscall);
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run(pt.child[i & 1], SIGTRAP) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

/* ---- mappings ------------------------------------------------------------ */

/* A system call of the child's own; its registers are kept. */
static int inject(pid_t pid, long nr, const uint64_t args[6])
{
	const struct user_regs_struct saved = pt.regs;
	long r;

	start(guest_inject);
	pt.regs.rax = (unsigned long long)nr;
	pt.regs.rdi = args[0];
	pt.regs.rsi = args[1];
	pt.regs.rdx = args[2];
	pt.regs.r10 = args[3];
	pt.regs.r8 = args[4];
	pt.regs.r9 = args[5];
	if (set_regs(pid) != 0)
		return -1;
	if (ptrace(PTRACE_CONT, pid, NULL, NULL) != 0)
		return failed("PTRACE_CONT");
	if (stopped(pid, SIGTRAP) != 0 || get_regs(pid) != 0)
		return -1;
	r = (long)pt.regs.rax;
	pt.regs = saved;
	pt.regs.orig_rax = ~0ull;
	return r >= 0 || r < -4095 ? 0 : bench_fail(
	    "injected system call %ld: %s", nr, strerror((int)-r));
}

static int map(pid_t pid, uint64_t at, uint64_t len, uint64_t offset)
{
	/* One page comes cheaper by its fault, very many may not be wanted. */
	const uint64_t populate = len > PAGE && len <= 16 * PAGE ?
	    MAP_POPULATE : 0;
	const uint64_t args[6] = { at, len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED | populate, (uint64_t)pt.fd, offset };

	return inject(pid, SYS_mmap, args);
}

static int unmap(pid_t pid, uint64_t at, uint64_t len)
{
	const uint64_t args[6] = { at, len };

	return inject(pid, SYS_munmap, args);
}

static int fault_address(pid_t pid, uint64_t *at)
{
	siginfo_t info;

	if (ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) != 0)
		return failed("PTRACE_GETSIGINFO");
	*at = (uintptr_t)info.si_addr;
	return 0;
}

static int fault_exit(uint64_t *ns, unsigned n)
{
	const pid_t pid = pt.child[0];
	uint64_t t = 0, last = 0, at;

	start(guest_fault);
	pt.regs.rbx = AREA;
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		const uint64_t page = (uint64_t)i * PAGE;

		if (run(pid, SIGSEGV) != 0 || fault_address(pid, &at) != 0)
			return -1;
		if (at != AREA + page)
			return bench_fail("fault at %#llx instead of %#llx",
			    (unsigned long long)at,
			    (unsigned long long)(AREA + page));
		if (map(pid, at, PAGE, MEMORY_PAGES + page) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return unmap(pid, AREA, (uint64_t)(WARM_UP + n) * PAGE);
}

static int fault_only(uint64_t *ns, unsigned n)
{
	const pid_t pid = pt.child[0];
	uint64_t t = 0, last = 0, at;

	start(guest_fault);
	pt.regs.rbx = AREA;
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		if (run(pid, SIGSEGV) != 0 || fault_address(pid, &at) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

static int map_touch_unmap(uint64_t *ns, unsigned n, unsigned pages)
{
	const uint64_t len = (uint64_t)pages * PAGE;
	const pid_t pid = pt.child[0];
	uint64_t t = 0, last = 0;

	for (unsigned i = 0; i < WARM_UP + n; i++) {
		const uint64_t at = AREA + (i & 1) * (uint64_t)AREA_STRIDE;

		if (map(pid, at, len, MEMORY_PAGES) != 0)
			return -1;
		start(guest_touch);
		pt.regs.rbx = at;
		pt.regs.r12 = pages;
		if (run(pid, SIGTRAP) != 0 || unmap(pid, at, len) != 0)
			return -1;
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
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

/* ---- the rest ------------------------------------------------------------ */

static int space_create_destroy(uint64_t *ns, unsigned n)
{
	const struct user_regs_struct saved = pt.regs;

	for (unsigned i = 0; i < WARM_UP + n; i++) {
		uint64_t t = now_ns();
		pid_t pid;

		if (child_make(&pid) != 0)
			return -1;
		start(guest_syscall);
		if (run(pid, SIGTRAP) != 0)
			return -1;
		if (kill(pid, SIGKILL) != 0 ||
		    waitpid(pid, NULL, __WALL) != pid)
			return failed("ending a child");
		if (i >= WARM_UP)
			ns[i - WARM_UP] = now_ns() - t;
	}
	pt.regs = saved;
	return 0;
}

static void do_kick(void)
{
	syscall(SYS_tgkill, pt.child[0], pt.child[0], SIGALRM);
}

static int kick(uint64_t *ns, unsigned n)
{
	uint8_t *spin = pt.memory + SPIN_OFFSET;

	if (kicker_start(do_kick,
	    (const volatile uint64_t *)(void *)spin) != 0)
		return -1;
	start(guest_spin);
	pt.regs.rbx = (uintptr_t)spin;
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		kicker_ask();
		if (run(pt.child[0], SIGALRM) != 0)
			return -1;
		if (i >= WARM_UP)
			ns[i - WARM_UP] = now_ns() - kicker_asked();
	}
	return 0;
}

const struct work ptrace_works[] = {
	{ "ptrace_syscall", RANK_SYSCALL, syscall_exit },
	{ "ptrace_xstate_syscall", RANK_SYSCALL, xstate_syscall },
	{ "ptrace_breakpoint", RANK_BREAKPOINT, breakpoint_exit },
	{ "ptrace_fault", RANK_FAULT, fault_exit },
	{ "ptrace_fault_only", RANK_FAULT_ONLY, fault_only },
	{ "ptrace_map_touch_unmap_1", RANK_MAP_1, map_1 },
	{ "ptrace_map_touch_unmap_16", RANK_MAP_16, map_16 },
	{ "ptrace_map_touch_unmap_512", RANK_MAP_512, map_512 },
	{ "ptrace_space_create_destroy", RANK_SPACE, space_create_destroy },
	{ "ptrace_context_switch", RANK_SWITCH, context_switch },
	{ "ptrace_kick", RANK_KICK, kick },
};
const size_t ptrace_nworks = sizeof(ptrace_works) / sizeof(ptrace_works[0]);
