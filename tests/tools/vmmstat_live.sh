#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Machines that live: found, told apart, chosen, sampled.
. "$(dirname "$0")/tap.sh"

hold two -n 2 -f header.name=twin$u
hold busy -t header.name=busy$u
hold evil header.name=evil$u header.slot_offset=0xfffffff8
hold raw header.name=raw$u header.ready=0

run -l
ok "-l shows both machines of a process" out "^$two\\.2 "
ok "but once, though a child has them open too" \
	is "$(grep -c "twin$u" "$scratch/out")" 2
ok "with the owner" out "^$two\\.1 *$two $(id -un | cut -c1-10) *fake "
ok "a bad page is left out" is "$(grep -c "evil$u" "$scratch/out")" 0
ok "with a complaint" err "/proc/$evil/fd/.*slot_offset.*ignored"
ok "a page that is not ready is left out" \
	is "$(grep -c "raw$u" "$scratch/out")" 0
ok "in silence" is "$(grep -c "/$raw/" "$scratch/err")" 0
run -l -p "$evil"
ok "when there is nothing else, that is it" is $code 2
run -p "$raw"
ok "of a page that is not ready, it is said" err 'not ready'

run -m busy$u
ok "-m takes a name" out "^busy$u "
run -m "$busy.1"
ok "and an id" out "^busy$u "
run -m "/proc/$busy/fd/$(cd "/proc/$busy/fd" && for f in *; do
	case $(readlink "$f") in /memfd*) echo "$f";; esac; done)" --json
ok "and a file of /proc" out '"saved":false'
run -m twin$u
ok "machines of one name have their ids" out "^$two\\.1 "
run -m twin$u -m busy$u
ok "-m adds up" is "$(wc -l <"$scratch/out")" 4
run -p "$two" -p "$busy" -m busy$u
ok "-p and -m both hold" is "$(wc -l <"$scratch/out")" 2
run -k exit -p "$two" -p "$busy"
ok "-k sorts machines" is "$(sed -n 2p "$scratch/out" | cut -c1-4)" busy

# 10 in each 10 ms: about 1000 a second.
run -m busy$u --csv -f '^kicks$' 0.5 3
ok "three samples" is "$(grep -c kicks "$scratch/out")" 3
ok "the first is since creation" is \
	"$(grep -c ',creation,' "$scratch/out")" 1
ok "then come differences" awk -F, '
	/sample/ { n++; if ($8 < 100 || $8 > 1000 || $9 <= $8) bad = 1 }
	END { exit bad || n != 2 }' "$scratch/out"
run -m busy$u -f '^time.guest$' --json 0.2 2
ok "a time knows nanoseconds and its share" \
	out '"value_ns":[0-9]*,"total_ns":[0-9]*,"percent":[0-9.]*}'

run -m busy$u 0.02 40
ok "a file or a pipe gets one heading" \
	is "$(grep -c '^machine' "$scratch/out")" 1
if command -v script >/dev/null; then
	script -qc "stty rows 10; '$vmmstat' -m busy$u 0.02 40" /dev/null \
		>"$scratch/out" </dev/null
	ok "a terminal gets more" \
		test "$(grep -c '^machine' "$scratch/out")" -gt 3
else
	skip "a terminal gets more" "no script(1)"
fi

# A machine that comes later.
(sleep 0.5 && "$mkpage" -w 500 header.name=later$u >/dev/null) &
run 0.2 8
ok "without a target, newcomers are shown" out "^later$u"
ok "and the end of one is not the end" is $code 0
ok "but is told" err 'has ended'
wait $!
finish
