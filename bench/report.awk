# SPDX-License-Identifier: BSD-2-Clause
# report.awk - from vmmbench's and uml/run's JSON lines to a table and ratios
# for people, 80 columns wide.

function field(name,    r) {
	if (!match($0, "\"" name "\":(\"[^\"]*\"|[0-9.]+)"))
		return ""
	r = substr($0, RSTART, RLENGTH)
	sub(/^[^:]*:/, "", r)
	gsub(/"/, "", r)
	return r
}

function figure(ns) {
	if (ns >= 1e9)
		return sprintf("%.2f s ", ns / 1e9)
	if (ns >= 1e7)
		return sprintf("%.1f ms", ns / 1e6)
	if (ns >= 1e6)
		return sprintf("%.2f ms", ns / 1e6)
	if (ns >= 1e5)
		return sprintf("%.0f us", ns / 1e3)
	if (ns >= 1e4)
		return sprintf("%.1f us", ns / 1e3)
	return sprintf("%.2f us", ns / 1e3)
}

# What one name and backend took to what another did, if both are there.
function ratio(an, ab, bn, bb, goal,    a, b, r, same, verdict) {
	a = an SUBSEP ab
	b = bn SUBSEP bb
	if (!(a in median) || !(b in median) || median[b] == 0 || least[b] == 0)
		return
	r = median[a] / median[b]
	verdict = ""
	if (goal != "")
		verdict = sprintf("  to reach %4s  %s", goal,
		    r <= goal + 0 ? "yes" : "no")
	if (!ratios++)
		printf "\n%-46s %6s %6s\n", "ratio", "median", "min"
	# The same thing elsewhere needs no second name.
	same = an
	sub(/_exit$/, "", same)
	printf "%-46s %6.2f %6.2f%s\n", ab " " an " / " (bn == an || \
	    bn == "ptrace_" same ? bb : bn), r, least[a] / least[b], verdict
}

/^\{/ {
	name = field("name")
	backend = field("backend")
	unit = field("unit")
	scale = unit == "s" ? 1e9 : unit == "ms" ? 1e6 : unit == "us" ? 1e3 : 1
	median[name, backend] = field("median") * scale
	least[name, backend] = field("min") * scale
	if (!lines++)
		printf "%-32s %-8s %12s %12s %9s\n", "name", "backend",
		    "median", "min", "samples"
	printf "%-32s %-8s %12s %12s %9d\n", name, backend,
	    figure(median[name, backend]), figure(least[name, backend]),
	    field("n")
}

END {
	if (!lines) {
		print "nothing was measured"
		exit 1
	}
	split("proc kvm vmm", library, " ")
	split("breakpoint_exit fault_only map_touch_unmap_1 " \
	    "map_touch_unmap_16 map_touch_unmap_512 space_create_destroy " \
	    "context_switch kick", works, " ")
	for (i = 1; i <= 3; i++) {
		b = library[i]
		p = b == "proc"
		if (p)
			ratio("syscall_exit", b, "ptrace_xstate_syscall",
			    "ptrace", "0.50")
		ratio("syscall_exit", b, "ptrace_syscall", "ptrace",
		    p ? "0.70" : "")
		if (p)
			ratio("syscall_exit_full", b, "ptrace_xstate_syscall",
			    "ptrace")
		ratio("syscall_exit_full", b, "ptrace_syscall", "ptrace")
		ratio("fault_exit", b, "ptrace_fault", "ptrace",
		    p ? "0.50" : "")
		for (k = 1; k in works; k++) {
			w = works[k]
			other = w
			sub(/_exit$/, "", other)
			ratio(w, b, "ptrace_" other, "ptrace")
		}
		if (b != "proc")
			ratio("syscall_exit", b, "raw_kvm_syscall", "raw-kvm",
			    b == "kvm" ? "1.10" : "")
	}
	for (i = 1; i <= 3; i++) {
		b = library[i]
		p = b == "proc"
		ratio("uml_getpid", b, "uml_getpid", "off", p ? "0.50" : "")
		ratio("uml_fault", b, "uml_fault", "off", p ? "0.33" : "")
		ratio("uml_fault_lone", b, "uml_fault_lone", "off",
		    p ? "0.33" : "")
		ratio("uml_fork_exec", b, "uml_fork_exec", "off",
		    p ? "0.40" : "")
		ratio("uml_build", b, "uml_build", "off", p ? "0.45" : "")
	}
}
