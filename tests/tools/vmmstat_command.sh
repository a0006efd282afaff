#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Counting over a command.
. "$(dirname "$0")/tap.sh"

run -- "$mkpage" -w 100 header.name=child value.kicks=5
ok "the machine of a command is shown" err '^child '
ok "apart from what the command prints" is "$(wc -l <"$scratch/out")" 1
ok "its status is ours" is $code 0

run -- sh -c "'$mkpage' -w 100 header.name=deep; exit 7"
ok "a grandchild's machine is shown" err '^deep '
ok "a failure is handed on" is $code 7

run -- sh -c "('$mkpage' -w 100 header.name=orphan &) ; sleep 0.4"
ok "that of a daemon too" err '^orphan '

run -o "$scratch/file" -f '^kicks$' -- sh -c "
	'$mkpage' -w 60 value.kicks=1 & '$mkpage' -w 90 value.kicks=2; wait"
ok "-o keeps the numbers apart" is "$(grep -c kicks "$scratch/file")" 2
run --json -- "$mkpage" -w 100 -t value.kicks=5
ok "the last values are read after the end" \
	err '"kicks":{[^}]*"value":[0-9][0-9]'

run -m right -- sh -c "'$mkpage' -w 60 header.name=right &
	'$mkpage' -w 60 header.name=wrong; wait"
ok "-m chooses" is "$(grep -c '^right\|^wrong' "$scratch/err")" 1

run -- true
ok "2: no machine was made" is $code 2
ok "which is said" err 'made no machine'
run -- false
ok "a failure goes first" is $code 1
run -- "$scratch/nonesuch"
ok "127: no such command" is $code 127
run -- "$scratch"
ok "126: not a command" is $code 126
run -- sh -c 'kill -TERM $$'
ok "128 + n: ended by a signal" is $code 143
run -- sh -c 'test "$1" = "a b" && exit 9' sh "a b"
ok "arguments are handed on as they are" is $code 9
finish
