// SPDX-License-Identifier: BSD-2-Clause
/* any.c - arguments from bytes: see target.h. */
#include "target.h"

/* Might an operation wait for a lock that a thread underneath has? */
bool nothing_held(void)
{
	const struct fake_thread *t;

	for (t = fake.cur; t != NULL; t = t->under) {
		if (t->nheld != 0)
			return false;
	}
	return true;
}

bool thread_on(uint32_t cpu)
{
	const struct fake_thread *t;

	for (t = fake.cur; t != NULL; t = t->under) {
		if (t->cpu == cpu)
			return true;
	}
	return false;
}

uint64_t any_uaddr(void)
{
	const uint8_t how = bytes_u8(&in);

	if (how < 200)
		return MEMORY + (how & 63) * PAGE * ((how & 64) != 0 ? 16 : 1);
	if (how < 230)
		return BUFFER + (how & 7) * 512;
	if (how < 240)
		return FAKE_USER_END - (how & 7) * 256;
	return bytes_u64(&in);
}

uint64_t any_gpa(void)
{
	const uint8_t how = bytes_u8(&in);

	if (how < 128)
		return (how & 63) * PAGE * ((how & 64) != 0 ? 16 : 1);
	if (how < 200)
		return ROOT + (how & 31) * PAGE + bytes_u8(&in) * 8;
	if (how < 240)
		return (1ull << 30) + (how & 15) * MIB2 / 4;
	return bytes_u64(&in);
}

uint64_t any_size(void)
{
	const uint8_t how = bytes_u8(&in);

	if (how < 128)
		return (1 + (how & 15)) * PAGE;
	if (how < 200)
		return (1 + (how & 3)) * MIB2;
	if (how < 240)
		return MEMORY_SIZE;
	return bytes_u64(&in);
}

uint32_t any_prot(void)
{
	const uint8_t how = bytes_u8(&in);

	return how < 240 ? VMM_PROT_READ | (how & 3) << 1 : bytes_u32(&in);
}

/* Mostly what it has to be. */
uint32_t zero(void)
{
	return bytes_u8(&in) < 250 ? 0 : bytes_u32(&in);
}

struct vmm_machine *any_machine(void)
{
	return machines[bytes_u8(&in) % MACHINES];
}

struct vmm_vcpu *any_vcpu(void)
{
	return vcpus[bytes_u8(&in) % VCPUS];
}

uint32_t any_context(void)
{
	const uint8_t how = bytes_u8(&in);

	return how < 240 ? how & 3 : bytes_u32(&in);
}
