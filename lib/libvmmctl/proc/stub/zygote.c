// SPDX-License-Identifier: BSD-2-Clause
/*
 * zygote.c - the program that a machine's stubs are forked from.  It is
 * freestanding: no libc, no memory but its own few pages.  It ends when the
 * owner's end of its socket closes, or the owner itself ends: a forked child
 * may have that end, too.  Its stubs end with it.
 */
#include "trace.h"
#include "zygote.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <asm/unistd.h>
#include <linux/wait.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define CODE		__attribute__((section(".text.zygote")))
#define SA_RESTORER	0x04000000

extern void stub_handler(void), traced_handler(void);
extern const char stub_at_notify[], stub_at_ops_return[], stub_at_return[];
void zygote_main(void);

static __attribute__((noreturn)) void die(int status)
{
	for (;;)
		CALL(__NR_exit_group, status, 0, 0);
}

void *memset(void *p, int c, size_t n);
void *memset(void *p, int c, size_t n)
{
	volatile unsigned char *b = p;

	while (n-- > 0)
		*b++ = (unsigned char)c;
	return p;
}

/* ---- the filter that every stub inherits --------------------------------- */

#define DATA(member)	offsetof(struct seccomp_data, member)
#define LOAD(at)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define RET(action)	BPF_STMT(BPF_RET | BPF_K, (action))
#define IF_EQ(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (t), (f))
#define IF_GE(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (k), (t), (f))
#define ARG_LO(n)	((uint32_t)(DATA(args) + 8 * (n)))
#define ARG_HI(n)	((uint32_t)(DATA(args) + 8 * (n) + 4))
/* The key in argument n: allowed, else trapped. */
#define KEY_IN(n) \
	LOAD(ARG_HI(n)), IF_EQ(key_hi, 0, 3), \
	LOAD(ARG_LO(n)), IF_EQ(key_lo, 0, 1), \
	RET(SECCOMP_RET_ALLOW), RET(SECCOMP_RET_TRAP)

/* Low half of the address behind a syscall instruction of handler.S. */
#define LOW(label)	((uint32_t)(unsigned long)(label))

static int install_filter(uint32_t key_hi, uint32_t key_lo, uint32_t guest)
{
	/*
	 * Guest code is below STUB_HI << 32.  Its calls are trapped, or, where
	 * some are brief, left to the seat's own filter, which allows none.
	 */
	struct sock_filter f[] = {
		LOAD(DATA(instruction_pointer) + 4),
		IF_EQ(STUB_HI, 1, 0),
		RET(guest),
		LOAD(DATA(arch)),
		IF_EQ(AUDIT_ARCH_X86_64, 1, 0),
		RET(SECCOMP_RET_TRAP),
		/* The zygote itself; stubs have nothing mapped there. */
		LOAD(DATA(instruction_pointer)),
		IF_GE(ZYGOTE_LO, 0, 2),
		IF_GE(ZYGOTE_HI_END, 1, 0),
		RET(SECCOMP_RET_ALLOW),
		IF_GE(4096, 0, 1),
		RET(SECCOMP_RET_TRAP),
		/*
		 * The calls that need no key, each only from its own place:
		 * what follows there depends on nothing that a guest can set.
		 */
		IF_EQ(LOW(stub_at_notify), 0, 4),
		LOAD(DATA(nr)),
		IF_EQ(NR_NOTIFY, 0, 1),
		RET(SECCOMP_RET_ALLOW),
		RET(SECCOMP_RET_TRAP),
		IF_EQ(LOW(stub_at_ops_return), 1, 0),
		IF_EQ(LOW(stub_at_return), 0, 4),
		LOAD(DATA(nr)),
		IF_EQ(__NR_rt_sigreturn, 0, 1),
		RET(SECCOMP_RET_ALLOW),
		RET(SECCOMP_RET_TRAP),
		LOAD(DATA(nr)),
		IF_EQ(__NR_mmap, 0, 7),
		LOAD(ARG_HI(4)),
		IF_EQ(key_hi, 1, 0),
		RET(SECCOMP_RET_TRAP),
		LOAD(ARG_HI(3)),
		IF_EQ(key_lo, 1, 0),
		RET(SECCOMP_RET_TRAP),
		RET(SECCOMP_RET_ALLOW),
		IF_EQ(__NR_munmap, 10, 0),
		IF_EQ(__NR_mprotect, 9, 0),
		IF_EQ(__NR_prctl, 8, 0),
		IF_EQ(__NR_clone, 7, 0),
		IF_EQ(__NR_recvfrom, 6, 0),
		IF_EQ(__NR_sendmsg, 5, 0),
		IF_EQ(__NR_seccomp, 4, 0),
		IF_EQ(__NR_sigaltstack, 3, 0),
		IF_EQ(__NR_close, 2, 0),
		IF_EQ(__NR_exit, 1, 0),
		RET(SECCOMP_RET_TRAP),
		KEY_IN(5),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	if (CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0) != 0)
		return -EPERM;
	return (int)CALL(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

/*
 * A traced stub needs no filter but for this: the kernel obeys the vsyscall
 * page without a word to tracers.  Where there are no filters the guest gets
 * the time from there.
 */
static void install_vsyscall_filter(void)
{
	struct sock_filter f[] = {
		LOAD(DATA(instruction_pointer) + 4),
		IF_EQ(0xffffffffu, 0, 3),
		LOAD(DATA(instruction_pointer)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfffff000u),
		IF_EQ(0xff600000u, 1, 0),
		RET(SECCOMP_RET_ALLOW),
		RET(SECCOMP_RET_TRAP),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0);
	CALL(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static int install_handlers(int traced)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
	    SIGTRAP, SIGSYS, SIGALRM };
	struct {
		void (*handler)(void);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} sa = { stub_handler, SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER,
	    stub_handler, ~0ul };

	if (traced) {
		/* No return from these signals: nothing may stay blocked. */
		sa.handler = traced_handler;
		sa.flags |= SA_NODEFER;
		sa.mask = 0;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		long r = call(__NR_rt_sigaction, signals[i], (long)&sa, 0, 8,
		    0, 0);

		if (r != 0)
			return (int)r;
	}
	return 0;
}

/* ---- requests -------------------------------------------------------------- */

static uint64_t key;
static int traced;
static int owner_known;		/* FD_OWNER is there */
static struct zygote_request request;
static struct zygote_reply reply;
static struct {
	struct cmsghdr head;
	int fd;
	int pad;
} control;

/* Wait for a request; -1: the owner has ended. */
static int listen_to_owner(void)
{
	struct pollfd p[] = { { FD_SOCKET, POLLIN, 0 },
	    { FD_OWNER, POLLIN, 0 } };
	long n;

	do {
		n = CALL(__NR_poll, p, owner_known ? 2 : 1, -1);
	} while (n == -EINTR);
	return n < 0 || p[1].revents != 0 ? -1 : 0;
}

/* One request; a descriptor that came with it is FD_PASSED then. */
static int receive(void)
{
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	long n;

	if (listen_to_owner() != 0)
		return -1;
	control.fd = -1;
	do {
		n = CALL(__NR_recvmsg, FD_SOCKET, &msg, MSG_CMSG_CLOEXEC);
	} while (n == -EINTR);
	if (n != sizeof(request))
		return -1;
	if (msg.msg_controllen >= sizeof(struct cmsghdr) + sizeof(int) &&
	    control.head.cmsg_type == SCM_RIGHTS && control.fd != FD_PASSED) {
		CALL(__NR_dup2, control.fd, FD_PASSED, 0);
		CALL(__NR_close, control.fd, 0, 0);
	}
	return 0;
}

static void *map(unsigned long at, size_t size, int prot, long offset)
{
	return (void *)call(__NR_mmap, (long)at, (long)size, prot,
	    MAP_SHARED | MAP_FIXED, FD_ARENA, offset);
}

/* In the child: keep what a stub keeps, and go there. */
static __attribute__((noreturn)) void become_stub(int parent)
{
	uint32_t seats = request.seats;

	CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
	if (CALL(__NR_getppid, 0, 0, 0) != parent)
		die(1);
	for (uint32_t i = 0; i < seats; i++) {
		long at = (long)(request.slot + i) * STUB_SLOT_SIZE;
		unsigned long ops = STUB_OPS + (unsigned long)i * STUB_OPS_SIZE;
		unsigned long frame = STUB_FRAME +
		    (unsigned long)i * STUB_FRAME_SIZE;

		if (map(ops, STUB_OPS_SIZE, PROT_READ, at) != (void *)ops ||
		    map(frame, STUB_FRAME_SIZE, PROT_READ | PROT_WRITE,
		    at + STUB_OPS_SIZE) != (void *)frame)
			die(2);
	}
	if (seats > 1 && !traced)
		CALL(__NR_dup2, FD_PASSED, FD_SOCKET, 0);
	CALL(__NR_close, FD_PASSED, 0, 0);
	CALL(__NR_close, FD_ARENA, 0, 0);
	CALL(__NR_close, FD_OWNER, 0, 0);
	if (traced) {
		CALL(__NR_close, FD_SOCKET, 0, 0);
		if (tracee_start() != 0)
			die(3);
		install_vsyscall_filter();
		__asm__ volatile("jmp traced_start");
	}
	__asm__ volatile("jmp stub_start"
	    : : "a"(key), "D"((unsigned long)seats) : "memory");
	__builtin_unreachable();
}

static int start(void)
{
	int err;

	key = request.key;
	if (CALL(__NR_dup2, FD_PASSED, FD_ARENA, 0) != FD_ARENA)
		return -EBADF;
	traced = (int)request.traced;
	err = install_handlers(traced);
	if (err == 0 && traced)
		err = tracer_init(FD_ARENA);
	else if (err == 0)
		err = install_filter((uint32_t)(key >> 32), (uint32_t)key,
		    request.brief ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP);
	request.key = 0;
	return err;
}

static void set_limit(int which, uint64_t soft)
{
	struct rlimit limit;

	if (CALL(__NR_getrlimit, which, &limit, 0) != 0)
		return;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	CALL(__NR_setrlimit, which, &limit, 0);
}

static int adopt(int pid)
{
	int err = tracer_adopt(pid, request.slot, request.seats);

	if (err == 0)
		return pid;
	CALL(__NR_kill, pid, SIGKILL, 0);
	call(__NR_wait4, pid, 0, __WALL, 0, 0, 0);
	return err;
}

static int serve(int self)
{
	long r;

	switch (request.kind) {
	case ZYGOTE_START:
		return start();
	case ZYGOTE_MEMORY:
		/* EBADF: none came, or its number is beyond the limit. */
		r = CALL(__NR_dup2, FD_PASSED, FD_MEM + request.index, 0);
		return r == -EBADF ? -EMFILE : r < 0 ? (int)r : 0;
	case ZYGOTE_FORGET:
		return (int)CALL(__NR_close, FD_MEM + request.index, 0, 0);
	case ZYGOTE_FORK:
		set_limit(RLIMIT_NPROC, request.processes);
		r = CALL(__NR_fork, 0, 0, 0);
		if (r == 0)
			become_stub(self);
		if (r > 0 && traced)
			return adopt((int)r);
		return (int)r;
	case ZYGOTE_SEAT:
		set_limit(RLIMIT_NPROC, request.processes);
		return tracer_seat(request.pid, request.slot, request.index);
	case ZYGOTE_OWNER:
		r = CALL(__NR_dup2, FD_PASSED, FD_OWNER, 0);
		owner_known = r == FD_OWNER;
		return r < 0 ? (int)r : 0;
	case ZYGOTE_KILL:
		/* Not reaped before: the number is still that process's. */
		CALL(__NR_kill, request.pid, SIGKILL, 0);
		if (traced)
			tracer_quit(request.slot, request.seats);
		r = call(__NR_wait4, request.pid, 0, 0, 0, 0, 0);
		return r < 0 ? (int)r : 0;
	default:
		return -EINVAL;
	}
}

__attribute__((used)) void zygote_main(void)
{
	int self = (int)CALL(__NR_getpid, 0, 0, 0);
	const uint64_t none = 0;

	/* The owner has blocked all for the sake of its own handlers. */
	call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8, 0, 0);
	CALL(__NR_close_range, FD_ARENA, ~0u, 0);
	for (int fd = 0; fd < FD_SOCKET; fd++)
		CALL(__NR_close, fd, 0, 0);
	/* Out of reach of the terminal's keys.  Not a session of its own: that
	 * would be a group of its own for the scheduler, which would divide a
	 * busy processor between the owner and its guests. */
	CALL(__NR_setpgid, 0, 0, 0);
	/* Its descriptors have numbers of their own: they need not be few. */
	set_limit(RLIMIT_NOFILE, ~0ull);
	while (receive() == 0) {
		reply.kind = request.kind;
		reply.result = serve(self);
		CALL(__NR_close, FD_PASSED, 0, 0);
		if (call(__NR_sendto, FD_SOCKET, (long)&reply, sizeof(reply),
		    MSG_NOSIGNAL, 0, 0) != sizeof(reply))
			break;
	}
	die(0);
}

__asm__(
"	.section .text.start, \"ax\"\n"
"	.globl _start\n"
"_start:	xor	%ebp, %ebp\n"
"	and	$-16, %rsp\n"
"	call	zygote_main\n"
"	hlt\n"
"	.text\n");
