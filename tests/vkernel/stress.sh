#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What stress-ng's stressors pass with stock User Mode Linux they pass on every
# backend; guest/stressors says which are run, how, and which not.
. "$(dirname "$0")/lib.sh"
need stress-ng setpriv
limit=1500
# A word on those that only this host's stress-ng has.
for s in $(stress-ng --stressors); do
	grep -q "^$s[[:space:]]" "$here/guest/stressors" ||
	    echo "# guest/stressors has not: $s"
done
on_each "stress-ng" stress.sh VK_SECONDS="${VK_SECONDS:-1}" \
    VK_STRESS="\"${VK_STRESS:-}\"" VK_VERBOSE="${VK_VERBOSE:-}"
# Nothing is compared where nothing has run.
if [ -n "$ran" ] && ! grep -q ': passed$' "$work/first"; then
	cp "$work/first" "$work/why"
	not_ok "stressors have run"
fi
finish
