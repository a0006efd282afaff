// SPDX-License-Identifier: BSD-2-Clause
/*
 * shadow.c - page-table changes on a KVM that shadows page tables.
 *
 * Such a KVM protects the tables it has shadowed and hears of writes by the
 * guest only: what the library writes through its own mapping stays unseen
 * for ever, whatever is flushed.  So after the fact a hidden vCPU, in ring 0,
 * writes the changed entries onto themselves.  A write of two bytes cannot be
 * an entry: KVM then forgets the whole table, which serves for tables that
 * are freed and for many changes at once.
 */
#include "kv.h"

#include <errno.h>
#include <sys/ioctl.h>

#define POOL_VA		0xffffff0000000000ull	/* entry 510 */
#define POOL_SLOT	510u
#define PAGE_ROOT	3u	/* of the tables: our root, */
#define PAGE_PDPT	4u	/* what entry 510 points to, */
#define PAGE_PD		5u	/* and its page directories */
#define LARGE		(2ull << 20)
#define GIB		(1ull << 30)
#define PTE_SUPERVISOR	(1ull | 2 | 0x20 | 0x40)	/* P W A D */
#define PTE_LARGE	(1ull << 7)

static uint64_t *table_page(struct kv_vm *vm, uint64_t n)
{
	return (uint64_t *)(void *)(vm->stub + n * VMMCTL_PAGE_SIZE);
}

static uint64_t table_gpa(const struct kv_vm *vm, uint64_t n)
{
	return vm->stub_gpa + n * VMMCTL_PAGE_SIZE;
}

static void map_large(struct kv_vm *vm, uint64_t pool_gpa, uint64_t offset)
{
	uint64_t gib = offset / GIB;

	table_page(vm, PAGE_PDPT)[gib] = table_gpa(vm, PAGE_PD + gib) |
	    PTE_SUPERVISOR;
	table_page(vm, PAGE_PD + gib)[offset / LARGE % 512] =
	    (pool_gpa + (offset & ~(LARGE - 1))) | PTE_SUPERVISOR | PTE_LARGE;
}

static int service_init(struct kv_vm *vm)
{
	struct kv_cpu *cpu = vmmctl_zalloc(vm->v, sizeof(*cpu));
	int err;

	if (cpu == NULL)
		return vmmctl_fail(vm->v, -ENOMEM, "no memory for a vCPU");
	err = kv_cpu_init(cpu, vm, KV_VCPUS_MAX);
	if (err != 0) {
		vmmctl_free(vm->v, cpu);
		return err;
	}
	table_page(vm, PAGE_ROOT)[511] = kv_top_entry(vm);
	table_page(vm, PAGE_ROOT)[POOL_SLOT] = table_gpa(vm, PAGE_PDPT) |
	    PTE_SUPERVISOR;
	cpu->ring0.cr3 = table_gpa(vm, PAGE_ROOT);
	vm->service = cpu;
	return 0;
}

void kv_service_fini(struct kv_vm *vm)
{
	if (vm->service == NULL)
		return;
	kv_cpu_fini(vm->service);
	vmmctl_free(vm->v, vm->service);
	vm->service = NULL;
}

static int run(struct kv_vm *vm, const struct pt_pool *pool, uint64_t gpa,
    uint32_t n, uint64_t offset)
{
	struct kv_cpu *cpu;
	struct kvm_run *r;
	int err;

	if (vm->service == NULL) {
		err = service_init(vm);
		if (err != 0)
			return err;
	}
	cpu = vm->service;
	r = cpu->run;
	map_large(vm, pool->gpa, gpa - pool->gpa);
	r->s.regs.sregs = cpu->ring0;
	r->s.regs.regs = (struct kvm_regs){
		.rsi = POOL_VA + (gpa - pool->gpa),
		.rdi = POOL_VA + (gpa - pool->gpa),
		.rcx = n, .rflags = RFLAGS_FIXED,
		.rip = stub_va(cpu->index) + offset,
		.rsp = stub_va(cpu->index) + STUB_IST1,
	};
	r->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	r->kvm_valid_regs = KVM_SYNC_X86_REGS;
	err = kv_ioctl(cpu->fd, KVM_RUN, NULL);
	if (err == 0 && (r->exit_reason != KVM_EXIT_IO ||
	    r->io.port != STUB_TOUCHED))
		err = -EIO;
	if (err != 0)
		return vmmctl_fail(vm->v, err, "KVM's shadow of a page table "
		    "could not be brought up to date: exit %u",
		    r->exit_reason);
	return 0;
}

int kv_touch(struct kv_vm *vm, const struct pt_pool *pool, uint64_t gpa,
    uint32_t n)
{
	return run(vm, pool, gpa, n, STUB_TOUCH);
}

int kv_drop(struct kv_vm *vm, const struct pt_pool *pool, uint64_t gpa)
{
	return run(vm, pool, gpa & ~PAGE_MASK, 1, STUB_DROP);
}
