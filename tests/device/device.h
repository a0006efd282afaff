/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - what the device's unit tests share: the core on a fake operating
 * system, with a scripted vendor or the real svm/ on a fake VMRUN (script.h);
 * one machine to start from; checks at the end of each test that nothing is
 * left.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "fake.h"
#include "cpu.h"
#include "script.h"
#include "stats.h"
#include "vmm.h"
#include "vmm_ioctl.h"
#include "x86.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PAGE		4096ull
#define MIB2		(1ull << 21)
#define RW		(VMM_PROT_READ | VMM_PROT_WRITE)
#define RX		(VMM_PROT_READ | VMM_PROT_EXEC)
#define RWX		(RW | VMM_PROT_EXEC)
#define R		VMM_PROT_READ
#define W		VMM_PROT_WRITE
#define X		VMM_PROT_EXEC

/* The machine's memory, from guest-physical 0 on, and what is in it. */
#define MEMORY		FAKE_USER
#define MEMORY_SIZE	(4 * MIB2)
#define ROOT_GPA	0x10000ull	/* the guest's page table */
#define CODE_GPA	0x20000ull
#define DATA_GPA	0x30000ull
#define CODE		0x400000ull	/* guest-virtual: 2 pages, execute */
#define DATA		0x500000ull	/* 2 pages, write */
/* The owner's memory that is no machine's: for arguments. */
#define BUFFER		(FAKE_USER + 6 * MIB2)
/* Guest-physical addresses end there: gpa_limit. */
#define TOP		(1ull << 40)

struct device {
	bool svm;
	uint64_t seed;
	struct vmm_machine *m;
	struct vmm_vcpu *v;
	struct vmm_vcpu_page *page;
	struct vmm_exit *exit;
	uint32_t context;
};

#define assert_ok(call)	assert_int_equal((call), 0)

/* A reproducible sequence of numbers. */
uint64_t next_random(uint64_t *seed, uint64_t below);
/* What is broken fails the test that broke it. */
void fail_by_bug(const char *what);

/* A device that is loaded; bare: no machine yet. */
struct device *device_start(void);
struct device *device_start_svm(void);
struct device *device_start_vmx(void);
void device_end(void);
int device_setup(void **state);
int device_setup_svm(void **state);
int device_setup_vmx(void **state);
int device_setup_bare(void **state);
int device_teardown(void **state);
#define TEST(f)	cmocka_unit_test_setup_teardown(f, device_setup, \
	device_teardown)
#define TEST_BARE(f) cmocka_unit_test_setup_teardown(f, device_setup_bare, \
	device_teardown)
#define TEST_SVM(f) { "svm_" #f, f, device_setup_svm, device_teardown, NULL }
#define TEST_VMX(f) { "vmx_" #f, f, device_setup_vmx, device_teardown, NULL }

void machine_make(struct device *d);
void machine_end(struct device *d);

/* The ioctls, as their callers have them: 0 or an errno. */
int machine_create(struct vmm_machine **out);
int vcpu_create(struct vmm_machine *m, uint32_t index, struct vmm_vcpu **out);
int context_create(struct vmm_machine *m, uint32_t *out);
int context_destroy(struct vmm_machine *m, uint32_t number);
int memory_map(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint64_t uaddr, uint32_t prot);
int memory_unmap(struct vmm_machine *m, uint64_t gpa, uint64_t size);
int memory_protect(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint32_t prot);
int dirty_log(struct vmm_machine *m, uint64_t gpa, uint64_t size, uint32_t op,
    uint64_t bitmap);

void vcpu_prepare(struct vmm_vcpu *v, uint32_t context);
void code_set(const void *code, size_t size);
#define CODE_SET(...) code_set((const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* What the guest does next, on either vendor. */
void guest_exception(struct device *d, uint32_t vector, uint32_t error_code,
    uint64_t address);
void guest_at(uint64_t va);
void guest_syscall(struct device *d);

/* Run: 0, and that exit; the script is done. */
void expect_run(struct device *d, uint32_t kind, const char *file, int line);
#define RUN_TO(d, kind)	expect_run((d), (kind), __FILE__, __LINE__)
/* The guest accesses that, which it may; then a signal comes. */
void expect_touch(struct device *d, uint64_t gpa, uint32_t access, void *buf,
    uint32_t size, const char *file, int line);
#define TOUCH(d, gpa, access, buf, size) expect_touch((d), (gpa), (access), \
	(buf), (size), __FILE__, __LINE__)

int run_group(const char *name, const struct CMUnitTest *tests, size_t n);
#define RUN(tests) run_group(#tests, tests, sizeof(tests) / sizeof(tests[0]))

#endif
