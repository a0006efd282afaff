# SPDX-License-Identifier: BSD-2-Clause
for i in 1 2 3; do
	sleep 100 >/dev/null 2>&1 &
	sh -c 'while :; do :; done' >/dev/null 2>&1 &
done
sleep 0.1
echo ready
[ "$VK_HOW" = off ] || sleep 200
