#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What is shown of a page: text, JSON, CSV; units; what nobody has heard of.
. "$(dirname "$0")/tap.sh"

page=$scratch/page
made="header.name=demo value.exits=12345678 value.exit.syscall=990
    value.exit.fault=10 value.exit.syscall.hist.10=990
    value.exit.fault.hist.20=10 value.exit.fault.time=1000000
    value.space.map.pages=1024"
# shellcheck disable=SC2086
"$mkpage" -o "$page" $made

run -m "$page"
ok "the summary has a heading and a line" is "$(wc -l <"$scratch/out")" 2
ok "numbers are for people" out '^demo .* 12M .* 990 .* 10 '
ok "p99 is the upper bound of the bucket, in ticks for a saved page" \
	out ' 2.0kt$'
run -m "$page" -e
ok "the table of exits has the kinds that were" \
	is "$(grep -c 'exit\.' "$scratch/out")" 2
ok "the most frequent first" \
	is "$(sed -n 3p "$scratch/out" | awk '{ print $1 }')" exit.syscall
run -m "$page" -e -k time
ok "or by -k the longest" \
	is "$(sed -n 3p "$scratch/out" | awk '{ print $1 }')" exit.fault
run -m "$page" -e -a
ok "-a shows zeros too" is "$(grep -c 'exit\.' "$scratch/out")" 10
run -m "$page" -e -a -f 'f.*t$'
ok "-f is a regular expression" \
	is "$(grep -c 'exit\.' "$scratch/out")" 2
run -m "$page" -f 'map\.pages'
ok "pages are shown in bytes" out 'space.map.pages *4.0M *4.0M'
run -m "$page" -l
ok "-l shows a saved page" out "^$page .* fake .*demo (saved)"

for view in "" -e -a "-e -a"; do
	# shellcheck disable=SC2086
	run -m "$page" $view
	ok "${view:-the summary} fits 80 columns" \
		is "$(awk 'length > 80 && NR > 1' "$scratch/out")" ""
done

# A counter that was never heard of.
"$mkpage" -o "$scratch/new" add=moon.phases,moon,1,1,1 value.moon.phases=77 \
	add=moon.heat,-,1,99,0 value.moon.heat=5 \
	add=moon.kind,-,99,99,0
run -m "$scratch/new"
ok "a new summary counter has a column" out 'moon'
ok "with its value" out ' 77 '
ok "and the line still fits" \
	is "$(awk 'length > 80' "$scratch/out")" ""
run -m "$scratch/new" -f moon
ok "a new counter is found by name" out 'moon.phases  *77'
ok "one of an unknown unit is a number" out 'moon.heat  *5'
run -m "$scratch/new" -a
ok "one of an unknown type is left out" is "$(grep -c kind "$scratch/out")" 0
run -m "$scratch/new" --json
ok "a new counter is in the JSON" out '"moon.phases":{[^}]*"value":77'
run -m "$scratch/new" --csv
ok "and in the CSV" out ',moon.phases,events,77,77,$'
run -m "$scratch/new" -k moon
ok "and is a key" is $code 0

run -m "$page" --json
ok "JSON is one line" is "$(wc -l <"$scratch/out")" 1
ok "JSON is versioned" out '^{"version":1,"kind":"sample"'
ok "what is not known is null" out '"interval_ns":null'
if command -v jq >/dev/null; then
	ok "JSON is valid" jq -e '.counters["exit.fault"].value == 10' \
		"$scratch/out"
	run -m "$page" --json -l
	ok "so is that of -l" jq -e '.name == "demo"' "$scratch/out"
	run -m "$page" -m "$page" --json 0.1 2
	ok "one line per machine and sample" \
		is "$(jq -r .since "$scratch/out" | tr '\n' ' ')" \
		"creation creation sample sample "
	"$mkpage" -o "$scratch/utf" 'header.name=\xc3\xbc\xff\xf0\x9f\x98\x80"'
	run -m "$scratch/utf" --json
	ok "names are UTF-8 in JSON, or what comes close" jq -e \
		'.name == "\u00fc\ufffd\ud83d\ude00\""' "$scratch/out"
	"$mkpage" -o "$scratch/utf" 'desc.1.name=\xc3\xbc' \
		'desc.2.name=\xf0\x9f\x98\x80' 'desc.3.name=\x7f'
	run -m "$scratch/utf" --json
	ok "so are those of counters" jq -e '.counters |
		has("\u00fc") and has("\ud83d\ude00") and has("\u007f")' \
		"$scratch/out"
	"$mkpage" -o "$scratch/utf" 'desc.1.name=a\xff' 'desc.2.name=a\xfe'
	run -m "$scratch/utf" --json
	ok "2: names that JSON could not tell apart" is $code 2
else
	skip "JSON is valid" "no jq"
fi
run -m "$page" --csv
ok "CSV has one heading" is "$(grep -c ^real_ns "$scratch/out")" 1
ok "and as many fields everywhere" \
	is "$(awk -F, '{ print NF }' "$scratch/out" | sort -u)" 10
"$mkpage" -o "$scratch/a,b" 'header.name=a,"b'
run -m "$scratch/a,b" --csv -f '^exits$'
ok "CSV quotes" out '/a,b","a,""b",creation'

# What a terminal must not see.
"$mkpage" -o "$scratch/evil" 'header.name=\x1b]0;x\x07\x9b31m' \
	'header.backend=\x1b[2J' 'desc.1.name=\x1b[31m\x0aa' \
	'desc.1.column=\x1b[H' 'desc.1.help=\x1b[1m' value.entries=1
for view in "" -e -a -l --json --csv; do
	# shellcheck disable=SC2086
	run -m "$scratch/evil" $view
	ok "no control character leaves ${view:-the summary}" \
		is "$(LC_ALL=C tr -d '\n\040-\176' <"$scratch/out" | wc -c)" 0
done

# Values that no machine can have.
huge=0xffffffffffffffff
"$mkpage" -o "$scratch/wild" value.entries=$huge value.time.guest=$huge \
	value.exit.fault=$huge value.exit.fault.time=$huge \
	value.exit.fault.hist.0=$huge value.exit.fault.hist.39=$huge \
	value.exit.debug=$huge value.space.map.pages=$huge desc.3.unit=$huge \
	desc.19.unit=0 desc.18.group=$huge header.created_mono_ns=1 \
	header.created_ticks=1 header.ended_mono_ns=$huge header.uid=$huge \
	header.pid=$huge header.ended_ticks=0x8000000000000000
for view in "" -e -a -l --json --csv "-l --json" "-e -k p99" "-k p99"; do
	# shellcheck disable=SC2086
	run -m "$scratch/wild" $view
	ok "wild values do no harm to ${view:-the summary}" is $code 0
done

# A machine that has ended knows the length of its ticks.
"$mkpage" -o "$scratch/ended" header.created_mono_ns=1000000000 \
	header.created_ticks=1000 header.ended_mono_ns=3000000000 \
	header.ended_ticks=4000001000 value.time.guest=1000000000 \
	value.exit.fault.hist.20=10
run -m "$scratch/ended"
ok "an ended page: 25 percent" out ' 25.0 '
ok "and p99 in time" out ' 1.05ms$'
run -m "$scratch/ended" -l
ok "and age" out ' 2.0s .*ended'

run -m "$page" -o "$scratch/file"
ok "-o writes to a file" grep -q demo "$scratch/file"
finish
