// SPDX-License-Identifier: BSD-2-Clause
/*
 * stats_test.c - VMM_STATS: the file describes itself as vmmctl_counters.h has
 * it, each exit is counted in every way there is, and the last values outlive
 * the machine.
 */
#include "device.h"
#include "fake.h"
#include "stats.h"

#include <stdlib.h>

struct file {
	struct vmm_stats_file *f;
	uint64_t size;
	uint8_t *bytes;
	struct vmmctl_counters_header h;
};

static void take(struct file *s)
{
	free(s->bytes);
	assert_int_equal(vmm_stats_read(s->f, 0, &s->h, sizeof(s->h)),
	    sizeof(s->h));
	s->size = s->h.total_size;
	s->bytes = malloc(s->size);
	assert_non_null(s->bytes);
	assert_int_equal(vmm_stats_read(s->f, 0, s->bytes, s->size), s->size);
}

static void file_open(struct file *s, const struct device *d)
{
	const struct vmm_stats a = { .id = d->m->id };

	s->bytes = NULL;
	assert_ok(vmm_stats_open(&a, &s->f));
	take(s);
}

static void file_close(struct file *s)
{
	vmm_stats_close(s->f);
	free(s->bytes);
}

static const struct vmmctl_counters_desc *desc(const struct file *s,
    uint32_t i)
{
	return (const void *)(s->bytes + s->h.desc_offset +
	    (size_t)i * s->h.desc_size);
}

/* Over the slots in use. */
static uint64_t value(const struct file *s,
    const struct vmmctl_counters_desc *d)
{
	uint64_t sum = 0, one;
	uint32_t i;

	for (i = 0; i < s->h.slots_used; i++) {
		memcpy(&one, s->bytes + s->h.slot_offset +
		    (size_t)i * s->h.slot_size + d->offset, sizeof(one));
		sum += one;
	}
	return sum;
}

static uint64_t named(const struct file *s, const char *name)
{
	uint32_t i;

	for (i = 0; i < s->h.desc_count; i++)
		if (strcmp(desc(s, i)->name, name) == 0)
			return value(s, desc(s, i));
	fail_msg("no counter is called %s", name);
	return 0;
}

/* Of those whose names begin so. */
static uint64_t sum(const struct file *s, const char *prefix)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < s->h.desc_count; i++)
		if (strncmp(desc(s, i)->name, prefix, strlen(prefix)) == 0)
			n += value(s, desc(s, i));
	return n;
}

static void runs(struct device *d)
{
	CODE_SET(0x0f, 0x05);
	d->page->regs.rip = CODE;
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	guest_exception(d, VMM_X86_GP, 0, 0);
	RUN_TO(d, VMM_EXIT_EXCEPTION);
	fake.signal = true;
	RUN_TO(d, VMM_EXIT_INTERRUPTED);
	fake.signal = false;
}

static void the_file_describes_itself(void **state)
{
	struct device *d = *state;
	const struct vmmctl_counters_desc *a;
	struct file s;
	uint32_t i, k;

	file_open(&s, d);
	assert_int_equal(s.h.magic, VMMCTL_COUNTERS_MAGIC);
	assert_int_equal(s.h.version, VMMCTL_COUNTERS_VERSION);
	assert_int_equal(s.h.ready, 1);
	assert_int_equal(s.h.uid, fake.uid);
	assert_int_equal(s.h.pid, os_owner_pid(d->m->owner));
	assert_int_equal(s.h.slots_used, 2);
	assert_int_equal(s.h.slot_count, VMM_MAX_VCPUS + 1);
	assert_int_equal(s.h.slot_offset % 8, 0);
	assert_int_equal(s.h.slot_size % 8, 0);
	assert_int_equal(s.h.total_size, s.h.slot_offset +
	    (uint64_t)s.h.slot_count * s.h.slot_size);
	assert_int_equal(s.h.ended_mono_ns, 0);
	assert_int_equal(s.h.ended_ticks, 0);
	for (i = 0; i < s.h.desc_count; i++) {
		a = desc(&s, i);
		assert_non_null(memchr(a->name, 0, sizeof(a->name)));
		assert_true(a->name[0] != 0 && a->help[0] != 0);
		assert_int_equal(a->type, VMMCTL_COUNTERS_SCALAR);
		assert_int_equal(a->count, 1);
		assert_int_equal(a->offset % 8, 0);
		assert_true(a->offset + 8 <= s.h.slot_size);
		assert_int_equal(strncmp(a->name, "raw.", 4) == 0,
		    (a->flags & VMMCTL_COUNTERS_F_RAW) != 0);
		for (k = 0; k < i; k++) {
			assert_string_not_equal(desc(&s, k)->name, a->name);
			assert_int_not_equal(desc(&s, k)->offset, a->offset);
		}
	}
	file_close(&s);
}

static void reading_in_parts_is_reading(void **state)
{
	static const size_t parts[] = { 1, 7, 8, 64, 191, 192, 4095, 70000 };
	struct device *d = *state;
	uint8_t buf[70000];
	struct file s;
	size_t i;

	runs(d);
	file_open(&s, d);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t at = 0;
		size_t n;

		while ((n = vmm_stats_read(s.f, at, buf, parts[i])) != 0) {
			assert_memory_equal(buf, s.bytes + at, n);
			assert_true(n <= parts[i]);
			at += n;
		}
		assert_int_equal(at, s.size);
	}
	assert_int_equal(vmm_stats_read(s.f, s.size, buf, 1), 0);
	assert_int_equal(vmm_stats_read(s.f, ~0ull, buf, 1), 0);
	assert_int_equal(vmm_stats_read(s.f, s.size - 3, buf, 100), 3);
	file_close(&s);
}

static void each_exit_is_counted_in_every_way(void **state)
{
	struct device *d = *state;
	struct file s;

	runs(d);
	file_open(&s, d);
	assert_int_equal(named(&s, "runs"), 3);
	assert_true(named(&s, "exits") >= 2);
	assert_int_equal(named(&s, "entries"), named(&s, "exits"));
	assert_int_equal(sum(&s, "cause."), named(&s, "exits"));
	assert_int_equal(sum(&s, "raw."), named(&s, "exits"));
	assert_int_equal(sum(&s, "return."), named(&s, "runs"));
	assert_int_equal(named(&s, "return.syscall"), 1);
	assert_int_equal(named(&s, "return.exception"), 1);
	assert_int_equal(named(&s, "return.interrupted"), 1);
	file_close(&s);
}

/* A vCPU of the same index goes on where the one before it has ended. */
static void counters_only_grow(void **state)
{
	struct device *d = *state;
	struct file s;

	runs(d);
	vmm_vcpu_destroy(d->v);
	assert_ok(vcpu_create(d->m, 0, &d->v));
	d->page = d->v->page;
	d->exit = &d->page->exit;
	vcpu_prepare(d->v, d->context);
	CODE_SET(0x0f, 0x05);
	guest_syscall(d);
	RUN_TO(d, VMM_EXIT_SYSCALL);
	file_open(&s, d);
	assert_int_equal(s.h.slots_used, 2);
	assert_int_equal(named(&s, "return.syscall"), 2);
	file_close(&s);
}

static void the_last_values_outlive_the_machine(void **state)
{
	struct device *d = *state;
	struct file s;

	file_open(&s, d);
	runs(d);
	machine_end(d);
	take(&s);
	assert_int_equal(named(&s, "runs"), 3);
	assert_int_equal(sum(&s, "cause."), named(&s, "exits"));
	assert_int_not_equal(s.h.ended_mono_ns, 0);
	assert_int_not_equal(s.h.ended_ticks, 0);
	assert_true(s.h.ended_mono_ns >= s.h.created_mono_ns);
	file_close(&s);
	assert_int_equal(vmm_live.pages, 0);
	machine_make(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_file_describes_itself),
		TEST(reading_in_parts_is_reading),
		TEST(each_exit_is_counted_in_every_way),
		TEST(counters_only_grow),
		TEST(the_last_values_outlive_the_machine),
		TEST_SVM(the_file_describes_itself),
		TEST_SVM(each_exit_is_counted_in_every_way),
	};

	return RUN(tests);
}
