# SPDX-License-Identifier: BSD-2-Clause
set -e
gdb()
{
	command gdb -nx -batch -ex 'set debuginfod enabled off' "$@" 2>&1
}
cp /tmp/bin/ptrace .
gdb -ex 'set follow-fork-mode child' -ex 'break *&steps' -ex run \
    -ex 'stepi 3' -ex 'p $rip - (long)&steps' -ex 'p $ebx' \
    -ex 'p $xmm0.uint128 == $xmm0.uint128' -ex 'p word' \
    -ex 'set var word = 5' -ex 'p word' -ex 'p (int)getpid() > 0' \
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
