#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The vkernel of the other series, the one that the other tests do not run,
# builds, boots and behaves the same.
series=6.1
[ "${VKERNEL_SERIES:-6.12}" = 6.12 ] &&
    [ -r /usr/src/linux-source-6.12.tar.xz ] || series=6.12
export VKERNEL_SERIES=$series
VKERNEL=
. "$(dirname "$0")/lib.sh"
on_each "$series boots to a shell" boot.sh
on_each "shell and coreutils on $series" coreutils.sh
guest_program threads -pthread
on_each "threads on $series" threads.sh
guest_program signals -lm
expect=signals.expect
on_each "faults and signals on $series" signals.sh
finish
