/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw_vm.h - the least virtual machine on /dev/kvm that runs ring 3 code: one
 * vCPU, a page for the system with a stub of one OUT per vector, general
 * registers by KVM_CAP_SYNC_REGS.  What one writes without a library.
 */
#ifndef BENCH_RAW_VM_H
#define BENCH_RAW_VM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_TABLES	0x100000u	/* guest-physical, four pages */
#define RAW_SYSTEM	0x110000u	/* a page */
#define RAW_PORT	0xc0u		/* + vector */
#define RAW_PORT_SYSCALL 0xe0u

/* How ring 3 is entered again. */
enum raw_way { BY_SYSRET, BY_IRETQ, BY_STATE, RAW_WAYS };

struct raw_vm {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *memory;	/* of guest-physical 0 */
	size_t size;
	uint64_t root;		/* of the page table; entry 511 is made here */
	struct kvm_sregs user;
	enum raw_way way;
	const char *failed;	/* what; errno says why */
};

/* memory, size, root and way are set; starts at rip. -1: see failed. */
int raw_vm_open(struct raw_vm *raw, uint64_t rip);
void raw_vm_close(struct raw_vm *raw);
/* After an exit by the system call's port: let it return 0. */
void raw_vm_resume(struct raw_vm *raw);
/* A flat segment of ring selector & 3. */
struct kvm_segment raw_vm_segment(uint16_t selector, uint8_t type, int code);

#endif
