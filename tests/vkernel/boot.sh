#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Boots to a shell and says what runs its processes; a backend that cannot be
# used stops the boot with a reason.
. "$(dirname "$0")/lib.sh"
on_each "boot to a shell" boot.sh

boot nonsense boot.sh
s=$?
if [ $s -eq 125 ] && [ "$result" -ne 0 ] &&
    grep -q '^vmm=nonsense: .* .*' "$work/all"; then
	ok "an unknown backend stops the boot and says why"
else
	cp "$work/all" "$work/why"
	not_ok "an unknown backend stops the boot and says why"
fi
finish
