#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/run with a kernel that is built already: its tour, a command of the
# caller's with its words and its status, and what it says of wrong arguments.
. "$(dirname "$0")/lib.sh"
need gcc perl python3
: "${VMMSTAT:=$top/build/test/tools/vmmstat/vmmstat}"
if [ ! -x "$VMMSTAT" ]; then
	echo "Bail out! $VMMSTAT is not built"
	exit 1
fi
export VKERNEL VMMSTAT
mkdir "$work/tmp"

# run ARGS of scripts/run: $status, and what it printed in $work/all; what the
# kernel and the programs in it printed in $work/out.
run()
{
	HOME=$work TMPDIR=$work/tmp timeout -k 5 200 "$top/scripts/run" "$@" \
	    </dev/null >"$work/raw" 2>&1
	status=$?
	tr -d '\r' <"$work/raw" >"$work/all"
	sed -e '1,/^==> booting/d' -e '/^reboot: System halted$/,$d' \
	    "$work/all" >"$work/out"
	{ echo "status $status"; cat "$work/all"; } >"$work/why"
}

# check NAME COMMAND...: does it succeed?
check()
{
	name=$1
	shift
	if "$@"; then
		ok "$name"
	else
		not_ok "$name"
	fi
}

is() { [ "$status" -eq "$1" ]; }
says() { grep -q "$1" "$work/all"; }
tour()
{
	is 0 && says '^vmm: user processes run on ' && says '^perl: 1 4 9 ' &&
	    says '^python3: [0-9a-f]\{32\}$' &&
	    says '^compiled in the vkernel, running as process '
}

run
check "the tour runs to its end" tour
check "vmmstat has counted it" says '^ *vkernel'

run proc -- sh -c 'exit 3'
check "the command's status is the status" is 3
check "a command that prints nothing is alone with that" [ ! -s "$work/out" ]

set -- 'two words' "it's" '$HOME' '' 'a*' '\' '"'
printf '<%s>\n' "$@" >"$work/want"
run proc -- printf '<%s>\n' "$@"
check "words stay as they are" cmp -s "$work/want" "$work/out"

run nonsense -- true
check "an unknown backend is an error in usage" is 2
check "and is told" says '^no backend is called nonsense; '
run proc true
check "a command without -- is an error in usage" is 2
check "and is told how it is written" says ' -- true$'
check "nothing stays in TMPDIR" rmdir "$work/tmp"
finish
