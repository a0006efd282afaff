// SPDX-License-Identifier: BSD-2-Clause
/*
 * filter.c - a seat's own seccomp filter: notify for the handler and for
 * brief calls.  What else the stub's page does is the inherited filter's to
 * judge, see stub/zygote.c.
 */
#include "proc.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#define LOAD(member, at) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
	    (uint32_t)offsetof(struct seccomp_data, member) + (at))
#define IF_EQ(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (t), (f))
#define RET(action)	BPF_STMT(BPF_RET | BPF_K, (action))

static uint32_t brief_word(const uint64_t brief[VMMCTL_BRIEF_WORDS],
    unsigned i)
{
	return (uint32_t)(brief[i / 2] >> (32 * (i % 2)));
}

/*
 * The accumulator has the number of a word: load what is in it and go on
 * behind the instruction that follows the table, or fall out to that.  Three
 * instructions for each word that has bits.
 */
static size_t add_words(const uint64_t brief[VMMCTL_BRIEF_WORDS],
    struct sock_filter *f)
{
	size_t n = 0, words = 0;

	for (unsigned i = 0; i < 2 * VMMCTL_BRIEF_WORDS; i++)
		words += brief_word(brief, i) != 0;
	for (unsigned i = 0; i < 2 * VMMCTL_BRIEF_WORDS; i++) {
		uint32_t bits = brief_word(brief, i);

		if (bits == 0)
			continue;
		words--;
		f[n++] = (struct sock_filter)IF_EQ(i, 0, 2);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, bits);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA,
		    (uint32_t)(3 * words + 1));
	}
	return n;
}

size_t filter_build(const uint64_t brief[VMMCTL_BRIEF_WORDS],
    struct sock_filter *f)
{
	const struct sock_filter head[] = {
		LOAD(instruction_pointer, 4),
		IF_EQ(STUB_HI, 0, 4),
		LOAD(nr, 0),
		IF_EQ(NR_NOTIFY, 0, 1),
		RET(SECCOMP_RET_USER_NOTIF),
		RET(SECCOMP_RET_ALLOW),
		/* The vsyscall page is no place for a brief call. */
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, STUB_HI, 2, 0),
		LOAD(arch, 0),
		IF_EQ(AUDIT_ARCH_X86_64, 1, 0),
		RET(SECCOMP_RET_TRAP),
		LOAD(nr, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 31),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		LOAD(nr, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 5),
	};
	const struct sock_filter tail[] = {
		RET(SECCOMP_RET_TRAP),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
		RET(SECCOMP_RET_USER_NOTIF),
		RET(SECCOMP_RET_TRAP),
	};
	size_t n = sizeof(head) / sizeof(head[0]);

	memcpy(f, head, sizeof(head));
	n += add_words(brief, &f[n]);
	memcpy(&f[n], tail, sizeof(tail));
	return n + sizeof(tail) / sizeof(tail[0]);
}
