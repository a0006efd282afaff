// SPDX-License-Identifier: BSD-2-Clause
/*
 * See live.h.
 */
#include "live.h"
#include "../../../include/vmmctl_counters.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>

int device = -1;

struct vmm_info device_info(void)
{
	struct vmm_info info = { .size = sizeof(info) };

	must(ioctl(device, VMM_INFO, &info));
	return info;
}

int machine_create(void)
{
	struct vmm_machine_create c = { .name = "live" };
	int machine = ioctl(device, VMM_MACHINE_CREATE, &c);

	if (machine < 0)
		print_error("%s\n", c.why);
	must(machine);
	return machine;
}

int vcpu_create(int machine, uint32_t index)
{
	struct vmm_vcpu_create c = { .index = index };

	return ioctl(machine, VMM_VCPU_CREATE, &c);
}

int stats_open(void)
{
	struct vmm_list_entry entry;
	struct vmm_list list = { .entries = (uintptr_t)&entry, .capacity = 1 };
	struct vmm_stats stats = { 0 };

	must(ioctl(device, VMM_LIST, &list));
	assert_int_equal(list.count, 1);
	stats.id = entry.id;
	return ioctl(device, VMM_STATS, &stats);
}

uint64_t stats_value(int stats, const char *name)
{
	struct vmmctl_counters_header h;
	struct vmmctl_counters_desc d;
	uint64_t sum = 0, one;
	uint32_t i, slot;

	assert_int_equal(pread(stats, &h, sizeof(h), 0), sizeof(h));
	for (i = 0; i < h.desc_count; i++) {
		assert_int_equal(pread(stats, &d, sizeof(d), h.desc_offset +
		    (off_t)i * h.desc_size), sizeof(d));
		if (strcmp(d.name, name) == 0)
			break;
	}
	if (i == h.desc_count)
		fail_msg("no counter is called %s", name);
	for (slot = 0; slot < h.slots_used; slot++) {
		assert_int_equal(pread(stats, &one, sizeof(one),
		    h.slot_offset + (off_t)slot * h.slot_size + d.offset),
		    sizeof(one));
		sum += one;
	}
	return sum;
}

/* The last reference to a file may be dropped by a thread of the kernel's. */
void expect_nothing_lives(void)
{
	struct vmm_info i = device_info();
	int n;

	for (n = 0; n < 200 && (i.live_machines | i.live_vcpus |
	    i.live_contexts | i.live_regions | i.live_pages) != 0; n++) {
		usleep(10000);
		i = device_info();
	}
	assert_int_equal(i.live_machines, 0);
	assert_int_equal(i.live_vcpus, 0);
	assert_int_equal(i.live_contexts, 0);
	assert_int_equal(i.live_regions, 0);
	assert_int_equal(i.live_pages, 0);
}

/* ---- a guest ---- */

#define ROOT	0x1000u
#define ENTRY	0x7u		/* P W U */
#define LARGE	0x80u

static const uint8_t spin[] = {
	0x48, 0xff, 0xc0,			/* 1: inc %rax */
	0xeb, 0xfb				/* jmp 1b */
};

static const uint8_t touch[] = {
	0x48, 0x89, 0xf7,			/* 1: mov %rsi, %rdi */
	0x48, 0x83, 0x07, 0x01,			/* 2: addq $1, (%rdi) */
	0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, /* add $4096, %rdi */
	0x48, 0x39, 0xd7,			/* cmp %rdx, %rdi */
	0x72, 0xf0,				/* jb 2b */
	0x48, 0xff, 0xc0,			/* inc %rax */
	0xeb, 0xe8				/* jmp 1b */
};

static void put(const struct guest *g, uint64_t at, uint64_t value)
{
	memcpy(g->memory + at, &value, sizeof(value));
}

void guest_start(struct guest *g, uint64_t size, int mmap_flags)
{
	struct vmm_memory map = { .size = size, .prot = VMM_PROT_READ |
	    VMM_PROT_WRITE | VMM_PROT_EXEC };
	uint64_t reserved = size + 2 * MIB, i;
	uint8_t *place;

	/* Aligned to what a huge page is. */
	place = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
	assert_ptr_not_equal(place, MAP_FAILED);
	place += -(uintptr_t)place % (2 * MIB);
	g->size = size;
	g->memory = mmap(place, size, PROT_READ | PROT_WRITE,
	    MAP_FIXED | MAP_ANONYMOUS | mmap_flags, -1, 0);
	assert_ptr_equal(g->memory, place);
	(void)madvise(g->memory, size, MADV_HUGEPAGE);
	put(g, ROOT, (ROOT + PAGE) | ENTRY);
	put(g, ROOT + PAGE, (ROOT + 2 * PAGE) | ENTRY);
	for (i = 0; i < size / (2 * MIB); i++)
		put(g, ROOT + 2 * PAGE + 8 * i, i * 2 * MIB | ENTRY | LARGE);
	memcpy(g->memory + DO_SPIN, spin, sizeof(spin));
	memcpy(g->memory + DO_TOUCH, touch, sizeof(touch));

	g->machine = machine_create();
	map.uaddr = (uintptr_t)g->memory;
	must(ioctl(g->machine, VMM_MEMORY_MAP, &map));
}

void guest_end(struct guest *g)
{
	close(g->machine);
	munmap(g->memory, g->size);
}

void vcpu_start(struct vcpu *v, const struct guest *g, uint32_t index,
    uint64_t entry)
{
	struct vmm_context context = { 0 };

	*v = (struct vcpu){ .fd = vcpu_create(g->machine, index) };
	must(v->fd);
	must(ioctl(g->machine, VMM_CONTEXT_CREATE, &context));
	v->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
	    0);
	assert_ptr_not_equal(v->page, MAP_FAILED);
	v->counters = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, v->fd, PAGE);
	assert_ptr_not_equal(v->counters, MAP_FAILED);
	v->page->regs.rip = entry;
	v->page->regs.rflags = 2;
	v->page->regs.rsi = TOUCH_FROM;
	v->page->regs.rdx = g->size;
	v->page->cr3 = ROOT;
	v->page->context = context.context;
	v->page->commit = VMM_SET_SPACE | VMM_SET_CONTEXT;
}

void vcpu_end(struct vcpu *v)
{
	munmap(v->page, PAGE);
	munmap((void *)(uintptr_t)v->counters, PAGE);
	close(v->fd);
}

static void *go(void *cookie)
{
	struct vcpu *v = cookie;

	while (!__atomic_load_n(&v->stop, __ATOMIC_RELAXED)) {
		if (ioctl(v->fd, VMM_RUN) != 0) {
			v->wrong = strerror(errno);
			break;
		}
		__atomic_add_fetch(&v->runs, 1, __ATOMIC_RELAXED);
		if (v->page->exit.kind != VMM_EXIT_INTERRUPTED &&
		    v->page->exit.kind != VMM_EXIT_MEMORY) {
			v->wrong = "an exit of another kind";
			break;
		}
	}
	return NULL;
}

void vcpu_go(struct vcpu *v)
{
	assert_int_equal(pthread_create(&v->thread, NULL, go, v), 0);
}

void vcpu_join(struct vcpu *v)
{
	__atomic_store_n(&v->stop, true, __ATOMIC_RELAXED);
	must(ioctl(v->fd, VMM_KICK));
	pthread_join(v->thread, NULL);
	if (v->wrong != NULL)
		fail_msg("%s (exit %u, detail %u, at %llx)", v->wrong,
		    v->page->exit.kind, v->page->exit.detail,
		    (unsigned long long)v->page->exit.gpa);
}

void guest_expect_sums(const struct guest *g, const struct vcpu *v)
{
	uint64_t at, count;

	for (at = TOUCH_FROM; at < g->size; at += PAGE) {
		memcpy(&count, g->memory + at, sizeof(count));
		if (count - v->page->regs.rax > 1)
			fail_msg("%llu instead of %llu at %llx",
			    (unsigned long long)count,
			    (unsigned long long)v->page->regs.rax,
			    (unsigned long long)at);
	}
}

/* ---- */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool file_read(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, line, size - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return n > 0;
}

bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n == (ssize_t)strlen(text);
}

bool device_open(void)
{
	struct vmm_info info = { .size = sizeof(info) };

	device = open(VMM_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0 || ioctl(device, VMM_INFO, &info) != 0) {
		printf("1..0 # SKIP " VMM_DEVICE ": %s\n", strerror(errno));
		return false;
	}
	if (!info.usable)
		printf("1..0 # SKIP %s\n", info.why);
	return info.usable != 0;
}

int run_group(const char *name, const struct CMUnitTest *tests, size_t n)
{
	int rc;

	if (!device_open())
		return 0;
	tap_begin();
	rc = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	tap_end();
	return rc;
}
