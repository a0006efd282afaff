// SPDX-License-Identifier: BSD-2-Clause
/*
 * Running, tracing, and comparing what came with what the contract says.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_names[] = {
	"NONE", "SYSCALL", "SOFTINT", "BREAKPOINT", "FAULT", "EXCEPTION",
	"DEBUG", "NOMEM", "KICKED", "BUDGET", "FAILED"
};

static const char *const reg_names[] = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	"rip", "rflags", "fs_base", "gs_base"
};
#define REGS	(sizeof(reg_names) / sizeof(reg_names[0]))
_Static_assert(REGS * 8 == sizeof(struct vmmctl_regs), "register names");

static const char *kind_name(uint32_t kind)
{
	return kind < sizeof(kind_names) / sizeof(kind_names[0]) ?
	    kind_names[kind] : "?";
}

/* field and value of FAILED are part of the contract, its wording is not. */
static void print_exit(FILE *f, const char *head, const struct vmmctl_exit *x)
{
	fprintf(f, "%s%s vector=%u error=%#x access=%u present=%u budget=%u "
	    "addr=%#llx gpa=%#llx dr6=%#llx", head, kind_name(x->kind),
	    x->vector, x->error_code, x->access, x->present, x->budget,
	    (unsigned long long)x->addr, (unsigned long long)x->gpa,
	    (unsigned long long)x->dr6);
	if (x->kind == VMMCTL_EXIT_FAILED)
		fprintf(f, " field=%s value=%#llx", x->field,
		    (unsigned long long)x->value);
	fprintf(f, "\n");
}

static void print_regs(FILE *f, const char *head,
    const struct vmmctl_regs *regs)
{
	const uint64_t *p = &regs->rax;

	for (size_t i = 0; i < REGS; i++)
		fprintf(f, "%s%s=%016llx%s", i % 4 == 0 ? head : " ",
		    reg_names[i], (unsigned long long)p[i],
		    i % 4 == 3 ? "\n" : "");
}

static void print_sentence(struct rig *r)
{
	char why[512] = "";

	vmmctl_error(r->v, why, sizeof(why));
	printf("# vmmctl_error: \"%s\"\n", why);
}

int rig_enter(struct vmmctl_vcpu *cpu, struct vmmctl_context *c,
    struct vmmctl_exit *x)
{
	int rc = vmmctl_vcpu_run(cpu, c, x);

	if (rc == 0 && x->brief != 0) {
		rc = vmmctl_context_fetch(c);
		x->brief = 0;
	}
	return rc;
}

void rig_run_on(struct rig *r, struct vmmctl_vcpu *cpu,
    struct vmmctl_context *c, struct vmmctl_exit *x)
{
	int rc;

	memset(x, 0xee, sizeof(*x));
	rc = vmmctl_vcpu_run(cpu, c, x);
	r->was_brief = rc == 0 && x->brief != 0;
	if (r->was_brief)
		rc = vmmctl_context_fetch(c);
	x->brief = 0;
	if (rc != 0)
		print_sentence(r);
	assert_int_equal(rc, 0);
	if (r->trace != NULL) {
		print_exit(r->trace, "", x);
		print_regs(r->trace, "  ", vmmctl_context_regs(c));
	}
}

void rig_run(struct rig *r)
{
	rig_run_on(r, r->cpu, r->c, &r->x);
}

void rig_untraced(struct rig *r)
{
	if (r->trace == NULL)
		return;
	fclose(r->trace);
	r->trace = NULL;
	unlink(r->trace_path);
}

void rig_note(struct rig *r, const char *fmt, ...)
{
	va_list ap;

	if (r->trace == NULL)
		return;
	va_start(ap, fmt);
	vfprintf(r->trace, fmt, ap);
	va_end(ap);
	fprintf(r->trace, "\n");
}

static bool same_failure(const struct vmmctl_exit *got,
    const struct vmmctl_exit *want)
{
	if (want->kind != VMMCTL_EXIT_FAILED)
		return true;
	return got->field != NULL && got->rule != NULL &&
	    got->section != NULL && got->value == want->value &&
	    (want->field == NULL || strcmp(got->field, want->field) == 0);
}

void expect_exit_(struct rig *r, const struct vmmctl_exit *got,
    const struct vmmctl_exit *want, const char *file, int line)
{
	/* The processor's part in a NOMEM differs: EPT violation or #PF. */
	bool nomem = want->kind == VMMCTL_EXIT_NOMEM;

	if (got->kind == want->kind &&
	    (nomem || got->vector == want->vector) &&
	    (nomem || got->error_code == want->error_code) &&
	    (nomem || got->present == want->present) &&
	    got->access == want->access && got->budget == want->budget &&
	    got->addr == want->addr && got->gpa == want->gpa &&
	    got->dr6 == want->dr6 && got->brief == want->brief &&
	    got->reserved == 0 && same_failure(got, want))
		return;
	print_exit(stdout, "# expected ", want);
	print_exit(stdout, "#      got ", got);
	print_regs(stdout, "#   ", r->regs);
	_fail(file, line);
}

void expect_fault_(struct rig *r, uint64_t addr, uint32_t access,
    uint32_t present, const char *file, int line)
{
	struct vmmctl_exit want = {
		.kind = VMMCTL_EXIT_FAULT, .vector = 14, .access = access,
		.present = present, .addr = addr,
	};

	want.error_code = present | 4u |
	    (access == VMMCTL_PROT_WRITE ? 2u : 0) |
	    (access == VMMCTL_PROT_EXEC ? 16u : 0);
	expect_exit_(r, &r->x, &want, file, line);
}

void expect_regs_(struct rig *r, const struct vmmctl_regs *want,
    const char *file, int line)
{
	const uint64_t *got = &r->regs->rax, *w = &want->rax;
	bool same = true;

	for (size_t i = 0; i < REGS; i++) {
		if (got[i] == w[i])
			continue;
		printf("# %s: expected %#llx, got %#llx\n", reg_names[i],
		    (unsigned long long)w[i], (unsigned long long)got[i]);
		same = false;
	}
	if (same)
		return;
	print_exit(stdout, "# after ", &r->x);
	_fail(file, line);
}

void expect_same_memory_(struct rig *r, const char *file, int line)
{
	unsigned shown = 0;

	if (memcmp(r->seen, r->mem, MEM_SIZE) == 0)
		return;
	for (size_t i = 0; i < MEM_SIZE && shown < 16; i++) {
		if (r->seen[i] == r->mem[i])
			continue;
		printf("# gpa %#llx: expected %02x, got %02x\n",
		    (unsigned long long)(GPA + i), r->seen[i], r->mem[i]);
		shown++;
	}
	_fail(file, line);
}

void expect_rc_(struct rig *r, int64_t rc, int64_t want, const char *what,
    const char *file, int line)
{
	char why[512] = "";
	size_t len = vmmctl_error(r->v, why, sizeof(why));

	if (rc == want && (want >= 0 || (len > 0 && why[0] != '\0')))
		return;
	printf("# %s: expected %lld, got %lld; vmmctl_error: \"%s\"\n", what,
	    (long long)want, (long long)rc, why);
	_fail(file, line);
}
