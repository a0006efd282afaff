#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Ten reboots in a row.  A reboot executes the kernel anew in the same process:
# nothing of the boot before may be left in it or beside it.
. "$(dirname "$0")/lib.sh"

# The process id of the kernel that has this argument.
kernel()
{
	for p in $(pgrep -f "con0=fd:0,fd:1 .*vmm="); do
		tr '\0' '\n' <"/proc/$p/cmdline" | grep -qxF "$1" || continue
		[ "$(readlink "/proc/$p/exe")" = "$(readlink -f "$VKERNEL")" ] || continue
		echo "$p"
		return
	done 2>/dev/null
}

# What it has: descriptors, and processes of its session, but for those that
# hold its guests: of each there is a descriptor, and they come and go.
state()
{
	fds=$(ls "/proc/$1/fd" | wc -l)
	procs=$(ps -o comm= -s "$1" | grep -vc vmmctl)
	echo "$fds descriptors, $procs processes"
}

# What it has when that has not changed for a while, as state: on a busy
# machine what has been told to come or to go may take its time.
settled()
{
	now=$(state "$1")
	same=0
	for _ in $(seq 200); do
		[ $same -lt 5 ] || break
		sleep 0.05
		last=$now
		now=$(state "$1")
		same=$((same + 1))
		[ "$now" = "$last" ] || same=0
	done
	echo "$now"
}

for b in $VKERNEL_BACKENDS; do
	# Stock User Mode Linux leaves processes behind.
	[ "$b" != off ] || continue
	usable "$b" "ten reboots on $b" || continue
	share=$work/share.$b
	mkdir "$share"
	{ limit=300; boot "$b" restart.sh VK_SHARE="$share"; echo $? >"$share/status"; } &
	boots=0
	: >"$work/states"
	while [ $boots -lt 11 ] && [ ! -e "$share/status" ]; do
		sleep 0.05
		n=$(cat "$share/boots" 2>/dev/null)
		[ "${n:-0}" -gt $boots ] || continue
		boots=$n
		pid=$(kernel "VK_SHARE=$share")
		echo "boot $boots: $(settled "$pid")" >>"$work/states"
		touch "$share/go.$boots"
	done
	wait
	{ cat "$work/states" "$work/all"; } >"$work/why"
	# The descriptors of files that programs have open come and go.
	more=$(awk 'NR == 1 { d = $3; p = $5 }
	    $3 > d + 3 || $5 > p' "$work/states")
	if [ "$(cat "$share/status")" -ne 0 ] || [ $boots -ne 11 ]; then
		not_ok "ten reboots on $b: $boots boots"
	elif [ -n "$more" ]; then
		not_ok "ten reboots on $b leave nothing behind"
	else
		ok "ten reboots on $b leave nothing behind"
	fi
done
finish
