// SPDX-License-Identifier: BSD-2-Clause
/*
 * The nth request for memory or a descriptor fails, for every n, wherever
 * something is made: a sentence, nothing leaked, and it works afterwards.
 */
#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>

#define AT	0x10000000ull

typedef int path_fn(struct unit *u, bool undo);

static void every_failure(struct unit *u, path_fn *path)
{
	int n = 0, err;

	do {
		const struct fake_alive before = fake_alive;
		const uint32_t ranges = fake.nranges;
		char why[512];

		unit_clear_error(u->v);
		fake_fail_at = ++n;
		err = path(u, false);
		if (err == 0)
			break;
		assert_int_equal(fake_fail_at, 0);
		assert_true(err == -ENOMEM || err == -EMFILE);
		assert_true(vmmctl_error(u->v, why, sizeof(why)) != 0);
		unit_no_leaks(&before);
		assert_int_equal(fake.nranges, ranges);
		assert_true(n < 1000);
	} while (1);
	assert_true(n > 1);
	fake_fail_at = 0;
	assert_ok(path(u, true));
}

static struct vmmctl_machine *machine;
static struct vmmctl_space *space;
static struct vmmctl_context *context;
static struct vmmctl_vcpu *vcpu;

static int make_machine(struct unit *u, bool undo)
{
	const struct vmmctl_cpuid leaf = { .leaf = 1 };
	const struct vmmctl_machine_config config = { .size = sizeof(config),
	    .cpuid = &leaf, .cpuid_count = 1 };

	if (!undo)
		return vmmctl_machine_create(u->v, &config, &machine);
	vmmctl_machine_destroy(machine);
	return 0;
}

static int make_space(struct unit *u, bool undo)
{
	return undo ? vmmctl_space_destroy(space) :
	    vmmctl_space_create(u->m, &space);
}

static int make_context(struct unit *u, bool undo)
{
	if (!undo)
		return vmmctl_context_create(u->s, &context);
	vmmctl_context_destroy(context);
	return 0;
}

static int make_vcpu(struct unit *u, bool undo)
{
	if (!undo)
		return vmmctl_vcpu_create(u->m, &vcpu);
	vmmctl_vcpu_destroy(vcpu);
	return 0;
}

static int make_memory(struct unit *u, bool undo)
{
	return undo ? vmmctl_memory_unmap(u->m, AT, PAGE) :
	    vmmctl_memory_map(u->m, AT, PAGE, u->fd, 0, VMMCTL_PROT_RW);
}

static int make_host_memory(struct unit *u, bool undo)
{
	return undo ? vmmctl_memory_unmap(u->m, AT, PAGE) :
	    vmmctl_memory_map_host(u->m, AT, PAGE, u->mem, VMMCTL_PROT_RW);
}

static void machines(void **state)
{
	struct unit *u = *state;

	u->v->info.caps |= VMMCTL_CAP_CPUID_POLICY;
	every_failure(u, make_machine);
}

static void spaces(void **state)
{
	every_failure(*state, make_space);
}

static void contexts(void **state)
{
	every_failure(*state, make_context);
}

static void vcpus(void **state)
{
	every_failure(*state, make_vcpu);
}

static void memory(void **state)
{
	struct unit *u = *state;

	every_failure(u, make_memory);
	every_failure(u, make_host_memory);
	/* The table of ranges has to grow, too. */
	while (u->m->nmem < u->m->capmem)
		assert_ok(vmmctl_memory_map(u->m, 2 * AT + u->m->nmem * PAGE,
		    PAGE, u->fd, 0, VMMCTL_PROT_RW));
	every_failure(u, make_memory);
}

/* Splitting a range needs room in the table: without it nothing changes. */
static void splits(void **state)
{
	struct unit *u = *state;
	int (*const change[])(struct vmmctl_machine *, uint64_t, uint64_t) = {
		vmmctl_memory_unmap,
	};

	assert_ok(vmmctl_memory_map(u->m, AT, 3 * PAGE, u->fd, 0,
	    VMMCTL_PROT_RW));
	while (u->m->nmem < u->m->capmem)
		assert_ok(vmmctl_memory_map(u->m, 2 * AT + u->m->nmem * PAGE,
		    PAGE, u->fd, 0, VMMCTL_PROT_RW));
	fake_fail_at = 1;
	assert_fails(u->v, change[0](u->m, AT + PAGE, PAGE), -ENOMEM,
	    "memory range");
	fake_fail_at = 1;
	assert_fails(u->v, vmmctl_memory_protect(u->m, AT + PAGE, PAGE,
	    VMMCTL_PROT_READ), -ENOMEM, "memory range");
	assert_int_equal(fake.nranges, u->m->nmem);
	assert_int_equal(memory_find(u->m, AT + PAGE)->len, 3 * PAGE);
	assert_int_equal(memory_find(u->m, AT + PAGE)->prot, VMMCTL_PROT_RW);
	assert_ok(change[0](u->m, AT + PAGE, PAGE));
}

static void handles(void **state)
{
	char why[512];
	const struct vmmctl_config config = {
		.size = sizeof(config), .backend = "kvm",
		.alloc = fake_alloc, .free = fake_free,
		.why = why, .why_size = sizeof(why),
	};
	const struct fake_alive before = fake_alive;
	struct vmmctl *v = NULL;
	int n = 0, err;

	(void)state;
	for (;;) {
		why[0] = '\0';
		fake_fail_at = ++n;
		err = vmmctl_open_config(&config, &v);
		if (err == 0)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_null(v);
		assert_non_null(strstr(why, "memory"));
		unit_no_leaks(&before);
	}
	assert_true(n > 3);
	vmmctl_close(v);
	unit_no_leaks(&before);
}

int main(void)
{
	const struct CMUnitTest allocation[] = {
		TEST(handles),
		TEST(machines),
		TEST(spaces),
		TEST(contexts),
		TEST(vcpus),
		TEST(memory),
		TEST(splits),
	};

	return RUN(allocation);
}
