// SPDX-License-Identifier: BSD-2-Clause
/*
 * record.c - what a processor leaves in the control structure for each exit,
 * and what the device made of it: lines of tests/device/recorded.def.
 *   tests/lab/run svm --out DIR -- build/tests/device/live/record NAME FILE
 * NAME is the computer's; further words name what its emulator cannot do.
 */
#include "live.h"
#include "../../../sys/dev/vmm/svm/svm.h"
#include "../../../sys/dev/vmm/vmx/vmx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

/* Addresses of the guest's, by entries of its page table. */
#define CODE		0x12000u
#define DIRECTORY	0x3000u
#define READ_ONLY	0x600000u
#define NO_CODE		0x800000u
#define NO_USER		0xa00000u
#define ROM		0xc00000u	/* the machine's memory is read-only */
#define NOTHING		0x1000000u
#define BEYOND		0x3fe00000u	/* no memory of the machine's */
#define NO_ADDRESS	0x8000000000000000u

#define TF		0x100u
#define AC		0x40000u

struct way {
	const char *name;
	uint8_t code[8];
	uint64_t rbx, rsp;
	uint64_t rflags;
	void (*before)(struct vcpu *v);
};

static void *kick(void *cookie)
{
	const struct vcpu *v = cookie;

	usleep(100000);
	must(ioctl(v->fd, VMM_KICK));
	return NULL;
}

static void kicked(struct vcpu *v)
{
	pthread_t thread;

	must(-pthread_create(&thread, NULL, kick, v));
	pthread_detach(thread);
}

static void deadline(struct vcpu *v)
{
	v->page->deadline = now_ns() + 20000000;
}

static void breakpoint(struct vcpu *v)
{
	v->page->dr[0] = CODE;
	v->page->dr7 = 0x401;
	v->page->commit |= VMM_SET_DEBUG;
}

static void watchpoint(struct vcpu *v)
{
	v->page->dr[1] = MIB;
	v->page->dr7 = 0x400 | 1 << 2 | 1 << 20;
	v->page->commit |= VMM_SET_DEBUG;
}

#define OUT 0x0f, 0x05	/* where it goes on */

static const struct way ways[] = {
	{ .name = "system_call", .code = { 0x0f, 0x05 } },
	{ .name = "sysenter", .code = { 0x0f, 0x34 } },
	{ .name = "int_80", .code = { 0xcd, 0x80 } },
	{ .name = "int_0d", .code = { 0xcd, 0x0d } },
	{ .name = "int_3", .code = { 0xcd, 0x03 } },
	{ .name = "int3", .code = { 0xcc } },
	{ .name = "int1", .code = { 0xf1 } },
	{ .name = "ud2", .code = { 0x0f, 0x0b } },
	{ .name = "divide", .code = { 0xf7, 0xf6 } },	/* by ESI: 0 */
	{ .name = "hlt", .code = { 0xf4 } },
	{ .name = "cli", .code = { 0xfa } },
	{ .name = "in", .code = { 0xe4, 0x60 } },
	{ .name = "rdmsr", .code = { 0x0f, 0x32 } },
	{ .name = "wrmsr", .code = { 0x0f, 0x30 } },
	{ .name = "wbinvd", .code = { 0x0f, 0x09 } },
	{ .name = "invlpg", .code = { 0x0f, 0x01, 0x3b } },
	{ .name = "mov_cr0", .code = { 0x0f, 0x20, 0xc0 } },
	{ .name = "mov_dr7", .code = { 0x0f, 0x21, 0xf8 } },
	{ .name = "sysret", .code = { 0x0f, 0x07 } },
	{ .name = "lgdt", .code = { 0x0f, 0x01, 0x13 } },
	{ .name = "lldt", .code = { 0x0f, 0x00, 0xd0 } },
	{ .name = "xsetbv", .code = { 0x0f, 0x01, 0xd1 } },
	{ .name = "rdpmc", .code = { 0x0f, 0x33 } },
	{ .name = "rsm", .code = { 0x0f, 0xaa } },
	{ .name = "vmcall", .code = { 0x0f, 0x01, 0xc1 } },
	{ .name = "vmmcall", .code = { 0x0f, 0x01, 0xd9 } },
	{ .name = "vmrun", .code = { 0x0f, 0x01, 0xd8 } },
	{ .name = "stgi", .code = { 0x0f, 0x01, 0xdc } },
	{ .name = "monitor", .code = { 0x0f, 0x01, 0xc8 } },
	{ .name = "mwait", .code = { 0x0f, 0x01, 0xc9 } },
	{ .name = "stack_nowhere", .code = { 0x50 }, .rsp = NO_ADDRESS },
	{ .name = "read_nowhere", .code = { 0x48, 0x8b, 0x03 },
	  .rbx = NO_ADDRESS },
	{ .name = "unaligned", .code = { 0x48, 0x8b, 0x03, OUT }, .rbx = MIB + 1,
	  .rflags = AC },
	{ .name = "read_absent", .code = { 0x48, 0x8b, 0x03 },
	  .rbx = NOTHING + 0x123 },
	{ .name = "write_absent", .code = { 0x48, 0x89, 0x03 },
	  .rbx = NOTHING + 0x123 },
	{ .name = "fetch_absent", .code = { 0xff, 0xe3 },
	  .rbx = NOTHING + 0x123 },
	{ .name = "write_read_only", .code = { 0x48, 0x89, 0x03 },
	  .rbx = READ_ONLY + 0xff8 },
	{ .name = "fetch_no_code", .code = { 0xff, 0xe3 },
	  .rbx = NO_CODE + 0x1000 },
	{ .name = "read_supervisor", .code = { 0x48, 0x8b, 0x03 },
	  .rbx = NO_USER },
	{ .name = "read_no_memory", .code = { 0x48, 0x8b, 0x03 },
	  .rbx = BEYOND + 0x1008 },
	{ .name = "write_no_memory", .code = { 0x48, 0x89, 0x03 },
	  .rbx = BEYOND + 0x1008 },
	{ .name = "fetch_no_memory", .code = { 0xff, 0xe3 },
	  .rbx = BEYOND + 0x1008 },
	{ .name = "write_rom", .code = { 0x48, 0x89, 0x03 },
	  .rbx = ROM + 0x2010 },
	{ .name = "fetch_rom", .code = { 0xff, 0xe3 }, .rbx = ROM + 0x3000 },
	{ .name = "step", .code = { 0x90, OUT }, .rflags = TF },
	{ .name = "breakpoint", .code = { 0x90, OUT }, .before = breakpoint },
	{ .name = "watchpoint", .code = { 0x48, 0x89, 0x03, OUT },
	  .before = watchpoint },
	{ .name = "kick", .code = { 0xeb, 0xfe }, .before = kicked },
	{ .name = "deadline", .code = { 0xeb, 0xfe }, .before = deadline },
};

static uint64_t field(const struct vcpu *v, uint32_t number, uint32_t width)
{
	struct vmm_raw a = { .op = VMM_RAW_READ, .field = number,
	    .width = width };

	must(ioctl(v->fd, VMM_RAW, &a));
	return a.value;
}

#define VMCB(f) field(v, offsetof(struct svm_vmcb, f), \
	sizeof(((struct svm_vmcb *)0)->f))

static void tell_svm(FILE *f, const struct vcpu *v)
{
	fprintf(f, "%#llx, %#llx, %#llx, %#llx, %#llx, %#llx, %#llx",
	    (unsigned long long)(device_info().caps &
	    (VMM_CAP_NRIP | VMM_CAP_DECODE)),
	    (unsigned long long)VMCB(exit_code),
	    (unsigned long long)VMCB(exit_info[0]),
	    (unsigned long long)VMCB(exit_info[1]),
	    (unsigned long long)VMCB(rip), (unsigned long long)VMCB(nrip),
	    (unsigned long long)VMCB(rflags));
}

static void tell_vmx(FILE *f, const struct vcpu *v)
{
	fprintf(f, "%#llx, %#llx, %#llx, %#llx, %#llx, %#llx, %#llx",
	    (unsigned long long)field(v, VMX_REASON, 4),
	    (unsigned long long)field(v, VMX_EVENT, 4),
	    (unsigned long long)field(v, VMX_EVENT_ERROR, 4),
	    (unsigned long long)field(v, VMX_VECTORING, 4),
	    (unsigned long long)field(v, VMX_LENGTH, 4),
	    (unsigned long long)field(v, VMX_QUALIFICATION, 8),
	    (unsigned long long)field(v, VMX_GUEST_PHYSICAL, 8));
}

static void tell(FILE *f, const char *computer, const char *way,
    const struct vcpu *v)
{
	static const char *const kinds[] = { "NONE", "SYSCALL", "SOFTINT",
		"EXCEPTION", "MEMORY", "INTERRUPTED", "DEADLINE", "FAILED",
		"SHUTDOWN", "UNKNOWN" };
	const struct vmm_exit *e = &v->page->exit;
	bool svm = strcmp(device_info().vendor, "svm") == 0;

	assert_in_range(e->kind, 1, sizeof(kinds) / sizeof(kinds[0]) - 1);
	fprintf(f, "%s(\"%s\", \"%s\",\n\t", svm ? "SVM" : "VMX", computer,
	    way);
	(svm ? tell_svm : tell_vmx)(f, v);
	fprintf(f, ",\n\tEXIT(%s, %#x, %u, %#x, %u, %#llx, %#llx, %#llx))\n",
	    kinds[e->kind], e->valid, e->vector, e->error_code, e->access,
	    (unsigned long long)e->address, (unsigned long long)e->gpa,
	    (unsigned long long)e->dr6);
}

static void entry(const struct guest *g, uint64_t at, uint64_t value)
{
	memcpy(g->memory + DIRECTORY + 8 * (at / (2 * MIB)), &value,
	    sizeof(value));
}

static void record(FILE *f, const char *computer, const struct way *w)
{
	struct vmm_memory rom = { .gpa = ROM, .size = 2 * MIB,
	    .prot = VMM_PROT_READ };
	struct guest g;
	struct vcpu v;

	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	entry(&g, READ_ONLY, 2 * MIB | 0x85);
	entry(&g, NO_CODE, 2 * MIB | 0x87 | 1ull << 63);
	entry(&g, NO_USER, 2 * MIB | 0x83);
	entry(&g, ROM, ROM | 0x87);
	entry(&g, BEYOND, BEYOND | 0x87);
	rom.uaddr = (uintptr_t)g.memory + 2 * MIB;
	must(ioctl(g.machine, VMM_MEMORY_MAP, &rom));
	memcpy(g.memory + CODE, w->code, sizeof(w->code));
	vcpu_start(&v, &g, 0, CODE);
	v.page->regs.rbx = w->rbx != 0 ? w->rbx : MIB;
	v.page->regs.rsp = w->rsp != 0 ? w->rsp : MIB;
	v.page->regs.rsi = v.page->regs.rdx = 0;
	v.page->regs.rflags |= w->rflags;
	if (w->before != NULL)
		w->before(&v);
	must(ioctl(v.fd, VMM_RUN));
	tell(f, computer, w->name, &v);
	vcpu_end(&v);
	guest_end(&g);
}

static char **arguments;

static bool left_out(const struct way *w)
{
	char **a;

	for (a = arguments + 3; *a != NULL; a++)
		if (strcmp(*a, w->name) == 0)
			return true;
	return false;
}

static void all_are_recorded(void **state)
{
	FILE *f = fopen(arguments[2], "we");
	size_t i;

	(void)state;
	assert_non_null(f);
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		/* An emulator may not survive it. */
		print_message("# %s\n", ways[i].name);
		if (!left_out(&ways[i]))
			record(f, arguments[1], &ways[i]);
	}
	assert_int_equal(fclose(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest recorder[] = {
		cmocka_unit_test(all_are_recorded),
	};

	if (argc < 3) {
		fprintf(stderr, "usage: record COMPUTER FILE [WAY ...]\n");
		return 2;
	}
	arguments = argv;
	return RUN(recorder);
}
