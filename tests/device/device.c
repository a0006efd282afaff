// SPDX-License-Identifier: BSD-2-Clause
/* device.c - see device.h. */
#include "device.h"

#include "svm_impl.h"
#include "vmx_cpu.h"

uint64_t next_random(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed >> 11) % below;
}

void fail_by_bug(const char *what)
{
	fail_msg("%s", what);
}

int run_group(const char *name, const struct CMUnitTest *tests, size_t n)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

/* ---- the device ---- */

static const struct vmm_vendor *const fake_vendors[] = { &fake_vendor_table };
static const struct vmm_vendor *const svm_vendors[] = { &vmm_svm };
static const struct vmm_vendor *const vmx_vendors[] = { &vmm_vmx };

static struct device device;

static void start(void)
{
	fake_reset();
	fake_script_reset();
	fake_on_bug = fail_by_bug;
	/* A test that failed has left things alive. */
	memset(&vmm_live, 0, sizeof(vmm_live));
	memset(&device, 0, sizeof(device));
	device.seed = 88172645463325252ull;
	fake_map(FAKE_USER, FAKE_USER_PAGES * FAKE_PAGE);
}

struct device *device_start(void)
{
	start();
	assert_ok(vmm_hw_init(fake_vendors, 1));
	return &device;
}

struct device *device_start_svm(void)
{
	start();
	device.svm = true;
	assert_ok(vmm_hw_init(svm_vendors, 1));
	return &device;
}

struct device *device_start_vmx(void)
{
	start();
	fake_hw_intel();
	assert_ok(vmm_hw_init(vmx_vendors, 1));
	return &device;
}

int device_setup(void **state)
{
	*state = device_start();
	machine_make(&device);
	return 0;
}

int device_setup_svm(void **state)
{
	*state = device_start_svm();
	machine_make(&device);
	return 0;
}

int device_setup_vmx(void **state)
{
	*state = device_start_vmx();
	machine_make(&device);
	return 0;
}

int device_setup_bare(void **state)
{
	*state = device_start();
	return 0;
}

/* What may be left is checked even when the test has failed: no. */
int device_teardown(void **state)
{
	struct device *d = *state;

	machine_end(d);
	device_end();
	return 0;
}

void device_end(void)
{
	uint32_t i;

	assert_int_equal(vmm_live.machines, 0);
	assert_int_equal(vmm_live.vcpus, 0);
	assert_int_equal(vmm_live.contexts, 0);
	assert_int_equal(vmm_live.regions, 0);
	assert_int_equal(vmm_live.pages, 0);
	for (i = 0; i < FAKE_CPUS; i++)
		assert_false(fake_vendor.on[i]);
	vmm_hw_fini();
	fake_vmx_check_host();
	fake_check_idle();
	assert_int_equal(fake_vendor.cpu_inits, fake_vendor.cpu_finis);
	assert_int_equal(fake_vendor.vcpu_inits, fake_vendor.vcpu_finis);
	fake_reset();
}

/* ---- a machine ---- */

int machine_create(struct vmm_machine **out)
{
	struct vmm_machine_create a = { .name = "test" };

	return vmm_machine_create(&a, out);
}

int vcpu_create(struct vmm_machine *m, uint32_t index, struct vmm_vcpu **out)
{
	const struct vmm_vcpu_create a = { .index = index };

	return vmm_vcpu_create(m, &a, out);
}

int context_create(struct vmm_machine *m, uint32_t *out)
{
	struct vmm_context a = { 0 };
	int error = vmm_machine_ioctl(m, VMM_CONTEXT_CREATE, &a);

	*out = a.context;
	return error;
}

int context_destroy(struct vmm_machine *m, uint32_t number)
{
	struct vmm_context a = { .context = number };

	return vmm_machine_ioctl(m, VMM_CONTEXT_DESTROY, &a);
}

int memory_map(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint64_t uaddr, uint32_t prot)
{
	struct vmm_memory a = { .gpa = gpa, .size = size, .uaddr = uaddr,
	    .prot = prot };

	return vmm_machine_ioctl(m, VMM_MEMORY_MAP, &a);
}

int memory_unmap(struct vmm_machine *m, uint64_t gpa, uint64_t size)
{
	struct vmm_memory a = { .gpa = gpa, .size = size };

	return vmm_machine_ioctl(m, VMM_MEMORY_UNMAP, &a);
}

int memory_protect(struct vmm_machine *m, uint64_t gpa, uint64_t size,
    uint32_t prot)
{
	struct vmm_memory a = { .gpa = gpa, .size = size, .prot = prot };

	return vmm_machine_ioctl(m, VMM_MEMORY_PROTECT, &a);
}

int dirty_log(struct vmm_machine *m, uint64_t gpa, uint64_t size, uint32_t op,
    uint64_t bitmap)
{
	struct vmm_dirty_log a = { .gpa = gpa, .size = size, .op = op,
	    .bitmap = bitmap };

	return vmm_machine_ioctl(m, VMM_DIRTY_LOG, &a);
}

/* The state that a context starts in, and which group is new. */
void vcpu_prepare(struct vmm_vcpu *v, uint32_t context)
{
	struct vmm_vcpu_page *p = v->page;

	p->regs.rip = CODE;
	p->regs.rflags = 0x202;
	p->regs.rsp = 0x7ffff000;
	p->cr3 = ROOT_GPA;
	p->context = context;
	p->commit = VMM_SET_SPACE | VMM_SET_CONTEXT;
}

/* CODE leads to CODE_GPA, DATA to DATA_GPA and the page after it. */
static void make_tables(void)
{
	static const uint64_t leaf[][2] = { { CODE, CODE_GPA | 5 },
	    { DATA, DATA_GPA | 7 }, { DATA + PAGE, (DATA_GPA + PAGE) | 7 },
	    { CODE + PAGE, (CODE_GPA + PAGE) | 5 } };
	const uint64_t l3 = (ROOT_GPA + PAGE) | 7, l2 = (ROOT_GPA + 2 * PAGE) |
	    7, l1 = (ROOT_GPA + 3 * PAGE) | 7;
	size_t i;

	assert_true(fake_write(MEMORY + ROOT_GPA, &l3, 8));
	assert_true(fake_write(MEMORY + ROOT_GPA + PAGE, &l2, 8));
	assert_true(fake_write(MEMORY + ROOT_GPA + 2 * PAGE + CODE / MIB2 * 8,
	    &l1, 8));
	for (i = 0; i < sizeof(leaf) / sizeof(leaf[0]); i++)
		assert_true(fake_write(MEMORY + ROOT_GPA + 3 * PAGE +
		    leaf[i][0] / PAGE % 512 * 8, &leaf[i][1], 8));
}

void code_set(const void *code, size_t size)
{
	uint8_t nops[64];

	memset(nops, 0x90, sizeof(nops));
	assert_true(fake_write(MEMORY + CODE_GPA, nops, sizeof(nops)));
	assert_true(fake_write(MEMORY + CODE_GPA, code, size));
}

void machine_make(struct device *d)
{
	assert_ok(machine_create(&d->m));
	assert_ok(memory_map(d->m, 0, MEMORY_SIZE, MEMORY, RWX));
	assert_ok(context_create(d->m, &d->context));
	assert_ok(vcpu_create(d->m, 0, &d->v));
	vcpu_prepare(d->v, d->context);
	make_tables();
	d->page = d->v->page;
	d->exit = &d->v->page->exit;
}

void machine_end(struct device *d)
{
	if (d->v != NULL)
		vmm_vcpu_destroy(d->v);
	if (d->m != NULL)
		vmm_machine_put(d->m);
	d->v = NULL;
	d->m = NULL;
}

/* ---- what the guest does, on either vendor ---- */

void guest_exception(struct device *d, uint32_t vector, uint32_t error_code,
    uint64_t address)
{
	if (d->svm)
		fake_exit_code(SVM_EXIT_EXCEPTION + vector, error_code,
		    address, 0);
	else
		fake_exception(vector, error_code, address);
}

/* Fetched, so that its page is there, and then this exception. */
void guest_at(uint64_t va)
{
	fake_touch_va(va, VMM_PROT_EXEC, NULL, 1);
}

void guest_syscall(struct device *d)
{
	guest_at(CODE);
	guest_exception(d, VMM_X86_UD, 0, 0);
}

static void expect_exit(struct device *d, uint32_t kind, const char *file,
    int line)
{
	if (d->exit->kind != kind)
		fail_msg("%s:%d: exit %u, detail %u, vector %u", file, line,
		    d->exit->kind, d->exit->detail, d->exit->vector);
	/* What was to be done has been. */
	if (!fake_script_done())
		fail_msg("%s:%d: %u steps of the guest were not done", file,
		    line, fake_script.n - fake_script.at);
}

void expect_run(struct device *d, uint32_t kind, const char *file, int line)
{
	int error = vmm_vcpu_run(d->v);

	if (error != 0)
		fail_msg("%s:%d: VMM_RUN: %d", file, line, error);
	expect_exit(d, kind, file, line);
}

void expect_touch(struct device *d, uint64_t gpa, uint32_t access, void *buf,
    uint32_t size, const char *file, int line)
{
	fake_touch(gpa, access, buf, size);
	fake.signal = false;
	expect_run(d, VMM_EXIT_INTERRUPTED, file, line);
	fake.signal = false;
}
