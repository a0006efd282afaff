#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Real machines, on each backend that can be used here: what vmmstat shows is
# what the guest did.
. "$(dirname "$0")/tap.sh"
spin=${SPIN:-$here/spin}

if ! [ -x "$spin" ]; then
	skip "real machines" "the library is not built"
	finish
fi

# counter NAME: its value in the JSON.
counter()
{
	sed -n "s/.*\"$1\":{[^}]*\"value\":\\([0-9]*\\).*/\\1/p" "$scratch/err"
}

backend()
{
	run --json -- "$spin" "$1" "real$u" 3000 200 0
	if [ "$code" -eq 77 ]; then
		case $1 in
		# It needs nothing of the host.
		proc)	ok "backend $1 is there" is "$code" 0 ;;
		*)	skip "backend $1" \
			    "$(head -1 "$scratch/err" | cut -c1-200)" ;;
		esac
		return
	fi
	ok "$1: a real machine over a command" is "$code" 0
	ok "$1: all system calls are counted" is "$(counter exit.syscall)" 3000
	ok "$1: all faults are counted" is "$(counter exit.fault)" 200
	ok "$1: no exit without an entry" \
		test "$(counter entries)" -ge "$(counter exits)"
	ok "$1: no exit kind without an exit" \
		test "$(counter exits)" -ge 3200
	ok "$1: p99 is known" err '"exit_p99_ns":[1-9]'

	rm -f "$scratch/pid"
	"$spin" "$1" "held$u" 1000 0 $$ >"$scratch/pid" &
	holders="$holders $!"
	while ! test -s "$scratch/pid"; do
		sleep 0.02
	done
	read -r pid <"$scratch/pid"
	run -l
	ok "$1: -l shows it once" \
		is "$(grep -c " $pid .* ${1%%:*} .* held$u" "$scratch/out")" 1
	run -p "$pid"
	ok "$1: the summary shows it" out "^held$u .* 1000 "
	run -e -m "held$u" -f syscall
	ok "$1: so does the table of exits" out 'exit.syscall *1000 '
	kill "$pid"
}

for name in kvm proc proc:ptrace vmm; do
	backend "$name"
done
finish
