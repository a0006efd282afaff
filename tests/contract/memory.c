// SPDX-License-Identifier: BSD-2-Clause
/*
 * Machine memory: what backs it, how it comes and goes under the spaces that
 * map it, and the owner's physical copies.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

GUEST(c_look);
GUEST_ONE(load);
GUEST_ONE(store);

#define R	VMMCTL_PROT_READ
#define W	VMMCTL_PROT_WRITE
#define RW	VMMCTL_PROT_RW
#define HIGH_GPA (GPA + 0x10000000)

static void look(struct rig *r, uint64_t gva)
{
	rig_load(r, BLOB(c_look));
	r->regs->rbx = gva;
	rig_run(r);
}

static void put(struct rig *r, uint64_t gva, uint64_t value)
{
	rig_load(r, BLOB(store));
	r->regs->rbx = gva;
	r->regs->rax = value;
	rig_run(r);
}

static void expect_nomem(struct rig *r, uint64_t gva, uint64_t gpa,
    uint32_t access)
{
	expect_exit(r, .kind = VMMCTL_EXIT_NOMEM, .access = access,
	    .addr = gva, .gpa = gpa);
}

static void memory_comes_and_goes(void **state)
{
	struct rig *r = *state;

	rig_map(r, SPARE, HIGH_GPA, RW);
	for (unsigned i = 0; i < 20; i++) {
		look(r, SPARE + 16);
		expect_nomem(r, SPARE + 16, HIGH_GPA + 16, R);
		expect_rc(r, vmmctl_memory_map(r->m, HIGH_GPA, PAGE, r->fd,
		    MEM_SIZE - PAGE, RW), 0);
		put(r, SPARE + 16, 1000 + i);
		expect_syscall(r);
		assert_int_equal(*rig_gpa(r, GPA + MEM_SIZE - PAGE + 16),
		    (1000 + i) & 0xff);
		expect_rc(r, vmmctl_memory_unmap(r->m, HIGH_GPA, PAGE), 0);
	}
}

static void a_part_is_unmapped(void **state)
{
	struct rig *r = *state;
	struct vmmctl_walk w;

	memset(rig_gpa(r, FREE_GPA), 0x31, 8 * PAGE);
	expect_rc(r, vmmctl_space_map(r->s, SPARE, 8 * PAGE, FREE_GPA, RW),
	    0);
	look(r, SPARE + 3 * PAGE);
	expect_syscall(r);
	expect_rc(r, vmmctl_memory_unmap(r->m, FREE_GPA + 2 * PAGE, 3 * PAGE),
	    0);
	for (uint64_t i = 0; i < 8; i++) {
		look(r, SPARE + i * PAGE);
		if (i >= 2 && i < 5)
			expect_nomem(r, SPARE + i * PAGE, FREE_GPA + i * PAGE,
			    R);
		else
			expect_syscall(r);
		expect_rc(r, vmmctl_space_walk(r->s, SPARE + i * PAGE, &w),
		    0);
		assert_int_equal(w.memory, i < 2 || i >= 5);
		assert_int_equal(w.prot, RW);
	}
	/* A range with a hole in it cannot be unmapped, and stays. */
	expect_rc(r, vmmctl_memory_unmap(r->m, FREE_GPA, 8 * PAGE), -ENOENT);
	expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, 8 * PAGE, R),
	    -ENOENT);
	put(r, SPARE, 5);
	expect_syscall(r);
	/* Other memory in the hole. */
	expect_rc(r, vmmctl_memory_map(r->m, FREE_GPA + 2 * PAGE, 3 * PAGE,
	    r->fd, MEM_SIZE - 3 * PAGE, RW), 0);
	put(r, SPARE + 3 * PAGE, 0x77);
	expect_syscall(r);
	assert_int_equal(*rig_gpa(r, GPA + MEM_SIZE - 2 * PAGE), 0x77);
	assert_int_equal(*rig_gpa(r, FREE_GPA + 3 * PAGE), 0x31);
}

static void a_part_is_protected(void **state)
{
	struct rig *r = *state;

	expect_rc(r, vmmctl_space_map(r->s, SPARE, 8 * PAGE, FREE_GPA, RW),
	    0);
	expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA + 3 * PAGE, PAGE,
	    R), 0);
	for (uint64_t i = 0; i < 8; i++) {
		put(r, SPARE + i * PAGE, i);
		if (i == 3)
			expect_nomem(r, SPARE + i * PAGE, FREE_GPA + i * PAGE,
			    W);
		else
			expect_syscall(r);
	}
	expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, 8 * PAGE, RW), 0);
	put(r, SPARE + 3 * PAGE, 3);
	expect_syscall(r);
}

static void owner_copies(void **state)
{
	struct rig *r = *state;
	uint8_t buf[3 * PAGE], in[64];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 13);
	expect_rc(r, vmmctl_memory_write(r->m, FREE_GPA + 5, buf, 100), 100);
	assert_memory_equal(rig_gpa(r, FREE_GPA + 5), buf, 100);
	expect_rc(r, vmmctl_memory_read(r->m, FREE_GPA + 5, in, 64), 64);
	assert_memory_equal(in, buf, 64);
	/* To the end and no further. */
	expect_rc(r, vmmctl_memory_write(r->m, GPA + MEM_SIZE - 10, buf,
	    sizeof(buf)), 10);
	expect_rc(r, vmmctl_memory_read(r->m, GPA + MEM_SIZE - 10, in, 64),
	    10);
	expect_rc(r, vmmctl_memory_read(r->m, GPA + MEM_SIZE, in, 1),
	    -EFAULT);
	expect_rc(r, vmmctl_memory_write(r->m, GPA - 1, in, 1), -EFAULT);
	expect_rc(r, vmmctl_memory_read(r->m, ~0ull, in, 64), -EFAULT);
	expect_rc(r, vmmctl_memory_read(r->m, ~0ull - 32, in, 64), -EFAULT);
	expect_rc(r, vmmctl_memory_read(r->m, GPA, in, 0), 0);
	/* prot does not bind the owner. */
	expect_rc(r, vmmctl_memory_protect(r->m, FREE_GPA, PAGE, R), 0);
	expect_rc(r, vmmctl_memory_write(r->m, FREE_GPA, buf, 8), 8);
}

static void two_ranges_copy_as_one(void **state)
{
	struct rig *r = *state;
	uint8_t buf[2 * PAGE], in[2 * PAGE];

	expect_rc(r, vmmctl_memory_map(r->m, GPA + MEM_SIZE, PAGE, r->fd,
	    0, RW), 0);
	memset(buf, 0x5e, sizeof(buf));
	expect_rc(r, vmmctl_memory_write(r->m, GPA + MEM_SIZE - PAGE, buf,
	    sizeof(buf)), sizeof(buf));
	assert_int_equal(*rig_gpa(r, GPA + MEM_SIZE - 1), 0x5e);
	assert_int_equal(*rig_gpa(r, GPA + PAGE - 1), 0x5e);
	expect_rc(r, vmmctl_memory_read(r->m, GPA + MEM_SIZE - PAGE, in,
	    sizeof(in)), sizeof(in));
	assert_memory_equal(buf, in, sizeof(in));
}

/* The guest sees a page that lies across both, too. */
static void guest_crosses_two_ranges(void **state)
{
	struct rig *r = *state;

	expect_rc(r, vmmctl_memory_map(r->m, GPA + MEM_SIZE, PAGE, r->fd,
	    MEM_SIZE - 4 * PAGE, RW), 0);
	expect_rc(r, vmmctl_space_map(r->s, SPARE, 2 * PAGE,
	    GPA + MEM_SIZE - PAGE, RW), 0);
	put(r, SPARE + PAGE - 4, 0x1122334455667788);
	expect_syscall(r);
	assert_memory_equal(rig_gpa(r, GPA + MEM_SIZE - 4),
	    "\x88\x77\x66\x55", 4);
	assert_memory_equal(rig_gpa(r, GPA + MEM_SIZE - 4 * PAGE),
	    "\x44\x33\x22\x11", 4);
}

static void descriptor_may_be_closed(void **state)
{
	struct rig *r = *state;
	int fd = memfd_create("closed-soon", MFD_CLOEXEC);
	uint64_t value = 0x4455;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(4 * PAGE)), 0);
	assert_int_equal(pwrite(fd, &value, 8, (off_t)PAGE), 8);
	expect_rc(r, vmmctl_memory_map(r->m, HIGH_GPA, PAGE, fd, PAGE, R), 0);
	close(fd);
	rig_map(r, SPARE, HIGH_GPA, RW);
	look(r, SPARE);
	expect_syscall(r);
	assert_int_equal(r->regs->rax, value);
	put(r, SPARE, 1);
	expect_nomem(r, SPARE, HIGH_GPA, W);
}

static void file_backs_memory(void **state)
{
	char path[] = "/tmp/vmmctl-memory-XXXXXX";
	struct rig *r = *state;
	int fd = mkostemp(path, O_CLOEXEC);
	uint64_t value;

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)(2 * PAGE)), 0);
	expect_rc(r, vmmctl_memory_map(r->m, HIGH_GPA, 2 * PAGE, fd, 0, RW),
	    0);
	rig_map(r, SPARE, HIGH_GPA + PAGE, RW);
	put(r, SPARE + 24, 0x998877);
	expect_syscall(r);
	assert_int_equal(pread(fd, &value, 8, (off_t)(PAGE + 24)), 8);
	assert_int_equal(value, 0x998877);
	close(fd);
}

/* Beyond the end of the file there is no memory, until there is. */
static void file_that_is_too_short(void **state)
{
	struct rig *r = *state;
	const uint64_t gva = SPARE + PAGE;
	int fd;

	if (strcmp(r->info.backend, "kvm") == 0)
		rig_skip(r, "KVM waits for such a page until it is kicked");
	fd = memfd_create("short", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
	expect_rc(r, vmmctl_memory_map(r->m, HIGH_GPA, 4 * PAGE, fd, 0,
	    VMMCTL_PROT_RWX), 0);
	expect_rc(r, vmmctl_space_map(r->s, SPARE, 4 * PAGE, HIGH_GPA,
	    VMMCTL_PROT_RWX), 0);
	for (unsigned i = 0; i < 3; i++) {
		put(r, SPARE + 8, 77 + i);
		expect_syscall(r);
		look(r, gva + 16);
		expect_nomem(r, gva + 16, HIGH_GPA + PAGE + 16, R);
		rig_run(r);
		expect_nomem(r, gva + 16, HIGH_GPA + PAGE + 16, R);
		put(r, gva + 8, 1);
		expect_nomem(r, gva + 8, HIGH_GPA + PAGE + 8, W);
		r->regs->rip = gva + PAGE;
		rig_run(r);
		expect_nomem(r, gva + PAGE, HIGH_GPA + 2 * PAGE,
		    VMMCTL_PROT_EXEC);
		assert_int_equal(ftruncate(fd, (off_t)(2 * PAGE)), 0);
		put(r, gva + 8, 88 + i);
		expect_syscall(r);
		look(r, SPARE + 8);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, 77 + i);
		assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
	}
	close(fd);
}

/* The caller's own pages, private and shared: guest and owner see one. */
static void host_pages_back_memory(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_ANONYMOUS | (i == 0 ? MAP_PRIVATE : MAP_SHARED), -1,
		    0);

		assert_ptr_not_equal(p, MAP_FAILED);
		p[512] = 0xabcdef;
		expect_rc(r, vmmctl_memory_map_host(r->m, HIGH_GPA, 4 * PAGE,
		    p, RW), 0);
		assert_int_equal(p[512], 0xabcdef);
		rig_map(r, SPARE, HIGH_GPA + PAGE, RW);
		look(r, SPARE);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, 0xabcdef);
		put(r, SPARE + 8, 0x123);
		expect_syscall(r);
		assert_int_equal(p[513], 0x123);
		p[514] = 0x456;
		look(r, SPARE + 16);
		expect_syscall(r);
		assert_int_equal(r->regs->rax, 0x456);
		expect_rc(r, vmmctl_memory_unmap(r->m, HIGH_GPA, 4 * PAGE),
		    0);
		look(r, SPARE);
		expect_nomem(r, SPARE, HIGH_GPA + PAGE, R);
		assert_int_equal(p[513], 0x123);
		assert_int_equal(munmap(p, 4 * PAGE), 0);
	}
}

/* Ranges of one file, and ranges of as many files. */
static void host_pages_have_to_be_there(void **state)
{
	struct rig *r = *state;
	uint8_t *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
	    MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap(p + 2 * PAGE, PAGE), 0);
	expect_rc(r, vmmctl_memory_map_host(r->m, HIGH_GPA, 4 * PAGE, p, RW),
	    -EFAULT);
	expect_rc(r, vmmctl_memory_map_host(r->m, HIGH_GPA, 4 * PAGE,
	    (void *)(UINTPTR_MAX - PAGE + 1), RW), -EFAULT);
	assert_int_equal(munmap(p, 4 * PAGE), 0);
}

static void many_ranges(void **state)
{
	struct rig *r = *state;

	for (unsigned way = 0; way < 2; way++) {
		uint64_t base = HIGH_GPA + way * 0x10000000;
		const uint64_t ranges = way == 0 ? 140 : 100;

		for (uint64_t i = 0; i < ranges; i++) {
			int fd = r->fd;
			uint64_t value = 5000 + i;
			off_t at = (off_t)(FREE_GPA - GPA + i % 200 * PAGE);

			if (way == 1) {
				fd = memfd_create("one-of-many", MFD_CLOEXEC);
				assert_true(fd >= 0);
				assert_int_equal(ftruncate(fd, (off_t)PAGE),
				    0);
				at = 0;
			}
			assert_int_equal(pwrite(fd, &value, 8, at), 8);
			expect_rc(r, vmmctl_memory_map(r->m,
			    base + 2 * i * PAGE, PAGE, fd, (uint64_t)at, RW),
			    0);
			if (way == 1)
				close(fd);
		}
		expect_rc(r, vmmctl_space_map(r->s, 0x100000000,
		    2 * ranges * PAGE, base, RW), 0);
		for (uint64_t i = 0; i < ranges; i++) {
			uint64_t gva = 0x100000000 + 2 * i * PAGE;

			look(r, gva);
			expect_syscall(r);
			assert_int_equal(r->regs->rax, 5000 + i);
			look(r, gva + PAGE);
			expect_nomem(r, gva + PAGE, base + (2 * i + 1) * PAGE,
			    R);
		}
		expect_rc(r, vmmctl_memory_unmap(r->m, base, PAGE), 0);
		look(r, 0x100000000);
		expect_nomem(r, 0x100000000, base, R);
	}
}

static void limit_is_kept(void **state)
{
	const struct vmmctl_machine_config config = {
		.size = sizeof(config), .name = "small", .max_memory = 4 * PAGE,
		.max_spaces = 2, .max_vcpus = 1,
	};
	struct rig *r = *state;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_vcpu *cpu, *second;

	expect_rc(r, vmmctl_machine_create(r->v, &config, &m), 0);
	expect_rc(r, vmmctl_memory_map(m, 0, 5 * PAGE, r->fd, 0, R), -ENOMEM);
	expect_rc(r, vmmctl_memory_map(m, 0, 3 * PAGE, r->fd, 0, R), 0);
	expect_rc(r, vmmctl_memory_map(m, 8 * PAGE, 2 * PAGE, r->fd, 0, R),
	    -ENOMEM);
	expect_rc(r, vmmctl_memory_map(m, 8 * PAGE, PAGE, r->fd, 0, R), 0);
	expect_rc(r, vmmctl_memory_unmap(m, PAGE, PAGE), 0);
	expect_rc(r, vmmctl_memory_map(m, 16 * PAGE, PAGE, r->fd, 0, R), 0);

	expect_rc(r, vmmctl_space_create(m, &s), 0);
	expect_rc(r, vmmctl_space_create(m, &s), 0);
	expect_rc(r, vmmctl_space_destroy(s), 0);
	expect_rc(r, vmmctl_space_create(m, &s), 0);
	expect_rc(r, vmmctl_space_create(m, &s), -ENOSPC);

	expect_rc(r, vmmctl_vcpu_create(m, &cpu), 0);
	expect_rc(r, vmmctl_vcpu_create(m, &second), -ENOSPC);
	vmmctl_vcpu_destroy(cpu);
	expect_rc(r, vmmctl_vcpu_create(m, &cpu), 0);
	vmmctl_machine_destroy(m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_comes_and_goes),
		TEST(a_part_is_unmapped),
		TEST(a_part_is_protected),
		TEST(owner_copies),
		TEST(two_ranges_copy_as_one),
		TEST(guest_crosses_two_ranges),
		TEST(descriptor_may_be_closed),
		TEST(file_backs_memory),
		TEST(file_that_is_too_short),
		TEST(host_pages_back_memory),
		TEST(host_pages_have_to_be_there),
		TEST(many_ranges),
		TEST(limit_is_kept),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
