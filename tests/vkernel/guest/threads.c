// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads: TLS, mutexes, condition variables, robust futexes, floating-point
 * state across switches, signals to one thread, exit and exec of a group.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N 32

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static __thread long mine;
static long total, turn;
static volatile int stop;

static void *adder(void *arg)
{
	mine = (long)arg;
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		total += mine;
		pthread_mutex_unlock(&mutex);
	}
	return (void *)mine;
}

static void *ring(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % N != me)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

/* Each thread keeps its own values in vector registers over many ticks. */
static void *vectors(void *arg)
{
	uint64_t want = 0x0101010101010101 * (uint64_t)(long)arg, got;
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		__asm__ volatile("movq %1, %%xmm7; movq %1, %%xmm15\n\t"
				 "mov $200000, %%ecx\n"
				 "1: dec %%ecx; jnz 1b\n\t"
				 "psubq %%xmm7, %%xmm15; paddq %%xmm7, %%xmm15\n\t"
				 "movq %%xmm15, %0"
				 : "=r"(got) : "r"(want)
				 : "rcx", "xmm7", "xmm15", "cc");
		if (got != want)
			return (void *)1;
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while ((b.tv_sec - a.tv_sec) * 1000 +
		 (b.tv_nsec - a.tv_nsec) / 1000000 < 400);
	return NULL;
}

static long run(void *(*f)(void *), int n)
{
	pthread_t t[N];
	void *r;
	long sum = 0;

	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, f, (void *)i))
			exit(1);
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	return sum;
}

static void *spin(void *arg)
{
	while (!stop)
		;
	return arg;
}

static void handler(int sig)
{
	(void)sig;
	stop = 1;
}

static void *mapper(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 200; i++) {
		char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		p[0] = p[4096] = (char)i;
		mprotect(p, 4096, PROT_READ);
		bad += p[0] != (char)i;
		munmap(p, 8192);
	}
	(void)arg;
	return (void *)bad;
}

int main(int argc, char **argv)
{
	pthread_t t;
	int status;
	pid_t pid;

	(void)argv;
	alarm(150);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		printf("executed from a thread\n");
		return 0;
	}
	printf("joined %ld\n", run(adder, N));
	printf("added %ld\n", total);
	run(ring, N);
	printf("turns %ld\n", turn);
	printf("vectors spoilt %ld\n", run(vectors, 8));
	printf("mappings spoilt %ld\n", run(mapper, 16));

	signal(SIGUSR1, handler);
	pthread_create(&t, NULL, spin, NULL);
	usleep(30000);
	pthread_kill(t, SIGUSR1);
	pthread_join(t, NULL);
	printf("a spinning thread took its signal\n");

	for (int how = 0; how < 3; how++) {
		pid = fork();
		if (!pid) {
			stop = 0;
			for (int i = 0; i < 4; i++)
				pthread_create(&t, NULL, spin, NULL);
			if (how == 0)
				_exit(7);
			if (how == 1)
				execl("/proc/self/exe", "threads", "again",
				      (char *)NULL);
			usleep(20000);
			*(volatile int *)8 = 0;
		}
		waitpid(pid, &status, 0);
		printf("a group with spinning threads ended: %#x\n",
		       status & 0xff7f);
	}
	printf("done\n");
	return 0;
}
