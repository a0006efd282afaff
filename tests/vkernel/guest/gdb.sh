# SPDX-License-Identifier: BSD-2-Clause
set -e
gdb()
{
	command gdb -nx -batch -ex 'set debuginfod enabled off' "$@" 2>&1
}
cp /tmp/bin/ptrace .
gdb -ex 'set language c' -ex 'break main' -ex run -ex 'break *&steps' \
    -ex 'call (int)step_code()' -ex 'stepi 3' \
    -ex 'p (long)$rip - (long)&steps' -ex 'p $ebx' \
    -ex 'p $xmm0.v4_int32[0] == $xmm0.v4_int32[0]' -ex 'p *(long *)&the_word' \
    -ex 'set var *(long *)&the_word = 5' -ex 'p *(long *)&the_word' \
    -ex 'p (int)getpid() > 0' \
    -ex 'break *&steps_end' -ex continue -ex 'p $eax' -ex kill \
    ./ptrace | grep '^\$'
cat >c.c <<'END'
int main(void)
{
	int *volatile p = 0;

	for (int i = 0; i < 9; i++)
		if (i == 7)
			*p = i;
	return 0;
}
END
gcc -g -O0 -o c c.c
gdb -ex run -ex 'p i' -ex 'p $_siginfo.si_signo' ./c | grep -E '^\$|SIGSEGV'
gdb -ex 'set can-use-hw-watchpoints 0' -ex 'break 6' -ex run -ex 'watch i' \
    -ex continue -ex continue -ex 'p i' ./c | grep -E '^\$|^New'
