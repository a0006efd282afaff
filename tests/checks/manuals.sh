#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manual pages are sound, and the example in vmmctl.3 is
# examples/hello.c.  With --update: write it there.
. "$(dirname "$0")/tree.sh"
page=man/vmmctl.3
begin='^\.\\" BEGIN hello.c$'
end='^\.\\" END hello.c$'

# In a manual a backslash is \e, and a line may not begin with a dot.
sed -e 's/\\/\\e/g' -e "s/^\([.']\)/\\\\\&\1/" examples/hello.c \
	>"$scratch/want"
if [ "$1" = --update ]; then
	sed -e "/$begin/,/$end/{" -e "/$begin/r $scratch/want" \
		-e "/$begin/p" -e "/$end/p" -e d -e '}' "$page" \
		>"$scratch/new" && cat "$scratch/new" >"$page"
	exit
fi
sed -n "/$begin/,/$end/p" "$page" | sed '1d;$d' >"$scratch/have"
diff -u "$scratch/have" "$scratch/want" ||
	bad "vmmctl.3 has another hello.c (manuals.sh --update)"

for f in man/*.[1-9]; do
	command -v mandoc >/dev/null || { echo "no mandoc"; break; }
	mandoc -T lint -W warning "$f" || bad "$f is not sound"
	mandoc -T utf8 "$f" >"$scratch/text" 2>/dev/null
	test -s "$scratch/text" || bad "$f cannot be shown"
done
# What the pages refer to among themselves is there.
sed -nE 's/^\.Xr (vmm[a-z_]*) ([0-9]).*/\1.\2/p' man/*.[1-9] | sort -u |
	while read -r f; do
		test -f "man/$f" || echo "man/$f"
	done >"$scratch/missing"
if [ -s "$scratch/missing" ]; then
	cat "$scratch/missing"
	bad "pages that others refer to are missing"
fi
finish
