// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hostile guest jumps to each byte of the foreign pages of its host process,
 * with hostile registers, and makes system calls, from there and from its own
 * code.  They are exits, and nothing more: no call is carried out for it.
 */
#include "foreign.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

GUEST_ONE(x_syscall);

/* ---- jumps ------------------------------------------------------------- */

static void jump_to_every_byte(void **state)
{
	static const uint64_t numbers[] = { 9, 110 };
	struct rig *r = *state;
	struct foreign f;
	uint64_t failed = 0, jumps = 0;

	foreign_begin(r, &f);
	for (uint64_t at = 0; at < f.code_len + 16; at++) {
		for (size_t i = 0; i < 2; i++) {
			hostile_registers(r, &f, numbers[i]);
			r->regs->rip = f.code + at;
			for (unsigned runs = 0; runs < 3; runs++) {
				attempt(r);
				jumps++;
				failed += r->x.kind == VMMCTL_EXIT_FAILED;
				if (r->x.kind == VMMCTL_EXIT_FAILED)
					break;
			}
			expect_nothing(r, &f);
		}
	}
	rig_say("%llu runs from %llu bytes of code, %llu FAILED",
	    (unsigned long long)jumps, (unsigned long long)f.code_len,
	    (unsigned long long)failed);
}

static void calls_from_the_backends_own_code(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 2, 3, 9, 10, 11, 13, 14, 15,
	    25, 39, 45, 46, 47, 56, 57, 58, 59, 60, 62, 85, 101, 110, 131,
	    157, 158, 186, 202, 231, 234, 297, 310, 311, 317, 322, 424, 435,
	    438, 448, ~0ull, 0x40000000 + 9 };
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	if (f.nsyscalls == 0)
		rig_skip(r, "no syscall instruction is readable there");
	for (size_t s = 0; s < f.nsyscalls; s++) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]);
		    i++) {
			hostile_registers(r, &f, numbers[i]);
			r->regs->rip = f.syscalls[s];
			attempt(r);
			if (r->x.kind != VMMCTL_EXIT_FAILED)
				attempt(r);
			expect_nothing(r, &f);
		}
	}
	rig_say("%u syscall instructions, %u numbers each",
	    (unsigned)f.nsyscalls,
	    (unsigned)(sizeof(numbers) / sizeof(numbers[0])));
}

/* ---- system calls ------------------------------------------------------- */

#define NR_NOTIFY	110u	/* what the backend's code needs no key for */
#define NR_RETURN	15u
/*
 * Since Linux 6.18 no filter sees this one, which fails outside of trampolines
 * of the kernel's own.  Dispatch to user space catches it in guest code, but
 * not where calls may be brief.
 */
#define NR_UPROBE	336u
#define FDS		32u

/* A process as it was, for expect_unchanged(). */
static char was[32768], is[32768];

static void expect_unchanged(const struct foreign *f)
{
	const char *p = was, *q = is;

	procs_describe(f->pid, is, sizeof(is));
	if (strcmp(was, is) == 0)
		return;
	/* From the beginning of the line in which they differ. */
	for (size_t i = 0; was[i] != '\0' && was[i] == is[i]; i++) {
		if (was[i] == '\n') {
			p = &was[i + 1];
			q = &is[i + 1];
		}
	}
	rig_say("the process has changed, from  %.*s", (int)strcspn(p, "\n"),
	    p);
	rig_say("to  %.*s", (int)strcspn(q, "\n"), q);
	assert_string_equal(was, is);
}

static bool may_be_brief(void)
{
	return strcmp(backend_dir(), "proc-brief") == 0;
}

/* The guest executes the syscall at from: it is an exit, and nothing more. */
static void expect_exit_of_call(struct rig *r, uint64_t from, uint64_t nr)
{
	r->regs->rax = nr;
	r->regs->rip = from;
	attempt(r);
	if (r->x.kind != VMMCTL_EXIT_SYSCALL || r->regs->rax != nr ||
	    r->regs->rip != from + 2)
		rig_say("call %#llx at %#llx", (unsigned long long)nr,
		    (unsigned long long)from);
	expect_syscall(r);
	/* A brief exit has 32 bits of it. */
	if (from == CODE && may_be_brief())
		assert_int_equal((uint32_t)r->regs->rax, (uint32_t)nr);
	else
		assert_int_equal(r->regs->rax, nr);
	assert_int_equal(r->regs->rip, from + 2);
	assert_int_equal(r->regs->rcx, from + 2);
}

/* Where guests have syscalls: in their own code, and in the backend's. */
static size_t places(const struct foreign *f, uint64_t out[33])
{
	out[0] = CODE;
	memcpy(&out[1], f->syscalls, f->nsyscalls * sizeof(out[0]));
	return f->nsyscalls + 1;
}

static void every_call_is_an_exit(void **state)
{
	static const uint64_t odd[] = { 0x40000000 + 9, 0x40000000 + 11,
	    1ull << 32 | 9, 1ull << 32 | 11, 0x8000000000000000, 1ull << 31,
	    ~0ull };
	struct rig *r = *state;
	struct foreign f;
	uint64_t from[33];
	size_t n;

	foreign_begin(r, &f);
	n = places(&f, from);
	procs_describe(f.pid, was, sizeof(was));
	for (size_t i = 0; i < n; i++) {
		for (uint64_t nr = 0; nr < 512; nr++) {
			if (nr == NR_UPROBE || (from[i] != CODE &&
			    (nr == NR_NOTIFY || nr == NR_RETURN)))
				continue;
			rig_regs(r->regs);
			expect_exit_of_call(r, from[i], nr);
		}
		for (size_t k = 0; k < sizeof(odd) / sizeof(odd[0]); k++) {
			rig_regs(r->regs);
			expect_exit_of_call(r, from[i], odd[k]);
		}
		expect_unchanged(&f);
	}
	expect_nothing(r, &f);
	rig_say("%u places", (unsigned)n);
}

static void uprobe_does_nothing(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	uint64_t from[33];
	size_t n;

	foreign_begin(r, &f);
	n = places(&f, from);
	procs_describe(f.pid, was, sizeof(was));
	for (size_t i = 0; i < n; i++) {
		rig_load(r, BLOB(x_syscall));
		r->regs->rax = NR_UPROBE;
		r->regs->rip = from[i];
		attempt(r);
		if (i == 0) {
			expect_syscall(r);
			if (may_be_brief() && r->regs->rip == CODE + 4)
				assert_int_equal(r->regs->rax, -ENXIO);
			else
				assert_int_equal(r->regs->rip, CODE + 2);
			expect_unchanged(&f);
		}
		expect_nothing(r, &f);
	}
}

/* What needs no key the backend's code does in its own places only. */
static void free_calls_have_their_places(void **state)
{
	static const uint64_t numbers[] = { NR_NOTIFY, NR_RETURN };
	struct rig *r = *state;
	struct foreign f;
	unsigned obeyed[2] = { 0, 0 };

	foreign_begin(r, &f);
	for (size_t s = 0; s < f.nsyscalls; s++) {
		for (size_t i = 0; i < 2; i++) {
			rig_load(r, BLOB(x_syscall));
			r->regs->rax = numbers[i];
			r->regs->rip = f.syscalls[s];
			attempt(r);
			obeyed[i] += r->x.kind != VMMCTL_EXIT_SYSCALL ||
			    r->regs->rip != f.syscalls[s] + 2;
			/* The process may be another one then. */
			rig_load(r, BLOB(x_syscall));
			attempt(r);
			expect_nothing(r, &f);
		}
	}
	rig_say("notified from %u places, returned from %u", obeyed[0],
	    obeyed[1]);
	assert_in_range(obeyed[0], 0, 1);
	assert_in_range(obeyed[1], 0, 2);
}

/* A call that would be felt if it were carried out, from each place. */
static void felt(struct rig *r, const struct foreign *f, uint64_t nr,
    const uint64_t args[6])
{
	uint64_t from[33];
	size_t n = places(f, from);

	for (size_t i = 0; i < n; i++) {
		rig_regs(r->regs);
		r->regs->rdi = args[0];
		r->regs->rsi = args[1];
		r->regs->rdx = args[2];
		r->regs->r10 = args[3];
		r->regs->r8 = args[4];
		r->regs->r9 = args[5];
		expect_exit_of_call(r, from[i], nr);
		assert_int_equal(r->regs->rdi, args[0]);
	}
	expect_unchanged(f);
}

#define FELT(r, f, nr, ...)						\
	felt((r), (f), (nr), (const uint64_t[6]){ __VA_ARGS__ })

static void calls_on_a_page(struct rig *r, const struct foreign *f,
    uint64_t page)
{
	FELT(r, f, 11, page, PAGE);			/* munmap */
	FELT(r, f, 10, page, PAGE, 7);			/* mprotect */
	FELT(r, f, 10, page, PAGE, 0);
	FELT(r, f, 9, page, PAGE, 7, 0x32, ~0ull);	/* mmap, anonymous */
	FELT(r, f, 9, page, PAGE, 3, 0x11, 8, SECRET_GPA - GPA);
	FELT(r, f, 25, page, PAGE, PAGE, 3, LOOT);	/* mremap */
	FELT(r, f, 28, page, PAGE, 4);			/* madvise */
}

static void calls_on_a_descriptor(struct rig *r, const struct foreign *f,
    uint64_t fd)
{
	FELT(r, f, 3, fd);				/* close */
	FELT(r, f, 45, fd, DATA, 64, 0x40);		/* recvfrom */
	FELT(r, f, 46, fd, DATA + 0x200, 0x4040);	/* sendmsg */
	FELT(r, f, 1, fd, DATA, 8);			/* write */
	FELT(r, f, 33, fd, 40);				/* dup2 */
	FELT(r, f, 9, LOOT, PAGE, 3, 0x11, fd, 0);
}

static void calls_on_the_process(struct rig *r, const struct foreign *f)
{
	FELT(r, f, 157, 15, DATA + 0x700);	/* prctl: its name, */
	FELT(r, f, 157, 59, 0);			/* dispatch off, */
	FELT(r, f, 157, 1, 0);			/* outlive its parent */
	FELT(r, f, 317, 1, 0, DATA + 0x300);	/* seccomp: allow all */
	FELT(r, f, 317, 0, 0);
	FELT(r, f, 131, DATA + 0x100);		/* sigaltstack */
	FELT(r, f, 13, 5, DATA + 0x100, 0, 8);	/* rt_sigaction */
	FELT(r, f, 14, 0, DATA + 0x400, 0, 8);	/* rt_sigprocmask */
	FELT(r, f, 56, 0x50f00, STACK + 0x8000);	/* clone: a thread, */
	FELT(r, f, 56, 17, 0);			/* a process */
	FELT(r, f, 57, 0);			/* fork, vfork */
	FELT(r, f, 58, 0);
	FELT(r, f, 60, 0);			/* exit, exit_group */
	FELT(r, f, 231, 0);
	FELT(r, f, 85, DATA + 0x700, 0600);	/* creat */
	FELT(r, f, 62, (uint64_t)getpid(), SIGUSR1);
	FELT(r, f, 234, (uint64_t)f->pid, (uint64_t)f->pid, SIGKILL);
}

static void would_be_felt(struct rig *r, const struct foreign *f)
{
	/* A stack, a message of 8 bytes, a filter that allows all, a mask. */
	const uint64_t stack[] = { DATA, 0, REGION };
	const uint64_t iov[] = { DATA + 0x480, 8 };
	const uint64_t message[] = { 0, 0, DATA + 0x280, 1, 0, 0, 0 };
	const uint64_t filter[] = { 1, DATA + 0x380 };
	const uint64_t allow = 0x7fff000000000006, mask = ~0ull;
	uint8_t *data = rig_gpa(r, DATA_GPA);

	rig_load(r, BLOB(x_syscall));
	memcpy(data + 0x100, stack, sizeof(stack));
	memcpy(data + 0x280, iov, sizeof(iov));
	memcpy(data + 0x200, message, sizeof(message));
	memcpy(data + 0x300, filter, sizeof(filter));
	memcpy(data + 0x380, &allow, sizeof(allow));
	memcpy(data + 0x400, &mask, sizeof(mask));
	memcpy(data + 0x700, f->path, sizeof(f->path));
	procs_describe(f->pid, was, sizeof(was));
	for (size_t i = 0; i < f->nmaps; i++)
		for (uint64_t at = f->maps[i].start; at < f->maps[i].end;
		    at += PAGE)
			calls_on_a_page(r, f, at);
	calls_on_a_page(r, f, CODE);
	calls_on_a_page(r, f, DATA);
	calls_on_a_page(r, f, STACK);
	calls_on_a_page(r, f, LOOT);
	for (uint64_t fd = 0; fd < FDS; fd++)
		calls_on_a_descriptor(r, f, fd);
	calls_on_the_process(r, f);
	expect_nothing(r, f);
}

static void calls_that_would_be_felt(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	would_be_felt(r, &f);
}

/* The process of several vCPUs has a thread and a descriptor more. */
static void calls_beside_another_vcpu(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	static struct runner t;

	foreign_begin(r, &f);
	foreign_second(r, &f, &t);
	would_be_felt(r, &f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(jump_to_every_byte),
		TEST(calls_from_the_backends_own_code),
		TEST(every_call_is_an_exit),
		TEST(uprobe_does_nothing),
		TEST(free_calls_have_their_places),
		TEST(calls_that_would_be_felt),
		TEST(calls_beside_another_vcpu),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
