# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the tests of the vkernel: boots it, runs a script in it on each
# backend, and reports in TAP.
#
#   VKERNEL           the kernel to test; default: what vkernel/build makes
#   VKERNEL_BACKENDS  default: off proc kvm vmm
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
: "${VKERNEL_BACKENDS:=off proc kvm vmm}"
work=$(mktemp -d "${TMPDIR:-/tmp}/vkernel.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
case $(stat -f -c %T /dev/shm 2>/dev/null) in
tmpfs)	memory=$(mktemp -d /dev/shm/vkernel.XXXXXX)
	trap 'rm -rf "$work" "$memory"' EXIT ;;
*)	memory=$work ;;
esac
tests=0
failed=0
skipped=0

ok() { tests=$((tests + 1)); echo "ok $tests - $*"; }
skip()
{
	tests=$((tests + 1))
	skipped=$((skipped + 1))
	reason=$2
	echo "ok $tests - $1 # SKIP $2"
}
not_ok() # name; the reason is in $work/why
{
	tests=$((tests + 1))
	failed=$((failed + 1))
	echo "not ok $tests - $1"
	tail -n "${VKERNEL_WHY:-25}" "$work/why" | sed 's/^/# /'
}
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
finish()
{
	# All of it was skipped: so is the program.
	if [ "$tests" -gt 0 ] && [ "$skipped" -eq "$tests" ]; then
		skip_all "$reason"
	fi
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}

and_ptrace() # where proc is tested, so is its slow variant
{
	case " $VKERNEL_BACKENDS " in
	*" proc "*) VKERNEL_BACKENDS="$VKERNEL_BACKENDS proc:ptrace" ;;
	esac
}

need() # commands
{
	for c; do
		command -v "$c" >/dev/null 2>&1 || skip_all "$c is not installed"
	done
}

[ -n "${VKERNEL:-}" ] || VKERNEL=$("$top/vkernel/build" 2>"$work/build") || {
	why=$(grep 'missing packages' "$work/build") && skip_all "$why"
	cat "$work/build"
	echo "Bail out! vkernel/build failed"
	exit 1
}
need cc

# Build a program for the guest from guest/NAME.c and set $guest to its
# directory.  Static: it must not depend on what the guest's root has.
guest=$work/guest
guest_program() # name [flags]
{
	name=$1
	shift
	mkdir -p "$guest"
	cc -O1 -g -w -fcf-protection=none -static -o "$guest/$name" \
	    "$here/guest/$name.c" "$@" ||
	    { echo "Bail out! cannot compile guest/$name.c"; exit 1; }
}
guest_program power

# boot BACKEND SCRIPT [KERNEL OPTIONS]: runs guest/SCRIPT; the guest's output is in $work/out,
# the result is the script's status, 124 for a time-out, 125 for a kernel
# that ended without running the script to its end.
boot()
{
	backend=$1
	script=$2
	shift 2
	HOME=$work TMPDIR=$memory timeout -k 5 "${limit:-200}" "$VKERNEL" \
	    mem="${mem:-1G}" root=none rootfstype=hostfs rootflags=/ ro \
	    init="$here/init" VK_TESTS="$here" VK_GUEST="$guest" \
	    VK_RUN="$script" VK_BACKEND="$backend" con0=fd:0,fd:1 con=null \
	    quiet loglevel=1 vmm="$backend" "$@" </dev/null >"$work/raw" 2>&1
	result=$?
	tr -d '\r' <"$work/raw" >"$work/all"
	sed '/^vkernel-status: /,$d' "$work/all" >"$work/out"
	status=$(sed -n 's/^vkernel-status: //p' "$work/all")
	[ "$result" -ne 124 ] || return 124
	return "${status:-125}"
}

# Why backend cannot be used here: empty when it can.
unusable()
{
	[ "$1" != off ] || return 0
	HOME=$work TMPDIR=$memory timeout -k 5 60 "$VKERNEL" mem=64M \
	    root=none rootfstype=hostfs rootflags=/ ro init="$guest/power" \
	    con0=null con=null quiet vmm="$1" </dev/null 2>&1 |
	    sed -n "s/^vmm=$1: //p" | head -n 1
}

# Whether backend can be used here; if not, that is the test's result.  proc
# needs nothing of the host: there it is a failure.
usable() # backend, name of the test
{
	why=$(unusable "$1")
	[ -n "$why" ] || return 0
	case $1 in
	proc)	echo "$why" >"$work/why"
		not_ok "$2" ;;
	*)	skip "$2" "$why" ;;
	esac
	return 1
}

# Why its exits are not the contract's to the bit: empty when they are.  The
# backend says so by a capability bit, which is not to be seen from here.
inexact()
{
	[ "$1" != kvm ] || [ ! -d /sys/module/kvm_pvm ] ||
	    echo "kvm_pvm emulates ring 0 and now and then loses a trap"
}

# Run a script on every backend.  It has to end with 0, and print the same on
# all of them, unless $differs is set.  What it prints has to be guest/$expect
# if that is set; vmm=off, which is not ours, is then left out.  $exact: only
# where no trap is ever lost.  Leaves in $ran where it has run to its end.
on_each() # name, script in guest/ [kernel options]
{
	name=$1
	script=$2
	shift 2
	ran=
	first=
	if [ -n "${expect:-}" ]; then
		first=$expect
		cp "$here/guest/$expect" "$work/first"
	fi
	for b in $VKERNEL_BACKENDS; do
		[ "$b" != off ] || [ -z "${expect:-}" ] || continue
		usable "$b" "$name on $b" || continue
		why=${exact:+$(inexact "$b")}
		if [ -n "$why" ]; then
			skip "$name on $b" "$why"
			continue
		fi
		boot "$b" "$script" "$@"
		s=$?
		if [ $s -ne 0 ]; then
			{ echo "status $s"; cat "$work/all"; } >"$work/why"
			not_ok "$name on $b"
			continue
		fi
		ran="$ran $b"
		if [ -n "${differs:-}" ] || [ -z "$first" ]; then
			first=$b
			cp "$work/out" "$work/first"
			ok "$name on $b"
		elif cmp -s "$work/first" "$work/out"; then
			ok "$name on $b, as on $first"
		else
			diff -u "$work/first" "$work/out" >"$work/why"
			not_ok "$name on $b: differs from $first"
		fi
	done
}
