// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hostile guest reads and writes the foreign pages of its host process,
 * and jumps to each byte of them with hostile registers.  It must never
 * reach memory that its space does not map.
 */
#include "foreign.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

GUEST_ONE(x_syscall);
GUEST(x_scribble);
GUEST(x_fill);
GUEST(x_spoil);
GUEST(p_store_all);
GUEST(c_calls);
GUEST(c_spin);

/* ---- what there is ----------------------------------------------------- */

static void only_the_backends_own_pages(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	uint64_t total = 0;

	foreign_begin(r, &f);
	for (size_t i = 0; i < f.nmaps; i++) {
		const struct procs_map *m = &f.maps[i];

		total += m->end - m->start;
		rig_say("foreign: %llx-%llx %s %s",
		    (unsigned long long)m->start, (unsigned long long)m->end,
		    m->perms, m->path);
		/* No page is writable and executable, none is the owner's. */
		assert_false(m->perms[1] == 'w' && m->perms[2] == 'x');
		assert_int_not_equal(strcmp(m->path, "[heap]"), 0);
		assert_int_not_equal(strcmp(m->path, "[stack]"), 0);
		assert_int_not_equal(strcmp(m->path, "[vdso]"), 0);
		assert_int_not_equal(strcmp(m->path, "[vvar]"), 0);
		assert_null(strstr(m->path, ".so"));
	}
	assert_true(total <= 1024 * 1024);
}

/* Of the machine's memory only: what else would be within a guest's reach. */
static void no_other_descriptors(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	rig_say("%u descriptors", (unsigned)procs_fds(f.pid));
	assert_int_equal(procs_fds_but(f.pid, r->fd), 0);
}

/* Whatever the guest can read there, it is no secret of owner or machine. */
static void foreign_pages_hold_no_secret(void **state)
{
	static uint8_t page[VMMCTL_PAGE_SIZE];
	volatile uint64_t on_stack[64];
	uint64_t *on_heap;
	struct rig *r = *state;
	struct foreign f;
	unsigned readable = 0;

	foreign_begin(r, &f);
	on_heap = malloc(PAGE);
	assert_non_null(on_heap);
	for (unsigned i = 0; i < 64; i++)
		on_stack[i] = on_heap[i] = SECRET;
	for (size_t i = 0; i < f.nmaps; i++) {
		for (uint64_t at = f.maps[i].start; at < f.maps[i].end;
		    at += PAGE) {
			if (!guest_reads(r, at, page, PAGE))
				continue;
			readable++;
			for (size_t k = 0; k < PAGE; k += 8)
				assert_memory_not_equal(page + k,
				    &(uint64_t){ on_stack[k % 64] }, 8);
		}
	}
	rig_say("%u foreign pages are readable", readable);
	if (r->info.caps & VMMCTL_CAP_HIDDEN)
		assert_int_equal(readable, 0);
	free(on_heap);
	expect_nothing(r, &f);
}

static uint64_t reads_up_to(const uint8_t *page, uint64_t value, uint64_t len)
{
	uint64_t word, found = 0;

	for (uint64_t k = 0; k < PAGE; k += 8) {
		memcpy(&word, page + k, 8);
		found += word - value < len;
	}
	return found;
}

/* A process that was another space's before says nothing of that. */
static void nothing_is_left_of_another_guest(void **state)
{
	static uint8_t page[VMMCTL_PAGE_SIZE];
	struct rig *r = *state;
	const uint64_t strange = SPARE + (0x5ec2ull << 24);
	struct vmmctl_space *old = rig_space(r);
	struct vmmctl_context *c = rig_context(r, old);
	struct vmmctl_exit x;
	struct foreign f;

	foreign_begin(r, &f);
	expect_rc(r, vmmctl_space_map(old, strange, PAGE, FREE_GPA,
	    VMMCTL_PROT_RX), 0);
	rig_regs(vmmctl_context_regs(c));
	vmmctl_context_regs(c)->rip = strange + 4 * PAGE;
	rig_run_on(r, r->cpu, c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_FAULT);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(old), 0);

	r->s = rig_space(r);
	expect_rc(r, vmmctl_context_set_space(r->c, r->s), 0);
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	foreign_find(r, &f);
	for (size_t i = 0; i < f.nmaps; i++)
		for (uint64_t at = f.maps[i].start; at < f.maps[i].end;
		    at += PAGE)
			if (guest_reads(r, at, page, PAGE))
				assert_int_equal(reads_up_to(page, strange,
				    8 * PAGE), 0);
	expect_nothing(r, &f);
}

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

static void scribbling_over_another_vcpu(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 2000, 200, 300);
	const uint64_t end = now_ns() + 2000000000u;
	struct vmmctl_space *other = rig_space(r);
	struct vmmctl_context *safe = rig_context(r, other);
	struct foreign f;
	static struct runner t;
	uint64_t kinds[VMMCTL_EXIT_FAILED + 1] = { 0 }, i;

	foreign_begin(r, &f);
	foreign_second(r, &f, &t);
	start_on_foreign(&t, r, &f, BLOB(x_scribble));
	/* It has been everywhere once. */
	wait_change((volatile uint64_t *)(void *)rig_gpa(r, DATA_GPA +
	    0xf008), 0);
	for (i = 0; i < rounds && now_ns() < end; i++) {
		struct vmmctl_exit x;

		rig_regs(r->regs);
		attempt(r);
		kinds[r->x.kind]++;
		/* The neighbour notices nothing. */
		if (i % 16 == 0) {
			rig_regs(vmmctl_context_regs(safe));
			rig_run_on(r, r->cpu, safe, &x);
			assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
		}
	}
	runner_stop(&t);
	rig_say("%llu runs: %llu SYSCALL, %llu FAILED, %llu out of time",
	    (unsigned long long)i,
	    (unsigned long long)kinds[VMMCTL_EXIT_SYSCALL],
	    (unsigned long long)kinds[VMMCTL_EXIT_FAILED],
	    (unsigned long long)kinds[VMMCTL_EXIT_BUDGET]);
	/* In peace, and after at most one more failure, all is well. */
	rig_regs(r->regs);
	attempt(r);
	if (r->x.kind == VMMCTL_EXIT_FAILED)
		attempt(r);
	expect_nothing(r, &f);
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

/* ---- one vCPU's own foreign pages -------------------------------------- */

static void writing_to_foreign_pages(void **state)
{
	static const uint64_t values[] = { 0, ~0ull, 0x4141414141414141,
	    0x7ff800200000, DATA, 0x2b, 1 };
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < f.nmaps; i++) {
		const struct procs_map *m = &f.maps[i];

		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]);
		    v++) {
			rig_load(r, BLOB(x_fill));
			r->regs->r9 = m->start;
			r->regs->r8 = (m->end - m->start) / 8;
			r->regs->r15 = values[v];
			attempt(r);
			if (m->perms[1] != 'w')
				expect_fault(r, m->start, VMMCTL_PROT_WRITE,
				    0);
			else if (r->x.kind != VMMCTL_EXIT_FAILED)
				expect_syscall(r);
			expect_nothing(r, &f);
		}
	}
}

static void stack_pointer_in_foreign_pages(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < f.nmaps; i++) {
		const struct procs_map *m = &f.maps[i];

		for (uint64_t at = m->start; at <= m->end; at += 0x200) {
			rig_load(r, BLOB(c_calls));
			r->regs->rsp = at;
			rig_run(r);
			expect_syscall(r);
			assert_int_equal(r->regs->rsp, at);
			r->regs->rip = LOOT;
			rig_run(r);
			expect_fault(r, LOOT, VMMCTL_PROT_EXEC, 0);
			assert_int_equal(r->regs->rsp, at);
		}
	}
	expect_nothing(r, &f);
}

/* ---- what the next guest finds ------------------------------------------ */

#define XSTATE_BV	512
#define YMM_HIGH	576
#define AVX		4ull

/*
 * A guest of another space spoils what it can write and has the owner notified
 * as it is, so that the host does not write it anew; then it is gone.
 */
static void spoil(struct rig *r, const struct foreign *f, uint64_t place,
    uint64_t junk)
{
	struct blob b = BLOB(x_spoil);
	struct vmmctl_space *s = rig_space(r);
	struct vmmctl_context *c = rig_context(r, s);
	struct vmmctl_regs *regs = vmmctl_context_regs(c);
	struct vmmctl_exit x;

	memcpy(rig_gpa(r, CODE_GPA), b.start, (size_t)(b.end - b.start));
	for (size_t i = 0; i < f->nmaps; i++) {
		if (f->maps[i].perms[1] != 'w')
			continue;
		regs->r9 = f->maps[i].start;
		regs->r8 = (f->maps[i].end - f->maps[i].start) / 8;
	}
	regs->r15 = junk;
	regs->rbx = place;
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 5000000, 0), 0);
	assert_int_equal(rig_enter(r->cpu, c, &x), 0);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(s), 0);
}

/* A new space and context: the upper halves of its YMM registers are its. */
static void expect_ymm(struct rig *r, uint8_t seed)
{
	struct vmmctl_space *s = rig_space(r);
	struct vmmctl_context *c = rig_context(r, s);
	uint8_t *area = calloc(1, r->info.xsave_size);
	uint8_t *seen = rig_gpa(r, DATA_GPA);
	struct vmmctl_exit x;

	assert_non_null(area);
	expect_rc(r, vmmctl_context_get_xsave(c, area, r->info.xsave_size),
	    0);
	area[XSTATE_BV] |= 7;
	for (unsigned i = 0; i < 256; i++) {
		area[160 + i] = (uint8_t)(seed + i);
		area[YMM_HIGH + i] = (uint8_t)(seed ^ i);
	}
	expect_rc(r, vmmctl_context_set_xsave(c, area, r->info.xsave_size),
	    0);
	rig_load(r, BLOB(p_store_all));
	memset(seen, 0, PAGE);
	vmmctl_context_regs(c)->rbx = DATA;
	rig_run_on(r, r->cpu, c, &x);
	assert_int_equal(x.kind, VMMCTL_EXIT_SYSCALL);
	assert_memory_equal(seen + 160, area + 160, 256);
	assert_memory_equal(seen + YMM_HIGH, area + YMM_HIGH, 256);
	vmmctl_context_destroy(c);
	expect_rc(r, vmmctl_space_destroy(s), 0);
	free(area);
}

static void extended_state_after_a_spoilt_frame(void **state)
{
	static const uint64_t junk[] = { 0, ~0ull, 0x4141414141414141 };
	struct rig *r = *state;
	struct foreign f;
	pid_t pids[16], last[16] = { 0 };
	unsigned reused = 0;

	if ((r->info.xsave_mask & AVX) == 0)
		rig_skip(r, "no AVX in a context");
	foreign_begin(r, &f);
	for (size_t i = 0; i < 3 * f.nsyscalls; i++) {
		memset(pids, 0, sizeof(pids));
		spoil(r, &f, f.syscalls[i / 3], junk[i % 3]);
		expect_ymm(r, (uint8_t)i);
		assert_in_range(procs_with_file(r->fd, pids, 16), 1, 16);
		reused += memcmp(pids, last, sizeof(last)) == 0;
		memcpy(last, pids, sizeof(last));
	}
	expect_nothing(r, &f);
	rig_say("%u of %u processes were used again", reused,
	    (unsigned)(3 * f.nsyscalls));
	assert_true(f.nsyscalls == 0 || reused > 0);
}

/* ---- signals ------------------------------------------------------------ */

enum way { BY_KICK, BY_BUDGET, BY_CHANGE, BY_SIGNAL, BY_SIGNALS };

static void nothing(int sig)
{
	(void)sig;
}

/*
 * The guest returns from a signal that never was, with all signals blocked:
 * what the owner sends does not reach it.  It must come out all the same.
 */
static void come_out(struct rig *r, uint64_t from, enum way way)
{
	static struct runner t;
	struct signal_frame f = { .stack_flags = 2, .sigmask = ~0ull };
	uint64_t start, ms;

	/* The frame's page is to be there: it is not the guest that reads. */
	assert_true(guest_reads(r, RSP, (uint8_t[8]){ 0 }, 8));
	rig_load(r, BLOB(c_spin));
	f.gregs[15] = RSP;
	f.gregs[16] = CODE;
	f.gregs[17] = RFLAGS;
	f.gregs[18] = 0x002b000000000033;
	memcpy(rig_gpa(r, STACK_GPA + RSP - STACK), &f, sizeof(f));
	r->regs->rax = 15;
	r->regs->rip = from;
	if (way == BY_BUDGET)
		expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 20000000, 0), 0);
	runner_init(&t, r, r->cpu, r->c);
	start = now_ns();
	runner_start(&t);
	sleep_us(20000);
	if (way == BY_KICK)
		vmmctl_vcpu_kick(r->cpu);
	else if (way == BY_CHANGE)
		rig_unmap(r, CODE, REGION);
	else if (way == BY_SIGNAL)
		pthread_kill(t.thread, SIGUSR2);
	/* As those of a clock. */
	for (; way == BY_SIGNALS && !t.done; sleep_us(100000))
		pthread_kill(t.thread, SIGUSR2);
	runner_join(&t);
	ms = (now_ns() - start) / 1000000;
	if (ms > 1000)
		rig_say("way %u: the guest came out after %llu ms", way,
		    (unsigned long long)ms);
	assert_true(ms < 10000);
	if (way == BY_CHANGE)
		expect_rc(r, vmmctl_space_map(r->s, CODE, REGION, CODE_GPA,
		    VMMCTL_PROT_RX), 0);
	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 0, 0), 0);
	/* A kick that came too late for that run. */
	rig_load(r, BLOB(x_syscall));
	attempt(r);
	if (r->x.kind == VMMCTL_EXIT_KICKED)
		attempt(r);
	expect_syscall(r);
}

static void with_all_signals_blocked(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	signal(SIGUSR2, nothing);
	/* Two of them are for returns from signals, and come one by one. */
	for (size_t s = 0; s < f.nsyscalls; s++) {
		come_out(r, f.syscalls[s], s % 2 == 0 ? BY_KICK : BY_CHANGE);
		come_out(r, f.syscalls[s], s % 2 == 0 ? BY_SIGNAL : BY_BUDGET);
		come_out(r, f.syscalls[s], BY_SIGNALS);
	}
	expect_nothing(r, &f);
}

/* ---- the process is hit from outside ----------------------------------- */

static void killed_from_outside(void **state)
{
	static const int sigs[] = { SIGKILL, SIGTERM, SIGUSR1, SIGSEGV,
	    SIGSYS, SIGTRAP, SIGILL, SIGALRM };
	struct rig *r = *state;
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		unsigned runs = 0;

		rig_load(r, BLOB(x_syscall));
		rig_run(r);
		expect_syscall(r);
		foreign_find(r, &f);
		kill(f.pid, sigs[i]);
		sleep_us(2000);
		do {
			rig_regs(r->regs);
			attempt(r);
		} while (r->x.kind != VMMCTL_EXIT_SYSCALL && ++runs < 3);
		expect_syscall(r);
		if (runs > 0)
			rig_say("signal %d: %u runs did not get through",
			    sigs[i], runs);
	}
}

/* Nobody has noticed yet when a vCPU comes that had no place there. */
static void killed_before_another_vcpu_comes(void **state)
{
	struct rig *r = *state;
	struct vmmctl_vcpu *third;
	struct foreign f;
	static struct runner t;

	foreign_begin(r, &f);
	foreign_second(r, &f, &t);
	expect_rc(r, vmmctl_vcpu_create(r->m, &third), 0);
	kill(f.pid, SIGKILL);
	sleep_us(20000);
	rig_load(r, BLOB(x_syscall));
	rig_run_on(r, third, r->c, &r->x);
	expect_syscall(r);
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_backends_own_pages),
		TEST(no_other_descriptors),
		TEST(foreign_pages_hold_no_secret),
		TEST(nothing_is_left_of_another_guest),
		TEST(jump_to_every_byte),
		TEST(calls_from_the_backends_own_code),
		TEST(every_call_is_an_exit),
		TEST(uprobe_does_nothing),
		TEST(free_calls_have_their_places),
		TEST(calls_that_would_be_felt),
		TEST(calls_beside_another_vcpu),
		TEST(writing_to_foreign_pages),
		TEST(stack_pointer_in_foreign_pages),
		TEST(scribbling_over_another_vcpu),
		TEST(extended_state_after_a_spoilt_frame),
		TEST(with_all_signals_blocked),
		TEST(killed_from_outside),
		TEST(killed_before_another_vcpu_comes),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
