# SPDX-License-Identifier: BSD-2-Clause
/tmp/bin/storm || exit
i=0
while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done
echo $(for i in 1 2 3 4 5 6 7 8; do (sh -c "echo $i | cat | cat") & done | sort; wait)
# Nothing may be left behind: no processes, and no memory to speak of.
ls -d /proc/[0-9]* 2>/dev/null | wc -l >/tmp/n
[ $(cat /tmp/n) -lt 60 ] || { echo "processes left:"; cat /tmp/n; exit 1; }
