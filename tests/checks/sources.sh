#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every source file has its licence, none has the path of one machine, and no
# C file is so long that it wants to be two: it is said from 450 lines on, and
# too much from 600.
. "$(dirname "$0")/tree.sh"

files >"$scratch/files"
# All have it but prose (the end of README.md tells the licence), and what a
# test reads or expects to the byte.
grep -vE '(^|/)README\.md$
^tests/fuzz/corpus/
^tests/vkernel/guest/[a-z]+\.expect$' "$scratch/files" >"$scratch/sources"
test -s "$scratch/sources" || bad "no files"

while read -r f; do
	# What becomes part of the kernel has its licence.
	case $f in
	vkernel/build) licence=BSD-2-Clause ;;
	vkernel/*) licence=GPL-2.0 ;;
	*) licence=BSD-2-Clause ;;
	esac
	head -n 3 "$f" |
		grep -qE "SPDX-License-Identifier: $licence( |\$)" ||
		bad "$f: no SPDX line with $licence"
done <"$scratch/sources"

# Homes and work folders.  The second character keeps this line out.
grep -vE '\.(patch|diff)$' "$scratch/files" | while read -r f; do
	grep -nHE '(^|[^a-zA-Z0-9_./{}$-])/(h[o]me|w[o]rk|U[s]ers)/[a-z]' "$f"
done >"$scratch/paths"
if [ -s "$scratch/paths" ]; then
	cat "$scratch/paths"
	bad "paths of one machine"
fi

grep '\.c$' "$scratch/files" | while read -r f; do
	n=$(wc -l <"$f")
	test "$n" -le 450 || echo "$n $f"
done >"$scratch/long"
sed 's/^/note: lines: /' "$scratch/long"
# A test is a list: it may be longer.
grep -v ' tests/' "$scratch/long" | while read -r n f; do
	test "$n" -le 600 || echo "$f: $n lines"
done >"$scratch/longer"
if [ -s "$scratch/longer" ]; then
	cat "$scratch/longer"
	bad "files that want to be split"
fi
finish
