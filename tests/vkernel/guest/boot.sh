# SPDX-License-Identifier: BSD-2-Clause
uname -sm
id -u
echo $((6 * 7))
# The line of the boot that names what runs the processes.
line=$(dmesg | sed -n 's/.*\(vmm: user processes run on\)/\1/p')
case $VK_BACKEND in
off)	want='' ;;
best)	echo "$line"
	exit ;;
*:*)	want="vmm: user processes run on ${VK_BACKEND%:*} (${VK_BACKEND#*:})" ;;
*)	want="vmm: user processes run on $VK_BACKEND (" ;;
esac
[ "${line#"$want"}" != "$line" ] || [ "$line" = "$want" ] || {
	echo "the boot says: $line"
	exit 1
}
