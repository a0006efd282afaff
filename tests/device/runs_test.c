// SPDX-License-Identifier: BSD-2-Clause
/*
 * Runs: what ends one (kicks, signals, deadlines, the host), and when exactly;
 * which processors are interrupted, and which are not; what an entry has to
 * load; a shared page that changes between the look and the use.
 */
#include "device.h"

static struct vmm_vcpu *other;

static void kick(void *cookie)
{
	assert_ok(vmm_vcpu_kick(cookie));
}

static uint64_t sent(void)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < FAKE_CPUS; i++)
		n += fake.sent[i];
	return n;
}

static uint32_t last_pending(void)
{
	return fake_vendor.entry[fake_vendor.entries - 1].pending;
}

static void interrupted(struct device *d, uint32_t by)
{
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->exit->detail, by);
	assert_int_equal(d->page->regs.rip, CODE);
}

static void shut_down(struct device *d)
{
	fake.signal = false;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

static void make_other(struct device *d)
{
	uint32_t context;

	assert_ok(context_create(d->m, &context));
	assert_ok(vcpu_create(d->m, 1, &other));
	vcpu_prepare(other, context);
}

/* ---- kicks ---- */

static void a_kick_before_the_run_ends_it_at_once(void **state)
{
	struct device *d = *state;

	kick(d->v);
	kick(d->v);
	kick(d->v);
	interrupted(d, VMM_BY_KICK);
	assert_int_equal(fake_vendor.entries, 0);
	/* Several are one; nobody was interrupted for it. */
	assert_int_equal(sent(), 0);
	shut_down(d);
	assert_int_equal(d->v->stats->kicks, 1);
}

static void a_kick_inside_ends_the_run(void **state)
{
	struct device *d = *state;

	fake_migrate(2);
	fake_call(kick, d->v);
	interrupted(d, VMM_BY_KICK);
	assert_int_equal(fake.sent[2], 1);
	assert_int_equal(sent(), 1);
	assert_int_equal(fake.needless, 0);
	shut_down(d);
	fake_migrate(0);
}

/* A signal at the same time: the kick is told, the signal at the next run. */
static void signal_and_kick(void *cookie)
{
	fake.signal = true;
	kick(cookie);
}

static void a_kick_is_told_before_a_signal(void **state)
{
	struct device *d = *state;

	fake_call(signal_and_kick, d->v);
	interrupted(d, VMM_BY_KICK);
	interrupted(d, VMM_BY_SIGNAL);
	shut_down(d);
}

/* An exit that is for the owner is told; the kick is not lost. */
static void kick_and_take(void *cookie)
{
	kick(cookie);
	/* It was on its way when the guest left by itself. */
	fake.pending[0] = false;
}

static void a_kick_that_comes_with_an_exit_is_for_the_next_run(void **state)
{
	struct device *d = *state;

	fake_call(kick_and_take, d->v);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	interrupted(d, VMM_BY_KICK);
	shut_down(d);
}

/* Between every two steps of a run, from another processor: after it was said
 * that the guest is inside, an interrupt is sent, or the run sees it itself. */
static struct vmm_vcpu *victim;
static uint32_t countdown;

static void kick_at_last(void *cookie)
{
	(void)cookie;
	kick(victim);
}

static void tick(void)
{
	if (countdown != 0 && --countdown == 0)
		fake_as(3, kick_at_last, NULL);
}

static void a_kick_at_any_moment_ends_the_run(void **state)
{
	struct device *d = *state;
	uint32_t moment, before = 0, inside = 0;

	victim = d->v;
	fake.on_attention = tick;
	for (moment = 1; moment < 6; moment++) {
		uint64_t entries = fake_vendor.entries;
		uint64_t interrupts = sent();

		countdown = moment;
		fake.signal = false;
		/* Exits that are done inside, for ever. */
		fake_cause(VMM_CAUSE_INTERRUPT);
		fake_cause(VMM_CAUSE_NMI);
		fake_cause(VMM_CAUSE_INTERRUPT);
		fake_cause(VMM_CAUSE_NMI);
		assert_ok(vmm_vcpu_run(d->v));
		assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
		if (countdown != 0)
			break;
		assert_int_equal(d->exit->detail, VMM_BY_KICK);
		before += fake_vendor.entries == entries;
		inside += sent() != interrupts;
		fake_script.at = fake_script.n;
	}
	fake.on_attention = NULL;
	assert_true(moment >= 3);
	assert_true(inside > 0);
	fake_script.at = fake_script.n;
	countdown = 0;
	(void)before;
	shut_down(d);
}

/* ---- signals, other threads, the host's work ---- */

static void a_signal_before_the_run_ends_it(void **state)
{
	struct device *d = *state;

	fake.signal = true;
	interrupted(d, VMM_BY_SIGNAL);
	assert_int_equal(fake_vendor.entries, 0);
	assert_int_equal(d->page->commit, 0);
	shut_down(d);
}

static void other_threads_run_and_the_guest_goes_on(void **state)
{
	struct device *d = *state;

	fake.resched = true;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake.resched_calls, 1);
}

static void move_away(void)
{
	fake_migrate(3);
}

static void a_thread_may_move_while_others_run(void **state)
{
	struct device *d = *state;

	shut_down(d);
	fake_cause(VMM_CAUSE_NMI);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	fake.on_resched = move_away;
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake_vendor.entry[1].cpu, 0);
	assert_int_equal(fake_vendor.entry[2].cpu, 3);
	assert_int_equal(fake_vendor.entry[1].pending & VMM_LOAD_CPU, 0);
	assert_int_equal(fake_vendor.entry[2].pending & VMM_LOAD_CPU,
	    VMM_LOAD_CPU);
	fake.on_resched = NULL;
	fake_migrate(0);
}

static void the_hosts_work_is_done_on_the_way_home(void **state)
{
	struct device *d = *state;

	d->page->regs.rax = 5;
	fake.restart = true;
	assert_int_equal(vmm_vcpu_run(d->v), ERESTART);
	assert_int_equal(d->exit->kind, VMM_EXIT_NONE);
	assert_int_equal(d->page->regs.rip, CODE);
	assert_int_equal(d->page->regs.rax, 5);
	shut_down(d);
}

/* ---- deadlines ---- */

static void pass_time(void *cookie)
{
	(void)cookie;
	fake_advance(1000000);
}

static void a_deadline_ends_the_run(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + 500000;
	fake_call(pass_time, NULL);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	assert_int_equal(d->page->deadline, d->v->deadline);
	/* It stays, and is over. */
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	d->page->deadline = 0;
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake_live_timers(), 0);
}

static void a_deadline_that_is_over_ends_it_at_once(void **state)
{
	struct device *d = *state;

	d->page->deadline = 1;
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	assert_int_equal(fake_vendor.entries, 0);
	d->page->deadline = fake.now + 1000000;
	RUN_TO(d, VMM_EXIT_SHUTDOWN);
}

static void a_deadline_stays_over_many_runs(void **state)
{
	struct device *d = *state;
	uint32_t i;

	d->page->deadline = fake.now + 1000000;
	for (i = 0; i < 5; i++)
		shut_down(d);
	assert_int_equal(fake_live_timers(), 1);
	assert_int_equal(fake.timer_starts, 1);
	fake_advance(1000000);		/* nobody is inside */
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
}

static void a_deadline_follows_the_thread(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + 1000000;
	shut_down(d);
	assert_int_equal(d->v->timer.cpu, 0);
	fake_migrate(2);
	fake_call(pass_time, NULL);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	assert_int_equal(d->v->timer.cpu, 2);
	fake_script.at = fake_script.n;
	fake_migrate(0);
}

static void a_later_deadline_replaces_one_that_is_over(void **state)
{
	struct device *d = *state;

	d->page->deadline = fake.now + 500;
	shut_down(d);
	fake_advance(1000);
	d->page->deadline = fake.now + 1000000;
	shut_down(d);
	d->page->deadline = 0;
	shut_down(d);
	assert_int_equal(fake_live_timers(), 0);
}

static void pass_some(void)
{
	fake_advance(1000);
}

static void a_deadline_ends_a_wait_for_memory(void **state)
{
	struct device *d = *state;

	vmm_machine_invalidate_begin(d->m, MEMORY, MEMORY + PAGE, true);
	d->page->deadline = fake.now + 5000;
	fake_touch(0, W, NULL, 1);
	fake.on_resched = pass_some;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_DEADLINE);
	fake.on_resched = NULL;
	vmm_machine_invalidate_end(d->m, MEMORY, MEMORY + PAGE);
	fake_script.at = fake_script.n;
}

/* ---- who is interrupted ---- */

static void page_out(void *cookie)
{
	fake_page_out(MEMORY + *(const uint64_t *)cookie);
}

static void only_a_guest_that_is_inside_is_interrupted(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;

	TOUCH(d, DATA_GPA, W, NULL, 1);
	/* Outside: no interrupt, but the next entry flushes. */
	page_out(&page);
	assert_int_equal(sent(), 0);
	shut_down(d);
	assert_int_equal(last_pending() & VMM_LOAD_NESTED, VMM_LOAD_NESTED);
	shut_down(d);
	assert_int_equal(last_pending() & VMM_LOAD_NESTED, 0);
	/* Inside: one, to that processor; the guest goes on. */
	fake_migrate(1);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(page_out, &page);
	fake_touch(DATA_GPA, W, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(fake.sent[1], 1);
	assert_int_equal(sent(), 1);
	assert_int_equal(fake.needless, 0);
	fake_migrate(0);
}

static void pages_that_the_guest_has_not_cost_nothing(void **state)
{
	struct device *d = *state;
	static uint64_t mapped = DATA_GPA, untouched = DATA_GPA + 8 * PAGE;
	uint64_t gen;

	assert_true(fake_write(MEMORY + untouched, "x", 1));
	fake_touch(mapped, W, NULL, 1);
	fake_call(page_out, &untouched);
	fake_touch(mapped, W, NULL, 1);
	gen = d->m->flush_gen;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(sent(), 0);
	assert_int_equal(d->m->flush_gen, gen);
}

static void protect_twice(void *cookie)
{
	struct vmm_machine *m = cookie;

	assert_ok(memory_protect(m, DATA_GPA, PAGE, R));
	/* Nothing is taken away by these. */
	assert_ok(memory_protect(m, DATA_GPA, PAGE, R));
	assert_ok(memory_protect(m, DATA_GPA, PAGE, RWX));
	assert_ok(memory_map(m, 0x40000000, MIB2, MEMORY, RWX));
	assert_ok(memory_unmap(m, 0x40000000, MIB2));
}

static void only_what_takes_rights_away_interrupts(void **state)
{
	struct device *d = *state;

	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(protect_twice, d->m);
	fake_touch(DATA_GPA, R, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(sent(), 1);
}

static struct vmm_machine *second;

static void run_other(void *cookie)
{
	(void)cookie;
	assert_ok(vmm_vcpu_run(other));
}

static void page_out_as_third(void *cookie)
{
	fake_as(3, page_out, cookie);
}

/* Two guests inside, of one machine: each is interrupted once. */
static void all_guests_of_a_machine_are_interrupted(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;

	make_other(d);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(run_other, NULL);
	fake_touch(DATA_GPA, R, NULL, 1);	/* the other's */
	fake_call(page_out_as_third, &page);
	fake_cause(VMM_CAUSE_SHUTDOWN);		/* the other's end */
	fake_touch(DATA_GPA, R, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(other->page->exit.kind, VMM_EXIT_SHUTDOWN);
	assert_int_equal(fake.sent[0], 1);
	assert_int_equal(fake.sent[1], 1);
	assert_int_equal(sent(), 2);
	assert_int_equal(fake.needless, 0);
	vmm_vcpu_destroy(other);
}

/* Two machines of one process: the other one runs something else. */
static void no_other_machine_is_interrupted(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;
	uint32_t context;

	assert_ok(machine_create(&second));
	assert_ok(memory_map(second, 0, MEMORY_SIZE, MEMORY, RWX));
	assert_ok(context_create(second, &context));
	assert_ok(vcpu_create(second, 0, &other));
	vcpu_prepare(other, context);
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(run_other, NULL);
	fake_touch(DATA_GPA + PAGE, R, NULL, 1);	/* the other's */
	fake_call(page_out_as_third, &page);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	fake_touch(DATA_GPA, R, NULL, 1);
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	assert_int_equal(fake.sent[0], 1);
	assert_int_equal(fake.sent[1], 0);
	vmm_vcpu_destroy(other);
	vmm_machine_put(second);
}

/* A vCPU that left long ago, and whose processor runs another now. */
static void a_vcpu_that_is_outside_costs_its_processor_nothing(void **state)
{
	struct device *d = *state;
	static uint64_t page = DATA_GPA;

	make_other(d);
	TOUCH(d, DATA_GPA, W, NULL, 1);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	page_out(&page);
	assert_int_equal(sent(), 0);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	assert_true((last_pending() & VMM_LOAD_NESTED) != 0);
	vmm_vcpu_destroy(other);
}

/* ---- what an entry loads ---- */

static void an_entry_loads_what_has_changed(void **state)
{
	struct device *d = *state;
	uint32_t i;

	shut_down(d);
	assert_true((last_pending() & VMM_LOAD_CPU) != 0);
	for (i = 0; i < 3; i++) {
		shut_down(d);
		assert_int_equal(last_pending(), 0);
	}
	d->page->commit = VMM_SET_FLUSH;
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_FLUSH);
	d->page->commit = VMM_SET_SPACE;
	d->page->cr3 = ROOT_GPA + PAGE;
	shut_down(d);
	assert_int_equal(last_pending() & ~VMM_LOAD_FLUSH, VMM_LOAD_SPACE);
	d->page->commit = VMM_SET_DEBUG;
	d->page->dr7 = 0x401;
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_DEBUG);
	shut_down(d);
	assert_int_equal(last_pending(), 0);
	fake_migrate(1);
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_CPU);
	fake_migrate(0);
	shut_down(d);
	assert_int_equal(last_pending(), VMM_LOAD_CPU);
}

static void vcpus_that_take_turns_load_each_time(void **state)
{
	struct device *d = *state;
	uint32_t i;

	make_other(d);
	for (i = 0; i < 3; i++) {
		shut_down(d);
		assert_true((last_pending() & VMM_LOAD_CPU) != 0);
		fake_cause(VMM_CAUSE_SHUTDOWN);
		assert_ok(vmm_vcpu_run(other));
		assert_true((last_pending() & VMM_LOAD_CPU) != 0);
	}
	vmm_vcpu_destroy(other);
}

/* The memory of one that has gone may be another's. */
static void a_new_vcpu_is_not_taken_for_an_old_one(void **state)
{
	struct device *d = *state;
	uint32_t i;

	for (i = 0; i < 8; i++) {
		make_other(d);
		fake_cause(VMM_CAUSE_SHUTDOWN);
		assert_ok(vmm_vcpu_run(other));
		assert_true((last_pending() & VMM_LOAD_CPU) != 0);
		vmm_vcpu_destroy(other);
	}
}

static void branches_of_one_user_guide_no_other(void **state)
{
	struct device *d = *state;
	uint64_t n;

	shut_down(d);
	n = fake_hw.ibpbs;
	assert_true(n > 0);
	shut_down(d);
	assert_int_equal(fake_hw.ibpbs, n);
	d->page->commit = VMM_SET_SPACE;
	d->page->cr3 = ROOT_GPA + PAGE;
	shut_down(d);
	assert_int_equal(fake_hw.ibpbs, n + 1);
	make_other(d);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	assert_int_equal(fake_hw.ibpbs, n + 2);
	vmm_vcpu_destroy(other);
}

/* ---- a vendor whose control structures live in a processor ---- */

static int setup_leaves(void **state)
{
	struct device *d = device_start();

	vmm_hw_fini();
	fake_vendor.cpu_inits = fake_vendor.cpu_finis = 0;
	assert_ok(vmm_hw_init((const struct vmm_vendor *const[]){
	    &fake_vendor_that_leaves }, 1));
	machine_make(d);
	*state = d;
	return 0;
}

static void a_vcpu_leaves_a_processor_for_another(void **state)
{
	struct device *d = *state;
	uint32_t i;

	shut_down(d);
	shut_down(d);
	assert_int_equal(fake_vendor.leaves, 0);
	for (i = 1; i < 6; i++) {
		fake_migrate(i % 3);
		fake_cause(VMM_CAUSE_NMI);
		shut_down(d);
		assert_int_equal(fake_vendor.leaves, i);
	}
	/* While other threads run, in the middle of a run. */
	fake_migrate(0);
	fake.on_resched = move_away;
	fake_cause(VMM_CAUSE_NMI);
	shut_down(d);
	fake.on_resched = NULL;
	fake_migrate(0);
	assert_null(fake_vendor.begun);
}

/* ---- debug registers ---- */

static void look_at_dr(struct vmm_regs *regs, struct vmm_state *s)
{
	(void)regs;
	(void)s;
	assert_int_equal(fake_cpu()->dr[0], 0x1000);
	assert_int_equal(fake_cpu()->dr[3], 0x4000);
}

static void debug_registers_are_the_guests_and_then_the_hosts(void **state)
{
	struct device *d = *state;
	uint32_t i;

	for (i = 0; i < 4; i++)
		d->page->dr[i] = 0x1000 * (i + 1);
	d->page->dr7 = 0x4ff;
	d->page->commit |= VMM_SET_DEBUG;
	fake_change(look_at_dr);
	shut_down(d);
	assert_int_equal(fake.debug_restores, 0);
	/* A host that has breakpoints of its own. */
	fake.debug_in_use = true;
	fake_cpu()->dr[0] = 0xffffffff81000000;
	fake_cpu()->dr[7] = 0x401;
	fake_change(look_at_dr);
	shut_down(d);
	assert_int_equal(fake_cpu()->dr[0], 0xffffffff81000000);
	assert_int_equal(fake_cpu()->dr[7], 0x401);
	assert_int_equal(fake.debug_restores, 1);
	fake.debug_in_use = false;
	fake_cpu()->dr[7] = 0x400;
}

static void who_watches_nothing_stores_nothing(void **state)
{
	struct device *d = *state;
	uint64_t n;

	shut_down(d);
	n = fake_hw.dr_writes;
	shut_down(d);
	assert_int_equal(fake_hw.dr_writes, n);
}

/* ---- TSC_AUX ---- */

static void look_at_tsc_aux(struct vmm_regs *regs, struct vmm_state *s)
{
	(void)s;
	regs->rax = fake_msr_get(fake.cur->cpu, 0xc0000103);
}

static void tsc_aux_is_the_machines(void **state)
{
	struct device *d = *state;
	struct vmm_msr a = { .index = 0xc0000103, .value = 0x1234 };

	fake_msr_set(FAKE_CPUS, 0xc0000103, 7);
	fake_change(look_at_tsc_aux);
	shut_down(d);
	assert_int_equal(d->page->regs.rax, 7);
	assert_ok(vmm_machine_ioctl(d->m, VMM_MSR_SET, &a));
	fake_change(look_at_tsc_aux);
	shut_down(d);
	assert_int_equal(d->page->regs.rax, 0x1234);
	assert_int_equal(fake_msr_get(0, 0xc0000103), 7);
	fake_migrate(1);
	fake_change(look_at_tsc_aux);
	shut_down(d);
	assert_int_equal(d->page->regs.rax, 0x1234);
	assert_int_equal(fake_msr_get(1, 0xc0000103), 7);
	fake_migrate(0);
}

/* ---- what runs is left alone ---- */

static void try_while_it_runs(void *cookie)
{
	struct device *d = cookie;
	struct vmm_raw raw = { .op = VMM_RAW_READ, .width = 8 };
	struct vmm_cpuid cpuid = { 0 };
	struct vmm_msr msr = { .index = 0xc0000103 };
	struct vmm_xsave xsave = { .buf = BUFFER, .size = 576,
	    .context = d->context };
	struct vmm_policy policy = { .context = d->context };

	assert_int_equal(vmm_vcpu_run(d->v), EBUSY);
	assert_int_equal(vmm_vcpu_ioctl(d->v, VMM_RAW, &raw), EBUSY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &cpuid),
	    EBUSY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_MSR_SET, &msr), EBUSY);
	assert_int_equal(context_destroy(d->m, d->context), EBUSY);
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_XSAVE_GET, &xsave),
	    EBUSY);
	assert_true(fake_write(BUFFER, (uint8_t[576]){ 0 }, 576));
	assert_int_equal(vmm_machine_ioctl(d->m, VMM_XSAVE_SET, &xsave),
	    EBUSY);
	assert_ok(vmm_machine_ioctl(d->m, VMM_POLICY_SET, &policy));
	/* Other vCPUs and contexts are at rest still. */
	if (other != NULL) {
		other->page->context = d->context;
		other->page->commit = VMM_SET_CONTEXT | VMM_SET_SPACE;
		assert_ok(vmm_vcpu_run(other));
		assert_int_equal(other->page->exit.kind, VMM_EXIT_FAILED);
		assert_int_equal(other->page->exit.detail,
		    VMM_FIELD_CONTEXT);
		raw.op = VMM_RAW_READ;
		assert_ok(vmm_vcpu_ioctl(other, VMM_RAW, &raw));
	}
}

static void what_runs_is_busy(void **state)
{
	struct device *d = *state;

	make_other(d);
	fake_call(try_while_it_runs, d);
	shut_down(d);
	vmm_vcpu_destroy(other);
	other = NULL;
}

/* Several vCPUs of which one runs: those before it are at rest again. */
static void try_cpuid(void *cookie)
{
	struct device *d = cookie;
	struct vmm_cpuid cpuid = { 0 };

	assert_int_equal(vmm_machine_ioctl(d->m, VMM_CPUID_SET, &cpuid),
	    EBUSY);
	assert_int_equal(d->v->busy, VMM_REST);
}

static void who_is_visited_in_vain_is_left(void **state)
{
	struct device *d = *state;

	make_other(d);
	fake_call(try_cpuid, d);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(other));
	shut_down(d);
	vmm_vcpu_destroy(other);
	other = NULL;
}

/* ---- a page that changes ---- */

static void scribble(struct vmm_vcpu *v)
{
	struct vmm_vcpu_page *p = v->page;

	p->regs.rip = 1ull << 63;
	p->regs.rflags = ~0ull;
	p->regs.fs_base = p->regs.gs_base = 1ull << 62;
	p->regs.rsp = ~0ull;
	p->cr3 = ~0ull;
	p->dr7 = ~0ull;
	memset(p->dr, 0xff, sizeof(p->dr));
	p->context = ~0ull;
	p->commit = ~0u;
	p->wanted = ~0u;
	p->deadline = 1;
	memset(&p->exit, 0xff, sizeof(p->exit));
}

static void scribble_now(void *cookie)
{
	scribble(cookie);
}

/* At every call of the host that a run makes: the check was of a copy. */
static void scribble_at_attention(void)
{
	scribble(victim);
}

static void scribble_at_get(uint64_t uaddr, bool got)
{
	(void)uaddr;
	(void)got;
	scribble(victim);
}

static void what_was_checked_is_what_is_used(void **state)
{
	struct device *d = *state;
	const struct vmm_vcpu_page good = *d->page;

	victim = d->v;
	fake.on_attention = scribble_at_attention;
	fake.on_resched = scribble_at_attention;
	fake.on_get = scribble_at_get;
	fake_vendor.on_run = scribble;
	/* The vendor checks at each entry what it is given. */
	fake_touch(DATA_GPA, W, NULL, 1);
	fake_call(scribble_now, d->v);
	fake_cause(VMM_CAUSE_NMI);
	fake_touch(DATA_GPA + PAGE, W, NULL, 1);
	fake_cause(VMM_CAUSE_SHUTDOWN);
	assert_ok(vmm_vcpu_run(d->v));
	assert_true(fake_vendor.entries >= 4);
	assert_int_equal(d->exit->kind, VMM_EXIT_SHUTDOWN);
	assert_int_equal(d->page->regs.rip, CODE);
	assert_int_equal(d->page->regs.rflags, 0x202);
	/* At the next run all of it is looked at. */
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_FAILED);
	fake.on_attention = fake.on_resched = NULL;
	fake.on_get = NULL;
	fake_vendor.on_run = NULL;
	*d->page = good;
	shut_down(d);
}

/* General registers are the guest's alone, and may change at any time. */
static void a_guest_that_asks_cpuid_of_a_page_that_changes(void **state)
{
	struct device *d = *state;

	CODE_SET(0x0f, 0xa2);
	victim = d->v;
	guest_at(CODE);
	fake_call(scribble_now, d->v);
	fake_cause(VMM_CAUSE_CPUID);
	fake.signal = false;
	assert_ok(vmm_vcpu_run(d->v));
	assert_int_equal(d->exit->kind, VMM_EXIT_INTERRUPTED);
	assert_int_equal(d->page->regs.rip, CODE + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kick_before_the_run_ends_it_at_once),
		TEST(a_kick_inside_ends_the_run),
		TEST(a_kick_is_told_before_a_signal),
		TEST(a_kick_that_comes_with_an_exit_is_for_the_next_run),
		TEST(a_kick_at_any_moment_ends_the_run),
		TEST(a_signal_before_the_run_ends_it),
		TEST(other_threads_run_and_the_guest_goes_on),
		TEST(a_thread_may_move_while_others_run),
		TEST(the_hosts_work_is_done_on_the_way_home),
		TEST(a_deadline_ends_the_run),
		TEST(a_deadline_that_is_over_ends_it_at_once),
		TEST(a_deadline_stays_over_many_runs),
		TEST(a_deadline_follows_the_thread),
		TEST(a_later_deadline_replaces_one_that_is_over),
		TEST(a_deadline_ends_a_wait_for_memory),
		TEST(only_a_guest_that_is_inside_is_interrupted),
		TEST(pages_that_the_guest_has_not_cost_nothing),
		TEST(only_what_takes_rights_away_interrupts),
		TEST(all_guests_of_a_machine_are_interrupted),
		TEST(no_other_machine_is_interrupted),
		TEST(a_vcpu_that_is_outside_costs_its_processor_nothing),
		TEST(an_entry_loads_what_has_changed),
		TEST(vcpus_that_take_turns_load_each_time),
		TEST(a_new_vcpu_is_not_taken_for_an_old_one),
		TEST(branches_of_one_user_guide_no_other),
		cmocka_unit_test_setup_teardown(
		    a_vcpu_leaves_a_processor_for_another, setup_leaves,
		    device_teardown),
		TEST(debug_registers_are_the_guests_and_then_the_hosts),
		TEST(who_watches_nothing_stores_nothing),
		TEST(tsc_aux_is_the_machines),
		TEST(what_runs_is_busy),
		TEST(who_is_visited_in_vain_is_left),
		TEST(what_was_checked_is_what_is_used),
		TEST(a_guest_that_asks_cpuid_of_a_page_that_changes),
	};

	return RUN(tests);
}
