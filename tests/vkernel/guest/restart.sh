# SPDX-License-Identifier: BSD-2-Clause
# Counts its boots in the shared directory; the host looks at the kernel's
# process between them.
n=$(cat /tmp/share/boots 2>/dev/null || echo 0)
n=$((n + 1))
(sleep 100 & sh -c 'while :; do :; done' & sleep 1000 &) >/dev/null 2>&1
/bin/true | cat
echo $n >/tmp/share/boots
# Without a sleep: the host counts processes.
while [ ! -e /tmp/share/go.$n ]; do :; done
if [ $n -le 10 ]; then
	exec /tmp/bin/power restart
fi
echo "eleven boots"
