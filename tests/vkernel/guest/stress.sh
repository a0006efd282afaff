# SPDX-License-Identifier: BSD-2-Clause
# A second of each of stress-ng's stressors that are about system calls.  Only
# whether each passes is told: the figures differ from run to run.
list="access chdir chmod clone close context dup epoll eventfd exec exit-group
fault fcntl fork full futex get getrandom itimer kill link lockf madvise
mincore mlock mmap mmapfork mprotect mq mremap msg msync munmap nanosleep null
open personality pidfd pipe poll prctl procfs pthread pty readahead rename
resources rtsched schedpolicy seccomp select sem sendfile set shm sigfd sigfpe
signal signest sigpending sigpipe sigq sigrt sigsegv sigsuspend sigtrap
sock sockpair softlockup splice stack switch symlink sysinfo tee timer timerfd
udp unlink unshare urandom userfaultfd utime vdso vforkmany vm vm-splice wait
yield zombie"
mkdir -p /tmp/s && cd /tmp/s || exit 1
for s in ${VK_STRESS:-$list}; do
	timeout -s KILL 30 stress-ng --temp-path /tmp/s --no-rand-seed --verify \
	    --"$s" 1 -t ${VK_SECONDS:-1} >log 2>&1
	echo "$s: $?"
	[ -z "$VK_VERBOSE" ] || cat log
done 2>&1 | sed 's/^\(.*\): 0$/\1: passed/'
exit 0
