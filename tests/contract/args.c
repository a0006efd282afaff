// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bad arguments: each test breaks one field of a call that is right
 * otherwise, gets EINVAL (or what the header says) and a sentence.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define R	VMMCTL_PROT_READ
#define RW	VMMCTL_PROT_RW
#define HIGH	(GPA + 0x10000000)

static void open_refuses(const char *name, int want)
{
	struct vmmctl *v = NULL;
	char why[256] = "";
	int rc = vmmctl_open(name, &v, why, sizeof(why));

	if (rc != want || why[0] == '\0')
		rig_say("open(\"%s\"): %d, \"%s\"", name, rc, why);
	assert_int_equal(rc, want);
	assert_true(strlen(why) > 10);
	/* Nobody has to listen. */
	assert_int_equal(vmmctl_open(name, &v, NULL, 0), want);
	assert_int_equal(vmmctl_open(name, &v, why, 1), want);
	assert_int_equal(why[0], '\0');
}

static void names_of_backends(void **state)
{
	(void)state;
	open_refuses("nosuch", -EINVAL);
	open_refuses("proc:nosuch", -EINVAL);
	open_refuses("proc:ptrace:", -EINVAL);
	open_refuses("procs", -EINVAL);
	open_refuses("PROC", -EINVAL);
	open_refuses(" proc", -EINVAL);
}

static void open_config(void **state)
{
	struct rig *r = *state;
	char why[256];
	const struct vmmctl_config good = {
		.size = sizeof(good), .backend = backend_name(), .why = why,
		.why_size = sizeof(why),
	};
	struct vmmctl_config c = good;
	struct vmmctl *v;

	(void)r;
	assert_int_equal(vmmctl_open_config(&c, &v), 0);
	vmmctl_close(v);
#define REFUSED(field, bad) do {					\
	c = good;							\
	c.field = (bad);						\
	why[0] = '\0';							\
	assert_int_equal(vmmctl_open_config(&c, &v), -EINVAL);		\
	assert_true(strlen(why) > 10);					\
} while (0)
	REFUSED(size, 0);
	REFUSED(size, sizeof(good) - 1);
	REFUSED(size, 0x10000);
	REFUSED(flags, 1);
	REFUSED(flags, 1u << 31);
	REFUSED(backend, "nosuch");
#undef REFUSED
}

static void machine_config(void **state)
{
	struct rig *r = *state;
	const struct vmmctl_machine_config good = {
		.size = sizeof(good), .name = "good", .max_vcpus = 1,
		.max_spaces = 1, .max_memory = 1 << 20,
	};
	const uint64_t many[VMMCTL_BRIEF_WORDS + 1] = { 0 };
	struct vmmctl_machine_config c = good;
	struct vmmctl_machine *m;

	expect_rc(r, vmmctl_machine_create(r->v, &c, &m), 0);
	vmmctl_machine_destroy(m);
#define REFUSED(field, bad) do {					\
	c = good;							\
	c.field = (bad);						\
	expect_rc(r, vmmctl_machine_create(r->v, &c, &m), -EINVAL);	\
} while (0)
	REFUSED(size, 0);
	REFUSED(size, sizeof(good) - 8);
	REFUSED(size, sizeof(good) + 8);
	REFUSED(flags, VMMCTL_MACHINE_KICKS_ONLY << 1);
	REFUSED(reserved, 1);
	REFUSED(max_vcpus, r->info.max_vcpus + 1);
	REFUSED(cpuid_count, 1);	/* and no leaves */
	REFUSED(brief_words, 1);	/* and no words */
	REFUSED(reserved2, 1);
#undef REFUSED
	c = good;
	c.brief = many;
	c.brief_words = VMMCTL_BRIEF_WORDS + 1;
	expect_rc(r, vmmctl_machine_create(r->v, &c, &m), -EINVAL);
	c = good;
	memset(c.name, 'x', sizeof(c.name));
	expect_rc(r, vmmctl_machine_create(r->v, &c, &m), -EINVAL);
}

static void memory_map(void **state)
{
	struct rig *r = *state;
	uint64_t limit = r->info.gpa_limit;
	int ro;

#define MAP(gpa, len, fd, offset, prot, want)				\
	expect_rc(r, vmmctl_memory_map(r->m, (gpa), (len), (fd),	\
	    (offset), (prot)), (want))
	MAP(HIGH + 1, PAGE, r->fd, 0, R, -EINVAL);
	MAP(HIGH, 0, r->fd, 0, R, -EINVAL);
	MAP(HIGH, PAGE + 1, r->fd, 0, R, -EINVAL);
	MAP(HIGH, PAGE, r->fd, 1, R, -EINVAL);
	MAP(HIGH, PAGE, r->fd, 0, 0, -EINVAL);
	MAP(HIGH, PAGE, r->fd, 0, VMMCTL_PROT_WRITE, -EINVAL);
	MAP(HIGH, PAGE, r->fd, 0, VMMCTL_PROT_EXEC, -EINVAL);
	MAP(HIGH, PAGE, r->fd, 0, R | 8, -EINVAL);
	MAP(HIGH, PAGE, r->fd, 0, R | 1u << 31, -EINVAL);
	MAP(limit, PAGE, r->fd, 0, R, -EINVAL);
	MAP(limit - PAGE, 2 * PAGE, r->fd, 0, R, -EINVAL);
	MAP(~0ull & ~(PAGE - 1), 2 * PAGE, r->fd, 0, R, -EINVAL);
	MAP(HIGH, 0 - PAGE, r->fd, 0, R, -EINVAL);
	MAP(HIGH, PAGE, r->fd, ~0ull & ~(PAGE - 1), R, -EINVAL);
	/* Overlaps: the same, the first page, the last, all around. */
	MAP(GPA, PAGE, r->fd, 0, R, -EINVAL);
	MAP(GPA - PAGE, 2 * PAGE, r->fd, 0, R, -EINVAL);
	MAP(GPA + MEM_SIZE - PAGE, 2 * PAGE, r->fd, 0, R, -EINVAL);
	MAP(GPA - PAGE, MEM_SIZE + 2 * PAGE, r->fd, 0, R, -EINVAL);
	ro = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	MAP(HIGH, PAGE, ro, 0, RW, -EACCES);
	MAP(HIGH, PAGE, ro, 0, R, 0);
	close(ro);
	/* And the range next to all those is still free. */
	MAP(limit - PAGE, PAGE, r->fd, 0, R, 0);
	MAP(GPA - PAGE, PAGE, r->fd, 0, R, 0);
	MAP(GPA + MEM_SIZE, PAGE, r->fd, 0, R, 0);
#undef MAP
}

static void memory_descriptors(void **state)
{
	struct rig *r = *state;
	int fd[2], rc;

	rc = vmmctl_memory_map(r->m, HIGH, PAGE, -1, 0, R);
	assert_true(rc == -EBADF || rc == -EINVAL);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	rc = vmmctl_memory_map(r->m, HIGH, PAGE, fd[0], 0, R);
	assert_true(rc < 0);
	close(fd[0]);
	close(fd[1]);
	rc = vmmctl_memory_map(r->m, HIGH, PAGE, fd[0], 0, R);
	assert_true(rc == -EBADF || rc == -EINVAL);
}

static void memory_map_host(void **state)
{
	struct rig *r = *state;
	uint8_t *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

#define MAP(gpa, len, host, prot, want)					\
	expect_rc(r, vmmctl_memory_map_host(r->m, (gpa), (len), (host),	\
	    (prot)), (want))
	MAP(HIGH + 1, PAGE, p, R, -EINVAL);
	MAP(HIGH, 0, p, R, -EINVAL);
	MAP(HIGH, 100, p, R, -EINVAL);
	MAP(HIGH, PAGE, p + 1, R, -EINVAL);
	MAP(HIGH, PAGE, NULL, R, -EINVAL);
	MAP(HIGH, PAGE, p, 0, -EINVAL);
	MAP(HIGH, PAGE, p, 16, -EINVAL);
	MAP(r->info.gpa_limit, PAGE, p, R, -EINVAL);
	MAP(GPA, PAGE, p, R, -EINVAL);
	MAP(HIGH, PAGE, p, RW, 0);
#undef MAP
}

static void memory_changes(void **state)
{
	struct rig *r = *state;

	expect_rc(r, vmmctl_memory_unmap(r->m, GPA + 1, PAGE), -EINVAL);
	expect_rc(r, vmmctl_memory_unmap(r->m, GPA, 0), -EINVAL);
	expect_rc(r, vmmctl_memory_unmap(r->m, GPA, 1), -EINVAL);
	expect_rc(r, vmmctl_memory_unmap(r->m, GPA, 0 - PAGE), -EINVAL);
	expect_rc(r, vmmctl_memory_unmap(r->m, HIGH, PAGE), -ENOENT);
	expect_rc(r, vmmctl_memory_protect(r->m, GPA + 1, PAGE, R), -EINVAL);
	expect_rc(r, vmmctl_memory_protect(r->m, GPA, 0, R), -EINVAL);
	expect_rc(r, vmmctl_memory_protect(r->m, GPA, PAGE, 0), -EINVAL);
	expect_rc(r, vmmctl_memory_protect(r->m, GPA, PAGE, 9), -EINVAL);
	expect_rc(r, vmmctl_memory_protect(r->m, HIGH, PAGE, R), -ENOENT);
}

static void space_changes(void **state)
{
	struct rig *r = *state;
	const struct vmmctl_space_op good = { VMMCTL_SPACE_MAP, R, SPARE,
	    PAGE, FREE_GPA };
	struct vmmctl_space_op op = good;
	uint64_t limit = r->info.gva_limit;
	struct vmmctl_walk w;

	expect_rc(r, vmmctl_space_change(r->s, &op, 1, NULL), 0);
	rig_unmap(r, SPARE, PAGE);
#define REFUSED(field, bad) do {					\
	op = good;							\
	op.field = (bad);						\
	expect_rc(r, vmmctl_space_change(r->s, &op, 1, NULL), -EINVAL);	\
	expect_rc(r, vmmctl_space_walk(r->s, SPARE, &w), -ENOENT);	\
} while (0)
	REFUSED(kind, 0);
	REFUSED(kind, 4);
	REFUSED(kind, ~0u);
	REFUSED(prot, 8);
	REFUSED(prot, 1u << 31);
	REFUSED(gva, SPARE + 1);
	REFUSED(gva, limit);
	REFUSED(gva, 1ull << 63);
	REFUSED(gva, 0 - PAGE);
	REFUSED(len, 0);
	REFUSED(len, 1);
	REFUSED(len, limit);
	REFUSED(len, 0 - PAGE);
	REFUSED(gpa, FREE_GPA + 1);
	REFUSED(gpa, r->info.gpa_limit);
	REFUSED(gpa, 0 - PAGE);
#undef REFUSED
	expect_rc(r, vmmctl_space_map(r->s, SPARE, PAGE, FREE_GPA, 8),
	    -EINVAL);
	expect_rc(r, vmmctl_space_unmap(r->s, SPARE + 8, PAGE), -EINVAL);
	expect_rc(r, vmmctl_space_unmap(r->s, SPARE, 0), -EINVAL);
	expect_rc(r, vmmctl_space_protect(r->s, SPARE, PAGE, 8), -EINVAL);
	expect_rc(r, vmmctl_space_protect(r->s, SPARE, PAGE - 1, R),
	    -EINVAL);
}

static void walks(void **state)
{
	struct rig *r = *state;
	struct vmmctl_walk w;

	expect_rc(r, vmmctl_space_walk(r->s, SPARE, &w), -ENOENT);
	expect_rc(r, vmmctl_space_walk(r->s, r->info.gva_limit, &w),
	    -ENOENT);
	expect_rc(r, vmmctl_space_walk(r->s, 1ull << 63, &w), -ENOENT);
	expect_rc(r, vmmctl_space_walk(r->s, ~0ull, &w), -ENOENT);
}

/* What belongs to one machine does not go into another. */
static void other_machines(void **state)
{
	struct rig *r = *state;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_exit x;

	expect_rc(r, vmmctl_machine_create(r->v, NULL, &m), 0);
	expect_rc(r, vmmctl_space_create(m, &s), 0);
	expect_rc(r, vmmctl_vcpu_create(m, &cpu), 0);
	expect_rc(r, vmmctl_vcpu_run(cpu, r->c, &x), -EINVAL);
	expect_rc(r, vmmctl_context_set_space(r->c, s), -EINVAL);
	vmmctl_machine_destroy(m);
}

static void counters(void **state)
{
	struct rig *r = *state;
	uint64_t value;

	expect_rc(r, vmmctl_machine_counter(r->m, "nosuch", &value),
	    -ENOENT);
	expect_rc(r, vmmctl_machine_counter(r->m, "", &value), -ENOENT);
	expect_rc(r, vmmctl_machine_counter(r->m, "exits", &value), 0);
	assert_true(vmmctl_machine_counters(r->m) >= 0);
	assert_true(fcntl(vmmctl_machine_counters(r->m), F_GETFD) &
	    FD_CLOEXEC);
}

static void facts(void **state)
{
	struct rig *r = *state;
	struct vmmctl_info info;

	memset(&info, 0xee, sizeof(info));
	assert_int_equal(vmmctl_info(r->v, &info, 8), 0);
	assert_int_equal(info.size, sizeof(info));
	assert_int_equal(info.api_version, VMMCTL_API_VERSION);
	assert_int_equal((uint8_t)info.backend[0], 0xee);
	assert_int_equal(vmmctl_info(r->v, &info, 0), 0);
	assert_true(r->info.max_vcpus >= 1);
	assert_int_equal(r->info.gva_limit % PAGE, 0);
	assert_int_equal(r->info.gpa_limit % PAGE, 0);
	assert_int_equal(r->info.xsave_mask & 3, 3);
	assert_true(strlen(r->info.reason) > 0);
	assert_true(strlen(vmmctl_version()) >= 5);
}

/* The sentence: its whole length, cut where it must be. */
static void sentences(void **state)
{
	struct rig *r = *state;
	char whole[512], part[8];
	size_t len;

	expect_rc(r, vmmctl_space_unmap(r->s, SPARE, 1), -EINVAL);
	len = vmmctl_error(r->v, whole, sizeof(whole));
	assert_int_equal(len, strlen(whole));
	assert_int_equal(vmmctl_error(r->v, part, sizeof(part)), len);
	assert_int_equal(strlen(part), 7);
	assert_memory_equal(part, whole, 7);
	assert_int_equal(vmmctl_error(r->v, NULL, 0), len);
}

/* NULL is nothing to destroy, and errno is not the library's. */
static void null_and_errno(void **state)
{
	struct rig *r = *state;
	struct vmmctl_walk w;

	errno = 12345;
	vmmctl_close(NULL);
	vmmctl_machine_destroy(NULL);
	vmmctl_context_destroy(NULL);
	vmmctl_vcpu_destroy(NULL);
	assert_int_equal(vmmctl_space_destroy(NULL), 0);
	assert_int_equal(vmmctl_space_walk(r->s, SPARE, &w), -ENOENT);
	assert_int_equal(vmmctl_memory_map(r->m, HIGH, PAGE, -1, 0, R) < 0,
	    1);
	assert_int_equal(errno, 12345);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(names_of_backends),
		TEST(open_config),
		TEST(machine_config),
		TEST(memory_map),
		TEST(memory_descriptors),
		TEST(memory_map_host),
		TEST(memory_changes),
		TEST(space_changes),
		TEST(walks),
		TEST(other_machines),
		TEST(counters),
		TEST(facts),
		TEST(sentences),
		TEST(null_and_errno),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
