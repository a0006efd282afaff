#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Faults, exceptions, registers and signals are the same on every backend.
. "$(dirname "$0")/lib.sh"
and_ptrace
guest_program signals -lm
# As native Linux prints it; stock User Mode Linux has one error code otherwise.
expect=signals.expect
on_each "faults and signals" signals.sh
finish
