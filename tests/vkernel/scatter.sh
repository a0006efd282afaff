#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# One process touches 300,000 scattered pages: more than the mappings that a
# host process may have, so stock User Mode Linux cannot.
. "$(dirname "$0")/lib.sh"
guest_program scatter
mem=2G
limit=400
expect=scatter.expect
on_each "300,000 scattered pages" scatter.sh
finish
