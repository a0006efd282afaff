// SPDX-License-Identifier: BSD-2-Clause
/*
 * A forked child has copies of handles that are not its own: every call says
 * -ECHILD, whatever has no result does nothing, and the parent goes on.
 */
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

/* The number of the first call that is wrong, 0 if none is. */
static int calls(struct unit *u)
{
	const struct vmmctl_space_op op = { VMMCTL_SPACE_UNMAP, 0, DATA, PAGE,
	    0 };
	const struct vmmctl_debug_regs d = { .dr7 = 0 };
	struct vmmctl_walk walk;
	struct vmmctl_info info;
	uint8_t area[8192] = { 0 };
	uint64_t n = 0;
	void *out = NULL;
	const int64_t results[] = {
		vmmctl_info(u->v, &info, sizeof(info)),
		vmmctl_machine_create(u->v, NULL, (void *)&out),
		vmmctl_memory_map(u->m, 0, PAGE, u->fd, 0, VMMCTL_PROT_RW),
		vmmctl_memory_map_host(u->m, 0, PAGE, u->mem, VMMCTL_PROT_RW),
		vmmctl_memory_unmap(u->m, MEM_GPA, PAGE),
		vmmctl_memory_protect(u->m, MEM_GPA, PAGE, VMMCTL_PROT_READ),
		vmmctl_memory_read(u->m, MEM_GPA, area, 1),
		vmmctl_memory_write(u->m, MEM_GPA, area, 1),
		vmmctl_space_create(u->m, (void *)&out),
		vmmctl_space_destroy(u->s),
		vmmctl_space_change(u->s, &op, 1, NULL),
		vmmctl_space_map(u->s, DATA, PAGE, DATA_GPA, 0),
		vmmctl_space_unmap(u->s, DATA, PAGE),
		vmmctl_space_protect(u->s, DATA, PAGE, 0),
		vmmctl_space_walk(u->s, DATA, &walk),
		vmmctl_space_copyin(u->s, DATA, area, 1, NULL),
		vmmctl_space_copyout(u->s, DATA, area, 1, NULL),
		vmmctl_space_copyinstr(u->s, DATA, (char *)area, 1, NULL),
		vmmctl_space_cas(u->s, DATA, 1, &n, 1, NULL),
		vmmctl_context_create(u->s, (void *)&out),
		vmmctl_context_fetch(u->c),
		vmmctl_context_get_xsave(u->c, area, sizeof(area)),
		vmmctl_context_set_xsave(u->c, area, sizeof(area)),
		vmmctl_context_set_space(u->c, u->s),
		vmmctl_context_set_step(u->c, 1),
		vmmctl_context_set_policy(u->c, 1, VMMCTL_POLICY_EXIT),
		vmmctl_context_set_handler(u->c, 0, 0),
		vmmctl_context_set_debug_regs(u->c, &d),
		vmmctl_vcpu_create(u->m, (void *)&out),
		vmmctl_vcpu_run(u->cpu, u->c, &u->e),
		vmmctl_vcpu_set_budget(u->cpu, 0, 0),
		vmmctl_machine_counters(u->m),
		vmmctl_machine_counter(u->m, "runs", &n),
	};

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if (results[i] != -ECHILD)
			return (int)i + 1;
	return out != NULL ? 100 : 0;
}

static int child(struct unit *u)
{
	char why[512];
	int wrong;

	alarm(20);	/* a call that never returns is wrong, too */
	wrong = calls(u);
	if (wrong != 0)
		return wrong;
	vmmctl_error(u->v, why, sizeof(why));
	if (strstr(why, "fork") == NULL)
		return 101;
	vmmctl_vcpu_kick(u->cpu);
	vmmctl_vcpu_destroy(u->cpu);
	vmmctl_context_destroy(u->c);
	vmmctl_machine_destroy(u->m);
	vmmctl_close(u->v);
	if (fake.kvm.closes != 0 || fake.nranges != 1)
		return 102;
	/* A handle of its own. */
	{
		struct vmmctl *v = NULL;
		struct vmmctl_machine *m = NULL;

		if (vmmctl_open("kvm", &v, NULL, 0) != 0 ||
		    vmmctl_machine_create(v, NULL, &m) != 0)
			return 103;
		vmmctl_close(v);
	}
	return 0;
}

static void in_a_child(void **state)
{
	struct unit *u = *state;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child(u));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* The parent has noticed nothing. */
	assert_ok(vmmctl_vcpu_run(u->cpu, u->c, &u->e));
	assert_int_equal(u->e.kind, VMMCTL_EXIT_SYSCALL);
}

int main(void)
{
	const struct CMUnitTest forked[] = {
		TEST(in_a_child),
	};

	return RUN(forked);
}
