# SPDX-License-Identifier: BSD-2-Clause
set -e
strace -o t1 sh -c 'echo hello >f; cat f; exit 3' || echo "status $?"
sed -n 's/^\(openat\|execve\|exit_group\|write\)(\(.*"f"\|[^"]*\)[^"]*$/\1/p' t1 | sort | uniq -c
strace -f -o t2 sh -c '(true); (false); ls / >/dev/null; wait'
grep -c exited t2
strace -c -o t3 ls / >/dev/null
awk '/ execve$/ { print $4, $NF }' t3
timeout -s INT 0.3 strace -o t4 sleep 5 || echo "interrupted"
grep -c nanosleep t4
