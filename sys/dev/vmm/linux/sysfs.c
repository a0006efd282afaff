/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysfs.c - /sys/class/misc/vmm: what VMM_INFO tells, for who has no program
 * for it, and the switch.
 *	version		of the ABI
 *	enable		0 or 1; root writes it
 *	live/		what there is now: machines, vcpus, contexts, ...
 *	hw/		a file for each number of the hardware
 */
#include "vmm.h"
#include "linux.h"

#include <linux/kstrtox.h>
#include <linux/sysfs.h>

static ssize_t version_show(struct device *dev, struct device_attribute *a,
    char *buf)
{
	return sysfs_emit(buf, "%u\n", VMM_ABI_VERSION);
}
static DEVICE_ATTR_RO(version);

static ssize_t enable_show(struct device *dev, struct device_attribute *a,
    char *buf)
{
	return sysfs_emit(buf, "%d\n", OS_READ(vmm_hw.enabled));
}

static ssize_t enable_store(struct device *dev, struct device_attribute *a,
    const char *buf, size_t size)
{
	bool enable;
	int error = kstrtobool(buf, &enable);

	if (error == 0)
		error = -vmm_hw_enable(enable);
	return error != 0 ? error : (ssize_t)size;
}
static DEVICE_ATTR_RW(enable);

static struct attribute *top_files[] = {
	&dev_attr_version.attr,
	&dev_attr_enable.attr,
	NULL
};
static const struct attribute_group top = { .attrs = top_files };

/* ---- numbers ---- */

/* A file of live/ or hw/; hw's are named when the module is loaded. */
struct number {
	struct device_attribute attr;
	uint64_t *value;
};

static ssize_t live_show(struct device *dev, struct device_attribute *a,
    char *buf)
{
	const struct number *n = container_of(a, struct number, attr);

	return sysfs_emit(buf, "%llu\n", OS_READ(*n->value));
}

static ssize_t hw_show(struct device *dev, struct device_attribute *a,
    char *buf)
{
	const struct number *n = container_of(a, struct number, attr);

	return sysfs_emit(buf, "%#llx\n", *n->value);
}

#define LIVE(what) \
	static struct number live_##what = { \
		.attr = __ATTR(what, 0444, live_show, NULL), \
		.value = &vmm_live.what, \
	}
LIVE(machines);
LIVE(vcpus);
LIVE(contexts);
LIVE(regions);
LIVE(pages);

static struct attribute *live_files[] = {
	&live_machines.attr.attr,
	&live_vcpus.attr.attr,
	&live_contexts.attr.attr,
	&live_regions.attr.attr,
	&live_pages.attr.attr,
	NULL
};
static const struct attribute_group live = {
	.name = "live",
	.attrs = live_files,
};

static struct number hw_numbers[VMM_FACTS];
static struct attribute *hw_files[VMM_FACTS + 1];
static const struct attribute_group hw = { .name = "hw", .attrs = hw_files };

const struct attribute_group *vmm_sysfs_groups[] = { &top, &live, &hw, NULL };

void vmm_sysfs_init(void)
{
	unsigned int i;

	for (i = 0; i < VMM_FACTS && vmm_hw.facts[i].name[0] != '\0'; i++) {
		struct number *n = &hw_numbers[i];

		n->attr = (struct device_attribute)
		    __ATTR(none, 0444, hw_show, NULL);
		n->attr.attr.name = vmm_hw.facts[i].name;
		sysfs_attr_init(&n->attr.attr);
		n->value = &vmm_hw.facts[i].value;
		hw_files[i] = &n->attr.attr;
	}
}
