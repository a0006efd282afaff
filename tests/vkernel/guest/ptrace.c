// SPDX-License-Identifier: BSD-2-Clause
/*
 * ptrace inside: registers, memory, floating-point state, stops at system
 * calls, exact single steps, break points, attach to a busy process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char steps[], steps_end[];
long step_code(void);

/* Twelve instructions from steps to steps_end, a system call among them. */
__asm__(".globl steps, steps_end, step_code\n"
	"step_code:\n\t"
	"push %rbx\n"
	"steps:\n\t"
	"mov $1, %eax\n\t"
	"add $2, %eax\n\t"
	"mov %eax, %ebx\n\t"
	"pushf\n\t"
	"popf\n\t"
	"mov $39, %eax\n\t"
	"syscall\n\t"
	"nop\n\t"
	"mov $3, %ecx\n"
	"1: dec %ecx\n\t"
	"jnz 1b\n\t"
	"mov %ebx, %eax\n"
	"steps_end:\n\t"
	"pop %rbx\n\t"
	"ret\n");

static volatile uint64_t the_word = 0x1111;

static int stopped(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		return -1;
	return WSTOPSIG(status);
}

static pid_t traced(void (*f)(void))
{
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		f();
		_exit(0);
	}
	stopped(pid);
	return pid;
}

static void child_calls(void)
{
	syscall(SYS_getppid);
	_exit(syscall(SYS_getpgrp) == 4711 ? 9 : 1);
}

static void calls(void)
{
	pid_t pid = traced(child_calls);
	struct user_regs_struct r;
	int status, n = 0;

	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status))
			break;
		ptrace(PTRACE_GETREGS, pid, 0, &r);
		if (r.orig_rax != SYS_getppid && r.orig_rax != SYS_getpgrp)
			continue;
		printf("call stop %d: signal %#x nr %lld\n", n,
		       WSTOPSIG(status), (long long)r.orig_rax);
		if (n++ == 3) {
			r.rax = 4711;
			ptrace(PTRACE_SETREGS, pid, 0, &r);
		}
	}
	printf("result changed: status %d\n", WEXITSTATUS(status));
}

static void child_steps(void)
{
	_exit((int)step_code());
}

static void single_steps(void)
{
	pid_t pid = traced(child_steps);
	struct user_regs_struct r;
	int status, inside = 0;
	long text;

	/* Run to the first instruction with a break point. */
	text = ptrace(PTRACE_PEEKTEXT, pid, steps, 0);
	ptrace(PTRACE_POKETEXT, pid, steps, (text & ~0xffL) | 0xcc);
	ptrace(PTRACE_CONT, pid, 0, 0);
	printf("break point: signal %d\n", stopped(pid));
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	printf("rip after it: %+ld\n", (long)(r.rip - (uintptr_t)steps));
	r.rip = (uintptr_t)steps;
	ptrace(PTRACE_POKETEXT, pid, steps, text);
	ptrace(PTRACE_SETREGS, pid, 0, &r);
	while (r.rip < (uintptr_t)steps_end) {
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
		if (stopped(pid) != SIGTRAP)
			break;
		ptrace(PTRACE_GETREGS, pid, 0, &r);
		printf(" %ld", (long)(r.rip - (uintptr_t)steps));
		inside++;
	}
	printf("\n%d steps\n", inside);
	ptrace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, 0);
	printf("status %d\n", WEXITSTATUS(status));
}

static void child_fp(void)
{
	uint64_t v = 0xabcd;

	__asm__ volatile("movq %1, %%xmm9; int3; movq %%xmm9, %0"
			 : "=r"(v) : "r"(v) : "xmm9");
	_exit(v == 0x77 && the_word == 0x2222 ? 5 : 1);
}

static void fp_and_memory(void)
{
	pid_t pid = traced(child_fp);
	struct user_fpregs_struct f;
	int status;

	ptrace(PTRACE_CONT, pid, 0, 0);
	printf("int3: signal %d\n", stopped(pid));
	ptrace(PTRACE_GETFPREGS, pid, 0, &f);
	printf("xmm9 %#x mxcsr %#x\n", f.xmm_space[36], f.mxcsr);
	f.xmm_space[36] = 0x77;
	ptrace(PTRACE_SETFPREGS, pid, 0, &f);
	ptrace(PTRACE_POKEDATA, pid, &the_word, 0x2222L);
	ptrace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, 0);
	printf("status %d\n", WEXITSTATUS(status));
}

static void attach(void)
{
	struct user_regs_struct r;
	pid_t pid = fork();
	int status, sane = 0;

	if (!pid)
		for (;;)
			the_word++;
	for (int i = 0; i < 20; i++) {
		usleep(2000);
		ptrace(PTRACE_ATTACH, pid, 0, 0);
		if (stopped(pid) == SIGSTOP &&
		    !ptrace(PTRACE_GETREGS, pid, 0, &r) && r.rip)
			sane++;
		ptrace(PTRACE_DETACH, pid, 0, 0);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("attached %d times, killed by %d\n", sane, WTERMSIG(status));
}

int main(void)
{
	alarm(150);
	setvbuf(stdout, NULL, _IONBF, 0);
	calls();
	single_steps();
	fp_and_memory();
	attach();
	return 0;
}
