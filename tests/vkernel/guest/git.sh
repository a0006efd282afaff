# SPDX-License-Identifier: BSD-2-Clause
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a \
    GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' \
    GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git init -q -b main r
cd r
for i in 1 2 3 4 5; do
	seq 1 $((i * 100)) >f$i
	git add . && git commit -qm "commit $i"
done
git log --format='%H %s'
git checkout -qb side HEAD~2 && echo side >s && git add s && git commit -qm side
git merge -q -m merge main
git gc -q 2>/dev/null
git fsck 2>/dev/null
git clone -q . ../copy
git -C ../copy rev-parse HEAD^{tree}
git grep -c 77 HEAD~1 | sort
