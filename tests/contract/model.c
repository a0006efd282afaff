// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random changes, accesses and copies, each against a model of what a space
 * and a machine are: a table of pages.  The seeds are fixed, so the trace is
 * the same everywhere.
 */
#include "runner.h"

#include <errno.h>
#include <string.h>

GUEST_ONE(f_load_r12);
GUEST_ONE(f_store_r12);

#define R	VMMCTL_PROT_READ
#define W	VMMCTL_PROT_WRITE
#define X	VMMCTL_PROT_EXEC
#define SPACES	3u
#define VCPUS	2u
#define PAGES	48u	/* of a space, from WINDOW on */
#define FRAMES	40u	/* guest-physical, from FREE_GPA on */
#define WINDOW	(SPARE - 16 * PAGE)	/* across a 2 MiB boundary */
#define CODE_AT	0x10u	/* in each frame: a system call */

struct page {
	bool mapped;
	uint32_t prot;
	uint32_t frame;
};

struct model {
	struct rig *r;
	uint64_t seed;
	struct page page[SPACES][PAGES];
	uint32_t memory[FRAMES];	/* prot; 0: no memory there */
	struct vmmctl_space *s[SPACES];
	struct vmmctl_context *c[SPACES];
	struct vmmctl_vcpu *cpu[VCPUS];
	uint64_t faults, done, nomem;
};

static uint32_t pick(struct model *m, uint32_t below)
{
	m->seed ^= m->seed << 13;
	m->seed ^= m->seed >> 7;
	m->seed ^= m->seed << 17;
	return (uint32_t)((m->seed >> 11) % below);
}

static uint64_t gva_of(uint32_t page)
{
	return WINDOW + page * PAGE;
}

static uint64_t gpa_of(uint32_t frame)
{
	return FREE_GPA + frame * PAGE;
}

static bool allowed(uint32_t prot, uint32_t access)
{
	return access == R ? prot != 0 : (prot & access) != 0;
}

/* What the space's walk tells: what is written or executed may be read. */
static uint32_t shown(uint32_t prot)
{
	return prot & (W | X) ? prot | R : prot;
}

/* ---- changes ------------------------------------------------------------ */

static void model_apply(struct model *m, uint32_t space,
    const struct vmmctl_space_op *op)
{
	uint32_t first = (uint32_t)((op->gva - WINDOW) / PAGE);

	for (uint32_t i = 0; i < op->len / PAGE; i++) {
		struct page *p = &m->page[space][first + i];

		if (op->kind == VMMCTL_SPACE_MAP)
			*p = (struct page){ true, op->prot,
			    (uint32_t)((op->gpa - FREE_GPA) / PAGE) + i };
		else if (op->kind == VMMCTL_SPACE_UNMAP)
			p->mapped = false;
		else if (p->mapped)
			p->prot = op->prot;
	}
}

static void change(struct model *m)
{
	static const uint8_t kinds[] = { VMMCTL_SPACE_MAP, VMMCTL_SPACE_MAP,
	    VMMCTL_SPACE_MAP, VMMCTL_SPACE_UNMAP, VMMCTL_SPACE_PROTECT };
	static const uint8_t prots[] = { 0, R, W, X, R | W, R | X, R | W | X,
	    R | W, R | W | X, R | W | X, R | W | X };
	struct vmmctl_space_op ops[8];
	uint32_t space = pick(m, SPACES), n = 1 + pick(m, 8);
	size_t done = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = 1 + pick(m, pick(m, 4) == 0 ? 16 : 3);
		uint32_t kind = kinds[pick(m, sizeof(kinds))];

		ops[i] = (struct vmmctl_space_op){ .kind = kind,
		    .gva = gva_of(pick(m, PAGES - len + 1)),
		    .len = len * PAGE };
		if (kind != VMMCTL_SPACE_UNMAP)
			ops[i].prot = prots[pick(m, sizeof(prots))];
		if (kind == VMMCTL_SPACE_MAP)
			ops[i].gpa = gpa_of(pick(m, FRAMES - len + 1));
		model_apply(m, space, &ops[i]);
	}
	expect_rc(m->r, vmmctl_space_change(m->s[space], ops, n, &done), 0);
	assert_int_equal(done, n);
}

static void change_memory(struct model *m)
{
	uint32_t frame = pick(m, FRAMES), len = 1 + pick(m, 3);
	static const uint32_t prots[] = { R, R | W, R | X, R | W | X };
	uint32_t prot = prots[pick(m, 4)];
	bool all = true;
	int rc;

	if (frame + len > FRAMES)
		len = FRAMES - frame;
	for (uint32_t i = 0; i < len; i++)
		all = all && m->memory[frame + i] != 0;
	if (pick(m, 3) == 0) {
		rc = vmmctl_memory_protect(m->r->m, gpa_of(frame), len * PAGE,
		    prot);
		expect_rc(m->r, rc, all ? 0 : -ENOENT);
	} else if (all && pick(m, 3) == 0) {
		expect_rc(m->r, vmmctl_memory_unmap(m->r->m, gpa_of(frame),
		    len * PAGE), 0);
		prot = 0;
	} else {
		/* Memory again, where there is none: page by page. */
		for (uint32_t i = 0; i < len; i++) {
			if (m->memory[frame + i] != 0)
				continue;
			expect_rc(m->r, vmmctl_memory_map(m->r->m,
			    gpa_of(frame + i), PAGE, m->r->fd,
			    gpa_of(frame + i) - GPA, prot), 0);
			m->memory[frame + i] = prot;
		}
		return;
	}
	for (uint32_t i = 0; all && i < len; i++)
		m->memory[frame + i] = prot;
}

/* ---- accesses ----------------------------------------------------------- */

static void expect_access(struct model *m, const struct page *p, uint64_t at,
    uint32_t access)
{
	struct rig *r = m->r;

	if (!p->mapped || !allowed(p->prot, access)) {
		m->faults++;
		expect_fault(r, at, access, p->mapped);
	} else if (!allowed(m->memory[p->frame], access)) {
		m->nomem++;
		expect_exit(r, .kind = VMMCTL_EXIT_NOMEM, .access = access,
		    .addr = at, .gpa = gpa_of(p->frame) + at % PAGE);
	} else {
		m->done++;
		expect_syscall(r);
	}
}

static void access_page(struct model *m)
{
	struct rig *r = m->r;
	uint32_t space = pick(m, SPACES), page = pick(m, PAGES);
	const struct page *p = &m->page[space][page];
	uint32_t access = 1u << pick(m, 3);
	uint64_t off = access == X ? CODE_AT : 0x40 + 8 * pick(m, 500);
	uint64_t at = gva_of(page) + off, value = pick(m, ~0u);
	struct vmmctl_regs *regs = vmmctl_context_regs(m->c[space]);
	uint64_t *word = (uint64_t *)(void *)rig_gpa(r, gpa_of(p->frame) +
	    off);
	uint64_t before = *word;

	rig_regs(regs);
	regs->rip = access == X ? at : access == W ? CODE + 0x100 : CODE;
	regs->rbx = at;
	regs->r12 = value;
	r->c = m->c[space];
	r->regs = regs;
	rig_run_on(r, m->cpu[pick(m, VCPUS)], m->c[space], &r->x);
	expect_access(m, p, at, access);
	if (r->x.kind == VMMCTL_EXIT_SYSCALL && access == W)
		assert_int_equal(*word, value);
	else
		assert_int_equal(*word, before);
	if (r->x.kind == VMMCTL_EXIT_SYSCALL && access == R)
		assert_int_equal(regs->r12, before);
}

static bool copyable(const struct model *m, const struct page *p,
    uint32_t access)
{
	return p->mapped && allowed(p->prot, access) &&
	    allowed(m->memory[p->frame], access);
}

/* From the middle of one page into others: as far as the model says. */
static void copy(struct model *m)
{
	uint8_t buf[3 * VMMCTL_PAGE_SIZE], value = (uint8_t)pick(m, 256);
	uint32_t space = pick(m, SPACES), page = pick(m, PAGES - 3), n = 0;
	uint32_t access = pick(m, 2) ? R : W;
	uint64_t off = 0x40 + pick(m, 4000), at = gva_of(page) + off;
	uint64_t len = 1 + pick(m, 2 * VMMCTL_PAGE_SIZE), can = 0;
	struct vmmctl_fault f;
	int64_t rc;

	while (can < len && copyable(m, &m->page[space][page + n], access)) {
		can += n == 0 ? PAGE - off : PAGE;
		n++;
	}
	if (can > len)
		can = len;
	/* Not over the code in the pages behind the first. */
	if (access == W && can > PAGE - off)
		len = can = PAGE - off;
	memset(buf, value, sizeof(buf));
	rc = access == R ?
	    vmmctl_space_copyin(m->s[space], at, buf, len, &f) :
	    vmmctl_space_copyout(m->s[space], at, buf, len, &f);
	expect_rc(m->r, rc, can == 0 ? -EFAULT : (int64_t)can);
	if (can < len) {
		assert_int_equal(f.gva, at + can);
		assert_int_equal(f.access, access);
		assert_int_equal(f.present, m->page[space][page + n].mapped);
	}
	for (uint64_t i = 0; i < can; i += 97) {
		const struct page *p =
		    &m->page[space][page + (off + i) / PAGE];

		assert_int_equal(buf[i], *rig_gpa(m->r, gpa_of(p->frame) +
		    (off + i) % PAGE));
	}
}

static void walk(struct model *m)
{
	uint32_t space = pick(m, SPACES), page = pick(m, PAGES);
	const struct page *p = &m->page[space][page];
	struct vmmctl_walk w;
	int rc = vmmctl_space_walk(m->s[space], gva_of(page) + 5, &w);

	expect_rc(m->r, rc, p->mapped ? 0 : -ENOENT);
	if (rc != 0)
		return;
	assert_int_equal(w.gpa, gpa_of(p->frame) + 5);
	assert_int_equal(shown(w.prot), shown(p->prot));
	assert_int_equal(w.memory, m->memory[p->frame] != 0);
}

static void begin(struct model *m, struct rig *r, uint64_t seed)
{
	*m = (struct model){ .r = r, .seed = 0x9e3779b97f4a7c15 * seed };
	memcpy(rig_gpa(r, CODE_GPA), BLOB(f_load_r12).start, 8);
	memcpy(rig_gpa(r, CODE_GPA + 0x100), BLOB(f_store_r12).start, 8);
	for (uint32_t i = 0; i < FRAMES; i++) {
		memcpy(rig_gpa(r, gpa_of(i) + CODE_AT), "\x0f\x05", 2);
		m->memory[i] = R | W | X;
	}
	for (uint32_t i = 0; i < SPACES; i++) {
		m->s[i] = rig_space(r);
		m->c[i] = rig_context(r, m->s[i]);
	}
	for (uint32_t i = 0; i < VCPUS; i++)
		expect_rc(r, vmmctl_vcpu_create(r->m, &m->cpu[i]), 0);
}

static void random_work(struct rig *r, uint64_t seed, uint64_t steps)
{
	static struct model m;

	begin(&m, r, seed);
	for (uint64_t i = 0; i < steps; i++) {
		switch (pick(&m, 16)) {
		case 0:
		case 1:
		case 2:
			change(&m);
			break;
		case 3:
			change_memory(&m);
			break;
		case 4:
			copy(&m);
			break;
		case 5:
			walk(&m);
			break;
		default:
			access_page(&m);
			break;
		}
	}
	rig_say("seed %llu: %llu accesses done, %llu faults, %llu without "
	    "memory", (unsigned long long)seed, (unsigned long long)m.done,
	    (unsigned long long)m.faults, (unsigned long long)m.nomem);
}

static void first_seed(void **state)
{
	random_work(*state, 1, 4000);
}

static void second_seed(void **state)
{
	random_work(*state, 2, 4000);
}

static void third_seed(void **state)
{
	random_work(*state, 3, 4000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(first_seed),
		TEST(second_seed),
		TEST(third_seed),
	};
	int rc;

	if (!harness_begin(argc, argv, &rc))
		return rc;
	return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
