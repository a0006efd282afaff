// SPDX-License-Identifier: BSD-2-Clause
/*
 * dirty.c - the log of what guests write: each page of it, no other, whatever
 * the host does to the memory meanwhile, and also while they go on.
 */
#include "live.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define SIZE	(4 * MIB)
#define PAGES	(SIZE / PAGE)
#define WORDS	(PAGES / 64)
/* Before it are the guest's page tables, where the processor sets bits. */
#define FIRST	(TOUCH_FROM / PAGE)
#define WRITE	0x12000u
#define READ	0x12100u
#define ROUNDS	40u		/* of ours, and some of the guest's */
#define VCPUS	2u

/* To one page, at rdi. */
static const uint8_t write_one[] = {
	0x48, 0x83, 0x07, 0x01,			/* addq $1, (%rdi) */
	0x0f, 0x05				/* syscall */
};
static const uint8_t read_one[] = {
	0x48, 0x8b, 0x07,			/* mov (%rdi), %rax */
	0x0f, 0x05				/* syscall */
};

static struct guest guest;
static struct vcpu vcpu;
static uint64_t dirty[WORDS];

static int log_call(uint32_t op)
{
	struct vmm_dirty_log log = { .size = SIZE, .op = op };

	if ((op & VMM_DIRTY_GET) != 0)
		log.bitmap = (uintptr_t)dirty;
	return ioctl(guest.machine, VMM_DIRTY_LOG, &log);
}

static void get(uint32_t clear)
{
	memset(dirty, 0xff, sizeof(dirty));
	must(log_call(VMM_DIRTY_GET | clear));
}

static bool is_told(uint64_t page)
{
	return (dirty[page / 64] >> (page % 64) & 1) != 0;
}

/* Those that are the first, the one after step, and so on; 0: none. */
static void expect_told(uint64_t first, uint64_t step)
{
	uint64_t page;

	for (page = FIRST; page < PAGES; page++) {
		bool told = step != 0 && page >= first &&
		    (page - first) % step == 0;

		if (is_told(page) != told)
			fail_msg("page %llu is%s told",
			    (unsigned long long)page, told ? " not" : "");
	}
}

static void start(void)
{
	guest_start(&guest, SIZE, MAP_PRIVATE);
	memcpy(guest.memory + WRITE, write_one, sizeof(write_one));
	memcpy(guest.memory + READ, read_one, sizeof(read_one));
	vcpu_start(&vcpu, &guest, 0, WRITE);
}

static void end(void)
{
	vcpu_end(&vcpu);
	guest_end(&guest);
	expect_nothing_lives();
}

static void use(uint64_t code, uint64_t first, uint64_t step)
{
	uint64_t page;

	for (page = first; page < PAGES; page += step) {
		vcpu.page->regs.rip = code;
		vcpu.page->regs.rdi = page * PAGE;
		must(ioctl(vcpu.fd, VMM_RUN));
		assert_int_equal(vcpu.page->exit.kind, VMM_EXIT_SYSCALL);
	}
}

/* ---- */

static void what_is_written_is_told(void **state)
{
	(void)state;
	start();
	expect_errno(log_call(VMM_DIRTY_GET), ENOENT);
	/* What was before does not count, with large leaves or small ones. */
	use(WRITE, FIRST, 1);
	must(log_call(VMM_DIRTY_ENABLE));
	get(0);
	expect_told(0, 0);
	use(WRITE, FIRST + 3, 7);
	get(0);
	expect_told(FIRST + 3, 7);
	/* It is there until it is cleared. */
	get(VMM_DIRTY_CLEAR);
	expect_told(FIRST + 3, 7);
	get(0);
	expect_told(0, 0);
	use(WRITE, FIRST + 3, 7);
	get(VMM_DIRTY_CLEAR);
	expect_told(FIRST + 3, 7);
	use(WRITE, FIRST + 5, 64);
	get(VMM_DIRTY_CLEAR);
	expect_told(FIRST + 5, 64);
	must(log_call(VMM_DIRTY_DISABLE));
	expect_errno(log_call(VMM_DIRTY_GET), ENOENT);
	end();
}

static void what_is_read_is_not(void **state)
{
	(void)state;
	start();
	must(log_call(VMM_DIRTY_ENABLE));
	use(READ, FIRST, 1);
	get(VMM_DIRTY_CLEAR);
	expect_told(0, 0);
	/* Its leaf is there already. */
	use(WRITE, FIRST, 5);
	use(READ, FIRST, 1);
	get(VMM_DIRTY_CLEAR);
	expect_told(FIRST, 5);
	end();
}

/* Pages that go elsewhere, or come again, are as dirty as they were. */
static void disturb(unsigned how, uint8_t *at, size_t size)
{
	pid_t child;

	switch (how % 4) {
	case 0:
		must(mprotect(at, size, PROT_READ));
		must(mprotect(at, size, PROT_READ | PROT_WRITE));
		break;
	case 1:
		(void)madvise(at, size, MADV_PAGEOUT);
		break;
	case 2:
		must(mprotect(at, size, PROT_NONE));
		must(mprotect(at, size, PROT_READ | PROT_WRITE));
		break;
	default:
		child = fork();
		if (child == 0)
			_exit(0);
		(void)waitpid(child, NULL, 0);
		break;
	}
}

static void what_the_host_moves_is_told(void **state)
{
	unsigned i;

	(void)state;
	start();
	must(log_call(VMM_DIRTY_ENABLE));
	for (i = 0; i < 8; i++) {
		use(WRITE, FIRST + i, 11);
		disturb(i, guest.memory + TOUCH_FROM, SIZE - TOUCH_FROM);
		use(READ, FIRST, 3);
		get(i % 2 == 0 ? VMM_DIRTY_CLEAR : 0);
		expect_told(FIRST + i, 11);
		disturb(i, guest.memory + TOUCH_FROM, SIZE - TOUCH_FROM);
		get(VMM_DIRTY_CLEAR);
		expect_told(FIRST + i, i % 2 == 0 ? 0 : 11);
	}
	end();
}

/* ---- while they run ---- */

static void copy_told(uint8_t *copy)
{
	uint64_t page;

	get(VMM_DIRTY_CLEAR);
	for (page = 0; page < PAGES; page++)
		if (is_told(page))
			memcpy(copy + page * PAGE, guest.memory + page * PAGE,
			    PAGE);
}

/* ---- on another processor ---- */

#define BOARD	0x20000u	/* what the guest has done */
#define FLAG	0x21000u	/* and what it waits for */
#define TIMES	20u

/* What it has written it writes again when it is told to, and has been nowhere
 * else meanwhile. */
static const uint8_t write_two[] = {
	0x48, 0xff, 0x07,			/* incq (%rdi) */
	0x48, 0xff, 0x06,			/* incq (%rsi) */
	0x48, 0x83, 0x3b, 0x00,			/* 1: cmpq $0, (%rbx) */
	0x74, 0xfa,				/* je 1b */
	0x48, 0xff, 0x07,			/* incq (%rdi) */
	0x0f, 0x05				/* syscall */
};

static void pin(size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static void *run_on_another(void *cookie)
{
	(void)cookie;
	pin(1);
	do
		if (ioctl(vcpu.fd, VMM_RUN) != 0)
			break;
	while (vcpu.page->exit.kind == VMM_EXIT_INTERRUPTED);
	return NULL;
}

static void write_twice(uint64_t page)
{
	uint64_t *board = (void *)(guest.memory + BOARD);
	uint64_t *flag = (void *)(guest.memory + FLAG);
	uint64_t had = __atomic_load_n(board, __ATOMIC_RELAXED);
	pthread_t thread;

	__atomic_store_n(flag, 0, __ATOMIC_RELAXED);
	vcpu.page->regs.rip = WRITE;
	vcpu.page->regs.rdi = page * PAGE;
	vcpu.page->regs.rsi = BOARD;
	vcpu.page->regs.rbx = FLAG;
	assert_int_equal(pthread_create(&thread, NULL, run_on_another, NULL),
	    0);
	while (__atomic_load_n(board, __ATOMIC_RELAXED) == had)
		usleep(100);
	get(VMM_DIRTY_CLEAR);
	expect_told(page, PAGES);
	__atomic_store_n(flag, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(vcpu.page->exit.kind, VMM_EXIT_SYSCALL);
	get(VMM_DIRTY_CLEAR);
	expect_told(page, PAGES);
}

/* The processor has to forget that it has been, when it is cleared. */
static void what_is_written_again_at_once_is_told(void **state)
{
	cpu_set_t old;
	unsigned i;

	(void)state;
	start();
	memcpy(guest.memory + WRITE, write_two, sizeof(write_two));
	must(sched_getaffinity(0, sizeof(old), &old));
	pin(0);
	must(log_call(VMM_DIRTY_ENABLE));
	for (i = 0; i < TIMES; i++)
		write_twice(FIRST + i);
	must(sched_setaffinity(0, sizeof(old), &old));
	end();
}

/* By what has been stored since the last exit. */
static uint64_t rounds(const struct vcpu *v)
{
	return __atomic_load_n(&v->page->regs.rax, __ATOMIC_RELAXED);
}

/* As a machine is moved to another host. */
static void a_copy_of_what_is_told_is_the_memory(void **state)
{
	const uint64_t most = now_ns() + 60000000000u;
	struct vcpu v[VCPUS];
	uint8_t *copy = malloc(SIZE);
	uint64_t page;
	unsigned i, n;

	(void)state;
	assert_non_null(copy);
	guest_start(&guest, SIZE, MAP_PRIVATE);
	for (i = 0; i < VCPUS; i++) {
		vcpu_start(&v[i], &guest, i, DO_TOUCH);
		vcpu_go(&v[i]);
	}
	must(log_call(VMM_DIRTY_ENABLE));
	memcpy(copy, guest.memory, SIZE);
	for (i = 0; i < ROUNDS || (rounds(&v[0]) < 4 && now_ns() < most);
	    i++) {
		copy_told(copy);
		must(ioctl(v[0].fd, VMM_KICK));
		usleep(500);
		if (i % 8 == 0)
			disturb(i / 8, guest.memory + TOUCH_FROM, MIB);
	}
	for (n = 0; n < VCPUS; n++)
		vcpu_join(&v[n]);
	copy_told(copy);
	for (page = 0; page < PAGES; page++)
		if (memcmp(copy + page * PAGE, guest.memory + page * PAGE,
		    PAGE) != 0)
			fail_msg("page %llu was written and not told",
			    (unsigned long long)page);
	print_message("# %u rounds, %llu of the guest\n", i,
	    (unsigned long long)rounds(&v[0]));
	assert_true(rounds(&v[0]) >= 4);
	for (n = 0; n < VCPUS; n++)
		vcpu_end(&v[n]);
	guest_end(&guest);
	expect_nothing_lives();
	free(copy);
}

int main(void)
{
	const struct CMUnitTest dirty_tests[] = {
		cmocka_unit_test(what_is_written_is_told),
		cmocka_unit_test(what_is_read_is_not),
		cmocka_unit_test(what_the_host_moves_is_told),
		cmocka_unit_test(what_is_written_again_at_once_is_told),
		cmocka_unit_test(a_copy_of_what_is_told_is_the_memory),
	};

	return RUN(dirty_tests);
}
