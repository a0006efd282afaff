/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * live.h - what the tests of /dev/vmm itself share: raw ioctls, no library.
 * They run in the laboratory (tests/lab), or wherever there is the device.
 */
#ifndef LIVE_H
#define LIVE_H

#include "../../../sys/dev/vmm/vmm_ioctl.h"
#include "../../tap.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PAGE	4096u
#define MIB	(1ull << 20)

extern int device;

/* The call fails with that. */
#define expect_errno(call, number) do { \
	errno = 0; \
	assert_int_equal((call), -1); \
	assert_int_equal(errno, (number)); \
} while (0)
#define must(e)	assert_return_code((e), errno)
/* In a test's own function: its name goes with the reason. */
#define skip_test(why) do { \
	tap_reason(__func__, "%s", (why)); \
	skip(); \
} while (0)

struct vmm_info device_info(void);
int machine_create(void);
int vcpu_create(int machine, uint32_t index);
/* A descriptor of the only machine's counters. */
int stats_open(void);
/* The sum of a counter over the machine and its vCPUs. */
uint64_t stats_value(int stats, const char *name);
/* Nothing is left in the whole system, at once or soon. */
void expect_nothing_lives(void);

/*
 * A machine whose memory is this process's at .memory, and a guest user who
 * finds that, all of it, from address 0 on.
 */
struct guest {
	int machine;
	uint8_t *memory;
	uint64_t size;
};
void guest_start(struct guest *g, uint64_t size, int mmap_flags);
void guest_end(struct guest *g);

/* What guests can do, by address. */
#define DO_SPIN		0x10000u	/* for ever: rax++ */
#define DO_TOUCH	0x11000u	/* for ever: rax++, and in each page
					 * from rsi to rdx a word is counted */
#define TOUCH_FROM	(2 * MIB)	/* what there is before is not */

struct vcpu {
	int fd;
	struct vmm_vcpu_page *page;
	const uint64_t *counters;
	pthread_t thread;
	uint64_t runs;		/* that have returned */
	bool stop;
	const char *wrong;	/* what the thread did not expect */
};
void vcpu_start(struct vcpu *v, const struct guest *g, uint32_t index,
    uint64_t entry);
void vcpu_end(struct vcpu *v);
/* Run it in a thread, until vcpu_join(); a kick, a signal, a place without
 * memory are no reason to stop, all else is. */
void vcpu_go(struct vcpu *v);
void vcpu_join(struct vcpu *v);
/* v alone has been at DO_TOUCH: each page was counted in once a round. */
void guest_expect_sums(const struct guest *g, const struct vcpu *v);

uint64_t now_ns(void);
/* Files of sysfs: a line. False: there is none, or it cannot be. */
bool file_read(const char *path, char *line, size_t size);
bool file_write(const char *path, const char *text);

/* False: there is no device, and that all is skipped has been said. */
bool device_open(void);
/* Skips all when there is no device. */
int run_group(const char *name, const struct CMUnitTest *tests, size_t n);
#define RUN(tests) run_group(#tests, tests, sizeof(tests) / sizeof(tests[0]))

#endif
