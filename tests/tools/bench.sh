#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the benchmarks do with their arguments, what they print, and that they
# say so when something failed.  Nothing is measured here that counts.
. "$(dirname "$0")/tap.sh"
bench=$(cat "$here/source")/bench
build=$(cd "$here/../.." && pwd)

# try PROGRAM ARGUMENTS: as run, with a program of its own.
try()
{
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
}

# lines NAME BACKEND UNIT: each is an object of these, and there are some.
lines()
{
	wrong=$(grep -vcE "^\{\"name\":\"$1\",\"backend\":\"$2\",\
\"unit\":\"$3\",\"min\":[0-9]+,\"median\":[0-9]+,\"n\":[0-9]+\}\$" \
	    "$scratch/out")
	is "$wrong" 0 && test -s "$scratch/out"
}

for wrong in --nonsense nonsense --only "--only nonesuch" "--only uml_nonesuch" \
    "--only syscall" --backend "--backend nonesuch" --cpu "--cpu x" \
    "--cpu 99999 --only syscall_exit --no-uml" --rounds "--rounds x" \
    "--rounds 0" --build "--build /nowhere" "--no-uml --only uml_getpid" \
    "--only nonesuch --backend off"; do
	# shellcheck disable=SC2086
	try "$bench/run" --build "$build" $wrong
	ok "2: bench/run $wrong" is "$code" 2
	ok "in words" err '^\(bench/run\|vmmbench\): '
done
for wrong in --nonsense nonsense --only "--only nonesuch" --backend \
    "--backend nonesuch" --cpu "--cpu x" --rounds "--rounds x" \
    "--rounds 0"; do
	# shellcheck disable=SC2086
	try "$bench/uml/run" $wrong
	ok "2: bench/uml/run $wrong" is "$code" 2
	ok "in words" err '^bench/uml/run: .*--help'
done
for wrong in "" nonsense "svm --nonsense" "svm --only" \
    "svm --only nonesuch" "svm --kernel" "svm --kernel 5" "svm --build" \
    "svm --no-uml --only uml_getpid"; do
	# shellcheck disable=SC2086
	try "$bench/lab" $wrong
	ok "2: bench/lab $wrong" is "$code" 2
	ok "in words" err '^bench/lab: .*--help'
done
for program in run uml/run lab; do
	try "$bench/$program" --help
	ok "0: bench/$program --help" is "$code" 0
done

try "$bench/run" --build "$build" --list
ok "--list has the names" out '^proc  *syscall_exit$'
ok "and the vkernel's" out '^vkernel  *uml_build$'

set -- --build "$build" --no-uml --only syscall_exit --rounds 1
try "$bench/run" "$@" --backend proc --json
ok "0: a small run" is "$code" 0
ok "one line of JSON" lines syscall_exit proc ns
try "$bench/run" "$@" --json
ok "0: the same on every backend that is here" is "$code" 0
ok "lines of JSON" lines syscall_exit '(proc|kvm|vmm)' ns
try "$bench/run" "$@" --only ptrace_syscall --only ptrace_xstate_syscall \
	--only syscall_exit_full
ok "0: a report" is "$code" 0
for ratio in "syscall_exit / ptrace" "syscall_exit_full / ptrace_syscall" \
    "syscall_exit_full / ptrace_xstate_syscall"; do
	ok "with proc $ratio" out "^proc $ratio  *[0-9.]*  *[0-9.]*"
done
ok "in 80 columns" is "$(awk 'length > 80' "$scratch/out")" ""
try "$bench/run" --build "$build" --no-uml --json --backend off
ok "1: nothing was measured" is "$code" 1

# A tree whose vkernel and laboratory are stand-ins.
mkdir -p "$scratch/bench/uml" "$scratch/tests/lab" "$scratch/none/bench"
cp "$bench/run" "$bench/lab" "$bench/report.awk" "$scratch/bench/"
cp "$bench/uml/guest.c" "$scratch/bench/uml/"
printf '#!/bin/sh\nexit 1\n' >"$scratch/none/bench/vmmbench"
cat >"$scratch/bench/uml/run" <<'END'
#!/bin/sh
echo "$*" >>"${0%/bench/*}/asked"
case $* in *proc*) exit 1 ;; esac
echo '{"name":"uml_fault","backend":"off","unit":"ns","min":1,"median":1,"n":3}'
END
cat >"$scratch/tests/lab/run" <<'END'
#!/bin/sh
while [ "$1" != -- ]; do
	[ "$1" != --out ] || out=$2
	shift
done
mkdir -p "$out"
while [ $# -gt 1 ]; do shift; done
echo "$1" >>"${0%/tests/*}/booted"
file=$(echo "$1" | sed -n 's|.*>/out/\([a-z-]*\).*|\1|p')
case $1 in
*linux*)
	for n in $(echo "$1" | sed -n 's/.*VK_WORK=\([^ ]*\).*/\1/p' |
	    tr , ' '); do
		[ "$n" = "$LACKS" ] || echo "$n 100"
	done >"$out/$file" ;;
*)
	for n in ${1%>*}; do
		[ "$n" = "$LACKS" ] || echo "{\"name\":\"$n\",\"backend\":\
\"$file\",\"unit\":\"instructions\",\"min\":1,\"median\":2,\"n\":3}"
	done | sed 1,2d >"$out/$file" ;;
esac
exit ${FAILS:-0}
END
chmod +x "$scratch/bench/uml/run" "$scratch/tests/lab/run" \
	"$scratch/none/bench/vmmbench"

set -- --build "$build" --only uml_fault --json
try "$scratch/bench/run" "$@" --backend off --cpu 0 --rounds 7
ok "0: the vkernel" is "$code" 0
ok "is told the CPU, the rounds and the name" grep -qx -- \
	'--json --backend off --cpu 0 --rounds 7 --only uml_fault' \
	"$scratch/asked"
for form in --json ""; do
	# shellcheck disable=SC2086
	try "$scratch/bench/run" --build "$build" --only uml_fault $form \
		--backend off --backend proc
	ok "1: the vkernel failed ${form:-in a report}" is "$code" 1
	ok "and the rest is shown" out uml_fault
done
set -- --build "$scratch/none" --backend off --backend proc
for form in --json ""; do
	# shellcheck disable=SC2086
	try "$scratch/bench/run" "$@" --no-uml $form
	ok "1: vmmbench failed ${form:-in a report}" is "$code" 1
done

# The vkernel's own, with a kernel that knows two works.
cat >"$scratch/linux" <<'END'
#!/bin/sh
case $* in *vmm=kvm*) echo panic; exit 1 ;; esac
printf 'uml_getpid 30\r\numl_getpid 10\r\numl_fault 5\r\n'
END
chmod +x "$scratch/linux"
set -- env VKERNEL="$scratch/linux" "$bench/uml/run" --backend off --rounds 1 \
	--cpu "$(taskset -cp $$ | sed 's/.*[^0-9]//')"
try "$@" --only uml_getpid
ok "0: works in the vkernel" is "$code" 0
ok "as JSON" lines uml_getpid off ns
ok "least and median" out '"min":10,"median":20,"n":2'
try "$@" --only uml_fork --only uml_fault
ok "1: one that says nothing" is "$code" 1
ok "is named" err 'no uml_fork on off'
ok "and the other is there" lines uml_fault off ns
try "$@" --backend kvm --only uml_fault
ok "1: a kernel that fails" is "$code" 1

lab()
{
	rm -f "$scratch/booted"
	try "$scratch/bench/lab" svm --json --build "$build" "$@"
}
lab --no-uml
ok "0: the laboratory" is "$code" 0
ok "as JSON" lines '[a-z0-9_]+' '(vmm|kvm)' instructions
lab --only cpuid_exit --only uml_fork
ok "0: some in the laboratory" is "$code" 0
ok "as JSON" lines '(cpuid_exit|uml_fork)' '(vmm|kvm|off)' instructions
ok "with no boot for nothing" is "$(grep -c vmmcount "$scratch/booted")" 1
LACKS=kvm_out lab --no-uml
ok "1: a count that is not there" is "$code" 1
ok "is named" err 'no kvm_out on kvm'
LACKS=uml_fork lab --only uml_fork --only uml_getpid
ok "1: a work in the vkernel that is not there" is "$code" 1
ok "is named" err "no uml_fork on the vkernel's off"
ok "and the other is there" lines uml_getpid '(vmm|kvm|off)' instructions
FAILS=1 lab --no-uml
ok "1: a boot that fails" is "$code" 1
finish
