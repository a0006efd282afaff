/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - what the unit tests share: a machine on the fake backend with some
 * memory, one space, context and vCPU, and checks of errors with sentences.
 */
#ifndef UNIT_H
#define UNIT_H

#include "fake.h"
#include "machine.h"
#include "run.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PAGE	4096ull
#define MEM_GPA	0x200000ull
#define MEM_LEN	0x800000ull

/* Guest-virtual addresses that every unit has. */
#define CODE	0x400000ull	/* a page, read and execute */
#define DATA	0x500000ull	/* 4 pages, read and write */
#define DATA_LEN (4 * PAGE)
#define ONLY	0x600000ull	/* a page, read only */
#define VOID	0x700000ull	/* a page mapped where no memory is */
#define CODE_GPA MEM_GPA
#define DATA_GPA (MEM_GPA + 0x10000)
#define ONLY_GPA (MEM_GPA + 0x20000)
#define VOID_GPA 0x40000000ull

struct unit {
	struct vmmctl *v;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl_regs *r;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_exit e;
	int fd;			/* of the memory */
	uint8_t *mem;		/* and its bytes */
};

/* cmocka's set-up and tear-down; the latter looks for leaks. */
int unit_setup(void **state);
int unit_teardown(void **state);
#define TEST(f)	cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)

struct vmmctl *unit_open(const char *backend);
uint8_t *unit_at(struct unit *u, uint64_t gpa);
void unit_code(struct unit *u, const void *code, size_t len);
#define UNIT_CODE(u, ...) unit_code((u), (const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ }))
/* A memfd of that size. */
int unit_memfd(uint64_t size);

/* Nothing is alive that was not before. */
void unit_no_leaks(const struct fake_alive *before);

void unit_clear_error(struct vmmctl *v);
void unit_expect(struct vmmctl *v, int64_t got, int64_t want,
    const char *word, const char *what, const char *file, int line);
/* The call fails with that error, and the sentence has the word. */
#define assert_fails(v, call, error, word) do { \
	unit_clear_error(v); \
	unit_expect((v), (int64_t)(call), (error), (word), #call, __FILE__, \
	    __LINE__); \
} while (0)
#define assert_ok(call)	assert_int_equal((call), 0)

/* A reproducible sequence of numbers. */
uint64_t unit_random(uint64_t *seed, uint64_t below);

static inline int unit_run(const char *name, const struct CMUnitTest *tests,
    size_t n)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}
#define RUN(tests) unit_run(#tests, tests, sizeof(tests) / sizeof(tests[0]))

#endif
