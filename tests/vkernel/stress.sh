#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What stress-ng's system-call stressors pass with stock User Mode Linux they
# pass on every backend.
. "$(dirname "$0")/lib.sh"
need stress-ng
mem=2G
limit=1000
on_each "stress-ng" stress.sh VK_SECONDS="${VK_SECONDS:-1}"
finish
