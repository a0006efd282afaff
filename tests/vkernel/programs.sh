#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Programs of the host run, and print the same on every backend.
. "$(dirname "$0")/lib.sh"
need perl python3 git make
mem=2G
limit=400
# A real C project that is always at hand: the device tree compiler in the
# source that the vkernel is built from.
dtc=
beside=$(readlink -f "$VKERNEL")
while [ -z "$dtc" ] && [ "$beside" != / ]; do
	beside=$(dirname "$beside")
	dtc=$(ls -d "$beside"/linux-source-*/scripts/dtc 2>/dev/null | head -n 1)
done
[ -z "$dtc" ] || cp -r "$dtc" "$guest/"
cp "$top/bench/uml/dtc.mk" "$guest/"
on_each "shell and coreutils" coreutils.sh
on_each "perl and python3" scripts.sh
on_each "git" git.sh
for cc in gcc tcc; do
	if ! command -v $cc >/dev/null 2>&1; then
		skip "a C project with $cc" "$cc is not installed"
	elif [ ! -d "$guest/dtc" ]; then
		skip "a C project with $cc" "no kernel source beside $VKERNEL"
	else
		on_each "a C project with $cc" compile.sh VK_CC=$cc
	fi
done
finish
