# SPDX-License-Identifier: BSD-2-Clause
# skips.awk - what was skipped inside of programs that passed, from Kyua's
# verbose report: a line for each reason, 80 columns wide.

# A program's tests have TAP's reason behind the test, or cmocka's before it:
#	# SKIP test: reason
#	not ok 7 # SKIP test
/^===> .*:main$/ {
	program = substr($0, 6)
	sub(/:main$/, "", program)
	delete reason
}
/^# SKIP [^ ]+: / {
	test = $3
	sub(/:$/, "", test)
	reason[test] = $0
	sub(/^# SKIP [^ ]+: /, "", reason[test])
}
/^(not )?ok [0-9]+.* # SKIP / || /^(not )?ok [0-9]+ # SKIP/ {
	why = $0
	sub(/^.*# SKIP */, "", why)
	if (why in reason)
		why = reason[why]
	if (why == "")
		why = "no reason"
	if (!(why in count))
		order[++reasons] = why
	count[why]++
	if (!((why, program) in seen)) {
		seen[why, program]
		if (programs[why]++ == 0)
			first[why] = program
	}
}

function show(text,    words, n, i, line) {
	n = split(text, words, " ")
	line = "   "
	for (i = 1; i <= n; i++) {
		if (length(line " " words[i]) > 80) {
			print line
			line = "       "
		}
		line = line " " words[i]
	}
	print line
}

END {
	for (i = 1; i <= reasons; i++) {
		why = order[i]
		more = programs[why] > 1 ? " and " programs[why] - 1 " more" : ""
		show(count[why] ": " why " (" first[why] more ")")
	}
}
