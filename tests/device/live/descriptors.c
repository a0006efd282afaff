// SPDX-License-Identifier: BSD-2-Clause
/*
 * descriptors.c - what can be done with the descriptors of /dev/vmm as files:
 * mapping, reading, copying, passing on, running out of them.
 */
#include "live.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define RW	(PROT_READ | PROT_WRITE)

static void *map(int fd, uint64_t offset, size_t size, int prot)
{
	return mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)offset);
}
#define refuse_map(fd, offset, size, prot, number) do { \
	errno = 0; \
	assert_ptr_equal(map(fd, offset, size, prot), MAP_FAILED); \
	assert_int_equal(errno, (number)); \
} while (0)

/* An ioctl of another type, of no number, of another size. */
static void unknown_ioctls(void **state)
{
	int machine = machine_create(), vcpu = vcpu_create(machine, 0);
	const int fds[] = { device, machine, vcpu };
	char buf[1 << 14] = { 0 };
	size_t i;

	(void)state;
	must(vcpu);
	for (i = 0; i < 3; i++) {
		expect_errno(ioctl(fds[i], 0x5401, buf), ENOTTY);
		expect_errno(ioctl(fds[i], _IO(VMM_IOC, 0x7f)), ENOTTY);
		expect_errno(ioctl(fds[i], _IOC(_IOC_READ | _IOC_WRITE,
		    VMM_IOC, 0, sizeof(buf) - 1), buf), ENOTTY);
		expect_errno(ioctl(fds[i], _IOC(_IOC_WRITE, VMM_IOC, 0, 4),
		    buf), ENOTTY);
	}
	/* Another kind of descriptor's. */
	expect_errno(ioctl(device, VMM_RUN), ENOTTY);
	expect_errno(ioctl(machine, VMM_RUN), ENOTTY);
	expect_errno(ioctl(vcpu, VMM_INFO, buf), ENOTTY);
	close(vcpu);
	close(machine);
	expect_nothing_lives();
}

static void close_on_exec(void **state)
{
	int machine = machine_create(), vcpu = vcpu_create(machine, 0);
	int stats = stats_open();

	(void)state;
	assert_int_equal(fcntl(machine, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(vcpu, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(stats, F_GETFD), FD_CLOEXEC);
	close(stats);
	close(vcpu);
	close(machine);
	expect_nothing_lives();
}

static void pages_of_a_vcpu(void **state)
{
	int machine = machine_create(), vcpu = vcpu_create(machine, 0), mem;
	volatile struct vmm_vcpu_page *page;
	volatile char *counters, *pair;

	(void)state;
	must(vcpu);
	page = map(vcpu, 0, PAGE, RW);
	assert_ptr_not_equal(page, MAP_FAILED);
	counters = map(vcpu, PAGE, PAGE, PROT_READ);
	assert_ptr_not_equal(counters, MAP_FAILED);
	pair = map(vcpu, 0, 2 * PAGE, PROT_READ);
	assert_ptr_not_equal(pair, MAP_FAILED);
	page->regs.rax = 0x1234;
	assert_int_equal(*(volatile uint64_t *)pair, 0x1234);
	assert_int_equal(pair[PAGE], counters[0]);

	refuse_map(vcpu, PAGE, PAGE, RW, EACCES);
	refuse_map(vcpu, 0, 2 * PAGE, RW, EACCES);
	refuse_map(vcpu, 0, 3 * PAGE, PROT_READ, EINVAL);
	refuse_map(vcpu, PAGE, 2 * PAGE, PROT_READ, EINVAL);
	refuse_map(vcpu, 2 * PAGE, PAGE, PROT_READ, EINVAL);
	refuse_map(vcpu, 1ull << 40, PAGE, PROT_READ, EINVAL);
	refuse_map(machine, 0, PAGE, PROT_READ, ENODEV);
	refuse_map(device, 0, PAGE, PROT_READ, ENODEV);
	assert_ptr_equal(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, vcpu, 0),
	    MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	expect_errno(mprotect((void *)(uintptr_t)counters, PAGE, RW), EACCES);
	expect_errno(mprotect((void *)(uintptr_t)pair, PAGE, RW), EACCES);
	assert_ptr_equal(mremap((void *)(uintptr_t)pair, 2 * PAGE, 4 * PAGE,
	    MREMAP_MAYMOVE), MAP_FAILED);

	/* Not by force either. */
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	must(mem);
	assert_int_equal(pwrite(mem, "x", 1, (off_t)(uintptr_t)counters), -1);
	close(mem);

	/* They are there as long as they are mapped. */
	close(vcpu);
	close(machine);
	page->regs.rax = 0x4321;
	assert_int_equal(*(volatile uint64_t *)pair, 0x4321);
	assert_int_equal(device_info().live_vcpus, 1);
	munmap((void *)(uintptr_t)page, PAGE);
	munmap((void *)(uintptr_t)counters, PAGE);
	munmap((void *)(uintptr_t)pair, 2 * PAGE);
	expect_nothing_lives();
}

static void counters_of_a_machine(void **state)
{
	int machine = machine_create(), vcpu = vcpu_create(machine, 0);
	int stats = stats_open();
	static char a[1 << 20], b[1 << 20];
	void *nowhere = map(vcpu, 0, PAGE, PROT_READ);
	ssize_t n, m, at;

	(void)state;
	must(vcpu);
	must(stats);
	n = pread(stats, a, sizeof(a), 0);
	assert_true(n > 1000);
	for (at = 0; at < n; at += m) {
		m = read(stats, b + at, 777);
		assert_true(m > 0);
	}
	assert_int_equal(read(stats, b, 1), 0);
	assert_int_equal(pread(stats, b, 1, n), 0);
	assert_int_equal(pread(stats, b, 1, INT64_MAX - 1), 0);
	assert_int_equal(lseek(stats, 8, SEEK_SET), 8);
	assert_int_equal(read(stats, b, 8), 8);
	assert_memory_equal(a + 8, b, 8);
	expect_errno(lseek(stats, 0, SEEK_END), EINVAL);
	expect_errno(pread(stats, nowhere, 8, 0), EFAULT);
	expect_errno(write(stats, a, 1), EBADF);
	/* It keeps no machine, and goes on without one. */
	munmap(nowhere, PAGE);
	close(vcpu);
	close(machine);
	assert_int_equal(device_info().live_machines, 0);
	assert_int_equal(pread(stats, b, sizeof(b), 0), n);
	close(stats);
	expect_nothing_lives();
}

/* In another process; its result is its number of failures. */
static int stranger(int machine, int vcpu, struct vmm_vcpu_page *page)
{
	struct vmm_context context = { 0 };
	int bad = 0;

	bad += ioctl(vcpu, VMM_RUN) != -1 || errno != EPERM;
	bad += ioctl(vcpu, VMM_KICK) != -1 || errno != EPERM;
	bad += vcpu_create(machine, 1) != -1 || errno != EPERM;
	bad += ioctl(machine, VMM_CONTEXT_CREATE, &context) != -1 ||
	    errno != EPERM;
	bad += map(vcpu, 0, PAGE, RW) != MAP_FAILED || errno != EPERM;
	/* The mapping has not come along. */
	bad += msync(page, PAGE, MS_ASYNC) != -1 || errno != ENOMEM;
	return bad;
}

static void not_for_children(void **state)
{
	int machine = machine_create(), vcpu = vcpu_create(machine, 0), status;
	struct vmm_vcpu_page *page = map(vcpu, 0, PAGE, RW);
	pid_t child;

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	page->commit = 0;
	child = fork();
	if (child == 0)
		_exit(stranger(machine, vcpu, page));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	must(ioctl(vcpu, VMM_KICK));
	munmap(page, PAGE);
	close(vcpu);
	close(machine);
	expect_nothing_lives();
}

/* What had been made before is undone, and why is told. */
static void no_descriptor_left(void **state)
{
	int machine = machine_create();
	struct vmm_machine_create c = { .name = "one more" };
	struct vmm_list_entry entry;
	struct vmm_list list = { .entries = (uintptr_t)&entry, .capacity = 1 };
	struct vmm_stats stats = { 0 };
	struct rlimit old, none;

	(void)state;
	must(ioctl(device, VMM_LIST, &list));
	stats.id = entry.id;
	must(getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = 0;
	must(setrlimit(RLIMIT_NOFILE, &none));
	expect_errno(ioctl(device, VMM_MACHINE_CREATE, &c), EMFILE);
	expect_errno(vcpu_create(machine, 0), EMFILE);
	expect_errno(ioctl(device, VMM_STATS, &stats), EMFILE);
	must(setrlimit(RLIMIT_NOFILE, &old));
	assert_non_null(strstr(c.why, "open files"));
	assert_int_equal(device_info().live_machines, 1);
	assert_int_equal(device_info().live_vcpus, 0);
	close(machine);
	expect_nothing_lives();
}

/* The answer cannot be told: there is no descriptor that nobody knows of. */
static void no_place_for_the_answer(void **state)
{
	struct vmm_machine_create *c = mmap(NULL, PAGE, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int next = dup(device);

	(void)state;
	close(next);
	expect_errno(ioctl(device, VMM_MACHINE_CREATE, c), EFAULT);
	expect_errno(ioctl(device, VMM_MACHINE_CREATE, NULL), EFAULT);
	assert_int_equal(dup(device), next);
	close(next);
	munmap(c, PAGE);
	expect_nothing_lives();
}

int main(void)
{
	const struct CMUnitTest descriptors[] = {
		cmocka_unit_test(unknown_ioctls),
		cmocka_unit_test(close_on_exec),
		cmocka_unit_test(pages_of_a_vcpu),
		cmocka_unit_test(counters_of_a_machine),
		cmocka_unit_test(not_for_children),
		cmocka_unit_test(no_descriptor_left),
		cmocka_unit_test(no_place_for_the_answer),
	};

	return RUN(descriptors);
}
