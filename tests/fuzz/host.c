// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - what the host does: to pages, processors and time, where it fails,
 * as another process, and how all ends.
 */
#include "target.h"

void host(void)
{
	const uint64_t page = MEMORY + (bytes_u8(&in) & 127) * PAGE;

	switch (bytes_u8(&in) % 12) {
	case 0:
	case 1:
		fake_page_out(page);
		break;
	case 2:
		fake_move(page);
		break;
	case 3:
		fake_ksm(page);
		break;
	case 4:
		fake_clean(page);
		break;
	case 5:
		fake_unmap(page, PAGE);
		break;
	case 6:
		fake_map(page, PAGE);
		break;
	case 7:
		fake_protect(page, PAGE * (1 + (bytes_u8(&in) & 3)),
		    (bytes_u8(&in) & 1) != 0);
		break;
	case 8:
		(void)fake_young(page, PAGE * bytes_u8(&in),
		    (bytes_u8(&in) & 1) != 0);
		break;
	case 9:
		if (huge_pages++ < 3)
			fake_huge(MEMORY);
		break;
	case 10:
		fake_split(MEMORY);
		break;
	default:
		if (bytes_u8(&in) < 32)
			fake_poison(page);
		break;
	}
}

void processors(void)
{
	const uint32_t cpu = bytes_u8(&in) % fake.cpus;
	uint32_t i, on = 0;

	for (i = 0; i < fake.cpus; i++)
		on += fake.online[i];
	if (!fake.online[cpu])
		(void)fake_cpu_online(cpu);
	else if (on > 2 && !thread_on(cpu))
		fake_cpu_offline(cpu);
}

void time_and_signals(void)
{
	switch (bytes_u8(&in) % 5) {
	case 0:
		fake_advance(bytes_u16(&in));
		break;
	case 1:
		fake.signal = true;
		break;
	case 2:
		fake.resched = true;
		break;
	case 3:
		fake.restart = true;
		break;
	default:
		fake.debug_in_use = !fake_guest_on(0) && !fake_guest_on(1) &&
		    !fake_guest_on(2) && !fake_guest_on(3) &&
		    (bytes_u8(&in) & 1) != 0;
		break;
	}
}

void fail(void)
{
	fake.fail_at = 1 + (bytes_u8(&in) & 7);
	operate();
	fake.fail_at = 0;
}

void fail_get(void)
{
	static const int errors[] = { EINTR, EAGAIN, ENOMEM, EFAULT,
	    EHWPOISON };

	fake.get_error = errors[bytes_u8(&in) % 5];
}

static void as_stranger(void *cookie)
{
	(void)cookie;
	operate();
}

void stranger(void)
{
	fake_as_process(2, as_stranger, NULL);
}

/* These end most of what could be seen: seldom. */
void ends(void)
{
	if (ended || bytes_u8(&in) > 40)
		return;
	ended = true;
	if (bytes_u8(&in) < 128)
		fake_exit();
	else
		vmm_hw_reboot();
}

static void at_get(uint64_t uaddr, bool got)
{
	static uint32_t calls;

	(void)uaddr;
	(void)got;
	/* A few of them would never end. */
	if (depth < DEPTH && bytes_left(&in) && ++calls % 3 == 0 &&
	    nothing_held())
		fake_as(fake.cpus - 1, meanwhile, NULL);
}

void hooks(void)
{
	fake.on_get = (bytes_u8(&in) & 1) != 0 ? at_get : NULL;
}
