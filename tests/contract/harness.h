/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every contract test stands on: one backend, one machine with memfd
 * memory at fixed addresses, one space, one context, one vCPU, and a trace of
 * each exit with all registers.  It knows the public header only; what it
 * expects is the same on every backend.
 */
#ifndef TESTS_CONTRACT_HARNESS_H
#define TESTS_CONTRACT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <vmmctl.h>

#include "../guest/guest.h"

/* A sanitizer keeps what was freed: memory is no measure then. */
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_KEPT	true
#else
#define MEMORY_IS_KEPT	false
#endif

#define PAGE		((uint64_t)VMMCTL_PAGE_SIZE)

/* Machine memory: one memfd, at GPA. */
#define GPA		0x10000000ull
#define MEM_SIZE	0x100000ull
#define REGION		0x10000ull	/* of code, data and stack each */
#define CODE_GPA	GPA
#define DATA_GPA	(GPA + REGION)
#define STACK_GPA	(GPA + 2 * REGION)
#define FREE_GPA	(GPA + 3 * REGION)	/* for the test's own use */

/* The space that the harness makes. */
#define CODE		0x400000ull	/* read and execute */
#define DATA		0x600000ull	/* read and write */
#define STACK		0x7f0000ull	/* read and write */
#define STACK_TOP	(STACK + REGION)
#define RSP		(STACK_TOP - 0x1000)
#define SPARE		0x20000000ull	/* never mapped by the harness */

#define RFLAGS		0x202ull
#define CF		0x1ull
#define PF		0x4ull
#define ZF		0x40ull
#define TF		0x100ull
#define DF		0x400ull
#define OF		0x800ull
#define NT		0x4000ull
#define RF		0x10000ull
#define AC		0x40000ull
#define ID		0x200000ull

struct rig {
	const char *test;
	struct vmmctl *v;
	struct vmmctl_info info;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_regs *regs;	/* of c */
	struct vmmctl_exit x;		/* the last one */
	bool was_brief;			/* the last of rig_run */
	int fd;
	uint8_t *mem;			/* the owner's view of the memory */
	uint8_t *seen;			/* the memory as rig_snapshot saw it */
	FILE *trace;
	char trace_path[512];
	struct {
		void (*f)(void *cookie);
		void *cookie;
	} at_end[32];
	unsigned nends;
};

/* The backend that this process tests, as vmmctl_open() takes it. */
const char *backend_name(void);
/* A signal that does not kick need not end a run. */
bool rig_kicks_only(void);
/* The name in a path: "proc-ptrace" for "proc:ptrace". */
const char *backend_dir(void);

int rig_setup(void **state);
int rig_teardown(void **state);
/* The same without machine: state is a rig with v and info only. */
int rig_setup_open(void **state);

/*
 * Called before the rig is taken down, last first, also when the test fails
 * on the way: what still runs then must be stopped, and must not lie on the
 * test's stack.
 */
void rig_at_end(struct rig *r, void (*f)(void *cookie), void *cookie);

/* Copies the blob to CODE and gives every register a value of its own. */
void rig_load(struct rig *r, struct blob b);
/* Only the registers. */
void rig_regs(struct vmmctl_regs *regs);
/* Another context with such registers in space s, at CODE. */
struct vmmctl_context *rig_context(struct rig *r, struct vmmctl_space *s);
/* A space with the harness' three regions. */
struct vmmctl_space *rig_space(struct rig *r);
/* The owner's pointer to a guest-physical address. */
uint8_t *rig_gpa(struct rig *r, uint64_t gpa);
/* Maps one page of the space, or fails the test. */
void rig_map(struct rig *r, uint64_t gva, uint64_t gpa, uint32_t prot);
void rig_unmap(struct rig *r, uint64_t gva, uint64_t len);

/*
 * vmmctl_vcpu_run(), and when the exit is brief also what that leaves out: a
 * test finds the same registers whether a backend is brief or not.
 */
int rig_enter(struct vmmctl_vcpu *cpu, struct vmmctl_context *c,
    struct vmmctl_exit *x);
/* Run until an exit; anything but 0 fails the test. */
void rig_run(struct rig *r);
void rig_run_on(struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c, struct vmmctl_exit *x);

/* This test's exits differ from run to run: it leaves no trace. */
void rig_untraced(struct rig *r);
void rig_note(struct rig *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Says the reason, and skips. */
void rig_skip(struct rig *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/* Skips unless the backend has the capability. */
void rig_need(struct rig *r, uint64_t cap, const char *what);
/* Skips unless rare exits are the contract's, too. */
void rig_need_exact(struct rig *r, const char *what);
/* A line of the test's output. */
void rig_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As many of want as fit into ms milliseconds of exits, but at least min. */
uint64_t rig_scale(const struct rig *r, uint64_t want, uint64_t min,
    uint64_t ms);

void rig_snapshot(struct rig *r);

/* What is compared: the kind's own fields, and that the others are zero. */
void expect_exit_(struct rig *r, const struct vmmctl_exit *got,
    const struct vmmctl_exit *want, const char *file, int line);
#define expect_exit(r, ...)					\
	expect_exit_((r), &(r)->x,				\
	    &(struct vmmctl_exit){ __VA_ARGS__ }, __FILE__, __LINE__)
/* FAULT with the error code that belongs to it. */
void expect_fault_(struct rig *r, uint64_t addr, uint32_t access,
    uint32_t present, const char *file, int line);
#define expect_fault(r, addr, access, present)			\
	expect_fault_((r), (addr), (access), (present), __FILE__, __LINE__)
#define expect_syscall(r)	expect_exit((r), .kind = VMMCTL_EXIT_SYSCALL)
#define expect_exception(r, v, e)				\
	expect_exit((r), .kind = VMMCTL_EXIT_EXCEPTION,		\
	    .vector = (v), .error_code = (e))
#define expect_debug(r, bits)					\
	expect_exit((r), .kind = VMMCTL_EXIT_DEBUG, .vector = 1,	\
	    .dr6 = (bits))
/* All registers of the rig's context. */
void expect_regs_(struct rig *r, const struct vmmctl_regs *want,
    const char *file, int line);
#define expect_regs(r, want)	expect_regs_((r), (want), __FILE__, __LINE__)
/* No byte of machine memory differs from rig_snapshot's. */
void expect_same_memory_(struct rig *r, const char *file, int line);
#define expect_same_memory(r)					\
	expect_same_memory_((r), __FILE__, __LINE__)
/* rc is want, and for an error the handle has a sentence. */
void expect_rc_(struct rig *r, int64_t rc, int64_t want, const char *what,
    const char *file, int line);
#define expect_rc(r, call, want)				\
	do {							\
		int64_t rc__ = (call);				\
		expect_rc_((r), rc__, (want), #call, __FILE__,	\
		    __LINE__);					\
	} while (0)

/* For main(): TEST with a rig, TEST_OPEN with a handle only. */
#define TEST(f)							\
	{ #f, f, rig_setup, rig_teardown, (void *)(uintptr_t)#f }
#define TEST_OPEN(f)						\
	{ #f, f, rig_setup_open, rig_teardown, (void *)(uintptr_t)#f }

/*
 * Chooses the backend: the folder that argv[0] names (proc/exits), else
 * $VMMCTL_BACKEND.  argv[1], when given, filters tests.  False: the backend
 * cannot be had, which has been said in TAP; *rc is the exit status.
 */
bool harness_begin(int argc, char **argv, int *rc);

/* The tests of the program; returns its exit status. */
int harness_run(const struct CMUnitTest *tests, size_t n);

#endif
