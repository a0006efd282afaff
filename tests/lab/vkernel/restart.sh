# SPDX-License-Identifier: BSD-2-Clause
# Counts its boots in the shared folder; outside, they look at the kernel's
# process between them.
n=$(cat /tmp/share/boots 2>/dev/null || echo 0)
n=$((n + 1))
(sleep 100 & sh -c 'while :; do :; done' & sleep 1000 &) >/dev/null 2>&1
true | cat
echo $n >/tmp/share/boots
# Without a sleep: processes are counted.
while [ ! -e /tmp/share/go.$n ]; do :; done
[ $n -gt 10 ] || exec reboot -f
echo "eleven boots"
