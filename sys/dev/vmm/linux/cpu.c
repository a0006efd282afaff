/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.c - the processors of the host: calling them, and what becomes of them
 * (hotplug, suspend, reboot).  Lock order: vmm_hw.lock, then the host's lock
 * against hotplug.
 */
#include "vmm.h"
#include "linux.h"

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/pm.h>
#include <linux/pm_domain.h>
#include <linux/reboot.h>
#include <linux/sched/smt.h>
#include <linux/smp.h>
#include <trace/events/ipi.h>	/* smp_send_reschedule() has one */

#include <asm/cache.h>
#include <asm/cpu.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/processor.h>

/* ---- calls ---- */

uint32_t os_cpu_max(void)
{
	return nr_cpu_ids;
}

struct call {
	int (*fn)(uint32_t cpu, void *arg);
	void *arg;
	int error;
};

static void call(void *cookie)
{
	struct call *c = cookie;

	c->error = c->fn((uint32_t)smp_processor_id(), c->arg);
}

int os_cpu_each(int (*fn)(uint32_t cpu, void *arg), void *arg)
{
	struct call c = { .fn = fn, .arg = arg, .error = 0 };
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		if (smp_call_function_single((int)cpu, call, &c, 1) != 0)
			c.error = EIO;
		if (c.error != 0)
			break;
	}
	cpus_read_unlock();
	return c.error;
}

void os_cpu_call(uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	/* ENXIO: it is off line, and so has been switched off. */
	(void)smp_call_function_single((int)cpu, fn, arg, 1);
}

/*
 * Who asks is here, and so nobody is in a guest here.  With preemption off no
 * processor goes off line.
 */
void os_cpu_interrupt(uint32_t cpu)
{
	unsigned int self = get_cpu();

	if (cpu != self && cpu < nr_cpu_ids && cpu_online(cpu))
		smp_send_reschedule((int)cpu);
	put_cpu();
}

static void nothing(void *cookie)
{
}

void os_cpus_interrupt(const struct os_cpuset *set)
{
	preempt_disable();
	smp_call_function_many(&set->mask, nothing, NULL, true);
	preempt_enable();
}

/* ---- the processor's bugs ---- */

/* As much as any first-level cache has; read instead of a flush where the
 * processor has none. */
#define L1D_ORDER	4
static uint8_t *l1d_fill;
DEFINE_STATIC_KEY_FALSE(vmm_l1d_key);

void vmm_flush_l1d(void)
{
	size_t i;

	if (static_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}
	/* Translations first, or the walks would be in the way. */
	for (i = 0; i < PAGE_SIZE << L1D_ORDER; i += PAGE_SIZE)
		(void)READ_ONCE(l1d_fill[i]);
	cpuid_eax(0);	/* waits for them */
	for (i = 0; i < PAGE_SIZE << L1D_ORDER; i += L1_CACHE_BYTES)
		(void)READ_ONCE(l1d_fill[i]);
	rmb();
}

/* As the kernel's parameter l1tf has it. */
static int l1tf_init(void)
{
	if (!boot_cpu_has_bug(X86_BUG_L1TF) ||
	    l1tf_mitigation == L1TF_MITIGATION_OFF)
		return 0;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		l1d_fill = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
		    L1D_ORDER);
		if (l1d_fill == NULL)
			return -ENOMEM;
	}
	static_branch_enable(&vmm_l1d_key);
	if (sched_smt_active())
		pr_warn("vmm: this processor has L1TF and runs two threads on a core: a guest may read what the other one uses (see l1tf.html of the kernel)\n");
	return 0;
}

static void l1tf_fini(void)
{
	static_branch_disable(&vmm_l1d_key);
	free_pages((unsigned long)l1d_fill, L1D_ORDER);
	l1d_fill = NULL;
}

/*
 * A guest that runs code from a large page, changes it into small ones and
 * does not flush stops the processor (iTLB multihit).  Nested leaves that are
 * small make all its translations small.
 */
static void multihit_init(void)
{
	if (boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off())
		vmm_hw.caps &= ~(VMM_CAP_LARGE_2M | VMM_CAP_LARGE_1G);
}

/* ---- what comes out of a guest ---- */

void os_split_lock(uint64_t rip)
{
	(void)handle_guest_split_lock(rip);
}

/*
 * The exit has taken the machine check: it is not delivered again.  Its
 * handler is told that it came in user mode, for nothing of the kernel's is
 * lost: the thread is killed, at worst.
 */
void os_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	struct pt_regs regs = {
		.cs = __USER_CS,
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
#endif
}

void os_tss_reload(void)
{
	preempt_disable();
	refresh_tss_limit();
	preempt_enable();
}

void os_debug_restore(void)
{
	hw_breakpoint_restore();
}

bool os_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	return rdmsrl_safe(msr, value) == 0;
}

/* ---- hotplug ---- */

static int online(unsigned int cpu)
{
	int error;

	local_irq_disable();
	error = vmm_hw_cpu_online(cpu);
	local_irq_enable();
	return -error;
}

static int offline(unsigned int cpu)
{
	local_irq_disable();
	vmm_hw_cpu_offline(cpu);
	local_irq_enable();
	return 0;
}

/*
 * ---- suspend ----
 *
 * The core of the system's suspend has callbacks of its own (syscore), whose
 * form depends on the version.  Those of devices do as well: when "noirq" is
 * reached, tasks are frozen, so that nobody runs a guest until resume is past
 * it.  The other processors are taken off line after that, or rest.
 */

static int suspend_cpu(uint32_t cpu, void *arg)
{
	vmm_hw_cpu_offline(cpu);
	return 0;
}

static int resume_cpu(uint32_t cpu, void *arg)
{
	/* It says so itself when one is not to be had any more. */
	(void)vmm_hw_cpu_online(cpu);
	return 0;
}

static int suspend(struct device *dev)
{
	return -os_cpu_each(suspend_cpu, NULL);
}

static int resume(struct device *dev)
{
	return -os_cpu_each(resume_cpu, NULL);
}

/* A device that has no driver gets its callbacks by this. */
static struct dev_pm_domain power = {
	.ops = { NOIRQ_SYSTEM_SLEEP_PM_OPS(suspend, resume) },
};

void vmm_power_init(struct device *dev)
{
	dev_pm_domain_set(dev, &power);
}

void vmm_power_fini(struct device *dev)
{
	dev_pm_domain_set(dev, NULL);
}

/* ---- reboot, kexec ---- */

static int reboot(struct notifier_block *self, unsigned long event, void *data)
{
	vmm_hw_reboot();
	return NOTIFY_OK;
}

static struct notifier_block reboot_notifier = {
	.notifier_call = reboot,
};

/* ---- */

static int hotplug;	/* the state's number */

int vmm_cpu_init(void)
{
	int error;

	multihit_init();
	error = l1tf_init();
	if (error != 0)
		return error;
	hotplug = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "vmm:online", online,
	    offline);
	if (hotplug < 0) {
		error = hotplug;
		goto fini_l1tf;
	}
	error = register_reboot_notifier(&reboot_notifier);
	if (error != 0)
		goto remove_hotplug;
	return 0;

remove_hotplug:
	cpuhp_remove_state(hotplug);
fini_l1tf:
	l1tf_fini();
	return error;
}

void vmm_cpu_fini(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	cpuhp_remove_state(hotplug);
	l1tf_fini();
}
