// SPDX-License-Identifier: BSD-2-Clause
/*
 * intact.c - what the host has in its registers before a run, it has after it,
 * whatever the exit: the thread's, those that a debugger has set for it, and
 * the processor's own.  The guest has something else in all of them, and has
 * that still as well.
 */
#include "intact.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#define RAW	"/sys/module/vmm/parameters/raw_unsafe"
#define TSC_AUX	0xc0000103u
#define TIMES	6u

/* One at a time: also the one that has failed is ended. */
static struct intact_scene scene;

/* ---- a run ---- */

static void guest_registers(struct intact_scene *s)
{
	struct vmm_regs *r = &s->v.page->regs;

	r->rax = r->rcx = r->rdx = r->rbx = r->rsi = r->rdi = r->rbp =
	    r->r8 = r->r9 = r->r10 = r->r11 = r->r12 = r->r13 = r->r14 =
	    r->r15 = 0x4755455354000000;
	r->rsp = MIB;
	r->rip = INTACT_CODE;
	r->rflags = 2;
	r->fs_base = 0x123456789000;
	r->gs_base = 0x6543210fe000;
}

static void begin(const struct intact_way *w)
{
	const struct vmm_msr aux = { .index = TSC_AUX, .value = 0x47554553 };
	struct intact_scene *s = &scene;
	uint64_t entry = INTACT_BEYOND | 0x87;

	*s = (struct intact_scene){ .way = w };
	intact_begin(&s->i);
	s->area = aligned_alloc(64, 8192);
	assert_non_null(s->area);
	guest_start(&s->g, 4 * MIB, MAP_PRIVATE);
	memcpy(s->g.memory + 0x3000 + 8 * (INTACT_BEYOND / (2 * MIB)), &entry,
	    sizeof(entry));
	memcpy(s->g.memory + INTACT_CODE, intact_prelude, INTACT_PRELUDE);
	memcpy(s->g.memory + INTACT_CODE + INTACT_PRELUDE, "\x0f\x05", 2);
	vcpu_start(&s->v, &s->g, 0, INTACT_CODE);
	/* EINVAL: there is no such register. */
	if (ioctl(s->g.machine, VMM_MSR_SET, &aux) != 0)
		assert_int_equal(errno, EINVAL);
	/* It is there, and so is its control structure. */
	guest_registers(s);
	must(ioctl(s->v.fd, VMM_RUN));
	assert_int_equal(s->v.page->exit.kind, VMM_EXIT_SYSCALL);
	memcpy(s->g.memory + INTACT_CODE + INTACT_PRELUDE, w->code,
	    sizeof(w->code));
}

static void end(void)
{
	struct intact_scene *s = &scene;

	if (s->way == NULL)
		return;
	s->way = NULL;
	vcpu_end(&s->v);
	guest_end(&s->g);
	intact_end(&s->i);
	free(s->area);
	expect_nothing_lives();
}

static int clean(void **state)
{
	(void)state;
	if (scene.watch.tracer != 0)
		intact_watch_end(&scene.watch);
	if (scene.child != 0)
		kill(scene.child, SIGKILL);
	end();
	munmap((void *)(uintptr_t)INTACT_COUNT, PAGE);
	return 0;
}

static void set_xsave(const struct intact_scene *s)
{
	const struct vmm_info info = device_info();
	struct vmm_xsave a = { .buf = (uintptr_t)s->area,
	    .size = info.xsave_size };

	must(ioctl(s->g.machine, VMM_XSAVE_SET, &a));
}

static void expect_xsave(const struct intact_scene *s)
{
	const struct vmm_info info = device_info();
	uint8_t *now = aligned_alloc(64, 8192);
	struct vmm_xsave a = { .buf = (uintptr_t)now,
	    .size = info.xsave_size };

	assert_non_null(now);
	must(ioctl(s->g.machine, VMM_XSAVE_GET, &a));
	intact_expect_area(s->area, now, s->i.mask, !intact_is_svm());
	free(now);
}

static void expect_exit(const struct intact_scene *s)
{
	const struct intact_way *w = s->way;
	const struct vmm_exit *e = &s->exit;

	if (e->kind != w->kind || e->vector != w->vector)
		fail_msg("exit %u, vector %u, raw %#llx", e->kind, e->vector,
		    (unsigned long long)e->raw);
}

static void run(struct intact_scene *s)
{
	const struct intact_way *w = s->way;

	intact_area(s->area, s->i.mask, ~s->seed);
	set_xsave(s);
	guest_registers(s);
	if (w->before != NULL)
		w->before(s);
	intact_fill(&s->i, s->v.fd, s->seed++);
	intact_run(&s->i);
	s->exit = s->v.page->exit;
	if (w->after != NULL)
		w->after(s);
	assert_int_equal(s->i.result, 0);
}

/* ---- the tests ---- */

static bool skipped(const struct intact_way *w)
{
	return intact_way_is_raw(w) && !file_write(RAW, "1");
}

static void registers(void **state)
{
	const struct intact_way *w = *state;
	struct intact_scene *s = &scene;
	unsigned n;

	if (skipped(w))
		skip();
	begin(w);
	for (n = 0; n < TIMES; n++) {
		run(s);
		expect_exit(s);
		intact_expect(&s->i, !intact_is_svm());
		if (w->kind != VMM_EXIT_SHUTDOWN)
			expect_xsave(s);
	}
	end();
	(void)file_write(RAW, "0");
}

/* The guest writes to the same address, and that is not seen. */
static void watchpoint(void **state)
{
	const struct intact_way *w = *state;
	volatile uint64_t *word = mmap((void *)(uintptr_t)INTACT_COUNT, PAGE,
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
	    MAP_FIXED_NOREPLACE, -1, 0);
	struct intact_scene *s = &scene;
	unsigned n;

	if (skipped(w))
		skip();
	assert_int_equal((uintptr_t)word, INTACT_COUNT);
	begin(w);
	intact_watch_begin(&s->watch, (const void *)(uintptr_t)word);
	*word = 1;
	assert_int_equal(*s->watch.hits, 1);
	for (n = 1; n < TIMES; n++) {
		run(s);
		expect_exit(s);
		intact_expect(&s->i, !intact_is_svm());
		assert_int_equal(*s->watch.hits, n);
		*word = n;
		assert_int_equal(*s->watch.hits, n + 1);
	}
	intact_watch_end(&s->watch);
	end();
	(void)file_write(RAW, "0");
}

/* ---- the processor's own ---- */

#define SPEC_CTRL	0x48u
#define EFER		0xc0000080u
#define EFER_SVME	0x1000u
#define HSAVE_PA	0xc0010117u

static const uint32_t msrs[] = {
	SPEC_CTRL, EFER, HSAVE_PA,	/* at 0, 1, 2 */
	0x174, 0x175, 0x176,			/* SYSENTER_* */
	0x1a0, 0x1d9, 0x277,		/* MISC_ENABLE, DEBUGCTL, PAT */
	0x38f, 0x3f1, 0x600,	/* PERF_GLOBAL_CTRL, PEBS_ENABLE, DS_AREA */
	0x6a0, 0x6a2, 0xda0,			/* U_CET, S_CET, XSS */
	0xc0000081, 0xc0000082, 0xc0000083,	/* STAR, LSTAR, CSTAR */
	0xc0000084, TSC_AUX,			/* FMASK */
};
#define MSRS	(sizeof(msrs) / sizeof(msrs[0]))

/* What cannot be read is not there. */
static void read_msrs(int fd, uint64_t value[MSRS])
{
	unsigned n;

	for (n = 0; n < MSRS; n++) {
		value[n] = 0;
		(void)pread(fd, &value[n], sizeof(value[n]), msrs[n]);
	}
}

static void expect_msrs(int fd, const uint64_t was[MSRS], bool on)
{
	uint64_t is[MSRS];
	unsigned n;

	read_msrs(fd, is);
	for (n = 0; n < MSRS; n++) {
		if (on && msrs[n] == HSAVE_PA)
			continue;
		if (on && msrs[n] == EFER)
			is[n] &= ~(uint64_t)EFER_SVME;
		if (is[n] != was[n])
			fail_msg("MSR %#x was %llx and is %llx", msrs[n],
			    (unsigned long long)was[n],
			    (unsigned long long)is[n]);
	}
}

static int open_msrs(cpu_set_t *old)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must(sched_getaffinity(0, sizeof(*old), old));
	must(sched_setaffinity(0, sizeof(one), &one));
	return open("/dev/cpu/0/msr", O_RDWR | O_CLOEXEC);
}

static void processor(void **state)
{
	uint64_t was[MSRS];
	cpu_set_t old;
	struct intact_scene *s = &scene;
	unsigned n, k;
	int fd = open_msrs(&old);

	(void)state;
	if (fd < 0)
		skip_test("root reads MSRs, with the module msr");
	read_msrs(fd, was);
	assert_int_equal(was[1] & EFER_SVME, 0);
	assert_int_equal(was[2], 0);
	for (n = 0; n < INTACT_WAYS; n++) {
		if (skipped(&intact_ways[n]))
			continue;
		begin(&intact_ways[n]);
		for (k = 0; k < 2; k++) {
			run(s);
			expect_msrs(fd, was, true);
		}
		end();
		expect_msrs(fd, was, false);
	}
	(void)file_write(RAW, "0");
	close(fd);
	must(sched_setaffinity(0, sizeof(old), &old));
}

/* Of the values that the host uses each is to be there afterwards. */
static void speculation(void **state)
{
	uint64_t had, was[MSRS], value;
	struct intact_scene *s = &scene;
	cpu_set_t old;
	int fd = open_msrs(&old);

	(void)state;
	if (fd < 0)
		skip_test("root reads MSRs, with the module msr");
	if (!intact_has_spec_ctrl() ||
	    pread(fd, &had, sizeof(had), SPEC_CTRL) != sizeof(had)) {
		close(fd);
		must(sched_setaffinity(0, sizeof(old), &old));
		skip_test("the processor has no SPEC_CTRL");
	}
	begin(&intact_ways[0]);
	for (value = 0; value < 8; value++) {
		/* STIBP and SSBD may be missing. */
		if (pwrite(fd, &value, sizeof(value), SPEC_CTRL) < 0)
			continue;
		read_msrs(fd, was);
		was[1] &= ~(uint64_t)EFER_SVME;
		run(s);
		expect_msrs(fd, was, true);
	}
	end();
	(void)pwrite(fd, &had, sizeof(had), SPEC_CTRL);
	close(fd);
	must(sched_setaffinity(0, sizeof(old), &old));
}

int main(void)
{
	static struct CMUnitTest intact[2 + 2 * INTACT_WAYS] = {
		/* First: afterwards what they have would be there already. */
		cmocka_unit_test_teardown(processor, clean),
		cmocka_unit_test_teardown(speculation, clean),
	};
	static char names[2 * INTACT_WAYS][48];
	unsigned n;

	for (n = 0; n < 2 * INTACT_WAYS; n++) {
		const struct intact_way *w = &intact_ways[n / 2];

		snprintf(names[n], sizeof(names[n]), "%s_after_%s",
		    n % 2 == 0 ? "registers" : "watchpoint", w->name);
		intact[2 + n] = (struct CMUnitTest){ .name = names[n],
		    .test_func = n % 2 == 0 ? registers : watchpoint,
		    .teardown_func = clean,
		    .initial_state = (void *)(uintptr_t)w };
	}
	return RUN(intact);
}
