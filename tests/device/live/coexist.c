// SPDX-License-Identifier: BSD-2-Clause
/*
 * coexist.c - the device beside kvm: who has virtual machines has the
 * processors, the other one is told so, and gets them when those have ended.
 * What has to load kvm anew is for the laboratory alone.
 */
#include "live.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <sys/mman.h>

#define LAB	"/lab/plan"
#define AT_LOAD	"/sys/module/kvm/parameters/enable_virt_at_load"
#define CODE	0x1000u
#define PORT	0x10u
#define TURNS	6u

/* ---- a virtual machine of kvm's ---- */

struct kvm {
	int fd, vm, cpu;
	struct kvm_run *run;
	size_t size;
	uint8_t *memory;
};

/* For ever: the port is written, and the processor halts. */
static const uint8_t code[] = {
	0xe6, PORT,		/* 1: out %al, $PORT */
	0xf4,			/* hlt */
	0xeb, 0xfb		/* jmp 1b */
};

static int kvm_open(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	must(fd);
	return fd;
}

static void vcpu_of_kvm(struct kvm *k)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	k->cpu = ioctl(k->vm, KVM_CREATE_VCPU, 0);
	must(k->cpu);
	must(ioctl(k->cpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(k->cpu, KVM_SET_SREGS, &sregs));
	must(ioctl(k->cpu, KVM_SET_REGS, &regs));
	k->size = (size_t)ioctl(k->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	k->run = mmap(NULL, k->size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    k->cpu, 0);
	assert_ptr_not_equal(k->run, MAP_FAILED);
}

/* False: it cannot be made, errno says why. */
static bool kvm_start(struct kvm *k)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = 2 * PAGE };
	int error;

	k->fd = kvm_open();
	k->vm = ioctl(k->fd, KVM_CREATE_VM, 0);
	if (k->vm < 0) {
		error = errno;
		close(k->fd);
		errno = error;
		return false;
	}
	k->memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(k->memory, MAP_FAILED);
	memcpy(k->memory + CODE, code, sizeof(code));
	region.userspace_addr = (uintptr_t)k->memory;
	must(ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &region));
	vcpu_of_kvm(k);
	return true;
}

static void kvm_end(struct kvm *k)
{
	munmap(k->run, k->size);
	close(k->cpu);
	close(k->vm);
	close(k->fd);
	munmap(k->memory, 2 * PAGE);
}

/* A signal may come before the guest does. */
static uint32_t kvm_exit(struct kvm *k)
{
	while (ioctl(k->cpu, KVM_RUN, 0) != 0)
		assert_int_equal(errno, EINTR);
	return k->run->exit_reason;
}

static void kvm_runs(struct kvm *k)
{
	assert_int_equal(kvm_exit(k), KVM_EXIT_IO);
	assert_int_equal(k->run->io.port, PORT);
	assert_int_equal(kvm_exit(k), KVM_EXIT_HLT);
}

static void kvm_works(void)
{
	struct kvm k;

	if (!kvm_start(&k))
		fail_msg("KVM_CREATE_VM: %s", strerror(errno));
	kvm_runs(&k);
	kvm_end(&k);
}

/* As vmm(4) has it. */
static void expect_kvm_is_refused(void)
{
	int fd = kvm_open();

	errno = 0;
	assert_int_equal(ioctl(fd, KVM_CREATE_VM, 0), -1);
	assert_true(errno == EBUSY || errno == EIO);
	close(fd);
}

/* ---- a machine of ours ---- */

static void expect_refused(void)
{
	struct vmm_machine_create c = { .name = "refused" };
	struct vmm_info info = device_info();

	assert_int_equal(info.usable, 0);
	assert_non_null(strstr(info.why, "kvm"));
	expect_errno(ioctl(device, VMM_MACHINE_CREATE, &c), EBUSY);
	assert_string_equal(c.why, info.why);
	assert_int_equal(device_info().live_machines, 0);
}

static void run_for(struct vcpu *v, uint64_t ns)
{
	uint64_t had = v->page->regs.rax;

	do {
		v->page->deadline = now_ns() + ns;
		must(ioctl(v->fd, VMM_RUN));
		assert_int_equal(v->page->exit.kind, VMM_EXIT_DEADLINE);
	} while (v->page->regs.rax == had);
}

static void device_works(void)
{
	struct guest g;
	struct vcpu v;

	assert_int_equal(device_info().usable, 1);
	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	vcpu_start(&v, &g, 0, DO_TOUCH);
	run_for(&v, 2000000);
	guest_expect_sums(&g, &v);
	vcpu_end(&v);
	guest_end(&g);
	expect_nothing_lives();
}

/* ---- who has them ---- */

static void kvm_has_them(void **state)
{
	struct kvm k;

	(void)state;
	must(kvm_start(&k) ? 0 : -1);
	kvm_runs(&k);
	expect_refused();
	kvm_runs(&k);
	/* Until the last of it has gone. */
	close(k.vm);
	expect_refused();
	kvm_runs(&k);
	kvm_end(&k);
	device_works();
}

static void the_device_has_them(void **state)
{
	struct guest g;
	struct vcpu v;

	(void)state;
	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	expect_kvm_is_refused();
	vcpu_start(&v, &g, 0, DO_TOUCH);
	run_for(&v, 2000000);
	v.page->deadline = 0;
	vcpu_go(&v);
	expect_kvm_is_refused();
	vcpu_join(&v);
	v.stop = false;
	run_for(&v, 2000000);
	guest_expect_sums(&g, &v);
	/* Until the last of it has gone. */
	close(g.machine);
	expect_kvm_is_refused();
	run_for(&v, 2000000);
	vcpu_end(&v);
	munmap(g.memory, g.size);
	expect_nothing_lives();
	kvm_works();
}

static void they_take_turns(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < TURNS; i++) {
		kvm_works();
		device_works();
	}
}

/* ---- both try, as fast as they can ---- */

struct rival {
	pthread_t thread;
	unsigned had;		/* times it had them */
	bool stop;
	int wrong;		/* an errno that is none of those */
};

static void *rival(void *cookie)
{
	struct rival *r = cookie;
	struct kvm k;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		if (kvm_start(&k)) {
			kvm_runs(&k);
			kvm_end(&k);
			__atomic_add_fetch(&r->had, 1, __ATOMIC_RELAXED);
		} else if (errno != EBUSY && errno != EIO) {
			r->wrong = errno;
			break;
		}
	}
	return NULL;
}

/* True: there was a machine, and a guest ran. */
static bool try_machine(void)
{
	struct vmm_machine_create c = { .name = "tried" };
	int machine = ioctl(device, VMM_MACHINE_CREATE, &c);
	struct guest g;
	struct vcpu v;

	if (machine < 0) {
		assert_int_equal(errno, EBUSY);
		assert_non_null(strstr(c.why, "kvm"));
		return false;
	}
	/* It keeps them for the one that runs. */
	guest_start(&g, 4 * MIB, MAP_PRIVATE);
	close(machine);
	vcpu_start(&v, &g, 0, DO_SPIN);
	run_for(&v, 200000);
	vcpu_end(&v);
	guest_end(&g);
	return true;
}

static void they_fight(void **state)
{
	const uint64_t least = now_ns() + 500000000u;
	const uint64_t most = now_ns() + 60000000000u;
	struct rival r = { .had = 0 };
	unsigned had = 0, n = 0;

	(void)state;
	assert_int_equal(pthread_create(&r.thread, NULL, rival, &r), 0);
	while (now_ns() < least || ((had == 0 ||
	    __atomic_load_n(&r.had, __ATOMIC_RELAXED) == 0) &&
	    now_ns() < most)) {
		had += try_machine();
		/* Or, where there is one processor, the other one would
		 * always come while there is a machine. */
		if (n++ % 2 != 0)
			usleep(n * 997 % 30000);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(r.thread, NULL);
	print_message("# kvm had them %u times, the device %u times\n",
	    r.had, had);
	assert_int_equal(r.wrong, 0);
	assert_true(had != 0);
	assert_true(r.had != 0);
	expect_nothing_lives();
	device_works();
	kvm_works();
}

/* ---- kvm that is loaded ---- */

static const char *vendor(void)
{
	return strcmp(device_info().vendor, "svm") == 0 ? "kvm-amd" :
	    "kvm-intel";
}

static void unload_kvm(void)
{
	char line[64];

	snprintf(line, sizeof(line), "rmmod %s && rmmod kvm", vendor());
	assert_int_equal(system(line), 0);
}

/* True: it has been loaded; as kvm's makers have it, or as init has it. */
static bool load_kvm(const char *parameter)
{
	char line[128];

	snprintf(line, sizeof(line), "modprobe kvm %s && "
	    "modprobe %s nested=0 2>/dev/null", parameter, vendor());
	return system(line) == 0;
}

static bool has_at_load(void)
{
	return access(AT_LOAD, F_OK) == 0;
}

static void kvm_has_them_since_it_was_loaded(void **state)
{
	(void)state;
	if (access(LAB, F_OK) != 0 || !has_at_load())
		skip_test("for the laboratory, with Linux 6.12 or later");
	unload_kvm();
	assert_true(load_kvm(""));
	expect_refused();
	kvm_works();
	expect_refused();
	unload_kvm();
	device_works();
	assert_true(load_kvm("enable_virt_at_load=0"));
	device_works();
	kvm_works();
}

/* Where that switches virtualisation on it fails; else, what it is for. */
static void kvm_is_loaded_while_there_are_machines(void **state)
{
	bool at_load, loaded;
	int machine;

	(void)state;
	if (access(LAB, F_OK) != 0)
		skip_test("for the laboratory");
	at_load = has_at_load();
	unload_kvm();
	machine = machine_create();
	loaded = load_kvm("");
	assert_true(loaded != at_load);
	if (loaded)
		expect_kvm_is_refused();
	close(machine);
	expect_nothing_lives();
	if (loaded)
		unload_kvm();
	else
		assert_int_equal(system("rmmod kvm"), 0);
	assert_true(load_kvm("enable_virt_at_load=0"));
	kvm_works();
	device_works();
}

int main(void)
{
	const struct CMUnitTest coexist[] = {
		cmocka_unit_test(kvm_has_them),
		cmocka_unit_test(the_device_has_them),
		cmocka_unit_test(they_take_turns),
		cmocka_unit_test(they_fight),
		cmocka_unit_test(kvm_has_them_since_it_was_loaded),
		cmocka_unit_test(kvm_is_loaded_while_there_are_machines),
	};

	if (access("/dev/kvm", R_OK | W_OK) != 0) {
		printf("1..0 # SKIP /dev/kvm: %s\n", strerror(errno));
		return 0;
	}
	return RUN(coexist);
}
