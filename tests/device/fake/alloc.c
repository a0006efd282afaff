// SPDX-License-Identifier: BSD-2-Clause
/* alloc.c - what is allocated: see fake.h. */
#include "fake.h"
#include "vmm.h"

struct block {
	void *p;		/* as the core knows it */
	void *base;
	size_t size;
	void *who;		/* the caller, for addr2line */
	enum { ZALLOC, PAGE, CPU_PAGE } kind;
	struct block *next;
};
#define BUCKETS	1024u
static struct block *blocks[BUCKETS];

static struct block **bucket(const void *p)
{
	const uint64_t n = (uint64_t)(uintptr_t)p;

	return &blocks[(n >> 4 ^ n >> 12) % BUCKETS];
}

static void *block_add(void *base, void *p, size_t size, int kind, void *who)
{
	struct block *b = malloc(sizeof(*b)), **at = bucket(p);

	if (b == NULL || base == NULL)
		abort();
	*b = (struct block){ .p = p, .base = base, .size = size, .who = who,
	    .kind = kind, .next = *at };
	*at = b;
	fake.live_allocs++;
	return p;
}

static void block_free(void *p, int kind)
{
	struct block **at = bucket(p), *b;

	for (; (b = *at) != NULL; at = &b->next) {
		if (b->p == p && (int)b->kind == kind)
			break;
	}
	if (b == NULL) {
		fake_bug("%p is freed, which is no such allocation", p);
		return;
	}
	fake_timers_forget(b->p, b->size);
	*at = b->next;
	free(b->base);
	free(b);
	fake.live_allocs--;
}

void fake_blocks_reset(void)
{
	uint32_t i;

	for (i = 0; i < BUCKETS; i++) {
		while (blocks[i] != NULL) {
			struct block *b = blocks[i];

			blocks[i] = b->next;
			free(b->base);
			free(b);
		}
	}
}

void fake_blocks_check_idle(void)
{
	uint32_t i;

	for (i = 0; i < BUCKETS; i++) {
		const struct block *b = blocks[i];

		if (b != NULL)
			fake_bug("%zu bytes are never freed, of %llu "
			    "allocations; from %p", b->size,
			    (unsigned long long)fake.live_allocs, b->who);
	}
}

/* Is this the one that fails? */
static bool refuse(const char *who)
{
	fake_may_sleep(who);
	fake.allocs++;
	if (fake.fail_at != 0 && --fake.fail_at == 0) {
		fake.failed = true;
		return true;
	}
	return false;
}

void *os_zalloc(size_t size)
{
	uint8_t *base;

	if (size == 0)
		fake_bug("an allocation of nothing");
	if (refuse("os_zalloc"))
		return NULL;
	/* Aligned to 8 and no better, as kernels' allocators may be. */
	base = calloc(1, size + 8);
	return block_add(base, base + 8, size, ZALLOC,
	    __builtin_return_address(0));
}

void os_free(void *p)
{
	if (p == NULL)
		return;
	fake_may_sleep("os_free");
	block_free(p, ZALLOC);
}

static void *page_alloc(uint32_t n, uint64_t *pa, int kind, void *who)
{
	void *p = aligned_alloc(FAKE_PAGE, n * FAKE_PAGE);

	if (p == NULL)
		abort();
	memset(p, 0, n * FAKE_PAGE);
	*pa = (uint64_t)(uintptr_t)p | FAKE_PA;
	return block_add(p, p, n * FAKE_PAGE, kind, who);
}

static void page_free(void *p, int kind)
{
	if (fake.cur->off != 0)
		fake_bug("a page is freed with interrupts off");
	if (fake_on_page_free != NULL)
		fake_on_page_free((uint64_t)(uintptr_t)p | FAKE_PA);
	block_free(p, kind);
}

void *os_page_alloc(uint64_t *pa)
{
	if (refuse("os_page_alloc"))
		return NULL;
	vmm_live.pages++;
	return page_alloc(1, pa, PAGE, __builtin_return_address(0));
}

void os_page_free(void *p)
{
	if (p == NULL)
		return;
	vmm_live.pages--;
	page_free(p, PAGE);
}

void *os_cpu_page_alloc(uint64_t *pa)
{
	if (refuse("os_cpu_page_alloc"))
		return NULL;
	return page_alloc(1, pa, CPU_PAGE, __builtin_return_address(0));
}

void os_cpu_page_free(void *p)
{
	if (p != NULL)
		page_free(p, CPU_PAGE);
}

void *os_cpu_pages_alloc(uint32_t n, uint64_t *pa)
{
	if (refuse("os_cpu_pages_alloc"))
		return NULL;
	return page_alloc(n, pa, CPU_PAGE, __builtin_return_address(0));
}

void os_cpu_pages_free(void *p, uint32_t n)
{
	const struct block *b;

	if (p == NULL)
		return;
	for (b = *bucket(p); b != NULL && b->p != p; b = b->next)
		;
	if (b != NULL && b->size != n * FAKE_PAGE)
		fake_bug("%u pages are freed of %zu bytes", n, b->size);
	page_free(p, CPU_PAGE);
}

void *os_page_at(uint64_t pa)
{
	/* That of an empty entry may be computed, not used. */
	if (pa == 0)
		return NULL;
	if ((pa & FAKE_PA) == 0 || pa >> 52 != 0)
		fake_bug("%#llx is no physical address",
		    (unsigned long long)pa);
	return (void *)(uintptr_t)(pa & ~FAKE_PA);
}
