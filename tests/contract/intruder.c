// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hostile guests in a backend that keeps them in host processes.  /proc tells
 * which pages such a process has besides the guest's own: its *foreign*
 * pages.  The guest reads them, writes them, jumps to each byte of them with
 * hostile registers, and looks for secrets in them from a second vCPU.  It
 * must never reach memory that its space does not map.
 */
#include "procs.h"
#include "runner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

GUEST_ONE(x_syscall);
GUEST_ONE(x_load);
GUEST(x_copy);
GUEST(x_hunt);
GUEST(x_scribble);
GUEST(x_fill);
GUEST(c_calls);

/* Machine memory that the space does not map; what lies there. */
#define SECRET_GPA	(FREE_GPA + 64 * PAGE)
#define SECRET		0x5ec2e75ec2e75ec2ull
/* Where the guest tries to map it. */
#define LOOT		SPARE
#define TABLE_GPA	(FREE_GPA + 16 * PAGE)	/* 64 KiB, for x_hunt */
#define TABLE		0x30000000ull
#define MAPS		64

struct intruder {
	struct procs_map maps[MAPS];	/* foreign ones */
	size_t nmaps;
	pid_t pid;
	uint64_t code, code_len;	/* foreign code, up to its last byte */
	uint64_t syscalls[32];		/* addresses of its syscalls */
	size_t nsyscalls;
	char path[64];			/* of a file that must not be */
};

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static bool is_guests(uint64_t start)
{
	return (start >= CODE && start < CODE + REGION) ||
	    (start >= DATA && start < DATA + REGION) ||
	    (start >= STACK && start < STACK + REGION) ||
	    (start >= TABLE && start < TABLE + REGION);
}

/* The process that holds the rig's guest, and its foreign pages. */
static void find_foreign(struct rig *r, struct intruder *in)
{
	pid_t pids[64];
	size_t n = procs_below(getpid(), pids, 64);

	in->pid = 0;
	for (size_t i = 0; i < n && i < 64 && in->pid == 0; i++) {
		struct procs_map all[MAPS];
		size_t maps = procs_maps(pids[i], all, MAPS);
		bool holds = false;

		in->nmaps = 0;
		for (size_t k = 0; k < maps; k++) {
			if (is_guests(all[k].start))
				holds = true;
			else if (strcmp(all[k].path, "[vsyscall]") != 0)
				in->maps[in->nmaps++] = all[k];
		}
		if (holds)
			in->pid = pids[i];
	}
	if (in->pid == 0)
		rig_skip(r, "no process of the host holds this guest");
}

/* Reads len bytes at gva as the guest; false: it may not. */
static bool guest_reads(struct rig *r, uint64_t gva, void *buf, uint64_t len)
{
	for (uint64_t done = 0; done < len; done += PAGE) {
		uint64_t n = len - done < PAGE ? len - done : PAGE;

		rig_load(r, BLOB(x_copy));
		r->regs->rsi = gva + done;
		r->regs->rdi = DATA + 0x8000;
		r->regs->rcx = n / 8;
		rig_run(r);
		if (r->x.kind != VMMCTL_EXIT_SYSCALL)
			return false;
		memcpy((uint8_t *)buf + done, rig_gpa(r, DATA_GPA + 0x8000),
		    n);
	}
	return true;
}

static void find_code(struct rig *r, struct intruder *in)
{
	static uint8_t bytes[4 * VMMCTL_PAGE_SIZE];

	in->code_len = 0;
	in->nsyscalls = 0;
	for (size_t i = 0; i < in->nmaps; i++) {
		const struct procs_map *m = &in->maps[i];
		uint64_t len = m->end - m->start;

		if (m->perms[2] != 'x')
			continue;
		if (len > sizeof(bytes))
			len = sizeof(bytes);
		in->code = m->start;
		in->code_len = len;
		if (!guest_reads(r, m->start, bytes, len))
			continue;
		while (in->code_len > 0 && bytes[in->code_len - 1] == 0)
			in->code_len--;
		for (uint64_t k = 0; k + 1 < len && in->nsyscalls < 32; k++)
			if (bytes[k] == 0x0f && bytes[k + 1] == 0x05)
				in->syscalls[in->nsyscalls++] = in->code + k;
	}
}

static void begin(struct rig *r, struct intruder *in)
{
	uint64_t secret = SECRET;

	rig_untraced(r);
	signals = 0;
	signal(SIGUSR1, on_signal);
	snprintf(in->path, sizeof(in->path), "/tmp/vmmctl-intruder-%d",
	    (int)getpid());
	for (uint64_t i = 0; i < PAGE; i += 8)
		memcpy(rig_gpa(r, SECRET_GPA + i), &secret, 8);
	expect_rc(r, vmmctl_space_map(r->s, TABLE, REGION, TABLE_GPA,
	    VMMCTL_PROT_RW), 0);
	/* All of the space is loaded, so that it shows in /proc. */
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
	guest_reads(r, TABLE, (uint8_t[8]){ 0 }, 8);
	guest_reads(r, STACK, (uint8_t[8]){ 0 }, 8);
	find_foreign(r, in);
	find_code(r, in);
}

/* Run, as long as it may take; any exit will do. */
static void attempt(struct rig *r)
{
	int rc;

	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 50000000, 0), 0);
	rc = vmmctl_vcpu_run(r->cpu, r->c, &r->x);
	if (rc != 0) {
		char why[256] = "";

		vmmctl_error(r->v, why, sizeof(why));
		rig_say("a hostile guest makes run return %d: %s", rc, why);
	}
	assert_int_equal(rc, 0);
	assert_in_range(r->x.kind, VMMCTL_EXIT_SYSCALL, VMMCTL_EXIT_FAILED);
	vmmctl_vcpu_set_budget(r->cpu, 0, 0);
}

/* Nothing was gained, and the context runs with good registers. */
static void expect_nothing(struct rig *r, const struct intruder *in)
{
	rig_load(r, BLOB(x_load));
	r->regs->rbx = LOOT;
	rig_run(r);
	expect_fault(r, LOOT, VMMCTL_PROT_READ, 0);
	assert_int_equal(access(in->path, F_OK), -1);
	assert_int_equal(signals, 0);
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
}

/* Registers that are the arguments of many calls, and a forged ops page. */
static void hostile_registers(struct rig *r, const struct intruder *in,
    uint64_t nr)
{
	struct vmmctl_regs *g = r->regs;
	uint8_t *data = rig_gpa(r, DATA_GPA);
	const uint64_t map[] = { 9, LOOT, PAGE, 3, 0x11, 8,
	    SECRET_GPA - GPA };

	rig_regs(g);
	memset(data, 0, PAGE);
	memcpy(data, (const uint32_t[]){ 1, 1 }, 8);
	memcpy(data + 512, map, sizeof(map));
	memcpy(data + 0x700, in->path, sizeof(in->path));
	g->rax = nr;
	g->rbx = DATA;
	g->rbp = 1;
	g->r12 = DATA + 512;
	g->r13 = 0;
	g->r15 = 0;
	g->rdi = LOOT;
	g->rsi = PAGE;
	g->rdx = 3;
	g->r10 = 0x11;
	g->r8 = 8;
	g->r9 = SECRET_GPA - GPA;
	switch (nr) {
	case 10:	/* mprotect, munmap of the guest's own code */
	case 11:
		g->rdi = CODE;
		g->rdx = 7;
		break;
	case 62:	/* kill, tgkill */
	case 234:
		g->rdi = (uint64_t)getpid();
		g->rsi = nr == 62 ? SIGUSR1 : (uint64_t)getpid();
		g->rdx = SIGUSR1;
		break;
	case 85:
		g->rdi = DATA + 0x700;
		g->rsi = 0600;
		break;
	case 131:	/* sigaltstack */
	case 15:
		memcpy(data + 0x100, (const uint64_t[]){ DATA, 0, PAGE }, 24);
		g->rdi = DATA + 0x100;
		g->rsp = DATA + 0x200;
		break;
	case 110:
		g->rdi = 5;	/* as if a signal had come */
		break;
	default:
		break;
	}
}

/* ---- what there is ----------------------------------------------------- */

static void only_the_backends_own_pages(void **state)
{
	struct rig *r = *state;
	struct intruder in;
	uint64_t total = 0;

	begin(r, &in);
	for (size_t i = 0; i < in.nmaps; i++) {
		const struct procs_map *m = &in.maps[i];

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

/* Whatever the guest can read there, it is no secret of owner or machine. */
static void foreign_pages_hold_no_secret(void **state)
{
	static uint8_t page[VMMCTL_PAGE_SIZE];
	volatile uint64_t on_stack[64];
	uint64_t *on_heap = malloc(PAGE);
	struct rig *r = *state;
	struct intruder in;
	unsigned readable = 0;

	assert_non_null(on_heap);
	for (unsigned i = 0; i < 64; i++)
		on_stack[i] = on_heap[i] = SECRET;
	begin(r, &in);
	for (size_t i = 0; i < in.nmaps; i++) {
		for (uint64_t at = in.maps[i].start; at < in.maps[i].end;
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
	expect_nothing(r, &in);
}

/* ---- jumps ------------------------------------------------------------- */

static void jump_to_every_byte(void **state)
{
	static const uint64_t numbers[] = { 9, 110 };
	struct rig *r = *state;
	struct intruder in;
	uint64_t failed = 0, jumps = 0;

	begin(r, &in);
	for (uint64_t at = 0; at < in.code_len + 16; at++) {
		for (size_t i = 0; i < 2; i++) {
			hostile_registers(r, &in, numbers[i]);
			r->regs->rip = in.code + at;
			for (unsigned runs = 0; runs < 3; runs++) {
				attempt(r);
				jumps++;
				failed += r->x.kind == VMMCTL_EXIT_FAILED;
				if (r->x.kind == VMMCTL_EXIT_FAILED)
					break;
			}
			expect_nothing(r, &in);
		}
	}
	rig_say("%llu runs from %llu bytes of code, %llu FAILED",
	    (unsigned long long)jumps, (unsigned long long)in.code_len,
	    (unsigned long long)failed);
}

static void calls_from_the_backends_own_code(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 2, 3, 9, 10, 11, 13, 14, 15,
	    25, 39, 45, 46, 47, 56, 57, 58, 59, 60, 62, 85, 101, 110, 131,
	    157, 158, 186, 202, 231, 234, 297, 310, 311, 317, 322, 424, 435,
	    438, 448, ~0ull, 0x40000000 + 9 };
	struct rig *r = *state;
	struct intruder in;

	begin(r, &in);
	if (in.nsyscalls == 0)
		rig_skip(r, "no syscall instruction is readable there");
	for (size_t s = 0; s < in.nsyscalls; s++) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]);
		    i++) {
			hostile_registers(r, &in, numbers[i]);
			r->regs->rip = in.syscalls[s];
			attempt(r);
			if (r->x.kind != VMMCTL_EXIT_FAILED)
				attempt(r);
			expect_nothing(r, &in);
		}
	}
	rig_say("%u syscall instructions, %u numbers each",
	    (unsigned)in.nsyscalls,
	    (unsigned)(sizeof(numbers) / sizeof(numbers[0])));
}

/* ---- keys -------------------------------------------------------------- */

/*
 * value may be what the backend's own code proves itself with: use it, in
 * each way that a call has room for it.
 */
static void try_key(struct rig *r, const struct intruder *in, uint64_t value)
{
	for (size_t s = 0; s < in->nsyscalls; s++) {
		hostile_registers(r, in, 9);
		r->regs->r10 |= value << 32;
		r->regs->r8 |= value >> 32 << 32;
		r->regs->r15 = value;
		r->regs->rip = in->syscalls[s];
		attempt(r);
		rig_load(r, BLOB(x_load));
		r->regs->rbx = LOOT;
		rig_run(r);
		if (r->x.kind != VMMCTL_EXIT_FAULT || r->x.present)
			rig_say("with %#llx the guest has mapped what it "
			    "may not", (unsigned long long)value);
		expect_fault(r, LOOT, VMMCTL_PROT_READ, 0);
	}
}

/* A value that the test put there itself, or that is an address or small. */
static bool is_known(const struct intruder *in, uint64_t value)
{
	if (value < 0x100000000 || value >> 48 == 0xa500 || value == ~0ull)
		return true;
	for (size_t i = 0; i < in->nmaps; i++)
		if (value >= in->maps[i].start && value <= in->maps[i].end)
			return true;
	return false;
}

static void try_registers_as_keys(struct rig *r, const struct intruder *in,
    unsigned *tried)
{
	const struct vmmctl_regs now = *r->regs;
	const uint64_t *g = &now.rax;

	for (unsigned i = 0; i < 20; i++) {
		if (is_known(in, g[i]))
			continue;
		try_key(r, in, g[i]);
		++*tried;
	}
	*r->regs = now;
}

/*
 * With TF set in the backend's own code every instruction traps: what do its
 * registers hold?
 */
static void single_stepping_the_backend(void **state)
{
	struct rig *r = *state;
	struct intruder in;
	unsigned steps = 0, tried = 0;

	begin(r, &in);
	for (uint64_t at = 0; at < in.code_len; at++) {
		hostile_registers(r, &in, 110);
		r->regs->rip = in.code + at;
		r->regs->rflags |= TF;
		for (unsigned n = 0; n < 24; n++) {
			attempt(r);
			steps++;
			if (r->x.kind == VMMCTL_EXIT_FAILED)
				break;
			if (tried < 400)
				try_registers_as_keys(r, &in, &tried);
			r->regs->rflags |= TF;
		}
		expect_nothing(r, &in);
	}
	rig_say("%u steps, %u values tried as keys", steps, tried);
}

/* Through the guest's own handler, where the caller sees nothing of it. */
static void single_stepping_with_a_handler(void **state)
{
	struct rig *r = *state;
	struct intruder in;
	unsigned tried = 0;

	begin(r, &in);
	expect_rc(r, vmmctl_context_set_handler(r->c, CODE + 0x100,
	    STACK + 0x2000), 0);
	for (uint64_t at = 0; at < in.code_len; at++) {
		hostile_registers(r, &in, 110);
		memcpy(rig_gpa(r, CODE_GPA + 0x100), "\x0f\x05", 2);
		r->regs->rip = in.code + at;
		r->regs->rflags |= TF;
		expect_rc(r, vmmctl_context_set_policy(r->c, 1,
		    VMMCTL_POLICY_REFLECT), 0);
		for (unsigned n = 0; n < 8; n++) {
			attempt(r);
			if (r->x.kind == VMMCTL_EXIT_FAILED)
				break;
			if (tried < 200)
				try_registers_as_keys(r, &in, &tried);
		}
		expect_rc(r, vmmctl_context_set_policy(r->c, 1,
		    VMMCTL_POLICY_EXIT), 0);
		expect_nothing(r, &in);
	}
	rig_say("%u values tried as keys", tried);
}

/* ---- a second vCPU ----------------------------------------------------- */

static bool always(struct runner *t)
{
	(void)t;
	return !atomic_load((_Atomic bool *)t->cookie);
}

/* Starts a guest on a vCPU of its own that works on the foreign pages. */
static void start_on_foreign(struct runner *t, struct rig *r,
    const struct intruder *in, struct blob b, _Atomic bool *stop)
{
	struct vmmctl_regs *regs;
	const struct procs_map *m = NULL;

	for (size_t i = 0; i < in->nmaps; i++)
		if (in->maps[i].perms[1] == 'w')
			m = &in->maps[i];
	if (m == NULL)
		rig_skip(r, "no foreign page is writable");
	runner_init(t, r, NULL, NULL);
	t->on_exit = always;
	t->cookie = stop;
	memcpy(rig_gpa(r, CODE_GPA + 0x4000), b.start,
	    (size_t)(b.end - b.start));
	regs = vmmctl_context_regs(t->c);
	regs->rip = CODE + 0x4000;
	regs->rbx = DATA + 0xf000;
	regs->r9 = m->start;
	/* Behind it lie the frames of threads that are yet to come. */
	regs->r8 = (m->end - m->start) / 8;
	regs->r10 = TABLE;
	runner_start(t);
}

static void stop(struct runner *t, _Atomic bool *flag)
{
	*flag = true;
	for (unsigned i = 0; i < 2000 && !t->done; i++) {
		vmmctl_vcpu_kick(t->cpu);
		sleep_us(1000);
	}
	pthread_join(t->thread, NULL);
}

static void looking_at_another_vcpu(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 200, 20, 300);
	uint64_t table[8192];
	_Atomic bool flag = false;
	struct intruder in;
	struct runner t;
	unsigned tried = 0;
	volatile uint64_t *passes;

	begin(r, &in);
	/* Two vCPUs in the space first: its process is the final one. */
	runner_init(&t, r, NULL, NULL);
	rig_load(r, BLOB(x_syscall));
	runner_start(&t);
	runner_join(&t);
	rig_run(r);
	find_foreign(r, &in);
	find_code(r, &in);
	start_on_foreign(&t, r, &in, BLOB(x_hunt), &flag);
	passes = (volatile uint64_t *)(void *)rig_gpa(r,
	    DATA_GPA + 0xf000 + 8);
	wait_change(passes, 0);
	for (uint64_t i = 0; i < rounds; i++) {
		struct vmmctl_vcpu *cpu;
		struct vmmctl_context *c = rig_context(r, r->s);
		struct vmmctl_regs *regs = vmmctl_context_regs(c);
		struct vmmctl_exit x;

		/* A vCPU that comes, calls, steps through foreign code. */
		expect_rc(r, vmmctl_vcpu_create(r->m, &cpu), 0);
		hostile_registers(r, &in, 110);
		*regs = *r->regs;
		regs->rip = i % 2 == 0 || in.nsyscalls == 0 ? CODE :
		    in.syscalls[i / 2 % in.nsyscalls];
		if (i % 4 != 0)
			regs->rflags |= TF;
		for (unsigned n = 0; n < 4; n++)
			assert_int_equal(vmmctl_vcpu_run(cpu, c, &x), 0);
		vmmctl_context_destroy(c);
		vmmctl_vcpu_destroy(cpu);
	}
	stop(&t, &flag);
	rig_say("%llu passes over the other vCPUs' pages in %llu rounds",
	    (unsigned long long)*passes, (unsigned long long)rounds);
	memcpy(table, rig_gpa(r, TABLE_GPA), sizeof(table));
	for (size_t i = 0; i < 8192; i++) {
		if (is_known(&in, table[i]) || tried == 1000)
			continue;
		try_key(r, &in, table[i]);
		tried++;
	}
	rig_say("%u values found there and tried as keys", tried);
	expect_nothing(r, &in);
}

static void scribbling_over_another_vcpu(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 2000, 200, 300);
	struct vmmctl_space *other = rig_space(r);
	struct vmmctl_context *safe = rig_context(r, other);
	_Atomic bool flag = false;
	struct intruder in;
	struct runner t;
	uint64_t kinds[VMMCTL_EXIT_FAILED + 1] = { 0 };

	begin(r, &in);
	runner_init(&t, r, NULL, NULL);
	rig_load(r, BLOB(x_syscall));
	runner_start(&t);
	runner_join(&t);
	rig_run(r);
	find_foreign(r, &in);
	start_on_foreign(&t, r, &in, BLOB(x_scribble), &flag);
	for (uint64_t i = 0; i < rounds; i++) {
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
	stop(&t, &flag);
	rig_say("%llu runs: %llu SYSCALL, %llu FAILED, %llu out of time",
	    (unsigned long long)rounds,
	    (unsigned long long)kinds[VMMCTL_EXIT_SYSCALL],
	    (unsigned long long)kinds[VMMCTL_EXIT_FAILED],
	    (unsigned long long)kinds[VMMCTL_EXIT_BUDGET]);
	/* In peace, and after at most one more failure, all is well. */
	rig_regs(r->regs);
	attempt(r);
	if (r->x.kind == VMMCTL_EXIT_FAILED)
		attempt(r);
	expect_nothing(r, &in);
}

/* ---- one vCPU's own foreign pages -------------------------------------- */

static void writing_to_foreign_pages(void **state)
{
	static const uint64_t values[] = { 0, ~0ull, 0x4141414141414141,
	    0x7ff800200000, DATA, 0x2b, 1 };
	struct rig *r = *state;
	struct intruder in;

	begin(r, &in);
	for (size_t i = 0; i < in.nmaps; i++) {
		const struct procs_map *m = &in.maps[i];

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
			expect_nothing(r, &in);
		}
	}
}

static void stack_pointer_in_foreign_pages(void **state)
{
	struct rig *r = *state;
	struct intruder in;

	begin(r, &in);
	for (size_t i = 0; i < in.nmaps; i++) {
		const struct procs_map *m = &in.maps[i];

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
	expect_nothing(r, &in);
}

/* ---- the process is hit from outside ----------------------------------- */

static void killed_from_outside(void **state)
{
	static const int sigs[] = { SIGKILL, SIGTERM, SIGUSR1, SIGSEGV,
	    SIGSYS, SIGTRAP, SIGILL, SIGALRM };
	struct rig *r = *state;
	struct intruder in;

	begin(r, &in);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		unsigned runs = 0;

		rig_load(r, BLOB(x_syscall));
		rig_run(r);
		expect_syscall(r);
		find_foreign(r, &in);
		kill(in.pid, sigs[i]);
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_backends_own_pages),
		TEST(foreign_pages_hold_no_secret),
		TEST(jump_to_every_byte),
		TEST(calls_from_the_backends_own_code),
		TEST(single_stepping_the_backend),
		TEST(single_stepping_with_a_handler),
		TEST(looking_at_another_vcpu),
		TEST(scribbling_over_another_vcpu),
		TEST(writing_to_foreign_pages),
		TEST(stack_pointer_in_foreign_pages),
		TEST(killed_from_outside),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
