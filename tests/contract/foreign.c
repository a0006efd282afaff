// SPDX-License-Identifier: BSD-2-Clause
/*
 * Foreign pages: finding them, and the means of a guest that attacks them.
 */
#include "foreign.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

GUEST_ONE(x_syscall);
GUEST_ONE(x_load);
GUEST(x_copy);

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
static void find_pages(struct rig *r, struct foreign *f)
{
	pid_t pids[64];
	size_t n = procs_with_file(r->fd, pids, 64);

	f->pid = 0;
	for (size_t i = 0; i < n && i < 64 && f->pid == 0; i++) {
		struct procs_map all[MAPS];
		size_t maps = procs_maps(pids[i], all, MAPS);
		bool holds = false;

		f->nmaps = 0;
		for (size_t k = 0; k < maps; k++) {
			if (is_guests(all[k].start))
				holds = true;
			else if (strcmp(all[k].path, "[vsyscall]") != 0)
				f->maps[f->nmaps++] = all[k];
		}
		if (holds)
			f->pid = pids[i];
	}
	if (f->pid == 0)
		rig_skip(r, "no process of the host holds this guest");
}

/* Reads len bytes at gva as the guest; false: it may not. */
bool guest_reads(struct rig *r, uint64_t gva, void *buf, uint64_t len)
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

static void find_code(struct rig *r, struct foreign *f)
{
	static uint8_t bytes[4 * VMMCTL_PAGE_SIZE];

	f->code_len = 0;
	f->nsyscalls = 0;
	for (size_t i = 0; i < f->nmaps; i++) {
		const struct procs_map *m = &f->maps[i];
		uint64_t len = m->end - m->start;

		if (m->perms[2] != 'x')
			continue;
		if (len > sizeof(bytes))
			len = sizeof(bytes);
		f->code = m->start;
		f->code_len = len;
		if (!guest_reads(r, m->start, bytes, len))
			continue;
		while (f->code_len > 0 && bytes[f->code_len - 1] == 0)
			f->code_len--;
		for (uint64_t k = 0; k + 1 < len && f->nsyscalls < 32; k++)
			if (bytes[k] == 0x0f && bytes[k + 1] == 0x05)
				f->syscalls[f->nsyscalls++] = f->code + k;
	}
}

void foreign_find(struct rig *r, struct foreign *f)
{
	find_pages(r, f);
	find_code(r, f);
	rig_load(r, BLOB(x_syscall));
}

/* All of the space is in the process, so that it shows in /proc. */
static void load_all(struct rig *r)
{
	static const uint64_t regions[] = { DATA, TABLE, STACK };

	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
	for (size_t i = 0; i < 3; i++)
		assert_true(guest_reads(r, regions[i], (uint8_t[8]){ 0 }, 8));
}

void foreign_begin(struct rig *r, struct foreign *f)
{
	uint64_t secret = SECRET;

	rig_untraced(r);
	signals = 0;
	signal(SIGUSR1, on_signal);
	snprintf(f->path, sizeof(f->path), "/tmp/vmmctl-intruder-%d",
	    (int)getpid());
	for (uint64_t i = 0; i < PAGE; i += 8)
		memcpy(rig_gpa(r, SECRET_GPA + i), &secret, 8);
	expect_rc(r, vmmctl_space_map(r->s, TABLE, REGION, TABLE_GPA,
	    VMMCTL_PROT_RW), 0);
	load_all(r);
	foreign_find(r, f);
}

void foreign_second(struct rig *r, struct foreign *f, struct runner *t)
{
	rig_load(r, BLOB(x_syscall));
	runner_init(t, r, NULL, NULL);
	runner_start(t);
	runner_join(t);
	load_all(r);
	foreign_find(r, f);
}

/* Run, as long as it may take; any exit will do. */
void attempt(struct rig *r)
{
	int rc;

	expect_rc(r, vmmctl_vcpu_set_budget(r->cpu, 50000000, 0), 0);
	rc = rig_enter(r->cpu, r->c, &r->x);
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
void expect_nothing(struct rig *r, const struct foreign *f)
{
	rig_load(r, BLOB(x_load));
	r->regs->rbx = LOOT;
	rig_run(r);
	expect_fault(r, LOOT, VMMCTL_PROT_READ, 0);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(signals, 0);
	rig_load(r, BLOB(x_syscall));
	rig_run(r);
	expect_syscall(r);
}

/* Registers that are the arguments of many calls, and a forged ops page. */
void hostile_registers(struct rig *r, const struct foreign *f,
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
	memcpy(data + 0x700, f->path, sizeof(f->path));
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

/*
 * value may be what the backend's own code proves itself with: use it, in
 * each way that a call has room for it.
 */
void try_key(struct rig *r, const struct foreign *f, uint64_t value)
{
	for (size_t s = 0; s < f->nsyscalls; s++) {
		hostile_registers(r, f, 9);
		r->regs->r10 |= value << 32;
		r->regs->r8 |= value >> 32 << 32;
		r->regs->r15 = value;
		r->regs->rip = f->syscalls[s];
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
bool is_known(const struct foreign *f, uint64_t value)
{
	if (value < 0x100000000 || value >> 48 == 0xa500 || value == ~0ull)
		return true;
	for (size_t i = 0; i < f->nmaps; i++)
		if (value >= f->maps[i].start && value <= f->maps[i].end)
			return true;
	return false;
}

static bool always(struct runner *t)
{
	(void)t;
	return true;
}

void start_on_foreign(struct runner *t, struct rig *r,
    const struct foreign *f, struct blob b)
{
	struct vmmctl_regs *regs = vmmctl_context_regs(t->c);
	uint64_t start = 0, end = 0;

	/* A page or more for each vCPU that there may be, in one piece. */
	for (size_t i = 0; i < f->nmaps; i++) {
		if (f->maps[i].perms[1] != 'w')
			continue;
		if (start == 0)
			start = end = f->maps[i].start;
		assert_int_equal(f->maps[i].start, end);
		end = f->maps[i].end;
	}
	if (start == 0)
		rig_skip(r, "no foreign page is writable");
	t->on_exit = always;
	memcpy(rig_gpa(r, CODE_GPA + 0x4000), b.start,
	    (size_t)(b.end - b.start));
	rig_regs(regs);
	regs->rip = CODE + 0x4000;
	regs->rbx = DATA + 0xf000;
	regs->r9 = start;
	regs->r8 = (end - start) / 8;
	regs->r10 = TABLE;
	runner_start(t);
}
