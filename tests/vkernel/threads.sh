#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Threads behave the same on every backend.
. "$(dirname "$0")/lib.sh"
and_ptrace
guest_program threads -pthread
on_each "threads" threads.sh
finish
