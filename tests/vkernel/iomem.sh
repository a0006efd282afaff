#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A file of the host as I/O memory (iomem=): memory of the machine besides the
# kernel's own.
. "$(dirname "$0")/lib.sh"
guest_program iomem
expect=iomem.expect
printf 'of the host' >"$work/iomem"
truncate -s 16384 "$work/iomem"
on_each "a host file as memory" iomem.sh iomem=mmapper,"$work/iomem"
# What the guests have written, one line from each backend that ran.
for b in $ran; do
	name="the file has what $b wrote"
	if tail -c 4096 "$work/iomem" | tr -d '\0' | grep -qx "$b"; then
		ok "$name"
	else
		tail -c 4096 "$work/iomem" | tr -d '\0' >"$work/why"
		not_ok "$name"
	fi
done
finish
