// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hostile guest looks for what the backend's own code proves itself with:
 * in its registers, step by step, in its pages, from a second vCPU, and by a
 * forged return; and what it could do if it knew it, or nearly so.
 */
#include "foreign.h"
#include "inside.h"

#include <signal.h>
#include <string.h>

GUEST_ONE(x_syscall);
GUEST(x_hunt);
GUEST_ONE(x_load);
GUEST(x_copy);

static void try_registers_as_keys(struct rig *r, const struct foreign *f,
    unsigned *tried)
{
	const struct vmmctl_regs now = *r->regs;
	const uint64_t *g = &now.rax;

	for (unsigned i = 0; i < 20; i++) {
		if (is_known(f, g[i]))
			continue;
		try_key(r, f, g[i]);
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
	struct foreign f;
	unsigned steps = 0, tried = 0;

	foreign_begin(r, &f);
	for (uint64_t at = 0; at < f.code_len; at++) {
		hostile_registers(r, &f, 110);
		r->regs->rip = f.code + at;
		r->regs->rflags |= TF;
		for (unsigned n = 0; n < 24; n++) {
			attempt(r);
			steps++;
			if (r->x.kind == VMMCTL_EXIT_FAILED)
				break;
			if (tried < 400)
				try_registers_as_keys(r, &f, &tried);
			r->regs->rflags |= TF;
		}
		expect_nothing(r, &f);
	}
	rig_say("%u steps, %u values tried as keys", steps, tried);
}

/* Through the guest's own handler, where the caller sees nothing of it. */
static void single_stepping_with_a_handler(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	unsigned tried = 0;

	foreign_begin(r, &f);
	expect_rc(r, vmmctl_context_set_handler(r->c, CODE + 0x100,
	    STACK + 0x2000), 0);
	for (uint64_t at = 0; at < f.code_len; at++) {
		hostile_registers(r, &f, 110);
		memcpy(rig_gpa(r, CODE_GPA + 0x100), "\x0f\x05", 2);
		r->regs->rip = f.code + at;
		r->regs->rflags |= TF;
		expect_rc(r, vmmctl_context_set_policy(r->c, 1,
		    VMMCTL_POLICY_REFLECT), 0);
		for (unsigned n = 0; n < 8; n++) {
			attempt(r);
			if (r->x.kind == VMMCTL_EXIT_FAILED)
				break;
			if (tried < 200)
				try_registers_as_keys(r, &f, &tried);
		}
		expect_rc(r, vmmctl_context_set_policy(r->c, 1,
		    VMMCTL_POLICY_EXIT), 0);
		expect_nothing(r, &f);
	}
	rig_say("%u values tried as keys", tried);
}

static void looking_at_another_vcpu(void **state)
{
	struct rig *r = *state;
	const uint64_t rounds = rig_scale(r, 200, 20, 300);
	uint64_t table[8192];
	struct foreign f;
	static struct runner t;
	unsigned tried = 0;
	volatile uint64_t *passes;

	foreign_begin(r, &f);
	foreign_second(r, &f, &t);
	start_on_foreign(&t, r, &f, BLOB(x_hunt));
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
		hostile_registers(r, &f, 110);
		*regs = *r->regs;
		regs->rip = i % 2 == 0 || f.nsyscalls == 0 ? CODE :
		    f.syscalls[i / 2 % f.nsyscalls];
		if (i % 4 != 0)
			regs->rflags |= TF;
		for (unsigned n = 0; n < 4; n++)
			assert_int_equal(rig_enter(cpu, c, &x), 0);
		vmmctl_context_destroy(c);
		vmmctl_vcpu_destroy(cpu);
	}
	runner_stop(&t);
	rig_say("%llu passes over the other vCPUs' pages in %llu rounds",
	    (unsigned long long)*passes, (unsigned long long)rounds);
	memcpy(table, rig_gpa(r, TABLE_GPA), sizeof(table));
	for (size_t i = 0; i < 8192; i++) {
		if (is_known(&f, table[i]) || tried == 1000)
			continue;
		try_key(r, &f, table[i]);
		tried++;
	}
	rig_say("%u values found there and tried as keys", tried);
	expect_nothing(r, &f);
}

/* ---- a forged return ---------------------------------------------------- */

/* All in pages that are loaded whenever the guest has just run. */
#define FORGED		(DATA + 0x800)
#define COPY_TO		(DATA + 0xa00)
#define COPY_SIZE	0x400
#define COPIER		(CODE + 0x800)

/* Every word of the data that the backend's code may use: that address. */
static void forge(struct rig *r, uint64_t from)
{
	struct signal_frame f = { .stack_flags = 2 };
	struct blob b = BLOB(x_copy);
	uint64_t *data = (uint64_t *)(void *)rig_gpa(r, DATA_GPA);

	memcpy(rig_gpa(r, CODE_GPA + COPIER - CODE), b.start,
	    (size_t)(b.end - b.start));
	f.gregs[8] = COPY_TO;		/* rdi */
	f.gregs[9] = from;		/* rsi */
	f.gregs[14] = COPY_SIZE / 8;	/* rcx */
	f.gregs[15] = RSP;
	f.gregs[16] = COPIER;
	f.gregs[17] = RFLAGS;
	f.gregs[18] = 0x002b000000000033;
	memcpy(rig_gpa(r, DATA_GPA + FORGED - DATA), &f, sizeof(f));
	memset(rig_gpa(r, DATA_GPA + COPY_TO - DATA), 0, COPY_SIZE);
	for (size_t i = 1; i < 64; i++)
		data[i] = FORGED;
	((uint32_t *)data)[0] = 1;
	((uint32_t *)data)[1] = 1;
	memset(data + 64, 0, 512);
}

/*
 * The guest makes the backend's call for attention itself, from each place
 * where a syscall instruction is.  When it is answered while changes of the
 * space are due, the code behind that instruction runs on the guest's
 * registers: does it come back to guest code, and what is in the foreign
 * pages then?
 */
static void forged_return(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	unsigned tried = 0, copies = 0;

	foreign_begin(r, &f);
	for (size_t n = 0; n < f.nsyscalls * f.nmaps; n++) {
		const struct procs_map *m = &f.maps[n % f.nmaps];
		uint64_t copy[COPY_SIZE / 8];

		/* Loads the guest's pages, and one to be taken away. */
		assert_true(guest_reads(r, TABLE, copy, 8));
		assert_true(guest_reads(r, DATA, copy, 8));
		hostile_registers(r, &f, 110);
		forge(r, m->start);
		r->regs->rip = f.syscalls[n / f.nmaps];
		r->regs->rsp = FORGED;
		r->regs->rdi = 11;	/* SIGSEGV */
		attempt(r);
		/* The page is taken away: a change is due. */
		rig_unmap(r, TABLE, PAGE);
		if (r->x.kind != VMMCTL_EXIT_FAILED)
			attempt(r);
		rig_map(r, TABLE, TABLE_GPA, VMMCTL_PROT_RW);
		memcpy(copy, rig_gpa(r, DATA_GPA + COPY_TO - DATA),
		    COPY_SIZE);
		copies += r->regs->rsi == m->start + COPY_SIZE;
		for (size_t i = 0; i < COPY_SIZE / 8; i++) {
			if (is_known(&f, copy[i]) || copy[i] >> 56 == 0 ||
			    tried == 2000)
				continue;
			try_key(r, &f, copy[i]);
			tried++;
		}
		expect_nothing(r, &f);
	}
	rig_say("%u pages read in between, %u values tried as keys", copies,
	    tried);
}

/* ---- with the key known -------------------------------------------------- */

static void every_machine_has_its_own(void **state)
{
	struct rig *r = *state;
	uint64_t key = the_key(r), all = key, any = key;

	rig_untraced(r);
	for (unsigned i = 0; i < 8; i++) {
		struct vmmctl_machine *m;
		uint64_t other;

		expect_rc(r, vmmctl_machine_create(r->v, NULL, &m), 0);
		other = inside_key(r, m);
		assert_int_not_equal(other, key);
		all &= other;
		any |= other;
		vmmctl_machine_destroy(m);
	}
	/* Of nine numbers by chance hardly one bit is alike. */
	assert_in_range(__builtin_popcountll(all), 1, 16);
	assert_in_range(__builtin_popcountll(any), 48, 64);
}

/* All that takes the key, from a place that may make the call. */
static void call_with(struct rig *r, const struct foreign *f, size_t place,
    uint64_t nr, uint64_t key)
{
	hostile_registers(r, f, nr);
	if (nr == 9) {
		r->regs->r10 |= key << 32;
		r->regs->r8 |= key >> 32 << 32;
	} else {
		r->regs->r9 = key;
	}
	r->regs->rip = f->syscalls[place];
	attempt(r);
}

/* These tests know how: with the key the guest maps what it may not. */
static void the_key_opens(void **state)
{
	struct rig *r = *state;
	uint64_t key = the_key(r);
	struct foreign f;
	unsigned opened = 0;

	foreign_begin(r, &f);
	for (size_t s = 0; s < f.nsyscalls; s++) {
		call_with(r, &f, s, 9, key);
		rig_load(r, BLOB(x_load));
		r->regs->rbx = LOOT;
		attempt(r);
		if (r->x.kind != VMMCTL_EXIT_SYSCALL ||
		    r->regs->rax != SECRET)
			continue;
		opened++;
		/* Its process is not to be trusted any more. */
		foreign_find(r, &f);
		kill(f.pid, SIGKILL);
		sleep_us(2000);
		rig_load(r, BLOB(x_syscall));
		attempt(r);
	}
	rig_say("it is of use at %u of %u syscall instructions", opened,
	    (unsigned)f.nsyscalls);
	assert_true(opened > 0);
}

static void nearly_the_key(void **state)
{
	static const uint64_t numbers[] = { 9, 11, 10, 157, 56, 45, 46, 317,
	    131, 3, 60 };
	struct rig *r = *state;
	uint64_t key = the_key(r);
	struct foreign f;

	foreign_begin(r, &f);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (unsigned bit = 0; bit < 64; bit++) {
			size_t place = (i + bit) % f.nsyscalls;
			uint64_t at = f.syscalls[place];

			call_with(r, &f, place, numbers[i],
			    key ^ 1ull << bit);
			expect_syscall(r);
			assert_int_equal(r->regs->rax, numbers[i]);
			assert_int_equal(r->regs->rip, at + 2);
		}
	}
	expect_nothing(r, &f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(single_stepping_the_backend),
		TEST(single_stepping_with_a_handler),
		TEST(looking_at_another_vcpu),
		TEST(forged_return),
		TEST(every_machine_has_its_own),
		TEST(the_key_opens),
		TEST(nearly_the_key),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
