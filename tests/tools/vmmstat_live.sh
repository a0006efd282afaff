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
run -m "$(page_of "$busy")" --json
ok "and a file of /proc" out '"saved":false'
run -m twin$u
ok "machines of one name have their ids" out "^$two\\.1 "
child=$(cat "/proc/$two/task/$two/children")
# shellcheck disable=SC2086 # a number
run -p "$two" -p $child
ok "-p takes an heir beside the owner" is $code 0
run -m twin$u -m busy$u
ok "-m adds up" is "$(wc -l <"$scratch/out")" 4
run -p "$two" -p "$busy" -m busy$u
ok "-p and -m both hold" is "$(wc -l <"$scratch/out")" 2
run -k exit -p "$two" -p "$busy"
ok "-k sorts machines" is "$(sed -n 2p "$scratch/out" | cut -c1-4)" busy

# Whatever a name looks like, it can be chosen.
mkdir "$scratch/sub"
for name in "a/b$u" "/$u" "./c$u" "sub/d$u" "-$u" "--$u" "vmm.x$u" "1.x$u" \
    "a,\"b$u" "a b$u" "a\\b$u" "%s$u" "*$u"; do
	hold odd "header.name=$name"
	(cd "$scratch" && "$vmmstat" --json -l --machine="$name") \
		>"$scratch/out" 2>"$scratch/err"
	ok "-m takes the name $name" out "\"machine\":\"$odd.1\""
	ok "alone" is "$(wc -l <"$scratch/out")" 1
	kill "$odd"
done
hold odd header.name=sub/file
"$mkpage" -o "$scratch/sub/file" header.name=saved$u
(cd "$scratch" && "$vmmstat" -l -m sub/file) >"$scratch/out" 2>"$scratch/err"
ok "but a file goes first" out "saved$u (saved)"
ok "alone" is "$(wc -l <"$scratch/out")" 2
hold odd 'header.name=\xff\x1b'"$u"
name=$(printf '\377\033%s' "$u")
run --json -l -m "$name"
ok "-m takes a name as it is" out "\"machine\":\"$odd.1\""
run -l -m "$odd.1"
run --json -l -m "$(sed -n '2s/.* //p' "$scratch/out")"
ok "and as it is shown" out "\"machine\":\"$odd.1\""

run -m busy$u --csv -f '^kicks$' 0.5 3
ok "three samples" is "$(grep -c kicks "$scratch/out")" 3
ok "the first is since creation" is \
	"$(grep -c ',creation,' "$scratch/out")" 1
ok "then come differences" awk -F, '
	/,sample,/ { n++; if ($8 == 0 || $8 != $9 - last) bad = 1 }
	{ last = $9 }
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

# A machine that comes later and goes earlier.
# until_has FILE PATTERN: until vmmstat has written that.
until_has()
{
	until grep -qe "$2" "$scratch/$1"; do
		kill -0 "$follower" 2>/dev/null || return 1
		sleep 0.02
	done
}
: >"$scratch/out"
"$vmmstat" 0.2 >>"$scratch/out" 2>"$scratch/err" &
follower=$!
holders="$holders $follower"
until_has out "^busy$u"
hold later header.name=later$u
ok "without a target, newcomers are shown" until_has out "^later$u"
kill "$later"
ok "their end is told" until_has err "$later.1 has ended"
: >"$scratch/out"
ok "and is not the end" until_has out "^busy$u"
kill "$follower"
finish
