#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The laboratory fails where it should: an alarm, a skip, a trace, a program
# that is not in its list.
. "$(dirname "$0")/tree.sh"

python3 tests/lab/lib/selftest.py >"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	bad "tests/lab/lib/selftest.py fails"
}
finish
