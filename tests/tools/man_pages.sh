#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The man pages are sound, and their counters are those of the definition
# file.  With --update: write them there.
. "$(dirname "$0")/tap.sh"

man=${MAN:-$(cat "$here/source")/man}
page=$man/vmmctl_counters.5
begin='^\.\\" BEGIN counters$'
end='^\.\\" END counters$'

"${COUNTERS_MDOC:-$here/counters_mdoc}" >"$scratch/want" || exit 1
if [ "$1" = --update ]; then
	sed -e "/$begin/,/$end/{" -e "/$begin/r $scratch/want" \
		-e "/$begin/p" -e "/$end/p" -e d -e '}' "$page" \
		>"$scratch/new" || exit 1
	cat "$scratch/new" >"$page"
	exit
fi

sed -n "/$begin/,/$end/p" "$page" | sed '1d;$d' >"$scratch/have"
ok "vmmctl_counters.5 lists the counters that there are (man_pages.sh \
--update)" diff -u "$scratch/have" "$scratch/want"
for file in vmmstat.1 vmmctl_counters.5; do
	if command -v mandoc >/dev/null; then
		ok "$file is sound" mandoc -T lint -W warning "$man/$file"
	else
		skip "$file is sound" "no mandoc"
	fi
done

# Every option is in the manual, and in the usage.
for option in $("$vmmstat" --help | grep -o -- ' --*[a-z]*' | sort -u); do
	word=$(printf %s "$option" | sed 's/^-//; s/-/\\\\*-/g')
	ok "vmmstat.1 has $option" \
		grep -qE -- "Fl (.*[ ,|])?$word( |\$)" "$man/vmmstat.1"
done
finish
