// SPDX-License-Identifier: BSD-2-Clause
/*
 * The library's own memory runs out at the Nth allocation, for every N:
 * each create path says ENOMEM, keeps nothing, and the handle goes on.
 */
#include "procs.h"
#include "runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

GUEST(c_calls);

/* An allocator that counts, and fails once. */
struct pool {
	_Atomic int64_t live;
	_Atomic uint64_t calls;
	uint64_t fail_at;	/* the call that fails; 0: none */
};

static void *take(void *cookie, size_t size)
{
	struct pool *p = cookie;
	void *mem;

	if (++p->calls == p->fail_at)
		return NULL;
	mem = malloc(size);
	if (mem != NULL) {
		memset(mem, 0xa5, size);
		p->live++;
	}
	return mem;
}

static void give(void *cookie, void *mem)
{
	struct pool *p = cookie;

	if (mem != NULL)
		p->live--;
	free(mem);
}

/* Everything that can be made, and a run; the first error, or 0. */
static int make_all(struct vmmctl *v, int fd)
{
	struct vmmctl_machine *m;
	struct vmmctl_space *s, *second;
	struct vmmctl_context *c;
	struct vmmctl_vcpu *cpu;
	struct vmmctl_exit x;
	int rc = vmmctl_machine_create(v, NULL, &m);

	if (rc != 0)
		return rc;
	rc = vmmctl_memory_map(m, GPA, MEM_SIZE, fd, 0, VMMCTL_PROT_RWX);
	if (rc == 0)
		rc = vmmctl_space_create(m, &s);
	if (rc == 0)
		rc = vmmctl_space_map(s, CODE, REGION, CODE_GPA,
		    VMMCTL_PROT_RX);
	if (rc == 0)
		rc = vmmctl_space_map(s, STACK, REGION, STACK_GPA,
		    VMMCTL_PROT_RW);
	if (rc == 0)
		rc = vmmctl_space_create(m, &second);
	if (rc == 0)
		rc = vmmctl_context_create(s, &c);
	if (rc == 0)
		rc = vmmctl_vcpu_create(m, &cpu);
	if (rc == 0) {
		rig_regs(vmmctl_context_regs(c));
		rc = vmmctl_vcpu_run(cpu, c, &x);
		if (rc == 0 && x.kind != VMMCTL_EXIT_SYSCALL)
			rc = 1;
	}
	if (rc == 0)
		rc = vmmctl_memory_protect(m, GPA + PAGE, PAGE,
		    VMMCTL_PROT_READ);
	if (rc == 0)
		rc = vmmctl_memory_unmap(m, GPA + 5 * PAGE, PAGE);
	vmmctl_machine_destroy(m);
	return rc;
}

static void every_allocation_fails_once(void **state)
{
	struct rig *r = *state;
	struct pool pool = { .fail_at = 0 };
	struct vmmctl_config config = {
		.size = sizeof(config), .backend = backend_name(),
		.alloc = take, .free = give, .cookie = &pool,
	};
	struct vmmctl *v;
	uint64_t n;
	size_t fds;

	rig_untraced(r);
	rig_load(r, BLOB(c_calls));
	/* Opening. */
	for (n = 1;; n++) {
		pool = (struct pool){ .fail_at = n };
		if (vmmctl_open_config(&config, &v) == 0)
			break;
		assert_int_equal(pool.live, 0);
		assert_true(pool.calls >= n);
		assert_true(n < 1000);
	}
	assert_true(n > 1);
	/* Making things in it. */
	pool.fail_at = 0;
	assert_int_equal(make_all(v, r->fd), 0);
	fds = procs_fds(getpid());
	for (n = 1; n < 1000; n++) {
		int64_t live = pool.live;
		int rc;

		pool.calls = 0;
		pool.fail_at = n;
		rc = make_all(v, r->fd);
		if (rc == 0 && pool.calls < n)
			break;
		if (rc != 0 && rc != -ENOMEM)
			rig_say("allocation %u: %d", (unsigned)n, rc);
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_int_equal(pool.live, live);
		assert_int_equal(procs_fds(getpid()), fds);
	}
	rig_say("%u allocations, each failed once", (unsigned)n - 1);
	assert_true(n > 5 && n < 1000);
	vmmctl_close(v);
	assert_int_equal(pool.live, 0);
}

static void nothing_is_kept_after_close(void **state)
{
	struct rig *r = *state;
	struct pool pool = { .fail_at = 0 };
	struct vmmctl_config config = {
		.size = sizeof(config), .backend = backend_name(),
		.alloc = take, .free = give, .cookie = &pool,
	};
	struct vmmctl *v;
	struct vmmctl_machine *m;
	struct vmmctl_space *s;
	struct vmmctl_context *c;
	struct vmmctl_vcpu *cpu;

	rig_untraced(r);
	assert_int_equal(vmmctl_open_config(&config, &v), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vmmctl_machine_create(v, NULL, &m), 0);
		assert_int_equal(vmmctl_memory_map(m, GPA, MEM_SIZE, r->fd, 0,
		    VMMCTL_PROT_RWX), 0);
		for (uint64_t k = 0; k < 5; k++) {
			assert_int_equal(vmmctl_space_create(m, &s), 0);
			assert_int_equal(vmmctl_space_map(s, SPARE, PAGE,
			    GPA, VMMCTL_PROT_RW), 0);
			assert_int_equal(vmmctl_context_create(s, &c), 0);
		}
		assert_int_equal(vmmctl_vcpu_create(m, &cpu), 0);
	}
	assert_true(pool.live > 0);
	vmmctl_close(v);
	assert_int_equal(pool.live, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(every_allocation_fails_once),
		TEST(nothing_is_kept_after_close),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
