// SPDX-License-Identifier: BSD-2-Clause
/*
 * vm.c - one VM: its descriptor, its memory slots, and the supervisor half of
 * the address space that all its roots share.
 */
#include "kv.h"
#include "../os.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A free range below 4 GiB, wanted by processors that cannot run real mode
 * (KVM_SET_TSS_ADDR); the guest user never sees it. */
#define TSS_ADDR	0xfffbd000ul

#define PTE_SUPERVISOR	(1ull | 2 | 0x20 | 0x40)	/* P W A D */
#define LOCAL_APIC	0xfee00000ull

/* Tables: page 0 the PDPT under entry 511, page 1 the page directory, page 2
 * the page table of up to 512 stub pages.  The rest is shadow.c's. */
static void build_top(struct kv_vm *vm)
{
	uint64_t *table = (uint64_t *)(void *)vm->stub;
	const uint64_t first = STUB_VA >> PAGE_SHIFT;

	table[511] = (vm->stub_gpa + VMMCTL_PAGE_SIZE) | PTE_SUPERVISOR;
	table[512 + (first >> 9 & 511)] =
	    (vm->stub_gpa + 2 * VMMCTL_PAGE_SIZE) | PTE_SUPERVISOR;
	for (uint32_t i = 0; i <= KV_VCPUS_MAX; i++)
		table[1024 + i] = (vm->stub_gpa + (uint64_t)(KV_TABLES + i) *
		    VMMCTL_PAGE_SIZE) | PTE_SUPERVISOR;
}

static int set_slot(struct kv_vm *vm, uint32_t slot, uint64_t gpa,
    uint64_t len, void *hva, uint32_t flags)
{
	const struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = len, .userspace_addr = (uint64_t)(uintptr_t)hva,
	};

	return kv_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

int kv_slot_add(struct kv_vm *vm, uint64_t gpa, uint64_t len, void *hva,
    bool writable, uint32_t *slot)
{
	uint32_t n;
	int err;

	if (vm->nfree != 0)
		n = vm->free_slots[vm->nfree - 1];
	else if (vm->next_slot < vm->slots_max)
		n = vm->next_slot;
	else
		return vmmctl_fail(vm->v, -ENOSPC, "KVM has no more than %u "
		    "memory slots: use fewer, larger ranges", vm->slots_max);
	err = set_slot(vm, n, gpa, len, hva, writable ? 0 : KVM_MEM_READONLY);
	if (err == -EEXIST && gpa <= LOCAL_APIC && LOCAL_APIC < gpa + len)
		return vmmctl_fail(vm->v, -EINVAL, "this KVM keeps "
		    "guest-physical 0x%llx for its local APIC: leave a hole "
		    "of one page there", (unsigned long long)LOCAL_APIC);
	if (err < 0)
		return vmmctl_fail(vm->v, err, "KVM refused memory at 0x%llx, "
		    "0x%llx bytes: %s", (unsigned long long)gpa,
		    (unsigned long long)len, strerror(-err));
	if (vm->nfree != 0)
		vm->nfree--;
	else
		vm->next_slot++;
	*slot = n;
	return 0;
}

void kv_slot_remove(struct kv_vm *vm, uint32_t slot)
{
	if (set_slot(vm, slot, 0, 0, NULL, 0) < 0)
		return;		/* cannot be: the slot exists */
	vm->free_slots[vm->nfree++] = slot;
}

static int create(struct kv_vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP,
	    .args = { 24 } };
	struct os_signals signals;
	unsigned long type = 0;
	int err;

	os_signals_hold(&signals);
	vm->fd = kv_ioctl(vm->h->fd, KVM_CREATE_VM, (void *)type);
	os_signals_let(&signals);
	if (vm->fd == -EBUSY)
		return vmmctl_fail(vm->v, -EBUSY, "another hypervisor holds "
		    "the processor's virtualisation: stop it, or unload its "
		    "module");
	if (vm->fd < 0)
		return vmmctl_fail(vm->v, vm->fd, "KVM_CREATE_VM failed: %s",
		    strerror(-vm->fd));
	kv_ioctl(vm->fd, KVM_SET_TSS_ADDR, (void *)TSS_ADDR);
	err = kv_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
	if (err < 0)
		return vmmctl_fail(vm->v, err,
		    "no local APIC from this KVM: %s", strerror(-err));
	/* Where it can be had: no rewriting of the other vendor's VMCALL. */
	cap.cap = KVM_CAP_DISABLE_QUIRKS2;
	cap.args[0] = KVM_X86_QUIRK_FIX_HYPERCALL_INSN;
	kv_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
	/* Before there is memory: KVM may want a page of its own. */
	err = kv_vcpu_fd(vm, 0);
	return err < 0 ? err : 0;
}

int kv_vcpu_fd(struct kv_vm *vm, uint32_t index)
{
	int err, fd = vm->vcpu_fd[index];

	if (fd >= 0)
		return fd;
	fd = kv_ioctl(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)index);
	if (fd < 0)
		return vmmctl_fail(vm->v, fd, "KVM_CREATE_VCPU failed: %s",
		    strerror(-fd));
	/* Once: KVM refuses it after the first run. */
	err = kv_ioctl(fd, KVM_SET_CPUID2, vm->cpuid);
	if (err != 0) {
		close(fd);
		return vmmctl_fail(vm->v, err, "KVM refused the CPUID table: "
		    "%s", strerror(-err));
	}
	vm->vcpu_fd[index] = fd;
	return fd;
}

int kv_vm_init(struct kv_vm *vm, struct vmmctl *v, const struct kv_host *h,
    const struct kvm_cpuid2 *cpuid)
{
	const size_t size = (size_t)KV_STUB_PAGES * VMMCTL_PAGE_SIZE;
	uint32_t slot;
	int err;

	memset(vm, 0, sizeof(*vm));
	vm->v = v;
	vm->h = h;
	vm->cpuid = cpuid;
	vm->fd = -1;
	for (uint32_t i = 0; i <= KV_VCPUS_MAX; i++)
		vm->vcpu_fd[i] = -1;
	vm->stub_gpa = h->gpa_limit;
	vm->stub = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->stub == MAP_FAILED) {
		vm->stub = NULL;
		return vmmctl_fail(v, -ENOMEM, "no memory for a machine");
	}
	err = create(vm);
	if (err != 0)
		goto fail;
	err = kv_ioctl(vm->fd, KVM_CHECK_EXTENSION,
	    (void *)(uintptr_t)KVM_CAP_NR_MEMSLOTS);
	vm->slots_max = err > 0 ? (uint32_t)err : 32;
	vm->free_slots = vmmctl_zalloc(v, vm->slots_max * sizeof(uint32_t));
	if (vm->free_slots == NULL) {
		err = vmmctl_fail(v, -ENOMEM, "no memory for a machine");
		goto fail;
	}
	build_top(vm);
	err = kv_slot_add(vm, vm->stub_gpa, size, vm->stub, true, &slot);
	if (err != 0)
		goto fail;
	return 0;
fail:
	kv_vm_fini(vm);
	return err;
}

void kv_vm_fini(struct kv_vm *vm)
{
	kv_service_fini(vm);
	for (uint32_t i = 0; i <= KV_VCPUS_MAX; i++)
		if (vm->vcpu_fd[i] >= 0)
			close(vm->vcpu_fd[i]);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->stub != NULL)
		munmap(vm->stub, (size_t)KV_STUB_PAGES * VMMCTL_PAGE_SIZE);
	vmmctl_free(vm->v, vm->free_slots);
	vm->fd = -1;
	vm->stub = NULL;
	vm->free_slots = NULL;
}
