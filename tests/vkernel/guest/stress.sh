# SPDX-License-Identifier: BSD-2-Clause
# A second of each of stress-ng's stressors that are about system calls.  Only
# whether each passes is told: the figures differ from run to run.
list="access chdir clone close context dup epoll eventfd exec fault fcntl fork
full futex getrandom itimer kill madvise mincore mmap mmapfork mprotect mq
mremap msg munmap nanosleep open personality pidfd pipe poll prctl procfs
pthread pty rename schedpolicy seccomp sem set shm sigfd sigfpe signal signest
sigpending sigq sigrt sigsegv sigsuspend sigtrap sock sockpair splice stack
switch symlink tee timer timerfd udp unshare userfaultfd utime vforkmany vm
vm-splice wait yield zombie"
mkdir -p /tmp/s && cd /tmp/s || exit 1
for s in ${VK_STRESS:-$list}; do
	# Some stressors send signals to their whole process group.
	setsid -w timeout -s KILL 100 stress-ng --temp-path /tmp/s --no-rand-seed --verify \
	    --"$s" 1 -t ${VK_SECONDS:-1} >log 2>&1
	echo "$s: $?"
	[ -z "$VK_VERBOSE" ] || cat log
done 2>&1 | sed 's/^\(.*\): 0$/\1: passed/'
exit 0
