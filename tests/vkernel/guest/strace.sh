# SPDX-License-Identifier: BSD-2-Clause
set -e
strace -o t1 sh -c 'echo hello >f; cat f; exit 3' || echo "status $?"
sed -n 's/^\(openat\|execve\|exit_group\|write\)(\(.*"f"\|[^"]*\)[^"]*$/\1/p' t1 | sort | uniq -c
strace -f -o t2 sh -c '(true); (false); ls / >/dev/null; wait'
grep -c exited t2
strace -c -o t3 ls / >/dev/null
awk '/ execve$/ { print $4, $NF }' t3
# As soon as it sleeps, wake it.
(until grep -q nanosleep t4; do sleep 0.05; done; pkill -f '^sleep 1000$') 2>/dev/null &
strace -o t4 sleep 1000 || echo "interrupted"
grep -c nanosleep t4
