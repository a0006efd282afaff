/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hw.c - the processors: which vendor's they are, when virtualisation is on,
 * and what they can do.
 *
 * It is on while there are machines.  vmm_hw.active says so and changes only
 * inside os_cpu_each(), which keeps hotplug away: a processor that comes on
 * line either sees it and follows, or is among those that are switched.
 */
#include "vmm.h"
#include "cpu.h"

#define XSAVE_MIN	576u
#define CPUID1_OSXSAVE	(1u << 27)	/* ECX */
#define MXCSR_MASK_AT	28u
#define MXCSR_MASK_OLD	0xffbfu		/* SDM vol. 1 11.6.6 */

/*
 * Not for guest users: AMX, whose XFD would make XRSTOR raise #NM in the
 * kernel (SDM vol. 1 13.14).  While they run XCR0 has no such bits, or they
 * would have the tiles of whoever was here before.
 */
#define XCR0_NEVER	(3ull << 17)

/* Four levels of nested tables. */
#define MOST_GPA_BITS	48u

struct vmm_hw vmm_hw;
struct vmm_live vmm_live;

/* ---- what it is ---- */

void vmm_hw_fact(struct vmm_hw *hw, unsigned n, const char *name,
    uint64_t value)
{
	memcpy(hw->facts[n].name, name, strlen(name) + 1);
	hw->facts[n].value = value;
}

static int probe(const struct vmm_vendor *const *vendors, unsigned n)
{
	const char *why = NULL;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (vendors[i]->probe(&vmm_hw, &why) == 0) {
			vmm_hw.vendor = vendors[i];
			vmm_hw.why = NULL;
			/* Guests have the host's. */
			if ((cpu_get_cr4() & VMM_X86_CR4_FSGSBASE) != 0)
				vmm_hw.caps |= VMM_CAP_FSGSBASE;
			return 0;
		}
		/* The last one that knows this processor tells best. */
		if (why != NULL)
			vmm_hw.why = why;
		why = NULL;
	}
	if (vmm_hw.why == NULL)
		vmm_hw.why = "the processor has no virtualisation that this "
		    "device knows";
	return EOPNOTSUPP;
}

/* SDM vol. 1 13.2, 13.3: which components, and where each is. */
static int probe_xsave(void)
{
	uint32_t r[4], i, end;

	cpu_cpuid(1, 0, r);
	if ((r[2] & CPUID1_OSXSAVE) == 0) {
		vmm_hw.why = "the processor has no XSAVE, or the kernel does "
		    "not use it";
		return EOPNOTSUPP;
	}
	vmm_hw.host_xcr0 = cpu_xgetbv(0);
	vmm_hw.xcr0 = vmm_hw.host_xcr0 & ~XCR0_NEVER;
	vmm_hw.xstate_rare = vmm_hw.xcr0 != vmm_hw.host_xcr0 ||
	    vmm_hw.x87_leaks;
	vmm_hw.xsave_size = XSAVE_MIN;
	for (i = 2; i < 63; i++) {
		if ((vmm_hw.xcr0 >> i & 1) == 0)
			continue;
		cpu_cpuid(0xd, i, r);
		vmm_hw.part[i].size = r[0];
		vmm_hw.part[i].offset = r[1];
		end = r[0] + r[1];
		if (end > vmm_hw.xsave_size)
			vmm_hw.xsave_size = end;
	}
	return 0;
}

static int probe_mxcsr(void)
{
	uint8_t *memory = os_zalloc(vmm_hw.xsave_size + 64), *area;

	if (memory == NULL)
		return ENOMEM;
	area = (uint8_t *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
	cpu_xsave(area, vmm_hw.xcr0 & 3);
	memcpy(&vmm_hw.mxcsr_mask, area + MXCSR_MASK_AT,
	    sizeof(vmm_hw.mxcsr_mask));
	if (vmm_hw.mxcsr_mask == 0)
		vmm_hw.mxcsr_mask = MXCSR_MASK_OLD;
	os_free(memory);
	return 0;
}

static void fini_cpus(uint32_t n)
{
	while (n-- != 0)
		vmm_hw.vendor->cpu_fini(&vmm_hw.cpus[n]);
	os_free(vmm_hw.cpus);
	vmm_hw.cpus = NULL;
}

static int init_cpus(void)
{
	uint32_t n = os_cpu_max(), i;

	vmm_hw.cpus = os_zalloc(n * sizeof(vmm_hw.cpus[0]));
	if (vmm_hw.cpus == NULL)
		return ENOMEM;
	for (i = 0; i < n; i++) {
		int error;

		vmm_hw.cpus[i].number = i;
		error = vmm_hw.vendor->cpu_init(&vmm_hw.cpus[i]);
		if (error != 0) {
			fini_cpus(i);
			return error;
		}
		vmm_hw.cpus[i].ready = true;
	}
	return 0;
}

int vmm_hw_init(const struct vmm_vendor *const *vendors, unsigned n)
{
	uint64_t aux;
	int error;

	memset(&vmm_hw, 0, sizeof(vmm_hw));
	error = probe(vendors, n);
	if (error == 0)
		error = probe_xsave();
	if (error == 0)
		error = probe_mxcsr();
	if (error == 0)
		error = init_cpus();
	vmm_hw.has_tsc_aux = os_rdmsr_safe(VMM_MSR_TSC_AUX, &aux);
	if (error != 0) {
		if (error == ENOMEM)
			vmm_hw.why = "there is no memory";
		vmm_hw.vendor = NULL;
		os_log("cannot be used: %s", vmm_hw.why);
		return error;
	}
	if (vmm_hw.gpa_bits > MOST_GPA_BITS)
		vmm_hw.gpa_bits = MOST_GPA_BITS;
	vmm_hw.gpa_pages = ((1ull << vmm_hw.gpa_bits) - 1) & ~VMM_PAGE_MASK;
	vmm_hw.enabled = true;
	os_mutex_init(&vmm_hw.lock);
	vmm_list_init();
	return 0;
}

void vmm_hw_fini(void)
{
	if (vmm_hw.vendor == NULL)
		return;
	vmm_list_fini();
	os_mutex_fini(&vmm_hw.lock);
	fini_cpus(os_cpu_max());
	vmm_hw.vendor = NULL;
}

/* ---- on and off ---- */

/* Interrupts off, on that processor. */
static int on(uint32_t cpu, void *arg)
{
	struct vmm_cpu *c = &vmm_hw.cpus[cpu];
	const char **why = arg;
	int error;

	OS_WRITE(vmm_hw.active, true);
	if (c->on)
		return 0;
	error = vmm_hw.vendor->cpu_on(c, why);
	if (error != 0)
		return error;
	c->last = NULL;
	OS_WRITE(c->on, true);
	return 0;
}

static void off_one(struct vmm_cpu *c)
{
	if (!c->on)
		return;
	OS_WRITE(c->on, false);
	vmm_hw.vendor->cpu_off(c);
}

static int off(uint32_t cpu, void *arg)
{
	(void)arg;
	OS_WRITE(vmm_hw.active, false);
	off_one(&vmm_hw.cpus[cpu]);
	return 0;
}

/* [h] Is there anything in the way that needs no look at the processors? */
static int allowed(const char **why)
{
	if (vmm_hw.vendor == NULL) {
		*why = vmm_hw.why;
		return EOPNOTSUPP;
	}
	if (OS_READ(vmm_hw.going_down)) {
		*why = "the host is about to restart";
		return EBUSY;
	}
	if (!vmm_hw.enabled) {
		*why = "the administrator has turned the device off: "
		    "VMM_ENABLE turns it on";
		return EBUSY;
	}
	return 0;
}

int vmm_hw_get(const char **why)
{
	int error;

	if (vmm_hw.vendor == NULL)
		return allowed(why);
	os_mutex_lock(&vmm_hw.lock);
	*why = NULL;
	error = allowed(why);
	if (error == 0 && vmm_hw.users == 0) {
		error = os_cpu_each(on, why);
		if (error != 0)
			(void)os_cpu_each(off, NULL);
	}
	if (error == 0)
		vmm_hw.users++;
	else if (*why == NULL)
		*why = "the processor cannot be switched to it";
	os_mutex_unlock(&vmm_hw.lock);
	return error;
}

void vmm_hw_put(void)
{
	os_mutex_lock(&vmm_hw.lock);
	if (--vmm_hw.users == 0)
		(void)os_cpu_each(off, NULL);
	os_mutex_unlock(&vmm_hw.lock);
}

int vmm_hw_enable(bool enable)
{
	int error = 0;

	if (vmm_hw.vendor == NULL)
		return EOPNOTSUPP;
	os_mutex_lock(&vmm_hw.lock);
	if (!enable && vmm_hw.users != 0)
		error = EBUSY;
	else
		vmm_hw.enabled = enable;
	os_mutex_unlock(&vmm_hw.lock);
	return error;
}

/* Never h here: who holds it may be waiting for hotplug to end. */
int vmm_hw_cpu_online(uint32_t cpu)
{
	const char *why = NULL;
	int error;

	if (!OS_READ(vmm_hw.active) || OS_READ(vmm_hw.going_down))
		return 0;
	error = on(cpu, &why);
	if (error != 0)
		os_log("processor %u cannot be used: %s", cpu,
		    why != NULL ? why : "it cannot be switched to it");
	return error;
}

void vmm_hw_cpu_offline(uint32_t cpu)
{
	off_one(&vmm_hw.cpus[cpu]);
}

void vmm_hw_reboot(void)
{
	if (vmm_hw.vendor == NULL)
		return;
	os_mutex_lock(&vmm_hw.lock);
	/* Before the interrupt that os_cpu_each() is on each processor: who is
	 * inside comes out for it, and does not go in again. */
	OS_WRITE(vmm_hw.going_down, true);
	(void)os_cpu_each(off, NULL);
	os_mutex_unlock(&vmm_hw.lock);
}

/* ---- what the owner may know ---- */

static int check(const char **why)
{
	int error = allowed(why);
	struct vmm_cpu *c;

	if (error != 0 || vmm_hw.users != 0 ||
	    vmm_hw.vendor->cpu_check == NULL)
		return error;
	/* One for all: who uses one uses all of them. */
	c = &vmm_hw.cpus[os_guest_begin()];
	error = vmm_hw.vendor->cpu_check(c, why);
	os_guest_end();
	return error;
}

static void tell_live(struct vmm_info *info)
{
	info->live_machines = OS_READ(vmm_live.machines);
	info->live_vcpus = OS_READ(vmm_live.vcpus);
	info->live_contexts = OS_READ(vmm_live.contexts);
	info->live_regions = OS_READ(vmm_live.regions);
	info->live_pages = OS_READ(vmm_live.pages);
}

void vmm_hw_info(struct vmm_info *info)
{
	const char *why = NULL;

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->version = VMM_ABI_VERSION;
	info->max_vcpus = VMM_MAX_VCPUS;
	info->max_contexts = VMM_MAX_CONTEXTS;
	info->max_regions = VMM_MAX_REGIONS;
	info->page_size = (uint32_t)VMM_PAGE_SIZE;
	memcpy(info->facts, vmm_hw.facts, sizeof(info->facts));
	tell_live(info);
	if (vmm_hw.vendor == NULL) {
		vmm_tell(info->why, sizeof(info->why), vmm_hw.why);
		return;
	}
	info->caps = vmm_hw.caps | VMM_CAP_GUEST_USER | VMM_CAP_CPUID;
	vmm_tell(info->vendor, sizeof(info->vendor), vmm_hw.vendor->name);
	info->gpa_limit = 1ull << vmm_hw.gpa_bits;
	info->xcr0 = vmm_hw.xcr0;
	info->xsave_size = vmm_hw.xsave_size;
	info->mxcsr_mask = vmm_hw.mxcsr_mask;
	os_mutex_lock(&vmm_hw.lock);
	info->enabled = vmm_hw.enabled;
	if (check(&why) == 0)
		info->usable = 1;
	os_mutex_unlock(&vmm_hw.lock);
	if (why != NULL)
		vmm_tell(info->why, sizeof(info->why), why);
}

void vmm_tell(char *to, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i] != '\0'; i++)
		to[i] = text[i];
	for (; i < size; i++)
		to[i] = '\0';
}
