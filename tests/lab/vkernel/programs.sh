# SPDX-License-Identifier: BSD-2-Clause
set -e
seq 1 3000 | sort -rn | head -n 3
seq 1 5000 | sha256sum
mkdir -p a/b/c && echo text >a/b/c/f && ln -s a/b/c/f link && cat link
tar cf - a | tar tf - | sort
cp -r a d && rm -rf a && find d | sort
printf 'one\ntwo\n' | sed 's/o/0/g' | awk '{ print NR * 1.5, $0 }' | tr a-z A-Z
mkfifo p; (echo through a pipe >p &); cat p
head -c 100000 /dev/urandom | gzip | gunzip | wc -c
(exit 3) || echo "status $?"
for i in 1 2 3 4 5; do (echo $i) & done | sort; wait
for signal in SEGV TERM FPE; do
	sh -c "kill -$signal \$\$" || echo "status $?"
done
trap 'echo caught' USR1; kill -USR1 $$; trap - USR1
timeout 1 sleep 5 || echo "status $?"
date -u -d @0
env -i sh -c 'echo ${HOME-unset}'
chmod 600 d/b/c/f; stat -c '%s %a' d/b/c/f
