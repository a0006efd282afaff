// SPDX-License-Identifier: BSD-2-Clause
/*
 * parts.c - what an exit of the proc backend is made of, each part alone: a
 * system call, one that a filter lets pass, one that it turns into a signal,
 * the notification of another process and its answer, and other ways to hand
 * over to another process on the same CPU.
 */
#include "bench.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	SECCOMP_IOW(4, __u64)
#endif
#define NOTIF_SYNC	1ul

#define NR_TRAPPED	SYS_getpgrp
#define NR_NOTIFIED	SYS_getppid
#define NR_ALLOWED	SYS_getpid

static struct {
	int listener;
	uint32_t *word;			/* shared with the echo */
	int ping, pong;			/* eventfds */
	uint64_t got;
	uint32_t *polls;		/* shared with the supervisor */
} part;

/* ---- the filter ---------------------------------------------------------- */

static volatile int notify_in_handler;

static void on_signal(int sig)
{
	if (sig == SIGSYS && notify_in_handler)
		syscall(NR_NOTIFIED);
}

/* Answers every notification; the other side of part_notify. */
static __attribute__((noreturn)) void supervise(void)
{
	for (;;) {
		struct seccomp_notif q;
		struct seccomp_notif_resp r;
		struct pollfd p = { .fd = part.listener, .events = POLLIN };

		if (__atomic_load_n(part.polls, __ATOMIC_RELAXED) != 0)
			poll(&p, 1, 1000);
		memset(&q, 0, sizeof(q));
		memset(&r, 0, sizeof(r));
		if (ioctl(part.listener, SECCOMP_IOCTL_NOTIF_RECV, &q) != 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			_exit(0);
		}
		r.id = q.id;
		ioctl(part.listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
	}
}

/* Wakes whoever has woken it: by futex while the word is 1, by eventfd. */
static __attribute__((noreturn)) void echo_futex(void)
{
	for (;;) {
		while (__atomic_load_n(part.word, __ATOMIC_SEQ_CST) != 1)
			syscall(SYS_futex, part.word, FUTEX_WAIT, 0, NULL);
		__atomic_store_n(part.word, 0, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, part.word, FUTEX_WAKE, 1);
	}
}

static __attribute__((noreturn)) void echo_eventfd(void)
{
	uint64_t n;

	for (;;)
		if (read(part.ping, &n, sizeof(n)) != sizeof(n) ||
		    write(part.pong, &n, sizeof(n)) != sizeof(n))
			_exit(0);
}

static int child(void (*body)(void))
{
	int pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(0);
	}
	return pid < 0 ? bench_fail("fork: %s", strerror(errno)) : 0;
}

static int install(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_NOTIFIED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return bench_fail("PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	part.listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	return part.listener >= 0 ? 0 : bench_fail("a seccomp listener: %s; "
	    "Linux 5.0 and no other listener above are wanted",
	    strerror(errno));
}

int part_open(const char *backend)
{
	struct sigaction sa = { .sa_handler = on_signal };
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)backend;
	part.ping = eventfd(0, EFD_CLOEXEC);
	part.pong = eventfd(0, EFD_CLOEXEC);
	if (p == MAP_FAILED || part.ping < 0 || part.pong < 0 ||
	    sigaction(SIGSYS, &sa, NULL) != 0 ||
	    sigaction(SIGTRAP, &sa, NULL) != 0)
		return bench_fail("set-up: %s", strerror(errno));
	part.word = p;
	part.polls = part.word + 64;
	/* Before the filter, which would slow them. */
	if (child(echo_futex) != 0 || child(echo_eventfd) != 0)
		return -1;
	if (install() != 0)
		return -1;
	return child(supervise);
}

/* ---- the parts ----------------------------------------------------------- */

static int repeat(void (*one)(void), uint64_t *ns, unsigned n)
{
	uint64_t t = 0, last = 0;

	for (unsigned i = 0; i < WARM_UP + n; i++) {
		one();
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	return 0;
}

static void one_clock(void)
{
}

static void one_syscall(void)
{
	syscall(NR_ALLOWED);
}

static void one_trapped(void)
{
	syscall(NR_TRAPPED);
}

static void one_int3(void)
{
	__asm__ volatile("int3");
}

static void one_notified(void)
{
	syscall(NR_NOTIFIED);
}

static void one_futex(void)
{
	__atomic_store_n(part.word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, part.word, FUTEX_WAKE, 1);
	while (__atomic_load_n(part.word, __ATOMIC_SEQ_CST) != 0)
		syscall(SYS_futex, part.word, FUTEX_WAIT, 1, NULL);
}

static void one_eventfd(void)
{
	uint64_t one = 1;

	if (write(part.ping, &one, sizeof(one)) == sizeof(one) &&
	    read(part.pong, &one, sizeof(one)) == sizeof(one))
		part.got++;
}

static int part_clock(uint64_t *ns, unsigned n)
{
	return repeat(one_clock, ns, n);
}

static int part_syscall(uint64_t *ns, unsigned n)
{
	return repeat(one_syscall, ns, n);
}

static int part_sigsys(uint64_t *ns, unsigned n)
{
	return repeat(one_trapped, ns, n);
}

/* With every register of AVX-512 in use, so that XSAVE writes them all. */
static int part_sigsys_avx512(uint64_t *ns, unsigned n)
{
	uint64_t t = 0, last = 0;

	if (!__builtin_cpu_supports("avx512f"))
		return bench_fail("the processor has no AVX-512");
	for (unsigned i = 0; i < WARM_UP + n; i++) {
		long nr = NR_TRAPPED;

		__asm__ volatile(
		    "vpternlogd $255, %%zmm1, %%zmm1, %%zmm1\n\t"
		    "vpternlogd $255, %%zmm17, %%zmm17, %%zmm17\n\t"
		    "kxnorw %%k1, %%k1, %%k1\n\t"
		    "syscall" : "+a"(nr) : : "rcx", "r11", "memory");
		t = now_ns();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = t - last;
		last = t;
	}
	__asm__ volatile("vzeroupper");
	return 0;
}

static int part_int3(uint64_t *ns, unsigned n)
{
	return repeat(one_int3, ns, n);
}

static int notify(uint64_t flags, uint64_t *ns, unsigned n)
{
	if (ioctl(part.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags) != 0)
		return bench_fail("SECCOMP_IOCTL_NOTIF_SET_FLAGS: %s; "
		    "Linux 6.6 is wanted", strerror(errno));
	return repeat(one_notified, ns, n);
}

static int part_notify(uint64_t *ns, unsigned n)
{
	return notify(0, ns, n);
}

static int part_notify_sync(uint64_t *ns, unsigned n)
{
	return notify(NOTIF_SYNC, ns, n);
}

/* With a poll(2) before each notification is received. */
static int part_notify_poll(uint64_t *ns, unsigned n)
{
	int r;

	__atomic_store_n(part.polls, 1, __ATOMIC_RELAXED);
	r = notify(NOTIF_SYNC, ns, n);
	__atomic_store_n(part.polls, 0, __ATOMIC_RELAXED);
	return r;
}

/* Signal, notification from its handler, return: all that an exit needs. */
static int part_exit(uint64_t *ns, unsigned n)
{
	int r;

	notify_in_handler = 1;
	r = repeat(one_trapped, ns, n);
	notify_in_handler = 0;
	return r;
}

static int part_futex(uint64_t *ns, unsigned n)
{
	return repeat(one_futex, ns, n);
}

static int part_eventfd(uint64_t *ns, unsigned n)
{
	return repeat(one_eventfd, ns, n);
}

const struct work part_works[] = {
	{ "part_clock", RANK_PART, part_clock },
	{ "part_syscall", RANK_PART, part_syscall },
	{ "part_sigsys", RANK_PART, part_sigsys },
	{ "part_sigsys_avx512", RANK_PART, part_sigsys_avx512 },
	{ "part_int3", RANK_PART, part_int3 },
	{ "part_notify", RANK_PART, part_notify },
	{ "part_notify_sync", RANK_PART, part_notify_sync },
	{ "part_notify_poll", RANK_PART, part_notify_poll },
	{ "part_exit", RANK_PART, part_exit },
	{ "part_futex", RANK_PART, part_futex },
	{ "part_eventfd", RANK_PART, part_eventfd },
};
const size_t part_nworks = sizeof(part_works) / sizeof(part_works[0]);
