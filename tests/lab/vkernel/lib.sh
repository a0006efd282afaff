# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the vkernel's tests in the laboratory, where busybox is all there
# is: boots the vkernel on $VMMCTL_BACKEND, looks at what is left of it, and
# reports in TAP.
set -u

export PATH=/bin:/usr/bin
vk=/lab/vkernel
live=/sys/class/misc/vmm/live
work=/tmp/vkernel
rm -rf $work
mkdir -p $work/share
trap 'rm -rf $work' EXIT
tests=0
failed=0

result() # 0 if good, name; the reason is in $work/why
{
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
		return
	fi
	failed=1
	echo "not ok $tests - $2"
	tail -n 25 $work/why | sed 's/^/# /'
}

finish() { echo "1..$tests"; exit $failed; }

# Runs that script in it, for nearly as long as the test may take.  What that
# prints is in $work/out, all output in $work/raw; the result is the script's
# status, or 125 if it did not end.
boot() # script
{
	HOME=$work TMPDIR=/dev/shm timeout -s KILL $((LAB_LIMIT - 20)) \
	    $vk/linux mem=96M root=none rootfstype=hostfs rootflags=/ ro \
	    init=$vk/init VK_RUN="$1" VK_SHARE=$work/share \
	    con0=fd:0,fd:1 con=null quiet loglevel=1 \
	    vmm="$VMMCTL_BACKEND" </dev/null >$work/raw 2>&1
	ended=$?
	tr -d '\r' <$work/raw |
	    sed -n '/^vkernel-begin$/,/^vkernel-status: /p' >$work/all
	grep -v ^vkernel- $work/all >$work/out
	status=$(sed -n 's/^vkernel-status: //p' $work/all)
	{ echo "kernel ended with $ended, script with ${status:-nothing}"
	  cat $work/raw; } >$work/why
	[ $ended = 0 ] || return 125
	return "${status:-125}"
}

processes()
{
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/exe")" != $vk/linux ] || echo "${p#/proc/}"
	done 2>/dev/null
}

# What is left of it, in words.
remains()
{
	for p in $(processes); do
		echo "process $p"
	done
	for f in $live/*; do
		[ ! -e "$f" ] || [ "$(cat "$f")" = 0 ] ||
		    echo "live/${f##*/}: $(cat "$f")"
	done
	ls -A /dev/shm
}

nothing_left()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		remains >$work/why
		[ -s $work/why ] || break
		sleep 0.2
	done
	[ ! -s $work/why ]
	result $? "no process, machine or file is left"
}

# The same script in it and outside prints the same.
same() # what script
{
	mkdir $work/outside
	(cd $work/outside && sh $vk/"$2") >$work/expected 2>&1 </dev/null
	outside=$?
	cp $work/expected $work/why
	[ $outside = 0 ] && [ -s $work/expected ]
	result $? "$1: outside"
	boot "$2"
	result $? "$1: in the vkernel"
	diff $work/expected $work/out >$work/why
	result $? "$1: the same output"
	nothing_left
	finish
}
