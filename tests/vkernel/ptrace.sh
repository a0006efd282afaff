#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Debuggers work inside the vkernel.
. "$(dirname "$0")/lib.sh"
guest_program ptrace
# Stock User Mode Linux gives the tracer its own floating-point registers, and
# every system of the host leaves TF behind when PUSHF is stepped.
exact=1
expect=ptrace.expect
on_each "ptrace" ptrace.sh
exact=
expect=
for tool in strace gdb; do
	if command -v $tool >/dev/null 2>&1; then
		on_each "$tool" $tool.sh
	else
		skip "$tool" "$tool is not installed"
	fi
done
finish
