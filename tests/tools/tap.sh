# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# Sourced by the tests of this folder: TAP, a scratch folder, the programs.

here=$(cd "$(dirname "$0")" && pwd)
vmmstat=${VMMSTAT:-$here/../../tools/vmmstat/vmmstat}
mkpage=${MKPAGE:-$here/mkpage}
scratch=$(mktemp -d)
chmod 755 "$scratch"
# Names are unique: other tests may run machines at the same time.
u=$$
tests=0
failures=0
skipped=0
holders=

# The last thing that a test calls.
finish()
{
	# All of it was skipped: so is the program.
	if test "$tests" -gt 0 && test "$skipped" -eq "$tests"; then
		echo "1..0 # SKIP $why"
		exit 0
	fi
	echo "1..$tests"
	test "$failures" -eq 0
	exit $?
}

cleanup()
{
	# Holders end when their standard input does.
	for h in $holders; do
		kill "$h" 2>/dev/null
	done
	wait
	rm -rf "$scratch"
}
trap cleanup EXIT

# ok NAME COMMAND...: does it succeed?
ok()
{
	name=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$scratch/log" 2>&1; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		sed 's/^/# /' "$scratch/log" | head -20
		test -f "$scratch/out" && sed 's/^/# out: /' "$scratch/out" |
			head -20
		test -f "$scratch/err" && sed 's/^/# err: /' "$scratch/err" |
			head -20
		failures=$((failures + 1))
	fi
}

skip()
{
	tests=$((tests + 1))
	skipped=$((skipped + 1))
	why=$2
	echo "ok $tests - $1 # SKIP $2"
}

# run ARGUMENTS: vmmstat, with out, err and $code for what it did.
run()
{
	"$vmmstat" "$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
}

is() { test "$1" = "$2" || { echo "$1, not $2"; return 1; }; }
out() { grep -qe "$1" "$scratch/out"; }
err() { grep -qe "$1" "$scratch/err"; }
quiet() { ! test -s "$scratch/err"; }

# page_of PID: the path of its counter page.
page_of() { find "/proc/$1/fd" -lname '/memfd:vmmctl-counters*'; }

# hold VARIABLE ARGUMENTS: a live machine; its pid goes to the variable.
hold()
{
	variable=$1
	shift
	rm -f "$scratch/pid"
	"$mkpage" -w 600000 "$@" >"$scratch/pid" &
	holders="$holders $!"
	while ! test -s "$scratch/pid"; do
		sleep 0.02
	done
	read -r pid <"$scratch/pid"
	eval "$variable=$pid"
}
