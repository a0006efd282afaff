#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every way to end has its exit code and a sentence that names the cure.
. "$(dirname "$0")/tap.sh"

hold one header.name=one$u
"$mkpage" -o "$scratch/page" header.name=saved

run -m one$u
ok "0: a machine is shown" is $code 0
ok "and nothing is complained about" quiet
run --help
ok "0: help" is $code 0
run --version
ok "0: version" is $code 0

for wrong in -x "-p x" "-p 0" "-p -1" "-f (" "-m" "1 0" "1 x" "1 2 3" "x" \
    "0" "-1" "nan" "1e99" "--json --csv" "-l 1" "-l -e" "-l -f x" \
    "-m one$u -k nonesuch" "-m one$u -e -k nonesuch" "-l -k nonesuch" \
    "-m one$u -f . -k nonesuch" "-f a -f b" "--" "1 -- true" "-l -- true" \
    "-p 1 -- true" "-l -a" "-l -d" "-l --raw" "-l --json -a" \
    "-l --csv --raw"; do
	# shellcheck disable=SC2086
	run $wrong
	ok "1: vmmstat $wrong" is $code 1
	ok "in words" test -s "$scratch/err"
done
run -m one$u -k nonesuch
ok "a wrong key lists the right ones" err 'known are.*p99'

for view in "" -e -a "-f ." -l; do
	for style in "" --json --csv; do
		# shellcheck disable=SC2086
		run -m one$u $view $style -k nonesuch
		ok "1: $view $style with a wrong key" is $code 1
		ok "which lists the right ones" err 'known are [a-z]*, '
		ok "and nothing else" is "$(wc -c <"$scratch/out")" 0
	done
done
run -m one$u --json -k exits
ok "0: a right one, though JSON is not sorted" is $code 0
run -e -k nonesuch -- touch "$scratch/run"
ok "1: a wrong key for a command" is $code 1
ok "which is not run" test ! -e "$scratch/run"

for view in "" -a -e --json --csv "-e --json"; do
	# shellcheck disable=SC2086
	run -m one$u $view -f 'nonesuch$'
	ok "2: $view -f without a match" is $code 2
	ok "in words" err 'nonesuch\$: matches no'
	ok "and nothing else" is "$(wc -c <"$scratch/out")" 0
done
run -m one$u -e -f 'exit.*hist$'
ok "2: a counter that is no line of the table" is $code 2
run -m one$u -f '^kicks$'
ok "0: a counter that is zero" is $code 0
run -m one$u -f 'nonesuch$' 0.1 2
ok "2: no match, with a wait" is $code 2
"$mkpage" -o "$scratch/more" add=moon.phases,moon,1,1,1
run -m "$scratch/page" -m "$scratch/more" -f moon
ok "0: a counter of one machine of two" is $code 0

run -m nonesuch
ok "2: no machine of that name" is $code 2
ok "-l is named as the cure" err 'vmmstat -l'
run -m "$one.99"
ok "2: no machine of that id" is $code 2
run -p $$
ok "2: a process without machines" is $code 2
ok "which says so" err "process $$ has no machine"
run -p 2147483647
ok "2: no such process" is $code 2
run -p 2147483647 -p "$one" -p $$
ok "2: no such process, one without machines, and a good one" is $code 2
ok "the first is named" err 'no process 2147483647$'
ok "and the second" err "process $$ has no machine"
ok "but not the third" is "$(grep -c "$one" "$scratch/err")" 0
for wrong in "-m one$u -m nonesuch" "-m nonesuch -m one$u" \
    "-m $scratch/page -m nonesuch" "-m one$u -m nonesuch 0.1 2" \
    "-l -m one$u -m nonesuch" "-p $one -m one$u -m nonesuch"; do
	# shellcheck disable=SC2086
	run $wrong
	ok "2: vmmstat $wrong" is $code 2
	ok "which names the one" err 'called nonesuch:'
	ok "and no other" is "$(grep -c one$u "$scratch/err")" 0
done
run -m one$u -m "$one.1" -m "$scratch/page" -p "$one"
ok "0: each -m and -p has its machine" is $code 0
run -m "$scratch/page" -p $$
ok "2: -p beside a file" is $code 2
run -m "$scratch/page" -p "$one"
ok "0: the same with a machine" is $code 0
run -m "$scratch/none"
ok "2: no such file" is $code 2
ok "the file is named once" err '^[^:]*: [^:]*/none: No such file'
run -m /dev/null
ok "2: not a regular file" is $code 2
head -c 300 "$scratch/page" >"$scratch/cut"
run -m "$scratch/cut"
ok "2: a truncated page" is $code 2
ok "which says so" err 'truncated'
"$mkpage" -o "$scratch/new" header.version=9
run -m "$scratch/new"
ok "2: a newer format" is $code 2
ok "an update is the cure" err 'update it'

if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 true 2>/dev/null; then
	cp "$vmmstat" "$scratch/vmmstat"
	as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
	chmod 600 "$scratch/page"
	for denied in "-p $one" "-m $one.1" "-m $scratch/page"; do
		# shellcheck disable=SC2086
		$as_nobody "$scratch/vmmstat" $denied >"$scratch/out" \
			2>"$scratch/err"
		ok "3: vmmstat $denied" is $? 3
	done
	$as_nobody "$scratch/vmmstat" -p "$one" 2>"$scratch/err"
	ok "root is the cure" err 'root'
	$as_nobody "$scratch/vmmstat" -p "$one" -p 2147483647 2>"$scratch/err"
	ok "3: not permitted and not there" is $? 3
	ok "the one is named" err "process $one belongs"
	ok "and the other" err 'no process 2147483647'
elif ! ls /proc/1/fd >/dev/null 2>&1; then
	run -p 1
	ok "3: another user's process" is $code 3
	ok "root is the cure" err 'root'
else
	skip "3: permission" "needs setpriv"
fi

# run_brief ARGUMENTS: vmmstat, whose machine $brief ends when it has been seen.
run_brief()
{
	page=$(page_of "$brief")
	"$vmmstat" "$@" >"$scratch/out" 2>"$scratch/err" &
	until find -L "/proc/$!/fd" -samefile "$page" 2>/dev/null |
		grep -q .; do
		kill -0 $! 2>/dev/null || break
		sleep 0.02
	done
	kill "$brief"
	start=$(date +%s)
	wait $!
	code=$?
}

hold brief header.name=brief$u
run_brief -m brief$u 0.2 50
ok "4: the machine ended" is $code 4
ok "which is said" err "$brief.1 has ended"
hold brief
run_brief -p "$brief" 0.2
ok "4: the process ended" is $code 4
hold brief
run_brief -p "$brief" 60
ok "4: it ended in a long wait" is $code 4
ok "which that cuts short" test $(($(date +%s) - start)) -lt 30
hold brief header.name=brief$u
run_brief -m brief$u 0.2 2
ok "0: it ended, but all samples were taken" is $code 0
"$mkpage" -o "$scratch/ended" header.ended_mono_ns=0xfffffffffffffff \
	header.ended_ticks=1
run -m "$scratch/ended" 0.1
ok "4: a saved page of a machine that ended" is $code 4

run -m one$u -o /nowhere/file
ok "5: the output cannot be written" is $code 5
if [ -e /dev/full ]; then
	run -m one$u -o /dev/full
	ok "5: no space for the output" is $code 5
fi
finish
