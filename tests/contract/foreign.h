/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of a backend that keeps guests in host processes.  /proc tells
 * which pages such a process has besides the guest's own: its *foreign*
 * pages.
 */
#ifndef TESTS_CONTRACT_FOREIGN_H
#define TESTS_CONTRACT_FOREIGN_H

#include "procs.h"
#include "runner.h"

/* Machine memory that the space does not map; what lies there. */
#define SECRET_GPA	(FREE_GPA + 64 * PAGE)
#define SECRET		0x5ec2e75ec2e75ec2ull
/* Where the guest tries to map it. */
#define LOOT		SPARE
#define TABLE_GPA	(FREE_GPA + 16 * PAGE)	/* 64 KiB for the guest */
#define TABLE		0x30000000ull
#define MAPS		64

/* What rt_sigreturn takes, as the kernel lays it out. */
struct signal_frame {
	uint64_t flags, link, stack_sp, stack_flags, stack_size;
	uint64_t gregs[23];	/* r8-r15 di si bp bx dx ax cx sp ip fl cs */
	uint64_t fpstate, reserved[8], sigmask;
};

struct foreign {
	struct procs_map maps[MAPS];
	size_t nmaps;
	pid_t pid;			/* of the process */
	uint64_t code, code_len;	/* its code, up to the last byte */
	uint64_t syscalls[32];		/* addresses of its syscalls */
	size_t nsyscalls;
	char path[64];			/* of a file that must not be */
};

/* Plants the secret and finds the pages; skips when there are none. */
void foreign_begin(struct rig *r, struct foreign *f);
/* After the space has got another process. */
void foreign_find(struct rig *r, struct foreign *f);
/*
 * A second vCPU has run in the space: its process is the one for several, and
 * all of the space is loaded there.  t is set up with that vCPU.
 */
void foreign_second(struct rig *r, struct foreign *f, struct runner *t);
/* Reads len bytes at gva as the guest; false: it may not. */
bool guest_reads(struct rig *r, uint64_t gva, void *buf, uint64_t len);
/* A run that may end anyhow, but soon and with an exit. */
void attempt(struct rig *r);
/* Nothing was gained, and the context runs with good registers. */
void expect_nothing(struct rig *r, const struct foreign *f);
/*
 * Registers that are the arguments of host call nr, or of many, and at DATA
 * what the backend's code might be made to take for its own data.
 */
void hostile_registers(struct rig *r, const struct foreign *f, uint64_t nr);
/*
 * value may be what the backend's code proves itself with: use it from each
 * of its syscall instructions, and gain nothing.
 */
void try_key(struct rig *r, const struct foreign *f, uint64_t value);
/* The test's own patterns, addresses and small numbers are no keys. */
bool is_known(const struct foreign *f, uint64_t value);
/*
 * A guest on the vCPU of t, of foreign_second(), that works on the writable
 * foreign pages, those of other vCPUs among them.
 */
void start_on_foreign(struct runner *t, struct rig *r,
    const struct foreign *f, struct blob b);

#endif
