// SPDX-License-Identifier: BSD-2-Clause
/*
 * hello.c - the least that uses /dev/vmm: one page of code in ring 3, the page
 * tables above it, and a system call that comes back.
 */
#include "../../sys/dev/vmm/vmm_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE	4096u
#define CODE	0x400000u	/* where the guest has it */

enum { ROOT, POINTERS, DIRECTORY, TABLE, TEXT, PAGES };

/* mov $1, %eax; syscall */
static const uint8_t text[] = { 0xb8, 1, 0, 0, 0, 0x0f, 0x05 };

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void link_table(uint8_t *memory, unsigned table, unsigned index,
    unsigned to)
{
	const uint64_t entry = to * (uint64_t)PAGE | 7;	/* P W U */

	memcpy(memory + table * PAGE + index * sizeof(entry), &entry,
	    sizeof(entry));
}

int main(void)
{
	struct vmm_machine_create create = { .name = "hello" };
	struct vmm_vcpu_create vcpu_create = { .index = 0 };
	struct vmm_memory map = { .size = PAGES * PAGE,
	    .prot = VMM_PROT_READ | VMM_PROT_WRITE | VMM_PROT_EXEC };
	struct vmm_context context = { 0 };
	struct vmm_vcpu_page *page;
	int device, machine, vcpu;
	uint8_t *memory;

	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "mmap");
	memcpy(memory + TEXT * PAGE, text, sizeof(text));
	link_table(memory, ROOT, 0, POINTERS);
	link_table(memory, POINTERS, 0, DIRECTORY);
	link_table(memory, DIRECTORY, CODE >> 21, TABLE);
	link_table(memory, TABLE, 0, TEXT);

	device = open(VMM_DEVICE, O_RDWR | O_CLOEXEC);
	must(device >= 0, VMM_DEVICE);
	machine = ioctl(device, VMM_MACHINE_CREATE, &create);
	if (machine < 0)
		fprintf(stderr, "%s\n", create.why);
	must(machine >= 0, "VMM_MACHINE_CREATE");
	map.uaddr = (uintptr_t)memory;
	must(ioctl(machine, VMM_MEMORY_MAP, &map) == 0, "VMM_MEMORY_MAP");
	vcpu = ioctl(machine, VMM_VCPU_CREATE, &vcpu_create);
	must(vcpu >= 0, "VMM_VCPU_CREATE");
	must(ioctl(machine, VMM_CONTEXT_CREATE, &context) == 0,
	    "VMM_CONTEXT_CREATE");
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	must(page != MAP_FAILED, "mmap of the vCPU");

	page->regs.rip = CODE;
	page->cr3 = ROOT * PAGE;
	page->context = context.context;
	page->commit = VMM_SET_SPACE | VMM_SET_CONTEXT;
	must(ioctl(vcpu, VMM_RUN, 0) == 0, "VMM_RUN");
	printf("exit %u raw %#llx vector %u: rip %#llx rax %llu rcx %#llx "
	    "r11 %#llx\n", page->exit.kind, (unsigned long long)page->exit.raw,
	    page->exit.vector, (unsigned long long)page->regs.rip,
	    (unsigned long long)page->regs.rax,
	    (unsigned long long)page->regs.rcx,
	    (unsigned long long)page->regs.r11);
	return page->exit.kind != VMM_EXIT_SYSCALL || page->regs.rax != 1 ||
	    page->regs.rip != CODE + sizeof(text) ||
	    page->regs.rcx != page->regs.rip;
}
