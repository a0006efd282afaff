// SPDX-License-Identifier: BSD-2-Clause
/*
 * worker.c - the process of a contender, and what contenders share.
 */
#include "bench.h"
#include "guest.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS	60000
#define END_MS		2000		/* to end by itself */

struct request {
	size_t work;
	unsigned n;
};

/* One message; the samples only as many as there are. */
struct reply {
	int result;
	char text[512];
	uint64_t ns[BATCH_MAX];
};

/* The only contender of this process. */
static struct {
	const char *backend;
	char failure[512];
	int other_cpu;
} self;

int bench_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(self.failure, sizeof(self.failure), format, ap);
	va_end(ap);
	return -1;
}

void bench_note(const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", self.backend, text);
}

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

int bench_memory(uint8_t **at)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, MEMORY_SIZE) != 0)
		return bench_fail("no memory for a guest: %s",
		    strerror(errno));
	*at = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	if (*at == MAP_FAILED)
		return bench_fail("no memory for a guest: %s",
		    strerror(errno));
	memset(*at, 0, MEMORY_SIZE);
	memcpy(*at, guest_start, (size_t)(guest_end - guest_start));
	return fd;
}

/* ---- kicks --------------------------------------------------------------- */

static struct {
	void (*kick)(void);
	const volatile uint64_t *spin;
	sem_t asked;
	uint64_t when;		/* read after the kick has arrived */
} kicker;

static void *kick_thread(void *unused)
{
	const struct timespec short_while = { .tv_nsec = 20000 };

	(void)unused;
	if (self.other_cpu >= 0)
		pin(self.other_cpu);
	for (;;) {
		uint64_t before;

		while (sem_wait(&kicker.asked) != 0)
			;
		before = *kicker.spin;
		while (*kicker.spin == before)
			if (self.other_cpu < 0)
				nanosleep(&short_while, NULL);
		nanosleep(&short_while, NULL);
		__atomic_store_n(&kicker.when, now_ns(), __ATOMIC_SEQ_CST);
		kicker.kick();
	}
	return NULL;
}

int kicker_start(void (*kick)(void), const volatile uint64_t *spin)
{
	sigset_t all, old;
	pthread_t t;
	int err;

	if (kicker.kick != NULL)
		return 0;
	kicker.kick = kick;
	kicker.spin = spin;
	sem_init(&kicker.asked, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&t, NULL, kick_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err == 0 ? 0 : bench_fail("no thread: %s", strerror(err));
}

void kicker_ask(void)
{
	__atomic_store_n(&kicker.when, 0, __ATOMIC_SEQ_CST);
	sem_post(&kicker.asked);
}

uint64_t kicker_asked(void)
{
	return __atomic_load_n(&kicker.when, __ATOMIC_SEQ_CST);
}

/* ---- the process --------------------------------------------------------- */

static int answer(int socket, struct reply *r, unsigned n)
{
	size_t size = offsetof(struct reply, ns) + n * sizeof(r->ns[0]);

	memcpy(r->text, self.failure, sizeof(r->text));
	return send(socket, r, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

static void serve(const struct contender *c, int socket)
{
	struct reply r = { .result = c->open(c->backend) };
	struct request q;

	if (answer(socket, &r, 0) != 0 || r.result != 0)
		return;
	while (recv(socket, &q, sizeof(q), 0) == sizeof(q)) {
		r.result = c->works[q.work].batch(r.ns, q.n);
		if (answer(socket, &r, r.result == 0 ? q.n : 0) != 0)
			break;
	}
	if (c->close != NULL)
		c->close();
}

static int receive(struct worker *w, struct reply *r, unsigned n)
{
	struct pollfd p = { .fd = w->socket, .events = POLLIN };
	size_t size = offsetof(struct reply, ns) + n * sizeof(r->ns[0]);
	ssize_t got;

	if (poll(&p, 1, PATIENCE_MS) == 0) {
		fprintf(stderr, "%s: no answer for a minute: given up\n",
		    w->contender->backend);
		return -1;
	}
	got = recv(w->socket, r, sizeof(*r), 0);
	if (got < (ssize_t)offsetof(struct reply, ns)) {
		fprintf(stderr, "%s: its process has ended\n",
		    w->contender->backend);
		return -1;
	}
	if (r->result != 0 || got != (ssize_t)size) {
		fprintf(stderr, "%s: left out: %s\n", w->contender->backend,
		    r->text);
		return -1;
	}
	return 0;
}

int worker_start(struct worker *w, const struct contender *c, int cpu,
    int other)
{
	struct reply r;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
		perror("socketpair");
		return -1;
	}
	fflush(NULL);
	w->contender = c;
	w->socket = sv[0];
	w->pid = fork();
	if (w->pid == 0) {
		close(sv[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		self.backend = c->backend;
		self.other_cpu = other;
		if (pin(cpu) != 0)
			bench_note("not pinned: %s", strerror(errno));
		serve(c, sv[1]);
		fflush(NULL);
		_exit(0);
	}
	close(sv[1]);
	if (w->pid < 0) {
		perror("fork");
		close(sv[0]);
		return -1;
	}
	if (receive(w, &r, 0) != 0) {
		worker_stop(w);
		return -1;
	}
	return 0;
}

void worker_stop(struct worker *w)
{
	struct pollfd p = { .fd = w->socket };

	if (w->pid <= 0)
		return;
	/* It ends, and its socket with it, when it sees the end of ours. */
	shutdown(w->socket, SHUT_WR);
	poll(&p, 1, END_MS);
	close(w->socket);
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	w->pid = 0;
}

int worker_batch(struct worker *w, size_t work, uint64_t *ns, unsigned n)
{
	const struct request q = { .work = work, .n = n };
	struct reply r;

	if (send(w->socket, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q) ||
	    receive(w, &r, n) != 0) {
		fprintf(stderr, "%s: the last work was %s\n",
		    w->contender->backend, w->contender->works[work].name);
		return -1;
	}
	memcpy(ns, r.ns, n * sizeof(ns[0]));
	return 0;
}
