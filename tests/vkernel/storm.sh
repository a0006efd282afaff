#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Storms of fork and exec.
. "$(dirname "$0")/lib.sh"
guest_program storm
limit=300
on_each "fork and exec" storm.sh
finish
