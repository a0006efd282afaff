#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the component "module" installs: all of the module's source for DKMS,
# which knows where it is, and who may open the device.  That it can be built
# from there is tests/lab/dkms's.
. "$(dirname "$0")/tree.sh"
root=$scratch/root

DESTDIR=$root cmake --install "$build" --prefix /usr --component module \
	>"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	bad "cmake --install --component module fails"
	finish
}

# is FILE LINE: it has that line, and is there.
is()
{
	grep -qxF -- "$2" "$root/$1" || bad "$1 does not have: $2"
}

# It is in the place that DKMS has for it, by name and version.
version=$(sed -n 's/^project(vmmctl VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
src=usr/src/vmmctl-$version
test -n "$version" || bad "no version in CMakeLists.txt"
(
	kernel_source_dir=/headers dkms_tree=/tree
	# shellcheck disable=SC3030,SC1090,SC1091 # DKMS is bash's
	eval "$(sed 's/\[0\]=/=/' "$root/$src/dkms.conf")" || exit 1
	place=/tree/vmmctl/$version/build/sys/dev/vmm
	test "$PACKAGE_NAME-$PACKAGE_VERSION" = "vmmctl-$version" &&
		test "$BUILT_MODULE_NAME" = vmm &&
		test "$BUILT_MODULE_LOCATION" = sys/dev/vmm &&
		test "$DEST_MODULE_LOCATION" = /updates/dkms &&
		test "$MAKE" = "make -C /headers M=$place modules" &&
		test "$CLEAN" = "make -C /headers M=$place clean" &&
		test "$AUTOINSTALL" = yes
) || bad "dkms.conf is not as DKMS wants it"

# Every file that the tree has for it.
files | grep -E '^sys/dev/vmm/.*(\.[chS]|\.def|/Kbuild|/Makefile)$' |
	while read -r f; do
		cmp -s "$f" "$root/$src/$f" || bad "$f is not in $src"
	done
cmp include/vmmctl_counters.h "$root/$src/include/vmmctl_counters.h" ||
	bad "vmmctl_counters.h is not in $src"
find "$root/$src" -type f \( -name '*.o' -o -name '*.mod*' -o -name '*.ko' \) |
	grep . && bad "what was built is in $src"

# The group, and what is the group's.
is usr/lib/udev/rules.d/60-vmmctl.rules \
	'SUBSYSTEM=="misc", KERNEL=="vmm", GROUP="vmm", MODE="0660"'
is usr/lib/sysusers.d/vmmctl.conf 'g vmm -'
if command -v systemd-sysusers >/dev/null; then
	mkdir -p "$root/etc"
	systemd-sysusers --root="$root" vmmctl.conf >"$scratch/log" 2>&1 ||
		cat "$scratch/log"
	grep -q '^vmm:' "$root/etc/group" || bad "there is no group vmm then"
fi
grep -vE '^#|^$' "$root/usr/lib/udev/rules.d/60-vmmctl.rules" | grep -c . |
	grep -qx 1 || bad "60-vmmctl.rules has more than its rule"

test -f "$root/usr/include/vmm_ioctl.h" || bad "vmm_ioctl.h is not installed"
test -f "$root/usr/share/man/man4/vmm.4" || bad "vmm(4) is not installed"
grep -rlF -e "$build" -e "$source" "$root" &&
	bad "the build's paths are in installed files"
finish
