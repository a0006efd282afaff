#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# However the vkernel ends, no process and no file of it stays.
. "$(dirname "$0")/lib.sh"

left() # session
{
	for _ in $(seq 100); do
		alive=$(ps -o pid=,stat=,args= -s "$1" | grep -v '^ *[0-9]* Z')
		[ -n "$alive" ] || break
		sleep 0.1
	done
	[ -z "$alive" ] || echo "$alive"
	find "$memory" "$work/home" -mindepth 1 ! -type d
	find "$work/home" -mindepth 2
}

for b in $VKERNEL_BACKENDS; do
	# Stock User Mode Linux leaves processes behind.
	[ "$b" != off ] || continue
	for how in off TERM INT KILL; do
		name="nothing stays of the vkernel after $how on $b"
		[ "$how" = off ] || name="nothing stays of the vkernel after SIG$how on $b"
		usable "$b" "$name" || continue
		rm -rf "$work/home"
		mkdir "$work/home"
		HOME=$work/home TMPDIR=$memory setsid timeout -s KILL 300 "$VKERNEL" \
		    mem=256M root=none rootfstype=hostfs rootflags=/ ro \
		    init="$here/init" VK_TESTS="$here" VK_GUEST="$guest" \
		    VK_RUN=shutdown.sh VK_HOW="$how" con0=fd:0,fd:1 con=null \
		    quiet loglevel=1 vmm="$b" </dev/null >"$work/all" 2>&1 &
		timeout=$!
		while ! pid=$(pgrep -o -P $timeout); do :; done
		while ! grep -q ready "$work/all" && kill -0 $timeout 2>/dev/null; do
			sleep 0.1
		done
		[ "$how" = off ] || kill -s "$how" "$pid"
		wait $timeout
		status=$?
		left "$pid" >"$work/left"
		# A kernel that was killed cannot remove its own directory.
		[ "$how" != KILL ] || sed -i '\|/home/|d' "$work/left"
		{ echo "status $status"; cat "$work/left" "$work/all"; } >"$work/why"
		if [ -s "$work/left" ]; then
			not_ok "$name"
		elif [ "$how" = off ] && [ $status -ne 0 ]; then
			not_ok "$name"
		else
			ok "$name"
		fi
	done
done
finish
