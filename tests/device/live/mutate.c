// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a good state each field of the control structure is broken, a bit at a
 * time, and the processor asked to enter the guest: that it does so, or not,
 * has to be what lib/libvmmctl/vmm/explain_*.c say, and they name a rule for
 * each entry that is refused.  A test is a field; what the two do not agree on
 * is a test by itself that has failed, FIELD_bit_N or FIELD_VALUE.
 *
 * The device lets nobody write such fields; its parameter raw_unsafe does.
 */
#include "live.h"
#include "mutate.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ioctl.h>

#define UNSAFE	"/sys/module/vmm/parameters/raw_unsafe"
#define CODE	0x12000u

static const struct mutate_vendor *const vendors[] = { &mutate_svm,
	&mutate_vmx };

static struct vmm_info info;
static const struct mutate_vendor *vendor;
static struct vcpu vcpu;
static unsigned tests, failures;

static void result(bool good, const char *name)
{
	printf("%s %u - %s\n", good ? "ok" : "not ok", ++tests, name);
	failures += !good;
}

static uint64_t get(uint32_t field, uint32_t width)
{
	struct vmm_raw a = { .op = VMM_RAW_READ, .field = field,
	    .width = width };

	must(ioctl(vcpu.fd, VMM_RAW, &a));
	return a.value;
}

static void put(uint32_t field, uint32_t width, uint64_t value)
{
	struct vmm_raw a = { .op = VMM_RAW_WRITE, .field = field,
	    .width = width, .value = value };

	must(ioctl(vcpu.fd, VMM_RAW, &a));
}

/* One SYSCALL, if the guest can come to it. */
static const struct vmm_exit *run(void)
{
	const struct vmm_exit *e = &vcpu.page->exit;

	do {
		vcpu.page->regs.rip = CODE;
		vcpu.page->regs.rflags = 2;
		vcpu.page->deadline = now_ns() + 1000000000;
		must(ioctl(vcpu.fd, VMM_RUN));
	} while (e->kind == VMM_EXIT_INTERRUPTED);
	return e;
}

static bool same(const struct explain *a, const struct explain *b)
{
	return a->rule == b->rule && a->value == b->value;
}

struct verdict {
	bool refused, explained;
	struct explain before, after;
};

static struct verdict try(uint32_t field, uint32_t width, uint64_t value)
{
	const uint64_t good = get(field, width);
	const struct vmm_exit *e;
	struct verdict v = { .refused = false };

	put(field, width, value);
	v.explained = explain_vcpu(vcpu.fd, &info, &v.before);
	e = run();
	v.refused = e->kind == VMM_EXIT_FAILED && e->detail == 0;
	/* As it is told: the structure is still there to look at. */
	if (v.refused)
		v.explained &= explain_vcpu(vcpu.fd, &info, &v.after) &&
		    same(&v.before, &v.after);
	put(field, width, good);
	/* Whatever it was, it has harmed nobody. */
	e = run();
	if (e->kind != VMM_EXIT_SYSCALL)
		fail_msg("field %#x, %#llx: exit %u (raw %#llx) follows",
		    field, (unsigned long long)value, e->kind,
		    (unsigned long long)e->raw);
	return v;
}

static bool agrees(const char *name, uint32_t field, uint32_t width,
    uint64_t value, bool *refused)
{
	const struct verdict v = try(field, width, value);

	*refused = v.refused;
	if (v.refused == v.explained)
		return true;
	result(false, name);
	printf("# %s, and by the manual: %s%s%s\n",
	    v.refused ? "refused" : "entered",
	    v.explained ? v.before.field : "sound",
	    v.explained ? ": " : "", v.explained ? v.before.rule : "");
	return false;
}

static void flip(const struct mutate_field *f)
{
	const uint64_t good = get(f->field, f->width);
	unsigned bits = 0, refusals = 0;
	bool refused;
	char name[64];

	for (unsigned i = 0; i < 8 * f->width; i++) {
		if ((f->alone >> i & 1) != 0)
			continue;
		snprintf(name, sizeof(name), "%s_bit_%u", f->name, i);
		(void)agrees(name, f->field, f->width, good ^ 1ull << i,
		    &refused);
		bits++;
		refusals += refused;
	}
	result(get(f->field, f->width) == good, f->name);
	printf("# %u bits, %u of them refused\n", bits, refusals);
}

static void set(const struct mutate_value *m)
{
	bool refused;
	char name[64];

	snprintf(name, sizeof(name), "%s_%llx", m->name,
	    (unsigned long long)m->value);
	if (agrees(name, m->field, m->width, m->value, &refused)) {
		result(true, name);
		printf("# %s\n", refused ? "refused" : "entered");
	}
}

static void mutate(void)
{
	static const uint8_t code[] = { 0x0f, 0x05 };	/* syscall */
	struct explain e;
	struct guest g;

	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	memcpy(g.memory + CODE, code, sizeof(code));
	vcpu_start(&vcpu, &g, 0, CODE);
	assert_int_equal(run()->kind, VMM_EXIT_SYSCALL);
	assert_false(explain_vcpu(vcpu.fd, &info, &e));
	for (const struct mutate_field *f = vendor->fields; f->name != NULL;
	    f++)
		flip(f);
	for (const struct mutate_value *m = vendor->values; m->name != NULL;
	    m++)
		set(m);
	vcpu_end(&vcpu);
	guest_end(&g);
}

int main(void)
{
	if (!device_open())
		return 0;
	info = device_info();
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
		if (strcmp(vendors[i]->name, info.vendor) == 0)
			vendor = vendors[i];
	if (vendor == NULL || !file_write(UNSAFE, "1")) {
		printf("1..0 # SKIP " UNSAFE ": %s\n", vendor == NULL ?
		    info.vendor : strerror(errno));
		return 0;
	}
	mutate();
	file_write(UNSAFE, "0");
	printf("1..%u\n", tests);
	return failures != 0;
}
