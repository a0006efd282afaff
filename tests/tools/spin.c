/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spin BACKEND NAME SYSCALLS FAULTS [PID]: a real machine whose guest makes
 * this many system calls and takes this many page faults, and then is held
 * until this process has seen it; 0: the parent.  Exit code 77: the backend
 * cannot be used here.
 */
#include "seen.h"
#include "vmmctl.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#define EXIT_SKIP	77
#define STEP_US		1000
#define MEMORY		(1u << 16)
#define CODE_GVA	0x400000u
#define NOWHERE_GVA	0x600000u

/* 1: syscall; jmp 1b        2: mov %rax, (%rdi); jmp 2b */
static const unsigned char code[] = {
	0x0f, 0x05, 0xeb, 0xfc, 0x48, 0x89, 0x07, 0xeb, 0xfb
};
#define CODE_FAULT	4u

static struct vmmctl *v;

static void check(int r, const char *what)
{
	char why[512];

	if (r >= 0)
		return;
	vmmctl_error(v, why, sizeof(why));
	errx(1, "%s: %s", what, why);
}

/* Run from rip until n exits of that kind. */
static void run(struct vmmctl_vcpu *vcpu, struct vmmctl_context *c,
    uint64_t rip, uint32_t kind, unsigned long n)
{
	struct vmmctl_exit e;

	vmmctl_context_regs(c)->rip = rip;
	for (unsigned long i = 0; i < n;) {
		check(vmmctl_vcpu_run(vcpu, c, &e), "run");
		if (e.kind == kind)
			i++;
		else if (e.kind != VMMCTL_EXIT_KICKED)
			errx(1, "exit %u, not %u", e.kind, kind);
	}
}

int main(int argc, char **argv)
{
	struct vmmctl_machine_config config = { .size = sizeof(config) };
	struct vmmctl_context *c;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_vcpu *vcpu;
	char why[512];
	void *memory;
	pid_t reader;

	if (argc < 5)
		errx(1, "usage: spin backend name syscalls faults [pid]");
	if (vmmctl_open(argv[1], &v, why, sizeof(why)) < 0) {
		warnx("%s", why);
		return EXIT_SKIP;
	}
	snprintf(config.name, sizeof(config.name), "%s", argv[2]);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	memcpy(memory, code, sizeof(code));
	check(vmmctl_machine_create(v, &config, &m), "machine");
	check(vmmctl_memory_map_host(m, 0, MEMORY, memory, VMMCTL_PROT_RWX),
	    "memory");
	check(vmmctl_space_create(m, &s), "space");
	check(vmmctl_space_map(s, CODE_GVA, MEMORY, 0, VMMCTL_PROT_RX), "map");
	check(vmmctl_context_create(s, &c), "context");
	check(vmmctl_vcpu_create(m, &vcpu), "vcpu");
	run(vcpu, c, CODE_GVA, VMMCTL_EXIT_SYSCALL, strtoul(argv[3], NULL, 0));
	vmmctl_context_regs(c)->rdi = NOWHERE_GVA;
	run(vcpu, c, CODE_GVA + CODE_FAULT, VMMCTL_EXIT_FAULT,
	    strtoul(argv[4], NULL, 0));
	printf("%d\n", (int)getpid());
	fflush(stdout);
	reader = argc > 5 ? atoi(argv[5]) : -1;
	if (reader == 0)
		reader = getppid();
	while (reader > 0 && !seen_by(reader, vmmctl_machine_counters(m)))
		usleep(STEP_US);
	vmmctl_close(v);
	return 0;
}
