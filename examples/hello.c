/* SPDX-License-Identifier: BSD-2-Clause */
/* hello.c - a guest user says hello; we are its kernel. */
#include <stdio.h>
#include <string.h>
#include <vmmctl.h>

/* The guest user: write(1, message, 21), then exit(0). */
__asm__(
	"	.pushsection .rodata\n"
	"guest:	mov	$1, %eax\n"
	"	mov	$1, %edi\n"
	"	lea	0f(%rip), %rsi\n"
	"	mov	$21, %edx\n"
	"	syscall\n"
	"	mov	$60, %eax\n"
	"	xor	%edi, %edi\n"
	"	syscall\n"
	"0:	.ascii	\"hello from ring three\"\n"
	"guest_end:\n"
	"	.popsection\n");
extern const unsigned char guest[], guest_end[];

#define CODE	0x400000	/* guest-virtual */
#define MEMORY	0x100000	/* guest-physical */

static _Alignas(4096) unsigned char memory[4096];

/* Carries out a system call; 1: the guest user has called exit(2). */
static int system_call(struct vmmctl_space *s, struct vmmctl_regs *r)
{
	char text[80];
	int64_t n;

	if (r->rax == 60)
		return 1;
	if (r->rax != 1) {
		r->rax = (uint64_t)-38;		/* ENOSYS */
		return 0;
	}
	n = vmmctl_space_copyin(s, r->rsi, text,
	    r->rdx < sizeof(text) ? r->rdx : sizeof(text), NULL);
	if (n > 0)
		printf("%.*s\n", (int)n, text);
	r->rax = (uint64_t)n;
	return 0;
}

static int run(struct vmmctl *v)
{
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_exit e;

	if (vmmctl_machine_create(v, NULL, &m) < 0 ||
	    vmmctl_memory_map_host(m, MEMORY, sizeof(memory), memory,
	    VMMCTL_PROT_RWX) < 0 ||
	    vmmctl_space_create(m, &s) < 0 ||
	    vmmctl_space_map(s, CODE, sizeof(memory), MEMORY,
	    VMMCTL_PROT_RX) < 0 ||
	    vmmctl_context_create(s, &c) < 0 ||
	    vmmctl_vcpu_create(m, &cpu) < 0)
		return -1;
	memcpy(memory, guest, (size_t)(guest_end - guest));
	vmmctl_context_regs(c)->rip = CODE;
	for (;;) {
		if (vmmctl_vcpu_run(cpu, c, &e) < 0)
			return -1;
		if (e.kind == VMMCTL_EXIT_KICKED)
			continue;	/* a signal of ours */
		if (e.kind != VMMCTL_EXIT_SYSCALL) {
			fprintf(stderr, "exit %u at 0x%llx\n", e.kind,
			    (unsigned long long)vmmctl_context_regs(c)->rip);
			return 1;
		}
		if (system_call(s, vmmctl_context_regs(c)))
			return 0;
	}
}

int main(void)
{
	struct vmmctl *v;
	char why[512];
	int r;

	if (vmmctl_open(NULL, &v, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	r = run(v);
	if (r < 0) {
		vmmctl_error(v, why, sizeof(why));
		fprintf(stderr, "%s\n", why);
	}
	vmmctl_close(v);	/* and all that was made from it */
	return r != 0;
}
