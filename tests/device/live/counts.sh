#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The instructions of an exit are no more than they are to be, where the clock
# counts them: in Bochs, and in QEMU with --icount.  They are taken over those
# of an ioctl that does nothing, so that another kernel is no failure; figures
# are of Debian's 6.1, where such an ioctl takes 572.  The other context and
# space are over the system call.
here=$(cd "$(dirname "$0")" && pwd)
count=${COUNT:-$here/../../../bench/vmmcount}

if [ -z "$LAB_COUNTS" ]; then
	echo "1..0 # SKIP no clock that counts instructions (tests/lab/run --icount)"
	exit 0
fi
lines=$("$count" vmm null_ioctl syscall_exit fault_exit breakpoint_exit \
    cpuid_exit demand_fault_4k context_switch) || echo "# vmmcount: $?"
echo "$lines" | awk -F '[:,"{}]+' '
$3 != "" { median[$3, $5] = $11 }
function tell(good, what) {
	printf "%s %d - %s\n", good ? "ok" : "not ok", ++n, what
}
function limit(name, backend, most, over,   is, goal) {
	is = median[name, backend]
	goal = most
	if (over == "")
		goal += median["null_ioctl", "vmm-device"] - 572
	else
		is -= median[over, backend]
	printf "# %s, %s: %d, at most %d\n", name, backend, is, goal
	tell(median[name, backend] > 0 && is <= goal, name ", " backend)
}
END {
	print "1..9"
	limit("syscall_exit", "vmm", 1300)
	limit("syscall_exit", "vmm-device", 1150)
	limit("fault_exit", "vmm-device", 1200)
	limit("breakpoint_exit", "vmm-device", 1200)
	limit("cpuid_exit", "vmm-device", vmx ? 450 : 600)
	limit("demand_fault_4k", "vmm-device", 2200)
	limit("context_switch", "vmm", 150, "syscall_exit")
	limit("context_switch", "vmm-device", 150, "syscall_exit")
	tell(median["null_ioctl", "vmm-device"] > 0, "an ioctl that does nothing")
}' vmx="$(grep -c -w -m 1 vmx /proc/cpuinfo)" -
