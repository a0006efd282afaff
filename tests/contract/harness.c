// SPDX-License-Identifier: BSD-2-Clause
/*
 * The rig: a backend, a machine, a space, a context and a vCPU for one test.
 */
#include "harness.h"
#include "../tap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* No test takes this long, on a busy host either, unless it hangs. */
#define TEST_SECONDS	180

static char backend[64];
static char backend_path[64];
static bool brief;	/* all system calls may be brief */
static const char *volatile running;

const char *backend_name(void)
{
	return backend[0] != '\0' ? backend : NULL;
}

const char *backend_dir(void)
{
	return backend_path;
}

static void hung(int sig)
{
	static const char text[] = "\nBail out! A test hangs: ";

	(void)sig;
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	if (running != NULL)
		(void)!write(STDOUT_FILENO, running, strlen(running));
	(void)!write(STDOUT_FILENO, "\n", 1);
	_exit(3);
}

/* ".../proc-ptrace/exits" names "proc:ptrace". */
static void choose_backend(const char *argv0)
{
	static const char *const known[] = { "vmm", "kvm", "proc",
	    "proc-brief", "proc-ptrace" };
	static const char suffix[] = "-brief";
	const char *env = getenv("VMMCTL_BACKEND"), *slash, *dir;
	size_t len = 0;
	char *end;

	slash = strrchr(argv0, '/');
	dir = slash;
	while (dir != NULL && dir > argv0 && dir[-1] != '/')
		dir--;
	if (slash != NULL)
		len = (size_t)(slash - dir);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slash != NULL && strlen(known[i]) == len &&
		    strncmp(dir, known[i], len) == 0)
			env = known[i];
	if (env == NULL)
		env = "";
	snprintf(backend, sizeof(backend), "%s", env);
	snprintf(backend_path, sizeof(backend_path), "%s", env);
	end = strstr(backend, suffix);
	if (end != NULL) {
		brief = true;
		*end = '\0';
	}
	for (char *p = backend; *p != '\0'; p++)
		if (*p == '-')
			*p = ':';
	for (char *p = backend_path; *p != '\0'; p++)
		if (*p == ':')
			*p = '-';
}

bool harness_begin(int argc, char **argv, int *rc)
{
	struct vmmctl_info info;
	char why[512] = "";
	struct vmmctl *v;
	int e;

	choose_backend(argv[0]);
	tap_begin();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	signal(SIGALRM, hung);

	running = "open";
	alarm(TEST_SECONDS);
	e = vmmctl_open(backend_name(), &v, why, sizeof(why));
	alarm(0);
	*rc = 0;
	/*
	 * An option that this build does not have is a reason to skip.  proc
	 * itself needs nothing of the host.
	 */
	if ((e == -EINVAL && strchr(backend, ':') == NULL) ||
	    (e < 0 && (why[0] == '\0' || strcmp(backend, "proc") == 0))) {
		printf("Bail out! open %s: %s: \"%s\"\n", backend,
		    strerror(-e), why);
		*rc = 1;
		return false;
	}
	if (e < 0) {
		printf("1..0 # SKIP %s: %s\n", backend, why);
		return false;
	}
	vmmctl_info(v, &info, sizeof(info));
	printf("# backend %s, %s; an exit costs about %llu ns; %s\n",
	    info.backend, info.variant, (unsigned long long)info.exit_ns,
	    info.reason);
	vmmctl_close(v);
	return true;
}

int harness_run(const struct CMUnitTest *tests, size_t n)
{
	int rc = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);

	tap_end();
	return rc;
}

static struct rig *rig_open(const char *test)
{
	const char *dir = getenv("VMMCTL_TRACE_DIR");
	struct rig *r = calloc(1, sizeof(*r));
	char why[512] = "";
	int e;

	if (r == NULL)
		return NULL;
	r->test = running = test;
	r->fd = -1;
	alarm(TEST_SECONDS);
	e = vmmctl_open(backend_name(), &r->v, why, sizeof(why));
	if (e < 0) {
		printf("# open %s: %s\n", backend, why);
		free(r);
		return NULL;
	}
	vmmctl_info(r->v, &r->info, sizeof(r->info));
	if (dir != NULL) {
		snprintf(r->trace_path, sizeof(r->trace_path),
		    "%s/%s.trace", dir, test);
		r->trace = fopen(r->trace_path, "we");
	}
	return r;
}

int rig_setup_open(void **state)
{
	*state = rig_open(*state);
	return *state == NULL ? -1 : 0;
}

struct vmmctl_space *rig_space(struct rig *r)
{
	const struct vmmctl_space_op ops[] = {
		{ VMMCTL_SPACE_MAP, VMMCTL_PROT_RX, CODE, REGION, CODE_GPA },
		{ VMMCTL_SPACE_MAP, VMMCTL_PROT_RW, DATA, REGION, DATA_GPA },
		{ VMMCTL_SPACE_MAP, VMMCTL_PROT_RW, STACK, REGION, STACK_GPA },
	};
	struct vmmctl_space *s;

	expect_rc(r, vmmctl_space_create(r->m, &s), 0);
	expect_rc(r, vmmctl_space_change(s, ops, 3, NULL), 0);
	return s;
}

void rig_regs(struct vmmctl_regs *regs)
{
	uint64_t *gpr = &regs->rax;

	for (uint64_t i = 0; i < 16; i++)
		gpr[i] = 0xa5000000deadbe00ull | i << 32 | i;
	regs->rsp = RSP;
	regs->rip = CODE;
	regs->rflags = RFLAGS;
	regs->fs_base = DATA + 0x8000;
	regs->gs_base = DATA + 0x9000;
}

struct vmmctl_context *rig_context(struct rig *r, struct vmmctl_space *s)
{
	struct vmmctl_context *c;

	expect_rc(r, vmmctl_context_create(s, &c), 0);
	rig_regs(vmmctl_context_regs(c));
	return c;
}

bool rig_kicks_only(void)
{
	return brief;
}

int rig_setup(void **state)
{
	static const uint64_t all[VMMCTL_BRIEF_WORDS] = { ~0ull, ~0ull, ~0ull,
	    ~0ull, ~0ull, ~0ull, ~0ull, ~0ull };
	const struct vmmctl_machine_config config = {
		.size = sizeof(config), .name = "contract",
		.flags = rig_kicks_only() ? VMMCTL_MACHINE_KICKS_ONLY : 0,
		.brief = brief ? all : NULL,
		.brief_words = brief ? VMMCTL_BRIEF_WORDS : 0,
	};
	struct rig *r = rig_open(*state);

	if (r == NULL)
		return -1;
	*state = r;
	r->fd = memfd_create("contract-test", MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)MEM_SIZE) != 0)
		return -1;
	r->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    r->fd, 0);
	if (r->mem == MAP_FAILED)
		return -1;
	r->seen = malloc(MEM_SIZE);
	if (r->seen == NULL)
		return -1;
	expect_rc(r, vmmctl_machine_create(r->v, &config, &r->m), 0);
	expect_rc(r, vmmctl_memory_map(r->m, GPA, MEM_SIZE, r->fd, 0,
	    VMMCTL_PROT_RWX), 0);
	r->s = rig_space(r);
	r->c = rig_context(r, r->s);
	r->regs = vmmctl_context_regs(r->c);
	expect_rc(r, vmmctl_vcpu_create(r->m, &r->cpu), 0);
	return 0;
}

void rig_at_end(struct rig *r, void (*f)(void *cookie), void *cookie)
{
	for (unsigned i = 0; i < r->nends; i++)
		if (r->at_end[i].f == f && r->at_end[i].cookie == cookie)
			return;
	assert_in_range(r->nends, 0, 31);
	r->at_end[r->nends].f = f;
	r->at_end[r->nends].cookie = cookie;
	r->nends++;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;

	while (r->nends > 0) {
		r->nends--;
		r->at_end[r->nends].f(r->at_end[r->nends].cookie);
	}
	if (r->trace != NULL) {
		uint64_t sum = 14695981039346656037ull;

		for (size_t i = 0; r->mem != NULL && i < MEM_SIZE; i++)
			sum = (sum ^ r->mem[i]) * 1099511628211ull;
		fprintf(r->trace, "memory %016llx\n", (unsigned long long)sum);
		fclose(r->trace);
	}
	vmmctl_close(r->v);
	if (r->mem != NULL && r->mem != MAP_FAILED)
		munmap(r->mem, MEM_SIZE);
	if (r->fd >= 0)
		close(r->fd);
	free(r->seen);
	free(r);
	alarm(0);
	return 0;
}

void rig_load(struct rig *r, struct blob b)
{
	size_t n = (size_t)(b.end - b.start);

	assert_in_range(n, 1, REGION);
	memcpy(rig_gpa(r, CODE_GPA), b.start, n);
	rig_regs(r->regs);
}

uint8_t *rig_gpa(struct rig *r, uint64_t gpa)
{
	assert_in_range(gpa, GPA, GPA + MEM_SIZE - 1);
	return r->mem + (gpa - GPA);
}

void rig_map(struct rig *r, uint64_t gva, uint64_t gpa, uint32_t prot)
{
	expect_rc(r, vmmctl_space_map(r->s, gva, PAGE, gpa, prot), 0);
}

void rig_unmap(struct rig *r, uint64_t gva, uint64_t len)
{
	expect_rc(r, vmmctl_space_unmap(r->s, gva, len), 0);
}

void rig_snapshot(struct rig *r)
{
	memcpy(r->seen, r->mem, MEM_SIZE);
}

void rig_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

void rig_skip(struct rig *r, const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	tap_reason(r->test, "%s", why);
	rig_untraced(r);
	_skip(__FILE__, __LINE__);
	abort();
}

void rig_need(struct rig *r, uint64_t cap, const char *what)
{
	if ((r->info.caps & cap) != cap)
		rig_skip(r, "%s/%s cannot: %s", r->info.backend,
		    r->info.variant, what);
}

void rig_need_exact(struct rig *r, const char *what)
{
	if ((r->info.caps & VMMCTL_CAP_EXACT) == 0)
		rig_skip(r, "the host's emulator gets this wrong: %s", what);
}

uint64_t rig_scale(const struct rig *r, uint64_t want, uint64_t min,
    uint64_t ms)
{
	uint64_t ns = r->info.exit_ns != 0 ? r->info.exit_ns : 10000;
	uint64_t fit = ms * 1000000 / ns;

	if (fit < min)
		fit = min;
	return fit < want ? fit : want;
}
