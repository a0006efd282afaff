// SPDX-License-Identifier: BSD-2-Clause
/* unit.c - see unit.h. */
#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fake_alive at_setup;

struct vmmctl *unit_open(const char *backend)
{
	const struct vmmctl_config config = {
		.size = sizeof(config), .backend = backend,
		.alloc = fake_alloc, .free = fake_free,
	};
	struct vmmctl *v = NULL;

	assert_ok(vmmctl_open_config(&config, &v));
	return v;
}

int unit_memfd(uint64_t size)
{
	int fd = memfd_create("unit", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

int unit_setup(void **state)
{
	struct unit *u = calloc(1, sizeof(*u));

	fake_reset();
	fake.pool_gpa = FAKE_GPA_LIMIT;
	at_setup = fake_alive;
	u->v = unit_open("kvm");
	assert_ok(vmmctl_machine_create(u->v, NULL, &u->m));
	assert_ok(vmmctl_space_create(u->m, &u->s));
	assert_ok(vmmctl_context_create(u->s, &u->c));
	assert_ok(vmmctl_vcpu_create(u->m, &u->cpu));
	u->r = vmmctl_context_regs(u->c);
	u->fd = unit_memfd(MEM_LEN);
	u->mem = mmap(NULL, MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
	    u->fd, 0);
	assert_ptr_not_equal(u->mem, MAP_FAILED);
	assert_ok(vmmctl_memory_map(u->m, MEM_GPA, MEM_LEN, u->fd, 0,
	    VMMCTL_PROT_RWX));
	assert_ok(vmmctl_space_map(u->s, CODE, PAGE, CODE_GPA,
	    VMMCTL_PROT_RX));
	assert_ok(vmmctl_space_map(u->s, DATA, DATA_LEN, DATA_GPA,
	    VMMCTL_PROT_RW));
	assert_ok(vmmctl_space_map(u->s, ONLY, PAGE, ONLY_GPA,
	    VMMCTL_PROT_READ));
	assert_ok(vmmctl_space_map(u->s, VOID, PAGE, VOID_GPA,
	    VMMCTL_PROT_RW));
	u->r->rip = CODE;
	u->r->rsp = DATA + DATA_LEN;
	fake.nchanges = 0;
	*state = u;
	return 0;
}

int unit_teardown(void **state)
{
	struct unit *u = *state;

	vmmctl_close(u->v);
	munmap(u->mem, MEM_LEN);
	close(u->fd);
	free(u);
	assert_int_equal(fake.nranges, 0);
	assert_int_equal(fake.bad_ranges, 0);
	unit_no_leaks(&at_setup);
	return 0;
}

void unit_no_leaks(const struct fake_alive *before)
{
	assert_int_equal(fake_alive.allocations, before->allocations);
	assert_int_equal(fake_alive.pages, before->pages);
	assert_int_equal(fake_alive.maps, before->maps);
	assert_int_equal(fake_alive.fds, before->fds);
}

uint8_t *unit_at(struct unit *u, uint64_t gpa)
{
	return u->mem + (gpa - MEM_GPA);
}

void unit_code(struct unit *u, const void *code, size_t len)
{
	memset(unit_at(u, CODE_GPA), 0x90, 64);
	memcpy(unit_at(u, CODE_GPA), code, len);
	u->r->rip = CODE;
}

void unit_clear_error(struct vmmctl *v)
{
	vmmctl_fail(v, 0, "%s", "");
}

void unit_expect(struct vmmctl *v, int64_t got, int64_t want,
    const char *word, const char *what, const char *file, int line)
{
	char why[512];

	vmmctl_error(v, why, sizeof(why));
	if (got != want)
		fail_msg("%s:%d: %s: %lld (%s), not %lld", file, line, what,
		    (long long)got, why, (long long)want);
	if (strstr(why, word) == NULL)
		fail_msg("%s:%d: %s: \"%s\" does not say \"%s\"", file, line,
		    what, why, word);
}

uint64_t unit_random(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed >> 11) % below;
}
