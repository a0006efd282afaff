#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The device's account of a real machine, which is in the laboratory: every
# exit has one cause and one of the vendor's codes.
. "$(dirname "$0")/tap.sh"
spin=${SPIN:-$here/spin}

if ! [ -x "$spin" ]; then
	skip "the device's machines" "the library is not built"
	finish
fi
"$spin" vmm "real$u" 3000 200 $$ >"$scratch/pid" 2>"$scratch/err" &
holder=$!
holders=$holder
while ! test -s "$scratch/pid" && kill -0 $holder 2>/dev/null; do
	sleep 0.05
done
if ! read -r pid <"$scratch/pid"; then
	wait $holder
	code=$?
	holders=
	if [ $code -eq 77 ]; then
		skip "the device's machines" \
			"$(head -n 1 "$scratch/err" | cut -c1-200)"
	else
		ok "a real machine" is $code 0
	fi
	finish
fi

run -d -p "$pid" --raw --json
ok "the machine is shown" is $code 0
# A counter in a line.
sed 's/.*"counters":{//; s/},"/},\
"/g' "$scratch/out" |
	sed -n 's/^"\([^"]*\)":{.*"value":\([0-9]*\).*/\1 \2/p' \
	>"$scratch/values"

# sum PREFIX: of all counters whose names begin so.
sum()
{
	awk -v prefix="$1" 'index($1, prefix) == 1 { n += $2 }
		END { printf "%d\n", n }' "$scratch/values"
}

exits=$(awk '$1 == "exits" { print $2 }' "$scratch/values")
ok "all its exits are counted" test "${exits:-0}" -ge 3200
ok "as many entries" is "$(awk '$1 == "entries" { print $2 }' \
	"$scratch/values")" "$exits"
ok "each has one cause" is "$(sum cause.)" "$exits"
ok "and one code" is "$(sum raw.)" "$exits"
ok "system calls and faults are exceptions" \
	test "$(sum cause.exception)" -ge 3200
run -l
ok "-l shows the library's machine" out " $pid .* vmm .* real$u"
ok "and the device's, of that process" out "^vmm\\.[0-9]* *$pid .* real$u"
run -d -p "$pid" -e
ok "the kinds have the same names on every processor" out cause.exception
ok "and no codes" is "$(grep -c raw "$scratch/out")" 0
run --raw -p "$pid" -e
ok "which --raw has" out '^ *raw\.[A-Z]'
finish
