/* SPDX-License-Identifier: BSD-2-Clause */
/* zygote.h - between the files of the stub program. */
#ifndef VMMCTL_STUB_ZYGOTE_H
#define VMMCTL_STUB_ZYGOTE_H

#include <stdint.h>

#define CALL(nr, a, b, c) \
	call(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)

static inline long call(long nr, long a, long b, long c, long d, long e,
    long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r)
	    : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	    : "rcx", "r11", "memory");
	return r;
}

/* tracer.c. 0 or -errno. */
/* In a forked child: -errno when tracing is not allowed. */
int tracee_start(void);
/* Map the arena, once. */
int tracer_init(int arena);
/* A forked child: wait for its trap; with one seat, start the tracer. */
int tracer_adopt(int pid, uint32_t slot, uint32_t seats);
/* Make a further thread in the stub, and a tracer for it. */
int tracer_seat(int pid, uint32_t slot, uint32_t index);
/* After the stub was killed: end its tracers. */
void tracer_quit(uint32_t slot, uint32_t seats);

#endif
