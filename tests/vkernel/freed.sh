#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Pages that a program has given back are out of its sight, where stock User
# Mode Linux 6.12 still shows some.
. "$(dirname "$0")/lib.sh"
guest_program freed
expect=freed.expect
on_each "freed pages are gone" freed.sh
finish
