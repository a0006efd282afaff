#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Boots to a shell and says what runs its processes; a backend that cannot be
# used stops the boot with a reason.
. "$(dirname "$0")/lib.sh"
and_ptrace
on_each "boot to a shell" boot.sh

# The best names itself, works by that name, and says of each that would be
# better why it is not.
name="best boots and says what it is"
boot best boot.sh
s=$?
line=$(sed -n 's/^vmm: user processes run on //p' "$work/out")
best=${line%% *}
reason=${line#*): }
case $best in
vmm|kvm|proc) why=$(unusable "$best") ;;
*)	why="no name" ;;
esac
for b in vmm kvm proc; do
	[ "$b" != "$best" ] || break
	case $reason in
	*"$b"*)	;;
	*)	why="nothing of $b" ;;
	esac
done
if [ $s -eq 0 ] && [ -n "$reason" ] && [ -z "$why" ]; then
	ok "$name: $best"
else
	{ echo "status $s; $why"; cat "$work/all"; } >"$work/why"
	not_ok "$name"
fi

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
