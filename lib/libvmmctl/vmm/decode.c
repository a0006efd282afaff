// SPDX-License-Identifier: BSD-2-Clause
/*
 * decode.c - from the device's exits to raw events.  Pure.
 */
#include "dv.h"

static const char device[] = "vmm_ioctl.h, VMM_RUN";

/* What the core does not check before the run, by VMM_FIELD_*. */
static const struct {
	const char *field, *rule;
} fields[] = {
	[VMM_FIELD_CR3] = { "CR3", "must be a page below the device's "
	    "gpa_limit" },
	[VMM_FIELD_CONTEXT] = { "context", "must exist, and not be run by "
	    "another vCPU" },
	[VMM_FIELD_DR] = { "DR0-DR3", "must be below 2^47" },
	[VMM_FIELD_DR7] = { "DR7", "GD and reserved bits must be 0" },
	[VMM_FIELD_COMMIT] = { "commit", "must have known bits only" },
	[VMM_FIELD_WANTED] = { "wanted", "must have known bits only" },
};

static void fail(struct event *ev, const char *field, uint64_t value,
    const char *rule)
{
	ev->type = EVENT_FAILED;
	ev->field = field;
	ev->value = value;
	ev->rule = rule;
	ev->section = device;
}

static void refused(const struct vmm_exit *x, struct event *ev)
{
	switch (x->detail) {
	case 0:
		fail(ev, "hardware exit code", x->raw, "the processor must "
		    "accept the guest's state");
		ev->section = "APM vol. 2 15.5.1, SDM vol. 3C 26.3";
		break;
	case VMM_FIELD_RIP:
	case VMM_FIELD_RFLAGS:
	case VMM_FIELD_FS_BASE:
	case VMM_FIELD_GS_BASE:
		ev->type = EVENT_REFUSED;
		break;
	default:
		if (x->detail < sizeof(fields) / sizeof(fields[0]))
			fail(ev, fields[x->detail].field, 0,
			    fields[x->detail].rule);
		else
			fail(ev, "field", x->detail, "must be one that this "
			    "library knows: it is older than the module");
		break;
	}
}

static void exception(const struct vmm_exit *x, uint64_t dr7,
    struct event *ev)
{
	ev->type = EVENT_VECTOR;
	ev->vector = x->vector;
	if (x->valid & VMM_VALID_ERROR_CODE)
		ev->error_code = x->error_code;
	if (x->valid & VMM_VALID_ADDRESS)
		ev->cr2 = x->address;
	if (x->valid & VMM_VALID_DR6)
		ev->dr6 = x->dr6;
	/* The bits of others than enabled breakpoints mean nothing, SDM
	 * vol. 3B 17.2.3. */
	for (int i = 0; i < 4; i++)
		if ((dr7 >> (2 * i) & 3) == 0)
			ev->dr6 &= ~(1ull << i);
}

void dv_decode(const struct vmm_exit *x, uint64_t dr7, uint64_t gpa_limit,
    struct event *ev)
{
	*ev = (struct event){ .type = EVENT_KICK };
	switch (x->kind) {
	case VMM_EXIT_SYSCALL:
		ev->type = EVENT_SYSCALL;
		break;
	case VMM_EXIT_SOFTINT:
		ev->type = EVENT_SOFTINT;
		ev->vector = x->vector;
		break;
	case VMM_EXIT_EXCEPTION:
		exception(x, dr7, ev);
		break;
	case VMM_EXIT_MEMORY:
		ev->type = EVENT_LACKS;
		ev->gpa = x->gpa;
		if (x->gpa >= gpa_limit)
			fail(ev, "page table", x->gpa, "must be in memory "
			    "that the host can give");
		break;
	case VMM_EXIT_INTERRUPTED:
		if (x->detail == VMM_BY_SIGNAL)
			ev->type = EVENT_SIGNAL;
		break;
	case VMM_EXIT_DEADLINE:
		ev->type = EVENT_TIMEOUT;
		break;
	case VMM_EXIT_FAILED:
		refused(x, ev);
		break;
	case VMM_EXIT_SHUTDOWN:
		fail(ev, "hardware exit code", x->raw,
		    "the guest's processor must not shut down");
		break;
	default:
		fail(ev, "hardware exit code", x->raw,
		    "must be one that ring 3 can cause");
		break;
	}
}
