#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Counting over a command.
. "$(dirname "$0")/tap.sh"

# In the commands, $PPID is vmmstat: their machines live until it has seen them.
mk="'$mkpage' -s \$PPID"

run -- sh -c "exec $mk header.name=child value.kicks=5"
ok "the machine of a command is shown" err '^child '
ok "apart from what the command prints" is "$(wc -l <"$scratch/out")" 1
ok "its status is ours" is $code 0

run -- sh -c "$mk header.name=deep; exit 7"
ok "a grandchild's machine is shown" err '^deep '
ok "a failure is handed on" is $code 7

cat >"$scratch/daemon" <<EOF
until grep -q "^PPid:[[:space:]]*\$1\$" /proc/\$\$/status; do sleep 0.01; done
exec '$mkpage' -s \$1 header.name=orphan
EOF
# cat(1) ends when the daemon does.
run -k nonesuch -- sh -c "$mk header.name=deep; exit 7"
ok "a wrong key for the summary does not hide its status" is $code 7
ok "is said" err 'nonesuch: no such key'
ok "and the counters are there" err "^deep "
run -k nonesuch -- sh -c "exec $mk header.name=deep"
ok "1: if there was nothing else" is $code 1
run -- sh -c "(sh '$scratch/daemon' \$PPID &) | cat"
ok "that of a daemon too" err '^orphan '

run -o "$scratch/file" -f '^kicks$' -- sh -c "
	$mk value.kicks=1 & $mk value.kicks=2; wait"
ok "-o keeps the numbers apart" is "$(grep -c kicks "$scratch/file")" 2
run --json -- sh -c "exec $mk -t value.kicks=5"
ok "the last values are read after the end" \
	err '"kicks":{[^}]*"value":[0-9][0-9]'

run -m right -- sh -c "$mk header.name=right & $mk header.name=wrong; wait"
ok "-m chooses" is "$(grep -c '^right\|^wrong' "$scratch/err")" 1

run -m right -m nonesuch -- sh -c "$mk header.name=right"
ok "2: only one of those that -m names was made" is $code 2
ok "the other is named" err 'no machine that is called nonesuch$'
ok "the one is shown" err '^right '
run -m nonesuch -- sh -c "$mk; exit 7"
ok "a failure goes first" is $code 7
run -f 'nonesuch$' -- sh -c "$mk"
ok "2: no counter that -f matches" is $code 2
ok "which is said" err 'nonesuch\$: matches no counter'
run -f 'nonesuch$' -- sh -c "$mk; exit 7"
ok "a failure goes first again" is $code 7
run -m "a/b" -- sh -c "$mk header.name=a/b"
ok "-m takes a slash" is $code 0

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

"$vmmstat" -- sh -c "echo \$\$ >'$scratch/pid'; exec sleep 60" 2>"$scratch/err" &
until [ -s "$scratch/pid" ]; do sleep 0.01; done
kill -TERM $!
wait $!
ok "what is to end vmmstat ends the command" is $? 143
ok "which is gone" test ! -e "/proc/$(cat "$scratch/pid")"

run -- sh -c 'test "$1" = "a b" && exit 9' sh "a b"
ok "arguments are handed on as they are" is $code 9
finish
