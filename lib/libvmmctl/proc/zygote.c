// SPDX-License-Identifier: BSD-2-Clause
/*
 * zygote.c - the owner's side of the zygote: starting it, asking it, ending
 * it.  The program is in stub/, embedded.
 */
#include "../os.h"
#include "host.h"
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC	0x0010U
#endif

/* stub.elf, see CMakeLists.txt. */
__asm__(
"	.pushsection .rodata\n"
"	.balign 16\n"
"proc_stub_elf:\n"
"	.incbin \"" VMMCTL_STUB_ELF "\"\n"
"proc_stub_elf_end:\n"
"	.popsection\n");
extern const uint8_t proc_stub_elf[] __asm__("proc_stub_elf");
extern const uint8_t proc_stub_elf_end[] __asm__("proc_stub_elf_end");

/* A read-only descriptor of the program, ready for execveat. */
static int program_open(void)
{
	size_t size = (size_t)(proc_stub_elf_end - proc_stub_elf);
	char path[40] = "/proc/self/fd/";
	char digits[12];
	int n = 0, ro;
	int fd = memfd_create("vmmctl-stub", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("vmmctl-stub", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, proc_stub_elf, size) != (ssize_t)size) {
		close(fd);
		return -ENOSPC;
	}
	/* Open for writing it would be ETXTBSY. */
	for (int v = fd; n == 0 || v != 0; v /= 10)
		digits[n++] = (char)('0' + v % 10);
	for (size_t at = strlen(path); n > 0;)
		path[at++] = digits[--n];
	ro = open(path, O_RDONLY | O_CLOEXEC);
	if (ro < 0)
		ro = -errno;
	close(fd);
	return ro;
}

static IN_VFORK_CHILD void end(int status)
{
	for (;;)
		syscall(SYS_exit, status);
}

/*
 * In the grandchild that shares our memory until it execs: only system calls,
 * and nothing that others may see.  There may be no descriptor to be had, but
 * those that are there are its own, and the program takes FD_SOCKET only.
 */
static IN_VFORK_CHILD void execute(int program, int sock)
{
	static char *const argv[] = { (char *)(uintptr_t)"vmmctl-stub", NULL };
	static char *const envp[] = { NULL };
	long err = 0;

	if (program == FD_SOCKET) {
		program = sock == 0;
		err = syscall(SYS_dup3, FD_SOCKET, program, O_CLOEXEC);
	}
	if (err >= 0 && sock == FD_SOCKET)
		err = syscall(SYS_fcntl, sock, F_SETFD, 0);
	else if (err >= 0)
		err = syscall(SYS_dup3, sock, FD_SOCKET, 0);
	if (err >= 0)
		syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	end(1);
}

static IN_VFORK_CHILD void child(int program, int sock)
{
	long pid = bare_vfork();

	if (pid == 0)
		execute(program, sock);
	end(pid < 0);
}

/*
 * An application that waits for its children must not meet ours, nor get its
 * SIGCHLD; but exec gives a process that signal back.  So the zygote is a
 * grandchild, and its parent, which never execs, is gone at once.
 */
static __attribute__((noinline)) int spawn(int program, int sock)
{
	long pid = bare_vfork();
	int status = 0;

	if (pid == 0)
		child(program, sock);
	if (pid < 0)
		return (int)pid;
	while (waitpid((pid_t)pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : -EAGAIN;
}

static int send_message(int sock, const void *data, size_t len, int fd)
{
	struct {
		struct cmsghdr head;
		int fd;
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
	    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }, .fd = fd };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* What comes within PATIENCE_NS, else -ETIMEDOUT. */
static int receive_message(int sock, void *data, size_t len, int *fd)
{
	struct {
		struct cmsghdr head;
		int fd;
		int pad;
	} control = { .fd = -1 };
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = sock, .events = POLLIN };
	const uint64_t end = os_mono_ns() + PATIENCE_NS;
	uint64_t now;
	ssize_t n;
	int ready;

	do {
		now = os_mono_ns();
		ready = poll(&p, 1, end > now ?
		    (int)((end - now + 999999) / 1000000) : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return -ETIMEDOUT;
	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n != len)
		return -EPIPE;
	*fd = -1;
	if (msg.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    control.head.cmsg_type == SCM_RIGHTS)
		*fd = control.fd;
	return 0;
}

int receive_listener(int socket, int *fd)
{
	struct zygote_reply reply;
	int err = receive_message(socket, &reply, sizeof(reply), fd);

	return err != 0 ? err : *fd < 0 ? -EMFILE : 0;
}

int zygote_call(struct vmmctl_machine *m, struct zygote_request *q, int fd,
    int *received)
{
	struct proc_machine *pm = m->backend_data;
	struct zygote_reply reply;
	bool answered = false, want = received != NULL;
	int result = -EPIPE, err;
	struct rlimit limit;

	/* It may have been raised since the zygote inherited it. */
	if (getrlimit(RLIMIT_NPROC, &limit) == 0)
		q->processes = limit.rlim_cur;
	err = send_message(pm->socket, q, sizeof(*q), fd);
	if (received != NULL)
		*received = -1;
	while (err == 0 && (!answered || want)) {
		int got;

		err = receive_message(pm->socket, &reply, sizeof(reply), &got);
		if (err == -ETIMEDOUT && !answered) {
			err = 0;	/* it lives, but is slow */
			continue;
		}
		if (err == -ETIMEDOUT) {
			err = 0;	/* the seat does not, or not yet */
			break;
		}
		if (err != 0)
			break;
		if (reply.kind == 0) {
			want = false;
			if (received != NULL)
				*received = got >= 0 ? got : -EMFILE;
			else if (got >= 0)
				close(got);
		} else {
			answered = true;
			result = reply.result;
			if (result < 0)
				want = false;
		}
	}
	if (err == -EPIPE || err == -ECONNRESET)
		return vmmctl_fail(m->v, -EIO, "the process that is the parent "
		    "of this machine's guests has ended; was it killed?");
	return err != 0 ? err : result;
}

/*
 * A zygote ends with the last descriptor of its socket, so a forked child lets
 * go of those that it has inherited: else what we leave behind when we execute
 * another program would stay as long as the child.
 */
static struct {
	pthread_mutex_t lock;
	struct list zygotes;	/* proc_machine.held */
} held = { .lock = PTHREAD_MUTEX_INITIALIZER,
    .zygotes = { { &held.zygotes.head, &held.zygotes.head } } };
static pthread_once_t held_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
	pthread_mutex_lock(&held.lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&held.lock);
}

static void in_forked_child(void)
{
	struct link *l;

	LIST_EACH(l, &held.zygotes)
		close(LIST_ITEM(l, struct proc_machine, held)->socket);
	list_init(&held.zygotes);
	pthread_mutex_unlock(&held.lock);
}

/* Should there be no memory for that, the child keeps them. */
static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_forked_child);
}

/* Our end of a pair is pm's socket; no fork comes between. */
static int hold(struct proc_machine *pm, int *other)
{
	int sv[2], err = 0;

	pthread_once(&held_once, watch_forks);
	pthread_mutex_lock(&held.lock);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
		err = -errno;
	} else {
		pm->socket = sv[0];
		*other = sv[1];
		list_append(&held.zygotes, &pm->held);
	}
	pthread_mutex_unlock(&held.lock);
	return err;
}

static void release(struct proc_machine *pm)
{
	pthread_mutex_lock(&held.lock);
	list_remove(&pm->held);
	close(pm->socket);
	pm->socket = -1;
	pthread_mutex_unlock(&held.lock);
}

static int start_process(struct vmmctl_machine *m)
{
	struct proc_machine *pm = m->backend_data;
	int program = program_open(), other = -1, err;
	sigset_t all, old;

	if (program < 0)
		return vmmctl_fail(m->v, program, "no shared-memory file for "
		    "the stub program (memfd_create: error %d)", -program);
	err = hold(pm, &other);
	if (err != 0) {
		close(program);
		return vmmctl_fail(m->v, err,
		    "no descriptor is free; raise the limit (ulimit -n)");
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	err = spawn(program, other);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(other);
	close(program);
	if (err != 0) {
		release(pm);
		return vmmctl_fail(m->v, err, "no process can be made "
		    "(error %d); raise the limit (ulimit -u)", -err);
	}
	return 0;
}

/*
 * A child that was made in another way than by fork(3) may hold our end of the
 * socket open when we have ended.  A host without pidfds (before Linux 5.3)
 * leaves it at that.
 */
static int introduce_owner(struct vmmctl_machine *m)
{
	struct zygote_request q = { .kind = ZYGOTE_OWNER };
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0), err;

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return 0;
	if (fd < 0)
		return vmmctl_fail(m->v, -errno,
		    "no descriptor is free; raise the limit (ulimit -n)");
	err = zygote_call(m, &q, fd, NULL);
	close(fd);
	if (err != 0 && err != -EIO)
		return vmmctl_fail(m->v, err, "the owner's descriptor cannot "
		    "be handed to the guests' parent (error %d)", -err);
	return err;
}

int zygote_start(struct vmmctl_machine *m)
{
	struct proc_machine *pm = m->backend_data;
	bool traced = variant_of(m) == &proc_ptrace;
	struct zygote_request q = { .kind = ZYGOTE_START, .traced = traced,
	    .brief = m->any_brief };
	int err;

	if (getrandom(&pm->key, sizeof(pm->key), 0) != sizeof(pm->key))
		return vmmctl_fail(m->v, -EIO, "no random numbers to be had");
	pm->key |= 1;	/* an erased key is 0 */
	pm->arena = memfd_create("vmmctl-arena", MFD_CLOEXEC);
	if (pm->arena < 0 || ftruncate(pm->arena, (off_t)ARENA_TRACED) != 0)
		return vmmctl_fail(m->v, -errno,
		    "no shared-memory file for the stubs' pages");
	err = start_process(m);
	if (err != 0)
		return err;
	q.key = pm->key;
	err = zygote_call(m, &q, pm->arena, NULL);
	if (err == -EIO)
		return vmmctl_fail(m->v, err, "the stub program cannot be "
		    "executed from a memfd; is vm.memfd_noexec set?");
	if (err != 0)
		return vmmctl_fail(m->v, err, "the stub cannot install its "
		    "seccomp filter (error %d); use backend proc:ptrace",
		    -err);
	return introduce_owner(m);
}

void zygote_stop(struct vmmctl_machine *m)
{
	struct proc_machine *pm = m->backend_data;

	if (pm->socket >= 0) {
		struct pollfd p = { .fd = pm->socket, .events = POLLIN };

		/* It ends when it reads the end; so do the stubs with it. */
		shutdown(pm->socket, SHUT_WR);
		while (poll(&p, 1, 5000) < 0 && errno == EINTR)
			;
		release(pm);
	}
	if (pm->arena >= 0)
		close(pm->arena);
}
