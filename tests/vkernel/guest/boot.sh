# SPDX-License-Identifier: BSD-2-Clause
uname -sm
id -u
echo $((6 * 7))
if [ "$VK_BACKEND" != off ]; then
	dmesg | grep -q "vmm: user processes run on ${VK_BACKEND%%:*} " || exit 1
fi
