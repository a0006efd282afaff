#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every source file has its licence, none has the path of one machine, and no
# C file is so long that it wants to be two: it is said from 450 lines on, and
# too much from 600.
. "$(dirname "$0")/tree.sh"

files >"$scratch/files"
grep -E '\.(c|h|S|lds|sh|def|map|cmake|1|3|5|8)$|(^|/)(CMakeLists\.txt|Kyuafile)$' \
	"$scratch/files" >"$scratch/sources"
# Scripts without a suffix.
grep -vE '\.[a-z0-9]+$' "$scratch/files" | while read -r f; do
	head -c 2 "$f" | grep -q '^#!' && echo "$f"
done >>"$scratch/sources"

while read -r f; do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' ||
		bad "$f: no SPDX line"
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
