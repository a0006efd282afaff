// SPDX-License-Identifier: BSD-2-Clause
/*
 * open.c - handles: choosing a backend, its facts, and the sentence of the
 * last failure.
 */
#include "internal.h"
#include "machine.h"
#include "os.h"

#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_MAGIC	0x766d6d31u

/* In the order of preference. */
static const struct backend_ops *const backends[] = {
#ifdef VMMCTL_WITH_VMM
	&backend_vmm,
#endif
#ifdef VMMCTL_WITH_KVM
	&backend_kvm,
#endif
	&backend_proc,
};
#define NBACKENDS	(sizeof(backends) / sizeof(backends[0]))

/* A hardware backend whose exits cost more than this is slower than proc. */
#define SLOW_EXIT_NS	6000u

static void *default_alloc(void *cookie, size_t size)
{
	(void)cookie;
	return malloc(size);
}

static void default_free(void *cookie, void *p)
{
	(void)cookie;
	free(p);
}

void *vmmctl_zalloc(struct vmmctl *v, size_t size)
{
	void *p = v->alloc(v->cookie, size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void vmmctl_free(struct vmmctl *v, void *p)
{
	if (p != NULL)
		v->free(v->cookie, p);
}

int vmmctl_fail(struct vmmctl *v, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mtx_lock(&v->lock);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	mtx_unlock(&v->lock);
	va_end(ap);
	return err;
}

int vmmctl_forked(struct vmmctl *v)
{
	/* The lock's state in a forked child is unknown: no lock. */
	strncpy(v->why, "the handle belongs to the parent of this process; "
	    "a forked child must open its own", sizeof(v->why) - 1);
	return -ECHILD;
}

static size_t copy_string(char *buf, size_t size, const char *s)
{
	size_t len = strlen(s), n = len < size ? len : size - 1;

	if (size != 0) {
		memcpy(buf, s, n);
		buf[n] = '\0';
	}
	return len;
}

size_t vmmctl_error(const struct vmmctl *v, char *buf, size_t size)
{
	mtx_t *lock = (mtx_t *)(uintptr_t)&v->lock;
	bool own = atomic_load(v->guard) != 0;
	size_t len;

	if (own)
		mtx_lock(lock);
	len = copy_string(buf, buf != NULL ? size : 0, v->why);
	if (own)
		mtx_unlock(lock);
	return len;
}

/*
 * Where the state components are in the standard format (SDM vol. 1 13.2).
 * Asked once: CPUID is dear in a virtual machine.
 */
static void find_components(struct vmmctl *v)
{
	for (unsigned i = 2; i < 63; i++) {
		unsigned ecx, edx;

		if (v->info.xsave_mask >> i & 1)
			__cpuid_count(0xd, i, v->xsave[i].len, v->xsave[i].at,
			    ecx, edx);
	}
}

static int try_open(struct vmmctl *v, const struct backend_ops *ops,
    const char *option)
{
	int err;

	memset(&v->info, 0, sizeof(v->info));
	v->info.size = sizeof(v->info);
	v->info.api_version = VMMCTL_API_VERSION;
	copy_string(v->info.backend, sizeof(v->info.backend), ops->name);
	v->ops = ops;
	err = ops->open(v, option);
	if (err == 0)
		find_components(v);
	return err;
}

static void add_reason(char *buf, size_t size, const char *s)
{
	size_t n = strlen(buf);

	if (n != 0)
		n += copy_string(buf + n, size - n, "; ");
	if (n < size)
		copy_string(buf + n, size - n, s);
}

/* Why this backend; it may have said why it does it in the way it does. */
static void give_reason(struct vmmctl *v, const char *choice)
{
	char own[sizeof(v->info.reason)];

	copy_string(own, sizeof(own), v->info.reason);
	copy_string(v->info.reason, sizeof(own), choice);
	if (own[0] != '\0')
		add_reason(v->info.reason, sizeof(own), own);
}

/*
 * The best that works.  A hardware backend slower than proc is kept for the
 * end: a shadow-paging /dev/kvm costs more than a process switch.
 */
static int open_best(struct vmmctl *v)
{
	const struct backend_ops *slow = NULL;
	char reason[sizeof(v->info.reason)] = "", slower[80];
	int err;

	for (size_t i = 0; i < NBACKENDS; i++) {
		const struct backend_ops *ops = backends[i];

		err = try_open(v, ops, "");
		if (err == 0 && i + 1 < NBACKENDS &&
		    v->info.exit_ns > SLOW_EXIT_NS) {
			snprintf(slower, sizeof(slower), "%s: an exit costs "
			    "%llu ns, more than proc's", ops->name,
			    (unsigned long long)v->info.exit_ns);
			add_reason(reason, sizeof(reason), slower);
			ops->close(v);
			slow = slow != NULL ? slow : ops;
			continue;
		}
		if (err == 0)
			goto found;
		add_reason(reason, sizeof(reason), v->why);
	}
	if (slow != NULL) {
		err = try_open(v, slow, "");
		if (err == 0)
			goto found;
	}
	copy_string(v->why, sizeof(v->why), reason);
	return err;
found:
	give_reason(v, reason[0] == '\0' ? "the best that was tried" :
	    reason);
	return 0;
}

static int open_named(struct vmmctl *v, const char *name)
{
	int err;

	for (size_t i = 0; i < NBACKENDS; i++) {
		const char *option = name + strlen(backends[i]->name);

		if (strncmp(name, backends[i]->name,
		    strlen(backends[i]->name)) != 0)
			continue;
		if (*option != '\0' && *option != ':')
			continue;
		err = try_open(v, backends[i],
		    *option == ':' ? option + 1 : option);
		if (err == 0)
			give_reason(v, "asked for by name");
		return err;
	}
	if (strncmp(name, "vmm", 3) == 0 && (name[3] == '\0' || name[3] == ':'))
		return vmmctl_fail(v, -ENOENT, "backend vmm needs the device "
		    "/dev/vmm, which this build of the library does not "
		    "support; use kvm or proc");
	return vmmctl_fail(v, -EINVAL, "no backend is called \"%s\"; there "
	    "are vmm, kvm and proc", name);
}

int vmmctl_open_config(const struct vmmctl_config *config,
    struct vmmctl **out)
{
	KEEP_ERRNO();
	void *(*alloc)(void *, size_t) = config->alloc;
	const char *name = config->backend;
	size_t why_size = config->why != NULL ? config->why_size : 0;
	struct vmmctl *v;
	int err;

	if (config->size != sizeof(*config) || config->flags != 0 ||
	    (config->alloc == NULL) != (config->free == NULL)) {
		copy_string(config->why, why_size,
		    "vmmctl_config: size must be its sizeof, flags 0, and "
		    "alloc and free both given or both NULL");
		return -EINVAL;
	}
	if (alloc == NULL)
		alloc = default_alloc;
	v = alloc(config->cookie, sizeof(*v));
	if (v == NULL)
		goto nomem;
	memset(v, 0, sizeof(*v));
	v->alloc = alloc;
	v->free = config->free != NULL ? config->free : default_free;
	v->cookie = config->cookie;
	v->guard = os_fork_guard_alloc();
	if (v->guard == NULL)
		goto nomem;
	atomic_store(v->guard, GUARD_MAGIC);
	mtx_init(&v->lock, mtx_plain);
	list_init(&v->machines);
	if (name == NULL)
		name = os_getenv("VMMCTL_BACKEND");
	err = name == NULL || *name == '\0' || strcmp(name, "best") == 0 ?
	    open_best(v) : open_named(v, name);
	if (err == 0) {
		/* What another backend lacked is in info.reason. */
		v->why[0] = '\0';
		*out = v;
		return 0;
	}
	copy_string(config->why, why_size, v->why);
	mtx_destroy(&v->lock);
	os_pages_free(v->guard, VMMCTL_PAGE_SIZE);
	v->free(v->cookie, v);
	return err;
nomem:
	copy_string(config->why, why_size, "no memory for a handle");
	if (v != NULL)
		v->free(v->cookie, v);
	return -ENOMEM;
}

int vmmctl_open(const char *name, struct vmmctl **out, char *why,
    size_t why_size)
{
	struct vmmctl_config config = {
		.size = sizeof(config), .backend = name,
		.why = why, .why_size = why_size,
	};

	return vmmctl_open_config(&config, out);
}

void vmmctl_close(struct vmmctl *v)
{
	KEEP_ERRNO();
	if (v == NULL || !vmmctl_alive(v))
		return;	/* a forked child's copy: nothing here is its own */
	while (!list_empty(&v->machines))
		vmmctl_machine_destroy(LIST_ITEM(list_first(&v->machines),
		    struct vmmctl_machine, link));
	v->ops->close(v);
	mtx_destroy(&v->lock);
	os_pages_free(v->guard, VMMCTL_PAGE_SIZE);
	v->free(v->cookie, v);
}

int vmmctl_info(const struct vmmctl *v, struct vmmctl_info *info, size_t size)
{
	if (!vmmctl_alive(v))
		return -ECHILD;
	memcpy(info, &v->info, size < sizeof(*info) ? size : sizeof(*info));
	return 0;
}

const char *vmmctl_version(void)
{
	return VMMCTL_VERSION_STRING;
}
