// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a program sees of faults, exceptions and signals: every line printed
 * here has to be the same whatever runs the program.  Knows nothing of the
 * kernel under it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096

static sigjmp_buf out;
static volatile sig_atomic_t seen;
static char *arena;
static struct {
	int sig, code;
	long trapno, err;
	uintptr_t addr, rip;
} last;

static void say(const char *name)
{
	printf("%-14s sig %d trap %ld err %#lx\n", name, last.sig, last.trapno,
	       last.err);
}

static void note(int sig, siginfo_t *si, void *arg)
{
	const ucontext_t *uc = arg;
	const greg_t *g = uc->uc_mcontext.gregs;

	last.sig = sig;
	last.code = si->si_code;
	last.addr = (uintptr_t)si->si_addr;
	last.trapno = g[REG_TRAPNO];
	last.err = g[REG_ERR];
	last.rip = (uintptr_t)g[REG_RIP];
	seen++;
}

static void note_and_jump(int sig, siginfo_t *si, void *arg)
{
	note(sig, si, arg);
	siglongjmp(out, 1);
}

static void on(int sig, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = f,
				.sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
}

static void need(int ok, const char *what)
{
	if (ok)
		return;
	printf("FAILED: %s\n", what);
	exit(1);
}

/* ---- faults ------------------------------------------------------------- */

static void repair(int sig, siginfo_t *si, void *arg)
{
	char *page = (char *)((uintptr_t)si->si_addr & ~(uintptr_t)(PAGE - 1));

	note(sig, si, arg);
	if (si->si_code == SEGV_ACCERR)
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	else
		mmap(page, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void faults(void)
{
	volatile char *p = arena;

	on(SIGSEGV, repair, 0);
	(void)p[0];
	mprotect(arena, PAGE, PROT_READ);
	p[5] = 1;
	printf("write to a read-only page: code %d offset %ld\n", last.code,
	       (long)(last.addr - (uintptr_t)arena));
	say("read-only");
	need(p[5] == 1, "the write was not repeated");

	munmap(arena + PAGE, PAGE);
	p[PAGE + 7] = 2;
	printf("write to a hole: code %d offset %ld\n", last.code,
	       (long)(last.addr - (uintptr_t)arena));
	say("hole");
	need(p[PAGE + 7] == 2, "the write was not repeated");

	mprotect(arena + 2 * PAGE, PAGE, PROT_NONE);
	(void)p[2 * PAGE + 9];
	printf("read of PROT_NONE: code %d offset %ld\n", last.code,
	       (long)(last.addr - (uintptr_t)arena));

	on(SIGSEGV, note_and_jump, 0);
	if (!sigsetjmp(out, 1))
		((void (*)(void))(uintptr_t)0x10)();
	printf("jump to a hole: addr %#lx rip %#lx\n", (long)last.addr,
	       (long)last.rip);
	say("jump");

	for (volatile int i = 0; i < 2000; i++) {
		mprotect(arena, PAGE, PROT_READ);
		if (!sigsetjmp(out, 1))
			p[i] = 3;
	}
	mprotect(arena, PAGE, PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_DFL);
	printf("2000 faults jumped out of, %d signals in all\n", (int)seen);
}

/* ---- exceptions ------------------------------------------------------------ */

static void unaligned(void)
{
	__asm__ volatile("pushf; orl $0x40000, (%%rsp); popf\n\t"
			 "movl 1(%0), %%eax\n\t"
			 "pushf; andl $~0x40000, (%%rsp); popf"
			 : : "r"(arena + 2 * PAGE) : "rax", "memory", "cc");
}

static void divide(void)
{
	__asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx"
			 : : : "rax", "rcx", "rdx");
}

static void undefined(void) { __asm__ volatile("ud2"); }
static void privileged(void) { __asm__ volatile("hlt"); }
static void softint(void) { __asm__ volatile("int $0x81"); }
static void long_int3(void) { __asm__ volatile(".byte 0xcd, 3"); }
static void int1(void) { __asm__ volatile(".byte 0xf1"); }
static void noncanonical(void)
{
	__asm__ volatile("mov (%0), %%al" : : "r"(1ULL << 63) : "rax");
}

static void sse(void)
{
	volatile double zero = 0, one = 1;
	uint32_t csr = 0x1f80 & ~0x200u;

	__asm__ volatile("ldmxcsr %0" : : "m"(csr));
	one = one / zero;
}

static void x87(void)
{
	uint16_t cw = 0x37f & ~4;

	__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait"
			 : : "m"(cw));
}

static void exceptions(void)
{
	static const struct {
		const char *name;
		void (*f)(void);
		int sig;
	} list[] = {
		{ "divide", divide, SIGFPE },
		{ "ud2", undefined, SIGILL },
		{ "hlt", privileged, SIGSEGV },
		{ "int 0x81", softint, SIGSEGV },
		{ "int 3, long", long_int3, SIGTRAP },
		{ "int1", int1, SIGTRAP },
		{ "noncanonical", noncanonical, SIGSEGV },
		{ "alignment", unaligned, SIGBUS },
		{ "sse", sse, SIGFPE },
		{ "x87", x87, SIGFPE },
	};

	for (volatile size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		on(list[i].sig, note_and_jump, 0);
		memset(&last, 0, sizeof(last));
		if (!sigsetjmp(out, 1))
			list[i].f();
		__asm__ volatile("pushf; andl $~0x40000, (%%rsp); popf"
				 : : : "memory", "cc");
		fesetenv(FE_DFL_ENV);
		signal(list[i].sig, SIG_DFL);
		printf("%-14s sig %d\n", list[i].name, last.sig);
		if (last.sig == SIGFPE || last.sig == SIGTRAP)
			printf("%-14s code %d\n", list[i].name, last.code);
	}

	seen = 0;
	on(SIGTRAP, note, 0);
	__asm__ volatile("int3");
	printf("int3: %d signal\n", (int)seen);
}

/* ---- registers ------------------------------------------------------------- */

static void clobber(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;
	struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;

	(void)sig;
	(void)si;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm15, %%xmm15\n\t"
			 "fninit" : : : "xmm0", "xmm15");
	if (seen++ == 1)
		fp->_xmm[15].element[0] = 0xfeed;
}

static uint64_t xmm15_across(int sig)
{
	uint64_t v = 0x1234567890abcdef;
	long pid = getpid(), ret;

	__asm__ volatile("movq %1, %%xmm15; syscall; movq %%xmm15, %1"
			 : "=a"(ret), "+r"(v)
			 : "0"((long)SYS_kill), "D"(pid), "S"((long)sig)
			 : "rcx", "r11", "memory", "xmm15");
	return v;
}

static void skip(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;

	(void)sig;
	(void)si;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RAX] = 77;
}

static void registers(void)
{
	uint64_t rcx, r11, rip, flags, gs, rax;
	uint64_t v[6] = { 1, 2, 3, 4, 5, 6 };

	seen = 0;
	on(SIGUSR1, clobber, 0);
	printf("xmm15 across a signal: %#lx\n", xmm15_across(SIGUSR1));
	printf("xmm15 changed by a handler: %#lx\n", xmm15_across(SIGUSR1));
	on(SIGILL, skip, 0);
	__asm__ volatile("ud2" : "=a"(rax));
	printf("rip and rax changed by a handler: %lu\n", rax);

	__asm__ volatile("mov $39, %%eax; syscall\n"
			 "1: lea 1b(%%rip), %%rdx; pushf; pop %%rax"
			 : "=c"(rcx), "=d"(rip), "=a"(flags) : : "r11");
	__asm__ volatile("mov $39, %%eax; syscall; mov %%r11, %0"
			 : "=r"(r11) : : "rax", "rcx", "r11");
	printf("syscall: rcx %s, r11 %s\n", rcx == rip ? "is rip" : "differs",
	       ((r11 ^ flags) & 0x600) == 0 ? "is flags" : "differs");

	__asm__ volatile("mov %1, %%r12; mov %2, %%r13; mov %3, %%r14\n\t"
			 "mov $39, %%eax; syscall\n\t"
			 "mov %%r12, %1; mov %%r13, %2; mov %%r14, %3"
			 : "=&a"(rax), "+m"(v[0]), "+m"(v[1]), "+m"(v[2])
			 : : "rcx", "r11", "r12", "r13", "r14", "memory");
	printf("kept by a syscall: %lu %lu %lu\n", v[0], v[1], v[2]);

	syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, arena);
	syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &gs);
	need(gs == (uintptr_t)arena, "GS base not as set");
	*(uint64_t *)(void *)arena = 4711;
	for (int i = 0; i < 10; i++)
		getppid();
	__asm__ volatile("mov %%gs:0, %0" : "=r"(gs));
	printf("gs:0 holds %lu\n", gs);
}

/* ---- signals ----------------------------------------------------------------- */

static void count(int sig, siginfo_t *si, void *arg)
{
	(void)sig;
	(void)arg;
	(void)si;
	seen++;
}

static void tick(int which, int sig)
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, none = { 0 };

	seen = 0;
	on(sig, count, SA_RESTART);
	setitimer(which, &it, NULL);
	while (seen < 5)
		;
	setitimer(which, &none, NULL);
	printf("timer %d ended a busy loop\n", which);
}

static volatile int *signals_seen;	/* shared with children */

static void count_shared(int sig, siginfo_t *si, void *arg)
{
	(void)sig;
	(void)arg;
	(void)si;
	++*signals_seen;
}

static void restart(int flags)
{
	struct itimerval it = { { 0, 30000 }, { 0, 30000 } }, none = { 0 };
	int p[2];
	char c;
	ssize_t n;

	need(pipe(p) == 0, "pipe");
	signals_seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need((void *)signals_seen != MAP_FAILED, "mmap");
	on(SIGALRM, count_shared, flags);
	/* Something to read there is only when it has been interrupted. */
	if (flags && !fork()) {
		while (*signals_seen < 3)
			usleep(10000);
		_exit(write(p[1], "x", 1) != 1);
	}
	setitimer(ITIMER_REAL, &it, NULL);
	errno = 0;
	n = read(p[0], &c, 1);
	setitimer(ITIMER_REAL, &none, NULL);
	printf("read with%s SA_RESTART: %zd %s\n", flags ? "" : "out", n,
	       n < 0 ? strerror(errno) : "");
	wait(NULL);
	close(p[0]);
	close(p[1]);
}

static int deep(int n)
{
	volatile char frame[1024];

	frame[n & 1023] = 1;
	if (n == 1 << 30)
		return 0;
	return deep(n + 1) + frame[n & 1023];
}

static void queued(int sig, siginfo_t *si, void *arg)
{
	(void)arg;
	printf("queued: signal +%d value %d\n", sig - SIGRTMIN,
	       si->si_value.sival_int);
}

static void signals(void)
{
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct signalfd_siginfo info;
	sigset_t set, old;
	int fd, status;
	pid_t pid;

	tick(ITIMER_REAL, SIGALRM);
	tick(ITIMER_PROF, SIGPROF);
	restart(0);
	restart(SA_RESTART);

	sigaltstack(&ss, NULL);
	on(SIGSEGV, note_and_jump, SA_ONSTACK);
	for (int i = 0; i < 3; i++)
		if (!sigsetjmp(out, 1))
			deep(0);
	printf("stack overflow caught three times\n");

	sigemptyset(&set);
	for (int i = 0; i < 3; i++) {
		on(SIGRTMIN + i, queued, 0);
		sigaddset(&set, SIGRTMIN + i);
	}
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 6; i++)
		sigqueue(getpid(), SIGRTMIN + 2 - i % 3,
			 (union sigval){ .sival_int = i });
	sigprocmask(SIG_SETMASK, &old, NULL);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, 0);
	kill(getpid(), SIGUSR2);
	need(read(fd, &info, sizeof(info)) == sizeof(info), "signalfd");
	printf("signalfd: %u\n", info.ssi_signo);

	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile int *)16 = 0;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("child without a handler: signal %d\n", WTERMSIG(status));
	pid = fork();
	if (!pid)
		for (;;)
			;
	usleep(20000);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("busy child killed: signal %d\n", WTERMSIG(status));
	pid = fork();
	if (!pid)
		for (;;)
			;
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	printf("busy child stopped: %d\n", WIFSTOPPED(status));
	kill(pid, SIGCONT);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	printf("and ended: signal %d\n", WTERMSIG(status));
}

int main(void)
{
	alarm(150);
	setvbuf(stdout, NULL, _IOLBF, 0);
	arena = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(arena != MAP_FAILED, "mmap");
	faults();
	exceptions();
	registers();
	signals();
	printf("done\n");
	return 0;
}
