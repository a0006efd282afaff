#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The map, the header, the manual and the shared library name the same
# functions, and the header and the manual's description say a word on each.
. "$(dirname "$0")/tree.sh"

exported >"$scratch/map"
test -s "$scratch/map" || bad "nothing is exported"
# Declarations: a name before a parenthesis, outside of comments.
sed -e 's|/\*.*\*/||' -e '/\/\*/,/\*\//d' "$header" |
	grep -oE '\bvmmctl_[a-z0-9_]+\(' | tr -d '(' | sort -u \
	>"$scratch/header"
diff -u "$scratch/map" "$scratch/header" ||
	bad "vmmctl.map (-) and vmmctl.h (+) differ"

sed -n '/^\.Sh DESCRIPTION/,/^\.Sh EXITS/p' man/vmmctl.3 \
	>"$scratch/description"
while read -r f; do
	# Functions of one paragraph share its comment.
	awk -v f="$f" 'BEGIN { RS = ""; rc = 1 }
		$0 ~ "(^|[^a-z_])" f "\\(" && /\*\// { rc = 0 }
		END { exit rc }' "$header" ||
		grep -B1 -E "(^|[^a-z_])$f\(" "$header" | grep -q '\*/' ||
		bad "vmmctl.h has no comment on $f"
	grep -qE "^\.Fn $f( |\$)" man/vmmctl.3 ||
		bad "vmmctl.3 does not show $f"
	grep -qE "^\.Nm $f( |\$)" man/vmmctl.3 ||
		bad "vmmctl.3 is not found as $f"
	grep -qE "^\.Fn $f( |\$)" "$scratch/description" ||
		bad "vmmctl.3 does not describe $f"
done <"$scratch/map"

library=$build/lib/libvmmctl/libvmmctl
if [ -z "$sanitize" ]; then
	nm -D --defined-only "$library.so" | awk '$2 != "A" { print $3 }' |
		sed 's/@.*//' | sort >"$scratch/shared"
	diff -u "$scratch/map" "$scratch/shared" ||
		bad "vmmctl.map (-) and what libvmmctl.so exports (+) differ"
	nm -g --defined-only "$library.a" | awk 'NF == 3 { print $3 }' |
		sort >"$scratch/static"
	diff -u "$scratch/map" "$scratch/static" ||
		bad "vmmctl.map (-) and what libvmmctl.a exports (+) differ"
fi
finish
