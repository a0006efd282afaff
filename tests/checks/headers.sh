#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each public header compiles alone, and twice, as C11 and as C++.
. "$(dirname "$0")/tree.sh"

for h in include/*.h; do
	name=$(basename "$h")
	printf '#include <%s>\n#include <%s>\nint unused;\n' "$name" "$name" \
		>"$scratch/alone.c"
	"$cc" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
		-Wstrict-prototypes -Werror -Iinclude -fsyntax-only \
		"$scratch/alone.c" || bad "$h does not compile alone as C11"
	command -v c++ >/dev/null || continue
	for std in c++11 c++17; do
		c++ -x c++ -std=$std -Wall -Wextra -Wpedantic -Werror \
			-Iinclude -fsyntax-only "$scratch/alone.c" ||
			bad "$h does not compile alone as $std"
	done
done
finish
