// SPDX-License-Identifier: BSD-2-Clause
/*
 * intact_ways.c - each way out of a guest: its code, what is to be done before
 * the run, and what after it.
 */
#include "intact.h"
#include "../../../lib/libvmmctl/vmm/explain.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#define GUEST_X87	16u	/* #MF */

/* Selectors that a guest user can have, and the word that is watched in the
 * host. */
const uint8_t intact_prelude[INTACT_PRELUDE] = {
	0xb8, 0x03, 0x00, 0x00, 0x00,		/* mov $3, %eax */
	0x8e, 0xd8, 0x8e, 0xc0,			/* mov %eax, %ds, %es */
	0x8e, 0xe0, 0x8e, 0xe8,			/* mov %eax, %fs, %gs */
	0x48, 0xff, 0x04, 0x25,
	    INTACT_COUNT & 0xff, INTACT_COUNT >> 8 & 0xff,
	    INTACT_COUNT >> 16, 0x00,		/* incq INTACT_COUNT */
};

/* ---- before and after ---- */

static void step(struct intact_scene *s)
{
	s->v.page->regs.rflags |= 0x100;
}

static void breakpoint(struct intact_scene *s)
{
	unsigned n;

	for (n = 0; n < 4; n++)
		s->v.page->dr[n] = INTACT_CODE + INTACT_PRELUDE;
	s->v.page->dr7 = 0x455;
	s->v.page->commit |= VMM_SET_DEBUG;
}

/* Where the guest does not come. */
static void breakpoint_elsewhere(struct intact_scene *s)
{
	breakpoint(s);
	s->v.page->dr[0] = s->v.page->dr[1] = s->v.page->dr[2] =
	    s->v.page->dr[3] = INTACT_CODE + PAGE;
}

static void no_breakpoint(struct intact_scene *s)
{
	s->v.page->dr7 = 0x400;
	s->v.page->commit |= VMM_SET_DEBUG;
}

static void to_beyond(struct intact_scene *s)
{
	s->v.page->regs.rbx = INTACT_BEYOND;
}

static void to_nowhere(struct intact_scene *s)
{
	s->v.page->regs.rbx = INTACT_BEYOND + 2 * MIB;
}

/* The page is not there, until the guest comes. */
static void to_absent(struct intact_scene *s)
{
	must(madvise(s->g.memory + 2 * MIB, MIB, MADV_DONTNEED));
	s->v.page->regs.rbx = 2 * MIB;
}

static void zero_rcx(struct intact_scene *s)
{
	s->v.page->regs.rcx = 0;
}

/* SDM vol. 1 8.1.3.3: an exception of x87 that is not masked is pending. */
static void x87_error(struct intact_scene *s)
{
	const uint16_t fcw = 0x037e, fsw = 0xb881;
	struct vmm_xsave a = { .buf = (uintptr_t)s->area, .size = 576 };

	memcpy(s->area, &fcw, 2);
	memcpy(s->area + 2, &fsw, 2);
	must(ioctl(s->g.machine, VMM_XSAVE_SET, &a));
}

static void bad_rip(struct intact_scene *s)
{
	s->v.page->regs.rip = 1ull << 47;
}

static void *kick(void *cookie)
{
	struct intact_scene *s = cookie;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		usleep(2000);
		must(ioctl(s->v.fd, VMM_KICK));
	}
	return NULL;
}

static void kicked(struct intact_scene *s)
{
	s->stop = false;
	assert_int_equal(pthread_create(&s->other, NULL, kick, s), 0);
}

static void not_kicked(struct intact_scene *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	pthread_join(s->other, NULL);
	/* Once too often, maybe. */
	must(ioctl(s->v.fd, VMM_KICK));
	must(ioctl(s->v.fd, VMM_RUN));
}

static void nothing(int signal)
{
	(void)signal;
}

static void signalled(struct intact_scene *s)
{
	struct sigaction action = { .sa_handler = nothing };

	(void)s;
	must(sigaction(SIGALRM, &action, NULL));
	ualarm(2000, 2000);
}

static void not_signalled(struct intact_scene *s)
{
	(void)s;
	ualarm(0, 0);
}

static void deadline(struct intact_scene *s)
{
	s->v.page->deadline = now_ns() + 2000000;
}

static void no_deadline(struct intact_scene *s)
{
	s->v.page->deadline = 0;
}

/* Others want the processor. */
static void preempted(struct intact_scene *s)
{
	cpu_set_t one;

	must(sched_getaffinity(0, sizeof(s->cpus), &s->cpus));
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	must(sched_setaffinity(0, sizeof(one), &one));
	s->child = fork();
	if (s->child == 0)
		for (;;)
			getppid();
	must(s->child);
	s->v.page->deadline = now_ns() + 50000000;
}

static void not_preempted(struct intact_scene *s)
{
	kill(s->child, SIGKILL);
	waitpid(s->child, NULL, 0);
	s->child = 0;
	must(sched_setaffinity(0, sizeof(s->cpus), &s->cpus));
	s->v.page->deadline = 0;
}

/* ---- what only raw access brings about ---- */

static uint64_t raw(const struct intact_scene *s, uint32_t op, uint32_t field,
    uint32_t width, uint64_t value)
{
	struct vmm_raw a = { .op = op, .field = field, .width = width,
	    .value = value };

	must(ioctl(s->v.fd, VMM_RAW, &a));
	return a.value;
}

bool intact_is_svm(void)
{
	return strcmp(device_info().vendor, "svm") == 0;
}

/* Exceptions that are exits; and what can be broken so that no processor lets
 * the guest in: CR0.NW without CD, code of ring 0 with a stack of ring 3. */
static const struct explain_field *the_field(bool refused)
{
	static const struct explain_field svm[] = {
		{ offsetof(struct svm_vmcb, intercept_exceptions), 4, "" },
		{ offsetof(struct svm_vmcb, cr0), 8, "" } };
	static const struct explain_field vmx[] = {
		{ VMX_EXCEPTIONS, 4, "" }, { VMX_GUEST_CS_AR, 4, "" } };

	return intact_is_svm() ? &svm[refused] : &vmx[refused];
}

static void set_field(struct intact_scene *s, bool refused)
{
	const struct explain_field *f = the_field(refused);
	uint64_t bad = refused ? intact_is_svm() ? 0xa0050033 : 0xa09b : 0;

	s->field = raw(s, VMM_RAW_READ, f->field, f->width, 0);
	(void)raw(s, VMM_RAW_WRITE, f->field, f->width, bad);
}

static void reset_field(struct intact_scene *s, bool refused)
{
	const struct explain_field *f = the_field(refused);

	(void)raw(s, VMM_RAW_WRITE, f->field, f->width, s->field);
}

static void refuse(struct intact_scene *s)
{
	set_field(s, true);
}

static void not_refuse(struct intact_scene *s)
{
	reset_field(s, true);
}

/* No exception is an exit: the first one finds no IDT, nor do those that it
 * leads to. */
static void shut_down(struct intact_scene *s)
{
	set_field(s, false);
}

/* The state is undefined; on SVM all is begun anew. */
static void not_shut_down(struct intact_scene *s)
{
	if (!intact_is_svm())
		reset_field(s, false);
}

const struct intact_way intact_ways[INTACT_WAYS] = {
	{ "system_call", { 0x0f, 0x05 }, VMM_EXIT_SYSCALL, 0, NULL, NULL },
	{ "int_n", { 0xcd, 0x80 }, VMM_EXIT_SOFTINT, 0x80, NULL, NULL },
	{ "page_fault", { 0x48, 0x8b, 0x03 }, VMM_EXIT_EXCEPTION, 14,
	    to_nowhere, NULL },
	{ "breakpoint", { 0xcc }, VMM_EXIT_EXCEPTION, 3, NULL, NULL },
	{ "undefined", { 0x0f, 0x0b }, VMM_EXIT_EXCEPTION, 6, NULL, NULL },
	{ "privileged", { 0xf4 }, VMM_EXIT_EXCEPTION, 13, NULL, NULL },
	{ "divide", { 0xf7, 0xf1 }, VMM_EXIT_EXCEPTION, 0, zero_rcx, NULL },
	{ "x87_error", { 0x9b }, VMM_EXIT_EXCEPTION, GUEST_X87, x87_error,
	    NULL },
	{ "single_step", { 0x0f, 0x05 }, VMM_EXIT_EXCEPTION, 1, step, NULL },
	{ "hardware_breakpoint", { 0x0f, 0x05 }, VMM_EXIT_EXCEPTION, 1,
	    breakpoint, no_breakpoint },
	{ "debug_registers", { 0x0f, 0x05 }, VMM_EXIT_SYSCALL, 0,
	    breakpoint_elsewhere, no_breakpoint },
	/* CPUID, and SYSCALL. */
	{ "cpuid_inside", { 0x0f, 0xa2, 0x0f, 0x05 }, VMM_EXIT_SYSCALL, 0,
	    NULL, NULL },
	{ "nested_fault", { 0x48, 0x8b, 0x03, 0x0f, 0x05 },
	    VMM_EXIT_SYSCALL, 0, to_absent, NULL },
	{ "no_memory", { 0x48, 0x8b, 0x03 }, VMM_EXIT_MEMORY, 0, to_beyond,
	    NULL },
	{ "kick", { 0xeb, 0xfe }, VMM_EXIT_INTERRUPTED, 0, kicked,
	    not_kicked },
	{ "signal", { 0xeb, 0xfe }, VMM_EXIT_INTERRUPTED, 0, signalled,
	    not_signalled },
	{ "deadline", { 0xeb, 0xfe }, VMM_EXIT_DEADLINE, 0, deadline,
	    no_deadline },
	{ "preemption", { 0xeb, 0xfe }, VMM_EXIT_DEADLINE, 0, preempted,
	    not_preempted },
	{ "refused_state", { 0x0f, 0x05 }, VMM_EXIT_FAILED, 0, bad_rip,
	    NULL },
	{ "refused_entry", { 0x0f, 0x05 }, VMM_EXIT_FAILED, 0, refuse,
	    not_refuse },
	{ "shutdown", { 0x0f, 0x0b }, VMM_EXIT_SHUTDOWN, 0, shut_down,
	    not_shut_down },
};

bool intact_way_is_raw(const struct intact_way *w)
{
	return w->before == refuse || w->before == shut_down;
}
