// SPDX-License-Identifier: BSD-2-Clause
/*
 * cpuid.c - what the guest user's processor is: the leaves that this KVM can
 * give, and what follows from them for control registers, extended state and
 * guest-physical addresses.
 */
#include "kv.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#define MAX_LEAVES	256u

#define CR4_DE		(1ull << 3)
#define CR4_PAE		(1ull << 5)
#define CR4_OSFXSR	(1ull << 9)
#define CR4_OSXMMEXCPT	(1ull << 10)
#define CR4_UMIP	(1ull << 11)
#define CR4_OSXSAVE	(1ull << 18)
#define CR4_PKE		(1ull << 22)

#define ECX1_XSAVE	(1u << 26)
#define EBX7_FSGSBASE	(1u << 0)
#define ECX7_UMIP	(1u << 2)
#define ECX7_PKU	(1u << 3)

/* KVM's and other hypervisors' own leaves: a guest user has no kernel that
 * could use them. */
#define HYPERVISOR_FIRST 0x40000000u
#define HYPERVISOR_LAST	0x400000ffu

/* Bytes of guest-physical addresses that the backend keeps: page tables and
 * stubs, see backend.c. */
#define OWN_SIZE	(66ull << 30)
#define XSAVE_MIN	576u

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *t, uint32_t leaf,
    uint32_t sub)
{
	for (uint32_t i = 0; i < t->nent; i++)
		if (t->entries[i].function == leaf &&
		    t->entries[i].index == sub)
			return &t->entries[i];
	return NULL;
}

static size_t table_size(uint32_t n)
{
	return sizeof(struct kvm_cpuid2) + n * sizeof(struct kvm_cpuid_entry2);
}

/*
 * Leaves that describe the host, not what KVM supports: a guest user of any
 * backend reads the same.
 */
static const uint32_t host_leaves[] = {
	0, 2, 0x80000000u, 0x80000002u, 0x80000003u, 0x80000004u, 0x80000005u,
	0x80000006u,
};

static void use_host_leaf(struct kvm_cpuid2 *t, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e = find(t, leaf, 0);
	uint32_t a, b, c, d;

	__cpuid_count(leaf, 0, a, b, c, d);
	if (e == NULL) {
		if (t->nent == MAX_LEAVES)
			return;
		e = &t->entries[t->nent++];
		e->function = leaf;
	}
	/* The highest leaf stays KVM's. */
	if ((leaf & 0x7fffffff) != 0)
		e->eax = a;
	e->ebx = b;
	e->ecx = c;
	e->edx = d;
}

static void tidy(struct kvm_cpuid2 *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->nent; i++)
		if (t->entries[i].function < HYPERVISOR_FIRST ||
		    t->entries[i].function > HYPERVISOR_LAST)
			t->entries[n++] = t->entries[i];
	t->nent = n;
	for (size_t i = 0; i < sizeof(host_leaves) / sizeof(host_leaves[0]);
	    i++)
		use_host_leaf(t, host_leaves[i]);
}

static void init_control(struct kv_host *h)
{
	struct kvm_cpuid_entry2 *one = find(h->cpuid, 1, 0);
	struct kvm_cpuid_entry2 *seven = find(h->cpuid, 7, 0);

	h->cr4 = CR4_DE | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	if (one != NULL)
		h->xsave = (one->ecx & ECX1_XSAVE) != 0;
	if (h->xsave)
		h->cr4 |= CR4_OSXSAVE;
	if (seven != NULL) {
		h->has_fsgsbase = (seven->ebx & EBX7_FSGSBASE) != 0;
		if (seven->ecx & ECX7_UMIP)
			h->cr4 |= CR4_UMIP;
		if (seven->ecx & ECX7_PKU)
			h->cr4 |= CR4_PKE;
	}
}

static void init_xsave(struct kv_host *h)
{
	struct kvm_cpuid_entry2 *e = find(h->cpuid, 0xd, 0);

	h->xcr0 = 3;
	h->xsave_size = XSAVE_MIN;
	/* A KVM that runs ring 3 on the host's own CR4 may hide XSAVE itself
	 * and still carry all the state. */
	if (e == NULL || (e->eax & 3) != 3)
		return;
	h->xcr0 = e->eax | (uint64_t)e->edx << 32;
	for (uint32_t i = 2; i < 63; i++) {
		if ((h->xcr0 >> i & 1) == 0)
			continue;
		e = find(h->cpuid, 0xd, i);
		if (e == NULL || e->ebx + e->eax > h->xsave_bytes) {
			h->xcr0 &= ~(1ull << i);
			continue;
		}
		if (e->ebx + e->eax > h->xsave_size)
			h->xsave_size = e->ebx + e->eax;
	}
}

static int init_addresses(struct vmmctl *v, struct kv_host *h)
{
	struct kvm_cpuid_entry2 *e = find(h->cpuid, 0x80000008u, 0);
	uint32_t bits = e == NULL ? 36 : e->eax & 0xff;

	/* A guest may be given fewer than the processor has. */
	if (e != NULL && (e->eax >> 16 & 0xff) != 0 &&
	    (e->eax >> 16 & 0xff) < bits)
		bits = e->eax >> 16 & 0xff;
	if (bits < 38 || bits > 52)
		return vmmctl_fail(v, -ENOTSUP, "this KVM gives guests %u "
		    "physical address bits; 38 are needed", bits);
	h->gpa_limit = (1ull << (bits - 1)) < OWN_SIZE ?
	    (1ull << bits) - OWN_SIZE : 1ull << (bits - 1);
	return 0;
}

int kv_cpuid_init(struct vmmctl *v, struct kv_host *h)
{
	int err;

	h->cpuid = vmmctl_zalloc(v, table_size(MAX_LEAVES));
	if (h->cpuid == NULL)
		return vmmctl_fail(v, -ENOMEM, "no memory for CPUID leaves");
	h->cpuid->nent = MAX_LEAVES;
	err = kv_ioctl(h->fd, KVM_GET_SUPPORTED_CPUID, h->cpuid);
	if (err < 0)
		return vmmctl_fail(v, err,
		    "KVM_GET_SUPPORTED_CPUID failed: %s", strerror(-err));
	tidy(h->cpuid);
	init_control(h);
	init_xsave(h);
	return init_addresses(v, h);
}

struct kvm_cpuid2 *kv_cpuid_policy(struct vmmctl *v, const struct kv_host *h,
    const struct vmmctl_cpuid *leaf, uint32_t n)
{
	struct kvm_cpuid2 *t = vmmctl_zalloc(v,
	    table_size(h->cpuid->nent + n));

	if (t == NULL)
		return NULL;
	memcpy(t, h->cpuid, table_size(h->cpuid->nent));
	for (uint32_t i = 0; i < n; i++) {
		bool sub = (leaf[i].flags & VMMCTL_CPUID_SUBLEAF) != 0;
		struct kvm_cpuid_entry2 *e = find(t, leaf[i].leaf,
		    sub ? leaf[i].subleaf : 0);

		if (e == NULL) {
			e = &t->entries[t->nent++];
			e->function = leaf[i].leaf;
			e->index = sub ? leaf[i].subleaf : 0;
			e->flags = sub ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
		}
		e->eax = leaf[i].eax;
		e->ebx = leaf[i].ebx;
		e->ecx = leaf[i].ecx;
		e->edx = leaf[i].edx;
	}
	return t;
}
