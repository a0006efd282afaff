#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What is skipped is not lost among what passes: test programs say by their
# plan that they skipped everything, and scripts/test tells all of it, and
# when it was Kyua that failed.
. "$(dirname "$0")/tap.sh"
source=$(cat "$here/source")

try()
{
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
}

# plan TEXT: there is one, and that is it.
plan() { is "$(grep '^1\.\.' "$scratch/out")" "$1"; }

try "$here/skipping" one two
ok "a program of cmocka that skips all" plan "1..0 # SKIP as one says: so"
ok "says so at the end" is "$(tail -n 1 "$scratch/out" | cut -c1-4)" 1..0
ok "and why of each" is "$(grep -c '^# SKIP \(one\|two\): as' "$scratch/out")" 2
ok "what else it prints is there" \
	is "$(grep -c '^# something else$' "$scratch/out")" 2
try "$here/skipping" skip
ok "one that has no reason" plan "1..0 # SKIP all that is in it"
try "$here/skipping" one pass two
ok "one that skips two of three" plan 1..3
ok "passes" is $code 0
try "$here/skipping" one fail
ok "one that fails beside" plan 1..2
ok "fails" test $code -ne 0
try "$here/skipping" pass
ok "one that skips nothing" plan 1..1

# A shell's, of this folder and of the vkernel's.
for library in "$here/tap.sh" "$source/tests/vkernel/lib.sh"; do
	program=". '$library'"'
		case $1 in
		all) skip one "no one"; skip two "no two" ;;
		some) skip one "no one"; ok two true ;;
		esac
		finish'
	try env VKERNEL=true sh -c "$program" "$library" all
	ok "${library##*/}: all is skipped" plan "1..0 # SKIP no two"
	ok "which is no failure" is $code 0
	try env VKERNEL=true sh -c "$program" "$library" some
	ok "${library##*/}: some is" plan 1..2
done

# ---- scripts/test, in a tree of its own ----

tree=$scratch/tree
mkdir -p "$tree/scripts" "$tree/tests" "$tree/bin" "$tree/vkernel"
cp "$source/scripts/test" "$tree/scripts/"
cp "$source/tests/skips.awk" "$tree/tests/"
cat >"$tree/bin/cmake" <<'END'
#!/bin/sh
case $1 in
-S) mkdir -p build/test/tests && cp -r suite/* build/test/tests/ ;;
esac
END
printf '#!/bin/sh\n' >"$tree/scripts/deps"
chmod +x "$tree/bin/cmake" "$tree/scripts/deps"

# suite NAME...: the tests that there are, each of a folder that is asked for.
suite()
{
	rm -rf "$tree/suite" "$tree/build"
	mkdir -p "$tree/suite"
	echo "syntax(2); test_suite('suite')" >"$tree/suite/Kyuafile"
	for folder in unit device fuzz checks contract tools; do
		mkdir "$tree/suite/$folder"
		{
			echo "syntax(2); test_suite('suite')"
			echo "tap_test_program{name='${1:-pass}'}"
		} >"$tree/suite/$folder/Kyuafile"
		echo "include('$folder/Kyuafile')" >>"$tree/suite/Kyuafile"
		cp "$scratch/${1:-pass}" "$tree/suite/$folder/"
		test $# -eq 0 || shift
	done
}
program() { cat >"$scratch/$1" && chmod +x "$scratch/$1"; }
last() { tail -n 1 "$scratch/out"; }
scripts_test() { try env PATH="$tree/bin:$PATH" "$tree/scripts/test" "$@"; }

program pass <<'END'
#!/bin/sh
echo "ok 1 - it"; echo 1..1
END
program fail <<'END'
#!/bin/sh
echo "not ok 1 - it"; echo 1..1; exit 1
END
program all <<'END'
#!/bin/sh
echo "ok 1 - it # SKIP none of it"; echo "1..0 # SKIP none of it"
END
program some <<'END'
#!/bin/sh
echo "ok 1 - it"
echo "ok 2 - that # SKIP there is no that"
echo "ok 3 - this # SKIP there is no that"
echo "# SKIP those: a reason that is so long that it does not fit into a line of eighty"
echo "not ok 4 # SKIP those"
echo 1..4
END

suite
for wrong in x -x "-f x" "-f --fast"; do
	# shellcheck disable=SC2086
	scripts_test $wrong
	ok "2: scripts/test $wrong" is $code 2
	ok "in words" err 'usage: scripts/test'
done
ok "nothing was built" test ! -e "$tree/build"
scripts_test --help
ok "0: scripts/test --help" is $code 0

if ! command -v kyua >/dev/null; then
	skip "scripts/test" "no kyua"
	finish
fi
scripts_test -f
ok "0: all pass" is $code 0
ok "the last line counts" is "$(last)" "6 passed, 0 failed, 0 skipped"
ok "nothing was skipped" is "$(grep -c skipped "$scratch/out")" 1
suite some all some
scripts_test -f
ok "0: some are skipped" is $code 0
ok "the last line counts them" is "$(last)" "5 passed, 0 failed, 1 skipped"
ok "the reason is told" out '^test: device/all:main  ->  skipped: none of it'
ok "and of those inside of programs" \
	out '^    4: there is no that (test: fuzz/some and 1 more)$'
ok "those of cmocka, too" out '^    2: a reason that is so long'
ok "in 80 columns" is "$(sed -n '/inside of/,$p' "$scratch/out" |
	awk 'length > 80')" ""
suite pass fail some
scripts_test -f
ok "1: a test fails" is $code 1
ok "the last line counts it" is "$(last)" "5 passed, 1 failed, 0 skipped"
ok "what it printed is there" out '^not ok 1 - it'
ok "what was skipped is there, too" out '^    2: there is no that'

# Kyua's own failures.
suite
echo nonsense >"$tree/suite/Kyuafile"
scripts_test -f
ok "1: Kyua cannot read what to run" is $code 1
ok "the last line counts that" is "$(last)" "0 passed, 1 failed, 0 skipped"
suite
rm "$tree/suite/tools/pass"
scripts_test -f
ok "1: a program is not there" is $code 1
suite
sed -i '/tools/d' "$tree/suite/Kyuafile"
scripts_test -f
ok "1: a folder is not there" is $code 1
ok "the last line counts that" is "$(last)" "5 passed, 1 failed, 0 skipped"
kyua=$(command -v kyua)
program kyua <<END
#!/bin/sh
case \$* in
*' report '*) exec '$kyua' "\$@" ;;
*killed*) ;;
esac
echo 'unit/pass:main  ->  passed  [0.010s]'
\$END
END
mv "$scratch/kyua" "$tree/bin/"
for end in 'kill -9 $$' 'exit 1' 'exit 2' 'exit 0' \
    'echo; echo "1/1 passed (0 failed)"; exit 1'; do
	suite
	# shellcheck disable=SC2016
	END=$end
	try env END="eval $END" PATH="$tree/bin:$PATH" "$tree/scripts/test" -f
	ok "1: Kyua ends by $end" is $code 1
	ok "the last line counts that" \
		is "$(last)" "1 passed, 1 failed, 0 skipped"
done
finish
